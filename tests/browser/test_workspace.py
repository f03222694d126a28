"""The workspace in Chromium, with an app of a few lines behind it."""

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from slack_bolt import Ack, App
from slack_sdk import WebClient

from tests.browser import gallery
from tests.sandbox.slack.drive import ANA, GENERAL, Drive, bolt, running


class Notes:
    """What the app heard."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.submissions: list[dict[str, Any]] = []


def sample(notes: Notes, fields: list[str]) -> Callable[[App], None]:
    """An app that opens the gallery's modal, answers searches, and refuses one name."""

    def prepare(app: App) -> None:
        @app.command("/segsync")
        def command(ack: Ack, body: dict[str, Any], client: WebClient) -> None:
            ack()
            view = copy.deepcopy(gallery.MODAL)
            view["blocks"] = [b for b in view["blocks"] if not fields or b.get("block_id") in fields]
            client.views_open(trigger_id=body["trigger_id"], view=view)

        @app.options("search")
        def search(ack: Ack, payload: dict[str, Any]) -> None:
            found = [f"Segment {n}" for n in range(200) if payload["value"].lower() in f"segment {n}"]
            ack(options=[{"text": gallery.plain(name), "value": name} for name in found[:100]])

        @app.view("all")
        def saved(ack: Ack, view: dict[str, Any]) -> None:
            values = view["state"]["values"]
            if values["name"]["name"]["value"] == "Nobody":
                return ack(response_action="errors", errors={"name": "There is nobody of this name."})
            notes.submissions.append(values)
            return ack()

        @app.action(re.compile(".*"))
        def pressed(ack: Ack, action: dict[str, Any], client: WebClient, body: dict[str, Any]) -> None:
            ack()
            notes.heard.append((action["action_id"], action.get("value") or action.get("selected_option", {}).get("value")))
            if action["action_id"] == "details":
                client.chat_update(channel=body["channel"]["id"], ts=body["message"]["ts"], text="Changed in place", blocks=[])

    return prepare


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Drive]:
    with running(tmp_path) as started:
        yield started


def opened(page: Page, drive: Drive) -> Page:
    page.goto(drive.base)
    expect(page.get_by_role("heading", name="# general")).to_be_visible()
    return page


def say(page: Page, words: str) -> None:
    page.locator("#composer").fill(words)
    page.keyboard.press("Enter")


def choose(dialog: Locator, page: Page, label: str, typed: str, option: str | re.Pattern[str]) -> None:
    dialog.get_by_role("button", name=re.compile(f"^{label}: ")).click()
    page.get_by_role("combobox", name=f"Search {label}").fill(typed)
    page.get_by_role("listbox").get_by_role("option", name=option, exact=isinstance(option, str)).click()


def test_every_block_is_drawn(page: Page, drive: Drive) -> None:
    for blocks in gallery.MESSAGES:
        drive.web().chat_postMessage(channel=GENERAL, text="gallery", blocks=copy.deepcopy(blocks))
    opened(page, drive)
    messages = page.get_by_role("region", name="Messages")
    expect(messages.locator("article")).to_have_count(len(gallery.MESSAGES))
    kinds = {block["type"].replace("_", "-") for blocks in gallery.MESSAGES for block in blocks}
    for kind in sorted(kinds):
        assert messages.locator(f".block-{kind}").count() > 0, kind
    expect(messages.locator("svg[role=img]")).to_have_count(4)
    expect(messages.get_by_text("@Mia Chen")).to_be_visible()
    expect(messages.get_by_role("link", name="a link")).to_have_attribute("href", "https://example.com")
    expect(messages.get_by_text("🚀")).to_be_visible()
    rows = messages.locator(".block-data-table tbody tr")
    expect(rows).to_have_count(3)
    messages.get_by_role("button", name="Size").click()
    expect(rows.first).to_contain_text("S-7")


def test_buttons_menus_and_confirmations_reach_the_app(page: Page, drive: Drive) -> None:
    notes = Notes()
    with bolt(drive, sample(notes, [])):
        drive.web().chat_postMessage(channel=GENERAL, text="gallery", blocks=copy.deepcopy(gallery.MESSAGES[0]))
        opened(page, drive)
        page.get_by_role("button", name="Remove").click()
        page.get_by_role("dialog", name="Remove it?").get_by_role("button", name="Keep").click()
        page.get_by_role("button", name="Apply").click()
        page.get_by_role("button", name="More actions").click()
        page.get_by_role("menuitem", name="Green").click()
        page.get_by_role("button", name="Remove").click()
        page.get_by_role("dialog", name="Remove it?").get_by_role("button", name="Remove").click()
        page.get_by_role("button", name="Details").click()
        expect(page.get_by_text("Changed in place")).to_be_visible()
    assert notes.heard == [("apply", "Apply"), ("more", "green"), ("remove", "Remove"), ("details", "Details")]


def test_a_modal_is_filled_refused_and_saved(page: Page, drive: Drive) -> None:
    notes = Notes()
    with bolt(drive, sample(notes, [])):
        opened(page, drive)
        say(page, "/segsync")
        dialog = page.get_by_role("dialog", name="Every input")
        expect(dialog).to_be_visible()
        dialog.get_by_label("Name").fill("Nobody")
        dialog.get_by_label("Amount").fill("12")
        choose(dialog, page, "Colour", "gre", "Green")
        choose(dialog, page, "Search", "segment 17", "Segment 17")
        dialog.get_by_label("Red").first.click()
        dialog.get_by_role("button", name="Save").click()
        expect(dialog.get_by_text("There is nobody of this name.")).to_be_visible()
        dialog.get_by_label("Name").fill("Somebody")
        choose(dialog, page, "Person", "ana", re.compile("^Ana Ruiz"))
        dialog.get_by_label("Day").fill("2026-12-24")
        dialog.get_by_label("Day").press("Tab")
        dialog.get_by_role("button", name="Save").click()
        expect(dialog).to_be_hidden()
        expect(page.locator("#composer")).to_be_focused()
    (saved,) = notes.submissions
    assert saved["name"]["name"]["value"] == "Somebody"
    assert saved["amount"]["amount"]["value"] == "12"
    assert saved["colour"]["colour"]["selected_option"]["value"] == "green"
    assert saved["search"]["search"]["selected_option"]["value"] == "Segment 17"
    assert saved["choice"]["choice"]["selected_option"]["value"] == "red"
    assert saved["person"]["person"]["selected_user"] == ANA
    assert saved["day"]["day"]["selected_date"] == "2026-12-24"


def test_the_keyboard_alone_is_enough(page: Page, drive: Drive) -> None:
    notes = Notes()
    with bolt(drive, sample(notes, ["name", "colour"])):
        opened(page, drive)
        page.locator("#composer").focus()
        page.keyboard.type("/seg")
        expect(page.get_by_role("option", name="/segsync segsync")).to_be_visible()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Every input")
        expect(dialog.get_by_label("Name")).to_be_focused()
        page.keyboard.type("Somebody")
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowDown")
        expect(page.get_by_role("listbox")).to_be_visible()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(dialog.get_by_role("button", name="Colour: Green")).to_be_visible()
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(dialog).to_be_hidden()
    assert notes.submissions[0]["colour"]["colour"]["selected_option"]["value"] == "green"


def test_escape_closes_what_is_on_top(page: Page, drive: Drive) -> None:
    notes = Notes()
    with bolt(drive, sample(notes, ["name", "colour"])):
        opened(page, drive)
        say(page, "/segsync")
        dialog = page.get_by_role("dialog", name="Every input")
        dialog.get_by_role("button", name=re.compile("^Colour")).click()
        expect(page.get_by_role("listbox")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("listbox")).to_be_hidden()
        expect(dialog).to_be_visible()
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()


def test_news_arrives_without_reload_and_says_so(page: Page, drive: Drive) -> None:
    opened(page, drive)
    dm = drive.dm("U03MIACHEN")
    drive.web().chat_postMessage(channel=dm, text="S-42 failed :warning:")
    expect(page.get_by_role("status").get_by_text("S-42 failed ⚠️")).to_be_visible()
    place = page.get_by_role("button", name=re.compile("segsync"))
    expect(place.get_by_label("1 unread")).to_be_visible()
    page.locator(f"[data-channel={dm}]").click()
    expect(page.get_by_role("region", name="Messages").get_by_text("S-42 failed")).to_be_visible()
    expect(page.get_by_label("1 unread")).to_have_count(0)


def test_a_thread_opens_beside_and_takes_a_reply(page: Page, drive: Drive) -> None:
    first = drive.web().chat_postMessage(channel=GENERAL, text="The parent")
    drive.web().chat_postMessage(channel=GENERAL, text="The answer", thread_ts=first["ts"])
    opened(page, drive)
    page.get_by_role("button", name="1 reply").click()
    thread = page.get_by_role("complementary", name="Thread")
    expect(thread.get_by_text("The answer")).to_be_visible()
    thread.get_by_role("textbox", name="Reply").fill("Mine")
    thread.get_by_role("textbox", name="Reply").press("Enter")
    expect(thread.get_by_text("Mine")).to_be_visible()
    thread.get_by_role("button", name="Close the thread").click()
    page.locator("article").first.hover()
    page.locator("article").first.get_by_role("button", name="Reply in thread").click()
    expect(thread.get_by_text("The parent")).to_be_visible()
    assert [m["text"] for m in drive.messages() if m.get("thread_ts") and m["ts"] != m["thread_ts"]] == ["The answer", "Mine"]


def test_a_private_message_is_for_one_person_and_switching_shows_it(page: Page, drive: Drive) -> None:
    opened(page, drive)
    drive.web().chat_postEphemeral(channel=GENERAL, user=ANA, text="For Ana alone")
    drive.web().chat_postMessage(channel=GENERAL, text="For all")
    expect(page.get_by_text("For all")).to_be_visible()
    expect(page.get_by_text("For Ana alone")).to_have_count(0)
    page.get_by_label("Person you are").select_option(ANA)
    expect(page.get_by_text("For Ana alone")).to_be_visible()
    expect(page.get_by_text("Only visible to you")).to_be_visible()
    assert any(cookie["value"] == ANA for cookie in page.context.cookies())


def test_shortcuts_start_from_the_composer_and_from_a_message(page: Page, drive: Drive) -> None:
    heard: list[tuple[str, str | None]] = []

    def prepare(app: App) -> None:
        @app.shortcut(re.compile(".*"))
        def shortcut(ack: Ack, shortcut: dict[str, Any]) -> None:
            ack()
            heard.append((shortcut["type"], shortcut.get("message", {}).get("text")))

    tokens = drive.post("slack-app", name="Helper", commands=["/other"], shortcuts=["start_here"])
    with bolt(drive, prepare, bot=tokens["bot_token"], link=tokens["app_token"]):
        drive.web().chat_postMessage(channel=GENERAL, text="Look at me")
        opened(page, drive)
        page.get_by_role("button", name="Shortcuts", exact=True).click()
        page.get_by_role("menuitem", name="Start here").click()
        drive.until(lambda: heard)
        page.locator("article").hover()
        page.get_by_role("button", name="Message shortcuts").click()
        page.get_by_role("menuitem", name="Start here").click()
        drive.until(lambda: len(heard) == 2)
    assert heard == [("shortcut", None), ("message_action", "Look at me")]


def test_times_are_in_the_readers_zone(page: Page, drive: Drive) -> None:
    drive.web().chat_postMessage(channel=GENERAL, text="<!date^1767225600^{date_short_pretty} at {time}|1 January>")
    opened(page, drive)
    expect(page.get_by_text("Dec 31, 2025 at 7:00 PM")).to_be_visible()  # Mia is in New York
    page.get_by_label("Person you are").select_option(ANA)
    expect(page.get_by_text("Jan 1, 2026 at 1:00 AM")).to_be_visible()  # Ana is in Madrid


def test_the_payload_of_a_click_is_shown_as_the_app_received_it(page: Page, drive: Drive) -> None:
    with bolt(drive, sample(Notes(), [])):
        drive.web().chat_postMessage(channel=GENERAL, text="gallery", blocks=copy.deepcopy(gallery.MESSAGES[0]))
        opened(page, drive)
        page.get_by_role("button", name="Payloads").click()
        page.get_by_role("button", name="Apply").click()
        entry = page.get_by_role("complementary", name="Payloads").get_by_text("block_actions apply")
        entry.click()
        expect(page.get_by_text('"trigger_id"')).to_be_visible()


def test_a_phone_has_a_menu_and_the_payloads_are_shown(page: Page, drive: Drive) -> None:
    page.set_viewport_size({"width": 390, "height": 780})
    opened(page, drive)
    page.get_by_role("button", name="Open the menu").click()
    page.get_by_role("button", name="Dark or light").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.get_by_role("button", name="Payloads").click()
    page.get_by_role("button", name="Close the payloads").click()
    page.locator("[data-channel^=D]").click()
    expect(page.get_by_role("heading", name="segsync")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
