"""Alerts, raised and resolved inside the transaction of the fact that causes them."""

from collections.abc import Mapping
from datetime import datetime
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.models import AlertState
from core.store.rows import tell
from core.tables import AlertRow, ConnectionRow, OrganizationRow, SyncRow
from core.troubleshooting import CATALOGUE, Scope


def raise_alert(session: Session, sync: SyncRow, code: str, detail: Mapping[str, str], at: datetime) -> None:
    """Opens the alert of this cause, or counts it once more; a cause that several syncs share names them all."""
    trouble = CATALOGUE[code]
    cause = {
        Scope.SYNC: f"{code}:{sync.id}",
        Scope.CONNECTION: f"{code}:{sync.run_as}",
        Scope.ACCOUNT: f"{code}:{sync.channel}:{sync.account_id}",
        Scope.CHANNEL: f"{code}:{sync.channel}",
        Scope.ORGANIZATION: code,
    }[trouble.scope]
    for other in _open(session, sync.org_id):
        if other.sync_ids == [sync.id] and other.cause != cause and CATALOGUE[other.code].scope is Scope.SYNC:
            close(session, other, at)
    alert = session.scalars(
        select(AlertRow).where(AlertRow.org_id == sync.org_id, AlertRow.cause == cause, AlertRow.state == AlertState.OPEN.value)
    ).first()
    if alert is None:
        alert = AlertRow(
            id=uuid4().hex,
            org_id=sync.org_id,
            code=code,
            cause=cause,
            severity=trouble.severity.value,
            state=AlertState.OPEN.value,
            first_seen_at=at,
            last_seen_at=at,
            count=0,
            channel=sync.channel,
            account_id=sync.account_id,
            connection_id=sync.run_as,
            sync_ids=[],
            detail={},
        )
        session.add(alert)
    alert.last_seen_at, alert.count, alert.detail = at, alert.count + 1, dict(detail)
    is_news = sync.id not in alert.sync_ids
    if is_news:
        alert.sync_ids = [*alert.sync_ids, sync.id]
    session.flush()
    if not is_news:
        return
    organization = session.get_one(OrganizationRow, sync.org_id)
    targets = {f"dm:{sync.owner_id}"}
    if trouble.scope is Scope.CONNECTION:
        connection = session.get(ConnectionRow, sync.run_as)
        targets |= {f"dm:{connection.user_id}"} if connection else set()
    if organization.alert_conversation:
        targets.add(f"conversation:{organization.alert_conversation}")
    for target in sorted(targets):
        tell(session, org_id=sync.org_id, topic="alert", subject_id=alert.id, target=target, at=at)


def resolve_sync(session: Session, org_id: str, sync_id: str, at: datetime) -> None:
    """This sync is well: it leaves its alerts, and those without a sync are resolved."""
    for alert in _open(session, org_id):
        if sync_id in alert.sync_ids:
            alert.sync_ids = [s for s in alert.sync_ids if s != sync_id] or alert.sync_ids
            if alert.sync_ids == [sync_id]:
                close(session, alert, at)


def close(session: Session, alert: AlertRow, at: datetime) -> None:
    """The cause is gone; every message about it turns to *resolved*."""
    from core.tables import OutboxRow

    alert.state, alert.resolved_at = AlertState.RESOLVED.value, at
    told = session.scalars(
        select(OutboxRow.target).where(OutboxRow.topic == "alert", OutboxRow.subject_id == alert.id).distinct()
    )
    for target in told.all():
        tell(session, org_id=alert.org_id, topic="alert", subject_id=alert.id, target=target, at=at)


def _open(session: Session, org_id: str) -> list[AlertRow]:
    return list(session.scalars(select(AlertRow).where(AlertRow.org_id == org_id, AlertRow.state == AlertState.OPEN.value)))
