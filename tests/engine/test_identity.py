"""Members and identifiers: normal forms by the platforms' own test vectors, keys, consent, and what is left out."""

import hashlib
from dataclasses import dataclass

import polars as pl
import pytest

from core.book import Book
from core.errors import ColumnsMissing
from core.gathering import Everybody, Totals
from core.gathering import Segment as Read
from core.identifiers import CODES, Identifiers
from core.identity import identify
from core.models import Channel, IdentifierKind, Segment, SegmentKind
from core.planning import Allowed
from core.ports import ChannelTraits, ColumnMap, Reading

COLUMNS = ColumnMap(email=("email",), phone=("phone",), country="country")


@dataclass
class Members:
    """A segment as a channel sees it."""

    found: Identifiers
    withdrawn: int
    totals: Totals

    @property
    def left_out(self) -> dict[str, int]:
        return self.totals.reasons


def seen(frame: pl.DataFrame, columns: ColumnMap, channel: Channel, kind: SegmentKind = SegmentKind.CONTACTS) -> Members:
    segment = Segment("files", "x", "X", kind)
    reading = Reading(segment, columns, None, lambda names: iter(frame.select(names).to_arrow().to_batches()), lambda: True)
    everybody = Everybody(
        Read(reading, Allowed(ChannelTraits.unknown(channel), kind), seed=1, memory=1 << 20, beat=lambda _: None), Book([])
    )
    (side,) = everybody.sides()
    return Members(side.new, len(side.withdrawn), everybody.totals)


def members(rows: list[dict[str, object]], columns: ColumnMap = COLUMNS, channel: Channel = Channel.META) -> Members:
    names = {"email": pl.String, "phone": pl.String, "country": pl.String}
    frame = pl.DataFrame(rows, schema_overrides={n: t for n, t in names.items() if any(n in r for r in rows)})
    for name, dtype in names.items():
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(None, dtype=dtype).alias(name))
    return seen(frame, columns, channel)


def values(found: Members, kind: IdentifierKind) -> set[bytes]:
    chosen = found.found.where(found.found.column("kind") == CODES[kind])
    return {v.as_py() for v in chosen.values}


def sha(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def test_metas_vectors() -> None:
    found = members([{"email": " Mary@Example.com ", "phone": "+1 (555) 987-6543"}])
    assert values(found, IdentifierKind.EMAIL) == {
        bytes.fromhex("f1904cf1a9d73a55fa5de0ac823c4403ded71afd4c3248d00bdcd0866552bb79")
    }
    assert values(found, IdentifierKind.PHONE) == {
        bytes.fromhex("1ef970831d7963307784fa8688e8fce101a15685d62aa765fed23f3a2c576a4e")
    }


@pytest.mark.parametrize(
    ("channel", "clear", "normal"),
    [
        (Channel.META, "An.N+x@GMail.com", "an.n+x@gmail.com"),
        (Channel.GOOGLE, "An.N+x@GMail.com", "ann@gmail.com"),
        (Channel.GOOGLE, "an.n+x@example.com", "an.n+x@example.com"),
        (Channel.LINKEDIN, " A nn@Example.com", "ann@example.com"),
    ],
)
def test_each_channels_rule_for_e_mail(channel: Channel, clear: str, normal: str) -> None:
    assert values(members([{"email": clear}], channel=channel), IdentifierKind.EMAIL) == {sha(normal)}


@pytest.mark.parametrize(
    ("clear", "country", "normal"),
    [
        ("0044 20 7183 8750", None, "442071838750"),
        ("+44 (0)20 7183 8750", None, "442071838750"),
        ("020 7183 8750", "GB", "442071838750"),
        ("(202) 500-1234", "us", "12025001234"),
        ("(202) 500-1234", None, None),
        ("12345", "DE", None),
        ("n/a", "US", None),
        ("", "US", None),
    ],
)
def test_phones_are_brought_to_e164_and_never_guessed(clear: str, country: str | None, normal: str | None) -> None:
    found = members([{"email": "a@example.com", "phone": clear, "country": country}])
    assert values(found, IdentifierKind.PHONE) == ({sha(normal)} if normal else set())
    plus = members([{"email": "a@example.com", "phone": clear, "country": country}], channel=Channel.GOOGLE)
    assert values(plus, IdentifierKind.PHONE) == ({sha("+" + normal)} if normal else set())
    assert found.left_out.get("phone_invalid", 0) == (1 if clear and not normal else 0)


def test_rows_are_one_member_by_key_else_by_e_mail_else_by_phone() -> None:
    rows: list[dict[str, object]] = [
        {"email": "a@example.com", "phone": "+12025001234"},
        {"email": "A@example.com", "phone": "+12025001235"},
        {"phone": "+12025001234"},
        {"email": "nonsense", "phone": ""},
    ]
    found = members(rows)
    assert (found.totals.rows, found.totals.members, found.left_out["no_identifier"]) == (4, 2, 1)
    keyed = members([r | {"key": 1} for r in rows], ColumnMap(key="key", email=("email",), phone=("phone",)))
    assert (keyed.totals.members, keyed.found.height) == (1, 3)


def test_of_several_rows_the_strictest_consent_counts_and_null_means_no() -> None:
    columns = ColumnMap(email=("email",), consent="consent")
    said = [("a", True), ("a", False), ("b", None), ("c", True)]
    found = members([{"email": f"{n}@example.com", "consent": ok} for n, ok in said], columns)
    assert values(found, IdentifierKind.EMAIL) == {sha("c@example.com")}
    assert (found.left_out["no_consent"], found.withdrawn) == (2, 2)


def test_an_address_is_one_identifier_or_none() -> None:
    columns = ColumnMap(email=("email",), first_name="fn", last_name="ln", country="country", postal_code="zip")
    row: dict[str, object] = {"email": "a@example.com", "fn": " Zoë ", "ln": "O'Brien", "country": "US", "zip": "94025-1234"}
    found = values(members([row], columns), IdentifierKind.ADDRESS)
    assert found == {sha("zoë") + sha("obrien") + sha("us") + sha("94025")}
    assert values(members([row | {"zip": None}], columns), IdentifierKind.ADDRESS) == set()
    google = values(members([row], columns, Channel.GOOGLE), IdentifierKind.ADDRESS)
    assert google == {sha("zoë") + sha("o'brien") + b"US94025"}
    assert values(members([row], columns, Channel.LINKEDIN), IdentifierKind.ADDRESS) == set()


def test_companies_are_known_by_page_else_domain_else_name_and_stay_the_same_member() -> None:
    frame = pl.DataFrame(
        {"domain": ["https://www.ACME.example/x", "acme.example", None], "company": ["Acme", "Acme Inc", "Bolt"]}
    )
    found = seen(frame, ColumnMap(domain="domain", company="company"), Channel.LINKEDIN, SegmentKind.COMPANIES)
    assert found.totals.members == 2
    assert values(found, IdentifierKind.DOMAIN) == {b"acme.example"}


def test_a_segment_without_any_identifier_column_is_an_error() -> None:
    with pytest.raises(ColumnsMissing):
        identify(pl.DataFrame({"x": [1]}), ColumnMap(), Channel.META, SegmentKind.CONTACTS)
