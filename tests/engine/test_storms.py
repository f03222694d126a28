"""A platform on its worst day: everything goes wrong now and then, all at once, and the audience is equal in the end."""

import random
from datetime import datetime, timedelta
from pathlib import Path

from core.errors import OutcomeUnknown, RateLimited, Unavailable
from core.models import RefreshState
from core.ports import Delivery, Receipt
from tests.engine.conftest import Desk, email
from tests.engine.test_refresh import person

WAIT_S = 90


def test_of_some_hundred_requests_two_in_five_go_wrong(tmp_path: Path) -> None:
    chance = random.Random(18)
    desk = Desk(tmp_path / "d", batch_rows=4, in_flight=3)
    calls: list[datetime] = []
    limits: list[datetime] = []

    def faults(_: Delivery) -> None:
        calls.append(desk.clock.now())
        luck = chance.random()
        if luck < 0.20:
            raise Unavailable
        if luck < 0.30 and len(limits) < 40:
            limits.append(desk.clock.now())
            raise RateLimited(retry_after=WAIT_S)
        if luck < 0.35:
            raise OutcomeUnknown  # it never arrived

    def after(_: Delivery) -> None:
        if chance.random() < 0.07:
            raise OutcomeUnknown  # it was carried out, and nobody heard of it

    def answers(_: Delivery, receipt: Receipt) -> Receipt:
        return Receipt(receipt.received - 1) if chance.random() < 0.02 else receipt

    desk.platform.faults, desk.platform.after, desk.platform.answers = faults, after, answers
    rounds = 0
    while len(calls) < 250:
        there = [i for i in range(250) if chance.random() < 0.8]
        desk.write([person(f"k{i}", f"p{i}@example.com") for i in there])
        run = desk.work() if not rounds else desk.refresh()
        while run.state is RefreshState.FAILED:
            assert run.failure in ("channel_unavailable", "channel_rate_limited")
            desk.clock.move(timedelta(seconds=WAIT_S))  # somebody tries again, not at once
            run = desk.refresh()
        assert run.state is RefreshState.SUCCEEDED
        assert desk.platform.held() == {email(f"p{i}@example.com") for i in there}
        rounds += 1
    assert len(limits) > 10
    early = [c for c in calls for at in limits if timedelta(0) < c - at < timedelta(seconds=WAIT_S)]
    assert early == [], "nothing is sent before the platform said"
