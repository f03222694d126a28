"""Platforms' quotas, kept by all processes together: one row a quota and period, one statement a request.

The generic cell rate algorithm (ITU-T I.371): a row says when the whole quota will be free, and each request moves that on.
A third of a minute's requests may go at once, the other two thirds come back evenly over the minute, so that in no sixty seconds
more go than the platform allows, wherever its own minute begins. The same holds for a day, so that whoever fills a big audience
leaves something of each hour to the others.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import case, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.ports import Quota
from core.store.database import Database
from core.tables import PaceRow

_AT_ONCE = 1 / 3


class PaceStore:
    """A `Pace`. `now`: seconds of the epoch, which all machines share."""

    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        self._database, self._now = database, now

    def take(self, quota: Quota, patience_s: float) -> float:
        """Takes one request: seconds to wait before it is sent. More than `patience_s`: nothing was taken; come again then."""
        now = self._now()
        try:
            with self._database.write() as session:
                return max(self._take(session, period, now, patience_s) for period in _periods(quota))
        except _UsedUp as error:
            return error.wait_s

    def hold(self, quota: Quota, seconds: float) -> None:
        """The platform itself asks everybody to wait."""
        a_minute = _periods(quota)[0]
        until = self._now() + seconds + a_minute.ahead_s
        with self._database.write() as session:
            session.execute(update(PaceRow).where(PaceRow.quota == a_minute.name, PaceRow.free_at < until).values(free_at=until))

    def _take(self, session: Session, period: "_Period", now: float, patience_s: float) -> float:
        later = case((PaceRow.free_at > now, PaceRow.free_at), else_=now) + period.each_s
        insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        session.execute(insert(PaceRow).values(quota=period.name, free_at=now).on_conflict_do_nothing())
        taken = session.scalar(
            update(PaceRow)
            .where(PaceRow.quota == period.name, PaceRow.free_at + period.each_s - period.ahead_s - now <= patience_s)
            .values(free_at=later)
            .returning(PaceRow.free_at)
        )
        if taken is None:
            free_at = session.scalar(select(PaceRow.free_at).where(PaceRow.quota == period.name)) or now
            raise _UsedUp(float(free_at) + period.each_s - period.ahead_s - now)
        return max(float(taken) - period.ahead_s - now, 0.0)


@dataclass(frozen=True, slots=True)
class _Period:
    """So many requests in so many seconds."""

    name: str
    requests: int
    seconds: float

    @property
    def each_s(self) -> float:
        """Seconds in which one request comes back."""
        return self.seconds / (self.requests * (1 - _AT_ONCE))

    @property
    def ahead_s(self) -> float:
        """How far requests may run ahead of what has come back."""
        return self.requests * _AT_ONCE * self.each_s


def _periods(quota: Quota) -> list[_Period]:
    minute = _Period(quota.name, quota.a_minute, 60)
    return [minute] if quota.a_day is None else [minute, _Period(f"{quota.name}/day", quota.a_day, 86_400)]


class _UsedUp(Exception):
    """Nothing is taken of any period."""

    def __init__(self, wait_s: float) -> None:
        super().__init__()
        self.wait_s = wait_s
