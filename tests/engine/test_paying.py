"""A pause between a removal and what follows it leaves nobody out who never left."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from core.errors import NeedsReconnect
from core.models import Actor, Refresh, RefreshState, Role, SyncStatus
from core.ports import Delivery, Op, Receipt, Settlement
from tests.engine.conftest import ORG, OWNER, Desk, Killed, email
from tests.engine.test_refresh import crowd, person

HOME = "+12025001234"
ACTOR = Actor(ORG, OWNER, Role.MARKETING_USER)


def pause(desk: Desk) -> None:
    desk.store.syncs.pause(ACTOR, desk.sync_id, version=None, at=desk.clock.now())


def resume(desk: Desk) -> Refresh:
    desk.clock.move(timedelta(minutes=1))
    desk.store.syncs.resume(
        ACTOR, desk.sync_id, run_as="connection-1", login_id=None, refresh_id=uuid4().hex, at=desk.clock.now()
    )
    return desk.work()


@pytest.fixture
def family(tmp_path: Path) -> Desk:
    """Twelve share one phone; one leaves, whose removal takes all along."""
    desk = Desk(tmp_path / "d", batch_rows=3, in_flight=1)
    people = [person(f"k{i}", f"p{i}@example.com", HOME) for i in range(12)]
    everybody = frozenset(email(f"p{i}@example.com") for i in range(12))
    desk.platform.persons = dict.fromkeys(everybody, everybody)
    desk.write([*people, *crowd(3, first=100)])
    desk.work()
    desk.write([*people[1:], *crowd(9, first=100)])  # one leaves, six are new
    desk.platform.requests.clear()
    desk.clock.move(timedelta(minutes=1))
    desk.ask()
    return desk


def stayed(first: int = 1) -> set[tuple[object, bytes]]:
    return {email(f"p{i}@example.com") for i in range(first, 12)}


def test_a_pause_while_the_platform_settles_sends_again_whom_the_removal_took_along(family: Desk) -> None:
    family.engine.execute_next()
    assert not stayed() & family.platform.held(), "all are out for the moment"
    pause(family)
    assert family.sync().status is SyncStatus.INACTIVE
    last = family.work()
    assert (last.state, last.counts.owed, last.failure) == (RefreshState.CANCELLED, 0, None)
    assert stayed() <= family.platform.held()
    assert family.sync().status is SyncStatus.INACTIVE
    assert resume(family).state is RefreshState.SUCCEEDED


def test_a_pause_right_after_the_removal_adds_nobody_who_is_new(family: Desk) -> None:
    def paused(delivery: Delivery) -> None:
        if delivery.op is Op.REMOVE:
            family.platform.after = lambda _: None
            pause(family)

    family.platform.after = paused
    family.engine.execute_next()
    last = family.work()
    assert (last.state, last.counts.owed) == (RefreshState.CANCELLED, 0)
    assert stayed() <= family.platform.held()
    new = {email(f"p{i}@example.com") for i in range(103, 109)}
    assert len(new & family.platform.held()) <= 3, "one batch may have been under way"
    assert resume(family).state is RefreshState.SUCCEEDED
    assert new <= family.platform.held()


@pytest.mark.parametrize("kill_at", range(1, 9))
def test_a_worker_that_dies_while_it_pays_is_replaced(family: Desk, kill_at: int) -> None:
    family.engine.execute_next()
    pause(family)
    countdown = iter(range(kill_at, 0, -1))

    def moment(_: object) -> None:
        if next(countdown, None) == 1:
            raise Killed

    family.ledgers.moment = family.platform.faults = family.platform.after = moment  # type: ignore[method-assign]
    assert family.work().state is RefreshState.CANCELLED
    assert stayed() <= family.platform.held()


def test_a_pause_among_the_re_adds_sends_the_others_too(family: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.claim._BEAT_S", 0.0)  # as if more than a beat had passed between any two requests
    family.engine.execute_next()
    family.clock.move(timedelta(minutes=31))
    sent: list[Delivery] = []

    def paused(delivery: Delivery) -> None:
        sent.append(delivery)
        if len(sent) == 2:
            pause(family)

    family.platform.after = paused
    family.engine.execute_next()
    assert len(sent) == 2
    assert not stayed() <= family.platform.held()
    family.platform.after = lambda _: None
    assert family.work().state is RefreshState.CANCELLED
    assert stayed() <= family.platform.held()


def test_the_platforms_own_work_is_waited_for_before_it_pays(family: Desk) -> None:
    family.platform.answers = lambda d, r: Receipt(r.received, request_id=f"r{d.seq}/{d.op}")
    family.engine.execute_next()
    pause(family)
    answers: Iterator[Settlement] = iter([Settlement(False, timedelta(minutes=40))])
    family.platform.settlements = lambda _: next(answers, Settlement(True))
    assert family.work().state is RefreshState.CANCELLED
    assert stayed() <= family.platform.held()


def test_what_cannot_be_paid_is_said(family: Desk) -> None:
    family.engine.execute_next()
    pause(family)

    def revoked(_: object) -> None:
        raise NeedsReconnect

    family.platform.faults = revoked
    last = family.work()
    assert (last.state, last.failure, last.counts.owed) == (RefreshState.CANCELLED, "connection_revoked", 11)
    assert family.sync().status is SyncStatus.INACTIVE
    family.platform.faults = lambda _: None
    assert resume(family).state is RefreshState.SUCCEEDED
    assert stayed() <= family.platform.held()


def test_who_resumes_before_it_is_paid_has_one_refresh_that_does_all(family: Desk) -> None:
    family.engine.execute_next()
    pause(family)
    assert resume(family).state is RefreshState.SUCCEEDED
    assert stayed() <= family.platform.held()
    assert {email(f"p{i}@example.com") for i in range(100, 109)} <= family.platform.held()


def test_a_pause_that_owes_nobody_ends_the_refresh_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.claim._BEAT_S", 0.0)
    desk = Desk(tmp_path / "d", batch_rows=10, in_flight=1)
    desk.write(crowd(100))
    desk.platform.after = lambda d: pause(desk) if d.seq == 3 else None
    desk.engine.execute_next()
    assert desk.store.refreshes.last(desk.sync_id)[0].state is RefreshState.CANCELLED
    assert len(desk.platform.requests) == 3
