"""From a segment's rows to members with identifiers, normalised by a channel's rules and hashed; in columns, never row by row.

What comes out is a table `member` (u64), `kind` (u8), `value` (binary): one row for each identifier of each member. `kind` is the
identifier kind's place in `IdentifierKind` (`CODES`, `KINDS`). Values are in the form that the channel takes:

EMAIL, PHONE    the raw SHA-256, 32 bytes
ADDRESS         for Meta 128 bytes: the SHA-256 of first name, last name, country (lower case) and postal code, in this order;
                for Google 64 bytes and text: the SHA-256 of first and last name; region (two capitals), postal code in clear
MOBILE          the advertising id in clear, lower case, with hyphens
DOMAIN, COMPANY, PAGE   in clear, UTF-8

Which kinds a channel's rules yield: Meta and Google e-mail, phone, address, mobile; LinkedIn e-mail and mobile (names would
travel in clear, so there is no address); of companies domain, name and page. A segment gives those of them for which
it has columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import phonenumbers
import polars as pl
import polars_hash as plh

from core.errors import ColumnsMissing
from core.models import Channel, IdentifierKind, SegmentKind
from core.ports import ColumnMap, Reading

CODES = {kind: number for number, kind in enumerate(IdentifierKind)}
KINDS = list(IdentifierKind)
_EMAIL = r"^[^@\s,;<>()]+@[^@\s,;<>()]+\.[^@\s,;<>().]{2,}$"
RULES = 1  # grows when the same row would give other identifiers
_SCHEMA = {"member": pl.UInt64, "kind": pl.UInt8, "value": pl.Binary}


@dataclass(frozen=True, slots=True)
class Members:
    """A segment as a channel sees it. `left_out` counts by reason and holds no value of anybody."""

    table: pl.DataFrame
    rows: int
    members: int  # distinct, with consent, known by something
    matchable: int
    left_out: Mapping[str, int]
    withdrawn: pl.Series  # members in the segment without consent


def needed(columns: ColumnMap) -> list[str]:
    """The source's columns that are read."""
    single = (columns.key, columns.first_name, columns.last_name, columns.country, columns.postal_code, columns.domain,
              columns.company, columns.page, columns.consent)  # fmt: skip
    many = (*columns.email, *columns.phone, *columns.mobile)
    return list(dict.fromkeys([c for c in single if c] + list(many)))


def identify(frame: pl.DataFrame, columns: ColumnMap, channel: Channel, kind: SegmentKind) -> Members:
    """The members of a segment. Raises ColumnsMissing when nothing in it can name anybody."""
    if kind is SegmentKind.COMPANIES:
        return _companies(frame, columns)
    if not (columns.email or columns.phone or columns.mobile):
        raise ColumnsMissing(
            "The segment has no column with an e-mail address, a phone number or a mobile id.", missing=("email",)
        )
    rows = frame.height
    frame = frame.with_row_index("row")
    found = [_emails(frame, c, channel) for c in columns.email]
    found += [_phones(frame, c, columns, channel) for c in columns.phone] if channel is not Channel.LINKEDIN else []
    found += [_mobiles(frame, c) for c in columns.mobile]
    parts = pl.concat([f for f, _ in found])  # in the order of what a row is known by: e-mail, phone, mobile id
    left_out: dict[str, int] = {}
    for _, reasons in found:
        for reason, n in reasons.items():
            left_out[reason] = left_out.get(reason, 0) + n
    address = _addresses(frame, columns, channel)
    known = _known(frame, columns, [f for f, _ in found])
    withdrawn = pl.Series(dtype=pl.UInt64)
    if columns.consent:
        said = frame.select("row", ok=_consent(pl.col(columns.consent), frame.schema[columns.consent]))
        known = known.join(said, on="row").with_columns(ok=pl.col("ok").all().over("member"))  # of several rows the strictest
        withdrawn = known.filter(~pl.col("ok"))["member"].unique()
        left_out |= {"no_consent": withdrawn.len(), "no_identifier": rows - known.height}
        known = known.filter("ok").drop("ok")
    else:
        left_out["no_identifier"] = rows - known.height
    members = known["member"].n_unique()
    table = _distinct(known.join(pl.concat([parts, address]), on="row"), known, columns).select(*_SCHEMA)
    matchable = table["member"].n_unique()
    return Members(table, rows, members, matchable, {k: v for k, v in left_out.items() if v}, withdrawn)


def _known(frame: pl.DataFrame, columns: ColumnMap, found: list[pl.DataFrame]) -> pl.DataFrame:
    """`row`, `member`: by the key column, else by its first identifier in the order of the kinds: e-mail, phone, mobile id."""
    if columns.key:
        text = plh.concat_str(pl.lit("k"), pl.col(columns.key).cast(pl.String))
        known = frame.select("row", value=text.chash.sha2_256().str.decode("hex")).drop_nulls()
    else:
        known = found[0]
        for later in found[1:]:
            known = pl.concat([known, later.join(known, on="row", how="anti")])
    return known.select("row", member=pl.col("value").bin.slice(0, 8).bin.reinterpret(dtype=pl.UInt64, endianness="little"))


def _distinct(table: pl.DataFrame, known: pl.DataFrame, columns: ColumnMap) -> pl.DataFrame:
    """Each identifier of a member once. Where a row has one of each kind, only who stands in several rows can hold one twice."""
    if max(len(columns.email), len(columns.phone), len(columns.mobile)) > 1:
        return table.unique(list(_SCHEMA))
    several = known.group_by("member").len().filter(pl.col("len") > 1)
    often = table.join(several, on="member", how="semi").unique(list(_SCHEMA))
    return pl.concat([table.join(several, on="member", how="anti"), often])


def _emails(frame: pl.DataFrame, column: str, channel: Channel) -> tuple[pl.DataFrame, dict[str, int]]:
    text = pl.col(column).cast(pl.String).str.strip_chars().str.to_lowercase()
    if channel is Channel.LINKEDIN:  # all white space goes (its guide for matched audiences)
        text = text.str.replace_all(r"\s", "")
    given = frame.select("row", value=text).filter(pl.col("value").is_not_null() & (pl.col("value") != ""))
    good = given.filter(pl.col("value").str.contains(_EMAIL))
    if channel is Channel.GOOGLE:  # dots and what follows + mean nothing at Gmail (Data Manager's guide on formatting)
        local, host = pl.col("value").str.extract(r"^([^@]*)@", 1), pl.col("value").str.extract(r"@(.*)$", 1)
        folded = pl.concat_str([local.str.replace(r"\+.*$", "").str.replace_all(".", "", literal=True), pl.lit("@"), host])
        good = good.with_columns(
            value=pl.when(host.is_in(["gmail.com", "googlemail.com"])).then(folded).otherwise(pl.col("value"))
        )
    return _digests(good, IdentifierKind.EMAIL), {"email_invalid": given.height - good.height}


def _phones(frame: pl.DataFrame, column: str, columns: ColumnMap, channel: Channel) -> tuple[pl.DataFrame, dict[str, int]]:
    country = pl.col(columns.country).str.strip_chars().str.to_uppercase() if columns.country else pl.lit(None, dtype=pl.String)
    if columns.default_country:
        country = country.fill_null(columns.default_country)
    text = pl.col(column).cast(pl.String).str.strip_chars()
    given = frame.select("row", text=text, country=country).filter(pl.col("text").is_not_null() & (pl.col("text") != ""))
    plain = pl.col("text").str.replace("(0)", "", literal=True).str.replace_all(r"[\s().\-/]", "")
    given = given.with_columns(value=plain.str.extract(r"^(?:\+|00)([1-9]\d{7,14})$", 1))
    odd = given.filter(pl.col("value").is_null()).drop("value")
    if odd.height:  # the columnar pattern knows what is written with its country; the rest is asked once a spelling
        asked = odd.select("text", "country").unique()
        values = [_e164(t, c) for t, c in asked.iter_rows()]
        asked = asked.with_columns(value=pl.Series(values, dtype=pl.String))
        odd = odd.join(asked, on=["text", "country"], nulls_equal=True)
        given = pl.concat([given.filter(pl.col("value").is_not_null()), odd.select(given.columns)])
    good = given.filter(pl.col("value").is_not_null()).select("row", "value")
    if channel is Channel.GOOGLE:
        good = good.with_columns(value=pl.concat_str([pl.lit("+"), pl.col("value")]))
    return _digests(good, IdentifierKind.PHONE), {"phone_invalid": given.height - good.height}


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


def _mobiles(frame: pl.DataFrame, column: str) -> tuple[pl.DataFrame, dict[str, int]]:
    given = frame.select("row", value=pl.col(column).cast(pl.String).str.strip_chars().str.to_lowercase())
    given = given.filter(pl.col("value").is_not_null() & (pl.col("value") != ""))
    good = given.filter(pl.col("value").str.contains(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"))
    table = good.select("row", kind=_code(IdentifierKind.MOBILE), value=pl.col("value").cast(pl.Binary))
    return table, {"mobile_invalid": given.height - good.height}


def _addresses(frame: pl.DataFrame, columns: ColumnMap, channel: Channel) -> pl.DataFrame:
    """Names lower case without punctuation; the postal code without spaces, of the US five digits.

    Meta: Customer File Custom Audiences, the table of keys; Google: Data Manager, "Format user data", the address's fields.
    """
    four = (columns.first_name, columns.last_name, columns.country, columns.postal_code)
    if channel is Channel.LINKEDIN or not all(four):
        return pl.DataFrame(schema={"row": frame.schema["row"], "kind": pl.UInt8, "value": pl.Binary})
    first, last, country, postal = (pl.col(str(c)).cast(pl.String).str.strip_chars() for c in four)
    country, postal = country.str.to_lowercase(), postal.str.to_lowercase().str.replace_all(r"[\s\-]", "")
    if channel is Channel.META:
        first, last = (name.str.to_lowercase().str.replace_all(r"[^\p{L}\p{M} ]", "") for name in (first, last))
    else:
        first, last = first.str.to_lowercase(), last.str.to_lowercase()
    postal = pl.when(country == "us").then(postal.str.slice(0, 5)).otherwise(postal)
    parts = frame.select("row", fn=first, ln=last, country=country, zip=postal).drop_nulls()
    parts = parts.filter(pl.all_horizontal(pl.col("fn", "ln", "zip") != ""), pl.col("country").str.contains(r"^[a-z]{2}$"))
    hashed = ("fn", "ln", "country", "zip") if channel is Channel.META else ("fn", "ln")
    for name in hashed:  # names and places repeat: each spelling is hashed once
        spelled = parts.select(name).unique().with_columns(digest=plh.col(name).chash.sha2_256())
        parts = parts.join(spelled, on=name, how="left", maintain_order="left").drop(name).rename({"digest": name})
    value = pl.concat_str([pl.col(name) for name in hashed]).str.decode("hex")
    if channel is Channel.GOOGLE:
        clear = pl.concat_str([pl.col("country").str.to_uppercase(), pl.col("zip")]).cast(pl.Binary)
        value = pl.concat_str([value.bin.encode("hex"), clear.bin.encode("hex")]).str.decode("hex")
    return parts.select("row", kind=_code(IdentifierKind.ADDRESS), value=value)


def _digests(good: pl.DataFrame, kind: IdentifierKind) -> pl.DataFrame:
    return good.select("row", kind=_code(kind), value=plh.col("value").chash.sha2_256().str.decode("hex"))


def _code(kind: IdentifierKind) -> pl.Expr:
    return pl.lit(CODES[kind], dtype=pl.UInt8)


def _consent(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Null and unknown mean no."""
    if dtype == pl.Boolean:
        return column.fill_null(False)
    return column.cast(pl.String).str.strip_chars().str.to_lowercase().is_in(["true", "1", "yes", "y", "t"]).fill_null(False)


def _companies(frame: pl.DataFrame, columns: ColumnMap) -> Members:
    if not (columns.domain or columns.company or columns.page):
        raise ColumnsMissing("The segment has no column with a company's domain, name or page.", missing=("domain",))
    rows = frame.height
    frame = frame.with_row_index("row")
    found = []
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
        part = frame.select("row", kind=_code(kind), value=text).filter(pl.col("value").is_not_null() & (pl.col("value") != ""))
        found.append(part.with_columns(value=pl.col("value").cast(pl.Binary)))
    parts = pl.concat(found)
    first = parts.unique("row", keep="first", maintain_order=True)
    name = pl.concat_str([pl.col("kind").cast(pl.String), pl.lit(":"), pl.col("value").bin.encode("hex")])
    named = first.select("row", name=name).with_columns(name=plh.col("name").chash.sha2_256().str.decode("hex"))
    known = named.select("row", member=pl.col("name").bin.slice(0, 8).bin.reinterpret(dtype=pl.UInt64, endianness="little"))
    table = known.join(parts, on="row").select(*_SCHEMA).unique()
    left_out = {"no_identifier": rows - known.height} if rows > known.height else {}
    members = known["member"].n_unique()
    return Members(table, rows, members, members, left_out, pl.Series(dtype=pl.UInt64))


def count_matchable(reading: Reading, channel: Channel) -> Members:
    """What a segment would give a channel, for a preview. Raises ColumnsMissing, or the source's own error."""
    names = needed(reading.columns)
    parts = [pl.DataFrame(batch) for batch in reading.batches(names)]
    frame = pl.concat(parts) if parts else pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    return identify(frame, reading.columns, channel, reading.segment.kind)
