"""Where Slack is unkind to apps, the stand-in is so too: triggers, stale state, changed inputs, stacks, response URLs."""

from typing import Any

import pytest
from slack_bolt import App
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from tests.sandbox.slack.drive import ANA, GENERAL, MIA, Drive, bolt

JSON = dict[str, Any]


def plain(text: str) -> JSON:
    return {"type": "plain_text", "text": text}


def modal(*blocks: JSON, **more: Any) -> JSON:
    return {"type": "modal", "title": plain("M"), "submit": plain("Go"), "blocks": list(blocks)} | more


def text_input(block: str, **more: Any) -> JSON:
    element = {"type": "plain_text_input", "action_id": "v"} | more
    return {"type": "input", "block_id": block, "optional": True, "label": plain(block), "element": element}


def option(value: str) -> JSON:
    return {"text": plain(value), "value": value}


class Bench:
    """An app that keeps what it was sent and answers what a test lays out."""

    def __init__(self) -> None:
        self.got: list[JSON] = []
        self.view: JSON = modal(text_input("a"))
        self.answer: JSON = {}
        self.client: WebClient

    def prepare(self, app: App) -> None:
        self.client = app.client

        @app.command("/segsync")
        def command(ack: Any, body: Any, client: Any) -> None:
            self.got.append(body)
            ack()
            if body["text"] == "open":
                client.views_open(trigger_id=body["trigger_id"], view=self.view)

        @app.middleware
        def keep(body: Any, next: Any) -> None:
            if "command" not in body:
                self.got.append(body)
            next()

        @app.options({"action_id": "search"})
        def search(ack: Any) -> None:
            ack(options=[option("found")])

        @app.view({"type": "view_submission", "callback_id": ""})
        def submitted(ack: Any) -> None:
            ack(**self.answer)

        @app.view({"type": "view_closed", "callback_id": ""})
        def closed(ack: Any) -> None:
            ack()

        for name in ("pick", "search", "press", "v"):
            app.action(name)(lambda ack: ack())

    def last(self, kind: str) -> JSON:
        return [body for body in self.got if body.get("type") == kind][-1]


def opened(drive: Drive, bench: Bench) -> JSON:
    drive.post("command", user=MIA, channel=GENERAL, text="/segsync open")
    view: JSON = drive.until(lambda: drive.screen()["modals"])[-1]
    return view


def refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        call(**arguments)
    return str(caught.value.response["error"])


def test_a_trigger_opens_one_view_and_only_for_three_seconds(drive: Drive) -> None:
    bench = Bench()
    with bolt(drive, bench.prepare):
        drive.post("command", user=MIA, channel=GENERAL, text="/segsync x")
        trigger = bench.got[-1]["trigger_id"]
        assert bench.client.views_open(trigger_id=trigger, view=bench.view)["ok"]
        assert refused(bench.client.views_open, trigger_id=trigger, view=bench.view) == "exchanged_trigger_id"
        drive.post("command", user=ANA, channel=GENERAL, text="/segsync x")
        late = bench.got[-1]["trigger_id"]
        drive.slack.space.triggers[late].expires -= 4
        assert refused(bench.client.views_open, trigger_id=late, view=bench.view) == "expired_trigger_id"
        assert refused(bench.client.views_open, trigger_id="1.1.1", view=bench.view) == "invalid_trigger_id"


def test_three_views_and_no_more(drive: Drive) -> None:
    bench = Bench()
    press = {"type": "actions", "elements": [{"type": "button", "action_id": "press", "text": plain("P")}]}
    bench.view = modal(press)
    with bolt(drive, bench.prepare):
        view = opened(drive, bench)
        for depth in (2, 3):
            drive.post("click", user=MIA, container={"view_id": view["id"]}, action_id="press")
            pushed = bench.client.views_push(trigger_id=bench.last("block_actions")["trigger_id"], view=bench.view)["view"]
            assert (pushed["previous_view_id"], pushed["root_view_id"]) == (view["id"], drive.screen()["modals"][0]["id"])
            assert len(drive.screen()["modals"]) == depth
            view = pushed
        drive.post("click", user=MIA, container={"view_id": view["id"]}, action_id="press")
        trigger = bench.last("block_actions")["trigger_id"]
        assert refused(bench.client.views_push, trigger_id=trigger, view=bench.view) == "push_limit_reached"
        assert drive.refused("close", user=MIA, view_id=drive.screen()["modals"][0]["id"]) == 404
        drive.post("close", user=MIA, view_id=view["id"])
        assert len(drive.screen()["modals"]) == 2


def test_what_was_typed_stays_and_a_new_initial_value_is_not_in_the_state(drive: Drive) -> None:
    bench = Bench()
    bench.view = modal(text_input("kept"), text_input("other"))
    with bolt(drive, bench.prepare):
        view = opened(drive, bench)
        drive.post("click", user=MIA, container={"view_id": view["id"]}, action_id="v", block_id="kept", value="typed")
        changed = modal(
            text_input("kept", initial_value="new"),
            text_input("other", initial_value="new"),
            text_input("fresh", initial_value="new"),
        )
        bench.client.views_update(view_id=view["id"], view=changed)
        drive.post("submit", user=MIA, view_id=view["id"], values={})
        values = bench.last("view_submission")["view"]["state"]["values"]
        assert {block: held["v"]["value"] for block, held in values.items()} == {"kept": "typed", "other": None, "fresh": "new"}


def test_a_search_sees_the_state_as_slack_last_knew_it(drive: Drive) -> None:
    bench = Bench()
    pick = {"type": "static_select", "action_id": "pick", "options": [option("a"), option("b")]}
    search = {"type": "external_select", "action_id": "search", "min_query_length": 0}
    bench.view = modal(
        {"type": "input", "block_id": "one", "optional": True, "label": plain("1"), "element": pick},
        {"type": "input", "block_id": "two", "optional": True, "label": plain("2"), "element": search},
    )
    with bolt(drive, bench.prepare):
        view = opened(drive, bench)
        box = {"view_id": view["id"]}
        drive.post("click", user=MIA, container=box, action_id="pick", value="b")
        found = drive.post("options", user=MIA, container=box, action_id="search", block_id="two", query="")
        assert found == {"options": [option("found")]}
        stale = bench.last("block_suggestion")["view"]["state"]["values"]
        assert stale["one"]["pick"]["selected_option"] is None
        drive.post("submit", user=MIA, view_id=view["id"], values={"two": {"search": "found"}})
        values = bench.last("view_submission")["view"]["state"]["values"]
        assert values["one"]["pick"]["selected_option"]["value"] == "b"
        assert values["two"]["search"]["selected_option"]["value"] == "found"


def test_an_input_is_silent_unless_it_dispatches(drive: Drive) -> None:
    bench = Bench()
    loud = text_input("loud") | {"dispatch_action": True}
    bench.view = modal(text_input("quiet"), loud)
    with bolt(drive, bench.prepare):
        box = {"view_id": opened(drive, bench)["id"]}
        drive.post("click", user=MIA, container=box, action_id="v", block_id="quiet", value="x")
        assert not [b for b in bench.got if b.get("type") == "block_actions"]
        drive.post("click", user=MIA, container=box, action_id="v", block_id="loud", value="y")
        body = bench.last("block_actions")
        assert body["actions"][0]["value"] == "y"
        assert body["view"]["state"]["values"]["quiet"]["v"]["value"] == "x"


def test_a_submission_may_update_push_or_clear(drive: Drive) -> None:
    bench = Bench()
    with bolt(drive, bench.prepare):
        view = opened(drive, bench)
        bench.answer = {"response_action": "update", "view": modal(text_input("b"), title=plain("Two"))}
        shown = drive.post("submit", user=MIA, view_id=view["id"])["view"]
        assert (shown["id"], shown["title"]["text"]) == (view["id"], "Two")
        bench.answer = {"response_action": "push", "view": modal(text_input("c"), title=plain("Three"))}
        shown = drive.post("submit", user=MIA, view_id=view["id"])["view"]
        assert shown["previous_view_id"] == view["id"]
        bench.answer = {"response_action": "errors", "errors": {"nowhere": "x"}}
        kept = drive.post("submit", user=MIA, view_id=shown["id"])
        assert (kept["view"]["id"], "trouble" in kept) == (shown["id"], True)
        bench.answer = {"response_action": "clear"}
        assert drive.post("submit", user=MIA, view_id=shown["id"]) == {}
        assert drive.screen()["modals"] == []


def test_closing_is_told_when_asked_for(drive: Drive) -> None:
    bench = Bench()
    bench.view = modal(text_input("a"), notify_on_close=True)
    with bolt(drive, bench.prepare):
        drive.post("close", user=MIA, view_id=opened(drive, bench)["id"])
        assert bench.last("view_closed")["is_cleared"] is False


def test_a_client_refuses_what_an_input_does_not_take(drive: Drive) -> None:
    bench = Bench()
    number = {"type": "number_input", "action_id": "v", "is_decimal_allowed": False, "max_value": "9"}
    bench.view = modal(
        {"type": "input", "block_id": "n", "label": plain("n"), "element": number},
        {"type": "input", "block_id": "m", "label": plain("m"), "element": {"type": "email_text_input", "action_id": "v"}},
        text_input("s", min_length=3),
    )
    with bolt(drive, bench.prepare):
        view = opened(drive, bench)
        values = {"n": {"v": "10"}, "m": {"v": "nobody"}, "s": {"v": "ab"}}
        errors = drive.post("submit", user=MIA, view_id=view["id"], values=values)["errors"]
        assert set(errors) == {"n", "m", "s"}
        assert not [b for b in bench.got if b.get("type") == "view_submission"]
        assert drive.refused("submit", user=MIA, view_id=view["id"], values={"none": {"v": "x"}}) == 404
        assert drive.refused("submit", user=MIA, view_id=view["id"], values="x") == 400
        bench.client.views_update(view_id=view["id"], view={k: v for k, v in modal().items() if k != "submit"})
        assert drive.refused("submit", user=MIA, view_id=view["id"], values={}) == 400


def test_a_response_url_is_good_five_times(drive: Drive) -> None:
    bench = Bench()
    with bolt(drive, bench.prepare):
        drive.post("command", user=MIA, channel=GENERAL, text="/segsync x")
        hook = WebhookClient(bench.got[-1]["response_url"])
        for n in range(4):
            assert hook.send(text=str(n)).body == "ok"
        assert hook.send(text="all", response_type="in_channel").status_code == 200
        last = hook.send(text="6")
        assert last.status_code == 404
        assert "used_url" in last.body
        assert [m["text"] for m in drive.messages(user=ANA)] == ["all"]
        assert len(drive.messages()) == 5


def test_a_response_url_of_a_message_replaces_or_deletes_it(drive: Drive) -> None:
    bench = Bench()
    press = {"type": "actions", "elements": [{"type": "button", "action_id": "press", "text": plain("P")}]}
    with bolt(drive, bench.prepare):
        ts = bench.client.chat_postEphemeral(channel=GENERAL, user=MIA, text="t", blocks=[press])["message_ts"]
        drive.post("click", user=MIA, container={"channel": GENERAL, "ts": ts}, action_id="press")
        body = bench.last("block_actions")
        assert "message" not in body
        assert body["container"]["is_ephemeral"] is True
        hook = WebhookClient(body["response_url"])
        hook.send(text="replaced", replace_original=True)
        assert [(m["text"], m["ts"]) for m in drive.messages()] == [("replaced", ts)]
        hook.send(delete_original=True)
        assert drive.messages() == []


def test_hashes_keep_two_updates_apart(drive: Drive) -> None:
    bench = Bench()
    with bolt(drive, bench.prepare):
        view = opened(drive, bench)
        assert bench.client.views_update(view_id=view["id"], hash=view["hash"], view=bench.view)["ok"]
        late = refused(bench.client.views_update, view_id=view["id"], hash=view["hash"], view=bench.view)
        assert late == "hash_conflict"
