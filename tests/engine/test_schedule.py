"""When a sync is due next, in the words and the time zone of whoever chose it."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from core.errors import InvalidInput
from core.models import Cadence
from core.schedule import describe, next_due, parse

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(("said", "rule"), [("Daily", "daily"), ("every 6 h", "6h"), ("30 7 * * 1-5", "30 7 * * 1-5")])
def test_what_people_write(said: str, rule: str) -> None:
    assert parse(said, "Europe/Madrid") == Cadence(rule, "Europe/Madrid")


@pytest.mark.parametrize("said", ["", "sometimes", "61 * * * *", "* * * *"])
def test_what_is_no_cadence_is_refused_at_its_field(said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(said, "UTC")
    assert caught.value.field == "cadence"


def test_as_it_is_said() -> None:
    assert describe(Cadence("daily", "Europe/Madrid")) == "every day about 06:00 (Madrid)"


def test_a_cron_rule_is_kept_to_the_minute_in_its_own_time_zone() -> None:
    due = next_due(Cadence("30 7 * * *", "America/New_York"), NOON, sync_id="s")
    assert due == datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
    assert next_due(Cadence("30 7 * * *", "America/New_York"), due, sync_id="s") == due + timedelta(days=1)


def test_starts_are_spread_by_at_most_a_tenth_of_the_period() -> None:
    hour = [next_due(Cadence("hourly", "UTC"), NOON, sync_id=f"s{i}") for i in range(500)]
    assert len(set(hour)) > 400
    assert all(NOON < due <= NOON + timedelta(hours=1, minutes=6) for due in hour)


@pytest.mark.parametrize("zone", ["Europe/Madrid", "America/New_York", "Australia/Lord_Howe"])
def test_every_day_has_one_time_through_changes_of_the_clocks(zone: str) -> None:
    at, days = NOON, []
    for _ in range(366):
        at = next_due(Cadence("30 2 * * *", zone), at, sync_id="s")
        days.append(at)
    gaps = [b - a for a, b in pairwise(days)]
    assert min(gaps) >= timedelta(hours=22)
    assert max(gaps) <= timedelta(hours=26)
