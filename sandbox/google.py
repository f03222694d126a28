"""A stand-in for Google's audiences: the Data Manager API, what the Google Ads API reads, and Google's sign-in, over REST.

Below `/google` stand the paths of all their hosts: `/google/v1/…` of datamanager.googleapis.com, `/google/vN/customers…` of
googleads.googleapis.com (any N), `/google/o/oauth2/v2/auth` of accounts.google.com, `/google/token`, `/google/revoke` and
`/google/tokeninfo` of oauth2.googleapis.com. So a program needs one base address for all of them. gRPC is not served.

Written from the pages and the protocol buffers of the Data Manager API v1 and the Google Ads API v26. Its asynchronous work is
unkind, as Google's is: a removal takes a whole pace, an addition half of one, in whatever order they were sent; who adds again
before a removal has ended loses the member. Quotas count for the whole project, reads and writes apart.
"""

import re
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from sandbox.google_ads import PAGE, Ads
from sandbox.google_errors import AdsError, DataError, Violation, bad, denied, exhausted, missing_scope, unauthenticated
from sandbox.google_lists import Lists
from sandbox.google_login import ACCESS_S, ADS, DATA, LONG_PROFILE, SCOPES, Login
from sandbox.google_members import KEYS, Rows, normal, read
from sandbox.google_proto import enum, instant, known
from sandbox.google_requests import Part, Requests, part_of
from sandbox.platforms.accounts import Account
from sandbox.platforms.identifiers import Identifiers
from sandbox.platforms.platform import Answer, Call, Json, Platform, Refusal
from sandbox.platforms.truth import Audience, Change, Habits
from sandbox.world import World

PER_MINUTE, PER_DAY = 300, {"Ingestion": 100_000, "UserList": 50_000}
MOST_DESTINATIONS = 10
PREFIX = "61000000"
LISTS = re.compile(r"accountTypes/GOOGLE_ADS/accounts/(?P<account>\d+)/userLists(?:/(?P<id>\d+))?\Z")
CUSTOMER = re.compile(r"customers/(?P<id>\d+)/googleAds:(?P<verb>search|searchStream)\Z")
BODIES = {
    "ingest": ("destinations", "audienceMembers", "consent", "validateOnly", "encoding", "encryptionInfo", "termsOfService"),
    "remove": ("destinations", "audienceMembers", "validateOnly", "encoding", "encryptionInfo"),
    "removeAll": ("destinations", "removeAsOfTime", "validateOnly"),
}


class Google(Platform):
    """The stand-in."""

    name = "google"
    scopes = SCOPES

    def __init__(self, world: World, *, now: Callable[[], float] = time.time) -> None:
        habits = Habits(add=0.5, remove=1.0, ordered=False)
        super().__init__(world, account_prefix=PREFIX, first_audience=7_350_000_000, token_lives_s=ACCESS_S, habits=habits)
        working = tuple(p.id for p in world.people if p.role in ("primary_admin", "abm_admin", "marketing_user"))
        manager = Account(f"{PREFIX}90", "Acme Holding (manager)", working, manager=True)
        below = Account(f"{PREFIX}91", "Acme Nordics", working, through=manager.id)
        self.accounts |= {a.id: a for a in (manager, below)}
        self._now = now
        self._login, self._lists = Login(world, self.grants), Lists(self.truth)
        self._requests = Requests(world.data / self.name / "requests.ndjson", now=now)
        self._ads = Ads(world, self.truth, self.accounts, self.is_active)
        self._quota: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def routes(self) -> list[BaseRoute]:
        """Everything below `/google`."""
        return [
            Route("/google/o/oauth2/v2/auth", self._login.page, methods=["GET", "POST"]),
            Route("/google/{path:path}", self.serve, methods=["GET", "POST", "PATCH", "DELETE"]),
        ]

    def identifier(self, kind: str, clear: str) -> bytes | None:
        """See `sandbox/google_members.py`."""
        return normal(kind, clear)

    # ── the request ──

    async def read(self, request: Request) -> Call:
        """Path, query and a body in JSON; a form for the token endpoints."""
        path, body = request.path_params["path"].strip("/"), await request.body()
        params: Json = dict(request.query_params)
        if path in ("token", "revoke", "tokeninfo"):
            return Call(request.method, path, request.headers, params | dict(parse_qsl(body.decode(errors="replace"))))
        version = re.match(r"(v\d+)/", path)
        try:
            parsed = orjson.loads(body) if body.strip() else {}
        except orjson.JSONDecodeError as error:
            raise DataError("INVALID_ARGUMENT", "Invalid JSON payload received. Unexpected token.") from error
        rest = path[version.end() :] if version else path
        return Call(request.method, rest, request.headers, params, parsed, version=version[1] if version else "")

    def endpoint(self, call: Call) -> str:
        """Such as `POST audienceMembers:ingest`."""
        return f"{call.method} {re.sub(r'(?<=/)[0-9]+', '{id}', call.path)}"

    def account_of(self, call: Call) -> str | None:
        """The account in the path, or of the first destination."""
        if match := LISTS.match(call.path) or CUSTOMER.match(call.path):
            return match[1]
        try:
            return str(call.body["destinations"][0]["operatingAccount"]["accountId"])
        except (TypeError, KeyError, IndexError):
            return None

    def failing(self, strike: str) -> Refusal:
        """Google's words for an outage and for a quota that is used up."""
        if strike == "rate_limited":
            return exhausted("IngestionMutateRequestsPerMinutePerProject")
        return DataError("INTERNAL", "Internal error encountered.", reason="INTERNAL_ERROR")

    def answer(self, call: Call) -> Answer:
        """One request."""
        if call.path in ("token", "revoke", "tokeninfo"):
            return self._sign_in(call)
        user_id, scopes = self._caller(call)
        if call.path == "oauth2/v3/userinfo":
            if not {"openid", "email", "profile", *LONG_PROFILE} & set(scopes):
                raise missing_scope()
            return Answer(self._login.userinfo(user_id))
        if call.path.startswith("customers"):
            if ADS not in scopes:
                raise missing_scope()
            return Answer(self._ads_answer(call, user_id))
        if call.version != "v1":
            raise DataError("NOT_FOUND", "Requested entity was not found.", reason="NOT_FOUND")
        if DATA not in scopes:
            raise missing_scope()
        return Answer(self._data_answer(call, user_id))

    def _sign_in(self, call: Call) -> Answer:
        if call.path == "tokeninfo":
            return Answer(self._login.inspect(call.params))
        if call.method != "POST":
            raise DataError("NOT_FOUND", "Requested entity was not found.", reason="NOT_FOUND")
        return Answer(self._login.revoke(call.params) if call.path == "revoke" else self._login.token(call.params, call.headers))

    def _caller(self, call: Call) -> tuple[str, tuple[str, ...]]:
        value = call.bearer()
        token, state = self.grants.state(value)
        if token is None or state != "good":
            raise unauthenticated(
                "CREDENTIALS_MISSING" if not value else "ACCESS_TOKEN_EXPIRED" if token else "ACCESS_TOKEN_TYPE_UNSUPPORTED"
            )
        return token.user_id, token.scopes

    def _spend(self, service: str, *, write: bool) -> None:
        """Counts a call against the project's quotas. Raises DataError when one is used up."""
        kind = "Mutate" if write else "Read"
        with self._lock:
            now = self._now()
            calls = self._quota.setdefault(f"{service}{kind}", deque())
            while calls and calls[0] < now - 86_400:
                calls.popleft()
            if len(calls) >= PER_DAY[service]:
                raise exhausted(f"{service}{kind}RequestsPerDayPerProject")
            if len(calls) >= PER_MINUTE and calls[-PER_MINUTE] > now - 60:
                raise exhausted(f"{service}{kind}RequestsPerMinutePerProject")
            calls.append(now)

    # ── who may do what ──

    def _reach(self, user_id: str, account_id: str, login_id: str | None) -> Account | None:
        """The account, when this person reaches it: directly, or through the manager who is named as the login account."""
        mine = {a.id: a for a in self.reachable(user_id)}
        account, login = mine.get(account_id), mine.get(login_id or account_id)
        if account is None or login is None:
            return None
        if login.id == account.id:
            return account if account.through is None else None
        return account if login.manager and account.through == login.id else None

    def _allow(self, user_id: str, account_id: str, login_id: str | None, *, write: bool) -> Account:
        """Raises DataError when this person may not read, or change, audiences of the account now."""
        account = self._reach(user_id, account_id, login_id)
        if account is None or account.manager:
            raise denied("The caller does not have permission to the operating account.")
        if write and user_id not in account.writers:
            raise denied("The caller has read-only access to the operating account.")
        if write and not self.is_active(account):
            raise denied("The operating account is not enabled.")
        if write and not self.has_accepted(account):
            raise denied("The Customer Match terms are not signed in this account.", "TERMS_AND_CONDITIONS_NOT_SIGNED")
        return account

    # ── Data Manager ──

    def _data_answer(self, call: Call, user_id: str) -> Json:
        if match := LISTS.match(call.path):
            self._spend("UserList", write=call.method != "GET")
            return self._user_lists(call, user_id, match["account"], match["id"])
        if call.path == "requestStatus:retrieve" and call.method == "GET":
            self._spend("Ingestion", write=False)
            return self._requests.status(str(call.params.get("requestId") or call.params.get("request_id", "")))
        resource, _, verb = call.path.partition(":")
        if resource == "audienceMembers" and verb in BODIES and call.method == "POST":
            self._spend("Ingestion", write=True)
            return self._members(verb, known(call.body, BODIES[verb]), user_id)
        raise DataError("NOT_FOUND", "Requested entity was not found.", reason="NOT_FOUND")

    def _user_lists(self, call: Call, user_id: str, account_id: str, list_id: str | None) -> Json:
        header = call.headers.get("login-account", "")
        login = re.fullmatch(r"accountTypes/GOOGLE_ADS/accounts/(\d+)", header)
        if header and login is None:
            raise bad(Violation("login-account", "INVALID_RESOURCE_NAME", "accountTypes/{type}/accounts/{id} is needed"))
        self._allow(user_id, account_id, login[1] if login else None, write=call.method != "GET")
        only = str(call.params.get("validateOnly", "")).lower() == "true"
        if list_id is None:
            if call.method == "POST":
                return self._lists.create(account_id, call.body, validate_only=only)
            if call.method == "GET":
                return self._lists.page(account_id, call.params)
            raise DataError("NOT_FOUND", "Requested entity was not found.", reason="NOT_FOUND")
        found = self._lists.get(account_id, list_id)
        if call.method == "PATCH":
            return self._lists.update(found, call.body, str(call.params.get("updateMask", "")), validate_only=only)
        if call.method == "DELETE":
            if not only:
                self.truth.delete(found)
            return {}
        return self._lists.entity(found)

    def _members(self, verb: str, body: Json, user_id: str) -> Json:
        targets = self._destinations(body, user_id)
        before = self._demo_time()
        if verb == "removeAll":
            if "removeAsOfTime" in body:
                asked = instant(body["removeAsOfTime"], "remove_as_of_time")
                if asked > before + 1:
                    raise bad(Violation("remove_as_of_time", "INVALID_REMOVE_AS_OF_TIME", "The time lies in the future"))
                before = asked
            rows: list[Rows] = []
        else:
            if verb == "ingest":
                self._check_terms(body)
            if "encryptionInfo" in body:
                raise bad(Violation("encryption_info", "INVALID_ARGUMENT", "The key of the encryption cannot be used"))
            rows = read(body, consent=verb == "ingest")
            for some in rows:
                if strange := some.references - {reference for reference, _, _ in targets}:
                    said = f"No destination has the reference {sorted(strange)[0][:40]!r}"
                    raise bad(
                        Violation("audience_members.audience_members[0].destination_references", "INVALID_DESTINATION", said)
                    )
            if any(found.fields["uploadKeyTypes"] != [KEYS[some.kind]] for _, _, found in targets for some in rows):
                said = "The user list does not take this kind of data"
                raise bad(Violation("destinations.destinations[0].product_destination_id", "INVALID_USER_LIST_TYPE", said))
        request_id = self._requests.new_id()
        if body.get("validateOnly") is not True:
            parts: list[Part] = []
            for reference, destination, found in targets:
                chosen = [some for some in rows if not some.references or reference in some.references]
                received, refused = sum(r.count for r in chosen), sum(sum(r.denied.values()) for r in chosen)
                for reason, count in (item for some in chosen for item in some.denied.items()):
                    self.truth.reject(reason, count)
                due = self.truth.change(
                    found, self._change(verb, chosen, before), received=received, rejected=refused, request_id=request_id
                )
                parts.append(part_of(destination, chosen, due))
            self._requests.keep(request_id, verb, parts)
        return {"requestId": request_id}

    def _change(self, verb: str, rows: list[Rows], before: float) -> Change:
        everybody = rows[0].identifiers if rows else Identifiers()
        for some in rows[1:]:
            everybody |= some.identifiers
        action = {"ingest": "add", "remove": "remove", "removeAll": "forget"}[verb]
        return Change(action, everybody, self._demo_time(), before)

    def _demo_time(self) -> float:
        """The present with what the demo's clock was moved forward: a program that keeps to that clock names such times."""
        path = self.world.data / "clock"
        return self._now() + (float(path.read_text()) if path.exists() else 0.0)

    @staticmethod
    def _check_terms(body: Json) -> None:
        path = "terms_of_service.customer_match_terms_of_service_status"
        terms = known(body.get("termsOfService") or {}, ("customerMatchTermsOfServiceStatus",), "terms_of_service")
        status = enum("terms", terms.get("customerMatchTermsOfServiceStatus"), path)
        if status == "TERMS_OF_SERVICE_STATUS_UNSPECIFIED":
            raise bad(Violation(path, "REQUIRED_FIELD_MISSING", "The field is required"))
        if status != "ACCEPTED":
            raise bad(Violation(path, "TERMS_AND_CONDITIONS_NOT_SIGNED", "The Customer Match terms must be accepted"))

    def _destinations(self, body: Json, user_id: str) -> list[tuple[str, Json, Audience]]:
        """The reference, the message and the list of each destination. Raises DataError."""
        given = body.get("destinations")
        if not isinstance(given, list) or not given:
            raise bad(Violation("destinations", "REQUIRED_FIELD_MISSING", "The field is required"))
        if len(given) > MOST_DESTINATIONS:
            raise bad(Violation("destinations", "TOO_MANY_DESTINATIONS", f"At most {MOST_DESTINATIONS} destinations"))
        found = []
        for n, one in enumerate(given):
            path = f"destinations.destinations[{n}]"
            names = ("reference", "loginAccount", "linkedAccount", "operatingAccount", "productDestinationId")
            destination = known(one, names, path)
            account_id = self._account_id(destination.get("operatingAccount"), f"{path}.operating_account")
            if account_id is None:
                raise bad(Violation(f"{path}.operating_account", "REQUIRED_FIELD_MISSING", "The field is required"))
            login_id = self._account_id(destination.get("loginAccount"), f"{path}.login_account")
            list_id = str(destination.get("productDestinationId") or "")
            if not list_id.isdigit():
                reason = "INVALID_NUMBER_FORMAT" if list_id else "REQUIRED_FIELD_MISSING"
                raise bad(Violation(f"{path}.product_destination_id", reason, "The numeric id of a user list is needed"))
            self._allow(user_id, account_id, login_id, write=True)
            audience = self.truth.get(list_id)
            if audience is None or audience.account_id != account_id:
                said = "There is no such user list in the operating account"
                raise bad(Violation(f"{path}.product_destination_id", "INVALID_USER_LIST_ID", said))
            found.append((str(destination.get("reference") or ""), destination, audience))
        references = [reference for reference, _, _ in found if reference]
        if len(set(references)) < len(references):
            raise bad(Violation("destinations", "DUPLICATE_DESTINATION_REFERENCE", "References must differ"))
        return found

    @staticmethod
    def _account_id(message: Any, path: str) -> str | None:
        if not message:
            return None
        account = known(message, ("accountType", "product", "accountId"), path)
        kind = enum("account", account.get("accountType") or account.get("product"), f"{path}.account_type")
        if kind != "GOOGLE_ADS":
            raise bad(Violation(f"{path}.account_type", "INVALID_DESTINATION", "Only GOOGLE_ADS is served here"))
        if not str(account.get("accountId", "")).isdigit():
            raise bad(Violation(f"{path}.account_id", "INVALID_NUMBER_FORMAT", "Digits only, without hyphens"))
        return str(account["accountId"])

    # ── Google Ads ──

    def _ads_answer(self, call: Call, user_id: str) -> Any:
        if call.path == "customers:listAccessibleCustomers" and call.method == "GET":
            return {"resourceNames": [f"customers/{a.id}" for a in self.reachable(user_id) if a.through is None]}
        match = CUSTOMER.match(call.path)
        if match is None or call.method != "POST" or not isinstance(call.body, dict):
            raise DataError("NOT_FOUND", "Requested entity was not found.", reason="NOT_FOUND", domain="googleapis.com")
        login_id = call.headers.get("login-customer-id") or None
        account = self._reach(user_id, match["id"], login_id)
        if account is None:
            said = (
                "User doesn't have permission to access customer. Note: If you're accessing a client customer, the manager's"
                " customer id must be set in the 'login-customer-id' header."
            )
            raise AdsError("PERMISSION_DENIED", "authorizationError", "USER_PERMISSION_DENIED", said, version=call.version)
        rows, mask = self._ads.search(account, call.body.get("query"), call.version)
        if match["verb"] == "searchStream":
            return [{"results": rows, "fieldMask": mask, "requestId": self._requests.new_id()}] if rows else []
        start = str(call.body.get("pageToken") or "0")
        if not start.isdigit():
            raise AdsError(
                "INVALID_ARGUMENT", "requestError", "INVALID_PAGE_TOKEN", "Page token is invalid.", version=call.version
            )
        page: Json = {"results": rows[int(start) : int(start) + PAGE], "fieldMask": mask}
        if int(start) + PAGE < len(rows):
            page["nextPageToken"] = str(int(start) + PAGE)
        return page
