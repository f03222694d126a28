"""The same words by command, mention and direct message; help that fits the role and the caller's own things."""

import pytest

from bot.blocks import guide
from core.access import may
from core.models import Actor, Role
from tests.bot.conftest import Office
from tests.bot.test_editing import synced
from tests.journeys.desk import Desk


def write(desk: Desk, channel: str, text: str) -> None:
    desk.sandbox.post("/control/message", {"user": desk.user, "channel": channel, "text": text})


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("", ("overview", "")),
        ("LIST status:failed", ("list", "status:failed")),
        ("off S-1", ("pause", "S-1")),
        ("emea brand pause", ("pause", "emea brand")),
        ("S-42", ("show", "s-42")),
        ("s-42 on", ("resume", "s-42")),
        ("meta connect", ("connect", "meta")),
        ("creat meta", ("creat", "meta")),
        ("list create", ("list", "create")),
        ("dryrun S-1", ("dry-run", "S-1")),
    ],
)
def test_the_command_is_found_wherever_it_stands(said: str, meant: tuple[str, str]) -> None:
    assert guide.understood(said) == meant


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("command", guide.COMMANDS, ids=lambda c: c.name)
def test_help_names_what_a_role_may_do_and_nothing_else(command: guide.Command, role: Role) -> None:
    actor = Actor("T1", "U1", role)
    said = guide.help_message(actor)
    listed = f"`/segsync {command.name}" in str(said["blocks"][:2])
    assert listed == may(actor, command.action, owner_id="U1")
    alone = str(guide.help_message(actor, command.name)["text"])
    assert command.does in alone if listed else role.label in alone


def test_every_command_of_the_help_does_something(office: Office) -> None:
    product = office.product
    assert {c.name for c in guide.COMMANDS} <= product.journeys.words.keys() | {"help"}


def test_help_teaches_with_the_callers_own_syncs(office: Office) -> None:
    mia = synced(office)
    mia.type("/segsync help")
    said = mia.sees("For example")
    assert "`/segsync show S-1`" in said
    assert "create EMEA brand meta" in said


def test_toggle_turns_a_sync_off_and_on(office: Office) -> None:
    mia = synced(office)
    mia.type("/segsync toggle S-1")
    mia.sees_in_view("goes stale")
    mia.submit()
    mia.sees("Inactive")
    mia.type("/segsync toggle emea")
    mia.sees_in_view("EMEA brand")
    office.refresh_all()
    mia.sees("Synced")


def test_a_mention_is_answered_in_the_thread_to_the_asker_alone(office: Office) -> None:
    mia, tom = synced(office), office.desk("Tom")
    write(mia, "C01GENERAL", f"<@{office.app.state.slack.ours.bot_user_id}> list status:synced by:me")
    mia.sees("1 sync")
    assert "last refreshed" not in tom.reads()


def test_a_direct_message_is_answered_there_and_a_modal_by_one_button(office: Office) -> None:
    mia = synced(office)
    dm = next(c for c in mia.screen()["channels"] if c.startswith("D"))
    write(mia, dm, "create webinar meta")
    mia.sees("press the button to go on")
    mia.press("Create a segment sync")
    assert "Webinar guests" in mia.sees_in_view("Ad account")
    mia.close_all()
    write(mia, dm, "settings")
    mia.sees("does not allow to change the settings")
    write(mia, dm, "paus emea")
    mia.sees("Did you mean `/segsync pause`")
    write(mia, dm, "usage")
    mia.sees("Who uses it")


def test_the_global_shortcut_opens_the_form(office: Office) -> None:
    mia = office.desk("Mia")
    mia.sandbox.post("/control/shortcut", {"user": mia.user, "callback_id": "create_sync"})
    mia.sees_in_view("Create a segment sync")
