"""Slack's Web API, called with its own client: answers, errors, limits of what an app may touch."""

import json
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from tests.sandbox.slack.drive import ANA, GENERAL, GUS, MIA, Drive


def error(drive: Drive, method: str, **arguments: Any) -> Any:
    """The answer of a call that has to be refused."""
    with pytest.raises(SlackApiError) as caught:
        drive.web().api_call(method, json=arguments)
    return caught.value.response.data


def test_a_call_may_come_as_json_as_a_form_or_as_multipart(drive: Drive) -> None:
    url, head = "/slack/api/chat.postMessage", {"Authorization": f"Bearer {drive.slack.ours.bot_token}"}
    blocks = [{"type": "divider"}]
    form = {"channel": GENERAL, "blocks": json.dumps(blocks), "token": drive.slack.ours.bot_token}
    for answer in (
        drive.http.post(url, json={"channel": GENERAL, "blocks": blocks}, headers=head),
        drive.http.post(url, data=form),
        drive.http.post(url, data=form, files={"unused": b""}),
    ):
        assert answer.json()["ok"], answer.text
        assert answer.json()["message"]["blocks"][0]["block_id"]


@pytest.mark.parametrize(
    ("body", "kind", "wrong"),
    [
        (b"{", "application/json", "invalid_json"),
        (b"[]", "application/json", "json_not_object"),
        (b"x", "text/x", "invalid_post_type"),
    ],
)
def test_a_body_that_cannot_be_read_is_named(drive: Drive, body: bytes, kind: str, wrong: str) -> None:
    answer = drive.http.post("/slack/api/api.test", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]) == (200, wrong)


def test_tokens_are_looked_at(drive: Drive) -> None:
    ours = drive.slack.ours
    for token, wrong in (("", "not_authed"), ("xoxb-no", "invalid_auth"), (ours.app_token, "not_allowed_token_type")):
        answer = drive.http.post("/slack/api/auth.test", headers={"Authorization": f"Bearer {token}"} if token else {})
        assert answer.json() == {"ok": False, "error": wrong}
    answer = drive.http.get("/slack/api/auth.test", params={"token": ours.bot_token})
    assert answer.json()["error"] == "not_authed"
    assert drive.http.post("/slack/api/no.such", json={}).json()["error"] == "unknown_method"
    test = drive.web().auth_test()
    assert (test["bot_id"], test["user_id"], test["team_id"]) == (ours.bot_id, ours.bot_user_id, "T01ACMEHQ")
    assert "chat:write" in test.headers["x-oauth-scopes"]


def test_a_missing_scope_says_what_is_needed_and_what_there_is(drive: Drive) -> None:
    drive.slack.ours.scopes = ["commands", "channels:read"]
    answer = error(drive, "chat.postMessage", channel=GENERAL, text="x")
    assert (answer["error"], answer["needed"], answer["provided"]) == ("missing_scope", "chat:write", "commands,channels:read")
    assert error(drive, "conversations.info", channel=drive.dm(MIA))["needed"] == "im:read"


def test_where_one_may_write(drive: Drive) -> None:
    assert error(drive, "chat.postMessage", channel="C0NONE", text="x")["error"] == "channel_not_found"
    assert error(drive, "chat.postMessage", channel=GENERAL)["error"] == "no_text"
    assert error(drive, "chat.postMessage", text="x")["error"] == "invalid_arguments"
    drive.post("channel", channel=GENERAL, app_member=False)
    assert drive.web().chat_postMessage(channel=GENERAL, text="public")["ok"]
    drive.slack.ours.scopes.remove("chat:write.public")
    assert error(drive, "chat.postMessage", channel=GENERAL, text="x")["error"] == "not_in_channel"
    drive.post("channel", channel=GENERAL, app_member=True, archived=True)
    assert error(drive, "chat.postMessage", channel=GENERAL, text="x")["error"] == "is_archived"
    assert drive.web().chat_postMessage(channel=MIA, text="dm")["channel"] == drive.dm(MIA)


def test_messages_are_changed_and_taken_back_by_their_author_alone(drive: Drive) -> None:
    web = drive.web()
    ts = web.chat_postMessage(channel=GENERAL, text="one", blocks=[{"type": "divider"}])["ts"]
    web.chat_update(channel=GENERAL, ts=ts, text="two")
    (message,) = drive.messages()
    assert message["text"] == "two"
    assert "blocks" not in message
    assert message["edited"]["user"] == drive.slack.ours.bot_user_id
    mine = drive.post("message", user=MIA, channel=GENERAL, text="mine")["ts"]
    assert error(drive, "chat.update", channel=GENERAL, ts=mine, text="x")["error"] == "cant_update_message"
    assert error(drive, "chat.delete", channel=GENERAL, ts=mine)["error"] == "cant_delete_message"
    assert error(drive, "chat.update", channel=GENERAL, ts="1.1", text="x")["error"] == "message_not_found"
    web.chat_delete(channel=GENERAL, ts=ts)
    assert [m["ts"] for m in drive.messages()] == [mine]


def test_an_ephemeral_message_is_for_one_and_cannot_be_updated(drive: Drive) -> None:
    ts = drive.web().chat_postEphemeral(channel=GENERAL, user=MIA, text="psst")["message_ts"]
    assert [(m["text"], m["ephemeral"]) for m in drive.messages()] == [("psst", True)]
    assert drive.messages(user=ANA) == []
    assert error(drive, "chat.update", channel=GENERAL, ts=ts, text="x")["error"] == "cant_update_message"
    wrong = error(drive, "chat.postEphemeral", channel="C02ALERTS", user=GUS, text="x")
    assert wrong["error"] == "user_not_in_channel"


def test_metadata_comes_back_only_when_asked_for(drive: Drive) -> None:
    web, note = drive.web(), {"event_type": "sync", "event_payload": {"id": 7}}
    web.chat_postMessage(channel=GENERAL, text="x", metadata=note)
    assert "metadata" not in web.conversations_history(channel=GENERAL)["messages"][0]
    asked = web.conversations_history(channel=GENERAL, include_all_metadata=True)["messages"][0]
    assert asked["metadata"] == note


def test_lists_come_in_pages(drive: Drive) -> None:
    web = drive.web()
    for n in range(5):
        web.chat_postMessage(channel=GENERAL, text=str(n))
    seen: list[str] = []
    cursor = ""
    while True:
        page = web.conversations_history(channel=GENERAL, limit=2, cursor=cursor)
        seen += [m["text"] for m in page["messages"]]
        cursor = page["response_metadata"]["next_cursor"]
        assert page["has_more"] is bool(cursor)
        if not cursor:
            break
    assert seen == ["4", "3", "2", "1", "0"]
    assert error(drive, "conversations.list", cursor="?")["error"] == "invalid_cursor"
    names = [c["name"] for c in web.conversations_list()["channels"]]
    assert names == ["general", "segsync-alerts", "segsync-approvals"]
    assert len(web.conversations_list(types="im,public_channel")["channels"]) == 3 + 6
    assert [c["id"] for c in web.users_conversations(user=GUS)["channels"]] == [GENERAL]
    assert MIA in web.conversations_members(channel=GENERAL)["members"]


def test_people_are_shown_as_slack_shows_them(drive: Drive) -> None:
    web = drive.web()
    user = web.users_info(user=MIA)["user"]
    assert (user["real_name"], user["tz"], user["is_restricted"]) == ("Mia Chen", "America/New_York", False)
    assert user["profile"]["email"] == "mia@acme.example"
    assert web.users_info(user=GUS)["user"]["is_restricted"] is True
    assert web.users_lookupByEmail(email="mia@acme.example")["user"]["id"] == MIA
    assert error(drive, "users.info", user="U0NO")["error"] == "user_not_found"
    drive.slack.ours.scopes.remove("users:read.email")
    assert "email" not in web.users_info(user=MIA)["user"]["profile"]
    assert {u["id"] for u in web.users_list()["members"]} >= {MIA, ANA, GUS, drive.slack.ours.bot_user_id}


def test_a_dm_is_opened(drive: Drive) -> None:
    assert drive.web().conversations_open(users=MIA)["channel"]["id"] == drive.dm(MIA)
    assert error(drive, "conversations.open")["error"] == "users_list_not_supplied"
    drive.post("person", user=MIA, deleted=True)
    assert error(drive, "conversations.open", users=MIA)["error"] == "user_disabled"


def test_threads(drive: Drive) -> None:
    web = drive.web()
    parent = web.chat_postMessage(channel=GENERAL, text="parent")["ts"]
    reply = web.chat_postMessage(channel=GENERAL, text="reply", thread_ts=parent)["ts"]
    web.chat_postMessage(channel=GENERAL, text="shown too", thread_ts=parent, reply_broadcast=True)
    assert [m["text"] for m in web.conversations_history(channel=GENERAL)["messages"]] == ["shown too", "parent"]
    thread = web.conversations_replies(channel=GENERAL, ts=parent)["messages"]
    assert [m["text"] for m in thread] == ["parent", "reply", "shown too"]
    assert thread[0]["reply_count"] == 2
    link = web.chat_getPermalink(channel=GENERAL, message_ts=reply)["permalink"]
    assert link.endswith(f"/archives/{GENERAL}/p{reply.replace('.', '')}?thread_ts={parent}&cid={GENERAL}")


def test_a_scheduled_message_comes_at_its_time(drive: Drive) -> None:
    web, now = drive.web(), int(drive.slack.space.ids.now())
    assert error(drive, "chat.scheduleMessage", channel=GENERAL, text="x", post_at=now - 5)["error"] == "time_in_past"
    far = now + 121 * 86_400
    assert error(drive, "chat.scheduleMessage", channel=GENERAL, text="x", post_at=far)["error"] == "time_too_far"
    web.chat_scheduleMessage(channel=GENERAL, text="later", post_at=now + 2)
    never = web.chat_scheduleMessage(channel=GENERAL, text="never", post_at=now + 3)["scheduled_message_id"]
    assert len(web.chat_scheduledMessages_list()["scheduled_messages"]) == 2
    web.chat_deleteScheduledMessage(channel=GENERAL, scheduled_message_id=never)
    drive.until(lambda: [m["text"] for m in drive.messages()] == ["later"])
    assert web.chat_scheduledMessages_list()["scheduled_messages"] == []


def test_files_go_up_in_three_steps_and_come_down_with_a_token(drive: Drive) -> None:
    web = drive.web()
    assert error(drive, "files.getUploadURLExternal", filename="x.csv")["error"] == "invalid_arguments"
    done = web.files_upload_v2(channel=GENERAL, filename="x.csv", content="1;2", initial_comment="look")
    file = done["files"][0]
    assert (file["name"], file["mimetype"], file["size"]) == ("x.csv", "text/csv", 3)
    assert drive.http.get(file["url_private"]).status_code == 403
    head = {"Authorization": f"Bearer {drive.slack.ours.bot_token}"}
    assert drive.http.get(file["url_private"], headers=head).text == "1;2"
    (message,) = drive.messages()
    assert message["text"] == "look"
    assert drive.http.get(message["files"][0]["url"]).text == "1;2"
    assert error(drive, "files.completeUploadExternal", files=[{"id": "F0"}])["error"] == "file_not_found"
    empty = web.files_getUploadURLExternal(filename="y", length=1)
    unsent = error(drive, "files.completeUploadExternal", files=[{"id": empty["file_id"]}])
    assert unsent["error"] == "file_not_found"
    web.files_delete(file=file["id"])
    assert drive.http.get("/control/files", params={"user": MIA}).json() == []


def test_views_are_refused_with_slacks_words(drive: Drive) -> None:
    assert error(drive, "views.open", trigger_id="1.2.3", view={})["error"] == "invalid_trigger_id"
    answer = error(drive, "views.publish", user_id=MIA, view={"type": "home"})
    assert answer["error"] == "invalid_arguments"
    assert "[ERROR] missing required field: blocks [json-pointer:/view]" in answer["response_metadata"]["messages"]
    home = {"type": "home", "blocks": []}
    view = drive.web().views_publish(user_id=MIA, view=home)["view"]
    assert error(drive, "views.publish", user_id=MIA, view=home, hash="old")["error"] == "hash_conflict"
    assert drive.web().views_publish(user_id=MIA, view=home, hash=view["hash"])["ok"]
    assert error(drive, "views.update", view_id="V0", view=home)["error"] == "not_found"
    large = {"type": "home", "blocks": [], "private_metadata": "x" * 260_000}
    assert error(drive, "views.publish", user_id=MIA, view=large)["error"] == "view_too_large"


def test_blocks_are_validated_without_a_token(drive: Drive) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]
    answer = drive.http.post("/slack/api/blocks.validate", json={"blocks": blocks}).json()
    assert answer["errors"][0]["pointer"] == "/blocks/0/text/text"
    assert drive.http.post("/slack/api/blocks.validate", json={"blocks": [{"type": "divider"}]}).json()["ok"]


def test_invalid_blocks_say_what_and_where(drive: Drive) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]
    answer = error(drive, "chat.postMessage", channel=GENERAL, blocks=blocks)
    said = "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"
    assert answer == {
        "ok": False,
        "error": "invalid_blocks",
        "errors": [said],
        "response_metadata": {"messages": [f"[ERROR] {said}"]},
    }
    assert error(drive, "chat.postMessage", channel=GENERAL, blocks="[")["error"] == "invalid_blocks_format"
    two = [{"type": "table", "rows": [[{"type": "raw_text", "text": "a"}]]}] * 2
    assert error(drive, "chat.postMessage", channel=GENERAL, blocks=two)["error"] == "invalid_attachments"
