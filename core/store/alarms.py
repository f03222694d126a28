"""Alerts, raised and resolved inside the transaction of the fact that causes them. One open alert a cause."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.models import AlertState, Severity
from core.store.routing import awake_at, targets
from core.store.rows import tell
from core.tables import AlertRow, ConnectionRow, OrganizationRow, OutboxRow, SyncRow, UserRow
from core.troubleshooting import CATALOGUE, Scope

FLAPS_WITHIN = timedelta(hours=1)  # a cause that comes back sooner goes on in the message that it had
NOTE_EVERY = timedelta(hours=1)
_GATHER = timedelta(seconds=2)  # a first message waits this long where many syncs may share the cause
_COLLECT = timedelta(seconds=5)  # an edit for more syncs
_REPEAT = timedelta(minutes=1)  # an edit for no more than another time


@dataclass(frozen=True, slots=True)
class Cause:
    """What an alert is about. `key` is one for all syncs that share it."""

    code: str
    key: str
    channel: str | None = None
    account_id: str | None = None
    connection_id: str | None = None
    detail: Mapping[str, str] = field(default_factory=dict)
    back_within: timedelta = FLAPS_WITHIN


def cause_of(sync: SyncRow, code: str, detail: Mapping[str, str]) -> Cause:
    """The cause that a sync shares with others by the code's scope."""
    scope = CATALOGUE[code].scope
    shared = {
        Scope.SYNC: sync.id,
        Scope.CONNECTION: sync.run_as,
        Scope.ACCOUNT: f"{sync.channel}:{sync.account_id}",
        Scope.CHANNEL: sync.channel,
        Scope.ORGANIZATION: "",
    }[scope]
    account = sync.account_id if scope in (Scope.SYNC, Scope.ACCOUNT) else None
    connection = sync.run_as if scope in (Scope.SYNC, Scope.CONNECTION) else None
    return Cause(code, f"{code}:{shared}", sync.channel, account, connection, detail)


def raise_alert(session: Session, sync: SyncRow, code: str, detail: Mapping[str, str], at: datetime) -> None:
    """A sync meets this trouble: it joins the cause's alert, and leaves those of other failures, which it has no more."""
    alert = raise_cause(session, sync.org_id, cause_of(sync, code, detail), [sync], at)
    if CATALOGUE[code].fails:
        resolve_sync(session, sync.org_id, sync.id, at, but=alert.id)


def raise_cause(session: Session, org_id: str, cause: Cause, syncs: Sequence[SyncRow], at: datetime) -> AlertRow:
    """Opens the cause's alert, opens it again where it has only just been resolved, or counts it once more; tells who must know.

    The organization's row is locked first, so that of two at the same moment one opens and the other counts.
    """
    session.get_one(OrganizationRow, org_id, with_for_update=True)
    last = session.scalars(
        select(AlertRow)
        .where(AlertRow.org_id == org_id, AlertRow.cause == cause.key)
        .order_by((AlertRow.state == AlertState.OPEN.value).desc(), AlertRow.last_seen_at.desc())
        .limit(1)
    ).first()
    found = last if last is not None and _goes_on(last, cause, at) else None
    is_back = found is not None and found.state != AlertState.OPEN
    row = found or _new(session, org_id, cause, at)
    if is_back:
        row.state, row.resolved_at, row.sync_ids = AlertState.OPEN.value, None, []
        row.left_ids, row.code, row.severity = [], cause.code, CATALOGUE[cause.code].severity.value
        row.acknowledged_by = row.acknowledged_at = None
    known = set(row.sync_ids)
    joining = [s for s in syncs if s.id not in known]
    row.last_seen_at, row.count, row.detail = at, row.count + 1, dict(cause.detail)
    row.sync_ids = [*row.sync_ids, *(s.id for s in joining)]
    session.flush()
    if found is None:
        announce(session, row, syncs, at + (_GATHER if CATALOGUE[row.code].scope is not Scope.SYNC else timedelta(0)))
        return row
    announce(session, row, joining, at)
    redraw(session, row, at + (timedelta(0) if is_back else _COLLECT if joining else _REPEAT))
    if is_back:
        remark(session, row, "back", at)
    elif joining:
        remark(session, row, f"joined {len(row.sync_ids)}", at)
    return row


def announce(session: Session, alert: AlertRow, syncs: Sequence[SyncRow], at: datetime) -> None:
    """Tells whoever must hear of these syncs and has not been told yet."""
    known = set(told(session, alert.id))
    for target, moment in sorted(targets(session, alert, syncs, at).items()):
        if target not in known:
            tell(session, org_id=alert.org_id, topic="alert", subject_id=alert.id, target=target, at=moment)


def resolve_sync(session: Session, org_id: str, sync_id: str, at: datetime, *, but: str = "", every: bool = False) -> None:
    """A sync leaves the alerts of its failures (`every`: all of them, it is paused or gone); one without a sync is resolved.

    `but`: the id of the alert that it stays in.
    """
    for alert in open_alerts(session, org_id):
        trouble = CATALOGUE[alert.code]
        ends = trouble.fails or alert.code == "refresh_overdue" or (every and trouble.scope is not Scope.ORGANIZATION)
        if sync_id in alert.sync_ids and alert.id != but and ends:
            _leave(session, alert, sync_id, at)


def leave_connection(session: Session, org_id: str, sync_id: str, connection_id: str, at: datetime) -> None:
    """A sync runs on another connection now: what is wrong with this one concerns it no more."""
    for alert in open_alerts(session, org_id):
        about_it = alert.connection_id == connection_id and CATALOGUE[alert.code].scope is Scope.CONNECTION
        if about_it and sync_id in alert.sync_ids:
            _leave(session, alert, sync_id, at)


def close(session: Session, alert: AlertRow, at: datetime) -> None:
    """The cause is gone: every message about it turns to *resolved*, and says so once in its thread."""
    alert.state, alert.resolved_at = AlertState.RESOLVED.value, at
    redraw(session, alert, at)
    if not _ended_lately(session, alert, at):
        remark(session, alert, "resolved", at, always=True)


def redraw(session: Session, alert: AlertRow, at: datetime) -> None:
    """Every message about it is drawn anew."""
    for target in told(session, alert.id):
        tell(session, org_id=alert.org_id, topic="alert", subject_id=alert.id, target=target, at=at)


def remark(session: Session, alert: AlertRow, what: str, at: datetime, *, always: bool = False, loud: bool = False) -> None:
    """Its threads hear of a change, at most one an hour unless `always`; a snoozed alert is quiet about itself.

    `loud`: the whole conversation sees it, and direct messages too.
    """
    is_snoozed = alert.snoozed_until is not None and alert.snoozed_until > at
    if not always and (is_snoozed or (alert.noted_at is not None and at - alert.noted_at < NOTE_EVERY)):
        return
    for target in told(session, alert.id):
        kind, _, name = target.partition(":")
        if kind == "dm" and not loud and what != "resolved":
            continue
        person = session.get(UserRow, (alert.org_id, name)) if kind == "dm" else None
        tell(
            session,
            org_id=alert.org_id,
            topic="remark",
            subject_id=alert.id,
            target=target,
            at=awake_at(person.settings, at) if person else at,
            payload={"what": what, "loud": loud},
            once=f"remark:{alert.id}:{target}:{uuid4().hex}",
        )
    alert.noted_at = at


def told(session: Session, alert_id: str) -> list[str]:
    """Everywhere this alert has been or is about to be told."""
    found = select(OutboxRow.target).where(OutboxRow.topic == "alert", OutboxRow.subject_id == alert_id).distinct()
    return sorted(session.scalars(found))


def open_alerts(session: Session, org_id: str) -> list[AlertRow]:
    """All that are open."""
    return list(session.scalars(select(AlertRow).where(AlertRow.org_id == org_id, AlertRow.state == AlertState.OPEN.value)))


def end_of_connection_trouble(session: Session, connection: ConnectionRow, at: datetime) -> None:
    """A new consent is there: what was wrong with the connection is over."""
    for alert in open_alerts(session, connection.org_id):
        if alert.connection_id == connection.id and CATALOGUE[alert.code].scope is Scope.CONNECTION:
            note_deed(alert, connection.user_id, "reconnected", at)
            close(session, alert, at)


def note_deed(alert: AlertRow, user_id: str, what: str, at: datetime) -> None:
    """Somebody did something about it; the message shows who. Only the last twenty are kept."""
    alert.history = [*alert.history, f"{at.isoformat()} {user_id} {what}"][-20:]


def note_retry(session: Session, sync: SyncRow, user_id: str, at: datetime) -> None:
    """Somebody refreshes a sync that fails, from wherever: its alerts say so."""
    if sync.status != "failed":
        return
    for alert in open_alerts(session, sync.org_id):
        if sync.id in alert.sync_ids and CATALOGUE[alert.code].fails:
            note_deed(alert, user_id, "retried", at)
            redraw(session, alert, at)


def _leave(session: Session, alert: AlertRow, sync_id: str, at: datetime) -> None:
    left = [s for s in alert.sync_ids if s != sync_id]
    if left:
        alert.sync_ids, alert.left_ids = left, [*alert.left_ids, sync_id]
        redraw(session, alert, at + _COLLECT)
    else:
        close(session, alert, at)


def _goes_on(alert: AlertRow, cause: Cause, at: datetime) -> bool:
    if alert.state == AlertState.OPEN:
        return True
    return alert.resolved_at is not None and at - alert.resolved_at < cause.back_within


def _new(session: Session, org_id: str, cause: Cause, at: datetime) -> AlertRow:
    severity: Severity = CATALOGUE[cause.code].severity
    row = AlertRow(
        id=uuid4().hex,
        org_id=org_id,
        code=cause.code,
        cause=cause.key,
        severity=severity.value,
        state=AlertState.OPEN.value,
        first_seen_at=at,
        last_seen_at=at,
        count=0,
        channel=cause.channel,
        account_id=cause.account_id,
        connection_id=cause.connection_id,
        sync_ids=[],
        left_ids=[],
        detail=dict(cause.detail),
        history=[],
    )
    session.add(row)
    return row


def _ended_lately(session: Session, alert: AlertRow, at: datetime) -> bool:
    """Whether its thread heard of an end within the hour: what comes and goes says so in its message alone."""
    found = session.execute(
        select(OutboxRow.payload).where(
            OutboxRow.topic == "remark", OutboxRow.subject_id == alert.id, OutboxRow.created_at > at - NOTE_EVERY
        )
    )
    return any(payload.get("what") == "resolved" for (payload,) in found)
