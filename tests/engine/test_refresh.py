"""Refreshes end with the audience equal to the segment, in few requests."""

import os
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from core.changes import gather
from core.errors import NeedsReconnect, OutcomeUnknown, RateLimited, Rejected, RemovalRefused, SessionOver, Unavailable
from core.execution import Execution
from core.models import Actor, Progress, RefreshKind, RefreshState, Role, SyncStatus
from core.ports import Delivery, Op, Receipt, Settlement
from tests.engine.conftest import ORG, Desk, Killed, email, phone


def person(key: str, mail: str | None = None, tel: str | None = None) -> dict[str, str | None]:
    return {"key": key, "email": mail, "phone": tel}


def crowd(n: int, first: int = 0) -> list[dict[str, str | None]]:
    return [person(f"k{i}", f"p{i}@example.com") for i in range(first, first + n)]


def test_the_first_refresh_creates_the_audience_and_fills_it(desk: Desk) -> None:
    desk.write(
        [person("a", " Ann@Example.COM ", "+1 (202) 500-1234"), person("b", None, "00442071838750"), person("c", "no mail", "")]
    )
    run = desk.work()
    assert run.state is RefreshState.SUCCEEDED
    assert desk.platform.held() == {email("ann@example.com"), phone("12025001234"), phone("442071838750")}
    sync = desk.sync()
    assert (sync.status, sync.members, sync.matchable, sync.delivered, sync.matched) == (SyncStatus.SYNCED, 3, 2, 2, 3)
    assert (run.counts.added, run.counts.removed) == (2, 0)


def test_only_the_difference_is_sent(desk: Desk) -> None:
    desk.write(crowd(1000))
    desk.work()
    desk.platform.requests.clear()
    desk.write(crowd(1000, first=10))
    run = desk.refresh()
    assert [(r.op, r.batch.size) for r in desk.platform.requests] == [(Op.REMOVE, 10), (Op.ADD, 10)]
    assert (run.counts.added, run.counts.removed, run.counts.unchanged) == (10, 10, 990)
    assert len(desk.platform.held()) == 1000


def test_a_reformatted_file_and_duplicate_rows_need_no_request(desk: Desk) -> None:
    desk.write([person("a", "ann@example.com", "+12025001234"), person("b", "bo@example.com")])
    desk.work()
    desk.platform.requests.clear()
    desk.write([person("b", "BO@example.com "), person("a", "ann@example.com", "+1 202-500-1234"), person("b", "bo@example.com")])
    assert desk.refresh().state is RefreshState.SUCCEEDED
    assert desk.platform.requests == []


def test_a_member_that_lost_one_identifier_is_sent_again_after_the_removal_settled(desk: Desk) -> None:
    a, b = email("a@example.com"), email("b@example.com")
    desk.platform.persons = dict.fromkeys((a, b), frozenset({a, b}))
    desk.platform.lag = timedelta(minutes=20)
    desk.write([person("k", "a@example.com"), person("k", "b@example.com")])
    desk.work()
    desk.write([person("k", "a@example.com")])
    run = desk.refresh()
    assert desk.platform.held() == {a}
    assert (run.counts.removed, run.counts.again) == (0, 1)


def test_who_shares_a_phone_with_somebody_who_left_is_sent_again(desk: Desk) -> None:
    home = phone("12025001234")
    ann = email("ann@example.com")
    desk.platform.persons = dict.fromkeys((home, ann), frozenset({home, ann}))
    desk.write([person("a", "ann@example.com", "+12025001234"), person("b", "bo@example.com", "+12025001234")])
    desk.work()
    desk.write([person("b", "bo@example.com", "+12025001234")])
    desk.platform.stays = {home, email("bo@example.com")}
    desk.refresh()
    assert desk.platform.held() == desk.platform.stays
    assert timedelta(minutes=29) < desk.platform.longest < timedelta(minutes=31), "as long as the platform takes to settle"


def test_absent_identifiers_join_nobody(desk: Desk) -> None:
    desk.write(crowd(1000))
    desk.work()
    desk.platform.requests.clear()
    desk.write(crowd(999))
    desk.refresh()
    assert [(r.op, r.batch.size) for r in desk.platform.requests] == [(Op.REMOVE, 1)]


def test_waiting_for_the_platform_holds_no_worker(desk: Desk) -> None:
    desk.write([person("k", "a@example.com", "+12025001234")])
    desk.work()
    desk.write([person("k", "a@example.com")])
    desk.clock.move(timedelta(minutes=1))
    run = desk.ask()
    assert desk.engine.execute_next()
    waiting = desk.store.refreshes.get(run.id)
    assert waiting.state is RefreshState.SETTLING
    assert waiting.not_before == desk.clock.now() + timedelta(minutes=30)
    assert not desk.engine.execute_next()


def test_consent_that_is_withdrawn_takes_the_member_out_while_the_guard_holds_the_rest(desk: Desk) -> None:
    frame = pl.DataFrame(crowd(1000)).with_columns(consent=pl.lit(value=True))
    desk.write(frame)
    (desk.segments / "people.meta.toml").write_text('[columns]\nkey = "key"\nconsent = "consent"\n')
    desk.work()
    withdrawn = frame.head(500).with_columns(consent=pl.col("key") != "k7")
    frame = withdrawn
    frame.write_parquet(desk.segments / "people.parquet")
    run = desk.refresh()
    assert run.state is RefreshState.HELD
    assert run.counts.removed == 500
    assert email("p7@example.com") not in desk.platform.held()
    assert len(desk.platform.held()) == 999


def test_the_guard_holds_until_somebody_applies(desk: Desk) -> None:
    desk.write(crowd(1000))
    desk.work()
    desk.platform.requests.clear()
    desk.write(crowd(600))
    run = desk.refresh()
    assert (run.state, run.counts.removed, desk.platform.requests) == (RefreshState.HELD, 400, [])
    desk.store.refreshes.decide(run.id, apply=True, at=desk.clock.now())
    assert desk.work().state is RefreshState.SUCCEEDED
    assert len(desk.platform.held()) == 600


def test_applying_asks_again_when_more_would_leave_by_then(desk: Desk) -> None:
    desk.write(crowd(1000))
    desk.work()
    desk.write(crowd(600))
    run = desk.refresh()
    desk.write(crowd(500))
    desk.store.refreshes.decide(run.id, apply=True, at=desk.clock.now())
    assert desk.work().state is RefreshState.HELD
    assert len(desk.platform.held()) == 1000


def test_an_empty_segment_empties_nothing(desk: Desk) -> None:
    desk.write(crowd(5))
    desk.work()
    desk.write([])
    assert desk.refresh().state is RefreshState.HELD
    assert len(desk.platform.held()) == 5


def test_bad_members_of_a_refused_batch_are_found_and_the_others_go_through(desk: Desk) -> None:
    bad = {email("p3@example.com"), email("p700@example.com")}

    def refuse(delivery: object) -> None:
        values = {v.as_py() for c in delivery.batch.columns.values() for v in c.value}  # type: ignore[attr-defined]
        if values & {v for _, v in bad}:
            raise Rejected(reason="not_a_person")

    desk.platform.faults = refuse
    desk.write(crowd(1000))
    run = desk.work()
    assert run.state is RefreshState.SUCCEEDED
    assert run.counts.rejected == {"not_a_person": 2}
    assert run.counts.delivered == 998
    assert len(desk.platform.held()) == 998
    desk.platform.requests.clear()
    assert desk.refresh().state is RefreshState.SUCCEEDED
    assert desk.platform.requests == [], "what was refused is not sent again until its data changes"
    desk.platform.faults = lambda _: None
    desk.refresh(RefreshKind.REQUESTED, by="U1")
    assert len(desk.platform.held()) == 1000, "a person's request tries again"


def test_places_that_the_platform_rejects_are_counted_by_reason(desk: Desk) -> None:
    desk.platform.answers = lambda d, r: Receipt(r.received - 1, {4: "too_old"}) if d.batch.size > 4 else r
    desk.write(crowd(10))
    run = desk.work()
    assert (run.counts.rejected, run.counts.delivered) == ({"too_old": 1}, 9)
    assert len(desk.platform.held()) == 9


def test_transient_trouble_is_retried_and_a_lost_answer_is_sent_again(desk: Desk) -> None:
    troubles = iter([Unavailable(), RateLimited(retry_after=0), None, OutcomeUnknown()])

    def trouble(_: object) -> None:
        if error := next(troubles, None):
            raise error

    desk.platform.faults = trouble
    desk.write(crowd(10))
    assert desk.work().state is RefreshState.SUCCEEDED
    assert len(desk.platform.held()) == 10


def test_a_platform_that_stays_away_fails_the_sync_after_a_while_and_a_later_refresh_heals_it(desk: Desk) -> None:
    def away(_: object) -> None:
        raise Unavailable

    desk.platform.faults = away
    desk.write(crowd(10))
    run = desk.work()
    assert (run.state, run.failure) == (RefreshState.FAILED, "channel_unavailable")
    desk.platform.faults = lambda _: None
    assert desk.refresh().state is RefreshState.SUCCEEDED
    assert len(desk.platform.held()) == 10


def test_a_permanent_refusal_fails_at_once(desk: Desk) -> None:
    def revoked(_: object) -> None:
        raise NeedsReconnect

    desk.platform.faults = revoked
    desk.write(crowd(10))
    run = desk.work(times=1)
    assert (run.state, run.failure, desk.sync().status) == (RefreshState.FAILED, "connection_revoked", SyncStatus.FAILED)


def test_a_removal_that_the_platform_refuses_stays_to_be_done_and_new_members_still_go_in(desk: Desk) -> None:
    desk.write(crowd(500))
    desk.work()

    def refuse(delivery: object) -> None:
        if delivery.op is Op.REMOVE:  # type: ignore[attr-defined]
            raise RemovalRefused

    desk.platform.faults = refuse
    desk.write(crowd(500, first=50))
    assert desk.refresh().failure == "removal_refused"
    assert len(desk.platform.held()) == 550
    desk.platform.faults = lambda _: None
    assert desk.refresh().state is RefreshState.SUCCEEDED
    assert len(desk.platform.held()) == 500


def test_batches_hold_the_platforms_maximum_and_the_last_one_comes_last(tmp_path: object) -> None:
    desk = Desk(tmp_path / "d", batch_rows=100, in_flight=4)  # type: ignore[operator]
    rows = [person(f"k{i}", f"p{i}@example.com") for i in range(950)]
    rows += [person(f"k{i}", f"q{i}@example.com") for i in range(0, 950, 10)]  # two e-mails need two rows
    desk.write(rows)
    desk.work()
    adds = desk.platform.sent(Op.ADD)
    assert len(adds) == 11
    assert sorted(r.seq for r in adds) == list(range(1, 12))
    assert [r.last for r in adds] == [False] * 10 + [True]
    assert len({r.session for r in adds}) == 1
    assert len(desk.platform.held()) == 1045


def test_a_deleted_audience_fails_the_sync_and_a_persons_retry_makes_it_anew(desk: Desk) -> None:
    desk.write(crowd(200))
    desk.work()
    desk.platform.audiences.clear()
    desk.platform.keys.clear()
    run = desk.refresh()
    assert run.failure == "audience_deleted"
    run = desk.refresh(RefreshKind.REQUESTED, by="U1")
    assert run.state is RefreshState.SUCCEEDED
    assert len(desk.platform.held()) == 200


def test_a_kill_between_creating_and_noting_does_not_leave_two_audiences(desk: Desk) -> None:
    desk.write(crowd(3))
    create = desk.platform.create

    def dying(*args: object, **kwargs: object) -> object:
        create(*args, **kwargs)  # type: ignore[arg-type]
        raise Killed

    desk.platform.create = dying  # type: ignore[assignment, method-assign]
    with pytest.raises(Killed):
        desk.engine.execute_next()
    desk.platform.create = create  # type: ignore[method-assign]
    assert desk.work().state is RefreshState.SUCCEEDED
    assert list(desk.platform.audiences) == ["A1"]


def test_a_full_resync_replaces_where_the_platform_can(tmp_path: object) -> None:
    desk = Desk(tmp_path / "d", batch_rows=100, can_replace=True)  # type: ignore[operator]
    desk.write(crowd(950))
    desk.work()
    desk.platform.audiences["A1"].add(email("stranger@example.com"))
    desk.write(crowd(940))
    assert desk.refresh(RefreshKind.FULL, by="U1").state is RefreshState.SUCCEEDED
    assert len(desk.platform.sent(Op.REPLACE)) == 10
    assert len(desk.platform.held()) == 940


def test_a_replacement_that_was_cut_off_goes_on_in_the_session_that_is_open(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "d", batch_rows=100, can_replace=True, in_flight=1)
    desk.write(crowd(950))
    desk.work()

    def dying(delivery: Delivery) -> None:
        if delivery.op is Op.REPLACE and delivery.seq == 4:
            desk.platform.faults = lambda _: None
            raise Killed

    desk.platform.faults = dying
    assert desk.refresh(RefreshKind.FULL, by="U1").state is RefreshState.SUCCEEDED
    assert len({d.session for d in desk.platform.sent(Op.REPLACE)}) == 1
    assert len(desk.platform.held()) == 950


def test_who_leaves_while_a_replacement_is_cut_off_is_taken_out_after_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "d", batch_rows=100, can_replace=True, in_flight=1)
    desk.write(crowd(950))
    desk.work()

    def dying(delivery: Delivery) -> None:
        if delivery.op is Op.REPLACE and delivery.seq == 9:
            desk.platform.faults = lambda _: None
            desk.write(crowd(900))  # fifty leave whom the session may have taken already
            raise Killed

    desk.platform.faults = dying
    assert desk.refresh(RefreshKind.FULL, by="U1").state is RefreshState.SUCCEEDED
    assert len({d.session for d in desk.platform.sent(Op.REPLACE)}) == 2, "another one, with nobody but who is there now"
    assert desk.platform.held() == {email(f"p{i}@example.com") for i in range(900)}


def test_a_pause_within_a_replacement_leaves_the_audience_as_it_was(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "d", batch_rows=100, can_replace=True, in_flight=1)
    desk.write(crowd(950))
    desk.work()
    before = desk.platform.held()

    def paused(delivery: Delivery) -> None:
        if delivery.op is Op.REPLACE and delivery.seq == 4:
            actor = Actor(ORG, "U1", Role.MARKETING_USER)
            desk.store.syncs.pause(actor, desk.sync_id, version=None, at=desk.clock.now())
            raise Unavailable

    desk.platform.faults = paused
    desk.write(crowd(950, first=10))
    run = desk.refresh(RefreshKind.FULL, by="U1")
    assert (run.state, run.counts.owed) == (RefreshState.CANCELLED, 0)
    assert desk.platform.held() == before


def test_a_replacement_whose_session_is_over_begins_another_one(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "d", batch_rows=100, can_replace=True, in_flight=1)
    desk.write(crowd(950))
    desk.work()
    over: list[int] = []

    def closing(delivery: Delivery) -> None:
        if delivery.op is Op.REPLACE and delivery.seq == 4 and not over:
            over.append(delivery.session)
        if delivery.session in over:
            raise SessionOver

    desk.platform.faults = closing
    assert desk.refresh(RefreshKind.FULL, by="U1").state is RefreshState.SUCCEEDED
    assert desk.platform.sent(Op.REPLACE)[-1].session not in over
    assert len(desk.platform.held()) == 950


@pytest.mark.parametrize("proven", [False, True])
def test_a_replacement_that_begins_anew_sends_everybody_again_also_where_nothing_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proven: bool
) -> None:
    desk = Desk(tmp_path / "d", batch_rows=100, can_replace=True, in_flight=1)
    desk.write(crowd(950))
    if proven:
        os.utime(desk.segments / "people.parquet", (1_700_000_000, 1_700_000_000))
        monkeypatch.setattr("sources.files._YOUNG_NS", 0)
    desk.work()
    over: list[int] = []

    def closing(delivery: Delivery) -> None:
        if delivery.op is Op.REPLACE and delivery.seq == 4 and not over:
            over.append(delivery.session)
        if delivery.session in over:
            raise SessionOver

    desk.platform.faults = closing
    assert desk.refresh(RefreshKind.FULL, by="U1").state is RefreshState.SUCCEEDED
    assert len(desk.platform.held()) == 950


def test_nobody_in_the_segment_is_no_replacement(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "d", batch_rows=100, can_replace=True)
    desk.write(crowd(50))
    desk.work()
    desk.write(crowd(0))
    assert desk.refresh(RefreshKind.FULL, by="U1").state is RefreshState.HELD
    desk.store.refreshes.decide(desk.store.refreshes.last(desk.sync_id, 1)[0].id, apply=True, at=desk.clock.now())
    assert desk.work().state is RefreshState.SUCCEEDED
    assert desk.platform.held() == set()


def test_a_full_resync_takes_out_strangers_where_the_platform_can(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "d", batch_rows=100, sweeps=True)
    desk.write(crowd(950))
    desk.work()
    desk.platform.audiences["A1"].add(email("stranger@example.com"))
    desk.clock.move(timedelta(hours=1))
    answers = iter([Settlement(done=False, ask_again_in=timedelta(minutes=30)), Settlement(done=True, failed=True)])
    desk.platform.settlements = lambda _: next(answers, Settlement(done=True))
    assert desk.refresh(RefreshKind.FULL, by="U1").state is RefreshState.SUCCEEDED
    assert email("stranger@example.com") not in desk.platform.held()
    assert len(desk.platform.held()) == 950
    assert len(desk.platform.swept) == 2, "what the platform failed at is asked for once more"
    desk.platform.swept.clear()
    desk.refresh()
    assert desk.platform.swept == [], "a routine refresh takes nobody out like that"


def test_a_full_resync_sends_everybody_again_where_it_cannot(desk: Desk) -> None:
    desk.write(crowd(50))
    desk.work()
    desk.platform.audiences["A1"] -= {email(f"p{i}@example.com") for i in range(20, 30)}
    stayed = {email(f"p{i}@example.com") for i in range(30, 50)}
    desk.platform.faults = desk.platform.after = lambda _: stayed <= desk.platform.held() or pytest.fail("somebody was out")
    desk.write(crowd(45, first=5))
    assert desk.refresh(RefreshKind.FULL, by="U1").state is RefreshState.SUCCEEDED
    assert desk.platform.held() == {email(f"p{i}@example.com") for i in range(5, 50)}


def test_a_dry_run_says_what_would_change_and_sends_nothing(desk: Desk) -> None:
    desk.write(crowd(500))
    desk.work()
    desk.platform.requests.clear()
    desk.write(crowd(500, first=20))
    run = desk.refresh(RefreshKind.DRY, by="U1")
    assert (run.counts.added, run.counts.removed, desk.platform.requests) == (20, 20, [])
    desk.refresh()
    assert len(desk.platform.sent(Op.REMOVE)) == 1


def test_a_column_that_vanished_is_an_alert_and_not_an_empty_audience(desk: Desk) -> None:
    desk.write(crowd(50))
    desk.work()
    desk.write(pl.DataFrame({"key": ["k1"], "name": ["x"]}))
    run = desk.refresh()
    assert (run.state, run.failure) == (RefreshState.FAILED, "source_query_failed")
    assert len(desk.platform.held()) == 50


def test_a_segment_that_is_gone_fails_the_sync(desk: Desk) -> None:
    desk.write(crowd(5))
    desk.work()
    (desk.segments / "people.parquet").unlink()
    assert desk.refresh().failure == "segment_deleted"


def test_unusable_rows_are_not_new_for_ever(desk: Desk) -> None:
    desk.write([*crowd(90), *(person(f"u{i}", "nobody at home") for i in range(10))])
    desk.work()
    desk.platform.requests.clear()
    desk.refresh()
    assert desk.platform.requests == []


def test_work_that_a_platform_ends_later_is_asked_for_and_waited_for(desk: Desk) -> None:
    desk.platform.answers = lambda d, r: Receipt(r.received, request_id=f"r{d.seq}")
    states = iter([Settlement(False, timedelta(minutes=5)), Settlement(True)])
    desk.platform.settlements = lambda _: next(states)
    desk.write(crowd(10))
    assert desk.work().state is RefreshState.SUCCEEDED
    assert len(desk.platform.sent(Op.ADD)) == 1


def test_work_that_failed_on_the_platform_is_sent_again(desk: Desk) -> None:
    desk.platform.answers = lambda d, r: Receipt(r.received, request_id="r")
    states = iter([Settlement(True, failed=True), Settlement(True)])
    desk.platform.settlements = lambda _: next(states)
    desk.write(crowd(10))
    assert desk.work().state is RefreshState.SUCCEEDED
    assert len(desk.platform.sent(Op.ADD)) == 2


def test_a_stopping_worker_hands_back_what_it_has_not_sent(tmp_path: object) -> None:
    desk = Desk(tmp_path / "d", batch_rows=10, in_flight=1)  # type: ignore[operator]
    desk.write(crowd(100))
    desk.platform.after = lambda d: desk.engine.stop() if d.seq == 3 else None
    desk.engine.execute_next()
    assert len(desk.platform.requests) == 3
    assert desk.store.refreshes.last(desk.sync_id)[0].state is RefreshState.QUEUED
    desk.platform.after = lambda _: None
    desk.restart()
    assert desk.work().state is RefreshState.SUCCEEDED
    assert len(desk.platform.sent(Op.ADD)) == 10, "what was delivered is not sent twice"


def test_a_paused_sync_stops_at_the_next_batch(tmp_path: object) -> None:
    from core.store.refreshes import close_open

    desk = Desk(tmp_path / "d", batch_rows=10, in_flight=1)  # type: ignore[operator]
    desk.write(crowd(100))
    beats = iter(range(10_000))

    def pause(delivery: object) -> None:
        if delivery.seq == 3:  # type: ignore[attr-defined]
            with desk.store.database.write() as session:
                close_open(session, desk.sync_id, desk.clock.now())

    desk.platform.after = pause
    desk.engine.execute_next()
    del beats
    assert desk.store.refreshes.last(desk.sync_id)[0].state is RefreshState.CANCELLED
    assert len(desk.platform.requests) <= 10


def test_a_worker_that_was_frozen_sends_nothing_more_once_another_has_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.claim._BEAT_S", 0.0)  # as if more than a beat had passed between any two moments
    desk = Desk(tmp_path / "d", batch_rows=10, in_flight=1)
    desk.write(crowd(100))
    sent: list[int] = []

    def taken_over(delivery: Delivery) -> None:
        sent.append(delivery.seq)
        if delivery.seq == 3:
            later = desk.clock.now() + desk.settings.lease * 2
            assert desk.store.refreshes.claim(later, desk.settings.lease)
            raise Unavailable("the connection was gone when it woke")

    desk.platform.after = taken_over
    desk.engine.execute_next()
    assert sent == [1, 2, 3], "the batch is not tried again by who has lost the lease"
    desk.platform.after = lambda _: None
    desk.clock.move(desk.settings.lease * 4)
    assert desk.work().state is RefreshState.SUCCEEDED
    assert len(desk.platform.held()) == 100


def test_an_unchanged_file_is_not_read_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write(crowd(10))
    path = desk.segments / "people.parquet"
    os.utime(path, (1_700_000_000, 1_700_000_000))
    monkeypatch.setattr("sources.files._YOUNG_NS", 0)
    desk.work()
    monkeypatch.setattr("core.execution.gather", None)  # reading it would fail
    run = desk.refresh()
    assert run.state is RefreshState.SUCCEEDED
    assert (run.counts.members, run.counts.delivered, run.counts.unchanged) == (10, 10, 10)


def test_nobodys_turn_to_be_sent_again_is_lost_while_a_reading_takes_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path / "d", memory=timedelta(days=10))
    desk.write(crowd(500))
    desk.work()
    desk.platform.requests.clear()

    def slowly(*args: Any, **how: Any) -> Any:
        found = gather(*args, **how)
        desk.clock.move(timedelta(hours=6))
        return found

    monkeypatch.setattr("core.execution.gather", slowly)
    for _ in range(6):
        desk.clock.move(timedelta(days=1))
        desk.write(crowd(500))
        assert desk.refresh().state is RefreshState.SUCCEEDED
    sent = {value.as_py() for r in desk.platform.sent(Op.ADD) for column in r.batch.columns.values() for value in column.value}
    assert sent == {value for _, value in desk.platform.held()}
    assert len(sent) == 500


def test_a_refresh_that_is_held_takes_nobodys_turn(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "d", memory=timedelta(days=10))
    everybody = pl.DataFrame(crowd(1000)).with_columns(consent=pl.lit(value=True))
    desk.write(everybody)
    (desk.segments / "people.meta.toml").write_text('[columns]\nkey = "key"\nconsent = "consent"\n')
    desk.work()
    desk.clock.move(timedelta(days=2))
    everybody.head(500).with_columns(consent=pl.col("key") != "k7").write_parquet(desk.segments / "people.parquet")
    held = desk.refresh()
    assert held.state is RefreshState.HELD
    desk.store.refreshes.decide(held.id, apply=False, at=desk.clock.now())
    desk.platform.requests.clear()
    everybody.filter(pl.col("key") != "k7").write_parquet(desk.segments / "people.parquet")
    desk.clock.move(timedelta(days=1))
    assert desk.refresh().state is RefreshState.SUCCEEDED
    assert sum(r.batch.size for r in desk.platform.sent(Op.ADD)) > 500, "three of five days' turns have come"


def test_when_every_row_is_spelled_in_another_way_its_rows_are_written_and_nobody_is_sent(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "d", compact_below=0)
    desk.write([{"key": f"k{i}", "email": f"p{i}@example.com", "phone": f"+1202555{i:04d}"} for i in range(300)])
    desk.work()
    desk.platform.requests.clear()
    ledgers = desk.folder / "ledgers" / desk.sync_id
    for blanks, files in ((1, 2), (2, 1)):  # rows that no longer count are written over the second time
        spelled = [
            {"key": f"k{i}", "email": f"P{i}@example.com" + " " * blanks, "phone": f"+1 202 555{i:04d}"} for i in range(300)
        ]
        desk.write(spelled)
        desk.clock.move(timedelta(days=8))  # everybody is looked at
        run = desk.refresh()
        assert (run.state, run.counts.members, desk.platform.requests) == (RefreshState.SUCCEEDED, 300, [])
        assert len(list(ledgers.glob("*.ledger"))) == files
    desk.write(spelled[:-1])
    assert desk.refresh().counts.removed == 1
    assert desk.platform.held() == {i for n in range(299) for i in (email(f"p{n}@example.com"), phone(f"1202555{n:04d}"))}


def test_who_changed_while_every_row_was_spelled_anew_is_found(desk: Desk) -> None:
    desk.write([{"key": f"k{i}", "email": f"p{i}@example.com", "phone": None} for i in range(300)])
    desk.work()
    desk.write([{"key": f"k{i}", "email": f" p{i + (i == 7)}@example.com", "phone": None} for i in range(5, 305)])
    desk.clock.move(timedelta(days=8))  # everybody is looked at
    run = desk.refresh()
    assert run.state is RefreshState.SUCCEEDED
    desk.clock.move(timedelta(hours=1))
    assert desk.platform.held() == {email(f"p{i + (i == 7)}@example.com") for i in range(5, 305)}
    assert run.counts.members == 300


def test_a_whole_reading_in_which_few_are_left_is_told_from_an_empty_one(desk: Desk) -> None:
    desk.write(crowd(1000))
    desk.work()
    desk.write(crowd(500))
    desk.clock.move(timedelta(days=8))  # everybody is looked at
    assert desk.refresh(RefreshKind.DRY, by="U1").failure == "segment_shrunk"


@pytest.mark.parametrize("kill_at", range(1, 12))
def test_who_shares_a_phone_with_a_leaver_comes_back_whatever_dies_in_between(desk: Desk, kill_at: int) -> None:
    home = phone("12025001234")
    mails = [email("a@example.com"), email("c@example.com")]
    desk.platform.persons = dict.fromkeys((home, *mails), frozenset((home, *mails)))
    desk.write([person("m", "a@example.com", "+12025001234"), person("n", "c@example.com", "+12025001234")])
    desk.work()
    countdown = iter(range(kill_at, 0, -1))

    def moment(_: object) -> None:
        if next(countdown, None) == 1:
            raise Killed

    desk.ledgers.moment = desk.platform.faults = desk.platform.after = moment  # type: ignore[method-assign]
    desk.write([person("n", "c@example.com", "+12025001234")])
    assert desk.refresh().state is RefreshState.SUCCEEDED
    assert {home, mails[1]} <= desk.platform.held()


def test_other_rules_for_identifiers_look_at_everybody_and_send_only_whom_they_change(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.write([*crowd(50), person("n", "nobody at home")])
    desk.work()
    desk.platform.requests.clear()
    monkeypatch.setattr("core.execution.RULES", 99)
    assert desk.refresh().state is RefreshState.SUCCEEDED
    assert desk.platform.requests == []
    assert desk.sync().members == 51


def test_two_versions_beside_each_other_end_in_what_the_newer_one_says(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write(crowd(50))
    desk.work()
    for step, rules in enumerate((99, 2, 99, 2, 99), 1):
        monkeypatch.setattr("core.execution.RULES", rules)
        desk.write(crowd(50, first=step))
        assert desk.refresh().state is RefreshState.SUCCEEDED
        assert desk.platform.held() == {email(f"p{i}@example.com") for i in range(step, 50 + step)}
    assert sum(r.batch.size for r in desk.platform.requests) == 50 + 5 * 2


def test_progress_reaches_the_database_once_a_second_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path / "d", batch_rows=10, in_flight=1)
    desk.write(crowd(1000))
    time = [0.0]
    monkeypatch.setattr("core.refresh.Execution", partial(Execution, monotonic=lambda: time[0]))
    told: list[tuple[str, float]] = []
    progress = desk.store.refreshes.progress

    def watched(refresh_id: str, fence: int, said: Progress, *rest: Any, **more: Any) -> None:
        told.append((said.phase.value, time[0]))
        progress(refresh_id, fence, said, *rest, **more)

    monkeypatch.setattr(desk.store.refreshes, "progress", watched)

    def a_tenth(_: object) -> None:
        time[0] += 0.1

    desk.platform.after = a_tenth
    assert desk.work().state is RefreshState.SUCCEEDED
    adding = [at for phase_, at in told if phase_ == "adding"]
    assert 9 <= len(adding) <= 13, "ten seconds of a hundred requests"
    assert all(b - a >= 0.99 for a, b in pairwise(adding[:-1]))


def test_an_audience_that_is_resumed_after_months_is_made_equal_whatever_became_of_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "d", memory=timedelta(days=30))
    desk.write(crowd(200))
    desk.work()
    desk.platform.audiences["A1"].clear()  # the platform has forgotten all of them
    desk.clock.move(timedelta(days=120))
    desk.write(crowd(200, first=20))
    assert desk.refresh().state is RefreshState.SUCCEEDED
    assert desk.platform.held() == {email(f"p{i}@example.com") for i in range(20, 220)}


def test_an_audience_that_shrinks_by_and_by_is_held_at_half_of_what_it_was_a_week_ago(desk: Desk) -> None:
    desk.write(crowd(1000))
    desk.work()
    sizes = [1000]
    run = desk.store.refreshes.last(desk.sync_id, 1)[0]
    while run.state is not RefreshState.HELD:
        sizes.append(sizes[-1] * 8 // 10)
        desk.write(crowd(sizes[-1]))
        desk.clock.move(timedelta(days=1))
        run = desk.refresh()
    assert sizes == [1000, 800, 640, 512, 409]
    assert len(desk.platform.held()) == 512
    desk.store.refreshes.decide(run.id, apply=True, at=desk.clock.now())
    assert desk.work().state is RefreshState.SUCCEEDED
    desk.write(crowd(300))
    assert desk.refresh().state is RefreshState.SUCCEEDED, "what somebody applied is the new measure"


def test_an_audience_in_which_many_come_and_go_is_not_held(desk: Desk) -> None:
    desk.write(crowd(1000))
    desk.work()
    for day in range(1, 8):
        desk.write(crowd(1000, first=200 * day))
        desk.clock.move(timedelta(days=1))
        assert desk.refresh().state is RefreshState.SUCCEEDED
