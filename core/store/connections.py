"""Connections and the consents that lead to them. What is secret comes sealed and goes sealed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from core.models import Actor, Channel, Connection, ConnectionStatus, Grant, RefreshKind, Sync, SyncStatus
from core.store import rows
from core.store.alarms import end_of_connection_trouble
from core.store.database import Database
from core.store.refreshes import open_run
from core.store.rows import note, tell
from core.store.welcome import tick_off
from core.tables import ConnectionRow, ConsentRow, OutboxRow, SyncRow


@dataclass(frozen=True, slots=True)
class Consent:
    """One consent under way."""

    org_id: str
    user_id: str
    channel: Channel
    back: dict[str, Any]
    sealed_verifier: bytes | None = None


class ConnectionStore:
    """One method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_user(self, org_id: str, user_id: str) -> dict[Channel, Connection]:
        """A user's connections by channel."""
        with self._database.read() as session:
            found = session.scalars(select(ConnectionRow).where(ConnectionRow.org_id == org_id, ConnectionRow.user_id == user_id))
            return {Channel(r.channel): rows.connection(r) for r in found}

    def of_organization(self, org_id: str) -> list[Connection]:
        """Everybody's connections."""
        with self._database.read() as session:
            return [rows.connection(r) for r in session.scalars(select(ConnectionRow).where(ConnectionRow.org_id == org_id))]

    def get(self, connection_id: str) -> tuple[Connection, bytes | None, datetime | None] | None:
        """The connection, its sealed grant, and when its access token ends; None when it was disconnected."""
        with self._database.read() as session:
            row = session.get(ConnectionRow, connection_id)
            return (rows.connection(row), row.sealed_grant, row.expires_at) if row else None

    def runs(self, connection_id: str) -> list[Sync]:
        """The active syncs that run on it."""
        where = (SyncRow.run_as == connection_id, SyncRow.status != SyncStatus.INACTIVE.value, SyncRow.deleted_at.is_(None))
        with self._database.read() as session:
            return [rows.sync(r) for r in session.scalars(select(SyncRow).where(*where).order_by(SyncRow.number))]

    def begin(self, link_hash: str, consent: Consent, *, at: datetime, expires_at: datetime) -> None:
        """A link is handed out."""
        with self._database.write() as session:
            session.add(
                ConsentRow(
                    link_hash=link_hash,
                    org_id=consent.org_id,
                    user_id=consent.user_id,
                    channel=consent.channel.value,
                    back=consent.back,
                    created_at=at,
                    expires_at=expires_at,
                )
            )

    def look(self, link_hash: str, at: datetime) -> Consent | None:
        """The consent of an unused link that still holds."""
        with self._database.read() as session:
            row = session.get(ConsentRow, link_hash)
            return _consent(row) if row and row.used_at is None and row.expires_at > at else None

    def use(self, link_hash: str, *, state_hash: str, cookie_hash: str, sealed_verifier: bytes, at: datetime) -> bool:
        """Spends the link for one way to the platform; False when it is spent or old."""
        with self._database.write() as session:
            done = session.execute(
                update(ConsentRow)
                .where(ConsentRow.link_hash == link_hash, ConsentRow.used_at.is_(None), ConsentRow.expires_at > at)
                .values(used_at=at, state_hash=state_hash, cookie_hash=cookie_hash, sealed_verifier=sealed_verifier)
            )
            return int(getattr(done, "rowcount", 0)) == 1

    def arrive(self, state_hash: str, cookie_hash: str, at: datetime) -> Consent | None:
        """The browser is back with its state: once, and only the browser that went."""
        with self._database.write() as session:
            row = session.scalars(select(ConsentRow).where(ConsentRow.state_hash == state_hash).with_for_update()).first()
            if row is None or row.finished_at is not None or row.cookie_hash != cookie_hash or row.expires_at <= at:
                return None
            row.finished_at = at
            return _consent(row)

    def save(
        self,
        actor: Actor,
        connection_id: str,
        channel: Channel,
        grant: Grant,
        sealed_grant: bytes,
        at: datetime,
        *,
        letter: str = "",
        draft: str = "",
    ) -> Connection:
        """A consent succeeded: stores the grant, ends the connection's alerts, and wakes what stood still because of it.

        The person is told by direct message, filed under `letter`; `draft`: the form that it brings back.
        """
        with self._database.write() as session:
            row = session.get(ConnectionRow, connection_id)
            if row is None:
                row = ConnectionRow(id=connection_id, org_id=actor.org_id, user_id=actor.user_id, channel=channel.value)
                session.add(row)
            row.status, row.reason = ConnectionStatus.CONNECTED.value, None
            row.person_id, row.person_name, row.scopes = grant.person_id, grant.person_name, list(grant.scopes)
            row.sealed_grant, row.connected_at = sealed_grant, at
            row.expires_at, row.ends_at = grant.expires_at, grant.ends_at
            session.flush()
            note(
                session,
                actor,
                at,
                "connect",
                f"connection {channel.value}",
                after={"person": "connected", "scopes": list(grant.scopes)},
            )
            self._wake(session, row, at)
            tick_off(session, actor.org_id, at)
            target, payload = f"dm:{actor.user_id}", {"draft": draft} if draft else {}
            about = letter or f"{channel.value}:{connection_id}:{at.isoformat()}"
            tell(session, org_id=actor.org_id, topic="connected", subject_id=about, target=target, at=at, payload=payload)
            return rows.connection(row)

    def went_on(self, letter: str, at: datetime) -> None:
        """The message filed under `letter` need not bring a form back: not written yet it is written so, else edited."""
        with self._database.write() as session:
            where = (OutboxRow.topic == "connected", OutboxRow.subject_id == letter)
            row = session.scalars(select(OutboxRow).where(*where).with_for_update()).first()
            if row is None or "draft" not in row.payload:
                return
            if row.state == "queued":
                row.payload = {k: v for k, v in row.payload.items() if k != "draft"}
            else:
                tell(session, org_id=row.org_id, topic=row.topic, subject_id=letter, target=row.target, at=at)

    def renewed(self, connection_id: str, grant: Grant, sealed_grant: bytes) -> None:
        """The platform gave a fresh token."""
        with self._database.write() as session:
            row = session.get(ConnectionRow, connection_id)
            if row is not None:
                row.sealed_grant, row.expires_at, row.ends_at = sealed_grant, grant.expires_at, grant.ends_at

    def broken(self, connection_id: str, status: ConnectionStatus, reason: str) -> None:
        """The platform does not accept it any more."""
        with self._database.write() as session:
            row = session.get(ConnectionRow, connection_id)
            if row is not None:
                row.status, row.reason = status.value, reason

    def remove(self, actor: Actor, channel: Channel, at: datetime) -> bool:
        """Forgets the grant; the row stays, since syncs point to it."""
        with self._database.write() as session:
            where = (
                ConnectionRow.org_id == actor.org_id,
                ConnectionRow.user_id == actor.user_id,
                ConnectionRow.channel == channel.value,
            )
            row = session.scalars(select(ConnectionRow).where(*where)).first()
            if row is None or row.sealed_grant is None:
                return False
            row.sealed_grant, row.status, row.reason = None, ConnectionStatus.MISSING.value, "disconnected"
            note(session, actor, at, "disconnect", f"connection {channel.value}")
            return True

    @staticmethod
    def _wake(session: Any, row: ConnectionRow, at: datetime) -> None:
        from uuid import uuid4

        end_of_connection_trouble(session, row, at)
        stood = session.scalars(
            select(SyncRow).where(SyncRow.run_as == row.id, SyncRow.status == "failed", SyncRow.deleted_at.is_(None))
        )
        for sync in stood:
            open_run(session, sync, RefreshKind.REQUESTED, refresh_id=uuid4().hex, at=at)


def _consent(row: ConsentRow) -> Consent:
    return Consent(row.org_id, row.user_id, Channel(row.channel), row.back, row.sealed_verifier)
