"""What is looked at by the clock: the sync limit, refreshes that are overdue, connections that end, audiences too small to serve.

Each method is one transaction, may be called by any number of clocks, and does nothing where everything has been told.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from core.models import AlertState, Channel, ConnectionStatus
from core.store.alarms import Cause, announce, cause_of, close, open_alerts, raise_cause, redraw, remark
from core.store.database import Database
from core.tables import RUNS, WAITS, AlertRow, ConnectionRow, OrganizationRow, RefreshRow, SyncRow
from core.troubleshooting import CATALOGUE

ACTIVE = ("syncing", "synced", "failed")
LIMIT = "sync_limit"
AHEAD_DAYS = (1, 7, 14)
_ALIVE = 6  # a refresh that a worker holds may take so many times longer than one that waits
_STEADY = timedelta(days=1)  # before that a new audience is still being matched


class WatchStore:
    """Checks one organization at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def limits(self, org_id: str, thresholds: Sequence[int], at: datetime) -> None:
        """One alert while usage is near the limit: louder at each threshold (percent) that is crossed upwards, each once.

        It ends when usage has fallen well below the lowest threshold, and a threshold counts as crossed anew only after usage
        was well below it: by one sync or a twentieth of the limit, whichever is more.
        """
        with self._database.write() as session:
            organization = session.get_one(OrganizationRow, org_id, with_for_update=True)
            cap = organization.own_cap
            limit = organization.sync_limit if cap is None else min(cap, organization.sync_limit)
            used = session.scalar(select(func.count()).select_from(SyncRow).where(*_active(org_id))) or 0
            marks = [m for m in sorted(thresholds) if limit > 0]
            margin = max(1, ceil(limit / 20))
            level = max((m for m in marks if used * 100 >= m * limit), default=0)
            alert = _open(session, org_id, LIMIT)
            if alert is not None and (not marks or used < ceil(marks[0] * limit / 100) - margin):
                close(session, alert, at)
                return
            if alert is None and not level:
                return
            peak = int(alert.detail.get("peak", "0")) if alert else 0
            if peak and used < ceil(peak * limit / 100) - margin:
                peak = level
            detail = {"used": str(used), "limit": str(limit), "peak": str(max(peak, level))}
            if alert is not None and {k: alert.detail.get(k) for k in detail} == detail:
                return
            detail |= _usage(session, org_id)
            code = "sync_limit_reached" if used >= limit else "sync_limit_near"
            if alert is None:
                raise_cause(session, org_id, Cause(code, LIMIT, detail=detail), [], at)
                return
            alert.code, alert.severity, alert.detail, alert.last_seen_at = code, CATALOGUE[code].severity.value, detail, at
            redraw(session, alert, at)
            if level > peak:
                remark(session, alert, "crossed", at, always=True, loud=True)

    def overdue(self, org_id: str, grace: timedelta, at: datetime) -> None:
        """Active syncs that were due longer than `grace` ago, and whose refresh has waited that long."""
        waits = or_(WAITS, and_(RUNS, RefreshRow.lease_until < at))
        late = or_(and_(waits, RefreshRow.created_at < at - grace), and_(RUNS, RefreshRow.created_at < at - grace * _ALIVE))
        with self._database.write() as session:
            known = {i for a in open_alerts(session, org_id) if a.code == "refresh_overdue" for i in a.sync_ids}
            due = or_(SyncRow.next_due_at < at - grace, SyncRow.refreshed_at.is_(None))
            found = session.scalars(
                select(SyncRow).join(RefreshRow, RefreshRow.sync_id == SyncRow.id).where(*_active(org_id), due, late)
            )
            for sync in found.unique().all():
                if sync.id not in known and sync.status != "failed":
                    raise_cause(session, org_id, cause_of(sync, "refresh_overdue", {}), [sync], at)

    def ends(self, org_id: str, at: datetime) -> None:
        """Connections that end in 14, 7, 1 days: their users are told at each step; what has ended is said to have expired."""
        with self._database.write() as session:
            where = (ConnectionRow.org_id == org_id, ConnectionRow.sealed_grant.is_not(None), ConnectionRow.ends_at.is_not(None))
            for row in session.scalars(select(ConnectionRow).where(*where)).all():
                if row.ends_at and row.status in (ConnectionStatus.CONNECTED, ConnectionStatus.EXPIRING):
                    self._ends(session, row, row.ends_at, at)

    def small(self, org_id: str, minimums: Mapping[Channel, int], at: datetime) -> None:
        """Audiences of which fewer are matched than the channel serves; those that have grown are over it."""
        with self._database.write() as session:
            known = {a.sync_ids[0]: a for a in open_alerts(session, org_id) if a.code == "audience_too_small" and a.sync_ids}
            tiny = {
                s.id: s
                for channel, minimum in minimums.items()
                for s in session.scalars(
                    select(SyncRow).where(
                        *_active(org_id),
                        SyncRow.status == "synced",
                        SyncRow.channel == channel.value,
                        SyncRow.matched < minimum,
                        SyncRow.created_at < at - _STEADY,
                    )
                )
            }
            for sync_id in tiny.keys() - known.keys():
                sync = tiny[sync_id]
                detail = {"matched": str(sync.matched), "minimum": str(minimums[Channel(sync.channel)])}
                raise_cause(session, org_id, cause_of(sync, "audience_too_small", detail), [sync], at)
            for sync_id in known.keys() - tiny.keys():
                close(session, known[sync_id], at)

    @staticmethod
    def _ends(session: Session, row: ConnectionRow, ends_at: datetime, at: datetime) -> None:
        alert = _open(session, row.org_id, f"connection_expiring:{row.id}")
        left = ends_at - at
        days = next((d for d in AHEAD_DAYS if left <= timedelta(days=d)), None)
        syncs = session.scalars(select(SyncRow).where(*_active(row.org_id), SyncRow.run_as == row.id)).all()
        if left <= timedelta(0):
            row.status = ConnectionStatus.EXPIRED.value
            if alert is not None:
                close(session, alert, at)
            cause = Cause("connection_expired", f"connection_expired:{row.id}", row.channel, None, row.id)
            raise_cause(session, row.org_id, cause, syncs, at)
        elif days is None:
            row.status = ConnectionStatus.CONNECTED.value
            if alert is not None:
                close(session, alert, at)
        elif alert is None or alert.detail.get("days") != str(days):
            row.status = ConnectionStatus.EXPIRING.value
            detail = {"days": str(days), "ends": f"{ends_at:%d %B %Y}"}
            cause = Cause("connection_expiring", f"connection_expiring:{row.id}", row.channel, None, row.id, detail)
            raised = raise_cause(session, row.org_id, cause, syncs, at)
            if alert is not None:
                announce(session, raised, syncs, at)
                remark(session, raised, "sooner", at, always=True, loud=True)


def _active(org_id: str) -> Sequence[ColumnElement[bool]]:
    return (SyncRow.org_id == org_id, SyncRow.status.in_(ACTIVE), SyncRow.deleted_at.is_(None))


def _open(session: Session, org_id: str, cause: str) -> AlertRow | None:
    where = (AlertRow.org_id == org_id, AlertRow.cause == cause, AlertRow.state == AlertState.OPEN.value)
    return session.scalars(select(AlertRow).where(*where)).first()


def _usage(session: Session, org_id: str) -> dict[str, str]:
    """Who uses the limit, and which syncs were refreshed the longest ago."""
    rows = session.execute(
        select(SyncRow.id, SyncRow.owner_id)
        .where(*_active(org_id))
        .order_by(func.coalesce(SyncRow.refreshed_at, SyncRow.created_at), SyncRow.number)
    ).all()
    users = Counter(str(r[1]) for r in rows).most_common(5)
    return {"users": ",".join(f"{u}:{n}" for u, n in users), "stale": ",".join(str(r[0]) for r in rows[:3])}
