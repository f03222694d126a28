"""Syncs: created under the limit, listed, paused, resumed. One method is one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_, select
from sqlalchemy.orm import Session

from core.errors import Conflict, LimitReached, NotFound
from core.models import Actor, Channel, RefreshKind, RequestKind, Sync, SyncStatus
from core.store import rows
from core.store.alarms import leave_connection, note_retry, resolve_sync
from core.store.closing import close_requests
from core.store.database import Database
from core.store.refreshes import open_run, wind_down
from core.store.rows import note, tell
from core.tables import AlertRow, OrganizationRow, SyncRow

ACTIVE = ("syncing", "synced", "failed")
SORTS = ("number", "name", "status", "refreshed", "created", "size", "owner")
_MOST_ALERTED = 5_000  # syncs with an alert that one list can be narrowed to


@dataclass(frozen=True, slots=True)
class SyncFilter:
    """Which syncs of an organization; None: any. `words` searches names."""

    status: SyncStatus | None = None
    channel: Channel | None = None
    account: str | None = None
    owner_id: str | None = None
    segment: str | None = None
    with_alert: bool = False
    words: str = ""
    creator: str | None = None  # of the segment, as its source says
    segments: tuple[tuple[str, str], ...] | None = None  # (source, id): what `creator` was found to mean
    alerted: tuple[str, ...] = ()  # the syncs that `with_alert` was found to mean
    sort: str = ""  # a key of SORTS; with a minus before it the other way round


class SyncStore:
    """The syncs of all organizations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, actor: Actor, new: Sync, *, sealed_ledger_key: bytes, refresh_id: str, at: datetime) -> Sync:
        """Gives it the next short id and enqueues its first refresh.

        Raises Conflict(current=the other sync) for the same segment and ad account, LimitReached when no place is left: the
        organization's row is locked first, so that of two people exactly one gets the last place.
        """
        with self._database.write() as session:
            organization = _lock(session, actor.org_id)
            twin = session.scalars(
                select(SyncRow).where(
                    SyncRow.org_id == actor.org_id,
                    SyncRow.segment_source == new.segment_source,
                    SyncRow.segment_id == new.segment_id,
                    SyncRow.channel == new.channel.value,
                    SyncRow.account_id == new.account_id,
                    SyncRow.deleted_at.is_(None),
                )
            ).first()
            if twin is not None:
                raise Conflict(f"This segment is already kept up on this ad account by S-{twin.number}.", current=rows.sync(twin))
            _require_place(session, organization)
            organization.last_number += 1
            row = _row(replace(new, number=organization.last_number), sealed_ledger_key)
            session.add(row)
            session.flush()
            open_run(session, row, RefreshKind.FIRST, refresh_id=refresh_id, at=at, requested_by=actor.user_id, cause=actor.cause)
            note(session, actor, at, "create", f"sync S-{row.number}", after=_facts(row))
            tell(session, org_id=row.org_id, topic="progress", subject_id=row.id, target=f"dm:{actor.user_id}", at=at)
            return rows.sync(row)

    def get(self, org_id: str, sync_id: str) -> Sync:
        """By id or by short id (`S-42`, `42`). Raises NotFound."""
        with self._database.read() as session:
            return rows.sync(_find(session, org_id, sync_id))

    def all(self, org_id: str) -> list[Sync]:
        """Every sync of an organization, by short id."""
        query = select(SyncRow).where(SyncRow.org_id == org_id, SyncRow.deleted_at.is_(None)).order_by(SyncRow.number)
        with self._database.read() as session:
            return [rows.sync(r) for r in session.scalars(query)]

    def search(self, org_id: str, wanted: SyncFilter, *, offset: int = 0, limit: int = 10) -> tuple[list[Sync], int]:
        """Some syncs, newest first, and how many there are in all."""
        where = _where(org_id, wanted)
        with self._database.read() as session:
            total = session.scalar(select(func.count()).select_from(SyncRow).where(*where)) or 0
            found = session.scalars(select(SyncRow).where(*where).order_by(*_order(wanted.sort)).offset(offset).limit(limit))
            return [rows.sync(r) for r in found], total

    def alerted(self, org_id: str) -> list[str]:
        """The ids of the syncs that an open alert is about."""
        with self._database.read() as session:
            found = session.scalars(select(AlertRow.sync_ids).where(AlertRow.org_id == org_id, AlertRow.state == "open"))
            return list(dict.fromkeys(i for ids in found for i in ids))[:_MOST_ALERTED]

    def accounts(self, org_id: str, words: str, limit: int = 100) -> list[tuple[str, str]]:
        """The ad accounts (id, name) that syncs run on, by part of their name or id."""
        with self._database.read() as session:
            found = session.execute(
                select(SyncRow.account_id, func.min(SyncRow.account_name))
                .where(
                    SyncRow.org_id == org_id,
                    SyncRow.deleted_at.is_(None),
                    or_(_holds(SyncRow.account_name, words), _holds(SyncRow.account_id, words)),
                )
                .group_by(SyncRow.account_id)
                .order_by(func.min(SyncRow.account_name))
                .limit(limit)
            )
            return [(str(i), str(name)) for i, name in found]

    def segment_names(self, org_id: str, words: str, limit: int = 100) -> list[str]:
        """The names of the segments that syncs keep up, by part of the name."""
        with self._database.read() as session:
            where = (SyncRow.org_id == org_id, SyncRow.deleted_at.is_(None), _holds(SyncRow.segment_name, words))
            found = session.scalars(select(SyncRow.segment_name).where(*where).distinct().order_by(SyncRow.segment_name))
            return list(found.fetchmany(limit))

    def usage(self, org_id: str) -> tuple[int, int]:
        """Active syncs, and how many there may be."""
        with self._database.read() as session:
            organization = session.get_one(OrganizationRow, org_id)
            return _used(session, org_id), _limit(organization)

    def stalest(self, org_id: str, limit: int = 5) -> list[Sync]:
        """The active syncs that were refreshed the longest ago."""
        with self._database.read() as session:
            found = session.scalars(
                select(SyncRow)
                .where(SyncRow.org_id == org_id, SyncRow.status.in_(ACTIVE), SyncRow.deleted_at.is_(None))
                .order_by(func.coalesce(SyncRow.refreshed_at, SyncRow.created_at), SyncRow.number)
                .limit(limit)
            )
            return [rows.sync(r) for r in found]

    def counts(self, org_id: str) -> list[tuple[Channel, SyncStatus, int]]:
        """How many syncs by channel and status."""
        with self._database.read() as session:
            found = session.execute(
                select(SyncRow.channel, SyncRow.status, func.count())
                .where(SyncRow.org_id == org_id, SyncRow.deleted_at.is_(None))
                .group_by(SyncRow.channel, SyncRow.status)
            )
            return [(Channel(c), SyncStatus(s), int(n)) for c, s, n in found]

    def pause(self, actor: Actor, sync_id: str, *, version: int | None, at: datetime) -> Sync:
        """Inactive at once; an open refresh stops before its next batch. Raises Conflict on a stale version."""
        with self._database.write() as session:
            _lock(session, actor.org_id)
            row = _find(session, actor.org_id, sync_id, lock=True)
            if version is not None and version != row.version:
                raise Conflict("Somebody changed this sync in the meantime.", current=rows.sync(row))
            if row.status != SyncStatus.INACTIVE:
                pause_row(session, row, actor, at)
            return rows.sync(row)

    def resume(self, actor: Actor, sync_id: str, *, run_as: str, login_id: str | None, refresh_id: str, at: datetime) -> Sync:
        """Active again, with the actor's own connection; the owner stays. Raises LimitReached."""
        with self._database.write() as session:
            organization = _lock(session, actor.org_id)
            row = _find(session, actor.org_id, sync_id, lock=True)
            if row.status != SyncStatus.INACTIVE:
                raise Conflict(f"S-{row.number} is active already.", current=rows.sync(row))
            _require_place(session, organization)
            before = {"status": row.status, "run_as": row.run_as}
            row.status, row.run_as, row.login_id, row.paused_at = SyncStatus.SYNCING.value, run_as, login_id, None
            row.version += 1
            open_run(
                session, row, RefreshKind.REQUESTED, refresh_id=refresh_id, at=at, requested_by=actor.user_id, cause=actor.cause
            )
            after = {"status": row.status, "run_as": row.run_as}
            note(session, actor, at, "resume", f"sync S-{row.number}", before=before, after=after)
            tell(session, org_id=row.org_id, topic="progress", subject_id=row.id, target=f"dm:{actor.user_id}", at=at)
            _tell_owner(session, row, actor, "resumed", at)
            return rows.sync(row)

    def take_over(self, actor: Actor, sync_id: str, *, run_as: str, login_id: str | None, refresh_id: str, at: datetime) -> Sync:
        """The actor's connection becomes the one that an active sync runs as."""
        with self._database.write() as session:
            _lock(session, actor.org_id)
            row = _find(session, actor.org_id, sync_id, lock=True)
            before = {"run_as": row.run_as}
            leave_connection(session, row.org_id, row.id, row.run_as, at)
            row.run_as, row.login_id = run_as, login_id
            row.version += 1
            open_run(
                session, row, RefreshKind.REQUESTED, refresh_id=refresh_id, at=at, requested_by=actor.user_id, cause=actor.cause
            )
            note(session, actor, at, "take_over", f"sync S-{row.number}", before=before, after={"run_as": run_as})
            _tell_owner(session, row, actor, "taken over", at)
            return rows.sync(row)

    def refresh(self, actor: Actor, sync_id: str, kind: RefreshKind, *, refresh_id: str, at: datetime) -> Sync:
        """Enqueues a refresh that somebody asked for; one that is open already is enough."""
        with self._database.write() as session:
            _lock(session, actor.org_id)
            row = _find(session, actor.org_id, sync_id, lock=True)
            if row.status == SyncStatus.INACTIVE:
                raise Conflict(f"S-{row.number} is paused; resume it to refresh it.", current=rows.sync(row))
            open_run(session, row, kind, refresh_id=refresh_id, at=at, requested_by=actor.user_id, cause=actor.cause)
            note(session, actor, at, "refresh", f"sync S-{row.number}", after={"kind": kind.value})
            note_retry(session, row, actor.user_id, at)
            tell(session, org_id=row.org_id, topic="progress", subject_id=row.id, target=f"dm:{actor.user_id}", at=at)
            return rows.sync(row)


def pause_row(session: Session, row: SyncRow, actor: Actor, at: datetime) -> None:
    """An active sync becomes inactive, in the caller's transaction."""
    before = row.status
    row.status, row.paused_at, row.next_due_at, row.failure = SyncStatus.INACTIVE.value, at, None, None
    row.version += 1
    wind_down(session, row.id, at)
    resolve_sync(session, row.org_id, row.id, at, every=True)
    close_requests(session, row.org_id, (RequestKind.PAUSE, RequestKind.HELP), at, sync_id=row.id)
    note(session, actor, at, "pause", f"sync S-{row.number}", before={"status": before}, after={"status": row.status})
    _tell_owner(session, row, actor, "paused", at)


def _tell_owner(session: Session, row: SyncRow, actor: Actor, what: str, at: datetime) -> None:
    if actor.user_id == row.owner_id:
        return
    payload, once = {"what": what, "by": actor.user_id}, f"{what}:{row.id}:{row.version}"
    target = f"dm:{row.owner_id}"
    tell(session, org_id=row.org_id, topic="notice", subject_id=row.id, target=target, at=at, payload=payload, once=once)


def _lock(session: Session, org_id: str) -> OrganizationRow:
    return session.scalars(select(OrganizationRow).where(OrganizationRow.id == org_id).with_for_update()).one()


def _limit(organization: OrganizationRow) -> int:
    cap = organization.own_cap
    return organization.sync_limit if cap is None else min(cap, organization.sync_limit)


def _used(session: Session, org_id: str) -> int:
    where = (SyncRow.org_id == org_id, SyncRow.status.in_(ACTIVE), SyncRow.deleted_at.is_(None))
    return session.scalar(select(func.count()).select_from(SyncRow).where(*where)) or 0


def _require_place(session: Session, organization: OrganizationRow) -> None:
    used, limit = _used(session, organization.id), _limit(organization)
    if used >= limit:
        raise LimitReached(f"All {limit} syncs of your contract are in use.", used=used, limit=limit)


def _find(session: Session, org_id: str, wanted: str, *, lock: bool = False) -> SyncRow:
    number = wanted.upper().removeprefix("S-")
    by = SyncRow.number == int(number) if number.isdigit() and len(number) < 9 else SyncRow.id == wanted
    query = select(SyncRow).where(SyncRow.org_id == org_id, by, SyncRow.deleted_at.is_(None))
    row = session.scalars(query.with_for_update() if lock else query).first()
    if row is None:
        raise NotFound("There is no such sync here, or it has been deleted.")
    return row


def _where(org_id: str, wanted: SyncFilter) -> Sequence[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [SyncRow.org_id == org_id, SyncRow.deleted_at.is_(None)]
    if wanted.status:
        where.append(SyncRow.status == wanted.status.value)
    if wanted.channel:
        where.append(SyncRow.channel == wanted.channel.value)
    if wanted.owner_id:
        where.append(SyncRow.owner_id == wanted.owner_id)
    if wanted.account:
        where.append(or_(SyncRow.account_id == wanted.account, _holds(SyncRow.account_name, wanted.account)))
    if wanted.segment:
        where.append(_holds(SyncRow.segment_name, wanted.segment))
    if wanted.with_alert:
        where.append(SyncRow.id.in_(wanted.alerted))
    if wanted.segments is not None:
        where.append(or_(*(and_(SyncRow.segment_source == s, SyncRow.segment_id == i) for s, i in wanted.segments), false()))
    where += [
        or_(_holds(SyncRow.name, word), _holds(SyncRow.account_name, word), _holds(SyncRow.channel, word))
        for word in wanted.words.split()
    ]
    return where


def _order(sort: str) -> Sequence[ColumnElement[Any]]:
    columns: dict[str, Any] = {
        "name": func.lower(SyncRow.name),
        "status": SyncRow.status,
        "refreshed": SyncRow.refreshed_at,
        "created": SyncRow.created_at,
        "size": SyncRow.delivered,
        "owner": SyncRow.owner_id,
        "number": SyncRow.number,
    }
    column = columns.get(sort.lstrip("-"))
    if column is None:
        return (SyncRow.number.desc(),)
    return (column.desc() if sort.startswith("-") else column.asc()).nulls_last(), SyncRow.number.desc()


def _holds(column: object, words: str) -> ColumnElement[bool]:
    escaped = words.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return func.lower(column).like(f"%{escaped}%", escape="\\")


def _row(new: Sync, sealed_ledger_key: bytes) -> SyncRow:
    return SyncRow(
        id=new.id,
        org_id=new.org_id,
        number=new.number,
        name=new.name,
        segment_source=new.segment_source,
        segment_id=new.segment_id,
        segment_name=new.segment_name,
        segment_kind=new.segment_kind.value,
        channel=new.channel.value,
        account_id=new.account_id,
        account_name=new.account_name,
        login_id=new.login_id,
        owner_id=new.owner_id,
        run_as=new.run_as,
        status=new.status.value,
        cadence=new.cadence.rule,
        tz=new.cadence.tz,
        first_day=new.first_day,
        last_day=new.last_day,
        guard_share=new.guard_share,
        created_at=new.created_at,
        version=1,
        next_due_at=new.next_due_at,
        sealed_ledger_key=sealed_ledger_key,
    )


def _facts(row: SyncRow) -> dict[str, str]:
    return {
        "segment": f"{row.segment_source}/{row.segment_id}",
        "channel": row.channel,
        "account": row.account_id,
        "cadence": row.cadence,
    }
