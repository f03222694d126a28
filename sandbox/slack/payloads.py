"""What apps are sent: commands, interactions and events, in the shapes that Bolt's types and Slack's pages give them."""

from typing import Any

from sandbox.slack.faces import ENTERPRISE_ID, ENTERPRISE_NAME, TEAM_DOMAIN, home_team, team
from sandbox.slack.state import JSON, App, Conversation, Message, View
from sandbox.slack.workspace import Workspace
from sandbox.world import TEAM_ID, Person


def _install(app: App) -> JSON:
    """An app that the whole organization installed gets no team (Enterprise Grid)."""
    if app.org_wide:
        enterprise = {"id": ENTERPRISE_ID, "name": ENTERPRISE_NAME}
        return {"team": None, "enterprise": enterprise, "is_enterprise_install": True}
    return {"team": team(), "enterprise": None, "is_enterprise_install": False}


def actor(space: Workspace, person: Person) -> JSON:
    """A person as interactions name them; a stranger with the team that they come from."""
    return {"id": person.id, "username": person.handle, "name": person.handle, "team_id": home_team(space, person)}


def command(space: Workspace, app: App, person: Person, channel: Conversation, *, name: str, text: str) -> JSON:
    """A slash command, field by field as the form has it."""
    payload: JSON = {
        "token": app.verification_token,
        "team_id": TEAM_ID,
        "team_domain": TEAM_DOMAIN,
        "channel_id": channel.id,
        "channel_name": "directmessage" if channel.kind == "im" else channel.name,
        "user_id": person.id,
        "user_name": person.handle,
        "command": name,
        "text": text,
        "api_app_id": app.id,
        "is_enterprise_install": "true" if app.org_wide else "false",
        "response_url": space.reply_url(app, person.id, channel.id, "commands"),
        "trigger_id": space.trigger(app, person.id),
    }
    if app.org_wide:
        payload |= {"enterprise_id": ENTERPRISE_ID, "enterprise_name": ENTERPRISE_NAME}
    return payload


def view_face(space: Workspace, view: View, values: JSON) -> JSON:
    """A view as answers and payloads carry it, with these values as its state."""
    app = space.apps[view.app_id]
    body = view.body
    return {
        "id": view.id,
        "team_id": TEAM_ID,
        "type": body["type"],
        "blocks": body["blocks"],
        "private_metadata": body.get("private_metadata", ""),
        "callback_id": body.get("callback_id", ""),
        "state": {"values": values},
        "hash": view.hash,
        "title": body.get("title") or {"type": "plain_text", "text": "View Title", "emoji": True},
        "clear_on_close": body.get("clear_on_close", False),
        "notify_on_close": body.get("notify_on_close", False),
        "close": body.get("close"),
        "submit": body.get("submit"),
        "previous_view_id": view.previous_id,
        "root_view_id": view.root_id,
        "app_id": app.id,
        "external_id": body.get("external_id", ""),
        "app_installed_team_id": ENTERPRISE_ID if app.org_wide else TEAM_ID,
        "bot_id": app.bot_id,
    }


def _interaction(space: Workspace, app: App, person: Person, kind: str) -> JSON:
    return {"type": kind, "user": actor(space, person), "api_app_id": app.id, "token": app.verification_token, **_install(app)}


def in_view(space: Workspace, person: Person, kind: str, view: View, values: JSON) -> JSON:
    """The start of an interaction that happened in a view."""
    return _interaction(space, space.apps[view.app_id], person, kind) | {
        "container": {"type": "view", "view_id": view.id},
        "view": view_face(space, view, values),
    }


def in_message(space: Workspace, app: App, person: Person, kind: str, message: Message) -> JSON:
    """The start of an interaction that happened in a message."""
    channel = space.channels[message.channel]
    body = message.body
    container: JSON = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": message.to is not None,
    }
    if "thread_ts" in body:
        container["thread_ts"] = body["thread_ts"]
    payload = _interaction(space, app, person, kind) | {"container": container, "channel": channel_name(channel)}
    if message.to is None:  # Slack does not keep what only one person was shown
        payload["message"] = body
    return payload


def channel_name(channel: Conversation) -> JSON:
    """A conversation as interactions name it."""
    return {"id": channel.id, "name": "directmessage" if channel.kind == "im" else channel.name}


def plain_interaction(space: Workspace, app: App, person: Person, *, kind: str, more: JSON) -> JSON:
    """An interaction outside of messages and views: shortcuts, submissions, closings."""
    return _interaction(space, app, person, kind) | more


def event(space: Workspace, app: App, inner: JSON, *, channel: Conversation | None = None) -> JSON:
    """An event in its `event_callback`."""
    now = int(space.ids.now())
    team_id: str | None = None if app.org_wide else TEAM_ID
    enterprise = ENTERPRISE_ID if app.org_wide else None
    authorization: dict[str, Any] = {
        "enterprise_id": enterprise,
        "team_id": team_id,
        "user_id": app.bot_user_id,
        "is_bot": True,
        "is_enterprise_install": app.org_wide,
    }
    return {
        "token": app.verification_token,
        "team_id": TEAM_ID,
        "context_team_id": TEAM_ID,
        "context_enterprise_id": enterprise,
        "api_app_id": app.id,
        "event": inner,
        "type": "event_callback",
        "event_id": space.ids.new("Ev"),
        "event_time": now,
        "authorizations": [authorization],
        "is_ext_shared_channel": bool(channel and channel.ext_shared),
        "event_context": f"4-{space.ids.letters(60)}",
    }
