"""Which syncs delivered one person: for requests of access and erasure. What is asked for is hashed at once and never kept."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from core.access import require
from core.book import Book
from core.errors import InvalidInput
from core.identifiers import State
from core.identity import identify
from core.ledger import Ledgers
from core.models import Action, Actor, Channel, IdentifierKind, SegmentKind, Sync
from core.ports import Clock, ColumnMap
from core.store import Store
from core.store.syncs import SyncFilter

__all__ = ["Hit", "Lookup"]

_THERE = {State.DELIVERED, State.SENDING, State.OWED, State.LEAVING}
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Hit:
    """A sync that delivered the person; `leaving`: it is being removed already."""

    sync: Sync
    leaving: bool


class Lookup:
    """Looks into every ledger of the organization; nothing is written but that somebody looked."""

    def __init__(self, *, store: Store, ledgers: Ledgers, clock: Clock) -> None:
        self._store, self._ledgers, self._clock = store, ledgers, clock

    def require(self, actor: Actor) -> None:
        """Raises NotAllowed."""
        require(actor, Action.LOOKUP)

    def digests(self, actor: Actor, kind: IdentifierKind, value: str) -> dict[Channel, int]:
        """How each channel names this person, from what was typed. Raises NotAllowed, InvalidInput(field="value")."""
        self.require(actor)
        names = {IdentifierKind.EMAIL: ColumnMap(email=("x",)), IdentifierKind.PHONE: ColumnMap(phone=("x",))}
        frame = pl.DataFrame({"x": [value.strip()]})
        found: dict[Channel, int] = {}
        for channel in Channel:
            named = identify(frame, names[kind], channel, SegmentKind.CONTACTS).identifiers
            if named.height:
                found[channel] = int(named.column("head")[0])
        if not found:
            said = (
                "an e-mail address"
                if kind is IdentifierKind.EMAIL
                else "a phone number with its country, such as +34 600 000 000"
            )
            raise InvalidInput(f"This is not {said}.", field="value")
        return found

    def find(self, actor: Actor, digests: Mapping[Channel, int]) -> list[Hit]:
        """The syncs whose ledger holds the person. Slow: every ledger is read. That somebody looked is audited, not for whom."""
        self.require(actor)
        hits = []
        for sync in self._syncs(actor.org_id):
            named = digests.get(sync.channel)
            if named is None or sync.segment_kind is not SegmentKind.CONTACTS:
                continue
            states = self._states(sync, named)
            if states:
                hits.append(Hit(sync, leaving=State.LEAVING in states))
        self._store.journal.note(actor, "lookup", "a person", self._clock.now(), found=len(hits))
        return hits

    def _states(self, sync: Sync, head: int) -> set[State]:
        book = Book.of(self._ledgers.of(sync.id))
        try:
            return book.states(head) & _THERE
        finally:
            book.close()

    def _syncs(self, org_id: str) -> Iterator[Sync]:
        offset = 0
        while part := self._store.syncs.search(org_id, SyncFilter(), offset=offset, limit=_CHUNK)[0]:
            yield from part
            offset += len(part)
