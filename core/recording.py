"""Writes into the ledger what a plan is about to do, before its first request."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from core.book import Book, Choice, Counts
from core.difference import Comparison, counted
from core.gathering import Everybody, Some
from core.identifiers import NOTHING, U64, Identifiers, Sieve, State, by_member, joined
from core.ledger import Ledger
from core.planning import Numbering
from core.ports import ChannelTraits

_GENERATIONS = 40  # as many files at most, so that reading stays quick
_SHARE = 10  # a tenth of changes: then everything is written anew


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
    numbering = Numbering(traits)
    decided = (numbering.number(part) for part in comparison.decided())
    if isinstance(touched, Everybody):
        mine, whole, counts = NOTHING, True, Counts()
        pieces = _counting(decided, counts)
    else:
        mine = touched.touched()
        whole = _should_compact(book, len(mine), floor) or (touched.all_rows is not None and book.has_dead_rows)
        counts = _beside(book, touched)
        pieces = _counting(decided, counts)
        pieces = _merged(book, mine, pieces) if whole else pieces
    with ledger.writing(whole=whole) as out:
        out.members(pieces)
        if not whole:
            out.rows("overrides", member=mine)
        touched.write_rows(out)
        counts.sizes = numbering.sizes
        out.commit(header(), asdict(counts))


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
    is_mine = Sieve(mine)
    for _, high, found in book.groups(Choice(NOTHING, everybody=True)):
        stays = ~is_mine(found.column("member"))
        stays &= ~np.isin(found.column("state"), [State.LEAVING, State.GONE])
        while not held or int(held[-1].column("member")[-1]) <= high:
            part = next(decided, None)
            if part is None:
                break
            held += [part] if part.height else []
        coming = joined(held)
        stop = int(np.searchsorted(coming.column("member"), np.uint64(high), side="right"))
        held = [coming.between(stop, coming.height)] if stop < coming.height else []
        yield by_member([found.where(stays), coming.between(0, stop)])
