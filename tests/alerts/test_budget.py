"""Slack's limits are short and two hundred refreshes want to tell: what matters goes first, nothing is lost, nothing queues."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from bot.budget import PER_MINUTE, SHORT, Budget
from bot.letters import Letters
from bot.notifier import Notifier
from core.digest import Digests
from core.models import Counts, Phase, Progress, Rank, Refresh, Sync
from core.tables import OutboxRow
from tests.alerts.conftest import Firm
from tests.alerts.slack import Slack
from tests.alerts.test_notifier import PLACE, Post

STEP_S = 2.0


class Workspace:
    """The budget of the one workspace, by the firm's clock."""

    def __init__(self, firm: Firm) -> None:
        self.budget = Budget(ticks=firm.clock.seconds)

    def wait(self, org_id: str, method: str, rank: Rank, behind: int = 0) -> float:
        return self.budget.take(org_id, method, rank, behind=behind)

    def is_short(self, org_id: str, method: str) -> bool:
        return self.budget.used(org_id, method) >= SHORT


class Busy(Post):
    """Refreshes that run, with their messages in people's conversations."""

    def restart(self) -> Notifier:
        client: Any = self.slack
        digests = Digests(store=self.firm.store, clock=self.firm.clock, wake=lambda: None)
        letters = Letters(store=self.firm.store, seen=self._seen, digests=digests)
        self.notifier = Notifier(
            store=self.firm.store, client=lambda _: client, clock=self.firm.clock, letters=letters, limits=Workspace(self.firm)
        )
        return self.notifier

    def begin(self, n: int) -> dict[str, tuple[Sync, Refresh]]:
        """Running refreshes of so many new syncs, which their owner has been told of."""
        store, now = self.firm.store, self.firm.clock.now()
        syncs = {s.id: s for s in (self.firm.sync() for _ in range(n))}
        runs = [store.refreshes.claim(now, timedelta(hours=1), per_org=10_000) for _ in range(n)]
        self.run(2 * n, step=STEP_S)
        return {run.sync_id: (syncs[run.sync_id], run) for run in runs if run}

    def progress(self, run: Refresh, done: int) -> None:
        now = self.firm.clock.now()
        until = now + timedelta(hours=1)
        self.firm.store.refreshes.progress(run.id, run.fence, Progress(Phase.ADDING, done, 100), Counts(), now=now, until=until)

    def fail(self, run: Refresh) -> None:
        now = self.firm.clock.now()
        self.firm.store.refreshes.fail(run.id, run.fence, "segment_deleted", {}, next_due_at=now + timedelta(days=1), now=now)

    def succeed(self, run: Refresh) -> None:
        now = self.firm.clock.now()
        self.firm.store.refreshes.finish(
            run.id, run.fence, Counts(members=9, delivered=9), matched=9, next_due_at=now + timedelta(days=1), now=now
        )

    def edits(self) -> int:
        return sum(method == "chat.update" for method, _ in self.slack.calls)


@pytest.fixture
def busy(firm: Firm) -> Busy:
    return Busy(firm, Slack(firm.clock.seconds, limited=True))


def test_progress_that_is_alone_is_told_every_three_seconds(busy: Busy) -> None:
    ((_, run),) = busy.begin(1).values()
    before = busy.edits()
    for second in range(30):
        busy.progress(run, second % 20)
        busy.run(1)
    assert 8 <= busy.edits() - before <= 11


def test_progress_of_many_is_told_at_its_quarters_and_leaves_room(busy: Busy) -> None:
    runs = [run for _, run in busy.begin(20).values()]
    before = busy.edits()
    for done in range(0, 60, 3):
        for run in runs:
            busy.progress(run, done)
        busy.run(STEP_S, step=STEP_S)
    assert 5 <= busy.edits() - before <= PER_MINUTE["chat.update"] / 2
    busy.run(10)
    with busy.firm.store.database.read() as session:
        waits = session.scalar(
            select(func.count()).where(OutboxRow.state == "queued", OutboxRow.not_before <= busy.firm.clock.now())
        )
    assert waits == 0, "progress that cannot be told is dropped"


def test_final_states_go_before_alerts_and_both_before_progress(busy: Busy) -> None:
    runs = [run for _, run in busy.begin(60).values()]
    busy.run(120, step=20)
    busy.slack.calls.clear()
    for run in runs[:20]:
        busy.progress(run, 50)
    busy.fail(runs[58])
    for run in runs[20:58]:
        busy.succeed(run)
    busy.notifier.deliver()
    busy.notifier.deliver()
    methods = [method for method, _ in busy.slack.calls]
    assert methods == ["chat.update"] * 39 + ["chat.postMessage"]
    assert len(busy.heads()) == 1


def test_two_hundred_refreshes_end_as_they_should_and_slack_never_says_too_many(busy: Busy) -> None:
    running = busy.begin(200)
    for number, (_, run) in enumerate(running.values()):
        busy.progress(run, 50)
        if number % 10 == 0:
            busy.fail(run)
        else:
            busy.succeed(run)
    seconds = 0
    while busy.firm.store.outbox.waiting() and seconds < 1200:
        busy.run(20, step=STEP_S)
        seconds += 20
    assert seconds <= 420, "two hundred edits at fifty a minute, and the alerts"
    owner = next(sync.owner_id for sync, _ in running.values())
    said = [text for text in busy.heads(f"D{owner}") if text.startswith(("Synced", "✅ Synced", "🔴 Failed", "Failed"))]
    assert len(said) >= 200
    assert not [text for text in busy.heads(f"D{owner}") if "Syncing" in text]
    assert sum(len(busy.slack.said[place]) for place in busy.slack.said if place == PLACE) >= 1
    keys = busy.slack.keys()
    assert len(keys) == len(set(keys))
    assert busy.slack.refusals == 0


def test_of_messages_that_are_only_brought_up_to_date_one_row_is_kept(busy: Busy) -> None:
    ((sync, run),) = busy.begin(1).values()
    for done in range(0, 100, 10):
        busy.progress(run, done)
        busy.run(4)
    busy.succeed(run)
    busy.run(4)
    with busy.firm.store.database.read() as session:
        assert session.scalar(select(func.count()).where(OutboxRow.subject_id == sync.id, OutboxRow.topic == "progress")) == 1
