"""Custom audiences of the Meta stand-in: their fields, their members, the sessions of uploads and of replacements."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.meta_errors import GraphError, replacing
from sandbox.meta_fields import as_json
from sandbox.meta_members import Refused, Rows, read_payload
from sandbox.platforms.identifiers import Identifiers
from sandbox.platforms.platform import Json
from sandbox.platforms.truth import Audience, Change, Truth

MATCHED = 0.42  # of identifiers, since most people here are known by two or three of their own
READY_FROM = 100
SESSION_S = 90 * 60.0


@dataclass
class Session:
    """One upload in batches, or one replacement. `gathered`: the members of a replacement that is not finished yet."""

    id: str
    audience_id: str
    replaces: bool
    started: float
    received: int = 0
    invalid: int = 0
    schema: str = ""
    finished: bool = False
    settles: float = 0.0
    gathered: list[Identifiers] = field(default_factory=list)


class Audiences:
    """The audiences of the stand-in, on top of its truth."""

    def __init__(self, truth: Truth, *, now: Callable[[], float] = time.time) -> None:
        self._truth, self._now, self._lock = truth, now, threading.Lock()
        self._sessions: dict[tuple[str, str], Session] = {}  # by ad account and id

    def fields(self, audience: Audience) -> Json:
        """All that the node tells; what takes counting is a function."""

        def matched(share: float) -> int:
            people = int(self._truth.size(audience) * MATCHED)
            return int(people * share) if people else -1

        def delivery() -> Json:
            if matched(1) >= READY_FROM:
                return {"code": 200, "description": "This audience is ready for use."}
            return {"code": 300, "description": "Audience too small: fewer than the people needed for delivery."}

        return {
            "id": audience.id,
            "account_id": audience.account_id,
            "name": audience.name,
            "subtype": "CUSTOM",
            "description": audience.fields.get("description", ""),
            "customer_file_source": audience.fields.get("source", ""),
            "retention_days": 0,
            "approximate_count_lower_bound": lambda: matched(0.98),
            "approximate_count_upper_bound": lambda: matched(1.02),
            "operation_status": lambda: self._operation(audience),
            "delivery_status": delivery,
            "permission_for_actions": {"can_edit": True, "can_see_insight": True, "can_share": True},
            "time_created": int(audience.created),
            "time_updated": int(audience.fields.get("updated", audience.created)),
            "time_content_updated": int(audience.touched or audience.created),
        }

    def _operation(self, audience: Audience) -> Json:
        if self._replacement(audience):
            return {"code": 414, "description": "The audience is being replaced."}
        if self._truth.is_settled(audience):
            return {"code": 200, "description": "Normal"}
        return {"code": 441, "description": "We're still finding people who match your audience."}

    # ── members ──

    def users(self, audience: Audience, action: str, params: Json) -> Json:
        """Adds or removes the rows of a payload."""
        if self._replacement(audience):
            raise replacing(1870145, "A replacement of this audience is in progress.")
        rows = _rows(params)
        with self._lock:
            session = self._session(audience, _asked_session(params), replaces=False)
            self._count(session, rows)
        change = Change(action, rows.identifiers, self._now())
        session.settles = self._truth.change(
            audience, change, received=rows.received, rejected=rows.rejected, request_id=session.id
        )
        return _receipt(session, rows)

    def replace(self, audience: Audience, params: Json) -> Json:
        """One batch of a replacement: batch 1 opens it, the last flag closes it, and then all other members go."""
        asked = _asked_session(params)
        seq = str(asked.get("batch_seq", ""))
        if not seq.isdigit() or not str(asked.get("session_id", "")).isdigit():
            raise GraphError(100, "(#100) Missing parameter(s): session with session_id and batch_seq")
        rows = _rows(params)
        schema = str(as_json(params["payload"])["schema"])
        with self._lock:
            session = self._open(audience, asked, int(seq))
            if session.schema and session.schema != schema:
                raise GraphError(100, "(#100) All batches of a session need the same schema.")
            session.schema = schema
            self._count(session, rows)
            session.gathered.append(rows.identifiers)
            self._truth.note(audience, "replace", rows.received, rows.rejected, session.id)
            if as_json(asked.get("last_batch_flag")) in (True, 1):
                session.finished = True
        if session.finished:
            everybody = Identifiers()
            for part in session.gathered:
                everybody |= part
            session.gathered = []
            session.settles = self._truth.effect(audience, Change("replace", everybody, self._now()))
        return _receipt(session, rows)

    def sessions(self, audience: Audience, session_id: str) -> list[Json]:
        """The sessions of an audience, all or one."""
        found = [s for s in self._sessions.values() if s.audience_id == audience.id and session_id in ("", s.id)]
        return [self._stage(s) for s in found]

    def _stage(self, session: Session) -> Json:
        done = session.settles <= self._now() and (session.finished or not session.replaces)
        return {
            "session_id": session.id,
            "stage": "done" if done else "processing" if session.settles else "uploading",
            "progress": "100" if done else "50",
            "num_received": str(session.received),
            "num_matched": str(int((session.received - session.invalid) * MATCHED)) if done else "0",
            "num_invalid_entries": str(session.invalid),
        }

    def _replacement(self, audience: Audience) -> Session | None:
        """The replacement that is under way: not finished within its 90 minutes, or finished and still being worked on."""
        now = self._now()
        for session in self._sessions.values():
            if session.replaces and session.audience_id == audience.id:
                open_yet = not session.finished and now < session.started + SESSION_S
                if open_yet or (session.finished and session.settles > now):
                    return session
        return None

    def _open(self, audience: Audience, asked: Json, seq: int) -> Session:
        key = (audience.account_id, str(asked["session_id"]))
        known, running = self._sessions.get(key), self._replacement(audience)
        if known is not None and known.finished:
            raise replacing(1870159, "This session has finished.")
        if known is not None and self._now() >= known.started + SESSION_S:
            raise replacing(1870158, "This session was open for more than 90 minutes.")
        if running is not None and running is not known:
            raise replacing(1870145, "Another replacement of this audience is in progress.")
        if known is None and seq != 1:
            raise replacing(1870147, "The first batch of this session is missing.")
        return self._session(audience, asked, replaces=True)

    def _session(self, audience: Audience, asked: Json, *, replaces: bool) -> Session:
        session_id = str(asked.get("session_id") or secrets.randbits(52))
        if not session_id.isdigit():
            raise GraphError(100, "(#100) Param session[session_id] must be an integer")
        key = (audience.account_id, session_id)
        known = self._sessions.get(key)
        if known is not None and (known.audience_id, known.replaces) != (audience.id, replaces):
            raise GraphError(100, "(#100) Param session[session_id] is in use for another upload of this ad account.")
        return self._sessions.setdefault(key, Session(session_id, audience.id, replaces, self._now()))

    def _count(self, session: Session, rows: Rows) -> None:
        for reason, count in rows.invalid.items():
            self._truth.reject(reason, count)
        session.received += rows.received
        session.invalid += rows.rejected


def _rows(params: Json) -> Rows:
    try:
        return read_payload(params.get("payload"))
    except Refused as refused:
        raise GraphError(100, str(refused)) from refused


def _asked_session(params: Json) -> Json:
    asked = as_json(params.get("session") or {})
    if not isinstance(asked, dict):
        raise GraphError(100, "(#100) Param session must be an object.")
    return asked


def _receipt(session: Session, rows: Rows) -> Json:
    return {
        "audience_id": session.audience_id,
        "session_id": session.id,
        "num_received": session.received,
        "num_invalid_entries": session.invalid,
        "invalid_entry_samples": rows.samples or [],
    }
