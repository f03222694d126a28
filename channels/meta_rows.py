"""Batches as Meta takes them: rows of several keys, each key hashed (Custom Audience Users, multi-key matching)."""

import numpy as np
import numpy.typing as npt
import orjson

from channels.rows import hexes, places, texts
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
        for name, part in zip(names, parts, strict=True):
            placed = [""] * len(owners)
            for row, value in zip(place_of[kind], part, strict=True):
                placed[row] = value
            schema.append(name)
            columns.append(placed)
    data = list(zip(*columns, strict=True))
    return orjson.dumps({"schema": schema, "data": data}), owners
