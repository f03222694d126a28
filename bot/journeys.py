"""The journeys, wired: which use cases each handler calls, and which word leads to which. Part of the composition root."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from slack_bolt import App
from slack_sdk import WebClient

from bot.actor import Profiles
from bot.asking import Asking
from bot.blocks import editing as blocks
from bot.blocks import kit
from bot.blocks.guide import Examples
from bot.dashboard import Dashboards
from bot.directory import Directory
from bot.handlers.admin import Administering
from bot.handlers.alerts import Alerting
from bot.handlers.approvals import Approving
from bot.handlers.browse import Browsing
from bot.handlers.command import Commands, Journey
from bot.handlers.connections import Connecting
from bot.handlers.create import Creating
from bot.handlers.editing import Changing
from bot.handlers.home import Home
from bot.handlers.links import Linking
from bot.handlers.pausing import Switching
from bot.handlers.reports import Reporting
from bot.handlers.settings import Settling
from bot.letters import Draw, Letters
from bot.lives import Lives
from core.alerts import Alerts
from core.approvals import Approvals
from core.audit import Audit
from core.connections import Connections
from core.digest import Digests
from core.editing import Editing
from core.errors import NotFound
from core.ledger import Ledgers
from core.lookup import Lookup
from core.models import Actor, Channel, RefreshKind
from core.pausing import Pausing
from core.ports import AdChannel, Clock
from core.preferences import Preferences
from core.segments import Segments
from core.store import Store
from core.store.outbox import Letter
from core.syncs import SyncFilter, Syncs
from core.users import Users
from core.views import Arrival

_GUARD = 30  # percent: what the engine does where nobody set another share


class Handler(Protocol):
    """Something that listens to Slack."""

    def register(self, app: App) -> None: ...


class Journeys:
    """All handlers, the words that they answer, and the letters that they cause. `own`: where browsers reach us."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        channels: Mapping[Channel, AdChannel],
        users: Users,
        syncs: Syncs,
        segments: Segments,
        connections: Connections,
        pausing: Pausing,
        approvals: Approvals,
        alerts: Alerts,
        digests: Digests,
        ledgers: Ledgers,
        lives: Lives,
        letters: Letters,
        homes: Dashboards,
        asking: Asking,
        profiles: Profiles,
        directory: Directory,
        own: Callable[[], str | None],
        wake: Callable[[], None],
    ) -> None:
        self._store, self._syncs = store, syncs
        parts: dict[str, Any] = {"store": store, "clock": clock}
        self.audit = Audit(**parts, syncs=syncs)
        editing = Editing(**parts, channels=channels, connections=connections, forget=ledgers.forget, wake=wake)
        creating = Creating(syncs=syncs, segments=segments, connections=connections, asking=asking, profiles=profiles)
        browsing = Browsing(
            syncs=syncs, connections=connections, pausing=pausing, asking=asking, directory=directory, own=own
        )  # fmt: skip
        changing = Changing(editing=editing, pausing=pausing, browsing=browsing, asking=asking, guard=self._guard)
        switching = Switching(pausing=pausing, syncs=syncs, browsing=browsing, asking=asking)
        approving = Approving(approvals=approvals, syncs=syncs, asking=asking)
        administering = Administering(users=users, people=lives.people)
        settling = Settling(preferences=Preferences(**parts, wake=wake), opened=alerts.conversation_is_back)
        lookup = Lookup(**parts, ledgers=ledgers)
        reporting = Reporting(syncs=syncs, audit=self.audit, lookup=lookup, asking=asking, directory=directory)
        home = Home(publish=homes.publish, looked=lambda actor: store.people.opened(actor, clock.now()))
        self._connecting = Connecting(connections=connections, creating=creating, asking=asking)
        self._alerting = Alerting(alerts=alerts, digests=digests, connections=connections, asking=asking, clock=clock)
        self.linking = Linking(syncs=syncs, own=own)
        self.words: dict[str, Journey] = {
            "overview": browsing.overview,
            "create": creating.command,
            "list": browsing.list,
            "show": browsing.show,
            "refresh": browsing.refresh,
            "resync": partial(browsing.refresh, kind=RefreshKind.FULL),
            "edit": changing.edit,
            "delete": changing.delete,
            "dry-run": changing.dry_run,
            "pause": switching.pause,
            "resume": switching.resume,
            "toggle": switching.toggle,
            "takeover": switching.take_over,
            "connect": self._connecting.connect,
            "disconnect": self._connecting.disconnect,
            "alerts": self._alerting.alerts,
            "digest": self._alerting.digest,
            "approvals": approving.approvals,
            "people": administering.people,
            "roles": administering.roles,
            "settings": settling.settings,
            "notifications": settling.notifications,
            "usage": reporting.usage,
            "audit": reporting.audit,
            "export": reporting.export,
            "lookup": reporting.lookup,
        }
        self._handlers: list[Handler] = [
            creating, browsing, changing, switching, self._connecting, self._alerting, approving, administering, settling,
            reporting, self.linking, home, lives.presence,
            Commands(users=users, journeys=self.words, examples=self._examples),
        ]  # fmt: skip
        drawn: dict[str, Draw] = {"tried": self._tried, "deleted": lambda letter: blocks.deleted_notice(letter.payload)}
        letters.more.update(drawn)

    def register(self, app: App) -> None:
        """All of them listen."""
        for handler in self._handlers:
            handler.register(app)

    def arrived(self, client: WebClient, actor: Actor, arrival: Arrival) -> None:
        """Somebody is back from a platform's consent: what waits for that goes on."""
        self._connecting.arrived(client, actor, arrival)
        self._alerting.arrived(client, actor, arrival)

    def _examples(self, actor: Actor) -> Examples:
        """Names of the caller's own things, for the help."""
        own = self._syncs.list(actor, SyncFilter(owner_id=actor.user_id)).rows
        return Examples((own or self._syncs.list(actor, SyncFilter()).rows or (None,))[0])

    def _guard(self, org_id: str) -> int:
        share = self._store.organizations.get(org_id).get("guard_share")
        return _GUARD if share is None else round(float(share) * 100)

    def _tried(self, letter: Letter) -> kit.Message | None:
        try:
            run = self._store.refreshes.get(letter.subject_id)
            return blocks.tried_message(self._store.syncs.get(letter.org_id, run.sync_id), run)
        except NotFound:
            return None
