"""The daily screens, wired: what people do with syncs that are there. Part of the composition root."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from slack_bolt import App

from bot.asking import Asking
from bot.blocks import editing as blocks
from bot.blocks import kit
from bot.directory import Directory
from bot.handlers.browse import Browsing
from bot.handlers.command import Journey
from bot.handlers.editing import Changing
from bot.handlers.links import Linking
from bot.handlers.reports import Reporting
from bot.handlers.settings import Settling
from bot.letters import Draw, Letters
from core.alerts import Alerts
from core.audit import Audit
from core.editing import Editing
from core.errors import NotFound
from core.ledger import Ledgers
from core.lookup import Lookup
from core.pausing import Pausing
from core.ports import Clock
from core.preferences import Preferences
from core.store import Store
from core.store.outbox import Letter
from core.syncs import Syncs

_GUARD = 30  # percent: what the engine does where nobody set another share


class Handler(Protocol):
    """Something that listens to Slack."""

    def register(self, app: App) -> None: ...


class Daily:
    """Handlers, the commands that they answer, and the letters that they cause."""

    def __init__(
        self,
        *,
        parts: Mapping[str, Any],
        store: Store,
        clock: Clock,
        syncs: Syncs,
        pausing: Pausing,
        alerts: Alerts,
        browsing: Browsing,
        asking: Asking,
        directory: Directory,
        ledgers: Ledgers,
        letters: Letters,
        own: Callable[[], str | None],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self.editing = Editing(**parts, store=store, clock=clock, forget=ledgers.forget, wake=wake)
        self.audit = Audit(store=store, syncs=syncs, clock=clock)
        self.lookup = Lookup(store=store, ledgers=ledgers, clock=clock)
        self.preferences = Preferences(store=store, clock=clock, wake=wake)
        changing = Changing(editing=self.editing, pausing=pausing, browsing=browsing, asking=asking, guard=self._guard)
        settling = Settling(preferences=self.preferences, opened=alerts.conversation_is_back)
        reporting = Reporting(syncs=syncs, audit=self.audit, lookup=self.lookup, asking=asking, directory=directory)
        linking = Linking(syncs=syncs, own=own)
        self.handlers: list[Handler] = [changing, settling, reporting, linking]
        self.journeys: dict[str, Journey] = {
            "edit": changing.edit,
            "delete": changing.delete,
            "dry-run": changing.dry_run,
            "settings": settling.settings,
            "notifications": settling.notifications,
            "usage": reporting.usage,
            "audit": reporting.audit,
            "export": reporting.export,
            "lookup": reporting.lookup,
        }
        drawn: dict[str, Draw] = {"tried": self._tried, "deleted": lambda letter: blocks.deleted_notice(letter.payload)}
        letters.more.update(drawn)

    def _guard(self, org_id: str) -> int:
        share = self._store.organizations.get(org_id).get("guard_share")
        return _GUARD if share is None else round(float(share) * 100)

    def _tried(self, letter: Letter) -> kit.Message | None:
        try:
            run = self._store.refreshes.get(letter.subject_id)
            return blocks.tried_message(self._store.syncs.get(letter.org_id, run.sync_id), run)
        except NotFound:
            return None
