"""The demo as its users start it: one process tree, driven through `/control`."""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.desk import Sandbox

ROOT = Path(__file__).parents[2]


class Demo:
    """`segsync demo` as a child process."""

    def __init__(self, data: Path, *flags: str) -> None:
        command = [sys.executable, "-m", "cli", "demo", "--port", "0", "--no-browser", "--data", str(data), *flags]
        self.log = (data.parent / f"{data.name}.log").open("wb")
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=self.log, start_new_session=True)
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()
        try:
            line = lines.get(timeout=90)
            while not line.startswith("ready "):
                assert line, f"the demo ended before it was ready; see {self.log.name}"
                line = lines.get(timeout=90)
        except BaseException:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        self.sandbox = Sandbox(line.split()[1])

    def _read(self, lines: "queue.Queue[str]") -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            lines.put(line.decode().strip())
        lines.put("")

    def stop(self) -> int:
        self.sandbox.http.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        code = self.process.wait(timeout=15)
        if self.process.stdout:
            self.process.stdout.close()
        self.log.close()
        return code


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """An empty demo, shared by the stories of one module."""
    running = Demo(tmp_path_factory.mktemp("demo") / "data", "--empty")
    yield running
    running.stop()


@pytest.fixture
def sandbox(demo: Demo) -> Sandbox:
    """Its sandbox, without faults."""
    demo.sandbox.well()
    return demo.sandbox
