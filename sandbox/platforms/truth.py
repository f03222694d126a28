"""What each audience holds, kept apart from whatever the product says of itself.

An identifier is bytes: one letter for its kind (`KINDS`), then the raw digest, or the text where a platform takes clear values.
An audience holds the identifiers that were sent to it and not taken out again. The people map says which identifiers belong to
one person; an identifier that the map does not know is its own person. Removing an identifier takes the person out with every
identifier recorded for that person in this audience. So a checker expects: the identifiers of all current members; the seeded map
joins only an e-mail and the phone that is that member's alone, so removals by the product's rules never surprise.

Every change is appended to a journal before it is applied; a restart replays it. The log beside it is never rewritten.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

Json = dict[str, Any]
KINDS = {"e": "email", "p": "phone", "a": "address", "m": "mobile", "d": "domain", "n": "name", "u": "page"}
_LETTERS = {"add": "+", "remove": "-", "replace": "="}
_ACTIONS = {letter: action for action, letter in _LETTERS.items()}
_WIDTH = 4  # bytes that tell a journal record's identifier's length


@dataclass
class Audience:
    """One audience. `held`: the identifiers recorded in it. `fields`: what the platform's own screens know besides."""

    id: str
    account_id: str
    name: str
    created: float
    fields: Json = field(default_factory=dict)
    held: set[bytes] = field(default_factory=set)
    deleted: bool = False
    touched: float = 0.0
    number: int = 0  # 1 for the first audience of its account


class PeopleMap:
    """Which identifiers belong to one person."""

    def __init__(self) -> None:
        self._person: dict[bytes, int] = {}
        self._identifiers: dict[int, set[bytes]] = {}

    def plant(self, identifiers: Collection[bytes]) -> None:
        """These identifiers belong to one person, with all that were known of that person before."""
        together = set(identifiers)
        for old in {self._person[i] for i in identifiers if i in self._person}:
            together |= self._identifiers.pop(old)
        number = len(self._person) + len(self._identifiers) + 1
        while number in self._identifiers:
            number += 1
        self._identifiers[number] = together
        self._person |= dict.fromkeys(together, number)

    def taken_along(self, removed: Iterable[bytes]) -> set[bytes]:
        """All identifiers that belong to the people whom these identifiers name."""
        found: set[bytes] = set(removed)
        for identifier in found & self._person.keys():
            found |= self._identifiers[self._person[identifier]]
        return found

    def people(self, held: set[bytes]) -> Iterator[list[bytes]]:
        """The people behind these identifiers, each with those recorded."""
        shared = held & self._person.keys()
        for number in {self._person[i] for i in shared}:
            yield sorted(self._identifiers[number] & held)
        for identifier in held if not shared else held - shared:
            yield [identifier]


class Truth:
    """The audiences of one platform, in `folder`, which is made when it is not there. Safe to use from several threads."""

    def __init__(self, folder: Path, *, now: Callable[[], float] = time.time, first_id: int = 120_300_000) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.people = PeopleMap()
        self.pace = 1.0
        self.audiences: dict[str, Audience] = {}
        self.rejected: dict[str, int] = {}
        self._now, self._folder, self._lock, self._first = now, folder, threading.RLock(), first_id
        self._pending: list[tuple[float, Audience, str, set[bytes]]] = []
        self._entries: list[bytes] = []
        log = folder / "log.ndjson"
        if log.exists():
            self._entries = log.read_bytes().splitlines()
        self._log = log.open("ab", buffering=0)
        self._replay()
        self._shelf = (folder / "audiences.ndjson").open("ab", buffering=0)

    # ── audiences ──

    def create(self, account_id: str, name: str, fields: Json, request_id: str = "") -> Audience:
        """A new, empty audience."""
        with self._lock:
            made = [a for a in self.audiences.values() if a.account_id == account_id]
            audience = Audience(
                str(self._first + len(self.audiences) + 1), account_id, name, self._now(), dict(fields), number=len(made) + 1
            )
            audience.touched = audience.created
            self.audiences[audience.id] = audience
            self._shelve(audience)
            self._note(audience, "create", 0, 0, request_id)
            return audience

    def get(self, audience_id: str) -> Audience | None:
        """The audience, or None when it is not there or deleted."""
        self.settle()
        audience = self.audiences.get(audience_id)
        return None if audience is None or audience.deleted else audience

    def of_account(self, account_id: str) -> list[Audience]:
        """The account's audiences that are there."""
        self.settle()
        return [a for a in self.audiences.values() if a.account_id == account_id and not a.deleted]

    def update(self, audience: Audience, name: str | None, fields: Json) -> None:
        """Changes the name and the fields."""
        with self._lock:
            audience.name = name or audience.name
            audience.fields |= fields
            self._shelve(audience)

    def delete(self, audience: Audience, request_id: str = "") -> None:
        """The audience is gone, for good."""
        with self._lock:
            audience.deleted = True
            audience.held.clear()
            self._shelve(audience)
            self._journal(audience).unlink(missing_ok=True)
            self._note(audience, "delete", 0, 0, request_id)

    # ── members ──

    def change(
        self, audience: Audience, action: str, identifiers: set[bytes], *, received: int, rejected: int = 0, request_id: str = ""
    ) -> None:
        """Adds, removes or replaces; takes effect after the pace. `received` and `rejected` are rows."""
        with self._lock:
            self._note(audience, action, received, rejected, request_id)
            self._write(audience, action, identifiers)
            self._pending.append((self._now() + self.pace, audience, action, identifiers))
            audience.touched = self._now()

    def is_settled(self, audience: Audience) -> bool:
        """Whether nothing is under way for this audience."""
        self.settle()
        return not any(a is audience for _, a, _, _ in self._pending)

    def settle(self) -> None:
        """Lets take effect what is due."""
        with self._lock:
            now = self._now()
            while self._pending and self._pending[0][0] <= now:
                _, audience, action, identifiers = self._pending.pop(0)
                self._apply(audience, action, identifiers)

    def reject(self, reason: str, rows: int) -> None:
        """Counts rows that the platform would not take."""
        if rows:
            self.rejected[reason] = self.rejected.get(reason, 0) + rows

    # ── what a test reads ──

    def listing(self) -> list[Json]:
        """Every audience that is there, with how many people it holds."""
        self.settle()
        with self._lock:
            return [
                {
                    "account_id": a.account_id,
                    "audience_id": a.id,
                    "name": a.name,
                    "members": sum(1 for _ in self.people.people(a.held)),
                    "status": "ready" if not any(p[1] is a for p in self._pending) else "updating",
                }
                for a in self.audiences.values()
                if not a.deleted
            ]

    def lines(self, audience: Audience) -> Iterator[bytes]:
        """The people of an audience, each a line of JSON."""
        with self._lock:
            held = set(audience.held)
        for person in self.people.people(held):
            said: dict[str, list[str]] = {}
            for identifier in person:
                said.setdefault(KINDS[chr(identifier[0])], []).append(show(identifier))
            yield orjson.dumps(said) + b"\n"

    def log(self, after: int) -> Iterator[bytes]:
        """The log's entries whose number is greater."""
        for line in self._entries[max(after, 0) :]:
            yield line + b"\n"

    # ── underneath ──

    def _apply(self, audience: Audience, action: str, identifiers: set[bytes]) -> None:
        if action == "add":
            audience.held |= identifiers
        elif action == "replace":
            audience.held = set(identifiers)
        else:
            audience.held -= self.people.taken_along(identifiers)

    def _note(self, audience: Audience, action: str, received: int, rejected: int, request_id: str) -> None:
        entry = orjson.dumps(
            {
                "n": len(self._entries) + 1,
                "at": self._now(),
                "account_id": audience.account_id,
                "audience_id": audience.id,
                "action": action,
                "received": received,
                "rejected": rejected,
                "status": "ok",
                "request_id": request_id,
            }
        )
        self._log.write(entry + b"\n")
        self._entries.append(entry)

    def _journal(self, audience: Audience) -> Path:
        return self._folder / f"{audience.id}.members"

    def _write(self, audience: Audience, action: str, identifiers: set[bytes]) -> None:
        parts = [f"{_LETTERS[action]}{len(identifiers)}\n".encode()]
        for identifier in identifiers:
            parts += (len(identifier).to_bytes(_WIDTH, "little"), identifier)
        with self._journal(audience).open("ab") as file:
            file.write(b"".join(parts))

    def _shelve(self, audience: Audience) -> None:
        row = {k: getattr(audience, k) for k in ("id", "account_id", "name", "created", "fields", "deleted", "number")}
        self._shelf.write(orjson.dumps(row) + b"\n")

    def _replay(self) -> None:
        shelf = self._folder / "audiences.ndjson"
        for line in shelf.read_bytes().splitlines() if shelf.exists() else ():
            audience = Audience(**orjson.loads(line))
            self.audiences[audience.id] = audience
        for audience in self.audiences.values():
            if audience.deleted or not self._journal(audience).exists():
                continue
            written = self._journal(audience).read_bytes()
            at = 0
            while at < len(written):
                end = written.index(b"\n", at)
                action = _ACTIONS[chr(written[at])]
                count, at, identifiers = int(written[at + 1 : end]), end + 1, set[bytes]()
                for _ in range(count):
                    size = int.from_bytes(written[at : at + _WIDTH], "little")
                    identifiers.add(written[at + _WIDTH : at + _WIDTH + size])
                    at += _WIDTH + size
                self._apply(audience, action, identifiers)


def show(identifier: bytes) -> str:
    """An identifier as the control interface tells it: lower-case hex for digests, else the text."""
    kind, value = identifier[:1], identifier[1:]
    if kind in b"ep" and len(value) == 32:
        return value.hex()
    if kind == b"a":
        return value.hex()
    return value.decode()
