"""What the clock finds: the limit near, refreshes overdue, connections that end; and refreshes unlike their own past."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from core.models import Channel
from core.troubleshooting import explain
from tests.alerts.conftest import ANA, BO, MIA, ORG, TALK, Firm

THRESHOLDS = (80, 95, 100)


def limits(firm: Firm) -> list[str]:
    """One look at the limit; what Slack is told."""
    firm.store.watch.limits(ORG, THRESHOLDS, firm.clock.now())
    firm.clock.move(minutes=5)
    return [s for s in firm.post() if TALK in s]


def loud(said: list[str]) -> list[str]:
    return [s for s in said if s.startswith("post")]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Firm]:
    """A firm whose contract allows twenty syncs; fifteen are in use."""
    firm = Firm(tmp_path, limit=20)
    for _ in range(15):
        firm.sync()
    yield firm
    firm.store.close()


def test_each_threshold_is_told_once_on_the_way_up(small: Firm) -> None:
    assert limits(small) == []
    said = []
    for _ in range(5):
        small.sync()
        said.append(loud(limits(small)))
        assert loud(limits(small)) == []
    assert said == [
        [f"post alert {TALK}"],  # 16 of 20: 80 %
        [],
        [],
        [f"post remark crossed {TALK}"],  # 19 of 20: 95 %
        [f"post remark crossed {TALK}"],
    ]
    (alert,) = small.alerts()
    assert alert.code == "sync_limit_reached"
    assert "All 20 syncs are in use" in explain(alert).cause
    assert {f"dm:{ANA}", f"dm:{BO}"} <= small.targets()


def test_one_sync_more_and_one_less_does_not_tell_again(small: Firm) -> None:
    last = small.sync()
    assert loud(limits(small))
    for _ in range(3):
        small.store.syncs.pause(small.ana, last.id, version=None, at=small.clock.now())
        assert loud(limits(small)) == []
        last = small.sync()
        assert loud(limits(small)) == []


def test_well_below_the_lowest_threshold_it_is_over(small: Firm) -> None:
    syncs = [small.sync() for _ in range(1)]
    limits(small)
    found = small.store.syncs.stalest(ORG, 20)
    for sync in found[:2]:
        small.store.syncs.pause(small.ana, sync.id, version=None, at=small.clock.now())
    assert syncs
    assert small.alerts()
    assert f"edit alert {TALK}" in limits(small)
    assert small.alerts() == []


def test_the_limit_alert_names_who_uses_it_and_what_could_be_paused(small: Firm) -> None:
    small.sync()
    limits(small)
    (alert,) = small.alerts()
    assert alert.detail["users"] == f"{MIA}:16"
    assert len(alert.detail["stale"].split(",")) == 3


def test_a_refresh_that_waits_too_long_is_overdue_and_over_when_it_is_done(firm: Firm) -> None:
    sync = firm.sync()
    firm.succeed(sync)
    firm.clock.move(days=1, minutes=5)
    assert firm.store.refreshes.enqueue_due(firm.clock.now(), new_ids=["r1"]) == 1
    firm.store.watch.overdue(ORG, timedelta(hours=1), firm.clock.now())
    assert firm.alerts() == []
    firm.clock.move(minutes=70)
    for _ in range(3):
        firm.store.watch.overdue(ORG, timedelta(hours=1), firm.clock.now())
    assert [(a.code, a.count) for a in firm.alerts()] == [("refresh_overdue", 1)]
    firm.succeed(sync)
    assert firm.alerts() == []


def test_syncs_that_become_due_in_a_downtime_are_not_overdue_at_once(firm: Firm) -> None:
    sync = firm.sync()
    firm.succeed(sync)
    firm.clock.move(days=3)
    firm.store.refreshes.enqueue_due(firm.clock.now(), new_ids=["r1"])
    firm.store.watch.overdue(ORG, timedelta(hours=1), firm.clock.now())
    assert firm.alerts() == []


def test_a_connection_that_ends_is_said_to_its_user_at_14_7_and_1_days_and_to_all_on_the_last(firm: Firm) -> None:
    firm.connect(MIA, ends_in_days=20)
    firm.sync(MIA)
    told = {}
    for day in range(20):
        firm.store.watch.ends(ORG, firm.clock.now())
        firm.clock.move(seconds=3)
        said = [s for s in firm.post() if "alert" in s or "remark" in s]
        if loud(said):
            told[20 - day] = loud(said)
        firm.clock.move(days=1, seconds=-3)
    assert told == {
        14: [f"post alert dm:{MIA}"],
        7: [f"post remark sooner dm:{MIA}"],
        1: [f"post alert {TALK}", f"post remark sooner dm:{MIA}"],
    }
    firm.store.watch.ends(ORG, firm.clock.now())
    assert [a.code for a in firm.alerts()] == ["connection_expired"]
    assert firm.store.connections.of_user(ORG, MIA)[Channel.META].status == "expired"


def test_a_new_consent_ends_the_warning(firm: Firm) -> None:
    firm.connect(MIA, ends_in_days=3)
    firm.store.watch.ends(ORG, firm.clock.now())
    assert [a.code for a in firm.alerts()] == ["connection_expiring"]
    firm.connect(MIA, ends_in_days=60)
    assert firm.alerts() == []


def test_a_match_rate_that_falls_by_a_third_against_its_own_past_is_told_and_ends_when_it_is_back(firm: Firm) -> None:
    sync = firm.sync()
    for matched in (80, 78, 82, 79):
        firm.succeed(sync, matched=matched, delivered=100)
        firm.clock.move(days=1)
    firm.succeed(sync, matched=60, delivered=100)
    assert firm.alerts() == []
    firm.clock.move(days=1)
    firm.succeed(sync, matched=40, delivered=100)
    (alert,) = firm.alerts()
    assert alert.code == "low_match_rate"
    assert "matches 40% of what was delivered; it used to be 79%" in explain(alert).cause
    firm.clock.move(days=1)
    firm.succeed(sync, matched=77, delivered=100)
    assert firm.alerts() == []


def test_an_audience_that_shrinks_with_its_segment_has_no_low_match_rate(firm: Firm) -> None:
    sync = firm.sync()
    for _ in range(4):
        firm.succeed(sync, matched=80, delivered=100)
        firm.clock.move(days=1)
    firm.succeed(sync, matched=40, delivered=50)
    assert firm.alerts() == []


def test_many_refused_members_are_told_by_reason_and_only_when_that_is_new(firm: Firm) -> None:
    sync = firm.sync()
    firm.succeed(sync, members=1000, rejected={"invalid e-mail": 10})
    firm.clock.move(days=1)
    firm.succeed(sync, members=1000, rejected={"invalid e-mail": 200, "too short": 5})
    (alert,) = firm.alerts()
    assert "205 of 1,000 members of this segment were refused: invalid e-mail (200), too short (5)" in explain(alert).cause
    firm.clock.move(days=1)
    firm.succeed(sync, members=1000, rejected={"invalid e-mail": 200})
    assert len(firm.alerts()) == 1
    firm.clock.move(days=1)
    firm.succeed(sync, members=1000, rejected={"invalid e-mail": 12})
    assert firm.alerts() == []


def test_members_that_the_channel_did_not_receive_are_told_and_over_when_it_has(firm: Firm) -> None:
    sync = firm.sync()
    firm.succeed(sync, members=1000, rejected={"not_received": 3})
    assert [a.code for a in firm.alerts()] == ["delivery_mismatch"]
    firm.clock.move(days=1)
    firm.succeed(sync, members=1000)
    assert firm.alerts() == []


def test_an_audience_that_the_channel_will_forget_is_told_until_it_is_used(firm: Firm) -> None:
    sync = firm.sync()
    firm.succeed(sync, expires_at=firm.clock.now() + timedelta(days=200))
    assert firm.alerts() == []
    firm.succeed(sync, expires_at=firm.clock.now() + timedelta(days=30))
    assert [a.code for a in firm.alerts()] == ["audience_expiring"]
    firm.succeed(sync)
    assert firm.alerts() == []


def test_an_audience_too_small_to_serve_is_told_after_a_day_of_matching(firm: Firm) -> None:
    sync = firm.sync()
    firm.succeed(sync, matched=80)
    firm.store.watch.small(ORG, {Channel.META: 100}, firm.clock.now())
    assert firm.alerts() == []
    firm.clock.move(hours=25)
    firm.store.watch.small(ORG, {Channel.META: 100}, firm.clock.now())
    assert [a.code for a in firm.alerts()] == ["audience_too_small"]
    firm.succeed(sync, matched=800)
    firm.store.watch.small(ORG, {Channel.META: 100}, firm.clock.now())
    assert firm.alerts() == []
