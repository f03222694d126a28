"""Brings a database to this version's tables with Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from core.errors import ConfigError
from core.store.database import Database

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def missing(url: str) -> int:
    """How many migrations the database is behind; nothing is changed. Raises ConfigError for a database of a newer version."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    database = Database(url)
    try:
        with database.read() as session:
            return _behind(session.connection(), scripts)
    finally:
        database.dispose()


def migrate(url: str) -> None:
    """Runs what is missing; on SQLite the write-ahead log is switched on here, once, and not at every connection.

    Raises ConfigError for a database of a newer version.
    """
    database = Database(url)
    try:
        if database.is_sqlite:
            # beneath the engine, which would begin a transaction: SQLite refuses this inside one
            raw = database.engine.raw_connection()
            raw.cursor().execute("PRAGMA journal_mode=WAL").close()
            raw.close()
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with database.write() as session:
            _behind(session.connection(), ScriptDirectory.from_config(config))
            config.attributes["connection"] = session.connection()
            command.upgrade(config, "head")
    finally:
        database.dispose()


def _behind(connection: Connection, scripts: ScriptDirectory) -> int:
    heads = MigrationContext.configure(connection).get_current_heads()
    every = [r.revision for r in scripts.walk_revisions()]
    if not set(every).issuperset(heads):
        raise ConfigError("The database is of a newer version of segsync.")
    known = {r.revision for head in heads for r in scripts.iterate_revisions(head, "base")}
    return sum(revision not in known for revision in every)
