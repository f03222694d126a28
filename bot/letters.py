"""What a letter says: drawn from how things stand when it is delivered, so that it never tells what is over."""

from collections.abc import Callable

from bot.blocks import alerts, kit, requests, screens
from bot.blocks import syncs as blocks
from bot.blocks.digest import digest_message
from core.digest import Digests
from core.errors import NotFound
from core.models import Alert, Channel, Refresh, Sync
from core.store import Store
from core.store.outbox import Letter
from core.views import AlertView, RequestView

Draw = Callable[[Letter], kit.Message | None]


class Letters:
    """Draws by topic. `seen`: an alert as a message shows it. `more`: topics that others draw."""

    def __init__(self, *, store: Store, seen: Callable[[Alert], AlertView], digests: Digests) -> None:
        self._store, self._seen, self._digests = store, seen, digests
        self.more: dict[str, Draw] = {}

    def write(self, letter: Letter) -> kit.Message | None:
        """The message as things stand now; None when there is nothing left to tell."""
        match letter.topic:
            case "progress":
                sync = self._sync(letter.org_id, letter.subject_id)
                if sync is None or (letter.payload.get("quiet") and not letter.posted):
                    return None
                return blocks.progress_message(sync, self._last(sync))
            case "notice":
                sync = self._sync(letter.org_id, letter.subject_id)
                what, by = str(letter.payload.get("what", "changed")), str(letter.payload.get("by", ""))
                return screens.notice_message(sync, what, by) if sync else None
            case "connected":
                channel = Channel(letter.subject_id.partition(":")[0])
                return screens.connected_message(channel, str(letter.payload.get("draft") or "") or None)
            case "alert":
                kind, _, name = letter.target.partition(":")
                return alerts.alert_message(self._alert(letter), reader=name if kind == "dm" else None)
            case "remark":
                return alerts.remark_message(self._alert(letter), str(letter.payload.get("what", ""))) if letter.thread else None
            case "misrouted":
                return alerts.misrouted_message(letter.subject_id, str(letter.payload.get("why", "")))
            case "request" | "decision":
                request = self._store.requests.get(letter.org_id, letter.subject_id)
                view = RequestView(request, self._sync(letter.org_id, request.sync_id) if request.sync_id else None)
                return requests.request_message(view) if letter.topic == "request" else requests.decision_message(view)
            case "digest":
                return digest_message(self._digests.of(letter.org_id))
            case topic:
                return self.more[topic](letter) if topic in self.more else None

    def quarter(self, letter: Letter) -> int:
        """How many quarters of its refresh a letter about progress could tell of, 0 to 4."""
        sync = self._sync(letter.org_id, letter.subject_id)
        progress = last.progress if sync and (last := self._last(sync)) else None
        return 4 * progress.done // progress.total if progress and progress.total else 0

    def _alert(self, letter: Letter) -> AlertView:
        return self._seen(self._store.alerts.get(letter.org_id, letter.subject_id))

    def _sync(self, org_id: str, sync_id: str) -> Sync | None:
        try:
            return self._store.syncs.get(org_id, sync_id)
        except NotFound:
            return None

    def _last(self, sync: Sync) -> Refresh | None:
        found = self._store.refreshes.last(sync.id, 1)
        return found[0] if found else None
