"""Refreshes with ledgers that lie elsewhere or get another key: nothing is sent for that, nothing is forgotten."""

from pathlib import Path

import pytest

from core.models import RefreshState
from core.shelves import Folders, Objects
from tests.engine.conftest import Desk, DyingLedgers, Killed, email

CROWD = [{"key": f"k{i}", "email": f"p{i}@example.com", "phone": None} for i in range(200)]


def test_a_ledgers_new_key_takes_over_with_the_next_refresh_and_nothing_is_sent(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    keys, retired = [b"o" * 32], []
    desk.ledgers = DyingLedgers(
        Folders(tmp_path / "ledgers"), keys=lambda _: list(keys), retire=lambda _, key: retired.append(key)
    )
    desk.restart()
    desk.write(CROWD)
    desk.work()
    desk.platform.requests.clear()
    keys.append(b"n" * 32)
    assert desk.refresh().state is RefreshState.SUCCEEDED  # the file has not changed, and is looked at all the same
    assert (desk.platform.requests, retired) == ([], [b"n" * 32])
    del keys[0]
    desk.write(CROWD[1:])
    assert desk.refresh().counts.removed == 1
    assert email("p0@example.com") not in desk.platform.held()
    assert len(desk.platform.held()) == 199


@pytest.mark.parametrize("moment", ["before commit", "after commit", "before done", "after done"])
def test_another_worker_goes_on_from_the_object_store_where_one_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    desk = Desk(tmp_path, batch_rows=20)
    died = []

    def dies(at: str) -> None:
        if at == moment and not died:
            died.append(at)
            raise Killed

    desk.ledgers = DyingLedgers(Objects(f"file://{tmp_path}/store"), keys=lambda _: [b"k" * 32])
    monkeypatch.setattr(desk.ledgers, "moment", dies)
    desk.restart()
    desk.write(CROWD)
    desk.work()
    desk.write(CROWD[50:])
    desk.refresh()
    assert died == [moment]
    assert desk.platform.held() == {email(f"p{i}@example.com") for i in range(50, 200)}
