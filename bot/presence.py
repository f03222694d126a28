"""Who is still there: what Slack tells of people and of its own installation, asked for where it may not have told."""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from slack_bolt import App, BoltContext
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.actor import Profiles, gone, organization
from bot.conversations import error_of, wait_of
from core.connections import Connections
from core.errors import NeedsReconnect
from core.models import Grant
from core.people import People
from core.ports import Clock

logger = logging.getLogger(__name__)
SWEEP_EVERY = timedelta(days=1)
_BLIND_S = 60.0  # Slack did not answer: what is known goes on meanwhile
_PAGE = 200
_WAITS = 3  # for one page


class Presence:
    """`organizations`: all that are served; `client_of`: the client of one; `removed`: its token is worth nothing any more."""

    def __init__(
        self,
        *,
        people: People,
        connections: Connections,
        profiles: Profiles,
        organizations: Callable[[], list[str]],
        client_of: Callable[[str], WebClient],
        removed: Callable[[str], None],
        clock: Clock,
        ticks: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._people, self._connections, self._profiles = people, connections, profiles
        self._organizations, self._client_of, self._removed = organizations, client_of, removed
        self._clock, self._ticks, self._sleep = clock, ticks, sleep
        self._swept: dict[str, datetime] = {}
        self._blind_until = 0.0

    def register(self, app: App) -> None:
        """Events about people, and about the installation."""
        app.event("user_change")(self.changed)
        app.event("app_uninstalled")(self.uninstalled)
        app.event("tokens_revoked")(self.revoked)

    def changed(self, event: dict[str, Any], context: BoltContext) -> None:
        """Somebody's profile has changed: perhaps they have left, or are a guest now."""
        user, org_id = event["user"], organization(context)
        self._profiles.forget(str(user["id"]))
        if org_id and (why := gone(user)):
            self._people.left(org_id, str(user["id"]), why)

    def uninstalled(self, context: BoltContext) -> None:
        """The workspace has taken the app out."""
        self._suspend(organization(context))

    def revoked(self, event: dict[str, Any], context: BoltContext) -> None:
        """Tokens were taken back; only the bot's own matters."""
        if (event.get("tokens") or {}).get("bot"):
            self._suspend(organization(context))

    def grant(self, connection_id: str) -> Grant:
        """The secrets of a connection, if its user is still there. Slack not answering stops nothing. Raises NeedsReconnect."""
        owner = self._connections.owner(connection_id)
        if owner is not None and (why := self._look(*owner)):
            self._people.left(*owner, why)
            raise NeedsReconnect("The person whose connection this is has left the workspace.")
        return self._connections.grant(connection_id)

    def sweep(self) -> None:
        """Once a day everybody is looked at: an event may have been lost, and whoever is known is answered at once."""
        for org_id in self._organizations():
            now = self._clock.now()
            if org_id in self._swept and now - self._swept[org_id] < SWEEP_EVERY:
                continue
            known = set(self._people.known(org_id))
            try:
                left = {user: why for user, why in self._listed(org_id) if user in known}
            except (SlackApiError, OSError) as error:
                logger.warning("Slack does not say who is still there: %s", type(error).__name__)
                continue
            self._swept[org_id] = now
            for user, why in left.items():
                self._people.left(org_id, user, why)

    def _listed(self, org_id: str) -> list[tuple[str, str]]:
        """Everybody whom `users.list` calls deactivated or a guest, with which of them."""
        client, cursor = self._client_of(org_id), ""
        found: list[tuple[str, str]] = []
        while True:
            answer = self._page(client, cursor)
            learned = ((str(user["id"]), self._profiles.learn(org_id, user).gone) for user in answer["members"])
            found += [(user_id, why) for user_id, why in learned if why]
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return found

    def _page(self, client: WebClient, cursor: str) -> Any:
        """One page of `users.list`: Slack lets twenty pass in a minute, so that a large workspace takes some."""
        for _ in range(_WAITS):
            try:
                return client.users_list(cursor=cursor, limit=_PAGE)
            except SlackApiError as refused:
                if error_of(refused) != "ratelimited":
                    raise
                self._sleep(wait_of(refused))
        return client.users_list(cursor=cursor, limit=_PAGE)

    def _look(self, org_id: str, user_id: str) -> str:
        """Why this person may not use segsync any more; nothing also where Slack does not say."""
        if self._ticks() < self._blind_until:
            return ""
        try:
            return self._profiles.of(self._client_of(org_id), org_id, user_id).gone
        except (SlackApiError, OSError):
            self._blind_until = self._ticks() + _BLIND_S
            return ""

    def _suspend(self, org_id: str | None) -> None:
        if org_id and self._people.uninstalled(org_id):
            logger.warning("Slack does not let segsync into %s any more: its refreshes end.", org_id)
            self._removed(org_id)
