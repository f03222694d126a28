"""What whoever runs segsync reads about a refresh: when it begins, how it ends, under which ids; and a database that was away."""

import logging
from collections.abc import Iterator

import pytest
import structlog
from sqlalchemy.exc import OperationalError

from bot.logs import Named
from core.errors import AccessLost, ChannelError
from core.models import RefreshState
from core.ports import Untraced
from tests.engine.conftest import Desk


class Reader(logging.Handler):
    """Lines of segsync's own, with the ids that stand in them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, dict[str, object]]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.getMessage(), structlog.contextvars.get_contextvars()))

    def said(self) -> str:
        return "\n".join(text for text, _ in self.lines)


@pytest.fixture
def reader() -> Iterator[Reader]:
    found, logger = Reader(), logging.getLogger("core.refresh")
    before = logger.level
    logger.addHandler(found)
    logger.setLevel(logging.INFO)
    yield found
    logger.removeHandler(found)
    logger.setLevel(before)


def fails(desk: Desk, error: Exception) -> None:
    def fail(_: object) -> None:
        raise error

    desk.platform.after = fail


def test_a_refresh_says_when_it_begins_and_how_it_ends_under_its_ids(desk: Desk, reader: Reader) -> None:
    desk.write([{"key": "1", "email": "a@example.com", "phone": ""}])
    desk.restart(Named(Untraced()))
    run = desk.work()
    assert run.state is RefreshState.SUCCEEDED
    assert "The refresh begins." in reader.said()
    assert "The refresh succeeded: +1 −0, after " in reader.said()
    assert {(ids["refresh"], ids["sync"], ids["channel"]) for _, ids in reader.lines} == {(run.id, "S-1", "meta")}
    assert "example.com" not in str(reader.lines)


def test_trouble_is_told_under_the_same_ids(desk: Desk, reader: Reader) -> None:
    desk.write([{"key": "1", "email": "a@example.com", "phone": ""}])
    fails(desk, AccessLost())
    desk.restart(Named(Untraced()))
    run = desk.work()
    assert run.state is RefreshState.FAILED
    assert "The refresh failed: ad_account_access_lost." in reader.said()
    assert all(ids["refresh"] == run.id for _, ids in reader.lines)


def test_a_database_that_was_away_for_a_moment_fails_no_sync(desk: Desk, reader: Reader) -> None:
    desk.write([{"key": "1", "email": "a@example.com", "phone": ""}])
    fails(desk, OperationalError("SELECT", {}, ConnectionError("server closed the connection")))
    desk.engine.execute_next()
    (run,) = desk.store.refreshes.last(desk.sync_id, 1)
    assert run.state is RefreshState.QUEUED
    assert "is tried again in" in reader.said()
    desk.platform.after = lambda _: None
    assert desk.work().state is RefreshState.SUCCEEDED


def test_what_is_wrong_for_good_is_not_tried_again(desk: Desk) -> None:
    desk.write([{"key": "1", "email": "a@example.com", "phone": ""}])
    fails(desk, ChannelError("no"))
    desk.engine.execute_next()
    assert desk.store.refreshes.last(desk.sync_id, 1)[0].state is RefreshState.FAILED
