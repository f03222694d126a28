"""Requests that close themselves, and their messages brought up to date, inside somebody else's transaction."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.models import RequestKind, RequestState
from core.store.routing import administrators
from core.store.rows import tell
from core.tables import OrganizationRow, OutboxRow, RequestRow


def close_requests(
    session: Session, org_id: str, kinds: tuple[RequestKind, ...], at: datetime, *, sync_id: str = "", user_id: str = ""
) -> None:
    """What these waiting requests ask for is no longer needed: about this sync, or by this user."""
    where = [RequestRow.org_id == org_id, RequestRow.state == RequestState.WAITING.value]
    where += [RequestRow.kind.in_([k.value for k in kinds])]
    where += [RequestRow.sync_id == sync_id] if sync_id else []
    where += [RequestRow.asked_by == user_id] if user_id else []
    for row in session.scalars(select(RequestRow).where(*where)):
        finish(session, row, RequestState.OBSOLETE, at)


def finish(session: Session, row: RequestRow, state: RequestState, at: datetime, *, by: str = "", reason: str = "") -> None:
    """The request is decided: its messages show how, whoever asked is told."""
    row.state, row.decided_at, row.decided_by, row.reason = state.value, at, by or None, reason or None
    post(session, row, at)
    if by != row.asked_by:
        tell_outcome(session, row, at)


def tell_outcome(session: Session, row: RequestRow, at: datetime) -> None:
    """By direct message to whoever asked."""
    once = f"decision:{row.id}"
    target = f"dm:{row.asked_by}"
    tell(session, org_id=row.org_id, topic="decision", subject_id=row.id, target=target, at=at, once=once)


def post(session: Session, row: RequestRow, at: datetime) -> None:
    """The request's messages, where they stand already; else the approval conversation, else up to five administrators."""
    where = (OutboxRow.topic == "request", OutboxRow.subject_id == row.id, OutboxRow.state != "failed")
    targets = set(session.scalars(select(OutboxRow.target).where(*where)))
    if not targets:
        conversation = session.get_one(OrganizationRow, row.org_id).approval_conversation
        people = [] if conversation else administrators(session, row.org_id)
        targets = {f"conversation:{conversation}"} if conversation else {f"dm:{user}" for user in people}
    for target in sorted(targets):
        tell(session, org_id=row.org_id, topic="request", subject_id=row.id, target=target, at=at)
