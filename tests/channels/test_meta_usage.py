"""Meta's budgets: read from every answer, and kept clear of before the limit bites."""

import httpx
import orjson
import pyarrow as pa
import pytest

from channels.http import Http
from channels.meta import Meta
from channels.meta_usage import LONGEST_S, pause_s, used
from core.models import Grant, IdentifierKind
from core.ports import Batch, Column, Delivery, Op, Target
from tests.channels.test_meta import Clock

ADD = Delivery(
    Op.ADD,
    Batch(1, {IdentifierKind.EMAIL: Column(pa.array([0], pa.uint32()), pa.array([b"x" * 32], pa.binary(32)))}),
    session=1,
    seq=1,
    last=True,
    total=1,
)


@pytest.mark.parametrize(
    ("headers", "share"),
    [
        ({}, 0),
        ({"x-business-use-case-usage": '{"5": [{"call_count": 12, "total_time": 81}]}'}, 81),
        ({"x-ad-account-usage": '{"acc_id_util_pct": 9.67}'}, 9.67),
        ({"x-app-usage": '{"call_count": 28, "total_cputime": 25}'}, 28),
        ({"x-app-usage": "not json", "x-ad-account-usage": "[]"}, 0),
    ],
)
def test_the_highest_share_counts(headers: dict[str, str], share: float) -> None:
    assert used(headers) == share


def test_the_pause_grows_towards_the_limit() -> None:
    assert [pause_s(share) for share in (0, 75, 100, 300)] == [0, 0, LONGEST_S, LONGEST_S]
    assert 0 < pause_s(80) < pause_s(90) < LONGEST_S


def test_members_wait_where_an_accounts_budget_is_nearly_used() -> None:
    shares = {"1": 95, "2": 10}
    waits: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        account = "1" if "/11/" in request.url.path else "2"
        usage = orjson.dumps({account: [{"call_count": shares[account]}]}).decode()
        return httpx.Response(200, json={"num_received": 1}, headers={"x-business-use-case-usage": usage})

    http = Http("Meta", transport=httpx.MockTransport(answer))
    meta = Meta(http=http, client_id="1", client_secret="s", clock=Clock(), sleep=waits.append)
    full, empty = (Target(Grant("t"), account, audience_id=f"{account}1") for account in ("1", "2"))
    for target in (full, empty, empty):
        meta.deliver(target, ADD)
    assert waits == []
    meta.deliver(full, ADD)
    assert waits == [pause_s(95)]
    http.close()
