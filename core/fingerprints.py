"""A keyed 64-bit fingerprint of each row, by which a row that has not changed is known without being normalised or hashed.

XXH3 over each identifying column as text with a seed from the ledger's key, absent values apart from empty ones, folded together
by odd multipliers. XXH3's results are fixed by its specification; a known answer in the tests holds us to it, and `VERSION`,
which is part of what a ledger remembers, grows when these rules change: then all rows are looked at anew; nothing need be sent.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
import polars_hash as plh

from core.identifiers import U8, U64, Mask, Places, firsts, order

VERSION = "xxh3-1"
_FOLD = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)


class Marks(NamedTuple):
    """Rows of a segment: fingerprint, member (0: nothing names one), and why it may give nothing (`identity.REASONS`)."""

    row: U64
    member: U64
    reasons: U8

    def take(self, places: Places | Mask) -> "Marks":
        """Those at these places, or marked by this mask."""
        return Marks(self.row[places], self.member[places], self.reasons[places])

    def between(self, start: int, stop: int) -> "Marks":
        """Those from one place to another."""
        return Marks(self.row[start:stop], self.member[start:stop], self.reasons[start:stop])

    def ascending(self) -> "Marks":
        """Each row once, by its fingerprint."""
        places = order(self.row)
        return self.take(places[firsts(self.row[places])])


def together(parts: Iterable[Marks]) -> Marks:
    """One after the other."""
    some = [p for p in parts if len(p.row)]
    if len(some) < 2:
        return some[0] if some else Marks(np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.uint8))
    return Marks(*(np.concatenate(columns) for columns in zip(*some, strict=True)))


def fingerprints(frame: pl.DataFrame, names: Sequence[str], seed: int) -> U64:
    """One number for each row, over these columns in this order."""
    absent = [pl.lit((seed * 31 + place) & 0xFFFFFFFFFFFFFFFF, dtype=pl.UInt64) for place in range(len(names))]
    hashed = frame.lazy().select(pl.col(name).cast(pl.String) for name in names).select(
        plh.col(name).nchash.xxh3_64(seed=(seed + place) & 0x7FFFFFFFFFFFFFFF).fill_null(absent[place]).alias(str(place))
        for place, name in enumerate(names)
    ).collect()  # fmt: skip
    found = np.zeros(frame.height, np.uint64)
    for place in range(len(names)):
        found = (found ^ (found >> np.uint64(29))) * _FOLD + hashed[str(place)].to_numpy()
    found ^= found >> np.uint64(32)
    found *= _MIX
    return found ^ (found >> np.uint64(32))
