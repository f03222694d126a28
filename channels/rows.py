"""Rows of a request out of a batch's columns, where a row carries one identifier of each kind."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.models import IdentifierKind
from core.ports import Batch

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]
HASHED = frozenset({IdentifierKind.EMAIL, IdentifierKind.PHONE})  # kinds of which every value is one digest
_DIGEST = 32
_HEX = np.frombuffer("".join(f"{n:02x}" for n in range(256)).encode(), np.uint16)


def places(batch: Batch) -> tuple[Places, Mapping[IdentifierKind, Places]]:
    """Which member of the batch each row belongs to, and in which row each identifier of a kind stands.

    A member takes as many rows as it has identifiers of its most frequent kind; its rows stand together.
    """
    nth: dict[IdentifierKind, npt.NDArray[np.int64]] = {}
    members: dict[IdentifierKind, npt.NDArray[np.int64]] = {}
    rows_of = np.zeros(batch.size, dtype=np.int64)
    for kind, column in batch.columns.items():
        member = np.asarray(column.member).astype(np.int64)
        if len(member) == 0:
            continue
        begins = np.concatenate(([True], member[1:] != member[:-1]))
        starts = np.maximum.accumulate(np.where(begins, np.arange(len(member)), 0))
        nth[kind], members[kind] = np.arange(len(member)) - starts, member
        np.maximum.at(rows_of, member, nth[kind] + 1)
    first = np.concatenate(([0], np.cumsum(rows_of)[:-1])) if batch.size else rows_of
    owners = np.repeat(np.arange(batch.size, dtype=np.int64), rows_of)
    return owners, {kind: first[members[kind]] + nth[kind] for kind in nth}


def hexed(values: pa.Array) -> Bytes:
    """Digests in lower-case hex, a row of 64 characters for each."""
    digests = np.frombuffer(_buffer(values), np.uint8)
    return _HEX[digests].view(np.uint8).reshape(-1, 2 * _DIGEST)


def lines(form: Places, pieces: Callable[[Places], Sequence[bytes | Bytes]]) -> tuple[bytes, Places]:
    """Elements of a JSON array as bytes, those of one form together since they are of one length; and which each one is.

    `pieces`: of chosen ones of one form what is the same in all, and the characters of each (a row for each); ends with a comma.
    """
    parts, order = [], [np.empty(0, np.int64)]
    for one in np.unique(form):
        chosen = np.flatnonzero(form == one)
        parts.append(_printed(pieces(chosen), len(chosen)))
        order.append(chosen)
    return b"".join(parts)[:-1], np.concatenate(order)


def _printed(pieces: Sequence[bytes | Bytes], n: int) -> bytes:
    widths = [len(p) if isinstance(p, bytes) else p.shape[1] for p in pieces]
    found, at = np.empty((n, sum(widths)), np.uint8), 0
    for piece, width in zip(pieces, widths, strict=True):
        found[:, at : at + width] = np.frombuffer(piece, np.uint8) if isinstance(piece, bytes) else piece
        at += width
    return found.tobytes()


def hexes(values: pa.Array, parts: int = 1) -> Sequence[Sequence[str]]:
    """Digests in lower-case hex: one list for each of the `parts` SHA-256 of which a value consists."""
    joined = _buffer(values) if pa.types.is_fixed_size_binary(values.type) else b"".join(values.to_pylist())
    text, step = joined.hex(), 2 * _DIGEST
    width = step * parts
    return [[text[i + p * step : i + (p + 1) * step] for i in range(0, len(text), width)] for p in range(parts)]


def texts(values: pa.Array) -> list[str]:
    """Values that travel in clear."""
    return [value.decode() for value in values.to_pylist()]


def _buffer(values: pa.FixedSizeBinaryArray) -> bytes:
    size = values.type.byte_width
    data: bytes = values.buffers()[1].to_pybytes()
    return data[values.offset * size : (values.offset + len(values)) * size]
