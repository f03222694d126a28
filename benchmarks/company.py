"""A company to measure: the stand-ins in this process, the product as a process of its own, and the database of both."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from core.store import Store
from demo import Rehearsal
from sandbox.app import create, listen, server
from sandbox.world import Person, World, first_people


class Company:
    """Seeded as `demo_seed` does (`empty`, `full`); the product runs after `start`. `settings`: other than the demo's."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: str,
        settings: Mapping[str, str],
        people: Sequence[Person] = (),
        rate_limits: bool = False,
    ) -> None:
        listening = listen(0)
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        world = World(base_url=self.url, data=folder, people=list(people) or first_people())
        self.app = create(world, rate_limits=rate_limits)
        self._server = server(self.app, handle_signals=False)
        threading.Thread(target=self._server.run, kwargs={"sockets": [listening]}, daemon=True).start()
        while not self._server.started:
            time.sleep(0.02)  # the server says so by this alone
        rehearsal = Rehearsal(self.url, folder, self.app.state.slack.ours)
        port = rehearsal.free_port()
        self.app.state.product_url = f"http://127.0.0.1:{port}"
        self._environment = os.environ | rehearsal.environment(port) | settings
        self.control = httpx.Client(base_url=self.url, timeout=60, trust_env=False)
        subprocess.run([sys.executable, "-m", "demo_seed", self.url, seed], env=self._environment, check=True)
        self.store = Store(self._environment["SEGSYNC_DATABASE_URL"])
        self._product: subprocess.Popen[bytes] | None = None

    def start(self, part: str) -> None:
        """Starts the product's part, and waits until Slack reaches it."""
        command = [sys.executable, "-m", "cli", part, "--with-parent"]
        self._product = subprocess.Popen(command, env=self._environment, stdin=subprocess.PIPE)
        self.app.state.socket_connected.wait(60)

    def type(self, user: str, words: str) -> float | None:
        """Milliseconds until the command was acknowledged; None: this person has a form open, under which nobody types."""
        body = {"user": user, "channel": "C01GENERAL", "text": f"/segsync {words}"}
        answer = self.control.post("/control/command", json=body)
        return float(answer.json()["ack_ms"]) if answer.status_code == 200 else None

    def close(self) -> None:
        """Ends all of it."""
        if self._product:
            self._product.terminate()
            self._product.wait(30)
        self.control.close()
        self.store.close()
        self._server.should_exit = True


def p99(values: Sequence[float]) -> float:
    """The value that one in a hundred exceeds."""
    return sorted(values)[int(len(values) * 0.99)]
