"""Links to syncs, `{public_url}/s/S-42`: below them a card with name, status and owner; for one's own people only."""

import re
from collections.abc import Callable
from typing import Any

from slack_bolt import App, BoltContext
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.blocks import syncs as blocks
from core.errors import NotFound
from core.models import Actor
from core.syncs import Syncs

_PATH = re.compile(r"/s/(S-\d{1,9})$", re.IGNORECASE)
_MOST = 5


class Linking:
    """`own`: the start of the addresses that are ours, None while there is no public address."""

    def __init__(self, *, syncs: Syncs, own: Callable[[], str | None]) -> None:
        self._syncs, self._own = syncs, own

    def register(self, app: App) -> None:
        """Somebody wrote a link."""
        app.event("link_shared")(self.shared)

    def shared(self, event: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """Guests and strangers do not come here; where another company reads, nothing is shown."""
        actor: Actor | None = context.get("actor")
        if actor is None or (event.get("source") != "composer" and _is_shared(client, str(event["channel"]))):
            return
        cards: dict[str, Any] = {}
        for link in event.get("links", [])[:_MOST]:
            url = str(link.get("url", ""))
            short = self._short(url)
            if short is None:
                continue
            try:
                cards[url] = {"blocks": [blocks.card(self._syncs.get(actor, short))]}
            except NotFound:
                continue
        if not cards:
            return
        if event.get("unfurl_id"):
            client.chat_unfurl(unfurl_id=event["unfurl_id"], source=event.get("source"), unfurls=cards)
        else:
            client.chat_unfurl(channel=event["channel"], ts=event["message_ts"], unfurls=cards)

    def _short(self, url: str) -> str | None:
        own = self._own()
        if own is None or not url.startswith(f"{own}/"):
            return None
        found = _PATH.match(url.removeprefix(own).partition("?")[0].partition("#")[0])
        return found[1] if found else None


def _is_shared(client: WebClient, conversation: str) -> bool:
    """Whether people of another company read it; where Slack does not say, as if they did."""
    try:
        found: dict[str, Any] = client.conversations_info(channel=conversation)["channel"]
    except SlackApiError:
        return True
    return bool(found.get("is_ext_shared") or found.get("is_pending_ext_shared"))
