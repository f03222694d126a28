"""Bodies that are printed in columns say what dictionaries would have said: each member's identifiers, nobody else's."""

import hashlib
from collections import defaultdict

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as some

from channels.google_rows import members
from channels.meta_rows import payload
from core.models import IdentifierKind
from core.ports import Batch, Column

EMAIL, PHONE = IdentifierKind.EMAIL, IdentifierKind.PHONE
People = list[tuple[int, int]]  # how many e-mail addresses and phones each has; at least one of them
people = some.lists(some.tuples(some.integers(0, 3), some.integers(0, 3)).filter(any), max_size=30)


def digest(kind: IdentifierKind, member: int, nth: int) -> bytes:
    return hashlib.sha256(f"{kind}/{member}/{nth}".encode()).digest()


def batch(of: People, *, offset: int = 0) -> Batch:
    """A batch; its values are a slice of a longer array, as those of a plan are."""
    columns = {}
    for which, kind in enumerate((EMAIL, PHONE)):
        owners = [m for m, many in enumerate(of) for _ in range(many[which])]
        values = [digest(kind, m, n) for m, many in enumerate(of) for n in range(many[which])]
        if owners:
            whole = pa.array([b"\0" * 32] * offset + values, pa.binary(32))
            columns[kind] = Column(pa.array(owners, pa.uint32()), whole.slice(offset))
    return Batch(len(of), columns)


def wanted(of: People, kind: IdentifierKind) -> dict[int, set[str]]:
    which = (EMAIL, PHONE).index(kind)
    return {m: {digest(kind, m, n).hex() for n in range(many[which])} for m, many in enumerate(of) if many[which]}


@given(of=people, offset=some.integers(0, 3), every=some.booleans())
def test_metas_rows_hold_one_identifier_of_each_kind(of: People, offset: int, *, every: bool) -> None:
    rows, owners = payload(batch(of, offset=offset), every=every)
    told = orjson.loads(rows)
    assert len(told["data"]) == len(owners) == sum(max(many) for many in of)
    if every:
        assert told["schema"] == ["EMAIL", "PHONE", "FN", "LN", "COUNTRY", "ZIP", "MADID"]
    for kind, name in ((EMAIL, "EMAIL"), (PHONE, "PHONE")):
        held = defaultdict(set)
        for owner, row in zip(owners.tolist(), told["data"], strict=True):
            assert len(row) == len(told["schema"])
            if name in told["schema"] and (value := row[told["schema"].index(name)]):
                held[owner].add(value)
        assert held == wanted(of, kind)


@given(of=people, offset=some.integers(0, 3))
def test_googles_members_hold_all_their_identifiers(of: People, offset: int) -> None:
    rows, order = members(batch(of, offset=offset))
    told = orjson.loads(rows)
    assert sorted(order.tolist()) == list(range(len(of)))
    for kind, name in ((EMAIL, "emailAddress"), (PHONE, "phoneNumber")):
        held = defaultdict(set)
        for place, one in zip(order.tolist(), told, strict=True):
            for identifier in one["compositeData"]["userData"]["userIdentifiers"]:
                if name in identifier:
                    held[place].add(identifier[name])
        assert held == wanted(of, kind)


@pytest.mark.parametrize("kind", [EMAIL, PHONE])
def test_a_batch_of_one_kind(kind: IdentifierKind) -> None:
    value = pa.array([b"\xab" * 32], pa.binary(32))
    one = Batch(1, {kind: Column(pa.array([0], pa.uint32()), value)})
    assert orjson.loads(payload(one)[0])["data"] == [["ab" * 32]]
    assert np.array_equal(payload(one)[1], [0])
