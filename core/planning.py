"""Members into requests: what a channel takes of a segment, how members fall into batches, and a batch's columns."""

from collections.abc import Collection, Iterator

import numpy as np
import polars as pl
import pyarrow as pa

from core.identity import CODES, KINDS
from core.models import IdentifierKind, SegmentKind
from core.ports import Batch, ChannelTraits, Column

_DIGESTS = (IdentifierKind.EMAIL, IdentifierKind.PHONE)


def taken(
    table: pl.DataFrame, traits: ChannelTraits, kind: SegmentKind, *, held: Collection[int] = ()
) -> tuple[pl.DataFrame, dict[str, int]]:
    """The identifiers that this channel takes, and how many it does not, by reason.

    `held`: the codes of the kinds that the audience holds already; an audience never changes what it is made for.
    """
    kinds = traits.company_kinds if kind is SegmentKind.COMPANIES else traits.kinds
    found = table.filter(pl.col("kind").is_in([CODES[k] for k in kinds]))
    left_out: dict[str, int] = {}
    if codes := [[CODES[k] for k in g] for g in traits.exclusive]:  # an audience holds one of these: what names more, at first
        best = max(codes, key=lambda c: (not set(c).isdisjoint(held), found.filter(pl.col("kind").is_in(c)).height))
        others = [c for group in codes if group is not best for c in group if c not in best]
        dropped = found.filter(pl.col("kind").is_in(others)).height
        left_out |= {"kind_left_out": dropped} if dropped else {}
        found = found.filter(~pl.col("kind").is_in(others))
    scope = ["member", "kind"] if traits.one_of_each else ["member"]
    if not traits.one_of_each and found.height:
        most = found.group_by("member").len()["len"].max()
        if isinstance(most, int) and most > traits.max_identifiers:
            kept = found.sort("member", "kind", "value").filter(pl.int_range(pl.len()).over(scope) < traits.max_identifiers)
            left_out["too_many_identifiers"] = found.height - kept.height
            found = kept
    return found, left_out


def in_batches(table: pl.DataFrame, traits: ChannelTraits, *, first: int) -> pl.DataFrame:
    """The table sorted by member, with `batch` numbered from `first`: no member is divided, no batch exceeds a request's rows.

    A member takes one row, or where a row carries one identifier of each kind, as many as it has of its most frequent kind.
    """
    if not table.height:
        return table.with_columns(batch=pl.lit(None, dtype=pl.UInt32))
    table = table.sort("member", "kind", "value")
    if traits.one_of_each:
        sizes = (
            table.group_by("member", "kind", maintain_order=True)
            .len()
            .group_by("member", maintain_order=True)
            .agg(pl.col("len").max())
        )
    else:
        sizes = table.select("member").unique(maintain_order=True).with_columns(len=pl.lit(1, dtype=pl.UInt32))
    ends = np.cumsum(sizes["len"].to_numpy().astype(np.int64))
    numbers = np.empty(len(ends), np.uint32)
    at, sent, batch = 0, 0, first
    while at < len(ends):
        stop = max(int(np.searchsorted(ends, sent + traits.batch_rows, side="right")), at + 1)
        numbers[at:stop] = batch
        at, sent, batch = stop, int(ends[stop - 1]), batch + 1
    of_member = sizes.select("member").with_columns(batch=pl.Series(numbers))
    return table.join(of_member, on="member", how="left", maintain_order="left")


def batches(table: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    """Each batch's number and rows, in order, from a table that is sorted by batch."""
    runs = table.select(pl.col("batch").rle().struct.unnest()) if table.height else pl.DataFrame({"len": [], "value": []})
    start = 0
    for length, number in runs.iter_rows():
        yield number, table.slice(start, length)
        start += length


def build(rows: pl.DataFrame) -> Batch:
    """The columns of some members; `rows` is sorted by member."""
    rows = rows.with_columns(place=pl.col("member").rle_id().cast(pl.UInt32))
    columns: dict[IdentifierKind, Column] = {}
    for code in rows["kind"].unique().sort():
        kind = KINDS[code]
        part = rows.filter(pl.col("kind") == code)
        values = part["value"].to_arrow().cast(pa.binary())
        if kind in _DIGESTS:
            values = values.cast(pa.binary(32))
        columns[kind] = Column(part["place"].to_arrow(), values)
    return Batch(int(rows["place"].max() or 0) + 1 if rows.height else 0, columns)  # type: ignore[arg-type]
