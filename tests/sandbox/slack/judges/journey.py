"""The journey that every judge takes: one small app, written with an official SDK as its guide says, driven by one person.

The app: `/judge` opens a modal; the name `bad` is refused inline; a good one closes it and posts a message with a button to
the person's DM; the button updates the message and uploads a file; the Home tab greets; a mention is answered in a thread;
`tokens_revoked` and `app_uninstalled` are heard.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.sandbox.slack.drive import GENERAL, MIA, Drive

MODAL: dict[str, Any] = {
    "type": "modal",
    "callback_id": "judge_form",
    "title": {"type": "plain_text", "text": "Judge"},
    "submit": {"type": "plain_text", "text": "Send"},
    "blocks": [
        {
            "type": "input",
            "block_id": "name",
            "label": {"type": "plain_text", "text": "Name"},
            "element": {"type": "plain_text_input", "action_id": "value"},
        }
    ],
}
HOME: dict[str, Any] = {
    "type": "home",
    "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "Judge's home"}}],
}


def button(name: str) -> list[dict[str, Any]]:
    """The blocks of the message that the submission posts."""
    press = {"type": "button", "action_id": "judge_go", "value": name, "text": {"type": "plain_text", "text": "Go"}}
    return [{"type": "actions", "block_id": "row", "elements": [press]}]


@dataclass(frozen=True)
class Installed:
    """What `/control/slack-app` gave for the judge's app."""

    bot_token: str
    app_token: str
    signing_secret: str
    bot_user_id: str
    client_id: str
    client_secret: str


def install(drive: Drive, name: str, request_url: str | None = None) -> Installed:
    """Install the judge's app beside ours."""
    body: dict[str, Any] = {"name": name, "commands": ["/judge"]}
    if request_url:
        body["request_url"] = request_url
    given = drive.post("slack-app", **body)
    return Installed(**{field: given[field] for field in Installed.__dataclass_fields__})


def take(drive: Drive, app: Installed, heard: Callable[[], list[str]]) -> None:
    """Go the whole way; `heard` lists the events that the app has noted so far."""
    answer = drive.post("command", user=MIA, channel=GENERAL, text="/judge open")
    assert answer["status"] == "ok"
    (view,) = drive.until(lambda: drive.screen()["modals"])
    assert view["title"]["text"] == "Judge"
    refused = drive.post("submit", user=MIA, view_id=view["id"], values={"name": {"value": "bad"}})
    assert refused == {"errors": {"name": "Choose another name"}}
    assert drive.post("submit", user=MIA, view_id=view["id"], values={"name": {"value": "Mia & co"}}) == {}
    dm = drive.dm(MIA, app.bot_user_id)
    (message,) = drive.until(lambda: drive.messages(dm))
    assert message["text"] == "Hello Mia & co"
    drive.post("click", user=MIA, container={"channel": dm, "ts": message["ts"]}, action_id="judge_go")
    drive.until(lambda: drive.messages(dm)[0]["text"] == "Done Mia & co")
    (file,) = drive.until(lambda: drive.http.get("/control/files", params={"user": MIA}).json())
    assert (file["name"], file["channel"], file["size"]) == ("report.csv", dm, 8)
    assert drive.http.get(file["url"]).text == "a,b\n1,2\n"
    drive.post("home", user=MIA)
    drive.until(lambda: (drive.screen()["home"] or {}).get("app_id") == view["app_id"])
    drive.post("message", user=MIA, channel=GENERAL, text=f"<@{app.bot_user_id}> are you there?")
    asked, said = drive.until(lambda: drive.messages() if len(drive.messages()) == 2 else None)
    assert (said["text"], said["thread_ts"]) == ("I am here", asked["ts"])
    gone = drive.web(app.bot_token).api_call(
        "apps.uninstall", params={"client_id": app.client_id, "client_secret": app.client_secret}
    )
    assert gone["ok"]
    drive.until(lambda: {"tokens_revoked", "app_uninstalled"} <= set(heard()))
    assert drive.refused("command", user=MIA, channel=GENERAL, text="/judge open") == 404
