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
            raw = (
                database.engine.raw_connection()
            )  # beneath the engine: it would begin a transaction, in which SQLite refuses this
            raw.cursor().execute("PRAGMA journal_mode=WAL").close()
            raw.close()
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with database.write() as session:
            config.attributes["connection"] = session.connection()
            command.upgrade(config, "head")
    finally:
        database.dispose()
