"""Columns sorted into 256 buckets by the highest byte of a key, in memory as far as a limit allows and beyond it on disk.

What goes to disk is encrypted with a key that only this object knows, in a file that has no name: nothing outlives the process.
"""

import itertools
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cached_property, partial
from typing import IO, Self

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.blocks import TAG

LAST = (1 << 64) - 1


class Buckets:
    """Takes record batches of one schema, whose first column is the key. `limit`: bytes to hold in memory."""

    def __init__(self, schema: pa.Schema, *, limit: int) -> None:
        self._schema, self._limit = schema, limit
        self._held: list[tuple[pa.RecordBatch, list[int]]] = []  # and where each bucket begins in it
        self._bytes = 0
        self._counts = np.zeros(256, np.int64)
        self._spilled: list[list[tuple[bytes, int, int]]] = [[] for _ in range(256)]
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
        """Takes rows in the order of their key's highest byte."""
        if not batch.num_rows:
            return
        counts = np.bincount((batch.column(0).to_numpy() >> np.uint64(56)).astype(np.uint8), minlength=256)
        self._counts += counts
        self._held.append((batch, [0, *np.cumsum(counts).tolist()]))
        self._bytes += batch.nbytes
        if self._bytes > self._limit:
            self._spill()

    def groups(self, rows: int, *, beside: int = 0) -> Iterator[tuple[int, int, Callable[[], pa.Table]]]:
        """Everything in the order of the key's highest byte: the keys' first and last possible value, and what gives the rows.

        They are unsorted, and any thread may ask for them. Buckets are taken together up to about `rows`; `beside`: rows that
        the caller lays beside the whole, evenly by key.
        """
        first, count = 0, 0.0
        for bucket in range(256):
            count += self._counts[bucket] + beside / 256
            following = self._counts[bucket + 1] + beside / 256 if bucket < 255 else None
            if following is None or count + following > rows:
                yield first << 56, ((bucket + 1) << 56) - 1, partial(self._rows, first, bucket)
                first, count = bucket + 1, 0.0

    def close(self) -> None:
        """Forgets everything."""
        self._closing.close()
        self._held = []

    def _rows(self, first: int, last: int) -> pa.Table:
        parts = [batch for bucket in range(first, last + 1) for place in self._spilled[bucket] for batch in self._read(*place)]
        parts += self._within(first, last)
        return pa.Table.from_batches(parts, self._schema)

    def _within(self, first: int, last: int) -> list[pa.RecordBatch]:
        """Rows of these buckets that are held in memory."""
        return [batch.slice(starts[first], starts[last + 1] - starts[first]) for batch, starts in self._held]

    @cached_property
    def _file(self) -> IO[bytes]:
        return self._closing.enter_context(tempfile.TemporaryFile(prefix="segsync-"))

    def _spill(self) -> None:
        for bucket in range(256):
            rows = pa.Table.from_batches(self._within(bucket, bucket), self._schema)
            if rows.num_rows:
                sink = pa.BufferOutputStream()
                with pa.ipc.new_stream(sink, self._schema) as stream:
                    stream.write_table(rows.combine_chunks())
                nonce, plain = next(self._nonces).to_bytes(12), memoryview(sink.getvalue()).cast("B")
                sealed = bytearray(len(plain) + TAG)
                self._cipher.encrypt_into(nonce, plain, None, sealed)
                self._spilled[bucket].append((nonce, self._file.tell(), len(sealed)))
                self._file.write(sealed)
        self._file.flush()
        self._held = []
        self._bytes = 0

    def _read(self, nonce: bytes, at: int, size: int) -> list[pa.RecordBatch]:
        plain = bytearray(size - TAG)
        self._cipher.decrypt_into(nonce, os.pread(self._file.fileno(), size, at), None, plain)
        with pa.ipc.open_stream(pa.py_buffer(plain)) as stream:
            return list(stream)
