"""Brings a database to this version's tables with Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from core.store.database import Database

MIGRATIONS = Path(__file__).parents[2] / "migrations"


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
