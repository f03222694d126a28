"""Trouble of each family in the running demo: one message with the remedy, the button that heals, and *Resolved* by itself."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.conftest import Demo
from tests.journeys.desk import Desk, Json, Sandbox, elements, eventually, words
from tests.journeys.test_main_job import audience, connect, contact, create, emails, expected, link, put, rows

TALK = "C02ALERTS"
WEBINAR = "Webinar guests"


@pytest.fixture(scope="module")
def synced(demo: Demo) -> tuple[str, Path]:
    """The marketer's sync: its short id and its segment's file."""
    marketer = demo.sandbox.desk("marketing_user")
    connect(marketer)
    path = next(Path(s["path"]) for s in demo.sandbox.segments() if s["name"] == WEBINAR)
    return create(marketer, WEBINAR), path


@pytest.fixture
def admin(sandbox: Sandbox) -> Iterator[Desk]:
    desk = sandbox.desk("primary_admin")
    yield desk
    desk.close_all()


def told(desk: Desk, text: str, *, timeout_s: float = 40) -> Json:
    """The newest message of the alert conversation that says so, replies aside."""

    def look() -> Json | None:
        said = [m for m in desk.screen()["channels"][TALK] if m.get("thread_ts", m["ts"]) == m["ts"]]
        return next((m for m in reversed(said) if re.search(text, words(m))), None)

    return dict(eventually(look, f"{text!r} in the alert conversation", timeout_s, desk.reads))


def click(desk: Desk, message: Json, label: str, option: str | None = None) -> None:
    for block in message["blocks"]:
        for element in (e for e in elements(block) if "action_id" in e):
            if (element.get("text") or element.get("placeholder"))["text"] == label:
                value = next((o["value"] for o in element.get("options", []) if o["text"]["text"] == option), None)
                desk.click({"channel": TALK, "ts": message["ts"]}, element["action_id"], block_id=block["block_id"], value=value)
                return
    raise AssertionError(f"no {label!r}: {words(message)}")


def resolved(desk: Desk, message: Json) -> Json:
    """This message, once it says so."""

    def look() -> Json | None:
        now = next((m for m in desk.screen()["channels"][TALK] if m["ts"] == message["ts"]), {})
        return now if "Resolved*:" in words(now) else None

    return dict(eventually(look, "the message to turn to resolved", 40, desk.reads))


def failing(admin: Desk, number: str, text: str) -> Json:
    admin.type(f"/segsync refresh {number}")
    return told(admin, rf"Error\*?: \*{text}[\s\S]*{number}")


@pytest.mark.parametrize(
    ("fault", "title", "remedy"),
    [
        ("terms_not_accepted", "Terms are waiting to be accepted", "accepts the Custom Audience terms"),
        ("account_disabled", "The ad account is disabled", "Open Account quality"),
        ("access_lost", "No access to the ad account any more", "Business settings → Ad accounts"),
    ],
)
def test_trouble_with_an_ad_account_is_said_with_its_remedy_and_healed_by_a_retry(
    sandbox: Sandbox, admin: Desk, synced: tuple[str, Path], fault: str, title: str, remedy: str
) -> None:
    number, _ = synced
    sandbox.fault("meta", fault)
    message = failing(admin, number, title)
    assert remedy in words(message).replace("*", "")
    sandbox.well()
    click(admin, message, "Retry")
    over = resolved(admin, message)
    assert title in words(over)
    assert f"retried by <@{admin.user}>" in words(over)


def test_a_deleted_audience_is_made_anew_by_a_retry(sandbox: Sandbox, admin: Desk, synced: tuple[str, Path]) -> None:
    number, path = synced
    sandbox.fault("meta", "audience_deleted")
    click(admin, failing(admin, number, "The audience was deleted on Meta"), "Retry")
    told(admin, r"Resolved\*: The audience was deleted")
    held = eventually(lambda: [a for a in sandbox.audiences() if a["name"] == WEBINAR][-1:], "the new audience")[0]
    eventually(lambda: emails(sandbox, held["audience_id"]) == expected(rows(path)), "the audience to be filled", timeout_s=40)


def test_a_segment_that_is_gone_and_comes_back(sandbox: Sandbox, admin: Desk, synced: tuple[str, Path]) -> None:
    number, path = synced
    aside = path.with_suffix(".aside")
    path.rename(aside)
    message = failing(admin, number, "The segment is gone")
    aside.rename(path)
    click(admin, message, "Retry")
    resolved(admin, message)


def test_the_guard_asks_once_and_applies_what_was_shown(sandbox: Sandbox, admin: Desk, synced: tuple[str, Path]) -> None:
    number, path = synced
    everybody = rows(path)
    put(path, everybody[: len(everybody) // 3])
    admin.type(f"/segsync refresh {number}")
    message = told(admin, rf"would remove[\s\S]*{number}")
    click(admin, message, "Apply")
    told(admin, rf"Resolved\*: A refresh would remove[\s\S]*the removals were applied by <@{admin.user}>")
    held = audience(sandbox, WEBINAR)["audience_id"]
    eventually(lambda: emails(sandbox, held) == expected(everybody[: len(everybody) // 3]), "the smaller audience", timeout_s=60)
    put(path, everybody)


def test_an_outage_is_one_alert_for_the_channel_and_ends_by_itself(
    sandbox: Sandbox, admin: Desk, synced: tuple[str, Path]
) -> None:
    number, path = synced
    put(path, [*rows(path), contact("in.the.storm@example.com")])
    sandbox.fault("meta", "http_500")
    admin.type(f"/segsync refresh {number}")
    message = told(admin, rf"Meta does not answer[\s\S]*{number}", timeout_s=110)
    sandbox.well()
    sandbox.advance(26 * 3600)
    resolved(admin, message)


def test_a_revoked_connection_is_its_owners_first_and_reconnect_goes_on(
    sandbox: Sandbox, admin: Desk, synced: tuple[str, Path]
) -> None:
    number, path = synced
    marketer = sandbox.desk("marketing_user")
    sandbox.fault("meta", "token_revoked")
    changed = [*rows(path), contact("after.the.fall@example.com")]
    put(path, changed)
    message = failing(admin, number, "Meta no longer accepts a connection")
    assert f"connection of <@{marketer.user}>" in words(message)
    marketer.press("Reconnect")
    url = eventually(lambda: link(marketer), "a link")
    assert sandbox.post("/control/consent", {"user": marketer.user, "url": url, "grant": True})["status"] == 200
    told(admin, rf"Resolved\*: Meta no longer accepts[\s\S]*reconnected by <@{marketer.user}>")
    held = audience(sandbox, WEBINAR)["audience_id"]
    eventually(lambda: emails(sandbox, held) == expected(changed), "what stood still", timeout_s=40)
    marketer.close_all()


def test_a_snooze_ends_with_its_time(sandbox: Sandbox, admin: Desk, synced: tuple[str, Path]) -> None:
    number, _ = synced
    sandbox.fault("meta", "account_disabled")
    message = failing(admin, number, "The ad account is disabled")
    click(admin, message, "Snooze", "1 hour")
    told(admin, f"snoozed by <@{admin.user}>")
    admin.type("/segsync alerts")
    admin.sees("Snoozed")
    sandbox.advance(3700)
    eventually(lambda: "💤" not in words(told(admin, "The ad account is disabled")), "the end of the snooze")
    sandbox.well()
    click(admin, told(admin, r"Error\*: \*The ad account is disabled"), "Retry")
    resolved(admin, message)


def test_the_digest_answers_at_once(sandbox: Sandbox, admin: Desk, synced: tuple[str, Path]) -> None:
    admin.type("/segsync digest")
    said: Any = admin.sees("The week in segment syncs")
    assert "refreshes succeeded" in said
    assert synced[0] in said


@pytest.mark.parametrize("fault", ["http_500", "rate_limited", "reset"])
def test_trouble_with_slack_delays_an_alert_and_neither_loses_nor_doubles_it(
    sandbox: Sandbox, admin: Desk, synced: tuple[str, Path], fault: str
) -> None:
    number, _ = synced
    sandbox.advance(2 * 3600)  # what has just been resolved would go on in its own message
    before = [m["ts"] for m in admin.screen()["channels"][TALK]]
    sandbox.fault("meta", "account_disabled")
    sandbox.fault("slack", fault, endpoint="chat.postMessage", times=3)
    message = failing(admin, number, "The ad account is disabled")
    assert message["ts"] not in before
    new = [m for m in admin.screen()["channels"][TALK] if m["ts"] not in before and "Error" in words(m)]
    assert len(new) == 1
    sandbox.well()
    click(admin, message, "Retry")
    resolved(admin, message)
