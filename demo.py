"""`segsync demo`: the sandbox in this process, the product as a child that knows nothing of it but other base URLs."""

import base64
import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import webbrowser
from pathlib import Path
from typing import Any

from sandbox.app import Server, create, listen, server
from sandbox.world import World

HOST = "127.0.0.1"


def serve(*, port: int, data: Path | None, browser: bool, empty: bool, web_port: int | None = None) -> int:
    """Serves until SIGTERM or Ctrl-C; prints `ready URL` once a command can be typed. The exit code.

    `web_port`: the product is started by somebody else, with the settings in `rehearsal.env`, and serves its pages there.
    """
    if data is None:
        with tempfile.TemporaryDirectory(prefix="segsync-demo-", ignore_cleanup_errors=True) as folder:
            return _Demo(port=port, data=Path(folder), browser=browser, empty=empty, web_port=web_port).serve()
    data.mkdir(parents=True, exist_ok=True)
    return _Demo(port=port, data=data.resolve(), browser=browser, empty=empty, web_port=web_port).serve()


class _Demo:
    """One running demo: a listening socket, the sandbox's server, the product's process."""

    def __init__(self, *, port: int, data: Path, browser: bool, empty: bool, web_port: int | None) -> None:
        self._data, self._browser, self._empty, self._is_alone = data, browser, empty, web_port is not None
        self._listening = listen(port)
        self._url = f"http://{HOST}:{self._listening.getsockname()[1]}"
        self._product_port = web_port or _free_port()
        self._stopping = threading.Event()
        self._product: subprocess.Popen[bytes] | None = None
        self._app = create(World(base_url=self._url, data=data), product_url=f"http://{HOST}:{self._product_port}")

    def serve(self) -> int:
        serving = server(self._app, handle_signals=False)
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: self._stop(serving))
        beside = threading.Thread(target=self._run_product, args=(serving,), daemon=True)
        beside.start()
        try:
            serving.run(sockets=[self._listening])
        finally:
            self._stopping.set()
            self._end_product()
            beside.join(3)
        return 0

    def _stop(self, serving: Server) -> None:
        self._stopping.set()
        serving.should_exit = True

    def _run_product(self, serving: Server) -> None:
        while not serving.started:
            if self._stopping.wait(0.02):
                return
        if self._is_alone:
            self._write_settings()
            self._say_ready()
            return
        environment = self._environment()
        self._child("seed", environment).wait()
        first = True
        while not self._stopping.is_set():
            self._product = self._child("run", environment)
            if first:
                self._announce()
                first = False
            self._product.wait()  # a product that dies is started again: nothing may be lost by that

    def _child(self, what: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "cli", "run", "--with-parent"]
        if what == "seed":
            command = [sys.executable, "-m", "demo_seed", self._url, "empty" if self._empty else "full"]
        return subprocess.Popen(  # noqa: S603 - our own interpreter
            command, env=environment, stdin=subprocess.PIPE, cwd=Path(__file__).parent, start_new_session=True
        )

    def _announce(self) -> None:
        while not self._app.state.socket_connected.wait(0.1):
            if self._stopping.is_set():
                return
        self._say_ready()

    def _say_ready(self) -> None:
        print(f"ready {self._url}", flush=True)  # noqa: T201 - the one line that others wait for
        if self._browser:
            webbrowser.open(self._url)

    def _end_product(self) -> None:
        product = self._product
        if product is None or product.poll() is not None:
            return
        product.send_signal(signal.SIGTERM)
        try:
            product.wait(3)
        except subprocess.TimeoutExpired:
            product.kill()
            product.wait()

    def _environment(self) -> dict[str, str]:
        return os.environ | self._rehearsal.environment(self._product_port)

    @property
    def _rehearsal(self) -> "Rehearsal":
        return Rehearsal(self._url, self._data, self._app.state.slack.ours)

    def _write_settings(self) -> None:
        """What every part of the product needs to live here; its database, and a bot's port, are the operator's choice."""
        settings = self._rehearsal.environment(self._product_port)
        theirs = ("SEGSYNC_DATABASE_URL", "SEGSYNC_WEB_PORT")
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in settings.items() if name not in theirs]
        path = self._data / "rehearsal.env"
        path.touch(mode=0o600)
        path.write_text("".join(lines))
        print(f"settings {path}", flush=True)  # noqa: T201 - what the operator reads next


class Rehearsal:
    """The settings with which the product lives in a sandbox: other addresses, shorter waits, nothing else."""

    def __init__(self, url: str, data: Path, ours: Any) -> None:
        """`ours`: the app in the sandbox's workspace."""
        self._url, self._data, self._ours = url, data, ours

    @staticmethod
    def free_port() -> int:
        """A port that nobody listens on now."""
        return _free_port()

    def environment(self, port: int) -> dict[str, str]:
        """For a process that serves its pages on this port."""
        settings: dict[str, Any] = {
            "DATABASE_URL": f"sqlite:///{self._data / 'segsync.db'}",
            "DATA_DIR": str(self._data / "product"),
            "KEYS": json.dumps({"demo": _key(self._data)}),
            "SLACK_BOT_TOKEN": self._ours.bot_token,
            "SLACK_APP_TOKEN": self._ours.app_token,
            "SLACK_SIGNING_SECRET": self._ours.signing_secret,
            "SLACK_API_URL": f"{self._url}/slack/api/",
            "PUBLIC_URL": f"{self._url}/app",
            "WEB_HOST": HOST,
            "WEB_PORT": str(port),
            "SLACK_LIMITS": "false",  # the stand-in has none unless it is told to
            "TICK_S": "1",
            "LEASE_S": "15",
            "RETRY_WAITS_S": "[1, 2, 4, 8, 16]",
            "CLOCK_FILE": str(self._data / "clock"),
            "SOURCES": json.dumps(
                [{"kind": "files", "name": "files", "folder": str(self._data / "segments"), "consent": "consent"}]
            ),
            "META": json.dumps(
                {
                    "client_id": "demo-meta",
                    "client_secret": "demo-meta-secret",
                    "api_url": f"{self._url}/meta",
                    "auth_url": f"{self._url}/meta",
                    "settle_s": 2,
                }
            ),
            "LINKEDIN": json.dumps(
                {
                    "client_id": "demo-linkedin",
                    "client_secret": "demo-linkedin-secret",
                    "api_url": f"{self._url}/linkedin",
                    "auth_url": f"{self._url}/linkedin",
                    "version": "202511",  # the stand-in serves it whatever the date
                    "timeout_s": 10,
                    "settle_s": 2,
                }
            ),
            "GOOGLE": json.dumps(
                {
                    "client_id": "demo-google",
                    "client_secret": "demo-google-secret",
                    "api_url": f"{self._url}/google",
                    "auth_url": f"{self._url}/google",
                    "mobile_app_id": "com.acme.shop",
                    "timeout_s": 10,
                    "poll_s": 0.5,
                    "settle_s": 2,
                }
            ),
        }
        return {f"SEGSYNC_{name}": value for name, value in settings.items()}


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _key(data: Path) -> str:
    """The demo's own key, kept beside its state: made once a folder."""
    path = data / "key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    return path.read_text()
