"""How things stand over all organizations, in numbers alone: for monitoring."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Row, func, select

from core.store.database import Database
from core.tables import IS_OPEN, WAITS, AlertRow, OutboxRow, RefreshRow, SyncRow


@dataclass(frozen=True, slots=True)
class Standing:
    """Numbers of one moment. `late_s`: how long ago the refresh that waits the longest was due.

    `syncs` by channel and status; `refreshes`: the open ones, and `ended` those of the last hour, by state; `alerts`: the open
    ones, by code and severity; `letters` that wait for Slack.
    """

    syncs: Mapping[tuple[str, str], int]
    refreshes: Mapping[str, int]
    ended: Mapping[str, int]
    alerts: Mapping[tuple[str, str], int]
    letters: int
    late_s: float


class StandingStore:
    """One method is one transaction."""

    def __init__(self, database: Database, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database, self._now = database, now

    def read(self) -> Standing:
        """The numbers of now."""
        now = self._now()
        with self._database.read() as session:
            by_sync = (SyncRow.channel, SyncRow.status)
            syncs = session.execute(select(*by_sync, func.count()).where(SyncRow.deleted_at.is_(None)).group_by(*by_sync)).all()
            opened = select(RefreshRow.state, func.count()).where(IS_OPEN).group_by(RefreshRow.state)
            recent = RefreshRow.finished_at > now - timedelta(hours=1)
            ended = select(RefreshRow.state, func.count()).where(recent).group_by(RefreshRow.state)
            by_alert = (AlertRow.code, AlertRow.severity)
            alerts = select(*by_alert, func.count()).where(AlertRow.state == "open").group_by(*by_alert)
            letters = select(func.count()).select_from(OutboxRow).where(OutboxRow.state.in_(("queued", "sending")))
            oldest = session.scalar(select(func.min(RefreshRow.not_before)).where(WAITS))
            return Standing(
                syncs={(c, s): n for c, s, n in syncs},
                refreshes=_pairs(session.execute(opened).all()),
                ended=_pairs(session.execute(ended).all()),
                alerts={(c, s): n for c, s, n in session.execute(alerts)},
                letters=session.scalar(letters) or 0,
                late_s=max(0.0, (now - oldest).total_seconds()) if oldest else 0.0,
            )


def _pairs(found: Sequence[Row[str, int]]) -> dict[str, int]:
    return {state: n for state, n in found}  # noqa: C416 - rows are not pairs to the type checker
