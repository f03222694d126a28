"""`python -m benchmarks --rows N --json FILE`: prints each figure, and writes `{key: number}`."""

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks import plain
from core.difference import LEDGER_SCHEMA, State, compare, intend
from core.identity import identify
from core.ledger import Ledgers
from core.models import Channel, SegmentKind
from core.ports import ColumnMap

COLUMNS = ColumnMap(email=("email",), phone=("phone",))


def data(n: int, *, changed: bool) -> pl.DataFrame:
    """E-mail and phone in messy spellings; 3 % of members twice, 30 % without a phone, 5 % unusable, 1 % changed; shuffled."""
    random = np.random.default_rng(1)
    person = np.arange(n)
    again = random.random(n) < 0.03
    person[again] = random.integers(0, n, int(again.sum()))
    if changed:
        person = np.where(person % 250 == 7, person + n, person)
    frame = pl.DataFrame({"person": person, "luck": person * 7919 % 1000})
    mail = pl.concat_str([pl.lit("person"), pl.col("person").cast(pl.String), pl.lit("@example.com")])
    moved = (pl.col("person") % 500 == 11) if changed else pl.lit(value=False)
    number = 10_000_000 + pl.col("person") + pl.when(moved).then(50_000_000).otherwise(0)
    tel = pl.concat_str([pl.lit("+4479"), number.cast(pl.String)])
    luck = pl.col("luck")
    mail = pl.when(luck % 10 == 1).then(mail.str.to_uppercase()).when(luck < 50).then(pl.lit("none")).otherwise(mail)
    tel = pl.when((luck % 10 < 3) | (luck < 50)).then(None).when(luck % 10 == 4).then(tel.str.replace(r"\+", "00")).otherwise(tel)
    return frame.select(email=mail, phone=tel).sample(fraction=1, shuffle=True, seed=3 if changed else 2)


def timed(work: Callable[[], Any], times: int = 3) -> tuple[float, Any]:
    """The median's seconds, and the answer."""
    taken, answer = [], None
    for _ in range(times):
        begun = time.perf_counter()
        answer = work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken), answer


def run(n: int) -> dict[str, float]:
    before, after = data(n, changed=False), data(n, changed=True)
    figures: dict[str, float] = {"rows": n}
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "before.parquet", Path(folder) / "after.parquet"
        before.write_parquet(files[0])
        after.write_parquet(files[1])
        del before, after
        keyring: Callable[[str], bytes] = lambda _: b"k" * 32  # noqa: E731
        ledgers = Ledgers(folder=Path(folder), key=keyring)

        def first() -> pl.DataFrame:
            table = identify(pl.read_parquet(files[0]), COLUMNS, Channel.META, SegmentKind.CONTACTS).table
            empty = pl.DataFrame(schema=LEDGER_SCHEMA)
            plan = compare(table, empty)
            batched = plan.adds.with_columns(batch=pl.lit(0, dtype=pl.UInt32))
            none = plan.removes.with_columns(batch=pl.lit(0, dtype=pl.UInt32))
            ledger = ledgers.of("one")
            ledger.load()
            ledger.write(intend(replace(plan, adds=batched, removes=none), table, empty), {})
            return table

        def again() -> Any:
            book = ledgers.of("one").load()
            table = identify(pl.read_parquet(files[1]), COLUMNS, Channel.META, SegmentKind.CONTACTS).table
            return compare(table, book.table.with_columns(state=pl.lit(int(State.DELIVERED), dtype=pl.UInt8)))

        figures["first_plan_s"], table = timed(first)
        del table
        figures["plan_s"], plan = timed(again)
        figures["plan_peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

        plain_first_s, known = timed(lambda: plain.members(pl.read_parquet(files[0]).iter_rows()), 1)

        def plain_again() -> Any:
            return plain.difference(known, plain.members(pl.read_parquet(files[1]).iter_rows()))

        plain_plan_s, (removes, sends) = timed(plain_again, 1)
        if plan.removes.height != len(removes) or pl.concat([plan.adds, plan.again])["member"].n_unique() != len(sends):
            raise SystemExit("The two ways do not give the same answer.")
    figures |= {"first_plan_vs_plain": plain_first_s / figures["first_plan_s"], "plan_vs_plain": plain_plan_s / figures["plan_s"]}
    return figures


if __name__ == "__main__":
    asked = argparse.ArgumentParser()
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked.add_argument("--json", type=Path)
    options = asked.parse_args()
    found = {key: round(value, 3) for key, value in run(options.rows).items()}
    for name, value in found.items():
        print(f"{name:24}{value:>12}")
    if options.json:
        options.json.write_text(json.dumps(found))
