"""Who comes and goes: what a first administrator reads, what leaves with somebody who leaves, what an uninstall ends."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import LeaseLost, NotAllowed
from core.models import Actor, AlertState, Channel, ConnectionStatus, Counts, Phase, Progress, RequestState, Role
from core.people import KEPT, People
from core.store.lives import Left
from tests.alerts.conftest import ANA, BO, MIA, ORG, TOM, VERA, Firm


class Lives:
    """The use cases over a firm: what they ask of platforms and ledgers is only noted."""

    def __init__(self, firm: Firm) -> None:
        self.firm = firm
        self.taken_back: list[Left] = []
        self.forgotten: list[str] = []
        self.people = People(
            store=firm.store,
            clock=firm.clock,
            wake=lambda: None,
            take_back=self.taken_back.append,
            forget=self.forgotten.append,
        )


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Lives]:
    firm = Firm(tmp_path)
    yield Lives(firm)
    firm.store.close()


def test_whoever_leaves_loses_role_and_consents_and_the_platform_is_asked_to_forget(lives: Lives) -> None:
    store = lives.firm.store
    assert lives.people.left(ORG, MIA, "deactivated")
    assert store.organizations.role(ORG, MIA) is Role.VIEWER
    assert store.connections.of_user(ORG, MIA)[Channel.META].status is ConnectionStatus.MISSING
    assert [(one.connection.user_id, one.sealed_grant) for one in lives.taken_back] == [(MIA, b"sealed")]
    assert not lives.people.left(ORG, MIA, "deactivated")


def test_administrators_get_one_alert_that_lists_what_ran_on_the_consent(lives: Lives) -> None:
    firm = lives.firm
    syncs = [firm.sync(MIA), firm.sync(MIA), firm.sync(TOM)]
    for sync in syncs:
        firm.succeed(sync)
    firm.store.syncs.pause(firm.ana, syncs[1].id, version=None, at=firm.clock.now())
    lives.people.left(ORG, MIA, "guest")
    (alert,) = firm.alerts()
    assert alert.code == "owner_deactivated"
    assert alert.sync_ids == (syncs[0].id,)
    assert {f"dm:{ANA}", f"dm:{BO}"} <= firm.targets()


def test_a_take_over_ends_the_alert_about_somebody_who_left(lives: Lives) -> None:
    firm = lives.firm
    sync = firm.sync(MIA)
    firm.succeed(sync)
    lives.people.left(ORG, MIA, "deactivated")
    tom = firm.connections[TOM]
    firm.store.syncs.take_over(firm.actor(TOM), sync.id, run_as=tom, login_id=None, refresh_id="r1", at=firm.clock.now())
    assert firm.alerts() == []
    assert [a.state for a in firm.every_alert() if a.code == "owner_deactivated"] == [AlertState.RESOLVED]


def test_what_somebody_asked_for_is_no_longer_needed_when_they_leave(lives: Lives) -> None:
    from core.approvals import Approvals

    firm = lives.firm
    sync = firm.sync(MIA)
    firm.succeed(sync)
    asking = Approvals(store=firm.store, pausing=None, clock=firm.clock, wake=lambda: None)  # type: ignore[arg-type]
    request = asking.ask_pause(firm.actor(TOM), sync.id)
    lives.people.left(ORG, TOM, "deactivated")
    assert firm.store.requests.get(ORG, request.id).state is RequestState.OBSOLETE


def test_there_is_a_primary_administrator_while_there_is_any_administrator(lives: Lives) -> None:
    store = lives.firm.store
    lives.people.left(ORG, ANA, "deactivated")
    assert store.organizations.role(ORG, BO) is Role.PRIMARY_ADMIN
    assert lives.firm.letters("role")[-1].target == f"dm:{BO}"
    lives.people.left(ORG, BO, "deactivated")
    assert Role.PRIMARY_ADMIN not in store.organizations.people(ORG).values()


def test_only_administrators_see_who_is_connected_to_what(lives: Lives) -> None:
    firm = lives.firm
    firm.connect(MIA, ends_in_days=9)
    members = lives.people.see(firm.actor(BO))
    assert [(m.user_id, m.role) for m in members][:2] == [(ANA, Role.PRIMARY_ADMIN), (BO, Role.ABM_ADMIN)]
    mia = next(m for m in members if m.user_id == MIA)
    assert mia.connections[0].ends_at is not None
    for user in (MIA, VERA):
        with pytest.raises(NotAllowed):
            lives.people.see(firm.actor(user))


def test_an_uninstall_ends_refreshes_at_the_next_batch_and_begins_none(lives: Lives) -> None:
    firm, store = lives.firm, lives.firm.store
    sync = firm.sync(MIA)
    run = firm.begin(sync)
    assert lives.people.uninstalled(ORG)
    with pytest.raises(LeaseLost):
        store.refreshes.progress(
            run.id, run.fence, Progress(Phase.ADDING), Counts(), now=firm.clock.now(), until=firm.clock.now()
        )
    firm.clock.move(days=3)
    assert store.refreshes.enqueue_due(firm.clock.now(), new_ids=["n1"]) == 0
    assert not lives.people.uninstalled(ORG)


def test_what_an_uninstall_ended_goes_on_after_the_next_install(lives: Lives) -> None:
    firm, store = lives.firm, lives.firm.store
    firm.succeed(firm.sync(MIA))
    lives.people.uninstalled(ORG)
    firm.clock.move(days=3)
    assert lives.people.installed(ORG)
    assert store.refreshes.enqueue_due(firm.clock.now(), new_ids=["n1"]) == 1
    assert not lives.people.installed(ORG)


def test_thirty_days_after_the_uninstall_everything_is_forgotten(lives: Lives) -> None:
    firm, store = lives.firm, lives.firm.store
    sync = firm.sync(MIA)
    firm.fail(sync, "ad_account_disabled")
    lives.people.uninstalled(ORG)
    firm.clock.move(days=29)
    assert lives.people.prune() == 0
    firm.clock.time += KEPT - timedelta(days=29)
    assert lives.people.prune() == 1
    assert lives.forgotten == [sync.id]
    assert ORG not in store.organizations.ids()
    assert firm.letters() == []


def test_the_first_administrator_is_welcomed_and_the_steps_tick_themselves_off(lives: Lives) -> None:
    firm, store = lives.firm, lives.firm.store
    assert firm.targets("welcome") == {f"dm:{ANA}"}
    assert [s for s, done in store.lives.steps(ORG, ANA).items() if not done] == ["connect", "approvals"]
    firm.post()
    firm.choose(approval_conversation="C0YES")
    firm.connections[ANA] = firm.connect(ANA)
    assert all(store.lives.steps(ORG, ANA).values())
    assert {line for line in firm.post() if "welcome" in line} == {f"edit welcome dm:{ANA}"}


def test_somebody_hears_of_a_new_role_but_not_twice_and_not_from_a_setting(lives: Lives) -> None:
    firm = lives.firm
    firm.store.organizations.give_role(Actor(ORG, ANA, Role.PRIMARY_ADMIN), VERA, Role.MARKETING_USER, firm.clock.now())
    assert firm.targets("role") >= {f"dm:{VERA}"}
    count = len(firm.letters("role"))
    operator = Actor(ORG, "operator", Role.PRIMARY_ADMIN, surface="settings")
    firm.store.organizations.give_role(operator, VERA, Role.VIEWER, firm.clock.now())
    assert len(firm.letters("role")) == count
