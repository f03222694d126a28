"""What has been delivered to one audience: files of each sync, encrypted with the sync's own key.

A *generation* is written before the first request of a plan; it says what may become of every identifier that the plan concerns.
The first one, and now and then a later one, is *whole*; the others hold only the members that a plan touched, which replace what
older ones say of these members. Beside each lies a *journal* that grows by one small record after each answer, so that a kill at
any moment loses at most the answers of requests in flight, which then still count as "may or may not be there".

On disk `NNNNNNNN.ledger` is `SEGLEDG2`, then blocks, the last of which is the index, then its place (u64 LE). A block is a
length (u32 LE), a nonce of 12 bytes and AES-256-GCM, bound to the sync, the file's name, its place in it and what it is, so
that none can be moved, swapped or cut off. Blocks hold columns (`_pack`): of members' identifiers (`light`: member, kind, head,
state, batch; `values`: of digests what follows the head), or of the segment's rows (fingerprint, member, reasons). Each is in
ascending order over all blocks of a file. The index is JSON: header, each block's place and bounds, members of each request, and
whether its rows are all there are (`all_rows`), so that what older generations say of rows does not count.
`NNNNNNNN.TOKEN.journal` is a row of blocks, each a JSON object; every worker writes one of its own. The end of one may be missing
after a crash: a torn last record counts as never written. A generation is published under its name when all of it is
durable (`core/shelves.py`); a name that exists already means that another worker has taken over.

Keys are rotated lazily: a sync may have several, the last of which seals. While a generation lies under an older one, the next
refresh looks at everybody, compares by the old and writes a whole generation under the new; then the old key is forgotten.
"""

import itertools
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa

from core.ahead import ahead
from core.blocks import Block, LedgerDamaged, Sealer, pack
from core.errors import LeaseLost
from core.generation import KEYS, LEAVING, MAGIC, TRAILER, UNSETTLED, Generation
from core.identifiers import DIGEST, U8, U64, Identifiers, bytes_of, firsts, joined
from core.shelves import Journal, Shelf, Shelves

_IDS = 1 << 17  # identifiers in one block
_ROWS = 1 << 18
_TRIES = 5
ADDING = 1 << 31  # marks the numbers of batches that add


class Ledgers:
    """The ledgers of all syncs. `keys`: a sync's, 32 bytes each, the newest last.

    `retire`: called with a sync and a key when nothing of its ledger lies under an older one any more.
    """

    def __init__(
        self,
        shelves: Shelves,
        *,
        keys: Callable[[str], Sequence[bytes]],
        retire: Callable[[str, bytes], None] = lambda _sync_id, _key: None,
    ) -> None:
        self._shelves, self._keys, self._retire = shelves, keys, retire
        self.forget = shelves.forget

    def of(self, sync_id: str) -> "Ledger":
        """The ledger of one sync."""
        return Ledger(self._shelves.of(sync_id), sync_id, self._keys(sync_id), retire=partial(self._retire, sync_id))


class Ledger:
    """One sync's files. `done` and `sent` may be called from several threads."""

    def __init__(self, shelf: Shelf, sync_id: str, keys: Sequence[bytes], *, retire: Callable[[bytes], None]) -> None:
        self._shelf, self._sealer = shelf, Sealer(sync_id, keys)
        self._token = _token()
        self._lock = threading.Lock()
        self._journal: Journal | None = None
        self._records = 0
        self._number = 0
        self._retire = partial(retire, keys[-1]) if len(keys) > 1 else None
        self.is_under_old_key = False  # known once its generations were opened
        # a number that only who holds the key can know: fingerprints in another sync's ledger are others
        self.seed = int.from_bytes(blake2b(keys[-1], digest_size=8, person=b"fingerprints").digest()) >> 2

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
        self.is_under_old_key = not all(one.is_under_newest_key for one in found)
        return found

    def writing(self, *, whole: bool) -> "Writing":
        """A new generation, to be filled and committed."""
        self.close()

        def committed(number: int) -> None:
            self._number = number
            if whole:
                self.is_under_old_key = False
                if self._retire:
                    self._retire()

        return Writing(self._shelf, self._number + 1, self._sealer, whole=whole, committed=committed)

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
        names = self._shelf.names()
        for name in reversed([n for n in names if n.endswith(".ledger")]):
            stem = name.partition(".")[0]
            journals = [n for n in names if n.startswith(f"{stem}.") and n.endswith(".journal")]
            found.insert(0, Generation(self._shelf, name, self._sealer, journals))
            if found[0].index["whole"]:
                return found
        if found:
            raise FileNotFoundError
        return found

    def _record(self, words: Mapping[str, Any]) -> None:
        with self._lock:
            name = f"{self._number:08d}.{self._token}.journal"
            if self._journal is None:
                self._journal = self._shelf.journal(name)
            journal = self._journal
            journal.add(self._sealer.seal(json.dumps(words).encode(), name, self._records, "record"))
            self._records += 1
        journal.keep()


class Writing:
    """A generation in the making, as a context: members and rows, each ascending, then `commit`; without it nothing is left."""

    def __init__(self, shelf: Shelf, number: int, sealer: Sealer, *, whole: bool, committed: Callable[[int], None]) -> None:
        self._shelf, self._number, self._sealer, self._committed = shelf, number, sealer, committed
        self.whole = whole
        self._name = f"{number:08d}.ledger"
        self._index: dict[str, Any] = {"whole": whole, "key": sealer.names[-1], "chunks": [], "rows": []}
        self._places = itertools.count()

    def __enter__(self) -> Self:
        self._file = self._shelf.draft()
        self._file.write(MAGIC)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.discard()

    def members(self, pieces: Iterable[Identifiers]) -> None:
        """Whole members, ascending."""
        for chunk, light, values in ahead(self._packed, _blocks(pieces)):
            self._index["chunks"].append({**chunk, "light": self._write(light), "values": self._write(values)})

    def rows(self, of: str, **columns: U64 | U8) -> None:
        """`rows` of the segment that are new, `dropped` ones, or `overrides`: members of which older generations do not count."""
        key = KEYS[of]
        for start in range(0, len(columns[key]), _ROWS):
            part: dict[str, Any] = {name: column[start : start + _ROWS] for name, column in columns.items()}
            first, last = int(part[key][0]), int(part[key][-1])
            part["step"] = np.diff(part.pop(key), prepend=np.uint64(0))
            size = len(part["step"])
            block = self._sealer.seal(pack(part), self._name, self._file.tell(), of)
            self._index["rows"].append({"of": of, "n": size, "first": first, "last": last, "at": self._write(block)})

    def supersede_rows(self) -> None:
        """The rows of this generation are all that there are; those of older ones do not count."""
        self._index["all_rows"] = True

    def commit(self, header: Mapping[str, Any], counts: Mapping[str, Any]) -> None:
        """Durable when this returns. `counts`: see `Book`. Raises LeaseLost when another worker has written it already."""
        self._index |= {"header": dict(header), "counts": dict(counts)}
        at = self._file.tell()
        self._file.write(self._sealer.seal(json.dumps(self._index).encode(), self._name, at, "index"))
        self._file.write(TRAILER.pack(at))
        try:
            self._file.publish(self._name)
        except FileExistsError as error:
            raise LeaseLost from error
        self._committed(self._number)
        if self.whole:
            for old in self._shelf.names():
                if int(old.partition(".")[0]) < self._number:
                    self._shelf.drop(old)
            self._shelf.tidy()

    def _packed(self, part: Identifiers) -> tuple[dict[str, Any], Block, Block]:
        """What the index says of a chunk, and its two blocks."""
        member = part.column("member")
        starts = firsts(member)
        many = np.diff(starts, append=len(member)).astype(np.uint16)
        columns: dict[str, Any] = {"step": np.diff(member[starts], prepend=np.uint64(0)), "many": many}
        columns |= {name: part.column(name) for name in ("kind", "head", "state", "batch")}
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
        name = self._name
        return chunk, self._sealer.seal(pack(columns), name, place, "light"), self._sealer.seal(values, name, place, "values")

    def _write(self, block: Block) -> tuple[int, int]:
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


def _token() -> str:
    """Names a journal; journals are read in the order of their names."""
    return f"{time.time_ns():020d}-{secrets.token_hex(4)}"
