"""The stand-in's HTTP routes other than `/control`: the Web API, Socket Mode, response URLs, files, avatars, the page's feed."""

import html
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute

from sandbox.slack.control import answer
from sandbox.slack.faces import MIMES
from sandbox.slack.install import Install
from sandbox.slack.refusal import Refused
from sandbox.slack.standin import SlackStandIn
from sandbox.slack.state import File

_COLOURS = ("#7c5cff", "#0f9d7a", "#d9485f", "#2b7de9", "#c2700c", "#a43fb5", "#4b6a2c", "#64748b")


class Web:
    """Endpoints of one stand-in."""

    def __init__(self, *, slack: SlackStandIn) -> None:
        """See the class."""
        self._slack = slack

    def routes(self) -> list[BaseRoute]:
        """Everything below `/slack`, and `/page/events`."""
        install = Install(slack=self._slack)
        return [
            Route("/slack/api/{method}", self._slack.webapi.serve, methods=["GET", "POST"]),
            WebSocketRoute("/slack/link", self._slack.link.serve),
            WebSocketRoute("/slack/link/", self._slack.link.serve),
            Route("/slack/hooks/{kind}/{team}/{number}/{secret}", self.reply, methods=["POST"]),
            Route("/slack/upload/v1/{secret}", self.upload, methods=["POST", "PUT"]),
            Route("/slack/files/open/{id}/{secret}/{name}", self.open_file),
            Route("/slack/files/{id}/{name}", self.private_file),
            Route("/slack/files/{id}/download/{name}", self.private_file),
            Route("/slack/avatar/{name}", self.avatar),
            Route("/slack/oauth/v2/authorize", install.page, methods=["GET"]),
            Route("/slack/oauth/v2/authorize", install.decide, methods=["POST"]),
            Route("/page/events", self.events),
        ]

    async def reply(self, request: Request) -> Response:
        """A `response_url`: `ok`, or 404 with Slack's word."""
        secret = f"{request.path_params['number']}/{request.path_params['secret']}"
        try:
            try:
                body: Any = orjson.loads(await request.body())
            except orjson.JSONDecodeError as error:
                raise Refused("invalid_payload") from error
            self._slack.replies.take(secret, body)
        except Refused as refused:
            status = 404 if refused.error in ("used_url", "expired_url") else 400
            return answer({"ok": False, "error": refused.error, **refused.more}, status)
        return PlainTextResponse("ok")

    async def upload(self, request: Request) -> Response:
        """The bytes of a file, raw or as the one part of a form."""
        secret = request.path_params["secret"]
        file = next((f for f in self._slack.space.files.values() if secret == f.id + f.secret), None)
        if file is None:
            return PlainTextResponse("file not found", 404)
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            async with request.form() as form:
                parts = [part for part in form.values() if not isinstance(part, str)]
                data = await parts[0].read() if parts else b""
        else:
            data = await request.body()
        (self._slack.folder / file.id).write_bytes(data)
        file.size, file.uploaded = len(data), True
        return PlainTextResponse(f"OK - {len(data)}")

    async def open_file(self, request: Request) -> Response:
        """A file by its secret address."""
        file = self._slack.space.files.get(request.path_params["id"])
        if file is None or file.secret != request.path_params["secret"]:
            return PlainTextResponse("file not found", 404)
        return self._bytes(file)

    async def private_file(self, request: Request) -> Response:
        """`url_private`: for a token that may read files."""
        file = self._slack.space.files.get(request.path_params["id"].partition("-")[2])
        token = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        apps = self._slack.space.apps.values()
        good = [a for a in apps if a.bot_token == token and a.token_state == "good"]  # noqa: S105
        allowed = any("files:read" in a.scopes for a in good)
        if file is None or not allowed:
            return PlainTextResponse("file not found", 404 if allowed else 403)
        return self._bytes(file)

    def _bytes(self, file: File) -> Response:
        path = self._slack.folder / file.id
        if not path.exists():
            return PlainTextResponse("file not found", 404)
        kind = MIMES.get(file.name.rpartition(".")[2].lower(), "application/octet-stream")
        inline = "inline" if kind.startswith("image/") and kind != "image/svg+xml" else "attachment"
        return FileResponse(path, media_type=kind, filename=file.name, content_disposition_type=inline)

    async def avatar(self, request: Request) -> Response:
        """A person's or app's initials on a colour of their own."""
        user = request.path_params["name"].removesuffix(".svg")
        person = self._slack.space.world.person(user)
        app = self._slack.space.app_of_bot(user)
        name = person.name if person else app.name if app else "?"
        initials = html.escape("".join(word[0] for word in name.split()[:2]).upper())
        colour = _COLOURS[sum(user.encode()) % len(_COLOURS)]
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72"><rect width="72" height="72" rx="14" '
            f'fill="{colour}"/><text x="36" y="47" font-family="system-ui,sans-serif" font-size="30" font-weight="600" '
            f'fill="#fff" text-anchor="middle">{initials}</text></svg>'
        )
        return Response(svg, media_type="image/svg+xml", headers={"Cache-Control": "max-age=3600"})

    async def events(self, request: Request) -> Response:
        """What changes on one person's screen, as server-sent events."""
        person = self._slack.space.world.person(request.query_params.get("user", ""))
        if person is None:
            return answer({"error": "user_not_found"}, 404)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._slack.feed.listen(person.id), media_type="text/event-stream", headers=headers)
