"""Slack's page on which a person installs an app with OAuth v2: what it may do, Allow or Cancel, and back with a code."""

import html
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sandbox.slack.api.calls import Grant
from sandbox.slack.standin import SlackStandIn
from sandbox.slack.state import BOT_SCOPES, App
from sandbox.world import TEAM_NAME

_CODE_SECONDS = 600
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body{{font:16px/1.5 system-ui,sans-serif;background:#f4ede4;color:#1d1c1d;margin:0;min-height:100vh;
display:grid;place-items:center}}
main{{background:#fff;border-radius:12px;padding:32px;max-width:460px;margin:16px;box-shadow:0 4px 24px #0002}}
h1{{font-size:22px;margin:0 0 12px}}li{{margin:2px 0}}ul{{max-height:240px;overflow:auto;padding-left:20px}}
button{{font:inherit;font-weight:600;padding:8px 20px;border-radius:6px;border:1px solid #8888;cursor:pointer;background:#fff}}
button[value=allow]{{background:#007a5a;color:#fff;border-color:#007a5a}}
</style><main>{body}</main></html>"""


class Install:
    """The two halves of the page: showing it, and what the person decided."""

    def __init__(self, *, slack: SlackStandIn) -> None:
        """See the class."""
        self._slack = slack

    def _asked(self, params: dict[str, str]) -> tuple[App, list[str], str] | str:
        """The app, the scopes and where to go back to; or what is wrong, in Slack's words."""
        app = next((a for a in self._slack.space.apps.values() if a.client_id == params.get("client_id")), None)
        if app is None:
            return "invalid_client_id"
        scopes = [s.strip() for s in params.get("scope", "").split(",") if s.strip()]
        if unknown := [s for s in scopes if s not in BOT_SCOPES]:
            return f"invalid_scope: {unknown[0]}"
        if not scopes and not params.get("user_scope"):
            return "no_scopes"
        back = params.get("redirect_uri") or (app.redirect_urls[0] if app.redirect_urls else "")
        known = any(back.startswith(url) for url in app.redirect_urls)
        if urlsplit(back).scheme not in ("http", "https") or (app.redirect_urls and not known):
            return "bad_redirect_uri"
        return app, scopes, back

    async def page(self, request: Request) -> Response:
        """What the app asks for."""
        asked = self._asked(dict(request.query_params))
        if isinstance(asked, str):
            return _oops(asked)
        app, scopes, _ = asked
        items = "".join(f"<li><code>{html.escape(scope)}</code></li>" for scope in scopes)
        hidden = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in request.query_params.items()
        )
        body = (
            f"<h1>{html.escape(app.name)} is requesting permission to access the {TEAM_NAME} workspace</h1>"
            f'<p>What will it be able to do?</p><ul>{items}</ul><form method="post">{hidden}'
            '<button name="decision" value="cancel">Cancel</button> '
            '<button name="decision" value="allow">Allow</button></form>'
        )
        return HTMLResponse(_PAGE.format(title=f"Install {html.escape(app.name)}", body=body))

    async def decide(self, request: Request) -> Response:
        """Back to the app, with a code or with `access_denied`."""
        async with request.form() as sent:
            form = {k: v for k, v in sent.items() if isinstance(v, str)}
        asked = self._asked(dict(request.query_params) | form)
        if isinstance(asked, str):
            return _oops(asked)
        app, scopes, back = asked
        answer = {"state": form.get("state", "")}
        if form.get("decision") != "allow":
            answer["error"] = "access_denied"
        else:
            user = request.cookies.get("sandbox_person") or self._slack.space.people[0].id
            space = self._slack.space
            code = f"{space.ids.digits(12)}.{space.ids.digits(13)}.{space.ids.hex(64)}"
            self._slack.tools.codes[code] = Grant(app.id, user, scopes, back, space.ids.now() + _CODE_SECONDS)
            answer["code"] = code
        joint = "&" if "?" in back else "?"
        return RedirectResponse(f"{back}{joint}{urlencode(answer)}", 302)


def _oops(error: str) -> Response:
    body = f"<h1>Something went wrong when authorizing this app</h1><p><code>{html.escape(error)}</code></p>"
    return HTMLResponse(_PAGE.format(title="Something went wrong", body=body), 400)
