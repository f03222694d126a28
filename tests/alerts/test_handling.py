"""Who may do what about an alert, what it changes, and what the messages are told."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from core.alerts import Alerts
from core.connections import Connections
from core.errors import AccessLost, Conflict, NeedsReconnect, NotAllowed, NotFound
from core.models import AdAccount, AlertState, Channel, Grant, Sync
from core.pausing import Pausing
from core.ports import Target
from core.vault import Vault
from tests.alerts.conftest import ANA, BO, MIA, ORG, TALK, TOM, VERA, Firm


class Platform:
    """Lets in whom the test says. `closed`: ad accounts that this connection may not manage."""

    def __init__(self) -> None:
        self.closed: set[str] = set()

    def accounts(self, grant: Grant) -> Sequence[AdAccount]:
        return [AdAccount(Channel.META, "1001", "Acme EU")]

    def require_access(self, target: Target) -> None:
        if target.account_id in self.closed:
            raise AccessLost

    def audience_url(self, account_id: str, audience_id: str | None) -> str:
        return f"https://platform.example/{account_id}"


class Desk:
    """The use cases over a firm."""

    def __init__(self, firm: Firm) -> None:
        self.firm, self.platform = firm, Platform()
        channels: Any = {Channel.META: self.platform}
        parts: dict[str, Any] = {"store": firm.store, "clock": firm.clock, "channels": channels}
        vault = Vault({"k": b"k" * 32}, "k")
        self.connections = Connections(**parts, vault=vault, public_url="https://segsync.example")
        self.connections.grant = lambda _: Grant("t")  # type: ignore[method-assign]
        parts |= {"connections": self.connections, "wake": lambda: None}
        self.alerts = Alerts(**parts, pausing=Pausing(**parts))

    def failed(self, *syncs: Sync, code: str = "ad_account_disabled", **detail: str) -> str:
        for sync in syncs:
            self.firm.fail(sync, code, **detail)
        self.firm.clock.move(seconds=3)
        self.firm.post()
        return self.firm.alerts()[0].id


@pytest.fixture
def desk(firm: Firm) -> Desk:
    return Desk(firm)


@pytest.mark.parametrize(("user", "may"), [(ANA, True), (BO, True), (MIA, True), (TOM, False), (VERA, False)])
def test_administrators_and_the_owner_handle_an_alert_and_nobody_else(desk: Desk, user: str, may: bool) -> None:
    alert, actor = desk.failed(desk.firm.sync(MIA)), desk.firm.actor(user)
    acts = (
        lambda: desk.alerts.snooze(actor, alert, timedelta(hours=1)),
        lambda: desk.alerts.retry(actor, alert),
        lambda: desk.alerts.acknowledge(actor, alert),
    )
    for act in acts:
        if may:
            act()
        else:
            with pytest.raises(NotAllowed):
                act()


def test_an_alert_of_another_organization_is_not_there(desk: Desk) -> None:
    alert = desk.failed(desk.firm.sync())
    stranger = desk.firm.actor(ANA)
    with pytest.raises(NotFound):
        desk.alerts.acknowledge(type(stranger)("T2", ANA, stranger.role), alert)


def test_the_first_who_acknowledges_stands(desk: Desk) -> None:
    alert = desk.failed(desk.firm.sync())
    seen = desk.alerts.acknowledge(desk.firm.actor(BO), alert).alert
    assert seen.acknowledged_by == BO
    assert [(d.by, d.what) for d in seen.history] == [(BO, "acknowledged")]
    with pytest.raises(Conflict):
        desk.alerts.acknowledge(desk.firm.actor(ANA), alert)
    said = desk.firm.post()
    assert f"edit alert {TALK}" in said
    assert f"edit alert dm:{MIA}" in said
    assert f"post remark acknowledged {BO} {TALK}" in said


def test_a_retry_starts_what_the_actor_may_refresh(desk: Desk) -> None:
    hers, his = desk.firm.sync(MIA), desk.firm.sync(TOM)
    alert = desk.failed(hers, his)
    desk.alerts.retry(desk.firm.actor(MIA), alert)
    assert desk.firm.store.refreshes.last(hers.id, 1)[0].state.is_open
    assert not desk.firm.store.refreshes.last(his.id, 1)[0].state.is_open
    desk.alerts.retry(desk.firm.actor(ANA), alert)
    assert desk.firm.store.refreshes.last(his.id, 1)[0].state.is_open


def test_retrying_many_does_not_fill_anybodys_direct_messages(desk: Desk) -> None:
    alert = desk.failed(*(desk.firm.sync(MIA) for _ in range(10)))
    before = len(desk.firm.letters("progress"))
    desk.alerts.retry(desk.firm.actor(ANA), alert)
    assert len(desk.firm.letters("progress")) == before


def test_taking_over_moves_what_ones_own_connection_may_edit(desk: Desk) -> None:
    near, far = desk.firm.sync(MIA, "1001"), desk.firm.sync(MIA, "1002")
    alert = desk.failed(near, far, code="connection_revoked")
    desk.platform.closed = {"1002"}
    answer = desk.alerts.take_over(desk.firm.actor(TOM), alert)
    assert [s.id for s in answer.taken] == [near.id]
    assert [s.id for s, _ in answer.refused] == [far.id]
    assert [(d.by, d.what) for d in answer.alert.alert.history] == [(TOM, "took over")]


def test_what_has_been_taken_over_leaves_the_connections_alert(desk: Desk) -> None:
    sync = desk.firm.sync(MIA)
    alert = desk.failed(sync, code="connection_revoked")
    desk.alerts.take_over(desk.firm.actor(TOM), alert)
    assert desk.firm.alerts() == []


def test_taking_over_without_a_connection_says_so(desk: Desk) -> None:
    alert = desk.failed(desk.firm.sync(MIA), code="connection_revoked")
    with pytest.raises(NeedsReconnect):
        desk.alerts.take_over(desk.firm.actor(ANA), alert)


def test_reconnect_is_for_whose_connection_it_is(desk: Desk) -> None:
    alert = desk.failed(desk.firm.sync(MIA), code="connection_revoked")
    assert desk.alerts.is_whose(desk.firm.actor(MIA), alert) is Channel.META
    assert desk.alerts.is_whose(desk.firm.actor(TOM), alert) is None
    with pytest.raises(NotAllowed):
        desk.alerts.is_whose(desk.firm.actor(VERA), alert)


def test_the_first_decision_about_a_held_refresh_stands(desk: Desk) -> None:
    sync = desk.firm.sync(MIA)
    run = desk.firm.hold(sync)
    alert = desk.firm.alerts()[0].id
    with pytest.raises(NotAllowed):
        desk.alerts.decide(desk.firm.actor(TOM), alert, apply=True)
    seen = desk.alerts.decide(desk.firm.actor(MIA), alert, apply=True).alert
    assert seen.state is AlertState.RESOLVED
    assert [(d.by, d.what) for d in seen.history] == [(MIA, "applied")]
    assert desk.firm.store.refreshes.get(run.id).approved_removals == 400
    with pytest.raises(Conflict):
        desk.alerts.decide(desk.firm.actor(ANA), alert, apply=False)


def test_a_snoozed_alert_is_quiet_until_its_time_and_then_speaks_once(desk: Desk) -> None:
    sync = desk.firm.sync(MIA)
    alert = desk.failed(sync)
    desk.alerts.snooze(desk.firm.actor(ANA), alert, timedelta(days=1))
    desk.firm.post()
    desk.firm.clock.move(hours=20)
    other = desk.firm.sync(MIA)
    desk.firm.fail(other, "ad_account_disabled")
    desk.firm.clock.move(minutes=2)
    assert not [s for s in desk.firm.post() if "remark" in s or "post alert" in s]
    assert desk.firm.store.alerts.snoozes_over(ORG, desk.firm.clock.now()) == 0
    desk.firm.clock.move(hours=5)
    assert desk.firm.store.alerts.snoozes_over(ORG, desk.firm.clock.now()) == 1
    assert f"post remark awake {TALK}" in desk.firm.post()
    assert desk.firm.store.alerts.snoozes_over(ORG, desk.firm.clock.now()) == 0


def test_an_error_that_nobody_acts_on_reaches_the_administrators_once(desk: Desk) -> None:
    desk.failed(desk.firm.sync(MIA))
    late = desk.firm.clock.now() + timedelta(hours=1)
    assert desk.firm.store.alerts.escalate(ORG, desk.firm.clock.now() - timedelta(hours=1), late) == 0
    assert desk.firm.store.alerts.escalate(ORG, late - timedelta(minutes=30), late) == 1
    assert {f"dm:{ANA}", f"dm:{BO}"} <= desk.firm.targets()
    assert desk.firm.store.alerts.escalate(ORG, late, late) == 0


def test_an_error_that_somebody_acted_on_is_not_escalated(desk: Desk) -> None:
    alert = desk.failed(desk.firm.sync(MIA))
    desk.alerts.acknowledge(desk.firm.actor(MIA), alert)
    assert desk.firm.store.alerts.escalate(ORG, desk.firm.clock.now(), desk.firm.clock.now()) == 0


def test_mine_are_those_about_my_syncs_or_my_connection(desk: Desk) -> None:
    desk.failed(desk.firm.sync(MIA))
    desk.failed(desk.firm.sync(TOM, run_as=desk.firm.connections[MIA]), code="connection_revoked")
    assert len(desk.alerts.open(desk.firm.actor(MIA), mine=True)) == 2
    assert len(desk.alerts.open(desk.firm.actor(TOM), mine=True)) == 1
    assert len(desk.alerts.open(desk.firm.actor(VERA))) == 2
