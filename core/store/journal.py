"""The audit log, read: by whom, what, about what, when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select

from core.models import Actor, AuditEntry
from core.store import rows
from core.store.database import Database
from core.store.rows import note
from core.tables import AuditRow


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries; None: any. `since` counts in, `until` does not; `words` are looked for in action and subject."""

    actor_id: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    words: str = ""


class JournalStore:
    """Reads entries; notes what leaves no other trace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def search(self, org_id: str, wanted: AuditFilter, *, offset: int = 0, limit: int = 20) -> tuple[list[AuditEntry], int]:
        """Some entries, the newest first, and how many there are in all."""
        where = _where(org_id, wanted)
        with self._database.read() as session:
            total = session.scalar(select(func.count()).select_from(AuditRow).where(*where)) or 0
            found = session.scalars(select(AuditRow).where(*where).order_by(AuditRow.id.desc()).offset(offset).limit(limit))
            return [rows.audit_entry(r) for r in found], total

    def note(self, actor: Actor, action: str, subject: str, at: datetime, **after: object) -> None:
        """Adds an entry."""
        with self._database.write() as session:
            note(session, actor, at, action, subject, after=after)


def _where(org_id: str, wanted: AuditFilter) -> Sequence[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [AuditRow.org_id == org_id]
    if wanted.actor_id:
        where.append(AuditRow.actor_id == wanted.actor_id)
    if wanted.action:
        where.append(AuditRow.action == wanted.action)
    if wanted.subject:
        where.append(AuditRow.subject == wanted.subject)
    if wanted.since:
        where.append(AuditRow.at >= wanted.since)
    if wanted.until:
        where.append(AuditRow.at < wanted.until)
    where += [
        AuditRow.action.icontains(w, autoescape=True)
        | AuditRow.subject.icontains(w, autoescape=True)
        | AuditRow.actor_id.icontains(w, autoescape=True)
        for w in wanted.words.split()
    ]
    return where
