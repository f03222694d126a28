"""Platforms' quotas, spent by many at once: in no sixty seconds more goes out than the platform allows, on both databases."""

import random

from core.ports import Quota
from core.store import Store
from core.store.database import Database
from core.store.paces import PaceStore
from tests.store.conftest import at_once

QUOTA = Quota("google/1234/members/write", 300)
PATIENT = 1e9


class Time:
    """Seconds that only move when they are moved."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def most_in_a_minute(moments: list[float]) -> int:
    moments = sorted(moments)
    return max(sum(begin <= m < begin + 60 for m in moments) for begin in moments)


def paces(database: Database) -> tuple[PaceStore, Time]:
    time = Time()
    return PaceStore(database, now=time), time


def test_no_sixty_seconds_hold_more_requests_than_the_platform_allows(store: Store) -> None:
    pace, time = paces(store.database)
    chance, sent = random.Random(7), []
    for _ in range(700):
        time.now += chance.choice([0, 0, 0.01, 0.3])
        sent.append(time.now + pace.take(QUOTA, PATIENT))
    assert QUOTA.a_minute * 0.9 < most_in_a_minute(sent) <= QUOTA.a_minute
    assert max(sent) - min(sent) < 60 * 700 / 200, "two thirds of the quota flow on for ever"


def test_a_third_of_a_minute_goes_at_once(store: Store) -> None:
    pace, _ = paces(store.database)
    waits = [pace.take(QUOTA, PATIENT) for _ in range(101)]
    assert max(waits[:100]) == 0
    assert 0.2 < waits[100] < 0.4


def test_workers_that_ask_at_once_share_one_quota(store: Store) -> None:
    pace, _ = paces(store.database)
    waits = at_once(*(lambda: [pace.take(QUOTA, PATIENT) for _ in range(50)] for _ in range(4)))
    assert sum(wait == 0 for each in waits for wait in each) == 100


def test_who_is_impatient_takes_nothing_and_is_told_when_to_come(store: Store) -> None:
    pace, time = paces(store.database)
    while pace.take(QUOTA, 5) <= 5:
        pass
    told = pace.take(QUOTA, 5)
    assert told == pace.take(QUOTA, 5) > 5, "asking costs nothing"
    time.now += told - 5
    assert pace.take(QUOTA, 5) <= 5.001


def test_when_the_platform_asks_to_wait_everybody_waits(store: Store) -> None:
    pace, time = paces(store.database)
    pace.take(QUOTA, PATIENT)
    pace.hold(QUOTA, 30)
    assert 29 < pace.take(QUOTA, PATIENT) < 31
    assert pace.take(Quota("linkedin/app/person/users", 600), PATIENT) == 0, "other quotas are not concerned"
    time.now += 3600
    assert pace.take(QUOTA, PATIENT) == 0


def test_a_days_budget_is_kept_beside_the_minutes_and_comes_back_through_the_day(store: Store) -> None:
    quota = Quota("google/1234/members/write", 300, a_day=240)
    pace, time = paces(store.database)
    hours: list[int] = []
    for _ in range(24):
        sent = 0
        while pace.take(quota, 0) == 0:
            sent += 1
        hours.append(sent)
        time.now += 3600
    assert hours[0] == 80, "a third at once"
    assert set(hours[1:]) <= {6, 7}, "and something in each hour"
    assert sum(hours) <= 240
    time.now -= 3600
    assert 0 < pace.take(quota, 0) < 600
    assert pace.take(QUOTA, 0) == 0, "whoever is told to come later has taken nothing of the minute either"
