"""The clock's rounds: what nobody reports by itself is looked for, told once, and ended when it is over."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from core.models import Channel
from core.ports import AdChannel, Clock
from core.store import Store

THRESHOLDS = (80, 95, 100)
ESCALATE_AFTER = timedelta(hours=1)
GRACE = timedelta(hours=1)  # after which a refresh that is due is overdue


class Watch:
    """Looks at every organization. Idempotent: any number of clocks may do it. `wake` tells the notifier."""

    def __init__(self, *, store: Store, channels: Mapping[Channel, AdChannel], clock: Clock, wake: Callable[[], None]) -> None:
        self._store, self._channels, self._clock, self._wake = store, channels, clock, wake

    def look(self) -> None:
        """One round."""
        before = self._store.outbox.waiting()
        for org_id in self._store.organizations.ids():
            self._organization(org_id)
        if self._store.outbox.waiting() > before:
            self._wake()

    def _organization(self, org_id: str) -> None:
        now, settings = self._clock.now(), self._store.organizations.get(org_id)
        thresholds: Sequence[int] = settings.get("limit_thresholds") or THRESHOLDS
        escalate_after = timedelta(minutes=settings.get("escalate_after_min") or ESCALATE_AFTER.total_seconds() / 60)
        self._store.watch.limits(org_id, thresholds, now)
        self._store.watch.overdue(org_id, GRACE, now)
        self._store.watch.ends(org_id, now)
        self._store.watch.small(org_id, {c: a.traits.minimum for c, a in self._channels.items() if a.traits.minimum}, now)
        self._store.alerts.snoozes_over(org_id, now)
        self._store.alerts.escalate(org_id, now - escalate_after, now)
