"""What has been delivered to one audience: files in a folder a sync, encrypted with the sync's own key.

A *generation* is a snapshot of the whole ledger, written before the first request of a plan; it says what may become of every
identifier. Its *journal* grows by one small record after each answer, so that a kill at any moment loses at most the answers of
requests in flight, which then still count as "may or may not be there".

On disk: `NNNNNNNN.ledger` is `SEGLEDG1`, then blocks of (length u32 LE, nonce 12 bytes, AES-256-GCM of at most 4 MiB). The blocks
together are a length (u32 LE), the header as JSON of that length, and an Arrow IPC file. `NNNNNNNN.journal` is a row of such
blocks, each a JSON object. A block is bound to the sync, the file's name, its place, and whether it is the last one: blocks
cannot be moved, swapped or cut off (of a journal the end may be missing after a crash: a torn last record counts as
never written). A
generation is made under another name, flushed and linked in place; a name that exists already means that another worker has taken
over.
"""

import io
import json
import os
import secrets
import shutil
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.difference import LEDGER_SCHEMA, State
from core.errors import LeaseLost, SegsyncError

_MAGIC = b"SEGLEDG1"
_BLOCK = 4 << 20
_HEAD = struct.Struct("<I12s")
_HEADER_BYTES = struct.Struct("<I")


class LedgerDamaged(SegsyncError):
    """The ledger of a sync cannot be read: a file was changed or cut, or its key is another one."""


@dataclass(slots=True)
class Book:
    """A ledger in memory. `header` names the audience and its life; `waiting`: requests whose outcome comes later."""

    table: pl.DataFrame
    header: Mapping[str, Any]
    generation: int
    waiting: dict[int, str] = field(default_factory=dict)
    journal: dict[int, Mapping[int, str]] = field(default_factory=dict)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is owed, leaving or unknown."""
        return not self.table.filter(pl.col("state").is_in([State.SENDING, State.OWED, State.LEAVING])).height

    @property
    def delivered(self) -> int:
        """Members with at least one identifier that is delivered."""
        return self.table.filter(pl.col("state") == State.DELIVERED)["member"].n_unique() if self.table.height else 0


class Ledgers:
    """The ledgers of all syncs under one folder. `key`: a sync's 32 bytes."""

    def __init__(self, *, folder: Path, key: Callable[[str], bytes]) -> None:
        self._folder, self._key = folder, key

    def of(self, sync_id: str) -> "Ledger":
        """The ledger of one sync; the folder is made at the first write."""
        return Ledger(self._folder / sync_id, sync_id, AESGCM(self._key(sync_id)))

    def forget(self, sync_id: str) -> None:
        """Deletes a sync's ledger."""
        shutil.rmtree(self._folder / sync_id, ignore_errors=True)


class Ledger:
    """One sync's files. `done` and `sent` may be called from several threads."""

    def __init__(self, folder: Path, sync_id: str, cipher: AESGCM) -> None:
        self._folder, self._sync_id, self._cipher = folder, sync_id, cipher
        self._lock = threading.Lock()
        self._journal: BinaryIO | None = None
        self._records = 0
        self._generation = 0

    def load(self) -> Book:
        """The latest generation with its journal applied; an empty book where there is none. Raises LedgerDamaged."""
        newest = max((int(p.stem) for p in self._folder.glob("*.ledger")), default=0)
        self._generation = newest
        self.close()
        if not newest:
            return Book(pl.DataFrame(schema=LEDGER_SCHEMA), {}, 0)
        path = self._path(newest, "ledger")
        data = path.read_bytes()
        if not data.startswith(_MAGIC):
            raise LedgerDamaged
        plain = b"".join(self._blocks(data[len(_MAGIC) :], path.name, sealed_end=True))
        size = _HEADER_BYTES.unpack_from(plain)[0]
        header = json.loads(plain[_HEADER_BYTES.size : _HEADER_BYTES.size + size])
        book = Book(pl.read_ipc(io.BytesIO(plain[_HEADER_BYTES.size + size :])), header, newest)
        self._replay(book)
        return book

    def write(self, table: pl.DataFrame, header: Mapping[str, Any]) -> None:
        """A new generation, durable when this returns. Raises LeaseLost when another worker has written it already."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.close()
        number = self._generation + 1
        path = self._path(number, "ledger")
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        words = json.dumps(dict(header)).encode()
        stream = io.BytesIO()
        stream.write(_HEADER_BYTES.pack(len(words)) + words)
        table.write_ipc(stream)
        whole = stream.getbuffer()
        with part.open("wb") as file:
            file.write(_MAGIC)
            ends = list(range(0, max(len(whole), 1), _BLOCK))
            for place, start in enumerate(ends):
                file.write(self._seal(bytes(whole[start : start + _BLOCK]), path.name, place, last=start == ends[-1]))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(part, path)  # fails when the name is there, where a rename would overwrite
        except FileExistsError as error:
            raise LeaseLost from error
        finally:
            part.unlink()
        self._flush_folder()
        self._generation = number
        for old in self._folder.glob("*.*"):
            if not old.name.startswith(".") and int(old.stem) < number:
                old.unlink(missing_ok=True)

    def done(self, batch: int, refused: Mapping[int, str]) -> None:
        """This batch is carried out; `refused`: places of its members that were not taken, with the reason."""
        self._record({"done": batch, "refused": {str(place): reason for place, reason in refused.items()}})

    def sent(self, batch: int, request_id: str, refused: Mapping[int, str]) -> None:
        """The platform works on it and tells the outcome later."""
        self._record({"sent": batch, "id": request_id, "refused": {str(k): v for k, v in refused.items()}})

    def lost(self, batch: int) -> None:
        """The platform says that the work behind this batch failed: its members are as before."""
        self._record({"lost": batch})

    def seen(self, header: Mapping[str, Any]) -> None:
        """Nothing had to be sent: only what the header says has changed."""
        self._record({"header": dict(header)})

    def close(self) -> None:
        """Closes the journal."""
        with self._lock:
            if self._journal:
                self._journal.close()
            self._journal, self._records = None, 0

    # ── underneath ──

    def _path(self, number: int, suffix: str) -> Path:
        return self._folder / f"{number:08d}.{suffix}"

    def _record(self, words: Mapping[str, Any]) -> None:
        with self._lock:
            path = self._path(self._generation, "journal")
            if self._journal is None:
                self._records = self._trim(path)
                self._journal = path.open("ab")
                self._flush_folder()
            self._journal.write(self._seal(json.dumps(words).encode(), path.name, self._records, last=False))
            self._journal.flush()
            os.fsync(self._journal.fileno())
            self._records += 1

    def _trim(self, path: Path) -> int:
        """Cuts a torn record off the end; how many whole ones there are."""
        if not path.exists():
            return 0
        data, size, count = path.read_bytes(), 0, 0
        for plain in self._blocks(data, path.name, sealed_end=False):
            size += _HEAD.size + len(plain) + 16
            count += 1
        if size < len(data):
            os.truncate(path, size)
        return count

    def _replay(self, book: Book) -> None:
        path = self._path(book.generation, "journal")
        if not path.exists():
            return
        done: list[int] = []
        for plain in self._blocks(path.read_bytes(), path.name, sealed_end=False):
            words = json.loads(plain)
            if "header" in words:
                book.header = words["header"]
            elif "lost" in words:
                book.waiting.pop(words["lost"], None)
            elif "sent" in words:
                book.waiting[words["sent"]] = words["id"]
                book.journal[words["sent"]] = {int(k): v for k, v in words["refused"].items()}
            else:
                batch = words["done"]
                book.waiting.pop(batch, None)
                done.append(batch)
                book.journal[batch] = {int(k): v for k, v in words["refused"].items()} | dict(book.journal.get(batch, {}))
        book.table = apply(book.table, {batch: book.journal[batch] for batch in done})

    def _seal(self, plain: bytes, name: str, place: int, *, last: bool) -> bytes:
        nonce = secrets.token_bytes(12)
        sealed = self._cipher.encrypt(nonce, plain, self._bound(name, place, last=last))
        return _HEAD.pack(len(sealed), nonce) + sealed

    def _bound(self, name: str, place: int, *, last: bool) -> bytes:
        return f"{self._sync_id}/{name}/{place}/{int(last)}".encode()

    def _blocks(self, data: bytes, name: str, *, sealed_end: bool) -> Iterator[bytes]:
        at, place = 0, 0
        while at < len(data):
            whole = at + _HEAD.size <= len(data)
            size, nonce = _HEAD.unpack_from(data, at) if whole else (0, b"")
            end = at + _HEAD.size + size
            if not whole or end > len(data):
                if sealed_end:
                    raise LedgerDamaged
                return  # a journal's record that was being written when the process died
            try:
                bound = self._bound(name, place, last=sealed_end and end == len(data))
                yield self._cipher.decrypt(nonce, data[at + _HEAD.size : end], bound)
            except InvalidTag as error:
                if not sealed_end and end == len(data):
                    return
                raise LedgerDamaged from error
            at, place = end, place + 1

    def _flush_folder(self) -> None:
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def apply(table: pl.DataFrame, done: Mapping[int, Mapping[int, str]]) -> pl.DataFrame:
    """The ledger after these batches: what was sending is delivered or refused, what was leaving is gone.

    Places in a batch count its members in the table's order, from 0.
    """
    if not done:
        return table
    finished = pl.col("batch").is_in(pl.Series(list(done), dtype=pl.UInt32).implode()).fill_null(value=False)
    leaving = finished & (pl.col("state") == State.LEAVING)
    table = table.with_columns(state=pl.when(leaving).then(pl.lit(int(State.GONE), dtype=pl.UInt8)).otherwise(pl.col("state")))
    refused = [(batch, place) for batch, places in done.items() for place in places]
    sending = finished & (pl.col("state") == State.SENDING)
    if refused:
        marks = pl.DataFrame(refused, schema={"batch": pl.UInt32, "place": pl.UInt32}, orient="row")
        marks = marks.with_columns(bad=pl.lit(int(State.REFUSED), dtype=pl.UInt8))
        place = (pl.col("member").rle_id().over("batch")).cast(pl.UInt32).alias("place")
        table = table.with_columns(place).join(marks, on=["batch", "place"], how="left", maintain_order="left")
        state = pl.col("bad").fill_null(int(State.DELIVERED))
    else:
        state = pl.lit(int(State.DELIVERED), dtype=pl.UInt8)
    return table.with_columns(
        state=pl.when(sending).then(state).otherwise(pl.col("state")),
        batch=pl.when(finished).then(None).otherwise(pl.col("batch")),
    ).select(list(LEDGER_SCHEMA))
