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
    offline: bool = False


@dataclass
class Asked:
    """What an app asks a person for. `words` say what a scope means; `optional`: the person may leave some out."""

    platform: str
    scopes: list[str]
    optional: bool
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    colour: str = "#0b57d0"


class Grants:
    """The tokens of one platform, kept in a file so that a restart knows them."""

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        self._path, self._now = path, now
        self.codes: dict[str, Code] = {}
        self.tokens: dict[str, Token] = {}
        if path.exists():
            for row in orjson.loads(path.read_bytes()):
                self.tokens[row["value"]] = Token(**row | {"scopes": tuple(row["scopes"])})

    def code(
        self,
        user_id: str,
        scopes: tuple[str, ...],
        redirect_uri: str,
        client_id: str,
        challenge: str = "",
        *,
        offline: bool = False,
    ) -> str:
        """A new code."""
        value = secrets.token_urlsafe(24)
        self.codes[value] = Code(user_id, scopes, redirect_uri, client_id, challenge, self._now() + 600, offline)
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

    def revoke(self, *, user_id: str | None = None, client_id: str | None = None) -> None:
        """All grants that exist (of this person, to this app) are taken back."""
        for token in list(self.tokens.values()):
            asked = user_id in (None, token.user_id) and client_id in (None, token.client_id)
            token.revoked = token.revoked or asked
        self._keep()

    def expire(self) -> None:
        """All access tokens that exist have expired."""
        for token in self.tokens.values():
            if token.kind == "access":
                token.expires = min(token.expires, self._now() - 1)
        self._keep()

    def _keep(self) -> None:
        part = self._path.with_suffix(".part")
        part.write_bytes(orjson.dumps([asdict(t) for t in list(self.tokens.values())]))
        part.replace(self._path)


def who(request: Request, world: World) -> str | None:
    """The person at this browser: as chosen on the page, else by the cookie."""
    chosen = request.query_params.get("as", request.cookies.get(COOKIE, ""))  # an empty `as`: somebody else, please
    return chosen if world.person(chosen) else None


def ask(request: Request, world: World, asked: Asked) -> Response:
    """The consent page, or the choice of a person when nobody is logged in."""
    user_id = who(request, world)
    if user_id is None:
        return _choose(request, world, asked)
    person = next(p for p in world.people if p.id == user_id)
    others = urlencode([(k, v) for k, v in request.query_params.multi_items() if k != "as"] + [("as", "")])
    lines = []
    for scope in asked.scopes:
        said = f"<span>{html.escape(asked.words.get(scope, scope))}<small>{html.escape(scope)}</small></span>"
        box = (
            f'<input type="checkbox" name="scope" value="{html.escape(scope)}" checked>'
            if asked.optional
            else _hidden("scope", scope)
        )
        lines.append(f"<label class=scope>{box}{said}</label>")
    hidden = "".join(_hidden(k, v) for k, v in (asked.fields | {"as": user_id}).items())
    hint = "<p class=note>You may leave something out; the app is told what.</p>" if asked.optional else ""
    return _page(
        f"{asked.platform}: segsync wants access",
        f"<p class=person><i>{html.escape(_initials(person.name))}</i><span><b>{html.escape(person.name)}</b>"
        f'<small>{html.escape(person.email)} · <a href="?{html.escape(others)}">not you?</a></small></span></p>'
        f"<h1>segsync wants to use your {html.escape(asked.platform)} account</h1>"
        f'<form method="post" action="{html.escape(asked.action)}">{hidden}<div class="scopes">{"".join(lines)}</div>{hint}'
        '<div class="row"><button name="decision" value="refuse" class="quiet">Cancel</button>'
        '<button name="decision" value="grant" class="main">Continue</button></div></form>',
        asked=asked,
    )


def _choose(request: Request, world: World, asked: Asked) -> Response:
    kept = [(k, v) for k, v in request.query_params.multi_items() if k != "as"]
    people = "".join(
        f'<a class="person" href="?{html.escape(urlencode([*kept, ("as", p.id)]))}"><i>{html.escape(_initials(p.name))}</i>'
        f"<span><b>{html.escape(p.name)}</b><small>{html.escape(p.email)}</small></span></a>"
        for p in world.people
        if not p.deleted
    )
    return _page(
        f"{asked.platform}: choose an account", f"<h1>Choose an account</h1><p>to go on to segsync</p>{people}", asked=asked
    )


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'


def _initials(name: str) -> str:
    return "".join(word[0] for word in name.split()[:2])


def back(redirect_uri: str, **answer: str) -> Response:
    """Sends the browser back to the app."""
    joint = "&" if "?" in redirect_uri else "?"
    return RedirectResponse(f"{redirect_uri}{joint}{urlencode(answer)}", 302)


def wrong(title: str, text: str, status: int = 400) -> Response:
    """A page that says what the app did wrong; the browser is not sent back."""
    return _page(title, f"<h1>{html.escape(title)}</h1><p>{html.escape(text)}</p>", status=status)


_STYLE = (
    ""
    "body{margin:0;font:16px/1.5 system-ui,sans-serif;background:#eef0f4;color:#1d1c1d;"
    "display:grid;min-height:100vh;place-items:center}"
    "main{background:#fff;border-radius:16px;box-shadow:0 10px 50px #0002;width:min(440px,92vw);overflow:hidden}"
    "header{background:var(--c);color:#fff;padding:14px 28px;font-weight:600;letter-spacing:.02em}section{padding:24px 28px}"
    "h1{font-size:21px;line-height:1.3;margin:18px 0 8px}p{margin:0 0 12px}"
    "small{display:block;color:#6b6f76;font-size:13px;font-weight:400}"
    ".scopes{border:1px solid #d9dce1;border-radius:12px;padding:6px 14px;margin:16px 0}"
    ".scope{display:flex;gap:12px;align-items:flex-start;padding:8px 0}.scope+.scope{border-top:1px solid #eceef1}"
    "input[type=checkbox]{width:18px;height:18px;margin:4px 0;accent-color:var(--c)}"
    ".row{display:flex;gap:12px;justify-content:flex-end;margin-top:20px}"
    "button{font:inherit;font-weight:600;border:0;border-radius:9px;padding:10px 20px;cursor:pointer}"
    ".main{background:var(--c);color:#fff}.quiet{background:#e6e8ec;color:inherit}"
    "button:focus-visible,a:focus-visible{outline:3px solid #f5a623}"
    ".person{display:flex;gap:12px;align-items:center;color:inherit;text-decoration:none;margin:0}"
    "a.person{padding:10px 14px;border:1px solid #d9dce1;border-radius:12px;margin:8px 0}a.person:hover{background:#f6f7f9}"
    ""
    ".person i{display:grid;place-items:center;width:38px;height:38px;border-radius:50%;background:var(--c);"
    "color:#fff;font-style:normal}"
    ".note,footer{color:#6b6f76;font-size:13px}footer{padding:0 28px 18px}"
    "@media(prefers-color-scheme:dark){body{background:#16181c;color:#e8e8e8}main{background:#23262b}.quiet{background:#3a3f47}"
    ".scopes,a.person{border-color:#3d424a}.scope+.scope{border-color:#30343b}a.person:hover{background:#2b2f35}"
    "a{color:#8ab4f8}}"
)


def _page(title: str, inner: str, *, asked: Asked | None = None, status: int = 200) -> Response:
    colour, platform = (asked.colour, asked.platform) if asked else ("#444", "Sign-in")
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>:root{{--c:{colour}}}{_STYLE}</style><main><header>{html.escape(platform)}</header>"
        f"<section>{inner}</section><footer>A stand-in of the sandbox: nothing leaves this machine.</footer></main></html>",
        status,
    )
