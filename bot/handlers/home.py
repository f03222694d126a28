"""The Home tab."""

from collections.abc import Callable
from typing import Any

from slack_bolt import App, BoltContext
from slack_sdk import WebClient

from core.models import Actor


class Home:
    """The personal dashboard. `publish` draws it; `looked` remembers that somebody did, so that it is kept up to date."""

    def __init__(self, *, publish: Callable[[WebClient, Actor], object], looked: Callable[[Actor], None]) -> None:
        self._publish, self._looked = publish, looked

    def register(self, app: App) -> None:
        """Opening the tab."""
        app.event("app_home_opened")(self.opened)

    def opened(self, event: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """Published anew whenever it is looked at."""
        if event.get("tab", "home") != "home":
            return
        actor: Actor = context["actor"]
        self._looked(actor)
        self._publish(client, actor)
