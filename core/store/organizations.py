"""Organizations, their users' roles, and the audit log's reading side."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.models import Actor, AuditEntry, RequestKind, Role
from core.store import rows
from core.store.closing import close_requests
from core.store.database import Database
from core.store.rows import note, tell
from core.store.welcome import tick_off, welcome
from core.tables import AuditRow, OrganizationRow, UserRow


class OrganizationStore:
    """One method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ensure(self, org_id: str, *, name: str, sync_limit: int, at: datetime) -> None:
        """The organization exists, under the contract's limit of now."""
        with self._database.write() as session:
            row = session.get(OrganizationRow, org_id)
            if row is None:
                session.add(
                    OrganizationRow(id=org_id, name=name, created_at=at, last_number=0, sync_limit=sync_limit, settings={})
                )
            else:
                row.name, row.sync_limit = name or row.name, sync_limit

    def get(self, org_id: str) -> dict[str, Any]:
        """What is set for an organization."""
        with self._database.read() as session:
            row = session.get_one(OrganizationRow, org_id)
            return {
                "name": row.name,
                "sync_limit": row.sync_limit,
                "own_cap": row.own_cap,
                "alert_conversation": row.alert_conversation,
                "approval_conversation": row.approval_conversation,
                **row.settings,
            }

    def ids(self) -> list[str]:
        """All organizations."""
        with self._database.read() as session:
            return list(session.scalars(select(OrganizationRow.id).order_by(OrganizationRow.id)))

    def set(self, actor: Actor, changes: Mapping[str, Any], at: datetime) -> None:
        """Changes settings; own columns where there are such, else the free part."""
        with self._database.write() as session:
            row = session.get_one(OrganizationRow, actor.org_id, with_for_update=True)
            columns = ("own_cap", "alert_conversation", "approval_conversation")
            before = {k: getattr(row, k) if k in columns else row.settings.get(k) for k in changes}
            for name, value in changes.items():
                if name in columns:
                    setattr(row, name, value)
                else:
                    row.settings = row.settings | {name: value}
            note(session, actor, at, "settings", "settings", before=before, after=changes)
            tick_off(session, actor.org_id, at)

    def role(self, org_id: str, user_id: str) -> Role:
        """Whoever nobody gave a role is a viewer."""
        with self._database.read() as session:
            row = session.get(UserRow, (org_id, user_id))
            return Role(row.role) if row else Role.VIEWER

    def people(self, org_id: str) -> dict[str, Role]:
        """Everybody with a role."""
        with self._database.read() as session:
            return {
                r.id: Role(r.role) for r in session.scalars(select(UserRow).where(UserRow.org_id == org_id).order_by(UserRow.id))
            }

    def give_role(self, actor: Actor, user_id: str, role: Role, at: datetime) -> bool:
        """Gives it; False when the organization would be left without a primary administrator."""
        with self._database.write() as session:
            return set_role(session, actor, user_id, role, at)

    def claimed(self, org_id: str) -> str:
        """The hash of the code by which somebody became the administrator last; empty: nobody did."""
        with self._database.read() as session:
            row = session.get(OrganizationRow, org_id)
            return (row and row.claim_hash) or ""

    def claim(self, actor: Actor, code_hash: str, at: datetime) -> bool:
        """Makes the actor the primary administrator; False when somebody is already."""
        with self._database.write() as session:
            row = session.get_one(OrganizationRow, actor.org_id, with_for_update=True)
            primary = (UserRow.org_id == actor.org_id, UserRow.role == Role.PRIMARY_ADMIN.value)
            if session.scalar(select(func.count()).select_from(UserRow).where(*primary)):
                return False
            row.claim_hash = code_hash
            return set_role(session, actor, actor.user_id, Role.PRIMARY_ADMIN, at)

    def audit(self, org_id: str, *, words: str = "", limit: int = 50) -> list[AuditEntry]:
        """The newest entries whose action, subject or actor holds these words."""
        with self._database.read() as session:
            query = select(AuditRow).where(AuditRow.org_id == org_id)
            for word in words.split():
                query = query.where(
                    AuditRow.action.contains(word) | AuditRow.subject.contains(word) | AuditRow.actor_id.contains(word)
                )
            return [rows.audit_entry(r) for r in session.scalars(query.order_by(AuditRow.id.desc()).limit(limit))]


def set_role(session: Session, actor: Actor, user_id: str, role: Role, at: datetime, *, tells: bool = True) -> bool:
    """Gives a role, in the caller's transaction; False when nobody would be left as primary administrator.

    The first one is welcomed; others hear of their new role from segsync, unless `tells` is False.
    """
    session.get_one(OrganizationRow, actor.org_id, with_for_update=True)
    row = session.get(UserRow, (actor.org_id, user_id))
    old = Role(row.role) if row else Role.VIEWER
    primary = (UserRow.org_id == actor.org_id, UserRow.role == Role.PRIMARY_ADMIN.value)
    administer = session.scalar(select(func.count()).select_from(UserRow).where(*primary)) or 0
    if old is Role.PRIMARY_ADMIN and role is not old and administer < 2:
        return False
    is_first = role is Role.PRIMARY_ADMIN and administer == 0
    if row is None:
        session.add(UserRow(org_id=actor.org_id, id=user_id, role=role.value, settings={}))
    else:
        row.role = role.value
    if role is not Role.VIEWER:
        close_requests(session, actor.org_id, (RequestKind.ROLE,), at, user_id=user_id)
    note(session, actor, at, "role", f"user {user_id}", before={"role": old.value}, after={"role": role.value})
    if is_first:
        welcome(session, actor.org_id, user_id, at)
    tick_off(session, actor.org_id, at)
    if tells and old is not role and actor.surface == "slack" and actor.user_id != user_id:
        payload, target = {"role": role.value, "by": actor.user_id}, f"dm:{user_id}"
        once = f"role:{actor.org_id}:{user_id}:{at.isoformat()}"
        tell(session, org_id=actor.org_id, topic="role", subject_id=user_id, target=target, at=at, payload=payload, once=once)
    return True
