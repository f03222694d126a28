"""What the engine sorts, sifts, spills and makes ahead gives what the plain way gives."""

import threading
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ahead import Upto, ahead
from core.buckets import Buckets
from core.identifiers import Sieve, among, order

SCHEMA = pa.schema([("key", pa.uint64()), ("value", pa.binary(32))])
numbers = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 7) | st.integers(2**63, 2**63 + 40), max_size=60)


def column(values: list[int]) -> np.ndarray:
    return np.array(values, np.uint64)


@given(numbers)
def test_places_are_in_ascending_order_and_equal_ones_as_they_come(values: list[int]) -> None:
    assert order(column(values)).tolist() == sorted(range(len(values)), key=lambda place: values[place])


def test_numbers_that_differ_only_where_their_place_is_written_are_put_in_order_all_the_same() -> None:
    random = np.random.default_rng(3)
    values = (random.integers(0, 50, 20_000, np.uint64) << np.uint64(40)) + random.integers(0, 1000, 20_000, np.uint64)
    assert order(values).tolist() == np.argsort(values, kind="stable").tolist()


@given(numbers, numbers)
def test_a_sieve_lets_through_what_is_wanted_and_nothing_else(values: list[int], wanted: list[int]) -> None:
    sifted = column(sorted(set(wanted)))
    assert Sieve(sifted)(column(values)).tolist() == among(column(values), sifted).tolist() == [v in wanted for v in values]


@pytest.mark.parametrize("limit", [0, 3000, 1 << 30], ids=["everything spilled", "some spilled", "nothing spilled"])
def test_buckets_give_back_every_row_once_in_ranges_of_their_key(limit: int) -> None:
    random = np.random.default_rng(5)
    rows = [(int(k), bytes(random.bytes(32))) for k in random.integers(0, 2**64 - 1, 1000, np.uint64)]
    with Buckets(SCHEMA, limit=limit) as buckets:
        for start in range(0, 1000, 90):
            some = sorted(rows[start : start + 90])
            buckets.add(
                pa.RecordBatch.from_arrays(
                    [pa.array(c, f.type) for c, f in zip(zip(*some, strict=True), SCHEMA, strict=True)], schema=SCHEMA
                )
            )
        assert buckets.rows == 1000
        before = -1
        found = []
        for low, high, some_rows in buckets.groups(100):
            assert low == before + 1
            before = high
            table = some_rows()
            assert all(low <= key <= high for key in table.column("key").to_pylist())
            found += list(zip(table.column("key").to_pylist(), table.column("value").to_pylist(), strict=True))
        assert before == 2**64 - 1
    assert sorted(found) == sorted(rows)


@given(st.lists(st.lists(st.integers(0, 99), max_size=5), max_size=6), st.lists(st.integers(0, 99), max_size=6))
def test_columns_are_taken_up_to_a_limit_each_row_once(parts: list[list[int]], limits: list[int]) -> None:
    flat = sorted(value for part in parts for value in part)
    sizes = iter([len(part) for part in parts])
    left = iter(flat)
    upto = Upto((column(some), -column(some)) for some in ([next(left) for _ in range(size)] for size in sizes))
    taken: list[int] = []
    for limit in [*sorted(limits), 99]:
        some = upto.take(limit)
        if some is not None:
            assert (some[1] == -some[0]).all()
            assert [v for v in flat if v <= limit] == taken + some[0].tolist()
            taken += some[0].tolist()
    assert taken == flat


def test_what_is_made_ahead_comes_in_order_and_trouble_in_its_turn() -> None:
    def pieces() -> Iterator[int]:
        yield from range(5)
        raise LookupError

    made: list[int] = []
    with pytest.raises(LookupError):
        made.extend(ahead(lambda piece: piece * 2, pieces()))
    assert made == [0, 2, 4, 6, 8]


def test_who_has_enough_ends_the_taking_of_pieces() -> None:
    closed = threading.Event()

    def pieces() -> Iterator[int]:
        try:
            yield from range(10_000)
        finally:
            closed.set()

    for one in ahead(lambda piece: piece, pieces()):
        if one == 3:
            break
    assert closed.wait(5)
    assert not [t for t in threading.enumerate() if t.name.startswith("ahead")]
