"""The plain way: the same rules row by row, hashlib, dictionaries. The baseline, and the check of the answer."""

import hashlib
import re
import statistics
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks import people
from benchmarks.engine import said

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


def difference(before: Mapping[Key, set[bytes]], after: Mapping[Key, set[bytes]]) -> tuple[set[bytes], set[Key]]:
    """Identifiers to remove, and members to send: who has something new, or hangs together with somebody who lost something."""
    held = set().union(*after.values()) if after else set()
    removes = {i for identifiers in before.values() for i in identifiers if i not in held}
    sends = {key for key, identifiers in after.items() if not identifiers <= before.get(key, set())}
    losers = [identifiers for identifiers in before.values() if not removes.isdisjoint(identifiers)] if removes else []
    touched: set[bytes] = set().union(*losers)
    while touched:
        near = {key for key, identifiers in after.items() if not touched.isdisjoint(identifiers)}
        grown = touched.union(*(after[key] for key in near), *(before.get(key, ()) for key in near))
        if len(grown) == len(touched):
            sends |= near
            break
        touched = grown
    return removes, sends


def measure(folder: Path, times: int) -> dict[str, Any]:
    """The plain way's seconds for each plan, and its answers."""
    found: dict[str, Any] = {}
    known: dict[bytes, set[bytes]] = {}
    for what in people.NAMES:
        seconds = []
        for _ in range(times):
            begun = time.perf_counter()
            current = members(pl.read_parquet(folder / f"{what}.parquet").iter_rows())
            removes, sends = difference(known, current)
            seconds.append(time.perf_counter() - begun)
        sent = [identifier for key in sends for identifier in current[key]]
        total = sum(int.from_bytes(identifier[1:9], "little") for identifier in sent)
        answer = said(removes, len(sends), len(sent), total)
        found[what] = {"seconds": statistics.median(seconds), "answer": answer, "members": len(current), "identifiers": len(sent)}
        known = known or current
    return found
