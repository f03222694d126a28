"""LinkedIn's errors in our words: one table, from its pages on error responses, versioning, rate limits and DMP segments.

An error is known by its code, else by the number beside it, else by the HTTP status. LinkedIn answers 403 for very different
reasons under one code; there its sentence tells which. Its sentences may quote what was sent, so none of them is passed on.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import (
    AccessLost,
    AccountDisabled,
    AudienceGone,
    AudienceLimit,
    ChannelError,
    NeedsReconnect,
    PermissionMissing,
    RateLimited,
    Rejected,
    TermsNotAccepted,
    Unavailable,
    VersionSunset,
)

ACCOUNT_URL = "https://www.linkedin.com/campaignmanager/accounts/{}"
# code, or number (`serviceErrorCode`), or HTTP status
TABLE: dict[str | int, type[ChannelError]] = {
    "INVALID_ACCESS_TOKEN": NeedsReconnect,
    "REVOKED_ACCESS_TOKEN": NeedsReconnect,
    "EXPIRED_ACCESS_TOKEN": NeedsReconnect,
    "NONEXISTENT_VERSION": VersionSunset,
    "SEGMENT_LIMIT_EXCEEDED": AudienceLimit,
    "TOO_MANY_REQUESTS": RateLimited,
    65600: NeedsReconnect,
    65601: NeedsReconnect,
    65602: NeedsReconnect,
    101: RateLimited,
    401: NeedsReconnect,
    403: AccessLost,
    404: AudienceGone,
    408: Unavailable,
    409: Unavailable,  # found again by our key at the next try
    413: Rejected,
    423: Unavailable,
    426: VersionSunset,
    429: RateLimited,
}
REVOKED = ("REVOKED_ACCESS_TOKEN", 65601)
EXPIRED = ("EXPIRED_ACCESS_TOKEN", 65602)
# what a 403 is about, by LinkedIn's sentence, the first one that fits
DENIED: Sequence[tuple[str, type[ChannelError]]] = (
    (r"(?i)\bterms\b|agreement", TermsNotAccepted),
    (r"(?i)not active|cancel|disabled|on hold|closed", AccountDisabled),
    (r"(?i)not enough permissions to access: (dmpSegments|adAccountUsers|adSegments|userinfo|me)\b", PermissionMissing),
)
# why an element is refused, by LinkedIn's sentence: what the counts call it
REASONS: Sequence[tuple[str, str]] = (
    (r"(?i)idValue|sha256_email|hash", "email_invalid"),
    (r"(?i)idType", "id_type_refused"),
    (r"(?i)domain", "domain_invalid"),
    (r"(?i)pageurl|organization", "page_invalid"),
    (r"(?i)required", "no_identifier"),
)
PASSING = (404, 408, 409, 423, 429, 500, 502, 503, 504)  # statuses of an element that may go through at the next try
_PLACE = re.compile(r"/?elements[/\[](\d+)")
_SAID: dict[type[ChannelError], str] = {
    Unavailable: "LinkedIn does not answer well at the moment.",
    RateLimited: "LinkedIn asks for fewer requests.",
    NeedsReconnect: "LinkedIn no longer accepts this connection: log in again.",
    AccessLost: "This LinkedIn connection may not manage audiences in this ad account.",
    AccountDisabled: "LinkedIn says that this ad account is not active.",
    TermsNotAccepted: "LinkedIn's Matched Audiences terms have not been accepted for this ad account.",
    PermissionMissing: "The LinkedIn connection, or segsync's app at LinkedIn, lacks the permission to manage audiences.",
    AudienceGone: "The audience no longer exists on LinkedIn.",
    AudienceLimit: "The ad account holds as many audiences as LinkedIn allows: delete some in Campaign Manager.",
    VersionSunset: "LinkedIn no longer serves the version of its API that segsync asks for.",
}


def error_of(status: int, body: Any, *, account_id: str = "", retry_after: float | None = None) -> ChannelError:
    """Our error for an answer of LinkedIn's that is not a success."""
    told: Mapping[str, Any] = body if isinstance(body, dict) else {}
    code, number = str(told.get("code") or ""), told.get("serviceErrorCode")
    number = number if isinstance(number, int) else 0
    kind = TABLE.get(code) or TABLE.get(number) or TABLE.get(status)
    if kind is AccessLost:
        otherwise = AccessLost if account_id else PermissionMissing  # what is not about one account is about the consent
        kind = next((k for pattern, k in DENIED if re.search(pattern, str(told.get("message", "")))), otherwise)
    if kind is RateLimited:
        return RateLimited(_SAID[RateLimited], retry_after=retry_after)
    if kind is NeedsReconnect:
        expired = code in EXPIRED or number in EXPIRED
        said = "The LinkedIn connection has expired: log in again." if expired else _SAID[NeedsReconnect]
        return NeedsReconnect(said, expired=expired)
    if kind is TermsNotAccepted:
        return TermsNotAccepted(_SAID[TermsNotAccepted], url=ACCOUNT_URL.format(account_id))
    if kind is Rejected:
        return Rejected("LinkedIn refuses this batch: it is too large.", reason="batch_refused")
    if kind is not None:
        return kind(_SAID[kind])
    if status >= 500:
        return Unavailable(_SAID[Unavailable])
    if places := _places(told):
        return Rejected("LinkedIn refuses members of this batch.", reason=reason_of(told), rows=places)
    return ChannelError(f"LinkedIn refused the request ({status}{f', {code}' if re.fullmatch('[A-Z_]+', code) else ''}).")


def is_revoked(body: Any) -> bool:
    """Whether a 401 says that the person took the token back, so that refreshing it cannot help."""
    return isinstance(body, dict) and (body.get("code") in REVOKED or body.get("serviceErrorCode") in REVOKED)


def reason_of(element: Mapping[str, Any]) -> str:
    """What the counts call the refusal of one element; never LinkedIn's own sentence."""
    error = element.get("error")
    told = error if isinstance(error, dict) else element
    message = str(told.get("message", ""))
    return next((reason for pattern, reason in REASONS if re.search(pattern, message)), "refused")


def _places(told: Mapping[str, Any]) -> list[int]:
    """The places of the elements that a refusal of the whole request names (Error responses: `inputErrors`)."""
    details = told.get("errorDetails")
    errors = details.get("inputErrors", ()) if isinstance(details, dict) else ()
    paths = [str(e.get("input", {}).get("inputPath", {}).get("fieldPath", "")) for e in errors if isinstance(e, dict)]
    found = [int(place) for text in (*paths, str(told.get("message", ""))) for place in _PLACE.findall(text)]
    return sorted(set(found))
