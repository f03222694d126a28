"""Which refresh is next: in fairness between organizations, people and channels, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, select, text

from core.models import Channel, Refresh, RefreshKind
from core.store import Store
from core.store.refreshes import open_run
from core.tables import RefreshRow, SyncRow
from tests.store.conftest import NOW, at_once, create

LEASE = timedelta(minutes=2)


@pytest.fixture
def firms(store: Store) -> Store:
    """Two organizations with room for many."""
    for org_id in ("T1", "T2"):
        store.organizations.ensure(org_id, name=org_id, sync_limit=50, at=NOW)
    return store


def claim(store: Store, per_org: int = 4) -> Refresh | None:
    return store.refreshes.claim(NOW + timedelta(minutes=1), LEASE, per_org)


def of(store: Store, run: Refresh | None) -> tuple[str, str]:
    assert run is not None
    sync = store.refreshes.sync(run.id)
    return sync.org_id, sync.channel.value


def test_of_one_organization_never_more_run_than_it_may_however_many_claim_at_once(firms: Store) -> None:
    for n in range(12):
        create(firms, f"s{n}")
    answers = at_once(*(lambda: claim(firms, 3) for _ in range(12)))
    claimed = [a for a in answers if a is not None]
    assert all(isinstance(a, Refresh) for a in claimed)
    while more := claim(firms, 3):  # one that met another at the door goes away and comes again
        claimed.append(more)
    assert len({a.id for a in claimed}) == len(claimed) == 3


def test_a_small_organization_does_not_wait_behind_a_big_one(firms: Store) -> None:
    for n in range(10):
        create(firms, f"s{n}")
    create(firms, "late", "T2")
    assert {of(firms, claim(firms))[0] for _ in range(2)} == {"T1", "T2"}


def test_a_platform_that_hangs_does_not_hold_every_worker(firms: Store) -> None:
    for n in range(10):
        create(firms, f"s{n}", channel=Channel.GOOGLE)
    create(firms, "other", channel=Channel.META)
    create(firms, "third", channel=Channel.LINKEDIN)
    assert {of(firms, claim(firms))[1] for _ in range(3)} == {"google", "meta", "linkedin"}


def test_what_a_person_asked_for_goes_before_what_is_routine(firms: Store) -> None:
    syncs = [create(firms, f"s{n}") for n in range(5)]
    with firms.database.write() as session:
        session.execute(text("UPDATE refresh_run SET state = 'succeeded'"))
        session.execute(text("UPDATE sync SET status = 'synced', next_due_at = '2026-11-24 05:00:00+00:00'"))
    assert firms.refreshes.enqueue_due(NOW, new_ids=[f"r{n}" for n in range(9)]) == 5
    with firms.database.write() as session:
        row = session.get_one(SyncRow, syncs[4].id)
        open_run(session, row, RefreshKind.REQUESTED, refresh_id="new", at=NOW, requested_by="U9")
    first = claim(firms)
    assert first is not None
    assert (first.sync_id, first.requested_by) == (syncs[4].id, "U9")


def test_what_is_due_is_marked_once_however_many_clocks_tick(firms: Store) -> None:
    for n in range(5):
        create(firms, f"s{n}")
    with firms.database.write() as session:
        session.execute(text("UPDATE refresh_run SET state = 'succeeded'"))
        session.execute(text("UPDATE sync SET status = 'synced', next_due_at = '2026-11-24 05:00:00+00:00'"))
    ticks = [lambda c=c: firms.refreshes.enqueue_due(NOW, new_ids=[f"{c}-{n}" for n in range(9)]) for c in range(4)]
    at_once(*ticks)
    with firms.database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM refresh_run WHERE state = 'queued'")) == 5


def test_a_refresh_whose_worker_is_gone_is_taken_up_in_its_turn(firms: Store) -> None:
    create(firms, "s1")
    first = claim(firms)
    assert first is not None
    assert claim(firms) is None
    again = firms.refreshes.claim(NOW + timedelta(minutes=5), LEASE, 4)
    assert again is not None
    assert (again.id, again.fence) == (first.id, first.fence + 1)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_five_refreshes_start_among_the_first_although_a_thousand_were_there_before(firms: Store, workers: int) -> None:
    create(firms, "s")
    create(firms, "t", "T2")
    _multiply(firms, "T1", 1000)
    _multiply(firms, "T2", 5)
    running: list[str] = []
    begun: list[str] = []
    for _ in range(2 * 5 + workers):
        run = claim(firms)
        assert run is not None
        running.append(run.id)
        begun.append(firms.refreshes.sync(run.id).org_id)
        if len(running) == workers:  # who began first is done first
            with firms.database.write() as session:
                session.get_one(RefreshRow, running.pop(0)).state = "succeeded"
    assert "T2" in begun[: 2 * workers]
    assert begun.count("T2") == 5


def _multiply(store: Store, org_id: str, n: int) -> None:
    """As if its one sync had been created so many times."""
    with store.database.write() as session:
        sync = session.execute(select(SyncRow.__table__).where(SyncRow.org_id == org_id)).mappings().one()
        run = session.execute(select(RefreshRow.__table__).where(RefreshRow.org_id == org_id)).mappings().one()
        copies = [dict(sync) | {"id": f"{org_id}-{i}", "number": i + 2, "segment_id": f"copy {i}"} for i in range(n - 1)]
        session.execute(insert(SyncRow.__table__), copies)
        runs = [dict(run) | {"id": f"run {org_id}-{i}", "sync_id": f"{org_id}-{i}"} for i in range(n - 1)]
        session.execute(insert(RefreshRow.__table__), runs)
