"""What browsers ask: the page behind a link, the way back from a consent, a sync's link, and whether we are well."""

import logging
from collections.abc import Callable, Sequence
from html import escape

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from bot.errors import answer_of
from core.connections import Connections
from core.errors import SegsyncError
from core.models import Channel
from core.store.connections import Consent
from core.views import Arrival

logger = logging.getLogger(__name__)
COOKIE = "segsync_consent"
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;background:#f6f5f3;color:#1d1c1d;"
    "display:grid;place-items:center;min-height:100vh;margin:0}"
    "main{background:#fff;border-radius:14px;padding:40px;max-width:440px;box-shadow:0 8px 40px #0001;margin:16px}"
    "h1{font-size:22px;margin:0 0 12px}"
    "button,a.button{display:inline-block;background:#4a154b;color:#fff;border:0;border-radius:8px;"
    "padding:12px 22px;font:inherit;font-weight:600;cursor:pointer;text-decoration:none}p{margin:0 0 20px}"
    "@media(prefers-color-scheme:dark){body{background:#1a1d21;color:#e8e8e8}main{background:#222529}}"
)
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


class Web:
    """`names`: how a consent's person and organization are called; `arrived`: what waits in Slack goes on."""

    def __init__(
        self,
        *,
        connections: Connections,
        names: Callable[[Consent], tuple[str, str]],
        arrived: Callable[[Arrival], None],
        slack_link: Callable[[], str],
        secure: bool,
        more: Sequence[Route] = (),
    ) -> None:
        self._connections, self._names, self._arrived = connections, names, arrived
        self._slack_link, self._secure, self._more = slack_link, secure, more

    def app(self) -> Starlette:
        """The routes."""
        return Starlette(
            routes=[
                Route("/connect/{token}", self.connect, methods=["GET", "POST"]),
                Route("/oauth/{channel}/callback", self.callback),
                Route("/s/{short}", self.sync_link),
                *self._more,
            ]
        )

    async def connect(self, request: Request) -> Response:
        """Names both sides; *Continue* leads to the platform. Looking spends nothing: link previews look, too."""
        token = request.path_params["token"]
        if request.method == "GET":
            return await run_in_threadpool(self._look, token)
        return await run_in_threadpool(self._go, token)

    def _look(self, token: str) -> Response:
        consent = answer_of(lambda: self._connections.page(token))
        if isinstance(consent, SegsyncError):
            return self.page("This link does not work any more", escape(str(consent)), status=410)
        label = consent.channel.label
        user, organization = self._names(consent)
        body = (
            f"Your own {label} account will be connected to <b>{escape(user)}</b> at <b>{escape(organization)}</b> in Slack. "
            f"{label} asks you next. Not you? Close this page."
        )
        form = '<form method="post"><button type="submit">Continue</button></form>'
        return self.page(f"{label} → Slack", body, form)

    def _go(self, token: str) -> Response:
        departure = answer_of(lambda: self._connections.go(token))
        if isinstance(departure, SegsyncError):
            return self.page("This link does not work any more", escape(str(departure)), status=410)
        answer = RedirectResponse(departure.url, status_code=303, headers=_HEADERS)
        answer.set_cookie(COOKIE, departure.cookie, max_age=600, httponly=True, secure=self._secure, samesite="lax")
        return answer

    async def callback(self, request: Request) -> Response:
        """Back from the platform."""
        return await run_in_threadpool(self._finish, request)

    def _finish(self, request: Request) -> Response:
        asked, name = request.query_params, request.path_params["channel"]
        if name not in [c.value for c in Channel]:
            return self.page("There is nothing here", "This address belongs to no channel.", status=404)
        arrival = answer_of(
            lambda: self._connections.finish(
                Channel(name),
                state=asked.get("state", ""),
                code=asked.get("code"),
                error=asked.get("error"),
                cookie=request.cookies.get(COOKIE, ""),
            )
        )
        if isinstance(arrival, SegsyncError):
            return self.page("That did not work", escape(str(arrival)), self._back(), status=400)
        told = answer_of(lambda: self._arrived(arrival))
        if isinstance(told, SegsyncError):
            logger.warning("A consent came back, but its view in Slack could not be updated.")
        if arrival.problem:
            return self.page(f"{arrival.channel.label} is not connected", escape(arrival.problem), self._back(), status=400)
        who = f" as {escape(arrival.person_name)}" if arrival.person_name else ""
        return self.page(f"{arrival.channel.label} is connected", f"Connected{who}. Go on in Slack.", self._back())

    def sync_link(self, request: Request) -> Response:
        """A sync's link: no data, only the way into Slack."""
        short = escape(request.path_params["short"][:20])
        return self.page(f"Segment sync {short}", "Its details are in Slack, for those who may see them.", self._back())

    def _back(self) -> str:
        return f'<a class="button" href="{escape(self._slack_link())}">Open in Slack</a>'

    @staticmethod
    def page(title: str, body: str, more: str = "", *, status: int = 200) -> HTMLResponse:
        """A page of ours; `body` and `more` are HTML."""
        head = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        main = f"<main><h1>{escape(title)}</h1><p>{body}</p>{more}</main>"
        text = f"{head}<title>{escape(title)} · segsync</title><style>{_STYLE}</style>{main}"
        return HTMLResponse(text, status_code=status, headers=_HEADERS)
