"""The weekly digest: what it says, and that it is said once a week."""

from core.digest import Digests
from tests.alerts.conftest import ANA, MIA, TALK, Firm


def digests(firm: Firm) -> Digests:
    return Digests(store=firm.store, clock=firm.clock, wake=lambda: None)


def test_it_counts_the_week_and_names_the_biggest_changes(firm: Firm) -> None:
    quiet, lively, failing = firm.sync(), firm.sync(), firm.sync()
    firm.succeed(quiet, added=1)
    firm.clock.move(days=6)
    firm.succeed(lively, added=500, removed=20)
    firm.fail(failing, "segment_deleted")
    firm.clock.move(hours=3)
    seen = digests(firm).now(firm.actor(MIA))
    assert [(d.succeeded, d.failed) for d in seen.week.days] == [(1, 0), *[(0, 0)] * 5, (1, 1)]
    assert [(c.sync.id, c.added, c.removed) for c in seen.week.changes] == [(lively.id, 500, 20), (quiet.id, 1, 0)]
    assert (seen.week.opened, seen.week.resolved, len(seen.alerts)) == (1, 0, 1)
    assert (seen.usage.used, seen.usage.limit) == (3, 1000)


def test_it_is_told_on_mondays_once_also_after_a_downtime(firm: Firm) -> None:
    every = digests(firm)
    every.look()  # a Monday at nine, and an organization that is new
    assert firm.letters("digest") == []
    firm.clock.move(days=9)
    for _ in range(5):
        every.look()
        firm.clock.move(hours=1)
    assert [(r.subject_id, r.target) for r in firm.letters("digest")] == [("2026-W11", TALK)]
    firm.clock.move(days=7)
    every.look()
    assert len(firm.letters("digest")) == 2


def test_without_a_conversation_the_administrators_get_it(firm: Firm) -> None:
    firm.choose(alert_conversation=None)
    firm.clock.move(days=8)
    digests(firm).look()
    assert f"dm:{ANA}" in firm.targets("digest")


def test_whoever_does_not_want_it_switches_it_off(firm: Firm) -> None:
    firm.choose(digest=False)
    firm.clock.move(days=8)
    digests(firm).look()
    assert firm.letters("digest") == []
