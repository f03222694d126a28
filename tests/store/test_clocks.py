"""Machines whose own clocks differ go by the database's, so that neither takes the other for dead."""

import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from bot.clock import SystemClock
from core.errors import LeaseLost
from core.models import Counts, Phase, Progress
from core.store import Store
from core.store.migrate import migrate
from tests.databases import postgres_or_skip
from tests.store.conftest import create

LEASE = timedelta(minutes=2)


def off(seconds: float) -> Callable[[], float]:
    return lambda: time.time() + seconds


def test_two_workers_five_minutes_apart_do_not_take_each_others_refreshes() -> None:
    url = postgres_or_skip("on SQLite there is one machine")
    migrate(url)
    store = Store(url)
    fast, slow = (SystemClock(shared=store.database.time, wall=off(s)) for s in (300, -300))
    assert abs(fast.now() - slow.now()) < timedelta(seconds=2)
    store.organizations.ensure("T1", name="Acme", sync_limit=3, at=slow.now())
    create(store, "s1")
    run = store.refreshes.claim(slow.now(), LEASE)
    assert run is not None
    assert store.refreshes.claim(fast.now(), LEASE) is None
    beat = Progress(Phase.READING, 0, 0, None, None)
    store.refreshes.progress(run.id, run.fence, beat, Counts(), now=slow.now(), until=slow.now() + LEASE)
    assert store.refreshes.claim(fast.now(), LEASE) is None
    other = store.refreshes.claim(fast.now() + LEASE * 2, LEASE)
    assert other is not None
    assert other.fence == run.fence + 1
    with pytest.raises(LeaseLost):
        store.refreshes.renew(run.id, run.fence, slow.now() + LEASE)
    store.close()


def test_a_shared_clock_that_does_not_answer_leaves_what_was_known() -> None:
    told = iter([time.time() + 50])
    ticks = [0.0]
    clock = SystemClock(shared=lambda: next(told, None), monotonic=lambda: ticks[0])
    assert clock.now().timestamp() - time.time() == pytest.approx(50, abs=1)
    ticks[0] = 61.0
    assert clock.now().timestamp() - time.time() == pytest.approx(50, abs=1)


def test_it_is_asked_once_a_minute() -> None:
    asked: list[float] = []
    ticks = [0.0]

    def shared() -> float:
        asked.append(ticks[0])
        return time.time()

    clock = SystemClock(shared=shared, monotonic=lambda: ticks[0])
    for second in range(150):
        ticks[0] = float(second)
        clock.now()
    assert asked == [0.0, 60.0, 120.0]
