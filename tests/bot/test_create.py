"""The form that creates a sync: what it says before anything is created."""

import pytest

from bot.blocks.words import reason
from core import schedule
from core.errors import SourceUnavailable
from core.models import Cadence
from tests.bot.conftest import Office, connect, make_sync
from tests.journeys.desk import eventually


def test_the_preview_fills_in_by_itself(office: Office) -> None:
    mia = office.desk("Mia")
    connect(office, mia)
    mia.type("/segsync create")
    mia.choose("Segment", "Webinar guests")
    assert "1,000 contacts" in mia.sees_in_view("Webinar guests")
    mia.choose("Channel", "Meta")
    said = mia.sees_in_view(r"\*1\* of 1 contacts carry an identifier that Meta can match|\*1\* of 2 contacts")
    assert "Left out" in said
    assert "*0 of 3* in use now, *1 of 3* with this one" in said


def test_a_count_that_fails_can_be_asked_for_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    mia = office.desk("Mia")

    def fails(segment_id: str) -> None:
        raise SourceUnavailable("The folder does not answer.")

    with monkeypatch.context() as broken:
        broken.setattr(office.source, "read", fails)
        mia.type("/segsync create meta webinar")
        mia.sees_in_view("The folder does not answer")
    mia.press("Count again")
    mia.sees_in_view("carry an identifier that Meta can match")


def test_a_cron_expression_is_said_in_words(office: Office) -> None:
    mia = office.desk("Mia")
    mia.type("/segsync create")
    mia.choose("Cadence", "cron")
    block, element = eventually(lambda: mia._input("Cron expression"), "the cron input")
    mia.click({"view_id": mia.view()["id"]}, element["action_id"], block_id=block["block_id"], value="30 7 * * 1-5")
    mia.sees_in_view("That is at 07:30 on Monday through Friday")
    mia.click({"view_id": mia.view()["id"]}, element["action_id"], block_id=block["block_id"], value="61 7 * * 1-5")
    mia.sees_in_view("five cron fields")


def test_whoever_loses_the_last_place_reads_who_took_it(office: Office) -> None:
    mia, tom = office.desk("Mia"), office.desk("Tom")
    connect(office, mia)
    connect(office, tom)
    make_sync(office, mia, "EMEA brand")
    make_sync(office, mia, "Intent")
    tom.type("/segsync create")
    values = tom.choose("Segment", "Webinar") | tom.choose("Channel", "Meta") | tom.choose("Ad account", "Acme US")
    make_sync(office, mia, "Webinar")
    said = str(tom.submit(values)["errors"])
    assert "took the last place with S-3" in said
    assert "mia" in said.lower()


def test_near_the_limit_the_form_warns(office: Office) -> None:
    mia = office.desk("Mia")
    connect(office, mia)
    make_sync(office, mia, "EMEA brand")
    make_sync(office, mia, "Intent")
    mia.type("/segsync create")
    mia.sees_in_view("This is the last place of the sync limit")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("daily", "every day about 06:00 (Madrid)"),
        ("hourly", "every hour"),
        ("0 6 1 * *", "at 06:00 on the first day of every month (Madrid)"),
    ],
)
def test_a_cadence_is_said_as_people_say_it(rule: str, said: str) -> None:
    assert schedule.describe(Cadence(rule, "Europe/Madrid")) == said


def test_a_reason_of_a_platform_is_shown_as_it_is_but_escaped() -> None:
    assert reason("no_consent") == "without consent"
    assert reason("odd_<reason>") == "odd &lt;reason&gt;"
