"""A segment that is far too big for memory is compared on disk: as equal, in as few requests, and nothing can be read there."""

import hashlib
import os
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import polars as pl
import pytest

from core.models import RefreshKind, RefreshState
from core.ports import Op
from tests.engine.conftest import Desk, email, phone, spilling

N = 2000


def contacts(first: int, n: int = N, *, phones: int = 500) -> pl.DataFrame:
    """Contacts of whom every fourth shares a phone with three others; every tenth is written twice."""
    rows = [
        {"key": f"k{i}", "email": f"p{i}@example.com", "phone": f"+1202555{i // 4 % phones:04d}", "consent": i % 50 != 49}
        for i in range(first, first + n)
    ]
    return pl.DataFrame([*rows, *rows[::10]]).sample(fraction=1.0, shuffle=True, seed=first)


def truth(frame: pl.DataFrame) -> set[Any]:
    there = frame.filter(pl.col("consent"))
    return {email(e) for e in there["email"]} | {phone(p[1:]) for p in there["phone"]}


@pytest.fixture
def spilled(monkeypatch: pytest.MonkeyPatch) -> list[IO[bytes]]:
    """The files that were spilled to, still open."""
    made: list[IO[bytes]] = []
    real = tempfile.TemporaryFile

    def opened(*args: Any, **how: Any) -> IO[bytes]:
        file = real(*args, **how)
        made.append(os.fdopen(os.dup(file.fileno()), "rb"))
        return file

    monkeypatch.setattr("tempfile.TemporaryFile", opened)
    yield made  # type: ignore[misc] # a generator, as fixtures are
    for file in made:
        file.close()


@pytest.fixture
def narrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """No memory at all, and 300 rows or identifiers looked at together."""
    spilling(monkeypatch, 300)
    desk = Desk(tmp_path / "desk", memory_mib=0, batch_rows=400)
    (desk.segments / "people.meta.toml").write_text('[columns]\nkey = "key"\nconsent = "consent"\n')
    return desk


def put(desk: Desk, frame: pl.DataFrame) -> None:
    frame.write_parquet(desk.segments / ".part")
    (desk.segments / ".part").rename(desk.segments / "people.parquet")


@pytest.mark.parametrize("everybody", [False, True])
def test_over_a_ledger_that_exists_only_the_difference_is_sent(narrow: Desk, spilled: list[IO[bytes]], everybody: bool) -> None:
    put(narrow, contacts(0))
    assert narrow.work().state is RefreshState.SUCCEEDED
    assert spilled
    before = len(spilled)
    assert narrow.platform.held() == truth(contacts(0))
    for step in range(1, 4):
        narrow.platform.requests.clear()
        if everybody:
            narrow.clock.move(timedelta(days=8))
        put(narrow, contacts(12 * step))
        run = narrow.refresh()
        assert run.state is RefreshState.SUCCEEDED
        assert narrow.platform.held() == truth(contacts(12 * step))
        assert (run.counts.added, run.counts.removed) == (12, 12)
        assert sum(d.batch.size for d in narrow.platform.sent(Op.REMOVE)) <= 15
        assert sum(d.batch.size for d in narrow.platform.requests) < 100
    assert len(spilled) > before


def test_many_changes_at_once_are_followed_by_everybodys_path(narrow: Desk) -> None:
    put(narrow, contacts(0))
    narrow.work()
    moved = contacts(0).with_columns(phone=pl.col("phone").str.replace("1202555", "1202556"))
    put(narrow, moved)
    assert narrow.refresh().state is RefreshState.SUCCEEDED
    assert narrow.platform.held() == truth(moved)
    assert narrow.refresh(RefreshKind.FULL, by="U1").state is RefreshState.SUCCEEDED
    assert narrow.platform.held() == truth(moved)


def test_what_is_spilled_cannot_be_read(narrow: Desk, spilled: list[IO[bytes]]) -> None:
    put(narrow, contacts(0))
    narrow.work()
    wholes = []
    for file in spilled:
        file.seek(0)
        wholes.append(file.read())
    written = b"".join(wholes)
    assert len(written) > 100_000
    for i in range(0, N, 37):
        assert hashlib.sha256(f"p{i}@example.com".encode()).digest() not in written
    assert b"example.com" not in written
