"""What an operator watches: logs without secrets, metrics without names, readiness that means it."""

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from unittest.mock import Mock

import pytest
from prometheus_client import generate_latest
from sqlalchemy.exc import OperationalError

from bot import logs
from bot.main import ALL, Part
from bot.metrics import Metrics
from tests.bot.conftest import Office, connect, make_sync


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back as it was."""
    logger = logging.getLogger()
    before, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:], logger.level = before, level


@pytest.mark.parametrize(
    "secret",
    [
        "xoxb-123-456-abcDEF",
        "xapp-1-A01-2-abc",
        "Bearer abc.def",
        "EAABsbCS1iHgBAKZCZC123456789012",
        "ya29.a0AfH6SMBx1234567890abcdef",
        "ana@example.com",
        "https://x.example/cb?code=4%2Fabc&state=zzz",
        "postgresql+psycopg://segsync:hunter2@db/segsync",
    ],
)
def test_secrets_never_reach_a_log(secret: str, root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json")
    logging.getLogger("bot.test").warning("It failed with %s today", secret)
    line = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert "[hidden]" in line["event"]
    assert not any(
        part in line["event"] for part in ("abcDEF", "hunter2", "4%2Fabc", "ana@", "a0AfH6", "1iHgB", "abc.def", "A01-2")
    )
    assert (line["level"], line["logger"]) == ("warning", "bot.test")


def test_a_terminal_gets_lines_for_people(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("text")
    logging.getLogger("bot.test").info("All is well")
    assert "All is well" in capsys.readouterr().err


def test_whoever_is_no_terminal_gets_json(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("auto")
    logging.getLogger("bot.test").info("All is well")
    assert json.loads(capsys.readouterr().err)["event"] == "All is well"


def test_a_database_that_is_away_is_a_line_and_a_wrong_question_a_trace(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("json")
    for statement in (None, "SELECT nonsense"):
        try:
            raise OperationalError(statement, {}, ConnectionError("Connection refused\nIs the server running?"))
        except OperationalError:
            logging.getLogger("bot.test").exception("The job watch failed.")
    away, wrong = map(json.loads, capsys.readouterr().err.splitlines())
    assert (away["database"], away.get("exception")) == ("Connection refused", None)
    assert "Traceback" in wrong["exception"]


def test_libraries_are_heard_only_when_something_is_wrong(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("text")
    logging.getLogger("slack_bolt.App").info("A new session has been established")
    logging.getLogger("slack_bolt.App").warning("The token is wrong")
    said = capsys.readouterr().err
    assert "session" not in said
    assert "The token is wrong" in said


def test_metrics_count_without_names(office: Office) -> None:
    mia = office.desk("Mia")
    connect(office, mia)
    make_sync(office, mia)
    office.refresh_all()
    mia.sees("Synced")
    metrics = office.product.metrics
    assert isinstance(metrics, Metrics)
    said = generate_latest(metrics.registry).decode()
    assert 'segsync_syncs{channel="meta",status="synced"} 1.0' in said
    assert 'segsync_slack_handled_seconds_count{kind="command"}' in said
    assert 'segsync_letters_total{outcome="posted"}' in said
    assert not any(name in said for name in ("Mia", "EMEA", "U03"))


def answers(office: Office, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{office.product.settings.web_port}{path}") as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def test_readiness_means_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(office.product, "_does", frozenset({Part.BOT}))  # the office plays the workers itself
    assert answers(office, "/readyz") == 200
    with monkeypatch.context() as away:
        away.setattr(office.product.store.database, "answers", lambda: False)
        assert (answers(office, "/readyz"), answers(office, "/healthz")) == (503, 200)
    with monkeypatch.context() as ending:
        ending.setattr(office.product, "_is_ending", True)
        assert (answers(office, "/readyz"), answers(office, "/healthz")) == (503, 200)
    with monkeypatch.context() as dead:
        dead.setattr(office.product, "_does", ALL)
        dead.setattr(office.product, "executing", Mock(is_alive=False))
        assert (answers(office, "/readyz"), answers(office, "/healthz")) == (503, 503)
    assert answers(office, "/readyz") == 200
    office.product.notifier.stop()
    assert (answers(office, "/readyz"), answers(office, "/healthz")) == (503, 503)
