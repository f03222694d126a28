"""Identifiers in columns, as they lie in a ledger and go into requests.

`member` (u64) names the member, `kind` (u8) is the kind's place in `IdentifierKind` (`CODES`, `KINDS`), `head` (u64) stands for
kind and value together wherever identifiers are compared: of a digest its first eight bytes, of a value in clear a hash. Two that
differ share a head once in 2⁶⁴; among ten million people that is one chance in a million to leave one of them in an audience.
Values lie beside: as fixed 32 bytes where all are digests, which is nearly always, else as binary.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import polars as pl
import polars_hash as plh
import pyarrow as pa

from core.models import IdentifierKind

CODES = {kind: number for number, kind in enumerate(IdentifierKind)}
KINDS = list(IdentifierKind)
DIGESTS = (CODES[IdentifierKind.EMAIL], CODES[IdentifierKind.PHONE])
DIGEST = pa.binary(32)

U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]
U8 = npt.NDArray[np.uint8]
NOTHING: U64 = np.empty(0, np.uint64)
Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]


class State(IntEnum):
    """What is known of an identifier in the ledger."""

    DELIVERED = 0
    SENDING = 1  # may or may not be there
    OWED = 2  # was there; a removal may have taken it along
    LEAVING = 3  # must be removed; the removal may or may not have happened
    REFUSED = 4  # the platform would not take it
    GONE = 5  # removed, and the removal may still be taking effect


SCHEMA = {"member": pl.UInt64, "kind": pl.UInt8, "head": pl.UInt64}
LEDGER_SCHEMA = SCHEMA | {"state": pl.UInt8, "batch": pl.UInt32}
NO_BATCH = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Identifiers:
    """A frame with the columns above, and its values. A ledger's has `state` too, and `batch`: the request that ends it."""

    frame: pl.DataFrame
    values: pa.Array

    @property
    def height(self) -> int:
        """How many there are."""
        return self.frame.height

    def column(self, name: str) -> npt.NDArray[np.unsignedinteger]:
        """One column of the frame."""
        return self.frame[name].to_numpy()

    def take(self, places: Places) -> "Identifiers":
        """Those at these places, in this order."""
        return Identifiers(self.frame[places], self.values.take(pa.array(places)))

    def where(self, mask: Mask) -> "Identifiers":
        """Those that the mask marks; the same object where it marks all."""
        return self if mask.all() else self.take(np.flatnonzero(mask))

    def between(self, start: int, stop: int) -> "Identifiers":
        """Those from one place to another, without a copy."""
        return Identifiers(self.frame[start:stop], self.values[start:stop])


def none(schema: Mapping[str, type[pl.DataType]] = SCHEMA) -> Identifiers:
    """No identifiers."""
    return Identifiers(pl.DataFrame(schema=dict(schema)), pa.array([], DIGEST))


def joined(parts: Iterable[Identifiers]) -> Identifiers:
    """One after the other."""
    some = [p for p in parts if p.height]
    if len(some) < 2:
        return some[0] if some else none()
    return Identifiers(pl.concat([p.frame for p in some]), concatenated([p.values for p in some]))


def by_member(parts: Iterable[Identifiers]) -> Identifiers:
    """What a ledger says in several parts as one, ascending by member."""
    found = joined(parts)
    if not found.height:
        return none(LEDGER_SCHEMA)
    member = found.column("member")
    return found.take(order(member)) if (member[1:] < member[:-1]).any() else found


def concatenated(values: Sequence[pa.Array]) -> pa.Array:
    """Values of several arrays as one."""
    if any(v.type != DIGEST for v in values):
        values = [v.cast(pa.binary()) for v in values]
    return pa.concat_arrays(values)


def heads(kind: int, values: pa.Array) -> U64:
    """What stands for these values of one kind; see above."""
    if values.type == DIGEST:
        return np.ascontiguousarray(bytes_of(values)[:, :8]).view(np.uint64).ravel()
    if kind in DIGESTS:
        return heads(kind, values.cast(DIGEST))
    spelled = pl.DataFrame({"x": pl.Series(values.cast(pa.large_binary()))}).select(pl.col("x").bin.encode("hex"))
    return spelled.select(plh.col("x").nchash.xxh3_64(seed=kind + 1)).to_series().to_numpy()


def bytes_of(values: pa.Array) -> U8:
    """Digests as rows of 32 bytes."""
    raw = np.frombuffer(values.buffers()[1], np.uint8) if len(values) else np.empty(0, np.uint8)
    return raw[values.offset * 32 : (values.offset + len(values)) * 32].reshape(-1, 32)


def firsts(ascending: U64) -> Places:
    """The place of the first of each run of equal numbers."""
    return np.flatnonzero(np.diff(ascending, prepend=ascending[:1] ^ np.uint64(1))) if len(ascending) else np.empty(0, np.intp)


def each(ascending: U64) -> U64:
    """Each number of an ascending column once."""
    return ascending[firsts(ascending)]


def ascending(numbers: U64) -> U64:
    """The same numbers in order. Polars' sort takes a third of the time that NumPy's does."""
    return pl.Series(numbers).sort(multithreaded=False).to_numpy()


def order(numbers: U64) -> Places:
    """Where they stand in ascending order, equal ones as they come.

    Sorted are numbers whose upper bits are theirs and whose lower ones are the place: four times as fast as to sort places.
    Where that leaves two in the wrong order, those whose upper bits are alike are sorted again.
    """
    if len(numbers) < 2:
        return np.arange(len(numbers))
    low = numbers.min()
    shift = np.uint64(64 - max(int(numbers.max() - low).bit_length(), 1))
    below = np.uint64((1 << (len(numbers) - 1).bit_length()) - 1)
    marked = ascending((((numbers - low) << shift) & ~below) | np.arange(len(numbers), dtype=np.uint64))
    places = (marked & below).astype(np.intp)
    found = numbers[places]
    wrong = np.flatnonzero(found[1:] < found[:-1])
    if len(wrong):
        upper = marked & ~below
        again = among(upper, each(upper[wrong]))
        some = places[again]
        places[again] = some[np.argsort(numbers[some], kind="stable")]
    return places


def by_highest_byte(numbers: U64) -> Places:
    """Where they stand in the order of their highest byte."""
    return np.argsort((numbers >> np.uint64(56)).astype(np.uint8), kind="stable")


def once(numbers: U64) -> U64:
    """Each number once, ascending; NumPy's own `unique` hashes them first, which takes ten times as long."""
    return each(ascending(numbers))


def union(*parts: U64) -> U64:
    """The numbers of all of them, each once, ascending."""
    return once(np.concatenate([NOTHING, *parts]))


def within(numbers: U64, ranges: Iterable[tuple[int, int]]) -> Mask:
    """Which numbers lie in one of these ranges, their ends included."""
    found = np.zeros(len(numbers), np.bool_)
    for low, high in ranges:
        found |= (numbers >= np.uint64(low)) & (numbers <= np.uint64(high))
    return found


class Sieve:
    """Which of many numbers occur among few, asked again and again: a bitmap of their lowest bits lets nearly all pass by."""

    def __init__(self, wanted: U64) -> None:
        """`wanted`: ascending."""
        self._wanted = wanted
        bits = min(max(len(wanted).bit_length() + 4, 12), 24)
        self._low = np.uint64((1 << bits) - 1)
        self._marked = np.zeros(1 << bits, np.bool_)
        self._marked[(wanted & self._low).view(np.int64)] = True

    def __call__(self, values: U64) -> Mask:
        found = self._marked.take((values & self._low).view(np.int64))
        places = np.flatnonzero(found)
        found[places] = _direct(values[places], self._wanted)
        return found


def among(values: U64, wanted: U64) -> Mask:
    """Which of `values` occur in `wanted`, which is ascending."""
    return Sieve(wanted)(values) if len(values) > _MANY else _direct(values, wanted)


def _direct(values: U64, wanted: U64) -> Mask:
    if not len(values) or not len(wanted):
        return np.zeros(len(values), np.bool_)
    at = np.searchsorted(wanted, values)
    at[at == len(wanted)] = 0
    found: Mask = wanted[at] == values
    return found


_MANY = 1 << 14
