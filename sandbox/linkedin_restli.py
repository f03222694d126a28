"""LinkedIn's Rest.li 2.0: queries with `List(…)` and `(key:value)`, compound keys in paths, tunnelled requests, error bodies.

Structure travels in the clear, only the texts within are percent-encoded; whoever encodes the parentheses too is refused, as
LinkedIn refuses it. A long query may come as the body of a POST with `X-HTTP-Method-Override`.
"""

import re
from email.parser import BytesParser
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.requests import Request

from sandbox.platforms.platform import Answer, Json, Refusal

ENCODED_STRUCTURE = re.compile(r"(?i)^(List)?%28")


class RestError(Refusal):
    """An error as LinkedIn answers it."""

    def __init__(self, status: int, code: str, message: str, *, number: int | None = None) -> None:
        body: Json = {"status": status, "code": code, "message": message}
        if number is not None:
            body["serviceErrorCode"] = number
        super().__init__(Answer(body, status))
        self.message = message


def denied(message: str) -> RestError:
    """Scope, program or role are missing."""
    return RestError(403, "ACCESS_DENIED", message, number=100)


def not_found(message: str) -> RestError:
    """No such entity."""
    return RestError(404, "NOT_FOUND", message)


def invalid(message: str, code: str = "FIELD_INVALID") -> RestError:
    """Something in the request is not as it should be."""
    return RestError(400, code, message)


def throttled() -> RestError:
    """Too many calls."""
    said = "Resource level throttle limit for calls to this resource is reached."
    return RestError(429, "TOO_MANY_REQUESTS", said, number=101)


def query(raw: str) -> Json:
    """The parameters of a raw query. Raises RestError when one is malformed."""
    found: Json = {}
    for pair in filter(None, raw.split("&")):
        name, _, value = pair.partition("=")
        if ENCODED_STRUCTURE.match(value):
            raise invalid(f"Invalid query parameters passed to request: {unquote(name)}", "PARAM_INVALID")
        found[unquote(name)] = decode(value.replace("+", "%20"))
    return found


def decode(text: str) -> Any:
    """A value in Rest.li's notation: a text, a list or a dict."""
    value, rest = _value(text)
    if rest:
        raise invalid(f"Invalid parameter value near {rest[:40]!r}", "PARAM_INVALID")
    return value


def _value(text: str) -> tuple[Any, str]:
    if text.startswith("List("):
        return _list(text[5:])
    if text.startswith("("):
        return _object(text[1:])
    end = re.search(r"[,)]", text)
    stop = end.start() if end else len(text)
    return unquote(text[:stop]), text[stop:]


def _list(text: str) -> tuple[list[Any], str]:
    items: list[Any] = []
    while not text.startswith(")"):
        item, text = _value(text)
        items.append(item)
        if text.startswith(","):
            text = text[1:]
        elif not text.startswith(")"):
            raise invalid("Invalid parameter value: a list does not end", "PARAM_INVALID")
    return items, text[1:]


def _object(text: str) -> tuple[dict[str, Any], str]:
    fields: dict[str, Any] = {}
    while not text.startswith(")"):
        key, colon, text = text.partition(":")
        if not colon:
            raise invalid("Invalid parameter value: an object does not end", "PARAM_INVALID")
        fields[unquote(key)], text = _value(text)
        if text.startswith(","):
            text = text[1:]
        elif not text.startswith(")"):
            raise invalid("Invalid parameter value: an object does not end", "PARAM_INVALID")
    return fields, text[1:]


async def unfold(request: Request) -> tuple[str, str, Any]:
    """Method, raw query and body of a request, whether it is tunnelled or not. Raises RestError."""
    raw = request.scope["query_string"].decode()
    body, kind = await request.body(), request.headers.get("content-type", "")
    override = request.headers.get("x-http-method-override", "").upper()
    if override and request.method == "POST":
        if "multipart/mixed" in kind:
            message = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
            parts = [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]
            texts = [part for part in parts if isinstance(part, bytes)]
            if len(texts) != 2:
                raise invalid("A tunnelled request needs a query and a body.", "PARAM_INVALID")
            return override, texts[0].decode().strip(), _json(texts[1])
        return override, body.decode(), None
    return request.method, raw, _json(body)


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body) if body.strip() else None
    except orjson.JSONDecodeError as error:
        raise invalid("The request body is not JSON.", "INVALID_REQUEST_BODY") from error


def page(elements: list[Json], params: Json) -> Json:
    """`start` and `count`; everything when neither is asked."""
    start, count = str(params.get("start", 0)), str(params.get("count", max(len(elements), 10)))
    if not start.isdigit() or not count.isdigit():
        raise invalid("start and count must be numbers", "PARAM_INVALID")
    chosen = elements[int(start) : int(start) + int(count)]
    return {"elements": chosen, "paging": {"start": int(start), "count": int(count), "total": len(elements), "links": []}}


def token_page(elements: list[Json], params: Json) -> Json:
    """`pageSize` and `pageToken`, with `metadata.nextPageToken` until the last page."""
    size, start = str(params.get("pageSize", 100)), str(params.get("pageToken", "") or 0)
    if not size.isdigit() or not 0 < int(size) <= 1_000 or not start.isdigit():
        raise invalid("pageSize or pageToken is invalid", "PARAM_INVALID")
    end = int(start) + int(size)
    return {"elements": elements[int(start) : end], "metadata": {"nextPageToken": str(end)} if end < len(elements) else {}}


def urn_id(urn: Any, kind: str) -> str:
    """The id in `urn:li:KIND:ID`. Raises RestError."""
    prefix = f"urn:li:{kind}:"
    if not isinstance(urn, str) or not urn.startswith(prefix):
        raise invalid(f"{urn!r} is not a urn of the kind {kind}", "PARAM_INVALID")
    return urn.removeprefix(prefix)
