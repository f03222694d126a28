"""LinkedIn: DMP segments of contacts and of companies over the Marketing API.

Facts from LinkedIn's pages: DMP Segments, DMP Segment Users, DMP Segment Companies, Matched Audiences FAQ, Create and Manage
Account Users, Create and Manage Accounts, Search Campaigns, Targeting Criteria Facet URNs, Versioning, Error Responses. What a
segment holds cannot be read back: only counts are.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from channels.http import Answer, Http, retry_after
from channels.linkedin_answers import DEAD, UNUSED, Row, account_of, audience_of, campaign_of, destination, id_of, status_of
from channels.linkedin_errors import ACCOUNT_URL, PASSING, error_of, is_revoked, reason_of
from channels.linkedin_login import SCOPES, Login
from channels.linkedin_rows import Element, companies, users
from channels.oauth import Renewals
from core.errors import AccessLost, AccountDisabled, AudienceGone, ChannelError, NeedsReconnect, PermissionMissing, Unavailable
from core.models import AdAccount, Campaign, Channel, Grant, IdentifierKind, RemoteAudience, SegmentKind
from core.ports import CHANNEL_FAILED, ChannelTraits, Clock, Delivery, Op, Quota, Receipt, Settlement, Target

VERSION = "202607"
SOURCE_PLATFORM = "DIRECT_API"
A_MINUTE = {
    "users": 600,
    "companies": 300,
}  # requests of one application for one person (DMP Segment Users, DMP Segment Companies)
_PAGE = 100
_READ_BACK_S = (1.0, 2.0, 4.0)  # a new segment may not be there at once
_AGAIN_S = (1.0, 2.0)  # before the elements are sent again that may go through at the next try


class LinkedIn:
    """The adapter. `version` and `source_platform` are what LinkedIn gave the operator's app to use.

    `settle`: how long an addition waits after a removal, for which LinkedIn tells no end.
    """

    def __init__(
        self,
        *,
        http: Http,
        client_id: str,
        client_secret: str,
        clock: Clock,
        api_url: str = "https://api.linkedin.com",
        login_url: str = "https://www.linkedin.com",
        version: str = VERSION,
        source_platform: str = SOURCE_PLATFORM,
        settle: timedelta = timedelta(minutes=30),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http, self._sleep, self._version, self._source = http, sleep, version, source_platform
        self._rest = f"{api_url.rstrip('/')}/rest"
        self._client_id = client_id
        self._login = Login(
            http=http,
            client_id=client_id,
            client_secret=client_secret,
            clock=clock,
            oauth_url=f"{login_url.rstrip('/')}/oauth/v2",
        )
        self._renewals = Renewals(self._login.renew)
        self._made: dict[str, str] = {}  # our key → the segment made with it, for what the finder does not tell yet
        self.traits = ChannelTraits(
            channel=Channel.LINKEDIN,
            kinds=frozenset({IdentifierKind.EMAIL, IdentifierKind.MOBILE}),
            company_kinds=frozenset({IdentifierKind.DOMAIN, IdentifierKind.COMPANY, IdentifierKind.PAGE}),
            batch_rows=5_000,
            max_identifiers=2,
            one_of_each=True,
            minimum=300,
            can_replace=False,
            settle=settle,
            memory=UNUSED,
            in_flight=4,
            a_minute=A_MINUTE["users"],
            scopes=SCOPES,
        )

    # ── consent ──

    def authorize_url(self, *, state: str, redirect_uri: str, verifier: str) -> str:  # noqa: ARG002 - LinkedIn has no PKCE here
        """The consent page."""
        return self._login.page(state=state, redirect_uri=redirect_uri)

    def exchange(self, *, code: str, redirect_uri: str, verifier: str) -> Grant:  # noqa: ARG002 - LinkedIn has no PKCE here
        """A grant for the code, with who gave it."""
        grant = self._login.grant(code=code, redirect_uri=redirect_uri)
        try:
            return self._named(grant)
        except NeedsReconnect:  # a token may not be known everywhere in its first second
            self._sleep(1.0)
            return self._named(grant)

    def renew(self, grant: Grant) -> Grant:
        """A fresh access token where LinkedIn gave a refresh token."""
        return self._login.renew(grant)

    def revoke(self, grant: Grant) -> None:
        """Asks LinkedIn to forget the consent."""
        self._login.revoke(self._renewals.current(grant))

    def check(self, grant: Grant) -> Grant:
        """Asks for state, scopes and end."""
        return self._login.check(self._renewals.current(grant))

    def _named(self, grant: Grant) -> Grant:
        """With the person's id and, where the app may read it, name; else the id that the ad accounts know."""
        try:
            me = self._get(grant, "me")
        except (PermissionMissing, AccessLost, AudienceGone):
            row = next(self._counted(grant, "adAccountUsers?q=authenticatedUser"), {})
            return replace(grant, person_id=id_of(row.get("user")))
        names = (str(me.get("localizedFirstName", "")), str(me.get("localizedLastName", "")))
        return replace(grant, person_id=str(me.get("id", "")), person_name=" ".join(filter(None, names)))

    # ── accounts ──

    def accounts(self, grant: Grant) -> Sequence[AdAccount]:
        """All ad accounts of this person, in LinkedIn's order, with what the person's role allows."""
        roles = self._roles(grant)
        return [account_of(row, roles) for row in self._tokened(grant, "adAccounts?q=search")]

    def require_access(self, target: Target) -> None:
        """Asks now for the account's state and the person's role; whoever may manage one audience of it may manage all."""
        try:
            row = self._get(target.grant, f"adAccounts/{target.account_id}", account=target.account_id)
        except AudienceGone:
            raise AccessLost("This LinkedIn connection does not reach the ad account any more.") from None
        account = account_of(row, self._roles(target.grant))
        if not account.may_manage:
            raise (AccountDisabled if account.status == "disabled" else AccessLost)(account.reason)

    def _roles(self, grant: Grant) -> Mapping[str, str]:
        rows = self._counted(grant, "adAccountUsers?q=authenticatedUser")
        return {id_of(row.get("account")): str(row.get("role", "")) for row in rows}

    # ── audiences ──

    def find(self, target: Target, *, key: str) -> RemoteAudience | None:
        """The segment that was made with our key as its `sourceSegmentId`: creating is not idempotent at LinkedIn.

        One that has expired or failed is none: what it held is gone.
        """
        account = _quoted(f"urn:li:sponsoredAccount:{target.account_id}")
        query = f"dmpSegments?q=account&account={account}&sourceSegmentId={_quoted(_key(key))}"
        for row in self._counted(target.grant, query, account=target.account_id):
            if row.get("sourceSegmentId") == _key(key) and status_of(row) not in DEAD:
                return audience_of(row)
        made = self._made.get(f"{target.account_id}/{key}")
        if made is not None:
            try:
                known = self.audience(replace(target, audience_id=made))
            except AudienceGone:
                return None
            return known if known.usable else None
        return None

    def create(self, target: Target, *, name: str, key: str, kinds: frozenset[IdentifierKind]) -> RemoteAudience:  # noqa: ARG002 - a segment takes all kinds of its type
        """A private segment of users or of companies, sent to LinkedIn's own campaigns; read back for its time."""
        asked = {
            "name": name,
            "account": f"urn:li:sponsoredAccount:{target.account_id}",
            "type": "COMPANY" if target.kind is SegmentKind.COMPANIES else "USER",
            "sourcePlatform": self._source,
            "sourceSegmentId": _key(key),
            "accessPolicy": "PRIVATE",
            "destinations": [{"destination": "LINKEDIN"}],
        }
        answer = self._ask("POST", target.grant, "dmpSegments", json=asked, account=target.account_id, safe=False)
        segment_id = answer.headers.get("x-restli-id") or answer.headers.get("x-linkedin-id", "")
        if not segment_id:
            raise Unavailable("LinkedIn made an audience without saying which.")  # found by its key at the next try
        self._made[f"{target.account_id}/{key}"] = segment_id
        made = replace(target, audience_id=segment_id)
        for wait in _READ_BACK_S:
            try:
                return self.audience(made)
            except AudienceGone:
                self._sleep(wait)
        raise Unavailable("LinkedIn does not show the new audience yet.")

    def audience(self, target: Target) -> RemoteAudience:
        """As it is now. Raises AudienceGone also for one that has expired: LinkedIn has thrown its members away."""
        row = self._segment(target)
        if status_of(row) == "EXPIRED":
            raise AudienceGone("The audience has expired on LinkedIn: no campaign used it for 90 days.")
        return audience_of(row)

    def delete(self, target: Target) -> None:
        """Deletes it for good; gone already is well."""
        try:
            self._ask("DELETE", target.grant, f"dmpSegments/{target.audience_id}", account=target.account_id, safe=True)
        except AudienceGone:
            return

    def campaigns(self, target: Target) -> Sequence[Campaign]:
        """Campaigns, drafts included, whose targeting names the ad segment behind the audience."""
        urn = destination(self._segment(target)).get("destinationSegmentId")
        path = f"adAccounts/{target.account_id}/adCampaigns?q=search&search=(status:(values:List(ACTIVE,PAUSED,DRAFT)))"
        rows = self._tokened(target.grant, path, account=target.account_id)
        found = [c for c in (campaign_of(row, urn) for row in rows) if c is not None]
        return sorted(found, key=lambda c: (not c.running, c.name))

    # ── members ──

    def deliver(self, target: Target, delivery: Delivery) -> Receipt:
        """One request of at most 5,000 elements, each of which LinkedIn answers for itself within a success.

        Elements that may go through at the next try are sent again by themselves. Adding who is in and removing who is not are
        answered well, so sending twice does no harm.
        """
        if delivery.op is Op.REPLACE:
            raise ChannelError("LinkedIn has no replacing.")
        edge, written = ("companies", companies) if target.kind is SegmentKind.COMPANIES else ("users", users)
        elements, owners = written(delivery.batch, delivery.op)
        refused: dict[int, str] = {}
        taken: set[int] = set()
        left = list(range(len(elements)))
        for wait in (*_AGAIN_S, None):
            passing: dict[int, str] = {}
            for place, answer in zip(left, self._stream(target, edge, [elements[i] for i in left]), strict=False):
                status = int(answer.get("status", 0))
                if status < 300:
                    taken.add(int(owners[place]))
                else:
                    (passing if status in PASSING else refused)[place] = reason_of(answer)
            if not passing:
                break
            if wait is None:
                if len(passing) == len(elements):
                    raise Unavailable("LinkedIn takes no members at the moment.")
                refused |= dict.fromkeys(passing, CHANNEL_FAILED)
                break
            left = list(passing)
            self._sleep(wait)
        rejected = {int(owners[place]): reason for place, reason in refused.items()}
        return Receipt(len(taken - rejected.keys()), rejected)

    def _stream(self, target: Target, edge: str, elements: Sequence[Element]) -> Sequence[Row]:
        """The answers, in the order of the elements. Raises Unavailable for a segment that does not take members yet."""
        path = f"dmpSegments/{target.audience_id}/{edge}"
        try:
            answer = self._ask(
                "POST",
                target.grant,
                path,
                json={"elements": elements},
                method="BATCH_CREATE",
                account=target.account_id,
                safe=True,
                quota=Quota(f"linkedin/{self._client_id}/{target.grant.person_id}/{edge}", A_MINUTE[edge]),
            )
        except AudienceGone:
            self._segment(target)
            raise Unavailable("LinkedIn does not take members into the new audience yet.") from None
        return answer.body.get("elements", ()) if isinstance(answer.body, dict) else ()

    def sweep(self, target: Target, before: datetime) -> None:  # noqa: ARG002 - the port's signature
        """LinkedIn has none."""
        return

    def settlement(self, target: Target, request_id: str) -> Settlement:  # noqa: ARG002 - LinkedIn's answers are final
        """LinkedIn's receipts are final."""
        return Settlement(done=True)

    def audience_url(self, account_id: str, audience_id: str | None) -> str:  # noqa: ARG002 - audiences have no address of their own
        """The account in Campaign Manager, where Plan leads to Audiences."""
        return ACCOUNT_URL.format(account_id)

    # ── underneath ──

    def _segment(self, target: Target) -> Row:
        return self._get(target.grant, f"dmpSegments/{target.audience_id}", account=target.account_id)

    def _get(self, grant: Grant, path: str, *, account: str = "") -> Row:
        body = self._ask("GET", grant, path, account=account, safe=True).body
        return body if isinstance(body, dict) else {}

    def _counted(self, grant: Grant, path: str, *, account: str = "") -> Iterator[Row]:
        """Elements of a finder with `start` and `count`."""
        start = 0
        while True:
            page = self._get(grant, f"{path}&start={start}&count={_PAGE}", account=account)
            rows = page.get("elements", ())
            yield from rows
            start += len(rows)
            total = (page.get("paging") or {}).get("total")
            if not rows or (start >= total if isinstance(total, int) else len(rows) < _PAGE):
                return

    def _tokened(self, grant: Grant, path: str, *, account: str = "") -> Iterator[Row]:
        """Elements of a finder with `pageSize` and `pageToken`."""
        token = ""
        while True:
            after = f"&pageToken={_quoted(token)}" if token else ""
            page = self._get(grant, f"{path}&pageSize={_PAGE}{after}", account=account)
            yield from page.get("elements", ())
            token = str((page.get("metadata") or {}).get("nextPageToken") or "")
            if not token:
                return

    def _ask(
        self,
        verb: str,
        grant: Grant,
        path: str,
        *,
        safe: bool,
        json: Any = None,
        method: str = "",
        account: str = "",
        quota: Quota | None = None,
    ) -> Answer:
        """One request; with a renewed token once more where the token is refused and can be renewed.

        A query stands in `path` as it travels: the signs of Rest.li's notation must not be encoded.
        """

        def send(token: str) -> Answer:
            headers = {
                "authorization": f"Bearer {token}",
                "linkedin-version": self._version,
                "x-restli-protocol-version": "2.0.0",
            } | ({"x-restli-method": method} if method else {})
            url = f"{self._rest}/{path}"
            return self._http.ask(
                verb, url, json=json, headers=headers, account=account, safe=safe, answers_429=True, quota=quota
            )

        grant = self._renewals.current(grant)
        answer = send(grant.access_token)
        if answer.status == 401 and not is_revoked(answer.body):
            fresh = self._renewals.instead_of(grant)
            if fresh is not None:
                answer = send(fresh.access_token)
        if answer.status < 400:
            return answer
        raise error_of(answer.status, answer.body, account_id=account, retry_after=retry_after(answer.headers))


def _key(key: str) -> str:
    return f"segsync:{key}"


def _quoted(text: str) -> str:
    return quote(text, safe="")
