"""The weekly digest: usage, failures, stale syncs, biggest changes; every Monday morning, or when somebody asks."""

from collections.abc import Callable
from datetime import datetime, timedelta

from core.access import require
from core.models import Action, Actor
from core.ports import Clock
from core.store import Store
from core.views import Digest, Usage

HOUR = 9  # of a Monday, UTC


class Digests:
    """`wake` tells the notifier."""

    def __init__(self, *, store: Store, clock: Clock, wake: Callable[[], None]) -> None:
        self._store, self._clock, self._wake = store, clock, wake

    def now(self, actor: Actor) -> Digest:
        """The last seven days, for whoever asks."""
        require(actor, Action.SEE)
        return self.of(actor.org_id)

    def of(self, org_id: str) -> Digest:
        """The last seven days of an organization."""
        used, limit = self._store.syncs.usage(org_id)
        return Digest(
            organization=str(self._store.organizations.get(org_id)["name"]),
            usage=Usage(used, limit, tuple(self._store.syncs.stalest(org_id, 3))),
            week=self._store.digest.week(org_id, self._clock.now()),
            alerts=tuple(self._store.alerts.open(org_id)),
        )

    def look(self) -> None:
        """The clock's round: what is due is queued, once a week and organization."""
        now = self._clock.now()
        monday = begin_of_week(now)
        if now < monday:
            return
        year, week, _ = now.isocalendar()
        told = [self._store.digest.due(org_id, f"{year}-W{week:02}", monday, now) for org_id in self._store.organizations.ids()]
        if any(told):
            self._wake()


def begin_of_week(at: datetime) -> datetime:
    """Monday of this week, at the hour of the digest."""
    day = at - timedelta(days=at.weekday())
    return day.replace(hour=HOUR, minute=0, second=0, microsecond=0)
