"""`python -m benchmarks.slack`: Slack's limits with 2,000 people, 10,000 syncs and 200 refreshes at once.

The workspace is the stand-in with Slack's real tiers switched on; the product's bot is a process of its own.
The refreshes are played on the database as a worker's would be: claimed, progress once a second, an end that is good or bad.
Meanwhile people type commands. In the end the workspace itself is asked what everybody reads.
"""

import argparse
import random
import statistics
import tempfile
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, inspect, update

from benchmarks.company import Company, p99
from core.models import (
    Actor,
    Cadence,
    Channel,
    Counts,
    Phase,
    Progress,
    Refresh,
    RefreshKind,
    Role,
    SegmentKind,
    Sync,
    SyncStatus,
)
from core.store import Store
from core.store.refreshes import open_run
from core.tables import SyncRow, UserRow
from sandbox.world import TEAM_ID, Person, first_people

_LASTS_S = 20  # of one refresh
_FAILS = 10  # one in so many
_LONGEST_S = 900
_BETWEEN_S = 0.75  # eighty commands a minute: of those that open a form Slack lets a hundred pass


class Workspace(Company):
    """With Slack's real tiers, and the product's bot alone: the refreshes are played on its database."""

    def __init__(self, folder: Path, people: int, syncs: int) -> None:
        everybody = [*first_people(), *(_person(n) for n in range(people - 6))]
        self.marketers = [p.id for p in everybody if p.role == "marketing_user"]
        limits = {"SEGSYNC_SLACK_LIMITS": "true"}
        super().__init__(folder, seed="empty", settings=limits, people=everybody, rate_limits=True)
        self.calls: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._count_calls()
        self.syncs = _fill(self.store, self.marketers, syncs)
        self.start("bot")

    def _count_calls(self) -> None:
        weather, count = self.app.state.slack.weather, self.app.state.slack.weather.retry_after

        def counting(app_id: str, method: str, tier: int, channel: str | None) -> int | None:
            wait: int | None = count(app_id, method, tier, channel)
            self.calls[method] += 1
            self.refused[method] += wait is not None
            return wait

        weather.retry_after = counting

    def clicks(self, seconds: float, chance: random.Random) -> list[float]:
        """Milliseconds until each command of many people was acknowledged."""
        found: list[float] = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            words = chance.choice(["list", f"show S-{chance.randint(1, 500)}", "usage", "help", "create"])
            user = chance.choice(self.marketers)
            if (took := self.type(user, words)) is not None:
                found.append(took)
            time.sleep(_BETWEEN_S)
        return found

    def reads(self, user: str) -> str:
        """All that stands in this person's direct messages with the app."""
        screen = self.control.get("/control/screen", params={"user": user}).json()
        return "\n".join(str(m.get("text", "")) for name, ms in screen["channels"].items() if name[0] == "D" for m in ms)


class Refreshes:
    """So many refreshes that begin at once, each asked for by its owner."""

    def __init__(self, company: Workspace, n: int) -> None:
        self._store, self._chance = company.store, random.Random(4)
        self.owners: dict[str, str] = {}
        now = datetime.now(UTC)
        with self._store.database.write() as session:
            for sync_id, owner in list(company.syncs.items())[:n]:
                row = session.get_one(SyncRow, sync_id)
                open_run(session, row, RefreshKind.REQUESTED, refresh_id=uuid4().hex, at=now, requested_by=owner)
                self.owners[sync_id] = owner
        self._runs: list[Refresh] = []
        while run := self._store.refreshes.claim(datetime.now(UTC), timedelta(hours=1), per_org=10 * n):
            self._runs.append(run)
        self.failed = {run.sync_id for n, run in enumerate(self._runs) if n % _FAILS == 0}

    def play(self) -> None:
        """From their first progress to their ends."""
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < _LASTS_S:
            for run in self._runs:
                self._progress(run, int(100 * passed / _LASTS_S))
            time.sleep(max(begun + passed + 1 - time.monotonic(), 0))  # progress is told once a second
        for run in self._runs:
            self._end(run)

    def _progress(self, run: Refresh, done: int) -> None:
        now = datetime.now(UTC)
        until, progress = now + timedelta(hours=1), Progress(Phase.ADDING, done, 100)
        self._store.refreshes.progress(run.id, run.fence, progress, Counts(), now=now, until=until)

    def _end(self, run: Refresh) -> None:
        now = datetime.now(UTC)
        due = now + timedelta(days=1)
        if run.sync_id in self.failed:
            self._store.refreshes.fail(run.id, run.fence, "segment_deleted", {}, next_due_at=due, now=now)
        else:
            counts = Counts(members=100, matchable=90, delivered=90)
            self._store.refreshes.finish(run.id, run.fence, counts, matched=80, next_due_at=due, now=now)


def measure(folder: Path, *, people: int, syncs: int, refreshes: int, lookers: int) -> dict[str, float]:
    """What came of it. Raises SystemExit where anybody reads something else than how things are."""
    company, chance = Workspace(folder, people, syncs), random.Random(3)
    try:
        with company.store.database.write() as session:  # they have looked at Home today
            session.execute(
                update(UserRow).where(UserRow.id.in_(company.marketers[:lookers])).values(home_opened_at=datetime.now(UTC))
            )
        idle = company.clicks(15, chance)
        before, refused = Counter(company.calls), Counter(company.refused)
        begun = time.monotonic()
        played = Refreshes(company, refreshes)
        playing = threading.Thread(target=played.play)
        playing.start()
        busy = company.clicks(_LASTS_S + 10, chance)
        playing.join()
        while company.store.outbox.waiting() and time.monotonic() - begun < _LONGEST_S:
            time.sleep(1)  # another process delivers them
        seconds = time.monotonic() - begun
        _check(company, played)
        calls, refused = company.calls - before, company.refused - refused
        found = {
            "ack_idle_p50_ms": statistics.median(idle), "ack_idle_p99_ms": p99(idle),
            "ack_busy_p50_ms": statistics.median(busy), "ack_busy_p99_ms": p99(busy),
            "ack_busy_vs_idle": p99(busy) / p99(idle), "told_after_s": seconds - _LASTS_S,
        }  # fmt: skip
        for method in ("chat.postMessage", "chat.update", "views.publish", "users.info"):
            found |= {f"{method} a minute": calls[method] / seconds * 60, f"{method} refused": refused[method]}
        return found | {"refused in all": sum(refused.values())}
    finally:
        company.close()


def _check(company: Workspace, played: Refreshes) -> None:
    """Everybody reads how their refresh has ended, once."""
    for sync_id, owner in played.owners.items():
        name, said = f"segment {sync_id[:6]}", company.reads(owner)
        wanted = "Failed" if sync_id in played.failed else "Synced"
        states = [line for line in said.splitlines() if name in line and "Error" not in line]
        if len(states) != 1 or wanted not in states[0]:
            raise SystemExit(f"{owner} should read once that {name} is {wanted}, and reads {states}.")


def _person(n: int) -> Person:
    return Person(f"U1{n:06d}", f"person{n}", f"Person {n}", "marketing_user" if n % 2 else "viewer", "Europe/London")


def _fill(store: Store, marketers: list[str], syncs: int) -> dict[str, str]:
    """So many syncs; their owners."""
    now = datetime.now(UTC)
    actor = Actor(TEAM_ID, marketers[0], Role.MARKETING_USER)
    store.organizations.ensure(TEAM_ID, name="Acme", sync_limit=2 * syncs, at=now)
    new = Sync(
        id=uuid4().hex, org_id=TEAM_ID, number=0, name="first", segment_source="files", segment_id="first",
        segment_name="first", segment_kind=SegmentKind.CONTACTS, channel=Channel.META, account_id="1",
        account_name="Acme", owner_id=marketers[0], run_as="c1", status=SyncStatus.INACTIVE,
        cadence=Cadence("daily", "UTC"), created_at=now,
    )  # fmt: skip
    first = store.syncs.create(actor, new, sealed_ledger_key=b"", refresh_id=uuid4().hex, at=now)
    owners: dict[str, str] = {}
    with store.database.write() as session:
        row = session.get_one(SyncRow, first.id)
        like = {c.key: getattr(row, c.key) for c in inspect(SyncRow).column_attrs}
        lines = []
        for n in range(syncs):
            sync_id = uuid4().hex
            owners[sync_id] = marketers[n % len(marketers)]
            lines.append(
                like
                | {"id": sync_id, "number": first.number + 1 + n, "segment_id": sync_id, "segment_name": f"segment {sync_id[:6]}"}
                | {"name": sync_id, "owner_id": owners[sync_id], "status": "synced", "refreshed_at": now - timedelta(days=1)}
                | {"next_due_at": now + timedelta(days=1)}
            )
        session.execute(insert(SyncRow), lines)
    return owners


if __name__ == "__main__":
    asked = argparse.ArgumentParser(prog="python -m benchmarks.slack")
    for what, number in (("people", 2_000), ("syncs", 10_000), ("refreshes", 200), ("lookers", 300)):
        asked.add_argument(f"--{what}", type=int, default=number)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        measured: dict[str, Any] = measure(Path(place), **vars(asked.parse_args()))
    for key, value in measured.items():
        print(f"{key:28}{value:>12.1f}")
