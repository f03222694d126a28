"""Figures over time: sizes of an audience, match rates of an ad account, how the sync limit was used."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select

from core.models import Channel
from core.store.database import Database
from core.store.syncs import ACTIVE
from core.tables import AuditRow, ConnectionRow, RefreshRow, RequestRow, SyncRow

_CHANGES = {"create": 1, "resume": 1, "pause": -1}


class MeasureStore:
    """Read only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sizes(self, sync_id: str, n: int = 30) -> list[tuple[datetime, int]]:
        """The delivered size after each of the last refreshes that succeeded, oldest first."""
        with self._database.read() as session:
            found = session.execute(
                select(RefreshRow.finished_at, RefreshRow.counts)
                .where(RefreshRow.sync_id == sync_id, RefreshRow.state == "succeeded", RefreshRow.kind != "dry")
                .order_by(RefreshRow.created_at.desc(), RefreshRow.id)
                .limit(n)
            ).all()
        return [(at, int(counts.get("delivered", 0))) for at, counts in reversed(found) if at is not None]

    def match_rate(self, org_id: str, channel: Channel, account_id: str) -> float | None:
        """What share of what was delivered this ad account's audiences matched, over all its syncs; None: nobody knows yet."""
        with self._database.read() as session:
            matched, delivered = session.execute(
                select(func.sum(SyncRow.matched), func.sum(SyncRow.delivered)).where(
                    SyncRow.org_id == org_id,
                    SyncRow.channel == channel.value,
                    SyncRow.account_id == account_id,
                    SyncRow.matched.is_not(None),
                    SyncRow.delivered > 0,
                )
            ).one()
        return matched / delivered if matched is not None and delivered else None

    def used_at(self, org_id: str, moments: Sequence[datetime]) -> list[int]:
        """How many syncs were active at each moment (ascending), counted back from now by what the audit log says."""
        with self._database.read() as session:
            where = (SyncRow.org_id == org_id, SyncRow.status.in_(ACTIVE), SyncRow.deleted_at.is_(None))
            now = session.scalar(select(func.count()).select_from(SyncRow).where(*where)) or 0
            changes = session.execute(
                select(AuditRow.at, AuditRow.action, AuditRow.before)
                .where(AuditRow.org_id == org_id, AuditRow.action.in_([*_CHANGES, "delete"]), AuditRow.at > moments[0])
                .order_by(AuditRow.at)
            ).all()
        steps = [(at, _change(action, before)) for at, action, before in changes]
        return [now - sum(n for at, n in steps if at > moment) for moment in moments]

    def owners(self, org_id: str, n: int = 10) -> list[tuple[str, int]]:
        """Who uses the sync limit: owners of active syncs, the busiest first."""
        with self._database.read() as session:
            count = func.count()
            found = session.execute(
                select(SyncRow.owner_id, count)
                .where(SyncRow.org_id == org_id, SyncRow.status.in_(ACTIVE), SyncRow.deleted_at.is_(None))
                .group_by(SyncRow.owner_id)
                .order_by(count.desc(), SyncRow.owner_id)
                .limit(n)
            )
            return [(str(owner), int(number)) for owner, number in found]

    def connected(self, org_id: str, users: Sequence[str], before: datetime) -> dict[Channel, tuple[int, int, int]]:
        """By channel: how many of these users are connected, how many they are, how many connections end before this moment."""
        with self._database.read() as session:
            where = (ConnectionRow.org_id == org_id, ConnectionRow.status.in_(("connected", "expiring")))
            columns = (ConnectionRow.channel, ConnectionRow.user_id, ConnectionRow.ends_at)
            found = session.execute(select(*columns).where(*where)).all()
        mine = [(Channel(c), ends) for c, user, ends in found if user in set(users)]
        return {
            c: (sum(k is c for k, _ in mine), len(users), sum(k is c and ends is not None and ends < before for k, ends in mine))
            for c in Channel
        }

    def waiting(self, sync_ids: Sequence[str]) -> dict[str, frozenset[str]]:
        """Of these syncs those for which somebody has to decide: `held` (a refresh), `pause` (somebody asked for one)."""
        with self._database.read() as session:
            held = session.scalars(
                select(RefreshRow.sync_id).where(RefreshRow.sync_id.in_(sync_ids), RefreshRow.state == "held")
            ).all()
            asked = session.scalars(
                select(RequestRow.sync_id).where(
                    RequestRow.sync_id.in_(sync_ids), RequestRow.state == "waiting", RequestRow.kind == "pause"
                )
            ).all()
        said = {i: {what for what, ids in (("held", held), ("pause", asked)) if i in ids} for i in sync_ids}
        return {i: frozenset(what) for i, what in said.items() if what}

    def last_taken(self, org_id: str) -> tuple[str, str, datetime] | None:
        """Who took a place of the sync limit last, by which sync, when."""
        with self._database.read() as session:
            found = session.execute(
                select(AuditRow.actor_id, AuditRow.subject, AuditRow.at)
                .where(AuditRow.org_id == org_id, AuditRow.action.in_(("create", "resume")))
                .order_by(AuditRow.id.desc())
                .limit(1)
            ).first()
        return (str(found[0]), str(found[1]).removeprefix("sync "), found[2]) if found else None


def _change(action: str, before: dict[str, object]) -> int:
    if action == "delete":
        return -1 if before.get("status") in ACTIVE else 0
    return _CHANGES[action]
