"""An ASGI app served on a thread of its own, and the pages that whoever watches asks every part for."""

import threading
from collections.abc import Callable

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp


class Serving:
    """Serves one app at one address."""

    def __init__(self, app: ASGIApp, *, host: str, port: int) -> None:
        self._server = uvicorn.Server(uvicorn.Config(app, host=host, port=port, log_level="warning", access_log=False))
        self._thread = threading.Thread(target=self._server.run, name=f"web-{port}", daemon=True)

    def start(self) -> None:
        """Requests are answered soon after."""
        self._thread.start()

    def stop(self) -> None:
        """Takes no more requests; those that are there are answered first, for a moment."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(2)


def health(*, alive: Callable[[], bool], ready: Callable[[], bool]) -> list[Route]:
    """`/healthz`: nothing but a new start would help if it says no; `/readyz`: whether this process can do its work now."""

    def route(path: str, is_well: Callable[[], bool]) -> Route:
        return Route(path, lambda _: PlainTextResponse("ok") if is_well() else PlainTextResponse("not ready", 503))

    return [route("/healthz", alive), route("/readyz", ready)]
