"""An engine over a real database and real files, a platform that keeps the truth, and a clock that tests move."""

import dataclasses
import hashlib
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
import pytest

from core.errors import AudienceGone, LeaseLost, SessionOver
from core.ledger import Ledger, Ledgers, Writing
from core.models import (
    Actor,
    Cadence,
    Channel,
    Grant,
    IdentifierKind,
    Refresh,
    RefreshKind,
    RemoteAudience,
    Role,
    SegmentKind,
    Sync,
    SyncStatus,
)
from core.ports import ChannelTraits, Delivery, Op, Receipt, Settlement, Target, Tracer
from core.refresh import Refreshing, RefreshSettings
from core.shelves import Folders
from core.store import Store
from core.store.migrate import migrate
from core.store.refreshes import open_run
from core.tables import SyncRow
from sources.files import FilesSource
from tests.databases import fresh

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
ORG, OWNER = "T1", "U1"
Identifier = tuple[IdentifierKind, bytes]


class Clock:
    def __init__(self) -> None:
        self.time = BEGIN

    def now(self) -> datetime:
        return self.time

    def move(self, by: timedelta) -> None:
        self.time += by


class Killed(BaseException):
    """The process died here."""


class Platform:
    """Keeps what each audience holds. Removals take effect within `lag`, additions at once; `faults` may answer instead."""

    def __init__(self, clock: Clock, *, sweeps: bool = False, **traits: Any) -> None:
        self.clock, self.sweeps = clock, sweeps
        self.traits = ChannelTraits(
            channel=Channel.META,
            kinds=frozenset({IdentifierKind.EMAIL, IdentifierKind.PHONE, IdentifierKind.ADDRESS, IdentifierKind.MOBILE}),
            company_kinds=frozenset(),
            **{"batch_rows": 10_000, "max_identifiers": 15, "one_of_each": True, "settle": timedelta(minutes=30)} | traits,
        )
        self.audiences: dict[str, set[Identifier]] = {}
        self.born: dict[str, datetime] = {}
        self.keys: dict[str, str] = {}
        self.persons: dict[Identifier, frozenset[Identifier]] = {}
        self.requests: list[Delivery] = []
        self.last_added: dict[Identifier, datetime] = {}
        self.swept: list[datetime] = []
        self.lag = timedelta(0)
        self.faults: Callable[[Delivery], None] = lambda _: None
        self.after: Callable[[Delivery], None] = lambda _: None
        self.answers: Callable[[Delivery, Receipt], Receipt] = lambda _, receipt: receipt
        self.settlements: Callable[[str], Settlement] = lambda _: Settlement(True)
        self.stays: set[Identifier] = set()  # who belongs there all the time
        self.longest = timedelta(0)  # for which one of them was missing
        self._since: dict[Identifier, datetime] = {}
        self._gathered: dict[int, set[Identifier]] = {}
        self._ended: set[int] = set()
        self._late: list[tuple[datetime, str, set[Identifier]]] = []
        self._lock = threading.Lock()

    def require_access(self, target: Target) -> None:
        if target.audience_id:
            self.audience(target)

    def find(self, target: Target, *, key: str) -> RemoteAudience | None:
        return self.audience(dataclasses.replace(target, audience_id=self.keys[key])) if key in self.keys else None

    def create(self, target: Target, *, name: str, key: str, kinds: frozenset[IdentifierKind]) -> RemoteAudience:
        number = f"A{len(self.born) + 1}"
        self.audiences[number], self.born[number], self.keys[key] = set(), self.clock.now(), number
        return self.audience(dataclasses.replace(target, audience_id=number))

    def audience(self, target: Target) -> RemoteAudience:
        self.catch_up()
        if target.audience_id not in self.audiences:
            raise AudienceGone
        held = self.audiences[target.audience_id]
        return RemoteAudience(target.audience_id, "a", "ready", created_at=self.born[target.audience_id], size_lower=len(held))

    def delete(self, target: Target) -> None:
        self.audiences.pop(target.audience_id, None)
        self.keys = {k: v for k, v in self.keys.items() if v != target.audience_id}

    def deliver(self, target: Target, delivery: Delivery) -> Receipt:
        with self._lock:
            self.faults(delivery)
            assert delivery.batch.size <= self.traits.batch_rows
            answer = self.answers(delivery, Receipt(delivery.batch.size))
            identifiers = {
                (kind, value.as_py())
                for kind, column in delivery.batch.columns.items()
                for member, value in zip(column.member.to_pylist(), column.value, strict=True)
                if member not in answer.rejected
            }
            self.requests.append(delivery)
            held = self.audiences[target.audience_id]
            self.last_added |= dict.fromkeys(identifiers, self.clock.now())
            if delivery.op is Op.ADD:
                held |= identifiers
            elif delivery.op is Op.REMOVE:
                self._late.append((self.clock.now() + self.lag, target.audience_id, identifiers))
            else:  # as at Meta: the audience is as it was until the session ends, and a session that has ended takes nothing more
                if delivery.session in self._ended:
                    raise SessionOver
                gathered = self._gathered.setdefault(delivery.session, set())
                gathered |= identifiers
                if delivery.last:
                    self._ended.add(delivery.session)
                    held.clear()
                    held |= gathered
            self._miss(self.clock.now())
            self.after(delivery)
            return answer

    def sweep(self, target: Target, before: datetime) -> str | None:
        if not self.sweeps:
            return None
        self.swept.append(before)
        held = self.audiences[target.audience_id]
        held -= {i for i in held if i not in self.last_added or self.last_added[i] < before}
        return "sweep"

    def settlement(self, target: Target, request_id: str) -> Settlement:
        return self.settlements(request_id)

    def catch_up(self) -> None:
        """Removals whose time has come take out whoever matches."""
        for due in sorted((d for d in self._late if d[0] <= self.clock.now()), key=lambda d: d[0]):
            self._late.remove(due)
            for identifier in due[2]:
                self.audiences.get(due[1], set()).difference_update(self.persons.get(identifier, {identifier}), {identifier})
            self._miss(due[0])
        self._miss(self.clock.now())

    def _miss(self, at: datetime) -> None:
        held = set().union(*self.audiences.values())
        for identifier in self.stays - held:
            self._since.setdefault(identifier, at)
        for identifier in held & self._since.keys():
            self.longest = max(self.longest, at - self._since.pop(identifier))

    def held(self) -> set[Identifier]:
        self.catch_up()
        return set().union(*self.audiences.values())

    def sent(self, op: Op) -> list[Delivery]:
        return [r for r in self.requests if r.op is op]


class DyingLedgers(Ledgers):
    """Ledgers whose every write may be the last thing the process does."""

    moment: Callable[[str], None] = staticmethod(lambda _: None)

    def of(self, sync_id: str) -> Ledger:
        ledger = super().of(sync_id)
        writing = ledger.writing
        for name in ("done", "sent", "seen"):
            setattr(ledger, name, self._dying(name, getattr(ledger, name)))

        def dying(**how: bool) -> Writing:
            out = writing(**how)
            out.commit = self._dying("commit", out.commit)  # type: ignore[method-assign] # that of the one in the making
            return out

        ledger.writing = dying  # type: ignore[method-assign,assignment] # so that each generation can die at its commit
        return ledger

    def _dying(self, name: str, write: Callable[..., None]) -> Callable[..., None]:
        def dying(*args: Any) -> None:
            self.moment(f"before {name}")
            write(*args)
            self.moment(f"after {name}")

        return dying


class Desk:
    """One sync over one file, and everything that executes it."""

    def __init__(self, folder: Path, *, compact_below: int = 50_000, memory_mib: int = 256, **traits: Any) -> None:
        self.folder, self.clock = folder, Clock()
        self.segments = folder / "segments"
        self.segments.mkdir(parents=True)
        url = fresh(folder)
        migrate(url)
        self.store = Store(url)
        self.platform = Platform(self.clock, **traits)
        self.source = FilesSource(name="files", folder=self.segments)
        self.ledgers = DyingLedgers(Folders(folder / "ledgers"), keys=lambda _: [b"k" * 32])
        self.settings = RefreshSettings(
            retries=(0, 0), waits=(1, 2, 3), guard_floor=100, compact_below=compact_below, memory_mib=memory_mib
        )
        self.engine = self.restart()
        self.sync_id = self._sync()

    def __del__(self) -> None:
        self.store.close()

    def restart(self, tracer: Tracer | None = None) -> Refreshing:
        self.engine = Refreshing(
            store=self.store,
            channels={Channel.META: self.platform},  # type: ignore[dict-item]
            sources={"files": self.source},
            grants=lambda _: Grant("token"),
            ledgers=self.ledgers,
            clock=self.clock,
            settings=self.settings,
            tracer=tracer,
        )
        return self.engine

    def write(self, rows: list[Mapping[str, Any]] | pl.DataFrame) -> None:
        names = {"key": pl.String, "email": pl.String, "phone": pl.String}
        frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows, schema=names)
        part = self.segments / ".part"
        frame.write_parquet(part)
        part.rename(self.segments / "people.parquet")
        if "key" in frame.columns:
            (self.segments / "people.meta.toml").write_text('[columns]\nkey = "key"\n')

    def ask(self, kind: RefreshKind = RefreshKind.ROUTINE, *, by: str | None = None) -> Refresh:
        refresh_id = uuid4().hex
        with self.store.database.write() as session:
            row = session.get_one(SyncRow, self.sync_id)
            open_run(session, row, kind, refresh_id=refresh_id, at=self.clock.now(), requested_by=by)
        return self.store.refreshes.get(self.store.refreshes.last(self.sync_id, 1)[0].id)

    def work(self, *, times: int = 40, watch: Callable[[], None] = lambda: None) -> Refresh:
        """Executes until nothing is open; the clock moves to whatever the refresh waits for. `watch`: called between."""
        for _ in range(times):
            watch()
            with suppress(Killed, LeaseLost):
                self.engine.execute_next()
            watch()
            last = self.store.refreshes.last(self.sync_id, 1)[0]
            if not last.state.is_open:
                return last
            self.clock.time = max(self.clock.time + self.settings.lease, last.not_before) + timedelta(seconds=1)
        raise AssertionError(f"the refresh does not end: {last}")

    def refresh(self, kind: RefreshKind = RefreshKind.ROUTINE, *, by: str | None = None) -> Refresh:
        self.clock.move(timedelta(minutes=1))
        self.ask(kind, by=by)
        return self.work()

    def sync(self) -> Sync:
        return self.store.syncs.get(ORG, self.sync_id)

    def _sync(self) -> str:
        now, actor = self.clock.now(), Actor(ORG, OWNER, Role.MARKETING_USER)
        self.store.organizations.ensure(ORG, name="Acme", sync_limit=20, at=now)
        new = Sync(
            id=uuid4().hex, org_id=ORG, number=0, name="people", segment_source="files", segment_id="people",
            segment_name="People", segment_kind=SegmentKind.CONTACTS, channel=Channel.META, account_id="act_1",
            account_name="Acme", owner_id=OWNER, run_as="connection-1", status=SyncStatus.SYNCING,
            cadence=Cadence("daily", "UTC"), created_at=now,
        )  # fmt: skip
        return self.store.syncs.create(actor, new, sealed_ledger_key=b"", refresh_id=uuid4().hex, at=now).id


def spilling(patch: pytest.MonkeyPatch, rows: int = 3) -> None:
    """So many rows, or identifiers, at a time: with `memory_mib` of 0 as if everything were too much for memory."""
    for place in ("core.book.GROUP", "core.gathering.GROUP", "core.changes.GROUP", "core.gathering._BATCH"):
        patch.setattr(place, rows)


def email(clear: str) -> Identifier:
    return IdentifierKind.EMAIL, hashlib.sha256(clear.strip().lower().encode()).digest()


def phone(digits: str) -> Identifier:
    return IdentifierKind.PHONE, hashlib.sha256(digits.encode()).digest()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "desk")
