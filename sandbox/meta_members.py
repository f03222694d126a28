"""The members of a request to `/users`, checked as Meta checks them (Custom Audience Users, and its page on customer files)."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

MAX_ROWS = 10_000
HEX = re.compile(r"[0-9a-f]{64}\Z")
MULTI = {"EXTERN_ID", "EMAIL", "PHONE", "GEN", "DOBY", "DOBM", "DOBD", "LN", "FN", "FI", "CT", "ST", "ZIP", "MADID", "COUNTRY"}
MULTI |= {"EMAIL_SHA256", "PHONE_SHA256", "APPUID", "PAGEUID", "LOOKALIKE_VALUE"}
SINGLE = {"EMAIL_SHA256": "EMAIL", "PHONE_SHA256": "PHONE", "MOBILE_ADVERTISER_ID": "MADID", "EMAIL": "EMAIL", "PHONE": "PHONE"}
CLEAR = {"MADID", "EXTERN_ID", "APPUID", "PAGEUID", "LOOKALIKE_VALUE"}
LETTER = {"EMAIL": b"e", "PHONE": b"p", "MADID": b"m"}
ADDRESS = ("FN", "LN", "COUNTRY", "ZIP")


class Refused(Exception):
    """The whole request is refused, in Meta's words."""


@dataclass
class Rows:
    """What a payload holds: the identifiers of its good rows, and how many rows were not taken, by reason."""

    received: int
    identifiers: set[bytes] = field(default_factory=set)
    rejected: int = 0
    invalid: dict[str, int] = field(default_factory=dict)
    samples: list[Any] = field(default_factory=list)


def read_payload(payload: Any) -> Rows:
    """Reads `{"schema": …, "data": […]}`. Raises Refused when the request as a whole is malformed or too large."""
    try:
        asked = orjson.loads(payload) if isinstance(payload, str | bytes) else payload
        schema, data = asked["schema"], asked["data"]
    except (orjson.JSONDecodeError, TypeError, KeyError) as error:
        raise Refused("(#100) Missing or invalid parameter: payload needs schema and data") from error
    if not isinstance(data, list) or not data:
        raise Refused("(#100) Param payload[data] must be a non-empty array.")
    if len(data) > MAX_ROWS:
        raise Refused(f"(#100) The number of rows must not exceed {MAX_ROWS}; {len(data)} were sent.")
    if isinstance(schema, str):
        if schema not in SINGLE:
            raise Refused(f"(#100) Param payload[schema] is not one of the known keys: {schema}")
        names = [SINGLE[schema]]
        data = [row if isinstance(row, list) else [row] for row in data]
    else:
        if not schema or any(name not in MULTI for name in schema):
            raise Refused("(#100) Param payload[schema] holds an unknown key.")
        names = [name.removesuffix("_SHA256") for name in schema]
    if any(len(row) != len(names) for row in data):
        raise Refused("(#100) Every row of payload[data] must have as many values as payload[schema].")
    return _check(names, data)


def _check(names: Sequence[str], data: list[list[Any]]) -> Rows:
    rows = Rows(received=len(data))
    columns = dict(zip(names, zip(*data, strict=True), strict=True))
    bad = [False] * len(data)
    for name, values in columns.items():
        if name in CLEAR:
            continue
        wrong = [i for i, v in enumerate(values) if v != "" and not (isinstance(v, str) and HEX.match(v))]
        for i in wrong:
            bad[i] = True
        if wrong:
            rows.invalid[f"{name.lower()}_not_hashed"] = len(wrong)
    rows.rejected = sum(bad)
    rows.samples = [f"row {i}" for i, is_bad in enumerate(bad) if is_bad][:100]
    for name, letter in LETTER.items():
        for i, value in enumerate(columns.get(name, ())):
            if value and not bad[i]:
                rows.identifiers.add(letter + (value.encode() if name in CLEAR else bytes.fromhex(value)))
    if all(name in columns for name in ADDRESS):
        for i, parts in enumerate(zip(*(columns[name] for name in ADDRESS), strict=True)):
            if all(parts) and not bad[i]:
                rows.identifiers.add(b"a" + bytes.fromhex("".join(parts)))
    empty = sum(1 for i in range(len(data)) if not bad[i] and not any(values[i] for values in columns.values()))
    if empty:
        rows.invalid["empty_row"] = empty
        rows.rejected += empty
    return rows


def normal(kind: str, clear: str) -> bytes | None:
    """An identifier in clear text, in Meta's normal form and hashed; None for kinds that Meta does not take."""
    if kind == "email":
        return b"e" + hashlib.sha256(clear.strip().lower().encode()).digest()
    if kind == "phone":
        return b"p" + hashlib.sha256(re.sub(r"\D", "", clear).lstrip("0").encode()).digest()
    return b"m" + clear.strip().lower().encode() if kind == "mobile" else None
