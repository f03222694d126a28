"""Alerts: seen by everybody, handled by administrators and by those whose syncs or connection they are about."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from core.access import may, require
from core.connections import Connections
from core.errors import ChannelError, Conflict, NeedsReconnect, NotAllowed, NotFound
from core.models import Action, Actor, Alert, AlertState, Channel, Sync, SyncStatus
from core.pausing import Pausing
from core.ports import AdChannel, Clock
from core.store import Store
from core.store.syncs import SyncFilter
from core.troubleshooting import CATALOGUE, Scope
from core.views import AlertView, TakenOver

SNOOZES: Mapping[str, timedelta] = {"1h": timedelta(hours=1), "1d": timedelta(days=1), "1w": timedelta(weeks=1)}


class Alerts:
    """Use cases on alerts. `wake` tells the workers and the notifier."""

    def __init__(
        self,
        *,
        store: Store,
        channels: Mapping[Channel, AdChannel],
        connections: Connections,
        pausing: Pausing,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._store, self._channels, self._connections, self._pausing = store, channels, connections, pausing
        self._clock, self._wake = clock, wake

    def open(self, actor: Actor, *, mine: bool = False) -> list[AlertView]:
        """Open alerts, the most severe first, snoozed ones last. `mine`: about the actor's own syncs or connection."""
        require(actor, Action.SEE)
        views = [self.seen(a) for a in self._store.alerts.open(actor.org_id)]
        now = self._clock.now()
        views.sort(key=lambda v: v.alert.snoozed_until is not None and v.alert.snoozed_until > now)
        return [v for v in views if not mine or _is_own(actor, v)]

    def view(self, actor: Actor, alert_id: str) -> AlertView:
        """One alert. Raises NotFound."""
        require(actor, Action.SEE)
        return self.seen(self._store.alerts.get(actor.org_id, alert_id))

    def seen(self, alert: Alert) -> AlertView:
        """An alert as a message shows it; for whoever may see it."""
        stale = alert.detail.get("stale", "")
        syncs = self._store.alerts.syncs(alert.org_id, stale.split(",") if stale else alert.sync_ids)
        left = self._store.alerts.syncs(alert.org_id, alert.left_ids)
        about_connection = CATALOGUE[alert.code].scope is Scope.CONNECTION
        found = self._store.connections.get(alert.connection_id) if alert.connection_id and about_connection else None
        whose = found[0].user_id if found else None
        return AlertView(alert, tuple(syncs), tuple(left), whose, self._url(alert, syncs))

    def acknowledge(self, actor: Actor, alert_id: str) -> AlertView:
        """Says that somebody takes care. Raises NotAllowed, Conflict."""
        self._require(actor, Action.HANDLE_ALERT, self.view(actor, alert_id))
        return self._changed(self._store.alerts.acknowledge(actor, alert_id, self._clock.now()))

    def snooze(self, actor: Actor, alert_id: str, length: timedelta) -> AlertView:
        """The organization hears nothing more of it for a while. Raises NotAllowed, Conflict."""
        self._require(actor, Action.HANDLE_ALERT, self.view(actor, alert_id))
        now = self._clock.now()
        return self._changed(self._store.alerts.snooze(actor, alert_id, now + length, now))

    def retry(self, actor: Actor, alert_id: str) -> AlertView:
        """Refreshes the alert's syncs that the actor may refresh. Raises NotAllowed when that is none, Conflict."""
        view = self.view(actor, alert_id)
        allowed = [s.id for s in view.syncs if may(actor, Action.REFRESH, owner_id=s.owner_id)]
        if not allowed:
            require(actor, Action.REFRESH)
            raise Conflict("There is no sync left to retry.")
        return self._changed(self._store.alerts.retry(actor, alert_id, allowed, self._clock.now()))

    def is_whose(self, actor: Actor, alert_id: str) -> Channel | None:
        """The channel to connect anew, if the alert is about the actor's own connection; None: another's, to be taken over.

        Raises Conflict when it is resolved.
        """
        require(actor, Action.CONNECT)
        view = self.view(actor, alert_id)
        if view.alert.state is not AlertState.OPEN:
            raise Conflict("This has been resolved already.", current=view.alert)
        return view.alert.channel if view.whose == actor.user_id else None

    def take_over(self, actor: Actor, alert_id: str) -> TakenOver:
        """The actor's own connection becomes the one that the alert's syncs run as, where it may edit their audiences now.

        Asks the platform for each sync. Raises NeedsReconnect when the actor has no connection that works.
        """
        require(actor, Action.TAKE_OVER)
        view = self.view(actor, alert_id)
        if view.alert.state is not AlertState.OPEN:
            raise Conflict("This has been resolved already.", current=view.alert)
        taken: list[Sync] = []
        refused: list[tuple[Sync, str]] = []
        for sync in view.syncs:
            if sync.status is SyncStatus.INACTIVE:
                continue
            try:
                taken.append(self._pausing.take_over(actor, sync.id))
            except NeedsReconnect:
                raise
            except (ChannelError, NotAllowed, NotFound, Conflict) as error:
                refused.append((sync, str(error)))
        alert = view.alert
        if taken:
            alert = self._store.alerts.deed(actor, alert_id, "took over", self._clock.now())
            self._wake()
        return TakenOver(self.seen(alert), tuple(taken), tuple(refused))

    def decide(self, actor: Actor, alert_id: str, *, apply: bool) -> AlertView:
        """The guard's question: the held refresh goes on as it was shown, or the audience stays. The first decision stands."""
        view = self.view(actor, alert_id)
        refresh_id = view.alert.detail.get("refresh")
        if refresh_id is None or not view.syncs:
            raise NotFound
        require(actor, Action.DECIDE_HELD, owner_id=view.syncs[0].owner_id)
        now = self._clock.now()
        if self._store.refreshes.decide(refresh_id, apply=apply, at=now) is None:
            raise Conflict("Somebody has decided about this refresh already; the message says who.", current=view.alert)
        return self._changed(self._store.alerts.deed(actor, alert_id, "applied" if apply else "kept", now))

    def accounts(self, actor: Actor, words: str) -> list[tuple[str, str]]:
        """Ad accounts of the organization's syncs that these words may mean, as (route, name). Raises NotAllowed."""
        require(actor, Action.SETTINGS)
        found = self._store.syncs.search(actor.org_id, SyncFilter(account=words), limit=200)[0]
        return sorted({(f"account:{s.channel.value}:{s.account_id}", f"{s.channel.label} · {s.account_name}") for s in found})

    def route(self, actor: Actor, route: str, conversation: str | None) -> None:
        """Alerts about this ad account go to a conversation of their own; None: where those of its channel go."""
        require(actor, Action.SETTINGS)
        routes = dict(self._store.organizations.get(actor.org_id).get("alert_routes") or {})
        routes.pop(route, None)
        changed = routes | ({route: conversation} if conversation else {})
        self._store.organizations.set(actor, {"alert_routes": changed}, self._clock.now())

    def conversation_is_back(self, org_id: str, conversation: str) -> int:
        """It can be written to (again): open alerts that belong there are posted; how many."""
        told = self._store.alerts.tell_again(org_id, conversation, self._clock.now())
        self._wake()
        return told

    def _require(self, actor: Actor, action: Action, view: AlertView) -> None:
        require(actor, action, owner_id=actor.user_id if _is_own(actor, view) else None)

    def _changed(self, alert: Alert) -> AlertView:
        self._wake()
        return self.seen(alert)

    def _url(self, alert: Alert, syncs: list[Sync]) -> str | None:
        if url := alert.detail.get("url"):
            return url if url.startswith("https://") else None
        if not syncs or syncs[0].channel not in self._channels:
            return None
        audience = syncs[0].audience_id if len(syncs) == 1 else None
        return self._channels[syncs[0].channel].audience_url(syncs[0].account_id, audience)


def _is_own(actor: Actor, view: AlertView) -> bool:
    if CATALOGUE[view.alert.code].scope is Scope.ORGANIZATION:
        return False
    return view.whose == actor.user_id or any(s.owner_id == actor.user_id for s in (*view.syncs, *view.left))
