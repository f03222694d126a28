"""What each user has chosen. Whoever has no row is a viewer who has chosen nothing."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from core.models import Actor, Role
from core.store.database import Database
from core.store.rows import note
from core.tables import UserRow


class PeopleStore:
    """One method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def settings(self, org_id: str, user_id: str) -> dict[str, Any]:
        """A user's own settings."""
        with self._database.read() as session:
            row = session.get(UserRow, (org_id, user_id))
            return dict(row.settings) if row else {}

    def set_settings(self, actor: Actor, chosen: Mapping[str, Any], at: datetime) -> None:
        """The actor's own settings; others of theirs stay."""
        with self._database.write() as session:
            row = session.get(UserRow, (actor.org_id, actor.user_id))
            if row is None:
                row = UserRow(org_id=actor.org_id, id=actor.user_id, role=Role.VIEWER.value, settings={})
                session.add(row)
            before = {k: row.settings.get(k) for k in chosen}
            row.settings = row.settings | dict(chosen)
            note(session, actor, at, "notifications", f"user {actor.user_id}", before=before, after=chosen)

    def opened(self, actor: Actor, at: datetime) -> None:
        """The actor has opened the Home tab."""
        with self._database.write() as session:
            row = session.get(UserRow, (actor.org_id, actor.user_id))
            if row is None:
                row = UserRow(org_id=actor.org_id, id=actor.user_id, role=Role.VIEWER.value, settings={})
                session.add(row)
            row.home_opened_at = at

    def lookers(self, since: datetime) -> list[tuple[str, str]]:
        """Who opened the Home tab since then, as (organization, user)."""
        with self._database.read() as session:
            found = session.execute(select(UserRow.org_id, UserRow.id).where(UserRow.home_opened_at >= since))
            return [(str(org_id), str(user_id)) for org_id, user_id in found]
