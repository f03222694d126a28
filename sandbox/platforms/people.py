"""Which identifiers belong to one made-up person: the seeded map, and what a test plants besides."""

from collections.abc import Collection, Iterator

import orjson

from sandbox.platforms.identifiers import KINDS, Identifiers, lines, place


class PeopleMap:
    """An identifier that nobody planted is its own person. Only planted ones cost memory here."""

    def __init__(self) -> None:
        self._person: dict[bytes, int] = {}
        self._identifiers: dict[int, set[bytes]] = {}
        self._next = 1
        self._planted: Identifiers | None = None

    def plant(self, identifiers: Collection[bytes]) -> None:
        """These identifiers belong to one person, with all that were known of that person before."""
        together = set(identifiers)
        for old in {self._person[i] for i in identifiers if i in self._person}:
            together |= self._identifiers.pop(old)
        self._identifiers[self._next] = together
        self._person |= dict.fromkeys(together, self._next)
        self._next += 1
        self._planted = None

    def taken_along(self, removed: Identifiers) -> Identifiers:
        """These identifiers, and all others of the people whom they name."""
        people = {self._person[i] for i in removed.common(self._known())}
        return removed | Identifiers.of(i for p in people for i in self._identifiers[p]) if people else removed

    def spared(self, held: Identifiers, dropped: Identifiers) -> Identifiers:
        """What of `dropped` really goes: a person stays whole as long as one identifier of theirs in `held` is not dropped."""
        known = self._known()
        going = set(dropped.common(known))
        staying = {self._person[i] for i in held.common(known) if i not in going}
        return dropped - Identifiers.of(i for i in going if self._person[i] in staying)

    def count(self, held: Identifiers) -> int:
        """How many people these identifiers are."""
        known = list(held.common(self._known()))
        return len(held) - len(known) + len({self._person[i] for i in known})

    def lines(self, held: Identifiers) -> Iterator[bytes]:
        """The people behind these identifiers, a line of JSON each, in pieces of many lines."""
        known = held.common(self._known())
        people: dict[int, list[bytes]] = {}
        for identifier in known:
            people.setdefault(self._person[identifier], []).append(identifier)
        yield b"".join(_line(sorted(p)) for p in people.values())
        alone = held - known
        for letter, digests in alone.digests.items():
            yield from lines(digests, KINDS[letter])
        yield b"".join(_line([other]) for other in sorted(alone.others))

    def _known(self) -> Identifiers:
        if self._planted is None:
            self._planted = Identifiers.of(self._person)
        return self._planted


def _line(identifiers: list[bytes]) -> bytes:
    said: dict[str, list[str]] = {}
    for identifier in identifiers:
        said.setdefault(KINDS[chr(identifier[0])], []).append(show(identifier))
    return orjson.dumps(said) + b"\n"


def show(identifier: bytes) -> str:
    """An identifier as the control interface tells it: lower-case hex for digests, else the text; an address as its parts."""
    kind, value = identifier[:1], identifier[1:]
    if kind in b"ep" and len(value) in (32, 64):
        return value.hex()
    if kind == b"a":
        return place(value)
    return value.decode()
