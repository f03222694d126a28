"""Refreshes between processes: Procrastinate on the same PostgreSQL carries the wake-ups to whichever worker is free.

A job says only "claim the next refresh in fairness": which one that is, and whether there is one, the claim in the database
decides. So a job may be lost, doubled or left behind by a worker that died without any harm: at most one waits at a time
(`queueing_lock`), whoever has claimed a refresh sends the next one on its way, and workers look by themselves now and then. No
job takes Procrastinate's `lock`: one that nobody ends would hold up all others.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from procrastinate import App, JobContext, PsycopgConnector, SyncPsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Status
from procrastinate.schema import SchemaManager
from sqlalchemy import make_url

logger = logging.getLogger(__name__)
_TASK = "segsync.refresh"
_QUEUE = "refreshes"
_STALLED_S = 30.0  # without a heartbeat: that worker is gone
_PREPARING = 0x5E65_7EC1  # names the lock under which one process makes Procrastinate's tables


def prepare(database_url: str) -> None:
    """Makes Procrastinate's tables where they are missing; any number of processes may do so at once."""
    with psycopg.connect(_address(database_url), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_PREPARING,))
        if connection.execute("SELECT to_regclass('procrastinate_jobs')").fetchone() == (None,):
            connection.execute(SchemaManager.get_schema())


class SharedJobs:
    """Wakes workers of all processes, and executes where `workers` is above 0.

    `execute_next` claims and executes one refresh, calling its argument once it has claimed; False: there was none. `is_waiting`:
    whether there is one to claim; asked before anybody is woken, and every `idle_s` by workers, since nobody tells them when a
    wait is over.
    """

    def __init__(
        self,
        *,
        database_url: str,
        execute_next: Callable[[Callable[[], None]], bool],
        is_waiting: Callable[[], bool],
        stop_taking: Callable[[], None],
        workers: int,
        idle_s: float = 2.0,
    ) -> None:
        self._address = _address(database_url)
        self._execute_next, self._is_waiting, self._stop_taking = execute_next, is_waiting, stop_taking
        self._workers, self._idle_s = workers, idle_s
        self._news, self._stopping = threading.Event(), threading.Event()
        self._sender = App(connector=SyncPsycopgConnector(conninfo=self._address, min_size=1, max_size=2))
        self._sends = self._sender.configure_task(_TASK, queue=_QUEUE, queueing_lock=_QUEUE)
        self._threads = [threading.Thread(target=self._send, name="wake-ups", daemon=True)]
        if workers:
            self._threads.append(threading.Thread(target=lambda: asyncio.run(self._serve()), name="refreshes", daemon=True))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts sending wake-ups, and executing where this process does."""
        self._sender.open()
        for thread in self._threads:
            thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether wake-ups are still sent, and refreshes executed where this process does."""
        return all(thread.is_alive() for thread in self._threads)

    def wake(self) -> None:
        """There may be a refresh to claim. Returns at once."""
        self._news.set()

    def stop(self, timeout_s: float = 15.0) -> None:
        """Takes nothing new; what runs is handed back. Waits at most `timeout_s` in all."""
        self._stop_taking()
        self._stopping.set()
        self._news.set()
        if self._loop and self._serving:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._serving.cancel)
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout_s / len(self._threads))
        self._sender.close()

    # ── wake-ups ──

    def _send(self) -> None:
        while not self._stopping.is_set():
            self._news.wait(self._idle_s if self._workers else None)
            self._news.clear()
            try:
                if not self._stopping.is_set() and self._is_waiting():
                    self._sends.defer()
            except AlreadyEnqueued:
                continue
            except Exception:
                logger.exception("Workers could not be woken; they look by themselves.")
                self._stopping.wait(self._idle_s)

    # ── executing ──

    async def _serve(self) -> None:
        """Procrastinate's worker, begun anew when the database was away."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(self._workers + 4, thread_name_prefix="refresh"))
        while not self._stopping.is_set():
            self._serving = asyncio.create_task(self._work())
            try:
                await self._serving
            except asyncio.CancelledError:
                return
            except (ConnectorException, psycopg.Error, OSError) as error:
                logger.warning("PostgreSQL is away (%s); workers try again.", type(error).__name__)
                await asyncio.sleep(self._idle_s)

    async def _work(self) -> None:
        app = App(connector=PsycopgConnector(conninfo=self._address, min_size=1, max_size=self._workers + 4))

        @app.task(name=_TASK, queue=_QUEUE, pass_context=True)
        def refresh(_context: JobContext) -> None:
            try:
                self._execute_next(self.wake)
            except Exception:
                logger.exception("A refresh ended with an unexpected error; its lease will lapse and it will be tried again.")

        async with app.open_async():
            tidying = asyncio.create_task(self._tidy(app))
            try:
                await app.run_worker_async(
                    queues=[_QUEUE],
                    concurrency=self._workers,
                    install_signal_handlers=False,
                    delete_jobs="always",
                    shutdown_graceful_timeout=10,
                    stalled_worker_timeout=_STALLED_S,
                )
            finally:
                tidying.cancel()

    async def _tidy(self, app: App) -> None:
        """Takes away jobs whose worker is gone; their refreshes are claimed when their leases lapse."""
        while True:
            await asyncio.sleep(_STALLED_S)
            stalled: Any = await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=_STALLED_S)
            for job in stalled:
                await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=True)
            if stalled:
                self.wake()


def _address(database_url: str) -> str:
    """As psycopg takes it."""
    return make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
