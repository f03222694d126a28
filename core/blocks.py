"""The blocks of a ledger's files: columns packed into bytes, and sealed so that none can be read, moved, swapped or cut off."""

import json
import secrets
import struct
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.errors import SegsyncError
from core.identifiers import U8, U32, U64

HEAD = struct.Struct("<I12s")
TAG = 16  # bytes that AES-GCM adds
Block = bytes | bytearray
_SIZES = struct.Struct("<I")
_RANDOM = {"head", "member"}  # nothing to squeeze there


class LedgerDamaged(SegsyncError):
    """The ledger of a sync cannot be read: a file was changed or cut, or its key is another one."""


class Sealer:
    """Seals and opens blocks of one sync's files. `keys`: 32 bytes each; the last one seals, all of them open."""

    def __init__(self, sync_id: str, keys: Sequence[bytes]) -> None:
        self._sync_id = sync_id
        self._ciphers = [AESGCM(key) for key in keys]
        self.names = [blake2b(key, digest_size=8, person=b"name of a key").hexdigest() for key in keys]

    def seal(self, plain: Block, name: str, place: int, what: str) -> bytearray:
        """A block."""
        nonce = secrets.token_bytes(12)
        block = bytearray(HEAD.size + len(plain) + TAG)
        HEAD.pack_into(block, 0, len(plain) + TAG, nonce)
        self._ciphers[-1].encrypt_into(nonce, plain, self._bound(name, place, what), memoryview(block)[HEAD.size :])
        return block

    def open(self, block: Block, name: str, place: int, what: str) -> bytearray:
        """What is in a block. Raises LedgerDamaged."""
        size = len(block) - HEAD.size - TAG
        if size < 0 or size + TAG != HEAD.unpack_from(block)[0]:
            raise LedgerDamaged
        bound, plain = self._bound(name, place, what), bytearray(size)
        for cipher in reversed(self._ciphers):
            try:
                cipher.decrypt_into(block[4 : HEAD.size], memoryview(block)[HEAD.size :], bound, plain)
            except InvalidTag:
                continue
            return plain
        raise LedgerDamaged

    def _bound(self, name: str, place: int, what: str) -> bytes:
        return f"{self._sync_id}/{name}/{place}/{what}".encode()


def pack(columns: Mapping[str, U64 | U32 | U8]) -> bytes:
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


def unpack(block: Block, *only: str) -> dict[str, Any]:
    """The columns again, or only some."""
    codec = pa.Codec("zstd", 1)
    size = _SIZES.unpack_from(block)[0]
    at = _SIZES.size + size
    found: dict[str, Any] = {}
    for name, dtype, count, length in json.loads(block[_SIZES.size : at]):
        if not only or name in only:
            part, kind = memoryview(block)[at : at + length], np.dtype(dtype)
            raw = part if name in _RANDOM else codec.decompress(part, count * kind.itemsize)
            if name == "step":
                raw = np.ascontiguousarray(np.frombuffer(raw, np.uint8).reshape(8, -1).T)
            found[name] = np.frombuffer(raw, kind)
        at += length
    return found
