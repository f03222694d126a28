"""Sending: bodies against orjson over dictionaries, and a whole first refresh against its plan plus a bare loop of posts.

The sink reads what comes and drops it: a process of its own, with as many connections on both sides as the platform advises.
"""

import contextlib
import http.server
import multiprocessing
import socketserver
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import orjson
import pyarrow as pa

from benchmarks import engine
from channels.google_rows import members
from channels.http import Http
from channels.meta import Meta
from channels.meta_rows import payload
from core.ledger import Ledgers
from core.models import (
    Actor,
    Cadence,
    Channel,
    Grant,
    IdentifierKind,
    RefreshState,
    RemoteAudience,
    Role,
    SegmentKind,
    Sync,
    SyncStatus,
)  # fmt: skip
from core.ports import Batch, Column, Target
from core.refresh import Refreshing
from core.shelves import Folders
from core.store import Store
from core.store.migrate import migrate
from sources.files import FilesSource

_ROWS = 10_000
_TIMES = 15
_CONNECTIONS = 4


# ── bodies ──


def bodies() -> float:
    """How many times faster the bodies of Meta and Google are made than by orjson over dictionaries; the slower of both."""
    batch = _batch()
    ours = (lambda: payload(batch)[0], lambda: members(batch)[0])
    plain = (lambda: _meta_plain(batch), lambda: _google_plain(batch))
    for own, other in zip(ours, plain, strict=True):
        if _sorted(own()) != _sorted(other()):
            raise SystemExit("The bodies do not say the same.")
    return min(_seconds(other) / _seconds(own) for own, other in zip(ours, plain, strict=True))


def _batch() -> Batch:
    random = np.random.default_rng(5)
    columns = {}
    for kind, share in ((IdentifierKind.EMAIL, 0.95), (IdentifierKind.PHONE, 0.7)):
        owners = np.flatnonzero(random.random(_ROWS) < share).astype(np.uint32)
        digests = random.integers(0, 256, (len(owners), 32), np.uint8).tobytes()
        value = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(owners), [None, pa.py_buffer(digests)])
        columns[kind] = Column(pa.array(owners), value)
    some = np.unique(np.concatenate([np.asarray(c.member) for c in columns.values()]))
    placed = {k: np.searchsorted(some, np.asarray(c.member)).astype(np.uint32) for k, c in columns.items()}
    return Batch(len(some), {kind: Column(pa.array(placed[kind]), column.value) for kind, column in columns.items()})


def _dictionaries(batch: Batch, names: dict[IdentifierKind, str]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = [{} for _ in range(batch.size)]
    for kind, column in batch.columns.items():
        for place, value in zip(column.member.to_pylist(), column.value.to_pylist(), strict=True):
            found[place][names[kind]] = value.hex()
    return found


def _meta_plain(batch: Batch) -> bytes:
    rows = _dictionaries(batch, {IdentifierKind.EMAIL: "EMAIL", IdentifierKind.PHONE: "PHONE"})
    return orjson.dumps({"schema": ["EMAIL", "PHONE"], "data": [[r.get("EMAIL", ""), r.get("PHONE", "")] for r in rows]})


def _google_plain(batch: Batch) -> bytes:
    rows = _dictionaries(batch, {IdentifierKind.EMAIL: "emailAddress", IdentifierKind.PHONE: "phoneNumber"})
    return orjson.dumps([{"compositeData": {"userData": {"userIdentifiers": [{k: v} for k, v in r.items()]}}} for r in rows])


def _sorted(body: bytes) -> list[str]:
    told = orjson.loads(body)
    rows = [str(row) for row in (told["data"] if isinstance(told, dict) else told)]
    return sorted(rows)


def _seconds(work: Any) -> float:
    found = []
    for _ in range(_TIMES):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    return statistics.median(found)


# ── a whole refresh ──


class _Sink(http.server.BaseHTTPRequestHandler):
    """Reads and drops; says that all was received."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        left = int(self.headers["content-length"])
        while left > 0:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        answer = b"{}"
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        return


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


def _serve(port: Any) -> None:
    serving = _Server(("127.0.0.1", 0), _Sink)
    port.send(serving.server_address[1])
    serving.serve_forever()


@contextlib.contextmanager
def sink() -> Iterator[str]:
    """The address of a sink."""
    ours, its = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(its,), daemon=True)
    process.start()
    yield f"http://127.0.0.1:{ours.recv()}"
    process.terminate()
    process.join()


class Straight(Meta):
    """Meta's adapter before a sink: only members travel, all the rest is as it should be."""

    def require_access(self, target: Target) -> None:
        """Granted."""

    def find(self, target: Target, *, key: str) -> RemoteAudience | None:  # noqa: ARG002 - the port's signature
        """None yet."""
        return None

    def create(self, target: Target, *, name: str, key: str, kinds: frozenset[IdentifierKind]) -> RemoteAudience:  # noqa: ARG002
        """At once."""
        return self.audience(replace(target, audience_id="1"))

    def audience(self, target: Target) -> RemoteAudience:
        """Ready."""
        return RemoteAudience(target.audience_id, "one", "ready", created_at=datetime(2026, 1, 1, tzinfo=UTC))


class _Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def refresh_vs_httpx(people: Path, folder: Path, rows: int) -> float:
    """A first refresh of all of them, against the first plan and a bare loop that posts ready bodies; medians of three."""
    found = []
    with sink() as url:
        for n in range(3):
            plan = engine.plan(people, "before", engine.ledger(folder / f"plan-{n}"))
            found.append(_refresh(people, folder / f"refresh-{n}", url) / (plan + _posts(url, rows)))
    return statistics.median(found)


def _refresh(people: Path, folder: Path, url: str) -> float:
    folder.mkdir(parents=True)
    database = f"sqlite:///{folder / 'one.db'}"
    migrate(database)
    store, http = Store(database), Http("Meta")
    now = datetime.now(UTC)
    store.organizations.ensure("T1", name="Acme", sync_limit=5, at=now)
    new = Sync(
        id=uuid4().hex, org_id="T1", number=0, name="people", segment_source="people", segment_id="before",
        segment_name="before", segment_kind=SegmentKind.CONTACTS, channel=Channel.META, account_id="1", account_name="Acme",
        owner_id="U1", run_as="c1", status=SyncStatus.SYNCING, cadence=Cadence("daily", "UTC"), created_at=now,
    )  # fmt: skip
    sync = store.syncs.create(Actor("T1", "U1", Role.MARKETING_USER), new, sealed_ledger_key=b"", refresh_id=uuid4().hex, at=now)
    channel = Straight(http=http, client_id="a", client_secret="b", clock=_Clock(), api_url=url, settle=timedelta(0))
    refreshing = Refreshing(
        store=store,
        channels={Channel.META: channel},
        sources={"people": FilesSource(name="people", folder=people)},
        grants=lambda _: Grant("token"),
        ledgers=Ledgers(Folders(folder / "ledgers"), keys=lambda _: [b"k" * 32]),
        clock=_Clock(),
    )
    begun = time.perf_counter()
    refreshing.execute_next()
    seconds = time.perf_counter() - begun
    if store.refreshes.last(sync.id)[0].state is not RefreshState.SUCCEEDED:
        raise SystemExit("The refresh into the sink has not succeeded.")
    store.close()
    http.close()
    return seconds


def _posts(url: str, rows: int) -> float:
    """Seconds for as many ready bodies over as many connections."""
    body, lock = _meta_plain(_batch()), threading.Lock()
    left = iter(range(-(-rows // _ROWS)))
    client = httpx.Client(limits=httpx.Limits(max_connections=_CONNECTIONS), trust_env=False)

    def post() -> None:
        while True:
            with lock:
                if next(left, None) is None:
                    return
            client.post(f"{url}/1/users", content=body, headers={"content-type": "application/json"}).raise_for_status()

    begun = time.perf_counter()
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        for done in [pool.submit(post) for _ in range(_CONNECTIONS)]:
            done.result()
    seconds = time.perf_counter() - begun
    client.close()
    return seconds
