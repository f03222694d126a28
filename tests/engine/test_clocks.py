"""Clocks that jump, are changed in spring and autumn, or run beside each other: every day has its one refresh."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from core.models import Cadence, RefreshKind, RefreshState
from core.tables import SyncRow
from tests.engine.conftest import Desk
from tests.engine.test_refresh import crowd

MADRID = ZoneInfo("Europe/Madrid")
TICK = timedelta(minutes=20)


def scheduled(tmp_path: Path, begin: datetime) -> Desk:
    desk = Desk(tmp_path / "desk")
    desk.clock.time = begin
    desk.write(crowd(5))
    with desk.store.database.write() as session:
        row = session.get_one(SyncRow, desk.sync_id)
        row.cadence, row.tz = "daily", "Europe/Madrid"
    desk.work()
    return desk


def tick(desk: Desk, n: int) -> None:
    desk.store.refreshes.enqueue_due(desk.clock.now(), new_ids=[f"run {n}"])
    while desk.engine.execute_next():
        pass


def routine(desk: Desk) -> list[datetime]:
    return [r.created_at for r in desk.store.refreshes.last(desk.sync_id, 99) if r.kind is RefreshKind.ROUTINE]


@pytest.mark.parametrize("begin", [datetime(2026, 3, 27, 12, tzinfo=UTC), datetime(2026, 10, 23, 12, tzinfo=UTC)])
def test_each_day_has_one_refresh_through_the_change_of_the_clocks(tmp_path: Path, begin: datetime) -> None:
    desk = scheduled(tmp_path, begin)
    for n in range(5 * 72):
        desk.clock.move(TICK)
        tick(desk, n)
    days = Counter(at.astimezone(MADRID).date() for at in routine(desk))
    assert set(days.values()) == {1}
    assert len(days) == 5
    assert {at.astimezone(MADRID).hour for at in routine(desk)} <= {6, 7, 8}


@pytest.mark.parametrize("jump", [timedelta(hours=1), -timedelta(hours=1), timedelta(minutes=5), -timedelta(minutes=5)])
def test_a_clock_that_jumps_at_any_hour_skips_no_day_and_doubles_none(tmp_path: Path, jump: timedelta) -> None:
    desk = scheduled(tmp_path, datetime(2026, 6, 1, 12, tzinfo=UTC))
    for n in range(5 * 72):
        desk.clock.move(TICK)
        if n % 31 == 30:  # at every time of day in turn
            desk.clock.move(jump)
        tick(desk, n)
    days = Counter(at.astimezone(MADRID).date() for at in routine(desk))
    assert set(days.values()) == {1}
    wanted = {min(days) + timedelta(days=i) for i in range((max(days) - min(days)).days + 1)}
    assert set(days) == wanted


def test_missed_times_after_a_downtime_are_made_up_by_one_refresh(tmp_path: Path) -> None:
    desk = scheduled(tmp_path, datetime(2026, 6, 1, 12, tzinfo=UTC))
    desk.clock.move(timedelta(days=9))
    for n in range(6):
        desk.clock.move(timedelta(minutes=1))
        tick(desk, n)
    assert len(routine(desk)) == 1
    assert desk.sync().next_due_at is not None
    assert timedelta(0) < desk.sync().next_due_at - desk.clock.now() <= timedelta(days=1, hours=3)  # type: ignore[operator]
    assert desk.store.refreshes.last(desk.sync_id, 1)[0].state is RefreshState.SUCCEEDED
    assert desk.sync().cadence == Cadence("daily", "Europe/Madrid")
