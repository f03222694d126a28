"""Fields, filters and pages, as every edge of the Graph API takes them."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from sandbox.meta_errors import GraphError, no_such_field
from sandbox.platforms.platform import Json

AUDIENCE = frozenset(
    (
        "id account_id approximate_count_lower_bound approximate_count_upper_bound customer_file_source data_source"
        " datafile_custom_audience_uploading_status delete_time delivery_status description excluded_custom_audiences"
        " external_event_source household_audience included_custom_audiences is_eligible_for_sac_campaigns is_household"
        " is_snapshot is_value_based lookalike_audience_ids lookalike_spec name operation_status opt_out_link owner_business"
        " page_deletion_marked_delete_time permission_for_actions pixel_id retention_days rule rule_aggregation seed_audience"
        " sharing_status subtype time_content_updated time_created time_updated"
    ).split()
)
DEFAULT_LIMIT, MAX_LIMIT = 25, 5_000


def as_json(value: Any) -> Any:
    """A parameter that may have come as JSON in a text."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def wanted(fields: Any) -> list[tuple[str, str]]:
    """`id,campaign{id,name}` as `[("id", ""), ("campaign", "id,name")]`; modifiers such as `.limit(5)` are left out."""
    if isinstance(fields, list):
        fields = ",".join(map(str, fields))
    names: list[tuple[str, str]] = []
    depth, start = 0, 0
    for at, sign in enumerate(f"{fields or ''},"):
        depth += (sign == "{") - (sign == "}")
        if sign == "," and depth == 0:
            name, _, inner = str(fields or "")[start:at].strip().partition("{")
            if name:
                names.append((name.partition(".")[0].strip(), inner.rstrip("}")))
            start = at + 1
    return names


def select(row: Mapping[str, Any], fields: Any, *, node: str, known: frozenset[str] | None = None) -> Json:
    """The asked fields of a row, and its id. Raises GraphError for a field that the node does not have."""
    chosen: Json = {"id": row["id"]} if "id" in row else {}
    for name, inner in wanted(fields):
        if known is not None and name not in known:
            raise no_such_field(name, node)
        if name in row:
            value = row[name]() if callable(row[name]) else row[name]
            chosen[name] = select(value, inner, node=node) if inner and isinstance(value, dict) else value
    return chosen


def filtered(rows: list[Json], filtering: Any) -> list[Json]:
    """`filtering=[{"field":"name","operator":"EQUAL","value":"…"}]`, dots leading into objects."""
    tests: dict[str, Callable[[Any, Any], bool]] = {
        "EQUAL": lambda have, want: str(have) == str(want),
        "NOT_EQUAL": lambda have, want: str(have) != str(want),
        "IN": lambda have, want: str(have) in [str(w) for w in want],
        "NOT_IN": lambda have, want: str(have) not in [str(w) for w in want],
        "CONTAIN": lambda have, want: str(want).lower() in str(have).lower(),
        "NOT_CONTAIN": lambda have, want: str(want).lower() not in str(have).lower(),
        "STARTS_WITH": lambda have, want: str(have).lower().startswith(str(want).lower()),
        "GREATER_THAN": lambda have, want: float(have or 0) > float(want),
        "LESS_THAN": lambda have, want: float(have or 0) < float(want),
    }
    conditions = as_json(filtering) or []
    if not isinstance(conditions, list):
        raise GraphError(100, "(#100) Param filtering must be an array.")
    for condition in conditions:
        test = tests.get(str(condition.get("operator"))) if isinstance(condition, dict) else None
        if test is None or "field" not in condition:
            raise GraphError(100, "(#100) Param filtering[0][operator] must be one of the known operators.")
        rows = [r for r in rows if test(_reach(r, str(condition["field"])), condition.get("value"))]
    return rows


def paged(rows: list[Json], params: Json, url: str) -> Json:
    """One page; `paging.next` is the address of the next one and missing on the last."""
    asked, after = str(params.get("limit") or DEFAULT_LIMIT), str(params.get("after") or 0)
    if not asked.isdigit() or not after.isdigit():
        raise GraphError(100, "(#100) Invalid cursor or limit provided.")
    limit, start = min(int(asked), MAX_LIMIT), int(after)
    page: Json = {"data": rows[start : start + limit]}
    if page["data"]:
        end = start + len(page["data"])
        page["paging"] = {"cursors": {"before": str(start), "after": str(end)}}
        if end < len(rows):
            page["paging"]["next"] = f"{url}?limit={limit}&after={end}"
    if re.fullmatch(r"true|1", str(params.get("summary", "")).lower()):
        page["summary"] = {"total_count": len(rows)}
    return page


def _reach(row: Json, path: str) -> Any:
    value: Any = row
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
        value = value() if callable(value) else value
    return value
