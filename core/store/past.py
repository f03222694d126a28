"""A refresh against the sync's own past: fewer matched than usual, more refused than usual, fewer received than sent."""

from datetime import datetime, timedelta
from statistics import median

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.store.alarms import cause_of, close, open_alerts, raise_cause
from core.tables import AlertRow, RefreshRow, SyncRow

READINGS = 7  # that make up the past
_ENOUGH = 3  # readings before there is a past to compare with
_FALL = 2 / 3  # of the median: below it, matching has fallen by a third
_FEW = 20  # refused members that nobody need hear of
_SHARE = 0.05  # of a segment that may be refused without a word
_MORE = 2.0  # times the usual share
_SOON = timedelta(days=60)  # LinkedIn says so 60 days ahead, with the archiving of an audience that no campaign uses


def compare_with_past(session: Session, sync: SyncRow, run: RefreshRow, at: datetime) -> None:
    """Raises or ends `low_match_rate`, `many_rejected` and `delivery_mismatch`, in the transaction that ends the refresh."""
    past = list(
        session.scalars(
            select(RefreshRow)
            .where(
                RefreshRow.sync_id == sync.id, RefreshRow.state == "succeeded", RefreshRow.kind != "dry", RefreshRow.id != run.id
            )
            .order_by(RefreshRow.finished_at.desc())
            .limit(READINGS)
        )
    )
    known = {a.code: a for a in open_alerts(session, sync.org_id) if a.sync_ids == [sync.id]}
    _match(session, sync, run, past, known.get("low_match_rate"), at)
    _refused(session, sync, run, past, known.get("many_rejected"), at)
    _short(session, sync, run, known.get("delivery_mismatch"), at)


def watch_end(session: Session, sync: SyncRow, expires_at: datetime | None, at: datetime) -> None:
    """Raises `audience_expiring` when the channel forgets the audience soon, and ends it when it does not any more."""
    known = next(
        (a for a in open_alerts(session, sync.org_id) if a.code == "audience_expiring" and a.sync_ids == [sync.id]), None
    )
    if expires_at is not None and expires_at - at <= _SOON:
        detail = {"day": expires_at.date().isoformat()}
        raise_cause(session, sync.org_id, cause_of(sync, "audience_expiring", detail), [sync], at)
    elif known is not None:
        close(session, known, at)


def _match(
    session: Session, sync: SyncRow, run: RefreshRow, past: list[RefreshRow], known: AlertRow | None, at: datetime
) -> None:
    now, before = _rate(run), [r for p in past if (r := _rate(p)) is not None]
    if now is None or len(before) < _ENOUGH:
        return
    usual = median(before)
    if now < usual * _FALL:
        detail = {"now": f"{now:.0%}", "before": f"{usual:.0%}"}
        raise_cause(session, sync.org_id, cause_of(sync, "low_match_rate", detail), [sync], at)
    elif known is not None:
        close(session, known, at)


def _refused(
    session: Session, sync: SyncRow, run: RefreshRow, past: list[RefreshRow], known: AlertRow | None, at: datetime
) -> None:
    share = _share(run)
    usual = median([_share(p) for p in past]) if past else 0.0
    refused: dict[str, int] = run.counts.get("rejected", {})
    number = sum(refused.values())
    if known is not None:
        if share <= max(_SHARE, float(known.detail.get("share", "0")) / _MORE):
            close(session, known, at)
        return
    if number >= _FEW and share > _SHARE and share > usual * _MORE:
        most = sorted(refused.items(), key=lambda r: -r[1])[:3]
        detail = {"rejected": f"{number:,}", "members": f"{run.counts.get('members', 0):,}", "share": f"{share:.4f}"}
        detail["reasons"] = ", ".join(f"{why} ({n:,})" for why, n in most)
        raise_cause(session, sync.org_id, cause_of(sync, "many_rejected", detail), [sync], at)


def _short(session: Session, sync: SyncRow, run: RefreshRow, known: AlertRow | None, at: datetime) -> None:
    """What the channel says it received, against what was sent: a shortfall that sending once more did not mend."""
    missing = run.counts.get("rejected", {}).get("not_received", 0)
    if missing:
        detail = {"missing": f"{missing:,}"}
        raise_cause(session, sync.org_id, cause_of(sync, "delivery_mismatch", detail), [sync], at)
    elif known is not None:
        close(session, known, at)


def _rate(run: RefreshRow) -> float | None:
    delivered = run.counts.get("delivered", 0)
    return run.matched / delivered if run.matched is not None and delivered else None


def _share(run: RefreshRow) -> float:
    return float(sum(run.counts.get("rejected", {}).values()) / max(run.counts.get("members", 0), 1))
