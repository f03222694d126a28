"""Editing, deleting and trying out a sync, as people do it."""

from datetime import timedelta

from core.errors import Unavailable
from core.models import Campaign, Counts
from tests.bot.conftest import Office, connect, make_sync
from tests.journeys.desk import Desk


def synced(office: Office, name: str = "Mia") -> Desk:
    desk = office.desk(name)
    connect(office, desk)
    assert make_sync(office, desk) == {}
    office.refresh_all()
    desk.sees("Synced")
    desk.close_all()
    return desk


def labels(desk: Desk) -> list[str]:
    return [e["text"]["text"] for b in desk.view()["blocks"] for e in b.get("elements", []) if e["type"] == "button"]


def field(desk: Desk, label: str, value: str) -> dict[str, dict[str, str]]:
    block, element = desk._input(label) or ({}, {})
    return {block["block_id"]: {element["action_id"]: value}}


def test_the_details_say_everything_and_then_which_campaigns_use_the_audience(office: Office) -> None:
    mia = synced(office)
    office.channel.running = [Campaign("c1", "Spring sale", "ACTIVE", running=True)]
    mia.type("/segsync show emea")
    said = mia.sees_in_view("Spring sale")
    assert "80* matched, as Meta reports" in said
    assert labels(mia) == ["Refresh now", "Pause", "Edit", "Dry run", "Share here", "Delete"]


def test_an_edit_from_the_details_shows_in_them(office: Office) -> None:
    mia = synced(office)
    mia.type("/segsync show S-1")
    mia.press("Edit")
    values = field(mia, "Name", "Brand & more") | mia.choose("Cadence", "hourly") | field(mia, "Guard", "50 %")
    assert "errors" not in mia.submit(values)
    said = mia.sees_in_view("Brand &amp; more")
    assert "every hour" in said
    assert office.product.store.syncs.get(office.org_id, "S-1").guard_share == 0.5


def test_a_cron_rule_that_is_none_is_refused_beside_its_input(office: Office) -> None:
    mia = synced(office)
    mia.type("/segsync edit S-1")
    mia.choose("Cadence", "cron")
    mia.sees_in_view("Cron expression")
    assert "five cron fields" in str(mia.submit(field(mia, "Cron", "at noon"))["errors"]["cron"])
    assert "whole number" in str(mia.submit(field(mia, "Cron", "0 9 * * *") | field(mia, "Guard", "most"))["errors"]["guard"])


def test_a_stale_form_shows_what_changed_and_keeps_what_was_typed(office: Office) -> None:
    mia, bo = synced(office), office.desk("Bo")
    mia.type("/segsync edit S-1")
    bo.type("/segsync edit S-1")
    bo.submit(field(bo, "Name", "Bo's name"))
    mia.sees("has edited your sync")
    mia.submit(field(mia, "Name", "Mia's name"))
    assert "Name: EMEA brand → *Bo's name*" in mia.sees_in_view("while the form was open")
    assert mia.submit() == {}
    assert office.product.store.syncs.get(office.org_id, "S-1").name == "Mia's name"


def test_a_sync_is_deleted_and_its_audience_stays(office: Office) -> None:
    mia, bo = synced(office), office.desk("Bo")
    office.channel.running = [Campaign("c1", "Spring sale", "ACTIVE", running=True)]
    bo.type("/segsync delete emea")
    bo.sees_in_view("Spring sale")
    assert bo.submit() == {}
    mia.sees("has deleted your sync EMEA brand → Meta")
    assert office.channel.deleted == []
    bo.type("/segsync show S-1")
    bo.sees("There is no such sync here|No sync is called")
    assert make_sync(office, mia) == {}
    mia.sees("S-2")


def test_the_audience_goes_too_only_after_the_short_id_was_typed(office: Office) -> None:
    mia = synced(office)
    mia.type("/segsync delete S-1")
    mia.sees_in_view("No campaign")
    mia.choose("The audience on Meta", "delete")
    mia.sees_in_view("Type S-1 to confirm")
    assert "Type S-1" in str(mia.submit(field(mia, "Type S-1", "yes"))["errors"])
    assert office.channel.deleted == []
    assert mia.submit(field(mia, "Type S-1", "s-1")) == {}
    mia.sees("Its audience on Meta is deleted too")
    assert office.channel.deleted == ["a1"]


def test_an_audience_that_cannot_be_deleted_keeps_its_sync(office: Office) -> None:
    mia = synced(office)
    mia.type("/segsync delete S-1")
    mia.choose("The audience on Meta", "delete")
    mia.sees_in_view("Type S-1 to confirm")
    office.channel.trouble = Unavailable("Meta does not answer.")
    mia.submit(field(mia, "Type S-1", "S-1"))
    mia.sees_in_view("Meta does not answer")
    assert office.product.store.syncs.get(office.org_id, "S-1").number == 1


def test_a_dry_run_tells_what_would_change(office: Office) -> None:
    mia = synced(office)
    mia.type("/segsync dry-run emea")
    mia.sees("Trying out a refresh")
    store, now = office.product.store, office.product.clock.now
    run = store.refreshes.claim(now(), timedelta(minutes=1))
    assert run is not None
    counts = Counts(members=100, matchable=90, added=7, removed=3, unchanged=80, rejected={"email_invalid": 2})
    store.refreshes.tried(run.id, run.fence, counts, failure=None, now=now())
    office.product.wake()
    said = mia.sees(r"would add \*7\* and remove \*3\* contacts")
    assert "Nothing has been sent" in said
    assert sum("Dry run" in str(m) for m in mia.dm()) == 1


def test_a_viewer_sees_the_details_without_a_button_that_changes_anything(office: Office) -> None:
    synced(office)
    vera = office.desk("Vera")
    vera.type("/segsync show S-1")
    vera.sees_in_view("EMEA brand")
    assert labels(vera) == ["Share here"]


def test_details_are_shared_with_the_conversation_they_were_asked_in(office: Office) -> None:
    mia, tom = synced(office), office.desk("Tom")
    mia.type("/segsync show S-1")
    mia.press("Share here")
    said = tom.sees("shared by")
    assert "90 in the audience" not in said


def test_the_sizes_of_an_audience_come_as_a_chart(office: Office) -> None:
    mia = synced(office)
    mia.type("/segsync refresh S-1")
    office.refresh_all()
    mia.type("/segsync show S-1")
    assert "first 90, last 90, lowest 90, highest 90" in mia.sees_in_view("Audience size over the last 2 refreshes")
    mia.press("Chart")
    mia.sees("📈")
    message = next(m for m in mia.dm() if "📈" in str(m))
    assert "data_visualization" in [b["type"] for b in message["blocks"]]


def test_administrators_read_how_many_are_connected(office: Office) -> None:
    synced(office)
    bo, mia = office.desk("Bo"), office.desk("Mia")
    bo.type("/segsync")
    bo.sees(r"1 of \d+ people connected")
    mia.type("/segsync")
    assert "people connected" not in mia.sees("syncs in use")


def test_a_deletion_that_takes_long_says_in_the_end_what_came_of_it(office: Office) -> None:
    mia = synced(office)
    mia.type("/segsync delete S-1")
    mia.choose("The audience on Meta", "delete")
    mia.sees_in_view("Type S-1 to confirm")
    office.channel.gate.clear()
    mia.submit(field(mia, "Type S-1", "S-1"))
    mia.sees_in_view("Deleting the audience on Meta")
    office.channel.gate.set()
    mia.sees("Its audience on Meta is deleted too")
    assert office.channel.deleted == ["a1"]


def test_a_platform_that_hangs_does_not_delay_a_deletion_that_keeps_the_audience(office: Office) -> None:
    mia = synced(office)
    office.channel.gate.clear()
    mia.type("/segsync delete S-1")
    mia.sees_in_view("Asking Meta which campaigns")
    assert mia.submit() == {}
    mia.sees("Its audience stays on Meta, stale")
    office.channel.gate.set()
