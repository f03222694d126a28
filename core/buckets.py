"""Columns sorted into 256 buckets by the highest byte of a key, in memory as far as a limit allows and beyond it on disk.

What goes to disk is encrypted with a key that only this object knows, in a file that has no name: nothing outlives the process.
"""

import itertools
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from typing import IO, Self

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_EDGES = np.arange(1, 256, dtype=np.uint64) << np.uint64(56)
LAST = (1 << 64) - 1


class Buckets:
    """Takes record batches of one schema, whose first column is the key. `limit`: bytes to hold in memory."""

    def __init__(self, schema: pa.Schema, *, limit: int) -> None:
        self._schema, self._limit = schema, limit
        self._held: list[list[pa.RecordBatch]] = [[] for _ in range(256)]
        self._bytes = 0
        self._counts = np.zeros(256, np.int64)
        self._spilled: list[list[tuple[int, int]]] = [[] for _ in range(256)]
        self._closing = ExitStack()
        self._cipher = AESGCM(secrets.token_bytes(32))
        self._nonces = itertools.count()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def rows(self) -> int:
        """How many rows it has taken."""
        return int(self._counts.sum())

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes rows that are sorted by their key."""
        if not batch.num_rows:
            return
        key = batch.column(0).to_numpy()
        edges = [0, *np.searchsorted(key, _EDGES).tolist(), len(key)]
        for bucket, (start, end) in enumerate(itertools.pairwise(edges)):
            if end > start:
                self._held[bucket].append(batch.slice(start, end - start))
                self._counts[bucket] += end - start
        self._bytes += batch.nbytes
        if self._bytes > self._limit:
            self._spill()

    def groups(self, rows: int, *, beside: int = 0) -> Iterator[tuple[int, int, pa.Table]]:
        """Everything in the order of the key's highest byte: the keys' first and last possible value, and the rows, unsorted.

        Buckets are taken together up to about `rows`; `beside`: rows that the caller lays beside the whole, evenly by key.
        """
        first, count = 0, 0.0
        for bucket in range(256):
            count += self._counts[bucket] + beside / 256
            following = self._counts[bucket + 1] + beside / 256 if bucket < 255 else None
            if following is None or count + following > rows:
                yield first << 56, ((bucket + 1) << 56) - 1, self._rows(first, bucket)
                first, count = bucket + 1, 0.0

    def close(self) -> None:
        """Forgets everything."""
        self._closing.close()
        self._held = [[] for _ in range(256)]

    def _rows(self, first: int, last: int) -> pa.Table:
        parts: list[pa.RecordBatch] = []
        for bucket in range(first, last + 1):
            for at, size in self._spilled[bucket]:
                parts += self._read(at, size)
            parts += self._held[bucket]
        return pa.Table.from_batches(parts, self._schema)

    @cached_property
    def _file(self) -> IO[bytes]:
        return self._closing.enter_context(tempfile.TemporaryFile(prefix="segsync-"))

    def _spill(self) -> None:
        for bucket, batches in enumerate(self._held):
            if batches:
                sink = pa.BufferOutputStream()
                with pa.ipc.new_stream(sink, self._schema) as stream:
                    stream.write_table(pa.Table.from_batches(batches, self._schema).combine_chunks())
                nonce = next(self._nonces).to_bytes(12)
                sealed = self._cipher.encrypt(nonce, memoryview(sink.getvalue()).cast("B"), None)
                self._spilled[bucket].append((self._file.tell(), len(sealed) + 12))
                self._file.write(nonce + sealed)
        self._held = [[] for _ in range(256)]
        self._bytes = 0

    def _read(self, at: int, size: int) -> list[pa.RecordBatch]:
        self._file.flush()
        back = self._file.tell()
        self._file.seek(at)
        sealed = self._file.read(size)
        self._file.seek(back)
        with pa.ipc.open_stream(self._cipher.decrypt(sealed[:12], sealed[12:], None)) as stream:
            return list(stream)
