"""Brings payloads to apps, by Socket Mode or by HTTP, and waits for the acknowledgement.

Socket Mode: each payload goes to one of the app's sockets, in turn. HTTP: signed `v0=`, three seconds. Events that nobody
acknowledged are sent again at once, after a minute and after five (docs.slack.dev, Events API); commands and interactions
are not: their person sees an error instead.
"""

import asyncio
import hashlib
import hmac
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx
import orjson

from sandbox.slack.ids import Ids
from sandbox.slack.state import JSON, App

T = TypeVar("T")
ACK_SECONDS = 3.0
RETRY_AFTER = (0.0, 60.0, 300.0)
MOST_SOCKETS = 10


@dataclass
class Ack:
    """How the app took a payload: `body` is what the acknowledgement carried, `error` why there was none."""

    body: Any = None
    error: str | None = None
    no_retry: bool = False


@dataclass(frozen=True)
class Delivered:
    """One payload as the app received it, what it answered, and after how many milliseconds; for people who build apps."""

    at: float
    app: str
    kind: str
    payload: JSON
    answer: Any
    took_ms: int

    def concerns(self, user: str) -> bool:
        """Whether this person's act, or an event about them, was brought."""
        payload = self.payload
        whose = [payload.get("user"), payload.get("user_id"), payload.get("event", {}).get("user")]
        return user in [who["id"] if isinstance(who, dict) else who for who in whose]


@dataclass(eq=False)
class Socket:
    """One open Socket Mode connection."""

    app_id: str
    send: Callable[[str], Awaitable[None]]
    close: Callable[[], Awaitable[None]]


@dataclass
class _Line:
    """The sockets of one app, and a place to wait for the first of them."""

    sockets: list[Socket] = field(default_factory=list)
    turn: int = 0
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    ever: bool = False  # had a socket once: events wait for the next one


class Delivery:
    """See the module."""

    def __init__(self, *, ids: Ids, retry_after: tuple[float, ...] = RETRY_AFTER) -> None:
        """`retry_after`: the pauses before the three retries of an event, in seconds."""
        self._ids, self._retry_after = ids, retry_after
        self._lines: dict[str, _Line] = {}
        self._waiting: dict[str, asyncio.Future[Ack]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._client: httpx.AsyncClient | None = None
        self._verified: set[tuple[str, str]] = set()
        self.record: deque[Delivered] = deque(maxlen=200)

    # sockets

    def line(self, app_id: str) -> _Line:
        """The sockets of this app."""
        return self._lines.setdefault(app_id, _Line())

    def connected(self, app_id: str) -> asyncio.Event:
        """Set while the app has a socket."""
        return self.line(app_id).connected

    def add(self, socket: Socket) -> int:
        """Take this socket into the turn; answers how many there are now."""
        line = self.line(socket.app_id)
        line.sockets.append(socket)
        line.ever = True
        line.connected.set()
        return len(line.sockets)

    def remove(self, socket: Socket) -> None:
        """The socket closed, or is about to."""
        line = self.line(socket.app_id)
        if socket in line.sockets:
            line.sockets.remove(socket)
        if not line.sockets:
            line.connected.clear()

    def acknowledged(self, envelope_id: str, body: Any) -> None:
        """An app answered an envelope."""
        waiting = self._waiting.get(envelope_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(Ack(body))

    async def disconnect(self, app_id: str, reason: str) -> None:
        """Tell every socket of the app to go away, and close it."""
        text = orjson.dumps({"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}}).decode()
        for socket in list(self.line(app_id).sockets):
            self.remove(socket)
            await socket.send(text)
            await socket.close()

    def leave_after(self, app_id: str, under_way: list[asyncio.Task[None]]) -> None:
        """Once these deliveries are done (or two seconds passed), tell the app's sockets that its link is disabled."""

        async def leave() -> None:
            if under_way:
                await asyncio.wait(under_way, timeout=2)
            await self.disconnect(app_id, "link_disabled")

        self.keep(asyncio.get_running_loop().create_task(leave()))

    def keep(self, task: asyncio.Task[T]) -> asyncio.Task[T]:
        """Hold on to a task that nobody waits for, until it is done or the stand-in closes."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drop_sockets(self) -> None:
        """Close every socket of every app without a word."""
        for line in self._lines.values():
            for socket in list(line.sockets):
                self.remove(socket)
                await socket.close()

    def reachable(self, app: App) -> bool:
        """Whether a payload has somewhere to go right now."""
        return bool(app.installed and (app.request_url or self.line(app.id).sockets))

    def expects(self, app: App) -> bool:
        """Whether events for the app are worth keeping: it is there, or was and may come back."""
        return bool(app.installed and (app.request_url or self.line(app.id).ever))

    # payloads

    async def ask(self, app: App, kind: str, payload: JSON, *, accepts: bool) -> Ack:
        """Bring a command or an interaction to the app; the answer within three seconds, or `operation_timeout`."""
        begun = time.monotonic()
        if app.request_url:
            form = payload if kind == "slash_commands" else {"payload": orjson.dumps(payload).decode()}
            body = urlencode(form).encode()
            ack = await self._post(app, body, "application/x-www-form-urlencoded", {})
        else:
            ack = await self._by_socket(app, {"type": kind, "payload": payload, "accepts_response_payload": accepts})
        self._note(app, kind, payload, ack, begun)
        return ack

    def _note(self, app: App, kind: str, payload: JSON, ack: Ack, begun: float) -> None:
        took = round(1000 * (time.monotonic() - begun))
        self.record.append(Delivered(self._ids.now(), app.name, kind, payload, ack.error or ack.body, took))

    def event(self, app: App, payload: JSON) -> asyncio.Task[None]:
        """Bring an event to the app, again if need be; the task ends with the first acknowledgement or the last try."""
        return self.keep(asyncio.get_running_loop().create_task(self._event(app, payload)))

    async def _event(self, app: App, payload: JSON) -> None:
        reason = ""
        for attempt, pause in enumerate((None, *self._retry_after)):
            if pause is not None:
                await asyncio.sleep(pause)
            if not app.installed and payload["event"]["type"] not in ("app_uninstalled", "tokens_revoked"):
                return
            begun = time.monotonic()
            if app.request_url:
                headers = {"x-slack-retry-num": str(attempt), "x-slack-retry-reason": reason} if attempt else {}
                ack = await self._verified_post(app, orjson.dumps(payload), headers)
            else:
                envelope = {
                    "type": "events_api",
                    "payload": payload,
                    "accepts_response_payload": False,
                    "retry_attempt": attempt,
                    "retry_reason": reason,
                }
                ack = await self._by_socket(app, envelope)
            self._note(app, "events_api", payload, ack, begun)
            if ack.error is None or ack.no_retry:
                return
            reason = {"operation_timeout": "http_timeout" if app.request_url else "timeout"}.get(ack.error, ack.error)

    async def _by_socket(self, app: App, envelope: JSON) -> Ack:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ACK_SECONDS
        line = self.line(app.id)
        envelope_id = f"{self._ids.hex(8)}-{self._ids.hex(4)}-4{self._ids.hex(3)}-a{self._ids.hex(3)}-{self._ids.hex(12)}"
        waiting: asyncio.Future[Ack] = loop.create_future()
        self._waiting[envelope_id] = waiting
        try:
            async with asyncio.timeout_at(deadline):
                if not line.sockets:
                    await line.connected.wait()
                line.turn += 1
                socket = line.sockets[line.turn % len(line.sockets)]
                await socket.send(orjson.dumps({"envelope_id": envelope_id, **envelope}).decode())
                return await waiting
        except TimeoutError:
            return Ack(error="operation_timeout")
        finally:
            del self._waiting[envelope_id]

    # HTTP

    async def _verified_post(self, app: App, body: bytes, headers: dict[str, str]) -> Ack:
        """An event goes only to a URL that has answered Slack's challenge."""
        url = app.request_url or ""
        if (app.id, url) not in self._verified:
            challenge = self._ids.letters(52)
            asked = {"token": app.verification_token, "challenge": challenge, "type": "url_verification"}
            ack = await self._post(app, orjson.dumps(asked), "application/json", {})
            answer = ack.body
            if isinstance(answer, dict):
                answer = answer.get("challenge") or answer.get("text")
            if ack.error or answer != challenge:
                return Ack(error=ack.error or "http_error")
            self._verified.add((app.id, url))
        return await self._post(app, body, "application/json", headers)

    async def _post(self, app: App, body: bytes, kind: str, headers: dict[str, str]) -> Ack:
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=ACK_SECONDS, max_redirects=2, follow_redirects=True, trust_env=False,
                limits=httpx.Limits(max_connections=256, max_keepalive_connections=64),
            )  # fmt: skip
        signed = signature_headers(app.signing_secret, body, int(self._ids.now()))
        try:
            async with asyncio.timeout(ACK_SECONDS):
                answer = await self._client.post(
                    app.request_url or "", content=body, headers={"Content-Type": kind, **signed, **headers}
                )
        except (TimeoutError, httpx.TimeoutException):
            return Ack(error="operation_timeout")
        except httpx.TooManyRedirects:
            return Ack(error="too_many_redirects")
        except httpx.TransportError:
            return Ack(error="connection_failed")
        return _ack(answer)

    async def close(self) -> None:
        """Stop retrying, forget sockets, close connections."""
        for task in list(self._tasks):
            task.cancel()
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def _ack(answer: httpx.Response) -> Ack:
    """What an app's HTTP answer means: JSON, or plain text, or nothing."""
    if not answer.is_success:
        return Ack(error="http_error", no_retry=answer.headers.get("x-slack-no-retry") == "1")
    if not answer.content.strip():
        return Ack()
    try:
        return Ack(orjson.loads(answer.content))
    except orjson.JSONDecodeError:
        return Ack({"text": answer.text})


def signature_headers(secret: str, body: bytes, timestamp: int) -> dict[str, str]:
    """The headers with which an app recognises Slack (docs.slack.dev, verifying requests)."""
    text = b"v0:" + str(timestamp).encode() + b":" + body
    digest = hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": str(timestamp), "X-Slack-Signature": f"v0={digest}", "User-Agent": "Slackbot 1.0"}
