"""A connection taken back, a sync taken over, a person who leaves: in the running demo, against the stand-in's own record."""

from pathlib import Path

import pytest

from tests.journeys.conftest import Demo
from tests.journeys.desk import Sandbox, eventually
from tests.journeys.test_main_job import WEBINAR, audience, connect, create, emails, expected, rows


@pytest.fixture(scope="module")
def number(demo: Demo) -> str:
    """The marketer's sync; an administrator has connected the same platform."""
    connect(demo.sandbox.desk("abm_admin"))
    marketer = demo.sandbox.desk("marketing_user")
    connect(marketer)
    return create(marketer, WEBINAR)


def test_what_is_disconnected_fails_and_is_taken_over_by_somebody_with_access(sandbox: Sandbox, number: str) -> None:
    marketer, bo = sandbox.desk("marketing_user"), sandbox.desk("abm_admin")
    marketer.type("/segsync disconnect meta")
    assert WEBINAR in marketer.sees_in_view("One active sync runs on it")
    marketer.submit()
    marketer.sees("Meta is disconnected")
    marketer.type("/segsync disconnect meta")
    marketer.sees("You have not connected Meta")
    marketer.type(f"/segsync refresh {number}")
    marketer.sees(rf"Failed\*: {WEBINAR}", timeout_s=40)
    bo.type(f"/segsync takeover {number}")
    bo.sees_in_view(WEBINAR)
    bo.close_all()
    marketer.sees(rf"Synced\*: {WEBINAR}", timeout_s=60)
    marketer.sees("has taken over your sync")
    path = next(Path(s["path"]) for s in sandbox.segments() if s["name"] == WEBINAR)
    held = audience(sandbox, WEBINAR)["audience_id"]
    eventually(lambda: emails(sandbox, held) == expected(rows(path)), "the audience to equal the segment", timeout_s=40)


def test_the_syncs_of_somebody_who_leaves_are_listed_and_taken_over(sandbox: Sandbox, number: str) -> None:
    ana, bo = sandbox.desk("primary_admin"), sandbox.desk("abm_admin")
    connect(ana)
    sandbox.post("/control/person", {"user": bo.user, "deleted": True})
    ana.sees("Somebody has left", timeout_s=40)
    assert f"`{number}`" in ana.reads()
    ana.type("/segsync people")
    said = ana.sees("Primary Administrator")
    assert bo.user not in said.partition("People")[2].partition("Give a role")[0]
    ana.press("Take over")
    ana.sees_in_view("run on your connection now", timeout_s=30)
    ana.close_all()
    ana.type(f"/segsync show {number}")
    ana.sees_in_view(rf"Runs as\*\s+<@{ana.user}>")
    ana.close_all()
