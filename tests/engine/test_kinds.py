"""Channels whose audiences hold one kind of identifier: contact data or mobile ids."""

from pathlib import Path

import polars as pl

from core.models import IdentifierKind, RefreshState
from core.ports import Op
from tests.engine.conftest import Desk, email

CONTACT = frozenset({IdentifierKind.EMAIL, IdentifierKind.PHONE, IdentifierKind.ADDRESS})
MOBILE = frozenset({IdentifierKind.MOBILE})


def device(n: int) -> str:
    return f"{n:08x}-0000-4000-8000-000000000000"


def test_an_audience_of_contact_data_stays_one_when_a_segment_gains_more_mobile_ids(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk", exclusive=(CONTACT, MOBILE), one_of_each=False)
    addresses = [f"p{n}@example.com" for n in range(5)]
    desk.write(pl.DataFrame({"email": addresses, "mobile_id": [None] * 5}, schema={"email": pl.String, "mobile_id": pl.String}))
    assert desk.work().state is RefreshState.SUCCEEDED
    more = [None] * 10
    desk.write(pl.DataFrame({"email": addresses + more, "mobile_id": [device(n) for n in range(15)]}))
    assert desk.refresh().state is RefreshState.SUCCEEDED
    assert desk.platform.held() == {email(a) for a in addresses}
    assert not desk.platform.sent(Op.REMOVE)


def test_a_new_audience_holds_the_kind_that_names_more(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk", exclusive=(CONTACT, MOBILE), one_of_each=False)
    desk.write(pl.DataFrame({"email": ["a@example.com", None, None], "mobile_id": [device(n) for n in range(3)]}))
    assert desk.work().state is RefreshState.SUCCEEDED
    assert desk.platform.held() == {(IdentifierKind.MOBILE, device(n).encode()) for n in range(3)}


def test_a_segment_that_names_nobody_in_the_audiences_way_any_more_is_held_back_as_an_empty_one(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk", exclusive=(CONTACT, MOBILE), one_of_each=False)
    desk.write(pl.DataFrame({"email": ["a@example.com"]}))
    assert desk.work().state is RefreshState.SUCCEEDED
    desk.write(pl.DataFrame({"mobile_id": [device(1)]}))
    assert desk.refresh().state is RefreshState.HELD
    assert desk.platform.held() == {email("a@example.com")}
