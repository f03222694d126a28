"""Starts the whole sandbox on a free port in this process, and drives its platforms through the control interface."""

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from sandbox.app import Server, create, listen
from sandbox.world import World

ANA, BO, MIA, TOM, VERA = "U01ANARUIZ", "U02BOLIND", "U03MIACHEN", "U04TOMOKA", "U05VERANO"


def sha(text: str) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def emails(count: int, start: int = 0) -> list[str]:
    """Hashes of made-up addresses."""
    return [sha(f"person{n}@example.com") for n in range(start, start + count)]


class Drive:
    """One running sandbox. Asynchronous work of every platform takes no time, unless a test sets a pace."""

    def __init__(self, base: str, data: Path) -> None:
        self.base, self.data = base, data
        self.http = httpx.Client(base_url=base, timeout=30, trust_env=False)

    def post(self, row: str, **body: Any) -> Any:
        """A control row that has to succeed."""
        answer = self.http.post(f"/control/{row}", json=body)
        assert answer.status_code == 200, (row, answer.status_code, answer.text)
        return answer.json()

    def get(self, path: str, **params: Any) -> Any:
        answer = self.http.get(f"/control/{path}", params=params)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    def lines(self, path: str, **params: Any) -> list[Any]:
        answer = self.http.get(f"/control/{path}", params=params)
        assert answer.headers["content-type"] == "application/x-ndjson"
        return [json.loads(line) for line in answer.text.splitlines()]

    def token(self, platform: str, user: str = MIA) -> tuple[str, list[str]]:
        """An access token, and the accounts in which it may manage audiences."""
        found = self.post("token", platform=platform, user=user)
        return found["access_token"], found["account_ids"]

    def held(self, platform: str, audience_id: str, kind: str = "email") -> set[str]:
        """The identifiers of a kind that an audience holds."""
        return {value for person in self.lines(f"truth/{platform}/{audience_id}") for value in person.get(kind, [])}

    def fault(self, platform: str, fault: str, **more: Any) -> None:
        self.post("faults", platform=platform, fault=fault, **more)

    def well(self) -> None:
        assert self.http.delete("/control/faults").json() == {}

    def pace(self, platform: str, seconds: float) -> None:
        self.post("pace", platform=platform, seconds=seconds)


@contextlib.contextmanager
def running(data: Path) -> Iterator[Drive]:
    """A sandbox that serves until the end of the block. Small segments stand in for those of the demo."""
    listener = listen(0)
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    few_segments(data / "segments")
    app = create(World(base_url=base, data=data))
    server = Server(app, handle_signals=False)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    drive = Drive(base, data)
    for platform in ("meta", "linkedin", "google"):
        drive.pace(platform, 0)
    try:
        yield drive
    finally:
        drive.http.close()
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive(), "the sandbox did not end in time"


def few_segments(folder: Path) -> None:
    """Files under the names of the demo's segments: writing a million contacts anew for each test would be slow."""
    from sandbox.segments import PLANS

    folder.mkdir(parents=True, exist_ok=True)
    for plan in PLANS:
        path = folder / f"{plan.id}.{plan.suffix}"
        if not path.exists() and plan.suffix == "csv":
            path.write_text("email,phone\nana@guests.example,+34600111222\nbo@guests.example,+34600111333\n")
        elif not path.exists():
            path.symlink_to(_parquet(folder))


def _parquet(folder: Path) -> Path:
    import polars as pl

    path = folder / ".contacts.parquet"
    if not path.exists():
        pl.DataFrame({"email": ["a@example.com"], "consent": [True]}).write_parquet(path)
    return path
