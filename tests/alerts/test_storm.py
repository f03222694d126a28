"""Five hundred syncs of three ad accounts fail within a minute, while Slack limits what it takes and goes away for ten."""

from collections import Counter

from core.models import Sync
from tests.alerts.conftest import MIA, TOM, Firm
from tests.alerts.slack import Slack
from tests.alerts.test_notifier import PLACE, Post

SYNCS, ACCOUNTS = 500, 3


def calm(post: Post) -> None:
    """Until everything has been told."""
    while post.firm.store.outbox.waiting():
        post.run(60, step=10)


def test_a_storm_leaves_a_handful_of_messages_nothing_missing_and_nothing_double(firm: Firm) -> None:
    post = Post(firm, Slack(firm.clock.seconds, limited=True))
    syncs = [firm.sync((MIA, TOM)[n % 2], f"100{n % ACCOUNTS}") for n in range(SYNCS)]
    for sync in syncs:
        firm.succeed(sync)
    calm(post)
    before = {place: len(said) for place, said in post.slack.said.items()}
    firm.clock.move(days=1)

    for n, sync in enumerate(syncs):
        post.slack.is_down = n > SYNCS // 2
        firm.fail(sync, "ad_account_disabled")
        firm.clock.move(seconds=60 / SYNCS)
        if n % 20 == 0:
            post.notifier.deliver()
    post.run(600, step=10)
    post.slack.is_down = False
    calm(post)

    news = {place: said[before.get(place, 0) :] for place, said in post.slack.said.items()}
    assert len(news[PLACE]) == ACCOUNTS
    assert _concerned(news[PLACE], syncs) == SYNCS
    for user in (MIA, TOM):
        own = [s for s in syncs if s.owner_id == user]
        assert len(news[f"D{user}"]) == ACCOUNTS
        assert _concerned(news[f"D{user}"], own) == len(own)
    assert set(news) == {PLACE, f"D{MIA}", f"D{TOM}"} | set(before)
    assert max(Counter(post.slack.keys()).values()) == 1
    assert post.notifier.tally["unsure"] == 0
    told = [m["text"] for user in (MIA, TOM) for m in post.slack.said[f"D{user}"]]
    assert sum(text.startswith("🔴 Failed") for text in told) == SYNCS  # each sync's own message says so, without a new one

    firm.clock.move(minutes=30)
    for sync in syncs:
        firm.succeed(sync)
    calm(post)
    heads = [m for m in post.slack.heads(PLACE) if "disabled" in m["text"]]
    assert [m["text"].split(":")[0] for m in heads] == ["✅ Resolved"] * ACCOUNTS
    replies = Counter(m["thread_ts"] for m in post.slack.said[PLACE] if "thread_ts" in m)
    assert replies == {m["ts"]: 1 for m in heads}


def _concerned(messages: list[dict[str, object]], syncs: list[Sync]) -> int:
    """How many syncs these messages speak of: those that they name, and the rest that they count."""
    total = 0
    for message in messages:
        said = str(message["blocks"])
        named = sum(f"`{s.short}`" in said for s in syncs)
        more = said.partition("… and ")[2].partition(" more")[0]
        total += named + (int(more) if more.isdigit() else 0)
    return total
