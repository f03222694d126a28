"""The daily screens, wired: what people do with syncs that are there. Part of the composition root."""

from collections.abc import Mapping
from typing import Any, Protocol

from slack_bolt import App

from bot.asking import Asking
from bot.blocks import editing as blocks
from bot.blocks import kit
from bot.handlers.browse import Browsing
from bot.handlers.command import Journey
from bot.handlers.editing import Changing
from bot.letters import Draw, Letters
from core.editing import Editing
from core.errors import NotFound
from core.pausing import Pausing
from core.store import Store
from core.store.outbox import Letter

_GUARD = 30  # percent: what the engine does where nobody set another share


class Handler(Protocol):
    """Something that listens to Slack."""

    def register(self, app: App) -> None: ...


class Daily:
    """Handlers, the commands that they answer, and the letters that they cause."""

    def __init__(
        self, *, parts: Mapping[str, Any], store: Store, pausing: Pausing, browsing: Browsing, asking: Asking, letters: Letters
    ) -> None:
        self._store = store
        self.editing = Editing(**parts)
        changing = Changing(editing=self.editing, pausing=pausing, browsing=browsing, asking=asking, guard=self._guard)
        self.handlers: list[Handler] = [changing]
        self.journeys: dict[str, Journey] = {
            "edit": changing.edit,
            "delete": changing.delete,
            "dry-run": changing.dry_run,
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
