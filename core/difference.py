"""What must be taken out of an audience and what put in, so that it equals the segment.

Platforms remove *whoever matches*. So an identifier that a current member still holds is never removed; and members who share
an identifier with somebody who loses one may be taken along: they are sent again, whole, once the removal has settled.

Tables have the columns `member` (u64), `kind` (u8), `value` (binary); a ledger's also `state` (u8) and `batch` (u32, the request
that makes the state final). An absent identifier has no row: it joins nothing and holds nothing.
"""

from dataclasses import dataclass
from enum import IntEnum

import polars as pl


class State(IntEnum):
    """What is known of an identifier in the ledger."""

    DELIVERED = 0
    SENDING = 1  # may or may not be there
    OWED = 2  # was there; a removal may have taken it along
    LEAVING = 3  # must be removed; the removal may or may not have happened
    REFUSED = 4  # the platform would not take it
    GONE = 5  # removed, and the removal may still be taking effect


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, each table sorted by member.

    `removes`: identifiers to take out. `adds`: members to send now, whole. `again`: members to send, whole, after the removals
    have settled. `left`: members of the ledger whose key left, for the guard; `known`: members that the ledger holds and that
    are not leaving already. `added`, `unchanged`: members.
    """

    removes: pl.DataFrame
    adds: pl.DataFrame
    again: pl.DataFrame
    left: int
    known: int
    added: int
    unchanged: int

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send."""
        return not (self.removes.height or self.adds.height or self.again.height)


_ID = ["kind", "value"]
_ROW = ["member", *_ID]
LEDGER_SCHEMA = {"member": pl.UInt64, "kind": pl.UInt8, "value": pl.Binary, "state": pl.UInt8, "batch": pl.UInt32}


def compare(
    current: pl.DataFrame,
    ledger: pl.DataFrame,
    *,
    withdrawn: pl.Series | None = None,
    settled: bool = True,
    everything: bool = False,
    retry_refused: bool = False,
) -> Plan:
    """The plan from a ledger to the current members. `everything`: all are sent, whether delivered or not.

    `settled`: whether earlier removals have taken effect; what they may still take along waits. `withdrawn`: members that took
    their consent back; they leave, and the guard does not count them.
    """
    keys = current.select("member").unique()
    if not ledger.height:
        return Plan(ledger.select(_ROW), current.sort("member"), current.clear(), 0, 0, keys.height, 0)
    removed = pl.col("state") == State.GONE
    gone = ledger.filter(~removed).join(current, on=_ID, how="anti")
    at_risk = _taken_along(current, ledger.filter(~removed), gone)
    late = [State.LEAVING] if settled else [State.LEAVING, State.GONE, State.OWED]
    returning = ledger.filter(pl.col("state").is_in(late)).select(_ID)
    if returning.height:
        at_risk = pl.concat([at_risk, current.join(returning, on=_ID, how="semi").select("member")]).unique()
    if everything:
        missing = keys
    else:
        held = ledger.filter(pl.col("state") == State.DELIVERED).select(_ID)
        missing = current.join(held, on=_ID, how="anti")
        if not retry_refused:
            missing = missing.join(ledger.filter(pl.col("state") == State.REFUSED), on=_ROW, how="anti")
        missing = missing.select("member").unique()
    adds = current.join(missing, on="member", how="semi").join(at_risk, on="member", how="anti").sort("member")
    again = current.join(at_risk, on="member", how="semi").sort("member")
    staying = present(ledger).select("member").unique()
    left = staying.join(keys, on="member", how="anti")
    if withdrawn is not None:
        left = left.join(withdrawn.to_frame("member"), on="member", how="anti")
    sent = pl.concat([adds.select("member"), again.select("member")]).unique()
    return Plan(
        removes=gone.select(_ROW).unique(_ID, keep="first").sort("member"),
        adds=adds,
        again=again,
        left=left.height,
        known=staying.height,
        added=keys.join(ledger.filter(~removed).select("member").unique(), on="member", how="anti").height,
        unchanged=keys.height - sent.height,
    )


def _taken_along(current: pl.DataFrame, ledger: pl.DataFrame, gone: pl.DataFrame) -> pl.DataFrame:
    """Current members that a removal may take along: who lost an identifier, who shares one with them, and so on.

    A platform's person can hold any of the identifiers that members have carried together, so the whole of what hangs together is
    followed. Little hangs together in practice: two or three rounds.
    """
    if not gone.height:
        return pl.DataFrame(schema={"member": pl.UInt64})
    links = pl.concat([ledger.select(_ROW), current.select(_ROW)])
    members = gone.select("member").unique()
    while True:
        values = links.join(members, on="member", how="semi").select(_ID).unique()
        grown = links.join(values, on=_ID, how="semi").select("member").unique()
        if grown.height == members.height:
            break
        members = grown
    return current.select("member").unique().join(members, on="member", how="semi")


def present(ledger: pl.DataFrame) -> pl.DataFrame:
    """What members carry by the ledger: all but what leaves or has left."""
    return ledger.filter(~pl.col("state").is_in([State.LEAVING, State.GONE]))


def intend(plan: Plan, current: pl.DataFrame, ledger: pl.DataFrame, *, settled: bool = True) -> pl.DataFrame:
    """The ledger as it must lie on disk before the first request. `plan.removes` and `plan.adds` carry their `batch`.

    For removals the ledger holds at least what the platform holds; what it says is delivered the platform has.
    """
    busy = pl.concat([plan.adds.select("member"), plan.again.select("member")]).unique()
    still = current.join(busy, on="member", how="anti").with_columns(_state(State.DELIVERED), _no_batch())
    refused = ledger.filter(pl.col("state") == State.REFUSED).select(*_ROW, _state(State.REFUSED).alias("refused"))
    if refused.height:
        still = still.join(refused, on=_ROW, how="left").with_columns(state=pl.coalesce("refused", "state")).drop("refused")
    parts = [
        still,
        plan.removes.with_columns(_state(State.LEAVING)),
        plan.again.with_columns(_state(State.OWED), _no_batch()),
        plan.adds.with_columns(_state(State.SENDING)),
    ]
    if not settled:
        parts.append(ledger.filter(pl.col("state") == State.GONE).join(current, on=_ID, how="anti"))
    return pl.concat([part.select(list(LEDGER_SCHEMA)) for part in parts])


def _state(state: State) -> pl.Expr:
    return pl.lit(int(state), dtype=pl.UInt8).alias("state")


def _no_batch() -> pl.Expr:
    return pl.lit(None, dtype=pl.UInt32).alias("batch")
