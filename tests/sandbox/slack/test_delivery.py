"""Payloads on their way: several sockets, acknowledgements that do not come, retries, signatures, refreshes, uninstalling."""

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from slack_sdk.signature import SignatureVerifier
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.sandbox.slack.drive import GENERAL, MIA, Drive, running


class Wire:
    """A bare Socket Mode connection."""

    def __init__(self, drive: Drive, token: str | None = None, more: str = "") -> None:
        answer = drive.http.post(
            "/slack/api/apps.connections.open", headers={"Authorization": f"Bearer {token or drive.slack.ours.app_token}"}
        ).json()
        assert answer["ok"], answer
        self.url = answer["url"] + more
        self._open = ExitStack()
        self.link: ClientConnection = self._open.enter_context(connect(self.url, proxy=None))
        self.hello = self.next()

    def close(self) -> None:
        self._open.close()

    def next(self, seconds: float = 5) -> Any:
        return json.loads(self.link.recv(timeout=seconds))

    def acknowledge(self, envelope: Any, payload: Any = None) -> None:
        self.link.send(json.dumps({"envelope_id": envelope["envelope_id"], "payload": payload or {}}))

    def serve(self) -> tuple[threading.Thread, list[Any]]:
        """Acknowledges everything until the connection closes; what came."""
        got: list[Any] = []

        def work() -> None:
            for text in self.link:
                frame = json.loads(text)
                got.append(frame)
                if "envelope_id" in frame:
                    self.acknowledge(frame)

        thread = threading.Thread(target=work)
        thread.start()
        return thread, got


def test_hello_comes_first_and_a_ticket_is_good_once(drive: Drive) -> None:
    wire = Wire(drive)
    assert (wire.hello["type"], wire.hello["num_connections"]) == ("hello", 1)
    assert wire.hello["connection_info"] == {"app_id": drive.slack.ours.id}
    with pytest.raises(InvalidStatus, match="403"), connect(wire.url, proxy=None):
        pass
    wire.close()


def test_each_payload_goes_to_one_of_several_sockets(drive: Drive) -> None:
    wires = [Wire(drive) for _ in range(3)]
    assert [w.hello["num_connections"] for w in wires] == [1, 2, 3]
    served = [wire.serve() for wire in wires]
    for _ in range(6):
        assert drive.post("command", user=MIA, channel=GENERAL, text="/segsync x")["status"] == "ok"
    assert [len(got) for _, got in served] == [2, 2, 2]
    for wire, (thread, _) in zip(wires, served, strict=True):
        wire.close()
        thread.join(5)


def test_an_eleventh_socket_is_one_too_many(drive: Drive) -> None:
    wires = [Wire(drive) for _ in range(10)]
    eleventh = Wire(drive)
    assert eleventh.hello == {"type": "disconnect", "reason": "too_many_websockets", "debug_info": {"host": "sandbox"}}
    for wire in [*wires, eleventh]:
        wire.close()


def test_an_envelope_has_slacks_form(drive: Drive) -> None:
    wire = Wire(drive)
    answers: list[Any] = []
    typing = threading.Thread(
        target=lambda: answers.append(drive.post("command", user=MIA, channel=GENERAL, text="/segsync a b"))
    )
    typing.start()
    envelope = wire.next()
    assert {"type", "envelope_id", "payload", "accepts_response_payload"} == set(envelope)
    assert (envelope["type"], envelope["accepts_response_payload"]) == ("slash_commands", True)
    payload = envelope["payload"]
    told = (payload["command"], payload["text"], payload["user_id"], payload["channel_name"], payload["is_enterprise_install"])
    assert told == ("/segsync", "a b", MIA, "general", "false")
    wire.acknowledge(envelope, {"text": "there"})
    typing.join(5)
    assert answers[0]["status"] == "ok"
    drive.post("message", user=MIA, channel=drive.dm(MIA), text="hi")
    envelope = wire.next()
    assert (envelope["type"], envelope["retry_attempt"], envelope["retry_reason"]) == ("events_api", 0, "")
    event = envelope["payload"]["event"]
    assert (event["type"], event["channel_type"], event["text"]) == ("message", "im", "hi")
    assert envelope["payload"]["authorizations"][0]["user_id"] == drive.slack.ours.bot_user_id
    wire.acknowledge(envelope)
    wire.close()


def test_a_command_that_nobody_acknowledges_times_out_after_three_seconds(drive: Drive) -> None:
    answer = drive.post("command", user=MIA, channel=GENERAL, text="/segsync x")
    assert answer["status"] == "operation_timeout"
    assert 2900 < answer["ack_ms"] < 4000
    (said,) = drive.messages()
    assert (said["user"], said["ephemeral"]) == ("USLACKBOT", True)


def test_an_event_is_sent_again_when_nobody_acknowledged_it(tmp_path: Path) -> None:
    with running(tmp_path) as drive:
        drive.slack.delivery._retry_after = (0.0, 0.05)
        wire = Wire(drive)
        drive.post("message", user=MIA, channel=drive.dm(MIA), text="hi")
        first, second = wire.next(), wire.next()
        assert (second["retry_attempt"], second["retry_reason"]) == (1, "timeout")
        assert first["payload"]["event_id"] == second["payload"]["event_id"]
        wire.acknowledge(second)
        wire.close()


def test_a_socket_is_warned_refreshed_and_closed(tmp_path: Path) -> None:
    with running(tmp_path) as drive:
        drive.slack.link._life = 0.2
        wire = Wire(drive)
        assert [wire.next()["reason"], wire.next()["reason"]] == ["warning", "refresh_requested"]
        assert Wire(drive).hello["num_connections"] == 1
        wire.close()


def test_uninstalling_tells_the_app_and_closes_its_sockets(drive: Drive) -> None:
    given = drive.post("slack-app", name="other", commands=["/other"])
    wire = Wire(drive, given["app_token"])
    thread, got = wire.serve()
    assert drive.http.post("/control/slack-uninstall", json={"app_id": given["app_id"]}).status_code == 200
    thread.join(5)
    assert not thread.is_alive()
    assert [frame["payload"]["event"]["type"] for frame in got[:-1]] == ["tokens_revoked", "app_uninstalled"]
    assert got[-1]["reason"] == "link_disabled"
    head = {"Authorization": f"Bearer {given['bot_token']}"}
    assert drive.http.post("/slack/api/auth.test", headers=head).json()["error"] == "account_inactive"
    assert drive.refused("command", user=MIA, channel=GENERAL, text="/other") == 404


class Listener(http.server.BaseHTTPRequestHandler):
    """An app over HTTP that notes what it got."""

    got: list[tuple[dict[str, str], bytes]]
    statuses: list[int]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
        answer, status = b"", 200
        if body.startswith(b"{") and json.loads(body)["type"] == "url_verification":
            answer = json.loads(body)["challenge"].encode()
        elif self.statuses:
            status = self.statuses.pop(0)
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def listener() -> Iterator[Any]:
    kind = type("Here", (Listener,), {"got": [], "statuses": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", kind
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_http_delivery_is_signed_challenged_and_retried(drive: Drive) -> None:
    drive.slack.delivery._retry_after = (0.0, 0.0)
    with listener() as (url, here):
        given = drive.post("slack-app", name="web", commands=["/web"], request_url=url)
        assert drive.post("command", user=MIA, channel=GENERAL, text="/web one two")["status"] == "ok"
        headers, body = here.got.pop()
        verifier = SignatureVerifier(given["signing_secret"])
        assert verifier.is_valid(body.decode(), headers["x-slack-request-timestamp"], headers["x-slack-signature"])
        assert parse_qs(body.decode())["text"] == ["one two"]
        here.statuses[:] = [500]
        drive.post("message", user=MIA, channel=drive.dm(MIA, given["bot_user_id"]), text="hi")
        drive.until(lambda: len(here.got) == 3)
        challenge, first, second = here.got
        assert json.loads(challenge[1])["type"] == "url_verification"
        assert "x-slack-retry-num" not in first[0]
        assert (second[0]["x-slack-retry-num"], second[0]["x-slack-retry-reason"]) == ("1", "http_error")
        here.statuses[:] = [500]
        assert drive.post("command", user=MIA, channel=GENERAL, text="/web x")["status"] == "operation_timeout"


def test_an_app_of_the_whole_organization_gets_grid_shapes(drive: Drive) -> None:
    given = drive.post("slack-app", name="grid", commands=["/grid"], org_wide=True)
    wire = Wire(drive, given["app_token"])
    thread, got = wire.serve()
    drive.post("shortcut", user=MIA, callback_id="anything")
    drive.post("command", user=MIA, channel=GENERAL, text="/grid")
    drive.until(lambda: len(got) == 2)
    shortcut, command = (frame["payload"] for frame in got)
    assert (shortcut["team"], shortcut["enterprise"]["id"], shortcut["is_enterprise_install"]) == (None, "E01ACMEGRP", True)
    assert (command["enterprise_id"], command["is_enterprise_install"]) == ("E01ACMEGRP", "true")
    web = drive.web(given["bot_token"])
    assert web.auth_test()["is_enterprise_install"] is True
    assert len(web.conversations_list(team_id="T01ACMEHQ")["channels"]) == 3
    head = {"Authorization": f"Bearer {given['bot_token']}"}
    assert drive.http.post("/slack/api/conversations.list", headers=head).json()["error"] == "invalid_arguments"
    wire.close()
    thread.join(5)


def test_a_thousand_commands_at_once_are_all_acknowledged(drive: Drive) -> None:
    wire = Wire(drive)
    thread, _ = wire.serve()
    person, channel = drive.slack.space.people[0], drive.slack.space.channels[GENERAL]

    async def burst() -> list[Any]:
        return await asyncio.gather(*(drive.slack.typing.command(person, channel, "/segsync x") for _ in range(1000)))

    answers = asyncio.run_coroutine_threadsafe(burst(), drive.loop).result(20)
    assert {answer["status"] for answer in answers} == {"ok"}
    wire.close()
    thread.join(5)
