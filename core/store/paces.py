"""Platforms' quotas, kept by all processes together: one row a quota, one statement a request.

The generic cell rate algorithm (ITU-T I.371): a row says when the whole quota will be free, and each request moves that on.
A third of a minute's requests may go at once, the other two thirds come back evenly over the minute, so that in no sixty seconds
more go than the platform allows, wherever its own minute begins.
"""

import time
from collections.abc import Callable

from sqlalchemy import case, select, update
from sqlalchemy.dialects import postgresql, sqlite

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
        later = case((PaceRow.free_at > now, PaceRow.free_at), else_=now) + _each_s(quota)
        with self._database.write() as session:
            insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
            session.execute(insert(PaceRow).values(quota=quota.name, free_at=now).on_conflict_do_nothing())
            taken = session.scalar(
                update(PaceRow)
                .where(PaceRow.quota == quota.name, PaceRow.free_at + _each_s(quota) - _ahead_s(quota) - now <= patience_s)
                .values(free_at=later)
                .returning(PaceRow.free_at)
            )
            if taken is None:
                free_at = session.scalar(select(PaceRow.free_at).where(PaceRow.quota == quota.name)) or now
                return float(free_at) + _each_s(quota) - _ahead_s(quota) - now
            return max(float(taken) - _ahead_s(quota) - now, 0.0)

    def hold(self, quota: Quota, seconds: float) -> None:
        """The platform itself asks everybody to wait."""
        until = self._now() + seconds + _ahead_s(quota)
        with self._database.write() as session:
            session.execute(update(PaceRow).where(PaceRow.quota == quota.name, PaceRow.free_at < until).values(free_at=until))


def _each_s(quota: Quota) -> float:
    """Seconds in which one request comes back."""
    return 60.0 / (quota.a_minute * (1 - _AT_ONCE))


def _ahead_s(quota: Quota) -> float:
    """How far requests may run ahead of what has come back."""
    return quota.a_minute * _AT_ONCE * _each_s(quota)
