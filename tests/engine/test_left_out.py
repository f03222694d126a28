"""A platform that works on a batch later and says how many it left out, but not whom."""

from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import RemovalRefused
from core.models import RefreshKind, RefreshState
from core.ports import Delivery, Op, Receipt, Settlement
from tests.engine.conftest import Desk, Identifier, email
from tests.engine.test_refresh import crowd


class Late:
    """Takes every request at once, and leaves out the bad ones later; `well`: from which request on it takes everybody."""

    def __init__(self, desk: Desk, bad: set[Identifier], *, well: int = 10_000) -> None:
        self.desk, self.bad, self.well = desk, bad, well
        self.told: dict[str, int] = {}
        desk.platform.answers, desk.platform.settlements = self.answer, self.settle

    def answer(self, delivery: Delivery, receipt: Receipt) -> Receipt:
        values = [(kind, v.as_py()) for kind, column in delivery.batch.columns.items() for v in column.value]
        name = f"r{len(self.told)}"
        self.told[name] = len(self.bad & set(values)) if len(self.told) < self.well else 0
        return Receipt(receipt.received, request_id=name)

    def settle(self, request_id: str) -> Settlement:
        if len(self.told) <= self.well:
            self.desk.platform.audiences["A1"] -= self.bad
        return Settlement(True, rejected={"format_invalid": self.told[request_id]} if self.told[request_id] else {})


def sizes(desk: Desk) -> list[int]:
    return [d.batch.size for d in desk.platform.sent(Op.ADD)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "desk", batch_rows=1000)


def test_what_was_left_out_once_is_sent_again_once(desk: Desk) -> None:
    Late(desk, {email("p3@example.com")}, well=2)
    desk.write(crowd(2000))
    run = desk.work()
    assert (run.state, run.counts.rejected, run.counts.delivered) == (RefreshState.SUCCEEDED, {}, 2000)
    assert sizes(desk) == [1000, 1000, 1000]
    assert len(desk.platform.held()) == 2000


def test_who_is_left_out_twice_is_found_and_is_refused(desk: Desk) -> None:
    bad = {email("p3@example.com"), email("p1500@example.com")}
    late = Late(desk, bad)
    desk.write(crowd(2000))
    run = desk.work()
    assert (run.state, run.counts.rejected, run.counts.delivered) == (RefreshState.SUCCEEDED, {"format_invalid": 2}, 1998)
    assert sorted(set(sizes(desk))) == [1, 100, 1000]
    assert len(sizes(desk)) == 4 + 20 + 200
    assert desk.platform.held() == {email(f"p{i}@example.com") for i in range(2000)} - bad
    desk.platform.requests.clear()
    assert desk.refresh().state is RefreshState.SUCCEEDED
    assert sizes(desk) == [], "until their data changes"
    late.bad = set()
    assert desk.refresh(RefreshKind.REQUESTED, by="U1").counts.rejected == {}
    assert sizes(desk) == [2], "or a person asks"
    assert len(desk.platform.held()) == 2000


def test_who_was_refused_is_tried_again_by_the_weekly_pass(desk: Desk) -> None:
    late = Late(desk, {email("p3@example.com")})
    desk.write(crowd(50))
    desk.work()
    late.bad = set()
    desk.clock.move(timedelta(days=8))
    assert desk.refresh().state is RefreshState.SUCCEEDED
    assert len(desk.platform.held()) == 50


def test_a_batch_of_which_all_are_left_out_twice_is_refused_as_a_whole(desk: Desk) -> None:
    Late(desk, {email(f"p{i}@example.com") for i in range(300)})
    desk.write(crowd(300))
    run = desk.work()
    assert (run.counts.rejected, run.counts.delivered, sizes(desk)) == ({"format_invalid": 300}, 0, [300, 300])


def test_many_who_are_left_out_are_counted_and_not_looked_for_one_by_one(desk: Desk) -> None:
    Late(desk, {email(f"p{i}@example.com") for i in range(0, 1000, 10)})
    desk.write(crowd(1000))
    run = desk.work()
    assert (run.state, run.counts.rejected, sizes(desk)) == (RefreshState.SUCCEEDED, {"format_invalid": 100}, [1000, 1000])


def test_a_removal_of_which_some_were_left_out_is_sent_again_once(desk: Desk) -> None:
    desk.write(crowd(200))
    desk.work()
    desk.platform.requests.clear()
    Late(desk, {email("p3@example.com")})
    desk.write(crowd(190, first=10))
    assert desk.refresh().state is RefreshState.SUCCEEDED
    assert [d.batch.size for d in desk.platform.sent(Op.REMOVE)] == [10, 10]


def test_elements_of_a_removal_that_failed_at_the_platform_are_removed_by_the_next_try(desk: Desk) -> None:
    desk.write(crowd(200))
    desk.work()
    desk.platform.requests.clear()
    troubles = iter([True, True])

    def failing(delivery: Delivery, receipt: Receipt) -> Receipt:
        if delivery.op is Op.REMOVE and next(troubles, False):
            return Receipt(receipt.received - 1, {2: "channel_failed"})
        return receipt

    desk.platform.answers = failing
    desk.write(crowd(190, first=10))
    assert desk.refresh().state is RefreshState.SUCCEEDED
    assert len(desk.platform.sent(Op.REMOVE)) == 3
    assert len(desk.platform.held()) == 190


def test_a_removal_that_keeps_failing_is_told_as_the_platforms_trouble_and_made_up_for_later(desk: Desk) -> None:
    desk.write(crowd(200))
    desk.work()

    def failing(delivery: Delivery, receipt: Receipt) -> Receipt:
        return Receipt(receipt.received - 1, {2: "channel_failed"}) if delivery.op is Op.REMOVE else receipt

    desk.platform.answers = failing
    desk.write(crowd(195, first=10))
    run = desk.refresh()
    assert (run.state, run.failure) == (RefreshState.FAILED, "channel_unavailable")
    assert len(desk.platform.held()) == 196, "whoever is new went in"
    desk.platform.answers = lambda _, receipt: receipt
    assert desk.refresh().state is RefreshState.SUCCEEDED
    assert len(desk.platform.held()) == 195


def test_a_removal_that_is_refused_keeps_nobody_new_waiting_and_is_no_silent_success(desk: Desk) -> None:
    desk.write(crowd(200))
    desk.work()

    def refuse(delivery: Delivery) -> None:
        if delivery.op is Op.REMOVE:
            raise RemovalRefused

    desk.platform.faults = refuse
    desk.write(crowd(200, first=1))
    assert desk.refresh().failure == "removal_refused"
    assert len(desk.platform.held()) == 201
