"""The Home tab."""

from typing import Any

from slack_bolt import App, BoltContext
from slack_sdk import WebClient

from bot.blocks import screens
from core.connections import Connections
from core.models import Actor
from core.syncs import SyncFilter, Syncs


class Home:
    """The personal dashboard."""

    def __init__(self, *, syncs: Syncs, connections: Connections) -> None:
        self._syncs, self._connections = syncs, connections

    def register(self, app: App) -> None:
        """Opening the tab."""
        app.event("app_home_opened")(self.opened)

    def opened(self, event: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """Published anew whenever it is looked at."""
        if event.get("tab", "home") != "home":
            return
        actor: Actor = context["actor"]
        mine = self._syncs.list(actor, SyncFilter(owner_id=actor.user_id), 1)
        seen = self._syncs.overview(actor)
        view = screens.home_view(seen, self._connections.offered(), actor, mine.rows, mine.total)
        client.views_publish(user_id=actor.user_id, view=view)
