"""Asking the administrators, in the running demo: the impact comes from the platform, a yes pauses, silence lapses."""

import pytest

from tests.journeys.conftest import Demo
from tests.journeys.desk import Desk, Json, Sandbox, elements, eventually, words
from tests.journeys.test_main_job import WEBINAR, connect, create

LAPSE_S = 72 * 3600


@pytest.fixture(scope="module")
def number(demo: Demo) -> str:
    """The first marketer's sync."""
    marketer = demo.sandbox.desk("marketing_user")
    connect(marketer)
    return create(marketer, WEBINAR)


def asks(desk: Desk, number: str, note: str) -> None:
    desk.type(f"/segsync pause {number}")
    desk.sees_in_view("You can ask for it")
    desk.submit({"note": {"request.note": note}})
    desk.sees_in_view("have been asked")
    desk.close_all()


def is_active(desk: Desk, number: str) -> bool:
    desk.type(f"/segsync show {number}")
    said = desk.sees_in_view(WEBINAR)
    desk.close_all()
    return "Inactive" not in said


def request(desk: Desk, note: str, *texts: str) -> tuple[str, Json]:
    """The request with this note in the approval conversation, once it says all of this."""
    talk = next(c["id"] for c in desk.sandbox.get("/control/channels") if c["name"] == "segsync-approvals")

    def look() -> Json | None:
        said = [m for m in desk.screen()["channels"][talk] if note in words(m)]
        return next((m for m in said if all(t in words(m) for t in texts)), None)

    return talk, dict(eventually(look, f"{note!r} with {texts}", 30, desk.reads))


def press(desk: Desk, talk: str, message: Json, label: str) -> None:
    for block in message["blocks"]:
        for element in elements(block):
            if element.get("text", {}).get("text") == label:
                desk.click({"channel": talk, "ts": message["ts"]}, element["action_id"], block_id=block["block_id"])
                return
    raise AssertionError(f"no {label!r} in {words(message)}")


def test_nobody_deciding_for_72_hours_lets_it_lapse(sandbox: Sandbox, number: str) -> None:
    tom = sandbox.desk("marketing_user", nth=1)
    asks(tom, number, "Too early to say")
    request(tom, "Too early to say", "Approve")
    sandbox.advance(LAPSE_S + 60)
    _, lapsed = request(tom, "Too early to say", "Lapsed")
    assert "Approve" not in words(lapsed)
    tom.sees("nobody decided within 72 hours")


def test_a_yes_pauses_with_the_impact_that_the_platform_told(sandbox: Sandbox, number: str) -> None:
    tom, ana, bo = sandbox.desk("marketing_user", nth=1), sandbox.desk("primary_admin"), sandbox.desk("abm_admin")
    asks(tom, number, "The budget is spent")
    talk, message = request(ana, "The budget is spent", "campaigns use this audience", "Autumn launch")
    press(ana, talk, message, "Approve")
    request(bo, "The budget is spent", "Approved", ana.user)
    tom.sees("Your request to pause Webinar guests")
    sandbox.desk("marketing_user").sees("has paused your sync")
    bo.type(f"/segsync show {number}")
    bo.sees_in_view("Inactive")
    bo.close_all()


def test_a_second_decision_says_who_decided(sandbox: Sandbox, number: str) -> None:
    tom, ana, bo = sandbox.desk("marketing_user", nth=1), sandbox.desk("primary_admin"), sandbox.desk("abm_admin")
    owner = sandbox.desk("marketing_user")
    owner.type(f"/segsync resume {number}")
    owner.close_all()
    eventually(lambda: is_active(tom, number), "the sync to be resumed")
    asks(tom, number, "One more try")
    talk, message = request(ana, "One more try", "Approve")
    press(ana, talk, message, "Decline")
    press(bo, talk, message, "Decline")
    ana.submit({"note": {"request.note": "It runs until Friday"}})
    request(bo, "One more try", "Declined", "It runs until Friday")
    bo.submit({"note": {"request.note": "Mine was later"}})
    bo.sees_in_view(f"<@{ana.user}>")
    tom.sees("It runs until Friday")
    bo.close_all()
