"""Batches as Meta takes them: rows of several keys, each key hashed (Custom Audience Users, multi-key matching)."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import orjson

from channels.rows import HASHED, Bytes, Places, hexed, hexes, lines, places, texts
from core.models import IdentifierKind
from core.ports import Batch

# the schema's names of each kind, in the order of the value's parts
NAMES = {
    IdentifierKind.EMAIL: ("EMAIL",),
    IdentifierKind.PHONE: ("PHONE",),
    IdentifierKind.ADDRESS: ("FN", "LN", "COUNTRY", "ZIP"),
    IdentifierKind.MOBILE: ("MADID",),
}


def payload(batch: Batch, *, every: bool = False) -> tuple[bytes, npt.NDArray[np.int64]]:
    """`{"schema": […], "data": […]}` as JSON, and which member of the batch each row belongs to.

    A row has one value of each kind, so a member with two e-mail addresses takes two rows. `every`: the schema names all
    kinds, so that those of several batches are alike; an unknown value is empty.
    """
    owners, place_of = places(batch)
    if place_of.keys() <= HASHED:
        return _hashed(batch, owners, place_of, every=every)
    schema: list[str] = []
    columns: list[list[str]] = []
    for kind, names in NAMES.items():
        if kind not in place_of:
            if every:
                schema += names
                columns += [[""] * len(owners)] * len(names)
            continue
        values = batch.columns[kind].value
        parts = [texts(values)] if kind is IdentifierKind.MOBILE else hexes(values, len(names))
        rows = place_of[kind].tolist()
        for name, part in zip(names, parts, strict=True):
            placed = [""] * len(owners)
            for row, value in zip(rows, part, strict=True):
                placed[row] = value
            schema.append(name)
            columns.append(placed)
    data = list(zip(*columns, strict=True))
    return orjson.dumps({"schema": schema, "data": data}), owners


def _hashed(
    batch: Batch, owners: Places, place_of: Mapping[IdentifierKind, Places], *, every: bool
) -> tuple[bytes, npt.NDArray[np.int64]]:
    """The same where all values are digests: rows that carry the same kinds are of one length, and are printed together."""
    kinds = [kind for kind in NAMES if every or kind in place_of]
    carried, at = np.zeros(len(owners), np.int64), {}
    for bit, kind in enumerate(kinds):
        if kind in place_of:
            carried[place_of[kind]] |= 1 << bit
            at[kind] = np.zeros(len(owners), np.int64)
            at[kind][place_of[kind]] = np.arange(len(place_of[kind]))
    digits = {kind: hexed(batch.columns[kind].value) for kind in at}

    def pieces(chosen: Places) -> list[bytes | Bytes]:
        found: list[bytes | Bytes] = []
        for bit, kind in enumerate(kinds):
            is_there = carried[chosen[0]] >> bit & 1
            found += [b'"', digits[kind][at[kind][chosen]], b'",'] if is_there else [b'"",' * len(NAMES[kind])]
        return [b"[", *found[:-1], bytes(found[-1])[:-1], b"],"]

    data, order = lines(carried, pieces)
    schema = orjson.dumps([name for kind in kinds for name in NAMES[kind]])
    return b'{"schema":' + schema + b',"data":[' + data + b"]}", owners[order]
