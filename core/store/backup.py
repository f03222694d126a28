"""Database and ledgers in one archive. A refresh may run meanwhile: what its ledger lacks is sent again, and changes nothing."""

import sqlite3
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from core.errors import ConfigError, Conflict, NotFound

_DATABASE = "segsync.db"
_LEDGER = "ledger"


def save(url: str, data_dir: Path, file: Path) -> int:
    """Writes the archive; its size in bytes. The ledgers first: an older ledger with a newer database only sends again.

    Raises Conflict when the file exists, ConfigError for a database that is not SQLite.
    """
    path = _sqlite(url)
    if file.exists():
        raise Conflict(f"{file} exists already.")
    with tempfile.TemporaryDirectory(dir=file.resolve().parent) as folder:
        part, copy = Path(folder) / "part", Path(folder) / _DATABASE
        with tarfile.open(part, "w:gz") as archive:
            if (data_dir / _LEDGER).is_dir():
                archive.add(data_dir / _LEDGER, _LEDGER)
            with sqlite3.connect(path) as live, sqlite3.connect(copy) as kept:
                live.backup(kept)
            live.close()
            kept.close()
            archive.add(copy, _DATABASE)
        part.rename(file)
    return file.stat().st_size


def load(file: Path, url: str, data_dir: Path) -> None:
    """Puts the archive's content in place. Raises Conflict when something is there already, NotFound without the file."""
    path = _sqlite(url)
    if not file.is_file():
        raise NotFound(f"{file} is not there.")
    if path.exists() or (data_dir / _LEDGER).exists():
        raise Conflict(f"{path} or {data_dir / _LEDGER} exists: move them away first, so that nothing is overwritten.")
    data_dir.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data_dir) as folder:
        try:
            with tarfile.open(file) as archive:
                _unpack(archive, Path(folder).resolve())
        except tarfile.TarError as error:
            raise ConfigError(f"{file} is not a backup of segsync's.") from error
        if not (Path(folder) / _DATABASE).is_file():
            raise ConfigError(f"{file} is not a backup of segsync's.")
        if (Path(folder) / _LEDGER).is_dir():
            (Path(folder) / _LEDGER).rename(data_dir / _LEDGER)
        (Path(folder) / _DATABASE).rename(path)


def _unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """Files and folders, below this folder only. Early versions of Python 3.11, such as Debian 12's, know no filter for that."""
    how: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    for one in archive:
        if not (one.isfile() or one.isdir()) or not (folder / one.name).resolve().is_relative_to(folder):
            raise tarfile.TarError
        archive.extract(one, folder, **how)


def _sqlite(url: str) -> Path:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise ConfigError("On PostgreSQL use its own tools (pg_dump, pg_restore), and copy the folder of ledgers after that.")
    return Path(parsed.database)
