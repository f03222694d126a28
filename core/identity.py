"""From a segment's rows to members with identifiers, normalised by a channel's rules and hashed; in columns, never row by row.

Values are in the form that the channel takes:

EMAIL, PHONE    the raw SHA-256, 32 bytes
ADDRESS         for Meta 128 bytes: the SHA-256 of first name, last name, country (lower case) and postal code, in this order;
                for Google 64 bytes and text: the SHA-256 of first and last name; region (two capitals), postal code in clear
MOBILE          the advertising id in clear, lower case, with hyphens
DOMAIN, COMPANY, PAGE   in clear, UTF-8

Which kinds a channel's rules yield: Meta and Google e-mail, phone, address, mobile; LinkedIn e-mail and mobile (names would
travel in clear, so there is no address); of companies domain, name and page. A segment gives those of them for which
it has columns.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import phonenumbers
import polars as pl
import pyarrow as pa
from datafusion import SessionConfig, SessionContext, functions

from core.errors import ColumnsMissing
from core.identifiers import CODES, DIGEST, U8, U64, Identifiers, Mask, Places, heads, joined
from core.models import Channel, IdentifierKind, SegmentKind
from core.ports import ColumnMap

_EMAIL = r"^[^@\s,;<>()]+@[^@\s,;<>()]+\.[^@\s,;<>().]{2,}$"
_MARKS = ["(0)", " ", "\u00a0", "\t", "(", ")", ".", "-", "/"]  # what people write between the digits of a phone number
RULES = 3  # grows when the same row would give other identifiers
NO_CONSENT, NO_IDENTIFIER = "no_consent", "no_identifier"
REASONS = {"email_invalid": 1, "phone_invalid": 2, "mobile_invalid": 4, NO_IDENTIFIER: 8, NO_CONSENT: 16}
_Found = tuple[IdentifierKind, Places, pa.Array]


@dataclass(frozen=True, slots=True)
class Rows:
    """What some rows say. `member`: one a row, 0 where nothing names one; `reasons`: for each row the bits of `REASONS`.

    `identifiers` are those of the rows that have a member and its consent, and `row` says of each in which row it stands.
    """

    member: U64
    reasons: U8
    row: Places
    identifiers: Identifiers


def needed(columns: ColumnMap) -> list[str]:
    """The source's columns that are read."""
    single = (columns.key, columns.first_name, columns.last_name, columns.country, columns.postal_code, columns.domain,
              columns.company, columns.page, columns.consent)  # fmt: skip
    many = (*columns.email, *columns.phone, *columns.mobile)
    return list(dict.fromkeys([c for c in single if c] + list(many)))


def require_columns(columns: ColumnMap, kind: SegmentKind) -> None:
    """Raises ColumnsMissing when nothing in a segment can name anybody."""
    if kind is SegmentKind.COMPANIES and not (columns.domain or columns.company or columns.page):
        raise ColumnsMissing("The segment has no column with a company's domain, name or page.", missing=("domain",))
    if kind is SegmentKind.CONTACTS and not (columns.email or columns.phone or columns.mobile):
        raise ColumnsMissing(
            "The segment has no column with an e-mail address, a phone number or a mobile id.", missing=("email",)
        )


def identify(frame: pl.DataFrame, columns: ColumnMap, channel: Channel, kind: SegmentKind) -> Rows:
    """What these rows say. Raises ColumnsMissing."""
    require_columns(columns, kind)
    reasons = np.zeros(frame.height, np.uint8)
    naming = _companies(frame, columns) if kind is SegmentKind.COMPANIES else _contacts(frame, columns, channel, reasons)
    found = [*naming, *_addresses(frame, columns, channel)] if kind is SegmentKind.CONTACTS else naming
    member, known = _members(frame, columns, naming)
    reasons[~known] |= REASONS[NO_IDENTIFIER]
    if columns.consent:
        refused = ~frame.select(_consent(pl.col(columns.consent), frame.schema[columns.consent])).to_series().to_numpy()
        reasons[known & refused] |= REASONS[NO_CONSENT]
        known &= ~refused
    parts, places = [], []
    for of_kind, all_rows, all_values in found:
        kept = known[all_rows]
        rows, values = (all_rows, all_values) if kept.all() else (all_rows[kept], all_values.filter(pa.array(kept)))
        code = CODES[of_kind]
        table = {"member": member[rows], "kind": np.full(len(rows), code, np.uint8), "head": heads(code, values)}
        parts.append(Identifiers(pl.DataFrame(table), values))
        places.append(rows)
    return Rows(member, reasons, np.concatenate(places), joined(parts))


def reasons_of(rows: U8, times: Mapping[int, int] | None = None) -> dict[str, int]:
    """How many rows have each reason; without consent members are counted, elsewhere."""
    counts = np.bincount(rows, minlength=32)
    for known, number in (times or {}).items():
        counts[known] += number
    bits = np.arange(len(counts))
    found = {reason: int(counts[(bits & bit) != 0].sum()) for reason, bit in REASONS.items() if reason != NO_CONSENT}
    return {reason: number for reason, number in found.items() if number}


def _members(frame: pl.DataFrame, columns: ColumnMap, naming: list[_Found]) -> tuple[U64, Mask]:
    """By the key column, else by its first identifier in the order of the kinds: e-mail, phone, mobile id; page, domain, name."""
    member = np.zeros(frame.height, np.uint64)
    known = np.zeros(frame.height, np.bool_)
    if columns.key:
        text = frame.select(pl.concat_str([pl.lit("k"), pl.col(columns.key).cast(pl.String)])).to_series()
        known = text.is_not_null().to_numpy()
        member[known] = heads(0, _sha256(text))
    else:
        for kind, rows, values in naming:
            new = ~known[rows]
            member[rows[new]] = heads(CODES[kind], values.filter(pa.array(new)))
            known[rows[new]] = True
    return member, known


# ── contacts ──


def _contacts(frame: pl.DataFrame, columns: ColumnMap, channel: Channel, reasons: U8) -> list[_Found]:
    """Of each column of e-mail, phone or mobile id the rows that have a good one, and its value; bad ones are marked."""
    found: list[_Found] = []
    for text in frame.select(_email(column, channel).alias(column) for column in columns.email):
        right = text.str.contains(_EMAIL)
        reasons[_wrong(text, right)] |= REASONS["email_invalid"]
        found.append((IdentifierKind.EMAIL, _places(right), _sha256(text.filter(right))))
    if channel is not Channel.LINKEDIN:
        for column in columns.phone:
            for rows, number, bad in _phones(frame, column, columns):
                reasons[bad] |= REASONS["phone_invalid"]
                plus = number if channel is not Channel.GOOGLE else pl.select(pl.concat_str([pl.lit("+"), number])).to_series()
                found.append((IdentifierKind.PHONE, rows, _sha256(plus)))
    for column in columns.mobile:
        text = frame.select(pl.col(column).cast(pl.String).str.strip_chars().str.to_lowercase()).to_series()
        right = text.str.contains(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$").fill_null(value=False)
        reasons[_wrong(text, right)] |= REASONS["mobile_invalid"]
        values = text.filter(right).cast(pl.Binary).to_arrow().cast(pa.binary())
        found.append((IdentifierKind.MOBILE, _places(right), values))
    return found


def _places(chosen: pl.Series) -> Places:
    """Where a column says yes."""
    return np.flatnonzero(chosen.fill_null(value=False).to_numpy())


def _wrong(text: pl.Series, right: pl.Series) -> Mask:
    """Where something stands, less white space, that is not right."""
    return (~right & (text != "")).fill_null(value=False).to_numpy()


def _email(column: str, channel: Channel) -> pl.Expr:
    text = pl.col(column).cast(pl.String).str.strip_chars().str.to_lowercase()
    if channel is Channel.LINKEDIN:  # all white space goes (its guide for matched audiences)
        return text.str.replace_all(r"\s", "")
    if channel is Channel.GOOGLE:  # dots and what follows + mean nothing at Gmail (Data Manager's guide on formatting)
        local, host = text.str.extract(r"^([^@]*)@", 1), text.str.extract(r"@(.*)$", 1)
        folded = pl.concat_str([local.str.replace(r"\+.*$", "").str.replace_all(".", "", literal=True), pl.lit("@"), host])
        return pl.when(host.is_in(["gmail.com", "googlemail.com"])).then(folded).otherwise(text)
    return text


def _phones(frame: pl.DataFrame, column: str, columns: ColumnMap) -> Iterator[tuple[Places, pl.Series, Places]]:
    """Some rows, their E.164 without its plus, and rows where something stands that is no number.

    First those written in E.164 already; then what a pattern knows once marks are left out; the rest is asked of `phonenumbers`,
    once a spelling.
    """
    text = frame.select(pl.col(column).cast(pl.String).str.strip_chars()).to_series()
    plain = text.str.contains(r"^\+[1-9][0-9]{7,14}$")
    yield _places(plain), text.filter(plain).str.slice(1), np.empty(0, np.intp)
    other = _places(~plain & (text != ""))
    if not len(other):
        return
    country = pl.col(columns.country).str.strip_chars().str.to_uppercase() if columns.country else pl.lit(None, dtype=pl.String)
    if columns.default_country:
        country = country.fill_null(columns.default_country)
    given = frame[other].select(text=text[other], country=country)
    bare = given["text"].str.replace_many(_MARKS, [""] * len(_MARKS), leftmost=True)
    digits = pl.when(bare.str.starts_with("+")).then(bare.str.slice(1)).otherwise(bare.str.slice(2))
    given = given.with_columns(value=pl.when(bare.str.contains(r"^(?:\+|00)[1-9][0-9]{7,14}$")).then(digits))
    odd = given["value"].is_null()
    if odd.any():
        asked = given.filter(odd).select("text", "country").unique()
        values = [_e164(t, c) for t, c in asked.iter_rows()]
        asked = asked.with_columns(asked=pl.Series(values, dtype=pl.String))
        given = given.join(asked, on=["text", "country"], how="left", nulls_equal=True, maintain_order="left")
        given = given.with_columns(value=pl.coalesce("value", "asked"))
    good = given["value"].is_not_null()
    yield other[good.to_numpy()], given["value"].drop_nulls(), other[~good.to_numpy()]


@cache
def _e164(text: str, country: str | None) -> str | None:
    """Digits with the country's code, or None where the number is not possible or its country is not known."""
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):  # what might be a local number of any place is not guessed at
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")


def _addresses(frame: pl.DataFrame, columns: ColumnMap, channel: Channel) -> list[_Found]:
    """Names lower case without punctuation; the postal code without spaces, of the US five digits.

    Meta: Customer File Custom Audiences, the table of keys; Google: Data Manager, "Format user data", the address's fields.
    """
    four = (columns.first_name, columns.last_name, columns.country, columns.postal_code)
    if channel is Channel.LINKEDIN or not all(four):
        return []
    first, last, country, postal = (pl.col(str(c)).cast(pl.String).str.strip_chars() for c in four)
    country, postal = country.str.to_lowercase(), postal.str.to_lowercase().str.replace_all(r"[\s\-]", "")
    if channel is Channel.META:
        first, last = (name.str.to_lowercase().str.replace_all(r"[^\p{L}\p{M} ]", "") for name in (first, last))
    else:
        first, last = first.str.to_lowercase(), last.str.to_lowercase()
    postal = pl.when(country == "us").then(postal.str.slice(0, 5)).otherwise(postal)
    parts = frame.select(fn=first, ln=last, country=country, zip=postal).with_row_index("row").drop_nulls()
    parts = parts.filter(pl.all_horizontal(pl.col("fn", "ln", "zip") != ""), pl.col("country").str.contains(r"^[a-z]{2}$"))
    hashed = ("fn", "ln", "country", "zip") if channel is Channel.META else ("fn", "ln")
    for name in hashed:  # names and places repeat: each spelling is hashed once
        once = parts.select(name).unique()
        once = once.with_columns(digest=pl.Series(_sha256(once[name]).cast(pa.binary())).bin.encode("hex"))
        parts = parts.join(once, on=name, how="left", maintain_order="left").drop(name).rename({"digest": name})
    value = pl.concat_str([pl.col(name) for name in hashed]).str.decode("hex")
    if channel is Channel.GOOGLE:
        clear = pl.concat_str([pl.col("country").str.to_uppercase(), pl.col("zip")]).cast(pl.Binary)
        value = pl.concat_str([value.bin.encode("hex"), clear.bin.encode("hex")]).str.decode("hex")
    made = parts.select("row", value=value)
    return [(IdentifierKind.ADDRESS, made["row"].to_numpy().astype(np.intp), made["value"].to_arrow().cast(pa.binary()))]


def _consent(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Null and unknown mean no."""
    if dtype == pl.Boolean:
        return column.fill_null(value=False)
    return (
        column.cast(pl.String).str.strip_chars().str.to_lowercase().is_in(["true", "1", "yes", "y", "t"]).fill_null(value=False)
    )


# ── companies ──


def _companies(frame: pl.DataFrame, columns: ColumnMap) -> list[_Found]:
    found: list[_Found] = []
    for column, kind in (
        (columns.page, IdentifierKind.PAGE),
        (columns.domain, IdentifierKind.DOMAIN),
        (columns.company, IdentifierKind.COMPANY),
    ):
        if not column:
            continue
        text = pl.col(column).cast(pl.String).str.strip_chars()
        if kind is IdentifierKind.DOMAIN:
            text = text.str.to_lowercase().str.replace(r"^https?://", "").str.replace(r"^www\.", "").str.replace(r"[/?#].*$", "")
        spelled = frame.select(text).to_series()
        right = (spelled.is_not_null() & (spelled != "")).fill_null(value=False)
        values = spelled.filter(right).cast(pl.Binary).to_arrow().cast(pa.binary())
        found.append((kind, np.flatnonzero(right.to_numpy()), values))
    return found


# ── digests ──


def _sha256(text: pl.Series) -> pa.Array:
    """Of each text, null ones left out, the raw SHA-256. DataFusion's gives bytes, by the processor's own instructions."""
    kept = text.drop_nulls()
    if not kept.len():
        return pa.array([], DIGEST)
    # one partition and one batch, so that the order stays; a context of its own, since each remembers what it was given
    context = SessionContext(SessionConfig().with_target_partitions(1).with_batch_size(kept.len()))
    table = pa.table({"text": kept.to_arrow()})
    made = context.from_arrow(table).select(functions.sha256(functions.col("text"))).collect()
    return pa.concat_arrays([batch.column(0).cast(DIGEST) for batch in made])
