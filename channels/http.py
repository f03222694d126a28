"""One policy for all requests to platforms: pooled connections, timeouts, careful retries, a circuit for each account.

Neither bodies nor tokens reach a log or an exception's text: what is raised says only which platform and what kind of trouble.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from core.errors import OutcomeUnknown, RateLimited, Unavailable
from core.ports import Pace, Quota, Tracer, Untraced

RETRIED = (500, 502, 503, 504)
OPEN_AFTER = 5  # failures in a row
OPEN_FOR_S = 30.0
PATIENCE_S = 8.0  # for a quota: who would have to wait longer is told, and its refresh makes room for others


@dataclass(frozen=True, slots=True)
class Answer:
    """What a platform answered: status, JSON body (None where it is not JSON) and lower-case headers."""

    status: int
    body: Any
    headers: Mapping[str, str]


class _Circuit:
    """Opens after failures in a row, so that a dead platform is not asked over and over; lets one through to try."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic, self._failures, self._opened, self._lock = monotonic, 0, 0.0, threading.Lock()

    def lets_through(self) -> bool:
        with self._lock:
            if self._failures < OPEN_AFTER:
                return True
            if self._monotonic() - self._opened >= OPEN_FOR_S:
                self._opened = self._monotonic()
                return True
            return False

    def note(self, *, well: bool) -> None:
        with self._lock:
            self._failures = 0 if well else self._failures + 1
            if self._failures == OPEN_AFTER:
                self._opened = self._monotonic()


class Http:
    """The client of one platform. `title` names it in messages; `monotonic`, `sleep` and `jitter` are passed in by tests.

    `pace`: keeps the quotas that requests name; without it they are not kept.
    """

    def __init__(
        self,
        title: str,
        *,
        timeout_s: float = 30.0,
        connections: int = 16,
        transport: httpx.BaseTransport | None = None,
        pace: Pace | None = None,
        tracer: Tracer | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._title, self._sleep, self._jitter, self._monotonic = title, sleep, jitter, monotonic
        self._pace, self._tracer = pace, tracer or Untraced()
        self._circuits: dict[str, _Circuit] = {}
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout_s, connect=5.0, pool=timeout_s),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=30),
            follow_redirects=False,
            transport=transport,
            trust_env=transport is None,
        )

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def ask(
        self,
        method: str,
        url: str,
        *,
        account: str = "",
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: Any = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        safe: bool | None = None,
        tries: int = 3,
        answers_429: bool = False,
        quota: Quota | None = None,
    ) -> Answer:
        """One request. `safe`: sending it twice does no harm (GET, unless told); only then is it tried again after trouble.

        Raises Unavailable (nothing happened), OutcomeUnknown (it may have been carried out), RateLimited (HTTP 429, unless
        `answers_429`: some platforms say in its body that waiting will not help; or the `quota` is used up for a while).
        """
        safe = method == "GET" if safe is None else safe
        sent = dict(headers or {})
        if json is not None:
            body = orjson.dumps(json)
        if body is not None:
            sent.setdefault("content-type", "application/json")
        circuit = self._circuits.setdefault(account, _Circuit(self._monotonic))
        for left in range(tries - 1, -1, -1):
            if not circuit.lets_through():
                raise Unavailable(f"{self._title} has been failing; the next try is in a moment.")
            if quota:
                self._keep(quota)
            try:
                with self._tracer.span("request", platform=self._title, method=method) as note:
                    got = self._client.request(method, url, params=params, data=form, content=body, headers=sent)
                    note(status=got.status_code)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
                circuit.note(well=False)
                if left == 0:
                    raise Unavailable(f"{self._title} does not answer.") from None
            except httpx.TransportError:
                circuit.note(well=False)
                if not safe:
                    raise OutcomeUnknown(f"The connection to {self._title} broke after the request was sent.") from None
                if left == 0:
                    raise Unavailable(f"{self._title} does not answer.") from None
            else:
                circuit.note(well=got.status_code not in RETRIED)
                if got.status_code == 429:
                    told = retry_after({**got.headers})
                    if quota and self._pace and told:
                        self._pace.hold(quota, told)
                    if not answers_429:
                        raise RateLimited(f"{self._title} asks for fewer requests.", retry_after=told)
                if got.status_code not in RETRIED or left == 0 or not safe:
                    return Answer(got.status_code, _parsed(got), {k.lower(): v for k, v in got.headers.items()})
            self._sleep((0.2 + self._jitter() * 0.3) * 2 ** (tries - 1 - left))
        raise Unavailable(f"{self._title} does not answer.")

    def _keep(self, quota: Quota) -> None:
        if self._pace is None:
            return
        wait = self._pace.take(quota, PATIENCE_S)
        if wait > PATIENCE_S:
            raise RateLimited(f"What {self._title} allows for now is used up.", retry_after=wait)
        if wait > 0:
            self._sleep(wait)


def _parsed(answer: httpx.Response) -> Any:
    try:
        return orjson.loads(answer.content) if answer.content else None
    except orjson.JSONDecodeError:
        return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the header asks to wait, where it tells a number; `headers` in lower case."""
    told = headers.get("retry-after", "")
    return float(told) if told.replace(".", "", 1).isdigit() else None
