"""A stand-in for Meta's Marketing API (`/meta/vN.M/…`, any version) and its consent dialog.

Written from Meta's pages on Custom Audiences, Custom Audience Users, Ad Account, Marketing API error codes and the login flow.
Parameters are merged from query, form, multipart and JSON, as the Graph API takes them; every answer is JSON.
"""

import asyncio
import re
import secrets
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.meta_members import MAX_ROWS, Refused, read_payload
from sandbox.platforms.accounts import Account, accounts, campaigns
from sandbox.platforms.consent import Asked, Grants, ask, back, who, wrong
from sandbox.platforms.truth import Audience, Truth
from sandbox.platforms.weather import SLOW_S, TIMEOUT_S, Weather
from sandbox.world import World

Json = dict[str, Any]
SCOPES = ("ads_management", "ads_read", "business_management", "public_profile", "email")
SIXTY_DAYS = 60 * 86_400
TOS_URL = "https://business.facebook.com/ads/manage/customaudiences/tos/?act={}"


class GraphError(Exception):
    """An error as the Graph API answers it."""

    def __init__(self, code: int, message: str, *, subcode: int = 0, status: int = 400, title: str = "", said: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {
            "message": message,
            "type": "OAuthException",
            "code": code,
            "is_transient": code in (1, 2, 4, 17, 32, 613, 80003),
            "fbtrace_id": secrets.token_urlsafe(8),
        }
        if subcode:
            self.body["error_subcode"] = subcode
        if title:
            self.body |= {"error_user_title": title, "error_user_msg": said}


class Meta:
    """The stand-in. `truth`, `grants` and `weather` are what the control interface reads and turns."""

    name = "meta"

    def __init__(self, world: World) -> None:
        folder = world.data / "meta"
        self.world, self.truth = world, Truth(folder)
        self.grants, self.weather = Grants(folder / "tokens.json"), Weather()
        self.accounts: dict[str, Account] = {a.id: a for a in accounts(world, "4200")}
        self._sessions: dict[tuple[str, str], Json] = {}

    def routes(self) -> list[BaseRoute]:
        """Everything below `/meta`."""
        return [Route("/meta/{path:path}", self.serve, methods=["GET", "POST", "DELETE"])]

    def scopes(self) -> tuple[str, ...]:
        """Every scope, for a token of the control interface."""
        return SCOPES

    async def serve(self, request: Request) -> Response:
        """One request, with the weather it meets."""
        path = re.sub(r"^v\d+\.\d+/", "", request.path_params["path"]).strip("/")
        if path == "dialog/oauth":
            return await self._dialog(request)
        params = await _parameters(request)
        method = "DELETE" if str(params.get("method", "")).upper() == "DELETE" else request.method
        endpoint = f"{method} {_pattern(path)}"
        account_id = self._account_of(path)
        strike = self.weather.strike(endpoint, account_id)
        if strike in ("timeout", "slow"):
            await self.weather.hang(TIMEOUT_S if strike == "timeout" else SLOW_S)
        if strike in ("timeout", "reset"):
            self.weather.count(endpoint, 0)
            return _Reset()
        try:
            if strike == "http_500":
                raise GraphError(2, "An unexpected error has occurred. Please retry your request later.", status=500)
            if strike == "rate_limited":
                raise GraphError(80003, "(#80003) There have been too many calls to this ad-account.", subcode=2446079)
            body: Json | bool = await asyncio.to_thread(self._answer, request, method, path, params)
            status = 200
        except GraphError as error:
            body, status = {"error": error.body}, error.status
        self.weather.count(endpoint, status)
        headers = {"x-fb-trace-id": secrets.token_hex(6)}
        if account_id:
            usage = {
                account_id: [
                    {
                        "type": "custom_audience",
                        "call_count": 1,
                        "total_cputime": 1,
                        "total_time": 1,
                        "estimated_time_to_regain_access": 0,
                    }
                ]
            }
            if strike == "rate_limited":
                usage[account_id][0] |= {"call_count": 100, "estimated_time_to_regain_access": 0}
            headers["x-business-use-case-usage"] = orjson.dumps(usage).decode()
        return Response(orjson.dumps(body), status, headers, media_type="application/json")

    # ── consent ──

    async def _dialog(self, request: Request) -> Response:
        query = request.query_params
        if request.method == "POST":
            form = await request.form()
            state, redirect = str(form.get("state", "")), str(form["redirect_uri"])
            user_id = str(form.get("as", ""))
            if form.get("decision") != "grant" or self.world.person(user_id) is None:
                return back(
                    redirect,
                    error="access_denied",
                    error_reason="user_denied",
                    error_description="Permissions error",
                    state=state,
                )
            scopes = tuple(str(s) for s in form.getlist("scope"))
            code = self.grants.code(user_id, (*scopes, "public_profile"), redirect, str(form["client_id"]), "")
            return back(redirect, code=code, state=state)
        if not query.get("client_id") or not query.get("redirect_uri"):
            return wrong("Invalid request", "The parameters client_id and redirect_uri are required.")
        asked = [s for s in re.split(r"[ ,]+", query.get("scope", "")) if s and s != "public_profile"]
        if unknown := [s for s in asked if s not in SCOPES]:
            return wrong("Invalid Scopes", f"Invalid Scopes: {', '.join(unknown)}. This message is only shown to developers.")
        fields = {k: query.get(k, "") for k in ("client_id", "redirect_uri", "state")}
        return ask(
            request,
            self.world,
            Asked(self.name, "Log in with Meta", asked, optional=True, action=request.url.path, fields=fields),
        )

    def _exchange(self, params: Json) -> Json:
        if not params.get("client_id") or not params.get("client_secret"):
            raise GraphError(101, "Missing client_id parameter.")
        if params.get("grant_type") == "fb_exchange_token":
            token, state = self.grants.state(str(params.get("fb_exchange_token", "")))
            if token is None or state != "good":
                raise GraphError(190, "Error validating access token.", subcode=463, status=400)
            new = self.grants.token(token.user_id, token.scopes, lives_s=SIXTY_DAYS, client_id=str(params["client_id"]))
        else:
            code = self.grants.spend(str(params.get("code", "")))
            if code is None:
                raise GraphError(100, "This authorization code has been used.", subcode=36009)
            if code.redirect_uri != params.get("redirect_uri"):
                raise GraphError(
                    100, "Error validating verification code. Please make sure your redirect_uri is identical.", subcode=36008
                )
            new = self.grants.token(code.user_id, code.scopes, lives_s=5_400, client_id=code.client_id)
        return {"access_token": new.value, "token_type": "bearer", "expires_in": int(new.expires - new.issued)}

    def _debug(self, params: Json) -> Json:
        token, state = self.grants.state(str(params.get("input_token", "")))
        if "|" not in str(params.get("access_token", "")) and self.grants.state(str(params.get("access_token", "")))[1] != "good":
            raise GraphError(190, "Invalid OAuth access token - Cannot parse access token", status=400)
        if token is None:
            return {"data": {"is_valid": False, "error": {"code": 190, "message": "Invalid OAuth access token."}, "scopes": []}}
        data: Json = {
            "app_id": token.client_id or "1",
            "type": "USER",
            "application": "segsync",
            "user_id": token.user_id,
            "is_valid": state == "good",
            "issued_at": int(token.issued),
            "expires_at": int(token.expires),
            "data_access_expires_at": int(token.issued + 90 * 86_400),
            "scopes": list(token.scopes),
        }
        if state != "good":
            data["error"] = {
                "code": 190,
                "message": "Error validating access token.",
                "subcode": 460 if state == "revoked" else 463,
            }
        return {"data": data}

    # ── the graph ──

    def _answer(self, request: Request, method: str, path: str, params: Json) -> Json | bool:
        if path == "oauth/access_token":
            return self._exchange(params)
        if path == "debug_token":
            return self._debug(params)
        user_id = self._caller(request, params)
        parts = path.split("/")
        if parts[0] == "me":
            return self._me(user_id, method, parts[1:], params)
        if parts[0].startswith("act_"):
            return self._account(user_id, method, parts, params)
        audience = self.truth.get(parts[0])
        if audience is None:
            raise GraphError(
                100,
                f"Unsupported {method.lower()} request. Object with ID '{parts[0]}' does not exist, cannot be loaded due to missing"
                " permissions, or does not support this operation.",
                subcode=33,
            )
        account = self._reach(user_id, audience.account_id, write=method != "GET")
        return self._audience(audience, account, method, parts[1:], params)

    def _caller(self, request: Request, params: Json) -> str:
        value = str(
            params.get("access_token") or request.headers.get("authorization", "").removeprefix("Bearer ").removeprefix("OAuth ")
        )
        token, state = self.grants.state(value)
        if not value:
            raise GraphError(2500, "An active access token must be used to query information about the current user.")
        if state == "revoked":
            said = "Error validating access token: The session has been invalidated because the user changed their password."
            raise GraphError(190, said, subcode=460, status=401)
        if state == "expired":
            raise GraphError(190, "Error validating access token: Session has expired.", subcode=463, status=401)
        if token is None:
            raise GraphError(190, "Invalid OAuth access token - Cannot parse access token", status=401)
        if "ads_management" not in token.scopes and "/act_" in request.url.path:
            raise GraphError(
                294,
                "(#294) Managing advertisements requires an access token with the extended permission ads_management",
                status=403,
            )
        return token.user_id

    def _me(self, user_id: str, method: str, edge: list[str], params: Json) -> Json | bool:
        person = next(p for p in self.world.people if p.id == user_id)
        if not edge:
            return {"id": str(9_000_000 + int(user_id[1:3])), "name": person.name}
        if edge[0] == "permissions":
            if method == "DELETE":
                self.grants.revoke(user_id=user_id)
                return {"success": True}
            granted = {s for t in self.grants.tokens.values() if t.user_id == user_id and not t.revoked for s in t.scopes}
            return {"data": [{"permission": s, "status": "granted"} for s in sorted(granted)]}
        if edge[0] == "adaccounts":
            rows = [
                self._account_fields(a, user_id)
                for a in self.accounts.values()
                if a.reaches(user_id) and not self.weather.state("access_lost", a.id)
            ]
            return _paged(rows, params)
        raise GraphError(100, f"(#100) Tried accessing nonexisting field ({edge[0]}) on node type (User)")

    def _account_fields(self, account: Account, user_id: str) -> Json:
        disabled = not account.active or self.weather.state("account_disabled", account.id)
        fields: Json = {
            "id": f"act_{account.id}",
            "account_id": account.id,
            "name": account.name,
            "account_status": 2 if disabled else 1,
            "user_tasks": ["ADVERTISE", "ANALYZE"] if user_id in account.writers else ["ANALYZE"],
            "capabilities": [],
            "business": {"id": "77001", "name": "Acme"},
        }
        if self._accepted(account):
            fields["tos_accepted"] = {"custom_audience_tos": 1}
        return fields

    def _accepted(self, account: Account) -> bool:
        return account.accepted and not self.weather.state("terms_not_accepted", account.id)

    def _reach(self, user_id: str, account_id: str, *, write: bool) -> Account:
        account = self.accounts.get(account_id)
        if account is None or not account.reaches(user_id) or self.weather.state("access_lost", account_id):
            raise GraphError(200, "(#200) Ad account owner has NOT grant ads_management or ads_read permission", status=403)
        if not write:
            return account
        if user_id not in account.writers:
            raise GraphError(
                2654,
                "(#2654) Failed to create custom audience",
                subcode=1713092,
                title="No Write Permission on This Ad Account",
                said="You don't have permission to create audiences in this ad account.",
            )
        if not account.active or self.weather.state("account_disabled", account_id):
            raise GraphError(
                368,
                "(#368) The action attempted has been deemed abusive or is otherwise disallowed",
                subcode=1404078,
                title="Ad account disabled",
                said="This ad account is disabled.",
            )
        if not self._accepted(account):
            raise GraphError(
                200,
                "(#200) Permissions error",
                subcode=1870090,
                title="Custom Audience Terms Not Accepted",
                said=f"Accept the terms at {TOS_URL.format(account_id)}",
            )
        return account

    def _account(self, user_id: str, method: str, parts: list[str], params: Json) -> Json:
        edge = parts[1] if len(parts) > 1 else ""
        account = self._reach(user_id, parts[0].removeprefix("act_"), write=method != "GET")
        if not edge:
            return self._account_fields(account, user_id)
        if edge == "customaudiences" and method == "POST":
            for needed in ("name", "customer_file_source"):
                if not params.get(needed):
                    raise GraphError(100, f"(#100) Missing parameter(s): {needed}")
            if params.get("subtype", "CUSTOM") != "CUSTOM":
                raise GraphError(100, "(#100) Param subtype must be one of {CUSTOM}")
            if len(self.truth.of_account(account.id)) >= 500:
                raise GraphError(
                    2654,
                    "(#2654) Failed to create custom audience",
                    title="Too many audiences",
                    said="At most 500 in an account.",
                )
            fields = {"description": str(params.get("description", "")), "source": str(params["customer_file_source"])}
            return {"id": self.truth.create(account.id, str(params["name"]), fields).id}
        if edge == "customaudiences":
            return _paged([self._fields(a, params) for a in self.truth.of_account(account.id)], params)
        if edge in ("adsets", "campaigns"):
            return _paged([self._adset(account, c.id) for c in campaigns(account)], params)
        raise GraphError(100, f"(#100) Tried accessing nonexisting field ({edge}) on node type (AdAccount)")

    def _adset(self, account: Account, campaign_id: str) -> Json:
        campaign = next(c for c in campaigns(account) if c.id == campaign_id)
        chosen = [{"id": a.id, "name": a.name} for a in self.truth.of_account(account.id) if campaign.targets(a.number)]
        return {
            "id": f"{campaign.id}1",
            "name": f"{campaign.name} · set",
            "effective_status": "ACTIVE" if campaign.running else "PAUSED",
            "campaign": {"id": campaign.id, "name": campaign.name},
            "targeting": {"custom_audiences": chosen},
        }

    # ── one audience ──

    def _fields(self, audience: Audience, params: Json) -> Json:
        size = (
            sum(1 for _ in self.truth.people.people(audience.held)) if "approximate_count" in str(params.get("fields", "")) else 0
        )
        matched = int(size * 0.62)
        busy = not self.truth.is_settled(audience)
        known: Json = {
            "id": audience.id,
            "account_id": audience.account_id,
            "name": audience.name,
            "subtype": "CUSTOM",
            "description": audience.fields.get("description", ""),
            "approximate_count_lower_bound": int(matched * 0.98) if matched else -1,
            "approximate_count_upper_bound": int(matched * 1.02) if matched else -1,
            "operation_status": {"code": 441 if busy else 200, "description": "We're still finding people" if busy else "Normal"},
            "delivery_status": {
                "code": 200 if matched >= 100 else 300,
                "description": "This audience is ready for use." if matched >= 100 else "Audience too small.",
            },
            "permission_for_actions": {"can_edit": True, "can_see_insight": True, "can_share": True},
            "time_created": int(audience.created),
            "time_updated": int(audience.created),
            "time_content_updated": int(audience.touched or audience.created),
        }
        wanted = re.findall(r"[a-z_]+", re.sub(r"\{.*?\}", "", str(params.get("fields", "") or "")))
        return {k: v for k, v in known.items() if k == "id" or k in wanted}

    def _audience(self, audience: Audience, account: Account, method: str, edge: list[str], params: Json) -> Json:
        if not edge and method == "GET":
            return self._fields(audience, params)
        if not edge and method == "POST":
            changed = {"description": str(params["description"])} if "description" in params else {}
            self.truth.update(audience, str(params["name"]) if "name" in params else None, changed)
            return {"success": True}
        if not edge:
            self.truth.delete(audience)
            return {"success": True}
        if edge[0] == "users" and method in ("POST", "DELETE"):
            return self._users(audience, "remove" if method == "DELETE" else "add", params)
        if edge[0] == "ads":
            sets = [self._adset(account, c.id) for c in campaigns(account) if c.targets(audience.number)]
            status = params.get("effective_status") or []
            wanted = orjson.loads(status) if isinstance(status, str) else status
            rows = [
                {
                    "id": f"{s['id']}7",
                    "name": f"{s['campaign']['name']} · ad",
                    "effective_status": s["effective_status"],
                    "campaign": s["campaign"],
                    "adset": {"id": s["id"], "name": s["name"]},
                }
                for s in sets
            ]
            return _paged([r for r in rows if not wanted or r["effective_status"] in wanted], params)
        if edge[0] == "sessions":
            mine = [s for (a, _), s in self._sessions.items() if a == audience.id]
            wanted_id = str(params.get("session_id", ""))
            return _paged([s for s in mine if wanted_id in ("", s["session_id"])], params)
        raise GraphError(100, f"(#100) Tried accessing nonexisting field ({edge[0]}) on node type (CustomAudience)")

    def _users(self, audience: Audience, action: str, params: Json) -> Json:
        try:
            rows = read_payload(params.get("payload"))
        except Refused as refused:
            raise GraphError(100, str(refused)) from refused
        session_asked = params.get("session") or {}
        session_id = str(
            (orjson.loads(session_asked) if isinstance(session_asked, str) else session_asked).get("session_id")
            or secrets.randbits(52)
        )
        session = self._sessions.setdefault(
            (audience.id, session_id),
            {"session_id": session_id, "stage": "uploading", "num_received": "0", "num_matched": "0", "num_invalid_entries": "0"},
        )
        for reason, count in rows.invalid.items():
            self.truth.reject(reason, count)
        self.truth.change(
            audience, action, rows.identifiers, received=rows.received, rejected=rows.rejected, request_id=session_id
        )
        session["num_received"] = str(int(session["num_received"]) + rows.received)
        session["num_invalid_entries"] = str(int(session["num_invalid_entries"]) + rows.rejected)
        return {
            "audience_id": audience.id,
            "session_id": session_id,
            "num_received": int(session["num_received"]),
            "num_invalid_entries": int(session["num_invalid_entries"]),
            "invalid_entry_samples": rows.samples,
        }

    def _account_of(self, path: str) -> str | None:
        first = path.split("/", 1)[0]
        if first.startswith("act_"):
            return first.removeprefix("act_")
        audience = self.truth.audiences.get(first)
        return audience.account_id if audience else None

    # ── for the control interface ──

    def login(self, user_id: str) -> Json:
        """An access token with every scope, and the accounts in which this person may manage audiences directly."""
        token = self.grants.token(user_id, SCOPES, lives_s=SIXTY_DAYS)
        usable = [a.id for a in self.accounts.values() if user_id in a.writers and a.active and a.accepted]
        return {
            "access_token": token.value,
            "account_ids": usable + [a.id for a in self.accounts.values() if user_id in a.writers and a.id not in usable],
        }

    def once(self, fault: str, account_id: str | None) -> None:
        """What happens once, at once, to all that exists."""
        if fault == "token_revoked":
            self.grants.revoke()
        elif fault == "token_expired":
            self.grants.expire()
        else:
            for audience in [a for a in self.truth.audiences.values() if not a.deleted and account_id in (None, a.account_id)]:
                self.truth.delete(audience)

    def identifier(self, kind: str, clear: str) -> bytes | None:
        """An identifier in clear text as this platform records it (`meta_members` has the rules)."""
        from sandbox.meta_members import normal

        return normal(kind, clear)


class _Reset(Response):
    """Cuts the connection without an answer."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Uses the abort that the application offers (see `sandbox.app`)."""
        from sandbox.slack.webapi import ABORT

        if ABORT in scope:
            scope[ABORT]()


async def _parameters(request: Request) -> Json:
    merged: Json = dict(request.query_params)
    kind = request.headers.get("content-type", "")
    if request.method == "GET":
        return merged
    if "json" in kind:
        body = await request.body()
        merged |= orjson.loads(body) if body else {}
    elif "multipart" in kind or "urlencoded" in kind:
        async with request.form(max_part_size=64 << 20) as form:
            merged |= {k: v if isinstance(v, str) else (await v.read()).decode() for k, v in form.items()}
    return merged


def _paged(rows: list[Json], params: Json) -> Json:
    limit, after = int(params.get("limit") or 25), int(params.get("after") or 0)
    page: Json = {"data": rows[after : after + limit]}
    if page["data"]:
        page["paging"] = {"cursors": {"before": str(after), "after": str(after + len(page["data"]))}}
        if after + limit < len(rows):
            page["paging"]["next"] = f"https://graph.facebook.com/?after={after + limit}"
    return page


def _pattern(path: str) -> str:
    return re.sub(r"^\d+", "{id}", re.sub(r"act_\d+", "act_{id}", path)) or "/"


__all__ = ["MAX_ROWS", "GraphError", "Meta", "who"]
