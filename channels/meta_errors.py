"""Meta's errors in our words: one table, from its pages on Marketing API error codes and on handling errors."""

from collections.abc import Mapping
from typing import Any

from core.errors import (
    AccessLost,
    AccountDisabled,
    AudienceFlagged,
    AudienceGone,
    ChannelError,
    NeedsReconnect,
    PermissionMissing,
    RateLimited,
    Rejected,
    RemovalRefused,
    SessionOver,
    TermsNotAccepted,
    Unavailable,
    VersionSunset,
)

TERMS_URL = "https://business.facebook.com/ads/manage/customaudiences/tos/?act={}"
# code, or (code, subcode): the most exact one wins
TABLE: dict[int | tuple[int, int], type[ChannelError]] = {
    1: Unavailable,
    2: Unavailable,
    3: PermissionMissing,
    4: RateLimited,
    10: PermissionMissing,
    17: RateLimited,
    32: RateLimited,
    102: NeedsReconnect,
    190: NeedsReconnect,
    200: AccessLost,
    270: PermissionMissing,
    294: PermissionMissing,
    341: RateLimited,
    368: AccountDisabled,
    613: RateLimited,
    2635: VersionSunset,
    2654: AccessLost,
    2655: TermsNotAccepted,
    2663: TermsNotAccepted,
    80000: RateLimited,
    80003: RateLimited,
    80004: RateLimited,
    80014: RateLimited,
    1870092: TermsNotAccepted,
    (100, 33): AudienceGone,
    (100, 1713228): AudienceFlagged,
    (100, 1713230): AudienceFlagged,
    (100, 1713231): AudienceFlagged,
    (200, 1870034): TermsNotAccepted,
    (200, 1870047): RemovalRefused,
    (200, 1870090): TermsNotAccepted,
    (200, 1870050): PermissionMissing,
    (2650, 1870145): Unavailable,
    (2650, 1870158): SessionOver,
    (2650, 1870159): SessionOver,
}
EXPIRED = (463, 467)
_SAID = {
    Unavailable: "Meta does not answer well at the moment.",
    RateLimited: "Meta asks for fewer requests for this ad account.",
    NeedsReconnect: "Meta no longer accepts this connection: log in again.",
    AccessLost: "This Meta connection may not manage audiences in this ad account.",
    AccountDisabled: "Meta has disabled this ad account.",
    TermsNotAccepted: "Meta's custom audience terms have not been accepted for this ad account.",
    PermissionMissing: "The Meta connection lacks the permission to manage ads.",
    AudienceGone: "The audience no longer exists on Meta.",
    AudienceFlagged: "Meta has flagged the audience and takes no more uploads to it.",
    RemovalRefused: "Meta refuses to make the audience that small.",
    SessionOver: "Meta has closed the upload before its end.",
    VersionSunset: "Meta no longer serves this version of its API.",
}


def error_of(status: int, body: Any, *, account_id: str = "", retry_after: float | None = None) -> ChannelError:
    """Our error for an answer of Meta's that is not a success."""
    told: Mapping[str, Any] = body.get("error", {}) if isinstance(body, dict) else {}
    if not told:
        return Unavailable(f"Meta answered {status} without saying why.")
    code, subcode = int(told.get("code", 0)), int(told.get("error_subcode", 0) or 0)
    kind = TABLE.get((code, subcode)) or TABLE.get(code)
    if kind is RateLimited:
        return RateLimited(_SAID[RateLimited], retry_after=retry_after)
    if kind is NeedsReconnect:
        expired = subcode in EXPIRED
        said = "The Meta connection has expired: log in again." if expired else _SAID[NeedsReconnect]
        return NeedsReconnect(said, expired=expired)
    if kind is TermsNotAccepted:
        return TermsNotAccepted(_SAID[TermsNotAccepted], url=TERMS_URL.format(account_id))
    if kind is not None:
        return kind(_SAID[kind])
    if told.get("is_transient") or status >= 500:
        return Unavailable(_SAID[Unavailable])
    if code == 100 and account_id and subcode == 0 and "rows" in str(told.get("message", "")):
        return Rejected("Meta refuses this batch.", reason="batch_refused")
    return ChannelError(f"Meta refused the request (code {code}{f', {subcode}' if subcode else ''}).")
