"""A worker that is frozen in the middle of a refresh, and wakes after another one has finished it."""

import signal
import time
from pathlib import Path

from tests.journeys.desk import eventually
from tests.journeys.test_main_job import emails, expected, fill
from tests.journeys.test_processes import Fleet, contacts, fleet

__all__ = ["fleet"]


def test_a_frozen_worker_that_wakes_writes_nothing_beside_its_replacement(fleet: Fleet) -> None:
    fleet.start("bot")
    first = fleet.start("worker")
    marketer = fleet.marketer()
    marketer.submit(fill(marketer, "Customers"))
    eventually(fleet.sandbox.log, "the first members on their way", 60)
    first.send_signal(signal.SIGSTOP)
    fleet.start("worker")
    marketer.sees(r"Synced\*: Customers", timeout_s=90)
    (audience,) = fleet.sandbox.audiences()
    before = fleet.sandbox.log()
    first.send_signal(signal.SIGCONT)
    looked = time.monotonic()
    eventually(lambda: time.monotonic() - looked > 5, "time enough for it to do harm")
    assert fleet.sandbox.log() == before
    path = next(Path(s["path"]) for s in fleet.sandbox.segments() if s["name"] == "Customers")
    assert emails(fleet.sandbox, audience["audience_id"]) == expected(contacts(path))
    assert first.poll() is None, "it goes on with other work"
