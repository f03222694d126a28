"""Refreshes in this process: some threads that claim and execute, woken by whoever enqueues and by the clock."""

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)


class LocalJobs:
    """Threads that call `execute_next` until it has nothing to do, then sleep until woken or `idle_s` have passed.

    The claim in the database decides who executes what, so any number of processes may run this beside each other.
    """

    def __init__(
        self, *, execute_next: Callable[[], bool], stop_taking: Callable[[], None], workers: int, idle_s: float = 2.0
    ) -> None:
        self._execute_next, self._stop_taking = execute_next, stop_taking
        self._idle_s = idle_s
        self._wakened = threading.Semaphore(0)
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._work, name=f"refresh-{n}", daemon=True) for n in range(workers)]

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether every thread still works."""
        return all(thread.is_alive() for thread in self._threads)

    def wake(self) -> None:
        """There may be a refresh to claim."""
        self._wakened.release()

    def stop(self, timeout_s: float = 15.0) -> None:
        """Takes nothing new and ends the threads; what runs is handed back. Waits at most `timeout_s` in all."""
        self._stop_taking()
        self._stopping.set()
        for _ in self._threads:
            self._wakened.release()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout_s / max(len(self._threads), 1))

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                busy = self._execute_next()
            except Exception:
                logger.exception("A refresh ended with an unexpected error; its lease will lapse and it will be tried again.")
                busy = False
            if not busy:
                self._wakened.acquire(timeout=self._idle_s)
