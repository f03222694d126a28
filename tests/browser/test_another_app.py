"""Another team's bot, written as Bolt's getting-started guide has it: only the address of Slack differs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from slack_bolt import App

from tests.sandbox.slack.drive import Drive, bolt, running


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Drive]:
    with running(tmp_path) as started:
        yield started


def guide(app: App) -> None:
    """https://docs.slack.dev/tools/bolt-python/getting-started, word for word, and one command."""

    @app.message("hello")
    def message_hello(message: dict[str, Any], say: Any) -> None:
        say(
            blocks=[
                {
                    "type": "section",
                    "text": {"type": "mrkdwn", "text": f"Hey there <@{message['user']}>!"},
                    "accessory": {
                        "type": "button",
                        "text": {"type": "plain_text", "text": "Click Me"},
                        "action_id": "button_click",
                    },
                }
            ],
            text=f"Hey there <@{message['user']}>!",
        )

    @app.action("button_click")
    def action_button_click(body: dict[str, Any], ack: Any, say: Any) -> None:
        ack()
        say(f"<@{body['user']['id']}> clicked the button")

    @app.command("/echo")
    def echo(ack: Any, respond: Any, command: dict[str, Any]) -> None:
        ack()
        respond(f"{command['text']}")


def test_a_bot_of_a_few_lines_works_on_the_page(page: Page, drive: Drive) -> None:
    tokens = drive.post("slack-app", name="Getting started", commands=["/echo"])
    with bolt(drive, guide, bot=tokens["bot_token"], link=tokens["app_token"]):
        page.goto(drive.base)
        expect(page.get_by_role("button", name="Getting started")).to_be_visible()
        page.locator("#composer").fill("hello")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Hey there @Mia Chen!")).to_be_visible()
        page.get_by_role("button", name="Click Me").click()
        expect(page.get_by_text("@Mia Chen clicked the button")).to_be_visible()
        page.locator("#composer").fill("/ec")
        expect(page.get_by_role("option", name="Getting started")).to_be_visible()
        page.keyboard.press("Tab")
        page.keyboard.type("an echo")
        page.keyboard.press("Enter")
        expect(page.get_by_text("an echo", exact=True)).to_be_visible()
        expect(page.get_by_text("Only visible to you")).to_be_visible()
