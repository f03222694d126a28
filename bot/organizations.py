"""Organizations come, by the token of the settings or by Slack's OAuth, and somebody administers them."""

import logging
from typing import Any

from slack_sdk.oauth.installation_store import Installation

from bot.workspaces import Workspaces
from core.models import Actor, Role
from core.people import People
from core.ports import Clock
from core.store import Store
from core.users import Users

logger = logging.getLogger(__name__)


class Organizations:
    """`sync_limit`: what the contract allows; `first`: who administers by setting, while nobody else does."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        users: Users,
        people: People,
        workspaces: Workspaces,
        sync_limit: int,
        first: str | None,
    ) -> None:
        self._store, self._clock, self._users, self._people = store, clock, users, people
        self._workspaces, self._sync_limit, self._first = workspaces, sync_limit, first
        self.team_id = ""

    def greet(self) -> None:
        """The one workspace that the token of the settings belongs to."""
        team: Any = self._workspaces.client("").auth_test().data
        self.team_id = str(team.get("team_id") or "")
        org_id = str(team["enterprise_id"] if team.get("is_enterprise_install") else self.team_id)
        self.welcome(org_id, str(team.get("team") or ""))
        logger.info("Slack knows segsync as %s in %s.", team.get("user"), team.get("team"))
        if not self._users.has_administrator(org_id):
            logger.warning("Nobody administers segsync yet: type `/segsync claim %s` in Slack.", self._users.claim_code(org_id))

    def installed(self, installation: Installation) -> None:
        """A workspace has installed us by OAuth: whoever did administers it, while nobody else does."""
        whole = installation.is_enterprise_install
        org_id = str(installation.enterprise_id if whole else installation.team_id)
        self._workspaces.forget(org_id)
        self.welcome(org_id, str((installation.enterprise_name if whole else installation.team_name) or ""))
        self._administer(org_id, installation.user_id, surface="install")

    def welcome(self, org_id: str, name: str) -> None:
        """The organization exists, and who administers it by setting does."""
        self._store.organizations.ensure(org_id, name=name, sync_limit=self._sync_limit, at=self._clock.now())
        self._people.installed(org_id)
        if self._first:
            self._administer(org_id, self._first, surface="settings")

    def _administer(self, org_id: str, user_id: str, *, surface: str) -> None:
        if not self._users.has_administrator(org_id):
            actor = Actor(org_id, user_id, Role.PRIMARY_ADMIN, surface=surface)
            self._store.organizations.give_role(actor, user_id, Role.PRIMARY_ADMIN, self._clock.now())
