"""Last night's backup is put back while the platforms went on: nobody is taken out in masses, and a refresh finds its way."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from core.models import RefreshKind, RefreshState
from core.ports import Op
from core.shelves import Folders
from core.store import Store
from core.store.backup import load, save
from tests.databases import WANTED
from tests.engine.conftest import Desk, DyingLedgers, email
from tests.engine.test_refresh import crowd


def mails(first: int, n: int) -> set[object]:
    return {email(f"p{i}@example.com") for i in range(first, first + n)}


@pytest.mark.skipif(WANTED in os.environ, reason="the archive is SQLite's; PostgreSQL has its own tools")
def test_a_refresh_after_a_restore_removes_nobody_in_masses_and_a_full_resync_makes_it_equal(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk", sweeps=True)
    desk.ledgers = DyingLedgers(Folders(desk.folder / "ledger"), keys=lambda _: [b"k" * 32])
    desk.restart()
    desk.write(crowd(1000))
    desk.work()
    save(desk.store.database.engine.url.render_as_string(), desk.folder, tmp_path / "night.tar.gz")
    desk.write(crowd(1000, first=100))  # a hundred left, a hundred came
    desk.refresh()
    desk.write([*crowd(1000, first=100), *crowd(7, first=5000)])
    desk.refresh()
    desk.write(crowd(1000, first=150))  # the seven were there between backup and restore only
    desk.store.close()

    url = f"sqlite:///{tmp_path / 'again' / 'segsync.db'}"
    load(tmp_path / "night.tar.gz", url, tmp_path / "again")
    desk.store = Store(url)
    desk.ledgers = DyingLedgers(Folders(tmp_path / "again" / "ledger"), keys=lambda _: [b"k" * 32])
    desk.restart()
    desk.platform.requests.clear()
    desk.clock.move(timedelta(hours=9))
    run = desk.refresh()
    assert run.state is RefreshState.SUCCEEDED
    assert mails(150, 1000) <= desk.platform.held()
    assert sum(d.batch.size for d in desk.platform.sent(Op.REMOVE)) == 150, "whom the backup knows and the segment does not"
    assert desk.platform.held() - mails(150, 1000) == mails(5000, 7), "nobody knows them any more"
    assert desk.refresh(RefreshKind.FULL, by="U1").state is RefreshState.SUCCEEDED
    assert desk.platform.held() == mails(150, 1000)


def test_a_segment_that_shrank_meanwhile_is_held_by_the_guard_as_ever(desk: Desk) -> None:
    desk.write(crowd(1000))
    desk.work()
    desk.platform.requests.clear()
    desk.write(crowd(100))
    desk.clock.move(timedelta(days=30))
    assert desk.refresh().state is RefreshState.HELD
    assert desk.platform.sent(Op.REMOVE) == []
