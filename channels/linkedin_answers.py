"""What LinkedIn's answers say, as values of the product: ad accounts, audiences, campaigns."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from core.models import AdAccount, Campaign, Channel, RemoteAudience

FACET = "urn:li:adTargetingFacet:audienceMatchingSegments"  # Targeting Criteria Facet URNs
USABLE_ACCOUNTS = {"ACTIVE", "DRAFT"}
USABLE = {"BUILDING", "READY", "UPDATING", "ARCHIVED"}  # may be targeted (Matched Audiences FAQ)
DEAD = {"EXPIRED", "FAILED", "ERROR"}
UNUSED = timedelta(days=90)  # without a campaign or a change, then LinkedIn throws its members away

Row = Mapping[str, Any]


def account_of(row: Row, roles: Mapping[str, str]) -> AdAccount:
    """An ad account, with what the person's role in it allows: all but VIEWER manage audiences (DMP Segment Users)."""
    account_id = str(row["id"])
    state, role = str(row.get("status", "ACTIVE")), roles.get(account_id, "")
    status, reason = "active", None
    if state not in USABLE_ACCOUNTS:
        status, reason = "disabled", f"LinkedIn says this ad account is {state.lower().replace('_', ' ')}."
    elif role in ("", "VIEWER"):
        status, reason = "read_only", "Your role in this ad account does not allow to manage audiences."
    return AdAccount(Channel.LINKEDIN, account_id, str(row.get("name") or account_id), reason is None, reason, status=status)


def audience_of(row: Row) -> RemoteAudience:
    """A DMP segment. `matchedCount` and `inputCount` tell of the last seven days, `audienceSize` of all that it was given."""
    status, there = status_of(row), destination(row)
    size, matched, given = there.get("audienceSize"), there.get("matchedCount"), row.get("inputCount")
    created, changed = _time(row.get("created")), _time(row.get("lastModified"))
    return RemoteAudience(
        id=str(row["id"]),
        name=str(row.get("name", "")),
        status=status.capitalize(),
        usable=status in USABLE,
        working=status == "UPDATING" or (status == "BUILDING" and given is not None),  # one that got nothing has no counts
        created_at=created,
        size_lower=size,
        size_upper=size,
        match_rate=min(matched / given, 1.0) if given and matched is not None else None,
        expires_at=changed + UNUSED if changed and status == "ARCHIVED" else None,
    )


def campaign_of(row: Row, segment_urn: str | None) -> Campaign | None:
    """The campaign where its targeting names the ad segment, else None."""
    criteria = row.get("targetingCriteria") or {}
    groups = (criteria.get("include") or {}).get("and") or ()
    includes = {urn for group in groups for urn in (group.get("or") or {}).get(FACET, ())}
    excludes = set(((criteria.get("exclude") or {}).get("or") or {}).get(FACET, ()))
    if segment_urn is None or segment_urn not in includes | excludes:
        return None
    status = str(row.get("status", ""))
    running = status == "ACTIVE" and "RUNNABLE" in (row.get("servingStatuses") or ["RUNNABLE"])
    return Campaign(str(row["id"]), str(row.get("name", "")), status.capitalize(), running, segment_urn not in includes)


def destination(row: Row) -> Row:
    """How a segment fares on LinkedIn itself, its only destination."""
    return next(iter(row.get("destinations") or ()), {})


def status_of(row: Row) -> str:
    """BUILDING, READY, UPDATING, ARCHIVED, EXPIRED, FAILED or ERROR."""
    return str(destination(row).get("status") or "BUILDING")


def id_of(urn: Any) -> str:
    """The last part of a URN, empty where there is none."""
    return str(urn or "").rpartition(":")[2]


def _time(milliseconds: Any) -> datetime | None:
    return datetime.fromtimestamp(int(milliseconds) / 1_000, UTC) if milliseconds else None
