"""A paused sync pays before it rests: whom its removals may have taken along is sent again, and nothing else.

Removals are sent first and their re-adds when the platform has settled. A pause in between would leave people out who never left
the segment. So a refresh that owes somebody is claimed once more: it reads no segment, removes nobody and adds nobody new.
"""

from collections.abc import Iterator

import polars as pl

from core.book import Book
from core.claim import Claim
from core.difference import Comparison
from core.ending import Ending
from core.gathering import Some
from core.identifiers import Identifiers, State, each
from core.planning import Allowed
from core.recording import record
from core.sending import Sending


def pay(claim: Claim, sending: Sending, ending: Ending, book: Book) -> None:
    """Goes on with what is owed, and ends the refresh when nothing is."""
    work = claim.work
    debt = Debt(claim, book)
    if not debt.members:
        ending.stop()
        return
    wait = sending.unsettled_for(book)
    if wait:
        ending.settle(wait)
        return
    header = dict(book.header) | {"version": None, "paying": True}
    traits, floor = work.channel.traits, work.settings.compact_below
    record(work.ledger, book, debt.some, debt, header=lambda: header, traits=traits, floor=floor)
    if sending.add(debt.members):
        ending.settle(None)
    else:
        ending.stop()


class Debt(Comparison):
    """Who is owed, as a plan: they are to be added now; whoever else waited to be added goes on waiting."""

    def __init__(self, claim: Claim, book: Book) -> None:
        self.some = Some(book, Allowed(claim.work.channel.traits, claim.sync.segment_kind), settled=False, retry_refused=False)
        super().__init__(self.some, first=True)
        if book.header.get("paying"):  # a plan like this one was cut off
            self._moves = {State.SENDING: State.SENDING}
        elif claim.memory.get("returning"):  # re-adds were cut off, and cannot be told from others' additions any more
            self._moves = {State.SENDING: State.SENDING, State.OWED: State.SENDING}
        else:
            self._moves = {State.OWED: State.SENDING, State.SENDING: State.OWED}
        self._owed = [int(old) for old, new in self._moves.items() if new is State.SENDING]
        self.members = sum(self._count(side.old) for side in self.some.sides()) if not book.is_settled else 0

    def decided(self) -> Iterator[Identifiers]:
        """All that is open, with what is owed to be sent now."""
        numbers = {int(old): int(new) for old, new in self._moves.items()}
        for side in self.some.sides():
            states = pl.col("state").replace(numbers)
            yield Identifiers(side.old.frame.with_columns(state=states, batch=pl.lit(None, dtype=pl.UInt32)), side.old.values)

    def _count(self, old: Identifiers) -> int:
        return len(each(old.column("member")[old.frame["state"].is_in(self._owed).to_numpy()]))
