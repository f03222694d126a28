"""Refreshes: enqueued once a sync, claimed by lease, written back under a fence."""

import itertools
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.errors import Conflict, LeaseLost
from core.models import OPERATOR, Counts, Progress, Rank, Refresh, RefreshKind, RefreshState, Sync, SyncStatus
from core.schedule import next_due_of
from core.store import rows
from core.store.alarms import raise_alert, resolve_sync
from core.store.claims import claim, in_turn, lane, lock, mark
from core.store.database import Database
from core.store.past import compare_with_past, watch_end
from core.store.rows import tell
from core.tables import IS_OPEN, OrganizationRow, RefreshRow, SyncRow


def open_run(
    session: Session,
    sync: SyncRow,
    kind: RefreshKind,
    *,
    refresh_id: str,
    at: datetime,
    requested_by: str | None = None,
    cause: str = "",
) -> RefreshRow:
    """The sync's open refresh, or a new one, in the caller's transaction. What only tries out is followed by what delivers.

    `cause`: as in `Actor`; the first one stays.

    Raises Conflict for a try or a full resync while another refresh is under way.
    """
    found = session.scalars(select(RefreshRow).where(RefreshRow.sync_id == sync.id, IS_OPEN)).first()
    if found is not None:
        waits = found.state == RefreshState.QUEUED and not found.started_at and found.kind != RefreshKind.DRY
        if kind is RefreshKind.DRY or (kind is RefreshKind.FULL and not waits):
            raise Conflict(f"A refresh of S-{sync.number} is under way. Try again when it is done.", current=rows.sync(sync))
        if kind is RefreshKind.FULL:
            found.kind = kind.value
        if found.kind == RefreshKind.DRY:
            found.again_for = requested_by or sync.owner_id
        elif found.state == RefreshState.QUEUED:
            found.not_before = min(found.not_before, at)
            found.requested_by = found.requested_by or requested_by
            found.cause = found.cause or cause
            found.lane = lane(sync.org_id, sync.channel, found.requested_by)
        elif found.state != RefreshState.HELD and requested_by:
            found.again_for = requested_by  # it may have read the segment already: another one follows
        return found
    if sync.refreshed_at is None and sync.status != SyncStatus.FAILED and kind is not RefreshKind.DRY:
        sync.status = SyncStatus.SYNCING.value
    run = RefreshRow(
        id=refresh_id,
        org_id=sync.org_id,
        sync_id=sync.id,
        kind=kind.value,
        state=RefreshState.QUEUED.value,
        lane=lane(sync.org_id, sync.channel, requested_by),
        fence=0,
        not_before=at,
        created_at=at,
        requested_by=requested_by,
        cause=cause,
        attempts=0,
        counts={},
        checkpoint={},
    )
    session.add(run)
    session.flush()
    return run


def _follow(session: Session, run: RefreshRow, sync: SyncRow, at: datetime) -> None:
    """Starts what was asked for while `run` was under way."""
    if run.again_for:
        session.flush()  # `run` is closed first: one open refresh a sync
        open_run(session, sync, RefreshKind.REQUESTED, refresh_id=uuid4().hex, at=at, requested_by=run.again_for)


def close_open(session: Session, sync_id: str, at: datetime) -> None:
    """The sync is paused or deleted: its open refresh ends; a worker that has it finds its fence stale."""
    session.execute(
        update(RefreshRow)
        .where(RefreshRow.sync_id == sync_id, IS_OPEN)
        .values(state=RefreshState.CANCELLED.value, finished_at=at, fence=RefreshRow.fence + 1, lease_until=None)
    )


def wind_down(session: Session, sync_id: str, at: datetime) -> None:
    """The sync is paused: its open refresh ends like that, unless it owes somebody: then it goes on until that is paid."""
    row = session.scalars(select(RefreshRow).where(RefreshRow.sync_id == sync_id, IS_OPEN).with_for_update()).first()
    if row is None or not row.counts.get("owed") or row.state == RefreshState.HELD:
        close_open(session, sync_id, at)
        return
    row.fence += 1
    row.lease_until, row.again_for = None, None
    if row.state == RefreshState.RUNNING:
        row.state, row.not_before = RefreshState.QUEUED.value, at


class RefreshStore:
    """The refreshes of all organizations. Methods with a fence raise LeaseLost when the refresh is no longer the caller's."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns, self._served = itertools.count(1), dict[str, int]()

    def enqueue_due(self, now: datetime, *, new_ids: list[str]) -> int:
        """Enqueues syncs whose time has come, at most as many as there are ids; missed times count once."""
        with self._database.write() as session:
            return mark(session, now, new_ids)

    def is_waiting(self, now: datetime, per_org: int = 4) -> bool:
        """Whether there is a refresh to claim."""
        with self._database.read() as session:
            return bool(in_turn(session, now, per_org, self._served))

    def claim(self, now: datetime, lease: timedelta, per_org: int = 4) -> Refresh | None:
        """The next refresh in fairness, with a new fence; None when there is nothing to do."""
        with self._database.read() as session:
            lanes = in_turn(session, now, per_org, self._served)
        if not lanes:
            return None
        with self._database.write() as session:
            row = claim(session, lanes, now, lease, per_org)
            if row:
                self._served[row.org_id] = next(self._turns)
            return rows.refresh(row) if row else None

    def renew(self, refresh_id: str, fence: int, until: datetime) -> None:
        """Keeps the lease."""
        with self._database.write() as session:
            self._mine(session, refresh_id, fence).lease_until = until

    def progress(
        self, refresh_id: str, fence: int, progress: Progress, counts: Counts, *, now: datetime, until: datetime
    ) -> None:
        """Keeps the lease, and says what people see of a running refresh."""
        with self._database.write() as session:
            row = self._mine(session, refresh_id, fence)
            row.lease_until = until
            row.progress, row.counts = rows.plain_progress(progress), asdict(counts)
            sync = session.get_one(SyncRow, row.sync_id)
            if row.kind != RefreshKind.DRY:
                _tell_progress(session, row, sync, now, Rank.PROGRESS)

    def checkpoint(self, refresh_id: str, fence: int, data: Mapping[str, Any]) -> None:
        """What the next worker must know to go on."""
        with self._database.write() as session:
            self._mine(session, refresh_id, fence).checkpoint = dict(data)

    def set_audience(self, refresh_id: str, fence: int, audience_id: str) -> None:
        """The audience exists on the channel."""
        with self._database.write() as session:
            row = self._mine(session, refresh_id, fence)
            session.get_one(SyncRow, row.sync_id).audience_id = audience_id

    def settle(self, refresh_id: str, fence: int, not_before: datetime, data: Mapping[str, Any]) -> None:
        """Waits for the platform without a worker."""
        self._release(refresh_id, fence, RefreshState.SETTLING, not_before, data)

    def postpone(self, refresh_id: str, fence: int, not_before: datetime, data: Mapping[str, Any] | None = None) -> None:
        """Back into the queue: transient trouble, or this worker stops."""
        self._release(refresh_id, fence, RefreshState.QUEUED, not_before, data)

    def finish(
        self,
        refresh_id: str,
        fence: int,
        counts: Counts,
        *,
        matched: int | None,
        next_due_at: datetime | None,
        now: datetime,
        expires_at: datetime | None = None,
    ) -> None:
        """Succeeded: sizes, state, the end of the sync's alerts and the words to people, all at once.

        `expires_at`: when the channel forgets the audience, where it says so.
        """
        with self._database.write() as session:
            row = self._mine(session, refresh_id, fence, ends=True)
            sync = session.get_one(SyncRow, row.sync_id)
            row.state, row.finished_at, row.lease_until = RefreshState.SUCCEEDED.value, now, None
            row.counts, row.checkpoint, row.failure = asdict(counts), {}, None
            sync.status, sync.refreshed_at, sync.failure, sync.next_due_at = SyncStatus.SYNCED.value, now, None, next_due_at
            sync.members, sync.matchable, sync.delivered = counts.members, counts.matchable, counts.delivered
            sync.matched = sync.matched if matched is None else matched
            row.matched = matched
            resolve_sync(session, row.org_id, sync.id, now)
            compare_with_past(session, sync, row, now)
            watch_end(session, sync, expires_at, now)
            _tell_progress(session, row, sync, now)
            _follow(session, row, sync, now)

    def fail(
        self, refresh_id: str, fence: int, code: str, detail: Mapping[str, str], *, next_due_at: datetime | None, now: datetime
    ) -> None:
        """Failed: the sync's state, an alert by its cause, the words to people, all at once."""
        with self._database.write() as session:
            row = self._mine(session, refresh_id, fence, ends=True)
            sync = session.get_one(SyncRow, row.sync_id)
            row.state, row.finished_at, row.lease_until = RefreshState.FAILED.value, now, None
            row.failure = code
            sync.status, sync.failure, sync.next_due_at = SyncStatus.FAILED.value, code, next_due_at
            raise_alert(session, sync, code, detail, now)
            _tell_progress(session, row, sync, now)
            _follow(session, row, sync, now)

    def stop(self, refresh_id: str, fence: int, counts: Counts, *, failure: str | None, now: datetime) -> None:
        """The refresh of a paused sync ends; `failure`: why it could not pay what `counts` says is owed."""
        with self._database.write() as session:
            row = self._mine(session, refresh_id, fence)
            row.state, row.finished_at, row.lease_until = RefreshState.CANCELLED.value, now, None
            row.counts, row.failure, row.checkpoint = asdict(counts), failure, {}
            sync = session.get_one(SyncRow, row.sync_id)
            _follow(session, row, sync, now)

    def tried(self, refresh_id: str, fence: int, counts: Counts, *, failure: str | None, now: datetime) -> None:
        """A dry run has ended: what it found is told to whoever asked, and nothing of the sync changes.

        `failure`: why it could not be tried; or the guard's code, with the counts that the guard would hold.
        """
        with self._database.write() as session:
            row = self._mine(session, refresh_id, fence)
            sync = session.get_one(SyncRow, row.sync_id)
            held = failure in ("segment_shrunk", "segment_empty")
            row.state = (RefreshState.FAILED if failure and not held else RefreshState.SUCCEEDED).value
            row.finished_at, row.lease_until, row.failure = now, None, failure
            row.counts, row.checkpoint = asdict(counts), {}
            target = f"dm:{_asker(row) or sync.owner_id}"
            tell(session, org_id=row.org_id, topic="tried", subject_id=row.id, target=target, at=now, once=f"tried:{row.id}")
            _follow(session, row, sync, now)

    def hold(self, refresh_id: str, fence: int, counts: Counts, code: str, *, now: datetime) -> None:
        """The guard stopped it: nothing is sent until somebody decides."""
        with self._database.write() as session:
            row = self._mine(session, refresh_id, fence, ends=True)
            sync = session.get_one(SyncRow, row.sync_id)
            row.state, row.lease_until, row.counts = RefreshState.HELD.value, None, asdict(counts)
            detail = {"removals": str(counts.removed), "delivered": str(counts.delivered), "refresh": row.id}
            raise_alert(session, sync, code, detail, now)

    def decide(self, refresh_id: str, *, apply: bool, at: datetime) -> Refresh | None:
        """Somebody decided about a held refresh: it goes on as approved, or ends; None when it is not held any more."""
        with self._database.write() as session:
            _lock_organization(session, refresh_id)
            row = session.get(RefreshRow, refresh_id, with_for_update=True)
            if row is None or row.state != RefreshState.HELD:
                return None
            if apply:
                row.state, row.not_before, row.approved_removals = RefreshState.QUEUED.value, at, row.counts.get("removed", 0)
            else:
                row.state, row.finished_at = RefreshState.CANCELLED.value, at
                sync = session.get_one(SyncRow, row.sync_id)
                sync.next_due_at = next_due_of(rows.sync(sync), at)  # until then the audience is kept as it is
            resolve_sync(session, row.org_id, row.sync_id, at)
            return rows.refresh(row)

    def reconcile(self, at: datetime) -> int:
        """Every active sync begins with a full resync, whatever was under way: what was delivered may be unknown. How many."""
        active = (SyncStatus.SYNCING.value, SyncStatus.SYNCED.value, SyncStatus.FAILED.value)
        with self._database.write() as session:
            found = session.scalars(select(SyncRow).where(SyncRow.deleted_at.is_(None), SyncRow.status.in_(active))).all()
            for sync in found:
                close_open(session, sync.id, at)
                session.flush()
                open_run(session, sync, RefreshKind.FULL, refresh_id=uuid4().hex, at=at)
            return len(found)

    def get(self, refresh_id: str) -> Refresh:
        """One refresh."""
        with self._database.read() as session:
            return rows.refresh(session.get_one(RefreshRow, refresh_id))

    def sync(self, refresh_id: str) -> Sync:
        """The sync of a refresh, as it is now."""
        with self._database.read() as session:
            return rows.sync(session.get_one(SyncRow, session.get_one(RefreshRow, refresh_id).sync_id))

    def last(self, sync_id: str, n: int = 10) -> list[Refresh]:
        """The last refreshes of a sync, newest first."""
        with self._database.read() as session:
            found = session.scalars(
                select(RefreshRow)
                .where(RefreshRow.sync_id == sync_id)
                .order_by(RefreshRow.created_at.desc(), RefreshRow.id)
                .limit(n)
            )
            return [rows.refresh(r) for r in found]

    def largest(self, sync_id: str, since: datetime) -> int:
        """The most members with something to match that a refresh found since then, or since somebody last applied one."""
        most = 0
        with self._database.read() as session:
            query = (
                select(RefreshRow.counts, RefreshRow.approved_removals)
                .where(RefreshRow.sync_id == sync_id, RefreshRow.state == "succeeded", RefreshRow.kind != "dry")
                .where(RefreshRow.finished_at >= since)
                .order_by(RefreshRow.finished_at.desc())
            )
            for counts, approved in session.execute(query):
                most = max(most, int(counts.get("matchable", 0)))
                if approved is not None:
                    break
        return most

    def guard_share(self, sync: Sync) -> float | None:
        """The share of removals that this sync, else its organization, allows; None: nobody set one."""
        with self._database.read() as session:
            own = session.get_one(OrganizationRow, sync.org_id).settings.get("guard_share")
            return sync.guard_share if sync.guard_share is not None else own

    def _mine(self, session: Session, refresh_id: str, fence: int, *, ends: bool = False) -> RefreshRow:
        if ends:
            _lock_organization(session, refresh_id)
        row = session.get(RefreshRow, refresh_id, with_for_update=True)
        if row is None or row.fence != fence or row.state != RefreshState.RUNNING:
            raise LeaseLost
        return row

    def _release(
        self, refresh_id: str, fence: int, state: RefreshState, not_before: datetime, data: Mapping[str, Any] | None
    ) -> None:
        with self._database.write() as session:
            row = self._mine(session, refresh_id, fence)
            row.state, row.not_before, row.lease_until = state.value, not_before, None
            if data is not None:
                row.checkpoint = dict(data)


def _lock_organization(session: Session, refresh_id: str) -> None:
    """What ends a refresh may change alerts that others share."""
    lock(session, select(RefreshRow.org_id).where(RefreshRow.id == refresh_id).scalar_subquery())


def _asker(run: RefreshRow) -> str | None:
    """Who asked for it and can be told."""
    return None if run.requested_by == OPERATOR else run.requested_by


def _tell_progress(session: Session, run: RefreshRow, sync: SyncRow, at: datetime, rank: Rank = Rank.STATE) -> None:
    """Whoever asked for it sees it live; of a routine one the owner's message, where there is one, is brought up to date."""
    target, payload = f"dm:{_asker(run) or sync.owner_id}", {} if _asker(run) else {"quiet": True}
    tell(session, org_id=run.org_id, topic="progress", subject_id=sync.id, target=target, at=at, payload=payload, rank=rank)
