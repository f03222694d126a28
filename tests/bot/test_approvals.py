"""Asking the administrators and what they decide, as people meet it in Slack."""

from datetime import timedelta
from typing import Any

import pytest

from core.errors import AccessLost
from core.models import Actor, Campaign, RequestState, Role, SyncStatus
from tests.bot.conftest import Office
from tests.bot.test_alerts import actor, click, fail, labels, synced, told
from tests.journeys.desk import Desk, elements, eventually, words

RUNNING = Campaign("c1", "Always on", "active", running=True)


@pytest.fixture
def talk(office: Office) -> str:
    """The organization's approval conversation."""
    channel = next(c["id"] for c in office.sandbox.get("/control/channels") if c["name"] == "segsync-approvals")
    change(office, approval_conversation=channel)
    return str(channel)


def change(office: Office, **settings: Any) -> None:
    ana = Actor(office.org_id, "U01ANARUIZ", Role.PRIMARY_ADMIN, surface="settings")
    office.product.store.organizations.set(ana, settings, office.product.clock.now())


def ask(office: Office, desk: Desk, number: str = "S-1", note: str = "The campaign is over") -> None:
    """From the command to *Asked*."""
    desk.type(f"/segsync pause {number}")
    desk.sees_in_view("Ask an administrator|You can ask for it")
    desk.sees_in_view("No campaign uses|this audience, ")  # what it touches has been filled in
    desk.submit({"note": {"request.note": note}})
    desk.sees_in_view("have been asked")
    desk.close_all()


def status(office: Office, number: str = "S-1") -> SyncStatus:
    return office.product.store.syncs.get(office.org_id, number).status


def test_a_colleagues_sync_is_paused_by_an_administrators_yes(office: Office, talk: str) -> None:
    synced(office)
    office.channel.running.append(RUNNING)
    tom, bo = office.desk("Tom"), office.desk("Bo")
    ask(office, tom)
    message = told(bo, talk, "asks to pause")
    eventually(lambda: "Always on" in words(told(bo, talk, "asks to pause")), "the impact in the request")
    assert labels(message) == ["Approve", "Decline", "Details"]
    assert "The campaign is over" in words(message)
    click(bo, talk, message, "Approve")
    decided = told(bo, talk, "Approved")
    assert bo.user in words(decided)
    assert "Approve" not in labels(decided)
    assert status(office) is SyncStatus.INACTIVE
    tom.sees("Your request to pause EMEA brand")
    office.desk("Mia").sees("has paused your sync")


def test_a_declined_request_changes_nothing_and_says_why(office: Office, talk: str) -> None:
    synced(office)
    tom, bo = office.desk("Tom"), office.desk("Bo")
    ask(office, tom)
    click(bo, talk, told(bo, talk, "asks to pause"), "Decline")
    bo.submit({"note": {"request.note": "It runs until Friday"}})
    assert "It runs until Friday" in words(told(bo, talk, "Declined"))
    tom.sees("It runs until Friday")
    assert status(office) is SyncStatus.SYNCED


def test_the_first_decision_stands(office: Office, talk: str) -> None:
    synced(office)
    ana, bo = office.desk("Ana"), office.desk("Bo")
    ask(office, office.desk("Tom"))
    message = told(ana, talk, "asks to pause")
    click(bo, talk, message, "Decline")
    bo.submit({"note": {"request.note": ""}})
    told(bo, talk, "Declined")
    (request,) = office.product.store.requests.of(office.org_id, office.desk("Tom").user)
    with pytest.raises(Exception, match="decided already"):
        office.product.approvals.approve(actor(office, ana), request.id)
    assert office.product.store.requests.get(office.org_id, request.id).decided_by == bo.user
    assert status(office) is SyncStatus.SYNCED


def test_only_administrators_decide(office: Office, talk: str) -> None:
    synced(office)
    tom = office.desk("Tom")
    ask(office, tom)
    click(tom, talk, told(tom, talk, "asks to pause"), "Approve")
    tom.sees("does not allow to decide on requests")
    assert status(office) is SyncStatus.SYNCED


def test_more_running_campaigns_than_shown_are_shown_first(office: Office, talk: str) -> None:
    synced(office)
    bo = office.desk("Bo")
    ask(office, office.desk("Tom"))
    eventually(lambda: "No campaign uses" in words(told(bo, talk, "asks to pause")), "the impact in the request")
    office.channel.running.append(RUNNING)
    click(bo, talk, told(bo, talk, "asks to pause"), "Approve")
    bo.sees("More campaigns run on this audience now")
    eventually(lambda: "Always on" in words(told(bo, talk, "asks to pause")), "the new impact in the request")
    assert status(office) is SyncStatus.SYNCED
    click(bo, talk, told(bo, talk, "asks to pause"), "Approve")
    told(bo, talk, "Approved")
    assert status(office) is SyncStatus.INACTIVE


def test_a_request_closes_itself_when_the_sync_is_paused(office: Office, talk: str) -> None:
    sync = synced(office)
    ask(office, office.desk("Tom"))
    told(office.desk("Bo"), talk, "asks to pause")
    office.product.pausing.pause(actor(office, office.desk("Mia")), sync.id)
    office.product.wake()
    told(office.desk("Bo"), talk, "No longer needed")


def test_a_request_lapses_after_72_hours(office: Office, talk: str) -> None:
    synced(office)
    tom = office.desk("Tom")
    ask(office, tom)
    told(tom, talk, "asks to pause")
    now = office.product.clock.now()
    assert office.product.store.requests.lapse(now + timedelta(hours=71)) == 0
    assert office.product.store.requests.lapse(now + timedelta(hours=73)) == 1
    office.product.store.outbox.waiting()
    (request,) = office.product.store.requests.of(office.org_id, tom.user)
    assert request.state is RequestState.LAPSED


def test_without_a_conversation_administrators_hear_by_direct_message(office: Office) -> None:
    synced(office)
    ask(office, office.desk("Tom"))
    ana, bo = office.desk("Ana"), office.desk("Bo")
    ana.sees("asks to pause")
    bo.sees("asks to pause")
    bo.press("Approve")
    ana.sees("Approved")


def test_where_pauses_need_a_yes_the_owner_asks_too(office: Office, talk: str) -> None:
    change(office, approve_pauses=True)
    synced(office)
    mia = office.desk("Mia")
    office.channel.running.append(RUNNING)
    mia.type("/segsync pause S-1")
    mia.sees_in_view("an administrator has to agree")
    mia.submit({"note": {"request.note": "Budget is spent"}})
    bo = office.desk("Bo")
    click(bo, talk, told(bo, talk, "asks to pause"), "Approve")
    told(bo, talk, "Approved")
    assert status(office) is SyncStatus.INACTIVE


def test_a_form_from_before_the_setting_does_not_pause(office: Office, talk: str) -> None:
    synced(office)
    mia = office.desk("Mia")
    mia.type("/segsync pause S-1")
    mia.sees_in_view("No campaign uses")
    change(office, approve_pauses=True)
    office.channel.running.append(RUNNING)
    mia.submit()
    mia.sees_in_view("has to agree")
    assert status(office) is SyncStatus.SYNCED


def test_a_viewer_asks_for_a_role_and_gets_it(office: Office, talk: str) -> None:
    viewer = next(p for p in office.sandbox.people() if p["role"] == "viewer")
    vic, ana = office.desk(viewer["name"]), office.desk("Ana")
    vic.type("/segsync create")
    vic.sees("Your role is View-only")
    vic.press("Ask for a role")
    vic.submit({"note": {"request.note": "I run the brand campaigns"}})
    vic.close_all()
    message = told(ana, talk, "asks for the role")
    click(ana, talk, message, "Give role")
    told(ana, talk, "Approved")
    vic.sees("Your request for the role Marketing User")
    assert office.product.store.organizations.role(office.org_id, vic.user) is Role.MARKETING_USER


def test_help_with_a_failed_sync_is_a_take_over(office: Office, talk: str) -> None:
    from tests.bot.conftest import connect

    sync = synced(office)
    bo = office.desk("Bo")
    connect(office, bo)
    fail(office, sync, "ad_account_access_lost")
    mia = office.desk("Mia")
    mia.type("/segsync show S-1")
    view = mia.view()
    assert any(e.get("text", {}).get("text") == "Ask an administrator" for b in view["blocks"] for e in elements(b))
    mia.press("Ask an administrator")
    mia.submit({"note": {"request.note": ""}})
    mia.close_all()
    click(bo, talk, told(bo, talk, "asks for help"), "Take over")
    told(bo, talk, "Approved")
    taken = office.product.store.syncs.get(office.org_id, sync.id)
    assert taken.run_as == office.product.connections.mine(actor(office, bo))[taken.channel].id


def test_an_ad_account_that_is_out_of_reach_is_asked_for_from_the_form_and_from_a_resume(office: Office, talk: str) -> None:
    from tests.bot.conftest import connect

    sync = synced(office)
    office.product.pausing.pause(actor(office, office.desk("Mia")), sync.id)
    tom, ana = office.desk("Tom"), office.desk("Ana")
    connect(office, tom)
    tom.type("/segsync create meta")
    tom.sees_in_view("The one that you need is not there")
    tom.press("Ask an administrator")
    tom.submit({"note": {"request.note": "Acme Nordics, for the spring sale"}})
    tom.close_all()
    message = told(ana, talk, "asks for help")
    assert "Meta ad account: Acme Nordics" in words(message)
    click(ana, talk, message, labels(message)[0])
    told(ana, talk, "Approved")
    office.channel.trouble = AccessLost("Your connection does not reach this ad account.")
    tom.type("/segsync resume S-1")
    tom.sees_in_view("does not reach this ad account")
    tom.press("Ask an administrator")
    tom.sees_in_view("Which ad account do you need")


def test_the_list_shows_what_waits_and_is_drawn_anew(office: Office, talk: str) -> None:
    synced(office)
    tom, bo = office.desk("Tom"), office.desk("Bo")
    ask(office, tom)
    tom.type("/segsync approvals")
    tom.sees("1 waiting for a decision")
    bo.type("/segsync approvals")
    bo.sees("1 waiting for a decision")
    bo.press("Approve")
    bo.sees("Nothing waits for your decision")
