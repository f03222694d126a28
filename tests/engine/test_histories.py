"""Whole histories, told at random: at rest the audience is equal, and nobody who stayed was out for longer than settling takes.

Everything comes together that happens to a sync: members with several rows and shared identifiers, consent withdrawn, members
that the platform refuses, kills at any write and any request, lost answers, pauses, full resyncs, other rules for what an
identifier is, new keys of the ledger, readings that prove nothing, and no memory to speak of, so that everything is spilled.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from core.errors import OutcomeUnknown, Rejected
from core.models import Actor, Refresh, RefreshKind, RefreshState, Role
from core.ports import Delivery, Op, Reading, Receipt
from core.shelves import Folders
from sources.files import FilesSource
from tests.engine.conftest import ORG, OWNER, Desk, DyingLedgers, Identifier, Killed, email, phone, spilling
from tests.engine.test_equality import knowable

SETTLE = timedelta(minutes=30)
ACTOR = Actor(ORG, OWNER, Role.MARKETING_USER)
BAD = 5  # this e-mail the platform never takes

Row = tuple[int, int | None, int | None]
rows = st.tuples(st.integers(0, 5), st.none() | st.integers(0, 5), st.none() | st.integers(0, 3))


@dataclass(frozen=True)
class Step:
    segment: list[Row]
    silent: frozenset[int]  # members without consent
    kind: RefreshKind
    kill_at: int
    lost: int  # which answer is lost
    pause_at: int  # at which request somebody pauses
    phones: bool  # whether phones are identifiers by now
    key: bool  # the ledger has a new key
    proven: bool  # whether the reading can know that it was whole


steps = st.builds(
    Step,
    segment=st.lists(rows, max_size=9),
    silent=st.frozensets(st.integers(0, 5), max_size=2),
    kind=st.sampled_from([RefreshKind.ROUTINE, RefreshKind.ROUTINE, RefreshKind.FULL]),
    kill_at=st.integers(0, 14),
    lost=st.integers(0, 4),
    pause_at=st.integers(0, 6),
    phones=st.sampled_from([True, True, False]),
    key=st.sampled_from([False, False, True]),
    proven=st.sampled_from([True, True, False]),
)


class Unsure(FilesSource):
    """A source that sometimes cannot prove that a reading was whole: then the first of two lacks its first row."""

    proven = True

    @contextmanager
    def read(self, segment_id: str) -> Iterator[Reading]:
        with super().read(segment_id) as reading:
            if self.proven:
                yield reading
                return
            begun = iter([True])

            def batches(wanted: Sequence[str]) -> Iterator[pa.RecordBatch]:
                lacks = next(begun, False)
                for batch in reading.batches(wanted):
                    yield batch.slice(1) if lacks else batch
                    lacks = False

            yield replace(reading, version=None, batches=batches, proven=False)


def mails(row: Row) -> str | None:
    return None if row[1] is None else f"p{row[1]}@example.com"


def tel(row: Row) -> str | None:
    return None if row[2] is None else f"+1202500123{row[2]}"


def current(step: Step) -> dict[int, set[Identifier]]:
    """Members with consent, and what they are known by."""
    found: dict[int, set[Identifier]] = {}
    for row in step.segment:
        if row[0] not in step.silent:
            mine = found.setdefault(row[0], set())
            mine |= {email(mails(row) or "")} if row[1] is not None else set()
            mine |= {phone((tel(row) or "")[1:])} if row[2] is not None and step.phones else set()
    return found


def union(members: dict[int, set[Identifier]]) -> set[Identifier]:
    return set().union(*members.values()) if members else set()


def unwanted(delivery: Delivery) -> set[int]:
    """The places of members that the platform does not take."""
    bad = email(f"p{BAD}@example.com")[1]
    rows = [(m, v) for c in delivery.batch.columns.values() for m, v in zip(c.member.to_pylist(), c.value, strict=True)]
    return {member for member, value in rows if value.as_py() == bad}


class History:
    """One desk and whoever watches how long somebody is out."""

    def __init__(self, folder: Path, *, persons: list[frozenset[Identifier]], lag: timedelta, **how: Any) -> None:
        self.desk = Desk(folder, **how)
        self.source = Unsure(name="files", folder=self.desk.segments)
        self.desk.source = self.source
        self.keys = [b"k" * 32]
        self.desk.ledgers = DyingLedgers(
            Folders(folder / "ledgers"), keys=lambda _: self.keys, retire=lambda _id, newest: self.keys.remove(self.keys[0])
        )
        self.desk.restart()
        self.desk.platform.persons = {i: p for p in persons for i in p}
        self.desk.platform.lag = lag
        self.stayed: set[Identifier] = set()
        self.out: dict[Identifier, datetime] = {}
        self.longest = timedelta(0)
        self.troubles = 0

    def look(self) -> None:
        """Who of those who stayed is out now, and since when."""
        now, held = self.desk.clock.now(), self.desk.platform.held()
        for one in self.stayed - held:
            self.longest = max(self.longest, now - self.out.setdefault(one, now))
        for one in self.out.keys() & held:
            self.longest = max(self.longest, now - self.out.pop(one))
        self.out = {one: since for one, since in self.out.items() if one in self.stayed}

    def write(self, step: Step) -> None:
        third = "phone" if step.phones else "room"
        lines = [{"key": f"k{r[0]}", "email": mails(r), third: tel(r), "consent": r[0] not in step.silent} for r in step.segment]
        schema = {"key": pl.String, "email": pl.String, third: pl.String, "consent": pl.Boolean}
        part = self.desk.segments / ".part"
        pl.DataFrame(lines, schema=schema).write_parquet(part)
        part.rename(self.desk.segments / "people.parquet")
        (self.desk.segments / "people.meta.toml").write_text('[columns]\nkey = "key"\nconsent = "consent"\n')

    def live(self, step: Step, *, first: bool) -> Refresh:
        """Through one step, whatever happens in it."""
        desk, platform = self.desk, self.desk.platform
        self.source.proven = step.proven
        if step.key and len(self.keys) == 1:
            self.keys.append(uuid4().bytes * 2)
        left = iter(range(step.kill_at, 0, -1)) if step.kill_at else iter(())
        requests = iter(range(1, 1000))
        self.troubles = bool(step.kill_at) + bool(step.lost) + bool(step.pause_at)

        def moment(_: object) -> None:
            if next(left, None) == 1:
                raise Killed

        def faults(delivery: Delivery) -> None:
            moment(delivery)
            if delivery.op is Op.ADD and unwanted(delivery):
                raise Rejected(reason="invalid")

        def answers(delivery: Delivery, receipt: Receipt) -> Receipt:
            """Of a replacement single members are refused, as at Meta."""
            bad = unwanted(delivery) if delivery.op is Op.REPLACE else set()
            return Receipt(receipt.received - len(bad), dict.fromkeys(bad, "invalid"))

        def after(delivery: Delivery) -> None:
            number = next(requests)
            if number == step.pause_at:
                desk.store.syncs.pause(ACTOR, desk.sync_id, version=None, at=desk.clock.now())
            if number == step.lost:
                raise OutcomeUnknown
            moment(delivery)

        desk.ledgers.moment = moment  # type: ignore[method-assign]
        platform.faults, platform.after, platform.answers = faults, after, answers
        if first:
            run = desk.work(watch=self.look)
        else:
            desk.clock.move(timedelta(minutes=1))
            desk.ask(step.kind, by=OWNER if step.kind is RefreshKind.FULL else None)
            run = desk.work(watch=self.look)
        if run.state is RefreshState.HELD:
            desk.store.refreshes.decide(run.id, apply=True, at=desk.clock.now())
            run = desk.work(watch=self.look)
        platform.after = moment
        if run.state is RefreshState.CANCELLED:
            assert run.counts.owed == 0
            desk.clock.move(SETTLE)
            self.look()
            assert not self.out, "a paused sync leaves nobody out who stayed"
            desk.clock.move(timedelta(minutes=1))
            desk.store.syncs.resume(
                ACTOR, desk.sync_id, run_as="connection-1", login_id=None, refresh_id=uuid4().hex, at=desk.clock.now()
            )
            run = desk.work(watch=self.look)
            if run.state is RefreshState.HELD:
                desk.store.refreshes.decide(run.id, apply=True, at=desk.clock.now())
                run = desk.work(watch=self.look)
        return run


@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(
    history=st.lists(steps, min_size=1, max_size=5),
    pairs=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=3, unique_by=(lambda p: p[0], lambda p: p[1])),
    one_of_each=st.booleans(),
    can_replace=st.booleans(),
    batch_rows=st.integers(1, 4),
    compact_below=st.sampled_from([0, 8, 1000]),
    spills=st.booleans(),
    lag=st.sampled_from([0, 10, 29]),
)
def test_at_rest_it_is_equal_and_nobody_who_stayed_was_out_for_longer_than_settling_takes(
    history: list[Step],
    pairs: list[tuple[int, int]],
    one_of_each: bool,
    can_replace: bool,
    batch_rows: int,
    compact_below: int,
    spills: bool,
    lag: int,
) -> None:
    persons = [frozenset({email(f"p{m}@example.com"), phone(f"1202500123{t}")}) for m, t in pairs]
    before: list[Row] = []
    for step in history:
        now = [r if step.phones else (r[0], r[1], None) for r in step.segment if r[0] not in step.silent]
        assume(knowable(persons, before, now))
        before = now
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.claim._BEAT_S", 0.0)  # as if more than a beat had passed between any two requests
        if spills:
            spilling(patch)
        told = History(
            Path(folder) / "desk",
            persons=persons,
            lag=timedelta(minutes=lag),
            compact_below=compact_below,
            batch_rows=batch_rows,
            one_of_each=one_of_each,
            can_replace=can_replace,
            in_flight=2,
            memory_mib=0 if spills else 256,
        )
        desk, good = told.desk, set[Identifier]()
        for number, step in enumerate(history):
            told.write(step)
            members = current(step)
            fine = union({m: ids for m, ids in members.items() if email(f"p{BAD}@example.com") not in ids})
            told.stayed, told.longest = good & fine, timedelta(0)
            run = told.live(step, first=number == 0)
            assert run.state is RefreshState.SUCCEEDED, run.failure
            desk.clock.move(timedelta(hours=1))
            assert fine <= desk.platform.held() <= union(members)
            told.look()
            assert told.longest <= (1 + told.troubles) * (SETTLE + timedelta(minutes=10))
            good = fine
        desk.store.close()
