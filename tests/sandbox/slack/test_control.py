"""The control interface's rows that concern Slack, against a small app of our own identity."""

from typing import Any

from slack_bolt import App

from tests.sandbox.slack.drive import ANA, GENERAL, GUS, MIA, Drive, bolt, running

MODAL = {
    "type": "modal",
    "callback_id": "ask",
    "title": {"type": "plain_text", "text": "Ask"},
    "submit": {"type": "plain_text", "text": "Send"},
    "blocks": [
        {"type": "input", "block_id": "name", "label": {"type": "plain_text", "text": "Name"},
         "element": {"type": "plain_text_input", "action_id": "v"}},
        {"type": "input", "block_id": "seg", "optional": True, "label": {"type": "plain_text", "text": "Segment"},
         "element": {"type": "external_select", "action_id": "s", "min_query_length": 1}},
    ],
}  # fmt: skip


def small_app(app: App) -> None:
    """Command, modal, options, submission, button, Home, mention."""

    @app.command("/segsync")
    def command(ack: Any, body: Any, client: Any) -> None:
        if body["text"] == "open":
            ack()
            client.views_open(trigger_id=body["trigger_id"], view=MODAL)
        elif body["text"] == "public":
            ack({"text": "for all", "response_type": "in_channel"})
        else:
            ack(f"you said {body['text']}")

    @app.options("s")
    def options(ack: Any, payload: Any) -> None:
        names = [f"{payload['value']} {n}" for n in range(3)]
        ack(options=[{"text": {"type": "plain_text", "text": n}, "value": n} for n in names])

    @app.view("ask")
    def submitted(ack: Any, view: Any, client: Any, body: Any) -> None:
        name = view["state"]["values"]["name"]["v"]["value"]
        if name == "bad":
            ack(response_action="errors", errors={"name": "not that one"})
        else:
            ack()
            chosen = view["state"]["values"]["seg"]["s"]["selected_option"]
            button = {"type": "button", "action_id": "go", "value": "7", "text": {"type": "plain_text", "text": "Go"}}
            client.chat_postMessage(
                channel=body["user"]["id"],
                text=f"hello {name} {chosen and chosen['value']}",
                blocks=[{"type": "actions", "elements": [button]}],
            )

    @app.action("go")
    def go(ack: Any, body: Any, client: Any) -> None:
        ack()
        client.chat_update(channel=body["channel"]["id"], ts=body["message"]["ts"], text="gone", blocks=[])

    @app.event("app_home_opened")
    def home(event: Any, client: Any) -> None:
        blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "hi"}}]
        client.views_publish(user_id=event["user"], view={"type": "home", "blocks": blocks})

    @app.event("app_mention")
    def mention(event: Any, say: Any) -> None:
        say(text="you called", thread_ts=event["ts"])


def test_a_command_is_acknowledged_and_its_answer_is_on_screen(drive: Drive) -> None:
    with bolt(drive, small_app):
        answer = drive.post("command", user=MIA, channel=GENERAL, text="/segsync hi there")
        assert answer["status"] == "ok"
        assert isinstance(answer["ack_ms"], float)
        (message,) = drive.messages()
        assert message["text"] == "you said hi there"
        assert message["ephemeral"] is True
        assert drive.messages(user=ANA) == []
        drive.post("command", user=MIA, channel=GENERAL, text="/segsync public")
        assert [m["text"] for m in drive.messages(user=ANA)] == ["/segsync public", "for all"]


def test_modal_search_error_submission_message_button_update(drive: Drive) -> None:
    with bolt(drive, small_app):
        drive.post("command", user=MIA, channel=GENERAL, text="/segsync open")
        (view,) = drive.until(lambda: drive.screen()["modals"])
        assert drive.refused("command", user=MIA, channel=GENERAL, text="/segsync x") == 409
        box = {"view_id": view["id"]}
        found = drive.post("options", user=MIA, container=box, action_id="s", block_id="seg", query="EM")
        assert [o["value"] for o in found["options"]] == ["EM 0", "EM 1", "EM 2"]
        assert drive.post("options", user=MIA, container=box, action_id="s", block_id="seg", query="") == {"options": []}
        empty = drive.post("submit", user=MIA, view_id=view["id"], values={})
        assert list(empty["errors"]) == ["name"]
        bad = drive.post("submit", user=MIA, view_id=view["id"], values={"name": {"v": "bad"}})
        assert bad == {"errors": {"name": "not that one"}}
        values = {"name": {"v": "Mia"}, "seg": {"s": "EM 1"}}
        assert drive.post("submit", user=MIA, view_id=view["id"], values=values) == {}
        dm = drive.dm(MIA)
        (message,) = drive.until(lambda: drive.messages(dm))
        assert message["text"] == "hello Mia EM 1"
        where = {"channel": dm, "ts": message["ts"]}
        assert drive.refused("click", user=ANA, container=where, action_id="go") == 404
        drive.post("click", user=MIA, container=where, action_id="go")
        drive.until(lambda: drive.messages(dm)[0]["text"] == "gone")
        assert "blocks" not in drive.messages(dm)[0]


def test_home_and_mention(drive: Drive) -> None:
    with bolt(drive, small_app):
        assert drive.screen()["home"] is None
        drive.post("home", user=MIA)
        drive.until(lambda: drive.screen()["home"])
        drive.post("message", user=MIA, channel=GENERAL, text="<@U01SEGSYNC> hello")
        drive.until(lambda: len(drive.messages()) == 2)
        first, second = drive.messages()
        assert second["thread_ts"] == first["ts"]


def test_the_screen_has_every_conversation_from_the_start(drive: Drive) -> None:
    assert set(drive.screen()["channels"]) == {"C01GENERAL", "C02ALERTS", "C03APPROVE", drive.dm(MIA)}
    assert set(drive.screen(GUS)["channels"]) == {"C01GENERAL", drive.dm(GUS)}
    roles = {p["role"] for p in drive.http.get("/control/people").json()}
    assert roles == {"primary_admin", "abm_admin", "marketing_user", "viewer", "guest"}


def test_the_sandbox_ends_in_time_with_a_stream_and_a_socket_open(tmp_path: Any) -> None:
    with (
        running(tmp_path) as drive,
        bolt(drive, small_app),
        drive.http.stream("GET", "/page/events", params={"user": MIA}) as stream,
    ):
        assert next(stream.iter_lines()) == 'data: {"what":"hello"}'
        drive.server.should_exit = True
