"""Reads a segment beside a ledger: which members may need something, as they were and as they are now.

A first reading makes fingerprints of the rows. Rows that the last plan knew are left alone. If few are new or missing, a second
reading fetches these rows, and all rows of members of whom one is missing; only they are normalised and hashed (`Some`). If many
are, or there is nothing to compare with, everybody is (`Everybody`), a range of keys at a time. Memory is bounded either way:
what does not fit is spilled (`Buckets`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from core.ahead import Upto, ahead
from core.book import GROUP, Book, Choice, unsettled
from core.buckets import Buckets
from core.difference import Side
from core.errors import SegmentTorn
from core.fingerprints import Marks, fingerprints, together
from core.generation import LEAVING
from core.identifiers import (
    CODES,
    DIGEST,
    NOTHING,
    U8,
    U64,
    Identifiers,
    Places,
    State,
    among,
    by_highest_byte,
    concatenated,
    each,
    firsts,
    joined,
    none,
    order,
    union,
)
from core.identity import REASONS, Rows, identify, needed, reasons_of, require_columns
from core.ledger import Writing
from core.models import SegmentKind
from core.planning import Allowed
from core.ports import ChannelTraits, Reading

_WITHDRAWN, _NAMELESS = 255, 254  # in the place of a kind: a row without consent; a row with a member and nothing to send
_BATCH = 1 << 16
_KEPT = 1 << 20  # identifiers of sides that are kept
_PREVIEW = 64 << 20  # bytes of memory: a preview is beside everything else that the process does
_ROWS = pa.schema([("row", pa.uint64()), ("member", pa.uint64()), ("reasons", pa.uint8())])


class Settled(NamedTuple):
    """Of a range of keys: each identifier of a member once, who is without consent, how many have it, how many were too many."""

    identifiers: Identifiers
    withdrawn: U64
    members: int
    clipped: int


@dataclass(slots=True)
class Totals:
    """A segment in numbers. `members`: distinct, with consent, known by something; `reasons`: what was left out."""

    rows: int = 0
    members: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


class Segment:
    """One reading of a segment by a channel's rules. `beat` is called now and then with the number of rows so far."""

    def __init__(self, reading: Reading, allowed: Allowed, *, seed: int, memory: int, beat: Callable[[int], None]) -> None:
        self.reading, self.allowed, self.seed, self.memory = reading, allowed, seed, memory
        self.names = needed(reading.columns)
        # nothing proves that a reading was whole: who is missing from two in a row is not there any more
        self.passes = 1 if reading.proven else 2
        self._beat = beat
        require_columns(reading.columns, reading.segment.kind)

    def batches(self) -> Iterator[list[pa.RecordBatch]]:
        """All rows, some at a time, `passes` over. Raises SegmentTorn if the source has changed meanwhile."""
        held: list[pa.RecordBatch] = []
        height = rows = 0
        for _ in range(self.passes):
            for batch in self.reading.batches(self.names):
                held.append(batch)
                height += batch.num_rows
                rows += batch.num_rows
                if height >= _BATCH:
                    yield held
                    held, height = [], 0
                    self._beat(rows // self.passes)
            if not self.reading.complete():
                raise SegmentTorn
        if held:
            yield held

    def rows(self, frame: pl.DataFrame) -> Rows:
        """What rows say to this channel."""
        return identify(frame, self.reading.columns, self.allowed.traits.channel, self.reading.segment.kind)

    def fingerprints(self, frame: pl.DataFrame) -> U64:
        """One number for each row."""
        return fingerprints(frame, self.names, self.seed)

    def table(self, rows: Rows) -> pa.RecordBatch:
        """Identifiers by the highest byte of their member, with marks for who has none."""
        found = rows.identifiers
        consents = (rows.reasons & REASONS["no_consent"]) == 0
        marks = [(rows.member[~consents], _WITHDRAWN)]
        if self.reading.columns.key:
            named = consents & ((rows.reasons & REASONS["no_identifier"]) == 0)
            named[rows.row] = False
            marks.append((rows.member[named], _NAMELESS))
        member = np.concatenate([found.column("member"), *(m for m, _ in marks)])
        kind = np.concatenate([found.column("kind"), *(np.full(len(m), code, np.uint8) for m, code in marks)])
        head = np.concatenate([found.column("head"), *(np.zeros(len(m), np.uint64) for m, _ in marks)])
        values = found.values.cast(self.schema.field("value").type)
        if blanks := len(member) - found.height:
            values = pa.concat_arrays([values, pa.array([bytes(32)] * blanks, values.type)])
        places = by_highest_byte(member)
        numbers = [pa.array(column[places]) for column in (member, kind, head)]
        return pa.RecordBatch.from_arrays([*numbers, values.take(pa.array(places))], schema=self.schema)

    @property
    def clear(self) -> bool:
        """Whether some values are not digests."""
        columns = self.reading.columns
        address = all((columns.first_name, columns.last_name, columns.country, columns.postal_code))
        return bool(self.reading.segment.kind is SegmentKind.COMPANIES or columns.mobile or address)

    @property
    def schema(self) -> pa.Schema:
        """Of `table`."""
        value = pa.binary() if self.clear else DIGEST
        return pa.schema([("member", pa.uint64()), ("kind", pa.uint8()), ("head", pa.uint64()), ("value", value)])


class _Kept:
    """Keeps the sides of a comparison where they are small, so that they are made once."""

    def __init__(self) -> None:
        self._sides: list[Side] | None = None

    def sides(self, look: Callable[[], Iterator[Side]]) -> Iterator[Side]:
        """All of them, looked for only where they are not kept."""
        if self._sides is not None:
            yield from self._sides
            return
        held: list[Side] = []
        size = 0
        for side in look():
            size += side.old.height + side.new.height
            held = [*held, side] if size <= _KEPT else []
            yield side
        self._sides = held if size <= _KEPT else None

    def forget(self) -> None:
        """They have changed."""
        self._sides = None


class Everybody:
    """Everybody is touched: all members of the segment and of the ledger, a range of keys at a time."""

    looked_at_all = True

    def __init__(self, segment: Segment, book: Book) -> None:
        self._segment, self._book = segment, book
        self._found = Buckets(segment.schema, limit=segment.memory * 3 // 8)
        self._rows = Buckets(_ROWS, limit=segment.memory // 8)
        self._counts = np.zeros(32, np.int64)
        self._kinds = np.zeros(256, np.int64)
        self._kept = _Kept()
        self.totals = Totals()
        for reasons, marks, table in ahead(self._said, segment.batches()):
            self._counts += np.bincount(reasons, minlength=32)
            self._kinds += np.bincount(table.column(1).to_numpy(), minlength=256)
            self._rows.add(marks)
            self._found.add(table)
        others = segment.allowed.choose({code: int(self._kinds[code]) for code in CODES.values()})
        self.totals.rows = self._rows.rows // segment.passes
        self._counts //= segment.passes
        self.totals.reasons = reasons_of(np.empty(0, np.uint8), dict(enumerate(self._counts.tolist())))
        self.totals.reasons = _plus(self.totals.reasons, "kind_left_out", others)

    @property
    def kinds(self) -> set[int]:
        """The codes of the kinds that there are, and that the audience takes."""
        codes = np.flatnonzero(self._kinds[:_NAMELESS]).astype(np.uint8)
        return set(codes[self._segment.allowed.mask(codes)].tolist())

    def close(self) -> None:
        """Forgets what was read."""
        self._found.close()
        self._rows.close()

    def _said(self, batches: list[pa.RecordBatch]) -> tuple[U8, pa.RecordBatch, pa.RecordBatch]:
        frame = framed(batches)
        rows, marks = self._segment.rows(frame), self._segment.fingerprints(frame)
        places = by_highest_byte(marks)
        columns = [pa.array(column[places]) for column in (marks, rows.member, rows.reasons)]
        return rows.reasons, pa.RecordBatch.from_arrays(columns, schema=_ROWS), self._segment.table(rows)

    def sides(self) -> Iterator[Side]:
        return self._kept.sides(self._look)

    def _look(self) -> Iterator[Side]:
        totals = Totals(self.totals.rows, 0, self.totals.reasons)
        for old, found in ahead(self._side, self._found.groups(GROUP, beside=self._book.size)):
            yield Side(old, found.identifiers, found.withdrawn)
            self._add(totals, found)
        self.totals = totals

    def _side(self, group: tuple[int, int, Callable[[], pa.Table]]) -> tuple[Identifiers, Settled]:
        low, high, rows = group
        return self._book.between(low, high), settled(rows(), self._segment.allowed)

    def _add(self, totals: Totals, found: Settled) -> None:
        self._segment.allowed.clipped |= bool(found.clipped)
        totals.reasons = _plus(totals.reasons, "too_many_identifiers", found.clipped)
        totals.members += found.members
        totals.reasons = _plus(totals.reasons, "no_consent", len(found.withdrawn))

    def others(self, heads: U64) -> U64:
        return heads[:0]

    def touch(self, members: U64) -> None:
        raise AssertionError(f"{len(members)} others, of whom there are none")

    def hand_over(self, some: "Some", most: int) -> bool:
        """Who carries other identifiers than the ledger says is all that `some` has to look at; False if there are too many.

        `most`: identifiers.
        """
        new: list[Identifiers] = []
        members, withdrawn = NOTHING, NOTHING
        size = 0
        totals = Totals(self.totals.rows, 0, self.totals.reasons)
        before = Upto(ahead(_carried, self._book.scan()))
        pairs = ((before.take(high), rows) for _, high, rows in self._found.groups(GROUP))
        for found, differing in ahead(self._differing, pairs):
            self._add(totals, found)
            new.append(found.identifiers)
            members, withdrawn = union(members, differing), union(withdrawn, found.withdrawn)
            size += found.identifiers.height + len(differing)
            if size > most:
                return False
        some.read(joined(new), members, beside=NOTHING, withdrawn=withdrawn[among(withdrawn, members)])
        some.totals, some.all_rows = totals, self
        return True

    def _differing(self, pair: tuple[tuple[U64, ...] | None, Callable[[], pa.Table]]) -> tuple[Settled, U64]:
        """Of a range of members: what is found of those who carry other identifiers than before, and who they are."""
        found = settled(pair[1](), self._segment.allowed)
        before, was = pair[0] or (NOTHING, NOTHING)
        now, sums = _sums(found.identifiers.column("member"), found.identifiers.column("head"))
        if np.array_equal(before, now):
            differing = now[was != sums]
        else:
            same = np.zeros(len(now), np.bool_)
            if len(before):
                at = np.minimum(np.searchsorted(before, now), len(before) - 1)
                same = (before[at] == now) & (was[at] == sums)
            differing = union(now[~same], before[~among(before, now)])
        theirs = found.identifiers.where(among(found.identifiers.column("member"), differing))
        return found._replace(identifiers=theirs), differing

    def write_rows(self, out: Writing) -> None:
        """The segment's rows, in the place of all that older generations say of them."""
        out.supersede_rows()
        for found in ahead(_ascending, (rows for _, _, rows in self._rows.groups(GROUP))):
            out.rows("rows", **found._asdict())


class Some:
    """Few are touched: who is not settled, whose rows came or went, and whoever hangs together with them."""

    def __init__(
        self, book: Book, allowed: Allowed, *, settled: bool, retry_refused: bool, due: tuple[tuple[int, int], ...] = ()
    ) -> None:
        self._book, self._allowed, self._due = book, allowed, due
        self._settled = settled
        self._again = NOTHING  # members that were read again; those in `_with` carry what the ledger says as well
        self._with = NOTHING
        self._new = none()
        self._withdrawn = NOTHING
        self._keys = self._refused() if retry_refused and book.counts.refused else NOTHING
        self._kept = _Kept()
        self.totals = Totals()
        self.all_rows: Everybody | None = None  # whose rows take the place of all that the ledger knows
        self._come = together([])
        self._dropped = NOTHING

    def read(self, new: Identifiers, again: U64, *, beside: U64, withdrawn: U64) -> None:
        """What these members are now: `new`, and for those of `beside` also what the ledger says that they carry."""
        self._new, self._again, self._with, self._withdrawn = new, again, beside, withdrawn
        self._keys = union(self._keys, again)
        self._kept.forget()

    def change_rows(self, come: Marks, dropped: U64) -> None:
        """The rows that came, ascending, and those that went."""
        self._come, self._dropped = come, dropped

    @property
    def looked_at_all(self) -> bool:
        """Whether everybody was read to find whom to look at."""
        return self.all_rows is not None

    @property
    def has_news(self) -> bool:
        """Whether rows came or went."""
        return bool(self.all_rows or len(self._come.row) or len(self._dropped))

    def touched(self) -> U64:
        """All members whom an own record of this plan replaces."""
        found = [each(side.old.column("member")) for side in self.sides()]
        return union(self._keys, self._new.column("member"), *found)

    def write_rows(self, out: Writing) -> None:
        """What changed of the segment's rows, or all of them."""
        if self.all_rows:
            self.all_rows.write_rows(out)
            return
        if not out.whole:
            out.rows("dropped", row=self._dropped)
            out.rows("rows", **self._come._asdict())
            return
        start = 0
        for part in self._book.rows():
            stop = int(np.searchsorted(self._come.row, part.row[-1])) if len(part.row) else start
            both = together([part.take(~among(part.row, self._dropped)), self._come.between(start, stop)])
            out.rows("rows", **both.ascending()._asdict())
            start = stop
        out.rows("rows", **self._come.between(start, len(self._come.row))._asdict())

    def leave(self, withdrawn: U64) -> None:
        """Nothing but this is known to have changed: these members took their consent back."""
        self.read(none(), withdrawn, beside=NOTHING, withdrawn=withdrawn)

    def sides(self) -> Iterator[Side]:
        return self._kept.sides(self._look)

    def _look(self) -> Iterator[Side]:
        is_open = not (self._settled and self._book.is_settled)
        choice = Choice(self._keys, unsettled=unsettled(gone=not self._settled) if is_open else None, ranges=self._due)
        for low, high, old in self._book.groups(choice):
            yield Side(old, self._current(low, high, old), self._withdrawn)

    def others(self, heads: U64) -> U64:
        members = self._book.holding(heads)
        return members[~Choice(self._keys, ranges=self._due).mask(members)]

    def touch(self, members: U64) -> None:
        self._keys = union(self._keys, members)
        self._kept.forget()

    def close(self) -> None:
        """Forgets what was read."""
        self._kept.forget()
        if self.all_rows:
            self.all_rows.close()

    def _current(self, low: int, high: int, old: Identifiers) -> Identifiers:
        member = old.column("member")
        state = old.column("state")
        there = ~np.isin(state, [State.LEAVING, State.GONE]) & (~among(member, self._again) | among(member, self._with))
        stays = old.where(there)
        now = self._new.column("member")
        start, stop = np.searchsorted(now, np.uint64(low)), np.searchsorted(now, np.uint64(high), side="right")
        fresh = self._new.between(int(start), int(stop))
        if not fresh.height:
            return Identifiers(stays.frame.select("member", "kind", "head"), stays.values)
        both = joined([Identifiers(p.frame.select("member", "kind", "head"), p.values) for p in (stays, fresh)])
        return distinct(both, order(both.column("member")), self._allowed)[0]

    def _refused(self) -> U64:
        found = [f.filter(pl.col("state") == State.REFUSED)["member"].to_numpy() for f in self._book.scan()]
        return union(*found)


def settled(table: pa.Table, allowed: Allowed) -> Settled:
    """One range of keys. Of several rows the strictest consent counts."""
    values = table.column("value")
    frame = pl.DataFrame({name: table.column(name).to_numpy() for name in ("member", "kind", "head")})
    whole = Identifiers(frame, concatenated(values.chunks) if values.num_chunks else pa.array([], values.type))
    places = order(whole.column("member"))
    member, kind = whole.column("member")[places], whole.column("kind")[places]
    withdrawn = each(member[kind == _WITHDRAWN])
    members = len(firsts(member)) - len(withdrawn)
    stays = allowed.mask(kind)  # marks are no kind that is taken
    if len(withdrawn):
        stays &= ~among(member, withdrawn)
    found, clipped = distinct(whole, places if stays.all() else places[stays], allowed)
    return Settled(found, withdrawn, members, clipped)


def distinct(found: Identifiers, places: Places, allowed: Allowed) -> tuple[Identifiers, int]:
    """Each identifier of a member once, at most as many as the channel takes; how many were too many.

    `places`: where to take them from, ascending by member; so are those given back.
    """
    member, head, kind = (found.column(n)[places] for n in ("member", "head", "kind"))
    starts = firsts(member)
    sizes = np.diff(starts, append=len(member))
    most = len(member) if allowed.traits.one_of_each else allowed.traits.max_identifiers
    many = np.repeat(sizes > min(most, 2), sizes)  # two that are equal are beside each other
    if many.any():
        within = np.flatnonzero(many)
        within_order = within[np.lexsort((kind[within], head[within], member[within]))]
        places = places.copy()
        places[within], head[within], kind[within] = places[within_order], head[within_order], kind[within_order]
    fresh = np.ones(len(member), np.bool_)
    fresh[1:] = (member[1:] != member[:-1]) | (head[1:] != head[:-1]) | (kind[1:] != kind[:-1])
    clipped = 0
    if most < len(member):
        nth = np.cumsum(fresh)
        rank: Places = nth - np.repeat(nth[starts], sizes)  # how many of the same member stand before
        clipped = int((fresh & (rank >= most)).sum())
        fresh &= rank < most
    return found.take(places if fresh.all() else places[fresh]), clipped


def _carried(frame: pl.DataFrame) -> tuple[U64, U64]:
    """What a ledger's members carry; what was removed, or is to be, they do not."""
    there = ~np.isin(frame["state"].to_numpy(), LEAVING)
    return _sums(frame["member"].to_numpy()[there], frame["head"].to_numpy()[there])


def _sums(member: U64, head: U64) -> tuple[U64, U64]:
    """Each member, ascending, and the sum of its identifiers' heads: equal for equal identifiers, whatever their order."""
    starts = firsts(member)
    return member[starts], np.add.reduceat(head, starts) if len(starts) else NOTHING


def _ascending(rows: Callable[[], pa.Table]) -> Marks:
    table = rows()
    return Marks(*(table.column(name).to_numpy() for name in _ROWS.names)).ascending()


def framed(batches: list[pa.RecordBatch]) -> pl.DataFrame:
    """Rows as a frame."""
    return pl.concat([pl.DataFrame(b) for b in batches]) if len(batches) > 1 else pl.DataFrame(batches[0])


def _plus(reasons: dict[str, int], reason: str, number: int) -> dict[str, int]:
    return reasons | {reason: reasons.get(reason, 0) + number} if number else reasons


def count(reading: Reading, traits: ChannelTraits) -> tuple[Totals, int]:
    """What a segment would give a channel, and how many of its members have something to match. Reads everything.

    Raises ColumnsMissing, or the source's own error.
    """
    allowed = Allowed(traits, reading.segment.kind)
    everybody = Everybody(Segment(reading, allowed, seed=0, memory=_PREVIEW, beat=lambda _: None), Book([]))
    try:
        matchable = sum(len(firsts(side.new.column("member"))) for side in everybody.sides())
    finally:
        everybody.close()
    return everybody.totals, matchable
