"""The workspace itself: who and what is in it, found by id, changed in one place, kept, and told to the open pages."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import cast

from sandbox.slack.feed import Feed
from sandbox.slack.ids import Ids
from sandbox.slack.state import JSON, App, Conversation, File, Message, Reply, Trigger, View
from sandbox.slack.store import Store
from sandbox.world import TEAM_ID, Person, World

GENERAL, ALERTS, APPROVALS = "C01GENERAL", "C02ALERTS", "C03APPROVE"
SLACKBOT = "USLACKBOT"
TRIGGER_SECONDS = 3.0
REPLY_SECONDS = 1800.0
_PERSON_FIELDS = ("id", "handle", "name", "role", "tz", "guest", "deleted")


class Workspace:
    """All state of the Slack stand-in. Used from one event loop, so nothing here locks."""

    def __init__(self, *, world: World, ids: Ids, store: Store, feed: Feed) -> None:
        """Read what the store kept, or lay out the conversations of a new workspace."""
        self.world, self.ids, self.store, self.feed = world, ids, store, feed
        self.apps: dict[str, App] = {}
        self.channels: dict[str, Conversation] = {}
        self.views: dict[str, View] = {}
        self.modals: dict[str, list[View]] = {}
        self.homes: dict[tuple[str, str], View] = {}
        self.home_opened: dict[str, float] = {}
        self.files: dict[str, File] = {}
        self.triggers: dict[str, Trigger] = {}
        self.replies: dict[str, Reply] = {}
        self.message_values: dict[tuple[str, str, str], tuple[JSON, JSON]] = {}
        self.strangers: set[str] = set()
        self._load()

    # people

    @property
    def people(self) -> list[Person]:
        """Everybody, deactivated people too."""
        return cast("list[Person]", self.world.people)

    def keep_person(self, person: Person) -> None:
        """Remember this person as they are now, adding them if they are new."""
        if self.world.person(person.id) is None:
            self.people.append(person)
        body = {name: getattr(person, name) for name in _PERSON_FIELDS} | {"stranger": person.id in self.strangers}
        self.store.put("person", person.id, body)
        self.feed.tell_all("people")

    # apps

    def add_app(self, app: App) -> None:
        """Install an app: a DM with everybody, and membership of every public channel."""
        self._know(app)
        self.keep_app(app)
        for channel in [c for c in self.channels.values() if c.kind == "public"]:
            if app.bot_user_id not in channel.members:
                channel.members.append(app.bot_user_id)
                self.keep_channel(channel)

    def _know(self, app: App) -> None:
        app.order = app.order or len(self.apps) + 1
        self.apps[app.id] = app
        for person in self.people:
            self.dm(person.id, app)

    def keep_app(self, app: App) -> None:
        """Remember this app as it is now."""
        self.store.put("app", app.id, asdict(app))

    def app_of_command(self, command: str) -> App | None:
        """The installed app to which this slash command belongs."""
        return next((a for a in self.apps.values() if a.installed and command in a.commands), None)

    def app_of_bot(self, user_id: str) -> App | None:
        """The app whose bot user this is."""
        return next((a for a in self.apps.values() if a.bot_user_id == user_id), None)

    # conversations

    def dm_id(self, user: str, app: App) -> str:
        """The id of this person's DM with this app; the same after every restart."""
        return "D" + self.ids.derived("dm", user, app.id, size=9)

    def dm(self, user: str, app: App) -> Conversation:
        """This person's DM with this app; it exists from the start."""
        dm_id = self.dm_id(user, app)
        if dm_id not in self.channels:
            channel = Conversation(dm_id, "", "im", [user, app.bot_user_id], int(self.ids.now()), user, user=user)
            channel.app_id = app.id
            self.channels[dm_id] = channel
        return self.channels[dm_id]

    def keep_channel(self, channel: Conversation) -> None:
        """Remember this channel as it is now (DMs need not be: they follow from people and apps)."""
        if channel.kind != "im":
            body = {k: v for k, v in vars(channel).items() if k != "messages"}
            self.store.put("channel", channel.id, body)

    def seen_by(self, user: str) -> Iterator[Conversation]:
        """The conversations that this person is in."""
        return (c for c in self.channels.values() if user in c.members)

    def watchers(self, channel: Conversation) -> list[str]:
        """The people in it (bots have no page)."""
        return [m for m in channel.members if self.world.person(m)]

    # messages

    def put_message(self, message: Message) -> Message:
        """Add or replace a message in its conversation and tell whoever sees it."""
        channel = self.channels[message.channel]
        channel.messages[message.ts] = message
        self.store.put("message", f"{message.channel} {message.ts}", _message_json(message))
        self.feed.tell([message.to] if message.to else self.watchers(channel), "message", channel.id)
        return message

    def drop_message(self, message: Message) -> None:
        """Delete a message."""
        channel = self.channels[message.channel]
        if channel.messages.pop(message.ts, None):
            self.store.drop("message", f"{message.channel} {message.ts}")
            self.feed.tell([message.to] if message.to else self.watchers(channel), "message", channel.id)

    def message(self, channel: str, ts: str) -> Message | None:
        """The message with this timestamp."""
        found = self.channels.get(channel)
        return found.messages.get(ts) if found else None

    # files

    def keep_file(self, file: File) -> None:
        """Remember this file as it is now."""
        self.files[file.id] = file
        self.store.put("file", file.id, asdict(file))

    # passes

    def trigger(self, app: App, user: str, view_id: str | None = None) -> str:
        """A fresh `trigger_id` for this app to use within three seconds."""
        now = self.ids.now()
        trigger_id = f"{self.ids.digits(13)}.{self.ids.digits(12)}.{self.ids.hex(32)}"
        self.triggers[trigger_id] = Trigger(app.id, user, now + TRIGGER_SECONDS, view_id)
        if len(self.triggers) > 20_000:  # expired ones are kept a while, so that their error can be told
            self.triggers = dict(list(self.triggers.items())[-10_000:])
        return trigger_id

    def reply_url(self, app: App, user: str, channel: str, kind: str, ts: str | None = None) -> str:
        """A fresh `response_url`."""
        secret = f"{self.ids.digits(13)}/{self.ids.letters(24)}"
        now = self.ids.now()
        self.replies[secret] = Reply(app.id, user, channel, now + REPLY_SECONDS, ts)
        if len(self.replies) > 50_000:
            self.replies = dict(list(self.replies.items())[-25_000:])
        return f"{self.world.base_url}/slack/hooks/{kind}/{TEAM_ID}/{secret}"

    # views

    def put_home(self, view: View) -> None:
        """Show this Home tab to its person."""
        self.homes[view.app_id, view.user] = view
        self.views[view.id] = view
        self.store.put("home", f"{view.app_id} {view.user}", asdict(view))
        self.feed.tell([view.user], "home")

    def home_of(self, user: str) -> View | None:
        """The Home tab as last published to this person.

        When all apps answered the same `app_home_opened`, the app installed last wins, whoever was quicker.
        """
        opened = self.home_opened.get(user, 0.0)

        def rank(view: View) -> tuple[float, int]:
            at = opened if opened <= view.published_at <= opened + 3 else view.published_at
            return at, self.apps[view.app_id].order

        mine = (v for (app, u), v in self.homes.items() if u == user and self.apps[app].installed)
        return max(mine, key=rank, default=None)

    def stack(self, user: str) -> list[View]:
        """The modals open on this person's screen, bottom to top."""
        return self.modals.setdefault(user, [])

    def drop_views(self, views: Iterable[View]) -> None:
        """Take these modals off their person's screen."""
        for view in list(views):
            self.views.pop(view.id, None)
            stack = self.stack(view.user)
            if view in stack:
                stack.remove(view)
            self.feed.tell([view.user], "view")

    # the start

    def _load(self) -> None:
        for body in self.store.load("person"):
            if body.pop("stranger", False):
                self.strangers.add(body["id"])
            person = self.world.person(body["id"])
            if person is None:
                self.people.append(Person(**body))
            else:
                for name in _PERSON_FIELDS:
                    setattr(person, name, body[name])
        kept = self.store.load("channel")
        for body in kept:
            self.channels[body["id"]] = Conversation(**body)
        if not kept:
            self._first_channels()
        for body in sorted(self.store.load("app"), key=lambda a: a["order"]):
            self._know(App(**body))
        for body in self.store.load("file"):
            self.files[body["id"]] = File(**body)
        self._load_messages()
        for body in self.store.load("home"):
            view = View(**body)
            if view.app_id in self.apps:
                self.homes[view.app_id, view.user] = self.views[view.id] = view

    def _first_channels(self) -> None:
        everybody = [p.id for p in self.people]
        inside = [p.id for p in self.people if not p.guest]
        now = int(self.ids.now())
        for channel_id, name, members, purpose in (
            (GENERAL, "general", everybody, "Everything for everybody"),
            (ALERTS, "segsync-alerts", inside, "What needs somebody's attention"),
            (APPROVALS, "segsync-approvals", inside, "Requests for places and limits"),
        ):
            channel = Conversation(channel_id, name, "public", list(members), now, everybody[0], purpose=purpose)
            self.channels[channel_id] = channel
            self.keep_channel(channel)

    def _load_messages(self) -> None:
        bodies = self.store.load("message")
        for body in sorted(bodies, key=lambda m: str(m["body"]["ts"])):
            channel = self.channels.get(body["channel"])
            if channel is not None:
                channel.messages[body["body"]["ts"]] = Message(**body)


def _message_json(message: Message) -> JSON:
    return dict(vars(message))
