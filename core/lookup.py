"""Which syncs delivered one person: for requests of access and erasure. What is asked for is hashed at once and never kept."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from core.access import require
from core.difference import State
from core.errors import InvalidInput
from core.identity import CODES, identify
from core.ledger import Ledgers
from core.models import Action, Actor, Channel, IdentifierKind, SegmentKind, Sync
from core.ports import Clock, ColumnMap
from core.store import Store
from core.store.syncs import SyncFilter

__all__ = ["Hit", "Lookup"]

_THERE = [int(s) for s in (State.DELIVERED, State.SENDING, State.OWED, State.LEAVING)]
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

    def digests(self, actor: Actor, kind: IdentifierKind, value: str) -> dict[Channel, tuple[int, bytes]]:
        """How each channel names this person, from what was typed. Raises NotAllowed, InvalidInput(field="value")."""
        self.require(actor)
        names = {IdentifierKind.EMAIL: ColumnMap(email=("x",)), IdentifierKind.PHONE: ColumnMap(phone=("x",))}
        frame = pl.DataFrame({"x": [value.strip()]})
        found: dict[Channel, tuple[int, bytes]] = {}
        for channel in Channel:
            table = identify(frame, names[kind], channel, SegmentKind.CONTACTS).table
            if table.height:
                found[channel] = (CODES[kind], bytes(table["value"][0]))
        if not found:
            said = (
                "an e-mail address"
                if kind is IdentifierKind.EMAIL
                else "a phone number with its country, such as +34 600 000 000"
            )
            raise InvalidInput(f"This is not {said}.", field="value")
        return found

    def find(self, actor: Actor, digests: Mapping[Channel, tuple[int, bytes]]) -> list[Hit]:
        """The syncs whose ledger holds the person. Slow: every ledger is read. That somebody looked is audited, not for whom."""
        self.require(actor)
        hits = []
        for sync in self._syncs(actor.org_id):
            named = digests.get(sync.channel)
            if named is None or sync.segment_kind is not SegmentKind.CONTACTS:
                continue
            states = self._states(sync, *named)
            if states:
                hits.append(Hit(sync, leaving=int(State.LEAVING) in states))
        self._store.journal.note(actor, "lookup", "a person", self._clock.now(), found=len(hits))
        return hits

    def _states(self, sync: Sync, kind: int, value: bytes) -> set[int]:
        ledger = self._ledgers.of(sync.id)
        try:
            table = ledger.load().table
        finally:
            ledger.close()
        held = table.filter((pl.col("kind") == kind) & (pl.col("value") == value) & pl.col("state").is_in(_THERE))
        return set(held["state"].to_list())

    def _syncs(self, org_id: str) -> Iterator[Sync]:
        offset = 0
        while part := self._store.syncs.search(org_id, SyncFilter(), offset=offset, limit=_CHUNK)[0]:
            yield from part
            offset += len(part)
