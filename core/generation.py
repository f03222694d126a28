"""One file of a ledger, as it is read: its members and rows, and what its journals say has become of its requests."""

import json
import struct
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from core.blocks import HEAD, LedgerDamaged, Sealer, unpack
from core.identifiers import (
    DIGEST,
    LEDGER_SCHEMA,
    NO_BATCH,
    NOTHING,
    U8,
    U32,
    U64,
    Identifiers,
    Mask,
    Places,
    Sieve,
    State,
    among,
    each,
    none,
    union,
)
from core.shelves import Shelf

MAGIC = b"SEGLEDG2"
TRAILER = struct.Struct("<Q")
UNSETTLED = [int(s) for s in (State.SENDING, State.OWED, State.LEAVING, State.GONE)]
LEAVING = [int(State.LEAVING), int(State.GONE)]
_BESIDE = ("kind", "head", "state", "batch")
KEYS = {"rows": "row", "dropped": "row", "overrides": "member"}


class Generation:
    """One generation's file and what its journals say. Blocks are read when they are asked for."""

    def __init__(self, shelf: Shelf, name: str, sealer: Sealer, journals: Iterable[str]) -> None:
        """Raises FileNotFoundError when it was dropped meanwhile, LedgerDamaged."""
        self._name, self._sealer, self.number = name, sealer, int(name.partition(".")[0])
        self._file = shelf.open(name)
        self.close = weakref.finalize(self, self._file.close)
        size = self._file.size
        if size < len(MAGIC) + TRAILER.size or self._file.read(0, len(MAGIC)) != MAGIC:
            raise LedgerDamaged
        at = TRAILER.unpack(self._file.read(size - TRAILER.size, TRAILER.size))[0]
        if at >= size:
            raise LedgerDamaged
        self.index: dict[str, Any] = json.loads(self._block((at, size - TRAILER.size - at), "index"))
        self.header: Mapping[str, Any] = self.index["header"]
        self.overrides = self._read_all("overrides", "member")
        self.overridden = Sieve(self.overrides)
        self.waiting: dict[int, str] = {}
        self.refused: dict[int, Mapping[int, str]] = {}
        self.done: set[int] = set()
        for journal in journals:
            for words in records(shelf.whole(journal), journal, sealer):
                self._note(words)

    @property
    def is_under_newest_key(self) -> bool:
        """Whether the key that seals now has sealed all of it."""
        return bool(self.index.get("key", self._sealer.names[0]) == self._sealer.names[-1])

    def identifiers(self, chunk: Mapping[str, Any]) -> pl.DataFrame:
        """One chunk's identifiers without their values, as the journals have made them."""
        columns = unpack(self._block(chunk["light"], "light", chunk["place"]))
        member = np.repeat(np.cumsum(columns["step"], dtype=np.uint64), columns["many"])
        return self._frame(member, {name: columns[name] for name in _BESIDE})

    def chosen(self, chunk: Mapping[str, Any], choose: Callable[[U64], Mask]) -> Identifiers:
        """One chunk's identifiers of chosen members."""
        columns = unpack(self._block(chunk["light"], "light", chunk["place"]))
        members, many = np.cumsum(columns["step"], dtype=np.uint64), columns["many"].astype(np.int64)
        chosen = np.flatnonzero(choose(members))
        if not len(chosen):
            return none(LEDGER_SCHEMA)
        sizes = many[chosen]
        before = np.cumsum(sizes) - sizes
        places = np.arange(int(sizes.sum())) + np.repeat((np.cumsum(many) - many)[chosen] - before, sizes)
        frame = self._frame(np.repeat(members[chosen], sizes), {name: columns[name][places] for name in _BESIDE})
        return Identifiers(frame, self.values(chunk, columns["head"], places))

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

    def holding(self, chunk: Mapping[str, Any], heads: Callable[[U64], Mask]) -> U64:
        """Members who hold one of these, ascending; what was removed is not held."""
        columns = unpack(self._block(chunk["light"], "light", chunk["place"]), "step", "many", "head", "state")
        hits = np.flatnonzero(heads(columns["head"]))
        if chunk["leaving"] and len(hits):
            hits = hits[~np.isin(columns["state"][hits], LEAVING)]
        if not len(hits):
            return NOTHING
        run = np.searchsorted(np.cumsum(columns["many"], dtype=np.int64), hits, side="right")
        return each(np.cumsum(columns["step"], dtype=np.uint64)[run])

    def rows(self, chunk: Mapping[str, Any]) -> dict[str, Any]:
        """One chunk of rows: `row` (u64, ascending), `member` (u64), `reasons` (u8)."""
        columns = unpack(self._block(chunk["at"], chunk["of"]))
        columns[KEYS[chunk["of"]]] = np.cumsum(columns.pop("step"), dtype=np.uint64)
        return columns

    def _frame(self, member: U64, beside: dict[str, Any]) -> pl.DataFrame:
        return pl.DataFrame({"member": member, **self._applied(member, **beside)}, schema=LEDGER_SCHEMA)

    def _applied(self, member: U64, *, kind: U8, head: U64, state: U8, batch: U32) -> dict[str, Any]:
        """After the batches that are done: what was sending is delivered or refused, what was leaving is gone."""
        finished = np.isin(batch, self._done) if self.done else np.zeros(0, np.bool_)
        if finished.any():
            bad = self._bad
            sending = finished & (state == State.SENDING)
            state = np.where(finished & (state == State.LEAVING), np.uint8(State.GONE), state)
            state[sending] = State.DELIVERED
            if len(bad):
                state[sending & among(member, bad)] = State.REFUSED
            batch = np.where(finished, np.uint32(NO_BATCH), batch)
        return {"kind": kind, "head": head, "state": state, "batch": batch}

    @cached_property
    def _done(self) -> U32:
        return np.array(sorted(self.done), np.uint32)

    @cached_property
    def _bad(self) -> U64:
        """Members who were not taken."""
        return union(np.array([m for batch in self.done & self.refused.keys() for m in self.refused[batch]], np.uint64))

    def _read_all(self, of: str, name: str) -> U64:
        parts = [self.rows(c)[name] for c in self.index["rows"] if c["of"] == of]
        return np.concatenate([NOTHING, *parts])

    def dropped(self) -> U64:
        """Fingerprints of rows that this generation's plan no longer found."""
        return self._read_all("dropped", "row")

    def _block(self, place: Sequence[int], what: str, bound: int | None = None) -> bytearray:
        at, size = place
        return self._sealer.open(self._file.read(at, size), self._name, at if bound is None else bound, what)

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


def records(data: bytes, name: str, sealer: Sealer) -> Iterator[Mapping[str, Any]]:
    """A journal's records; what a crash has torn off at the end is left out. Raises LedgerDamaged."""
    at, count = 0, 0
    while at + HEAD.size <= len(data):
        end = at + HEAD.size + HEAD.unpack_from(data, at)[0]
        if end > len(data):
            return
        try:
            yield json.loads(sealer.open(data[at:end], name, count, "record"))
        except LedgerDamaged:
            if end == len(data):
                return
            raise
        at, count = end, count + 1
