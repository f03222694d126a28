"""One open alert a cause: it gathers the syncs that share it, ends by itself, and does not flood."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from core.models import AlertState, Channel, Refresh
from tests.alerts.conftest import MIA, TALK, TOM, Firm


def test_syncs_that_share_a_cause_share_one_alert(firm: Firm) -> None:
    first, second, other = firm.sync(), firm.sync(TOM), firm.sync(account="1002")
    for sync in (first, second, other):
        firm.fail(sync, "ad_account_disabled")
    found = {a.account_id: a.sync_ids for a in firm.alerts()}
    assert found == {"1001": (first.id, second.id), "1002": (other.id,)}
    assert firm.targets() == {TALK, f"dm:{MIA}", f"dm:{TOM}"}


def test_an_outage_of_a_platform_is_one_alert_for_the_channel(firm: Firm) -> None:
    syncs = [firm.sync(account=str(n)) for n in range(5)]
    for sync in syncs:
        firm.fail(sync, "channel_unavailable")
    (alert,) = firm.alerts()
    assert alert.channel is Channel.META
    assert set(alert.sync_ids) == {s.id for s in syncs}
    firm.clock.move(seconds=3)
    assert firm.post().count(f"post alert {TALK}") == 1


def test_an_alert_ends_by_itself_with_its_last_sync(firm: Firm) -> None:
    first, second = firm.sync(), firm.sync(TOM)
    for sync in (first, second):
        firm.fail(sync, "ad_account_disabled")
    firm.clock.move(minutes=20)
    firm.succeed(first)
    (alert,) = firm.alerts()
    assert alert.sync_ids == (second.id,)
    assert alert.left_ids == (first.id,)
    firm.succeed(second)
    assert firm.alerts() == []
    (row,) = firm.every_alert()
    assert row.state == AlertState.RESOLVED
    assert row.resolved_at is not None
    assert row.resolved_at - row.first_seen_at == timedelta(minutes=20)


def test_a_sync_that_fails_otherwise_leaves_the_alert_of_before(firm: Firm) -> None:
    sync = firm.sync()
    firm.fail(sync, "channel_unavailable")
    firm.fail(sync, "ad_account_disabled")
    assert [a.code for a in firm.alerts()] == ["ad_account_disabled"]


def test_a_pause_ends_what_the_sync_alone_had(firm: Firm) -> None:
    sync = firm.sync()
    firm.fail(sync, "segment_deleted")
    firm.store.syncs.pause(firm.ana, sync.id, version=None, at=firm.clock.now())
    assert firm.alerts() == []


def test_repeats_count_and_edit_but_never_post_again(firm: Firm) -> None:
    sync = firm.sync()
    firm.fail(sync, "source_unreachable")
    assert firm.post().count(f"post alert {TALK}") == 1
    for _ in range(5):
        firm.clock.move(minutes=2)
        firm.fail(sync, "source_unreachable")
        assert not [said for said in firm.post() if "post alert" in said or "remark" in said]
    (alert,) = firm.alerts()
    assert alert.count == 6


def test_what_comes_and_goes_stays_in_one_message_and_speaks_at_most_once_an_hour(firm: Firm) -> None:
    sync = firm.sync()
    said = []
    for _ in range(20):
        firm.fail(sync, "source_unreachable")
        said += firm.post()
        firm.clock.move(minutes=2)
        firm.succeed(sync)
        firm.clock.move(minutes=2)
        said += firm.post()
    assert len(firm.every_alert()) == 1
    assert said.count(f"post alert {TALK}") == 1
    assert sum("remark" in s and TALK in s for s in said) <= 4
    assert sum("remark resolved" in s and TALK in s for s in said) == 2


def test_a_cause_that_comes_back_the_next_day_is_a_new_alert(firm: Firm) -> None:
    sync = firm.sync()
    firm.fail(sync, "source_unreachable")
    firm.succeed(sync)
    firm.clock.move(days=1)
    firm.fail(sync, "source_unreachable")
    assert len(firm.every_alert()) == 2


def test_a_new_consent_ends_the_connections_alert_and_says_who(firm: Firm) -> None:
    sync = firm.sync()
    firm.fail(sync, "connection_revoked")
    firm.clock.move(minutes=1)
    firm.connect(MIA)
    assert firm.alerts() == []
    (row,) = firm.every_alert()
    assert row.history[0].endswith(f"{MIA} reconnected")
    assert firm.store.refreshes.last(sync.id, 1)[0].state.is_open


def test_a_held_refresh_that_is_kept_waits_for_the_next_time(firm: Firm) -> None:
    sync = firm.sync()
    firm.succeed(sync)
    run = firm.hold(sync)
    assert [a.code for a in firm.alerts()] == ["segment_shrunk"]
    firm.store.refreshes.decide(run.id, apply=False, at=firm.clock.now())
    assert firm.alerts() == []
    due = firm.store.syncs.get("T1", sync.id).next_due_at
    assert due is not None
    assert due > firm.clock.now()


def test_syncs_that_fail_at_the_same_moment_share_one_alert_and_none_is_forgotten(firm: Firm) -> None:
    syncs = [firm.sync((MIA, TOM)[n % 2]) for n in range(12)]
    runs, now = [firm.begin(s) for s in syncs], firm.clock.now()

    def fail(run: Refresh) -> None:
        firm.store.refreshes.fail(run.id, run.fence, "ad_account_disabled", {}, next_due_at=None, now=now)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(fail, runs))
    (alert,) = firm.alerts()
    assert set(alert.sync_ids) == {s.id for s in syncs}
    assert alert.count == 12
    assert len(firm.letters()) == 3
