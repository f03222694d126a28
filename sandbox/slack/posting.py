"""Messages that apps write, change and take back, whether by `chat.*` or by a `response_url`."""

from typing import Any

from sandbox.slack.agenda import Agenda, Entry
from sandbox.slack.contents import bot_body, checked, metadata
from sandbox.slack.events import Events
from sandbox.slack.refusal import Refused
from sandbox.slack.state import JSON, App, Conversation, Message
from sandbox.slack.workspace import Workspace
from sandbox.slack.writing import count_reply


class Posting:
    """What apps do to messages."""

    def __init__(self, *, space: Workspace, events: Events) -> None:
        """See the class."""
        self._space, self._events = space, events
        self.agenda = Agenda(ids=space.ids)

    def schedule(self, app: App, channel: Conversation, args: JSON, post_at: int) -> Entry:
        """Have this message written at `post_at` (unix seconds); its content is checked now."""
        checked(self._space, args)
        return self.agenda.add(app.id, channel.id, args, post_at, self._due)

    def _due(self, entry: Entry) -> None:
        app, channel = self._space.apps[entry.app_id], self._space.channels[entry.channel]
        if app.installed and not channel.archived:
            self.post(app, channel, entry.args)

    def post(self, app: App, channel: Conversation, args: JSON, *, extra: JSON | None = None) -> Message:
        """A message that everybody in the conversation sees. `args` as `chat.postMessage` takes them, decoded."""
        content = checked(self._space, args) | (extra or {})
        body = bot_body(app, self._space.ids.ts(), content)
        self._name(app, body, args)
        thread = args.get("thread_ts")
        if thread:
            parent = channel.messages.get(str(thread))
            if parent is None or parent.to is not None:
                raise Refused("cannot_reply_to_message" if parent else "thread_not_found")
            body["thread_ts"] = parent.body.get("thread_ts", parent.ts)
            if args.get("reply_broadcast"):
                body["subtype"] = "thread_broadcast"
        message = Message(channel.id, body, app.id, None, metadata(args.get("metadata")))
        self._space.put_message(message)
        if thread:
            count_reply(self._space, message)
        self._events.message(channel, body, author=app)
        return message

    def _name(self, app: App, body: JSON, args: JSON) -> None:
        """Another name or picture for one message needs `chat:write.customize`; without it Slack keeps the app's own."""
        if "chat:write.customize" in app.scopes and args.get("username"):
            body["username"] = args["username"]
            body["subtype"] = "bot_message"
            icon = args.get("icon_emoji")
            if icon:
                body["icons"] = {"emoji": icon}
            elif args.get("icon_url"):
                body["icons"] = {"image_48": args["icon_url"]}

    def whisper(self, app: App, channel: Conversation, user: str, args: JSON) -> Message:
        """A message that one person sees."""
        content = checked(self._space, args)
        body = bot_body(app, self._space.ids.ts(), content) | {"ephemeral": True}
        if args.get("thread_ts"):
            body["thread_ts"] = str(args["thread_ts"])
        self._name(app, body, args)
        return self._space.put_message(Message(channel.id, body, app.id, user))

    def change(self, app: App, message: Message, args: JSON) -> Message:
        """Another content for a message: text without blocks removes them, an empty list clears them."""
        if message.app_id != app.id:
            raise Refused("cant_update_message")
        old = dict(message.body)
        blocks: Any = args.get("blocks")
        if blocks == [] or (blocks is None and args.get("text") is not None):
            args = {name: value for name, value in args.items() if name != "blocks"}
            message.body.pop("blocks", None)
        if args.get("attachments") == [] or (args.get("attachments") is None and args.get("text") is not None):
            message.body.pop("attachments", None)
            args = {name: value for name, value in args.items() if name != "attachments"}
        try:
            content = checked(self._space, args)
        except Refused:
            message.body = old
            raise
        message.body = message.body | content
        if message.to is None:
            message.body["edited"] = {"user": app.bot_user_id, "ts": self._space.ids.ts()}
        if "metadata" in args:
            message.metadata = metadata(args["metadata"])
        self._space.put_message(message)
        self._changed(app, message, old)
        return message

    def _changed(self, app: App, message: Message, old: JSON) -> None:
        if message.to is None:
            inner = {"type": "message", "subtype": "message_changed", "message": message.body, "hidden": True}
            inner |= {"previous_message": old, "ts": self._space.ids.ts()}
            self._events.message(self._space.channels[message.channel], inner, author=app)

    def attach(self, app: App, message: Message, attachments: list[JSON]) -> None:
        """Hang unfurled links below a message, whoever wrote it."""
        old = dict(message.body)
        mine = {item["from_url"] for item in attachments}
        kept = [item for item in message.body.get("attachments", []) if item.get("from_url") not in mine]
        message.body = message.body | {"attachments": [*kept, *attachments]}
        self._space.put_message(message)
        self._changed(app, message, old)

    def delete(self, app: App, message: Message) -> None:
        """Take a message back."""
        if message.app_id != app.id:
            raise Refused("cant_delete_message")
        self._space.drop_message(message)
        if message.to is None:
            inner: JSON = {"type": "message", "subtype": "message_deleted", "hidden": True, "deleted_ts": message.ts}
            inner |= {"previous_message": message.body, "ts": self._space.ids.ts()}
            self._events.message(self._space.channels[message.channel], inner, author=app)
