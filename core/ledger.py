"""What has been delivered to one audience: files in a folder a sync, encrypted with the sync's own key.

A *generation* is written before the first request of a plan; it says what may become of every identifier that the plan concerns.
The first one, and now and then a later one, is *whole*; the others hold only the members that a plan touched, which replace what
older ones say of these members. Beside each lies a *journal* that grows by one small record after each answer, so that a kill at
any moment loses at most the answers of requests in flight, which then still count as "may or may not be there".

On disk `NNNNNNNN.ledger` is `SEGLEDG2`, then blocks, the last of which is the index, then its place (u64 LE). A block is a
length (u32 LE), a nonce of 12 bytes and AES-256-GCM, bound to the sync, the file's name, its place in it and what it is, so
that none can be moved, swapped or cut off. Blocks hold columns (`_pack`): of members' identifiers (`light`: member, kind, head,
state, batch; `values`: of digests what follows the head), or of the segment's rows (fingerprint, member, reasons). Each is in
ascending order over all blocks of a file. The index is JSON: header, each block's place and bounds, members of each request.
`NNNNNNNN.TOKEN.journal` is a row of blocks, each a JSON object; every worker writes one of its own. The end of one may be missing
after a crash: a torn last record counts as never written. A generation is made under another name, flushed and linked in place; a
name that exists already means that another worker has taken over.
"""

import itertools
import json
import os
import secrets
import shutil
import struct
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
import polars as pl
import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.ahead import ahead
from core.errors import LeaseLost, SegsyncError
from core.identifiers import (
    DIGEST,
    LEDGER_SCHEMA,
    NOTHING,
    U8,
    U32,
    U64,
    Identifiers,
    Mask,
    Places,
    State,
    among,
    bytes_of,
    each,
    firsts,
    joined,
    none,
)

_MAGIC = b"SEGLEDG2"
_HEAD = struct.Struct("<I12s")
_TRAILER = struct.Struct("<Q")
_SIZES = struct.Struct("<I")
_IDS = 1 << 17  # identifiers in one block
_ROWS = 1 << 18
ADDING = 1 << 31  # marks the numbers of batches that add


class LedgerDamaged(SegsyncError):
    """The ledger of a sync cannot be read: a file was changed or cut, or its key is another one."""


class Sealer:
    """Seals and opens blocks of one sync's files."""

    def __init__(self, sync_id: str, key: bytes) -> None:
        self._sync_id, self._cipher = sync_id, AESGCM(key)

    def seal(self, plain: bytes, name: str, place: int, what: str) -> bytes:
        """A block."""
        nonce = secrets.token_bytes(12)
        sealed = self._cipher.encrypt(nonce, plain, self._bound(name, place, what))
        return _HEAD.pack(len(sealed), nonce) + sealed

    def open(self, block: bytes, name: str, place: int, what: str) -> bytes:
        """What is in a block. Raises LedgerDamaged."""
        if len(block) < _HEAD.size or len(block) != _HEAD.size + _HEAD.unpack_from(block)[0]:
            raise LedgerDamaged
        try:
            return self._cipher.decrypt(block[4 : _HEAD.size], block[_HEAD.size :], self._bound(name, place, what))
        except InvalidTag as error:
            raise LedgerDamaged from error

    def _bound(self, name: str, place: int, what: str) -> bytes:
        return f"{self._sync_id}/{name}/{place}/{what}".encode()


class Generation:
    """One generation's file and what its journals say. Blocks are read when they are asked for."""

    def __init__(self, path: Path, sealer: Sealer) -> None:
        self._path, self._sealer, self.number = path, sealer, int(path.stem)
        self._file = os.open(path, os.O_RDONLY)  # stays readable when a whole generation replaces this one meanwhile
        self.close = weakref.finalize(self, os.close, self._file)
        size = os.fstat(self._file).st_size
        trailer = os.pread(self._file, _TRAILER.size, max(size - _TRAILER.size, 0))
        begins = os.pread(self._file, len(_MAGIC), 0) == _MAGIC
        at = _TRAILER.unpack(trailer)[0] if len(trailer) == _TRAILER.size else size
        if not begins or at >= size:
            raise LedgerDamaged
        self.index: dict[str, Any] = json.loads(self._block((at, size - _TRAILER.size - at), "index"))
        self.header: Mapping[str, Any] = self.index["header"]
        self.overrides = self._read_all("overrides", "member")
        self.waiting: dict[int, str] = {}
        self.refused: dict[int, Mapping[int, str]] = {}
        self.done: set[int] = set()
        for journal in sorted(path.parent.glob(f"{path.stem}.*.journal")):
            for words in records(journal, sealer):
                self._note(words)

    def identifiers(self, chunk: Mapping[str, Any]) -> pl.DataFrame:
        """One chunk's identifiers without their values, as the journals have made them."""
        return self._frame(_unpack(self._block(chunk["light"], "light", chunk["place"])), None)

    def chosen(self, chunk: Mapping[str, Any], choose: Callable[[U64], Mask]) -> Identifiers:
        """One chunk's identifiers of chosen members."""
        columns = _unpack(self._block(chunk["light"], "light", chunk["place"]))
        places = np.flatnonzero(choose(_members(columns)))
        if not len(places):
            return none(LEDGER_SCHEMA)
        return Identifiers(self._frame(columns, places), self.values(chunk, columns["head"], places))

    def values(self, chunk: Mapping[str, Any], head: U64, places: Places) -> pa.Array:
        """Values of one chunk at these places; `head`: the heads of the whole chunk."""
        block = self._block(chunk["values"], "values", chunk["place"])
        if not chunk["clear"]:
            digests = np.empty((len(places), 32), np.uint8)
            digests[:, :8] = head[places].view(np.uint8).reshape(-1, 8)
            digests[:, 8:] = np.frombuffer(block, np.uint8).reshape(-1, 24)[places]
            return pa.Array.from_buffers(DIGEST, len(places), [None, pa.py_buffer(digests)])
        with pa.ipc.open_stream(block) as stream:
            return stream.read_all().column(0).combine_chunks().take(pa.array(places))

    def holding(self, chunk: Mapping[str, Any], heads: U64) -> U64:
        """Members who hold one of these, ascending; what was removed is not held."""
        columns = _unpack(self._block(chunk["light"], "light", chunk["place"]), "step", "many", "head", "state")
        hits = np.flatnonzero(among(columns["head"], heads))
        if chunk["leaving"] and len(hits):
            hits = hits[~np.isin(columns["state"][hits], LEAVING)]
        if not len(hits):
            return NOTHING
        run = np.searchsorted(np.cumsum(columns["many"], dtype=np.int64), hits, side="right")
        return each(np.cumsum(columns["step"], dtype=np.uint64)[run])

    def rows(self, chunk: Mapping[str, Any]) -> dict[str, Any]:
        """One chunk of rows: `row` (u64, ascending), `member` (u64), `reasons` (u8)."""
        columns = _unpack(self._block(chunk["at"], chunk["of"]))
        columns[_KEYS[chunk["of"]]] = np.cumsum(columns.pop("step"), dtype=np.uint64)
        return columns

    def _frame(self, columns: Mapping[str, Any], places: Places | None) -> pl.DataFrame:
        taken = {"member": _members(columns)} | {name: columns[name] for name in ("kind", "head", "state", "batch")}
        if places is not None:
            taken = {name: column[places] for name, column in taken.items()}
        frame = pl.DataFrame(taken, schema=LEDGER_SCHEMA)
        frame = frame.with_columns(pl.when(pl.col("batch") != _NO_BATCH).then(pl.col("batch")).alias("batch"))
        return apply(frame, self.done, self.refused)

    def _read_all(self, of: str, name: str) -> U64:
        parts = [self.rows(c)[name] for c in self.index["rows"] if c["of"] == of]
        return np.concatenate([NOTHING, *parts])

    def dropped(self) -> U64:
        """Fingerprints of rows that this generation's plan no longer found."""
        return self._read_all("dropped", "row")

    def _block(self, place: Sequence[int], what: str, bound: int | None = None) -> bytes:
        at, size = place
        return self._sealer.open(os.pread(self._file, size, at), self._path.name, at if bound is None else bound, what)

    def _note(self, words: Mapping[str, Any]) -> None:
        if "header" in words:
            self.header = words["header"]
        elif "lost" in words:
            self.waiting.pop(words["lost"], None)
        elif "sent" in words:
            self.waiting[words["sent"]] = words["id"]
            self.refused[words["sent"]] = {int(k): v for k, v in words["refused"].items()}
        else:
            batch = words["done"]
            self.waiting.pop(batch, None)
            self.done.add(batch)
            self.refused[batch] = {int(k): v for k, v in words["refused"].items()} | dict(self.refused.get(batch, {}))


class Ledgers:
    """The ledgers of all syncs under one folder. `key`: a sync's 32 bytes."""

    def __init__(self, *, folder: Path, key: Callable[[str], bytes]) -> None:
        self._folder, self._key = folder, key

    def of(self, sync_id: str) -> "Ledger":
        """The ledger of one sync; the folder is made at the first write."""
        return Ledger(self._folder / sync_id, sync_id, self._key(sync_id))

    def forget(self, sync_id: str) -> None:
        """Deletes a sync's ledger."""
        shutil.rmtree(self._folder / sync_id, ignore_errors=True)


class Ledger:
    """One sync's files. `done` and `sent` may be called from several threads."""

    def __init__(self, folder: Path, sync_id: str, key: bytes) -> None:
        self._folder, self._sealer = folder, Sealer(sync_id, key)
        self._token = _token()
        self._lock = threading.Lock()
        self._journal: BinaryIO | None = None
        self._records = 0
        self._number = 0
        # a number that only who holds the key can know: fingerprints in another sync's ledger are others
        self.seed = int.from_bytes(blake2b(key, digest_size=8, person=b"fingerprints").digest()) >> 2

    def generations(self) -> list[Generation]:
        """From the last whole one to the newest; none where nothing was written yet. Raises LedgerDamaged."""
        self.close()
        for _ in range(_TRIES):
            try:
                found = self._open()
                break
            except FileNotFoundError:  # another worker has just made a whole one and dropped these
                continue
        else:
            raise LedgerDamaged
        self._number = found[-1].number if found else 0
        return found

    def writing(self, *, whole: bool) -> "Writing":
        """A new generation, to be filled and committed."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.close()
        return Writing(self._folder, self._number + 1, self._sealer, whole=whole, committed=self._committed)

    def done(self, batch: int, refused: Mapping[int, str]) -> None:
        """This batch is carried out; `refused`: members that were not taken, with the reason."""
        self._record({"done": batch, "refused": {str(member): reason for member, reason in refused.items()}})

    def sent(self, batch: int, request_id: str, refused: Mapping[int, str]) -> None:
        """The platform works on it and tells the outcome later."""
        self._record({"sent": batch, "id": request_id, "refused": {str(k): v for k, v in refused.items()}})

    def lost(self, batch: int) -> None:
        """The platform says that the work behind this batch failed: its members are as before."""
        self._record({"lost": batch})

    def seen(self, header: Mapping[str, Any]) -> None:
        """Only what the header says has changed."""
        self._record({"header": dict(header)})

    def close(self) -> None:
        """Closes the journal."""
        with self._lock:
            if self._journal:
                self._journal.close()
            self._journal, self._records = None, 0
            self._token = _token()

    # ── underneath ──

    def _open(self) -> list[Generation]:
        found: list[Generation] = []
        for number in sorted((int(p.stem) for p in self._folder.glob("*.ledger")), reverse=True):
            found.insert(0, Generation(self._folder / f"{number:08d}.ledger", self._sealer))
            if found[0].index["whole"]:
                return found
        if found:
            raise FileNotFoundError
        return found

    def _committed(self, number: int) -> None:
        self._number = number

    def _record(self, words: Mapping[str, Any]) -> None:
        with self._lock:
            path = self._folder / f"{self._number:08d}.{self._token}.journal"
            if self._journal is None:
                self._journal = path.open("ab")
                flush_folder(self._folder)
            self._journal.write(self._sealer.seal(json.dumps(words).encode(), path.name, self._records, "record"))
            self._journal.flush()
            os.fsync(self._journal.fileno())
            self._records += 1


class Writing:
    """A generation in the making, as a context: members and rows, each ascending, then `commit`; without it nothing is left."""

    def __init__(self, folder: Path, number: int, sealer: Sealer, *, whole: bool, committed: Callable[[int], None]) -> None:
        self._folder, self._number, self._sealer, self._committed = folder, number, sealer, committed
        self.whole = whole
        self._path = folder / f"{number:08d}.ledger"
        self._part = folder / f".{self._path.name}.{secrets.token_hex(4)}"
        self._index: dict[str, Any] = {"whole": whole, "chunks": [], "rows": []}
        self._places = itertools.count()

    def __enter__(self) -> Self:
        self._file: BinaryIO = self._part.open("wb")
        self._file.write(_MAGIC)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def members(self, pieces: Iterable[Identifiers]) -> None:
        """Whole members, ascending."""
        for chunk, light, values in ahead(self._packed, _blocks(pieces)):
            self._index["chunks"].append({**chunk, "light": self._write(light), "values": self._write(values)})

    def rows(self, of: str, **columns: U64 | U8) -> None:
        """`rows` of the segment that are new, `dropped` ones, or `overrides`: members of which older generations do not count."""
        key = _KEYS[of]
        for start in range(0, len(columns[key]), _ROWS):
            part: dict[str, Any] = {name: column[start : start + _ROWS] for name, column in columns.items()}
            first, last = int(part[key][0]), int(part[key][-1])
            part["step"] = np.diff(part.pop(key), prepend=np.uint64(0))
            size = len(part["step"])
            block = self._sealer.seal(_pack(part), self._path.name, self._file.tell(), of)
            self._index["rows"].append({"of": of, "n": size, "first": first, "last": last, "at": self._write(block)})

    def commit(self, header: Mapping[str, Any], counts: Mapping[str, Any]) -> None:
        """Durable when this returns. `counts`: see `Book`. Raises LeaseLost when another worker has written it already."""
        self._index |= {"header": dict(header), "counts": dict(counts)}
        at = self._file.tell()
        self._file.write(self._sealer.seal(json.dumps(self._index).encode(), self._path.name, at, "index"))
        self._file.write(_TRAILER.pack(at))
        self._file.flush()
        os.fsync(self._file.fileno())
        try:
            os.link(self._part, self._path)  # fails when the name is there, where a rename would overwrite
        except FileExistsError as error:
            raise LeaseLost from error
        flush_folder(self._folder)
        self._committed(self._number)
        if self.whole:
            for old in self._folder.glob("*.*"):
                if not old.name.startswith(".") and int(old.name.split(".")[0]) < self._number:
                    old.unlink(missing_ok=True)

    def _packed(self, part: Identifiers) -> tuple[dict[str, Any], bytes, bytes]:
        """What the index says of a chunk, and its two blocks."""
        frame, member = part.frame, part.column("member")
        starts = firsts(member)
        many = np.diff(starts, append=len(member)).astype(np.uint16)
        columns: dict[str, Any] = {"step": np.diff(member[starts], prepend=np.uint64(0)), "many": many}
        columns |= {name: part.column(name) for name in ("kind", "head", "state")}
        columns["batch"] = frame["batch"].fill_null(_NO_BATCH).to_numpy()
        clear = part.values.type != DIGEST
        if clear:
            sink = pa.BufferOutputStream()
            table = pa.table({"value": part.values})
            with pa.ipc.new_stream(sink, table.schema) as stream:
                stream.write_table(table)
            values = sink.getvalue().to_pybytes()
        else:
            values = np.ascontiguousarray(bytes_of(part.values)[:, 8:]).tobytes()
        states = set(np.flatnonzero(np.bincount(columns["state"])).tolist())
        place = next(self._places)
        chunk = {
            "place": place, "n": part.height, "first": int(member[0]), "last": int(member[-1]), "clear": clear,
            "unsettled": not states.isdisjoint(UNSETTLED), "leaving": not states.isdisjoint(LEAVING),
        }  # fmt: skip
        name = self._path.name
        return chunk, self._sealer.seal(_pack(columns), name, place, "light"), self._sealer.seal(values, name, place, "values")

    def _write(self, block: bytes) -> tuple[int, int]:
        at = self._file.tell()
        self._file.write(block)
        return at, len(block)


def _blocks(pieces: Iterable[Identifiers]) -> Iterator[Identifiers]:
    """The same in pieces of about one block; no member is divided between two."""
    waiting: list[Identifiers] = []
    height = 0
    for piece in pieces:
        waiting.append(piece)
        height += piece.height
        if height < _IDS:
            continue
        found, start = joined(waiting), 0
        member = found.column("member")
        while found.height - start >= _IDS:
            stop = int(np.searchsorted(member, member[start + _IDS - 1], side="right"))
            if stop == found.height:
                break
            yield found.between(start, stop)
            start = stop
        waiting, height = [found.between(start, found.height)], found.height - start
    if height:
        yield joined(waiting)


def records(path: Path, sealer: Sealer) -> Iterator[Mapping[str, Any]]:
    """A journal's records; what a crash has torn off at the end is left out. Raises LedgerDamaged."""
    data, at, count = path.read_bytes(), 0, 0
    while at + _HEAD.size <= len(data):
        end = at + _HEAD.size + _HEAD.unpack_from(data, at)[0]
        if end > len(data):
            return
        try:
            yield json.loads(sealer.open(data[at:end], path.name, count, "record"))
        except LedgerDamaged:
            if end == len(data):
                return
            raise
        at, count = end, count + 1


def apply(frame: pl.DataFrame, done: set[int], refused: Mapping[int, Mapping[int, str]]) -> pl.DataFrame:
    """Identifiers after these batches: what was sending is delivered or refused, what was leaving is gone."""
    if not done or not frame["batch"].is_not_null().any():
        return frame
    finished = pl.col("batch").is_in(pl.Series(sorted(done), dtype=pl.UInt32).implode()).fill_null(value=False)
    leaving = finished & (pl.col("state") == State.LEAVING)
    sending = finished & (pl.col("state") == State.SENDING)
    bad = [member for batch in done & refused.keys() for member in refused[batch]]
    is_bad = pl.col("member").is_in(pl.Series(bad, dtype=pl.UInt64).implode())
    state = pl.when(is_bad).then(_lit(State.REFUSED)).otherwise(_lit(State.DELIVERED)) if bad else _lit(State.DELIVERED)
    return frame.with_columns(
        state=pl.when(leaving).then(_lit(State.GONE)).when(sending).then(state).otherwise("state"),
        batch=pl.when(~finished).then("batch"),
    )


def _token() -> str:
    """Names a journal; journals are read in the order of their names."""
    return f"{time.time_ns():020d}-{secrets.token_hex(4)}"


def flush_folder(folder: Path) -> None:
    """Makes names durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


_TRIES = 5
_NO_BATCH = (1 << 32) - 1
UNSETTLED = [int(s) for s in (State.SENDING, State.OWED, State.LEAVING, State.GONE)]
LEAVING = [int(State.LEAVING), int(State.GONE)]
_KEYS = {"rows": "row", "dropped": "row", "overrides": "member"}
_RANDOM = {"head", "member"}  # nothing to squeeze there


def _lit(state: State) -> pl.Expr:
    return pl.lit(int(state), dtype=pl.UInt8)


def _members(columns: Mapping[str, Any]) -> U64:
    """The member of each identifier of a chunk."""
    return np.repeat(np.cumsum(columns["step"], dtype=np.uint64), columns["many"])


def _pack(columns: Mapping[str, U64 | U32 | U8]) -> bytes:
    """Columns as a length, JSON that names them, and their bytes, squeezed by Zstandard where that helps."""
    codec = pa.Codec("zstd", 1)
    names, parts = [], []
    for name, column in columns.items():
        raw = np.ascontiguousarray(column)
        if name == "step":  # differences: their high bytes are alike, so bytes of one place go together
            part = codec.compress(raw.view(np.uint8).reshape(-1, 8).T.tobytes(), asbytes=True)
        else:
            part = raw.tobytes() if name in _RANDOM else codec.compress(raw.tobytes(), asbytes=True)
        names.append((name, raw.dtype.str, len(raw), len(part)))
        parts.append(part)
    words = json.dumps(names).encode()
    return b"".join([_SIZES.pack(len(words)), words, *parts])


def _unpack(block: bytes, *only: str) -> dict[str, Any]:
    codec = pa.Codec("zstd", 1)
    size = _SIZES.unpack_from(block)[0]
    at = _SIZES.size + size
    found: dict[str, Any] = {}
    for name, dtype, count, length in json.loads(block[_SIZES.size : at]):
        if only and name not in only:
            at += length
            continue
        part = block[at : at + length]
        kind = np.dtype(dtype)
        raw = part if name in _RANDOM else codec.decompress(part, count * kind.itemsize, asbytes=True)
        if name == "step":
            raw = np.frombuffer(raw, np.uint8).reshape(8, -1).T.tobytes()
        found[name] = np.frombuffer(raw, kind)
        at += length
    return found
