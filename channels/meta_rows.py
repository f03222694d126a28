"""Batches as Meta takes them: rows of several keys, each key hashed (Custom Audience Users, multi-key matching)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from core.models import IdentifierKind
from core.ports import Batch, Column

# the schema's names of each kind, in the order of the value's parts
NAMES = {
    IdentifierKind.EMAIL: ("EMAIL",),
    IdentifierKind.PHONE: ("PHONE",),
    IdentifierKind.ADDRESS: ("FN", "LN", "COUNTRY", "ZIP"),
    IdentifierKind.MOBILE: ("MADID",),
}
_DIGEST = 32


def payload(batch: Batch) -> tuple[bytes, npt.NDArray[np.int64]]:
    """`{"schema": […], "data": […]}` as JSON, and which member of the batch each row belongs to.

    A row has one value of each kind, so a member with two e-mail addresses takes two rows.
    """
    rows_of, place_of = _places(batch)
    total = int(rows_of.sum())
    schema: list[str] = []
    columns: list[list[str]] = []
    for kind, names in NAMES.items():
        column = batch.columns.get(kind)
        if column is None or len(column.member) == 0:
            continue
        at = place_of[kind]
        for name, values in zip(names, _texts(column, len(names), clear=kind is IdentifierKind.MOBILE), strict=True):
            placed = [""] * total
            for row, value in zip(at, values, strict=True):
                placed[row] = value
            schema.append(name)
            columns.append(placed)
    owners = np.repeat(np.arange(batch.size, dtype=np.int64), rows_of)
    data = list(zip(*columns, strict=True))
    return orjson.dumps({"schema": schema, "data": data}), owners


def _places(batch: Batch) -> tuple[npt.NDArray[np.int64], dict[IdentifierKind, list[int]]]:
    """How many rows each member takes, and in which row each identifier stands."""
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
    return rows_of, {kind: (first[members[kind]] + nth[kind]).tolist() for kind in nth}


def _texts(column: Column, parts: int, *, clear: bool) -> Sequence[Sequence[str]]:
    if clear:
        return [[v.decode() for v in column.value.to_pylist()]]
    joined = b"".join(column.value.to_pylist()) if not pa.types.is_fixed_size_binary(column.value.type) else _buffer(column.value)
    text, width = joined.hex(), 2 * _DIGEST * parts
    step = 2 * _DIGEST
    return [[text[i + p * step : i + (p + 1) * step] for i in range(0, len(text), width)] for p in range(parts)]


def _buffer(values: pa.FixedSizeBinaryArray) -> bytes:
    size = values.type.byte_width
    data: bytes = values.buffers()[1].to_pybytes()
    return data[values.offset * size : (values.offset + len(values)) * size]
