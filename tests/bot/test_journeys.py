"""What people do in Slack, through a real Bolt app, a real socket and the stand-in."""

from core.errors import Unavailable
from core.models import Actor, Campaign, Role
from tests.bot.conftest import Office, connect, link, make_sync
from tests.journeys.desk import eventually, words


def test_the_overview_says_how_things_stand(office: Office) -> None:
    mia = office.desk("Mia")
    mia.type("/segsync")
    said = mia.sees("syncs in use")
    assert "0 of 3" in said
    assert "Create a sync" in said


def test_a_viewer_is_offered_nothing_that_the_role_does_not_allow(office: Office) -> None:
    vera = office.desk("Vera")
    vera.type("/segsync")
    assert "Create a sync" not in vera.sees("syncs in use")
    vera.type("/segsync create")
    assert "An administrator" in vera.sees("View-only, which does not allow to create a sync")


def test_a_guest_reads_one_sentence_without_a_button(office: Office) -> None:
    gus = office.desk("Gus")
    gus.type("/segsync list")
    gus.sees("segsync is not for guests of this workspace")


def test_an_unknown_word_is_answered_with_the_nearest_command_and_the_help(office: Office) -> None:
    mia = office.desk("Mia")
    mia.type("/segsync creat")
    said = mia.sees("Did you mean `/segsync create`")
    assert "/segsync audit" not in said


def test_a_form_that_is_open_goes_on_by_itself_after_the_consent(office: Office) -> None:
    mia = office.desk("Mia")
    mia.type("/segsync create")
    mia.choose("Segment", "Webinar guests")
    mia.choose("Channel", "Meta")
    mia.press("Connect")
    assert "Go on in Slack" in office.follow(link(mia))
    mia.sees_in_view("Meta is connected")
    mia.close()
    said = mia.sees_in_view("Ad account")
    assert "Webinar guests" in said
    values = mia.choose("Ad account", "Acme EU")
    assert mia.submit(values) == {}
    mia.sees(r"Syncing.*Webinar guests → Meta · Acme EU \(`S-1`\)")
    told = [words(m) for m in mia.dm() if "Meta is connected" in words(m)]
    assert len(told) == 1
    assert "Go on creating" not in told[0]


def test_a_form_that_was_closed_is_brought_back_from_the_direct_message(office: Office) -> None:
    mia = office.desk("Mia")
    mia.type("/segsync create")
    mia.choose("Segment", "Webinar guests")
    mia.choose("Channel", "Meta")
    mia.press("Connect")
    url = link(mia)
    mia.close_all()
    office.follow(url)
    mia.sees("Go on creating")
    mia.press("Go on creating")
    assert "Webinar guests" in mia.sees_in_view("Ad account")
    assert sum("Meta is connected" in words(m) for m in mia.dm()) == 1


def test_a_role_lost_while_the_browser_is_at_the_platform_connects_nothing(office: Office) -> None:
    mia, product = office.desk("Mia"), office.product
    mia.type("/segsync connect meta")
    url = link(mia)
    mia.close_all()
    operator = Actor(office.org_id, "U01ANARUIZ", Role.PRIMARY_ADMIN, surface="settings")
    product.store.organizations.give_role(operator, mia.user, Role.VIEWER, product.clock.now())
    assert "Your role is View-only" in office.follow(url)
    assert product.store.connections.of_user(office.org_id, mia.user) == {}


def test_a_second_consent_is_told_in_a_message_of_its_own(office: Office) -> None:
    mia = office.desk("Mia")
    connect(office, mia)
    connect(office, mia)
    eventually(lambda: sum("Meta is connected" in words(m) for m in mia.dm()) == 2, "two messages")


def test_a_disconnect_forgets_at_once_even_while_the_platform_hangs(office: Office) -> None:
    mia = office.desk("Mia")
    connect(office, mia)
    office.channel.gate.clear()
    mia.type("/segsync disconnect meta")
    mia.sees_in_view("Disconnect your Meta")
    assert mia.submit() == {}
    mia.sees("Meta is disconnected")
    mia.type("/segsync disconnect meta")
    mia.sees("You have not connected Meta")
    office.channel.gate.set()
    eventually(lambda: office.channel.revoked, "the consent taken back")


def test_a_link_works_once(office: Office) -> None:
    mia = office.desk("Mia")
    mia.type("/segsync connect meta")
    url = link(mia)
    office.follow(url)
    answer = office.sandbox.http.get(url)
    assert answer.status_code == 410
    assert "Continue" not in answer.text


def test_one_message_follows_a_sync_from_syncing_to_synced(office: Office) -> None:
    mia = office.desk("Mia")
    connect(office, mia)
    assert make_sync(office, mia) == {}
    mia.sees(r"Syncing.*EMEA brand → Meta · Acme EU \(`S-1`\)")
    office.refresh_all()
    mia.sees(r"Synced.*EMEA brand → Meta · Acme EU \(`S-1`\) · 90 in the audience, \+90 −0")
    assert sum("EMEA brand" in str(m) for m in mia.dm()) == 1


def test_the_same_segment_on_the_same_ad_account_is_refused_beside_the_segment(office: Office) -> None:
    mia = office.desk("Mia")
    connect(office, mia)
    make_sync(office, mia)
    answer = make_sync(office, mia)
    assert "S-1 keeps this segment up" in answer["errors"]["segment"]


def test_at_the_limit_there_is_no_form(office: Office) -> None:
    mia = office.desk("Mia")
    connect(office, mia)
    for segment in ("EMEA brand", "Webinar guests", "Intent"):
        assert make_sync(office, mia, segment) == {}
    mia.type("/segsync create")
    mia.sees_in_view("All 3 syncs of your contract are in use")
    assert "submit" not in {k for k, v in mia.view().items() if v}
    mia.close_all()
    mia.type("/segsync list")
    mia.sees("3 syncs")


def test_a_platform_that_hangs_keeps_nobody_waiting(office: Office) -> None:
    mia = office.desk("Mia")
    connect(office, mia)
    office.product.connections._accounts.clear()
    office.channel.gate.clear()
    mia.type("/segsync create meta")
    mia.sees_in_view("Asking Meta for your ad accounts")
    bo = office.desk("Bo")
    assert bo.type("/segsync")["ack_ms"] < 1500
    office.channel.gate.set()
    mia.sees_in_view("Ad account")


def test_what_a_platform_says_is_shown_with_a_second_try(office: Office) -> None:
    mia = office.desk("Mia")
    connect(office, mia)
    office.product.connections._accounts.clear()
    office.channel.trouble = Unavailable("Meta does not answer.")
    mia.type("/segsync create meta")
    mia.sees_in_view("Meta does not answer")
    office.channel.trouble = None
    mia.press("Try again")
    mia.sees_in_view("Ad account")


def test_a_pause_states_its_impact_first_and_a_resume_asks_the_channel(office: Office) -> None:
    mia = office.desk("Mia")
    connect(office, mia)
    make_sync(office, mia)
    office.refresh_all()
    mia.sees("Synced")
    office.channel.running = [Campaign("c1", "Spring <sale>", "ACTIVE", running=True)]
    mia.type("/segsync pause emea")
    mia.sees_in_view("One campaign uses this audience, and it is running")
    assert "Spring &lt;sale&gt;" in mia.reads_view()
    mia.submit()
    mia.sees("Inactive")
    mia.type("/segsync resume S-1")
    mia.sees_in_view("EMEA brand → Meta")
    mia.close_all()
    office.refresh_all()
    mia.sees("Synced")


def test_a_marketer_cannot_pause_a_colleagues_sync(office: Office) -> None:
    mia, tom = office.desk("Mia"), office.desk("Tom")
    connect(office, mia)
    make_sync(office, mia)
    tom.type("/segsync pause S-1")
    tom.sees("Only its owner or an administrator may pause this sync")
    tom.close_all()
    tom.type("/segsync show S-1")
    tom.sees_in_view("EMEA brand")
    labels = [e["text"]["text"] for b in tom.view()["blocks"] for e in b.get("elements", []) if e["type"] == "button"]
    assert "Pause" not in labels


def test_failed_across_the_organization_is_two_clicks(office: Office) -> None:
    bo = office.desk("Bo")
    bo.type("/segsync")
    bo.press("Failed: 0")
    bo.sees("No sync fits these filters")


def test_filters_change_the_list_in_place(office: Office) -> None:
    mia = office.desk("Mia")
    connect(office, mia)
    make_sync(office, mia)
    mia.type("/segsync list")
    mia.sees("1 sync")
    message = next(m for _, m in mia.messages() if m.get("ephemeral"))
    channel = next(c for c, m in mia.messages() if m is not None and m["ts"] == message["ts"])
    mia.click({"channel": channel, "ts": message["ts"]}, "list.status", value="failed")
    mia.sees("No sync fits these filters")


def test_names_as_long_as_people_make_them_fit_every_screen(office: Office) -> None:
    mia = office.desk("Mia")
    connect(office, mia)
    assert make_sync(office, mia, "LLLL") == {}
    assert make_sync(office, mia, "R&D") == {}
    mia.type("/segsync list")
    mia.sees("R&amp;D &lt;b&gt;leads")
    for command in ("show S-1", "pause S-1", "resume S-2"):
        mia.type(f"/segsync {command}")
        mia.view()
        mia.close_all()
    office.sandbox.post("/control/home", {"user": mia.user})
    mia.sees("My syncs")


def test_the_home_tab_greets_and_shows_ones_own_syncs(office: Office) -> None:
    mia = office.desk("Mia")
    connect(office, mia)
    make_sync(office, mia)
    office.sandbox.post("/control/home", {"user": mia.user})
    said = mia.sees("Good to see you")
    assert "EMEA brand" in said
