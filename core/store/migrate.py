"""Brings a database to this version's tables with Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from core.store.database import Database

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def missing(url: str) -> int:
    """How many migrations the database is behind; nothing is changed."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    database = Database(url)
    try:
        with database.read() as session:
            heads = MigrationContext.configure(session.connection()).get_current_heads()
        known = {r.revision for head in heads for r in scripts.iterate_revisions(head, "base")}
        return sum(r.revision not in known for r in scripts.walk_revisions())
    finally:
        database.dispose()


def migrate(url: str) -> None:
    """Runs what is missing; on SQLite the write-ahead log is switched on here, once, and not at every connection."""
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
            config.attributes["connection"] = session.connection()
            command.upgrade(config, "head")
    finally:
        database.dispose()
