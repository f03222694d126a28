"""DMP segments of the LinkedIn stand-in: made, found, changed, deleted, streamed into (DMP Segments, their Users and Companies).

A new segment takes members only after a while (5 s at the usual pace): until then it is answered as not found. Its destination is
BUILDING until the first members are worked on, then READY, and UPDATING while more come. Limits: 1,000 segments an account; 600
requests with users and 300 with companies a minute for one person.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

from sandbox.linkedin_members import read_companies, read_users
from sandbox.linkedin_restli import RestError, denied, invalid, not_found, page, throttled, urn_id
from sandbox.platforms.platform import Answer, Json
from sandbox.platforms.truth import Audience, Change, Truth

MATCHED = 0.58  # the made-up share of people whom LinkedIn knows
AVAILABLE_AFTER = 5.0  # times the pace
MOST_SEGMENTS = 1_000
PER_MINUTE = {"users": 600, "companies": 300}
MUTABLE = {"name", "description", "sourceSegmentId", "accessPolicy"}
KNOWN = {"name", "account", "type", "sourcePlatform", "sourceSegmentId", "description", "accessPolicy", "destinations"}


class Segments:
    """The segments, on top of the stand-in's truth. Who may do what is decided before (`sandbox/linkedin.py`)."""

    def __init__(self, truth: Truth, *, now: Callable[[], float] = time.time) -> None:
        self._truth, self._now, self._lock = truth, now, threading.Lock()
        self._calls: dict[tuple[str, str], deque[float]] = {}

    def get(self, segment_id: str) -> Audience:
        """The segment. Raises RestError."""
        found = self._truth.get(segment_id)
        if found is None:
            raise not_found(f"Could not find DMP segment with ID {segment_id}")
        return found

    def create(self, body: object) -> Audience:
        """A new segment. Raises RestError when a field is missing or wrong."""
        if not isinstance(body, dict):
            raise invalid("A request body is required")
        if unknown := body.keys() - KNOWN:
            raise invalid(f"Unrecognized field found but not allowed: /{sorted(unknown)[0]}")
        for needed in ("name", "account", "type", "sourcePlatform"):
            if not body.get(needed):
                raise invalid(f"ERROR :: /{needed} :: field is required but not found and has no default value")
        if body["type"] not in ("USER", "COMPANY"):
            raise invalid(f"ERROR :: /type :: {str(body['type'])[:30]!r} is not a type that can be streamed into")
        if body.get("accessPolicy", "PRIVATE") not in ("PRIVATE", "PUBLIC"):
            raise invalid("ERROR :: /accessPolicy :: must be PRIVATE or PUBLIC")
        destinations = body.get("destinations") or []
        if any(not isinstance(d, dict) or d.get("destination") != "LINKEDIN" for d in destinations):
            raise invalid("ERROR :: /destinations :: LINKEDIN is the only destination")
        account_id = urn_id(body["account"], "sponsoredAccount")
        if len(self._truth.of_account(account_id)) >= MOST_SEGMENTS:
            raise RestError(429, "SEGMENT_LIMIT_EXCEEDED", f"The account has {MOST_SEGMENTS} segments, which is the limit")
        kept = {k: v for k, v in body.items() if k not in ("name", "account", "destinations")}
        return self._truth.create(account_id, str(body["name"]), kept | {"destination": bool(destinations)})

    def find(self, account_id: str, params: Json) -> Json:
        """The segments of an account, by source where asked."""
        found = self._truth.of_account(account_id)
        for key in ("sourcePlatform", "sourceSegmentId"):
            if key in params:
                found = [a for a in found if a.fields.get(key) == params[key]]
        return page([self.entity(a) for a in found], params)

    def update(self, segment: Audience, body: object) -> Answer:
        """`{"patch": {"$set": {…}}}` of what may change."""
        patch = body.get("patch") if isinstance(body, dict) else None
        changes = patch.get("$set") if isinstance(patch, dict) else None
        if not isinstance(changes, dict):
            raise invalid("A partial update needs patch.$set")
        if fixed := changes.keys() - MUTABLE:
            raise invalid(f"ERROR :: /{sorted(fixed)[0]} :: cannot be changed")
        fields = {k: v for k, v in changes.items() if k != "name"}
        self._truth.update(segment, str(changes["name"]) if "name" in changes else None, fields | {"changed": self._now()})
        return Answer(None, 204)

    def add_destination(self, segment: Audience, body: object) -> Answer:
        """Sends the segment to LinkedIn's own campaigns."""
        if not isinstance(body, dict) or body.get("destination") != "LINKEDIN":
            raise invalid("ERROR :: /destination :: LINKEDIN is the only destination")
        self._truth.update(segment, None, {"destination": True})
        return Answer(None, 201, {"x-linkedin-id": "LINKEDIN", "x-restli-id": "LINKEDIN"})

    # ── reading ──

    def entity(self, segment: Audience) -> Json:
        """The segment as it is read back."""
        fields = segment.fields
        entity: Json = {
            "id": int(segment.id),
            "name": segment.name,
            "type": fields["type"],
            "account": f"urn:li:sponsoredAccount:{segment.account_id}",
            "accessPolicy": fields.get("accessPolicy", "PRIVATE"),
            "sourcePlatform": fields["sourcePlatform"],
            "created": _ms(segment.created),
            "lastModified": _ms(max(fields.get("changed", 0.0), segment.touched, segment.created)),
            "destinations": [self.destination(segment)] if fields.get("destination") else [],
        }
        entity |= {k: fields[k] for k in ("description", "sourceSegmentId") if k in fields}
        if self._has_input(segment):
            entity["inputCount"] = self._truth.size(segment)
        return entity

    def destination(self, segment: Audience) -> Json:
        """How the segment fares at its destination."""
        if not segment.fields.get("destination"):
            raise not_found(f"DMP segment {segment.id} has no destination LINKEDIN")
        status = self.status(segment)
        destination: Json = {
            "destination": "LINKEDIN",
            "status": status,
            "destinationSegmentId": f"urn:li:adSegment:{ad_segment_id(segment)}",
            "created": _ms(segment.created),
            "lastModified": _ms(segment.touched or segment.created),
        }
        if status != "BUILDING":
            matched = int(self._truth.size(segment) * MATCHED)
            destination |= {"matchedCount": matched, "audienceSize": matched}
        return destination

    def status(self, segment: Audience) -> str:
        """BUILDING, READY or UPDATING."""
        settled = self._truth.is_settled(segment)
        if not self._has_input(segment) or (not settled and not self._truth.size(segment)):
            return "BUILDING"
        return "READY" if settled else "UPDATING"

    @staticmethod
    def _has_input(segment: Audience) -> bool:
        return segment.touched > segment.created

    # ── members ──

    def stream(self, segment: Audience, kind: str, elements: object, user_id: str) -> Json:
        """Adds and removes `users` or `companies`; answers element by element."""
        self._spend(user_id, kind)
        if self._now() < segment.created + AVAILABLE_AFTER * self._truth.pace:
            raise not_found(f"Could not find DMP segment with ID {segment.id}")
        if segment.fields["type"] != {"users": "USER", "companies": "COMPANY"}[kind]:
            raise invalid(f"DMP segment {segment.id} of the type {segment.fields['type']} does not take {kind}")
        streamed = read_users(elements) if kind == "users" else read_companies(elements)
        for bad in streamed.bad.values():
            self._truth.reject(bad.reason, 1)
        rejected = len(streamed.bad)
        for action, identifiers, count in streamed.runs:
            change = Change("add" if action == "ADD" else "remove", identifiers, self._now())
            self._truth.change(segment, change, received=count + rejected, rejected=rejected)
            rejected = 0  # noted once
        return streamed.answer()

    def _spend(self, user_id: str, kind: str) -> None:
        with self._lock:
            now = self._now()
            calls = self._calls.setdefault((user_id, kind), deque())
            while calls and calls[0] < now - 60:
                calls.popleft()
            if len(calls) >= PER_MINUTE[kind]:
                raise throttled()
            calls.append(now)


def ad_segment_id(segment: Audience) -> str:
    """The id of the audience that campaigns see."""
    return str(int(segment.id) + 10_000_000)


def segment_of(ad_segment: str) -> str:
    """The DMP segment behind an ad segment's id."""
    if not ad_segment.isdigit():
        raise denied("No such ad segment")
    return str(int(ad_segment) - 10_000_000)


def _ms(seconds: float) -> int:
    return int(seconds * 1_000)
