"""Letters through crashes, outages, limits and conversations that refuse: none lost, none double where Slack lets us look."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from bot.letters import Letters
from bot.notifier import Notifier
from core.digest import Digests
from core.models import Alert
from core.views import AlertView
from tests.alerts.conftest import ANA, MIA, Firm
from tests.alerts.slack import Killed, Slack, refused

PLACE = "C0ALERTS"


class Post:
    """A notifier between a firm and its Slack."""

    def __init__(self, firm: Firm, slack: Slack) -> None:
        self.firm, self.slack = firm, slack
        self.notifier = self.restart()

    def restart(self) -> Notifier:
        client: Any = self.slack
        digests = Digests(store=self.firm.store, clock=self.firm.clock, wake=lambda: None)
        letters = Letters(store=self.firm.store, seen=self._seen, digests=digests)
        self.notifier = Notifier(store=self.firm.store, client=lambda _: client, clock=self.firm.clock, letters=letters)
        return self.notifier

    def run(self, seconds: float = 5, *, step: float = 1) -> None:
        """Time passes, and the notifier does what is due."""
        passed = 0.0
        while passed < seconds:
            while self.notifier.deliver():
                pass
            self.firm.clock.move(seconds=step)
            passed += step

    def heads(self, place: str = PLACE) -> list[str]:
        return [str(m["text"]) for m in self.slack.heads(place)]

    def _seen(self, alert: Alert) -> AlertView:
        store = self.firm.store.alerts
        return AlertView(
            alert, tuple(store.syncs(alert.org_id, alert.sync_ids)), tuple(store.syncs(alert.org_id, alert.left_ids))
        )


@pytest.fixture
def post(firm: Firm) -> Post:
    return Post(firm, Slack(firm.clock.seconds))


def once(act: Callable[[], None]) -> Callable[[str, str], None]:
    """For the first post only."""
    done: list[str] = []

    def maybe(method: str, channel: str) -> None:
        if method == "chat.postMessage" and channel == PLACE and not done:
            done.append(channel)
            act()

    return maybe


def raising(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def test_a_message_is_posted_once_and_edited_from_then_on(post: Post) -> None:
    sync = post.firm.sync()
    post.firm.fail(sync, "segment_deleted")
    post.run()
    post.firm.succeed(sync)
    post.run()
    (said,) = post.heads()
    assert said.startswith("✅ Resolved: The segment is gone")
    assert [m["text"] for m in post.slack.said[PLACE] if "thread_ts" in m] == ["✅ Resolved after 1 min."]


def test_a_kill_between_posting_and_noting_repeats_nothing(post: Post) -> None:
    post.firm.fail(post.firm.sync(), "segment_deleted")
    post.slack.after = once(raising(Killed()))
    with pytest.raises(Killed):
        post.run()
    post.restart()
    post.run(70)
    assert len(post.heads()) == 1
    assert post.notifier.tally["found"] == 1
    assert sum("Error" in s for s in post.heads(f"D{MIA}")) == 1


def test_an_answer_that_is_lost_repeats_nothing(post: Post) -> None:
    post.firm.fail(post.firm.sync(), "segment_deleted")
    post.slack.after = once(raising(TimeoutError()))
    post.run(10)
    assert len(post.heads()) == 1
    assert post.notifier.tally["found"] == 1


def test_where_slack_does_not_let_us_look_a_double_is_possible_and_counted(post: Post) -> None:
    post.firm.fail(post.firm.sync(), "segment_deleted")

    def before(method: str, channel: str) -> None:
        if method == "conversations.history":
            raise refused("missing_scope")

    post.slack.after, post.slack.before = once(raising(TimeoutError())), before
    post.run(10)
    assert len(post.heads()) == 2
    assert post.notifier.tally["unsure"] == 1


def test_a_kill_before_posting_loses_nothing(post: Post) -> None:
    post.firm.fail(post.firm.sync(), "segment_deleted")
    post.slack.before = once(raising(Killed()))
    with pytest.raises(Killed):
        post.run()
    post.restart()
    post.run(70)
    assert len(post.heads()) == 1


def test_an_outage_costs_time_and_keeps_the_order(post: Post) -> None:
    post.slack.is_down = True
    codes = ["segment_deleted", "source_query_failed", "audience_deleted"]
    for code in codes:
        post.firm.fail(post.firm.sync(), code)
        post.run(600)
    assert post.heads() == []
    post.slack.is_down = False
    post.run(120)
    titles = [t.split(": ")[1] for t in post.heads()]
    assert titles == ["The segment is gone", "The segment cannot be read", "The audience was deleted on Meta"]
    assert sum("Error" in s for s in post.heads(f"D{MIA}")) == 3


def test_slacks_wait_is_kept(post: Post) -> None:
    post.firm.fail(post.firm.sync(), "segment_deleted")
    post.slack.before = once(raising(refused("ratelimited", status=429, wait=30)))
    post.run(28)
    assert post.heads() == []
    assert [c for c in post.slack.calls if c[1] == PLACE] == [("chat.postMessage", PLACE)]
    post.run(5)
    assert len(post.heads()) == 1


@pytest.mark.parametrize("how", ["deleted", "frozen"])
def test_a_message_that_cannot_be_edited_is_replaced_once(post: Post, how: str) -> None:
    sync = post.firm.sync()
    post.firm.fail(sync, "segment_deleted")
    post.run()
    for _ in range(3):
        if how == "deleted":
            post.slack.said[PLACE] = []
        else:
            post.slack.frozen = {m["ts"] for m in post.slack.said[PLACE]}
        post.firm.clock.move(minutes=2)
        post.firm.fail(sync, "segment_deleted")
        post.run(120)
    assert post.notifier.tally["replaced"] == 1


def test_blocks_that_slack_refuses_become_text(post: Post) -> None:
    post.firm.fail(post.firm.sync(), "segment_deleted")
    post.slack.before = once(raising(refused("invalid_blocks")))
    post.run()
    (message,) = post.slack.heads(PLACE)
    assert message["blocks"] == []
    assert "The segment is gone" in message["text"]


def test_a_conversation_shared_with_another_company_is_refused_and_the_administrators_get_it(post: Post) -> None:
    post.slack.shared = {PLACE}
    post.firm.fail(post.firm.sync(), "segment_deleted")
    post.firm.fail(post.firm.sync(), "audience_deleted")
    post.run(10)
    assert post.heads() == []
    said = post.heads(f"D{ANA}")
    assert sum("cannot write in" in s for s in said) == 1
    assert sum("is gone" in s or "was deleted" in s for s in said) == 2


def test_a_bad_token_makes_letters_wait(post: Post) -> None:
    post.firm.fail(post.firm.sync(), "segment_deleted")
    post.slack.before = once(raising(refused("invalid_auth")))
    post.run(30)
    assert post.heads() == []
    post.run(60)
    assert len(post.heads()) == 1


def test_a_letter_that_slack_minds_does_not_hold_up_the_others(post: Post) -> None:
    post.firm.fail(post.firm.sync(), "segment_deleted")

    def before(method: str, channel: str) -> None:
        if post.firm.clock.time < begin + timedelta(hours=1) and channel == PLACE:
            raise refused("invalid_arguments")

    begin, post.slack.before = post.firm.clock.time, before
    post.run(3700, step=20)
    post.firm.fail(post.firm.sync(), "audience_deleted")
    post.run(10)
    assert [t.split(": ")[1] for t in post.heads()] == ["The audience was deleted on Meta"]


def test_a_client_that_refuses_charts_gets_the_numbers(post: Post) -> None:
    post.firm.succeed(post.firm.sync())
    post.firm.clock.move(days=6)
    post.slack.before = once(raising(refused("invalid_blocks")))
    post.firm.store.digest.due("T1", "2026-W10", post.firm.clock.now(), post.firm.clock.now())
    post.run()
    (message,) = post.slack.heads(PLACE)
    assert "data_visualization" not in str(message["blocks"])
    assert "Refreshes by day" in str(message["blocks"])


def test_what_a_colleague_did_is_news_each_time(post: Post) -> None:
    sync, store = post.firm.sync(MIA), post.firm.store.syncs
    for _ in range(2):
        store.pause(post.firm.ana, sync.id, version=None, at=post.firm.clock.now())
        post.run(10)
        run_as = post.firm.connections[MIA]
        store.resume(post.firm.ana, sync.id, run_as=run_as, login_id=None, refresh_id=uuid4().hex, at=post.firm.clock.now())
        post.run(10)
    assert sum(" was " in text for text in post.heads(f"D{MIA}")) == 4
