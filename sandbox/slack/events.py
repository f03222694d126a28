"""Which apps hear of what: an event goes to every installed app that asked for it, may see it and holds the scope."""

import asyncio
from collections.abc import Iterable

from sandbox.slack import payloads
from sandbox.slack.delivery import Delivery
from sandbox.slack.faces import channel_type, conversation_face, person_face
from sandbox.slack.state import JSON, App, Conversation
from sandbox.slack.workspace import Workspace
from sandbox.world import TEAM_ID, Person

_MESSAGE_EVENTS = {"im": "message.im", "channel": "message.channels", "group": "message.groups"}
_SCOPES = {
    "app_mention": "app_mentions:read",
    "message.im": "im:history",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "link_shared": "links:read",
    "team_join": "users:read",
    "user_change": "users:read",
    "member_joined_channel": "channels:read",
    "member_left_channel": "channels:read",
    "channel_archive": "channels:read",
    "channel_unarchive": "channels:read",
    "channel_shared": "channels:read",
    "channel_unshared": "channels:read",
    "file_shared": "files:read",
}


class Events:
    """Tells apps what happened."""

    def __init__(self, *, space: Workspace, delivery: Delivery) -> None:
        """See the class."""
        self._space, self._delivery = space, delivery

    def send(
        self, name: str, inner: JSON, *, apps: Iterable[App] | None = None, channel: Conversation | None = None
    ) -> list[asyncio.Task[None]]:
        """Send this event to those of `apps` (all, when not given) that want it; the deliveries under way."""
        scope = _SCOPES.get(name)
        wanted = [
            app
            for app in (self._space.apps.values() if apps is None else apps)
            if name in app.events and (scope is None or scope in app.scopes)
            and (app.installed or name in ("app_uninstalled", "tokens_revoked"))
        ]  # fmt: skip
        return [
            self._delivery.event(app, payloads.event(self._space, app, inner, channel=channel))
            for app in wanted
            if self._delivery.expects(app)
        ]

    def inside(self, channel: Conversation) -> list[App]:
        """The apps that are members of the conversation."""
        return [app for app in self._space.apps.values() if app.bot_user_id in channel.members]

    def message(self, channel: Conversation, body: JSON, *, author: App | None = None) -> None:
        """A message was written, changed or deleted; its author's app does not hear its own."""
        kind = channel_type(channel)
        inner = body | {"channel": channel.id, "channel_type": kind, "event_ts": body["ts"]}
        heard = [app for app in self.inside(channel) if app is not author]
        self.send(_MESSAGE_EVENTS[kind], inner, apps=heard, channel=channel)

    def person(self, name: str, person: Person) -> None:
        """`user_change` or `team_join`."""
        now = self._space.ids.ts()
        for app in self._space.apps.values():
            face = person_face(self._space, person, email="users:read.email" in app.scopes)
            inner = {"type": name, "user": face, "cache_ts": int(float(now)), "event_ts": now}
            self.send(name, inner, apps=[app])

    def joined(self, channel: Conversation, user: str, inviter: str | None = None) -> None:
        """`member_joined_channel`."""
        inner = {
            "type": "member_joined_channel",
            "user": user,
            "channel": channel.id,
            "channel_type": "C" if channel.kind == "public" else "G",
            "team": TEAM_ID,
            "event_ts": self._space.ids.ts(),
        }
        if inviter:
            inner["inviter"] = inviter
        self.send("member_joined_channel", inner, apps=self.inside(channel), channel=channel)

    def channel(self, name: str, channel: Conversation, apps: Iterable[App], **more: object) -> None:
        """An event about a conversation as a whole: archived, shared, left."""
        inner = {"type": name, "channel": channel.id, "event_ts": self._space.ids.ts(), **more}
        self.send(name, inner, apps=apps, channel=channel)

    def face(self, channel: Conversation, app: App) -> JSON:
        """The conversation as this app sees it."""
        return conversation_face(self._space, channel, app)
