"""The engine and its two kinds of transaction: reads, and writes that are alone from their first statement."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session


class Database:
    """One database. On SQLite a write begins IMMEDIATE: a read that turns into a write would fail with "database is locked"."""

    def __init__(self, url: str, *, idle_s: float = 15) -> None:
        """`idle_s`: PostgreSQL ends a transaction that is silent for so long: a frozen process must not keep rows locked."""
        self.is_sqlite = url.startswith("sqlite")
        arguments: dict[str, Any] = {"connect_args": {"check_same_thread": False, "timeout": 10}}
        if not self.is_sqlite:  # a server that was started again costs nobody a request; one that is silent is found away soon
            arguments = {"pool_pre_ping": True, "connect_args": {"connect_timeout": 5}}
        self.engine: Engine = create_engine(url, pool_size=20, max_overflow=60, **arguments)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare)
        else:
            event.listen(self.engine, "connect", partial(_limit, idle_s))
        self._writing = self.engine.execution_options(writing=True)
        event.listen(self.engine, "begin", self._begin)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that changes nothing."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that is committed at the end, or rolled back by an exception. No HTTP call belongs inside."""
        with Session(self._writing, expire_on_commit=False) as session, session.begin():
            yield session

    def answers(self) -> bool:
        """Whether a question gets through now."""
        try:
            with self.read() as session:
                return bool(session.scalar(text("SELECT 1")) == 1)
        except SQLAlchemyError:
            return False

    def time(self) -> float | None:
        """Seconds since 1970 by the server's clock; None on SQLite, which has the machine's, and where it does not answer."""
        if self.is_sqlite:
            return None
        try:
            with self.read() as session:
                return float(session.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0) or None
        except SQLAlchemyError:
            return None

    def dispose(self) -> None:
        """Closes every connection."""
        self.engine.dispose()

    def _begin(self, connection: Any) -> None:
        if self.is_sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writing") else "BEGIN")


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN would come too late; `_begin` says which
    cursor = connection.cursor()
    for pragma in ("foreign_keys=ON", "busy_timeout=10000", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _limit(idle_s: float, connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET idle_in_transaction_session_timeout = {round(idle_s * 1000)}")
    connection.commit()
