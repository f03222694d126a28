"""What must be taken out of an audience and what put in, so that it equals the segment.

Platforms remove *whoever matches*. So an identifier that a current member still holds is never removed; and members who share
an identifier with somebody who loses one may be taken along: they are sent again, whole, once the removal has settled.

Only members that may need something are looked at (`Touched`): as they are in the ledger, and as they are now. All others
are in the segment as they were, with everything delivered. An absent identifier has no row: it joins nothing and holds nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import polars as pl

from core.book import PRESENT, Counts
from core.identifiers import (
    LEDGER_SCHEMA,
    NO_BATCH,
    NOTHING,
    U8,
    U64,
    Identifiers,
    Mask,
    State,
    among,
    ascending,
    by_member,
    each,
    firsts,
    once,
    order,
    union,
    within,
)

__all__ = ["Comparison", "Side", "State", "Survey", "Touched"]
_PAIR = np.uint64(0x9E3779B97F4A7C15)


class Side(NamedTuple):
    """A range of members: `old` as in the ledger, `new` as in the segment, and who took consent back; all by member."""

    old: Identifiers
    new: Identifiers
    withdrawn: U64


class Touched(Protocol):
    """The members that may need something, and what is needed to know of the others."""

    def sides(self) -> Iterator[Side]:
        """All touched members, ascending; as often as it is asked for."""
        ...

    def others(self, heads: U64) -> U64:
        """Others who hold one of these identifiers, ascending."""
        ...

    def touch(self, members: U64) -> None:
        """From now on these are touched as well, and stay as they are."""
        ...


@dataclass(slots=True)
class Survey:
    """What a comparison found, in touched members.

    `left`: whose key left, for the guard; `known`: that the ledger holds and that are not leaving already; `matchable`: that have
    an identifier now; `withdrawn`: the keys of those who took their consent back.
    """

    left: int = 0
    known: int = 0
    added: int = 0
    matchable: int = 0
    withdrawn: U64 = field(default_factory=lambda: NOTHING)
    adds: int = 0
    again: int = 0
    removes: int = 0
    kinds: set[int] = field(default_factory=set)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send."""
        return not (self.adds or self.again or self.removes)


class Comparison:
    """The touched members, and what is to be done with each.

    `settled`: whether earlier removals have taken effect; what they may still take along waits. `everything`: all touched members
    are sent, whether delivered or not; `due`: ranges of keys of which the same holds; `retry_refused`: so are refused ones.
    """

    def __init__(
        self,
        touched: Touched,
        *,
        settled: bool = True,
        everything: bool = False,
        retry_refused: bool = False,
        due: tuple[tuple[int, int], ...] = (),
        replaces: bool = False,
        first: bool = False,
    ) -> None:
        """`replaces`: everybody is sent anew in one go, which takes nobody along.

        `first`: the ledger is empty, so nobody can be taken along: the survey is made while deciding, in one go.
        """
        self._touched, self._settled, self._everything, self._retry = touched, settled, everything, retry_refused
        self._due, self._replaces = due, replaces
        self._gone = self._owner = self._risk = self._kept = NOTHING
        self.survey = Survey()
        self._is_first = first
        if not first:
            self._look(self.survey)

    def decided(self) -> Iterator[Identifiers]:
        """Touched members as the ledger must say before the first request.

        `SENDING` is to be added now, `OWED` after the removals have settled, `LEAVING` to be removed. For removals the ledger
        holds at least what the platform holds; what it says is delivered the platform has.
        """
        for side in self._touched.sides():
            yield self._begin(side) if self._is_first else self._decide(side)

    # ── looking ──

    def _look(self, found: Survey) -> None:
        lost: list[tuple[U64, U64]] = []
        late: list[U64] = []
        for side in self._touched.sides():
            head, member, state = _columns(side.old)
            losing = (state != State.GONE) & ~among(_pairs(member, head), ascending(_pairs(*_of(side.new))))
            lost.append((head[losing], member[losing]))
            late.append(head[np.isin(state, self._late_states())])
        self._follow(_sorted_pairs(lost), union(*late))
        for side in self._touched.sides():
            self._tell(side, found)

    def _late_states(self) -> list[int]:
        return [State.LEAVING] if self._settled else [State.LEAVING, State.GONE, State.OWED]

    def _follow(self, lost: tuple[U64, U64], late: U64) -> None:
        """Finds what nobody holds any more, and whom its removal may take along.

        A platform's person can hold any of the identifiers that members have carried together, so the whole of what hangs
        together is followed. Little hangs together in practice: two or three rounds.
        """
        heads, owners = lost
        if not len(heads) and not len(late):
            return
        self._reach(once(owners), late)
        held = self._holders(union(heads, late))
        returning = among(late, held)
        self._kept = late[returning]
        nobodys = ~among(heads, held)
        first = np.flatnonzero(nobodys)[firsts(heads[nobodys])]
        self._gone, self._owner = heads[first], owners[first]
        if self._replaces:
            return
        members = once(owners[nobodys])
        while len(members):
            wanted = self._heads_of(members)
            grown = self._members_with(wanted)
            if len(grown) == len(members):
                break
            members = grown
        back = self._members_with(self._kept, now=True) if len(self._kept) else NOTHING
        self._risk = union(members, back)

    def _reach(self, members: U64, late: U64) -> None:
        """Touches all others that hang together with these members, or hold what was being removed."""
        asked = union(self._heads_of(members), late)
        known = asked
        while len(asked):
            new = self._touched.others(asked)
            if not len(new):
                break
            self._touched.touch(new)
            asked = self._heads_of(new)
            asked = asked[~among(asked, known)]
            known = union(known, asked)

    def _holders(self, wanted: U64) -> U64:
        """Which of these heads a member of the segment holds."""
        found = [head[among(head, wanted)] for _, head in (_of(side.new) for side in self._touched.sides())]
        return union(*found)

    def _heads_of(self, members: U64) -> U64:
        found = [head[among(member, members)] for member, head in self._links()]
        return union(*found)

    def _members_with(self, heads: U64, *, now: bool = False) -> U64:
        links = (_of(side.new) for side in self._touched.sides()) if now else self._links()
        found = [member[among(head, heads)] for member, head in links]
        return union(*found)

    def _links(self) -> Iterator[tuple[U64, U64]]:
        for side in self._touched.sides():
            head, member, state = _columns(side.old)
            there = state != State.GONE
            yield member[there], head[there]
            yield _of(side.new)

    def _tell(self, side: Side, found: Survey) -> None:
        _, member, state = _columns(side.old)
        staying = each(member[np.isin(state, PRESENT)])
        keys = each(side.new.column("member"))
        found.known += len(staying)
        found.withdrawn = union(found.withdrawn, side.withdrawn)
        found.left += int((~among(staying, keys) & ~among(staying, side.withdrawn)).sum())
        found.added += int((~among(keys, each(member[state != State.GONE]))).sum())
        found.matchable += len(keys)
        missing, risk = self._needs(side)
        members = side.new.column("member")
        found.adds += len(each(members[missing & ~risk]))
        found.again += len(each(members[risk]))
        found.removes += len(each(member[self._leaving(side)]))
        found.kinds |= set(np.flatnonzero(np.bincount(side.new.column("kind"))).tolist())

    # ── deciding ──

    def _begin(self, side: Side) -> Identifiers:
        """Where nobody was there before, everybody is to be added."""
        member, found = side.new.column("member"), self.survey
        members = len(firsts(member))
        found.added, found.matchable, found.adds = found.added + members, found.matchable + members, found.adds + members
        found.withdrawn = union(found.withdrawn, side.withdrawn)
        found.kinds |= set(np.flatnonzero(np.bincount(side.new.column("kind"))).tolist())
        return _stated(side.new, np.full(len(member), State.SENDING, np.uint8))

    def _needs(self, side: Side) -> tuple[Mask, Mask]:
        """For each current identifier, whether its member must be sent, and whether it may be taken along."""
        member, _ = _of(side.new)
        if self._everything:
            missing = np.ones(len(member), np.bool_)
        else:
            state = self._states(side)
            good = [State.DELIVERED] if self._retry else [State.DELIVERED, State.REFUSED]
            missing = among(member, each(member[~np.isin(state, good)]))
            missing |= within(member, self._due)
        return missing, among(member, self._risk)

    def _states(self, side: Side) -> U8:
        """For each current identifier the ledger's state of the same one of the same member; 255 where there is none."""
        head, member, state = _columns(side.old)
        pairs = _pairs(member, head)
        places = order(pairs)
        pairs, wanted = pairs[places], _pairs(*_of(side.new))
        found = np.full(len(wanted), 255, np.uint8)
        if len(pairs):
            at = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
            same = pairs[at] == wanted
            found[same] = state[places][at[same]]
        return found

    def _leaving(self, side: Side) -> Mask:
        """Which of the ledger's identifiers are to be removed; one that several members lose is removed once."""
        head, member, state = _columns(side.old)
        leaving: Mask = (state != State.GONE) & among(head, self._gone)
        places = np.flatnonzero(leaving)
        leaving[places] = self._owner[np.searchsorted(self._gone, head[places])] == member[places]
        return leaving

    def _decide(self, side: Side) -> Identifiers:
        missing, risk = self._needs(side)
        state = self._states(side)
        state[missing] = State.SENDING
        state[risk] = State.OWED
        parts = [_stated(side.new, state)]
        if side.old.height:
            head, _, was = _columns(side.old)
            leaving = side.old.where(self._leaving(side))
            parts.append(_stated(leaving, np.full(leaving.height, State.LEAVING, np.uint8)))
            if not self._settled:
                kept = side.old.where((was == State.GONE) & ~among(head, self._kept))
                parts.append(_stated(kept, np.full(kept.height, State.GONE, np.uint8)))
        return by_member(parts)


def counted(decided: Identifiers, counts: Counts) -> None:
    """Adds what a decided range of members says to the numbers of a generation."""
    member, state = decided.column("member"), decided.column("state")
    there = np.bincount(state, minlength=len(State))

    def members(*states: int) -> int:
        some = int(there[list(states)].sum())
        if some in {0, len(state)}:
            return len(firsts(member)) if some else 0
        return len(firsts(member[np.isin(state, states)]))

    counts.present += members(*PRESENT)
    counts.delivered += members(State.DELIVERED)
    counts.refused += int(there[State.REFUSED])
    counts.owed += members(State.OWED)


def _stated(found: Identifiers, state: U8) -> Identifiers:
    frame = found.frame.select("member", "kind", "head").with_columns(
        state=pl.Series(state, dtype=pl.UInt8), batch=pl.lit(NO_BATCH, dtype=pl.UInt32)
    )
    return Identifiers(frame.select(list(LEDGER_SCHEMA)), found.values)


def _columns(old: Identifiers) -> tuple[U64, U64, U8]:
    if not old.height:
        return NOTHING, NOTHING, np.empty(0, np.uint8)
    return old.column("head"), old.column("member"), old.column("state")


def _of(new: Identifiers) -> tuple[U64, U64]:
    return new.column("member"), new.column("head")


def _pairs(member: U64, head: U64) -> U64:
    """One number for a member's holding an identifier."""
    pairs: U64 = (member ^ (head >> np.uint64(31))) * _PAIR + head
    return pairs


def _sorted_pairs(lost: list[tuple[U64, U64]]) -> tuple[U64, U64]:
    heads = np.concatenate([NOTHING, *(head for head, _ in lost)])
    owners = np.concatenate([NOTHING, *(member for _, member in lost)])
    places = order(heads)
    return heads[places], owners[places]
