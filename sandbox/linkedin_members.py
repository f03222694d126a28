"""What is streamed into a DMP segment, checked as LinkedIn checks it: element by element, within an answer of status 200.

An e-mail comes as SHA-256 (64 lower-case hex digits) or SHA-512 (128); a mobile id in clear; a company by domain, name, page or
organization. Names of people need no id beside them on LinkedIn, but match nobody here and are not kept.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sandbox.linkedin_restli import invalid
from sandbox.platforms.identifiers import Identifiers, digest_column, is_hex_column
from sandbox.platforms.platform import Json

MAX_ELEMENTS = 5_000
SHA256, SHA512 = re.compile(r"[0-9a-f]{64}\Z"), re.compile(r"[0-9a-f]{128}\Z")
USER_FIELDS = {"action", "userIds", "firstName", "lastName", "title", "company", "country"}
COMPANY_FIELDS = {
    "action", "companyName", "companyWebsiteDomain", "companyEmailDomain", "companyPageUrl", "organizationUrn", "stockSymbol",
    "industries", "industry", "city", "state", "country", "postalCode",
}  # fmt: skip
DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+\Z")


class Bad(Exception):
    """One element is refused, with LinkedIn's message; `reason` is what the counts call it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass
class Streamed:
    """What a request holds: runs of one action in their order, and the elements that were refused, by place."""

    received: int
    runs: list[tuple[str, Identifiers, int]] = field(default_factory=list)  # action, identifiers, elements
    bad: dict[int, Bad] = field(default_factory=dict)

    def answer(self) -> Json:
        """The answer's elements, in the order of the request."""
        elements: list[Json] = [{"status": 201}] * self.received
        for place, bad in self.bad.items():
            elements[place] = {"status": 400, "error": {"status": 400, "code": "FIELD_INVALID", "message": str(bad)}}
        return {"elements": elements}


def read_users(elements: Any) -> Streamed:
    """The people of a request. Raises RestError when it is malformed as a whole."""
    checked = _checked(elements)
    return _fast(checked) or _slowly(checked, _user)


def read_companies(elements: Any) -> Streamed:
    """The companies of a request. Raises RestError when it is malformed as a whole."""
    return _slowly(_checked(elements), _company)


def _checked(elements: Any) -> list[Any]:
    if not isinstance(elements, list):
        raise invalid("The field elements is required and must be an array")
    if len(elements) > MAX_ELEMENTS:
        raise invalid(f"A batch may hold {MAX_ELEMENTS} elements at most, {len(elements)} were sent", "BATCH_SIZE_EXCEEDED")
    return elements


def _fast(elements: Sequence[Any]) -> Streamed | None:
    """The usual request, read in columns: one action, SHA-256 e-mails, nothing else. None when it is another one."""
    try:
        fields, actions = {frozenset(e) for e in elements}, {e["action"] for e in elements}
        ids = [i for e in elements for i in e["userIds"]]
        kinds, values = {i["idType"] for i in ids}, [i["idValue"] for i in ids]
        usual = all(e["userIds"] for e in elements) and all(values)
    except (TypeError, KeyError):
        return None
    if not usual or kinds != {"SHA256_EMAIL"} or len(actions) != 1 or not fields <= {frozenset(("action", "userIds"))}:
        return None
    action = next(iter(actions))
    if action not in ("ADD", "REMOVE") or not is_hex_column(values):
        return None
    return Streamed(len(elements), [(action, Identifiers({"e": digest_column(values)}), len(elements))])


def _slowly(elements: Sequence[Any], read: Callable[[Json], list[bytes]]) -> Streamed:
    streamed = Streamed(len(elements))
    good: list[tuple[str, list[bytes]]] = []
    for place, element in enumerate(elements):
        try:
            if not isinstance(element, dict):
                raise Bad("not_an_object", "An element must be an object")
            if element.get("action") not in ("ADD", "REMOVE"):
                raise Bad("unknown_action", f"The field action must be ADD or REMOVE, not {str(element.get('action'))[:20]!r}")
            good.append((element["action"], read(element)))
        except Bad as bad:
            streamed.bad[place] = bad
    for action, run in groupby(good, key=lambda pair: pair[0]):
        parts = [identifiers for _, identifiers in run]
        streamed.runs.append((action, Identifiers.of(i for part in parts for i in part), len(parts)))
    return streamed


def _user(element: Json) -> list[bytes]:
    if unknown := element.keys() - USER_FIELDS:
        raise Bad("unknown_field", f"Unrecognized field found but not allowed: /{sorted(unknown)[0]}")
    ids = element.get("userIds") or []
    if not ids and not (element.get("firstName") and element.get("lastName")):
        raise Bad("no_identifier", "Either userIds or firstName and lastName are required")
    if not isinstance(ids, list):
        raise Bad("not_an_object", "The field userIds must be an array")
    return [_user_id(one) for one in ids]


def _user_id(one: Any) -> bytes:
    kind, value = (one.get("idType"), one.get("idValue")) if isinstance(one, dict) else (None, None)
    if not isinstance(value, str) or not value:
        raise Bad("empty_id_value", "The field idValue is required")
    if kind == "SHA256_EMAIL" and SHA256.match(value):
        return b"e" + bytes.fromhex(value)
    if kind == "SHA512_EMAIL" and SHA512.match(value):
        return b"e" + bytes.fromhex(value)
    if kind in ("SHA256_EMAIL", "SHA512_EMAIL"):
        raise Bad("email_not_hashed", f"The field idValue is not a valid {kind}")
    if kind in ("GOOGLE_AID", "APPLE_IDFA"):
        return b"m" + value.lower().encode()
    raise Bad("unknown_id_type", f"Invalid value for the field idType: {str(kind)[:20]!r}")


def _company(element: Json) -> list[bytes]:
    if unknown := element.keys() - COMPANY_FIELDS:
        raise Bad("unknown_field", f"Unrecognized field found but not allowed: /{sorted(unknown)[0]}")
    found: list[bytes] = []
    for name in ("companyWebsiteDomain", "companyEmailDomain"):
        if value := str(element.get(name) or "").strip().lower():
            if not DOMAIN.match(value):
                raise Bad("invalid_domain", f"The field {name} is not a domain")
            found.append(b"d" + value.encode())
    if value := str(element.get("companyName") or "").strip():
        found.append(b"n" + value.encode())
    pages = [str(element.get(name) or "").strip() for name in ("companyPageUrl", "organizationUrn")]
    found += [b"u" + value.encode() for value in pages if value]
    if not found:
        raise Bad("no_identifier", "At least one of companyName, a domain, companyPageUrl or organizationUrn is required")
    return found


def normal(kind: str, clear: str) -> bytes | None:
    """An identifier in clear text, in LinkedIn's normal form; None for kinds that LinkedIn does not take."""
    if kind == "email":
        return b"e" + hashlib.sha256("".join(clear.lower().split()).encode()).digest()
    letters = {"mobile": b"m", "domain": b"d"}
    if kind in letters:
        return letters[kind] + clear.strip().lower().encode()
    return (
        {"name": b"n", "company": b"n", "page": b"u"}[kind] + clear.strip().encode()
        if kind in ("name", "company", "page")
        else None
    )
