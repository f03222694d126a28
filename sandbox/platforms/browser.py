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

    def __init__(self, user_id: str, base_url: str) -> None:
        self._base_url = base_url
        self._cookies = httpx.Cookies({COOKIE: user_id})

    async def consent(self, url: str, *, grant: bool) -> dict[str, Any]:
        """Goes through a connect link to its end: `{status, url, text}` of the last page.

        Raises httpx.InvalidURL or httpx.TransportError when an address leads nowhere.
        """
        start = urljoin(f"{self._base_url}/", html.unescape(url))
        async with httpx.AsyncClient(cookies=self._cookies, follow_redirects=False, timeout=60, trust_env=False) as client:
            answer = await _follow(client, await client.get(start))
            for _ in range(MOST_PAGES):
                page = _read(answer)
                sent = await _press(client, answer, page, grant=grant) if page and answer.status_code < 400 else None
                if sent is None:
                    break
                answer = await _follow(client, sent)
            self._cookies = client.cookies
        return {"status": answer.status_code, "url": str(answer.url), "text": _text(answer)}


async def _press(client: httpx.AsyncClient, answer: httpx.Response, page: "_Page", *, grant: bool) -> httpx.Response | None:
    """Presses the button that leads on, if the page has one."""
    pressed = page.button(grant=grant)
    if pressed is None:
        return await client.get(urljoin(str(answer.url), page.onward)) if page.onward else None
    target = urljoin(str(answer.url), page.action or str(answer.url))
    fields = page.fields + ([pressed] if pressed[0] else [])
    if page.method == "post":
        return await client.post(target, data=_grouped(fields))
    return await client.get(target, params=_grouped(fields))


async def _follow(client: httpx.AsyncClient, answer: httpx.Response) -> httpx.Response:
    """Goes where a redirect leads, as long as that is http on this machine."""
    for _ in range(MOST_PAGES):
        if not answer.is_redirect:
            break
        onward = urljoin(str(answer.url), answer.headers["location"])
        parts = urlsplit(onward)
        if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost"):
            break
        answer = await client.get(onward)
    return answer


class _Page(HTMLParser):
    """A page: its words, the fields and buttons of its first form, and the link that leads on (`rel=next`, or *Continue*)."""

    def __init__(self) -> None:
        super().__init__()
        self.found, self._inside, self._button = False, False, False
        self.action, self.method = "", "get"
        self.fields: list[tuple[str, str]] = []
        self.buttons: list[tuple[str, str, str]] = []  # name, value, words
        self.words: list[str] = []
        self.onward, self._link = "", ""
        self._quiet = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {k: v or "" for k, v in attrs}
        if tag in ("style", "script", "title"):
            self._quiet = True
        if tag == "a":
            self._link = given.get("href", "")
            if given.get("rel") == "next":
                self.onward = self._link
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
        self._link = "" if tag == "a" else self._link
        self._quiet = self._quiet and tag not in ("style", "script", "title")

    def handle_data(self, data: str) -> None:
        if self._button:
            name, value, words = self.buttons[-1]
            self.buttons[-1] = (name, value, words + data)
        if self._link and data.strip().lower() == "continue":
            self.onward = self.onward or self._link
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


def _read(answer: httpx.Response) -> _Page | None:
    if "html" not in answer.headers.get("content-type", ""):
        return None
    page = _Page()
    page.feed(answer.text)
    return page


def _text(answer: httpx.Response) -> str:
    page = _read(answer)
    return "\n".join(page.words) if page else answer.text
