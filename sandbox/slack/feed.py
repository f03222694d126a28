"""Tells open pages that something which a person sees has changed, as server-sent events."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import orjson

_END = b""


class Feed:
    """The open streams by person. `tell` never waits: a page that does not read loses lines, and fetches again anyway."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        self._streams: dict[str, set[asyncio.Queue[bytes]]] = {}
        self._closed = False

    def tell(self, users: Iterable[str], what: str, channel: str | None = None) -> None:
        """Tell these people's pages that `what` changed."""
        line = b""
        for user in users:
            for stream in self._streams.get(user, ()):
                line = line or _line(what, channel)
                if not stream.full():
                    stream.put_nowait(line)

    def tell_all(self, what: str) -> None:
        """Tell every open page."""
        self.tell(list(self._streams), what)

    async def listen(self, user: str) -> AsyncIterator[bytes]:
        """The lines of one page: `hello` first, a comment every 15 s so that a dead connection shows."""
        stream: asyncio.Queue[bytes] = asyncio.Queue(maxsize=256)
        self._streams.setdefault(user, set()).add(stream)
        try:
            yield _line("hello", None)
            while not self._closed:
                try:
                    line = await asyncio.wait_for(stream.get(), timeout=15)
                except TimeoutError:
                    line = b": still here\n\n"
                if line == _END:
                    return
                yield line
        finally:
            self._streams[user].discard(stream)

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        for streams in self._streams.values():
            for stream in streams:
                if stream.full():
                    stream.get_nowait()
                stream.put_nowait(_END)


def _line(what: str, channel: str | None) -> bytes:
    body = {"what": what, "channel": channel} if channel else {"what": what}
    return b"data: " + orjson.dumps(body) + b"\n\n"
