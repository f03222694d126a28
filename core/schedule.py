"""Cadences: what people write, when it is due next, and how it is said. Starts are spread by the sync's id."""

import zlib
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from core.errors import InvalidInput
from core.models import Cadence, Sync

_RULES = {"hourly": "0 * * * *", "6h": "0 */6 * * *", "daily": "0 6 * * *", "weekly": "0 6 * * 1"}
_PERIODS = {"hourly": timedelta(hours=1), "6h": timedelta(hours=6), "daily": timedelta(days=1), "weekly": timedelta(days=7)}
_WORDS = {"hourly": "every hour", "6h": "every 6 hours", "daily": "every day about 06:00", "weekly": "every Monday about 06:00"}
_ALSO = {"every hour": "hourly", "every 6 h": "6h", "every 6 hours": "6h", "every day": "daily", "every week": "weekly"}


def parse(text: str, tz: str) -> Cadence:
    """A cadence from what somebody chose or wrote. Raises InvalidInput."""
    rule = _ALSO.get(text.strip().lower(), text.strip().lower())
    try:
        ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError):
        tz = "UTC"
    if rule in _RULES:
        return Cadence(rule, tz)
    try:
        CronSim(rule, datetime.now(UTC))
    except CronSimError as error:
        said = "Write hourly, every 6 h, daily, weekly, or five cron fields such as `30 7 * * 1-5` (weekdays at 07:30)."
        raise InvalidInput(said, field="cadence") from error
    return Cadence(rule, tz)


def describe(cadence: Cadence) -> str:
    """As people say it; a cron rule as the sentence that it means."""
    place = cadence.tz.rpartition("/")[2].replace("_", " ")
    words = _WORDS.get(cadence.rule) or _explained(cadence.rule)
    return words if cadence.rule in ("hourly", "6h") else f"{words} ({place})"


def _explained(rule: str) -> str:
    try:
        said = CronSim(rule, datetime.now(UTC)).explain()
    except CronSimError:  # kept by an older version that took more
        return f"by the cron rule {rule}"
    return said[:1].lower() + said[1:]


def next_due(cadence: Cadence, after: datetime, *, sync_id: str) -> datetime:
    """The next moment strictly after `after`, moved by up to a tenth of the period so that not all start on the hour.

    A cron rule that a person wrote is kept to the minute. A local time that a change of clocks skips or repeats is due once.
    """
    rule = _RULES.get(cadence.rule, cadence.rule)
    spread = timedelta(0)
    if cadence.rule in _PERIODS:
        spread = _PERIODS[cadence.rule] / 10 * (zlib.crc32(sync_id.encode()) / 2**32)
    ticks = CronSim(rule, (after - spread).astimezone(ZoneInfo(cadence.tz)))
    for moment in ticks:
        due = moment.astimezone(UTC) + spread
        if due > after:
            return due
    raise InvalidInput("This cron rule never comes due.", field="cadence")


def next_due_of(sync: Sync, after: datetime) -> datetime | None:
    """When a sync is due next; None after its last day."""
    zone = ZoneInfo(sync.cadence.tz)
    if sync.first_day and after < _begin(sync.first_day, zone):
        after = _begin(sync.first_day, zone) - timedelta(seconds=1)
    due = next_due(sync.cadence, after, sync_id=sync.id)
    if sync.last_day and due.astimezone(zone).date() > sync.last_day:
        return None
    return due


def _begin(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def renewal(last: datetime, now: datetime, period: timedelta) -> tuple[tuple[int, int], ...]:
    """Ranges of 64-bit keys whose turn to be sent again has come since `last`: within a period it is everybody's once.

    Turns are taken once a day, so that a sync that is refreshed often is not made busy by it.
    """
    if now - last < timedelta(days=1):
        return ()
    if now - last >= period:
        return ((0, (1 << 64) - 1),)
    start, end = (int((moment.timestamp() % period.total_seconds()) / period.total_seconds() * 2**64) for moment in (last, now))
    return ((start, end),) if start <= end else ((start, (1 << 64) - 1), (0, end))
