"""Alerts as people see and handle them. One method is one transaction; what somebody did is shown in every message."""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.errors import Conflict, NotFound
from core.models import Actor, Alert, AlertState, RefreshKind, Severity, Sync
from core.store import rows
from core.store.alarms import note_deed, redraw, remark
from core.store.database import Database
from core.store.refreshes import open_run
from core.store.routing import targets
from core.store.rows import note, tell
from core.tables import AlertRow, OutboxRow, SyncRow

_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}
WATCHED = 3  # so many syncs that somebody starts at once are followed one by one in their direct messages


class AlertStore:
    """The alerts of all organizations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, org_id: str, alert_id: str) -> Alert:
        """One alert. Raises NotFound."""
        with self._database.read() as session:
            return rows.alert(_find(session, org_id, alert_id))

    def open(self, org_id: str) -> list[Alert]:
        """All open alerts, the most severe and the newest first."""
        with self._database.read() as session:
            where = (AlertRow.org_id == org_id, AlertRow.state == AlertState.OPEN.value)
            found = [rows.alert(r) for r in session.scalars(select(AlertRow).where(*where))]
        return sorted(found, key=lambda a: (_ORDER[a.severity], -a.last_seen_at.timestamp()))

    def syncs(self, org_id: str, sync_ids: Sequence[str]) -> list[Sync]:
        """These syncs, in this order; deleted ones are left out."""
        with self._database.read() as session:
            found: dict[str, Sync] = {}
            for i in range(0, len(sync_ids), 500):
                where = (SyncRow.org_id == org_id, SyncRow.id.in_(sync_ids[i : i + 500]), SyncRow.deleted_at.is_(None))
                found |= {r.id: rows.sync(r) for r in session.scalars(select(SyncRow).where(*where))}
        return [found[i] for i in sync_ids if i in found]

    def acknowledge(self, actor: Actor, alert_id: str, at: datetime) -> Alert:
        """Somebody takes care. Raises Conflict(current=the alert) when somebody did before, or it is resolved."""
        with self._database.write() as session:
            row = _open(session, actor, alert_id)
            if row.acknowledged_by:
                raise Conflict("Somebody has acknowledged this already; the message says who.", current=rows.alert(row))
            row.acknowledged_by, row.acknowledged_at = actor.user_id, at
            _done(session, row, actor, "acknowledged", at)
            return rows.alert(row)

    def snooze(self, actor: Actor, alert_id: str, until: datetime, at: datetime) -> Alert:
        """The organization hears nothing more of it until then."""
        with self._database.write() as session:
            row = _open(session, actor, alert_id)
            _done(session, row, actor, "snoozed", at)
            row.snoozed_until, row.snoozed_by = until, actor.user_id
            return rows.alert(row)

    def deed(self, actor: Actor, alert_id: str, what: str, at: datetime) -> Alert:
        """Somebody did something about it; it may be resolved by now."""
        with self._database.write() as session:
            row = _find(session, actor.org_id, alert_id, lock=True)
            _done(session, row, actor, what, at)
            return rows.alert(row)

    def retry(self, actor: Actor, alert_id: str, sync_ids: Sequence[str], at: datetime) -> Alert:
        """Refreshes of these syncs start; more than a few are not followed one by one in the actor's direct messages."""
        with self._database.write() as session:
            row = _open(session, actor, alert_id)
            follows = actor.user_id if len(sync_ids) <= WATCHED else None
            for sync_id in sync_ids:
                sync = session.get(SyncRow, sync_id)
                if sync is None or sync.org_id != actor.org_id or sync.deleted_at or sync.status == "inactive":
                    continue
                open_run(session, sync, RefreshKind.REQUESTED, refresh_id=uuid4().hex, at=at, requested_by=follows)
                if follows:
                    tell(session, org_id=row.org_id, topic="progress", subject_id=sync.id, target=f"dm:{follows}", at=at)
            _done(session, row, actor, "retried", at)
            return rows.alert(row)

    def snoozes_over(self, org_id: str, at: datetime) -> int:
        """Alerts whose snooze has ended and that are still open speak again."""
        with self._database.write() as session:
            where = (AlertRow.org_id == org_id, AlertRow.state == AlertState.OPEN.value, AlertRow.snoozed_until <= at)
            ended = session.scalars(select(AlertRow).where(*where).with_for_update(skip_locked=True)).all()
            for row in ended:
                row.snoozed_until = row.snoozed_by = None
                redraw(session, row, at)
                remark(session, row, "awake", at, always=True)
            return len(ended)

    def escalate(self, org_id: str, before: datetime, at: datetime) -> int:
        """Errors first seen before this moment that nobody has acted on: the administrators are told, once."""
        with self._database.write() as session:
            where = (
                AlertRow.org_id == org_id,
                AlertRow.state == AlertState.OPEN.value,
                AlertRow.severity == Severity.ERROR.value,
                AlertRow.first_seen_at <= before,
                AlertRow.escalated_at.is_(None),
                AlertRow.acknowledged_by.is_(None),
                AlertRow.snoozed_until.is_(None),
            )
            late = session.scalars(select(AlertRow).where(*where).with_for_update(skip_locked=True)).all()
            waiting = [r for r in late if not any(d.split(" ", 1)[0] >= r.first_seen_at.isoformat() for d in r.history)]
            for row in waiting:
                row.escalated_at = at
                syncs = [s for i in row.sync_ids[:100] if (s := session.get(SyncRow, i))]
                for target, moment in sorted(targets(session, row, syncs, at).items()):
                    tell(session, org_id=org_id, topic="alert", subject_id=row.id, target=target, at=moment)
                remark(session, row, "escalated", at, always=True)
            return len(waiting)

    def tell_again(self, org_id: str, conversation: str, at: datetime) -> int:
        """A conversation can be written to (again): what could not be told there is told now; how many alerts that are."""
        target = f"conversation:{conversation}"
        with self._database.write() as session:
            about = (OutboxRow.org_id == org_id, OutboxRow.topic == "alert", OutboxRow.target == target)
            lost = session.scalars(select(OutboxRow).where(*about, OutboxRow.state == "failed")).all()
            missed = {r.subject_id for r in lost}
            stand = set(session.scalars(select(OutboxRow.subject_id).where(*about, OutboxRow.ts.is_not(None))))
            told = 0
            for row in session.scalars(select(AlertRow).where(AlertRow.org_id == org_id)):
                is_open = row.state == AlertState.OPEN
                belongs = is_open and row.id not in stand and target in targets(session, row, [], at)
                if belongs or (row.id in missed and (is_open or row.id in stand)):
                    tell(session, org_id=org_id, topic="alert", subject_id=row.id, target=target, at=at)
                    told += 1
            for letter in lost:
                letter.state = "skipped"
            return told


def _done(session: Session, row: AlertRow, actor: Actor, what: str, at: datetime) -> None:
    note_deed(row, actor.user_id, what, at)
    redraw(session, row, at)
    remark(session, row, f"{what} {actor.user_id}", at)
    note(session, actor, at, f"alert {what}", f"alert {row.code}", after={"alert": row.id})


def _open(session: Session, actor: Actor, alert_id: str) -> AlertRow:
    row = _find(session, actor.org_id, alert_id, lock=True)
    if row.state != AlertState.OPEN:
        raise Conflict("This has been resolved already.", current=rows.alert(row))
    return row


def _find(session: Session, org_id: str, alert_id: str, *, lock: bool = False) -> AlertRow:
    query = select(AlertRow).where(AlertRow.org_id == org_id, AlertRow.id == alert_id)
    row = session.scalars(query.with_for_update() if lock else query).first()
    if row is None:
        raise NotFound("There is no such alert here.")
    return row
