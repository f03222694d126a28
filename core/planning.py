"""Members into requests: what a channel takes of a segment, how members fall into batches, and a batch's columns."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa

from core.generation import Generation
from core.identifiers import (
    CODES,
    DIGEST,
    DIGESTS,
    KINDS,
    LEDGER_SCHEMA,
    NO_BATCH,
    U8,
    U32,
    U64,
    Identifiers,
    Mask,
    State,
    firsts,
    joined,
)
from core.ledger import ADDING
from core.models import IdentifierKind, SegmentKind
from core.ports import Batch, ChannelTraits, Column


@dataclass(slots=True)
class Allowed:
    """Which identifiers of a segment an audience takes.

    `held`: the codes of the kinds that it holds already; an audience never changes what it is made for. `clipped`: whether some
    members had more identifiers than the channel takes.
    """

    traits: ChannelTraits
    segment: SegmentKind
    held: Collection[int] = ()
    clipped: bool = False
    _codes: frozenset[int] = field(default=frozenset(), init=False)

    def __post_init__(self) -> None:
        kinds = self.traits.company_kinds if self.segment is SegmentKind.COMPANIES else self.traits.kinds
        self._codes = frozenset(CODES[kind] for kind in kinds)
        if self.held:
            self.choose({})

    def choose(self, counts: Mapping[int, int]) -> int:
        """Where an audience holds one of several groups of kinds: what it holds already, else what names more.

        How many of the counted identifiers are left out for that.
        """
        groups = [frozenset(CODES[kind] for kind in group) for group in self.traits.exclusive]
        if not groups:
            return 0
        best = max(groups, key=lambda g: (not g.isdisjoint(self.held), sum(counts.get(code, 0) for code in g)))
        others = {code for group in groups if group is not best for code in group} - best
        dropped = sum(counts.get(code, 0) for code in others & self._codes)
        self._codes -= others
        return dropped

    def mask(self, kind: U8) -> Mask:
        """Which of these identifiers are taken."""
        table = np.zeros(256, np.bool_)
        table[list(self._codes)] = True
        return table[kind]


class Numbering:
    """Numbers of batches for members in ascending order: no member is divided, no batch exceeds a request's rows.

    A member takes one row, or where a row carries one identifier of each kind, as many as it has of its most frequent kind.
    """

    def __init__(self, traits: ChannelTraits) -> None:
        self._traits = traits
        self._batch = {State.SENDING: ADDING, State.LEAVING: 0}
        self._used = {State.SENDING: 0, State.LEAVING: 0}
        self.sizes: dict[int, int] = {}

    def number(self, found: Identifiers) -> Identifiers:
        """The same with `batch` where something is to be sent."""
        member, kind, state = found.column("member"), found.column("kind"), found.column("state")
        batch = np.full(found.height, NO_BATCH, np.uint32)
        for which in (State.SENDING, State.LEAVING):
            chosen = state == which
            if chosen.any():
                batch[chosen] = self._number(which, member[chosen], kind[chosen])
        return Identifiers(found.frame.with_columns(batch=pl.Series(batch)).select(list(LEDGER_SCHEMA)), found.values)

    def _number(self, which: State, member: U64, kind: U8) -> U32:
        starts = firsts(member)
        runs = np.diff(starts, append=len(member))
        rows = np.ones(len(starts), np.int64)
        if self._traits.one_of_each:
            for code in np.flatnonzero(np.bincount(kind)):
                rows = np.maximum(rows, np.add.reduceat(kind == code, starts, dtype=np.int64))
        ends = np.cumsum(rows, dtype=np.int64)
        numbers = np.empty(len(ends), np.uint32)
        at, sent = 0, 0
        while at < len(ends):
            room = self._traits.batch_rows - self._used[which]
            stop = int(np.searchsorted(ends, sent + room, side="right"))
            if stop <= at and self._used[which]:  # what does not fit any more begins the next
                self._batch[which] += 1
                self._used[which] = 0
                continue
            stop = max(stop, at + 1)
            numbers[at:stop] = self._batch[which]
            self.sizes[self._batch[which]] = self.sizes.get(self._batch[which], 0) + stop - at
            self._used[which] += int(ends[stop - 1]) - sent
            at, sent = stop, int(ends[stop - 1])
        return np.repeat(numbers, runs)


def requests(generation: Generation, state: State) -> Iterator[tuple[int, Identifiers]]:
    """Each batch's number and identifiers, in order, of what is to be added (`SENDING`) or removed (`LEAVING`)."""
    held: list[Identifiers] = []
    number = -1
    for chunk in generation.index["chunks"]:
        if not chunk["leaving" if state is State.LEAVING else "unsettled"]:
            continue
        frame = generation.identifiers(chunk)
        places = np.flatnonzero((frame["state"] == int(state)).to_numpy())
        if not len(places):
            continue
        part = Identifiers(frame[places], generation.values(chunk, frame["head"].to_numpy(), places))
        start = 0
        for length, batch in part.frame.select(pl.col("batch").rle().struct.unnest()).iter_rows():
            if batch != number and held:
                yield number, joined(held)
                held = []
            number = batch
            held.append(part.between(start, start + length))
            start += length
    if held:
        yield number, joined(held)


def build(rows: Identifiers) -> Batch:
    """The columns of some members; `rows` is in the order of members."""
    place = rows.frame.select(pl.col("member").rle_id().cast(pl.UInt32)).to_series().to_numpy()
    kind = rows.column("kind")
    columns: dict[IdentifierKind, Column] = {}
    for code in np.flatnonzero(np.bincount(kind, minlength=1)):
        at = np.flatnonzero(kind == code)
        values = rows.values.take(pa.array(at)) if len(at) < rows.height else rows.values
        values = values.cast(DIGEST if code in DIGESTS else pa.binary())
        columns[KINDS[int(code)]] = Column(pa.array(place[at]), values)
    return Batch(int(place[-1]) + 1 if len(place) else 0, columns)
