"""A ledger as one thing: its generations laid over each other."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import polars as pl

from core.ahead import ahead
from core.buckets import LAST
from core.fingerprints import Marks, together
from core.generation import UNSETTLED, Generation
from core.identifiers import LEDGER_SCHEMA, NOTHING, U64, Identifiers, Mask, Sieve, State, among, by_member, none, union, within
from core.ledger import ADDING, Ledger

GROUP = 1 << 17  # identifiers, or rows, that are looked at together
PRESENT = [int(s) for s in (State.DELIVERED, State.SENDING, State.OWED, State.REFUSED)]


@dataclass(slots=True)
class Counts:
    """What is known of a whole ledger when a generation is written; what its requests then do is added from its journal.

    `present`: members that carry something; `delivered`: members of which something is delivered; `refused`: identifiers;
    `owed`: members; `sizes`: members of each request by the number of its batch.
    """

    present: int = 0
    delivered: int = 0
    refused: int = 0
    owed: int = 0
    sizes: dict[int, int] = field(default_factory=dict)


class Book:
    """What a ledger says now. `header` names the audience and its life, the rules and the segment's version."""

    def __init__(self, generations: list[Generation], *, void: bool = False) -> None:
        """`void`: what it says is of another audience, and nothing of it counts."""
        self._all = [] if void else generations
        self._files = generations
        self.number = generations[-1].number if generations else 0
        self.header: Mapping[str, Any] = self._all[-1].header if self._all else {}
        self.waiting: dict[int, str] = self._all[-1].waiting if self._all else {}

    @classmethod
    def of(cls, ledger: Ledger) -> "Book":
        """Raises LedgerDamaged."""
        return cls(ledger.generations())

    def close(self) -> None:
        """Closes its files."""
        for one in self._files:
            one.close()

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing."""
        return not self._all

    # ── in numbers, from the index alone ──

    @cached_property
    def counts(self) -> Counts:
        """With what the newest generation's requests have done since it was written."""
        if not self._all:
            return Counts()
        newest = self._all[-1]
        found = Counts(**{k: v for k, v in newest.index["counts"].items() if k != "sizes"})
        found.sizes = {int(batch): size for batch, size in newest.index["counts"]["sizes"].items()}
        for batch in newest.done:
            bad = len(newest.refused.get(batch, {}))
            found.refused += bad
            found.delivered += found.sizes.get(batch, 0) - bad if batch >= ADDING else 0
        return found

    @property
    def is_settled(self) -> bool:
        """Whether nothing is owed, leaving or unknown."""
        return not self._all or (not self.counts.owed and self.counts.sizes.keys() <= self._all[-1].done)

    @property
    def delivered(self) -> int:
        """Members with at least one identifier that is delivered."""
        return self.counts.delivered

    @property
    def size(self) -> int:
        """About how many identifiers it holds."""
        return sum(int(chunk["n"]) for one in self._all for chunk in one.index["chunks"])

    @property
    def generations(self) -> int:
        """Of how many files it consists."""
        return len(self._all)

    @property
    def newest(self) -> Generation:
        """The last generation; there must be one."""
        return self._all[-1]

    @property
    def changes(self) -> int:
        """How many identifiers and members' replacements lie in generations after the last whole one."""
        later = self._all[1:]
        return sum(int(c["n"]) for one in later for c in one.index["chunks"]) + sum(len(one.overrides) for one in later)

    def refused(self, batch: int) -> Mapping[int, str]:
        """Who was not taken of a batch whose outcome is still open."""
        return self._all[-1].refused.get(batch, {})

    # ── what is in it ──

    def groups(self, choose: "Choice") -> Iterator[tuple[int, int, Identifiers]]:
        """Chosen members in ascending order, some at a time, with the range of keys that each group covers."""
        low, held, height = 0, [], 0
        for high, found in self._pieces(choose):
            held.append(found)
            height += found.height
            if height >= GROUP and high < LAST:
                yield low, high, by_member(held)
                low, held, height = high + 1, [], 0
        yield low, LAST, by_member(held)

    def between(self, low: int, high: int) -> Identifiers:
        """All members in a range of keys, in ascending order."""
        found: list[Identifiers] = []
        for place, one in enumerate(self._all):
            for chunk in one.index["chunks"]:
                if chunk["last"] >= low and chunk["first"] <= high:
                    choice = Choice(NOTHING, ranges=((low, high),))
                    found.append(one.chosen(chunk, partial(self._mask, place, choice)))
        return by_member(found)

    def scan(self) -> Iterator[pl.DataFrame]:
        """All identifiers without their values, ascending by member; some at a time."""
        if not self._all:
            return

        def look(where: tuple[int, Mapping[str, Any]]) -> pl.DataFrame:
            place, chunk = where
            frame = self._all[place].identifiers(chunk)
            mask = self._counting(place, frame["member"].to_numpy())
            return frame if mask.all() else frame.filter(pl.Series(mask))

        others = [look((place, chunk)) for place, one in enumerate(self._all[1:], 1) for chunk in one.index["chunks"]]
        later = pl.concat([pl.DataFrame(schema=LEDGER_SCHEMA), *others]).sort("member", maintain_order=True)
        start = 0
        for frame in ahead(look, ((0, chunk) for chunk in self._all[0].index["chunks"])):
            stop = int(np.searchsorted(later["member"].to_numpy(), frame["member"][-1], side="right")) if frame.height else start
            both = pl.concat([frame, later[start:stop]])
            yield both.sort("member", maintain_order=True) if stop > start else frame
            start = stop
        if start < later.height:
            yield later[start:]

    def holding(self, heads: U64) -> U64:
        """Members who hold one of these, ascending."""
        wanted = Sieve(heads)

        def look(where: tuple[int, Mapping[str, Any]]) -> U64:
            place, chunk = where
            member = self._all[place].holding(chunk, wanted)
            return member[self._counting(place, member)]

        chunks = ((place, chunk) for place, one in enumerate(self._all) for chunk in one.index["chunks"])
        return union(*ahead(look, chunks))

    def states(self, head: int) -> set[State]:
        """In which states an identifier stands."""
        return {State(s) for frame in self.scan() for s in frame.filter(pl.col("head") == head)["state"]}

    def check(self) -> None:
        """Reads everything. Raises LedgerDamaged."""
        for one in self._all:
            for chunk in one.index["chunks"]:
                one.chosen(chunk, lambda member: np.ones(len(member), np.bool_))
            for chunk in one.index["rows"]:
                one.rows(chunk)

    def rows(self) -> Iterator[Marks]:
        """The segment's rows as of the last plan, ascending, some at a time."""
        return ahead(lambda part: part(), self.row_parts())

    def row_parts(self) -> Iterator[Callable[[], Marks]]:
        """Readers of these rows, some each."""
        if not self._all:
            return
        start, later = 0, self._later_rows[1].row
        for chunk in self._with_rows[0].index["rows"]:
            if chunk["of"] == "rows":
                stop = int(np.searchsorted(later, np.uint64(chunk["last"]), side="right"))
                yield partial(self._some_rows, chunk, start, stop)
                start = stop
        if start < len(later):
            yield partial(self._later_rows[1].between, start, len(later))

    def _some_rows(self, chunk: Mapping[str, Any], start: int, stop: int) -> Marks:
        dropped, later = self._later_rows
        found = Marks(**self._with_rows[0].rows(chunk))
        kept = found.take(~dropped(found.row)) if dropped else found
        return together([kept, later.between(start, stop)]).ascending() if stop > start else kept

    @cached_property
    def _with_rows(self) -> list[Generation]:
        """The last generation that says all rows, and those after it."""
        whole = [place for place, one in enumerate(self._all) if one.index["whole"] or one.index.get("all_rows")]
        return self._all[whole[-1] :] if whole else []

    @cached_property
    def has_dead_rows(self) -> bool:
        """Whether rows lie in it that a later generation has superseded."""
        return len(self._with_rows) < len(self._all)

    @cached_property
    def _later_rows(self) -> tuple[Sieve | None, Marks]:
        """Of the generations after the one that has all rows: fingerprints that are gone from it, and rows that have come."""
        dropped: list[U64] = []
        come = together([])
        for one in self._with_rows[1:]:
            dropped.append(one.dropped())
            more = [Marks(**one.rows(c)) for c in one.index["rows"] if c["of"] == "rows"]
            come = together([come.take(~among(come.row, dropped[-1])), *more])
        gone = union(*dropped)
        return Sieve(gone) if len(gone) else None, come.ascending()

    def _pieces(self, choose: "Choice") -> Iterator[tuple[int, Identifiers]]:
        """By chunks of the whole generation, with the chosen members of later ones in their places."""
        later: list[Identifiers] = []
        for place, one in enumerate(self._all[1:], 1):
            later += [found for _, found in self._chosen(place, one, choose)]
        beside = by_member(later)
        member = beside.column("member")
        start = 0
        for high, found in self._chosen(0, self._all[0], choose) if self._all else ():
            stop = int(np.searchsorted(member, np.uint64(high), side="right"))
            yield high, by_member([found, beside.between(start, stop)])
            start = stop
        if start < beside.height:
            yield LAST, beside.between(start, beside.height)

    def _chosen(self, place: int, one: Generation, choice: "Choice") -> Iterator[tuple[int, Identifiers]]:
        chunks = one.index["chunks"]
        newest = place == len(self._all) - 1
        highs = [chunk["first"] - 1 for chunk in chunks[1:]] + [LAST]

        def choose(number: int) -> tuple[int, Identifiers]:
            chunk, high = chunks[number], highs[number]
            if not choice.concerns(chunk, newest=newest):
                return high, none(LEDGER_SCHEMA)
            mine = choice
            if newest and choice.unsettled and chunk["unsettled"]:
                frame = one.identifiers(chunk)
                mine = replace(choice, keys=union(choice.keys, frame["member"].to_numpy()[choice.unsettled(frame)]))
            return high, one.chosen(chunk, partial(self._mask, place, mine))

        yield from ahead(choose, range(len(chunks)))

    def _mask(self, place: int, choice: "Choice", member: U64) -> Mask:
        chosen = choice.mask(member)
        return chosen & self._counting(place, member) if chosen.any() else chosen

    def _counting(self, place: int, member: U64) -> Mask:
        """Which of these members no later generation has replaced."""
        counts = np.ones(len(member), np.bool_)
        for later in self._all[place + 1 :]:
            counts &= ~later.overridden(member)
        return counts


@dataclass(frozen=True)
class Choice:
    """Which members: those of `keys` (ascending), all of them, those that are not settled, those in one of `ranges`."""

    keys: U64
    everybody: bool = False
    unsettled: Callable[[pl.DataFrame], Mask] | None = None
    ranges: tuple[tuple[int, int], ...] = ()

    def concerns(self, chunk: Mapping[str, Any], *, newest: bool) -> bool:
        """Whether a chunk may hold any of them. Only the newest generation holds what is not settled."""
        if self.everybody or (newest and chunk["unsettled"] and self.unsettled):
            return True
        if any(low <= chunk["last"] and high >= chunk["first"] for low, high in self.ranges):
            return True
        first, last = np.uint64(chunk["first"]), np.uint64(chunk["last"])
        return bool(np.searchsorted(self.keys, first) < np.searchsorted(self.keys, last, side="right"))

    def mask(self, member: U64) -> Mask:
        """Which of these members are named: by key, by range, or as everybody."""
        if self.everybody:
            return np.ones(len(member), np.bool_)
        return self._named(member) | within(member, self.ranges) if self.ranges else self._named(member)

    @cached_property
    def _named(self) -> Sieve:
        return Sieve(self.keys)


def unsettled(*, gone: bool) -> Callable[[pl.DataFrame], Mask]:
    """Marks what is owed, leaving or unknown; `gone`: also what was removed, whose removal may still be taking effect."""
    states = [s for s in UNSETTLED if gone or s != State.GONE]
    return lambda frame: frame["state"].is_in(states).to_numpy()
