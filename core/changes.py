"""Which rows of a segment came and which went since the last plan, and so whom to look at."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from core.ahead import ahead
from core.book import GROUP, Book
from core.buckets import Buckets
from core.fingerprints import Marks, together
from core.gathering import Everybody, Segment, Some, Totals, framed, settled
from core.identifiers import U64, among, each, once, union
from core.identity import REASONS, reasons_of

_MANY = 1 << 19  # rows that came or went, beyond which everybody is looked at
Counts = npt.NDArray[np.int64]
_ROW = pa.schema([("row", pa.uint64())])


class News(NamedTuple):
    """What a reading found. `times`: how often rows stand there that were known and give nothing for these reasons."""

    come: U64  # fingerprints that the last plan did not know
    gone: Marks  # rows that are not there any more
    times: dict[int, int]
    rows: int


def gather(segment: Segment, book: Book, some: Some | None) -> Everybody | Some:
    """Reads the segment. `some`: what is to be looked at in any case; None: everybody."""
    if some is None:
        return Everybody(segment, book)
    with Buckets(_ROW, limit=segment.memory // 4) as found:
        for marks in ahead(lambda batches: np.sort(segment.fingerprints(framed(batches))), segment.batches(GROUP)):
            found.add(pa.RecordBatch.from_arrays([pa.array(marks)], schema=_ROW))
        news = _news(found, book, segment.passes)
    if news is None:
        return Everybody(segment, book)
    _fetch(segment, book, some, news)
    return some


def _news(found: Buckets, book: Book, passes: int) -> News | None:
    """None when so much is new that everybody has to be looked at. `passes`: how often each row was read."""
    known = _Ahead(book.rows())
    pairs = ((table, known.until(high)) for _, high, table in found.groups(GROUP))
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


def _apart(pair: tuple[pa.Table, Marks]) -> tuple[U64, Marks, Counts]:
    """Of a range of rows as they are and as they were: what came, what went, how often those stand there that give nothing."""
    rows, before = np.sort(pair[0].column("row").to_numpy()), pair[1]
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

    def choose(batches: list[pa.RecordBatch]) -> tuple[pa.Table, U64]:
        marks = segment.fingerprints(framed(batches))
        chosen = np.flatnonzero(among(marks, wanted))
        return pa.Table.from_batches(batches).take(pa.array(chosen)), marks[chosen]  # a copy; a frame would hold all rows

    for table, marks in ahead(choose, segment.batches()):
        rows.append(table)
        found.append(marks)
    said = segment.rows(pl.DataFrame(pa.concat_tables(rows)))
    return [segment.table(said)], Marks(np.concatenate(found), said.member, said.reasons)


def _rows_of(book: Book, members: U64, *, but: U64 | None = None) -> Marks:
    """The last plan's rows of these members, less some."""

    def look(part: Callable[[], Marks]) -> Marks:
        marks = part()
        mask = among(marks.member, members)
        if but is not None and len(but):
            mask[mask] = ~among(marks.row[mask], but)
        return marks.take(mask)

    return together(ahead(look, book.row_parts() if len(members) else ()))


class _Ahead:
    """Rows that come in ascending order, taken up to a limit at a time."""

    def __init__(self, parts: Iterator[Marks]) -> None:
        self._parts, self._held = parts, together([])

    def until(self, high: int) -> Marks:
        """All rows up to this one that were not taken yet."""
        limit = np.uint64(high)
        held = [self._held]
        while not len(held[-1].row) or held[-1].row[-1] <= limit:
            part = next(self._parts, None)
            if part is None:
                break
            held.append(part)
        whole = together(held)
        stop = int(np.searchsorted(whole.row, limit, side="right"))
        self._held = whole.between(stop, len(whole.row))
        return whole.between(0, stop)
