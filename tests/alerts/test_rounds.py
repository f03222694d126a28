"""The clock's rounds over whole organizations."""

from datetime import timedelta

from core.models import Channel
from core.ports import ChannelTraits
from core.watch import Watch
from tests.alerts.conftest import ANA, BO, MIA, TALK, Firm


class Platform:
    """All that a round asks of a platform."""

    traits = ChannelTraits(Channel.META, frozenset(), frozenset(), 1, 1, one_of_each=True, minimum=100)


def rounds(firm: Firm, woken: list[str]) -> Watch:
    platform: dict[Channel, object] = {Channel.META: Platform()}
    return Watch(store=firm.store, channels=platform, clock=firm.clock, wake=lambda: woken.append("woken"))  # type: ignore[arg-type]


def test_a_round_finds_tells_and_wakes_and_the_next_has_nothing_to_say(firm: Firm) -> None:
    woken: list[str] = []
    sync, watch = firm.sync(), rounds(firm, woken)
    firm.succeed(sync, matched=7)
    firm.connect(MIA, ends_in_days=5)
    firm.clock.move(days=2)
    watch.look()
    assert {a.code for a in firm.alerts()} == {"audience_too_small", "connection_expiring"}
    assert woken == ["woken"]
    letters = len(firm.letters())
    watch.look()
    assert len(firm.letters()) == letters


def test_an_organization_sets_how_soon_administrators_are_told(firm: Firm) -> None:
    firm.choose(escalate_after_min=10)
    firm.fail(firm.sync(), "ad_account_disabled")
    firm.clock.time += timedelta(minutes=11)
    rounds(firm, []).look()
    assert {TALK, f"dm:{ANA}", f"dm:{BO}"} <= firm.targets()
