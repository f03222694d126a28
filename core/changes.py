"""Which rows of a segment came and which went since the last plan, and so whom to look at."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from core.ahead import Upto, ahead
from core.book import GROUP, Book
from core.buckets import Buckets
from core.fingerprints import Marks, together
from core.gathering import Everybody, Segment, Some, Totals, framed, settled
from core.identifiers import U64, Sieve, among, ascending, by_highest_byte, each, once, union
from core.identity import REASONS, reasons_of

_MANY = 1 << 19  # rows that came or went, beyond which everybody is looked at
_PIECE = 1 << 16
Counts = npt.NDArray[np.int64]
_SAMPLE, _ENOUGH = 1 << 20, 200  # after so many rows it is judged, by so many, whether to go on
_ROW = pa.schema([("row", pa.uint64())])


class News(NamedTuple):
    """What a reading found. `times`: how often rows stand there that were known and give nothing for these reasons."""

    come: U64  # fingerprints that the last plan did not know
    gone: Marks  # rows that are not there any more
    times: dict[int, int]
    rows: int


def gather(segment: Segment, book: Book, some: Some | None, *, rows_known: bool = True) -> Everybody | Some:
    """Reads the segment. `some`: what is to be looked at in any case; None: everybody.

    `rows_known`: whether the ledger's rows are of the same rules, so that those that it has say nothing new.
    """
    if some is None or not (rows_known and _by_rows(segment, book, some)):
        everybody = Everybody(segment, book)
        return some if some is not None and everybody.hand_over(some, _MANY) else everybody
    return some


def _by_rows(segment: Segment, book: Book, some: Some) -> bool:
    """Looks only at members of whom rows came or went; False when that is nearly everybody."""
    known = next(book.rows(), together([]))
    with Buckets(_ROW, limit=segment.memory // 2) as found:
        for marks in ahead(lambda batches: segment.fingerprints(framed(batches)), segment.batches()):
            if found.rows < _SAMPLE <= found.rows + len(marks) and _are_new(marks, known):
                return False
            found.add(pa.RecordBatch.from_arrays([pa.array(marks[by_highest_byte(marks)])], schema=_ROW))
        news = _news(found, book, segment.passes)
    if news is not None:
        _fetch(segment, book, some, news)
    return news is not None


def _are_new(marks: U64, known: Marks) -> bool:
    """Whether most of these rows are new, by those among them that the ledger's first rows would hold."""
    low = marks[marks <= known.row[-1]] if len(known.row) else marks
    return len(low) > _ENOUGH and 2 * int(among(low, known.row).sum()) < len(low)


def _news(found: Buckets, book: Book, passes: int) -> News | None:
    """None when so much is new that everybody has to be looked at. `passes`: how often each row was read."""
    known = Upto(book.rows())
    pairs = ((rows, known.take(high)) for _, high, rows in found.groups(GROUP))
    parts: list[tuple[U64, Marks, Counts]] = []
    changed = 0
    for part in ahead(_apart, pairs):
        parts.append(part)
        changed += len(part[0]) + len(part[1].row)
        if changed > _MANY:
            return None
    times = np.sum([often for _, _, often in parts], axis=0) // passes
    come = np.concatenate([come for come, _, _ in parts])
    return News(come, together(gone for _, gone, _ in parts), dict(enumerate(times.tolist())), found.rows // passes)


def _apart(pair: tuple[Callable[[], pa.Table], tuple[Any, ...] | None]) -> tuple[U64, Marks, Counts]:
    """Of a range of rows as they are and as they were: what came, what went, how often those stand there that give nothing."""
    rows, before = ascending(pair[0]().column("row").to_numpy()), Marks(*pair[1]) if pair[1] else together([])
    come = each(rows)
    there = np.zeros(len(before.row), np.bool_)
    if len(before.row):
        at = np.minimum(np.searchsorted(before.row, come), len(before.row) - 1)
        same = before.row[at] == come
        there[at[same]] = True
        come = come[~same]
    left = before.take(there & (before.reasons != 0))
    often = np.searchsorted(rows, left.row, side="right") - np.searchsorted(rows, left.row)
    return come, before.take(~there), np.bincount(left.reasons, often, minlength=32).astype(np.int64)


def _fetch(segment: Segment, book: Book, some: Some, news: News) -> None:
    """Reads the rows again that came, and all rows of members of whom one went."""
    left = once(news.gone.member[news.gone.member != 0])
    wanted = union(news.come, _rows_of(book, left, but=news.gone.row).row)
    tables, rows = _read(segment, wanted) if len(wanted) else ([], together([]))
    come = rows.take(among(rows.row, news.come))
    come = come if segment.passes == 1 else come.ascending()
    new = once(come.member[come.member != 0])
    again = union(left, new)
    joining = new[~among(new, left)]
    if len(joining) and (segment.reading.columns.consent or segment.allowed.clipped):
        # what these members are now does not follow from what they were and the rows that came
        more = once(_rows_of(book, joining, but=news.gone.row).row)
        more = more[~among(more, wanted)]
        tables += _read(segment, more)[0] if len(more) else []
        joining = joining[:0]
    current, withdrawn, members, clipped = settled(pa.Table.from_batches(tables, segment.schema), segment.allowed)
    segment.allowed.clipped |= bool(clipped)
    some.read(current, again, beside=joining, withdrawn=withdrawn)
    some.change_rows(come.ascending(), news.gone.row)
    before = _rows_of(book, again)
    silent = once(before.member[(before.reasons & REASONS["no_consent"]) != 0])
    earlier = len(once(before.member)) - len(silent)
    said = int(book.header.get("counts", {}).get("members", 0))
    some.totals = Totals(news.rows, said - earlier + members, reasons_of(come.reasons, news.times))


def _read(segment: Segment, wanted: U64) -> tuple[list[pa.RecordBatch], Marks]:
    """The wanted rows in one more reading: their members' identifiers, and the rows."""
    rows: list[pa.Table] = []
    found: list[U64] = []
    is_wanted = Sieve(wanted)

    def choose(batches: list[pa.RecordBatch]) -> tuple[pa.Table, U64]:
        marks = segment.fingerprints(framed(batches))
        chosen = np.flatnonzero(is_wanted(marks))
        return pa.Table.from_batches(batches).take(pa.array(chosen)), marks[chosen]  # a copy; a frame would hold all rows

    for table, marks in ahead(choose, segment.batches()):
        rows.append(table)
        found.append(marks)
    whole = pa.concat_tables(rows)
    pieces = (pl.DataFrame(whole.slice(start, _PIECE)) for start in range(0, max(whole.num_rows, 1), _PIECE))
    said = list(ahead(segment.rows, pieces))
    member, reasons = np.concatenate([s.member for s in said]), np.concatenate([s.reasons for s in said])
    return [segment.table(one) for one in said], Marks(np.concatenate(found), member, reasons)


def _rows_of(book: Book, members: U64, *, but: U64 | None = None) -> Marks:
    """The last plan's rows of these members, less some."""
    named = Sieve(members)

    def look(part: Callable[[], Marks]) -> Marks:
        marks = part()
        mask = named(marks.member)
        if but is not None and len(but):
            mask[mask] = ~among(marks.row[mask], but)
        return marks.take(mask)

    return together(ahead(look, book.row_parts() if len(members) else ()))
