"""Segments that are queries: whatever SQLAlchemy reaches, read in one read-only transaction.

Only the declared queries are run. The whole of a reading sees one state of the database: PostgreSQL by REPEATABLE READ, SQLite by
its read transaction. A query that takes longer than the timeout is ended by the database.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from core.errors import ColumnsMissing, QueryFailed, SourceUnavailable
from core.models import Segment
from core.ports import Reading
from sources.declared import Declared, find, in_batches

_BATCH = 32 << 10
_STEPS = 100_000  # of SQLite's virtual machine between two looks at the clock


class SqlSource:
    """Declared queries over one database. `timeout_s`: how long one of them may take."""

    def __init__(
        self,
        *,
        name: str,
        url: str,
        segments: Sequence[Declared],
        timeout_s: float = 600,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._declared, self._timeout_s, self._monotonic = tuple(segments), timeout_s, monotonic
        self._engine: Engine = create_engine(url, pool_size=2, max_overflow=8, pool_pre_ping=True)
        self._names: dict[str, tuple[str, ...]] = {}

    def segments(self) -> Sequence[Segment]:
        """All declared segments; the database is not asked."""
        return [d.segment(self.name, names=self._names.get(d.id, ())) for d in self._declared]

    def segment(self, segment_id: str) -> Segment:
        """One segment; its size only where a query for it is declared. Raises SegmentGone, QueryFailed, SourceUnavailable."""
        declared = find(self._declared, segment_id)
        with self._connected(declared) as connection:
            size = self._scalar(connection, declared.count) if declared.count else None
            names = self._names.get(segment_id) or self._columns(connection, declared)
        return declared.segment(self.name, names=names, size=int(size) if size is not None else None)

    @contextmanager
    def read(self, segment_id: str) -> Iterator[Reading]:
        """Opens the segment: one snapshot, however often it is gone through."""
        declared = find(self._declared, segment_id)
        with self._connected(declared) as connection:
            version = str(self._scalar(connection, declared.version)) if declared.version else None
            names = self._columns(connection, declared)
            columns = declared.columns_of(names)

            def batches(wanted: Sequence[str]) -> Iterator[pa.RecordBatch]:
                with _told(declared, self._timeout_s), self._streamed(connection, declared.read) as result:
                    there = list(result.keys())
                    if missing := [w for w in wanted if w not in there]:
                        raise ColumnsMissing(f"The segment lacks the column {', '.join(missing)}.", missing=missing)
                    places = [there.index(w) for w in wanted]
                    yield from in_batches(wanted, ([row[p] for p in places] for row in result), _BATCH)

            yield Reading(declared.segment(self.name, names=names), columns, version, batches, lambda: True)

    def close(self) -> None:
        """Closes every connection."""
        self._engine.dispose()

    @contextmanager
    def _connected(self, declared: Declared) -> Iterator[Connection]:
        """A read-only transaction with the timeout set."""
        with _told(declared, self._timeout_s), self._engine.connect() as connection:
            match self._engine.dialect.name:
                case "postgresql":
                    connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
                    connection.execute(text(f"SET LOCAL statement_timeout = {int(self._timeout_s * 1000)}"))
                case "sqlite":
                    connection.execute(text("PRAGMA query_only = ON"))
                    self._end_late(connection)
                case _:
                    pass  # the account that the operator gives segsync is read-only: the guide says so
            try:
                yield connection
            finally:
                connection.rollback()

    def _end_late(self, connection: Connection) -> None:
        """SQLite has no timeout for a query: its virtual machine asks us from time to time."""
        driver: Any = connection.connection.driver_connection
        ends = self._monotonic() + self._timeout_s
        driver.set_progress_handler(lambda: 1 if self._monotonic() > ends else 0, _STEPS)

    @contextmanager
    def _streamed(self, connection: Connection, query: str) -> Iterator[Any]:
        result = connection.execution_options(stream_results=True, yield_per=_BATCH).execute(text(query))
        try:
            yield result
        finally:
            result.close()

    def _columns(self, connection: Connection, declared: Declared) -> tuple[str, ...]:
        with self._streamed(connection, declared.read) as result:
            names = tuple(result.keys())
        self._names[declared.id] = names
        return names

    def _scalar(self, connection: Connection, query: str) -> Any:
        return connection.execute(text(query)).scalar()


@contextmanager
def _told(declared: Declared, timeout_s: float) -> Iterator[None]:
    """The driver's errors as the source's own: they may quote values of people, so nothing of them is passed on."""
    try:
        yield
    except OperationalError as error:
        if _is_late(error):
            raise QueryFailed(f"The query of {declared.id} took longer than {round(timeout_s)} seconds.") from None
        if error.connection_invalidated or not _has_run(error):
            raise SourceUnavailable("The database does not answer.") from None
        raise QueryFailed(f"The database refuses the query of {declared.id}.") from None
    except DBAPIError as error:
        if _is_late(error):
            raise QueryFailed(f"The query of {declared.id} took longer than {round(timeout_s)} seconds.") from None
        raise QueryFailed(f"The database refuses the query of {declared.id}.") from None
    except SQLAlchemyError:
        raise QueryFailed(f"The query of {declared.id} cannot be run.") from None


def _is_late(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", "") == "57014" or str(error.orig) == "interrupted"


def _has_run(error: DBAPIError) -> bool:
    """Whether the database was there to refuse it: PostgreSQL says so by a state, SQLite by naming what it misses."""
    said = str(error.orig)
    return bool(getattr(error.orig, "sqlstate", None)) or "no such" in said or "syntax error" in said or "readonly" in said
