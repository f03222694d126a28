"""Requests keep to a quota before the platform says so, and what the platform says holds for all."""

import httpx
import pytest

from channels.http import PATIENCE_S, Http
from core.errors import RateLimited
from core.ports import Quota

QUOTA = Quota("google/1234/members/write", 300)


class Pace:
    """Says how long to wait, and notes what it is told."""

    def __init__(self, wait: float) -> None:
        self.wait = wait
        self.taken: list[Quota] = []
        self.held: list[float] = []

    def take(self, quota: Quota, patience_s: float) -> float:
        self.taken.append(quota)
        return self.wait

    def hold(self, quota: Quota, seconds: float) -> None:
        self.held.append(seconds)


def client(pace: Pace, status: int = 200) -> tuple[Http, list[float], list[httpx.Request]]:
    waits: list[float] = []
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(status, json={}, headers={"Retry-After": "17"} if status == 429 else {})

    return Http("Google", transport=httpx.MockTransport(answer), pace=pace, sleep=waits.append), waits, seen


def test_a_request_waits_for_its_place() -> None:
    pace = Pace(1.5)
    http, waits, seen = client(pace)
    http.ask("POST", "https://example.com/", json={}, quota=QUOTA)
    assert (pace.taken, waits, len(seen)) == ([QUOTA], [1.5], 1)
    http.ask("GET", "https://example.com/")
    assert pace.taken == [QUOTA], "what names no quota asks for no place"
    http.close()


def test_a_long_wait_is_left_to_the_caller_and_nothing_is_sent() -> None:
    http, waits, seen = client(Pace(PATIENCE_S + 12))
    with pytest.raises(RateLimited) as told:
        http.ask("POST", "https://example.com/", json={}, quota=QUOTA)
    assert (told.value.retry_after, waits, seen) == (PATIENCE_S + 12, [], [])
    http.close()


def test_what_one_is_told_holds_for_all() -> None:
    pace = Pace(0)
    http, _, _ = client(pace, 429)
    assert http.ask("POST", "https://example.com/", json={}, quota=QUOTA, answers_429=True).status == 429
    assert pace.held == [17]
    http.close()
