"""An ASGI app served on a thread of its own, and the pages that whoever watches asks every part for."""

import socket
import threading
from collections.abc import Callable

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from core.errors import ConfigError


class Serving:
    """Serves one app at one address."""

    def __init__(self, app: ASGIApp, *, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._server = uvicorn.Server(uvicorn.Config(app, host=host, port=port, log_level="warning", access_log=False))

    def start(self) -> None:
        """Requests are answered soon after. Raises ConfigError where nobody can listen, as when somebody else does."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            listening = socket.create_server((self._host, self._port), family=family, backlog=2048)
        except OSError as error:
            raise ConfigError(f"Nobody can listen on {self._host}:{self._port}: {error.strerror or error}.") from error
        run = self._server.run
        self._thread = threading.Thread(target=run, kwargs={"sockets": [listening]}, name=f"web-{self._port}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Takes no more requests; those that are there are answered first, for a moment."""
        self._server.should_exit = True
        self._thread.join(2)


def health(*, alive: Callable[[], bool], ready: Callable[[], bool]) -> list[Route]:
    """`/healthz`: nothing but a new start would help if it says no; `/readyz`: whether this process can do its work now."""

    def route(path: str, is_well: Callable[[], bool]) -> Route:
        return Route(path, lambda _: PlainTextResponse("ok") if is_well() else PlainTextResponse("not ready", 503))

    return [route("/healthz", alive), route("/readyz", ready)]
