"""Requests to the administrators. One method is one transaction; the first decision stands."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.errors import Conflict, NotFound
from core.models import Actor, Campaign, Request, RequestKind, RequestState, Role, SyncStatus
from core.store import rows
from core.store.closing import finish, post
from core.store.database import Database
from core.store.organizations import set_role
from core.store.rows import note
from core.store.syncs import pause_row
from core.tables import RequestRow, SyncRow

_RECENT = 20


class RequestStore:
    """The requests of all organizations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, actor: Actor, new: Request, *, subject: str) -> Request:
        """Asks. Raises Conflict(current=the waiting one) when this person waits for the same already."""
        with self._database.write() as session:
            same = session.scalars(
                select(RequestRow).where(
                    RequestRow.org_id == new.org_id,
                    RequestRow.kind == new.kind.value,
                    RequestRow.asked_by == new.asked_by,
                    RequestRow.subject == subject,
                    RequestRow.state == RequestState.WAITING.value,
                )
            ).first()
            if same is not None:
                raise Conflict("You have asked for this already; it waits for an administrator.", current=rows.request(same))
            row = RequestRow(
                id=new.id,
                org_id=new.org_id,
                kind=new.kind.value,
                subject=subject,
                state=RequestState.WAITING.value,
                asked_by=new.asked_by,
                created_at=new.created_at,
                lapses_at=new.lapses_at,
                sync_id=new.sync_id,
                role=new.role.value if new.role else None,
                note=new.note,
                impact=None,
                decided_by=None,
                decided_at=None,
                reason=None,
            )
            session.add(row)
            session.flush()
            post(session, row, new.created_at)
            note(session, actor, new.created_at, f"ask {new.kind.value}", _subject(session, row), after={"request": row.id})
            return rows.request(row)

    def attach(self, request_id: str, impact: Sequence[Campaign], at: datetime) -> Request:
        """What the channel said of the campaigns; the messages show it."""
        with self._database.write() as session:
            row = session.get_one(RequestRow, request_id)
            row.impact = [asdict(c) for c in impact]
            post(session, row, at)
            return rows.request(row)

    def get(self, org_id: str, request_id: str) -> Request:
        """One request. Raises NotFound."""
        with self._database.read() as session:
            return rows.request(_find(session, org_id, request_id))

    def waiting(self, org_id: str) -> list[Request]:
        """Everything that waits for an administrator, oldest first."""
        where = (RequestRow.org_id == org_id, RequestRow.state == RequestState.WAITING.value)
        with self._database.read() as session:
            return [rows.request(r) for r in session.scalars(select(RequestRow).where(*where).order_by(RequestRow.created_at))]

    def of(self, org_id: str, user_id: str) -> list[Request]:
        """What somebody asked for, newest first."""
        query = select(RequestRow).where(RequestRow.org_id == org_id, RequestRow.asked_by == user_id)
        with self._database.read() as session:
            return [rows.request(r) for r in session.scalars(query.order_by(RequestRow.created_at.desc()).limit(_RECENT))]

    def approve_pause(self, actor: Actor, request_id: str, at: datetime) -> Request:
        """Pauses the sync and decides, at once. A sync that is paused already closes the request as no longer needed."""
        with self._database.write() as session:
            row = _waiting(session, actor.org_id, request_id)
            sync = session.get(SyncRow, row.sync_id, with_for_update=True)
            if sync is None or sync.deleted_at or sync.status == SyncStatus.INACTIVE:
                finish(session, row, RequestState.OBSOLETE, at)
                return rows.request(row)
            _decide(session, row, actor, RequestState.APPROVED, at)
            pause_row(session, sync, actor, at)
            return rows.request(row)

    def approve_role(self, actor: Actor, request_id: str, role: Role, at: datetime) -> Request:
        """Gives the role and decides, at once."""
        with self._database.write() as session:
            row = _waiting(session, actor.org_id, request_id)
            row.role = role.value
            _decide(session, row, actor, RequestState.APPROVED, at)
            set_role(session, actor, row.asked_by, role, at, tells=False)
            return rows.request(row)

    def decide(self, actor: Actor, request_id: str, state: RequestState, at: datetime, *, reason: str = "") -> Request:
        """Declines, or says that it is done. Raises Conflict(current) when somebody decided before."""
        with self._database.write() as session:
            row = _waiting(session, actor.org_id, request_id)
            _decide(session, row, actor, state, at, reason=reason)
            return rows.request(row)

    def close(self, org_id: str, request_id: str, at: datetime) -> Request:
        """It is no longer needed."""
        with self._database.write() as session:
            row = _waiting(session, org_id, request_id)
            finish(session, row, RequestState.OBSOLETE, at)
            return rows.request(row)

    def lapse(self, at: datetime) -> int:
        """What nobody decided in time lapses, and help for syncs that got well is no longer needed; how many ended."""
        with self._database.write() as session:
            waiting = select(RequestRow).where(RequestRow.state == RequestState.WAITING.value).with_for_update(skip_locked=True)
            ended = 0
            for row in session.scalars(waiting).all():
                if row.lapses_at <= at:
                    finish(session, row, RequestState.LAPSED, at)
                elif row.kind == RequestKind.HELP and row.sync_id and _is_well(session, row.sync_id):
                    finish(session, row, RequestState.OBSOLETE, at)
                else:
                    continue
                ended += 1
            return ended


def _decide(session: Session, row: RequestRow, actor: Actor, state: RequestState, at: datetime, *, reason: str = "") -> None:
    finish(session, row, state, at, by=actor.user_id, reason=reason)
    after = {"request": row.id} | ({"reason": reason} if reason else {})
    note(session, actor, at, f"{state.value} {row.kind}", _subject(session, row), after=after)


def _is_well(session: Session, sync_id: str) -> bool:
    sync = session.get(SyncRow, sync_id)
    return sync is None or bool(sync.deleted_at) or sync.status in (SyncStatus.SYNCED, SyncStatus.INACTIVE)


def _subject(session: Session, row: RequestRow) -> str:
    sync = session.get(SyncRow, row.sync_id) if row.sync_id else None
    return f"sync S-{sync.number}" if sync else f"user {row.asked_by}"


def _waiting(session: Session, org_id: str, request_id: str) -> RequestRow:
    row = _find(session, org_id, request_id, lock=True)
    if row.state != RequestState.WAITING:
        raise Conflict("This request has been decided already.", current=rows.request(row))
    return row


def _find(session: Session, org_id: str, request_id: str, *, lock: bool = False) -> RequestRow:
    query = select(RequestRow).where(RequestRow.org_id == org_id, RequestRow.id == request_id)
    row = session.scalars(query.with_for_update() if lock else query).first()
    if row is None:
        raise NotFound("There is no such request here.")
    return row
