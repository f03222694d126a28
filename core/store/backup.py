"""Database and ledgers in one archive. A refresh may run meanwhile: what its ledger lacks is sent again, and changes nothing."""

import gzip
import os
import sqlite3
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.engine import URL, make_url

from core.errors import ConfigError, Conflict, NotFound, SegsyncError
from core.store.database import Database

_LEDGER = "ledger"
_STAMP = "last-backup"


def save(url: str, data_dir: Path, file: Path) -> int:
    """Writes the archive; its size in bytes. The ledgers first: an older ledger with a newer database only sends again.

    Raises Conflict when the file exists, ConfigError where PostgreSQL's tools are missing.
    """
    place = make_url(url)
    if file.exists():
        raise Conflict(f"{file} exists already.")
    if not file.resolve().parent.is_dir():
        raise NotFound(f"The folder {file.resolve().parent} is not there.")
    with tempfile.TemporaryDirectory(dir=file.resolve().parent) as folder:
        part, copy = Path(folder) / "part", Path(folder) / _name(place)
        with tarfile.open(part, "w:gz") as archive:
            if (data_dir / _LEDGER).is_dir():
                archive.add(data_dir / _LEDGER, _LEDGER)
            if place.get_backend_name() == "sqlite":
                with sqlite3.connect(_file(place)) as live, sqlite3.connect(copy) as kept:
                    live.backup(kept)
                live.close()
                kept.close()
            else:
                _call(place, ["pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={copy}"])
            archive.add(copy, copy.name)
        part.chmod(0o600)
        part.rename(file)
    (data_dir / _STAMP).touch()
    return file.stat().st_size


def saved_at(data_dir: Path) -> datetime | None:
    """When a backup was made last; None: never by `save`, nor by a tool that touches the same file."""
    stamp = data_dir / _STAMP
    return datetime.fromtimestamp(stamp.stat().st_mtime, UTC) if stamp.exists() else None


def load(file: Path, url: str, data_dir: Path) -> None:
    """Puts the archive's content in place. Raises Conflict when something is there already, NotFound without the file."""
    place = make_url(url)
    if not file.is_file():
        raise NotFound(f"{file} is not there.")
    is_sqlite = place.get_backend_name() == "sqlite"
    if (data_dir / _LEDGER).exists() or (_file(place).exists() if is_sqlite else _has_tables(url)):
        what = _file(place) if is_sqlite else f"The database {place.database} has tables"
        raise Conflict(f"{what} or {data_dir / _LEDGER} exists: move them away first, so that nothing is overwritten.")
    data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data_dir) as folder:
        copy = Path(folder) / _name(place)
        try:
            with tarfile.open(file) as archive:
                _unpack(archive, Path(folder).resolve())
        except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ConfigError(f"{file} is not a backup of segsync's, or not a whole one.") from error
        if not copy.is_file():
            raise ConfigError(f"{file} is not a backup of segsync's on {'SQLite' if is_sqlite else 'PostgreSQL'}.")
        if is_sqlite:
            _file(place).parent.mkdir(parents=True, exist_ok=True)
        else:
            _call(place, ["pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", str(copy)])
        if (Path(folder) / _LEDGER).is_dir():
            (Path(folder) / _LEDGER).rename(data_dir / _LEDGER)
        if is_sqlite:
            copy.rename(_file(place))


def _unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """Files and folders, below this folder only. Early versions of Python 3.11, such as Debian 12's, know no filter for that."""
    how: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    for one in archive:
        if not (one.isfile() or one.isdir()) or not (folder / one.name).resolve().is_relative_to(folder):
            raise tarfile.TarError
        archive.extract(one, folder, **how)


def _name(place: URL) -> str:
    return "segsync.db" if place.get_backend_name() == "sqlite" else "segsync.dump"


def _file(place: URL) -> Path:
    if not place.database:
        raise ConfigError("A database in memory has no backup.")
    return Path(place.database)


def _has_tables(url: str) -> bool:
    database = Database(url)
    try:
        return bool(inspect(database.engine).get_table_names())
    finally:
        database.dispose()


def _call(place: URL, command: Sequence[str]) -> None:
    """PostgreSQL's own tools; the password goes by the environment, where nobody else reads it."""
    address = place.set(drivername="postgresql", password=None).render_as_string()
    words = [command[0], f"--dbname={address}", *command[1:]]
    try:
        told = subprocess.run(  # noqa: S603 - fixed words and paths of our own
            words, env=os.environ | {"PGPASSWORD": str(place.password or "")}, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise ConfigError(f"{words[0]} is not installed here: `apt-get install postgresql-client`, or its like.") from error
    if told.returncode:
        raise SegsyncError(f"{words[0]} says: {'; '.join(told.stderr.strip().splitlines()[:2]) or 'nothing'}")
