"""Who hears of an alert, and when: conversations by ad account, channel, organization; people by what they chose."""

from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.models import Role, Severity
from core.tables import AlertRow, ConnectionRow, OrganizationRow, SyncRow, UserRow
from core.troubleshooting import CATALOGUE, Route

AT_MOST_ADMINISTRATORS = 5
_ADMINISTRATORS = (Role.PRIMARY_ADMIN.value, Role.ABM_ADMIN.value)


def targets(session: Session, alert: AlertRow, syncs: Iterable[SyncRow], at: datetime) -> dict[str, datetime]:
    """Where news of these syncs is told (`dm:U1`, `conversation:C1`), each with the moment from which it may be."""
    organization = session.get_one(OrganizationRow, alert.org_id)
    route = CATALOGUE[alert.code].route
    conversation = None if _stays_private(alert, route) else conversation_of(organization, alert)
    wanted: dict[str, str] = {}  # user → why: `own`, `all`, `administrator`
    if route not in (Route.ADMINISTRATORS, Route.AHEAD):
        wanted |= dict.fromkeys((s.owner_id for s in syncs), "own")
    if route in (Route.CONNECTION, Route.AHEAD) and alert.connection_id:
        connection = session.get(ConnectionRow, alert.connection_id)
        wanted |= {connection.user_id: "own"} if connection else {}
    if route is Route.ADMINISTRATORS or alert.escalated_at or (conversation is None and not _stays_private(alert, route)):
        wanted = dict.fromkeys(administrators(session, alert.org_id), "administrator") | wanted
    people = _people(session, alert.org_id)
    wanted |= {u: "all" for u, settings in people.items() if settings.get("dms") == "all" and u not in wanted}
    found = {f"dm:{u}": awake_at(people.get(u, {}), at) for u, why in wanted.items() if _wants(people.get(u, {}), why)}
    if conversation:
        found[f"conversation:{conversation}"] = at
    return found


def conversation_of(organization: OrganizationRow, alert: AlertRow) -> str | None:
    """The conversation set for the alert's ad account, else for its channel, else the organization's."""
    routes: Mapping[str, str] = organization.settings.get("alert_routes") or {}
    by_account = routes.get(f"account:{alert.channel}:{alert.account_id}") if alert.account_id else None
    return by_account or (routes.get(f"channel:{alert.channel}") if alert.channel else None) or organization.alert_conversation


def administrators(session: Session, org_id: str) -> list[str]:
    """At most five, the primary ones first."""
    found = session.execute(select(UserRow.id, UserRow.role).where(UserRow.org_id == org_id, UserRow.role.in_(_ADMINISTRATORS)))
    ranked = sorted(found.all(), key=lambda r: (_ADMINISTRATORS.index(r[1]), r[0]))
    return [r[0] for r in ranked[:AT_MOST_ADMINISTRATORS]]


def awake_at(settings: Mapping[str, Any], at: datetime) -> datetime:
    """`at`, or the end of the person's quiet hours (`quiet`: [from, to] as `HH:MM`, in `tz`) if it falls into them."""
    quiet = settings.get("quiet")
    if not quiet:
        return at
    begin, end = (time.fromisoformat(t) for t in quiet)
    local = at.astimezone(ZoneInfo(settings.get("tz") or "UTC"))
    now = local.time()
    is_quiet = begin <= now < end if begin < end else (now >= begin or now < end)
    if not is_quiet:
        return at
    wake = datetime.combine(local.date(), end, local.tzinfo)
    return (wake if wake > local else wake + timedelta(days=1)).astimezone(at.tzinfo)


def _wants(settings: Mapping[str, Any], why: str) -> bool:
    """`none` silences what is one's own; somebody must hear what only the administrators can."""
    return why == "administrator" or settings.get("dms", "mine") != "none"


def _stays_private(alert: AlertRow, route: Route) -> bool:
    if route is Route.AHEAD:
        return alert.detail.get("days") not in ("0", "1")
    return route is Route.OWNERS or (alert.severity == Severity.INFO.value and route is not Route.ADMINISTRATORS)


def _people(session: Session, org_id: str) -> dict[str, dict[str, Any]]:
    return {r.id: r.settings for r in session.scalars(select(UserRow).where(UserRow.org_id == org_id))}
