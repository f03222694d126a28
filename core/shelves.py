"""Where ledgers lie: in folders, or in an object store, so that any worker can go on where another died.

A file is written under no name and published under one, once: whoever comes second learns it. A journal has one writer and grows.

In a folder, publishing is a hard link, which fails where the name exists; a journal is appended to. In an object store the bytes
of a file lie under `data/TOKEN`, and its name is a small object that says where, put with the condition that there is none; a
journal is one object that is put whole each time. What nobody published, or nobody names any more, goes after a day.
"""

import itertools
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore, from_url

from core.errors import ConfigError, LedgerUnavailable

_STALE_S = 86_400
_PART = 8 << 20


class Blob(Protocol):
    """A published file; it stays readable while it is open."""

    size: int

    def read(self, at: int, size: int) -> bytes:
        """Some of its bytes."""
        ...

    def close(self) -> None: ...


class Draft(Protocol):
    """A file that nobody sees yet."""

    def write(self, block: bytes | bytearray) -> None: ...

    def tell(self) -> int:
        """How many bytes were written."""
        ...

    def publish(self, name: str) -> None:
        """Durable under this name when it returns. Raises FileExistsError where the name is taken."""
        ...

    def discard(self) -> None:
        """Leaves nothing, unless it was published."""
        ...


class Journal:
    """Blocks of one writer, in order. `write`: makes more bytes durable."""

    def __init__(self, write: Callable[[bytes], None], close: Callable[[], None] = lambda: None) -> None:
        self._write, self.close = write, close
        self._waiting: list[bytes | bytearray] = []
        self._adding, self._writing = threading.Lock(), threading.Lock()
        self._added = self._kept = 0
        self._is_broken = False

    def add(self, block: bytes | bytearray) -> None:
        """One more; not durable yet."""
        with self._adding:
            self._waiting.append(block)
            self._added += 1

    def keep(self) -> None:
        """Durable when it returns, all that was added before; what several threads have added goes in one write."""
        with self._adding:
            mine = self._added
        with self._writing:
            if self._kept >= mine:
                return
            if self._is_broken:  # a later block behind a hole could not be read
                raise LedgerUnavailable
            with self._adding:
                blocks, self._waiting = self._waiting, []
            self._is_broken = True
            self._write(b"".join(blocks))
            self._is_broken = False
            self._kept += len(blocks)


class Shelf(Protocol):
    """The files of one sync."""

    def names(self) -> list[str]:
        """Of all published files and journals, ascending."""
        ...

    def open(self, name: str) -> Blob:
        """Raises FileNotFoundError."""
        ...

    def whole(self, name: str) -> bytes:
        """A journal's bytes. Raises FileNotFoundError."""
        ...

    def draft(self) -> Draft: ...

    def journal(self, name: str) -> Journal: ...

    def drop(self, name: str) -> None:
        """It is not there afterwards."""
        ...

    def tidy(self) -> None:
        """Forgets drafts that a kill has left."""
        ...


class Shelves(Protocol):
    """The files of all syncs."""

    def of(self, sync_id: str) -> Shelf: ...

    def forget(self, sync_id: str) -> None:
        """Deletes a sync's files."""
        ...


def try_out(shelves: Shelves) -> None:
    """Publishes a file, sees that its name counts once, reads it, and forgets it. Raises OSError or LedgerUnavailable."""
    place, name = f"probe-{secrets.token_hex(8)}", "1.probe"
    shelf = shelves.of(place)
    try:
        _publish(shelf, name, b"probe")
        with suppress(FileExistsError):
            _publish(shelf, name, b"again")
            raise LedgerUnavailable("A name counts twice there: of two workers one could overwrite the other's ledger.")
        file = shelf.open(name)
        if file.read(0, file.size) != b"probe":
            raise LedgerUnavailable("It gives back something else than what was written.")
        file.close()
    finally:
        shelves.forget(place)


def _publish(shelf: Shelf, name: str, content: bytes) -> None:
    draft = shelf.draft()
    try:
        draft.write(content)
        draft.publish(name)
    finally:
        draft.discard()


# ── folders ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Folders:
    """A folder for each sync under one folder; made at the first write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, sync_id: str) -> Shelf:
        return _Folder(self._folder / sync_id)

    def forget(self, sync_id: str) -> None:
        shutil.rmtree(self._folder / sync_id, ignore_errors=True)


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        return sorted(p.name for p in self._folder.glob("*.*") if not p.name.startswith("."))

    def open(self, name: str) -> Blob:
        return _OpenFile(self._folder / name)

    def whole(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def draft(self) -> Draft:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _FileDraft(self._folder)

    def journal(self, name: str) -> Journal:
        file = (self._folder / name).open("ab")
        _flush_folder(self._folder)

        def write(blocks: bytes) -> None:
            file.write(blocks)
            _flush(file)

        return Journal(write, file.close)

    def drop(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)

    def tidy(self) -> None:
        for draft in self._folder.glob(".*.draft"):
            with suppress(FileNotFoundError):
                if time.time() - draft.stat().st_mtime > _STALE_S:
                    draft.unlink()


class _OpenFile:
    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY)  # stays readable when its name is dropped meanwhile
        self.size = os.fstat(self._file).st_size

    def read(self, at: int, size: int) -> bytes:
        return os.pread(self._file, size, at)

    def close(self) -> None:
        os.close(self._file)


class _FileDraft:
    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, folder / f".{secrets.token_hex(8)}.draft"
        self._file: BinaryIO = self._path.open("wb")
        self.tell = self._file.tell

    def write(self, block: bytes | bytearray) -> None:
        self._file.write(block)

    def publish(self, name: str) -> None:
        _flush(self._file)
        os.link(self._path, self._folder / name)  # fails when the name is there, where a rename would overwrite
        _flush_folder(self._folder)

    def discard(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Makes names durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# ── object stores ────────────────────────────────────────────────────────────────────────────────────────────────────


class Objects:
    """An object store by URL: `s3://bucket/prefix`, `gs://…`, `az://…`, `file:///folder`; credentials as its provider's tools."""

    def __init__(self, url: str) -> None:
        """Raises ConfigError for a URL that names no store."""
        try:
            self._store = from_url(url, mkdir=True) if url.startswith("file:") else from_url(url)
        except (BaseError, ValueError) as error:
            raise ConfigError(f"No object store can be reached by {url!r}: {error}") from error

    def of(self, sync_id: str) -> Shelf:
        return _Prefix(self._store, sync_id)

    def forget(self, sync_id: str) -> None:
        with _told():
            for found in obstore.list(self._store, sync_id):
                _delete(self._store, *(one["path"] for one in found))


class _Prefix:
    """Objects whose names begin with a sync's id."""

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store, self._prefix = store, prefix

    def names(self) -> list[str]:
        with _told():
            found = obstore.list_with_delimiter(self._store, self._prefix)["objects"]
        return sorted(one["path"].rpartition("/")[2] for one in found)

    def open(self, name: str) -> Blob:
        return _OpenObject(self._store, self.whole(name).decode())

    def whole(self, name: str) -> bytes:
        with _told():
            return bytes(obstore.get(self._store, self._at(name)).bytes())

    def draft(self) -> Draft:
        return _ObjectDraft(self._store, self._prefix)

    def journal(self, name: str) -> Journal:
        whole = bytearray()

        def write(blocks: bytes) -> None:
            whole.extend(blocks)
            with _told():
                obstore.put(self._store, self._at(name), bytes(whole))

        return Journal(write)

    def drop(self, name: str) -> None:
        with _told():
            _delete(self._store, self._at(name))

    def tidy(self) -> None:
        before = time.time() - _STALE_S
        with _told():
            there = itertools.chain.from_iterable(obstore.list(self._store, self._at("data")))
            stale = {one["path"] for one in there if one["last_modified"].timestamp() < before}
        if not stale:  # nearly always
            return
        for name in self.names():
            if name.endswith(".ledger"):
                with suppress(FileNotFoundError):
                    stale.discard(self.whole(name).decode())
        with _told():
            _delete(self._store, *stale)

    def _at(self, name: str) -> str:
        return f"{self._prefix}/{name}"


class _OpenObject:
    def __init__(self, store: ObjectStore, path: str) -> None:
        self._store, self._path = store, path
        with _told():
            self.size = obstore.head(store, path)["size"]

    def read(self, at: int, size: int) -> bytes:
        if not size:
            return b""
        with _told():
            return bytes(obstore.get_range(self._store, self._path, start=at, length=size))

    def close(self) -> None:
        """Nothing is held."""


class _ObjectDraft:
    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store, self._prefix = store, prefix
        self._path = f"{prefix}/data/{secrets.token_hex(16)}"
        self._writer = obstore.open_writer(store, self._path, buffer_size=_PART, max_concurrency=2)
        self._size, self._is_named = 0, False

    def write(self, block: bytes | bytearray) -> None:
        with _told():
            self._writer.write(block)
        self._size += len(block)

    def tell(self) -> int:
        return self._size

    def publish(self, name: str) -> None:
        at, here = f"{self._prefix}/{name}", self._path.encode()
        with _told():
            self._writer.close()
            try:
                obstore.put(self._store, at, here, mode="create")
            except AlreadyExistsError as error:  # perhaps our own, whose answer was lost
                if bytes(obstore.get(self._store, at).bytes()) != here:
                    raise FileExistsError(at) from error
        self._is_named = True

    def discard(self) -> None:
        if self._is_named:
            return
        with suppress(LedgerUnavailable), _told():
            if not self._writer.closed():
                self._writer.close()
            _delete(self._store, self._path)


def _delete(store: ObjectStore, *paths: str) -> None:
    for path in paths:
        with suppress(FileNotFoundError):
            obstore.delete(store, path)


@contextmanager
def _told() -> Iterator[None]:
    """The store's own errors may name what nobody else should read; what happened is said in ours."""
    try:
        yield
    except (FileNotFoundError, FileExistsError):  # answers, not trouble
        raise
    except (BaseError, OSError) as error:  # an upload that breaks off is an OSError
        raise LedgerUnavailable(f"The store of the ledgers does not answer ({type(error).__name__}).") from error
