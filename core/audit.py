"""The audit log for administrators, and what leaves segsync as a file."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime

from core import schedule
from core.access import require
from core.models import Action, Actor, AuditEntry, Sync
from core.ports import Clock
from core.store import Store
from core.store.journal import AuditFilter
from core.syncs import SyncFilter, Syncs

__all__ = ["PAGE", "Audit", "AuditFilter", "defused"]

PAGE = 20
_MOST = 100_000  # rows of one file
_CHUNK = 1_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BOM = "\ufeff"
_SYNCS = (
    "Sync", "Name", "Status", "Segment", "Kind", "Channel", "Ad account", "Ad account id", "Owner", "Created", "Last refreshed",
    "Next refresh", "Cadence", "Segment members", "With an identifier", "Delivered", "Matched", "Problem",
)  # fmt: skip
_ENTRIES = ("When", "Who", "From where", "What", "About", "Before", "After")


class Audit:
    """Reading and exporting. Files are UTF-8 with a mark that Excel knows; cells that it would take for formulas are defused."""

    def __init__(self, *, store: Store, syncs: Syncs, clock: Clock) -> None:
        self._store, self._syncs, self._clock = store, syncs, clock

    def search(self, actor: Actor, wanted: AuditFilter, page: int = 1) -> tuple[list[AuditEntry], int]:
        """One page of entries, the newest first, and how many there are. Raises NotAllowed."""
        require(actor, Action.AUDIT)
        return self._store.journal.search(actor.org_id, wanted, offset=(max(page, 1) - 1) * PAGE, limit=PAGE)

    def export_entries(self, actor: Actor, wanted: AuditFilter) -> bytes:
        """The entries as CSV; that it was exported is an entry itself. Raises NotAllowed."""
        require(actor, Action.AUDIT)
        entries, _ = self._store.journal.search(actor.org_id, wanted, limit=_MOST)
        self._store.journal.note(actor, "export", "audit log", self._clock.now(), rows=len(entries))
        return _csv(
            _ENTRIES,
            ((_time(e.at), e.actor_id, e.surface, e.action, e.subject, _facts(e.before), _facts(e.after)) for e in entries),
        )

    def export_syncs(self, actor: Actor, wanted: SyncFilter) -> bytes:
        """The filtered list as CSV. Raises NotAllowed."""
        require(actor, Action.SEE)
        found: list[Sync] = []
        while len(found) < _MOST:
            part = self._syncs.some(actor, wanted, offset=len(found), limit=_CHUNK)
            found += part
            if len(part) < _CHUNK:
                break
        self._store.journal.note(actor, "export", "list of syncs", self._clock.now(), rows=len(found))
        return _csv(_SYNCS, (_row(s) for s in found))


def defused(cell: str) -> str:
    """A text that a spreadsheet shows as it is: what looks like a formula gets an apostrophe (OWASP, CSV injection)."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows([defused(c) if isinstance(c, str) else "" if c is None else c for c in row] for row in rows)
    return (_BOM + text.getvalue()).encode()


def _row(sync: Sync) -> tuple[object, ...]:
    return (
        sync.short, sync.name, sync.status.value, sync.segment_name, sync.segment_kind.value, sync.channel.label,
        sync.account_name, sync.account_id, sync.owner_id, _time(sync.created_at), _time(sync.refreshed_at),
        _time(sync.next_due_at), schedule.describe(sync.cadence), sync.members, sync.matchable, sync.delivered, sync.matched,
        sync.failure or "",
    )  # fmt: skip


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else ""


def _facts(facts: object) -> str:
    return ", ".join(f"{k}: {v}" for k, v in facts.items()) if isinstance(facts, dict) else ""
