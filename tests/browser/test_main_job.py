"""A marketer who has never seen segsync: from the command to *Synced*, in Chromium."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Demo
from tests.journeys.desk import Sandbox


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    demo = Demo(tmp_path / "data", "--empty")
    yield demo.sandbox
    demo.stop()


def pick(page: Page, label: str, typed: str, option: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=re.compile(f"^{label}: ")).click()
    page.get_by_role("combobox", name=f"Search {label}").fill(typed)
    page.get_by_role("listbox").get_by_role("option", name=re.compile(f"^{option}")).first.click()


def test_from_the_command_to_synced_with_the_consent_on_the_way(page: Page, sandbox: Sandbox) -> None:
    page.goto(sandbox.base_url)
    page.locator("#composer").fill("/segsync create")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Create a segment sync")
    pick(page, "Segment", "webinar", "Webinar guests")
    pick(page, "Channel", "", "Meta")
    dialog.get_by_role("button", name=re.compile("^Connect")).click()
    with page.context.expect_page() as opening:
        page.get_by_role("link", name=re.compile("Connect|Continue")).last.click()
    consent = opening.value
    consent.get_by_role("button", name="Continue").click()
    consent.get_by_role("button", name=re.compile("Continue|Allow|Grant")).first.click()
    expect(consent.get_by_role("heading", name=re.compile("connected"))).to_be_visible()
    consent.close()
    connected = page.get_by_role("dialog", name="Connect Meta")
    expect(connected.get_by_text("Meta is connected as Mia Chen.")).to_be_visible()
    connected.get_by_role("button", name="Close").last.click()
    account = dialog.get_by_role("button", name=re.compile("^Ad account: "))
    expect(account).to_be_visible()
    account.click()
    page.get_by_role("listbox").get_by_role("option").first.click()
    dialog.get_by_role("button", name="Create", exact=True).click()
    page.locator("[data-channel^=D]").click()
    expect(page.get_by_role("region", name="Messages").get_by_text(re.compile("Synced: Webinar guests"))).to_be_visible(
        timeout=60_000
    )
    (audience,) = sandbox.audiences()
    assert audience["members"] > 2000
