"""The sandbox as one web application: the workspace's page, Slack, the platforms, the control interface, the product's web.

`create` builds it, `server` runs it so that it ends quickly, with open sockets and streams too. State for whoever embeds it:
`app.state.slack` (the `SlackStandIn`; `.ours` has `bot_token`, `app_token`, `signing_secret`; `.connected()` is an
asyncio.Event on the server's loop), `app.state.socket_connected` (a threading.Event that is set once our app's socket is
connected for the first time) and `app.state.product_url`, which may be set later.
"""

import asyncio
import contextlib
import importlib.util
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from sandbox.slack import control as slack_control
from sandbox.slack.standin import SlackStandIn
from sandbox.slack.web import Web
from sandbox.slack.webapi import ABORT
from sandbox.world import World

_PAGE = Path(__file__).parent / "page"
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
    "upgrade",
}  # fmt: skip


class Sandbox(Starlette):
    """Starlette that lets an endpoint cut the connection, as a fault of the network would."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class; the transport is uvicorn's, found through its bound `send`."""
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        if transport is not None:
            scope[ABORT] = transport.abort
        await super().__call__(scope, receive, send)


class _Proxy:
    """Passes `/app/…` on to the product's own web server: method, body, cookies and redirects untouched."""

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self._client = httpx.AsyncClient(follow_redirects=False, timeout=60, trust_env=False)

    async def serve(self, request: Request) -> Response:
        base = self._app.state.product_url
        if not base:
            return PlainTextResponse("the product's web server is not there", 502)
        path = request.scope["raw_path"].decode().partition("?")[0].removeprefix("/app")
        query = f"?{request.url.query}" if request.url.query else ""
        headers = [(k, v) for k, v in request.headers.raw if k.decode().lower() not in _HOP_BY_HOP]
        sent = self._client.build_request(
            request.method, f"{base.rstrip('/')}{path or '/'}{query}", headers=headers, content=await request.body()
        )
        sent.headers["host"] = request.headers.get("host", "")
        try:
            answer = await self._client.send(sent, stream=True)
        except httpx.TransportError:
            return PlainTextResponse("the product's web server is not there", 502)

        async def body() -> AsyncIterator[bytes]:
            async for chunk in answer.aiter_raw():
                yield chunk
            await answer.aclose()

        passed = StreamingResponse(body(), answer.status_code)
        passed.raw_headers = [(k.lower(), v) for k, v in answer.headers.raw if k.decode().lower() not in _HOP_BY_HOP]
        return passed

    async def close(self) -> None:
        await self._client.aclose()


def _page_routes() -> list[BaseRoute]:
    async def index(_: Request) -> Response:
        if not (_PAGE / "index.html").exists():
            return PlainTextResponse("The page of the workspace is not installed.", 404)
        return FileResponse(_PAGE / "index.html", headers={"Cache-Control": "no-cache"})

    static = StaticFiles(directory=_PAGE, check_dir=False)
    return [Route("/", index), Mount("/page/static", static)]


def _platform_routes(world: World, slack: SlackStandIn, more: dict[str, Any]) -> list[BaseRoute]:
    """The other platforms' rows and paths, when they are part of this installation."""
    if importlib.util.find_spec("sandbox.control") is None:
        return []
    platforms = importlib.import_module("sandbox.control")
    return list(platforms.routes(world, slack=slack, **more))


def create(
    world: World,
    *,
    product_url: str | None = None,
    now: Callable[[], float] = time.time,
    rate_limits: bool = False,
    scopes: Sequence[str] | None = None,
    shortcuts: Sequence[str] | None = None,
    platforms: dict[str, Any] | None = None,
    alone: bool = False,
) -> Starlette:
    """The whole sandbox; Slack `alone`, without the other platforms, when told so.

    `product_url` is where the product's web server listens, reached through `/app`.
    `rate_limits` switches Slack's real limits on; `scopes` and `shortcuts` are those of our app's manifest; `platforms` are
    further arguments of `sandbox.control.routes`.
    """
    slack = SlackStandIn(world=world, now=now, rate_limits=rate_limits, scopes=scopes, shortcuts=shortcuts)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async def first_socket() -> None:
            await slack.connected().wait()
            app.state.socket_connected.set()

        waiting = asyncio.create_task(first_socket())
        app.state.loop = asyncio.get_running_loop()
        yield
        waiting.cancel()
        await slack.close()
        await proxy.close()

    app = Sandbox(lifespan=lifespan)
    app.state.slack, app.state.product_url = slack, product_url
    app.state.socket_connected = threading.Event()
    proxy = _Proxy(app)
    app.router.routes += [
        *slack_control.routes(slack),
        *Web(slack=slack).routes(),
        *([] if alone else _platform_routes(world, slack, platforms or {})),
        Route("/app", proxy.serve, methods=_METHODS),
        Route("/app/{path:path}", proxy.serve, methods=_METHODS),
        *_page_routes(),
    ]
    return app


class Server(uvicorn.Server):
    """uvicorn that first ends the streams and sockets which would otherwise keep it waiting."""

    def __init__(self, app: Starlette, *, handle_signals: bool = True) -> None:
        """`handle_signals`: off when it runs in a thread, or when somebody else listens for them."""
        super().__init__(
            uvicorn.Config(
                app, log_level="warning", access_log=False, timeout_graceful_shutdown=1, lifespan="on",
                ws_ping_interval=10, ws_ping_timeout=20,
                ws_per_message_deflate=False, backlog=4096,
                h11_max_incomplete_event_size=4 << 20,  # Meta's SDK removes 10,000 members in an address of 730 KB
            )
        )  # fmt: skip
        self._app, self._handle_signals = app, handle_signals

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End within two seconds."""
        self._app.state.slack.feed.close()
        await self._app.state.slack.delivery.drop_sockets()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """As uvicorn, or not at all."""
        if not self._handle_signals:
            yield
            return
        with super().capture_signals():
            yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The second signal changes nothing."""
        if not self.should_exit:
            super().handle_exit(sig, frame)


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1; port 0 picks a free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # accepted sockets inherit it; without it headers and body wait 40 ms for each other
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(4096)
    return listener


def server(app: Starlette, *, handle_signals: bool = True) -> Server:
    """A server for the sandbox; run it with `server.run(sockets=[listen(port)])`, stop it with `should_exit = True`."""
    return Server(app, handle_signals=handle_signals)
