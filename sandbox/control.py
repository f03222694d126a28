"""`/control`: the rows that drive the platforms, the clock and the segments, and the switches that all stand-ins share."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import httpx
import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from sandbox import segments
from sandbox.google import Google
from sandbox.linkedin import LinkedIn
from sandbox.meta import Meta
from sandbox.platforms.browser import Browser
from sandbox.platforms.platform import Platform
from sandbox.platforms.weather import ONCE, STATES, STRIKES
from sandbox.world import World

Json = dict[str, Any]


class Slack(Protocol):
    """What the shared switches ask of the stand-in for Slack."""

    def set_fault(self, fault: str, times: int | None = None, endpoint: str | None = None) -> None: ...
    def clear(self) -> None: ...
    def set_pace(self, seconds: float) -> None: ...


class Impossible(Exception):
    """The request cannot be done; answered with this status and `{"error"}`."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


class Control:
    """The rows, one method each; a method takes what was asked and answers JSON."""

    def __init__(self, world: World, slack: Slack) -> None:
        self._world, self._slack = world, slack
        self._folder = world.data / "segments"
        self.platforms: dict[str, Platform] = {"google": Google(world), "linkedin": LinkedIn(world), "meta": Meta(world)}
        self._browsers: dict[str, Browser] = {}
        segments.write(self._folder)
        for platform in self.platforms.values():
            for email, phone in segments.known_people(self._folder):
                known = [i for i in (platform.identifier("email", email), platform.identifier("phone", phone)) if i]
                platform.truth.people.plant(known)

    def routes(self) -> list[BaseRoute]:
        """Every row, and the platforms' own paths."""
        posts: dict[str, Callable[[Json], Awaitable[Any]]] = {
            "clock": self._clock,
            "consent": self._consent,
            "token": self._token,
            "people-map": self._people_map,
            "faults": self._fault,
            "pace": self._pace,
        }
        rows: list[BaseRoute] = [Route(f"/control/{name}", _act(act), methods=["POST"]) for name, act in posts.items()]
        rows += [
            Route("/control/faults", self._clear, methods=["DELETE"]),
            Route("/control/segments", self._segments),
            Route("/control/truth/{platform}", self._truth),
            Route("/control/truth/{platform}/{audience_id}", self._people),
            Route("/control/log/{platform}", self._log),
            Route("/control/requests/{platform}", self._requests),
        ]
        for platform in self.platforms.values():
            rows += platform.routes()
        return rows

    async def _clock(self, asked: Json) -> Json:
        by = asked.get("advance_s")
        if not isinstance(by, int | float):
            raise Impossible(400, "advance_s must be a number")
        path = self._world.data / "clock"
        offset = (float(path.read_text()) if path.exists() else 0.0) + by
        part = path.with_name("clock.part")
        part.write_text(repr(offset))
        part.rename(path)
        return {"now": (datetime.now(UTC) + timedelta(seconds=offset)).isoformat()}

    async def _consent(self, asked: Json) -> Json:
        person = self._world.person(str(asked.get("user")))
        if person is None:
            raise Impossible(404, "user_not_found")
        if not isinstance(asked.get("url"), str):
            raise Impossible(400, "url must be a text")
        browser = self._browsers.setdefault(person.id, Browser(person.id, self._world.base_url))
        try:
            return await browser.consent(asked["url"], grant=bool(asked.get("grant", True)))
        except (httpx.InvalidURL, httpx.TransportError, UnicodeError) as error:
            raise Impossible(400, f"the url cannot be opened: {type(error).__name__}") from error

    async def _token(self, asked: Json) -> Json:
        if self._world.person(str(asked.get("user"))) is None:
            raise Impossible(404, "user_not_found")
        return self._platform(asked.get("platform")).login(str(asked["user"]))

    async def _people_map(self, asked: Json) -> Json:
        platform = self._platform(asked.get("platform"))
        for person in asked.get("people") or []:
            identifiers = [platform.identifier(kind, clear) for one in person for kind, clear in one.items()]
            platform.truth.people.plant([i for i in identifiers if i])
        return {}

    async def _fault(self, asked: Json) -> Json:
        name, fault = asked.get("platform"), str(asked.get("fault"))
        times = asked.get("times")
        if fault not in (*STRIKES, *STATES, *ONCE) or not isinstance(times, int | None):
            raise Impossible(400, "unknown fault, or times is not a number")
        if name == "slack":
            self._slack.set_fault(fault, times, asked.get("endpoint"))
            return {}
        platform = self._platform(name)
        account_id = re.sub(r"\D", "", str(asked.get("account_id") or "")) or None  # act_1 and urn:li:sponsoredAccount:1 are 1
        if fault in ONCE:
            await asyncio.to_thread(platform.once, fault, account_id)
        else:
            platform.weather.add(fault, times=times, account_id=account_id, endpoint=asked.get("endpoint"))
        return {}

    async def _clear(self, request: Request) -> Response:
        self._slack.clear()
        for platform in self.platforms.values():
            platform.weather.clear()
        return _json({})

    async def _pace(self, asked: Json) -> Json:
        seconds = asked.get("seconds")
        if not isinstance(seconds, int | float) or seconds < 0:
            raise Impossible(400, "seconds must be a number")
        if asked.get("platform") == "slack":
            self._slack.set_pace(seconds)
        else:
            self._platform(asked.get("platform")).truth.pace = float(seconds)
        return {}

    async def _segments(self, request: Request) -> Response:
        return _json(await asyncio.to_thread(segments.listing, self._folder))

    async def _truth(self, request: Request) -> Response:
        found = self.platforms.get(request.path_params["platform"])
        if found is None:
            return _absent_platform(request)
        return _json(await asyncio.to_thread(found.truth.listing))

    async def _people(self, request: Request) -> Response:
        found = self.platforms.get(request.path_params["platform"])
        if found is None:
            return _absent_platform(request)
        audience = await asyncio.to_thread(found.truth.get, request.path_params["audience_id"])
        if audience is None:
            return _json({"error": "audience_not_found"}, 404)
        return StreamingResponse(found.truth.lines(audience), media_type="application/x-ndjson")

    async def _log(self, request: Request) -> Response:
        found = self.platforms.get(request.path_params["platform"])
        if found is None:
            return _absent_platform(request)
        after = request.query_params.get("after", "0")
        if not after.isdigit():
            return _json({"error": "after must be a number"}, 400)
        return StreamingResponse(found.truth.log(int(after)), media_type="application/x-ndjson")

    async def _requests(self, request: Request) -> Response:
        found = self.platforms.get(request.path_params["platform"])
        if found is None:
            return _absent_platform(request)
        return _json({"requests": found.weather.tally(), "rejected": found.truth.rejected})

    def _platform(self, name: Any) -> Platform:
        if name in self.platforms:
            return self.platforms[name]
        raise Impossible(404, "platform_not_found")


def routes(world: World, *, slack: Slack) -> list[BaseRoute]:
    """The control rows and the platforms' paths."""
    return Control(world, slack).routes()


def _act(act: Callable[[Json], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        try:
            asked = orjson.loads(await request.body() or b"{}")
            if not isinstance(asked, dict):
                raise Impossible(400, "a JSON object is needed")
            return _json(await act(asked))
        except orjson.JSONDecodeError:
            return _json({"error": "the body is not JSON"}, 400)
        except Impossible as impossible:
            return _json({"error": str(impossible)}, impossible.status)

    return serve


def _json(body: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


def _absent_platform(request: Request) -> Response:
    return _json({"error": f"there is no platform {request.path_params['platform']}"}, 404)
