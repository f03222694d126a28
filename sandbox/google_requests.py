"""What became of each request to the ingestion service: what `requestStatus:retrieve` tells (Diagnostics).

Kept in a file, so that a restart knows the requests that were accepted before it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from uuid import uuid4

import orjson

from sandbox.google_errors import Violation, bad
from sandbox.google_lists import MATCHED
from sandbox.google_members import Rows
from sandbox.platforms.platform import Json

RANGED_FROM = 100  # matched rows from which on a rate is told
KEPT_S = 50 * 86_400
COUNTS = {"userData": "userIdentifierCount", "mobileData": "mobileIdCount", "userIdData": "userIdCount"}


@dataclass
class Part:
    """One destination of a request. `due`: when its work is done. `denied` counts rows by reason."""

    destination: Json
    due: float
    kind: str = ""
    records: int = 0
    types: dict[str, int] = field(default_factory=dict)
    denied: dict[str, int] = field(default_factory=dict)


@dataclass
class Sent:
    """One accepted request. `action`: ingest, remove or removeAll."""

    id: str
    action: str
    at: float
    parts: list[Part]


class Requests:
    """All accepted requests."""

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        self._path, self._now, self._lock = path, now, threading.Lock()
        self._sent: dict[str, Sent] = {}
        for line in path.read_bytes().splitlines() if path.exists() else ():
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue  # cut off by a kill
            self._sent[row["id"]] = Sent(row["id"], row["action"], row["at"], [Part(**part) for part in row["parts"]])

    @staticmethod
    def new_id() -> str:
        """An id for a request."""
        return str(uuid4())

    def keep(self, request_id: str, action: str, parts: list[Part]) -> None:
        """Notes an accepted request."""
        with self._lock:
            sent = self._sent[request_id] = Sent(request_id, action, self._now(), parts)
            with self._path.open("ab") as file:
                file.write(orjson.dumps(asdict(sent)) + b"\n")

    def status(self, request_id: str) -> Json:
        """How it fares at each destination. Raises DataError for an unknown id."""
        sent = self._sent.get(request_id)
        if sent is None:
            raise bad(Violation("request_id", "INVALID_REQUEST_ID", "There is no such request"))
        if sent.at < self._now() - KEPT_S:
            raise bad(Violation("request_id", "REQUEST_TOO_OLD", "The request is too old"))
        return {"requestStatusPerDestination": [self._part(sent.action, part) for part in sent.parts]}

    def _part(self, action: str, part: Part) -> Json:
        done, denied = part.due <= self._now(), sum(part.denied.values())
        status = "PROCESSING"
        if done:
            status = "SUCCESS" if not denied else "FAILED" if denied >= part.records else "PARTIAL_SUCCESS"
        told: Json = {"destination": part.destination, "requestStatus": status}
        if done and denied:
            counts = [{"recordCount": str(n), "reason": reason} for reason, n in part.denied.items()]
            told["errorInfo"] = {"errorCounts": counts}
        if action == "removeAll":
            return told | {"removeAllAudienceMembersStatus": {}}
        counted: Json = {"recordCount": str(part.records)}
        if part.kind == "compositeData":
            counted["dataTypeCounts"] = [{"type": t, "count": str(n)} for t, n in part.types.items() if n]
        else:
            counted[COUNTS[part.kind]] = str(sum(part.types.values()))
        if action == "remove":
            return told | {"audienceMembersRemovalStatus": {f"{part.kind}RemovalStatus": counted}}
        if done and part.kind in ("userData", "compositeData"):
            counted["uploadMatchRateRange"] = _range(part.records - denied)
        return told | {"audienceMembersIngestionStatus": {f"{part.kind}IngestionStatus": counted}}


def part_of(destination: Json, rows: list[Rows], due: float) -> Part:
    """What a request holds for one destination."""
    part = Part(destination, due, rows[0].kind if rows else "compositeData")
    for some in rows:
        part.records += some.count
        for name, count in some.types.items():
            part.types[name] = part.types.get(name, 0) + count
        for reason, count in some.denied.items():
            part.denied[reason] = part.denied.get(reason, 0) + count
    return part


def _range(rows: int) -> str:
    if rows * MATCHED < RANGED_FROM:
        return "MATCH_RATE_RANGE_NOT_ELIGIBLE"
    return "MATCH_RATE_RANGE_51_TO_60"
