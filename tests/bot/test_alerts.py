"""Alerts as people meet them in Slack: one message that says what to do, buttons that do it, and a trace of who did."""

import re
from typing import Any

import pytest
from slack_sdk import WebClient

from core.errors import AccessLost
from core.models import Actor, Counts, Role, Sync
from tests.bot.conftest import Office, connect, link, make_sync
from tests.journeys.desk import Desk, elements, eventually, words


@pytest.fixture
def talk(office: Office) -> str:
    """The organization's alert conversation."""
    channel = next(c["id"] for c in office.sandbox.get("/control/channels") if c["name"] == "segsync-alerts")
    ana = Actor(office.org_id, "U01ANARUIZ", Role.PRIMARY_ADMIN, surface="settings")
    office.product.store.organizations.set(ana, {"alert_conversation": channel}, office.product.clock.now())
    return str(channel)


def synced(office: Office, name: str = "Mia", segment: str = "EMEA brand") -> Sync:
    desk = office.desk(name)
    if not office.product.connections.mine(actor(office, desk)):
        connect(office, desk)
    make_sync(office, desk, segment)
    office.refresh_all()
    return office.product.syncs.find(actor(office, desk), segment)[0]


def actor(office: Office, desk: Desk) -> Actor:
    return office.product.users.actor(office.org_id, desk.user)


def fail(office: Office, sync: Sync, code: str, **detail: str) -> None:
    """The sync's next refresh fails."""
    store, now = office.product.store.refreshes, office.product.clock.now()
    office.product.syncs.refresh(Actor(office.org_id, sync.owner_id, Role.PRIMARY_ADMIN), sync.id)
    run = _claim(office)
    store.fail(run.id, run.fence, code, detail, next_due_at=None, now=now)
    office.product.wake()


def hold(office: Office, sync: Sync) -> None:
    office.product.syncs.refresh(Actor(office.org_id, sync.owner_id, Role.PRIMARY_ADMIN), sync.id)
    run = _claim(office)
    counts = Counts(removed=400, delivered=1000)
    office.product.store.refreshes.hold(run.id, run.fence, counts, "segment_shrunk", now=office.product.clock.now())
    office.product.wake()


def _claim(office: Office) -> Any:
    from datetime import timedelta

    run = office.product.store.refreshes.claim(office.product.clock.now(), timedelta(minutes=5))
    assert run is not None
    return run


def told(desk: Desk, channel: str, text: str) -> dict[str, Any]:
    """The message of this conversation that says so."""

    def look() -> dict[str, Any] | None:
        found = [m for m in desk.screen()["channels"].get(channel, []) if re.search(text, words(m))]
        return found[-1] if found else None

    return dict(eventually(look, f"{text!r} in {channel}", 20, desk.reads))


def click(desk: Desk, channel: str, message: dict[str, Any], label: str, value: str | None = None) -> None:
    for block in message["blocks"]:
        for element in (e for e in elements(block) if "action_id" in e):
            said = (element.get("text") or element.get("placeholder") or {}).get("text", "")
            if said == label:
                picked = next((o["value"] for o in element.get("options", []) if o["text"]["text"] == value), None)
                desk.click(
                    {"channel": channel, "ts": message["ts"]}, element["action_id"], block_id=block["block_id"], value=picked
                )
                return
    raise AssertionError(f"no {label!r} in {words(message)}")


def labels(message: dict[str, Any]) -> list[str]:
    found = [e for b in message.get("blocks", []) for e in elements(b) if "action_id" in e]
    return [(e.get("text") or e.get("placeholder"))["text"] for e in found]


def test_an_alert_is_one_message_that_says_what_to_do(office: Office, talk: str) -> None:
    sync = synced(office)
    fail(office, sync, "ad_account_disabled")
    message = told(office.desk("Ana"), talk, "ad account is disabled")
    said = words(message)
    assert "EMEA brand → Meta · Acme EU" in said
    assert "The audience keeps its 90 contacts" in said
    assert labels(message) == ["Retry", "Open in Meta", "Acknowledge", "Snooze", "Details"]
    office.desk("Mia").sees("ad account is disabled")


def test_acknowledging_shows_who_did_in_every_message(office: Office, talk: str) -> None:
    fail(office, synced(office), "ad_account_disabled")
    bo = office.desk("Bo")
    click(bo, talk, told(bo, talk, "disabled"), "Acknowledge")
    message = told(bo, talk, f"acknowledged by <@{bo.user}>")
    assert "Acknowledge" not in labels(message)
    mia = office.desk("Mia")
    eventually(lambda: f"acknowledged by <@{bo.user}>" in words(mia.dm()), "the same in the owner's message")


def test_whoever_may_not_is_told_why_privately(office: Office, talk: str) -> None:
    fail(office, synced(office), "ad_account_disabled")
    tom = office.desk("Tom")
    click(tom, talk, told(tom, talk, "disabled"), "Acknowledge")
    tom.sees("Only its owner or an administrator may handle this alert")
    assert "Only its owner" not in office.desk("Ana").reads()


def test_snoozing_is_shown_with_name_and_end(office: Office, talk: str) -> None:
    fail(office, synced(office), "ad_account_disabled")
    ana = office.desk("Ana")
    click(ana, talk, told(ana, talk, "disabled"), "Snooze", "1 day")
    assert "until <!date" in words(told(ana, talk, f"snoozed by <@{ana.user}>"))
    ana.type("/segsync alerts")
    ana.sees("💤 Snoozed")


def test_a_retry_that_succeeds_turns_the_message_to_resolved(office: Office, talk: str) -> None:
    fail(office, synced(office), "ad_account_disabled")
    ana = office.desk("Ana")
    click(ana, talk, told(ana, talk, "disabled"), "Retry")
    told(ana, talk, f"retried by <@{ana.user}>")
    office.refresh_all()
    message = told(ana, talk, r"Resolved\*: The ad account is disabled")
    assert "It lasted 1 min" in words(message)
    assert labels(message) == []

    def replies() -> int:
        said = [m for m in ana.screen()["channels"][talk] if m.get("thread_ts") == message["ts"] != m["ts"]]
        return sum("Resolved" in words(m) for m in said)

    eventually(replies, "the reply in the thread")
    assert replies() == 1


def test_reconnecting_ones_own_goes_on_with_what_stood_still(office: Office, talk: str) -> None:
    sync = synced(office)
    fail(office, sync, "connection_revoked")
    mia = office.desk("Mia")
    _, own = _dm(mia, "no longer accepts", "Reconnect")
    assert "Take over" not in labels(own)
    mia.press("Reconnect")
    office.follow(link(mia))
    told(mia, talk, f"Resolved.*reconnected by <@{mia.user}>".replace(".*", r"[\s\S]*"))
    assert office.product.store.refreshes.last(sync.id, 1)[0].state.is_open


def test_reconnect_on_a_colleagues_alert_takes_over(office: Office, talk: str) -> None:
    sync = synced(office)
    tom = office.desk("Tom")
    connect(office, tom)
    fail(office, sync, "connection_revoked")
    message = told(tom, talk, "no longer accepts")
    assert {"Reconnect", "Take over"} <= set(labels(message))
    click(tom, talk, message, "Reconnect")
    tom.sees_in_view(r"1\* run on your connection now")
    told(tom, talk, f"taken over by <@{tom.user}>")


def test_taking_over_without_a_connection_goes_on_after_the_consent(office: Office, talk: str) -> None:
    sync = synced(office)
    fail(office, sync, "connection_revoked")
    tom = office.desk("Tom")
    click(tom, talk, told(tom, talk, "no longer accepts"), "Take over")
    tom.sees_in_view("You have not connected Meta")
    tom.press("Connect Meta")
    office.follow(link(tom))
    tom.sees("1\\* run on your connection now")
    assert office.product.store.syncs.get(office.org_id, sync.id).run_as != sync.run_as


def test_what_may_not_be_taken_over_is_said_by_name(office: Office, talk: str) -> None:
    sync = synced(office)
    tom = office.desk("Tom")
    connect(office, tom)
    fail(office, sync, "connection_revoked")
    office.channel.trouble = AccessLost("Your connection does not reach this ad account.")
    click(tom, talk, told(tom, talk, "no longer accepts"), "Take over")
    tom.sees_in_view("EMEA brand[\\s\\S]*does not reach this ad account")


def test_the_guards_question_is_decided_once_and_says_by_whom(office: Office, talk: str) -> None:
    sync = synced(office)
    hold(office, sync)
    ana, mia = office.desk("Ana"), office.desk("Mia")
    message = told(ana, talk, "would remove 400 of 1000")
    click(ana, talk, message, "Keep the old audience")
    told(ana, talk, f"old audience was kept by <@{ana.user}>")
    assert "Keep" not in words(told(mia, talk, "Resolved"))


def test_the_list_of_alerts_has_the_same_actions_and_follows_them(office: Office, talk: str) -> None:
    fail(office, synced(office), "ad_account_disabled")
    ana = office.desk("Ana")
    ana.type("/segsync alerts")
    ana.sees("1 open alert")
    here = next(c for c, ms in ana.screen()["channels"].items() if any("1 open alert" in words(m) for m in ms))
    click(ana, here, told(ana, here, "1 open alert"), "Acknowledge")
    told(ana, here, f"1 open alert[\\s\\S]*acknowledged by <@{ana.user}>")
    tom = office.desk("Tom")
    tom.type("/segsync alerts mine")
    tom.sees("No open alerts about your syncs")


def test_a_message_that_was_deleted_is_replaced_once(office: Office, talk: str) -> None:
    sync = synced(office)
    fail(office, sync, "ad_account_disabled")
    ana = office.desk("Ana")
    client = WebClient(base_url=f"{office.url}/slack/api/", token=office.app.state.slack.ours.bot_token)
    first = told(ana, talk, "disabled")
    client.chat_delete(channel=talk, ts=first["ts"])
    office.refresh_all()
    click(office.desk("Mia"), *_dm(office.desk("Mia"), "disabled"), "Retry")
    queued = office.product.store.refreshes
    eventually(lambda: queued.last(sync.id, 1)[0].state.is_open, "the refresh that was asked for")
    office.refresh_all()
    second = told(ana, talk, "Resolved")
    assert second["ts"] != first["ts"]
    assert office.product.notifier.tally["replaced"] == 1


def _dm(desk: Desk, text: str, button: str = "Retry") -> tuple[str, dict[str, Any]]:
    def look() -> tuple[str, dict[str, Any]] | None:
        places = [(c, m) for c, m in desk.messages() if c.startswith("D") and re.search(text, words(m)) and button in labels(m)]
        return places[-1] if places else None

    found = eventually(look, text)
    return found[0], found[1]


@pytest.mark.parametrize("trouble", [{"archived": True}, {"ext_shared": True}])
def test_a_conversation_that_cannot_be_written_to_costs_nothing_but_a_word_to_the_administrators(
    office: Office, talk: str, trouble: dict[str, bool]
) -> None:
    sync = synced(office)
    office.sandbox.post("/control/channel", {"channel": talk, **trouble})
    fail(office, sync, "ad_account_disabled")
    for name in ("Ana", "Bo"):
        desk = office.desk(name)
        desk.sees(f"cannot write in <#{talk}>")
        eventually(lambda desk=desk: "ad account is disabled" in words(desk.dm()), "the alert itself")


def test_what_a_closed_conversation_missed_is_told_when_it_opens_again(office: Office, talk: str) -> None:
    sync = synced(office)
    office.sandbox.post("/control/channel", {"channel": talk, "archived": True})
    fail(office, sync, "ad_account_disabled")
    office.desk("Ana").sees("cannot write in")
    office.sandbox.post("/control/channel", {"channel": talk, "archived": False})
    assert "Retry" in labels(told(office.desk("Ana"), talk, "disabled"))


def test_an_ad_account_may_have_a_conversation_of_its_own(office: Office, talk: str) -> None:
    sync = synced(office)
    ana, mia = office.desk("Ana"), office.desk("Mia")
    ana.type('/segsync alerts route "Acme" <#C01GENERAL|general>')
    ana.sees("Alerts about Meta · Acme EU go to <#C01GENERAL>")
    fail(office, sync, "ad_account_disabled")
    told(ana, "C01GENERAL", "ad account is disabled")
    assert "disabled" not in words(ana.screen()["channels"][talk])
    mia.type("/segsync alerts route Acme <#C01GENERAL|general>")
    mia.sees("does not allow to change the settings")
    office.sandbox.post("/control/channel", {"channel": "C01GENERAL", "ext_shared": True})
    ana.type("/segsync alerts route Acme <#C01GENERAL|general>", channel=talk)
    ana.sees("shared with another company")
