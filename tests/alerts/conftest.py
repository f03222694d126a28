"""An organization with people, connections and syncs in a database of its own; refreshes end as the test says."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from core.models import (
    Actor,
    Alert,
    Cadence,
    Channel,
    Counts,
    Grant,
    Refresh,
    RefreshKind,
    Role,
    SegmentKind,
    Sync,
    SyncStatus,
)
from core.store import Store
from core.store.migrate import migrate
from core.store.refreshes import open_run
from core.tables import AlertRow, OutboxRow, SyncRow, UserRow
from tests.databases import fresh

ORG = "T1"
ANA, BO, MIA, TOM, VERA = "U0ANA", "U0BO", "U0MIA", "U0TOM", "U0VERA"
TALK = "conversation:C0ALERTS"


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 3, 2, 9, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def seconds(self) -> float:
        return self.time.timestamp()

    def move(self, **by: float) -> None:
        self.time += timedelta(**by)


class Firm:
    """What the tests of alerts work with."""

    def __init__(self, folder: Path, *, limit: int = 1000) -> None:
        url = fresh(folder)
        migrate(url)
        self.store, self.clock = Store(url), Clock()
        self.store.organizations.ensure(ORG, name="Acme", sync_limit=limit, at=self.clock.now())
        self.ana = Actor(ORG, ANA, Role.PRIMARY_ADMIN)
        roles = {ANA: Role.PRIMARY_ADMIN, BO: Role.ABM_ADMIN, MIA: Role.MARKETING_USER, TOM: Role.MARKETING_USER}
        for user, role in roles.items():
            self.store.organizations.give_role(self.ana, user, role, self.clock.now())
        self.choose(alert_conversation="C0ALERTS")
        self.connections = {user: self.connect(user) for user in (MIA, TOM)}

    def actor(self, user: str) -> Actor:
        return Actor(ORG, user, self.store.organizations.role(ORG, user), surface="test")

    def choose(self, **changes: Any) -> None:
        self.store.organizations.set(self.ana, changes, self.clock.now())

    def prefer(self, user: str, **settings: Any) -> None:
        """What this person chose about direct messages."""
        with self.store.database.write() as session:
            row = session.get(UserRow, (ORG, user))
            if row is None:
                session.add(UserRow(org_id=ORG, id=user, role=Role.VIEWER.value, settings=settings))
            else:
                row.settings = row.settings | settings

    def connect(self, user: str, *, ends_in_days: float | None = None) -> str:
        now = self.clock.now()
        known = self.store.connections.of_user(ORG, user).get(Channel.META)
        grant = Grant("t", ends_at=now + timedelta(days=ends_in_days) if ends_in_days is not None else None, person_name=user)
        actor = Actor(ORG, user, Role.MARKETING_USER)
        made = self.store.connections.save(
            actor, known.id if known else uuid4().hex, Channel.META, grant, b"sealed", now, letter=f"meta:{uuid4().hex}"
        )
        return made.id

    def sync(self, owner: str = MIA, account: str = "1001", *, channel: Channel = Channel.META, run_as: str = "") -> Sync:
        now = self.clock.now()
        name = f"Segment {uuid4().hex[:6]}"
        new = Sync(
            id=uuid4().hex, org_id=ORG, number=0, name=name, segment_source="files", segment_id=name,
            segment_name=name, segment_kind=SegmentKind.CONTACTS, channel=channel, account_id=account,
            account_name=f"Account {account}", owner_id=owner, run_as=run_as or self.connections[owner],
            status=SyncStatus.SYNCING, cadence=Cadence("daily", "UTC"), created_at=now,
        )  # fmt: skip
        return self.store.syncs.create(self.actor(owner), new, sealed_ledger_key=b"", refresh_id=uuid4().hex, at=now)

    def begin(self, sync: Sync) -> Refresh:
        """The sync's refresh is under way."""
        with self.store.database.write() as session:
            row = session.get_one(SyncRow, sync.id)
            open_run(session, row, RefreshKind.ROUTINE, refresh_id=uuid4().hex, at=self.clock.now())
        while run := self.store.refreshes.claim(self.clock.now(), timedelta(hours=1), per_org=10_000):
            if run.sync_id == sync.id:
                return run
            self.store.refreshes.postpone(run.id, run.fence, self.clock.now() + timedelta(days=1))
        raise AssertionError("nothing to claim")

    def fail(self, sync: Sync, code: str, **detail: str) -> None:
        run, now = self.begin(sync), self.clock.now()
        self.store.refreshes.fail(run.id, run.fence, code, detail, next_due_at=now + timedelta(days=1), now=now)

    def hold(self, sync: Sync, code: str = "segment_shrunk") -> Refresh:
        run, now = self.begin(sync), self.clock.now()
        self.store.refreshes.hold(run.id, run.fence, Counts(removed=400, delivered=1000), code, now=now)
        return run

    def succeed(self, sync: Sync, *, matched: int | None = 80, expires_at: datetime | None = None, **counts: Any) -> None:
        run, now = self.begin(sync), self.clock.now()
        sizes = Counts(**{"members": 100, "matchable": 90, "delivered": 90} | counts)
        due = now + timedelta(days=1)
        self.store.refreshes.finish(run.id, run.fence, sizes, matched=matched, next_due_at=due, now=now, expires_at=expires_at)

    def alerts(self) -> list[Alert]:
        """The open ones."""
        return self.store.outbox.open_alerts(ORG)

    def every_alert(self) -> list[AlertRow]:
        with self.store.database.read() as session:
            return list(session.query(AlertRow))

    def letters(self, topic: str = "alert") -> list[OutboxRow]:
        with self.store.database.read() as session:
            return list(session.query(OutboxRow).filter(OutboxRow.topic == topic).order_by(OutboxRow.id))

    def targets(self, topic: str = "alert") -> set[str]:
        return {r.target for r in self.letters(topic)}

    def post(self) -> list[str]:
        """Slack takes what is due; what was told where."""
        said = []
        for letter in self.store.outbox.claim(self.clock.now(), 1000):
            if letter.topic == "remark" and not letter.thread:
                self.store.outbox.skipped(letter.id)  # the message itself says it
                continue
            place = letter.posted or (letter.target.partition(":")[2], f"{letter.id}.0")
            self.store.outbox.sent(letter.id, *place)
            kind = "edit" if letter.posted else "post"
            said.append(f"{kind} {letter.topic} {letter.payload.get('what', '')} {letter.target}".replace("  ", " "))
        return said


@pytest.fixture
def firm(tmp_path: Path) -> Iterator[Firm]:
    made = Firm(tmp_path)
    yield made
    made.store.close()
