"""What the engine takes for one plan: seconds, peak memory above the interpreter with its imports, and the answer."""

import hashlib
import shutil
import statistics
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from core.book import Book
from core.changes import gather
from core.difference import Comparison
from core.gathering import Segment, Some
from core.identifiers import KINDS, State
from core.ledger import Ledger, Ledgers
from core.models import Channel, IdentifierKind, SegmentKind
from core.planning import Allowed, requests
from core.ports import ChannelTraits
from core.recording import record
from core.shelves import Folders
from sources.files import FilesSource

TRAITS = ChannelTraits(
    channel=Channel.META,
    kinds=frozenset({IdentifierKind.EMAIL, IdentifierKind.PHONE}),
    company_kinds=frozenset(),
    batch_rows=10_000,
    max_identifiers=15,
    one_of_each=True,
    settle=timedelta(0),
)
MEMORY = 256 << 20
_LETTERS = {IdentifierKind.EMAIL: b"e", IdentifierKind.PHONE: b"p"}


class Memory:
    """The peak of anonymous memory while it runs, in MiB, above what there was before."""

    def __enter__(self) -> "Memory":
        self._before, self.peak = _anonymous(), 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            self.peak = max(self.peak, _anonymous() - self._before)


def _anonymous() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return 0.0


def ledger(folder: Path) -> Ledger:
    return Ledgers(Folders(folder), keys=lambda _: [b"k" * 32]).of("one")


def plan(people: Path, name: str, one: Ledger) -> float:
    """Reads, compares and writes down what is to be done; seconds."""
    begun = time.perf_counter()
    book = Book.of(one)
    with FilesSource(name="people", folder=people).read(name) as reading:
        allowed = Allowed(TRAITS, SegmentKind.CONTACTS, book.header.get("kinds", ()))
        segment = Segment(reading, allowed, seed=one.seed, memory=MEMORY, beat=lambda _: None)
        touched = gather(segment, book, None if book.is_empty else Some(book, allowed, settled=True, retry_refused=False))
    comparison = Comparison(touched, first=book.is_empty)

    def header() -> Mapping[str, Any]:
        return {"kinds": sorted(comparison.survey.kinds), "counts": {"members": touched.totals.members}}

    record(one, book, touched, comparison, header=header, traits=TRAITS, floor=50_000)
    touched.close()
    book.close()
    return time.perf_counter() - begun


def deliver(one: Ledger) -> None:
    """As if all requests had been answered."""
    for batch in Book.of(one).counts.sizes:
        one.done(batch, {})
    one.close()


def answer(one: Ledger) -> dict[str, Any]:
    """What the newest generation says is to be done, in a form in which it can be compared with the plain way's."""
    book = Book.of(one)
    removes: set[bytes] = set()
    for _, found in requests(book.newest, State.LEAVING):
        letters = [_LETTERS[KINDS[code]] for code in found.column("kind")]
        removes |= {letter + value.as_py() for letter, value in zip(letters, found.values, strict=True)}
    members, identifiers, total = 0, 0, 0
    for state in (State.SENDING, State.OWED):
        for chunk in book.newest.index["chunks"]:
            frame = book.newest.identifiers(chunk).filter(state=int(state))
            members += frame["member"].n_unique()
            identifiers += frame.height
            total += int(np.sum(frame["head"].to_numpy(), dtype=np.uint64))
    return said(removes, members, identifiers, total)


def said(removes: set[bytes], members: int, identifiers: int, total: int) -> dict[str, Any]:
    """One answer: the removals themselves, and of whom is sent how many and the sum of their identifiers."""
    digest = hashlib.sha256(b"".join(sorted(removes))).hexdigest()
    return {"removes": digest, "removed": len(removes), "members": members, "identifiers": identifiers, "sum": total % 2**64}


def measure(people: Path, folder: Path, what: str, times: int) -> dict[str, Any]:
    """One kind of plan, several times from the same ledger; the ledger of the first plan stays for the others."""
    seconds, peak = [], 0.0
    for _ in range(times):
        _lay(folder, delivered=what != "before")
        with Memory() as memory:
            seconds.append(plan(people, what, ledger(folder)))
        peak = max(peak, memory.peak)
    found = answer(ledger(folder))
    size = sum(p.stat().st_size for p in (folder / "one").iterdir())
    if what == "before":
        deliver(ledger(folder))
        shutil.copytree(folder / "one", folder / "delivered")
    return {"seconds": statistics.median(seconds), "peak": peak, "answer": found, "bytes": size}


def _lay(folder: Path, *, delivered: bool) -> None:
    """The ledger as it was: empty, or after the first plan was delivered."""
    shutil.rmtree(folder / "one", ignore_errors=True)
    if delivered:
        shutil.copytree(folder / "delivered", folder / "one")


def unchanged(people: Path, folder: Path) -> float:
    """Seconds to find that a segment is as it was: its identity beside what the ledger's index says."""
    begun = time.perf_counter()
    book = Book.of(ledger(folder))
    with FilesSource(name="people", folder=people).read("before") as reading:
        if book.header.get("version") == reading.version and not book.is_settled:
            raise SystemExit("The ledger of a delivered plan is not settled.")
    return time.perf_counter() - begun
