"""Wake-ups between processes: workers of all of them begin at once, and what a dead one leaves behind holds nobody up."""

import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from queues.shared import SharedJobs, prepare
from tests.databases import postgres_or_skip
from tests.journeys.desk import eventually


class Work:
    """Refreshes to claim, each of which lasts until it is let go; who executes them is noted."""

    def __init__(self) -> None:
        self.left = 0
        self.running: list[str] = []
        self.most = 0
        self.begun: list[float] = []
        self.go_on = threading.Event()
        self._lock = threading.Lock()

    def of(self, worker: str) -> Callable[[Callable[[], None]], bool]:
        def execute_next(claimed: Callable[[], None]) -> bool:
            with self._lock:
                if not self.left:
                    return False
                self.left -= 1
                self.running.append(worker)
                self.most = max(self.most, len(self.running))
                self.begun.append(time.monotonic())
            claimed()
            self.go_on.wait(20)
            with self._lock:
                self.running.remove(worker)
            return True

        return execute_next

    def is_waiting(self) -> bool:
        return self.left > 0


@pytest.fixture(scope="module")
def url() -> str:
    address = postgres_or_skip("wake-ups are NOT tried")
    prepare(address)
    prepare(address)  # as every process does
    return address


@pytest.fixture
def work() -> Work:
    return Work()


Starts = Callable[..., SharedJobs]


@pytest.fixture
def starts(url: str, work: Work) -> Iterator[Starts]:
    running: list[SharedJobs] = []

    def start(name: str, workers: int, idle_s: float = 60) -> SharedJobs:
        jobs = SharedJobs(
            database_url=url,
            execute_next=work.of(name),
            is_waiting=work.is_waiting,
            stop_taking=lambda: None,
            workers=workers,
            idle_s=idle_s,
        )
        jobs.start()
        running.append(jobs)
        return jobs

    yield start
    work.go_on.set()
    for jobs in running:
        jobs.stop()


def listening(url: str, workers: int) -> None:
    """Waits until so many workers hear of jobs: one that is known to Procrastinate may still be deaf."""
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%'"
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        eventually(lambda: (connection.execute(count).fetchone() or (0,))[0] >= workers, "workers that listen")


def test_one_word_wakes_every_free_worker_of_every_process(url: str, work: Work, starts: Starts) -> None:
    bot = starts("bot", 0)
    starts("one", 2)
    starts("two", 2)
    listening(url, 2)
    work.left, told = 6, time.monotonic()
    bot.wake()
    eventually(lambda: len(work.running) == 4, "four at once, two in each process")
    assert sorted(work.running) == ["one", "one", "two", "two"]
    assert max(work.begun) - told < 2, "long before anybody looks by himself"
    work.go_on.set()
    eventually(lambda: work.left == 0 and not work.running, "all six")
    assert work.most == 4


def test_what_becomes_due_by_itself_is_found_by_a_look_now_and_then(work: Work, starts: Starts) -> None:
    starts("one", 1, idle_s=0.2)
    work.left = 1
    eventually(lambda: work.begun, "a look")


def test_a_job_that_a_dead_worker_left_behind_holds_nobody_up(url: str, work: Work, starts: Starts) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, status) "
            "VALUES ('refreshes', 'segsync.refresh', 'refreshes', 'doing')"
        )
    starts("one", 1)
    listening(url, 1)
    work.left = 1
    starts("bot", 0).wake()
    eventually(lambda: work.begun, "the refresh all the same")
