"""One person's browser: keeps cookies, follows links on this machine, presses Continue or Cancel on consent pages."""

import html
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from sandbox.platforms.consent import COOKIE

MOST_PAGES = 12


class Browser:
    """A browser that stays logged in as `user_id`."""

    def __init__(self, user_id: str) -> None:
        self._client = httpx.AsyncClient(cookies={COOKIE: user_id}, follow_redirects=False, timeout=60, trust_env=False)

    async def consent(self, url: str, *, grant: bool) -> dict[str, Any]:
        """Goes through a connect link to its end: `{status, url, text}` of the last page."""
        answer = await self._follow(await self._client.get(html.unescape(url)))
        for _ in range(MOST_PAGES):
            form = _first_form(answer)
            if form is None or answer.status_code >= 400:
                break
            pressed = form.button(grant=grant)
            if pressed is None:
                break
            target = urljoin(str(answer.url), form.action or str(answer.url))
            fields = form.fields + ([pressed] if pressed[0] else [])
            if form.method == "post":
                sent = await self._client.post(target, data=_grouped(fields))
            else:
                sent = await self._client.get(target, params=_grouped(fields))
            answer = await self._follow(sent)
        return {"status": answer.status_code, "url": str(answer.url), "text": _text(answer)}

    async def _follow(self, answer: httpx.Response) -> httpx.Response:
        for _ in range(MOST_PAGES):
            if not answer.is_redirect:
                break
            onward = urljoin(str(answer.url), answer.headers["location"])
            parts = urlsplit(onward)
            if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost"):
                break
            answer = await self._client.get(onward)
        return answer


class _Form(HTMLParser):
    """The first form of a page: its fields as they stand, and its buttons."""

    def __init__(self) -> None:
        super().__init__()
        self.found, self._inside, self._button = False, False, False
        self.action, self.method = "", "get"
        self.fields: list[tuple[str, str]] = []
        self.buttons: list[tuple[str, str, str]] = []  # name, value, words
        self.words: list[str] = []
        self._quiet = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {k: v or "" for k, v in attrs}
        if tag in ("style", "script", "title"):
            self._quiet = True
        if tag == "form" and not self.found:
            self.found = self._inside = True
            self.action, self.method = given.get("action", ""), given.get("method", "get").lower()
        if not self._inside:
            return
        if tag == "input" and given.get("type") == "submit":
            self.buttons.append((given.get("name", ""), given.get("value", ""), given.get("value", "")))
        elif tag == "input" and given.get("name") and "disabled" not in given:
            if given.get("type") not in ("checkbox", "radio") or "checked" in given:
                self.fields.append((given["name"], given.get("value", "on")))
        elif tag == "button":
            self._button = True
            self.buttons.append((given.get("name", ""), given.get("value", ""), ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "form"
        self._button = self._button and tag != "button"
        self._quiet = self._quiet and tag not in ("style", "script", "title")

    def handle_data(self, data: str) -> None:
        if self._button:
            name, value, words = self.buttons[-1]
            self.buttons[-1] = (name, value, words + data)
        if not self._quiet and data.strip():
            self.words.append(data.strip())

    def button(self, *, grant: bool) -> tuple[str, str] | None:
        """The button that a person would press: on a page with a choice the one that agrees or refuses, else the only one."""
        choices = {value: (name, value) for name, value, _ in self.buttons if value in ("grant", "refuse")}
        if choices:
            return choices.get("grant" if grant else "refuse")
        return next(((name, value) for name, value, words in self.buttons if "continue" in (words or value).lower()), None)


def _grouped(fields: list[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in fields:
        grouped.setdefault(name, []).append(value)
    return grouped


def _first_form(answer: httpx.Response) -> _Form | None:
    if "html" not in answer.headers.get("content-type", ""):
        return None
    form = _Form()
    form.feed(answer.text)
    return form if form.found else None


def _text(answer: httpx.Response) -> str:
    if "html" not in answer.headers.get("content-type", ""):
        return answer.text
    page = _Form()
    page.feed(answer.text)
    return "\n".join(page.words)
