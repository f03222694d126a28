"""A paused sync pays before it rests: whom its removals may have taken along is sent again, and nobody else.

Removals are sent first and their re-adds when the platform has settled. A pause in between would leave people out who never left
the segment. So a refresh that owes somebody is claimed once more. It reads no segment and adds nobody new; removals that may have
been sent are carried out first, since whoever came back before them could be taken along once more.
"""

from collections.abc import Iterator, Mapping

import polars as pl

from core.book import Book
from core.claim import Claim
from core.difference import Comparison
from core.ending import Ending
from core.gathering import Some
from core.identifiers import NO_BATCH, Identifiers, State, each
from core.planning import Allowed
from core.recording import record
from core.sending import Sending


def pay(claim: Claim, sending: Sending, ending: Ending, book: Book) -> None:
    """Goes on with what is owed, and ends the refresh when nothing is."""
    work, is_paying = claim.work, bool(book.header.get("paying"))
    if is_paying:  # a plan like this one was cut off
        moves = {State.SENDING: State.SENDING}
    elif claim.memory.get("returning"):  # re-adds were cut off, and cannot be told from others' additions any more
        moves = {State.SENDING: State.SENDING, State.OWED: State.SENDING}
    else:
        moves = {State.OWED: State.SENDING, State.SENDING: State.OWED}
    debt = Debt(claim, book, moves)
    if not debt.owed:
        ending.stop()
        return
    if debt.leaving:
        debt.moves = {}
    elif wait := sending.unsettled_for(book):
        ending.settle(wait)
        return
    header = dict(book.header) | {"version": None, "paying": not debt.leaving} | ({"removed": ""} if debt.leaving else {})
    traits, floor = work.channel.traits, work.settings.compact_below
    record(work.ledger, book, debt.some, debt, header=lambda: header, traits=traits, floor=floor)
    if debt.leaving:
        sending.remove(debt.leaving, header)
        ending.settle(traits.settle)
    elif sending.add(debt.owed):
        ending.settle(None)
    else:
        ending.stop()


class Debt(Comparison):
    """All that is open, as a plan. `moves`: which states become others; `owed`: members that are to be sent by that."""

    def __init__(self, claim: Claim, book: Book, moves: Mapping[State, State]) -> None:
        self.some = Some(book, Allowed(claim.work.channel.traits, claim.sync.segment_kind), settled=False, retry_refused=False)
        super().__init__(self.some, first=True)
        self.moves = moves
        is_open = not book.is_settled
        self.owed = self._members([old for old, new in moves.items() if new is State.SENDING]) if is_open else 0
        self.leaving = self._members([State.LEAVING]) if is_open else 0

    def decided(self) -> Iterator[Identifiers]:
        """Everything as it is, but for the moves."""
        numbers = {int(old): int(new) for old, new in self.moves.items()}
        for side in self.some.sides():
            states = pl.col("state").replace(numbers) if numbers else pl.col("state")
            yield Identifiers(side.old.frame.with_columns(state=states, batch=pl.lit(NO_BATCH, dtype=pl.UInt32)), side.old.values)

    def _members(self, states: list[State]) -> int:
        return sum(
            len(each(side.old.column("member")[side.old.frame["state"].is_in(states).to_numpy()])) for side in self.some.sides()
        )
