"""Reads a segment beside a ledger: which members may need something, as they were and as they are now.

A first reading makes fingerprints of the rows. Rows that the last plan knew are left alone. If few are new or missing, a second
reading fetches these rows, and all rows of members of whom one is missing; only they are normalised and hashed (`Some`). If many
are, or there is nothing to compare with, everybody is (`Everybody`), a range of keys at a time. Memory is bounded either way:
what does not fit is spilled (`Buckets`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa

from core.ahead import ahead
from core.book import GROUP, Book, Choice, unsettled
from core.buckets import Buckets
from core.difference import Side
from core.errors import SegmentTorn
from core.fingerprints import Marks, fingerprints, together
from core.identifiers import (
    CODES,
    DIGEST,
    NOTHING,
    U64,
    Identifiers,
    Places,
    State,
    among,
    concatenated,
    each,
    firsts,
    joined,
    none,
    once,
    union,
)
from core.identity import REASONS, Rows, identify, needed, reasons_of, require_columns
from core.ledger import Writing
from core.models import SegmentKind
from core.planning import Allowed
from core.ports import ChannelTraits, Reading

_WITHDRAWN, _NAMELESS = 255, 254  # in the place of a kind: a row without consent; a row with a member and nothing to send
_BATCH = 1 << 16
_PREVIEW = 64 << 20  # bytes of memory: a preview is beside everything else that the process does
_NEAR = np.uint64(40)
_UPPER = np.uint64(((1 << 40) - 1) << 24)
_ROWS = pa.schema([("row", pa.uint64()), ("member", pa.uint64()), ("reasons", pa.uint8())])


# each identifier of a member once, who is without consent, how many have it, how many identifiers were too many
Settled = tuple[Identifiers, U64, int, int]


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

    def batches(self, size: int = _BATCH) -> Iterator[list[pa.RecordBatch]]:
        """All rows, about `size` at a time, `passes` over. Raises SegmentTorn if the source has changed meanwhile."""
        held: list[pa.RecordBatch] = []
        height = rows = 0
        for _ in range(self.passes):
            for batch in self.reading.batches(self.names):
                held.append(batch)
                height += batch.num_rows
                rows += batch.num_rows
                if height >= size:
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
        """Identifiers by member, with marks for who has none; ascending by member."""
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
        order = np.argsort(member)
        numbers = [pa.array(column[order]) for column in (member, kind, head)]
        return pa.RecordBatch.from_arrays([*numbers, values.take(pa.array(order))], schema=self.schema)

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
    """Keeps the sides of a comparison where there is only one, so that what is small is made once."""

    def __init__(self) -> None:
        self._only: Side | None = None

    def sides(self, look: Callable[[], Iterator[Side]]) -> Iterator[Side]:
        """All of them, looked for only where they are not kept."""
        if self._only is not None:
            yield self._only
            return
        first, several = None, False
        for side in look():
            first, several = first or side, first is not None
            yield side
        self._only = None if several else first

    def forget(self) -> None:
        """They have changed."""
        self._only = None


class Everybody:
    """Everybody is touched: all members of the segment and of the ledger, a range of keys at a time."""

    def __init__(self, segment: Segment, book: Book) -> None:
        self._segment, self._book = segment, book
        self._found = Buckets(segment.schema, limit=segment.memory * 3 // 8)
        self._rows = Buckets(_ROWS, limit=segment.memory // 8)
        self._counts = np.zeros(32, np.int64)
        self._kinds = np.zeros(256, np.int64)
        self._kept = _Kept()
        self.totals = Totals()
        for rows, marks, table in ahead(self._said, segment.batches()):
            self._take(rows, marks, table)
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

    def _said(self, batches: list[pa.RecordBatch]) -> tuple[Rows, U64, pa.RecordBatch]:
        frame = framed(batches)
        rows = self._segment.rows(frame)
        return rows, self._segment.fingerprints(frame), self._segment.table(rows)

    def _take(self, rows: Rows, marks: U64, table: pa.RecordBatch) -> None:
        order = np.argsort(marks)
        columns = [marks[order], rows.member[order], rows.reasons[order]]
        self._rows.add(pa.RecordBatch.from_arrays([pa.array(c) for c in columns], schema=_ROWS))
        self._counts += np.bincount(rows.reasons, minlength=32)
        self._kinds += np.bincount(table.column(1).to_numpy(), minlength=256)
        self._found.add(table)

    def sides(self) -> Iterator[Side]:
        return self._kept.sides(self._look)

    def _look(self) -> Iterator[Side]:
        totals = Totals(self.totals.rows, 0, self.totals.reasons)
        for old, (new, withdrawn, members, clipped) in ahead(self._side, self._found.groups(GROUP, beside=self._book.size)):
            self._segment.allowed.clipped |= bool(clipped)
            totals.reasons = _plus(totals.reasons, "too_many_identifiers", clipped)
            totals.members += members
            totals.reasons = _plus(totals.reasons, "no_consent", len(withdrawn))
            yield Side(old, new, withdrawn)
        self.totals = totals

    def _side(self, group: tuple[int, int, pa.Table]) -> tuple[Identifiers, Settled]:
        low, high, table = group
        return self._book.between(low, high), settled(table, self._segment.allowed)

    def others(self, heads: U64) -> U64:
        return heads[:0]

    def touch(self, members: U64) -> None:
        raise AssertionError(f"{len(members)} others, of whom there are none")

    def write_rows(self, out: Writing) -> None:
        """The segment's rows, for a whole generation."""
        for _, _, table in self._rows.groups(GROUP):
            found = Marks(*(table.column(name).to_numpy() for name in _ROWS.names))
            out.rows("rows", **found.ascending()._asdict())


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
    def has_news(self) -> bool:
        """Whether rows came or went."""
        return bool(len(self._come.row) or len(self._dropped))

    def touched(self) -> U64:
        """All members whom an own record of this plan replaces."""
        found = [each(side.old.column("member")) for side in self.sides()]
        return union(self._keys, self._new.column("member"), *found)

    def write_rows(self, out: Writing) -> None:
        """What changed of the segment's rows, or all of them for a whole generation."""
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
        return distinct(both, self._allowed)[0]

    def _refused(self) -> U64:
        found = [f.filter(pl.col("state") == State.REFUSED)["member"].to_numpy() for f in self._book.scan()]
        return union(*found)


def settled(table: pa.Table, allowed: Allowed) -> Settled:
    """Of one range of keys: each identifier of a member once, who is without consent, how many have it, how many were too many.

    Of several rows the strictest consent counts.
    """
    frame = pl.DataFrame({name: table.column(name).to_numpy() for name in ("member", "kind", "head")})
    values = table.column("value")
    whole = Identifiers(frame, concatenated(values.chunks) if values.num_chunks else pa.array([], values.type))
    member, kind = whole.column("member"), whole.column("kind")
    everybody = once(member)
    withdrawn = once(member[kind == _WITHDRAWN])
    stays = kind < _NAMELESS
    if len(withdrawn):
        stays &= ~among(member, withdrawn)
    found, clipped = distinct(whole.where(stays & allowed.mask(kind)), allowed)
    return found, withdrawn, len(everybody) - len(withdrawn), clipped


def distinct(found: Identifiers, allowed: Allowed) -> tuple[Identifiers, int]:
    """Each identifier of a member once, ascending, at most as many as the channel takes; how many were too many."""
    if not found.height:
        return none(), 0
    order = _order(found)
    member, head, kind = (found.column(n)[order] for n in ("member", "head", "kind"))
    fresh = np.ones(len(order), np.bool_)
    fresh[1:] = (member[1:] != member[:-1]) | (head[1:] != head[:-1]) | (kind[1:] != kind[:-1])
    kept = found.take(order[fresh])
    most = allowed.traits.max_identifiers
    if allowed.traits.one_of_each or kept.height <= most:
        return kept, 0
    member = member[fresh]
    starts = firsts(member)
    rank = np.arange(len(member)) - np.repeat(starts, np.diff(starts, append=len(member)))
    return kept.where(rank < most), int((rank >= most).sum())


def _order(found: Identifiers) -> Places:
    """Where identifiers are by member and head, ascending: sorted by 64 bits of both, which nearly always tells them apart."""
    member, head = found.column("member"), found.column("head")
    low = member.min()
    shift = np.uint64(64 - max(int(member.max() - low).bit_length(), 1))
    order = np.argsort((((member - low) << shift) & _UPPER) | (head >> _NEAR))
    member, near = member[order], head[order]
    same = member[1:] == member[:-1]
    if (member[1:] < member[:-1]).any() or (same & (near[1:] != near[:-1]) & (near[1:] >> _NEAR == near[:-1] >> _NEAR)).any():
        return np.lexsort((found.column("kind"), head, found.column("member")))
    return order


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
