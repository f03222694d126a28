"""JSON as Google's APIs read it (proto3's JSON form): camel or snake case, enums by name or number, large numbers as texts."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.google_errors import DataError, Violation, bad
from sandbox.platforms.platform import Json

ENUMS: dict[str, tuple[str, ...]] = {
    "encoding": ("ENCODING_UNSPECIFIED", "HEX", "BASE64"),
    "consent": ("CONSENT_STATUS_UNSPECIFIED", "CONSENT_GRANTED", "CONSENT_DENIED"),
    "terms": ("TERMS_OF_SERVICE_STATUS_UNSPECIFIED", "ACCEPTED", "REJECTED"),
    "account": (
        "ACCOUNT_TYPE_UNSPECIFIED", "GOOGLE_ADS", "DISPLAY_VIDEO_PARTNER", "DISPLAY_VIDEO_ADVERTISER", "DATA_PARTNER",
        "GOOGLE_ANALYTICS_PROPERTY", "GOOGLE_AD_MANAGER_AUDIENCE_LINK", "FLOODLIGHT_CONFIG", "GOOGLE_AD_MANAGER",
    ),
    "membership": ("MEMBERSHIP_STATUS_UNSPECIFIED", "OPEN", "CLOSED"),
    "key": ("UPLOAD_KEY_TYPE_UNSPECIFIED", "CONTACT_ID", "MOBILE_ID", "USER_ID", "PAIR_ID", "PSEUDONYMOUS_ID"),
    "source": (
        "DATA_SOURCE_TYPE_UNSPECIFIED", "DATA_SOURCE_TYPE_FIRST_PARTY", "DATA_SOURCE_TYPE_THIRD_PARTY_CREDIT_BUREAU",
        "DATA_SOURCE_TYPE_THIRD_PARTY_VOTER_FILE", "DATA_SOURCE_TYPE_THIRD_PARTY_PARTNER_DATA",
    ),
}  # fmt: skip


def camel(name: str) -> str:
    """`user_data` and `userData` as `userData`."""
    return re.sub(r"_([a-z0-9])", lambda m: m[1].upper(), name)


def snake(name: str) -> str:
    """`userData` as `user_data`."""
    return re.sub(r"[A-Z]", lambda m: f"_{m[0].lower()}", name)


def camels(value: Any) -> Any:
    """A whole message with its names in camel case."""
    if isinstance(value, dict):
        return {camel(k): camels(v) for k, v in value.items()}
    return [camels(v) for v in value] if isinstance(value, list) else value


def enum(kind: str, value: Any, path: str) -> str:
    """An enum's name, from name or number; the unspecified one when it is missing. Raises DataError."""
    names = ENUMS[kind]
    if value is None:
        return names[0]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return names[value]
    if value in names:
        return str(value)
    raise bad(Violation(path, "INVALID_ENUM_VALUE", f"{str(value)[:40]!r} is not a value of this enum"))


def known(message: Any, fields: Mapping[str, Any] | tuple[str, ...], path: str = "") -> Json:
    """The message in camel case. Raises DataError when it is none, or has a field that this message does not have."""
    if not isinstance(message, dict):
        raise unknown_name("", path)
    found = {camel(k): v for k, v in message.items()}
    if strange := found.keys() - set(fields):
        raise unknown_name(sorted(strange)[0], path)
    return found


def unknown_name(name: str, path: str) -> DataError:
    """A field that does not exist, as Google's front end says it."""
    at = f" at '{path}'" if path else ""
    said = f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.'
    return DataError("INVALID_ARGUMENT", said, violations=[Violation(path or name, "INVALID_ARGUMENT", said)])


def seconds(duration: Any, path: str) -> int:
    """`46656000s` as a number. Raises DataError."""
    match = re.fullmatch(r"(\d+)(?:\.0+)?s", str(duration))
    if match is None:
        raise bad(Violation(path, "INVALID_FORMAT", "A duration is a number of seconds and an s"))
    return int(match[1])


def instant(timestamp: Any, path: str) -> float:
    """`2026-01-02T03:04:05.678901234Z` in seconds since 1970. Raises DataError."""
    text = re.sub(r"(\.\d{6})\d+", r"\1", str(timestamp)).replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise bad(Violation(path, "INVALID_FORMAT", "A time is written as in RFC 3339")) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
