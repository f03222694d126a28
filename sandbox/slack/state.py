"""What the workspace holds: apps, conversations, messages, views, files, and the passes that an interaction hands out."""

from dataclasses import dataclass, field
from typing import Any

JSON = dict[str, Any]

BOT_SCOPES = (
    "app_mentions:read", "bookmarks:read", "bookmarks:write", "calls:read", "calls:write", "canvases:read",
    "canvases:write", "channels:history", "channels:join", "channels:manage", "channels:read", "chat:write",
    "chat:write.customize", "chat:write.public", "commands", "conversations.connect:read", "dnd:read", "emoji:read",
    "files:read", "files:write", "groups:history", "groups:read", "groups:write", "im:history", "im:read", "im:write",
    "incoming-webhook", "links.embed:write", "links:read", "links:write", "metadata.message:read", "mpim:history",
    "mpim:read", "mpim:write", "pins:read", "pins:write", "reactions:read", "reactions:write", "reminders:read",
    "reminders:write", "remote_files:read", "remote_files:share", "remote_files:write", "team:read", "usergroups:read",
    "usergroups:write", "users.profile:read", "users:read", "users:read.email", "users:write",
)  # fmt: skip

BOT_EVENTS = (
    "app_home_opened", "app_mention", "message.channels", "message.groups", "message.im", "message.mpim", "link_shared",
    "team_join", "user_change", "member_joined_channel", "member_left_channel", "channel_archive", "channel_unarchive",
    "channel_rename", "channel_left", "channel_shared", "channel_unshared", "app_uninstalled", "tokens_revoked",
    "file_shared",
)  # fmt: skip


@dataclass
class App:
    """One Slack app as it is installed here. `shortcuts` None: any callback id is taken to be one of its own."""

    id: str
    name: str
    bot_id: str
    bot_user_id: str
    bot_token: str
    app_token: str
    signing_secret: str
    client_id: str
    client_secret: str
    verification_token: str
    commands: list[str]
    scopes: list[str] = field(default_factory=lambda: list(BOT_SCOPES))
    events: list[str] = field(default_factory=lambda: list(BOT_EVENTS))
    shortcuts: list[str] | None = None
    unfurl_domains: list[str] | None = None
    request_url: str | None = None
    redirect_urls: list[str] = field(default_factory=list)
    should_escape: bool = False
    home_enabled: bool = True
    installed: bool = True
    org_wide: bool = False
    installer: str = ""
    token_state: str = "good"  # noqa: S105 - or token_revoked, token_expired, account_inactive: the error that its token answers
    old_tokens: dict[str, str] = field(default_factory=dict)
    order: int = 0


@dataclass
class Message:
    """One message. `body` is Slack's JSON; `to` the only person who sees it, when it is ephemeral."""

    channel: str
    body: JSON
    app_id: str | None = None
    to: str | None = None
    metadata: JSON | None = None

    @property
    def ts(self) -> str:
        """The timestamp that names this message in its conversation."""
        return str(self.body["ts"])


@dataclass
class Conversation:
    """A channel, or the DM of one person with one app (`app_id` and `user` are set then). `members` are user ids, bots' too."""

    id: str
    name: str
    kind: str = "public"  # public, private, im
    members: list[str] = field(default_factory=list)
    created: int = 0
    creator: str = ""
    archived: bool = False
    ext_shared: bool = False
    topic: str = ""
    purpose: str = ""
    user: str | None = None
    app_id: str | None = None
    messages: dict[str, Message] = field(default_factory=dict)  # by ts, oldest first


@dataclass
class File:
    """A file whose bytes were uploaded; `channels` once it is shared."""

    id: str
    name: str
    app_id: str
    secret: str
    size: int
    created: int
    title: str = ""
    channels: list[str] = field(default_factory=list)
    uploaded: bool = False
    user: str = ""


@dataclass
class View:
    """A modal or a Home tab on one person's screen.

    `values` is what the person's client holds; `known` what Slack's servers were last told of it, which is all that a
    `block_suggestion` carries.
    """

    id: str
    app_id: str
    user: str
    body: JSON
    values: JSON
    known: JSON
    hash: str
    root_id: str
    previous_id: str | None = None
    published_at: float = 0.0

    @property
    def is_modal(self) -> bool:
        """Whether it is a modal, not a Home tab."""
        return bool(self.body["type"] == "modal")


@dataclass
class Trigger:
    """The right to open a view: for three seconds, once. `view_id` says that it came from inside a modal."""

    app_id: str
    user: str
    expires: float
    view_id: str | None = None
    used: bool = False


@dataclass
class Reply:
    """What a `response_url` leads to: five uses in half an hour. `ts` is the message acted on, None for a command."""

    app_id: str
    user: str
    channel: str
    expires: float
    ts: str | None = None
    left: int = 5
