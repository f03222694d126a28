"""The composition root: settings → store → adapters → use cases → handlers. The only wiring; building starts nothing."""

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.oauth.oauth_settings import OAuthSettings
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

import scheduler
from bot import errors, logs
from bot.actor import Profiles, WhoAsks
from bot.adapters import Adapters, adapters, shelves
from bot.asking import Asking
from bot.background import Running, Ticks, executing
from bot.budget import Budget
from bot.carrying import Carrying
from bot.clock import SystemClock
from bot.dashboard import Dashboards
from bot.directory import Directory
from bot.installing import Installations, States, oauth_settings
from bot.journeys import Journeys
from bot.letters import Letters
from bot.lives import Lives
from bot.metrics import Metrics
from bot.notifier import Notifier
from bot.organizations import Organizations
from bot.serving import Serving, health
from bot.settings import Settings
from bot.slack_http import slack_routes
from bot.traces import Traces, traced, traces
from bot.web import Web
from bot.workspaces import Workspaces
from core.alerts import Alerts
from core.approvals import Approvals
from core.connections import Connections
from core.digest import Digests
from core.ledger import Ledgers
from core.models import Actor, Rank
from core.pausing import Pausing
from core.ports import Clock, Untraced
from core.refresh import Refreshing, RefreshSettings
from core.segments import Segments
from core.store import Store
from core.store.connections import Consent
from core.store.migrate import migrate
from core.syncs import Syncs
from core.users import Users
from core.vault import Vault
from core.views import Arrival
from core.watch import Watch


class Part(StrEnum):
    """What a process does; any number of processes may do the same part, on one database."""

    BOT = "bot"  # answers Slack and browsers, delivers messages
    CLOCK = "clock"  # finds what is due
    WORKER = "worker"  # refreshes


ALL = frozenset(Part)


class Product:
    """Everything wired; nothing runs before `start`. `beside`: what else starts and stops with it (workers, the clock's jobs)."""

    def __init__(
        self,
        settings: Settings,
        *,
        store: Store,
        adapters: Adapters,
        clock: Clock,
        tracer: Traces | Untraced,
        does: frozenset[Part] = ALL,
    ) -> None:
        self.settings, self.adapters, self.clock, self._does = settings, adapters, clock, does
        self.store, self.tracer = store, tracer
        self.vault = Vault(*settings.key_ring())
        self.installations = Installations(records=self.store.installations, vault=self.vault, clock=clock)
        self.workspaces = Workspaces(
            api_url=settings.slack_api_url,
            token=settings.slack_bot_token.get_secret_value() if settings.slack_bot_token else None,
            installed=self.installations.token,
            budget=Budget(ahead=settings.slack_limits),
        )
        self._wakes: list[Callable[[], None]] = []
        self.asking, self.profiles, self.directory = Asking(), Profiles(), Directory()
        parts: dict[str, Any] = {"store": self.store, "clock": clock}
        self.users = Users(**parts, vault=self.vault)
        self.connections = Connections(**parts, vault=self.vault, channels=adapters.channels, public_url=settings.public_url)
        self.segments = Segments(sources=adapters.sources, channels=adapters.channels)
        shared = parts | {"channels": adapters.channels, "connections": self.connections, "wake": self.wake}
        self.syncs = Syncs(**shared, vault=self.vault, segments=self.segments)
        self.pausing = Pausing(**shared)
        self.approvals = Approvals(**parts, pausing=self.pausing, wake=self.wake)
        self.alerts = Alerts(**shared, pausing=self.pausing)
        self.watch = Watch(**parts, channels=adapters.channels, wake=self.wake)
        self.digests = Digests(**parts, wake=self.wake)
        self.letters = Letters(store=self.store, seen=self.alerts.seen, digests=self.digests)
        self.notifier = self._notifier()
        self.when_woken(self.notifier.wake)
        self.metrics = Metrics(store=self.store, tally=self.notifier.tally)
        self.ledgers = Ledgers(
            shelves(settings),
            keys=partial(self.store.sealed.ledger_keys, self.vault),
            retire=partial(self.store.sealed.retire_ledger_keys, self.vault),
        )
        self.lives = Lives(
            **parts,
            connections=self.connections,
            asking=self.asking,
            profiles=self.profiles,
            letters=self.letters,
            client_of=self.workspaces.client,
            removed=self._removed,
            forget=self.ledgers.forget,
            wake=self.wake,
        )
        self.refreshing = self._refreshing()
        self.homes = self._homes()
        self.when_woken(self.homes.wake)
        self.organizations = Organizations(
            **parts,
            users=self.users,
            people=self.lives.people,
            workspaces=self.workspaces,
            sync_limit=settings.sync_limit,
            first=settings.primary_admin,
        )
        self.beside = self._background()
        self.journeys = self._journeys()
        self.bolt = self._bolt()
        self.web = self._web()
        self._socket: SocketModeHandler | None = None
        self._pages: list[Serving] = []
        self._is_ending = False

    def when_woken(self, call: Callable[[], None]) -> None:
        """Also tells this one when there is something new to do."""
        self._wakes.append(call)

    def wake(self) -> None:
        """Something new waits in the database."""
        for call in self._wakes:
            call()

    def start(self) -> None:
        """The organization is known, people are answered, letters are delivered; of that, this process's parts."""
        if self.settings.metrics_port is not None:
            watched = Starlette(routes=[*self._health(), self.metrics.page()])
            self._serve(watched, self.settings.metrics_host, self.settings.metrics_port)
        if Part.BOT in self._does:
            self._answer()
        for one in self.beside:
            one.start()

    def _answer(self) -> None:
        if self.settings.slack_bot_token:
            self.organizations.greet()
        self.notifier.start()
        self._serve(self.web, self.settings.web_host, self.settings.web_port)
        if self.settings.slack_mode == "socket" and self.settings.slack_app_token:
            token = self.settings.slack_app_token.get_secret_value()
            self._socket = SocketModeHandler(self.bolt, token, concurrency=self.settings.listener_threads)
            self._socket.connect()  # type: ignore[no-untyped-call]

    def _removed(self, org_id: str) -> None:
        """A workspace has uninstalled us: its token is worth nothing."""
        self.installations.delete_bot(enterprise_id=None, team_id=org_id)
        self.workspaces.forget(org_id)

    def stop(self) -> None:
        """Takes nothing new, ends what runs."""
        self._is_ending = True
        if self._socket:
            self._socket.close()  # type: ignore[no-untyped-call]
        for one in reversed(self.beside):
            one.stop()
        self.notifier.stop()
        for pages in self._pages:
            pages.stop()
        self.asking.stop()
        self.tracer.close()
        self.store.close()

    def _notifier(self) -> Notifier:
        return Notifier(
            store=self.store, client=self.workspaces.once, clock=self.clock, letters=self.letters, limits=self.workspaces
        )

    def _refreshing(self) -> Refreshing:
        return Refreshing(
            store=self.store,
            channels=self.adapters.channels,
            sources=self.adapters.sources,
            grants=self.lives.presence.grant,
            ledgers=self.ledgers,
            clock=self.clock,
            settings=RefreshSettings(lease=timedelta(seconds=self.settings.lease_s), waits=self.settings.retry_waits_s),
            tracer=logs.Named(self.tracer),
            wake=self._news,
            broken=self.connections.broken,
        )

    def _homes(self) -> Dashboards:
        return Dashboards(
            syncs=self.syncs,
            connections=self.connections,
            alerts=self.alerts,
            approvals=self.approvals,
            clock=self.clock,
            lookers=self.store.people.lookers,
            actor_of=self._somebody,
            client_of=self.workspaces.once,
            wait=lambda org_id: self.workspaces.wait(org_id, "views.publish", Rank.HOME),
        )

    def _news(self) -> None:
        """A refresh has gone on: letters and Homes."""
        self.notifier.wake()
        self.homes.wake()

    def _somebody(self, org_id: str, user_id: str, surface: str = "slack") -> Actor:
        profile = self.profiles.of(self.workspaces.client(org_id), org_id, user_id)
        return self.users.actor(org_id, user_id, name=profile.name, tz=profile.tz, guest=profile.guest, surface=surface)

    def _background(self) -> list[Running]:
        workers = self.settings.workers if Part.WORKER in self._does else 0
        self.executing = executing(self.settings, self.refreshing, workers=workers)
        self.when_woken(self.executing.wake)
        ticks = Ticks(
            every=timedelta(seconds=self.settings.tick_s),
            store=self.store,
            clock=self.clock,
            lives=self.lives,
            watch=self.watch,
            digests=self.digests,
            approvals=self.approvals,
            wake=self.wake,
        )
        found: list[Running] = [self.executing] if Part.WORKER in self._does or self.settings.is_shared else []
        if Part.CLOCK in self._does:
            found.append(scheduler.Clockwork(ticks.all))
        elif Part.BOT in self._does:
            found.append(scheduler.Clockwork(ticks.of_bots))
        return [*found, self.homes] if Part.BOT in self._does else found

    def _journeys(self) -> Journeys:
        return Journeys(
            store=self.store,
            clock=self.clock,
            channels=self.adapters.channels,
            users=self.users,
            syncs=self.syncs,
            segments=self.segments,
            connections=self.connections,
            pausing=self.pausing,
            approvals=self.approvals,
            alerts=self.alerts,
            digests=self.digests,
            ledgers=self.ledgers,
            lives=self.lives,
            letters=self.letters,
            homes=self.homes,
            asking=self.asking,
            profiles=self.profiles,
            directory=self.directory,
            own=lambda: self.settings.public_url,
            wake=self.wake,
        )

    def _bolt(self) -> App:
        app = App(
            client=self.workspaces.client(""),
            oauth_settings=self._oauth(),
            signing_secret=self.settings.slack_signing_secret.get_secret_value(),
            token_verification_enabled=False,
            listener_executor=Carrying(self.settings.listener_threads, thread_name_prefix="slack"),
        )
        app.middleware(logs.named)
        app.middleware(self.metrics.timed)
        app.middleware(traced(self.tracer))
        app.middleware(
            WhoAsks(users=self.users, profiles=self.profiles, welcome=self.organizations.welcome, left=self.lives.people.left)
        )
        errors.register(app)
        self.journeys.register(app)
        return app

    def _oauth(self) -> OAuthSettings | None:
        if self.settings.slack_bot_token or not self.settings.slack_client_id:
            return None
        states = States(records=self.store.installations, clock=self.clock)
        return oauth_settings(
            self.settings, installations=self.installations, states=states, page=Web.page, installed=self.organizations.installed
        )

    def _web(self) -> Starlette:
        return Web(
            connections=self.connections,
            names=self._names,
            arrived=self._arrived,
            slack_link=lambda: f"slack://open?team={self.organizations.team_id}",
            secure=bool(self.settings.public_url and self.settings.public_url.startswith("https://")),
            more=[*self._health(), *self._slack_routes()],
        ).app()

    def _arrived(self, arrival: Arrival) -> None:
        """Somebody is back from a platform's consent."""
        self.wake()
        actor = self._somebody(arrival.org_id, arrival.user_id, surface="web")
        self.journeys.arrived(self.workspaces.client(arrival.org_id), actor, arrival)

    def _serve(self, app: ASGIApp, host: str, port: int) -> None:
        pages = Serving(app, host=host, port=port)
        pages.start()
        self._pages.append(pages)

    def _health(self) -> list[Route]:
        return health(alive=self._is_alive, ready=self._is_ready)

    def _is_alive(self) -> bool:
        """Letters are delivered and refreshes executed, where this process does."""
        delivers = self.notifier.is_alive or Part.BOT not in self._does
        executes = self.executing.is_alive or Part.WORKER not in self._does
        return self._is_ending or (delivers and executes)

    def _is_ready(self) -> bool:
        """It is alive and not ending, the database answers, and Slack's socket is open."""
        socket_open = self._socket is None or bool(self._socket.client.is_connected())
        return self._is_alive() and not self._is_ending and socket_open and self.store.database.answers()

    def _slack_routes(self) -> list[Route]:
        over_http = self.settings.slack_mode == "http" or self.bolt.oauth_flow is not None
        return slack_routes(self.bolt, threads=self.settings.listener_threads) if over_http else []

    def _names(self, consent: Consent) -> tuple[str, str]:
        profile = self.profiles.of(self.workspaces.client(consent.org_id), consent.org_id, consent.user_id)
        return f"@{profile.name}", str(self.store.organizations.get(consent.org_id)["name"])


def bring_up(settings: Settings) -> None:
    """The database has this version's tables, and where processes share it, the wake-ups' too."""
    migrate(settings.database_url)
    if settings.is_shared:
        from queues.shared import prepare

        prepare(settings.database_url)


def build(
    settings: Settings, *, outside: Adapters | None = None, clock: Clock | None = None, parts: frozenset[Part] = ALL
) -> Product:
    """The product, wired over a database that is brought up to date; nothing is started."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    bring_up(settings)
    store = Store(settings.database_url)
    clock = clock or SystemClock(settings.clock_file, shared=store.database.time)
    tracer = traces(settings.otlp_endpoint)
    outside = outside or adapters(settings, clock, store.paces, tracer)
    return Product(settings, store=store, adapters=outside, clock=clock, tracer=tracer, does=parts)
