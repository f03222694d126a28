"""Meta: custom audiences over the Marketing API.

Facts from Meta's pages: Customer File Custom Audiences, Custom Audience, Custom Audience Users, Ad Account, Custom Audience Terms
of Service, Marketing API Rate Limiting, Long-Lived Access Tokens, Debug-Token. There is no refresh token: people log in again
every 60 days.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import numpy as np
import orjson

from channels.http import Answer, Http
from channels.meta_errors import TERMS_URL, error_of
from channels.meta_rows import payload
from channels.meta_usage import pause_s, used
from core.errors import (
    AccessLost,
    AccountDisabled,
    AudienceGone,
    ChannelError,
    NeedsReconnect,
    PermissionMissing,
    TermsNotAccepted,
)
from core.models import AdAccount, Campaign, Channel, Grant, IdentifierKind, RemoteAudience
from core.ports import ChannelTraits, Clock, Delivery, Op, Receipt, Settlement, Target

SCOPES = ("ads_management", "ads_read")
_USABLE_ACCOUNTS = {1, 8, 9}  # ads can run in these states (Ad Account)
_ACCOUNT_STATES = {2: "disabled", 3: "unsettled", 7: "under review", 100: "closing", 101: "closed"}
_AUDIENCE = (
    "id,name,operation_status,delivery_status,permission_for_actions,time_created,"
    "approximate_count_lower_bound,approximate_count_upper_bound"
)
_WORKING = {414, 441}  # replacing, still finding people (Custom Audience: operation_status)
_PAGE = "200"


class Meta:
    """The adapter. `settle`: how long an addition waits after a removal, for which Meta tells no end."""

    def __init__(
        self,
        *,
        http: Http,
        client_id: str,
        client_secret: str,
        clock: Clock,
        api_url: str = "https://graph.facebook.com",
        dialog_url: str = "https://www.facebook.com",
        version: str = "v26.0",
        settle: timedelta = timedelta(minutes=30),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http, self._clock, self._sleep = http, clock, sleep
        self._used: dict[str, float] = {}  # percent of an account's budget, as the last answer told
        self._client_id, self._client_secret = client_id, client_secret
        self._api, self._dialog = f"{api_url.rstrip('/')}/{version}", f"{dialog_url.rstrip('/')}/{version}/dialog/oauth"
        self.traits = ChannelTraits(
            channel=Channel.META,
            kinds=frozenset({IdentifierKind.EMAIL, IdentifierKind.PHONE, IdentifierKind.ADDRESS, IdentifierKind.MOBILE}),
            company_kinds=frozenset(),
            batch_rows=10_000,
            max_identifiers=15,
            one_of_each=True,
            minimum=100,
            can_replace=True,
            settle=settle,
            memory=timedelta(days=730),
            in_flight=4,
            scopes=SCOPES,
        )

    # ── consent ──

    def authorize_url(self, *, state: str, redirect_uri: str, verifier: str) -> str:  # noqa: ARG002 - Meta's dialog has no PKCE
        """The login dialog (Manually Build a Login Flow)."""
        asked = {
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "state": state,
            "response_type": "code",
            "scope": ",".join(SCOPES),
            "auth_type": "rerequest",
        }
        return f"{self._dialog}?{urlencode(asked)}"

    def exchange(self, *, code: str, redirect_uri: str, verifier: str) -> Grant:  # noqa: ARG002 - Meta's dialog has no PKCE
        """A long-lived token for the code. Raises PermissionMissing when not every box was ticked."""
        app = {"client_id": self._client_id, "client_secret": self._client_secret}
        short = self._token(app | {"redirect_uri": redirect_uri, "code": code})
        long = self._token(app | {"grant_type": "fb_exchange_token", "fb_exchange_token": str(short["access_token"])})
        token = str(long["access_token"])
        me = self._get(token, "me", {"fields": "id,name"})
        lives = timedelta(seconds=int(long.get("expires_in") or 60 * 86_400))
        ends = self._clock.now() + lives
        grant = self.check(Grant(token, None, (), ends, ends, person_id=str(me["id"]), person_name=str(me.get("name", ""))))
        missing = [s for s in SCOPES if s not in grant.scopes]
        if missing:
            raise PermissionMissing(
                f"Meta was not connected: the permission {' and '.join(missing)} was not given. Leave every box ticked."
            )
        return grant

    def renew(self, grant: Grant) -> Grant:
        """Meta refreshes no token: the grant as it is (Long-Lived Access Tokens)."""
        return grant

    def revoke(self, grant: Grant) -> None:
        """Takes all permissions back (User permissions)."""
        self._ask("DELETE", grant.access_token, "me/permissions", safe=True)

    def check(self, grant: Grant) -> Grant:
        """Asks for scopes and the earliest of the ends that Meta tells (Debug-Token)."""
        asked = {"input_token": grant.access_token, "access_token": f"{self._client_id}|{self._client_secret}"}
        told = self._open(self._http.ask("GET", f"{self._api}/debug_token", params=asked)).get("data", {})
        if not told.get("is_valid"):
            raise NeedsReconnect("Meta no longer accepts this connection: log in again.")
        ends = [datetime.fromtimestamp(int(told[k]), UTC) for k in ("expires_at", "data_access_expires_at") if told.get(k)]
        return Grant(
            grant.access_token,
            None,
            tuple(told.get("scopes", ())),
            grant.expires_at,
            min([*ends, *([grant.ends_at] if grant.ends_at else [])], default=None),
            grant.person_id,
            grant.person_name,
        )

    # ── accounts ──

    def accounts(self, grant: Grant) -> Sequence[AdAccount]:
        """All ad accounts of this person, in Meta's order (Ad Account: `user_tasks`, `tos_accepted`, `account_status`)."""
        fields = {"fields": "account_id,name,account_status,user_tasks,tos_accepted"}
        return [self._account(row) for row in self._pages(grant.access_token, "me/adaccounts", fields)]

    def require_access(self, target: Target) -> None:
        """Asks now: account, terms, tasks, and where there is an audience its `can_edit`."""
        fields = {"fields": "account_id,name,account_status,user_tasks,tos_accepted"}
        row = self._get(target.grant.access_token, f"act_{target.account_id}", fields, account=target.account_id)
        account = self._account(row)
        if not account.may_manage:
            raise _REFUSALS.get(account.status, AccessLost)(account.reason or "")
        if target.audience_id and not self.audience(target).can_edit:
            raise AccessLost("This Meta connection may not edit the audience.")

    def _account(self, row: Mapping[str, Any]) -> AdAccount:
        account_id, state = str(row["account_id"]), int(row.get("account_status", 1))
        tasks = row.get("user_tasks")
        status, reason = "active", None
        if state not in _USABLE_ACCOUNTS:
            status, reason = "disabled", f"Meta says this ad account is {_ACCOUNT_STATES.get(state, 'not active')}."
        elif tasks is not None and not {"ADVERTISE", "MANAGE"} & set(tasks):
            status, reason = "read_only", "Your role in this ad account does not allow to manage audiences."
        elif not (row.get("tos_accepted") or {}).get("custom_audience_tos"):
            status = "terms"
            reason = f"Meta's custom audience terms have not been accepted: {TERMS_URL.format(account_id)}"
        return AdAccount(Channel.META, account_id, str(row.get("name") or account_id), reason is None, reason, status=status)

    # ── audiences ──

    def find(self, target: Target, *, key: str) -> RemoteAudience | None:
        """The audience whose description holds our key: creating is not idempotent at Meta."""
        fields = {"fields": f"{_AUDIENCE},description"}
        path = f"act_{target.account_id}/customaudiences"
        for row in self._pages(target.grant.access_token, path, fields, account=target.account_id):
            if _tag(key) in str(row.get("description", "")):
                return _audience(row)
        return None

    def create(self, target: Target, *, name: str, key: str, kinds: frozenset[IdentifierKind]) -> RemoteAudience:  # noqa: ARG002 - Meta's audiences take any kinds
        """A custom audience from a customer file."""
        asked = {
            "name": name,
            "subtype": "CUSTOM",
            "description": f"Kept up by segsync. {_tag(key)}",
            "customer_file_source": "USER_PROVIDED_ONLY",
        }
        made = self._post(target, f"act_{target.account_id}/customaudiences", asked)
        return self.audience(replace(target, audience_id=str(made["id"])))

    def audience(self, target: Target) -> RemoteAudience:
        """As it is now (Custom Audience: `operation_status`, `delivery_status`)."""
        return _audience(
            self._get(target.grant.access_token, target.audience_id, {"fields": _AUDIENCE}, account=target.account_id)
        )

    def delete(self, target: Target) -> None:
        """Deletes it for good; gone already is well."""
        try:
            self._ask("DELETE", target.grant.access_token, target.audience_id, account=target.account_id, safe=True)
        except AudienceGone:
            return

    def campaigns(self, target: Target) -> Sequence[Campaign]:
        """Campaigns whose ad sets target or exclude the audience (ad sets' `targeting`)."""
        fields = {"fields": "id,name,effective_status,campaign{id,name},targeting"}
        found: dict[str, Campaign] = {}
        path = f"act_{target.account_id}/adsets"
        for row in self._pages(target.grant.access_token, path, fields, account=target.account_id):
            targeting = row.get("targeting") or {}
            includes = {str(a["id"]) for a in targeting.get("custom_audiences", ())}
            excludes = {str(a["id"]) for a in targeting.get("excluded_custom_audiences", ())}
            if target.audience_id not in includes | excludes:
                continue
            running = row.get("effective_status") == "ACTIVE"
            campaign = row.get("campaign") or row
            known = found.get(str(campaign["id"]))
            if known is None or (running and not known.running):
                status = str(row.get("effective_status", "")).replace("_", " ").capitalize()
                excluded = target.audience_id not in includes
                found[str(campaign["id"])] = Campaign(
                    str(campaign["id"]), str(campaign.get("name", "")), status, running, excluded
                )
        return sorted(found.values(), key=lambda c: (not c.running, c.name))

    # ── members ──

    def deliver(self, target: Target, delivery: Delivery) -> Receipt:
        """One request of at most 10,000 rows (Custom Audience Users); a removal is a POST with `method=DELETE`.

        Each request is a session of its own: Meta counts received and invalid rows by session, and only so are they this batch's.
        A replacement is one session of many batches, all of one schema, within 90 minutes (Custom Audience, replace users).
        """
        if wait := pause_s(self._used.get(target.account_id, 0.0)):
            self._sleep(wait)  # before the limit bites: it would hold everybody who uses the account for minutes
        replaces = delivery.op is Op.REPLACE
        rows, owners = payload(delivery.batch, every=replaces)
        session = {
            "session_id": (delivery.session * 100_000 + (0 if replaces else delivery.seq)) % (2**63 - 1),
            "batch_seq": delivery.seq if replaces else 1,
            "last_batch_flag": delivery.last or not replaces,
            "estimated_num_total": delivery.total if replaces else len(owners),
        }
        method = b'"method":"DELETE",' if delivery.op is Op.REMOVE else b""
        body = b'{"payload":' + rows + b"," + method + b'"session":' + orjson.dumps(session) + b"}"
        path = f"{target.audience_id}/{'usersreplace' if replaces else 'users'}"
        told = self._ask("POST", target.grant.access_token, path, body=body, account=target.account_id, safe=True)
        received, invalid = int(told.get("num_received", len(owners))), int(told.get("num_invalid_entries", 0))
        members = delivery.batch.size
        if replaces:  # counted over the whole session so far: what was invalid is told once, with the last
            return Receipt(members, unplaced={"invalid": invalid} if invalid and delivery.last else {})
        if received < len(owners) or invalid:
            short = max(len(owners) - received, 0) + invalid
            return Receipt(max(members - short, 0), unplaced={"invalid": min(short, members)})
        return Receipt(int(np.unique(owners).size))

    def sweep(self, target: Target, before: datetime) -> None:  # noqa: ARG002 - the port's signature
        """Meta replaces."""
        return

    def settlement(self, target: Target, request_id: str) -> Settlement:  # noqa: ARG002 - Meta's answers are final
        """Meta's receipts are final."""
        return Settlement(done=True)

    def audience_url(self, account_id: str, audience_id: str | None) -> str:
        """The account's audiences in Ads Manager."""
        chosen = f"&selected_audience_ids={audience_id}" if audience_id else ""
        return f"https://adsmanager.facebook.com/adsmanager/audiences?act={account_id}{chosen}"

    # ── underneath ──

    def _token(self, asked: Mapping[str, str]) -> Mapping[str, Any]:
        return self._open(self._http.ask("GET", f"{self._api}/oauth/access_token", params=asked, safe=False))

    def _get(self, token: str, path: str, params: Mapping[str, str], *, account: str = "") -> Mapping[str, Any]:
        return self._ask("GET", token, path, params=params, account=account, safe=True)

    def _post(self, target: Target, path: str, fields: Mapping[str, str]) -> Mapping[str, Any]:
        return self._ask(
            "POST", target.grant.access_token, path, body=orjson.dumps(fields), account=target.account_id, safe=False
        )

    def _ask(
        self,
        method: str,
        token: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        account: str = "",
        safe: bool,
    ) -> Mapping[str, Any]:
        proof = hmac.new(self._client_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
        answer = self._http.ask(
            method,
            f"{self._api}/{path}",
            params=dict(params or {}) | {"appsecret_proof": proof},
            body=body,
            headers={"authorization": f"Bearer {token}"},
            account=account,
            safe=safe,
        )
        if account:
            self._used[account] = used(answer.headers)
        return self._open(answer, account)

    def _pages(self, token: str, path: str, params: Mapping[str, str], *, account: str = "") -> Iterator[Mapping[str, Any]]:
        after: dict[str, str] = {}
        while True:
            page = self._get(token, path, dict(params) | {"limit": _PAGE} | after, account=account)
            yield from page.get("data", ())
            paging = page.get("paging") or {}
            if not paging.get("next"):
                return
            after = {"after": str(paging["cursors"]["after"])}

    def _open(self, answer: Answer, account: str = "") -> Mapping[str, Any]:
        if answer.status < 400 and isinstance(answer.body, dict) and "error" not in answer.body:
            return answer.body
        raise error_of(answer.status, answer.body, account_id=account, retry_after=_wait(answer.headers))


_REFUSALS: dict[str, type[ChannelError]] = {"disabled": AccountDisabled, "read_only": AccessLost, "terms": TermsNotAccepted}


def _tag(key: str) -> str:
    return f"[segsync:{key}]"


def _audience(row: Mapping[str, Any]) -> RemoteAudience:
    operation, delivery = row.get("operation_status") or {}, row.get("delivery_status") or {}
    lower, upper = row.get("approximate_count_lower_bound"), row.get("approximate_count_upper_bound")
    known = isinstance(lower, int) and lower >= 0
    created = row.get("time_created")
    return RemoteAudience(
        id=str(row["id"]),
        name=str(row.get("name", "")),
        status=str(delivery.get("description") or operation.get("description") or "Normal"),
        usable=int(delivery.get("code", 200)) < 400,
        can_edit=bool((row.get("permission_for_actions") or {}).get("can_edit", True)),
        working=int(operation.get("code", 200)) in _WORKING,
        created_at=datetime.fromtimestamp(int(created), UTC) if created else None,
        size_lower=lower if known else None,
        size_upper=upper if known else None,
    )


def _wait(headers: Mapping[str, str]) -> float | None:
    """Seconds until the business use case's budget is back; Meta tells minutes (Marketing API Rate Limiting)."""
    try:
        usage = orjson.loads(headers.get("x-business-use-case-usage", "{}"))
    except orjson.JSONDecodeError:
        return None
    minutes = [float(row.get("estimated_time_to_regain_access", 0)) for rows in usage.values() for row in rows]
    return max(minutes) * 60 if minutes and max(minutes) > 0 else None
