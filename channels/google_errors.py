"""Google's errors in our words: one table, from its pages on errors of the Data Manager API and of the Google Ads API.

An error is known by the reason of a field, else by the code of a Google Ads failure, else by the reason of the whole, else by its
status, else by the HTTP status. Google's sentences may quote what was sent, so none of them is passed on.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.errors import (
    AccessLost,
    AccountDisabled,
    AudienceGone,
    ChannelError,
    NeedsReconnect,
    NotAllowlisted,
    PermissionMissing,
    RateLimited,
    Rejected,
    TermsNotAccepted,
    Unavailable,
    VersionSunset,
)

AUDIENCES_URL = "https://ads.google.com/aw/audiences/management"


class NameTaken(ChannelError):
    """Another audience of the ad account has this name."""


class UnknownRequest(ChannelError):
    """Google does not know, or no longer knows, the request whose status was asked for."""


class NoSuchAddress(ChannelError):
    """Google has nothing at this address: the operator looks at the addresses and versions in the settings."""


# reason, code or status as Google writes it, or HTTP status
TABLE: dict[str | int, type[ChannelError]] = {
    "TERMS_AND_CONDITIONS_NOT_SIGNED": TermsNotAccepted,
    "NOT_ALLOWLISTED": NotAllowlisted,
    "ADVERTISER_NOT_ALLOWLISTED_FOR_UPLOADED_DATA": NotAllowlisted,
    "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE": NotAllowlisted,
    "DISPLAY_NAME_ALREADY_USED": NameTaken,
    "INVALID_REQUEST_ID": UnknownRequest,
    "REQUEST_TOO_OLD": UnknownRequest,
    "INVALID_USER_LIST_ID": AudienceGone,
    "OWNERSHIP_REQUIRED_FOR_UPDATE": AccessLost,
    "USER_LIST_MUTATION_NOT_SUPPORTED": AccessLost,
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": PermissionMissing,
    "ACCESS_TOKEN_EXPIRED": NeedsReconnect,
    "ACCESS_TOKEN_TYPE_UNSUPPORTED": NeedsReconnect,
    "CREDENTIALS_MISSING": NeedsReconnect,
    "ACCOUNT_STATE_INVALID": NeedsReconnect,
    "OAUTH_TOKEN_EXPIRED": NeedsReconnect,
    "OAUTH_TOKEN_REVOKED": NeedsReconnect,
    "OAUTH_TOKEN_INVALID": NeedsReconnect,
    "GOOGLE_ACCOUNT_DELETED": NeedsReconnect,
    "TWO_STEP_VERIFICATION_NOT_ENROLLED": NeedsReconnect,
    "NOT_ADS_USER": AccessLost,
    "CUSTOMER_NOT_FOUND": AccessLost,
    "USER_PERMISSION_DENIED": AccessLost,
    "CUSTOMER_NOT_ENABLED": AccountDisabled,
    "SERVICE_DISABLED": ChannelError,
    "UNSUPPORTED_VERSION": VersionSunset,
    "RATE_LIMIT_EXCEEDED": RateLimited,
    "RESOURCE_TEMPORARILY_EXHAUSTED": RateLimited,
    "RESOURCE_EXHAUSTED": RateLimited,
    "TRANSIENT_ERROR": Unavailable,
    "INTERNAL_ERROR": Unavailable,
    "INTERNAL": Unavailable,
    "UNAVAILABLE": Unavailable,
    "DEADLINE_EXCEEDED": Unavailable,
    "UNKNOWN": Unavailable,
    "ABORTED": Unavailable,
    "UNAUTHENTICATED": NeedsReconnect,
    "PERMISSION_DENIED": AccessLost,
    "NOT_FOUND": AudienceGone,
    401: NeedsReconnect,
    403: AccessLost,
    404: NoSuchAddress,
    408: Unavailable,
    413: Rejected,
    429: RateLimited,
}
HANDLED = (NameTaken, UnknownRequest)  # of these nobody hears
EXPIRED = ("ACCESS_TOKEN_EXPIRED", "OAUTH_TOKEN_EXPIRED")
# what the counts call a refused member, by the field that is wrong
REASONS: Sequence[tuple[str, str]] = (
    ("email_address", "email_invalid"),
    ("phone_number", "phone_invalid"),
    ("address", "address_invalid"),
    ("mobile_ids", "mobile_invalid"),
    ("consent", "no_consent"),
    ("user_identifiers", "no_identifier"),
)
# why the asynchronous work leaves members out (Diagnostics): what the counts call it
PROCESSING: Mapping[str, str] = {
    "PROCESSING_ERROR_REASON_DENIED_CONSENT": "no_consent",
    "PROCESSING_ERROR_REASON_NO_CONSENT": "no_consent",
    "PROCESSING_ERROR_REASON_UNKNOWN_CONSENT": "no_consent",
    "PROCESSING_ERROR_REASON_INVALID_FORMAT": "format_invalid",
    "PROCESSING_ERROR_REASON_INTERNAL_ERROR": "channel_failed",
}
DAY_QUOTA_S = 3_600.0  # a day's quota comes back at midnight in California; asked for once an hour
_PLACE = re.compile(r"audience_members(?:\.audience_members)?\[(\d+)\]")
_SAID: dict[type[ChannelError], str] = {
    Unavailable: "Google does not answer well at the moment.",
    NeedsReconnect: "Google no longer accepts this connection: log in again.",
    AccessLost: "This Google connection may not manage audiences in this ad account.",
    AccountDisabled: "Google says that this ad account is not enabled.",
    PermissionMissing: "The Google connection lacks a permission: not every box was ticked.",
    AudienceGone: "The audience no longer exists in Google Ads.",
    NotAllowlisted: "Google does not allow this ad account to use Customer Match.",
    VersionSunset: "Google no longer serves the version of the Google Ads API that segsync asks for.",
}


def error_of(status: int, body: Any, *, retry_after: float | None = None) -> ChannelError:
    """Our error for an answer of Google's that is not a success."""
    names = list(_names(status, body))
    if places := _places(body):
        return Rejected("Google refuses members of this batch.", reason=_reason(body), rows=places)
    name, kind = next(((n, TABLE[n]) for n in names if n in TABLE), ("", None))
    if kind is RateLimited:
        wait = DAY_QUOTA_S if "PerDay" in _quota(body) else None
        return RateLimited("Google asks for fewer requests.", retry_after=retry_after if retry_after is not None else wait)
    if kind is NeedsReconnect:
        expired = name in EXPIRED
        return NeedsReconnect("The Google connection has expired: log in again." if expired else _SAID[kind], expired=expired)
    if kind is TermsNotAccepted:
        said = "Google's Customer Match terms have not been accepted in this ad account."
        return TermsNotAccepted(said, url=AUDIENCES_URL)
    if kind is Rejected:
        return Rejected("Google refuses this batch: it is too large.", reason="batch_refused")
    if name == "SERVICE_DISABLED":
        return ChannelError("An API is not enabled in segsync's own Google Cloud project: the operator enables it there.")
    if kind is not None:
        return kind(_SAID.get(kind))
    if status >= 500:
        return Unavailable(_SAID[Unavailable])
    told = next((str(n) for n in names if isinstance(n, str) and re.fullmatch("[A-Z0-9_]+", n)), "")
    return ChannelError(f"Google refused the request ({status}{f', {told}' if told else ''}).")


def _error(body: Any) -> Mapping[str, Any]:
    """The error in an answer; `searchStream` wraps it in a list."""
    inner = body[0] if isinstance(body, list) and body else body
    error = inner.get("error") if isinstance(inner, dict) else None
    return error if isinstance(error, dict) else {}


def _details(body: Any) -> Iterator[Mapping[str, Any]]:
    yield from (d for d in _error(body).get("details") or () if isinstance(d, dict))


def _violations(body: Any) -> Iterator[Mapping[str, Any]]:
    for detail in _details(body):
        yield from (v for v in detail.get("fieldViolations") or () if isinstance(v, dict))


def _names(status: int, body: Any) -> Iterator[str | int]:
    """What the error is called, the most exact first."""
    yield from (str(v.get("reason", "")) for v in _violations(body))
    for detail in _details(body):
        for one in detail.get("errors") or ():
            yield from (str(code) for code in (one.get("errorCode") or {}).values())
    yield from (str(d["reason"]) for d in _details(body) if d.get("reason"))
    yield str(_error(body).get("status", ""))
    yield status


def _quota(body: Any) -> str:
    return next((str(q) for d in _details(body) if (q := (d.get("metadata") or {}).get("quota_limit"))), "")


def _places(body: Any) -> list[int]:
    """The places of the members that the violations name, at most a hundred at a time."""
    return sorted({int(m[1]) for v in _violations(body) if (m := _PLACE.search(str(v.get("field", ""))))})


def _reason(body: Any) -> str:
    fields = [str(v.get("field", "")) for v in _violations(body) if _PLACE.search(str(v.get("field", "")))]
    return next((reason for part, reason in REASONS if part in fields[0].rpartition("]")[2] or part in fields[0]), "refused")
