"""What a person does at the keyboard: slash commands and messages."""

import re
import time
from typing import Any
from urllib.parse import urlsplit

from sandbox.slack import payloads
from sandbox.slack.contents import bot_body, checked
from sandbox.slack.delivery import Ack, Delivery
from sandbox.slack.events import Events
from sandbox.slack.faces import file_face
from sandbox.slack.refusal import Impossible, Refused
from sandbox.slack.state import JSON, App, Conversation, File, Message
from sandbox.slack.workspace import SLACKBOT, Workspace
from sandbox.world import TEAM_ID, Person

_LINK = re.compile(r"https?://[^\s<>|]+")
_MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")
_NAMED = re.compile(r"(?<![<\w])([@#])([\w.-]+)")


def acting(space: Workspace, user: Any) -> Person:
    """The person who acts; somebody unknown or deactivated cannot."""
    person = space.world.person(user) if isinstance(user, str) else None
    if person is None or person.deleted:
        raise Impossible(404, "user_not_found")
    return person


def place(space: Workspace, person: Person, channel: Any) -> Conversation:
    """A conversation that this person is in."""
    found = space.channels.get(channel) if isinstance(channel, str) else None
    if found is None or person.id not in found.members:
        raise Impossible(404, "channel_not_found")
    return found


class Typing:
    """Commands and messages."""

    def __init__(self, *, space: Workspace, delivery: Delivery, events: Events) -> None:
        """See the class."""
        self._space, self._delivery, self._events = space, delivery, events

    async def command(self, person: Person, channel: Conversation, line: str) -> JSON:
        """Type a slash command; `{status, ack_ms}` once the app acknowledged it, or three seconds passed."""
        name, _, text = line.strip().partition(" ")
        app = self._space.app_of_command(name)
        if app is None:
            raise Impossible(404, f"{name} is not a valid command")
        if channel.archived:
            raise Impossible(404, "is_archived")
        text = self._escaped(text.strip()) if app.should_escape else text.strip()
        payload = payloads.command(self._space, app, person, channel, name=name, text=text)
        began = time.perf_counter()
        ack = await self._delivery.ask(app, "slash_commands", payload, accepts=True)
        took = (time.perf_counter() - began) * 1000
        error = ack.error or self._show_ack(app, person, channel, line.strip(), ack)
        if error:
            self._slackbot(person, channel, f"{name} failed with the error “{error}”")
        status = ack.error if ack.error in (None, "operation_timeout") else "operation_timeout"
        return {"status": status or "ok", "ack_ms": round(took, 2)}

    def _show_ack(self, app: App, person: Person, channel: Conversation, line: str, ack: Ack) -> str | None:
        """Put what the acknowledgement carried on screen; the error when Slack could not show it."""
        body = {"text": ack.body} if isinstance(ack.body, str) else ack.body
        if not isinstance(body, dict):
            return None
        public = body.get("response_type") == "in_channel"
        if public:  # only then Slack shows what was typed, too
            self._put(channel, {"type": "message", "user": person.id, "text": line, "team": TEAM_ID})
        if not (body.get("text") or body.get("blocks") or body.get("attachments")):
            return None
        try:
            content = checked(self._space, body)
        except Refused as refused:
            return refused.error
        message = bot_body(app, self._space.ids.ts(), content)
        if not public:
            message["ephemeral"] = True
        self._space.put_message(Message(channel.id, message, app.id, None if public else person.id))
        return None

    def _slackbot(self, person: Person, channel: Conversation, text: str) -> None:
        body = {"type": "message", "user": SLACKBOT, "text": text, "team": TEAM_ID, "ephemeral": True}
        self._space.put_message(Message(channel.id, body | {"ts": self._space.ids.ts()}, None, person.id))

    def _put(self, channel: Conversation, body: JSON) -> Message:
        return self._space.put_message(Message(channel.id, {"ts": self._space.ids.ts(), **body}))

    def _escaped(self, text: str) -> str:
        """Names of people and channels as ids, for an app whose manifest says `should_escape`."""

        def with_id(found: re.Match[str]) -> str:
            sign, name = found[1], found[2]
            if sign == "#":
                known = next((c for c in self._space.channels.values() if c.name == name), None)
                return f"<#{known.id}|{name}>" if known else found[0]
            person = next((p for p in self._space.people if p.handle == name), None)
            return f"<@{person.id}|{name}>" if person else found[0]

        return _NAMED.sub(with_id, text)

    def message(self, person: Person, channel: Conversation, text: str, thread_ts: str | None = None) -> Message:
        """Write a message; the apps that listen hear of it, also of a mention and of links they unfurl."""
        if channel.archived:
            raise Impossible(404, "is_archived")
        if thread_ts is not None and thread_ts not in channel.messages:
            raise Impossible(404, "thread_not_found")
        body: JSON = {"type": "message", "user": person.id, "text": text, "team": TEAM_ID}
        body["client_msg_id"] = f"{self._space.ids.hex(8)}-{self._space.ids.hex(4)}-{self._space.ids.hex(12)}"
        pieces = [{"type": "text", "text": text}] if text else []
        section = {"type": "rich_text_section", "elements": pieces}
        body["blocks"] = [{"type": "rich_text", "block_id": self._space.ids.block_id(), "elements": [section]}]
        if thread_ts is not None:
            body["thread_ts"] = channel.messages[thread_ts].body.get("thread_ts", thread_ts)
        message = self._put(channel, body)
        if thread_ts is not None:
            count_reply(self._space, message)
        self._tell(channel, message)
        return message

    def share(self, person: Person, channel: Conversation, file: File) -> Message:
        """Put a person's file into a conversation (`file_share`)."""
        if channel.archived:
            raise Impossible(404, "is_archived")
        file.channels.append(channel.id)
        self._space.keep_file(file)
        body: JSON = {"type": "message", "subtype": "file_share", "user": person.id, "text": "", "team": TEAM_ID}
        message = self._put(channel, body | {"files": [file_face(self._space, file)], "upload": True})
        self._tell(channel, message)
        inner = {"type": "file_shared", "file_id": file.id, "file": {"id": file.id}, "channel_id": channel.id}
        inner |= {"user_id": person.id, "event_ts": message.ts}
        self._events.send("file_shared", inner, apps=self._events.inside(channel), channel=channel)
        return message

    def _tell(self, channel: Conversation, message: Message) -> None:
        body = message.body
        self._events.message(channel, body)
        heard = {"channel": channel.id, "event_ts": message.ts}
        for user in dict.fromkeys(_MENTION.findall(body["text"])):
            app = self._space.app_of_bot(user)
            if app and user in channel.members and channel.kind != "im":
                self._events.send("app_mention", body | heard | {"type": "app_mention"}, apps=[app], channel=channel)
        for app in self._space.apps.values():
            links = [link for link in map(_link, _LINK.findall(body["text"])) if unfurls(app, link["domain"])]
            if links:
                inner = heard | {
                    "type": "link_shared",
                    "user": body["user"],
                    "message_ts": message.ts,
                    "unfurl_id": f"{channel.id}.{message.ts}.{app.id}",
                    "source": "conversations_history",
                    "links": links,
                    "is_bot_user_member": app.bot_user_id in channel.members,
                }
                if "thread_ts" in body:
                    inner["thread_ts"] = body["thread_ts"]
                self._events.send("link_shared", inner, apps=[app], channel=channel)


def _link(url: str) -> JSON:
    return {"url": url, "domain": urlsplit(url).hostname or ""}


def unfurls(app: App, domain: str) -> bool:
    """Whether the app asked for links of this domain (its subdomains count)."""
    if app.unfurl_domains is None:
        return True
    return any(domain == own or domain.endswith("." + own) for own in app.unfurl_domains)


def count_reply(space: Workspace, reply: Message) -> None:
    """The parent of a thread carries how many replies it has, and whose."""
    channel = space.channels[reply.channel]
    parent = channel.messages.get(reply.body.get("thread_ts", ""))
    if parent is None or reply.to is not None:
        return
    replies = [m for m in channel.messages.values() if m.to is None and m.body.get("thread_ts") == parent.ts]
    replies = [m for m in replies if m is not parent]
    parent.body |= {
        "thread_ts": parent.ts,
        "reply_count": len(replies),
        "reply_users": list(dict.fromkeys(m.body["user"] for m in replies)),
        "reply_users_count": len({m.body["user"] for m in replies}),
        "latest_reply": replies[-1].ts if replies else parent.ts,
        "is_locked": False,
        "subscribed": False,
    }
    space.put_message(parent)
