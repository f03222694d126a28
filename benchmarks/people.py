"""The data: e-mail and phone in messy spellings, written as Parquet with one large row group.

3 % of members stand in several rows, 30 % have no phone, 5 % nothing usable; rows are shuffled. Of `after`, 0.4 % of the people
are others and 0.2 % have another phone, and so 1 % of the rows came or went; `reformatted` is `before`,
every value spelled in another way.
"""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

_PART = 1 << 20
NAMES = ("before", "after", "reformatted")


def write(folder: Path, n: int) -> None:
    """All three, unless they are there. Rows are made some at a time, and lie in one row group."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        path = folder / f"{name}.parquet"
        if not path.exists():
            part = path.with_suffix(".part")
            pq.write_table(_table(n, name), part, row_group_size=n, compression="snappy")
            part.rename(path)


def _table(n: int, name: str) -> pa.Table:
    random = np.random.default_rng(1)
    person = np.arange(n)
    again = random.random(n) < 0.03
    person[again] = random.integers(0, n, int(again.sum()))
    np.random.default_rng(NAMES.index(name)).shuffle(person)
    parts = [_rows(person[start : start + _PART], n, name) for start in range(0, n, _PART)]
    return pa.concat_tables([part.to_arrow().cast(pa.schema([("email", pa.string()), ("phone", pa.string())])) for part in parts])


def _rows(person: np.ndarray, n: int, name: str) -> pl.DataFrame:
    if name == "after":
        person = np.where(person % 250 == 7, person + n, person)
    luck = pl.col("person") * 7919 % 1000
    moved = (pl.col("person") % 500 == 11) if name == "after" else pl.lit(value=False)
    mail = pl.concat_str([pl.lit("person"), pl.col("person").cast(pl.String), pl.lit("@example.com")])
    number = 10_000_000 + pl.col("person") + pl.when(moved).then(50_000_000).otherwise(0)
    tel = pl.concat_str([pl.lit("+4479"), number.cast(pl.String)])
    mail = pl.when(luck % 10 == 1).then(mail.str.to_uppercase()).when(luck < 50).then(pl.lit("none")).otherwise(mail)
    tel = pl.when((luck % 10 < 3) | (luck < 50)).then(None).when(luck % 10 == 4).then(tel.str.replace(r"\+", "00")).otherwise(tel)
    if name == "reformatted":
        mail = pl.concat_str([pl.lit(" "), mail])
        tel = pl.concat_str([tel.str.slice(0, 5), pl.lit(" "), tel.str.slice(5)])
    return pl.DataFrame({"person": person}).select(email=mail, phone=tel)
