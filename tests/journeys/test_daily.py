"""The daily work in the running demo, compared with what the stand-ins hold."""

from pathlib import Path

import pytest

from tests.journeys.conftest import Demo
from tests.journeys.desk import Desk, Json, Sandbox, eventually, sha256
from tests.journeys.test_main_job import WEBINAR, connect, contact, create, emails, put


def field(desk: Desk, label: str, value: str) -> Json:
    block, element = eventually(lambda: desk._input(label), f"an input {label!r}")
    return {block["block_id"]: {element["action_id"]: value}}


@pytest.fixture(scope="module")
def kept(demo: Demo) -> tuple[str, Path]:
    """A sync of a few hundred contacts: its short id, and the file of its segment."""
    sandbox = demo.sandbox
    path = Path(next(s["path"] for s in sandbox.segments() if s["name"] == WEBINAR))
    put(path, [contact(f"kept{n}@example.com") for n in range(400)])
    marketer = sandbox.desk("marketing_user")
    connect(marketer)
    return create(marketer, WEBINAR), path


def test_a_dry_run_says_what_a_refresh_then_does(sandbox: Sandbox, kept: tuple[str, Path]) -> None:
    number, path = kept
    marketer, audience = sandbox.desk("marketing_user"), sandbox.audiences()[0]["audience_id"]
    before = emails(sandbox, audience)
    put(path, [contact(f"kept{n}@example.com") for n in range(50, 430)])
    marketer.type(f"/segsync dry-run {number}")
    marketer.sees(r"would add \*30\* and remove \*50\* contacts")
    assert emails(sandbox, audience) == before
    marketer.type(f"/segsync refresh {number}")
    wanted = {sha256(f"kept{n}@example.com") for n in range(50, 430)}
    eventually(lambda: emails(sandbox, audience) == wanted, "the audience to equal the segment", timeout_s=40)
    marketer.sees(r"380 in the audience, \+30 −50")


def test_a_dry_run_says_that_the_guard_would_hold(sandbox: Sandbox, kept: tuple[str, Path]) -> None:
    number, path = kept
    marketer = sandbox.desk("marketing_user")
    was = path.read_bytes()
    put(path, [contact(f"kept{n}@example.com") for n in range(400, 430)])
    marketer.type(f"/segsync dry-run {number}")
    marketer.sees("more than the guard allows")
    part = path.with_name(".part.csv")
    part.write_bytes(was)
    part.rename(path)


def test_an_edit_changes_when_it_is_due_next(sandbox: Sandbox, kept: tuple[str, Path]) -> None:
    number, _ = kept
    marketer = sandbox.desk("marketing_user")
    marketer.type(f"/segsync show {number}")
    marketer.press("Edit")
    marketer.submit(field(marketer, "Name", "Guests, every hour") | marketer.choose("Cadence", "hourly"))
    said = marketer.sees_in_view("Guests, every hour")
    assert "every hour" in said
    marketer.close_all()


def test_the_audience_goes_with_its_sync_when_that_is_chosen(sandbox: Sandbox, kept: tuple[str, Path]) -> None:
    number, _ = kept
    marketer = sandbox.desk("marketing_user")
    marketer.type(f"/segsync delete {number}")
    marketer.choose("The audience on Meta", "delete")
    marketer.submit(field(marketer, f"Type {number}", number))
    marketer.sees("Its audience on Meta is deleted too")
    assert sandbox.audiences() == []
