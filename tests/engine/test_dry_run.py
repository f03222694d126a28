"""A dry run says what a refresh would change and changes nothing itself."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from core.errors import AudienceGone, Conflict
from core.models import RefreshKind, RefreshState
from core.tables import AlertRow, OutboxRow
from tests.engine.conftest import ORG, OWNER, Desk
from tests.engine.test_refresh import crowd


def told(desk: Desk, topic: str) -> list[OutboxRow]:
    with desk.store.database.read() as session:
        return list(session.scalars(select(OutboxRow).where(OutboxRow.topic == topic)))


def test_it_counts_what_would_change_and_sends_nothing(desk: Desk) -> None:
    desk.write(crowd(1000))
    desk.work()
    before = desk.sync()
    desk.platform.requests.clear()
    desk.write(crowd(1000, first=10))
    run = desk.refresh(RefreshKind.DRY, by=OWNER)
    assert (run.state, run.counts.added, run.counts.removed) == (RefreshState.SUCCEEDED, 10, 10)
    assert desk.platform.requests == []
    assert desk.sync() == before
    assert [(r.subject_id, r.target) for r in told(desk, "tried")] == [(run.id, f"dm:{OWNER}")]
    again = desk.refresh()
    assert (again.counts.added, again.counts.removed) == (10, 10)


def test_it_says_that_the_guard_would_hold_and_holds_nothing(desk: Desk) -> None:
    desk.write(crowd(1000))
    desk.work()
    desk.write(crowd(100))
    run = desk.refresh(RefreshKind.DRY, by=OWNER)
    assert (run.state, run.failure, run.counts.removed) == (RefreshState.SUCCEEDED, "segment_shrunk", 900)
    with desk.store.database.read() as session:
        assert list(session.scalars(select(AlertRow))) == []


def test_a_dry_run_that_fails_leaves_the_sync_as_it_was(desk: Desk) -> None:
    desk.write(crowd(10))
    desk.work()
    before = desk.sync()
    desk.platform.audiences.clear()
    run = desk.refresh(RefreshKind.DRY, by=OWNER)
    assert (run.state, run.failure) == (RefreshState.FAILED, AudienceGone.code)
    assert desk.sync() == before
    assert told(desk, "tried")


def test_a_refresh_that_is_asked_for_meanwhile_follows_it(desk: Desk) -> None:
    desk.write(crowd(10))
    desk.work()
    desk.write(crowd(20))
    desk.ask(RefreshKind.DRY, by=OWNER)
    desk.ask(RefreshKind.REQUESTED, by=OWNER)
    desk.clock.move(timedelta(minutes=1))
    desk.work()
    assert len(desk.platform.held()) == 20


def test_nothing_is_tried_while_a_refresh_is_under_way(desk: Desk) -> None:
    with pytest.raises(Conflict, match="under way"):
        desk.ask(RefreshKind.DRY, by=OWNER)


def test_a_resync_that_is_asked_for_while_a_routine_one_waits_takes_its_place(desk: Desk) -> None:
    desk.write(crowd(10))
    desk.work()
    desk.clock.move(timedelta(minutes=1))
    desk.ask()
    desk.ask(RefreshKind.FULL, by="U2")
    assert desk.work().kind is RefreshKind.FULL
    assert desk.store.syncs.get(ORG, desk.sync_id).delivered == 10
