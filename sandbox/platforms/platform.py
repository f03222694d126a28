"""What every platform's stand-in is: accounts, grants, a truth, weather, and one way for a request to go."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from sandbox.platforms.accounts import Account, accounts
from sandbox.platforms.consent import Grants
from sandbox.platforms.truth import Habits, Truth
from sandbox.platforms.weather import SLOW_S, TIMEOUT_S, Weather
from sandbox.world import World

Json = dict[str, Any]
ABORT = "sandbox.abort"  # in an ASGI scope: cuts the connection; the application puts it there


@dataclass(frozen=True)
class Call:
    """One request as a platform reads it: `path` without the version in front, `params` merged as that platform merges them."""

    method: str
    path: str
    headers: Mapping[str, str]
    params: Json
    body: Any = None
    version: str = ""

    def bearer(self) -> str:
        """The token in the Authorization header, or nothing."""
        kind, _, value = self.headers.get("authorization", "").partition(" ")
        return value.strip() if kind.lower() in ("bearer", "oauth") else ""


@dataclass(frozen=True)
class Answer:
    """What goes back; a body of None is an empty one."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """As Starlette sends it."""
        content = b"" if self.body is None else orjson.dumps(self.body)
        return Response(content, self.status, dict(self.headers), media_type="application/json")


class Refusal(Exception):
    """The platform says no, in its own form."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"refused with {answer.status}")
        self.answer = answer


class Platform(ABC):
    """One stand-in. The control interface reads and turns `truth`, `grants` and `weather`."""

    name: str
    scopes: tuple[str, ...]

    def __init__(
        self, world: World, *, account_prefix: str, first_audience: int, token_lives_s: float, habits: Habits | None = None
    ) -> None:
        folder = world.data / self.name
        self.world, self.truth = world, Truth(folder, first_id=first_audience, habits=habits)
        self.grants, self.weather = Grants(folder / "tokens.json"), Weather()
        self.accounts: dict[str, Account] = {a.id: a for a in accounts(world, account_prefix)}
        self._token_lives_s = token_lives_s

    # ── what each platform says for itself ──

    @abstractmethod
    def routes(self) -> list[BaseRoute]:
        """Everything below the platform's name."""

    @abstractmethod
    def identifier(self, kind: str, clear: str) -> bytes | None:
        """An identifier in clear text as this platform records it; None for a kind that it does not take."""

    @abstractmethod
    async def read(self, request: Request) -> Call:
        """The request as this platform reads it. Raises Refusal."""

    @abstractmethod
    def endpoint(self, call: Call) -> str:
        """The method and the path with names in place of ids: what the counts and the faults go by."""

    @abstractmethod
    def account_of(self, call: Call) -> str | None:
        """The ad account that the request is about, as far as it tells."""

    @abstractmethod
    def failing(self, strike: str) -> Refusal:
        """How `http_500` and `rate_limited` are said here."""

    @abstractmethod
    def answer(self, call: Call) -> Answer:
        """The answer. Raises Refusal. Runs in a thread, several at once."""

    def trimmings(self, call: Call, account_id: str | None, strike: str | None) -> Mapping[str, str]:
        """Headers that go with every answer."""
        return {}

    # ── the way of a request ──

    async def serve(self, request: Request) -> Response:
        """One request, with the weather it meets."""
        try:
            call = await self.read(request)
        except Refusal as refusal:
            self.weather.count(f"{request.method} unreadable", refusal.answer.status)
            return refusal.answer.response()
        endpoint, account_id = self.endpoint(call), self.account_of(call)
        strike = self.weather.strike(endpoint, request.url.path, account_id)
        if strike in ("timeout", "slow"):
            await self.weather.hang(TIMEOUT_S if strike == "timeout" else SLOW_S)
        if strike in ("timeout", "reset"):
            self.weather.count(endpoint, 0)
            return _Cut()
        try:
            if strike in ("http_500", "rate_limited"):
                raise self.failing(strike)
            answer = await asyncio.to_thread(self.answer, call)
        except Refusal as refusal:
            answer = refusal.answer
        self.weather.count(endpoint, answer.status)
        trimmings = self.trimmings(call, account_id, strike)
        return Answer(answer.body, answer.status, {**trimmings, **answer.headers}).response()

    # ── who may do what ──

    def reachable(self, user_id: str) -> list[Account]:
        """The accounts that this person sees now, in the order of every list."""
        lost = self.weather.state
        return [a for a in self.accounts.values() if a.reaches(user_id) and not lost("access_lost", a.id)]

    def is_active(self, account: Account) -> bool:
        """Whether ads can run in it."""
        return account.active and not self.weather.state("account_disabled", account.id)

    def has_accepted(self, account: Account) -> bool:
        """Whether the platform's terms for audiences are accepted."""
        return account.accepted and not self.weather.state("terms_not_accepted", account.id)

    # ── for the control interface ──

    def login(self, user_id: str) -> Json:
        """An access token with every scope, and the accounts in which this person may manage audiences directly."""
        token = self.grants.token(user_id, self.scopes, lives_s=self._token_lives_s)
        mine = [a for a in self.accounts.values() if user_id in a.writers and not a.manager and a.through is None]
        mine.sort(key=lambda a: not (a.active and a.accepted))
        return {"access_token": token.value, "account_ids": [a.id for a in mine]}

    def once(self, fault: str, account_id: str | None) -> None:
        """What happens once, at once, to all that exists."""
        if fault == "token_revoked":
            self.grants.revoke()
        elif fault == "token_expired":
            self.grants.expire()
        else:
            for audience in list(self.truth.audiences.values()):
                if account_id in (None, audience.account_id):
                    self.truth.delete(audience)


class _Cut(Response):
    """Cuts the connection without an answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Uses the abort that the application offers."""
        if ABORT in scope:
            scope[ABORT]()
