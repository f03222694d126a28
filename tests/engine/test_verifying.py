"""Ledgers against themselves, the database and the platforms."""

from datetime import timedelta

import pytest

from core.errors import NeedsReconnect
from core.models import Channel, Grant
from core.ports import Receipt, Settlement
from core.tables import SyncRow
from core.verifying import Finding, Verifying
from tests.engine.conftest import Desk, Killed, email
from tests.engine.test_refresh import crowd


def verified(desk: Desk, **how: object) -> Finding:
    parts = {
        "store": desk.store,
        "channels": {Channel.META: desk.platform},
        "grants": lambda _: Grant("t"),
        "ledgers": desk.ledgers,
    }
    (found,) = Verifying(**(parts | how)).findings()  # type: ignore[arg-type]
    return found


def test_what_agrees_with_database_and_platform_is_well(desk: Desk) -> None:
    assert verified(desk) == Finding("S-1", generation=0, delivered=0)
    desk.write(crowd(50))
    desk.work()
    assert verified(desk) == Finding("S-1", 1, delivered=50, said=50, received=50, matched=50, open=0)


def test_requests_whose_outcome_is_not_known_are_counted(desk: Desk) -> None:
    desk.write(crowd(50))

    def dying(_: object) -> None:
        raise Killed

    desk.platform.after = dying
    with pytest.raises(Killed):
        desk.engine.execute_next()
    found = verified(desk)
    assert (found.delivered, found.open, found.problem) == (0, 1, None)


def test_fewer_received_than_sent_is_a_problem(desk: Desk) -> None:
    desk.platform.answers = lambda d, r: Receipt(r.received - 2)
    desk.write(crowd(50))
    desk.work()
    assert "Meta received 2 fewer" in (verified(desk).problem or "")


def test_what_the_platforms_own_work_left_out_is_a_problem(desk: Desk) -> None:
    desk.platform.answers = lambda d, r: Receipt(r.received, request_id="r")
    desk.platform.settlements = lambda _: Settlement(False, timedelta(minutes=30))
    desk.write(crowd(50))
    desk.engine.execute_next()
    assert (verified(desk).open, verified(desk).problem) == (1, None)
    desk.platform.settlements = lambda _: Settlement(True, rejected={"format_invalid": 3})
    assert "left out 3" in (verified(desk).problem or "")


def test_more_people_than_were_ever_sent_are_somebody_elses(desk: Desk) -> None:
    desk.write(crowd(50))
    desk.work()
    desk.platform.audiences["A1"] |= {email(f"stranger{i}@example.com") for i in range(7)}
    assert "Meta reports 57 people, and at most 50 were sent" in (verified(desk).problem or "")


def test_an_audience_that_is_gone_or_was_made_anew_is_said(desk: Desk) -> None:
    desk.write(crowd(50))
    desk.work()
    desk.platform.born["A1"] += timedelta(days=1)
    assert "another one" in (verified(desk).problem or "")
    desk.platform.audiences.clear()
    assert "no longer on Meta" in (verified(desk).problem or "")


def test_a_database_that_says_another_number_is_said(desk: Desk) -> None:
    desk.write(crowd(50))
    desk.work()
    with desk.store.database.write() as session:
        session.get_one(SyncRow, desk.sync_id).delivered = 49
    assert "another number" in (verified(desk).problem or "")


def test_a_platform_that_cannot_be_asked_is_no_fault_of_the_ledger(desk: Desk) -> None:
    desk.write(crowd(50))
    desk.work()

    def refused(_: str) -> Grant:
        raise NeedsReconnect

    found = verified(desk, grants=refused)
    assert found.problem is None
    assert "could not be asked" in (found.note or "")
    assert "not set up" in (verified(desk, channels={}).note or "")
