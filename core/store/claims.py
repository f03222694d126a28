"""Which refresh is next: marked when it is due, claimed in fairness.

Refreshes that wait stand in *lanes*: those of one organization on one channel, people's requests apart from routine ones.
Within a lane the earliest is next, which an index tells at once; so a claim looks at a row a lane however many wait. Between
lanes the one goes first whose organization has the fewest running, then people's requests, then whose turn was longest ago,
then the channel that has the fewest running in this organization, then in all, so that one platform that hangs does not hold
every worker while others' refreshes wait.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Insert, ScalarSelect, Select, String, column, func, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.models import RefreshKind, RefreshState
from core.tables import IS_OPEN, RUNS, WAITS, OrganizationRow, RefreshRow, SyncRow, Utc

_HEADS = text(
    f"""
    WITH RECURSIVE lanes(lane) AS (
        SELECT min(lane) FROM refresh_run WHERE {WAITS.text}
        UNION ALL
        SELECT (SELECT min(r.lane) FROM refresh_run r WHERE r.{WAITS.text} AND r.lane > lanes.lane)
        FROM lanes WHERE lanes.lane IS NOT NULL
    )
    SELECT lane, (SELECT min(r.not_before) FROM refresh_run r WHERE r.{WAITS.text} AND r.lane = lanes.lane) AS not_before
    FROM lanes WHERE lane IS NOT NULL
    """  # noqa: S608 - a constant, no value from outside
).columns(column("lane", String), column("not_before", Utc))


def lane(org_id: str, channel: str, requested_by: str | None) -> str:
    """The name of a lane."""
    return f"{'routine' if requested_by is None else 'asked'}/{channel}/{org_id}"


@dataclass(frozen=True, slots=True)
class Lane:
    """Where refreshes wait for each other, with the moment of the first one."""

    name: str
    not_before: datetime
    lapsed: str | None = None  # the refresh in it whose worker is gone

    @property
    def org_id(self) -> str:
        return self.name.split("/", 2)[2]

    @property
    def channel(self) -> str:
        return self.name.split("/", 2)[1]


@dataclass(slots=True)
class _Load:
    """How many run, by what they are of."""

    organizations: Counter[str]
    lanes: Counter[tuple[str, str]]
    channels: Counter[str]
    served: Mapping[str, int]

    def of(self, one: Lane) -> tuple[int, bool, int, int, int, datetime, str]:
        """Who goes first has the least."""
        return (
            self.organizations[one.org_id],
            one.name.startswith("routine"),
            self.served.get(one.org_id, 0),
            self.lanes[one.org_id, one.channel],
            self.channels[one.channel],
            one.not_before,
            one.name,
        )


def lock(session: Session, org_id: str | ScalarSelect[str]) -> None:
    """One at a time in this organization until the transaction ends; its row before any other."""
    session.execute(select(OrganizationRow.id).where(OrganizationRow.id == org_id).with_for_update(key_share=True))


def mark(session: Session, now: datetime, new_ids: list[str]) -> int:
    """Enqueues the syncs whose time has come, at most as many as there are ids; says how many were due."""
    has_open = select(RefreshRow.id).where(RefreshRow.sync_id == SyncRow.id, IS_OPEN).exists()
    due = session.execute(
        select(SyncRow.id, SyncRow.org_id, SyncRow.channel)
        .where(
            SyncRow.status.in_(("syncing", "synced", "failed")),
            SyncRow.next_due_at <= now,
            SyncRow.deleted_at.is_(None),
            ~has_open,
        )
        .order_by(SyncRow.next_due_at)
        .limit(len(new_ids))
        .with_for_update(skip_locked=True, key_share=True)
    ).all()
    fresh = {
        "kind": RefreshKind.ROUTINE.value, "state": RefreshState.QUEUED.value, "fence": 0, "not_before": now, "created_at": now,
        "attempts": 0, "counts": {}, "checkpoint": {},
    }  # fmt: skip
    lines = [
        fresh | {"id": new_id, "sync_id": sync_id, "org_id": org_id, "lane": lane(org_id, channel, None)}
        for new_id, (sync_id, org_id, channel) in zip(new_ids, due, strict=False)
    ]
    if lines:
        session.execute(_unless_open(session), lines)
    return len(due)


def in_turn(session: Session, now: datetime, per_org: int, served: Mapping[str, int]) -> list[Lane]:
    """Lanes with something to claim, in fairness. Only reads, so it keeps nobody from writing.

    `served`: the number of each organization's last turn, as far as this process knows: a lone worker has nothing else to go by.
    """
    load = _Load(Counter(), Counter(), Counter(), served)
    busy = select(RefreshRow.lane, func.count()).where(RUNS, RefreshRow.lease_until >= now).group_by(RefreshRow.lane)
    for name, many in session.execute(busy):
        one = Lane(name, now)
        load.organizations[one.org_id] += many
        load.lanes[one.org_id, one.channel] += many
        load.channels[one.channel] += many
    lapsed = select(RefreshRow.lane, RefreshRow.not_before, RefreshRow.id).where(RUNS, RefreshRow.lease_until < now)
    found = [Lane(*row) for row in session.execute(lapsed)]
    heads = (Lane(name, not_before) for name, not_before in session.execute(_HEADS))
    found += [one for one in heads if one.not_before <= now]
    return sorted((one for one in found if load.organizations[one.org_id] < per_org), key=load.of)


def claim(session: Session, lanes: Iterable[Lane], now: datetime, lease: timedelta, per_org: int) -> RefreshRow | None:
    """The next refresh of the first lane that still has one, leased under a new fence.

    `per_org`: how many of one organization run at most at once; asked again, since others claim beside us.
    """
    for one in lanes:
        # on PostgreSQL several claim at once: of one organization, one after the other
        lock(session, one.org_id)
        running = select(func.count()).where(RUNS, RefreshRow.org_id == one.org_id, RefreshRow.lease_until >= now)
        if (session.scalar(running) or 0) >= per_org:
            continue
        row = session.scalars(_next_of(one, now).with_for_update(skip_locked=True)).first()
        if row is None:
            continue
        row.state, row.lease_until = RefreshState.RUNNING.value, now + lease
        row.fence += 1
        row.attempts += 1
        row.started_at = row.started_at or now
        return row
    return None


def _next_of(one: Lane, now: datetime) -> Select[RefreshRow]:
    """The refresh to claim in a lane; that it can be claimed is asked again, since others claim too."""
    if one.lapsed:
        return select(RefreshRow).where(RefreshRow.id == one.lapsed, RefreshRow.state == "running", RefreshRow.lease_until < now)
    waits = (WAITS, RefreshRow.lane == one.name, RefreshRow.not_before <= now)
    return select(RefreshRow).where(*waits).order_by(RefreshRow.not_before, RefreshRow.id).limit(1)


def _unless_open(session: Session) -> Insert:
    """Another clock may have been faster: then nothing is inserted."""
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(RefreshRow).on_conflict_do_nothing()
    return postgresql.insert(RefreshRow).on_conflict_do_nothing()
