"""Syncs: changed, deleted, tried out. One method is one transaction."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.errors import Conflict, NotFound
from core.models import Actor, Cadence, RefreshKind, RequestKind, Sync, SyncStatus
from core.schedule import next_due_of
from core.store import rows
from core.store.alarms import resolve_sync
from core.store.closing import close_requests
from core.store.database import Database
from core.store.refreshes import close_open, open_run
from core.store.rows import note, tell
from core.tables import SyncRow


@dataclass(frozen=True, slots=True)
class Changes:
    """What a sync shall be from now on. `guard_share` None: the organization's."""

    name: str
    cadence: Cadence
    first_day: date | None
    last_day: date | None
    guard_share: float | None


class EditStore:
    """Changes to syncs that are there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def edit(self, actor: Actor, sync_id: str, new: Changes, *, version: int, at: datetime) -> Sync:
        """Changes it; what is due next follows the new cadence. Raises NotFound, Conflict(current) on a stale version."""
        with self._database.write() as session:
            row = _find(session, actor.org_id, sync_id, version)
            before = _facts(row)
            row.name, row.cadence, row.tz = new.name, new.cadence.rule, new.cadence.tz
            row.first_day, row.last_day, row.guard_share = new.first_day, new.last_day, new.guard_share
            after = _facts(row)
            changed = {k for k in after if after[k] != before[k]}
            if not changed:
                return rows.sync(row)
            if row.status != SyncStatus.INACTIVE and row.refreshed_at and changed - {"name", "guard"}:
                row.next_due_at = next_due_of(rows.sync(row), at)
            row.version += 1
            was, now = ({k: v for k, v in facts.items() if k in changed} for facts in (before, after))
            note(session, actor, at, "edit", f"sync S-{row.number}", before=was, after=now)
            _tell_owner(session, row, actor, at, topic="notice", payload={"what": "edited", "by": actor.user_id})
            return rows.sync(row)

    def delete(self, actor: Actor, sync_id: str, *, version: int, audience_gone: bool, at: datetime) -> Sync:
        """Deletes it, and with its key whatever could be read of its ledger. Its short id is never given again.

        Raises NotFound, Conflict(current) on a stale version.
        """
        with self._database.write() as session:
            row = _find(session, actor.org_id, sync_id, version)
            gone = replace(rows.sync(row), status=SyncStatus.INACTIVE)
            before = {"status": row.status, "segment": row.segment_name, "channel": row.channel, "account": row.account_id}
            close_open(session, row.id, at)
            resolve_sync(session, row.org_id, row.id, at, every=True)
            close_requests(session, row.org_id, (RequestKind.PAUSE, RequestKind.HELP), at, sync_id=row.id)
            row.status, row.next_due_at, row.failure = SyncStatus.INACTIVE.value, None, None
            row.deleted_at, row.sealed_ledger_key = at, b""
            row.version += 1
            note(session, actor, at, "delete", f"sync S-{row.number}", before=before, after={"audience_deleted": audience_gone})
            names = {"segment": row.segment_name, "channel": row.channel, "account": row.account_name, "short": gone.short}
            payload = names | {"by": actor.user_id, "audience": audience_gone}
            _tell_owner(session, row, actor, at, topic="deleted", payload=payload)
            return gone

    def try_out(self, actor: Actor, sync_id: str, *, refresh_id: str, at: datetime) -> Sync:
        """Enqueues a dry run. Raises Conflict while a refresh is under way, which shows what it changes anyhow."""
        with self._database.write() as session:
            row = _find(session, actor.org_id, sync_id)
            open_run(session, row, RefreshKind.DRY, refresh_id=refresh_id, at=at, requested_by=actor.user_id, cause=actor.cause)
            note(session, actor, at, "dry_run", f"sync S-{row.number}")
            return rows.sync(row)


def _find(session: Session, org_id: str, sync_id: str, version: int | None = None) -> SyncRow:
    where = (SyncRow.org_id == org_id, SyncRow.id == sync_id, SyncRow.deleted_at.is_(None))
    row = session.scalars(select(SyncRow).where(*where).with_for_update()).first()
    if row is None:
        raise NotFound("There is no such sync here, or it has been deleted.")
    if version is not None and version != row.version:
        raise Conflict("Somebody changed this sync in the meantime.", current=rows.sync(row))
    return row


def _tell_owner(session: Session, row: SyncRow, actor: Actor, at: datetime, *, topic: str, payload: dict[str, Any]) -> None:
    if actor.user_id == row.owner_id:
        return
    target, once = f"dm:{row.owner_id}", f"{topic}:{row.id}:{row.version}"
    tell(session, org_id=row.org_id, topic=topic, subject_id=row.id, target=target, at=at, payload=payload, once=once)


def _facts(row: SyncRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "cadence": f"{row.cadence} ({row.tz})",
        "first_day": row.first_day.isoformat() if row.first_day else None,
        "last_day": row.last_day.isoformat() if row.last_day else None,
        "guard": row.guard_share,
    }
