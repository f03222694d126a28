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


@dataclass(frozen=True, slots=True)
class Identifiers:
    """A frame with the columns above, and its values. A ledger's has `state` and `batch` too: the request that makes it final."""

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
    return found.take(np.argsort(member, kind="stable")) if (member[1:] < member[:-1]).any() else found


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


def once(numbers: U64) -> U64:
    """Each number once, ascending; NumPy's own `unique` hashes them first, which takes ten times as long."""
    return each(np.sort(numbers))


def union(*parts: U64) -> U64:
    """The numbers of all of them, each once, ascending."""
    return once(np.concatenate([NOTHING, *parts]))


def within(numbers: U64, ranges: Iterable[tuple[int, int]]) -> Mask:
    """Which numbers lie in one of these ranges, their ends included."""
    found = np.zeros(len(numbers), np.bool_)
    for low, high in ranges:
        found |= (numbers >= np.uint64(low)) & (numbers <= np.uint64(high))
    return found


def among(values: U64, wanted: U64) -> Mask:
    """Which of `values` occur in `wanted`, which is sorted. Few against many: a bitmap lets almost all pass by."""
    found = np.zeros(len(values), np.bool_)
    if not len(values) or not len(wanted):
        return found
    if len(values) > _MANY:
        bits = 20 if len(wanted) < 1 << 15 else 24
        marked = np.zeros(1 << bits, np.bool_)
        marked[(wanted >> np.uint64(64 - bits)).astype(np.intp)] = True
        places = np.flatnonzero(marked[(values >> np.uint64(64 - bits)).astype(np.intp)])
    else:
        places = np.arange(len(values))
    asked = values[places]
    at = np.searchsorted(wanted, asked)
    at[at == len(wanted)] = 0
    found[places] = wanted[at] == asked
    return found


_MANY = 1 << 14
