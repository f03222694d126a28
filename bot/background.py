"""What a process does beside answering: workers that refresh, the clock's rounds. Part of the composition root."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

import scheduler
from bot.settings import Settings
from core.ports import Clock
from core.refresh import Refreshing
from core.store import Store
from queues.local import LocalJobs

if TYPE_CHECKING:
    from queues.shared import SharedJobs

_DUE_AT_ONCE = 1_000


class Running(Protocol):
    """Something that is started once and stopped once."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Part(StrEnum):
    """What a process does; any number of processes may do the same part, on one database."""

    BOT = "bot"  # answers Slack and browsers, delivers messages
    CLOCK = "clock"  # finds what is due
    WORKER = "worker"  # refreshes


ALL = frozenset(Part)


def background(
    does: frozenset[Part],
    *,
    settings: Settings,
    store: Store,
    clock: Clock,
    refreshing: Refreshing,
    ticks: Mapping[str, Callable[[], object]],
    sweep: Callable[[], object],
    when_woken: Callable[[Callable[[], None]], None],
    wake: Callable[[], None],
) -> list[Running]:
    """What starts and stops with a process that does these parts. `ticks`: the clock's other rounds, by name.

    `sweep`: looks once a day who is still there; bots do that too, so that who is known need not be asked for at the first click.
    """
    jobs = _jobs(settings, refreshing, workers=settings.workers if Part.WORKER in does else 0)
    when_woken(jobs.wake)

    def enqueue_due() -> None:
        if store.refreshes.enqueue_due(clock.now(), new_ids=[uuid4().hex for _ in range(_DUE_AT_ONCE)]):
            wake()

    every = timedelta(seconds=settings.tick_s)
    sweeping = scheduler.Tick("sweep", every, sweep)
    running: list[Running] = [jobs] if Part.WORKER in does or settings.is_shared else []
    if Part.CLOCK in does:
        rounds = [scheduler.Tick(name, every, look) for name, look in ticks.items()]
        return [*running, scheduler.Clockwork([scheduler.Tick("enqueue_due", every, enqueue_due), *rounds, sweeping])]
    return [*running, scheduler.Clockwork([sweeping])] if Part.BOT in does else running


def _jobs(settings: Settings, refreshing: Refreshing, *, workers: int) -> "LocalJobs | SharedJobs":
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
