"""What is read over the Google Ads API: the accounts that a person reaches, their state, and campaigns that use an audience.

Facts from the Google Ads API's pages: List Accessible Customers, Get Account Hierarchy, customer, customer_client,
customer_user_access, campaign_criterion, ad_group_criterion. A client account below a manager is reached with the manager's id as
`login-customer-id`; one that the person reaches directly needs none.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from core.errors import AccessLost, AccountDisabled, ChannelError, NeedsReconnect, Unavailable
from core.models import AdAccount, Campaign, Channel, Grant
from core.ports import Target

CUSTOMER = "SELECT customer.id, customer.descriptive_name, customer.status, customer.manager FROM customer"
CLIENTS = (
    "SELECT customer_client.id, customer_client.descriptive_name, customer_client.status, customer_client.manager,"
    " customer_client.level FROM customer_client"
)
ROLES = (
    "SELECT customer_user_access.user_id, customer_user_access.email_address, customer_user_access.access_role"
    " FROM customer_user_access"
)
IN_CAMPAIGNS = (
    "SELECT campaign.id, campaign.name, campaign.status, campaign.serving_status, campaign_criterion.negative"
    " FROM campaign_criterion WHERE campaign_criterion.type = 'USER_LIST'"
    " AND campaign_criterion.user_list.user_list = '{}' AND campaign.status != 'REMOVED'"
)
IN_AD_GROUPS = (
    "SELECT campaign.id, campaign.name, campaign.status, campaign.serving_status, ad_group.status, ad_group_criterion.negative"
    " FROM ad_group_criterion WHERE ad_group_criterion.type = 'USER_LIST'"
    " AND ad_group_criterion.user_list.user_list = '{}' AND campaign.status != 'REMOVED'"
)
MANAGING = ("ADMIN", "STANDARD")  # AccessRole: all others only look
_AT_A_TIME = 8
_READ_ONLY = "Your role in this ad account does not allow to manage audiences."

Row = Mapping[str, Any]
# verb, grant, path below the version, JSON, account, manager's id → answer
Ask = Callable[[str, Grant, str, Any, str, str | None], Row]


class Ads:
    """Reads. `ask` sends one request and raises a ChannelError for a refusal."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def accounts(self, grant: Grant, person: Mapping[str, Any]) -> list[AdAccount]:
        """Accounts that are reached directly, in Google's order, then those below managers; each once, without the managers."""
        told = self._ask("GET", grant, "customers:listAccessibleCustomers", None, "", None)
        ids = [str(name).rpartition("/")[2] for name in told.get("resourceNames") or ()]
        with ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="accounts") as pool:
            groups = list(pool.map(lambda one: self._below(grant, one, person), ids))
        direct = [a for group in groups for a in group if a.login_id is None]
        below = [a for group in groups for a in group if a.login_id is not None]
        found: dict[str, AdAccount] = {}
        for account in (*direct, *below):
            found.setdefault(account.id, account)
        return list(found.values())

    def _below(self, grant: Grant, customer_id: str, person: Mapping[str, Any]) -> list[AdAccount]:
        """The account itself, or the accounts below it where it is a manager."""
        try:
            row = next(self._search(grant, customer_id, CUSTOMER)).get("customer") or {}
            may = self._may_manage(grant, customer_id, person)
        except AccountDisabled as error:
            return [AdAccount(Channel.GOOGLE, customer_id, customer_id, False, str(error), status="disabled")]
        except (AccessLost, StopIteration):
            return []
        if not row.get("manager"):
            return [_account(row, may=may)]
        clients = [r.get("customerClient") or {} for r in self._search(grant, customer_id, CLIENTS, login_id=customer_id)]
        return [_account(c, may=may, login_id=customer_id) for c in clients if not c.get("manager")]

    def _may_manage(self, grant: Grant, customer_id: str, person: Mapping[str, Any]) -> bool:
        """What the person's role says; where it cannot be read, Google says it when something is tried."""
        email, sub = str(person.get("email") or "").lower(), str(person.get("sub") or "")
        try:
            rows = [r.get("customerUserAccess") or {} for r in self._search(grant, customer_id, ROLES)]
        except (NeedsReconnect, Unavailable):
            raise
        except ChannelError:
            return True
        roles = [
            str(r.get("accessRole", ""))
            for r in rows
            if (email and str(r.get("emailAddress", "")).lower() == email) or (sub and str(r.get("userId", "")) == sub)
        ]
        return not roles or any(role in MANAGING for role in roles)

    def require_active(self, grant: Grant, account_id: str, login_id: str | None) -> None:
        """Raises AccountDisabled or AccessLost where the account is why something was refused."""
        row = next(self._search(grant, account_id, CUSTOMER, login_id=login_id), {}).get("customer") or {}
        account = _account({"id": account_id, **row}, may=True)
        if not account.may_manage:
            raise AccountDisabled(account.reason)

    def campaigns(self, target: Target) -> Sequence[Campaign]:
        """Campaigns that target or exclude the audience, themselves or in their ad groups; running ones first."""
        name = f"customers/{target.account_id}/userLists/{target.audience_id}"
        found: dict[str, Campaign] = {}
        for query, criterion in ((IN_CAMPAIGNS, "campaignCriterion"), (IN_AD_GROUPS, "adGroupCriterion")):
            for row in self._search(target.grant, target.account_id, query.format(name), login_id=target.login_id):
                campaign = row.get("campaign") or {}
                status = str(campaign.get("status", ""))
                serving = campaign.get("servingStatus", "SERVING") == "SERVING"
                showing = (row.get("adGroup") or {}).get("status", "ENABLED") == "ENABLED"
                running = status == "ENABLED" and serving and showing
                excludes = bool((row.get(criterion) or {}).get("negative"))
                one = Campaign(str(campaign["id"]), str(campaign.get("name", "")), status.capitalize(), running, excludes)
                known = found.get(one.id)
                if known is None or (known.excludes, not known.running) > (excludes, not running):
                    found[one.id] = one
        return sorted(found.values(), key=lambda c: (not c.running, c.name))

    def _search(self, grant: Grant, customer_id: str, query: str, *, login_id: str | None = None) -> Iterator[Row]:
        token = ""
        while True:
            body = {"query": query} | ({"pageToken": token} if token else {})
            page = self._ask("POST", grant, f"customers/{customer_id}/googleAds:search", body, customer_id, login_id)
            yield from page.get("results") or ()
            token = str(page.get("nextPageToken") or "")
            if not token:
                return


def _account(row: Row, *, may: bool, login_id: str | None = None) -> AdAccount:
    account_id, state = str(row["id"]), str(row.get("status", "ENABLED"))
    status, reason = "active", None
    if state != "ENABLED":
        status, reason = "disabled", f"Google says this ad account is {state.lower()}."
    elif not may:
        status, reason = "read_only", _READ_ONLY
    name = str(row.get("descriptiveName") or account_id)
    return AdAccount(Channel.GOOGLE, account_id, name, reason is None, reason, login_id, status)
