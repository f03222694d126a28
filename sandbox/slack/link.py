"""Socket Mode: `apps.connections.open` gives a ticket, the ticket a WebSocket over which payloads and acknowledgements go."""

import asyncio
import contextlib

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from sandbox.slack.delivery import MOST_SOCKETS, Delivery, Socket
from sandbox.slack.workspace import Workspace

LIFE_SECONDS = 18_060.0
DEBUG_LIFE_SECONDS = 360.0
WARNING_SECONDS = 10.0
TICKET_SECONDS = 60.0


class Link:
    """The WebSocket endpoint. `life`: seconds until a connection is refreshed."""

    def __init__(self, *, space: Workspace, delivery: Delivery, life: float = LIFE_SECONDS) -> None:
        """See the class."""
        self._space, self._delivery, self._life = space, delivery, life
        self._tickets: dict[str, tuple[str, float]] = {}

    def ticket(self, app_id: str) -> str:
        """The URL for one connection of this app."""
        ticket = f"{self._space.ids.hex(8)}-{self._space.ids.hex(32)}"
        self._tickets[ticket] = (app_id, self._space.ids.now() + TICKET_SECONDS)
        base = "ws" + self._space.world.base_url.removeprefix("http")
        return f"{base}/slack/link/?ticket={ticket}&app_id={app_id}"

    async def serve(self, ws: WebSocket) -> None:
        """One connection, from its handshake to its end."""
        app_id, expires = self._tickets.pop(ws.query_params.get("ticket", ""), ("", 0.0))
        app = self._space.apps.get(app_id)
        if app is None or self._space.ids.now() > expires:
            await ws.close(4401)
            return
        await ws.accept()

        async def send(text: str) -> None:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect, OSError):
                if ws.application_state is WebSocketState.CONNECTED:
                    await ws.send_text(text)

        async def close() -> None:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect, OSError):
                await ws.close()

        socket = Socket(app_id, send, close)
        if len(self._delivery.line(app_id).sockets) >= MOST_SOCKETS:
            await send(_goodbye("too_many_websockets"))
            await close()
            return
        life = DEBUG_LIFE_SECONDS if ws.query_params.get("debug_reconnects") == "true" else self._life
        count = len(self._delivery.line(app_id).sockets) + 1
        await send(_hello(app_id, count, life))
        self._delivery.add(socket)
        refresh = asyncio.create_task(self._refresh(socket, life))
        try:
            while True:
                self._received(await ws.receive_text())
        except (WebSocketDisconnect, KeyError, RuntimeError):
            pass  # the client left, or sent bytes, which Socket Mode does not know
        finally:
            refresh.cancel()
            self._delivery.remove(socket)

    def _received(self, text: str) -> None:
        try:
            frame = orjson.loads(text)
        except orjson.JSONDecodeError:
            return
        if isinstance(frame, dict) and isinstance(frame.get("envelope_id"), str):
            self._delivery.acknowledged(frame["envelope_id"], frame.get("payload"))

    async def _refresh(self, socket: Socket, life: float) -> None:
        """Ten seconds ahead a warning, then the request to come again, then the end."""
        await asyncio.sleep(max(life - WARNING_SECONDS, life / 2))
        await socket.send(_goodbye("warning"))
        await asyncio.sleep(min(WARNING_SECONDS, life / 2))
        self._delivery.remove(socket)
        await socket.send(_goodbye("refresh_requested"))
        await asyncio.sleep(1)
        await socket.close()


def _hello(app_id: str, count: int, life: float) -> str:
    debug = {"host": "sandbox", "build_number": 1, "approximate_connection_time": int(life)}
    hello = {"type": "hello", "num_connections": count, "connection_info": {"app_id": app_id}, "debug_info": debug}
    return orjson.dumps(hello).decode()


def _goodbye(reason: str) -> str:
    return orjson.dumps({"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}}).decode()
