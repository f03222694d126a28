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

    def seal(self, plain: bytes, name: str, place: int, what: str) -> bytes:
        """A block."""
        nonce = secrets.token_bytes(12)
        sealed = self._ciphers[-1].encrypt(nonce, plain, self._bound(name, place, what))
        return HEAD.pack(len(sealed), nonce) + sealed

    def open(self, block: bytes, name: str, place: int, what: str) -> bytes:
        """What is in a block. Raises LedgerDamaged."""
        if len(block) < HEAD.size or len(block) != HEAD.size + HEAD.unpack_from(block)[0]:
            raise LedgerDamaged
        bound = self._bound(name, place, what)
        for cipher in reversed(self._ciphers):
            try:
                return cipher.decrypt(block[4 : HEAD.size], block[HEAD.size :], bound)
            except InvalidTag:
                continue
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


def unpack(block: bytes, *only: str) -> dict[str, Any]:
    """The columns again, or only some."""
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
