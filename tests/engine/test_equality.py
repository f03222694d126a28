"""Whatever happens in between, at rest the audience is equal to the segment."""

import itertools
import random
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from core.errors import OutcomeUnknown, Rejected
from core.models import Actor, RefreshKind, RefreshState, Role
from core.ports import Delivery, Op, Reading
from core.shelves import Folders
from sources.files import FilesSource
from tests.engine.conftest import ORG, OWNER, Desk, DyingLedgers, Identifier, Killed, email, phone

Row = tuple[int, int | None, int | None]  # key, which e-mail, which phone
rows = st.tuples(st.integers(0, 5), st.none() | st.integers(0, 5), st.none() | st.integers(0, 3))
segments = st.lists(rows, max_size=9)
kinds = st.sampled_from([RefreshKind.ROUTINE, RefreshKind.FULL])
turns = st.sampled_from(["", "", "paused", "other rules", "another key", "everybody is looked at"])
steps = st.tuples(segments, st.integers(0, 14), kinds, turns)
ADMIN = Actor(ORG, OWNER, Role.PRIMARY_ADMIN)
# each of these is a limit that a million members reach: with them nine rows do
SMALL = {
    "core.gathering": {"GROUP": 2, "_KEPT": 3, "_BATCH": 2},
    "core.changes": {"GROUP": 2, "_MANY": 6, "_PIECE": 2, "_SAMPLE": 4, "_ENOUGH": 1},
    "core.book": {"GROUP": 2},
    "core.ledger": {"_IDS": 2, "_ROWS": 2},
    "core.identifiers": {"_MANY": 1},
    "sources.files": {"_BATCH": 2},
}


class Unproven(FilesSource):
    """Cannot tell whether it was read whole, nor whether it has changed."""

    @contextmanager
    def read(self, segment_id: str) -> Iterator[Reading]:
        with super().read(segment_id) as reading:
            yield replace(reading, version=None, proven=False)


def written(row: Row) -> dict[str, str | None]:
    key, mail, tel = row
    return {
        "key": f"k{key}",
        "email": None if mail is None else f"p{mail}@example.com",
        "phone": None if tel is None else f"+1202500123{tel}",
    }


def identifiers(row: Row) -> set[Identifier]:
    _, mail, tel = row
    found = set() if mail is None else {email(f"p{mail}@example.com")}
    return found | (set() if tel is None else {phone(f"1202500123{tel}")})


def held_by(segment: list[Row]) -> set[Identifier]:
    return set().union(*(identifiers(row) for row in segment)) if segment else set()


def hangs_together(segments: list[list[Row]]) -> list[set[Identifier]]:
    """Groups of identifiers that members of these segments have carried together."""
    members: dict[int, set[Identifier]] = {}
    for row in itertools.chain(*segments):
        members.setdefault(row[0], set()).update(identifiers(row))
    groups: list[set[Identifier]] = []
    for found in members.values():
        touching = [g for g in groups if g & found]
        groups = [g for g in groups if not g & found] + [set().union(found, *touching)]
    return groups


def knowable(persons: list[frozenset[Identifier]], before: list[Row], after: list[Row]) -> bool:
    """Whether the ledger can know whom the removals of this step may take along."""
    lost = held_by(before) - held_by(after)
    groups = hangs_together([before, after])
    pairs = [(x, y) for p in persons for x, y in itertools.permutations(p, 2) if x in lost and y in held_by(after)]
    return all(any(x in g and y in g for g in groups) for x, y in pairs)


# shrinking takes minutes here: what fails is short enough as it is
@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(
    history=st.lists(steps, min_size=1, max_size=5),
    pairs=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=3, unique_by=(lambda p: p[0], lambda p: p[1])),
    one_of_each=st.booleans(),
    batch_rows=st.integers(1, 4),
    compact_below=st.sampled_from([0, 8, 1000]),
    is_small=st.booleans(),
    is_proven=st.booleans(),
    luck=st.integers(0, 2**16),
)  # fmt: skip
def test_after_any_history_with_kills_at_any_moment_the_audience_is_equal(
    history: list[tuple[list[Row], int, RefreshKind, str]],
    pairs: list[tuple[int, int]],
    one_of_each: bool,
    batch_rows: int,
    compact_below: int,
    is_small: bool,
    is_proven: bool,
    luck: int,
) -> None:
    """Whatever is killed, lost, paused or replaced; with memory for everything and for nearly nothing; read once or twice."""
    persons = [frozenset({email(f"p{m}@example.com"), phone(f"1202500123{t}")}) for m, t in pairs]
    before: list[Row] = []
    for segment, _, _, _ in history:
        assume(knowable(persons, before, segment))
        before = segment
    keys = [b"k" * 32]

    def retire(_: str, key: bytes) -> None:
        del keys[: keys.index(key)]

    with tempfile.TemporaryDirectory() as folder, ExitStack() as patches:
        traits = {"batch_rows": batch_rows, "one_of_each": one_of_each, "in_flight": 2}
        desk = Desk(Path(folder) / "desk", compact_below=compact_below, **traits)
        desk.source = desk.source if is_proven else Unproven(name="files", folder=desk.segments)
        desk.ledgers = DyingLedgers(Folders(Path(folder) / "ledgers"), keys=lambda _: list(keys), retire=retire)
        if is_small:
            desk.settings = replace(desk.settings, memory_mib=0)
            for module, values in SMALL.items():
                patches.enter_context(patch.multiple(module, **values))
        desk.restart()
        desk.platform.persons = {i: p for p in persons for i in p}
        desk.platform.lag = timedelta(minutes=random.Random(luck).choice([0, 10, 29]))
        for number, (segment, kill_at, kind, turn) in enumerate(history):
            desk.write([written(row) for row in segment])
            desk.platform.stays = held_by(segment) & desk.platform.held()
            left = iter(range(kill_at, 0, -1)) if kill_at else iter(())
            if turn == "other rules":
                patches.enter_context(patch("core.execution.RULES", 100 + number))
            elif turn == "another key":
                keys.append(bytes([number]) * 32)
            elif turn == "everybody is looked at":
                desk.clock.move(timedelta(days=8))

            def moment(_: object, left: Iterator[int] = left, turn: str = turn) -> None:
                if next(left, None) != 1:
                    return
                if turn != "paused":
                    raise Killed
                desk.store.syncs.pause(ADMIN, desk.sync_id, version=None, at=desk.clock.now())

            desk.ledgers.moment = moment  # type: ignore[method-assign]
            desk.platform.faults = desk.platform.after = moment
            run = desk.work() if number == 0 else desk.refresh(kind, by="U1" if kind is RefreshKind.FULL else None)
            while run.state in (RefreshState.CANCELLED, RefreshState.HELD):
                if run.state is RefreshState.HELD:  # everybody left
                    desk.store.refreshes.decide(run.id, apply=True, at=desk.clock.now())
                else:
                    desk.clock.move(timedelta(seconds=1))
                    how = {"run_as": "connection-1", "login_id": None, "refresh_id": uuid4().hex, "at": desk.clock.now()}
                    desk.store.syncs.resume(ADMIN, desk.sync_id, **how)
                run = desk.work()
            assert run.state is RefreshState.SUCCEEDED
            desk.clock.move(timedelta(hours=1))
            assert desk.platform.held() == held_by(segment)
            desk.platform.stays = set()
        # half an hour is what the platform takes to settle; the rest is what a killed worker's lease and its successors take
        assert desk.platform.longest <= timedelta(minutes=45)
        desk.store.close()


@pytest.mark.parametrize("kill_at", range(1, 16))
def test_who_is_added_by_a_request_whose_answer_is_lost_and_leaves_before_the_next_plan_is_removed(
    desk: Desk, kill_at: int
) -> None:
    countdown = iter(range(kill_at, 0, -1))

    def moment(_: object) -> None:
        if next(countdown, None) == 1:
            raise Killed

    desk.write([written((0, 0, None)), written((1, 1, None))])
    desk.ledgers.moment = desk.platform.faults = desk.platform.after = moment  # type: ignore[method-assign]
    try:
        desk.engine.execute_next()
    except Killed:
        desk.write([written((1, 1, None))])
    run = desk.work()
    assert run.state is RefreshState.SUCCEEDED
    desk.ledgers.moment = desk.platform.faults = desk.platform.after = lambda _: None  # type: ignore[method-assign]
    desk.write([written((1, 1, None))])
    desk.refresh()
    assert desk.platform.held() == {email("p1@example.com")}


def test_lost_answers_and_refusals_in_any_order_leave_nobody_behind(tmp_path: Path) -> None:
    chance = random.Random(5)
    desk = Desk(tmp_path / "d", batch_rows=7, in_flight=3)
    bad = {f"p{i}@example.com" for i in (3, 21, 22, 60)}
    digests = {email(b)[1] for b in bad}

    def faults(delivery: Delivery) -> None:
        if chance.random() < 0.1:
            raise OutcomeUnknown
        if delivery.op is Op.ADD and {v.as_py() for c in delivery.batch.columns.values() for v in c.value} & digests:
            raise Rejected

    def after(_: Delivery) -> None:
        if chance.random() < 0.1:
            raise OutcomeUnknown

    desk.platform.faults, desk.platform.after = faults, after
    everybody = [f"p{i}@example.com" for i in range(100)]
    for round_ in range(4):
        there = [m for m in everybody if chance.random() < 0.8]
        desk.write([{"key": m, "email": m, "phone": None} for m in there])
        run = desk.work() if round_ == 0 else desk.refresh()
        while run.state is RefreshState.FAILED:
            run = desk.refresh()
        assert desk.platform.held() == {email(m) for m in there if m not in bad}
