"""People in Slack: the welcome, who is connected to what, roles given and taken, and somebody who leaves."""

from core.models import ConnectionStatus, Role
from tests.bot.conftest import Office, connect
from tests.bot.test_alerts import actor, labels, synced
from tests.journeys.desk import eventually, words


def test_the_welcome_ticks_its_steps_off_by_itself(office: Office) -> None:
    ana = office.desk("Ana")
    ana.sees("Welcome to segsync")
    assert "⬜ Connect a channel" in ana.reads()
    connect(office, ana)
    ana.sees("✅ ~Connect a channel")
    assert sum("Welcome to segsync" in words(m) for m in ana.dm()) == 1


def test_people_says_who_is_connected_to_what_and_gives_roles(office: Office) -> None:
    ana, mia = office.desk("Ana"), office.desk("Mia")
    connect(office, mia)
    ana.type("/segsync people")
    said = ana.sees("Primary Administrator")
    assert f"<@{mia.user}> · *Marketing User*" in said
    assert "Meta: ✅ Connected as Mia on Meta" in said
    ana.press("Give a role")
    values = {"user": {"roles.user": mia.user}} | ana.choose("Role", "ABM Administrator")
    ana.submit(values)
    mia.sees(f"<@{ana.user}> has given you the role \\*ABM Administrator")
    assert office.product.store.organizations.role(office.org_id, mia.user) is Role.ABM_ADMIN


def test_an_abm_administrator_changes_only_the_two_lower_roles(office: Office) -> None:
    bo = office.desk("Bo")
    bo.type("/segsync people")
    bo.sees("Primary Administrator")
    message = next(m for _, m in bo.messages() if "People" in words(m))
    beside = {words(b).split(" · ")[1].split("\n")[0] for b in message["blocks"] if "accessory" in b}
    assert beside == {"*Marketing User*"}
    bo.press("Change role")
    offered = next(b["element"]["options"] for b in bo.view()["blocks"] if b.get("block_id") == "role")
    assert [o["value"] for o in offered] == ["marketing_user", "viewer"]


def test_whoever_is_deactivated_loses_role_and_connections_and_administrators_hear_of_the_syncs(office: Office) -> None:
    synced(office)
    mia, ana, bo = office.desk("Mia"), office.desk("Ana"), office.desk("Bo")
    mine = office.product.connections.mine(actor(office, mia))
    office.sandbox.post("/control/person", {"user": mia.user, "deleted": True})
    for desk in (ana, bo):
        desk.sees("Somebody has left")
    message = next(m for _, m in ana.messages() if "Somebody has left" in words(m))
    assert "EMEA brand → Meta" in words(message)
    assert "Take over" in labels(message)
    assert office.product.store.organizations.role(office.org_id, mia.user) is Role.VIEWER
    (channel,) = mine
    gone = office.product.store.connections.of_user(office.org_id, mia.user)[channel]
    assert gone.status is ConnectionStatus.MISSING
    eventually(lambda: office.channel.revoked, "the platform to be asked to forget the consent")
    connect(office, bo)
    bo.press("Take over")
    bo.sees_in_view("run on your connection now")
    ana.sees("Resolved")


def test_whoever_becomes_a_guest_is_refused_from_then_on(office: Office) -> None:
    tom = office.desk("Tom")
    office.sandbox.post("/control/person", {"user": tom.user, "guest": True})
    tom.type("/segsync list")
    tom.sees("segsync is not for guests of this workspace")
    role = office.product.store.organizations.role
    eventually(lambda: role(office.org_id, tom.user) is Role.VIEWER, "the role to be gone")


def test_a_day_later_somebody_is_missed_whose_leaving_nobody_told(office: Office) -> None:
    tom, product = office.desk("Tom"), office.product
    product.store.organizations.give_role(actor(office, office.desk("Ana")), tom.user, Role.MARKETING_USER, product.clock.now())
    next(p for p in office.app.state.slack.space.people if p.id == tom.user).deleted = True
    product.lives.presence.sweep()
    assert product.store.organizations.role(office.org_id, tom.user) is Role.VIEWER
