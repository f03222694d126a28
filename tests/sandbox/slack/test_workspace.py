"""People, conversations, installation, events, weather, and what a restart keeps."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from slack_bolt import App, BoltResponse
from slack_sdk.errors import SlackApiError

from tests.sandbox.slack.drive import ANA, GENERAL, GUS, MIA, Drive, bolt, running


def everything(heard: list[Any]) -> Any:
    """An app that notes every event."""

    def prepare(app: App) -> None:
        @app.middleware
        def keep(body: Any) -> BoltResponse:
            heard.append(body.get("event") or body)
            return BoltResponse(status=200)

    return prepare


def events(heard: list[Any], kind: str) -> list[Any]:
    return [event for event in heard if event.get("type") == kind]


def test_changes_of_people_and_conversations_are_told(drive: Drive) -> None:
    heard: list[Any] = []
    with bolt(drive, everything(heard)):
        drive.post("person", user=MIA, name="Mia Chen-Ruiz", tz="Europe/Paris", guest=True)
        told = drive.until(lambda: events(heard, "user_change"))[0]["user"]
        assert (told["real_name"], told["tz"], told["is_restricted"]) == ("Mia Chen-Ruiz", "Europe/Paris", True)
        drive.post("person", user=MIA, guest=False, deleted=True)
        drive.until(lambda: len(events(heard, "user_change")) == 2)
        assert drive.refused("message", user=MIA, channel=GENERAL, text="x") == 404
        new = drive.post("person", name="Nora New")["id"]
        assert drive.until(lambda: events(heard, "team_join"))[0]["user"]["id"] == new
        drive.post("channel", channel=GENERAL, ext_shared=True)
        drive.until(lambda: events(heard, "channel_shared"))
        drive.post("channel", channel=GENERAL, archived=True)
        assert drive.until(lambda: events(heard, "channel_archive"))[0]["channel"] == GENERAL
        drive.post("channel", channel="C02ALERTS", app_member=False)
        drive.until(lambda: events(heard, "channel_left"))
        drive.post("channel", channel="C02ALERTS", app_member=True)
        assert drive.until(lambda: events(heard, "member_joined_channel"))[0]["user"] == drive.slack.ours.bot_user_id
    assert drive.refused("person", user="U0", deleted=True) == 404
    assert drive.refused("person", user=ANA, tz="Mars") == 400
    assert drive.refused("channel", channel="C0", archived=True) == 404


def test_links_are_shared_and_unfurled(drive: Drive) -> None:
    heard: list[Any] = []
    url = f"{drive.base}/app/s/S-42"
    with bolt(drive, everything(heard)) as app:
        drive.post("message", user=MIA, channel=GENERAL, text=f"look: {url} and https://example.com/x")
        shared = drive.until(lambda: events(heard, "link_shared"))[0]
        assert shared["links"] == [{"url": url, "domain": "127.0.0.1"}]
        card = {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "card"}}]}
        app.client.chat_unfurl(channel=shared["channel"], ts=shared["message_ts"], unfurls={url: card})
        (message,) = drive.messages()
        assert message["attachments"][0]["blocks"][0]["block_id"]
        app.client.chat_unfurl(unfurl_id=shared["unfurl_id"], source=shared["source"], unfurls={url: card})
        assert len(drive.messages()[0]["attachments"]) == 1
        for wrong, arguments in (
            ("cannot_unfurl_url", {"unfurls": {"https://other": card}}),
            ("missing_unfurls", {}),
            ("cannot_find_message", {"ts": "1.1", "unfurls": {url: card}}),
        ):
            with pytest.raises(SlackApiError, match=wrong):
                app.client.api_call("chat.unfurl", json={"channel": GENERAL, "ts": message["ts"], **arguments})


def test_shortcuts_of_the_workspace_and_of_a_message(drive: Drive) -> None:
    heard: list[Any] = []
    with bolt(drive, everything(heard)):
        drive.post("shortcut", user=MIA, callback_id="create")
        shortcut = drive.until(lambda: events(heard, "shortcut"))[0]
        assert shortcut["callback_id"] == "create"
        assert "channel" not in shortcut
        ts = drive.post("message", user=MIA, channel=GENERAL, text="about this")["ts"]
        drive.post("shortcut", user=MIA, callback_id="about", message={"channel": GENERAL, "ts": ts})
        action = drive.until(lambda: events(heard, "message_action"))[0]
        assert (action["message"]["text"], action["channel"]["id"]) == ("about this", GENERAL)


def test_what_is_not_there_is_404_and_what_cannot_be_read_400(drive: Drive) -> None:
    assert drive.refused("command", user="U0", channel=GENERAL, text="/segsync") == 404
    assert drive.refused("command", user=GUS, channel="C02ALERTS", text="/segsync") == 404
    assert drive.refused("command", user=MIA, channel=GENERAL, text="/nothing") == 404
    assert drive.refused("command", user=MIA, channel=GENERAL, text="hello") == 400
    assert drive.refused("command", user=MIA, channel=GENERAL) == 400
    assert drive.refused("click", user=MIA, container="x", action_id="a") == 400
    assert drive.refused("click", user=MIA, container={"view_id": "V0"}, action_id="a") == 404
    assert drive.refused("submit", user=MIA, view_id="V0") == 404
    assert drive.refused("message", user=MIA, channel=GENERAL, text="x", thread_ts="1.1") == 404
    assert drive.refused("slack-app", name="x", commands=["/segsync"]) == 400
    assert drive.http.get("/control/screen", params={"user": "U0"}).status_code == 404
    assert drive.http.post("/control/message", content=b"{").status_code == 400


def test_an_app_is_installed_with_oauth(drive: Drive) -> None:
    back = "http://127.0.0.1:1/back"
    given = drive.post("slack-app", name="asks", commands=[], redirect_urls=[back])
    query = {"client_id": given["client_id"], "scope": "chat:write,commands", "redirect_uri": back, "state": "s1"}
    page = drive.http.get("/slack/oauth/v2/authorize", params=query)
    assert "asks is requesting permission" in page.text
    assert "chat:write" in page.text
    refused = drive.http.post("/slack/oauth/v2/authorize", data=query | {"decision": "cancel"})
    assert parse_qs(urlsplit(refused.headers["location"]).query) == {"state": ["s1"], "error": ["access_denied"]}
    drive.http.cookies.set("sandbox_person", ANA)
    allowed = drive.http.post("/slack/oauth/v2/authorize", data=query | {"decision": "allow"})
    code = parse_qs(urlsplit(allowed.headers["location"]).query)["code"][0]
    web, keys = drive.web(), {"client_id": given["client_id"], "client_secret": given["client_secret"]}
    with pytest.raises(SlackApiError, match="bad_client_secret"):
        web.oauth_v2_access(client_id=given["client_id"], client_secret="no", code=code)
    token = web.oauth_v2_access(**keys, code=code, redirect_uri=back)
    assert (token["scope"], token["authed_user"]["id"], token["token_type"]) == ("chat:write,commands", ANA, "bot")
    assert drive.web(token["access_token"]).chat_postMessage(channel=GENERAL, text="in")["ok"]
    with pytest.raises(SlackApiError, match="missing_scope"):
        drive.web(token["access_token"]).users_info(user=MIA)
    with pytest.raises(SlackApiError, match="invalid_code"):
        web.oauth_v2_access(**keys, code=code)
    wrong = drive.http.get("/slack/oauth/v2/authorize", params=query | {"redirect_uri": "http://evil/"})
    assert (wrong.status_code, "bad_redirect_uri" in wrong.text) == (400, True)


def test_faults_strike_as_often_as_told_and_the_pace_delays(drive: Drive) -> None:
    head = {"Authorization": f"Bearer {drive.slack.ours.bot_token}"}

    def call() -> httpx.Response:
        return drive.http.post("/slack/api/auth.test", headers=head)

    drive.slack.set_fault("http_500", 1, None)
    drive.slack.set_fault("rate_limited", 1, "auth.test")
    assert [call().status_code for _ in range(3)] == [500, 429, 200]
    drive.slack.set_fault("reset", 1, "auth.test")
    with pytest.raises(httpx.TransportError):
        call()
    drive.slack.set_fault("http_500", None, "chat.postMessage")
    assert call().json()["ok"]
    drive.slack.clear()
    assert drive.web().chat_postMessage(channel=GENERAL, text="well")["ok"]
    drive.slack.set_pace(0.2)
    assert call().elapsed.total_seconds() >= 0.2
    drive.slack.set_pace(0)
    drive.on_loop(_do(lambda: drive.slack.set_fault("token_revoked")))
    drive.slack.clear()
    assert call().json()["error"] == "token_revoked"


async def _do(work: Any) -> None:
    work()


def test_slacks_real_limits_can_be_switched_on(tmp_path: Path) -> None:
    with running(tmp_path, rate_limits=True) as drive:
        head = {"Authorization": f"Bearer {drive.slack.ours.bot_token}"}
        answers = [drive.http.post("/slack/api/users.list", headers=head) for _ in range(21)]
        assert [a.status_code for a in answers] == [200] * 20 + [429]
        assert answers[-1].json() == {"ok": False, "error": "ratelimited"}
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


def test_a_restart_shows_the_same_workspace(tmp_path: Path) -> None:
    with running(tmp_path) as drive:
        before = drive.slack.ours
        other = drive.post("slack-app", name="stays", commands=["/stays"])
        drive.post("person", user=MIA, name="Mia M")
        drive.post("channel", channel="C02ALERTS", ext_shared=True, app_member=False)
        drive.web().chat_postMessage(channel=GENERAL, text="kept")
        drive.web().chat_postMessage(channel=MIA, text="kept too")
        gone = drive.web().chat_postMessage(channel=GENERAL, text="gone")["ts"]
        drive.web().chat_delete(channel=GENERAL, ts=gone)
        drive.web().files_upload_v2(channel=GENERAL, filename="x.csv", content="1;2")
        drive.web().views_publish(user_id=MIA, view={"type": "home", "blocks": [{"type": "divider"}]})
        screen = drive.screen()
    with running(tmp_path) as drive:
        after = drive.slack.ours
        assert (after.bot_token, after.app_token, after.signing_secret) == (
            before.bot_token,
            before.app_token,
            before.signing_secret,
        )
        assert drive.web(other["bot_token"]).auth_test()["user"] == "stays"
        now = drive.screen()
        assert [m["text"] for m in now["channels"][GENERAL]] == ["kept", ""]
        assert now["channels"].keys() == screen["channels"].keys()
        assert now["home"]["blocks"] == screen["home"]["blocks"]
        (file,) = drive.http.get("/control/files", params={"user": MIA}).json()
        assert drive.http.get(file["url"]).text == "1;2"
        assert "Mia M" in [p["name"] for p in drive.http.get("/control/people").json()]
        shared = drive.web().conversations_info(channel="C02ALERTS")["channel"]
        assert (shared["is_ext_shared"], shared["is_member"]) == (True, False)


def test_the_page_hears_what_changes(drive: Drive) -> None:
    with drive.http.stream("GET", "/page/events", params={"user": MIA}) as stream:
        lines = (line for line in stream.iter_lines() if line)
        assert next(lines) == 'data: {"what":"hello"}'
        drive.web().chat_postMessage(channel=GENERAL, text="x")
        assert next(lines) == 'data: {"what":"message","channel":"C01GENERAL"}'
        drive.web().views_publish(user_id=MIA, view={"type": "home", "blocks": []})
        assert next(lines) == 'data: {"what":"home"}'
    details = drive.http.get("/page/details", params={"user": MIA}).json()
    assert details["apps"][0]["commands"] == ["/segsync"]
    assert drive.http.get(f"/slack/avatar/{MIA}.svg").headers["content-type"] == "image/svg+xml"


def test_a_card_below_a_message_belongs_to_the_app_that_unfurled_it(drive: Drive) -> None:
    heard: list[Any] = []
    given = drive.post("slack-app", name="cards", commands=[])
    url = "https://example.com/x"
    ts = drive.web().chat_postMessage(channel=GENERAL, text=url)["ts"]
    press = {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}}
    card = {"blocks": [{"type": "actions", "elements": [press]}]}
    with bolt(drive, everything(heard), bot=given["bot_token"], link=given["app_token"]) as app:
        app.client.chat_unfurl(channel=GENERAL, ts=ts, unfurls={url: card})
        drive.post("click", user=MIA, container={"channel": GENERAL, "ts": ts}, action_id="go")
        body = drive.until(lambda: events(heard, "block_actions"))[0]
        container = body["container"]
        assert (container["type"], container["is_app_unfurl"], container["app_unfurl_url"]) == ("message_attachment", True, url)
        assert body["api_app_id"] == given["app_id"]


def test_people_upload_files_too(drive: Drive) -> None:
    heard: list[Any] = []
    with bolt(drive, everything(heard)):
        file = drive.post("upload", user=MIA, name="list.csv", content="a;b", channel=drive.dm(MIA))
        event = drive.until(lambda: events(heard, "message"))[0]
        assert (event["subtype"], event["files"][0]["id"]) == ("file_share", file["id"])
        drive.until(lambda: events(heard, "file_shared"))
        (listed,) = drive.http.get("/control/files", params={"user": MIA}).json()
        assert listed == {"id": file["id"], "name": "list.csv", "channel": drive.dm(MIA), "size": 3, "url": file["url"]}
        assert drive.http.get("/control/files", params={"user": ANA}).json() == []


def test_a_stranger_of_slack_connect_is_told_apart(drive: Drive) -> None:
    stranger = drive.post("person", name="Petra Partner", stranger=True)["id"]
    user = drive.web().users_info(user=stranger)["user"]
    assert (user["is_stranger"], user["team_id"]) == (True, "T09PARTNER")


def test_an_app_of_its_guide_hears_what_is_said_in_channels_and_ours_does_not(drive: Drive) -> None:
    given = drive.post("slack-app", name="guide", commands=[])
    ours: list[Any] = []

    def guide(app: App) -> None:
        @app.message("hello")
        def hello(message: Any, say: Any) -> None:
            say(f"Hey there <@{message['user']}>!")

    with bolt(drive, everything(ours)), bolt(drive, guide, bot=given["bot_token"], link=given["app_token"]):
        drive.post("message", user=MIA, channel=GENERAL, text="hello")
        said = drive.until(lambda: drive.messages()[1:])[0]
        assert (said["text"], said["user"]) == (f"Hey there <@{MIA}>!", given["bot_user_id"])
        assert events(ours, "message") == []


def test_each_app_has_its_home_and_the_one_opened_last_is_on_screen(drive: Drive) -> None:
    given = drive.post("slack-app", name="other", commands=[])
    theirs = {"type": "home", "callback_id": "theirs", "blocks": []}

    def publishes(app: App) -> None:
        @app.event("app_home_opened")
        def opened(event: Any, client: Any) -> None:
            client.views_publish(user_id=event["user"], view=theirs)

    drive.web().views_publish(user_id=MIA, view={"type": "home", "callback_id": "ours", "blocks": []})
    assert drive.screen()["home"]["callback_id"] == "ours"
    with bolt(drive, publishes, bot=given["bot_token"], link=given["app_token"]):
        drive.post("home", user=MIA, app="other")
        drive.until(lambda: drive.screen()["home"]["callback_id"] == "theirs")
    drive.http.post("/control/slack-uninstall", json={"app_id": given["app_id"]})
    assert drive.screen()["home"]["callback_id"] == "ours"
