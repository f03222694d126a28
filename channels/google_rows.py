"""Batches as the Data Manager API takes them, and what its request status says of them (Send audience members, Diagnostics)."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import orjson

from channels.google_errors import PROCESSING
from channels.rows import HASHED, Bytes, Places, hexed, hexes, lines, texts
from core.models import IdentifierKind
from core.ports import Batch

CONTACT = frozenset({IdentifierKind.EMAIL, IdentifierKind.PHONE, IdentifierKind.ADDRESS})
MOBILE = frozenset({IdentifierKind.MOBILE})
INTERNAL = "PROCESSING_ERROR_REASON_INTERNAL_ERROR"
_DIGEST = 32
_FIELDS = {IdentifierKind.EMAIL: "emailAddress", IdentifierKind.PHONE: "phoneNumber"}
_ADDRESS = ("givenName", "familyName")

Row = Mapping[str, Any]


def members(batch: Batch) -> tuple[bytes, Places]:
    """`audienceMembers` as JSON, one for each member of the batch, and which of the batch's each is.

    Contact data or mobile ids: one request has one kind.
    """
    if batch.columns.keys() <= HASHED:
        return _hashed(batch)
    return orjson.dumps(_told(batch)), np.arange(batch.size)


def _hashed(batch: Batch) -> tuple[bytes, Places]:
    """Where all values are digests: members with as many of each kind are of one length, and are printed together."""
    many = {kind: np.bincount(np.asarray(c.member), minlength=batch.size) for kind, c in batch.columns.items()}
    first = {kind: np.cumsum(n) - n for kind, n in many.items()}
    digits = {kind: hexed(c.value) for kind, c in batch.columns.items()}
    form = sum((n << (8 * place) for place, n in enumerate(many.values())), np.zeros(batch.size, np.int64))

    def pieces(chosen: Places) -> Iterator[bytes | Bytes]:
        yield b'{"compositeData":{"userData":{"userIdentifiers":['
        comma = b""
        for kind, n in many.items():
            for nth in range(int(n[chosen[0]])):
                yield comma + b'{"' + _FIELDS[kind].encode() + b'":"'
                yield digits[kind][first[kind][chosen] + nth]
                yield b'"}'
                comma = b","
        yield b"]}}},"

    told, order = lines(form, lambda chosen: list(pieces(chosen)))
    return b"[" + told + b"]", order


def _told(batch: Batch) -> list[dict[str, Any]]:
    found: list[list[Any]] = [[] for _ in range(batch.size)]
    if IdentifierKind.MOBILE in batch.columns:
        column = batch.columns[IdentifierKind.MOBILE]
        for place, value in zip(column.member.to_pylist(), texts(column.value), strict=True):
            found[place].append(value)
        return [{"mobileData": {"mobileIds": ids}} for ids in found]
    for kind, name in _FIELDS.items():
        if kind in batch.columns:
            column = batch.columns[kind]
            for place, value in zip(column.member.to_pylist(), hexes(column.value)[0], strict=True):
                found[place].append({name: value})
    if IdentifierKind.ADDRESS in batch.columns:
        column = batch.columns[IdentifierKind.ADDRESS]
        for place, value in zip(column.member.to_pylist(), column.value.to_pylist(), strict=True):
            found[place].append({"address": _address(value)})
    return [{"compositeData": {"userData": {"userIdentifiers": ids}}} for ids in found]


def _address(value: bytes) -> dict[str, str]:
    """From the packing of `core/identity.py`: two digests, the region in two letters, the postal code."""
    clear = value[2 * _DIGEST :].decode()
    return {
        "givenName": value[:_DIGEST].hex(),
        "familyName": value[_DIGEST : 2 * _DIGEST].hex(),
        "regionCode": clear[:2],
        "postalCode": clear[2:],
    }


def refused(part: Row) -> dict[str, int]:
    """Members that the work left out at one destination, by reason as the counts call it."""
    found: dict[str, int] = {}
    for row in (part.get("errorInfo") or {}).get("errorCounts") or ():
        name = PROCESSING.get(str(row.get("reason", "")), "refused")
        found[name] = found.get(name, 0) + int(row.get("recordCount") or 0)
    return found


def is_internal(part: Row) -> bool:
    """Whether Google itself failed on members: they are sent again."""
    rows = (part.get("errorInfo") or {}).get("errorCounts") or ()
    return any(row.get("reason") == INTERNAL and int(row.get("recordCount") or 0) for row in rows)


def matched_share(part: Row) -> float | None:
    """The middle of the range of the match rate of an upload, where it is told (from a hundred matched members on)."""
    status = part.get("audienceMembersIngestionStatus") or {}
    told = next((str(s["uploadMatchRateRange"]) for s in status.values() if s.get("uploadMatchRateRange")), "")
    numbers = [int(n) for n in told.removeprefix("MATCH_RATE_RANGE_").split("_") if n.isdigit()]
    if not numbers:
        return None
    low, high = (0, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])
    return (low + high) / 200
