"""The welcome of a first administrator: a message whose steps tick themselves off, inside the transactions that do them."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.models import Role
from core.store.rows import tell
from core.tables import ConnectionRow, OrganizationRow, OutboxRow, UserRow

TOPIC = "welcome"


def steps_done(session: Session, org_id: str, user_id: str) -> dict[str, bool]:
    """What has been done of what makes segsync ready, by step, in the order in which it is best done."""
    organization = session.get_one(OrganizationRow, org_id)
    mine = (ConnectionRow.org_id == org_id, ConnectionRow.user_id == user_id, ConnectionRow.sealed_grant.is_not(None))
    roles = (UserRow.org_id == org_id, UserRow.role.in_((Role.PRIMARY_ADMIN.value, Role.ABM_ADMIN.value)))
    return {
        "connect": session.scalar(select(func.count()).select_from(ConnectionRow).where(*mine)) != 0,
        "alerts": organization.alert_conversation is not None,
        "approvals": organization.approval_conversation is not None,
        "administrators": (session.scalar(select(func.count()).select_from(UserRow).where(*roles)) or 0) > 1,
    }


def welcome(session: Session, org_id: str, user_id: str, at: datetime) -> None:
    """Greets whoever administers the organization first; once."""
    _tell(session, org_id, f"dm:{user_id}", at)


def tick_off(session: Session, org_id: str, at: datetime) -> None:
    """Something may have been done: who was welcomed sees it in the same message."""
    session.flush()
    told = select(OutboxRow.target).where(OutboxRow.topic == TOPIC, OutboxRow.org_id == org_id).distinct()
    for target in session.scalars(told).all():
        _tell(session, org_id, target, at)


def _tell(session: Session, org_id: str, target: str, at: datetime) -> None:
    """One message that waits is enough: it is drawn from how things stand when it is delivered."""
    waits = (OutboxRow.topic == TOPIC, OutboxRow.org_id == org_id, OutboxRow.target == target, OutboxRow.state == "queued")
    if session.scalars(select(OutboxRow.id).where(*waits).limit(1)).first() is not None:
        return
    user_id = target.partition(":")[2]
    state = "".join("1" if done else "0" for done in steps_done(session, org_id, user_id).values())
    once = f"{TOPIC}:{org_id}:{user_id}:{state}"
    tell(session, org_id=org_id, topic=TOPIC, subject_id=org_id, target=target, at=at, once=once)
