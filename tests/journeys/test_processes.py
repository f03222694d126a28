"""Several processes on one database, some of them killed while they work: the audience ends equal to the segment all the same."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from demo import Rehearsal
from sandbox.app import create, listen, server
from sandbox.world import World
from tests.databases import postgres_or_skip
from tests.journeys.conftest import ROOT
from tests.journeys.desk import Desk, Sandbox, eventually
from tests.journeys.test_main_job import connect, emails, expected, fill


class Fleet:
    """The sandbox in this process, and processes of segsync on one PostgreSQL."""

    def __init__(self, data: Path, database_url: str) -> None:
        listening = listen(0)
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self.app = create(World(base_url=self.url, data=data))
        self._server = server(self.app, handle_signals=False)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listening]}, daemon=True)
        self._thread.start()
        self.processes: list[subprocess.Popen[bytes]] = []
        self._rehearsal = Rehearsal(self.url, data, self.app.state.slack.ours)
        self._more = {"SEGSYNC_DATABASE_URL": database_url, "SEGSYNC_LEASE_S": "5"}
        eventually(lambda: self._server.started, "the sandbox")
        subprocess.run([sys.executable, "-m", "demo_seed", self.url, "empty"], env=self._environment(0), cwd=ROOT, check=True)
        self.sandbox = Sandbox(self.url)

    def start(self, part: str) -> subprocess.Popen[bytes]:
        port = self._rehearsal.free_port()
        if part in ("bot", "run"):
            self.app.state.product_url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "cli", part, "--with-parent"]
        process = subprocess.Popen(command, env=self._environment(port), stdin=subprocess.PIPE, cwd=ROOT)
        self.processes.append(process)
        return process

    def marketer(self) -> Desk:
        """A marketer who has connected, as soon as a bot answers Slack and browsers."""
        assert self.app.state.socket_connected.wait(60)
        eventually(lambda: self.sandbox.http.get("/app/readyz").status_code == 200, "the bot that browsers are led to", 60)
        found = self.sandbox.desk("marketing_user")
        connect(found)
        return found

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()

    def _environment(self, port: int) -> dict[str, str]:
        return os.environ | self._rehearsal.environment(port) | self._more

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        codes = [process.wait(15) for process in self.processes]
        for process in self.processes:
            if process.stdin:
                process.stdin.close()
        self.sandbox.http.close()
        self._server.should_exit = True
        self._thread.join(10)
        assert set(codes) <= {0, -signal.SIGKILL}


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    url = postgres_or_skip("several processes are NOT tried")
    running = Fleet(tmp_path, url)
    yield running
    running.close()


def contacts(path: Path) -> list[dict[str, str]]:
    """A segment's rows as text, as a CSV file would hold them."""
    words = {True: "true", False: "false", None: ""}
    found = pl.read_parquet(path, columns=["email", "consent"]).iter_rows(named=True)
    return [{"email": row["email"] or "", "consent": words[row["consent"]]} for row in found]


def test_one_process_that_does_everything_on_postgresql(fleet: Fleet) -> None:
    fleet.start("run")
    marketer = fleet.marketer()
    marketer.submit(fill(marketer, "Webinar guests"))
    marketer.sees(r"Synced\*: Webinar guests", timeout_s=60)
    (audience,) = fleet.sandbox.audiences()
    path = next(Path(s["path"]) for s in fleet.sandbox.segments() if s["name"] == "Webinar guests")
    rows = pl.read_csv(path, infer_schema=False).fill_null("").rows(named=True)
    assert emails(fleet.sandbox, audience["audience_id"]) == expected(rows)
