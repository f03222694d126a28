"""From rows to the values of `core.models`, and the small writes that every noun shares: audit and outbox."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.models import (
    OPERATOR,
    Actor,
    Alert,
    AlertState,
    AuditEntry,
    Cadence,
    Campaign,
    Channel,
    Connection,
    ConnectionStatus,
    Counts,
    Deed,
    Phase,
    Progress,
    Rank,
    Refresh,
    RefreshKind,
    RefreshState,
    Request,
    RequestKind,
    RequestState,
    Role,
    SegmentKind,
    Severity,
    Sync,
    SyncStatus,
)
from core.tables import AlertRow, AuditRow, ConnectionRow, OutboxRow, RefreshRow, RequestRow, SyncRow


def sync(row: SyncRow) -> Sync:
    """A sync."""
    return Sync(
        id=row.id,
        org_id=row.org_id,
        number=row.number,
        name=row.name,
        segment_source=row.segment_source,
        segment_id=row.segment_id,
        segment_name=row.segment_name,
        segment_kind=SegmentKind(row.segment_kind),
        channel=Channel(row.channel),
        account_id=row.account_id,
        account_name=row.account_name,
        owner_id=row.owner_id,
        run_as=row.run_as,
        status=SyncStatus(row.status),
        cadence=Cadence(row.cadence, row.tz),
        created_at=row.created_at,
        version=row.version,
        login_id=row.login_id,
        audience_id=row.audience_id,
        first_day=row.first_day,
        last_day=row.last_day,
        guard_share=row.guard_share,
        next_due_at=row.next_due_at,
        refreshed_at=row.refreshed_at,
        members=row.members,
        matchable=row.matchable,
        delivered=row.delivered,
        matched=row.matched,
        paused_at=row.paused_at,
        failure=row.failure,
    )


def refresh(row: RefreshRow) -> Refresh:
    """A refresh."""
    progress = row.progress
    return Refresh(
        id=row.id,
        org_id=row.org_id,
        sync_id=row.sync_id,
        kind=RefreshKind(row.kind),
        state=RefreshState(row.state),
        fence=row.fence,
        created_at=row.created_at,
        not_before=row.not_before,
        requested_by=row.requested_by,
        started_at=row.started_at,
        finished_at=row.finished_at,
        progress=Progress(Phase(progress["phase"]), **{k: v for k, v in progress.items() if k != "phase"}) if progress else None,
        counts=Counts(**row.counts),
        checkpoint=row.checkpoint,
        attempts=row.attempts,
        failure=row.failure,
        approved_removals=row.approved_removals,
        cause=row.cause,
    )


def connection(row: ConnectionRow) -> Connection:
    """A connection without its secrets."""
    return Connection(
        id=row.id,
        org_id=row.org_id,
        user_id=row.user_id,
        channel=Channel(row.channel),
        status=ConnectionStatus(row.status),
        person_name=row.person_name,
        scopes=tuple(row.scopes),
        connected_at=row.connected_at,
        ends_at=row.ends_at,
        reason=row.reason,
    )


def alert(row: AlertRow) -> Alert:
    """An alert."""
    return Alert(
        id=row.id,
        org_id=row.org_id,
        code=row.code,
        cause=row.cause,
        severity=Severity(row.severity),
        state=AlertState(row.state),
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
        count=row.count,
        channel=Channel(row.channel) if row.channel else None,
        account_id=row.account_id,
        connection_id=row.connection_id,
        sync_ids=tuple(row.sync_ids),
        detail=row.detail,
        acknowledged_by=row.acknowledged_by,
        acknowledged_at=row.acknowledged_at,
        snoozed_until=row.snoozed_until,
        snoozed_by=row.snoozed_by,
        resolved_at=row.resolved_at,
        escalated_at=row.escalated_at,
        history=tuple(Deed(datetime.fromisoformat(at), by, what) for at, by, what in (d.split(" ", 2) for d in row.history)),
        left_ids=tuple(row.left_ids),
    )


def request(row: RequestRow) -> Request:
    """A request to the administrators."""
    return Request(
        id=row.id,
        org_id=row.org_id,
        kind=RequestKind(row.kind),
        state=RequestState(row.state),
        asked_by=row.asked_by,
        created_at=row.created_at,
        lapses_at=row.lapses_at,
        sync_id=row.sync_id,
        role=Role(row.role) if row.role else None,
        note=row.note,
        impact=None if row.impact is None else tuple(Campaign(**c) for c in row.impact),
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        reason=row.reason,
    )


def audit_entry(row: AuditRow) -> AuditEntry:
    """An entry of the audit log."""
    return AuditEntry(row.id, row.org_id, row.at, row.actor_id, row.surface, row.action, row.subject, row.before, row.after)


def plain_progress(progress: Progress) -> dict[str, Any]:
    """As it is stored."""
    return asdict(progress)


def note(
    session: Session,
    actor: Actor,
    at: datetime,
    action: str,
    subject: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Adds an entry to the audit log, in the caller's transaction."""
    session.add(
        AuditRow(
            org_id=actor.org_id,
            at=at,
            actor_id=actor.user_id,
            surface=actor.surface,
            action=action,
            subject=subject,
            before=dict(before or {}),
            after=dict(after or {}),
        )
    )


_RANKS = {"alert": Rank.ALERT, "remark": Rank.ALERT}


def tell(
    session: Session,
    *,
    org_id: str,
    topic: str,
    subject_id: str,
    target: str,
    at: datetime,
    payload: Mapping[str, Any] | None = None,
    once: str | None = None,
    rank: Rank | None = None,
) -> None:
    """Queues a message to Slack, in the caller's transaction.

    A message about the same (topic, subject, target) that still waits is enough, sooner if need be: it is drawn from the state
    at delivery. `at` may lie ahead: then what changes meanwhile needs no message of its own. `once` names a message that must
    not be repeated. A payload with `quiet` only brings a message up to date that is there. `rank`: its topic's, unless told.
    The operator is told nothing: no message reaches them.
    """
    if target == f"dm:{OPERATOR}":
        return
    rank = rank if rank is not None else _RANKS.get(topic, Rank.STATE)
    waiting = select(OutboxRow).where(
        OutboxRow.topic == topic, OutboxRow.subject_id == subject_id, OutboxRow.target == target, OutboxRow.state == "queued"
    )
    if not once and (found := session.scalars(waiting.limit(1)).first()) is not None:
        if not found.attempts:  # what Slack has put off keeps its wait
            found.not_before = min(found.not_before, at)
        found.rank = min(found.rank, rank)
        if not (payload or {}).get("quiet"):
            found.payload = {k: v for k, v in found.payload.items() if k != "quiet"}
        return
    key = once or uuid4().hex
    if once and session.execute(select(OutboxRow.id).where(OutboxRow.dedupe_key == key)).first() is not None:
        return
    session.add(
        OutboxRow(
            org_id=org_id,
            topic=topic,
            subject_id=subject_id,
            target=target,
            dedupe_key=key,
            payload=dict(payload or {}),
            rank=int(rank),
            state="queued",
            not_before=at,
            created_at=at,
        )
    )
