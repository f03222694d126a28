"""APScheduler: which job runs when. No logic of its own: the due times live in the database, and every job is idempotent."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from apscheduler.schedulers.background import BackgroundScheduler

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tick:
    """One job of the clock: `run` may be called by any number of processes at the same moment."""

    name: str
    every: timedelta
    run: Callable[[], object]


class Clockwork:
    """A scheduler over these ticks: started once, stopped once. Missed times coalesce to one; a job never overlaps itself.

    The job store is the memory on purpose: a shared one fires each slot once a scheduler (APScheduler's FAQ, "How do I
    share a single job store among one or more worker processes?").
    """

    def __init__(self, ticks: Sequence[Tick]) -> None:
        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        self._scheduler = BackgroundScheduler(timezone="UTC", job_defaults=defaults)
        for tick in ticks:
            self._scheduler.add_job(_guarded(tick), "interval", seconds=tick.every.total_seconds(), id=tick.name, name=tick.name)

    def start(self) -> None:
        """Starts ticking."""
        self._scheduler.start()

    def stop(self) -> None:
        """Ends without waiting for a job that runs."""
        self._scheduler.shutdown(wait=False)


def _guarded(tick: Tick) -> Callable[[], None]:
    def run() -> None:
        try:
            tick.run()
        except Exception:
            logger.exception("The job %s failed; it runs again in %s.", tick.name, tick.every)

    return run
