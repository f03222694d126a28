"""Questions to platforms on executors of their own, one a platform: a platform that hangs makes nothing else wait."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from bot.carrying import Carrying
from bot.errors import answer_of
from core.errors import SegsyncError, SourceUnavailable, Unavailable
from core.models import Channel

PATIENCE_S = 10.0
LAID_S = 0.4  # until a view that came with an acknowledgement is surely on screen
T = TypeVar("T")


class Asking:
    """The second and third beat of what is slow."""

    def __init__(self, *, threads: int = 8, patience_s: float = PATIENCE_S) -> None:
        self._pools = {c: Carrying(threads, thread_name_prefix=f"ask-{c.value}") for c in Channel}
        self._sources = Carrying(threads, thread_name_prefix="count")
        self._patience_s = patience_s

    def ask(
        self, channel: Channel, work: Callable[[], T], show: Callable[[T | SegsyncError], None], *, after_s: float = 0
    ) -> None:
        """Calls `show` exactly once: with the answer, with what went wrong, or after ten seconds with that.

        `after_s`: not before that long. A view that the acknowledgement itself lays is not there at once: an answer that is
        quicker would be overwritten by it.
        """
        late = Unavailable(f"{channel.label} has not answered within {round(self._patience_s)} seconds.")
        self._ask(self._pools[channel], work, show, late, after_s=after_s)

    def count(self, work: Callable[[], T], show: Callable[[T | SegsyncError], None]) -> None:
        """The same for what reads a source."""
        late = SourceUnavailable(f"Counting takes longer than {round(self._patience_s)} seconds; the sync works all the same.")
        self._ask(self._sources, work, show, late)

    def later(self, work: Callable[[], T], show: Callable[[T | SegsyncError], None], *, after_s: float = 0) -> None:
        """What may take long: `show` is called with the answer whenever it comes, but not before `after_s`; see `ask`."""
        begun = time.monotonic()

        def run() -> None:
            answer = answer_of(work)
            _wait_until(begun + after_s)
            answer_of(lambda: show(answer))

        self._sources.submit(run)

    def _ask(
        self,
        pool: Carrying,
        work: Callable[[], T],
        show: Callable[[T | SegsyncError], None],
        late: SegsyncError,
        *,
        after_s: float = 0,
    ) -> None:
        first, begun = threading.Lock(), time.monotonic()

        def once(answer: T | SegsyncError) -> None:
            if first.acquire(blocking=False):
                answer_of(lambda: show(answer))

        timer = threading.Timer(self._patience_s, once, [late])
        timer.daemon = True
        timer.start()

        def run() -> None:
            answer = answer_of(work)
            timer.cancel()
            _wait_until(begun + after_s)
            once(answer)

        pool.submit(run)

    def begin(self, channel: Channel, work: Callable[[], T]) -> "Future[T | SegsyncError]":
        """The same as a future, for whoever can wait a moment."""
        return self._pools[channel].submit(answer_of, work)

    def stop(self) -> None:
        """No more questions."""
        for pool in (*self._pools.values(), self._sources):
            pool.shutdown(wait=False, cancel_futures=True)


def _wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
