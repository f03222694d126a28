"""The Slack app as it must be registered: what it listens to, and each scope with the reason that whoever installs it reads.

Form: docs.slack.dev/reference/app-manifest.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from bot.blocks import ids

SCOPES: Final = {
    "commands": "people type /segsync",
    "chat:write": "answers, progress, alerts, requests for approval",
    "im:write": "opens the direct message in which progress is told",
    "im:history": "the same words work in a direct message; after a crash, looks whether a message arrived",
    "app_mentions:read": "the same words work by mention",
    "channels:read": "whether an alert conversation is archived or shared with another company",
    "groups:read": "the same for private conversations",
    "channels:history": "after a crash, looks whether an alert arrived; nothing else is read",
    "groups:history": "the same for private conversations",
    "users:read": "names, time zones, and whether somebody is a guest or deactivated",
    "team:read": "the workspace's name",
    "files:write": "exports as files in the direct message",
    "links:read": "recognises links to syncs",
    "links:write": "shows a card below links to syncs",
}
EVENTS: Final = (
    "app_home_opened",
    "app_mention",
    "app_uninstalled",
    "channel_unarchive",
    "channel_unshared",
    "group_unarchive",
    "link_shared",
    "member_joined_channel",
    "message.im",
    "tokens_revoked",
    "user_change",
)


def manifest(*, public_url: str | None, socket_mode: bool) -> dict[str, Any]:
    """The manifest as JSON values. Over HTTP, `public_url` is where Slack reaches us. Raises ValueError without it."""
    if not socket_mode and not public_url:
        raise ValueError("Over HTTP Slack needs the setting public_url.")
    to = f"{public_url}/slack/events"
    address = {} if socket_mode else {"url": to}
    events: dict[str, Any] = {"bot_events": list(EVENTS)} | ({} if socket_mode else {"request_url": to})
    interactivity: dict[str, Any] = {"is_enabled": True}
    if not socket_mode:
        interactivity |= {"request_url": to, "message_menu_options_url": to}
    features: dict[str, Any] = {
        "app_home": {"home_tab_enabled": True, "messages_tab_enabled": True, "messages_tab_read_only_enabled": False},
        "bot_user": {"display_name": "segsync", "always_online": True},
        "shortcuts": [
            {
                "name": "Create a segment sync",
                "type": "global",
                "callback_id": ids.CREATE_SHORTCUT,
                "description": "Keep a segment up on an ad account",
            }
        ],
        "slash_commands": [
            {
                "command": "/segsync",
                "description": "Segment syncs: create, see, pause, resume",
                "usage_hint": "create · list · show S-42 · help",
                "should_escape": True,
            }
            | address
        ],
    }
    host = urlsplit(public_url).hostname if public_url else None
    if host:
        features["unfurl_domains"] = [host]
    oauth: dict[str, Any] = {"scopes": {"bot": list(SCOPES)}}
    if not socket_mode:
        oauth["redirect_urls"] = [f"{public_url}/slack/oauth_redirect"]
    return {
        "display_information": {
            "name": "segsync",
            "description": "Keeps ad audiences on Google, LinkedIn and Meta equal to your segments",
            "background_color": "#4a154b",
        },
        "features": features,
        "oauth_config": oauth,
        "settings": {
            "event_subscriptions": events,
            "interactivity": interactivity,
            "org_deploy_enabled": False,
            "socket_mode_enabled": socket_mode,
            "token_rotation_enabled": False,
        },
    }
