"""Starts the stand-ins on a free port in this process, and drives them through their control interface."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from sandbox.app import Server, create, listen
from sandbox.slack.standin import SlackStandIn
from sandbox.world import World

MIA, ANA, GUS = "U03MIACHEN", "U01ANARUIZ", "U06GUSPAR"
GENERAL = "C01GENERAL"


class Drive:
    """One running sandbox."""

    def __init__(self, base: str, server: Server, slack: SlackStandIn, data: Path) -> None:
        self.base, self.server, self.slack, self.data = base, server, slack, data
        self.loop: asyncio.AbstractEventLoop
        self.http = httpx.Client(base_url=base, timeout=20, trust_env=False)

    def post(self, row: str, **body: Any) -> Any:
        """A control row that has to succeed."""
        answer = self.http.post(f"/control/{row}", json=body)
        assert answer.status_code == 200, (row, answer.status_code, answer.text)
        return answer.json()

    def refused(self, row: str, **body: Any) -> int:
        """A control row that has to fail; its status."""
        answer = self.http.post(f"/control/{row}", json=body)
        assert "error" in answer.json()
        return answer.status_code

    def screen(self, user: str = MIA) -> Any:
        return self.http.get("/control/screen", params={"user": user}).json()

    def messages(self, channel: str = GENERAL, user: str = MIA) -> list[Any]:
        found = self.screen(user)["channels"][channel]
        assert isinstance(found, list)
        return found

    def until(self, there: Callable[[], Any], seconds: float = 8.0) -> Any:
        """Waits for something to become true, without guessing for how long: the page's events say when to look."""
        ready = threading.Event()

        def poll() -> None:
            while not ready.is_set():
                value = there()
                if value:
                    found.append(value)
                    ready.set()
                ready.wait(0.02)

        found: list[Any] = []
        thread = threading.Thread(target=poll, daemon=True)
        thread.start()
        came = ready.wait(seconds)
        ready.set()
        thread.join(5)
        assert came, "did not come to be in time"
        return found[0]

    def on_loop(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Runs a coroutine of the stand-in on its own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(5)

    def dm(self, user: str, bot: str = "U01SEGSYNC") -> str:
        found = self.http.get("/page/details", params={"user": user}).json()["apps"]
        return next(str(app["dm"]) for app in found if app["id"] == bot)

    def web(self, token: str | None = None) -> WebClient:
        return WebClient(token=token or self.slack.ours.bot_token, base_url=f"{self.base}/slack/api/")


@contextlib.contextmanager
def running(data: Path, **options: Any) -> Iterator[Drive]:
    """A sandbox that serves until the end of the block."""
    listener = listen(0)
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = create(World(base_url=base, data=data), alone=True, **options)
    server = Server(app, handle_signals=False)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    drive = Drive(base, server, app.state.slack, data)
    drive.http.get("/control/people")  # answers once the loop runs
    drive.loop = app.state.loop
    try:
        yield drive
    finally:
        drive.http.close()
        server.should_exit = True
        thread.join(5)
        assert not thread.is_alive(), "the sandbox did not end in time"


@contextlib.contextmanager
def bolt(drive: Drive, prepare: Callable[[App], None], *, bot: str | None = None, link: str | None = None) -> Iterator[App]:
    """A Bolt app over Socket Mode: ours unless tokens are given."""
    pool = ThreadPoolExecutor(16)
    app = App(client=drive.web(bot), listener_executor=pool)
    prepare(app)
    handler = SocketModeHandler(app, link or drive.slack.ours.app_token)
    handler.connect()
    try:
        yield app
    finally:
        handler.client.auto_reconnect_enabled = False
        drive.on_loop(drive.slack.delivery.drop_sockets())  # the SDK's own close waits up to three seconds for a byte
        drive.until(lambda: not handler.client.is_connected())
        handler.close()
        pool.shutdown()
