"""Fingerprints must be the same for ever: a ledger remembers them."""

import polars as pl

from core.fingerprints import fingerprints


def test_a_known_answer_holds_every_later_version_to_it() -> None:
    frame = pl.DataFrame({"a": ["x", None, "", "x"], "b": ["y", "y", None, "z"]})
    known = [7498729554182841322, 15409732883330511031, 15377162667538021829, 11806435892644259857]
    assert fingerprints(frame, ["a", "b"], 77).tolist() == known
    assert len({*known, *fingerprints(frame, ["a", "b"], 78).tolist()}) == 8
