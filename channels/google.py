"""Google: Customer Match user lists over the Data Manager API; accounts and campaigns over the Google Ads API.

Facts from Google's pages: Data Manager API (Send audience members, Remove audience members, Manage audiences, Diagnostics,
Limits, Understand API errors), Google Ads Help on Customer Match. What a list holds cannot be read back; what is sent is worked
on afterwards, in no order that is promised, and its request status tells how it went.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from channels.google_ads import Ads
from channels.google_errors import AUDIENCES_URL, NameTaken, NoSuchAddress, UnknownRequest, error_of
from channels.google_login import SCOPES, Login
from channels.google_rows import CONTACT, MOBILE, is_internal, matched_share, members, refused
from channels.http import Answer, Http, retry_after
from channels.oauth import Renewals
from core.errors import AccessLost, AccountDisabled, AudienceGone, ChannelError, Rejected, Unavailable, VersionSunset
from core.models import AdAccount, Campaign, Channel, Grant, IdentifierKind, RemoteAudience
from core.ports import ChannelTraits, Clock, Delivery, Op, Quota, Receipt, Settlement, Target

LONGEST = timedelta(days=540)  # a membership's longest life since April 2025
CONSENT = {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"}
TERMS = {"customerMatchTermsOfServiceStatus": "ACCEPTED"}
_SIZES = ("displayNetworkMembersCount", "searchNetworkMembersCount", "youtubeMembersCount", "gmailMembersCount")
_PAGE = "1000"
_SECOND = timedelta(seconds=1)
_A_MINUTE = 300  # of each service, reading and writing apart, for a whole Cloud project (Data Manager API, Limits)
_A_DAY = {"members": 100_000, "lists": 50_000}
_SLOWEST_POLL = timedelta(hours=6)

Row = Mapping[str, Any]


class Google:
    """The adapter. All hosts may be one address, as a stand-in has them.

    `poll`: how long a request's status is left alone at first; Google advises 30 minutes, then ever longer. `settle`: how long
    an addition waits after a removal whose status is not known. `mobile_app`: key space (`ANDROID`, `IOS`) and id of the app that
    mobile ids come from, which a list of them must name; None: mobile ids are not sent. `wall`: this machine's clock, as it is.
    """

    def __init__(
        self,
        *,
        http: Http,
        client_id: str,
        client_secret: str,
        clock: Clock,
        data_url: str = "https://datamanager.googleapis.com",
        ads_url: str = "https://googleads.googleapis.com",
        login_url: str = "https://accounts.google.com",
        token_url: str = "https://oauth2.googleapis.com",  # noqa: S107 - an address, no secret
        people_url: str = "https://www.googleapis.com",
        version: str = "v26",
        poll: timedelta = timedelta(minutes=30),
        settle: timedelta = timedelta(minutes=30),
        mobile_app: tuple[str, str] | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._http, self._clock, self._poll, self._mobile_app = http, clock, poll, mobile_app
        self._project = client_id.partition("-")[0]  # a client's id begins with the number of its Cloud project
        self._wall, self._ahead = wall, timedelta(0)
        self._data, self._ads_url = f"{data_url.rstrip('/')}/v1", f"{ads_url.rstrip('/')}/{version}"
        self._login = Login(
            http=http,
            client_id=client_id,
            client_secret=client_secret,
            clock=clock,
            login_url=login_url.rstrip("/"),
            token_url=token_url.rstrip("/"),
            people_url=people_url.rstrip("/"),
        )
        self._renewals = Renewals(self._login.renew)
        self._ads = Ads(self._ask_ads)
        self.traits = ChannelTraits(
            channel=Channel.GOOGLE,
            kinds=CONTACT | MOBILE if mobile_app else CONTACT,
            company_kinds=frozenset(),
            batch_rows=10_000,
            max_identifiers=10,
            one_of_each=False,
            exclusive=(CONTACT, MOBILE),
            minimum=100,
            needs_consent=True,
            settle=settle,
            memory=LONGEST,
            in_flight=4,
            a_minute=_A_MINUTE,
            scopes=SCOPES,
        )

    # ── consent ──

    def authorize_url(self, *, state: str, redirect_uri: str, verifier: str) -> str:
        """The consent page, with the verifier's challenge."""
        return self._login.page(state=state, redirect_uri=redirect_uri, verifier=verifier)

    def exchange(self, *, code: str, redirect_uri: str, verifier: str) -> Grant:
        """A grant for the code, with who gave it. Raises PermissionMissing when the person ticked too little."""
        return self._login.grant(code=code, redirect_uri=redirect_uri, verifier=verifier)

    def renew(self, grant: Grant) -> Grant:
        """A fresh access token."""
        return self._login.renew(grant)

    def revoke(self, grant: Grant) -> None:
        """Takes the consent back at Google."""
        self._login.revoke(self._renewals.current(grant))

    def check(self, grant: Grant) -> Grant:
        """Asks for state and scopes."""
        return self._login.check(self._renewals.current(grant))

    # ── accounts ──

    def accounts(self, grant: Grant) -> Sequence[AdAccount]:
        """All accounts of this person, also those below managers (`login_id`), with what the person's role allows."""
        person = self._login.person(self._renewals.current(grant))
        return self._ads.accounts(grant, person)

    def require_access(self, target: Target) -> None:
        """Asks now, by a change that Google only validates: access, role, terms and state of the account stand in the answer."""
        try:
            if target.audience_id:
                self._lists("PATCH", target, target.audience_id, json=_lasting(), params=_ONLY | _DURATION)
            else:
                body = _new(f"segsync {target.account_id}", "segsync:check", CONTACT, None)
                self._lists("POST", target, json=body, params=_ONLY)
        except NameTaken:
            return
        except AudienceGone:
            if not target.audience_id:
                raise AccessLost("This Google connection does not reach the ad account any more.") from None

    # ── audiences ──

    def find(self, target: Target, *, key: str) -> RemoteAudience | None:
        """The list that was made with our key as its `integrationCode`: creating is not idempotent at Google."""
        for row in self._pages(target, f'integration_code = "{_key(key)}"'):
            if row.get("integrationCode") == _key(key):
                return _audience(row)
        return None

    def create(self, target: Target, *, name: str, key: str, kinds: frozenset[IdentifierKind]) -> RemoteAudience:
        """A list of contact data, or of mobile ids where there is nothing else; names are unique within an account."""
        body = _new(name, _key(key), kinds, self._mobile_app)
        try:
            return _audience(self._lists("POST", target, json=body))
        except NameTaken:
            known = self.find(target, key=key)  # made a moment ago, and the search did not know yet
            return known or _audience(self._lists("POST", target, json=body | {"displayName": f"{name} · {key[:8]}"}))

    def audience(self, target: Target) -> RemoteAudience:
        """As it is now. Google tells no time of its birth, and gives no id twice."""
        return _audience(self._lists("GET", target, target.audience_id))

    def delete(self, target: Target) -> None:
        """Deletes it for good; gone already is well."""
        try:
            self._lists("DELETE", target, target.audience_id)
        except AudienceGone:
            return

    def campaigns(self, target: Target) -> Sequence[Campaign]:
        """Campaigns that use the audience, themselves or in an ad group."""
        return self._ads.campaigns(target)

    # ── members ──

    def deliver(self, target: Target, delivery: Delivery) -> Receipt:
        """One request of at most 10,000 members. Adding who is in and removing who is not does no harm, so it may be sent twice.

        Consent stands at the request: whoever has not given it is not in the batch.
        """
        if delivery.op is Op.REPLACE:
            raise ChannelError("Google has no replacing.")
        found, order = members(delivery.batch)
        body: dict[str, Any] = {"destinations": [_destination(target)], "encoding": "HEX"}
        verb = "remove"
        if delivery.op is Op.ADD:
            verb, body = "ingest", body | {"consent": CONSENT, "termsOfService": TERMS}
        whole = orjson.dumps(body)[:-1] + b',"audienceMembers":' + found + b"}"
        try:
            answer = self._ask_data("POST", target, f"audienceMembers:{verb}", body=whole)
        except Rejected as error:
            places = tuple(int(order[row]) for row in error.rows if row < len(order))
            raise Rejected(str(error), reason=error.reason, rows=places) from None
        return Receipt(delivery.batch.size, request_id=self._request_id(answer))

    def sweep(self, target: Target, before: datetime) -> str:
        """Removes all members that were last added before this moment (Remove all audience members).

        The moment counts by Google's clock: by as much as this machine's is ahead it is taken earlier, or it would catch members
        that were added just now.
        """
        moment = before - self._ahead - _SECOND
        body = {
            "destinations": [_destination(target)],
            "removeAsOfTime": moment.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        }
        return self._request_id(self._ask_data("POST", target, "audienceMembers:removeAll", json=body))

    def settlement(self, target: Target, request_id: str) -> Settlement:
        """What became of one request. What Google itself failed at, or no longer knows, is told as failed: it is sent again."""
        number, _, at = request_id.partition("@")
        age = timedelta(seconds=self._clock.now().timestamp() - int(at or 0))
        if age < self._poll:
            return Settlement(done=False, ask_again_in=self._poll - age)
        try:
            answer = self._ask_data("GET", target, "requestStatus:retrieve", params={"requestId": number})
        except UnknownRequest:
            return Settlement(done=True, failed=True)
        parts = answer.get("requestStatusPerDestination") or ()
        states = {str(part.get("requestStatus")) for part in parts}
        if not parts or states - {"SUCCESS", "FAILED", "PARTIAL_SUCCESS"}:
            return Settlement(done=False, ask_again_in=min(max(self._poll, age / 2), _SLOWEST_POLL))
        told = refused(parts[0])  # a request of ours has one destination
        if is_internal(parts[0]) or ("FAILED" in states and not told):
            return Settlement(done=True, failed=True)
        return Settlement(done=True, rejected=told, matched_share=matched_share(parts[0]))

    def audience_url(self, account_id: str, audience_id: str | None) -> str:  # noqa: ARG002 - Google's addresses hold other numbers
        """Audience Manager of Google Ads; which account it shows is chosen there."""
        return AUDIENCES_URL

    # ── underneath ──

    def _request_id(self, answer: Row) -> str:
        """The number to ask after later, with the moment from which it is left alone for a while."""
        request_id = str(answer.get("requestId") or "")
        if not request_id:
            raise Unavailable("Google took the request without saying under which number.")
        return f"{request_id}@{int(self._clock.now().timestamp())}"

    def _lists(
        self, verb: str, target: Target, list_id: str = "", *, json: Any = None, params: Mapping[str, str] | None = None
    ) -> Row:
        """One request about user lists; `login-account` names the manager through whom the account is reached."""
        path = f"accountTypes/GOOGLE_ADS/accounts/{target.account_id}/userLists{f'/{list_id}' if list_id else ''}"
        login = f"accountTypes/GOOGLE_ADS/accounts/{target.login_id or target.account_id}"
        return self._ask_data(verb, target, path, json=json, params=params, headers={"login-account": login})

    def _pages(self, target: Target, condition: str) -> Iterator[Row]:
        token = ""
        while True:
            params = {"filter": condition, "pageSize": _PAGE} | ({"pageToken": token} if token else {})
            page = self._lists("GET", target, params=params)
            yield from page.get("userLists") or ()
            token = str(page.get("nextPageToken") or "")
            if not token:
                return

    def _ask_data(
        self,
        verb: str,
        target: Target,
        path: str,
        *,
        json: Any = None,
        body: bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Row:
        """One request to the Data Manager API. What it denies without a reason is asked of the Google Ads API.

        Only making a list does harm when it is done twice.
        """
        is_new = verb == "POST" and path.endswith("userLists") and params is None
        service = "members" if path.startswith(("audienceMembers", "requestStatus")) else "lists"
        quota = Quota(f"google/{self._project}/{service}/{'read' if verb == 'GET' else 'write'}", _A_MINUTE, _A_DAY[service])
        try:
            return self._send(
                verb,
                target.grant,
                f"{self._data}/{path}",
                json=json,
                body=body,
                params=params,
                headers=headers,
                account=target.account_id,
                safe=not is_new,
                quota=quota,
            )
        except AccessLost as denied:
            try:
                self._ads.require_active(target.grant, target.account_id, target.login_id)
            except (AccountDisabled, AccessLost) as reason:
                raise reason from None
            except ChannelError:
                raise denied from None
            raise

    def _ask_ads(self, verb: str, grant: Grant, path: str, json: Any, account: str, login_id: str | None) -> Row:
        """One request to the Google Ads API, which only reads here; it answers 404 for a version that it no longer serves."""
        headers = {"login-customer-id": login_id} if login_id else {}
        try:
            return self._send(
                verb, grant, f"{self._ads_url}/{path}", json=json, params=None, headers=headers, account=account, safe=True
            )
        except (AudienceGone, NoSuchAddress):
            raise VersionSunset("Google no longer serves the version of the Google Ads API that segsync asks for.") from None

    def _send(
        self,
        verb: str,
        grant: Grant,
        url: str,
        *,
        json: Any,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        account: str,
        safe: bool,
        body: bytes | None = None,
        quota: Quota | None = None,
    ) -> Row:
        """One request; with a renewed token once more where the token is refused and can be renewed."""

        def send(token: str) -> Answer:
            sent = {"authorization": f"Bearer {token}", **(headers or {})}
            return self._http.ask(
                verb,
                url,
                params=params,
                json=json,
                body=body,
                headers=sent,
                account=account,
                safe=safe,
                answers_429=True,
                quota=quota,
            )

        grant = self._renewals.current(grant)
        answer = send(grant.access_token)
        if answer.status == 401:
            fresh = self._renewals.instead_of(grant)
            if fresh is not None:
                answer = send(fresh.access_token)
        if told := answer.headers.get("date"):
            apart = datetime.fromtimestamp(self._wall(), UTC) - parsedate_to_datetime(told)
            self._ahead = max(apart - _SECOND, timedelta(0))  # the header has whole seconds
        if answer.status < 400 and isinstance(answer.body, dict):
            return answer.body
        raise error_of(answer.status, answer.body, retry_after=retry_after(answer.headers))


def _destination(target: Target) -> dict[str, Any]:
    account = {"accountType": "GOOGLE_ADS", "accountId": target.account_id}
    found: dict[str, Any] = {"operatingAccount": account, "productDestinationId": target.audience_id}
    if target.login_id:
        found["loginAccount"] = {"accountType": "GOOGLE_ADS", "accountId": target.login_id}
    return found


_ONLY = {"validateOnly": "true"}
_DURATION = {"updateMask": "membershipDuration"}


def _lasting() -> dict[str, Any]:
    return {"membershipDuration": f"{int(LONGEST.total_seconds())}s"}


def _new(name: str, key: str, kinds: frozenset[IdentifierKind], app: tuple[str, str] | None) -> dict[str, Any]:
    """A `UserList` of one kind of data. A list of mobile ids must name its app."""
    if kinds and kinds <= MOBILE and app:
        info: dict[str, Any] = {"uploadKeyTypes": ["MOBILE_ID"], "mobileIdInfo": {"keySpace": app[0], "appId": app[1]}}
    else:
        source = {"dataSourceType": "DATA_SOURCE_TYPE_FIRST_PARTY"}
        info = {"uploadKeyTypes": ["CONTACT_ID"], "contactIdInfo": source}
    about = {"displayName": name, "description": "Kept up by segsync.", "integrationCode": key}
    return about | _lasting() | {"ingestedUserListInfo": info}


def _key(key: str) -> str:
    return f"segsync:{key}"


def _audience(row: Row) -> RemoteAudience:
    """A user list. Its size is that of the network where most members are found: the same person counts on each."""
    told = [int(size) for name in _SIZES if (size := (row.get("sizeInfo") or {}).get(name)) is not None]
    rate = ((row.get("ingestedUserListInfo") or {}).get("contactIdInfo") or {}).get("matchRatePercentage")
    state, access = str(row.get("membershipStatus", "OPEN")), str(row.get("accountAccessStatus", "ENABLED"))
    return RemoteAudience(
        id=str(row["id"]),
        name=str(row.get("displayName", "")),
        status=(state if access == "ENABLED" else access).capitalize(),
        usable=state == "OPEN" and access == "ENABLED",
        can_edit=not row.get("readOnly", False),
        size_lower=max(told, default=None),
        size_upper=max(told, default=None),
        match_rate=int(rate) / 100 if rate else None,
    )
