"""People who come and go, and organizations that do. One method is one transaction."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.models import Actor, Connection, ConnectionStatus, RequestKind, Role
from core.store import rows
from core.store.alarms import Cause, raise_cause
from core.store.closing import close_requests
from core.store.database import Database
from core.store.refreshes import close_open
from core.store.rows import note, tell
from core.store.welcome import steps_done
from core.tables import Base, ConnectionRow, OrganizationRow, SyncRow, UserRow

ACTIVE = ("syncing", "synced", "failed")
GONE = "uninstalled_at"  # in an organization's settings: since when it has not had segsync any more


@dataclass(frozen=True, slots=True)
class Left:
    """A consent that was forgotten: what is needed to take it back at the platform."""

    connection: Connection
    sealed_grant: bytes


class LifeStore:
    """Who is there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def steps(self, org_id: str, user_id: str) -> dict[str, bool]:
        """What has been done of what makes segsync ready."""
        with self._database.read() as session:
            return steps_done(session, org_id, user_id)

    def known(self, org_id: str) -> dict[str, tuple[Role, list[Connection]]]:
        """Everybody with a role or a connection: by user."""
        with self._database.read() as session:
            roles = session.scalars(select(UserRow).where(UserRow.org_id == org_id).order_by(UserRow.id))
            found: dict[str, tuple[Role, list[Connection]]] = {r.id: (Role(r.role), []) for r in roles}
            where = (ConnectionRow.org_id == org_id, ConnectionRow.sealed_grant.is_not(None))
            for row in session.scalars(select(ConnectionRow).where(*where).order_by(ConnectionRow.channel)):
                found.setdefault(row.user_id, (Role.VIEWER, []))[1].append(rows.connection(row))
            return {user: held for user, held in found.items() if held[0] is not Role.VIEWER or held[1]}

    def leave(self, org_id: str, user_id: str, why: str, at: datetime) -> list[Left] | None:
        """Somebody is deactivated or a guest now: role, consents and waiting requests go. None: there was nothing to take.

        The administrators hear which syncs ran on the consents.
        There is always a Primary Administrator while there is any administrator: where the only one leaves, the first ABM
        Administrator becomes it.
        """
        with self._database.write() as session:
            session.get_one(OrganizationRow, org_id, with_for_update=True)
            row = session.get(UserRow, (org_id, user_id))
            where = (ConnectionRow.org_id == org_id, ConnectionRow.user_id == user_id, ConnectionRow.sealed_grant.is_not(None))
            held = session.scalars(select(ConnectionRow).where(*where)).all()
            role = Role(row.role) if row else Role.VIEWER
            if role is Role.VIEWER and not held:
                return None
            if row is not None:
                row.role = Role.VIEWER.value
            clock = Actor(org_id, user_id, Role.VIEWER, surface="clock")
            if role is Role.PRIMARY_ADMIN:
                _succeed(session, clock, at)
            left = [_forget(session, connection, why, at) for connection in held]
            close_requests(session, org_id, tuple(RequestKind), at, user_id=user_id)
            after = {"why": why, "connections": [one.connection.channel.value for one in left]}
            note(session, clock, at, "leave", f"user {user_id}", before={"role": role.value}, after=after)
            return left

    def suspend(self, org_id: str, at: datetime) -> bool:
        """Slack does not let us in any more: what runs ends, nothing new begins; False when that is known."""
        with self._database.write() as session:
            row = session.get(OrganizationRow, org_id, with_for_update=True)
            if row is None or GONE in row.settings:
                return False
            row.settings = row.settings | {GONE: at.isoformat()}
            for sync in _active(session, org_id):
                close_open(session, sync.id, at)
                sync.next_due_at = None
            note(session, Actor(org_id, "slack", Role.VIEWER, surface="slack"), at, "uninstall", "organization")
            return True

    def come_back(self, org_id: str, at: datetime) -> bool:
        """It has segsync again: its syncs go on now; False when it never was without."""
        with self._database.write() as session:
            row = session.get(OrganizationRow, org_id, with_for_update=True)
            if row is None or GONE not in row.settings:
                return False
            row.settings = {k: v for k, v in row.settings.items() if k != GONE}
            for sync in _active(session, org_id):
                sync.next_due_at = at
            note(session, Actor(org_id, "slack", Role.VIEWER, surface="slack"), at, "install", "organization")
            return True

    def is_gone(self, org_id: str) -> bool:
        """Whether it has no segsync any more."""
        with self._database.read() as session:
            row = session.get(OrganizationRow, org_id)
            return row is not None and GONE in row.settings

    def long_gone(self, kept: timedelta, at: datetime) -> list[str]:
        """Organizations that have been without segsync for longer."""
        with self._database.read() as session:
            found = session.execute(select(OrganizationRow.id, OrganizationRow.settings))
            return [org for org, settings in found if GONE in settings and _since(settings) <= at - kept]

    def forget(self, org_id: str) -> list[str]:
        """Everything of an organization goes; the syncs whose ledgers are to go too."""
        with self._database.write() as session:
            syncs = list(session.scalars(select(SyncRow.id).where(SyncRow.org_id == org_id)))
            for table in reversed(Base.metadata.sorted_tables):
                if "org_id" in table.c:
                    session.execute(delete(table).where(table.c.org_id == org_id))
            session.execute(delete(OrganizationRow).where(OrganizationRow.id == org_id))
            return syncs


def _succeed(session: Session, clock: Actor, at: datetime) -> None:
    where = (UserRow.org_id == clock.org_id, UserRow.role.in_((Role.PRIMARY_ADMIN.value, Role.ABM_ADMIN.value)))
    left = session.scalars(select(UserRow).where(*where).order_by(UserRow.id)).all()
    if not left or any(u.role == Role.PRIMARY_ADMIN for u in left):
        return
    heir = left[0]
    heir.role = Role.PRIMARY_ADMIN.value
    after = {"role": heir.role, "why": "the only one has left"}
    note(session, clock, at, "role", f"user {heir.id}", before={"role": Role.ABM_ADMIN.value}, after=after)
    payload = {"role": heir.role, "by": ""}
    target, once = f"dm:{heir.id}", f"role:{heir.id}:{at.isoformat()}"
    tell(session, org_id=clock.org_id, topic="role", subject_id=heir.id, target=target, at=at, payload=payload, once=once)


def _forget(session: Session, row: ConnectionRow, why: str, at: datetime) -> Left:
    left = Left(rows.connection(row), row.sealed_grant or b"")
    row.sealed_grant, row.status, row.reason = None, ConnectionStatus.MISSING.value, why
    where = (SyncRow.run_as == row.id, SyncRow.status.in_(ACTIVE), SyncRow.deleted_at.is_(None))
    if syncs := session.scalars(select(SyncRow).where(*where).order_by(SyncRow.number)).all():
        cause = Cause("owner_deactivated", f"owner_deactivated:{row.id}", row.channel, None, row.id)
        raise_cause(session, row.org_id, cause, syncs, at)
    return left


def _active(session: Session, org_id: str) -> list[SyncRow]:
    where = (SyncRow.org_id == org_id, SyncRow.status.in_(ACTIVE), SyncRow.deleted_at.is_(None))
    return list(session.scalars(select(SyncRow).where(*where)))


def _since(settings: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(settings[GONE])
