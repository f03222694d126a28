"""docs/rehearse.md as an operator types it: each block in turn, with only addresses put in their places, and parts killed."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import Rehearsal
from tests.databases import postgres_or_skip
from tests.journeys.conftest import ROOT
from tests.journeys.desk import Sandbox, eventually
from tests.journeys.test_main_job import connect, emails, expected, fill
from tests.journeys.test_processes import contacts

GUIDE = (ROOT / "docs" / "rehearse.md").read_text()
BLOCKS = dict(re.findall(r"^```sh\n# ([\w-]+)\n(.*?)^```$", GUIDE, re.M | re.S))


class Operator:
    """A shell in which blocks of the guide are typed, and the stand-ins beside it."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self._folder = folder
        ports = {number: str(Rehearsal.free_port()) for number in ("8765", "8080", "8081", "9101", "9102", "9103")}
        self._places = ports | {
            "postgresql+psycopg://segsync:rehearsal@127.0.0.1/segsync": database_url,
            ".venv/bin/segsync": "segsync",
        }
        self._places |= {"demo --stand-ins": f"demo --stand-ins --port {ports['8765']} --web-port {ports['8080']}"}
        self._said = (folder / "said").open("wb")
        surroundings = {name: value for name, value in os.environ.items() if not name.startswith("SEGSYNC_")}
        surroundings["PATH"] = f"{Path(sys.executable).parent}:{surroundings['PATH']}"
        how = {"cwd": folder, "env": surroundings, "stdout": self._said, "stderr": self._said, "start_new_session": True}
        self._stand_ins = subprocess.Popen(["bash", "-euc", self._block("stand-ins")], **how)
        self._shell = subprocess.Popen(["bash", "-eu"], stdin=subprocess.PIPE, **how)
        eventually(lambda: "ready http" in self.reads(), "the stand-ins", 60, self.reads)
        self.sandbox = Sandbox(f"http://127.0.0.1:{ports['8765']}")

    def types(self, *blocks: str, more: str = "") -> None:
        """Types blocks, and waits until the shell has done them."""
        assert self._shell.stdin
        for name in blocks:
            self._shell.stdin.write(f"{self._block(name)}{more}\necho did {name}\n".encode())
            self._shell.stdin.flush()

            def did(name: str = name) -> bool:
                assert self._shell.poll() is None, self.reads()[-3000:]
                return f"did {name}\n" in self.reads()

            eventually(did, f"the end of the block {name!r}", 90, self.reads)

    def reads(self) -> str:
        return (self._folder / "said").read_text()

    def close(self) -> None:
        self.sandbox.http.close()
        for process in (self._shell, self._stand_ins):
            if process.stdin:
                process.stdin.close()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(15)
        self._said.close()

    def _block(self, name: str) -> str:
        block = BLOCKS[name]
        for there, here in self._places.items():
            block = block.replace(there, here)
        return block


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    found = Operator(tmp_path, postgres_or_skip("the guide's parts are NOT tried"))
    yield found
    found.close()


def test_the_guide_as_it_is_typed_gives_two_bots_two_workers_and_a_clock_that_lose_nothing_when_killed(
    operator: Operator,
) -> None:
    assert list(BLOCKS) == ["install", "stand-ins", "settings", "look", "parts", "well", "roles", "kill", "verify", "end"]
    operator.types("settings", more="export SEGSYNC_LEASE_S=5")
    operator.types("look", "parts", "well", "roles")
    marketer = operator.sandbox.desk("marketing_user")
    connect(marketer)
    marketer.submit(fill(marketer, "Customers"))
    eventually(operator.sandbox.log, "the first members on their way", 60)
    operator.types("kill")
    marketer.sees(r"Synced\*: Customers", timeout_s=90)
    (audience,) = operator.sandbox.audiences()
    path = next(Path(s["path"]) for s in operator.sandbox.segments() if s["name"] == "Customers")
    held = emails(operator.sandbox, audience["audience_id"])
    assert held == expected(contacts(path))
    assert len(held) > 10_000
    adds = [line for line in operator.sandbox.log() if line["action"] == "add"]
    assert sum(line["received"] for line in adds) < 3 * len(held) + 30_000
    operator.types("verify", "end")
