"""Audience members as the Data Manager API takes and refuses them (Send audience members; Limits; Understand API errors).

One field that is required and not as it should be refuses the whole request, with a violation for each. What only the
asynchronous work finds out is consent: a row without both consents granted (its own, else the request's) is not used, as in the
EEA.
"""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.google_errors import DataError, Violation, bad
from sandbox.google_proto import camels, enum, known
from sandbox.platforms.identifiers import WITH_PLACE, Identifiers, digests_of, is_hex_column
from sandbox.platforms.platform import Json

MAX_MEMBERS, MAX_IDENTIFIERS, MAX_MOBILE = 10_000, 10, 10
KINDS = ("userData", "compositeData", "mobileData", "userIdData")
PARTNERS = ("pairData", "ppidData", "googleUserIdData", "partnerProvidedIdData")
KEYS = {"userData": "CONTACT_ID", "compositeData": "CONTACT_ID", "mobileData": "MOBILE_ID", "userIdData": "USER_ID"}
TYPES = {"emailAddress": "EMAIL", "phoneNumber": "PHONE_NUMBER", "address": "ADDRESS"}
ADDRESS = ("givenName", "familyName", "regionCode", "postalCode")
MEMBER = ("destinationReferences", "consent", *KINDS, *PARTNERS)
REGION = re.compile(r"[A-Za-z]{2}\Z")
Consent = tuple[str, str]  # adUserData, adPersonalization


@dataclass
class Rows:
    """Members that go to the same destinations. `denied` counts rows that consent leaves out, by reason."""

    kind: str
    count: int
    references: frozenset[str] = frozenset()
    identifiers: Identifiers = field(default_factory=Identifiers)
    types: Counter[str] = field(default_factory=Counter)
    denied: Counter[str] = field(default_factory=Counter)


def read(body: Json, *, consent: bool) -> list[Rows]:
    """The members of a request, by the destinations that they name. `consent`: whether rows need it. Raises DataError."""
    members = body.get("audienceMembers")
    if not isinstance(members, list) or not members:
        raise bad(Violation("audience_members", "REQUIRED_FIELD_MISSING", "The field is required"))
    if len(members) > MAX_MEMBERS:
        said = f"At most {MAX_MEMBERS} audience members in a request, {len(members)} were sent"
        raise bad(Violation("audience_members", "TOO_MANY_AUDIENCE_MEMBERS", said))
    asked = _consent(body.get("consent"), "consent")
    groups: dict[tuple[str, ...], list[tuple[int, Any]]] = {}
    for place, member in enumerate(members):
        references = member.get("destinationReferences") if isinstance(member, dict) else None
        groups.setdefault(tuple(references or ()), []).append((place, member))
    kind = _kind(members)
    encoding = enum("encoding", body.get("encoding"), "encoding")
    if kind in ("userData", "compositeData") and encoding == "ENCODING_UNSPECIFIED":
        raise bad(Violation("encoding", "REQUIRED_FIELD_MISSING", "The field is required for user data"))
    found = []
    for references, group in groups.items():
        needed = asked if consent else None
        rows = _columns(kind, group, encoding, needed) or _slowly(kind, group, encoding, needed)
        rows.references = frozenset(references)
        found.append(rows)
    return found


def _kind(members: Sequence[Any]) -> str:
    """The one kind of data in the request. Raises DataError."""
    names = {name for shape in {frozenset(m) for m in members if isinstance(m, dict)} for name in shape}
    kinds = [k for k in KINDS if k in names or re.sub("[A-Z]", lambda m: "_" + m[0].lower(), k) in names]
    if partner := [k for k in PARTNERS if k in names]:
        said = f"{partner[0]} is only for data partners"
        raise DataError("PERMISSION_DENIED", said, reason="NOT_ALLOWLISTED")
    if len(kinds) > 1:
        said = "All members of a request need the same kind of data"
        raise bad(Violation("audience_members.audience_members[0]", "MULTIPLE_DATA_TYPES_NOT_ALLOWED", said))
    return kinds[0] if kinds else "compositeData"


def _consent(message: Any, path: str) -> Consent:
    asked = known(message, ("adUserData", "adPersonalization"), path) if message is not None else {}
    first, second = (enum("consent", asked.get(k), f"{path}.{k}") for k in ("adUserData", "adPersonalization"))
    return first, second


def _refusing(consent: Consent) -> str | None:
    """Why a row with this consent is not used."""
    if "CONSENT_DENIED" in consent:
        return "PROCESSING_ERROR_REASON_DENIED_CONSENT"
    return None if consent == ("CONSENT_GRANTED", "CONSENT_GRANTED") else "PROCESSING_ERROR_REASON_UNKNOWN_CONSENT"


def _overriding(own: Any, request: Consent, path: str) -> Consent:
    told = _consent(own, path)
    first, second = (mine if mine != "CONSENT_STATUS_UNSPECIFIED" else theirs for mine, theirs in zip(told, request, strict=True))
    return first, second


def _columns(kind: str, group: list[tuple[int, Any]], encoding: str, consent: Consent | None) -> Rows | None:
    """The usual request, read in columns: user data, nothing wrong, no consent of a row's own. None when it is another one."""
    if kind not in ("userData", "compositeData"):
        return None
    shapes = {frozenset(m) if isinstance(m, dict) else frozenset() for _, m in group}
    if any(shape - {kind, "destinationReferences"} or kind not in shape for shape in shapes):
        return None
    try:
        lists = [(m[kind]["userData"] if kind == "compositeData" else m[kind])["userIdentifiers"] for _, m in group]
        flat = [i for one in lists for i in one]
        emails, phones = ([i[name] for i in flat if name in i] for name in ("emailAddress", "phoneNumber"))
        addresses = [i["address"] for i in flat if "address" in i]
        usual = set(map(len, flat)) == {1} and len(emails) + len(phones) + len(addresses) == len(flat)
        sizes = set(map(len, lists))
        places = [tuple(a[name] for name in ADDRESS) for a in addresses if a.keys() == set(ADDRESS)]
        digests = [
            _digest_columns(column, encoding) for column in (emails, phones, [p[0] for p in places], [p[1] for p in places])
        ]
        usual = usual and len(places) == len(addresses) and all(p[3] and REGION.match(p[2]) for p in places)
    except (TypeError, KeyError, AttributeError, ValueError):
        return None
    if not usual or min(sizes) < 1 or max(sizes) > MAX_IDENTIFIERS:
        return None
    rows = Rows(kind, len(group), types=Counter({"EMAIL": len(emails), "PHONE_NUMBER": len(phones), "ADDRESS": len(places)}))
    if consent and (reason := _refusing(consent)):
        rows.denied[reason] = len(group)
        return rows
    given, family = digests[2:]
    packed = [_packed(given[32 * n : 32 * n + 32], family[32 * n : 32 * n + 32], p[2], p[3]) for n, p in enumerate(places)]
    found = {"e": digests_of(digests[0]), "p": digests_of(digests[1]), "a": digests_of(b"".join(packed), WITH_PLACE)}
    rows.identifiers = Identifiers({letter: column for letter, column in found.items() if len(column)})
    return rows


def _digest_columns(column: list[str], encoding: str) -> bytes:
    """A column's digests one after the other. Raises ValueError when one is not a SHA-256."""
    if encoding == "HEX":
        if not all(column) or not is_hex_column(column):
            raise ValueError("not SHA-256 in lower-case hex")
        return bytes.fromhex("".join(column))
    if set(map(len, column)) - {44}:
        raise ValueError("not SHA-256 in Base64")
    return b"".join([base64.b64decode(value, validate=True) for value in column])


def _packed(given: bytes, family: bytes, region: str, postal: str) -> bytes:
    return (given + family + region.upper().encode() + postal.encode())[:WITH_PLACE].ljust(WITH_PLACE, b"\0")


def _slowly(kind: str, group: list[tuple[int, Any]], encoding: str, consent: Consent | None) -> Rows:
    """Any request, member by member. Raises DataError with what is wrong with each."""
    rows, violations, identifiers = Rows(kind, len(group)), list[Violation](), list[bytes]()
    for place, given in group:
        path = f"audience_members.audience_members[{place}]"
        try:
            member = camels(known(given, MEMBER, path))
            reason = _refusing(_overriding(member.get("consent"), consent, f"{path}.consent")) if consent else None
            types, found = _identifiers(kind, member, path, encoding)
        except DataError as error:
            if not error.violations:
                raise
            violations += error.violations
            continue
        rows.types.update(types)
        if reason:
            rows.denied[reason] += 1
        else:
            identifiers += found
    if violations:
        raise bad(*violations)
    rows.identifiers = Identifiers.of(identifiers)
    return rows


def _identifiers(kind: str, member: Json, path: str, encoding: str) -> tuple[list[str], list[bytes]]:
    """The types and identifiers of one member."""
    data = member.get(kind)
    if not isinstance(data, dict):
        raise bad(Violation(path, "INVALID_AUDIENCE_MEMBER", "The member has no data"))
    if kind == "mobileData":
        ids = data.get("mobileIds") or []
        if not 0 < len(ids) <= MAX_MOBILE or not all(isinstance(i, str) and i for i in ids):
            raise bad(Violation(f"{path}.mobile_data.mobile_ids", "INVALID_MOBILE_ID_FORMAT", f"1 to {MAX_MOBILE} mobile ids"))
        return ["MOBILE_ID"] * len(ids), [b"m" + i.lower().encode() for i in ids]
    if kind == "userIdData":
        if not data.get("userId"):
            raise bad(Violation(f"{path}.user_id_data.user_id", "REQUIRED_FIELD_MISSING", "The field is required"))
        return ["USER_ID"], [b"i" + str(data["userId"]).encode()]
    at = f"{path}.user_data"
    if kind == "compositeData":
        at = f"{path}.composite_data.user_data"
        data = known(data, ("userData", "ipData"), f"{path}.composite_data").get("userData") or {}
    given = known(data, ("userIdentifiers",), at).get("userIdentifiers") or []
    if not given:
        raise bad(Violation(f"{at}.user_identifiers", "NO_IDENTIFIERS_PROVIDED", "At least one identifier is required"))
    if len(given) > MAX_IDENTIFIERS:
        said = f"At most {MAX_IDENTIFIERS} identifiers a member"
        raise bad(Violation(f"{at}.user_identifiers", "TOO_MANY_USER_IDENTIFIERS", said))
    found = [_identifier(one, f"{at}.user_identifiers[{n}]", encoding) for n, one in enumerate(given)]
    return [t for t, _ in found], [i for _, i in found]


def _identifier(given: Any, path: str, encoding: str) -> tuple[str, bytes]:
    one = {k: v for k, v in known(given, tuple(TYPES), path).items() if v}
    if len(one) != 1:
        raise bad(Violation(path, "REQUIRED_FIELD_MISSING", "One of email_address, phone_number and address is required"))
    name, value = next(iter(one.items()))
    if name == "address":
        return TYPES[name], _address(value, f"{path}.address", encoding)
    letter = b"e" if name == "emailAddress" else b"p"
    return TYPES[name], letter + _digest(value, f"{path}.{'email_address' if letter == b'e' else 'phone_number'}", encoding)


def _address(given: Any, path: str, encoding: str) -> bytes:
    parts = known(given, (*ADDRESS, "addressLine", "city", "administrativeArea"), path)
    names = {"givenName": "given_name", "familyName": "family_name", "regionCode": "region_code", "postalCode": "postal_code"}
    if missing := [
        Violation(f"{path}.{names[k]}", "REQUIRED_FIELD_MISSING", "The field is required") for k in ADDRESS if not parts.get(k)
    ]:
        raise bad(*missing)
    if not REGION.match(str(parts["regionCode"])):
        raise bad(Violation(f"{path}.region_code", "INVALID_REGION_CODE", "Two letters as in ISO 3166-1"))
    hashed = [_digest(parts[k], f"{path}.{names[k]}", encoding) for k in ("givenName", "familyName")]
    return b"a" + _packed(hashed[0], hashed[1], str(parts["regionCode"]), str(parts["postalCode"]))


def _digest(value: Any, path: str, encoding: str) -> bytes:
    try:
        raw = bytes.fromhex(str(value)) if encoding == "HEX" else base64.b64decode(str(value), validate=True)
    except ValueError as error:
        raise bad(Violation(path, f"INVALID_{encoding}_ENCODING", f"The value is not encoded as {encoding}")) from error
    if len(raw) != 32:
        raise bad(Violation(path, "INVALID_SHA256_FORMAT", "The value is not a SHA-256 hash"))
    return raw


def normal(kind: str, clear: str) -> bytes | None:
    """An identifier in clear text, in Google's normal form and hashed (Formatting user data); None for a kind not taken."""
    if kind == "email":
        local, at, host = clear.strip().lower().rpartition("@")
        if host in ("gmail.com", "googlemail.com"):
            local = local.partition("+")[0].replace(".", "")
        return b"e" + hashlib.sha256(f"{local}{at}{host}".encode()).digest()
    if kind == "phone":
        return b"p" + hashlib.sha256(f"+{re.sub(r'[^0-9]', '', clear)}".encode()).digest()
    return b"m" + clear.strip().lower().encode() if kind == "mobile" else None
