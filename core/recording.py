"""Writes into the ledger what a plan is about to do, before its first request."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from core.book import Book, Choice, Counts
from core.difference import Comparison, counted
from core.gathering import Everybody, Some
from core.identifiers import U64, Identifiers, State, among, joined
from core.ledger import Ledger
from core.planning import Numbering
from core.ports import ChannelTraits

_GENERATIONS = 40  # as many files at most, so that reading stays quick
_SHARE = 10  # a tenth of changes: then everything is written anew
_NOTHING = np.empty(0, np.uint64)


def record(
    ledger: Ledger,
    book: Book,
    touched: Everybody | Some,
    comparison: Comparison,
    *,
    header: Callable[[], Mapping[str, Any]],
    traits: ChannelTraits,
    floor: int,
) -> None:
    """A new generation, durable when this returns. `floor`: identifiers below which everything is written anew in any case.

    `header`: asked for when all is decided, before the generation counts. Raises LeaseLost when another worker was quicker.
    """
    numbering, counts = Numbering(traits), Counts()
    decided = (numbering.number(part) for part in comparison.decided())
    mine = _NOTHING if isinstance(touched, Everybody) else touched.touched()
    whole = isinstance(touched, Everybody) or _should_compact(book, len(mine), floor)
    if isinstance(touched, Some):
        counts = _beside(book, touched)
    with ledger.writing(whole=whole) as out:
        pieces = _counting(decided, counts)
        out.members(_merged(book, mine, pieces) if isinstance(touched, Some) and whole else pieces)
        if not whole:
            out.rows("overrides", member=mine)
        touched.write_rows(out)
        counts.sizes = numbering.sizes
        out.commit(header(), counts.words())


def _should_compact(book: Book, touched: int, floor: int) -> bool:
    return book.is_empty or book.generations >= _GENERATIONS or book.changes + 2 * touched > max(floor, book.size // _SHARE)


def _beside(book: Book, touched: Some) -> Counts:
    """The numbers of all members that are not touched."""
    old, whole = Counts(), book.counts
    for side in touched.sides():
        counted(side.old, old)
    return Counts(whole.present - old.present, whole.delivered - old.delivered, whole.refused - old.refused)


def _counting(parts: Iterator[Identifiers], counts: Counts) -> Iterator[Identifiers]:
    for part in parts:
        counted(part, counts)
        yield part


def _merged(book: Book, mine: U64, decided: Iterator[Identifiers]) -> Iterator[Identifiers]:
    """All members: those of the ledger as they are, these as decided."""
    held: list[Identifiers] = []
    for _, high, found in book.groups(Choice(_NOTHING, everybody=True)):
        stays = ~among(found.column("member"), mine)
        stays &= ~np.isin(found.column("state"), [State.LEAVING, State.GONE])
        while not held or int(held[-1].column("member")[-1]) <= high:
            part = next(decided, None)
            if part is None:
                break
            held += [part] if part.height else []
        ahead = joined(held)
        stop = int(np.searchsorted(ahead.column("member"), np.uint64(high), side="right"))
        whole = joined([found.where(stays), ahead.between(0, stop)])
        held = [ahead.between(stop, ahead.height)] if stop < ahead.height else []
        member = whole.column("member")
        yield whole.take(np.argsort(member, kind="stable")) if whole.height else whole
