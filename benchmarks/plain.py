"""The plain way: the same rules row by row, hashlib, dictionaries. The baseline, and the check of the answer."""

import hashlib
import re
from collections.abc import Iterable

Key = bytes
_EMAIL = re.compile(r"[^@\s,;<>()]+@[^@\s,;<>()]+\.[^@\s,;<>().]{2,}")
_PHONE = re.compile(r"(?:\+|00)([1-9]\d{7,14})")
_NOISE = str.maketrans("", "", " .-()/\t")


def members(rows: Iterable[tuple[str | None, str | None]]) -> dict[Key, set[bytes]]:
    """Identifiers by member, of rows of e-mail and phone (written with their country)."""
    found: dict[Key, set[bytes]] = {}
    for mail, tel in rows:
        identifiers = []
        clean = (mail or "").strip().lower()
        if _EMAIL.fullmatch(clean):
            identifiers.append(b"e" + hashlib.sha256(clean.encode()).digest())
        match = _PHONE.fullmatch((tel or "").strip().translate(_NOISE))
        if match:
            identifiers.append(b"p" + hashlib.sha256(match[1].encode()).digest())
        if identifiers:
            found.setdefault(identifiers[0], set()).update(identifiers)
    return found


def difference(before: dict[Key, set[bytes]], after: dict[Key, set[bytes]]) -> tuple[set[bytes], set[Key]]:
    """Identifiers to remove, and members to send."""
    held = set().union(*after.values()) if after else set()
    removes = {i for identifiers in before.values() for i in identifiers} - held
    delivered = {i for identifiers in before.values() for i in identifiers}
    sends = {key for key, identifiers in after.items() if identifiers - delivered}
    touched = {i for key, identifiers in before.items() if identifiers & removes for i in identifiers}
    sends |= {key for key, identifiers in after.items() if identifiers & touched}
    return removes, sends
