"""The platforms' OAuth: a consent page for people, codes, and tokens that can be revoked or made to expire."""

import html
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sandbox.world import World

COOKIE = "sandbox_person"


@dataclass
class Token:
    """An access or refresh token of one person."""

    value: str
    user_id: str
    scopes: tuple[str, ...]
    issued: float
    expires: float
    kind: str = "access"
    revoked: bool = False
    client_id: str = ""


@dataclass(frozen=True)
class Code:
    """What the browser carries back; for one exchange within ten minutes."""

    user_id: str
    scopes: tuple[str, ...]
    redirect_uri: str
    client_id: str
    challenge: str
    expires: float


@dataclass
class Asked:
    """What an app asks a person for."""

    platform: str
    title: str
    scopes: list[str]
    optional: bool
    action: str
    fields: dict[str, str] = field(default_factory=dict)


class Grants:
    """The tokens of one platform, kept in a file so that a restart knows them."""

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        self._path, self._now = path, now
        self.codes: dict[str, Code] = {}
        self.tokens: dict[str, Token] = {}
        if path.exists():
            for row in orjson.loads(path.read_bytes()):
                self.tokens[row["value"]] = Token(**row | {"scopes": tuple(row["scopes"])})

    def code(self, user_id: str, scopes: tuple[str, ...], redirect_uri: str, client_id: str, challenge: str) -> str:
        """A new code."""
        value = secrets.token_urlsafe(24)
        self.codes[value] = Code(user_id, scopes, redirect_uri, client_id, challenge, self._now() + 600)
        return value

    def spend(self, code: str) -> Code | None:
        """The code, once; None when it is unknown, spent or old."""
        found = self.codes.pop(code, None)
        return found if found and found.expires > self._now() else None

    def token(self, user_id: str, scopes: tuple[str, ...], *, lives_s: float, kind: str = "access", client_id: str = "") -> Token:
        """A new token."""
        now = self._now()
        token = Token(f"{kind[0]}-{secrets.token_urlsafe(40)}", user_id, scopes, now, now + lives_s, kind, client_id=client_id)
        self.tokens[token.value] = token
        self._keep()
        return token

    def state(self, value: str, kind: str = "access") -> tuple[Token | None, str]:
        """The token and `good`, `unknown`, `revoked` or `expired`."""
        token = self.tokens.get(value)
        if token is None or token.kind != kind:
            return None, "unknown"
        if token.revoked:
            return token, "revoked"
        return token, "good" if token.expires > self._now() else "expired"

    def revoke(self, *, user_id: str | None = None) -> None:
        """All grants that exist (of this person) are taken back."""
        for token in self.tokens.values():
            token.revoked = token.revoked or user_id in (None, token.user_id)
        self._keep()

    def expire(self) -> None:
        """All access tokens that exist have expired."""
        for token in self.tokens.values():
            if token.kind == "access":
                token.expires = min(token.expires, self._now() - 1)
        self._keep()

    def _keep(self) -> None:
        self._path.write_bytes(orjson.dumps([asdict(t) for t in self.tokens.values()]))


def who(request: Request, world: World) -> str | None:
    """The person at this browser: as chosen on the page, else by the cookie."""
    chosen = request.query_params.get("as") or request.cookies.get(COOKIE, "")
    return chosen if world.person(chosen) else None


def ask(request: Request, world: World, asked: Asked) -> Response:
    """The consent page, or the choice of a person when nobody is logged in."""
    user_id = who(request, world)
    if user_id is None:
        people = "".join(
            f'<a class="person" href="?{html.escape(urlencode([*request.query_params.multi_items(), ("as", p.id)]))}">'
            f"<b>{html.escape(p.name)}</b><span>{html.escape(p.email)}</span></a>"
            for p in world.people
        )
        return _page(asked.title, f"<h1>Choose an account</h1><p>to go on to Acme</p>{people}")
    person = next(p for p in world.people if p.id == user_id)
    hidden = "".join(
        f'<input type="hidden" name="{html.escape(k)}" value="{html.escape(v)}">'
        for k, v in (asked.fields | {"as": user_id}).items()
    )
    ticks = "".join(
        f'<label class="scope"><input type="checkbox" name="scope" value="{html.escape(s)}" checked'
        f"{'' if asked.optional else ' disabled'}> {html.escape(s)}</label>"
        for s in asked.scopes
    )
    fixed = (
        "" if asked.optional else "".join(f'<input type="hidden" name="scope" value="{html.escape(s)}">' for s in asked.scopes)
    )
    return _page(
        asked.title,
        f"<h1>{html.escape(asked.title)}</h1><p><b>segsync</b> asks for access as <b>{html.escape(person.name)}</b><br>"
        f"<small>{html.escape(person.email)}</small></p>"
        f'<form method="post" action="{html.escape(asked.action)}">{hidden}{fixed}<div class="scopes">{ticks}</div>'
        '<div class="row"><button name="decision" value="refuse" class="quiet">Cancel</button>'
        '<button name="decision" value="grant" class="main">Continue</button></div></form>'
        '<p class="note">A stand-in of the sandbox: nothing leaves this machine.</p>',
    )


def back(redirect_uri: str, **answer: str) -> Response:
    """Sends the browser back to the app."""
    joint = "&" if "?" in redirect_uri else "?"
    return RedirectResponse(f"{redirect_uri}{joint}{urlencode(answer)}", 302)


def wrong(title: str, text: str, status: int = 400) -> Response:
    """A page that says what the app did wrong; the browser is not sent back."""
    return _page(title, f"<h1>{html.escape(title)}</h1><p>{html.escape(text)}</p>", status)


def _page(title: str, inner: str, status: int = 200) -> Response:
    style = (
        "body{margin:0;font:16px/1.5 system-ui,sans-serif;background:#f3f4f7;color:#1d1c1d;display:grid;min-height:100vh;place-items:center}"
        "main{background:#fff;border-radius:14px;box-shadow:0 8px 40px #0002;padding:32px;width:min(420px,88vw)}h1{font-size:22px;margin:0 0 8px}"
        ".scopes{border:1px solid #ddd;border-radius:10px;padding:8px 14px;margin:16px 0}.scope{display:block;padding:4px 0}"
        ".row{display:flex;gap:12px;justify-content:flex-end}button{font:inherit;border:0;border-radius:8px;padding:10px 18px;cursor:pointer}"
        ".main{background:#0866ff;color:#fff}.quiet{background:#e6e8ec}.note,small,span{color:#666;font-size:13px}"
        ".person{display:flex;flex-direction:column;padding:10px 14px;border:1px solid #ddd;border-radius:10px;margin:8px 0;color:inherit;text-decoration:none}"
        "@media(prefers-color-scheme:dark){body{background:#16181c;color:#e8e8e8}main{background:#23262b}.quiet{background:#3a3f47;color:#eee}}"
    )
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{style}</style><main>{inner}</main></html>",
        status,
    )
