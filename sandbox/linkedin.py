"""A stand-in for LinkedIn's Marketing API: `/linkedin/rest/…` (versioned), `/linkedin/v2/userinfo` and `/linkedin/oauth/v2/…`.

Written from LinkedIn's pages on DMP segments and what streams into them, ad accounts and their users, campaigns, ad segments,
error responses, versioning and OAuth. The order of checks is LinkedIn's: version, token, scope and role, then the resource.
Supported are the versions of the last twelve months, counted from the present one, but from 202511 on in any case.
"""

import re
import secrets
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from sandbox.linkedin_login import ACCESS_S, SCOPES, Login
from sandbox.linkedin_members import normal
from sandbox.linkedin_restli import (
    RestError,
    decode,
    denied,
    invalid,
    not_found,
    page,
    query,
    throttled,
    token_page,
    unfold,
    urn_id,
)
from sandbox.linkedin_segments import Segments, ad_segment_id, segment_of
from sandbox.platforms.accounts import Account, campaigns
from sandbox.platforms.platform import Answer, Call, Json, Platform, Refusal
from sandbox.platforms.truth import Audience
from sandbox.world import World

OLDEST = 202_511
FACET = "urn:li:adTargetingFacet:audienceMatchingSegments"
SEGMENTS = re.compile(r"dmpSegments(?:/(?P<id>\d+)(?:/(?P<edge>users|companies|destinations)(?:/(?P<destination>\w+))?)?)?\Z")


class LinkedIn(Platform):
    """The stand-in."""

    name = "linkedin"
    scopes = SCOPES

    def __init__(self, world: World) -> None:
        super().__init__(world, account_prefix="5100", first_audience=9_820_000, token_lives_s=ACCESS_S)
        self._login, self._segments = Login(world, self.grants), Segments(self.truth)

    def routes(self) -> list[BaseRoute]:
        """Everything below `/linkedin`."""
        return [
            Route("/linkedin/oauth/v2/authorization", self._login.page, methods=["GET", "POST"]),
            Route("/linkedin/{path:path}", self.serve, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ]

    def identifier(self, kind: str, clear: str) -> bytes | None:
        """See `sandbox/linkedin_members.py`."""
        return normal(kind, clear)

    # ── the request ──

    async def read(self, request: Request) -> Call:
        """Method, path, query and body, taken out of a tunnel where they came through one."""
        path = request.scope["raw_path"].decode().partition("?")[0].removeprefix("/linkedin/").strip("/")
        if path.startswith("oauth/"):
            form = await request.body()
            return Call(request.method, path, request.headers, dict(parse_qsl(form.decode(errors="replace"))))
        method, raw, body = await unfold(request)
        return Call(method, path.partition("/")[2], request.headers, query(raw), body, version=path.partition("/")[0])

    def endpoint(self, call: Call) -> str:
        """Such as `POST dmpSegments/{id}/users`."""
        path = re.sub(r"\([^/]*\)", "({key})", call.path)
        return f"{call.method} {re.sub(r'(?<=/)[0-9]+', '{id}', path)}"

    def account_of(self, call: Call) -> str | None:
        """The account of the segment, in the body, in the query, or in the path."""
        if (match := SEGMENTS.match(call.path)) and match["id"]:
            segment = self.truth.audiences.get(match["id"])
            return segment.account_id if segment else None
        body = call.body if isinstance(call.body, dict) else {}
        named = f"{body.get('account', '')} {call.params.get('account', '')} {call.path}"
        found = re.search(r"sponsoredAccount(?::|%3A)(\d+)|adAccounts/(\d+)", named)
        return (found[1] or found[2]) if found else None

    def failing(self, strike: str) -> Refusal:
        """LinkedIn's words for an outage and for too many calls."""
        return throttled() if strike == "rate_limited" else RestError(500, "INTERNAL_SERVER_ERROR", "Internal Server Error")

    def trimmings(self, call: Call, account_id: str | None, strike: str | None) -> Json:
        """Request ids."""
        return {"x-li-uuid": secrets.token_urlsafe(16), "x-restli-protocol-version": "2.0.0", "x-li-fabric": "sandbox"}

    def answer(self, call: Call) -> Answer:
        """One request."""
        if call.path.startswith("oauth/"):
            return self._oauth(call)
        if call.version == "rest":
            self._check_version(call)
        user_id, scopes = self._caller(call)
        if call.path in ("userinfo", "me"):
            return self._person(user_id, scopes, call)
        if call.version != "rest":
            raise not_found(f"No virtual resource found for /{call.path}")
        if call.path.startswith("dmpSegments"):
            return self._dmp_segments(call, user_id, scopes)
        if not {"rw_ads", "r_ads"} & set(scopes):
            raise denied(f"Not enough permissions to access: {call.path.partition('/')[0]}.{call.method}.NO_VERSION")
        for pattern, resource in (
            (r"adAccountUsers.*", self._account_users),
            (r"adAccounts/\d+/adCampaigns", self._campaigns),
            (r"adAccounts(/\d+)?", self._accounts),
            (r"adSegments(/\d+)?", self._ad_segments),
        ):
            if re.fullmatch(pattern, call.path):
                if call.method != "GET":
                    raise RestError(405, "METHOD_NOT_ALLOWED", f"{call.method} is not supported here")
                return Answer(resource(call, user_id))
        raise not_found(f"No virtual resource found for /{call.path}")

    def _oauth(self, call: Call) -> Answer:
        answers = {"accessToken": self._login.token, "introspectToken": self._login.introspect, "revoke": self._login.revoke}
        answer = answers.get(call.path.rpartition("/")[2])
        if answer is None or call.method != "POST":
            raise not_found(f"No resource found for /{call.path}")
        return Answer(answer(call.params))

    @staticmethod
    def _check_version(call: Call) -> None:
        asked = call.headers.get("linkedin-version", "")
        if not asked:
            said = "A version must be present. Please specify a version by adding the LinkedIn-Version header."
            raise RestError(400, "VERSION_MISSING", said)
        today = datetime.now(UTC)
        newest = today.year * 100 + today.month
        version = int(asked) if re.fullmatch(r"20\d\d(0[1-9]|1[0-2])", asked) else 0
        if not min(OLDEST, newest - 100) <= version <= newest:
            raise RestError(426, "NONEXISTENT_VERSION", f"Requested version {asked}01 is not active")

    def _caller(self, call: Call) -> tuple[str, tuple[str, ...]]:
        token, state = self.grants.state(call.bearer())
        if state == "revoked":
            raise RestError(
                401, "REVOKED_ACCESS_TOKEN", "The token used in the request has been revoked by the user", number=65601
            )
        if state == "expired":
            raise RestError(401, "EXPIRED_ACCESS_TOKEN", "The token used in the request has expired", number=65602)
        if token is None:
            raise RestError(401, "INVALID_ACCESS_TOKEN", "Invalid access token", number=65600)
        return token.user_id, token.scopes

    def _person(self, user_id: str, scopes: tuple[str, ...], call: Call) -> Answer:
        person = next(p for p in self.world.people if p.id == user_id)
        given, _, family = person.name.partition(" ")
        if call.path == "me":
            return Answer({"id": _member(user_id), "localizedFirstName": given, "localizedLastName": family})
        if "openid" not in scopes:
            raise denied("Not enough permissions to access: userinfo.GET.NO_VERSION")
        found = {"sub": _member(user_id), "name": person.name, "given_name": given, "family_name": family}
        return Answer(found | {"locale": {"country": "US", "language": "en"}, "email": person.email, "email_verified": True})

    # ── audiences ──

    def _dmp_segments(self, call: Call, user_id: str, scopes: tuple[str, ...]) -> Answer:
        if "rw_dmp_segments" not in scopes:
            raise denied(f"Not enough permissions to access: dmpSegments.{call.method}.NO_VERSION")
        match = SEGMENTS.match(call.path)
        if match is None:
            raise not_found(f"No virtual resource found for /{call.path}")
        if match["id"] is None:
            return self._all_segments(call, user_id)
        segment = self._segments.get(match["id"])
        self._allow(segment.account_id, user_id, write=call.method != "GET")
        if match["edge"] in ("users", "companies") and call.method == "POST":
            return self._stream(call, segment, match["edge"], user_id)
        if match["edge"] == "destinations":
            if call.method == "POST" and not match["destination"]:
                return self._segments.add_destination(segment, call.body)
            if call.method == "GET" and match["destination"] == "LINKEDIN":
                return Answer(self._segments.destination(segment))
        if match["edge"] is None and call.method == "GET":
            return Answer(self._segments.entity(segment))
        if match["edge"] is None and call.method == "DELETE":
            self.truth.delete(segment)
            return Answer(None, 204)
        if match["edge"] is None and call.method == "POST":
            if call.headers.get("x-restli-method", "").upper() != "PARTIAL_UPDATE":
                raise invalid("A partial update needs the header X-RestLi-Method: PARTIAL_UPDATE", "PARAM_INVALID")
            return self._segments.update(segment, call.body)
        raise RestError(405, "METHOD_NOT_ALLOWED", f"{call.method} is not supported here")

    def _all_segments(self, call: Call, user_id: str) -> Answer:
        if call.method == "POST":
            body = call.body if isinstance(call.body, dict) else {}
            if body.get("account"):
                self._allow(urn_id(body["account"], "sponsoredAccount"), user_id, write=True)
            made = self._segments.create(call.body)
            return Answer(None, 201, {"x-restli-id": made.id, "x-linkedin-id": made.id, "location": f"/dmpSegments/{made.id}"})
        if call.method != "GET" or call.params.get("q") != "account":
            raise invalid("The finder q=account is required", "QUERY_PARAM_NOT_ALLOWED")
        account_id = urn_id(call.params.get("account"), "sponsoredAccount")
        self._allow(account_id, user_id, write=False)
        return Answer(self._segments.find(account_id, call.params))

    def _stream(self, call: Call, segment: Audience, kind: str, user_id: str) -> Answer:
        body = call.body if isinstance(call.body, dict) else {}
        if call.headers.get("x-restli-method", "").upper() == "BATCH_CREATE":
            return Answer(self._segments.stream(segment, kind, body.get("elements"), user_id))
        if "elements" in body:
            raise invalid("Unrecognized field found but not allowed: /elements (X-RestLi-Method: BATCH_CREATE is missing)")
        answer = self._segments.stream(segment, kind, [body], user_id)["elements"][0]
        if answer["status"] != 201:
            raise invalid(answer["error"]["message"])
        return Answer(None, 201)

    def _allow(self, account_id: str, user_id: str, *, write: bool) -> None:
        """Raises RestError when this person may not read, or change, audiences of the account now."""
        account = self.accounts.get(account_id)
        if account is None or account not in self.reachable(user_id) or user_id not in account.writers:
            raise denied(f"Member does not have permission to manage audiences of urn:li:sponsoredAccount:{account_id}")
        if write and not self.is_active(account):
            raise denied(f"urn:li:sponsoredAccount:{account_id} is not active")
        if write and not self.has_accepted(account):
            raise denied(f"The Matched Audiences terms are not accepted for urn:li:sponsoredAccount:{account_id}")

    # ── ad accounts and campaigns, read only ──

    def _account_users(self, call: Call, user_id: str) -> Json:
        rows = [self._role(a, user_id) for a in self.reachable(user_id)]
        if key := call.path.removeprefix("adAccountUsers").strip("/"):
            asked = decode(key)
            wanted = (asked.get("account"), asked.get("user")) if isinstance(asked, dict) else (None, None)
            for row in rows:
                if (row["account"], row["user"]) == wanted:
                    return row
            raise not_found("No ad account user found for this key")
        if call.params.get("q") != "authenticatedUser":
            raise invalid("The finder q=authenticatedUser is required", "QUERY_PARAM_NOT_ALLOWED")
        return page(rows, call.params)

    @staticmethod
    def _role(account: Account, user_id: str) -> Json:
        role = "VIEWER"
        if user_id in account.writers:
            role = "ACCOUNT_MANAGER" if user_id == account.writers[0] else "CAMPAIGN_MANAGER"
        stamp = {"actor": "urn:li:unknown:0", "time": 1_700_000_000_000}
        return {
            "account": f"urn:li:sponsoredAccount:{account.id}",
            "user": f"urn:li:person:{_member(user_id)}",
            "role": role,
            "changeAuditStamps": {"created": stamp, "lastModified": stamp},
            "version": {"versionTag": "1"},
        }

    def _entity(self, account: Account) -> Json:
        return {
            "id": int(account.id),
            "name": account.name,
            "reference": "urn:li:organization:77001",
            "type": "BUSINESS",
            "status": "ACTIVE" if self.is_active(account) else "CANCELED",
            "servingStatuses": ["RUNNABLE"] if self.is_active(account) else ["STOPPED"],
            "currency": "EUR",
            "test": False,
        }

    def _accounts(self, call: Call, user_id: str) -> Json:
        mine = {a.id: self._entity(a) for a in self.reachable(user_id)}
        if account_id := call.path.partition("/")[2]:
            if account_id not in mine:
                raise denied(f"Not enough permissions to access: adAccounts.GET.{account_id}")
            return mine[account_id]
        if "ids" in call.params:
            ids = call.params["ids"] if isinstance(call.params["ids"], list) else [call.params["ids"]]
            return {"results": {i: mine[i] for i in ids if i in mine}, "statuses": {}, "errors": {}}
        if call.params.get("q") != "search":
            raise invalid("The finder q=search is required", "QUERY_PARAM_NOT_ALLOWED")
        rows = [row for row in mine.values() if _matches(row, call.params.get("search", {}))]
        return _projected(token_page(rows, call.params), call)

    def _campaigns(self, call: Call, user_id: str) -> Json:
        account = self.accounts.get(call.path.split("/")[1])
        if account is None or account not in self.reachable(user_id):
            raise denied("Not enough permissions to access: adCampaigns.FINDER-search")
        rows = []
        for campaign in campaigns(account):
            made = self.truth.of_account(account.id)
            within = [f"urn:li:adSegment:{ad_segment_id(a)}" for a in made if campaign.targets(a.number)]
            without = [f"urn:li:adSegment:{ad_segment_id(a)}" for a in made if campaign.excludes(a.number)]
            criteria: Json = {"include": {"and": [{"or": {"urn:li:adTargetingFacet:locations": ["urn:li:geo:105646813"]}}]}}
            if within:
                criteria["include"]["and"].append({"or": {FACET: within}})
            if without:
                criteria["exclude"] = {"or": {FACET: without}}
            rows.append(
                {
                    "id": int(campaign.id),
                    "name": campaign.name,
                    "status": "ACTIVE" if campaign.running else "PAUSED",
                    "servingStatuses": ["RUNNABLE"] if campaign.running else ["STOPPED"],
                    "account": f"urn:li:sponsoredAccount:{account.id}",
                    "type": "SPONSORED_UPDATES",
                    "targetingCriteria": criteria,
                }
            )
        rows = [row for row in rows if _matches(row, call.params.get("search", {}))]
        return _projected(token_page(rows, call.params), call)

    def _ad_segments(self, call: Call, user_id: str) -> Json:
        if segment_id := call.path.partition("/")[2]:
            segment = self._segments.get(segment_of(segment_id))
            if self.accounts.get(segment.account_id) not in self.reachable(user_id):
                raise denied("Not enough permissions to access: adSegments.GET")
            return self._ad_segment(segment)
        asked = call.params.get("accounts")
        if call.params.get("q") != "accounts" or not isinstance(asked, list):
            raise invalid("The finder q=accounts with a list of accounts is required", "QUERY_PARAM_NOT_ALLOWED")
        ids = {urn_id(urn, "sponsoredAccount") for urn in asked}
        mine = [a for a in self.reachable(user_id) if a.id in ids]
        return page([self._ad_segment(s) for a in mine for s in self.truth.of_account(a.id)], call.params)

    def _ad_segment(self, segment: Audience) -> Json:
        destination = self._segments.destination(segment)
        return {
            "id": int(ad_segment_id(segment)),
            "account": f"urn:li:sponsoredAccount:{segment.account_id}",
            "name": segment.name,
            "description": segment.fields.get("description", ""),
            "approximateMemberCount": destination.get("audienceSize", 0),
            "status": destination["status"],
            "type": "MATCHED_AUDIENCE" if segment.fields["type"] == "USER" else "MATCHED_COMPANIES",
        }


def _matches(row: Json, search: Any) -> bool:
    """Whether a row has what `search=(status:(values:List(ACTIVE)),test:false)` asks for."""
    if not isinstance(search, dict):
        raise invalid("search must be an object", "PARAM_INVALID")
    for field, wanted in search.items():
        have = row.get(field)
        values = wanted.get("values", []) if isinstance(wanted, dict) else [wanted]
        told = str(have).lower() if isinstance(have, bool) else str(have)
        urn = f"urn:li:sponsored{'Campaign' if 'targetingCriteria' in row else 'Account'}:{have}"
        if told not in values and urn not in values:
            return False
    return True


def _projected(found: Json, call: Call) -> Json:
    """Only the asked `fields`."""
    if fields := str(call.params.get("fields", "")):
        chosen = set(fields.split(","))
        found["elements"] = [{k: v for k, v in row.items() if k in chosen} for row in found["elements"]]
    return found


def _member(user_id: str) -> str:
    """The person's id on LinkedIn."""
    return f"li{user_id[1:].lower()}"
