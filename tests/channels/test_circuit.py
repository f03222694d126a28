"""A dead ad account is not asked over and over, and costs the others nothing."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest

from channels.http import OPEN_AFTER, OPEN_FOR_S, Http
from core.errors import Unavailable

URL = "https://platform.example/members"


class Platform:
    """One account is poisoned until it is `well`. Time passes only in waits."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.waited: Counter[str] = Counter()
        self.time, self.well, self.now_asking = 0.0, False, ""
        self.http = Http(
            "Platform",
            transport=httpx.MockTransport(self.answer),
            monotonic=lambda: self.time,
            sleep=self.sleep,
            jitter=lambda: 0.5,
        )

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.waited[self.now_asking] += 1

    def answer(self, request: httpx.Request) -> httpx.Response:
        account = request.url.params["account"]
        self.asked[account] += 1
        return httpx.Response(500 if account == "poison" and not self.well else 200, json={})

    def ask(self, account: str) -> None:
        self.now_asking = account
        self.http.ask("GET", URL, params={"account": account}, account=account)


@pytest.fixture
def platform() -> Iterator[Platform]:
    made = Platform()
    yield made
    made.http.close()


def test_one_poisoned_account_among_twenty_is_left_alone_and_the_others_go_on(platform: Platform) -> None:
    healthy = [f"account {n}" for n in range(19)]
    for _ in range(20):
        for account in healthy:
            platform.ask(account)
        with suppress(Unavailable):
            platform.ask("poison")
    assert platform.asked["poison"] == OPEN_AFTER == 5
    assert all(platform.asked[account] == 20 for account in healthy)
    assert not any(platform.waited[account] for account in healthy)


def test_after_a_while_one_request_tries_and_opens_the_way_again(platform: Platform) -> None:
    for _ in range(5):
        with suppress(Unavailable):
            platform.ask("poison")
    platform.time += OPEN_FOR_S
    with pytest.raises(Unavailable):
        platform.ask("poison")
    assert platform.asked["poison"] == OPEN_AFTER + 1, "one alone"
    platform.time += OPEN_FOR_S
    platform.well = True
    for _ in range(3):
        platform.ask("poison")
    assert platform.asked["poison"] == OPEN_AFTER + 4
