"""A platform that takes long to answer, with a Slack that does: nobody waits for it who did not ask it."""

import time
from collections.abc import Iterator

import pytest

from tests.journeys.conftest import Demo
from tests.journeys.desk import Desk, Sandbox, eventually
from tests.journeys.test_main_job import link

PLATFORMS = ("meta", "linkedin", "google")
LABELS = {"meta": "Meta", "linkedin": "LinkedIn", "google": "Google"}
AT_ONCE_MS = 1_500  # of the 3,000 after which Slack tells the person that the app did not answer
SOON_S = 4.0  # a platform that is well, over a Slack that takes a quarter of a second: less than the slow one takes
_MINUTE_S = 61


@pytest.fixture(scope="module")
def office(demo: Demo) -> Iterator[Sandbox]:
    """Ana and the marketer have connected everything; the marketer runs one sync a platform."""
    sandbox = demo.sandbox
    for role in ("primary_admin", "marketing_user"):
        for platform in PLATFORMS:
            connect(sandbox.desk(role), platform)
    marketer = sandbox.desk("marketing_user")
    for platform in PLATFORMS:
        marketer.type("/segsync create")
        marketer.choose("Segment", "Webinar guests")
        marketer.choose("Channel", platform)
        marketer.submit(marketer.choose("Ad account", "Acme EU"))
        marketer.sees(rf"Synced\*: Webinar guests → {LABELS[platform]}", timeout_s=60)
    yield sandbox
    sandbox.well()


def slow(office: Sandbox, platform: str) -> None:
    """Only this platform is slow now, and Slack takes its quarter of a second."""
    office.well()
    office.fault(platform, "slow")
    office.post("/control/pace", {"platform": "slack", "seconds": 0.25})


def connect(desk: Desk, platform: str) -> None:
    desk.type(f"/segsync connect {platform}")
    url = eventually(lambda: link(desk), "a link")
    page = desk.sandbox.post("/control/consent", {"user": desk.user, "url": url, "grant": True})
    assert page["status"] == 200, page
    desk.close_all()


def asks_everything_of(platform: str, marketer: Desk, ana: Desk) -> None:
    """Two people leave a question on the platform's side, each in an open modal."""
    marketer.type(f"/segsync create {platform}")
    marketer.sees_in_view(f"Asking {LABELS[platform]} for your ad accounts")
    ana.type(f"/segsync pause S-{PLATFORMS.index(platform) + 1}")
    ana.sees_in_view(f"Asking {LABELS[platform]} which campaigns use this audience")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_slow_platform_keeps_nobody_else_waiting(office: Sandbox, platform: str) -> None:
    marketer, ana, viewer = (office.desk(r) for r in ("marketing_user", "primary_admin", "viewer"))
    other = next(p for p in PLATFORMS if p != platform)
    office.advance(_MINUTE_S)  # what was asked before is not remembered any more
    slow(office, platform)
    asks_everything_of(platform, marketer, ana)
    for command in ("/segsync", "/segsync list", "/segsync usage", "/segsync alerts", "/segsync help", "/segsync show S-1"):
        assert viewer.type(command)["ack_ms"] < AT_ONCE_MS, command
        viewer.close_all()
    marketer.close_all()
    begun = time.monotonic()
    marketer.type(f"/segsync create {other}")
    marketer.sees_in_view("Search your ad accounts|Ad account Search", timeout_s=SOON_S)
    assert time.monotonic() - begun < SOON_S
    marketer.close_all()
    eventually(lambda: "Asking" not in ana.reads_view(), "what the slow platform said", 15, ana.reads_view)
    assert "campaign" in ana.reads_view()
    ana.close_all()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_syncs_of_other_platforms_are_refreshed_while_one_is_slow(office: Sandbox, platform: str) -> None:
    marketer = office.desk("marketing_user")
    n, other = PLATFORMS.index(platform) + 1, next(i for i, p in enumerate(PLATFORMS, 1) if p != platform)
    slow(office, platform)
    assert marketer.type(f"/segsync refresh S-{n}")["ack_ms"] < AT_ONCE_MS
    begun = len(refreshes(marketer, other))
    assert marketer.type(f"/segsync refresh S-{other}")["ack_ms"] < AT_ONCE_MS
    eventually(lambda: len(refreshes(marketer, other)) > begun, "the other refresh to end", 20)


def refreshes(desk: Desk, number: int) -> list[str]:
    """The refreshes of a sync that are done, as its details tell."""
    desk.type(f"/segsync show S-{number}")
    said = desk.sees_in_view("Last refreshes")
    desk.close_all()
    return [line for line in said.splitlines() if ": done" in line]
