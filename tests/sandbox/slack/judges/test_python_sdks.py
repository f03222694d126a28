"""The journey with Bolt for Python and with `slack_sdk` alone, sync and async."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from slack_bolt import App
from slack_bolt.adapter.wsgi import SlackRequestHandler
from slack_sdk import WebClient
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.aiohttp import SocketModeClient as AsyncSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from tests.sandbox.slack.drive import Drive, bolt
from tests.sandbox.slack.judges.journey import HOME, MODAL, button, install, take


def prepare(app: App, heard: list[str]) -> None:
    """The judge's app in Bolt."""

    @app.command("/judge")
    def command(ack: Any, body: Any, client: Any) -> None:
        ack()
        client.views_open(trigger_id=body["trigger_id"], view=MODAL)

    @app.view("judge_form")
    def form(ack: Any, view: Any, body: Any, client: Any) -> None:
        name = view["state"]["values"]["name"]["value"]["value"]
        if name == "bad":
            ack(response_action="errors", errors={"name": "Choose another name"})
            return
        ack()
        client.chat_postMessage(channel=body["user"]["id"], text=f"Hello {name}", blocks=button(name))

    @app.action("judge_go")
    def go(ack: Any, body: Any, action: Any, client: Any) -> None:
        ack()
        channel = body["channel"]["id"]
        client.chat_update(channel=channel, ts=body["message"]["ts"], text=f"Done {action['value']}")
        client.files_upload_v2(channel=channel, filename="report.csv", content="a,b\n1,2\n")

    @app.event("app_home_opened")
    def home(event: Any, client: Any) -> None:
        client.views_publish(user_id=event["user"], view=HOME)

    @app.event("app_mention")
    def mention(event: Any, say: Any) -> None:
        say(text="I am here", thread_ts=event["ts"])

    @app.event("tokens_revoked")
    def revoked() -> None:
        heard.append("tokens_revoked")

    @app.event("app_uninstalled")
    def uninstalled() -> None:
        heard.append("app_uninstalled")

    @app.event("message")
    def anything() -> None:
        """Bolt warns about what nobody listens to."""


def test_bolt_over_socket_mode(drive: Drive) -> None:
    app = install(drive, "judge-bolt")
    heard: list[str] = []
    with bolt(drive, lambda made: prepare(made, heard), bot=app.bot_token, link=app.app_token):
        take(drive, app, lambda: heard)


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[Any]:
    """A WSGI server on a free port whose application is given later."""
    box: dict[str, Any] = {}

    def later(environ: Any, start: Any) -> Any:
        return box["app"](environ, start)

    server = make_server("127.0.0.1", 0, later, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/slack/events", box
    server.shutdown()
    thread.join()
    server.server_close()


def test_bolt_over_http(drive: Drive, address: Any) -> None:
    url, box = address
    app = install(drive, "judge-http", url)
    heard: list[str] = []
    with ThreadPoolExecutor(8) as pool:
        made = App(client=drive.web(app.bot_token), signing_secret=app.signing_secret, listener_executor=pool)
        prepare(made, heard)
        box["app"] = SlackRequestHandler(made)
        take(drive, app, lambda: heard)


def act(client: WebClient, request: SocketModeRequest, heard: list[str]) -> Any:
    """The judge's app with the plain client: what to acknowledge with; the work itself follows from `work`."""
    payload = request.payload
    if payload.get("type") == "view_submission":
        if _name(payload) == "bad":
            return {"response_action": "errors", "errors": {"name": "Choose another name"}}
    elif request.type == "events_api":
        heard.append(payload["event"]["type"])
    return None


def _name(payload: Any) -> str:
    return str(payload["view"]["state"]["values"]["name"]["value"]["value"])


def calls(request: SocketModeRequest) -> list[tuple[str, dict[str, Any]]]:
    """The Web API calls that follow a request: the method of the client, and its arguments."""
    payload = request.payload
    kind = payload["event"]["type"] if request.type == "events_api" else payload.get("type") or request.type
    match kind:
        case "slash_commands":
            return [("views_open", {"trigger_id": payload["trigger_id"], "view": MODAL})]
        case "view_submission" if (name := _name(payload)) != "bad":
            user = payload["user"]["id"]
            return [("chat_postMessage", {"channel": user, "text": f"Hello {name}", "blocks": button(name)})]
        case "block_actions":
            channel, text = payload["channel"]["id"], f"Done {payload['actions'][0]['value']}"
            ts = payload["message"]["ts"]
            upload = {"channel": channel, "filename": "report.csv", "content": "a,b\n1,2\n"}
            return [("chat_update", {"channel": channel, "ts": ts, "text": text}), ("files_upload_v2", upload)]
        case "app_home_opened":
            return [("views_publish", {"user_id": payload["event"]["user"], "view": HOME})]
        case "app_mention":
            where = {"channel": payload["event"]["channel"], "thread_ts": payload["event"]["ts"]}
            return [("chat_postMessage", {**where, "text": "I am here"})]
    return []


def test_slack_sdk_sync(drive: Drive) -> None:
    app = install(drive, "judge-sync")
    heard: list[str] = []
    web = drive.web(app.bot_token)
    client = SocketModeClient(app_token=app.app_token, web_client=web)

    def listen(_: Any, request: SocketModeRequest) -> None:
        answer = act(web, request, heard)
        client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id, payload=answer))
        for method, arguments in calls(request):
            getattr(web, method)(**arguments)

    client.socket_mode_request_listeners.append(listen)
    client.connect()
    try:
        take(drive, app, lambda: heard)
    finally:
        client.close()


def test_slack_sdk_async(drive: Drive) -> None:
    app = install(drive, "judge-async")
    heard: list[str] = []

    async def main() -> None:
        web = AsyncWebClient(token=app.bot_token, base_url=f"{drive.base}/slack/api/")
        client = AsyncSocketModeClient(app_token=app.app_token, web_client=web)

        async def listen(_: Any, request: SocketModeRequest) -> None:
            answer = act(drive.web(), request, heard)
            await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id, payload=answer))
            for method, arguments in calls(request):
                await getattr(web, method)(**arguments)

        client.socket_mode_request_listeners.append(listen)
        await client.connect()
        try:
            await asyncio.to_thread(take, drive, app, lambda: heard)
        finally:
            await client.close()

    asyncio.run(main())
