"""`python -m benchmarks --rows N --json FILE`: prints each figure, and writes `{key: number}`.

Each way of planning runs in a process of its own, so that its memory is its own. Both ways are checked to give the same answer.
"""

import argparse
import json
import multiprocessing
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import answering, engine, people, plain, scheduling, sending
from core.memory import settle


def alone(work: Callable[..., Any], *args: Any) -> Any:
    """The result of work in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1, initializer=settle) as pool:
        return pool.apply(work, args)


def hash_bound(digests: int) -> float | None:
    """Seconds for as many SHA-256 of 24 bytes as OpenSSL makes on two cores; None where there is no `openssl`."""
    if not shutil.which("openssl"):
        return None
    command = ["openssl", "speed", "-evp", "sha256", "-bytes", "24", "-multi", "2", "-seconds", "3"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = float(said.strip().splitlines()[-1].split()[-1].rstrip("k")) * 1000 / 24
    return digests / rate


def run(rows: int, times: int, plain_times: int, folder: Path) -> dict[str, float]:
    data, ledgers = folder / f"people-{rows}", folder / "ledgers"
    people.write(data, rows)
    figures: dict[str, float] = {"rows": rows}
    taken = {what: alone(engine.measure, data, ledgers, what, times) for what in people.NAMES}
    figures["unchanged_vs_plan"] = alone(engine.unchanged, data, ledgers) / taken["after"]["seconds"]
    slow = alone(plain.measure, data, plain_times)
    for what in people.NAMES:
        if taken[what]["answer"] != slow[what]["answer"]:
            raise SystemExit(
                f"The two ways do not give the same answer for {what}: {taken[what]['answer']}, {slow[what]['answer']}"
            )
    names = {"before": "first_plan", "after": "plan", "reformatted": "replan"}
    for what, name in names.items():
        figures |= {f"{name}_s": taken[what]["seconds"], f"{name}_vs_plain": slow[what]["seconds"] / taken[what]["seconds"]}
        figures[f"{name}_peak_mib"] = taken[what]["peak"]
    figures["plan_peak_mib"] = max(taken[what]["peak"] for what in people.NAMES)
    identifiers, members = slow["before"]["identifiers"], slow["before"]["members"]
    if bound := hash_bound(identifiers):
        figures["first_plan_vs_hash_bound"] = taken["before"]["seconds"] / bound
    figures["ledger_bytes"] = (taken["before"]["bytes"] - 41 * identifiers) / members
    figures["plan_peak_growth"] = growth(folder, 3 * rows) / figures["plan_peak_mib"]
    figures["bodies_vs_orjson"] = sending.bodies()
    people.write(folder / "people-million", 1_000_000)
    figures["first_refresh_vs_httpx"] = sending.refresh_vs_httpx(folder / "people-million", folder / "sending", 1_000_000)
    figures |= answering.measure(folder / "answering", data)
    return figures | scheduling.measure(folder)


def growth(folder: Path, rows: int) -> float:
    """Peak memory of the first plan and of one with 1 % of the rows changed, of so many rows; in MiB."""
    data, ledgers = folder / f"people-{rows}", folder / f"ledgers-{rows}"
    people.write(data, rows)
    peak: float = max(alone(engine.measure, data, ledgers, what, 1)["peak"] for what in people.NAMES[:2])
    for path in data.iterdir():
        path.unlink()
    return peak


if __name__ == "__main__":
    asked = argparse.ArgumentParser(prog="python -m benchmarks")
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked.add_argument("--times", type=int, default=3, help="how often each plan is made; the median counts")
    asked.add_argument("--plain-times", type=int, default=1, help="the same for the plain way, which takes minutes")
    asked.add_argument("--json", type=Path)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as place:
        measured = run(options.rows, options.times, options.plain_times, Path(place))
    found = {key: round(value, 3) for key, value in measured.items()}
    for key, value in found.items():
        print(f"{key:28}{value:>14}")
    if options.json:
        options.json.write_text(json.dumps(found))
