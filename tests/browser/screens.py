"""Takes the pictures in docs/screens from the demo in Chromium: `make screenshots`.

Each picture is a screen as a person of that role has it. What is on it is brought about through the same commands and buttons
that people use; nothing is laid on the page for the picture.
"""

import re
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright
from slack_sdk import WebClient

from bot.blocks.alerts import alert_message
from core.models import Alert, AlertState, Cadence, Channel, SegmentKind, Sync, SyncStatus
from core.troubleshooting import CATALOGUE
from core.views import AlertView
from tests.browser.conftest import FLAGS, chromium_path
from tests.journeys.conftest import ROOT, Demo
from tests.journeys.desk import Sandbox

DOCS = ROOT / "docs"
PHONE = {"width": 390, "height": 780}
DESK = {"width": 1180, "height": 760}


class Camera:
    """One window of one person."""

    def __init__(
        self, browser: Browser, sandbox: Sandbox, role: str = "marketing_user", *, phone: bool = False, dark: bool = False
    ) -> None:
        self.context = browser.new_context(
            viewport=PHONE if phone else DESK, device_scale_factor=2 if phone else 1, color_scheme="dark" if dark else "light"
        )
        self.desk = sandbox.desk(role)
        self.page: Page = self.context.new_page()
        self.page.add_init_script(f"localStorage.setItem('person', '{self.desk.user}')")
        self.page.goto(sandbox.base_url)

    def say(self, words: str) -> None:
        """Types a command."""
        self.page.locator("#composer").fill(words)
        self.page.keyboard.press("Enter")

    def go(self, place: str) -> None:
        """Opens a conversation by its name, or the direct message with the app."""
        menu = self.page.get_by_role("button", name="Open the menu")
        if menu.is_visible():
            menu.click()
        row = (
            self.page.locator("[data-channel^=D]")
            if place == "segsync"
            else self.page.get_by_role("button", name=re.compile(f"^{place}"))
        )
        row.click()

    def take(self, name: str) -> None:
        """Keeps the picture, once the page is at rest."""
        self.page.wait_for_timeout(600)
        path = DOCS / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)

    def close(self) -> None:
        """Closes what is open, and the window."""
        self.desk.close_all()
        self.context.close()


def main() -> None:
    """Starts a demo, brings each screen about, takes the pictures."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        demo = Demo(Path(folder) / "data")
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=[*FLAGS])
        try:
            for scene in SCENES:
                scene(browser, demo.sandbox)
            shown = [*OTHERS, *((name, words) for name, _, _, words in ANSWERS)]
            lines = [f"## {words}\n\n![{words}](screens/{name}.png)\n" for name, words in shown]
            (DOCS / "screens.md").write_text(
                "# Screens\n\nAs the demo shows them; taken by `make screenshots`.\n\n" + "\n".join(lines)
            )
        finally:
            browser.close()
            demo.stop()


def workspace(browser: Browser, sandbox: Sandbox) -> None:
    """The picture of the README: a form being filled in over the overview."""
    camera = Camera(browser, sandbox)
    camera.say("/segsync")
    expect(camera.page.get_by_text("syncs in use")).to_be_visible()
    camera.take("screens/overview")
    camera.say("/segsync create")
    expect(camera.page.get_by_role("dialog")).to_be_visible()
    camera.take("screens/create")
    pick(camera.page, "Segment", "EMEA brand")
    pick(camera.page, "Channel", "Meta")
    account = camera.page.get_by_role("dialog").get_by_role("button", name=re.compile("^Ad account: "))
    account.click()
    camera.page.get_by_role("listbox").get_by_role("option").first.click()
    camera.take("workspace")
    camera.close()


def pick(page: Page, label: str, typed: str) -> None:
    """Chooses the first of what a search in a select finds."""
    page.get_by_role("dialog").get_by_role("button", name=re.compile(f"^{label}: ")).click()
    page.get_by_role("combobox", name=f"Search {label}").fill(typed)
    page.get_by_role("listbox").get_by_role("option", name=re.compile(typed, re.IGNORECASE)).first.click()
    page.wait_for_timeout(500)


def answers(browser: Browser, sandbox: Sandbox) -> None:
    """What each command answers, to whom it is for."""
    for name, role, words, _ in ANSWERS:
        camera = Camera(browser, sandbox, role)
        camera.say(words)
        camera.page.wait_for_timeout(1500)
        camera.take(f"screens/{name}")
        camera.close()


def approval(browser: Browser, sandbox: Sandbox) -> None:
    """A colleague asks, an administrator decides: on the phone, too."""
    asker = sandbox.desk("marketing_user", nth=1)
    asker.type("/segsync pause S-1")
    asker.sees_in_view("campaign")
    asker.submit({"note": {"request.note": "The webinar is over; the budget goes to the autumn campaign."}})
    asker.sees_in_view("have been asked")
    asker.close_all()
    for name, phone in (("approval", False), ("approval-phone", True)):
        camera = Camera(browser, sandbox, "abm_admin", phone=phone)
        camera.go("segsync-approvals")
        expect(camera.page.get_by_role("button", name="Approve")).to_be_visible()
        camera.take(f"screens/{name}")
        camera.close()


def trouble(browser: Browser, sandbox: Sandbox) -> None:
    """An alert at seven in the morning, and the same once it is over."""
    sandbox.fault("meta", "account_disabled")
    owner = sandbox.desk("marketing_user")
    owner.type("/segsync refresh S-1")
    owner.sees("ad account is disabled", timeout_s=60)
    for name, phone, dark in (("alert", False, False), ("alert-phone", True, True)):
        camera = Camera(browser, sandbox, "primary_admin", phone=phone, dark=dark)
        camera.go("segsync-alerts")
        expect(camera.page.get_by_role("button", name="Acknowledge").last).to_be_visible()
        camera.take(f"screens/{name}")
        camera.close()
    sandbox.well()
    owner.type("/segsync refresh S-1")
    owner.sees("[Rr]esolved", timeout_s=60)
    camera = Camera(browser, sandbox, "primary_admin")
    camera.go("segsync-alerts")
    camera.take("screens/alert-resolved")
    camera.close()


def alert_kinds(browser: Browser, sandbox: Sandbox) -> None:
    """Every alert of the catalogue, posted as the product draws it by an app that stands beside it."""
    tokens = sandbox.post("/control/slack-app", {"name": "Every alert", "commands": []})
    client = WebClient(token=tokens["bot_token"], base_url=f"{sandbox.base_url}/slack/api/")
    now = datetime.now(UTC)
    sync = Sync(
        id="s", org_id="T", number=42, name="EMEA brand", segment_source="files", segment_id="emea", segment_name="EMEA brand",
        segment_kind=SegmentKind.CONTACTS, channel=Channel.META, account_id="1", account_name="Acme EU",
        owner_id=sandbox.desk("marketing_user").user, run_as="c", status=SyncStatus.FAILED, cadence=Cadence("daily", "UTC"),
        created_at=now, refreshed_at=now, delivered=12_400,
    )  # fmt: skip
    for code, trouble in CATALOGUE.items():
        alert = Alert(code, "T", code, code, trouble.severity, AlertState.OPEN, now, now, channel=Channel.META, sync_ids=("s",))
        message = alert_message(AlertView(alert, (sync,), url="https://adsmanager.facebook.com/"))
        client.chat_postMessage(channel="C01GENERAL", **message)
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    page = context.new_page()
    page.add_init_script(f"localStorage.setItem('person', '{sandbox.desk('viewer').user}')")
    page.goto(sandbox.base_url)
    expect(page.locator("article").last).to_be_visible()
    page.add_style_tag(content="#workspace{height:auto!important}#messages{overflow:visible!important}")
    shown = "(part) => document.querySelectorAll('article').forEach((a, n) => { a.hidden = Math.floor(n / 10) !== part; })"
    for part in range(-(-len(CATALOGUE) // 10)):
        page.evaluate(shown, part)
        page.wait_for_timeout(500)
        page.locator("#messages").screenshot(path=DOCS / "screens" / f"alert-kinds-{part + 1}.png")
    context.close()


def home(browser: Browser, sandbox: Sandbox) -> None:
    """The Home tab, light and dark, on a desk and on a phone."""
    for name, phone, dark in (("home", False, False), ("home-dark", False, True), ("home-phone", True, False)):
        camera = Camera(browser, sandbox, phone=phone, dark=dark)
        camera.go("segsync")
        camera.page.get_by_role("tab", name="Home").click()
        camera.page.wait_for_timeout(1500)
        camera.take(f"screens/{name}")
        camera.close()


# picture, whose screen, what is typed, what it shows
ANSWERS = (
    ("list", "marketing_user", "/segsync list", "All syncs, filtered and paged in place"),
    ("details", "marketing_user", "/segsync show S-1", "One sync, whole"),
    ("pause", "marketing_user", "/segsync pause S-1", "A pause states its impact first"),
    ("edit", "marketing_user", "/segsync edit S-1", "Name, cadence, days and guard"),
    ("delete", "marketing_user", "/segsync delete S-1", "What stays on the channel, and what goes"),
    ("connect", "marketing_user", "/segsync connect", "Everybody's own connections"),
    ("notifications", "marketing_user", "/segsync notifications", "What one is told, and when not"),
    ("help", "marketing_user", "/segsync help", "Help for one's own role"),
    ("usage", "abm_admin", "/segsync usage", "The sync limit, its trend, and what could be paused"),
    ("alerts", "abm_admin", "/segsync alerts", "Open alerts"),
    ("people", "abm_admin", "/segsync people", "Who has which role, and is connected to what"),
    ("roles", "primary_admin", "/segsync roles", "Giving a role"),
    ("settings", "primary_admin", "/segsync settings", "What administrators set"),
    ("audit", "primary_admin", "/segsync audit", "Who did what, when, from where"),
    ("lookup", "primary_admin", "/segsync lookup", "Whether somebody is in an audience, for access and erasure requests"),
    ("digest", "primary_admin", "/segsync digest", "The week in one message"),
)
OTHERS = (
    ("overview", "`/segsync` alone"),
    ("create", "A new sync"),
    ("home", "The Home tab"),
    ("home-dark", "The same at night"),
    ("home-phone", "The same on a phone"),
    ("approval", "A request in the approval conversation"),
    ("approval-phone", "The same on a phone"),
    ("alert", "An alert in its conversation"),
    ("alert-phone", "The same on a phone"),
    ("alert-kinds-1", "Every alert there is"),
    ("alert-kinds-2", "Every alert there is, continued"),
    ("alert-kinds-3", "Every alert there is, to its end"),
    ("alert-resolved", "It says itself when it is over"),
)
SCENES: list[Callable[[Browser, Sandbox], None]] = [workspace, home, answers, approval, trouble, alert_kinds]

if __name__ == "__main__":
    main()
