"""One week of an organization in figures."""

from collections import defaultdict
from datetime import date, datetime, timedelta

from sqlalchemy import func, select

from core.store import rows
from core.store.database import Database
from core.store.routing import administrators
from core.store.rows import tell
from core.tables import AlertRow, OrganizationRow, OutboxRow, RefreshRow, SyncRow
from core.views import Change, Day, Week

WEEK = timedelta(days=7)
_BIGGEST = 5


class DigestStore:
    """One method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def week(self, org_id: str, until: datetime) -> Week:
        """The seven days before `until`: refreshes by day, alerts that came and went, the syncs that changed most."""
        since = until - WEEK
        first = since.date() + timedelta(days=1)
        days: dict[date, list[int]] = {first + timedelta(days=n): [0, 0] for n in range(7)}
        changes: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        with self._database.read() as session:
            ended = session.execute(
                select(RefreshRow.sync_id, RefreshRow.state, RefreshRow.finished_at, RefreshRow.counts).where(
                    RefreshRow.org_id == org_id,
                    RefreshRow.finished_at > since,
                    RefreshRow.finished_at <= until,
                    RefreshRow.state.in_(("succeeded", "failed")),
                    RefreshRow.kind != "dry",
                )
            )
            for sync_id, state, finished_at, counts in ended:
                failed = state == "failed"
                if finished_at.date() in days:
                    days[finished_at.date()][failed] += 1
                if not failed:
                    changes[sync_id][0] += counts.get("added", 0)
                    changes[sync_id][1] += counts.get("removed", 0)
            biggest = sorted((c for c in changes.items() if sum(c[1])), key=lambda c: -sum(c[1]))[:_BIGGEST]
            found = {i: session.get(SyncRow, i) for i, _ in biggest}
            alert = select(func.count()).select_from(AlertRow).where(AlertRow.org_id == org_id)
            return Week(
                days=tuple(Day(day, *numbers) for day, numbers in sorted(days.items())),
                opened=session.scalar(alert.where(AlertRow.first_seen_at > since)) or 0,
                resolved=session.scalar(alert.where(AlertRow.resolved_at > since)) or 0,
                changes=tuple(
                    Change(rows.sync(row), *numbers) for i, numbers in biggest if (row := found[i]) and row.deleted_at is None
                ),
            )

    def due(self, org_id: str, week: str, since: datetime, at: datetime) -> bool:
        """Queues the digest of this week (`2026-W48`) for an organization that was there before `since`; whether it was due."""
        with self._database.write() as session:
            row = session.get_one(OrganizationRow, org_id)
            if row.created_at >= since or row.settings.get("digest") is False:
                return False
            known = select(OutboxRow.id).where(
                OutboxRow.org_id == org_id, OutboxRow.topic == "digest", OutboxRow.subject_id == week
            )
            if session.execute(known.limit(1)).first() is not None:
                return False
            people = [f"dm:{u}" for u in administrators(session, org_id)]
            for target in [f"conversation:{row.alert_conversation}"] if row.alert_conversation else people:
                once = f"digest:{org_id}:{week}:{target}"
                tell(session, org_id=org_id, topic="digest", subject_id=week, target=target, at=at, once=once)
            return True
