"""Questions to platforms on executors of their own, one a platform: a platform that hangs makes nothing else wait."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from bot.errors import answer_of
from core.errors import SegsyncError, Unavailable
from core.models import Channel

PATIENCE_S = 10.0
T = TypeVar("T")


class Asking:
    """The second and third beat of what is slow."""

    def __init__(self, *, threads: int = 8, patience_s: float = PATIENCE_S) -> None:
        self._pools = {c: ThreadPoolExecutor(threads, thread_name_prefix=f"ask-{c.value}") for c in Channel}
        self._patience_s = patience_s

    def ask(self, channel: Channel, work: Callable[[], T], show: Callable[[T | SegsyncError], None]) -> None:
        """Calls `show` exactly once: with the answer, with what went wrong, or after ten seconds with that."""
        first = threading.Lock()

        def once(answer: T | SegsyncError) -> None:
            if first.acquire(blocking=False):
                answer_of(lambda: show(answer))

        late = Unavailable(f"{channel.label} has not answered within {round(self._patience_s)} seconds.")
        timer = threading.Timer(self._patience_s, once, [late])
        timer.daemon = True
        timer.start()

        def run() -> None:
            answer = answer_of(work)
            timer.cancel()
            once(answer)

        self._pools[channel].submit(run)

    def begin(self, channel: Channel, work: Callable[[], T]) -> "Future[T | SegsyncError]":
        """The same as a future, for whoever can wait a moment."""
        return self._pools[channel].submit(answer_of, work)

    def stop(self) -> None:
        """No more questions."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
