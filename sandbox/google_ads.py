"""The part of the Google Ads API that reads: queries in GAQL (search, searchStream) over a few resources.

Resources: customer, customer_client, customer_user_access, user_list, campaign, ad_group, campaign_criterion,
ad_group_criterion, campaign_audience_view, ad_group_audience_view. A query that names a field which they do not have is
refused. Of the three campaigns of an account the first and the paused one target user lists in campaign criteria, the second in
ad group criteria; it excludes in a negative campaign criterion.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.google_errors import AdsError
from sandbox.google_lists import MATCHED, SERVES_FROM
from sandbox.google_login import person_number
from sandbox.google_proto import camel
from sandbox.platforms.accounts import Account, Campaign, campaigns
from sandbox.platforms.platform import Json
from sandbox.platforms.truth import Audience, Truth
from sandbox.world import World

PAGE = 10_000
QUERY = re.compile(
    r"\s*SELECT\s+(?P<fields>.+?)\s+FROM\s+(?P<resource>\w+)(?:\s+WHERE\s+(?P<where>.+?))?(?:\s+ORDER\s+BY\s+(?P<order>.+?))?"
    r"(?:\s+LIMIT\s+(?P<limit>\d+))?(?:\s+PARAMETERS\s+.+)?\s*;?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
CONDITION = re.compile(
    r"\s*([\w.]+)\s*(=|!=|>=|<=|>|<|\b(?:NOT\s+)?IN\b|\b(?:NOT\s+)?LIKE\b|\bIS\s+(?:NOT\s+)?NULL\b)\s*(.*)\Z",
    re.IGNORECASE | re.DOTALL,
)
VALUE = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"|([^\s,()]+)")
Row = dict[str, Any]  # by field path, such as "campaign.id"
_CUSTOMER = "resource_name id descriptive_name status manager test_account currency_code time_zone optimization_score_url"
_CRITERION = "resource_name criterion_id type status negative user_list.user_list"
FIELDS = {
    "customer": _CUSTOMER.split(),
    "customer_client": f"{_CUSTOMER} client_customer level hidden".split(),
    "customer_user_access": "resource_name user_id email_address access_role".split(),
    "user_list": (
        "resource_name id name description membership_status type access_reason account_user_list_status read_only"
        " size_for_display size_for_search eligible_for_display eligible_for_search match_rate_percentage"
    ).split(),
    "campaign": "resource_name id name status serving_status primary_status advertising_channel_type".split(),
    "ad_group": "resource_name id name status".split(),
    "campaign_criterion": f"{_CRITERION} campaign".split(),
    "ad_group_criterion": f"{_CRITERION} ad_group".split(),
}
SEES = {
    "customer": ("customer",),
    "customer_client": ("customer", "customer_client"),
    "customer_user_access": ("customer", "customer_user_access"),
    "user_list": ("customer", "user_list"),
    "campaign": ("customer", "campaign"),
    "ad_group": ("customer", "campaign", "ad_group"),
    "campaign_criterion": ("customer", "campaign", "campaign_criterion", "user_list"),
    "ad_group_criterion": ("customer", "campaign", "ad_group", "ad_group_criterion", "user_list"),
    "campaign_audience_view": ("customer", "campaign", "campaign_criterion", "user_list"),
    "ad_group_audience_view": ("customer", "campaign", "ad_group", "ad_group_criterion", "user_list"),
}


@dataclass(frozen=True)
class Query:
    """A parsed query."""

    fields: list[str]
    resource: str
    tests: list[Callable[[Row], bool]]
    order: list[tuple[str, bool]]
    limit: int | None
    asked: set[str] = field(default_factory=set)


class Ads:
    """What queries see. `is_active` tells whether an account may run ads now."""

    def __init__(self, world: World, truth: Truth, accounts: dict[str, Account], is_active: Callable[[Account], bool]) -> None:
        self._world, self._truth, self._accounts, self._is_active = world, truth, accounts, is_active

    def search(self, account: Account, text: Any, version: str) -> tuple[list[Json], str]:
        """The rows of a query, and its field mask. Raises AdsError."""
        query = parse(text, version)
        tables: dict[str, Callable[[Account], list[Row]]] = {
            "customer": lambda a: [self._customer(a)],
            "customer_client": self._clients,
            "customer_user_access": self._people,
            "user_list": self._lists,
            "campaign": lambda a: [self._campaign(a, c) for c in self._campaigns(a)],
            "ad_group": lambda a: [self._ad_group(a, c) for c in self._campaigns(a)],
            "campaign_criterion": self._campaign_criteria,
            "ad_group_criterion": self._ad_group_criteria,
            "campaign_audience_view": self._campaign_criteria,
            "ad_group_audience_view": self._ad_group_criteria,
        }
        if query.resource not in tables:
            said = f"Error in query: unexpected input {query.resource}."
            raise AdsError("INVALID_ARGUMENT", "queryError", "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE", said, version=version)
        rows = tables[query.resource](account)
        for name in sorted(query.asked):
            top, _, rest = name.partition(".")
            if top not in ("segments", "metrics") and (top not in SEES[query.resource] or rest not in FIELDS[top]):
                said = f"Unrecognized field in the query: '{name}'."
                raise AdsError("INVALID_ARGUMENT", "queryError", "UNRECOGNIZED_FIELD", said, version=version)
        rows = [row for row in rows if all(test(row) for test in query.tests)]
        for name, down in reversed(query.order):
            rows.sort(key=lambda row: str(row.get(name, "")), reverse=down)
        rows = rows[: query.limit] if query.limit is not None else rows
        return [_nested(row, query) for row in rows], ",".join(camel(f) for f in query.fields)

    # ── resources ──

    def _customer(self, account: Account) -> Row:
        return {
            "customer.resource_name": f"customers/{account.id}",
            "customer.id": account.id,
            "customer.descriptive_name": account.name,
            "customer.status": "ENABLED" if self._is_active(account) else "SUSPENDED",
            "customer.manager": account.manager,
            "customer.test_account": False,
            "customer.currency_code": "EUR",
            "customer.time_zone": "Europe/Madrid",
            "customer.optimization_score_url": f"https://ads.google.com/aw/recommendations?ocid={int(account.id) + 777}",
        }

    def _clients(self, account: Account) -> list[Row]:
        below = [a for a in self._accounts.values() if a.through == account.id] if account.manager else []
        rows = []
        for level, client in [(0, account), *((1, a) for a in below)]:
            row = {name.replace("customer.", "customer_client."): value for name, value in self._customer(client).items()}
            row |= {
                "customer_client.resource_name": f"customers/{account.id}/customerClients/{client.id}",
                "customer_client.client_customer": f"customers/{client.id}",
                "customer_client.level": str(level),
                "customer_client.hidden": False,
            }
            rows.append(self._customer(account) | row)
        return rows

    def _people(self, account: Account) -> list[Row]:
        people = {p.id: p for p in self._world.people}
        roles = dict.fromkeys(account.readers, "READ_ONLY") | dict.fromkeys(account.writers, "STANDARD")
        return [
            {
                "customer_user_access.resource_name": f"customers/{account.id}/customerUserAccesses/{person_number(u)}",
                "customer_user_access.user_id": person_number(u),
                "customer_user_access.email_address": people[u].email,
                "customer_user_access.access_role": role,
            }
            for u, role in roles.items()
            if u in people
        ]

    def _list(self, found: Audience) -> Row:
        size = int(self._truth.size(found) * MATCHED)
        return {
            "user_list.resource_name": f"customers/{found.account_id}/userLists/{found.id}",
            "user_list.id": found.id,
            "user_list.name": found.name,
            "user_list.description": found.fields.get("description", ""),
            "user_list.membership_status": found.fields.get("membershipStatus", "OPEN"),
            "user_list.type": "CRM_BASED",
            "user_list.access_reason": "OWNED",
            "user_list.account_user_list_status": "ENABLED",
            "user_list.read_only": False,
            "user_list.size_for_display": str(size),
            "user_list.size_for_search": str(int(size * 0.9)),
            "user_list.eligible_for_display": size >= SERVES_FROM,
            "user_list.eligible_for_search": size * 0.9 >= SERVES_FROM,
            "user_list.match_rate_percentage": round(100 * MATCHED) if size >= SERVES_FROM else 0,
        }

    def _lists(self, account: Account) -> list[Row]:
        return [self._customer(account) | self._list(a) for a in self._truth.of_account(account.id)]

    @staticmethod
    def _campaigns(account: Account) -> list[Campaign]:
        return [] if account.manager else campaigns(account)

    def _campaign(self, account: Account, campaign: Campaign) -> Row:
        return self._customer(account) | {
            "campaign.resource_name": f"customers/{account.id}/campaigns/{campaign.id}",
            "campaign.id": campaign.id,
            "campaign.name": campaign.name,
            "campaign.status": "ENABLED" if campaign.running else "PAUSED",
            "campaign.serving_status": "SERVING",
            "campaign.primary_status": "ELIGIBLE" if campaign.running else "PAUSED",
            "campaign.advertising_channel_type": "DISPLAY",
        }

    def _ad_group(self, account: Account, campaign: Campaign) -> Row:
        return self._campaign(account, campaign) | {
            "ad_group.resource_name": f"customers/{account.id}/adGroups/{campaign.id}1",
            "ad_group.id": f"{campaign.id}1",
            "ad_group.name": f"{campaign.name} · group",
            "ad_group.status": "ENABLED",
        }

    def _campaign_criteria(self, account: Account) -> list[Row]:
        rows = []
        for found in self._truth.of_account(account.id):
            for campaign in self._campaigns(account):
                excluded = campaign.excludes(found.number)
                if excluded or (campaign.targets(found.number) and campaign.place != 2):
                    row = self._campaign(account, campaign)
                    rows.append(row | self._criterion("campaign_criterion", f"campaigns/{campaign.id}", found, negative=excluded))
        return rows

    def _ad_group_criteria(self, account: Account) -> list[Row]:
        rows = []
        for found in self._truth.of_account(account.id):
            for campaign in self._campaigns(account):
                if campaign.place == 2 and campaign.targets(found.number):
                    row = self._ad_group(account, campaign)
                    rows.append(row | self._criterion("ad_group_criterion", f"adGroups/{campaign.id}1", found, negative=False))
        return rows

    def _criterion(self, kind: str, parent: str, found: Audience, *, negative: bool) -> Row:
        name, above = camel(kind.replace("criterion", "criteria")), kind.removesuffix("_criterion")
        criterion = {
            f"{kind}.resource_name": f"customers/{found.account_id}/{name}/{parent.partition('/')[2]}~{found.id}",
            f"{kind}.{above}": f"customers/{found.account_id}/{parent}",
            f"{kind}.criterion_id": found.id,
            f"{kind}.type": "USER_LIST",
            f"{kind}.status": "ENABLED",
            f"{kind}.negative": negative,
            f"{kind}.user_list.user_list": f"customers/{found.account_id}/userLists/{found.id}",
        }
        return criterion | self._list(found)


def parse(text: Any, version: str) -> Query:
    """A query in GAQL. Raises AdsError."""
    match = QUERY.match(text) if isinstance(text, str) else None
    if match is None:
        raise AdsError(
            "INVALID_ARGUMENT", "queryError", "UNEXPECTED_END_OF_QUERY", "Error in query: it cannot be read.", version=version
        )
    fields = [f.strip() for f in match["fields"].split(",")]
    tests, asked = [], set(fields)
    for part in re.split(r"\s+AND\s+", match["where"] or "", flags=re.IGNORECASE):
        if not part.strip():
            continue
        condition = CONDITION.match(part)
        if condition is None:
            said = f"Error in WHERE clause: {part[:60]!r} cannot be read."
            raise AdsError("INVALID_ARGUMENT", "queryError", "INVALID_VALUE_WITH_OPERATOR", said, version=version)
        name, sign = condition[1], re.sub(r"\s+", " ", condition[2].upper())
        asked.add(name)
        tests.append(_test(name, sign, [a or b or c for a, b, c in VALUE.findall(condition[3])]))
    order = []
    for part in filter(None, re.split(r"\s*,\s*", (match["order"] or "").strip())):
        name, _, way = part.partition(" ")
        order.append((name, way.strip().upper() == "DESC"))
        asked.add(name)
    return Query(fields, match["resource"].lower(), tests, order, int(match["limit"]) if match["limit"] else None, asked)


def _test(name: str, sign: str, values: list[str]) -> Callable[[Row], bool]:
    def have(row: Row) -> str:
        value = row.get(name)
        return str(value).lower() if isinstance(value, bool) else str(value)

    def number(text: str) -> float:
        return float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else 0.0

    wanted = values[0] if values else ""
    pattern = re.compile(".*".join(re.escape(p) for p in re.split("%", wanted)) + r"\Z", re.IGNORECASE)
    told = [v.lower() if v.lower() in ("true", "false") else v for v in values]
    tests: dict[str, Callable[[Row], bool]] = {
        "=": lambda row: have(row) in told,
        "!=": lambda row: have(row) not in told,
        "IN": lambda row: have(row) in told,
        "NOT IN": lambda row: have(row) not in told,
        "LIKE": lambda row: bool(pattern.match(have(row))),
        "NOT LIKE": lambda row: not pattern.match(have(row)),
        ">": lambda row: number(have(row)) > number(wanted),
        ">=": lambda row: number(have(row)) >= number(wanted),
        "<": lambda row: number(have(row)) < number(wanted),
        "<=": lambda row: number(have(row)) <= number(wanted),
        "IS NULL": lambda row: row.get(name) is None,
        "IS NOT NULL": lambda row: row.get(name) is not None,
    }
    return tests[sign]


def _nested(row: Row, query: Query) -> Json:
    """The asked fields as objects in camel case, each resource with its name."""
    found: Json = {}
    for name in query.fields:
        top = name.partition(".")[0]
        if f"{top}.resource_name" in row:
            found.setdefault(camel(top), {})["resourceName"] = row[f"{top}.resource_name"]
        if name in row:
            place = found
            *path, last = name.split(".")
            for step in path:
                place = place.setdefault(camel(step), {})
            place[camel(last)] = row[name]
    return found
