"""The HTTP side of the Web API: reads a call, finds its app, applies weather, limits and scopes, answers as Slack does."""

import asyncio
from collections.abc import Awaitable
from urllib.parse import parse_qsl

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from sandbox.slack.api import METHODS
from sandbox.slack.api.calls import Call, Method, Tools, decoded, missing_scope
from sandbox.slack.refusal import Refused
from sandbox.slack.state import JSON, App
from sandbox.slack.weather import SLOW_SECONDS, Weather

ABORT = "sandbox.abort"
"""Key of the ASGI scope under which the server's connection can be cut, for the fault `reset`."""
_TIMEOUT_SECONDS = 120.0


class WebApi:
    """Answers `/slack/api/{method}`."""

    def __init__(self, *, tools: Tools, weather: Weather) -> None:
        """See the class."""
        self._tools, self._weather = tools, weather

    async def serve(self, request: Request) -> Response:
        """One call; the pace delays its answer, not its effect."""
        name = request.path_params["method"]
        fault = self._weather.strike(name)
        if fault is not None and fault != "slow":
            return await self._struck(request, fault)
        headers: dict[str, str] = {}
        try:
            answer: JSON = {"ok": True} | await self._answer(request, name, headers)
        except Refused as refused:
            answer = {"ok": False, "error": refused.error, **refused.more}
        status = 429 if answer.get("error") == "ratelimited" else 200
        pause = self._weather.pace + (SLOW_SECONDS if fault == "slow" else 0.0)
        if pause:
            await asyncio.sleep(pause)
        return Response(orjson.dumps(answer), status, headers | {"Content-Type": "application/json; charset=utf-8"})

    async def _struck(self, request: Request, fault: str) -> Response:
        match fault:
            case "rate_limited":
                body = orjson.dumps({"ok": False, "error": "ratelimited"})
                return Response(body, 429, {"Retry-After": "1", "Content-Type": "application/json; charset=utf-8"})
            case "timeout":
                await asyncio.sleep(_TIMEOUT_SECONDS)
            case "reset":
                await request.body()
                if abort := request.scope.get(ABORT):
                    abort()
            case _:
                pass
        return Response("Internal Server Error", 500)

    async def _answer(self, request: Request, name: str, headers: dict[str, str]) -> JSON:
        method = METHODS.get(name)
        if method is None:
            raise Refused("unknown_method", req_method=name)
        args, warning = await _arguments(request)
        authorization = request.headers.get("authorization", "")
        app = self._app(method, args, authorization, request)
        if app is not None:
            headers["x-oauth-scopes"] = ",".join(app.scopes)
            if method.scopes:
                headers["x-accepted-oauth-scopes"] = ",".join(method.scopes)
            wait = self._weather.retry_after(app.id, name, method.tier, str(args.get("channel")))
            if wait is not None:
                headers["Retry-After"] = str(wait)
                raise Refused("ratelimited")
            if method.scopes and method.caller == "bot" and not set(method.scopes) & set(app.scopes):
                raise missing_scope(method.scopes[:1], app)
        call = Call(self._tools, app or _nobody(), decoded(args), authorization)
        answer = method.run(call)
        result = await answer if isinstance(answer, Awaitable) else answer
        if warning and "warning" not in result:
            result |= {"warning": warning, "response_metadata": {"warnings": [warning]} | result.get("response_metadata", {})}
        return result

    def _app(self, method: Method, args: JSON, authorization: str, request: Request) -> App | None:
        if method.caller == "none":
            return None
        token = authorization.removeprefix("Bearer ").strip() if authorization.startswith("Bearer ") else ""
        if not token and "json" not in request.headers.get("content-type", ""):
            token = str(args.get("token") or "")
        if not token:
            raise Refused("not_authed")
        for app in self._tools.space.apps.values():
            if token == app.bot_token:
                if app.token_state != "good":  # noqa: S105
                    raise Refused(app.token_state)
                if method.caller == "app":
                    raise Refused("not_allowed_token_type")
                return app
            if token == app.app_token:
                if method.caller != "app":
                    raise Refused("not_allowed_token_type")
                return app
            if token in app.old_tokens:
                raise Refused(app.old_tokens[token])
        raise Refused("invalid_auth")


async def _arguments(request: Request) -> tuple[JSON, str | None]:
    """The arguments from query and body, and a warning about how they came."""
    args: JSON = dict(request.query_params)
    args.pop("token", None)  # a token in the query is refused since 2021
    if request.method == "GET":
        return args, None
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    try:
        match kind.strip().lower():
            case "application/json":
                return args | _json(await request.body()), None if "charset" in parameters else "missing_charset"
            case "application/x-www-form-urlencoded":
                text = (await request.body()).decode()
                return args | dict(parse_qsl(text, keep_blank_values=True)), None
            case "multipart/form-data":
                async with request.form(max_part_size=32 * 1024 * 1024) as form:
                    return args | {name: value for name, value in form.items() if isinstance(value, str)}, None
            case _ if not await request.body():
                return args, None
            case _:
                pass
    except ClientDisconnect as error:
        raise Refused("request_timeout") from error
    except UnicodeDecodeError as error:
        raise Refused("invalid_form_data") from error
    raise Refused("invalid_post_type")


def _json(raw: bytes) -> JSON:
    if not raw.strip():  # SDKs send an empty body with auth.test and apps.connections.open
        return {}
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Refused("invalid_json") from error
    if not isinstance(body, dict):
        raise Refused("json_not_object")
    return body


def _nobody() -> App:
    """The caller of a method that takes no token."""
    return App("", "", "", "", "", "", "", "", "", "", [], scopes=[], events=[])
