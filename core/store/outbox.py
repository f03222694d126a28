"""What waits to be told to Slack, and where it was told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session, aliased

from core.models import Alert, Rank
from core.store import rows
from core.store.database import Database
from core.store.routing import administrators
from core.store.rows import tell
from core.tables import AlertRow, OutboxRow

_STUCK = timedelta(seconds=60)  # a row that a killed notifier left behind in *sending*
_THREADS = {"remark": "alert"}  # topics that are replies, and the topic of the message that they reply to
_NEWS = ("notice", "deleted", "role", "misrouted")  # topics that are news each time: never an edit of what was told before
_FLEETING = ("progress",)  # topics of which only the newest row matters


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to deliver. `target`: `dm:U1` or `conversation:C1`; `posted`: where it stands already, to be edited.

    `key` names it in Slack's metadata. `is_unsure`: it was being sent when something broke, so it may stand there.
    `thread`: the message that it replies to. `replaced`: what stands there took the place of one that could not be edited.
    """

    id: int
    org_id: str
    topic: str
    subject_id: str
    target: str
    payload: Mapping[str, Any]
    attempts: int
    posted: tuple[str, str] | None
    key: str = ""
    is_unsure: bool = False
    thread: tuple[str, str] | None = None
    replaced: bool = False
    rank: Rank = Rank.STATE


class OutboxStore:
    """One method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, now: datetime, n: int = 20) -> list[Letter]:
        """Those that are due, by rank and age, marked as being sent; nothing for a target to which somebody is sending."""
        busy = aliased(OutboxRow)
        others = select(busy.id).where(busy.state == "sending", busy.not_before > now - _STUCK, busy.target == OutboxRow.target)
        stuck = (OutboxRow.state == "sending") & (OutboxRow.not_before <= now - _STUCK)
        due = ((OutboxRow.state == "queued") & (OutboxRow.not_before <= now) & ~others.exists()) | stuck
        with self._database.write() as session:
            query = select(OutboxRow).where(due).order_by(OutboxRow.rank, OutboxRow.id).limit(n).with_for_update(skip_locked=True)
            letters = []
            for row in session.scalars(query).all():
                unsure = row.state == "sending" or bool(row.payload.get("unsure"))
                row.state, row.attempts, row.not_before = "sending", row.attempts + 1, now
                letters.append(_letter(session, row, unsure=unsure))
            return letters

    def sent(self, letter_id: int, conversation: str, ts: str, *, replaced: bool = False) -> None:
        """Delivered there. `replaced`: in place of a message that could not be edited any more."""
        with self._database.write() as session:
            row = session.get_one(OutboxRow, letter_id)
            row.state, row.conversation, row.ts = "sent", conversation, ts
            row.payload = row.payload | ({"replaced": True} if replaced else {})
            if row.topic in _FLEETING:
                session.execute(delete(OutboxRow).where(*_same(row, row.topic), OutboxRow.state == "sent", OutboxRow.id < row.id))

    def skipped(self, letter_id: int) -> None:
        """There is nothing to tell any more."""
        with self._database.write() as session:
            row = session.get_one(OutboxRow, letter_id)
            row.state = "skipped"
            if row.topic in _FLEETING:
                session.delete(row)

    def again(self, letter_id: int, not_before: datetime, *, unsure: bool = False, tried: bool = True) -> None:
        """Later, and whatever else waits for the same target after it, by rank. `unsure`: it may have arrived all the same.

        `tried` False: Slack was not even asked.
        """
        with self._database.write() as session:
            row = session.get_one(OutboxRow, letter_id)
            row.state, row.not_before = "queued", not_before
            row.attempts -= 0 if tried else 1
            if unsure:
                row.payload = row.payload | {"unsure": True}
            session.execute(
                update(OutboxRow)
                .where(
                    OutboxRow.target == row.target,
                    OutboxRow.state == "queued",
                    OutboxRow.not_before < not_before,
                    OutboxRow.rank >= row.rank,
                )
                .values(not_before=not_before)
            )

    def failed(self, letter_id: int) -> None:
        """It will never arrive."""
        with self._database.write() as session:
            session.get_one(OutboxRow, letter_id).state = "failed"

    def reroute(self, letter_id: int, why: str, at: datetime) -> list[str]:
        """The conversation cannot be written to: the administrators get the letter, and once a day the reason. Who they are."""
        with self._database.write() as session:
            row = session.get_one(OutboxRow, letter_id)
            row.state = "failed"
            if row.topic in _THREADS:
                return []
            conversation = row.target.partition(":")[2]
            people = administrators(session, row.org_id)
            for user in people:
                target = f"dm:{user}"
                tell(
                    session,
                    org_id=row.org_id,
                    topic="misrouted",
                    subject_id=conversation,
                    target=target,
                    at=at,
                    payload={"why": why},
                    once=f"misrouted:{conversation}:{why}:{at.date()}:{user}",
                )
                once = None if row.topic == "alert" else f"{row.dedupe_key}:{user}"
                tell(
                    session,
                    org_id=row.org_id,
                    topic=row.topic,
                    subject_id=row.subject_id,
                    target=target,
                    at=at,
                    payload=row.payload,
                    once=once,
                )
            return people

    def waiting(self) -> int:
        """How many letters are on their way."""
        with self._database.read() as session:
            waits = select(func.count()).select_from(OutboxRow).where(OutboxRow.state.in_(("queued", "sending")))
            return session.scalar(waits) or 0

    def alert(self, alert_id: str) -> Alert:
        """The alert behind a letter."""
        with self._database.read() as session:
            return rows.alert(session.get_one(AlertRow, alert_id))

    def open_alerts(self, org_id: str) -> list[Alert]:
        """All open alerts of an organization, the most severe and the newest first."""
        order = {"error": 0, "warning": 1, "info": 2}
        with self._database.read() as session:
            found = [
                rows.alert(r)
                for r in session.scalars(select(AlertRow).where(AlertRow.org_id == org_id, AlertRow.state == "open"))
            ]
        return sorted(found, key=lambda a: (order[a.severity], -a.last_seen_at.timestamp()))


def _letter(session: Session, row: OutboxRow, *, unsure: bool) -> Letter:
    place = _place(session, row, row.topic)
    head = _place(session, row, _THREADS[row.topic]) if row.topic in _THREADS else None
    return Letter(
        id=row.id,
        org_id=row.org_id,
        topic=row.topic,
        subject_id=row.subject_id,
        target=row.target,
        payload=row.payload,
        attempts=row.attempts,
        posted=place[0] if place and row.topic not in (*_THREADS, *_NEWS) else None,
        key=row.dedupe_key,
        is_unsure=unsure,
        thread=head[0] if head else None,
        replaced=bool(place and place[1]),
        rank=Rank(row.rank),
    )


def _same(row: OutboxRow, topic: str) -> tuple[ColumnElement[bool], ...]:
    """Letters of this topic about the same thing to the same target."""
    return OutboxRow.topic == topic, OutboxRow.subject_id == row.subject_id, OutboxRow.target == row.target


def _place(session: Session, row: OutboxRow, topic: str) -> tuple[tuple[str, str], bool] | None:
    """Where the message of this topic, subject and target stands, and whether it replaced another."""
    found = session.execute(
        select(OutboxRow.conversation, OutboxRow.ts, OutboxRow.payload)
        .where(*_same(row, topic), OutboxRow.ts.is_not(None))
        .order_by(OutboxRow.id.desc())
        .limit(1)
    ).first()
    return ((str(found[0]), str(found[1])), bool(found[2].get("replaced"))) if found else None
