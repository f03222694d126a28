"""The ledger survives kills, and gives nothing away."""

from pathlib import Path

import polars as pl
import pytest

from core.difference import LEDGER_SCHEMA, State
from core.errors import LeaseLost
from core.ledger import Book, Ledger, LedgerDamaged, Ledgers


def ledger(folder: Path, *, key: bytes = b"k" * 32) -> Ledger:
    return Ledgers(folder=folder, key=lambda _: key).of("sync-1")


def table(n: int = 6) -> pl.DataFrame:
    rows = [(i, 0, f"digest-{i}".encode(), State.SENDING, i // 2) for i in range(n)]
    return pl.DataFrame(rows, schema=LEDGER_SCHEMA, orient="row")


def states(book: Book) -> list[int]:
    return book.table.sort("member")["state"].to_list()


def files(folder: Path) -> list[Path]:
    return sorted((folder / "sync-1").iterdir())


def test_what_was_written_is_read_again_with_its_journal(tmp_path: Path) -> None:
    first = ledger(tmp_path)
    first.load()
    first.write(table(), {"audience": "A1"})
    first.done(0, {1: "bad"})
    first.sent(1, "request-7", {})
    first.close()
    book = ledger(tmp_path).load()
    assert states(book) == [State.DELIVERED, State.REFUSED, *[State.SENDING] * 4]
    assert (book.header, book.waiting, book.generation) == ({"audience": "A1"}, {1: "request-7"}, 1)


def test_a_torn_record_at_the_end_counts_as_never_written_and_the_journal_goes_on(tmp_path: Path) -> None:
    first = ledger(tmp_path)
    first.load()
    first.write(table(), {})
    first.done(0, {})
    first.done(1, {})
    first.close()
    journal = files(tmp_path)[0]
    whole = journal.read_bytes()
    for cut in range(len(whole) // 2 + 1, len(whole)):
        journal.write_bytes(whole[:cut])
        assert states(ledger(tmp_path).load())[:4] == [State.DELIVERED, State.DELIVERED, State.SENDING, State.SENDING]
    second = ledger(tmp_path)
    second.load()
    second.done(2, {})
    second.close()
    assert states(ledger(tmp_path).load()) == [0, 0, State.SENDING, State.SENDING, 0, 0]


@pytest.mark.parametrize("place", [3, 20, 100, -1])
def test_a_changed_byte_a_cut_file_or_another_key_is_noticed(tmp_path: Path, place: int) -> None:
    first = ledger(tmp_path)
    first.load()
    first.write(table(500), {})
    path = files(tmp_path)[0]
    whole = bytearray(path.read_bytes())
    with pytest.raises(LedgerDamaged):
        ledger(tmp_path, key=b"x" * 32).load()
    path.write_bytes(whole[:-1])
    with pytest.raises(LedgerDamaged):
        ledger(tmp_path).load()
    whole[place] ^= 1
    path.write_bytes(whole)
    with pytest.raises(LedgerDamaged):
        ledger(tmp_path).load()


def test_nothing_on_disk_can_be_read(tmp_path: Path) -> None:
    first = ledger(tmp_path)
    first.load()
    first.write(table(), {"audience": "A1"})
    first.done(0, {0: "reason"})
    first.close()
    everything = b"".join(p.read_bytes() for p in files(tmp_path))
    assert not any(word in everything for word in (b"digest-", b"audience", b"A1", b"reason", b"ARROW"))


def test_a_frozen_worker_cannot_overwrite_what_its_successor_wrote(tmp_path: Path) -> None:
    frozen, successor = ledger(tmp_path), ledger(tmp_path)
    frozen.load()
    successor.load()
    successor.write(table(), {"by": "successor"})
    with pytest.raises(LeaseLost):
        frozen.write(table(2), {"by": "frozen"})
    assert ledger(tmp_path).load().header == {"by": "successor"}
    assert [p.name for p in files(tmp_path)] == ["00000001.ledger"]


def test_only_the_latest_generation_is_kept(tmp_path: Path) -> None:
    first = ledger(tmp_path)
    first.load()
    for n in range(3):
        first.write(table(), {"n": n})
        first.done(0, {})
    first.close()
    assert [p.name for p in files(tmp_path)] == ["00000003.journal", "00000003.ledger"]
    Ledgers(folder=tmp_path, key=lambda _: b"k" * 32).forget("sync-1")
    assert not (tmp_path / "sync-1").exists()
