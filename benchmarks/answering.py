"""How soon a command is acknowledged while the same process reads, normalises and hashes a large segment, against idle.

The product runs as `segsync run`, the stand-ins beside it; what it works on is a first dry run, so that only the product is busy.
"""

import base64
import json
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from sqlalchemy import inspect, select

from benchmarks.company import Company, p99
from core.tables import RefreshRow, SyncRow
from core.vault import Vault

_TIMES = 5
_CLICKS = 60  # in each of them at least
_PAUSE_S = 0.1


class House(Company):
    """All in one process, and a sync of `people` that has never been refreshed."""

    def __init__(self, folder: Path, people: Path) -> None:
        sources = [{"kind": "files", "name": "files", "folder": str(folder / "segments")}]
        super().__init__(folder, seed="full", settings={"SEGSYNC_SOURCES": json.dumps(sources)})
        (folder / "segments" / "crowd.parquet").symlink_to(people / "before.parquet")
        self.number, self.user = self._add(folder)
        self.start("run")

    def _add(self, folder: Path) -> tuple[int, str]:
        """The number of the new sync and its owner: like the demo's first, of another segment."""
        vault, sync_id = Vault({"demo": base64.b64decode((folder / "key").read_text())}, "demo"), uuid4().hex
        with self.store.database.write() as session:
            first = session.scalars(select(SyncRow)).one()
            like = {c.key: getattr(first, c.key) for c in inspect(SyncRow).column_attrs}
            row = SyncRow(**like | {"id": sync_id, "number": 2, "segment_id": "crowd", "segment_name": "crowd", "name": "crowd"})
            row.sealed_ledger_key, row.audience_id = vault.seal(os.urandom(32), bound_to=f"sync:{sync_id}"), None
            row.next_due_at, row.refreshed_at = None, None
            session.add(row)
            return row.number, row.owner_id

    def is_busy(self) -> bool:
        """Whether the dry run is under way."""
        with self.store.database.read() as session:
            return bool(session.scalars(select(RefreshRow.id).where(RefreshRow.state.in_(("queued", "running")))).first())


def measure(folder: Path, people: Path) -> dict[str, float]:
    """p99 while a dry run works and, beside it, idle: medians of five."""
    folder.mkdir(parents=True)
    house, chance = House(folder, people), random.Random(6)
    try:
        while house.is_busy():  # the demo's own first refresh
            time.sleep(0.2)  # it ends in another process
        idle = statistics.median(p99(_clicks(house, chance, lambda: True)) for _ in range(_TIMES))
        busy = statistics.median(p99(_clicks(house, chance, lambda: _keep_busy(house))) for _ in range(_TIMES))
        return {"ack_p99_ms_busy": busy, "ack_p99_ms_idle": idle, "ack_p99_vs_idle": busy / idle}
    finally:
        house.close()


def _keep_busy(house: House) -> bool:
    """Whether a dry run is under way; one is begun where none is."""
    if house.is_busy():
        return True
    house.type(house.user, f"dry-run S-{house.number}")
    return False


def _clicks(house: House, chance: random.Random, counts: Callable[[], bool]) -> list[float]:
    found: list[float] = []
    while len(found) < _CLICKS:
        if counts():
            took = house.type(house.user, chance.choice(["list", "usage", "help"]))
            if took is None:
                raise SystemExit("A command could not be typed.")
            found.append(took)
        time.sleep(_PAUSE_S)  # a person after another
    return found
