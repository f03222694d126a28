"""Which workspaces have installed the app by OAuth, with their sealed tokens; and the states of installations under way."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete

from core.store.database import Database
from core.tables import InstallationRow, InstallStateRow


class InstallationRecords:
    """One method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, org_id: str, facts: Mapping[str, Any], sealed_token: bytes, *, installed_by: str, at: datetime) -> None:
        """Keeps, or replaces, an organization's installation."""
        with self._database.write() as session:
            session.merge(
                InstallationRow(
                    org_id=org_id, facts=dict(facts), sealed_token=sealed_token, installed_by=installed_by, installed_at=at
                )
            )

    def get(self, org_id: str) -> tuple[dict[str, Any], bytes, datetime] | None:
        """Facts, sealed token and moment."""
        with self._database.read() as session:
            row = session.get(InstallationRow, org_id)
            return (row.facts, row.sealed_token, row.installed_at) if row else None

    def delete(self, org_id: str) -> None:
        """Forgets it."""
        with self._database.write() as session:
            session.execute(delete(InstallationRow).where(InstallationRow.org_id == org_id))

    def issue(self, state_hash: str, expires_at: datetime, now: datetime) -> None:
        """Notes a state, and forgets those that have expired."""
        with self._database.write() as session:
            session.execute(delete(InstallStateRow).where(InstallStateRow.expires_at <= now))
            session.add(InstallStateRow(state_hash=state_hash, expires_at=expires_at))

    def consume(self, state_hash: str, now: datetime) -> bool:
        """True for a state that is known and has not expired; it is used up."""
        with self._database.write() as session:
            row = session.get(InstallStateRow, state_hash, with_for_update=True)
            if row is None:
                return False
            session.delete(row)
            return row.expires_at > now
