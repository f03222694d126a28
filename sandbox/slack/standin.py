"""The Slack stand-in put together: workspace, delivery, API and what people do, and the switches that tests use."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from sandbox.slack import payloads
from sandbox.slack.api import apps as app_methods
from sandbox.slack.api.calls import Call, Tools
from sandbox.slack.clicking import Clicking
from sandbox.slack.delivery import RETRY_AFTER, Delivery
from sandbox.slack.events import Events
from sandbox.slack.feed import Feed
from sandbox.slack.ids import Ids
from sandbox.slack.link import LIFE_SECONDS, Link
from sandbox.slack.posting import Posting
from sandbox.slack.refusal import Impossible
from sandbox.slack.replies import Replies
from sandbox.slack.screens import Screens
from sandbox.slack.state import BOT_EVENTS, BOT_SCOPES, JSON, App, File
from sandbox.slack.store import Store
from sandbox.slack.submitting import Submitting
from sandbox.slack.weather import STRIKES, Weather
from sandbox.slack.webapi import WebApi
from sandbox.slack.workspace import Workspace
from sandbox.slack.writing import Typing
from sandbox.world import Person, World

OUR_EVENTS = tuple(event for event in BOT_EVENTS if event not in ("message.channels", "message.groups"))


class SlackStandIn:
    """One workspace with its apps. Everything here runs on one event loop, except `connected` and `clear`."""

    def __init__(
        self,
        *,
        world: World,
        now: Callable[[], float] = time.time,
        rate_limits: bool = False,
        retry_after: tuple[float, ...] = RETRY_AFTER,
        socket_life: float = LIFE_SECONDS,
        scopes: Sequence[str] | None = None,
        shortcuts: Sequence[str] | None = None,
    ) -> None:
        """`scopes` and `shortcuts` are those of our own app's manifest (every bot scope, any callback id if not given).

        `rate_limits` switches Slack's real figures on, `retry_after` are the pauses before an event's retries and
        `socket_life` the seconds until a socket is refreshed.
        """
        folder = world.data / "slack"
        (folder / "files").mkdir(parents=True, exist_ok=True)
        self.folder = folder / "files"
        chance = random.SystemRandom()
        self._store = Store(folder / "workspace.sqlite")
        seed = next((body["seed"] for body in self._store.load("seed")), f"{chance.getrandbits(128):032x}")
        self._store.put("seed", "seed", {"seed": seed})
        self.feed = Feed()
        ids = Ids(seed=seed, chance=chance, now=now)
        self.space = Workspace(world=world, ids=ids, store=self._store, feed=self.feed)
        self.delivery = Delivery(ids=ids, retry_after=retry_after)
        self.events = Events(space=self.space, delivery=self.delivery)
        self.screens = Screens(space=self.space)
        self.posting = Posting(space=self.space, events=self.events)
        self.link = Link(space=self.space, delivery=self.delivery, life=socket_life)
        self.tools = Tools(self.space, self.delivery, self.events, self.posting, self.screens, self.link)
        self.weather = Weather(now=now, limited=rate_limits)
        self.webapi = WebApi(tools=self.tools, weather=self.weather)
        self.replies = Replies(space=self.space, posting=self.posting)
        self.typing = Typing(space=self.space, delivery=self.delivery, events=self.events)
        self.clicking = Clicking(space=self.space, delivery=self.delivery)
        self.submitting = Submitting(space=self.space, delivery=self.delivery, screens=self.screens, clicking=self.clicking)
        self.ours = self._our_app(scopes, shortcuts)

    def _our_app(self, scopes: Sequence[str] | None, shortcuts: Sequence[str] | None) -> App:
        app = self.space.apps.get("A01SEGSYNC") or self._make("A01SEGSYNC", "segsync", ["/segsync"])
        app.events = list(OUR_EVENTS)
        app.scopes = list(scopes or BOT_SCOPES)
        app.shortcuts = list(shortcuts) if shortcuts is not None else None
        app.unfurl_domains = [urlsplit(self.space.world.base_url).hostname or "127.0.0.1"]
        if app.token_state != "good" or not app.installed:  # noqa: S105 - a new start installs it anew
            app_methods.renew_token(self.space, app)
        if app.id in self.space.apps:
            self.space.keep_app(app)
        else:
            self.space.add_app(app)
        return app

    def _make(self, id: str, name: str, commands: list[str]) -> App:
        ids = self.space.ids
        number = str(int(ids.derived_hex("numbers", id, size=10), 16))[:12]
        return App(
            id=id,
            name=name,
            bot_id="B" + id[1:],
            bot_user_id="U" + id[1:],
            bot_token=f"xoxb-{number}-{number}-{ids.derived('bot', id)}",
            app_token=f"xapp-1-{id}-{number}-{ids.derived_hex('app', id, size=64)}",
            signing_secret=ids.derived_hex("signing", id),
            client_id=f"{number}.{number}",
            client_secret=ids.derived_hex("client", id),
            verification_token=ids.derived("verification", id),
            commands=commands,
        )

    # apps

    def install(self, name: str, commands: Sequence[str], request_url: str | None = None, **more: Any) -> App:
        """Another app beside ours: all bot scopes, every public channel. Its commands must be new."""
        taken = [c for c in commands if self.space.app_of_command(c)]
        if taken:
            raise Impossible(400, f"{taken[0]} belongs to another app")
        app = self._make(self.space.ids.new("A"), name, list(commands))
        app.request_url = request_url
        for field in ("shortcuts", "unfurl_domains", "redirect_urls", "should_escape", "org_wide", "scopes"):
            if more.get(field) is not None:
                setattr(app, field, more[field])
        self.space.add_app(app)
        self.feed.tell_all("apps")
        return app

    async def uninstall(self, app: App) -> None:
        """A person with the right to do so takes the app out of the workspace."""
        await app_methods.remove(Call(self.tools, app, {}))

    def connected(self, app: App | None = None) -> asyncio.Event:
        """Set while the app (ours, when not given) has an open socket. To be awaited on the stand-in's own loop."""
        return self.delivery.connected((app or self.ours).id)

    # people at apps

    async def home(self, person: Person, app: App | None = None) -> None:
        """Open the Home tab: of one app, or of every app that is there to answer."""
        now = self.space.ids.now()
        self.space.home_opened[person.id] = now
        under_way = []
        for each in [app] if app else list(self.space.apps.values()):
            view = self.space.homes.get((each.id, person.id))
            inner: JSON = {
                "type": "app_home_opened",
                "user": person.id,
                "channel": self.space.dm_id(person.id, each),
                "tab": "home",
                "event_ts": self.space.ids.ts(),
            }
            if view is not None:
                inner["view"] = payloads.view_face(self.space, view, view.values)
            sent = self.events.send("app_home_opened", inner, apps=[each])
            if self.delivery.reachable(each):
                under_way += sent
        if under_way:
            await asyncio.wait(under_way, timeout=3)

    async def shortcut(self, person: Person, callback_id: str, message: JSON | None = None) -> None:
        """Run a global shortcut, or one of a message: `{channel, ts}`."""
        found = [a for a in self.space.apps.values() if a.installed and callback_id in (a.shortcuts or ())]
        found = found or [a for a in self.space.apps.values() if a.installed and a.shortcuts is None]
        if not found:
            raise Impossible(404, "no app has this shortcut")
        asked = []
        for app in found:
            if not self.delivery.reachable(app) and len(found) > 1:
                continue
            more: JSON = {
                "callback_id": callback_id,
                "trigger_id": self.space.trigger(app, person.id),
                "action_ts": self.space.ids.ts(),
            }
            kind = "shortcut"
            if message is not None:
                kind = "message_action"
                more |= self._about(app, person, message)
            payload = payloads.plain_interaction(self.space, app, person, kind=kind, more=more)
            ask = self.delivery.ask(app, "interactive", payload, accepts=False)
            asked.append(self.delivery.keep(asyncio.create_task(ask)))
        if asked:
            await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)

    def _about(self, app: App, person: Person, container: JSON) -> JSON:
        message = self.space.message(str(container.get("channel")), str(container.get("ts")))
        if message is None or person.id not in self.space.channels[message.channel].members:
            raise Impossible(404, "message_not_found")
        return {
            "channel": payloads.channel_name(self.space.channels[message.channel]),
            "message": message.body,
            "message_ts": message.ts,
            "response_url": self.space.reply_url(app, person.id, message.channel, "app"),
        }

    def take_file(self, person: Person, name: str, data: bytes) -> File:
        """A file that a person uploads."""
        ids = self.space.ids
        file = File(ids.new("F"), name, "", ids.letters(24), len(data), int(ids.now()), uploaded=True, user=person.id)
        (self.folder / file.id).write_bytes(data)
        self.space.keep_file(file)
        return file

    # switches

    def set_fault(self, fault: str, times: int | None = None, endpoint: str | None = None) -> None:
        """Make something go wrong; see `sandbox.slack.weather`. `token_*` happen at once to all tokens that exist.

        `access_lost` takes our app out of its channels at once. `reset` with the endpoint `link` cuts every socket.
        """
        if fault == "reset" and endpoint == "link":
            self.delivery.keep(asyncio.get_running_loop().create_task(self.delivery.drop_sockets()))
        elif fault in STRIKES:
            self.weather.add(fault, times, endpoint)
        elif fault in ("token_revoked", "token_expired"):
            for app in self.space.apps.values():
                app.token_state = fault
                self.space.keep_app(app)
                if fault == "token_revoked":
                    app_methods.tell_revoked(self.tools, app)
        elif fault == "account_disabled":
            for app in self.space.apps.values():
                app.token_state = "account_inactive"  # noqa: S105 - Slack's error code
        elif fault == "access_lost":
            for channel in self.space.channels.values():
                if channel.kind != "im" and self.ours.bot_user_id in channel.members:
                    channel.members.remove(self.ours.bot_user_id)
                    self.space.keep_channel(channel)

    def clear(self) -> None:
        """All well again. What a token fault did stays, but a disabled account is enabled."""
        self.weather.clear()
        for app in self.space.apps.values():
            if app.installed and app.token_state == "account_inactive":  # noqa: S105
                app.token_state = "good"  # noqa: S105

    def set_pace(self, seconds: float) -> None:
        """Let every Web API answer be that late."""
        self.weather.pace = seconds

    async def close(self) -> None:
        """End streams, sockets and retries, and write what is not written yet."""
        self.feed.close()
        self.posting.agenda.close()
        await self.delivery.drop_sockets()
        await self.delivery.close()
        await asyncio.to_thread(self._store.close)
