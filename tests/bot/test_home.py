"""The Home tab: the personal dashboard, kept up to date for those who look at it."""

from datetime import timedelta

from bot.dashboard import EVERY_S, Dashboards
from tests.bot.conftest import Office
from tests.bot.test_editing import synced
from tests.journeys.desk import Desk, eventually, words


def opens(desk: Desk) -> str:
    desk.sandbox.post("/control/home", {"user": desk.user})

    def look() -> str | None:
        return words(desk.screen().get("home") or {}) or None

    return str(eventually(look, "the Home tab"))


def test_home_shows_own_connections_own_syncs_and_the_organization(office: Office) -> None:
    mia = synced(office)
    said = opens(mia)
    assert "EMEA brand → Meta · Acme EU" in said
    assert "Connected as Mia on Meta" in said
    assert "Not set up by the operator yet" in said
    assert "1 of 3" in said
    assert "Nothing needs you now" in said
    assert "Acme" in said
    assert "Settings" not in said


def test_a_viewer_reads_home_without_buttons_that_change_anything(office: Office) -> None:
    synced(office)
    said = opens(office.desk("Vera"))
    assert "View-only" in said
    assert "Create a sync" not in said
    assert "You own no sync yet" in said


def test_what_opens_from_home_changes_in_its_modal(office: Office) -> None:
    mia = synced(office)
    opens(mia)
    home = mia.screen()["home"]
    mia.click({"view_id": home["id"]}, "command.run.list")
    mia.sees_in_view("1 sync")
    mia.press("More filters")
    mia.sees_in_view("Fewer filters")
    mia.press("With an alert")
    mia.sees_in_view("No sync fits these filters")


def test_home_changes_for_whoever_looks_at_it_and_at_most_every_ten_seconds(office: Office) -> None:
    mia = synced(office)
    opens(mia)
    product = office.product
    now = [100.0]
    homes = Dashboards(
        syncs=product.syncs,
        connections=product.connections,
        alerts=product.alerts,
        approvals=product.approvals,
        clock=product.clock,
        lookers=product.store.people.lookers,
        actor_of=product._somebody,
        client_of=product.workspaces.client,
        ticks=lambda: now[0],
    )
    eventually(lambda: product.store.people.lookers(product.clock.now() - timedelta(hours=1)), "the look at Home to be noted")
    assert homes.refresh() is None
    mia.type("/segsync pause S-1")
    mia.sees_in_view("goes stale")
    mia.submit()
    eventually(lambda: product.store.syncs.get(office.org_id, "S-1").paused_at, "the pause")
    wait = homes.refresh()
    assert wait is not None
    assert 0 < wait <= EVERY_S
    assert "Inactive: 0" in words(mia.screen()["home"])
    now[0] += EVERY_S
    assert homes.refresh() is None
    assert "Inactive: 1" in words(mia.screen()["home"])


def test_home_is_not_published_to_whoever_has_not_looked_for_a_day(office: Office) -> None:
    mia = synced(office)
    opens(mia)
    store, now = office.product.store, office.product.clock.now()
    eventually(lambda: store.people.lookers(now - timedelta(hours=1)), "the look at Home to be noted")
    assert store.people.lookers(now - timedelta(hours=1)) == [(office.org_id, mia.user)]
    assert store.people.lookers(now + timedelta(hours=24)) == []


def test_the_overview_names_the_workspace_and_not_its_address(office: Office) -> None:
    mia = office.desk("Mia")
    mia.type("/segsync")
    said = mia.sees("segsync at")
    assert "segsync at Acme" in said


def test_a_home_that_slack_lets_nobody_publish_comes_in_its_turn(office: Office) -> None:
    mia = synced(office)
    office.app.state.slack.weather.add("rate_limited", 1, "views.publish")
    assert "EMEA brand → Meta · Acme EU" in opens(mia)


def test_whoever_meets_slacks_limit_is_told_in_words(office: Office) -> None:
    mia = synced(office)
    office.app.state.slack.weather.add("rate_limited", 3, "views.open")
    mia.type("/segsync create")
    mia.sees("Slack asks us to wait")
