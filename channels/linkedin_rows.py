"""Batches as LinkedIn takes them: elements with an action (DMP Segment Users, DMP Segment Companies)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from channels.rows import hexes, places, texts
from core.models import IdentifierKind
from core.ports import Batch, Op

ACTIONS = {Op.ADD: "ADD", Op.REMOVE: "REMOVE"}
COMPANY_FIELDS = {
    IdentifierKind.DOMAIN: "companyWebsiteDomain",
    IdentifierKind.COMPANY: "companyName",
    IdentifierKind.PAGE: "companyPageUrl",
}

Element = dict[str, Any]


def users(batch: Batch, op: Op) -> tuple[list[Element], npt.NDArray[np.int64]]:
    """Elements for `/users`, and which member of the batch each belongs to.

    An e-mail goes as its SHA-256; a mobile id as GOOGLE_AID, the only kind of advertising id on that page. Names would travel in
    clear and are not sent.
    """
    owners, place_of = places(batch)
    elements: list[Element] = [{"action": ACTIONS[op], "userIds": []} for _ in owners]
    for kind, id_type in ((IdentifierKind.EMAIL, "SHA256_EMAIL"), (IdentifierKind.MOBILE, "GOOGLE_AID")):
        if kind not in place_of:
            continue
        values = batch.columns[kind].value
        spelled = hexes(values)[0] if kind is IdentifierKind.EMAIL else texts(values)
        for row, value in zip(place_of[kind].tolist(), spelled, strict=True):
            elements[row]["userIds"].append({"idType": id_type, "idValue": value})
    return elements, owners


def companies(batch: Batch, op: Op) -> tuple[list[Element], npt.NDArray[np.int64]]:
    """Elements for `/companies`, and which member of the batch each belongs to."""
    owners, place_of = places(batch)
    elements: list[Element] = [{"action": ACTIONS[op]} for _ in owners]
    for kind, name in COMPANY_FIELDS.items():
        for row, value in zip(place_of.get(kind, ()), texts(batch.columns[kind].value) if kind in place_of else (), strict=True):
            elements[row][name] = value
    return elements, owners
