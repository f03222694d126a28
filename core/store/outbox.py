"""What waits to be told to Slack, and where it was told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from core.models import Alert
from core.store import rows
from core.store.database import Database
from core.tables import AlertRow, OutboxRow

_STUCK = timedelta(seconds=60)  # a row that a killed notifier left behind in *sending*


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to deliver. `target`: `dm:U1` or `conversation:C1`; `posted`: where it stands already, to be edited."""

    id: int
    org_id: str
    topic: str
    subject_id: str
    target: str
    payload: Mapping[str, Any]
    attempts: int
    posted: tuple[str, str] | None


class OutboxStore:
    """One method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, now: datetime, n: int = 20) -> list[Letter]:
        """The oldest that are due, marked as being sent."""
        with self._database.write() as session:
            stuck = (OutboxRow.state == "sending") & (OutboxRow.not_before <= now - _STUCK)
            due = ((OutboxRow.state == "queued") & (OutboxRow.not_before <= now)) | stuck
            query = select(OutboxRow).where(due).order_by(OutboxRow.id).limit(n).with_for_update(skip_locked=True)
            letters = []
            for row in session.scalars(query).all():
                row.state, row.attempts, row.not_before = "sending", row.attempts + 1, now
                same = (OutboxRow.topic == row.topic, OutboxRow.subject_id == row.subject_id, OutboxRow.target == row.target)
                place = session.execute(
                    select(OutboxRow.conversation, OutboxRow.ts)
                    .where(*same, OutboxRow.ts.is_not(None))
                    .order_by(OutboxRow.id.desc())
                    .limit(1)
                ).first()
                posted = (str(place[0]), str(place[1])) if place else None
                letters.append(
                    Letter(row.id, row.org_id, row.topic, row.subject_id, row.target, row.payload, row.attempts, posted)
                )
            return letters

    def sent(self, letter_id: int, conversation: str, ts: str) -> None:
        """Delivered there."""
        with self._database.write() as session:
            row = session.get_one(OutboxRow, letter_id)
            row.state, row.conversation, row.ts = "sent", conversation, ts

    def again(self, letter_id: int, not_before: datetime) -> None:
        """Slack could not be reached; later."""
        with self._database.write() as session:
            row = session.get_one(OutboxRow, letter_id)
            row.state, row.not_before = "queued", not_before

    def failed(self, letter_id: int) -> None:
        """It will never arrive."""
        with self._database.write() as session:
            session.get_one(OutboxRow, letter_id).state = "failed"

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
