"""What can go wrong, in words for whoever acts.

SegsyncError                    what happened, and what to do; the class docstring is the default message
├── UserError                   shown to whoever acted; never alerts
│   ├── NotAllowed              may ask an administrator
│   ├── NotFound
│   ├── InvalidInput            `field` names the input
│   ├── Conflict                somebody was faster; `current` is how things stand
│   └── LimitReached            `usage`
├── ChannelError                from a platform; `permanent` says whether trying again can help; maps to one alert code
│   ├── Unavailable, RateLimited                       not permanent
│   ├── OutcomeUnknown                                 not permanent: the request may have been applied
│   ├── SessionOver                                    not permanent: the whole of it has to be sent anew
│   └── NeedsReconnect, AccessLost, AccountDisabled, TermsNotAccepted, PermissionMissing, AudienceGone, Rejected,
│       AudienceFlagged, AudienceLimit, RemovalRefused, NotAllowlisted, VersionSunset, ConsentMissing
├── SourceError                 SourceUnavailable, QueryFailed, SegmentGone, ColumnsMissing, SegmentTorn
├── LeaseLost                   inside a refresh: somebody else goes on
└── ConfigError                 at start only
"""

from collections.abc import Mapping, Sequence


class SegsyncError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class UserError(SegsyncError):
    """That did not work."""


class NotAllowed(UserError):
    """Your role does not allow this. An administrator can help."""

    def __init__(self, message: str | None = None, *, action: str = "", may_ask: str | None = None) -> None:
        super().__init__(message)
        self.action = action
        self.may_ask = may_ask  # the kind of request (RequestKind value) that this person may make instead


class NotFound(UserError):
    """There is no such thing here, or it has been deleted."""


class InvalidInput(UserError):
    """Something in the form needs another look."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class Conflict(UserError):
    """Somebody changed this in the meantime."""

    def __init__(self, message: str | None = None, *, current: object = None) -> None:
        super().__init__(message)
        self.current = current


class LimitReached(UserError):
    """All syncs of your contract are in use."""

    def __init__(self, message: str | None = None, *, used: int, limit: int) -> None:
        super().__init__(message)
        self.used = used
        self.limit = limit


class ChannelError(SegsyncError):
    """The platform refused the request."""

    permanent = True
    code = "internal_error"  # the alert that it becomes

    def __init__(self, message: str | None = None, *, detail: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.detail = dict(detail or {})


class Unavailable(ChannelError):
    """The platform does not answer."""

    permanent = False
    code = "channel_unavailable"


class RateLimited(Unavailable):
    """The platform asks for fewer requests."""

    code = "channel_rate_limited"

    def __init__(self, message: str | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds, as the platform said


class OutcomeUnknown(Unavailable):
    """The connection broke after the request was sent; it may have been carried out."""


class SessionOver(ChannelError):
    """The platform has closed this upload before its end."""

    permanent = False
    code = "channel_unavailable"


class NeedsReconnect(ChannelError):
    """The platform no longer accepts this connection."""

    code = "connection_revoked"

    def __init__(self, message: str | None = None, *, expired: bool = False) -> None:
        super().__init__(message)
        if expired:
            self.code = "connection_expired"


class AccessLost(ChannelError):
    """This connection can no longer reach the ad account."""

    code = "ad_account_access_lost"


class AccountDisabled(ChannelError):
    """The platform has disabled the ad account."""

    code = "ad_account_disabled"


class TermsNotAccepted(ChannelError):
    """The platform's audience terms have not been accepted for this ad account."""

    code = "channel_terms_not_accepted"

    def __init__(self, message: str | None = None, *, url: str | None = None) -> None:
        super().__init__(message, detail={"url": url} if url else None)
        self.url = url


class PermissionMissing(ChannelError):
    """The connection lacks a permission that the platform asks for."""

    code = "channel_permission_missing"


class AudienceGone(ChannelError):
    """The audience no longer exists on the platform."""

    code = "audience_deleted"


class AudienceFlagged(ChannelError):
    """The platform has flagged the audience and takes no more uploads to it."""

    code = "audience_flagged"


class AudienceLimit(ChannelError):
    """The ad account holds as many audiences as the platform allows."""

    code = "audience_limit_reached"


class NotAllowlisted(ChannelError):
    """The platform does not allow this ad account to upload audiences."""

    code = "channel_not_allowlisted"


class VersionSunset(ChannelError):
    """The platform no longer serves the version of its API that segsync uses."""

    code = "channel_version_sunset"


class ConsentMissing(ChannelError):
    """The channel asks for consent that nobody has declared."""

    code = "consent_missing"


class RemovalRefused(ChannelError):
    """The platform refuses to make the audience that small."""

    code = "removal_refused"


class Rejected(ChannelError):
    """The platform refuses members of this batch: split it to find which. `rows` are their places, where it says."""

    code = "many_rejected"

    def __init__(self, message: str | None = None, *, reason: str = "invalid", rows: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.reason = reason
        self.rows = tuple(rows)


class SourceError(SegsyncError):
    """The segment's source cannot be read."""

    code = "source_unreachable"


class SourceUnavailable(SourceError):
    """The source does not answer."""


class QueryFailed(SourceError):
    """The source refused the query."""

    code = "source_query_failed"


class SegmentGone(SourceError):
    """The segment no longer exists in its source."""

    code = "segment_deleted"


class ColumnsMissing(SourceError):
    """The segment lacks the columns that members are known by."""

    code = "source_query_failed"

    def __init__(self, message: str | None = None, *, missing: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.missing = tuple(missing)


class SegmentTorn(SourceError):
    """The segment changed while it was read; it will be read again."""

    code = "source_unreachable"


class LedgerUnavailable(SegsyncError):
    """The store of the ledgers does not answer now, or what was written there is not known to be durable."""


class LeaseLost(SegsyncError):
    """Another worker has taken over this refresh, or it was stopped: nothing more may be written or sent."""


class ConfigError(SegsyncError):
    """The settings do not fit together."""
