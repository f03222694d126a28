"""The time: the machine's, the database's where several machines share one, or the demo's, which a file moves forward."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

_ASK_AGAIN_S = 60.0


class SystemClock:
    """Now. `offset_file` holds seconds ahead of the real time as text; a missing or unreadable one means none.

    `shared`: seconds since 1970 by the clock that all machines go by, None where there is none or it cannot be asked now. Leases
    end by it: of two machines whose own clocks differ neither takes the other for dead. `wall`: this machine's clock.
    """

    def __init__(
        self,
        offset_file: Path | None = None,
        *,
        shared: Callable[[], float | None] = lambda: None,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._offset_file, self._shared, self._wall, self._monotonic = offset_file, shared, wall, monotonic
        self._asked: float | None = None
        self._beside, self._lock = 0.0, threading.Lock()

    def now(self) -> datetime:
        """The present, aware, UTC."""
        return datetime.fromtimestamp(self._wall() + self._behind() + self._moved(), UTC)

    def _moved(self) -> float:
        try:
            return float(self._offset_file.read_text()) if self._offset_file else 0.0
        except (OSError, ValueError):
            return 0.0

    def _behind(self) -> float:
        """By how much this machine's clock is behind, asked now and then by one at a time."""
        at = self._monotonic()
        if (self._asked is None or at - self._asked >= _ASK_AGAIN_S) and self._lock.acquire(blocking=self._asked is None):
            try:
                begun = self._wall()
                told = self._shared()
                self._beside = self._beside if told is None else told - (begun + self._wall()) / 2
                self._asked = at
            finally:
                self._lock.release()
        return self._beside
