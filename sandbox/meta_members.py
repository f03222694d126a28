"""The members of a request to `/users`, checked as Meta checks them (Custom Audience Users, and its page on customer files).

A row that is not as it should be (a value that is not a SHA-256 in lower-case hex where one is due, an empty row) counts as
invalid and the others go through; a schema that Meta does not know, rows of another length, or more than 10,000 rows refuse the
request. A first and last name with country and postal code, all four hashed, is one address; without all four the names match
nobody here.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from sandbox.platforms.identifiers import FOUR_DIGESTS, NO_HEX, Identifiers, digest_column, digests_of, is_hex_column

MAX_ROWS = 10_000
MULTI = {"EXTERN_ID", "EMAIL", "PHONE", "GEN", "DOBY", "DOBM", "DOBD", "LN", "FN", "FI", "CT", "ST", "ZIP", "MADID", "COUNTRY"}
MULTI |= {"EMAIL_SHA256", "PHONE_SHA256", "APPUID", "PAGEUID", "LOOKALIKE_VALUE"}
MULTI |= {"DATA_PROCESSING_OPTIONS", "DATA_PROCESSING_OPTIONS_COUNTRY", "DATA_PROCESSING_OPTIONS_STATE"}
SINGLE = {"EMAIL_SHA256": "EMAIL", "PHONE_SHA256": "PHONE", "MOBILE_ADVERTISER_ID": "MADID", "EMAIL": "EMAIL", "PHONE": "PHONE"}
CLEAR = {"MADID", "EXTERN_ID", "APPUID", "PAGEUID", "LOOKALIKE_VALUE"}  # as they are, never hashed
CLEAR |= {name for name in MULTI if name.startswith("DATA_PROCESSING")}
LETTER = {"EMAIL": "e", "PHONE": "p"}
ADDRESS = ("FN", "LN", "COUNTRY", "ZIP")
MOST_SAMPLES = 100


class Refused(Exception):
    """The whole request is refused, in Meta's words."""


@dataclass
class Rows:
    """What a payload holds: the identifiers of its good rows, and how many rows were not taken, by reason."""

    received: int
    identifiers: Identifiers = field(default_factory=Identifiers)
    rejected: int = 0
    invalid: dict[str, int] = field(default_factory=dict)
    samples: dict[str, str] = field(default_factory=dict)


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
        if not isinstance(schema, list) or not schema or any(name not in MULTI for name in schema):
            raise Refused("(#100) Param payload[schema] holds an unknown key.")
        names = [name.removesuffix("_SHA256") for name in schema]
    if not all(isinstance(row, list) for row in data) or set(map(len, data)) != {len(names)}:
        raise Refused("(#100) Data is missing or does not match schema: every row needs as many values as the schema has keys.")
    return _check(names, data)


def _check(names: Sequence[str], data: list[list[Any]]) -> Rows:
    rows = Rows(received=len(data))
    columns: dict[str, Sequence[Any]] = dict(zip(names, zip(*data, strict=True), strict=True))
    bad = _bad_rows(columns, rows)
    if bad:
        data = [row for i, row in enumerate(data) if i not in bad]
        columns = dict(zip(names, zip(*data, strict=True), strict=True)) if data else {}
    columns = {name: column for name, column in columns.items() if not name.startswith("DATA_PROCESSING")}
    rows.rejected = len(bad)
    digests = {letter: digest_column(columns[name]) for name, letter in LETTER.items() if name in columns}
    others = {b"m" + str(v).lower().encode() for v in columns.get("MADID", ()) if v}
    if all(name in columns for name in ADDRESS):
        whole = ["".join(row) for row in zip(*(columns[name] for name in ADDRESS), strict=True) if all(row)]
        digests["a"] = digests_of(bytes.fromhex("".join(whole)), FOUR_DIGESTS)
    rows.identifiers = Identifiers(digests, frozenset(others))
    return rows


def _bad_rows(columns: dict[str, Sequence[Any]], rows: Rows) -> set[int]:
    """The places of rows that are not taken; counts the reasons and keeps samples."""
    bad: set[int] = set()
    for name, column in columns.items():
        if name in CLEAR or is_hex_column(column):
            continue
        wrong = [i for i, v in enumerate(column) if v != "" and not _is_digest(v)]
        rows.invalid[f"{name.lower()}_not_hashed"] = len(wrong)
        bad |= set(wrong)
    naming = [column for name, column in columns.items() if not name.startswith(("DATA_PROCESSING", "LOOKALIKE"))]
    empty = {i for i, row in enumerate(zip(*naming, strict=True)) if not any(row)} - bad if not all(map(all, naming)) else set()
    if empty:
        rows.invalid["empty_row"] = len(empty)
    for i in sorted(bad | empty)[:MOST_SAMPLES]:
        rows.samples[str(i)] = "not hashed" if i in bad else "empty"
    return bad | empty


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and not NO_HEX.search(value)


def normal(kind: str, clear: str) -> bytes | None:
    """An identifier in clear text, in Meta's normal form and hashed; None for kinds that Meta does not take."""
    if kind == "email":
        return b"e" + hashlib.sha256(clear.strip().lower().encode()).digest()
    if kind == "phone":
        return b"p" + hashlib.sha256(re.sub(r"\D", "", clear).lstrip("0").encode()).digest()
    return b"m" + clear.strip().lower().encode() if kind == "mobile" else None
