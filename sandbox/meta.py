"""A stand-in for Meta's Marketing API (`/meta/vN.M/…`, any version) and its consent dialog (`/meta/vN.M/dialog/oauth`).

Written from Meta's pages on Custom Audiences, Custom Audience Users, Ad Account, Marketing API error codes, Rate Limiting and
the login flow. Parameters are merged from query, form, multipart and JSON, as the Graph API takes them; a POST may say
`method=DELETE`; every answer is JSON. One Graph object for each node: `me`, ad accounts, custom audiences
(`sandbox/meta_audiences.py`).
"""

import re
import secrets
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from sandbox import meta_errors as errors
from sandbox.meta_audiences import Audiences
from sandbox.meta_errors import GraphError
from sandbox.meta_fields import AUDIENCE, as_json, filtered, paged, select
from sandbox.meta_login import LONG_S, SCOPES, Login, person_number
from sandbox.meta_members import MAX_ROWS, normal
from sandbox.meta_usage import Usage
from sandbox.platforms.accounts import Account, Campaign, campaigns
from sandbox.platforms.platform import Answer, Call, Json, Platform, Refusal
from sandbox.platforms.truth import Audience
from sandbox.world import World

MOST_AUDIENCES = 500
MOST_IN_BATCH = 50
LARGEST_PART = 64 << 20
VERSION = re.compile(r"v\d+\.\d+(/|$)")


class Meta(Platform):
    """The stand-in."""

    name = "meta"
    scopes = SCOPES

    def __init__(self, world: World, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(world, account_prefix="4200", first_audience=120_300_000, token_lives_s=LONG_S)
        self._login, self._audiences, self._usage = Login(world, self.grants), Audiences(self.truth, now=now), Usage()

    def routes(self) -> list[BaseRoute]:
        """Everything below `/meta`."""
        return [
            Route("/meta/{version}/dialog/oauth", self._login.dialog, methods=["GET", "POST"]),
            Route("/meta/dialog/oauth", self._login.dialog, methods=["GET", "POST"]),
            Route("/meta/{path:path}", self.serve, methods=["GET", "POST", "DELETE"]),
        ]

    def identifier(self, kind: str, clear: str) -> bytes | None:
        """See `sandbox/meta_members.py`."""
        return normal(kind, clear)

    # ── the request ──

    async def read(self, request: Request) -> Call:
        """Merges the parameters; `method=DELETE` in them is the method."""
        path = VERSION.sub("", request.path_params["path"], count=1).strip("/")
        params: Json = dict(request.query_params)
        kind = request.headers.get("content-type", "")
        if request.method != "GET":
            if "multipart" in kind:
                async with request.form(max_part_size=LARGEST_PART) as form:
                    params |= {k: v if isinstance(v, str) else (await v.read()).decode() for k, v in form.items()}
            elif body := await request.body():
                params |= _body(body, kind)
        method = "DELETE" if str(params.get("method", "")).upper() == "DELETE" else request.method
        return Call(method, path, request.headers, params)

    def endpoint(self, call: Call) -> str:
        """Such as `POST {id}/users`."""
        path = re.sub(r"^act_\d+", "act_{id}", call.path)
        return f"{call.method} {re.sub(r'^[0-9]+', '{id}', path) or '/'}"

    def account_of(self, call: Call) -> str | None:
        """The account in the path, or that of the audience in the path."""
        first = call.path.split("/", 1)[0]
        if first.startswith("act_"):
            return first.removeprefix("act_")
        audience = self.truth.audiences.get(first)
        return audience.account_id if audience else None

    def failing(self, strike: str) -> Refusal:
        """Meta's words for an outage and for too many calls."""
        if strike == "rate_limited":
            return errors.throttled()
        return GraphError(2, "An unexpected error has occurred. Please retry your request later.", status=500)

    def trimmings(self, call: Call, account_id: str | None, strike: str | None) -> Json:
        """Trace ids, and how much of the limits is used."""
        headers = {
            "x-fb-trace-id": secrets.token_hex(6),
            "x-fb-request-id": secrets.token_urlsafe(12),
            "facebook-api-version": "v26.0",
        }
        if account_id:
            active = sum(a.account_id == account_id and not a.deleted for a in list(self.truth.audiences.values()))
            headers |= self._usage.headers(account_id, active, throttled=strike == "rate_limited")
        return headers

    def answer(self, call: Call) -> Answer:
        """One request, or a batch of them."""
        if call.path == "oauth/access_token":
            return Answer(self._login.exchange(call.params))
        if call.path == "debug_token":
            return Answer({**self._login.debug(call.params)})
        if call.path == "" and call.method == "POST" and "batch" in call.params:
            return Answer(self._batch(call))
        account_id = self.account_of(call)
        if account_id and not self._usage.spend(account_id, write=call.method != "GET"):
            raise errors.too_much()
        return Answer(self._graph(call))

    def _batch(self, call: Call) -> list[Json]:
        asked = as_json(call.params["batch"])
        if not isinstance(asked, list) or len(asked) > MOST_IN_BATCH:
            raise GraphError(100, f"Too many requests in batch message. Maximum batch size is {MOST_IN_BATCH}")
        answers = []
        for one in asked:
            path, _, query = str(one.get("relative_url", "")).partition("?")
            params = {"access_token": self._token(call)} | dict(parse_qsl(query)) | dict(parse_qsl(str(one.get("body", ""))))
            part = Call(str(one.get("method", "GET")).upper(), VERSION.sub("", path.strip("/"), count=1), call.headers, params)
            try:
                answer = self.answer(part)
            except Refusal as refusal:
                answer = refusal.answer
            answers.append({"code": answer.status, "headers": [], "body": orjson.dumps(answer.body).decode()})
        return answers

    @staticmethod
    def _token(call: Call) -> str:
        return str(call.params.get("access_token") or call.bearer())

    # ── the graph ──

    def _graph(self, call: Call) -> Any:
        user_id, scopes = self._login.caller(self._token(call), call.params)
        node, _, edge = call.path.partition("/")
        if node == "me" or node == person_number(user_id):
            return self._me(user_id, call, edge)
        if not {"ads_management", *(("ads_read",) if call.method == "GET" else ())} & set(scopes):
            said = "(#294) Managing advertisements requires an access token with the extended permission ads_management"
            raise GraphError(294, said, status=403)
        if node.startswith("act_"):
            return self._account(user_id, call, node.removeprefix("act_"), edge)
        audience = self.truth.get(node)
        account = self.accounts.get(audience.account_id) if audience else None
        if audience is None or account is None or account not in self.reachable(user_id):
            raise errors.missing_object(call.method, node)
        self._allow(account, user_id, write=call.method != "GET")
        return self._audience(audience, account, call, edge, may_edit=user_id in account.writers)

    def _allow(self, account: Account, user_id: str, *, write: bool) -> None:
        """Raises GraphError when this person may not do that in this account now."""
        if not write:
            return
        if user_id not in account.writers:
            raise errors.no_write()
        if not self.is_active(account):
            raise errors.disabled()
        if not self.has_accepted(account):
            raise errors.terms(account.id)

    def _me(self, user_id: str, call: Call, edge: str) -> Json:
        person = next(p for p in self.world.people if p.id == user_id)
        if not edge:
            row = {"id": person_number(user_id), "name": person.name, "email": person.email}
            return select(row, call.params.get("fields") or "id,name", node="User")
        if edge.partition("/")[0] == "permissions":
            if call.method == "DELETE":
                self.grants.revoke(user_id=user_id)
                return {"success": True}
            return {"data": self._login.permissions(user_id)}
        if edge == "adaccounts":
            fields = call.params.get("fields") or "account_id"
            rows = [select(self._fields_of(a, user_id), fields, node="AdAccount") for a in self.reachable(user_id)]
            return self._page(filtered(rows, call.params.get("filtering")), call)
        raise errors.no_such_field(edge, "User")

    def _fields_of(self, account: Account, user_id: str) -> Json:
        writes = user_id in account.writers
        fields: Json = {
            "id": f"act_{account.id}",
            "account_id": account.id,
            "name": account.name,
            "account_status": 1 if self.is_active(account) else 2,
            "disable_reason": 0 if self.is_active(account) else 1,
            "user_tasks": ["DRAFT", "ANALYZE", "ADVERTISE"] if writes else ["ANALYZE"],
            "capabilities": ["CAN_USE_REACH_AND_FREQUENCY"],
            "business": {"id": "77001", "name": "Acme"},
            "currency": "EUR",
            "timezone_name": "Europe/Madrid",
        }
        if self.has_accepted(account):
            fields["tos_accepted"] = {"custom_audience_tos": 1}
            fields["user_tos_accepted"] = {"custom_audience_tos": 1}
        return fields

    def _account(self, user_id: str, call: Call, account_id: str, edge: str) -> Any:
        account = self.accounts.get(account_id)
        if account is None or account not in self.reachable(user_id):
            raise errors.no_account()
        self._allow(account, user_id, write=call.method != "GET")
        if not edge:
            return select(self._fields_of(account, user_id), call.params.get("fields") or "account_id", node="AdAccount")
        if edge == "customaudiences":
            return self._create(account, call) if call.method == "POST" else self._list(account, call)
        if edge == "usersofanyaudience" and call.method == "DELETE":
            answers = [self._audiences.users(a, "remove", call.params) for a in self.truth.of_account(account.id)]
            return answers[-1] if answers else {"success": True}
        if edge in ("adsets", "campaigns", "ads"):
            rows = [self._ad_row(account, c, edge, self.truth.of_account(account.id)) for c in campaigns(account)]
            return self._ad_page(rows, call)
        raise errors.no_such_field(edge, "AdAccount")

    def _create(self, account: Account, call: Call) -> Json:
        params = call.params
        for needed in ("name", "customer_file_source"):
            if not params.get(needed):
                raise GraphError(100, f"(#100) Missing parameter(s): {needed}")
        if params.get("subtype", "CUSTOM") != "CUSTOM":
            raise GraphError(100, "(#100) Param subtype must be one of {CUSTOM}")
        sources = ("USER_PROVIDED_ONLY", "PARTNER_PROVIDED_ONLY", "BOTH_USER_AND_PARTNER_PROVIDED")
        if params["customer_file_source"] not in sources:
            raise GraphError(100, f"(#100) Param customer_file_source must be one of {{{', '.join(sources)}}}")
        if len(self.truth.of_account(account.id)) >= MOST_AUDIENCES:
            said = f"At most {MOST_AUDIENCES} custom audiences in an ad account."
            raise GraphError(2654, "(#2654) Failed to create custom audience", title="Too many audiences", said=said)
        fields = {"description": str(params.get("description", "")), "source": str(params["customer_file_source"])}
        return {"id": self.truth.create(account.id, str(params["name"]), fields).id}

    def _list(self, account: Account, call: Call) -> Json:
        rows = [self._audiences.fields(a) for a in self.truth.of_account(account.id)]
        rows = filtered(rows, call.params.get("filtering"))
        fields = call.params.get("fields")
        return self._page([select(r, fields, node="CustomAudience", known=AUDIENCE) for r in rows], call)

    def _audience(self, audience: Audience, account: Account, call: Call, edge: str, *, may_edit: bool) -> Any:
        params = call.params
        if not edge and call.method == "GET":
            row = self._audiences.fields(audience)
            row["permission_for_actions"] = {"can_edit": may_edit, "can_see_insight": True, "can_share": may_edit}
            return select(row, params.get("fields"), node="CustomAudience", known=AUDIENCE)
        if not edge and call.method == "POST":
            changed = {"description": str(params["description"])} if "description" in params else {}
            self.truth.update(audience, str(params["name"]) if params.get("name") else None, changed | {"updated": time.time()})
            return {"success": True}
        if not edge:
            self.truth.delete(audience)
            return {"success": True}
        if edge == "users" and call.method in ("POST", "DELETE"):
            return self._audiences.users(audience, "remove" if call.method == "DELETE" else "add", params)
        if edge == "usersreplace" and call.method == "POST":
            return self._audiences.replace(audience, params)
        if edge == "ads":
            rows = [self._ad_row(account, c, "ads", [audience]) for c in campaigns(account) if c.targets(audience.number)]
            return self._ad_page(rows, call)
        if edge == "sessions":
            return self._page(self._audiences.sessions(audience, str(params.get("session_id", ""))), call)
        raise errors.no_such_field(edge, "CustomAudience")

    # ── campaigns ──

    @staticmethod
    def _ad_row(account: Account, campaign: Campaign, edge: str, audiences: list[Audience]) -> Json:
        """A campaign, its only ad set or its only ad."""
        status = "ACTIVE" if campaign.running else "PAUSED"
        above = {
            "id": campaign.id,
            "name": campaign.name,
            "effective_status": status,
            "status": status,
            "objective": "OUTCOME_AWARENESS",
        }
        if edge == "campaigns":
            return above
        within = {"id": f"{campaign.id}1", "name": f"{campaign.name} · set", "effective_status": status, "status": status}
        if edge == "ads":
            return within | {"id": f"{campaign.id}7", "name": f"{campaign.name} · ad", "adset": within, "campaign": above}
        targeting: Json = {"geo_locations": {"countries": ["ES"]}}
        for key, uses in (("custom_audiences", campaign.targets), ("excluded_custom_audiences", campaign.excludes)):
            if chosen := [{"id": a.id, "name": a.name} for a in audiences if uses(a.number)]:
                targeting[key] = chosen
        return within | {"campaign": above, "campaign_id": campaign.id, "account_id": account.id, "targeting": targeting}

    def _ad_page(self, rows: list[Json], call: Call) -> Json:
        statuses = as_json(call.params.get("effective_status") or [])
        rows = [r for r in filtered(rows, call.params.get("filtering")) if not statuses or r["effective_status"] in statuses]
        return self._page([select(r, call.params.get("fields"), node="Ad") for r in rows], call)

    def _page(self, rows: list[Json], call: Call) -> Json:
        return paged(rows, call.params, f"{self.world.base_url}/meta/v26.0/{call.path}")


def _body(body: bytes, kind: str) -> Json:
    """A body in JSON or as a form; a form of megabytes is read at once, not sign by sign."""
    try:
        if "json" in kind:
            found = orjson.loads(body)
            return found if isinstance(found, dict) else {}
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    except (orjson.JSONDecodeError, UnicodeDecodeError) as error:
        raise GraphError(100, "(#100) The request body could not be read.") from error


__all__ = ["MAX_ROWS", "Meta"]
