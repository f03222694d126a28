"""How soon a command is acknowledged while the same process reads, normalises and hashes a large segment, against idle.

The product runs as `segsync run`, the stand-ins beside it; what it works on is a first dry run, so that only the product is busy.
"""

import base64
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import httpx
from sqlalchemy import inspect, select

from core.store import Store
from core.tables import RefreshRow, SyncRow
from core.vault import Vault
from demo import Rehearsal
from sandbox.app import create, listen, server
from sandbox.world import World

_TIMES = 5
_CLICKS = 60  # in each of them at least
_PAUSE_S = 0.1


class House:
    """A workspace, the product, and a sync of `people` that has never been refreshed."""

    def __init__(self, folder: Path, people: Path) -> None:
        listening = listen(0)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        app = create(World(base_url=url, data=folder))
        self._server = server(app, handle_signals=False)
        threading.Thread(target=self._server.run, kwargs={"sockets": [listening]}, daemon=True).start()
        while not self._server.started:
            time.sleep(0.02)
        rehearsal = Rehearsal(url, folder, app.state.slack.ours)
        port = rehearsal.free_port()
        app.state.product_url = f"http://127.0.0.1:{port}"
        sources = [{"kind": "files", "name": "files", "folder": str(folder / "segments")}]
        environment = os.environ | rehearsal.environment(port) | {"SEGSYNC_SOURCES": json.dumps(sources)}
        self._control = httpx.Client(base_url=url, timeout=60, trust_env=False)
        subprocess.run([sys.executable, "-m", "demo_seed", url, "full"], env=environment, check=True)
        (folder / "segments" / "crowd.parquet").symlink_to(people / "before.parquet")
        self.store = Store(environment["SEGSYNC_DATABASE_URL"])
        self.number, self.user = self._add(folder)
        command = [sys.executable, "-m", "cli", "run", "--with-parent"]
        self._product = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE)
        app.state.socket_connected.wait(60)

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

    def type(self, words: str) -> float:
        """Milliseconds until it was acknowledged."""
        body = {"user": self.user, "channel": "C01GENERAL", "text": f"/segsync {words}"}
        return float(self._control.post("/control/command", json=body).raise_for_status().json()["ack_ms"])

    def is_busy(self) -> bool:
        """Whether the dry run is under way."""
        with self.store.database.read() as session:
            return bool(session.scalars(select(RefreshRow.id).where(RefreshRow.state.in_(("queued", "running")))).first())

    def close(self) -> None:
        self._product.terminate()
        self._product.wait(30)
        self._control.close()
        self.store.close()
        self._server.should_exit = True


def measure(folder: Path, people: Path) -> dict[str, float]:
    """p99 while a dry run works and, beside it, idle: medians of five."""
    folder.mkdir(parents=True)
    house, chance = House(folder, people), random.Random(6)
    try:
        while house.is_busy():  # the demo's own first refresh
            time.sleep(0.2)
        idle = statistics.median(_p99(_clicks(house, chance, lambda: True)) for _ in range(_TIMES))
        busy = statistics.median(_p99(_clicks(house, chance, lambda: _keep_busy(house))) for _ in range(_TIMES))
        return {"ack_p99_ms_busy": busy, "ack_p99_ms_idle": idle, "ack_p99_vs_idle": busy / idle}
    finally:
        house.close()


def _keep_busy(house: House) -> bool:
    """Whether a dry run is under way; one is begun where none is."""
    if house.is_busy():
        return True
    house.type(f"dry-run S-{house.number}")
    return False


def _clicks(house: House, chance: random.Random, counts: Callable[[], bool]) -> list[float]:
    found: list[float] = []
    while len(found) < _CLICKS:
        if counts():
            found.append(house.type(chance.choice(["list", "usage", "help"])))
        time.sleep(_PAUSE_S)
    return found


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]
