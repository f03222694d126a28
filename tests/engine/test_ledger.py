"""The ledger survives kills, and gives nothing away."""

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from core.blocks import LedgerDamaged
from core.book import Book, Choice
from core.ending import is_passing
from core.errors import ConfigError, LeaseLost, LedgerUnavailable
from core.identifiers import DIGEST, LEDGER_SCHEMA, NO_BATCH, Identifiers, State, heads
from core.ledger import ADDING, Ledger, Ledgers
from core.shelves import Folders, Journal, Objects, Shelves

NOBODY = np.empty(0, np.uint64)


@pytest.fixture(params=["folder", "objects", "memory"])
def shelves(request: pytest.FixtureRequest, tmp_path: Path) -> Shelves:
    if request.param == "folder":
        return Folders(tmp_path)
    return Objects("memory://" if request.param == "memory" else f"file://{tmp_path}/store")


def ledger(folder: Path, *, key: bytes = b"k" * 32) -> Ledger:
    return on(Folders(folder), key)


def on(shelves: Shelves, key: bytes = b"k" * 32) -> Ledger:
    return Ledgers(shelves, keys=lambda _: [key]).of("sync-1")


def table(n: int = 6, *, first: int = 0, state: State = State.SENDING) -> Identifiers:
    """Members `first` and on with one e-mail each, two in a batch."""
    digests = [hashlib.sha256(f"{i}".encode()).digest() for i in range(first, first + n)]
    values = pa.array(digests, DIGEST)
    batch = [ADDING + i // 2 if state in (State.SENDING, State.LEAVING) else NO_BATCH for i in range(n)]
    columns = {"member": range(first, first + n), "kind": [0] * n, "head": heads(0, values), "state": [state] * n, "batch": batch}
    return Identifiers(pl.DataFrame(columns, schema=LEDGER_SCHEMA), values)


def write(
    one: Ledger, found: Identifiers, header: dict[str, object], *, whole: bool = True, overrides: tuple[int, ...] = ()
) -> None:
    members = len(set(found.column("member").tolist()))
    with one.writing(whole=whole) as out:
        out.members([found])
        out.rows("overrides", member=np.array(overrides, np.uint64))
        sizes = {ADDING + i: 2 for i in range(members // 2)}
        out.commit(header, {"present": members, "delivered": 0, "refused": 0, "owed": 0, "sizes": sizes})


def everything(book: Book) -> Identifiers:
    ((_, _, found),) = book.groups(Choice(NOBODY, everybody=True))
    return found


def load(folder: Path, **how: bytes) -> Book:
    book = Book.of(ledger(folder, **how))
    book.check()
    return book


def states(book: Book) -> list[int]:
    return everything(book).column("state").tolist()


def files(folder: Path) -> list[Path]:
    return sorted((folder / "sync-1").iterdir())


def test_what_was_written_is_read_again_with_its_journal(tmp_path: Path) -> None:
    first = ledger(tmp_path)
    first.generations()
    write(first, table(), {"audience": "A1"})
    first.done(ADDING, {1: "bad"})
    first.sent(ADDING + 1, "request-7", {})
    first.close()
    book = load(tmp_path)
    assert states(book) == [State.DELIVERED, State.REFUSED, *[State.SENDING] * 4]
    assert (book.header, book.waiting, book.number) == ({"audience": "A1"}, {ADDING + 1: "request-7"}, 1)
    assert (book.delivered, book.is_settled, book.counts.refused) == (1, False, 1)
    assert everything(book).values == table().values


def test_a_torn_record_at_the_end_counts_as_never_written_and_the_next_journal_goes_on(tmp_path: Path) -> None:
    first = ledger(tmp_path)
    first.generations()
    write(first, table(), {})
    first.done(ADDING, {})
    first.done(ADDING + 1, {})
    first.close()
    journal = next(p for p in files(tmp_path) if p.suffix == ".journal")
    whole = journal.read_bytes()
    for cut in range(len(whole) // 2 + 1, len(whole)):
        journal.write_bytes(whole[:cut])
        assert states(load(tmp_path))[:4] == [State.DELIVERED, State.DELIVERED, State.SENDING, State.SENDING]
    second = ledger(tmp_path)
    second.generations()
    second.done(ADDING + 2, {})
    second.close()
    assert states(load(tmp_path)) == [0, 0, State.SENDING, State.SENDING, 0, 0]


def test_later_generations_replace_what_earlier_ones_say_of_their_members(tmp_path: Path) -> None:
    one = ledger(tmp_path)
    one.generations()
    write(one, table(6, state=State.DELIVERED), {"n": 1})
    write(one, table(1, first=2, state=State.REFUSED), {"n": 2}, whole=False, overrides=(2, 3))
    write(one, table(2, first=9, state=State.DELIVERED), {"n": 3}, whole=False, overrides=(9, 10))
    book = load(tmp_path)
    found = everything(book)
    assert found.column("member").tolist() == [0, 1, 2, 4, 5, 9, 10]
    assert found.column("state").tolist() == [0, 0, State.REFUSED, 0, 0, 0, 0]
    assert (book.header, book.generations, book.number) == ({"n": 3}, 3, 3)
    write(one, found, {"n": 4})
    assert [p.name for p in files(tmp_path)] == ["00000004.ledger"]


def test_the_journal_of_a_generation_counts_after_a_later_one_was_written(tmp_path: Path) -> None:
    one = ledger(tmp_path)
    one.generations()
    write(one, table(4), {})
    one.done(ADDING, {0: "bad"})
    one.done(ADDING + 1, {})
    one.close()
    write(one, table(1, first=3, state=State.REFUSED), {}, whole=False, overrides=(3,))
    assert states(load(tmp_path)) == [State.REFUSED, 0, 0, State.REFUSED]


def test_who_wakes_late_does_not_disturb_the_journal_of_its_successor(tmp_path: Path) -> None:
    frozen, successor = ledger(tmp_path), ledger(tmp_path)
    frozen.generations()
    write(frozen, table(4), {})
    frozen.done(ADDING, {})
    successor.generations()
    successor.done(ADDING + 1, {})
    frozen.done(ADDING + 1, {})
    successor.seen({"by": "successor"})
    frozen.close()
    successor.close()
    book = load(tmp_path)
    assert (states(book), book.header) == ([0, 0, 0, 0], {"by": "successor"})


@pytest.mark.parametrize("n", [1, 5000, 600_000])
def test_the_rows_of_a_segment_are_kept_through_generations(tmp_path: Path, n: int) -> None:
    one = ledger(tmp_path)
    one.generations()
    row = np.sort(np.random.default_rng(n).integers(0, 2**64, n, np.uint64))
    with one.writing(whole=True) as out:
        out.rows("rows", row=row, member=row, reasons=np.zeros(n, np.uint8))
        out.commit({}, {"sizes": {}})
    come = np.array([5, 2**64 - 1], np.uint64)
    with one.writing(whole=False) as out:
        out.rows("dropped", row=row[::2])
        out.rows("rows", row=come, member=come, reasons=np.ones(2, np.uint8))
        out.commit({}, {"sizes": {}})
    found = np.concatenate([part.row for part in load(tmp_path).rows()])
    assert found.tolist() == sorted([*row[1::2].tolist(), *come.tolist()])


@pytest.mark.parametrize("place", [3, 20, 100, -1])
def test_a_changed_byte_a_cut_file_or_another_key_is_noticed(tmp_path: Path, place: int) -> None:
    first = ledger(tmp_path)
    first.generations()
    write(first, table(500), {})
    path = files(tmp_path)[0]
    whole = bytearray(path.read_bytes())
    with pytest.raises(LedgerDamaged):
        load(tmp_path, key=b"x" * 32)
    path.write_bytes(whole[:-1])
    with pytest.raises(LedgerDamaged):
        load(tmp_path)
    whole[place] ^= 1
    path.write_bytes(whole)
    with pytest.raises(LedgerDamaged):
        load(tmp_path)


def test_nothing_on_disk_can_be_read(tmp_path: Path) -> None:
    first = ledger(tmp_path)
    first.generations()
    write(first, table(), {"audience": "A1-of-somebody"})
    first.done(0, {0: "reason"})
    first.close()
    digest = hashlib.sha256(b"1").digest()
    everything = b"".join(p.read_bytes() for p in files(tmp_path))
    assert not any(word in everything for word in (digest[:8], digest[8:], b"audience", b"A1-of-somebody", b"reason", b"light"))


def test_a_frozen_worker_cannot_overwrite_what_its_successor_wrote(tmp_path: Path) -> None:
    frozen, successor = ledger(tmp_path), ledger(tmp_path)
    frozen.generations()
    successor.generations()
    write(successor, table(), {"by": "successor"})
    with pytest.raises(LeaseLost):
        write(frozen, table(2), {"by": "frozen"}, whole=False)
    assert load(tmp_path).header == {"by": "successor"}
    assert [p.name for p in files(tmp_path)] == ["00000001.ledger"]


def test_a_whole_generation_takes_the_place_of_all_before_it(tmp_path: Path) -> None:
    first = ledger(tmp_path)
    first.generations()
    for n in range(3):
        write(first, table(), {"n": n})
        first.done(ADDING, {})
    first.close()
    names = [p.name for p in files(tmp_path)]
    assert names[1] == "00000003.ledger"
    assert names[0].startswith("00000003.")
    assert len(names) == 2
    Ledgers(Folders(tmp_path), keys=lambda _: [b"k" * 32]).forget("sync-1")
    assert not (tmp_path / "sync-1").exists()


def test_a_generation_that_was_not_committed_leaves_nothing(tmp_path: Path) -> None:
    one = ledger(tmp_path)
    with one.writing(whole=True) as out:
        out.members([table()])
    assert files(tmp_path) == []
    assert Book.of(one).is_empty


def test_any_worker_goes_on_from_an_object_store(shelves: Shelves) -> None:
    first = on(shelves)
    first.generations()
    write(first, table(), {"audience": "A1"})
    first.done(ADDING, {1: "bad"})
    late = on(shelves)
    late.generations()
    late.sent(ADDING + 1, "request-7", {})
    first.done(ADDING + 2, {})
    first.close()
    late.close()
    book = Book.of(on(shelves))
    book.check()
    assert states(book) == [State.DELIVERED, State.REFUSED, State.SENDING, State.SENDING, 0, 0]
    assert (book.header, book.waiting) == ({"audience": "A1"}, {ADDING + 1: "request-7"})


def test_of_two_workers_one_publishes_and_the_other_learns_it(shelves: Shelves) -> None:
    frozen, successor = (on(shelves) for _ in range(2))
    frozen.generations()
    successor.generations()
    write(successor, table(), {"by": "successor"})
    with pytest.raises(LeaseLost):
        write(frozen, table(2), {"by": "frozen"}, whole=False)
    write(successor, table(3), {"by": "successor again"})
    assert shelves.of("sync-1").names() == ["00000002.ledger"]
    assert Book.of(frozen).header == {"by": "successor again"}
    shelves.forget("sync-1")
    assert shelves.of("sync-1").names() == []
    assert Book.of(frozen).is_empty


def test_what_a_kill_left_goes_after_a_day_and_nothing_else(
    shelves: Shelves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = on(shelves)
    one.generations()
    killed = shelves.of("sync-1").draft()
    killed.write(b"half a ledger")
    killed.publish("00000000.ledger")
    shelves.of("sync-1").drop("00000000.ledger")
    with suppress(AttributeError):
        # the kernel closes what a killed process had open; an object store's draft has no file
        killed._file.close()  # type: ignore[attr-defined] # not part of a draft, which is ended by publish or discard
    now = time.time()
    monkeypatch.setattr("core.shelves.time.time", lambda: now + 100_000)
    write(one, table(), {"n": 1})
    write(one, table(1, first=2), {"n": 2}, whole=False, overrides=(2,))
    book = Book.of(one)
    book.check()
    assert (book.header, book.generations) == ({"n": 2}, 2)
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(left) == {"Folders": 2, "Objects": 4 if left else 0}[type(shelves).__name__]


def test_many_threads_records_reach_the_store_in_few_writes(shelves: Shelves) -> None:
    one = on(shelves)
    one.generations()
    write(one, table(60), {})
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: one.done(ADDING + i, {}), range(30)))
    one.close()
    assert set(states(Book.of(one))) == {State.DELIVERED}


def test_a_store_that_fails_once_leaves_no_hole_in_a_journal() -> None:
    kept: list[bytes] = []

    def write(blocks: bytes) -> None:
        if not kept:
            kept.append(b"")
            raise LedgerUnavailable
        kept.append(blocks)

    journal = Journal(write)
    journal.add(b"1")
    with pytest.raises(LedgerUnavailable):
        journal.keep()
    journal.add(b"2")
    with pytest.raises(LedgerUnavailable):
        journal.keep()
    assert kept == [b""]


def test_an_upload_that_breaks_off_is_the_stores_trouble_and_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def write(self, block: bytes) -> None:
            raise OSError("connection reset, with the name of a bucket")

        def closed(self) -> bool:
            return True

    monkeypatch.setattr("core.shelves.obstore.open_writer", lambda *_, **__: Broken())
    with pytest.raises(LedgerUnavailable) as told:
        write(on(Objects(f"file://{tmp_path}")), table(), {})
    assert "bucket" not in str(told.value)
    assert is_passing(told.value)


def test_a_store_that_cannot_be_reached_is_said_without_what_it_held() -> None:
    with pytest.raises(ConfigError):
        Objects("nonsense://x")


def test_a_new_key_takes_over_with_the_next_whole_generation(shelves: Shelves) -> None:
    old, new = b"o" * 32, b"n" * 32
    retired: list[bytes] = []

    def of(*keys: bytes) -> Ledger:
        return Ledgers(shelves, keys=lambda _: keys, retire=lambda _, key: retired.append(key)).of("sync-1")

    first = of(old)
    first.generations()
    write(first, table(state=State.DELIVERED), {"n": 1})
    both = of(old, new)
    assert everything(Book.of(both)).values == table().values
    assert both.is_under_old_key
    assert both.seed != first.seed
    write(both, table(1, first=2, state=State.DELIVERED), {"n": 2}, whole=False, overrides=(2,))
    both.generations()
    assert both.is_under_old_key
    assert retired == []
    write(both, table(state=State.DELIVERED), {"n": 3})
    assert retired == [new]
    last = of(new)
    assert everything(Book.of(last)).values == table().values
    assert not last.is_under_old_key
    with pytest.raises(LedgerDamaged):
        Book.of(of(old))
