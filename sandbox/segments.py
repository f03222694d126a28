"""The demo's segments: realistic and messy on purpose, the same for the same seed.

A row is a contact as a marketing database has them: spellings differ, some phones are shared in a family, some are missing or
nonsense, some people stand in several rows. Every segment has its own range of phone numbers and its own mail addresses, so that
nobody is in two segments by accident.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

FIRST = (
    "Ana Bo Carla Dmitri Elif Farid Greta Hugo Ines Jonas Katarzyna Liam Mei Noah Olga Priya Quentin Rosa Sven Tariq Uma Viktor"
         " Wen Ximena Yusuf Zoë José Björn Chloë Renée").split()  # fmt: skip
LAST = (
    "Abreu Becker Costa Dubois Eriksen Ferrari García Haddad Ivanov Jensen Kowalski Lopez Müller Novak O'Brien Petrov Quist Rossi"
        " Schmidt Tanaka Ueda Vargas Weber Xu Yilmaz Zhang Nguyen Okafor Silva Andersson").split()  # fmt: skip
HOSTS = ("example.com", "example.org", "example.net", "mail.example", "post.example", "acme-customers.example")
# country, calling code, national number's length, how it is usually written
COUNTRIES = (("US", "1", 10), ("GB", "44", 10), ("DE", "49", 11), ("ES", "34", 9), ("SE", "46", 9), ("FR", "33", 9))
NATIONAL = {
    "US": 2_025_000_000,
    "GB": 7_400_000_000,
    "DE": 15_110_000_000,
    "ES": 600_000_000,
    "SE": 701_000_000,
    "FR": 600_000_000,
}
US_AREAS, AREA = 8, 10_000_000  # 202 to 209, exchanges 500 to 554
SPAN = {"US": 550_000, "GB": 99_000_000, "DE": 8_900_000, "ES": 99_000_000, "SE": 90_000_000, "FR": 99_000_000}


@dataclass(frozen=True)
class Plan:
    """One segment to generate."""

    id: str
    name: str
    creator: str
    description: str
    rows: int
    suffix: str = "parquet"
    companies: bool = False


PLANS = (
    Plan("emea-brand", "EMEA brand", "Ana Ruiz", "People in Europe who know the brand and have not bought", 18_400),
    Plan("webinar-guests", "Webinar guests", "Mia Chen", "Everybody who registered for a webinar this year", 3_200, "csv"),
    Plan(
        "intent-data-platforms",
        "Intent: data platforms",
        "Bo Lindqvist",
        "Contacts at accounts that research data platforms",
        120_000,
    ),
    Plan("customers", "Customers", "Tom Okafor", "Everybody with an active contract", 42_000),
    Plan("everyone-reachable", "Everyone reachable", "Ana Ruiz", "All contacts that may be addressed", 1_050_000),
    Plan("target-accounts", "Target accounts", "Bo Lindqvist", "Companies on the ABM list", 2_400, companies=True),
)


def write(folder: Path, *, seed: int = 7, plans: tuple[Plan, ...] = PLANS) -> None:
    """Writes what is not there yet: `ID.parquet` or `ID.csv`, and `ID.meta.toml` beside it with name, creator and description."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, plan in enumerate(plans):
        path = folder / f"{plan.id}.{plan.suffix}"
        if path.exists():
            continue
        random = np.random.default_rng([seed, number])
        frame = _companies(plan, random) if plan.companies else _contacts(plan, number, random)
        part = path.with_name(f".{path.name}.part")
        if plan.suffix == "csv":
            frame.write_csv(part)
        else:
            frame.write_parquet(part, compression="zstd", compression_level=1)
        meta = f'name = "{plan.name}"\ncreator = "{plan.creator}"\ndescription = "{plan.description}"\n'
        (folder / f"{plan.id}.meta.toml").write_text(meta)
        part.rename(path)


def listing(folder: Path) -> list[dict[str, Any]]:
    """`[{id, name, path, rows}]` of what lies in the folder now."""
    found = []
    for path in sorted(folder.glob("[!.]*.*")):
        if path.suffix not in (".parquet", ".csv"):
            continue
        scan = pl.scan_parquet(path) if path.suffix == ".parquet" else pl.scan_csv(path, infer_schema=False)
        meta = path.with_name(f"{path.stem}.meta.toml")
        name = tomllib.loads(meta.read_text())["name"] if meta.exists() else path.stem
        rows = int(scan.select(pl.len()).collect().item())
        found.append({"id": path.stem, "name": name, "path": str(path), "rows": rows})
    return found


def known_people(folder: Path, *, most: int = 200) -> Iterator[tuple[str, str]]:
    """E-mail and E.164 phone of contacts whom the platforms know as one person: some guests of the webinars.

    Only an address that stands in one row, and a phone that is that row's alone however it is spelled: taking such a person out
    never takes along what another member holds. Empty when a test put another file in place that has no such columns.
    """
    path = folder / "webinar-guests.csv"
    if not path.exists():
        return
    frame = pl.read_csv(path, infer_schema=False)
    if not {"email", "phone"} <= set(frame.columns):
        return
    frame = frame.select(
        email=pl.col("email").str.strip_chars().str.to_lowercase(),
        spelled=pl.col("phone"),
        digits=pl.col("phone").str.replace_all(r"\D", "").str.strip_chars_start("0"),
    ).filter(
        pl.col("email").is_unique() & pl.col("email").str.contains(r"^[^@\s]+@[^@\s]+$"),
        pl.col("digits").is_unique() & pl.col("spelled").str.contains(r"^\+\d{9,14}$"),
    )
    yield from frame.select("email", "spelled").head(most).iter_rows()


def _contacts(plan: Plan, number: int, random: np.random.Generator) -> pl.DataFrame:
    n = plan.rows
    first, last = random.integers(0, len(FIRST), n), random.integers(0, len(LAST), n)
    country = random.choice(len(COUNTRIES), n, p=[0.4, 0.18, 0.14, 0.1, 0.09, 0.09])
    person = np.arange(n)
    again = random.random(n) < 0.03  # the same person a second time
    person[again] = random.integers(0, max(n // 2, 1), int(again.sum()))
    first, last, country = first[person], last[person], country[person]
    frame = pl.DataFrame(
        {
            "row": np.arange(n, dtype=np.uint32),
            "person": person.astype(np.uint32),
            "first_name": np.array(FIRST, dtype=object)[first].tolist(),
            "last_name": np.array(LAST, dtype=object)[last].tolist(),
            "country": np.array([c[0] for c in COUNTRIES], dtype=object)[country].tolist(),
            "code": np.array([c[1] for c in COUNTRIES], dtype=object)[country].tolist(),
            "host": np.array(HOSTS, dtype=object)[person % len(HOSTS)].tolist(),
            "national": _phones(person, country, number),
            "luck": random.random(n),
            "luck2": random.random(n),
            "luck3": random.random(n),
        }
    )
    plain = pl.concat_str(
        [
            pl.col("first_name").str.to_lowercase().str.replace_all(r"[^a-z]", ""),
            pl.lit("."),
            pl.col("last_name").str.to_lowercase().str.replace_all(r"[^a-z]", ""),
            pl.col("person").cast(pl.String),
            pl.lit(f"s{number}@"),
            pl.col("host"),
        ]
    )
    luck, luck2 = pl.col("luck"), pl.col("luck2")
    email = (
        pl.when(luck < 0.10).then(plain.str.to_uppercase())
        .when(luck < 0.16).then(pl.concat_str([pl.lit("  "), plain, pl.lit(" ")]))
        .when(luck < 0.19).then(plain.str.replace("@", "+news@"))
        .when(luck < 0.205).then(pl.lit(None, dtype=pl.String))
        .when(luck < 0.215).then(pl.lit(""))
        .when(luck < 0.23).then(plain.str.replace("@", " at "))
        .otherwise(plain)
    )  # fmt: skip
    national, code = pl.col("national").cast(pl.String), pl.col("code")
    start = national.str.slice(0, 3)
    phone = (
        pl.when(luck2 < 0.28).then(pl.lit(None, dtype=pl.String))
        .when(luck2 < 0.30).then(pl.lit("n/a"))
        .when(luck2 < 0.31).then(pl.lit("12345"))
        .when(luck2 < 0.45).then(pl.format("00{}{}", code, national))
        .when(luck2 < 0.60).then(pl.format("+{} {} {}-{}", code, start, national.str.slice(3, 3), national.str.slice(6)))
        .when(luck2 < 0.70).then(pl.format("+{} ({}) {}", code, start, national.str.slice(3)))
        .otherwise(pl.format("+{}{}", code, national))
    )  # fmt: skip
    consent = (
        pl.when(pl.col("luck3") < 0.9)
        .then(pl.lit(True))
        .when(pl.col("luck3") < 0.95)
        .then(pl.lit(False))
        .otherwise(pl.lit(None, dtype=pl.Boolean))
    )
    postal = (
        pl.when(pl.col("luck3") < 0.7)
        .then((pl.col("person") % 89_999 + 10_000).cast(pl.String))
        .otherwise(pl.lit(None, dtype=pl.String))
    )
    return frame.with_columns(email=email, phone=phone, consent=consent, postal_code=postal).select(
        "email", "phone", "first_name", "last_name", "country", "postal_code", "consent"
    )


def _phones(person: np.ndarray[Any, Any], country: np.ndarray[Any, Any], number: int) -> list[int]:
    """A national number for each person; every fortieth shares the number of the person before."""
    holder = np.where(person % 40 == 39, person - 1, person).astype(np.int64)
    codes = [c[0] for c in COUNTRIES]
    start = np.array([NATIONAL[c] for c in codes], dtype=np.int64)[country]
    span = np.array([SPAN[c] for c in codes], dtype=np.int64)[country]
    place = holder + number * 1_300_007
    area = np.where(country == codes.index("US"), place // SPAN["US"] % US_AREAS * AREA, 0)  # one area code has too few numbers
    numbers: list[int] = (start + area + place % span).tolist()
    return numbers


def _companies(plan: Plan, random: np.random.Generator) -> pl.DataFrame:
    words = ("North Blue Iron Bright River Stone Cloud Green Silver Rapid Union Prime").split()
    kinds = ("Analytics Systems Logistics Energy Foods Robotics Media Health Capital Labs").split()
    rows = []
    for i in range(plan.rows):
        name = f"{words[int(random.integers(len(words)))]} {kinds[int(random.integers(len(kinds)))]} {i}"
        domain = name.lower().replace(" ", "-") + ".example"
        rows.append({"domain": f"https://www.{domain.upper()}/" if i % 11 == 0 else domain if i % 17 else None, "company": name})
    return pl.DataFrame(rows, schema={"domain": pl.String, "company": pl.String})
