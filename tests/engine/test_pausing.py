"""A pause in the middle of a refresh: nothing more is sent but whom its removals may have taken along."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from core.errors import AccessLost, OutcomeUnknown
from core.models import Actor, RefreshState, Role, SyncStatus
from core.ports import Delivery, Op, Target
from tests.engine.conftest import ORG, OWNER, Desk, email, phone

ADMIN = Actor(ORG, OWNER, Role.PRIMARY_ADMIN)
HOME = phone("12025001234")
ANN, BO = email("ann@example.com"), email("bo@example.com")


def person(key: str, mail: str, tel: str | None = None) -> Mapping[str, str | None]:
    return {"key": key, "email": f"{mail}@example.com", "phone": tel}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Ann and Bo share a phone; Ann left, and with her the phone that the platform knows as hers; ten others are new."""
    made = Desk(tmp_path / "desk", batch_rows=2, in_flight=1)
    made.platform.persons = dict.fromkeys((HOME, ANN), frozenset({HOME, ANN}))
    made.write([person("a", "ann", "+12025001234"), person("b", "bo", "+12025001234")])
    made.work()
    made.write([person("b", "bo", "+12025001234"), *(person(f"n{i}", f"new{i}") for i in range(10))])
    made.clock.move(timedelta(minutes=1))
    made.platform.requests.clear()
    made.ask()
    return made


def pause(desk: Desk) -> None:
    desk.store.syncs.pause(ADMIN, desk.sync_id, version=None, at=desk.clock.now())


def resume(desk: Desk) -> None:
    desk.store.syncs.resume(
        ADMIN, desk.sync_id, run_as="connection-1", login_id=None, refresh_id=uuid4().hex, at=desk.clock.now()
    )


def paused_after(desk: Desk, op: Op) -> None:
    """Pauses as soon as the platform has taken the first request of this kind."""
    left = [op]

    def moment(delivery: Delivery) -> None:
        if delivery.op in left:
            left.clear()
            pause(desk)

    desk.platform.after = moment


@pytest.mark.parametrize("op", [Op.REMOVE, Op.ADD])
def test_who_was_taken_along_is_sent_again_and_nobody_else(desk: Desk, monkeypatch: pytest.MonkeyPatch, op: Op) -> None:
    monkeypatch.setattr("core.claim._BEAT_S", 0.0)  # each moment is one at which it looks
    paused_after(desk, op)
    assert desk.engine.execute_next()
    assert desk.sync().status is SyncStatus.INACTIVE
    begun = len(desk.platform.sent(Op.ADD))
    assert begun <= 2, "a request in flight may land"
    last = desk.work()
    assert (last.state, last.counts.owed) == (RefreshState.CANCELLED, 0)
    assert {HOME, BO} <= desk.platform.held()
    assert len(desk.platform.sent(Op.ADD)) == begun + 1
    assert desk.sync().status is SyncStatus.INACTIVE
    assert not desk.engine.execute_next()
    resume(desk)
    assert desk.work().state is RefreshState.SUCCEEDED
    assert desk.platform.held() == {HOME, BO} | {email(f"new{i}@example.com") for i in range(10)}


def test_a_pause_while_the_removal_settles_waits_for_it_and_pays(desk: Desk) -> None:
    assert desk.engine.execute_next()
    assert desk.store.refreshes.last(desk.sync_id)[0].state is RefreshState.SETTLING
    pause(desk)
    assert not desk.engine.execute_next(), "the removal has not taken effect yet"
    assert desk.work().state is RefreshState.CANCELLED
    assert {HOME, BO} <= desk.platform.held()


def test_a_payment_whose_answer_is_lost_is_made_again(desk: Desk) -> None:
    desk.engine.execute_next()
    pause(desk)
    lost = [1, 2, 3]

    def fault(_: Delivery) -> None:
        if lost:
            lost.pop()
            raise OutcomeUnknown

    desk.platform.faults = fault
    assert desk.work().state is RefreshState.CANCELLED
    assert (lost, {HOME, BO} <= desk.platform.held()) == ([], True)


def test_a_sync_that_is_resumed_while_it_pays_goes_on(desk: Desk) -> None:
    desk.engine.execute_next()
    pause(desk)
    resume(desk)
    assert desk.work().state is RefreshState.SUCCEEDED
    assert desk.platform.held() == {HOME, BO} | {email(f"new{i}@example.com") for i in range(10)}


def test_what_cannot_be_paid_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.engine.execute_next()
    pause(desk)

    def refuse(_: Target) -> None:
        raise AccessLost

    monkeypatch.setattr(desk.platform, "require_access", refuse)
    last = desk.work()
    assert (last.state, last.counts.owed, desk.sync().status) == (RefreshState.CANCELLED, 1, SyncStatus.INACTIVE)


def test_a_refresh_that_has_not_begun_ends_at_once(desk: Desk) -> None:
    pause(desk)
    assert desk.store.refreshes.last(desk.sync_id)[0].state is RefreshState.CANCELLED
    assert not desk.engine.execute_next()
