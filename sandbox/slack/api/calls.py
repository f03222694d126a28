"""One Web API call: its arguments read as Slack reads them, and what it may touch."""

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from sandbox.slack.delivery import Delivery
from sandbox.slack.events import Events
from sandbox.slack.link import Link
from sandbox.slack.posting import Posting
from sandbox.slack.refusal import Refused
from sandbox.slack.screens import Screens
from sandbox.slack.state import JSON, App, Conversation
from sandbox.slack.workspace import Workspace

_DECODED = ("blocks", "attachments", "view", "metadata", "unfurls", "files", "user_auth_blocks", "source", "message")


@dataclass
class Tools:
    """What the methods work with."""

    space: Workspace
    delivery: Delivery
    events: Events
    posting: Posting
    screens: Screens
    link: Link
    codes: dict[str, "Grant"] = field(default_factory=dict)


@dataclass
class Grant:
    """An authorization code of the install page, until it is exchanged."""

    app_id: str
    user: str
    scopes: list[str]
    redirect_uri: str
    expires: float


@dataclass(frozen=True)
class Method:
    """How a method is called. `scopes`: any one of them will do; `caller`: whose token, bot, app, or none."""

    run: Callable[["Call"], JSON | Awaitable[JSON]]
    tier: int = 3
    scopes: tuple[str, ...] = ()
    caller: str = "bot"


@dataclass
class Call:
    """The arguments of a call, and who calls."""

    tools: Tools
    app: App
    args: JSON
    authorization: str = ""

    @property
    def space(self) -> Workspace:
        """The workspace."""
        return self.tools.space

    def text(self, name: str) -> str:
        """A required string."""
        value = self.args.get(name)
        if value is None or value == "":
            raise invalid(f"missing required field: {name}")
        if not isinstance(value, str):
            raise invalid(f"must provide a string [json-pointer:/{name}]")
        return value

    def maybe(self, name: str) -> str | None:
        """An optional string; empty counts as not given."""
        value = self.args.get(name)
        return str(value) if value not in (None, "") else None

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean, also as a form spells it."""
        value = self.args.get(name)
        return default if value in (None, "") else value in (True, 1, "1", "true", "True")

    def number(self, name: str, default: int) -> int:
        """A whole number, also as a form spells it."""
        value = self.args.get(name)
        if value in (None, ""):
            return default
        try:
            return int(str(value))
        except ValueError as error:
            raise invalid(f"must provide an integer [json-pointer:/{name}]") from error

    def words(self, name: str) -> list[str]:
        """A list, or a comma-separated string."""
        value = self.args.get(name)
        if isinstance(value, list):
            return [str(item) for item in value]
        return [item.strip() for item in str(value).split(",") if item.strip()] if value else []

    def needs(self, scope: str) -> None:
        """Raise `missing_scope` when the app does not hold it."""
        if scope not in self.app.scopes:
            raise missing_scope((scope,), self.app)

    def conversation(self, name: str = "channel", *, member: bool = False, open_dm: bool = False) -> Conversation:
        """The conversation named by an argument: an id, `#name`, or a person's id where a DM may be opened."""
        wanted = self.text(name)
        space, app = self.space, self.app
        if open_dm and space.world.person(wanted):
            return space.dm(wanted, app)
        if open_dm and space.app_of_bot(wanted):
            raise Refused("cannot_dm_bot")
        found = space.channels.get(wanted)
        if found is None and not app.org_wide:
            found = next((c for c in space.channels.values() if c.name and wanted in (c.name, f"#{c.name}")), None)
        if found is None or not visible(found, app):
            raise Refused("channel_not_found")
        if member and app.bot_user_id not in found.members:
            raise Refused("not_in_channel")
        return found

    def one_team(self) -> None:
        """An app that the whole organization installed has to say of which team it wants a list."""
        if self.app.org_wide and not self.maybe("team_id"):
            raise invalid("missing required field: team_id")

    def page(self, items: list[Any], *, default: int, most: int) -> tuple[list[Any], str]:
        """One page of `items` by `limit` and `cursor`, and the next cursor ("" at the end)."""
        limit = max(1, min(self.number("limit", default), most))
        cursor = self.maybe("cursor")
        try:
            start = int(base64.b64decode(cursor, validate=True).decode().removeprefix("next:")) if cursor else 0
        except ValueError as error:
            raise Refused("invalid_cursor") from error
        chunk = items[start : start + limit]
        more = start + limit < len(items)
        return chunk, base64.b64encode(f"next:{start + limit}".encode()).decode() if more else ""


def visible(channel: Conversation, app: App) -> bool:
    """Public channels are seen by every app; private ones and DMs by their members."""
    return channel.kind == "public" or app.bot_user_id in channel.members


def invalid(*messages: str) -> Refused:
    """`invalid_arguments`, saying why."""
    return Refused("invalid_arguments", response_metadata={"messages": [f"[ERROR] {text}" for text in messages]})


def missing_scope(needed: tuple[str, ...], app: App) -> Refused:
    """`missing_scope`, with what is needed and what there is."""
    return Refused("missing_scope", needed=",".join(needed), provided=",".join(app.scopes))


def decoded(args: JSON) -> JSON:
    """The arguments without nulls, and with structures that came as JSON strings read; raises Refused."""
    out = {name: value for name, value in args.items() if value is not None and name != "token"}
    for name in _DECODED:
        value = out.get(name)
        if isinstance(value, str) and name != "source":
            if value == "":
                del out[name]
                continue
            try:
                out[name] = orjson.loads(value)
            except orjson.JSONDecodeError as error:
                raise _unreadable(name) from error
    return out


def _unreadable(name: str) -> Refused:
    match name:
        case "blocks":
            return Refused("invalid_blocks_format")
        case "attachments":
            return Refused("invalid_attachments")
        case "metadata":
            return Refused("invalid_metadata_format")
        case "unfurls":
            return Refused("invalid_unfurls_format")
        case _:
            return invalid(f"must provide an object [json-pointer:/{name}]")
