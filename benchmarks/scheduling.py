"""10,000 syncs that are due at once: marked in one tick, and claimed one after the other; on SQLite."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from sqlalchemy import delete, insert, inspect

from core.models import Actor, Cadence, Channel, Role, SegmentKind, Sync, SyncStatus
from core.store import Store
from core.store.migrate import migrate
from core.tables import RefreshRow, SyncRow

_NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
_WORKERS = 4


def measure(folder: Path, syncs: int = 10_000, claims: int = 2_000) -> dict[str, float]:
    """Seconds of the tick, and claims a second."""
    url = f"sqlite:///{folder / 'scheduling.db'}"
    migrate(url)
    store = Store(url)
    try:
        _fill(store, syncs)
        begun = time.perf_counter()
        marked = store.refreshes.enqueue_due(_NOW + timedelta(days=2), new_ids=[uuid4().hex for _ in range(syncs)])
        due = time.perf_counter() - begun
        if marked != syncs:
            raise SystemExit(f"Of {syncs} syncs that are due {marked} were marked.")
        return {f"due_{syncs}_s": due, "claims_per_s": claims / _claim(store, claims)}
    finally:
        store.close()


def _fill(store: Store, syncs: int) -> None:
    actor = Actor("T1", "U1", Role.MARKETING_USER)
    store.organizations.ensure("T1", name="Acme", sync_limit=syncs, at=_NOW)
    new = Sync(
        id=uuid4().hex, org_id="T1", number=0, name="people", segment_source="files", segment_id="people",
        segment_name="People", segment_kind=SegmentKind.CONTACTS, channel=Channel.META, account_id="act_1",
        account_name="Acme", owner_id="U1", run_as="connection-1", status=SyncStatus.SYNCED,
        cadence=Cadence("daily", "UTC"), created_at=_NOW,
    )  # fmt: skip
    first = store.syncs.create(actor, new, sealed_ledger_key=b"", refresh_id=uuid4().hex, at=_NOW)
    with store.database.write() as session:
        session.execute(delete(RefreshRow))
        row = session.get_one(SyncRow, first.id)
        row.status, row.next_due_at = "synced", _NOW + timedelta(days=1)
        session.flush()
        like = {c.key: getattr(row, c.key) for c in inspect(SyncRow).column_attrs}
        others = [
            like | {"id": uuid4().hex, "number": n, "segment_id": f"s{n}"}
            for n in range(like["number"] + 1, like["number"] + syncs)
        ]
        session.execute(insert(SyncRow), others)


def _claim(store: Store, claims: int) -> float:
    """Seconds that workers wait for this many claims, each by exactly one; what is claimed is put back for later, uncounted."""
    found: list[str] = []
    spent: list[float] = []

    def work() -> None:
        seconds = 0.0
        for _ in range(claims // _WORKERS):
            begun = time.perf_counter()
            run = store.refreshes.claim(_NOW + timedelta(days=3), timedelta(minutes=2))
            seconds += time.perf_counter() - begun
            found.append(run.id if run else "")
            if run:
                store.refreshes.postpone(run.id, run.fence, _NOW + timedelta(days=9))
        spent.append(seconds)

    workers = [threading.Thread(target=work) for _ in range(_WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if len(set(found)) != claims or "" in found:
        raise SystemExit("A refresh was claimed twice, or none was found.")
    return max(spent)
