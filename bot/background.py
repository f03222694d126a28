"""What happens without anybody asking, wired: who executes refreshes, and what the clock does. Part of the composition root."""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol
from uuid import uuid4

import scheduler
from bot.lives import Lives
from bot.settings import Settings
from core.approvals import Approvals
from core.digest import Digests
from core.ports import Clock, Jobs
from core.refresh import Refreshing
from core.store import Store
from core.watch import Watch
from queues.local import LocalJobs

_DUE_AT_ONCE = 1_000


class Running(Protocol):
    """Something that is started once and stopped once."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Executing(Running, Jobs, Protocol):
    """Whoever executes refreshes. `is_alive`: nothing of it has ended by itself."""

    @property
    def is_alive(self) -> bool: ...


def executing(settings: Settings, refreshing: Refreshing, *, workers: int) -> Executing:
    """Threads of this process alone, or wake-ups for the workers of all processes on one PostgreSQL."""
    if not settings.is_shared:
        return LocalJobs(execute_next=refreshing.execute_next, stop_taking=refreshing.stop, workers=workers)
    from queues.shared import SharedJobs  # only there where PostgreSQL's driver is

    return SharedJobs(
        database_url=settings.database_url,
        execute_next=refreshing.execute_next,
        is_waiting=refreshing.is_waiting,
        stop_taking=refreshing.stop,
        workers=workers,
    )


class Ticks:
    """The clock's jobs, each safe to run in any number of processes at the same moment."""

    def __init__(
        self,
        *,
        every: timedelta,
        store: Store,
        clock: Clock,
        lives: Lives,
        watch: Watch,
        digests: Digests,
        approvals: Approvals,
        wake: Callable[[], None],
    ) -> None:
        self._store, self._clock, self._wake = store, clock, wake
        # bots look once a day too: who is known needs not be asked for at the first click
        self.of_bots = [scheduler.Tick("sweep", every, lives.presence.sweep)]
        self.all = [
            scheduler.Tick("enqueue_due", every, self._enqueue_due),
            scheduler.Tick("watch", every, watch.look),
            scheduler.Tick("digest", every, digests.look),
            scheduler.Tick("lapse", every, approvals.lapse),
            scheduler.Tick("prune", every, lives.people.prune),
            *self.of_bots,
        ]

    def _enqueue_due(self) -> None:
        if self._store.refreshes.enqueue_due(self._clock.now(), new_ids=[uuid4().hex for _ in range(_DUE_AT_ONCE)]):
            self._wake()
