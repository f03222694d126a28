"""`/control`: the rows that drive Slack, for tests and for the page. See also the package's own description."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.slack import payloads
from sandbox.slack.changes import change_channel, change_person
from sandbox.slack.faces import file_face
from sandbox.slack.refusal import Impossible
from sandbox.slack.standin import SlackStandIn
from sandbox.slack.state import JSON, App, File, Message, View
from sandbox.slack.writing import acting, place
from sandbox.world import Person

Act = Callable[[SlackStandIn, JSON], Awaitable[JSON]]


def answer(body: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(body), status, media_type="application/json")


async def command(slack: SlackStandIn, asked: JSON) -> JSON:
    """Type a command; nobody can while a modal covers the composer."""
    person = acting(slack.space, asked.get("user"))
    channel = place(slack.space, person, asked.get("channel"))
    text = _text(asked, "text")
    if not text.strip().startswith("/"):
        raise Impossible(400, "text must start with a slash")
    if slack.space.stack(person.id):
        raise Impossible(409, "a modal is open")
    return await slack.typing.command(person, channel, text)


async def message(slack: SlackStandIn, asked: JSON) -> JSON:
    """Write a message."""
    person = acting(slack.space, asked.get("user"))
    channel = place(slack.space, person, asked.get("channel"))
    thread = asked.get("thread_ts")
    written = slack.typing.message(person, channel, _text(asked, "text"), str(thread) if thread else None)
    return {"channel": channel.id, "ts": written.ts}


async def click(slack: SlackStandIn, asked: JSON) -> JSON:
    """Click, choose, tick, type."""
    person = acting(slack.space, asked.get("user"))
    action, block = _text(asked, "action_id"), asked.get("block_id")
    await slack.clicking.click(person, asked.get("container"), action, block, asked.get("value"))
    return {}


async def options(slack: SlackStandIn, asked: JSON) -> JSON:
    """Search in an external select."""
    person = acting(slack.space, asked.get("user"))
    action, query = _text(asked, "action_id"), asked.get("query", "")
    if not isinstance(query, str):
        raise Impossible(400, "query must be a text")
    return await slack.clicking.options(person, asked.get("container"), action, asked.get("block_id"), query)


async def submit(slack: SlackStandIn, asked: JSON) -> JSON:
    """Submit the top modal."""
    person = acting(slack.space, asked.get("user"))
    return await slack.submitting.submit(person, asked.get("view_id"), asked.get("values"))


async def close(slack: SlackStandIn, asked: JSON) -> JSON:
    """Close the top modal."""
    await slack.submitting.close(acting(slack.space, asked.get("user")), asked.get("view_id"))
    return {}


async def shortcut(slack: SlackStandIn, asked: JSON) -> JSON:
    """Run a global shortcut; with `message: {channel, ts}` one of that message."""
    about = asked.get("message")
    person = acting(slack.space, asked.get("user"))
    await slack.shortcut(person, _text(asked, "callback_id"), about if isinstance(about, dict) else None)
    return {}


async def home(slack: SlackStandIn, asked: JSON) -> JSON:
    """Open the Home tab, of one `app` (id or name) when it is named."""
    app = _app(slack, asked["app"]) if "app" in asked else None
    await slack.home(acting(slack.space, asked.get("user")), app)
    return {}


async def upload(slack: SlackStandIn, asked: JSON) -> JSON:
    """Upload a text file as a person: for a file input, or into a `channel` at once."""
    person = acting(slack.space, asked.get("user"))
    where = place(slack.space, person, asked["channel"]) if "channel" in asked else None
    file = slack.take_file(person, _text(asked, "name"), _text(asked, "content").encode())
    if where is not None:
        slack.typing.share(person, where, file)
    return {"id": file.id, "url": file_url(slack, file)}


async def person(slack: SlackStandIn, asked: JSON) -> JSON:
    """Change a person, or have somebody new join."""
    return _person(change_person(slack, asked))


async def channel(slack: SlackStandIn, asked: JSON) -> JSON:
    """Change a conversation."""
    changed = change_channel(slack, asked)
    return {"id": changed.id, "name": changed.name}


async def slack_app(slack: SlackStandIn, asked: JSON) -> JSON:
    """Install another app."""
    commands, url = asked.get("commands", []), asked.get("request_url")
    if not isinstance(commands, list) or not all(isinstance(c, str) and c.startswith("/") for c in commands):
        raise Impossible(400, "commands must be a list of texts that start with a slash")
    if url is not None and not isinstance(url, str):
        raise Impossible(400, "request_url must be a text")
    more = {k: v for k, v in asked.items() if k not in ("name", "commands", "request_url")}
    app = slack.install(_text(asked, "name"), commands, url, **more)
    return {
        "bot_token": app.bot_token,
        "app_token": app.app_token,
        "signing_secret": app.signing_secret,
        "app_id": app.id,
        "bot_id": app.bot_id,
        "bot_user_id": app.bot_user_id,
        "client_id": app.client_id,
        "client_secret": app.client_secret,
    }


async def remove_app(slack: SlackStandIn, asked: JSON) -> JSON:
    """Uninstall an app, as somebody in the workspace's settings would."""
    await slack.uninstall(_app(slack, asked.get("app_id") or asked.get("name")))
    return {}


ACTS: dict[str, Act] = {
    "command": command,
    "message": message,
    "click": click,
    "options": options,
    "submit": submit,
    "close": close,
    "shortcut": shortcut,
    "home": home,
    "upload": upload,
    "person": person,
    "channel": channel,
    "slack-app": slack_app,
    "slack-uninstall": remove_app,
}


def _text(asked: JSON, name: str) -> str:
    if not isinstance(asked.get(name), str) or not asked[name]:
        raise Impossible(400, f"{name} must be a text")
    return str(asked[name])


def _app(slack: SlackStandIn, wanted: Any) -> App:
    found = [a for a in slack.space.apps.values() if wanted in (a.id, a.name)]
    if not found:
        raise Impossible(404, "app_not_found")
    return found[-1]


def _person(person: Person) -> JSON:
    return {"id": person.id, "name": person.name, "role": "guest" if person.guest else person.role}


# what is on screen


def people(slack: SlackStandIn) -> list[JSON]:
    """Everybody who can act, each with a role of the product, or `guest`."""
    return [_person(p) for p in slack.space.people if not p.deleted]


def channels(slack: SlackStandIn) -> list[JSON]:
    """The workspace's channels."""
    return [{"id": c.id, "name": c.name} for c in slack.space.channels.values() if c.kind != "im"]


def screen(slack: SlackStandIn, person: Person) -> JSON:
    """All that this person sees now."""
    space = slack.space
    home = space.home_of(person.id)
    return {
        "channels": {c.id: _messages(slack, person, c.messages.values()) for c in space.seen_by(person.id)},
        "modals": [_view(slack, view) for view in space.stack(person.id)],
        "home": _view(slack, home) if home else None,
    }


def _view(slack: SlackStandIn, view: View) -> JSON:
    return payloads.view_face(slack.space, view, view.values)


def _messages(slack: SlackStandIn, person: Person, found: Any) -> list[JSON]:
    return [_message(slack, m) for m in found if m.to in (None, person.id)]


def _message(slack: SlackStandIn, message: Message) -> JSON:
    body = message.body
    if "files" in body:
        known = [(face, slack.space.files.get(face["id"])) for face in body["files"]]
        body = body | {"files": [face | {"url": file_url(slack, file)} if file else face for face, file in known]}
    return body | {"ephemeral": True} if message.to else body


def file_url(slack: SlackStandIn, file: File) -> str:
    """An address that a browser may open without a token."""
    return f"{slack.space.world.base_url}/slack/files/open/{file.id}/{file.secret}/{file.name}"


def files(slack: SlackStandIn, person: Person) -> list[JSON]:
    """The files in conversations that this person is in."""
    mine = {c.id for c in slack.space.seen_by(person.id)}
    return [
        {"id": f.id, "name": f.name, "channel": c, "size": f.size, "url": file_url(slack, f)}
        for f in slack.space.files.values()
        for c in f.channels
        if c in mine
    ]


def details(slack: SlackStandIn, person: Person) -> JSON:
    """What the page needs beside the screen to name and place things."""
    space = slack.space
    bots = [{"id": a.bot_user_id, "name": a.name, "app_id": a.id, "bot_id": a.bot_id, "dm": space.dm_id(person.id, a),
             "commands": a.commands, "installed": a.installed, "shortcuts": a.shortcuts or []}
            for a in space.apps.values()]  # fmt: skip
    everybody = [_person(p) | {"handle": p.handle, "tz": p.tz, "deleted": p.deleted,
                               "stranger": p.id in space.strangers} for p in space.people]  # fmt: skip
    seen = [{"id": c.id, "name": c.name, "kind": c.kind, "archived": c.archived, "ext_shared": c.ext_shared,
             "purpose": c.purpose, "members": c.members, "app_id": c.app_id} for c in space.seen_by(person.id)]  # fmt: skip
    homes = [_view(slack, view) for (_, user), view in space.homes.items() if user == person.id]
    return {
        "people": everybody,
        "apps": bots,
        "channels": seen,
        "homes": homes,
        "files": [file_face(space, f) | {"url": file_url(slack, f)} for f in space.files.values() if f.uploaded and f.channels],
    }


def received(slack: SlackStandIn, person: Person) -> list[JSON]:
    """What apps received on account of this person, newest first, as they received it."""
    return [
        {"at": d.at, "app": d.app, "kind": d.kind, "payload": d.payload, "answer": d.answer, "took_ms": d.took_ms}
        for d in reversed(slack.delivery.record)
        if d.concerns(person.id)
    ]


# routes


def routes(slack: SlackStandIn) -> list[BaseRoute]:
    """The routes of `/control` that concern Slack."""

    def act(work: Act) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                asked = orjson.loads(await request.body())
                if not isinstance(asked, dict):
                    return answer({"error": "the body must be a JSON object"}, 400)
                return answer(await work(slack, asked))
            except orjson.JSONDecodeError:
                return answer({"error": "the body must be JSON"}, 400)
            except Impossible as impossible:
                return answer({"error": impossible.error}, impossible.status)

        return endpoint

    def look(work: Callable[[SlackStandIn, Person], Any]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            person = slack.space.world.person(request.query_params.get("user", ""))
            if person is None:
                return answer({"error": "user_not_found"}, 404)
            return answer(work(slack, person))

        return endpoint

    async def get_people(_: Request) -> Response:
        return answer(people(slack))

    async def get_channels(_: Request) -> Response:
        return answer(channels(slack))

    return [
        *(Route(f"/control/{name}", act(work), methods=["POST"]) for name, work in ACTS.items()),
        Route("/control/people", get_people),
        Route("/control/channels", get_channels),
        Route("/control/screen", look(screen)),
        Route("/control/files", look(files)),
        Route("/page/details", look(details)),
        Route("/page/payloads", look(received)),
    ]
