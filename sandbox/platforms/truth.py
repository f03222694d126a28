"""What each audience holds, kept apart from whatever the product says of itself.

An audience holds the identifiers that were sent to it and not taken out again. The people map says which identifiers belong to
one person; an identifier that the map does not know is its own person. Removing an identifier takes the person out with every
identifier recorded for that person in this audience.

What a checker may expect at rest: every identifier of every current valid member in the platform's normal form, and no other.
An identifier that several members share (a family phone) is held once, and as long as one of them is a member: who removes it
earlier than that makes the truth differ. The seeded map joins only the e-mail of one demo member with the phone that is that
member's alone, so removing a member never takes a neighbour's identifier along; a phone that a test moves from such a member to
another one without sending it again goes with the person, as it would on a platform. Equality by e-mail holds in every case.

Every change is appended to a journal before it is applied; a restart replays it, leaving out a record that was cut off by a kill.
The log beside it is never rewritten.
"""

import heapq
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import orjson

from sandbox.platforms.identifiers import Held, Identifiers
from sandbox.platforms.people import PeopleMap

Json = dict[str, Any]


@dataclass
class Audience:
    """One audience. `fields`: what the platform's own screens know besides."""

    id: str
    account_id: str
    name: str
    created: float
    fields: Json = field(default_factory=dict)
    held: Held = field(default_factory=Held)
    deleted: bool = False
    touched: float = 0.0
    number: int = 0  # 1 for the first audience of its account


@dataclass(frozen=True)
class Change:
    """One request's effect. `action`: add, remove, replace all that was held, or forget who was last added before `before`."""

    action: str
    identifiers: Identifiers
    at: float
    before: float = 0.0


@dataclass(frozen=True)
class Habits:
    """How a platform works off what it accepted, in shares of the pace; `ordered`: one after the other within an audience."""

    add: float = 1.0
    remove: float = 1.0
    ordered: bool = True


class Truth:
    """The audiences of one platform, in `folder`, which is made when it is not there. Safe to use from several threads."""

    def __init__(
        self, folder: Path, *, now: Callable[[], float] = time.time, first_id: int = 120_300_000, habits: Habits | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.people = PeopleMap()
        self.pace = 1.0
        self.audiences: dict[str, Audience] = {}
        self.rejected: dict[str, int] = {}
        self._now, self._folder, self._lock, self._first = now, folder, threading.RLock(), first_id
        self._habits = habits or Habits()
        self._pending: list[tuple[float, int, Audience, Change]] = []
        self._order = count()
        self._entries: list[bytes] = _lines(folder / "log.ndjson")
        self._replay()

    # ── audiences ──

    def create(self, account_id: str, name: str, fields: Json, request_id: str = "") -> Audience:
        """A new, empty audience."""
        with self._lock:
            number = sum(a.account_id == account_id for a in self.audiences.values()) + 1
            audience_id = str(self._first + len(self.audiences) + 1)
            audience = Audience(audience_id, account_id, name, self._now(), dict(fields), number=number)
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
        return [a for a in list(self.audiences.values()) if a.account_id == account_id and not a.deleted]

    def update(self, audience: Audience, name: str | None, fields: Json) -> None:
        """Changes the name and the fields."""
        with self._lock:
            audience.name = name or audience.name
            audience.fields |= fields
            self._shelve(audience)

    def delete(self, audience: Audience, request_id: str = "") -> None:
        """The audience is gone, for good."""
        with self._lock:
            if audience.deleted:
                return
            audience.deleted, audience.held = True, Held()
            self._pending = [p for p in self._pending if p[2] is not audience]
            heapq.heapify(self._pending)
            self._shelve(audience)
            self._journal(audience).unlink(missing_ok=True)
            self._note(audience, "delete", 0, 0, request_id)

    # ── members ──

    def change(self, audience: Audience, change: Change, *, received: int, rejected: int = 0, request_id: str = "") -> float:
        """Takes effect after the pace; answers when. `received` and `rejected` are rows, `rejected` among the `received`."""
        with self._lock:
            self.note(audience, "remove" if change.action == "forget" else change.action, received, rejected, request_id)
            return self.effect(audience, change)

    def note(self, audience: Audience, action: str, received: int, rejected: int, request_id: str) -> None:
        """Writes a request into the log."""
        with self._lock:
            self._note(audience, action, received, rejected, request_id)

    def effect(self, audience: Audience, change: Change) -> float:
        """Puts a change on the way without a word in the log; answers when it takes effect."""
        with self._lock:
            self._write(audience, change)
            removes = change.action in ("remove", "forget")
            due = self._now() + self.pace * (self._habits.remove if removes else self._habits.add)
            if self._habits.ordered:
                due = max([due, *(d for d, _, a, _ in self._pending if a is audience)])
            heapq.heappush(self._pending, (due, next(self._order), audience, change))
            audience.touched = self._now()
            return due

    def is_settled(self, audience: Audience) -> bool:
        """Whether nothing is under way for this audience."""
        self.settle()
        with self._lock:
            return not any(a is audience for _, _, a, _ in self._pending)

    def settle(self) -> None:
        """Lets take effect what is due."""
        with self._lock:
            now = self._now()
            while self._pending and self._pending[0][0] <= now:
                _, _, audience, change = heapq.heappop(self._pending)
                self._apply(audience, change)

    def size(self, audience: Audience) -> int:
        """How many people it holds now."""
        self.settle()
        with self._lock:
            return self.people.count(audience.held.all())

    def reject(self, reason: str, rows: int) -> None:
        """Counts rows that the platform would not take."""
        if rows:
            with self._lock:
                self.rejected[reason] = self.rejected.get(reason, 0) + rows

    # ── what a test reads ──

    def listing(self) -> list[Json]:
        """Every audience that is there, with how many people it holds."""
        self.settle()
        with self._lock:
            busy = {a.id for _, _, a, _ in self._pending}
            return [
                {
                    "account_id": a.account_id,
                    "audience_id": a.id,
                    "name": a.name,
                    "members": self.people.count(a.held.all()),
                    "status": "updating" if a.id in busy else "ready",
                }
                for a in self.audiences.values()
                if not a.deleted
            ]

    def lines(self, audience: Audience) -> Iterator[bytes]:
        """The people of an audience, a line of JSON each, in pieces of many lines."""
        with self._lock:
            held = audience.held.all()
        yield from self.people.lines(held)

    def log(self, after: int) -> Iterator[bytes]:
        """The log's entries whose number is greater, in pieces of many lines."""
        entries = self._entries[max(after, 0) :]
        for start in range(0, len(entries), 5_000):
            yield b"".join(entry + b"\n" for entry in entries[start : start + 5_000])

    # ── underneath ──

    def _apply(self, audience: Audience, change: Change) -> None:
        if change.action == "replace":
            audience.held = Held()
        if change.action in ("add", "replace"):
            audience.held.add(change.identifiers, change.at)
        elif change.action == "forget":
            audience.held.remove(self.people.spared(audience.held.all(), audience.held.older(change.before)))
        else:
            audience.held.remove(self.people.taken_along(change.identifiers))

    def _note(self, audience: Audience, action: str, received: int, rejected: int, request_id: str) -> None:
        entry = {
            "n": len(self._entries) + 1,
            "at": datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds"),
            "account_id": audience.account_id,
            "audience_id": audience.id,
            "action": action,
            "received": received,
            "rejected": rejected,
            "status": "partial" if rejected else "ok",
            "request_id": request_id,
        }
        self._entries.append(orjson.dumps(entry))
        _append(self._folder / "log.ndjson", self._entries[-1])

    def _journal(self, audience: Audience) -> Path:
        return self._folder / f"{audience.id}.members"

    def _write(self, audience: Audience, change: Change) -> None:
        head, body = change.identifiers.pack()
        head |= {"action": change.action, "at": change.at, "before": change.before}
        with self._journal(audience).open("ab") as file:
            file.write(orjson.dumps(head) + b"\n" + body)

    def _shelve(self, audience: Audience) -> None:
        row = {k: getattr(audience, k) for k in ("id", "account_id", "name", "created", "fields", "deleted", "number")}
        _append(self._folder / "audiences.ndjson", orjson.dumps(row))

    def _replay(self) -> None:
        for line in _lines(self._folder / "audiences.ndjson"):
            audience = Audience(**orjson.loads(line))
            audience.touched = audience.created
            self.audiences[audience.id] = audience
        for audience in self.audiences.values():
            if not audience.deleted and self._journal(audience).exists():
                self._read(audience)

    def _read(self, audience: Audience) -> None:
        path = self._journal(audience)
        written = path.read_bytes()
        at = 0
        while (end := written.find(b"\n", at)) >= 0:
            head = orjson.loads(written[at:end])
            stop = end + 1 + Identifiers.size(head)
            if stop > len(written):
                break
            change = Change(
                head["action"], Identifiers.unpack(head, written[end + 1 : stop]), float(head["at"]), float(head["before"])
            )
            self._apply(audience, change)
            audience.touched = change.at
            at = stop
        if at < len(written):  # a kill cut the last record off; its request was never answered
            with path.open("ab") as file:
                file.truncate(at)


def _append(path: Path, line: bytes) -> None:
    with path.open("ab", buffering=0) as file:
        file.write(line + b"\n")


def _lines(path: Path) -> list[bytes]:
    """The whole lines of a file; one that a kill cut off is taken away, so that what follows starts anew."""
    if not path.exists():
        return []
    written = path.read_bytes()
    whole = written.rfind(b"\n") + 1
    if whole < len(written):
        with path.open("ab") as file:
            file.truncate(whole)
    return written[:whole].splitlines()
