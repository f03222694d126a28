"""The catalogue of alerts: every code with severity, scope, title, cause, remedy and actions. The only place for these words.

In the texts `{channel}` is the platform's name; the other words in braces come with the alert's detail.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.models import Alert, Severity
from core.remedies import REMEDIES


class Scope(StrEnum):
    """What one alert is about: its cause is one for all syncs that share it."""

    SYNC = "sync"
    CONNECTION = "connection"
    ACCOUNT = "account"
    CHANNEL = "channel"
    ORGANIZATION = "organization"


class Route(StrEnum):
    """Who hears of it. `FAILURE`: the owners by DM and the alert conversation; the conversation set for the ad account or channel first."""

    FAILURE = "failure"
    CONNECTION = "connection"  # as a failure, and by DM to whose connection it is
    AHEAD = "ahead"  # by DM to whose connection it is; the conversation only on the last day
    ADMINISTRATORS = "administrators"  # the alert conversation and the administrators by DM
    WATCH = "watch"  # as a failure, though refreshes go on; the check that found it ends it
    OWNERS = "owners"  # by DM to the owners; no conversation


class Remedy(StrEnum):
    """What a person can do right in the message."""

    RETRY = "retry"
    RECONNECT = "reconnect"
    TAKE_OVER = "take_over"
    APPLY = "apply"
    KEEP = "keep"
    OPEN = "open"
    ACKNOWLEDGE = "acknowledge"
    SNOOZE = "snooze"
    DETAILS = "details"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One kind of alert."""

    severity: Severity
    scope: Scope
    title: str
    cause: str
    remedy: str
    actions: tuple[Remedy, ...]
    route: Route

    @property
    def fails(self) -> bool:
        """Whether it is why refreshes do not succeed: the first that succeeds ends it."""
        return self.route in (Route.FAILURE, Route.CONNECTION)


@dataclass(frozen=True, slots=True)
class Explained:
    """An alert in words for people."""

    severity: Severity
    title: str
    cause: str
    remedy: str
    actions: tuple[Remedy, ...]


_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
_LATER = (Remedy.ACKNOWLEDGE, Remedy.SNOOZE, Remedy.DETAILS)
_AGAIN = (Remedy.RETRY, Remedy.OPEN, *_LATER)
_GRANT = (Remedy.RECONNECT, Remedy.TAKE_OVER, *_LATER)
_LOOK = (Remedy.OPEN, *_LATER)
_GUARD = (Remedy.APPLY, Remedy.KEEP, *_LATER)


def _t(
    severity: Severity,
    scope: Scope,
    title: str,
    cause: str,
    remedy: str,
    actions: tuple[Remedy, ...],
    route: Route = Route.FAILURE,
) -> Trouble:
    return Trouble(severity, scope, title, cause, remedy, actions, route)


CATALOGUE: dict[str, Trouble] = {
    "connection_expiring": _t(_WARNING, Scope.CONNECTION, "A connection ends soon", "The connection to {channel} ends on {ends}.", "Reconnect now; it takes one click and nothing stops.", (Remedy.RECONNECT, *_LATER), Route.AHEAD),
    "connection_expired": _t(_ERROR, Scope.CONNECTION, "A connection has ended", "The connection to {channel} has expired.", "Whoever it belongs to reconnects, or somebody with access to the ad account takes over.", _GRANT, Route.CONNECTION),
    "connection_revoked": _t(_ERROR, Scope.CONNECTION, "{channel} no longer accepts a connection", "{channel} no longer accepts this connection: its password was changed, or its access was taken back.", "Whoever it belongs to reconnects, or somebody with access to the ad account takes over.", _GRANT, Route.CONNECTION),
    "ad_account_access_lost": _t(_ERROR, Scope.ACCOUNT, "No access to the ad account any more", "The connection can no longer reach this ad account on {channel}.", "Ask an admin of the ad account for access, then retry; or somebody who has access takes over.", (Remedy.TAKE_OVER, *_AGAIN)),
    "ad_account_disabled": _t(_ERROR, Scope.ACCOUNT, "The ad account is disabled", "{channel} has disabled this ad account.", "Open the account's quality or billing page on {channel}, settle what is asked there, then retry.", _AGAIN),
    "channel_terms_not_accepted": _t(_ERROR, Scope.ACCOUNT, "Terms are waiting to be accepted", "{channel} asks that its audience terms be accepted for this ad account.", "Open {channel}, accept the custom audience terms, then retry.", _AGAIN),
    "channel_permission_missing": _t(_ERROR, Scope.CONNECTION, "A permission is missing", "The connection lacks a permission that {channel} asks for: not every box was ticked.", "Reconnect and leave every box ticked.", _GRANT, Route.CONNECTION),
    "audience_deleted": _t(_ERROR, Scope.SYNC, "The audience was deleted on {channel}", "Somebody deleted the audience on {channel}; campaigns that used it have lost it.", "Retry creates it anew and fills it; campaigns must be pointed to the new one.", _AGAIN),
    "audience_flagged": _t(_ERROR, Scope.SYNC, "{channel} has flagged the audience", "{channel} reviews this audience and takes no more uploads to it.", "Open the audience on {channel} and answer what is asked there, then retry; or delete the sync and create it anew.", _AGAIN),
    "audience_limit_reached": _t(_ERROR, Scope.ACCOUNT, "The ad account is full of audiences", "The ad account holds as many audiences as {channel} allows.", "Delete audiences on {channel} that nobody uses, then retry.", _AGAIN),
    "audience_too_small": _t(_INFO, Scope.SYNC, "The audience is too small to serve", "{channel} matches {matched} and serves no audience of fewer than {minimum}.", "Widen the segment, or wait until more members match.", _LOOK, Route.OWNERS),
    "segment_deleted": _t(_ERROR, Scope.SYNC, "The segment is gone", "The segment no longer exists in its source.", "Bring it back in the source and retry, or delete the sync.", _AGAIN),
    "segment_empty": _t(_ERROR, Scope.SYNC, "The segment came back empty", "The segment has no members now; nothing was sent, the audience keeps everybody.", "Apply empties the audience; Keep leaves it as it is until the next refresh.", _GUARD),
    "segment_shrunk": _t(_WARNING, Scope.SYNC, "A refresh would remove many people", "This refresh would remove {removals} of {delivered} members; nothing was sent.", "Apply removes them; Keep leaves the old audience until the next refresh.", _GUARD),
    "source_unreachable": _t(_ERROR, Scope.SYNC, "The source does not answer", "The segment's source could not be read.", "Check the source, then retry; it is tried again by itself as well.", _AGAIN),
    "source_query_failed": _t(_ERROR, Scope.SYNC, "The segment cannot be read", "The source answered, but not with what was expected: {what}", "Correct the segment in its source, then retry.", _AGAIN),
    "consent_missing": _t(_ERROR, Scope.SYNC, "Consent has not been declared", "{channel} asks for consent and this segment has no consent column.", "Give the segment a column that says who has consented and name it as consent in the source's settings, then retry.", _AGAIN),
    "low_match_rate": _t(_WARNING, Scope.SYNC, "Fewer people are matched than usual", "{channel} matches {now} of what was delivered; it used to be {before}.", "Look at the segment's identifiers: formats or countries may have changed.", _LOOK, Route.WATCH),
    "many_rejected": _t(_WARNING, Scope.SYNC, "{channel} refused members", "{rejected} of {members} members of this segment were refused: {reasons}.", "Details show the reasons; correct the values in the source.", _LOOK, Route.WATCH),
    "channel_rate_limited": _t(_WARNING, Scope.ACCOUNT, "{channel} asks us to slow down", "{channel} accepts no more requests for this ad account for now.", "Nothing to do: it goes on by itself.", _LOOK),
    "channel_unavailable": _t(_WARNING, Scope.CHANNEL, "{channel} does not answer", "{channel} has been failing for a while.", "Nothing to do: refreshes go on by themselves when it is back.", _AGAIN),
    "channel_not_allowlisted": _t(_ERROR, Scope.ACCOUNT, "The ad account may not upload audiences", "{channel} has not allowed this ad account to use customer lists.", "Ask {channel} for eligibility of the account.", _AGAIN),
    "channel_version_sunset": _t(_ERROR, Scope.CHANNEL, "{channel} has retired the version of its API in use", "{channel} no longer serves the version that segsync uses.", "The operator updates segsync or sets a newer version.", _AGAIN),
    "delivery_mismatch": _t(_WARNING, Scope.SYNC, "{channel} received fewer than were sent", "{channel} reports fewer members received than were sent.", "They are sent again once by themselves; what fails again is refused until its data changes.", _LOOK, Route.WATCH),
    "removal_refused": _t(_ERROR, Scope.SYNC, "{channel} refuses a removal", "{channel} does not let the audience become that small.", "Widen the segment, or delete the audience.", _AGAIN),
    "audience_expiring": _t(_WARNING, Scope.SYNC, "The audience will expire on {channel}", "{channel} forgets audiences that no campaign uses.", "Use it in a campaign, or delete the sync.", _LOOK, Route.WATCH),
    "refresh_overdue": _t(_WARNING, Scope.SYNC, "A refresh is overdue", "This sync has not been refreshed in time.", "Retry; if it stays overdue, tell the operator.", _AGAIN, Route.WATCH),
    "owner_deactivated": _t(_WARNING, Scope.CONNECTION, "Somebody has left", "The person whose connection runs these syncs has left the workspace.", "Somebody with access to the ad account takes over.", (Remedy.TAKE_OVER, *_LATER), Route.ADMINISTRATORS),
    "sync_limit_near": _t(_INFO, Scope.ORGANIZATION, "The sync limit is near", "{used} of {limit} syncs are in use.", "Pause syncs that nobody needs, or ask for a larger contract.", _LATER, Route.ADMINISTRATORS),
    "sync_limit_reached": _t(_WARNING, Scope.ORGANIZATION, "The sync limit is reached", "All {limit} syncs are in use.", "Pause syncs that nobody needs, or ask for a larger contract.", _LATER, Route.ADMINISTRATORS),
    "internal_error": _t(_ERROR, Scope.SYNC, "Something went wrong on our side", "segsync met something it did not expect.", "Retry; if it comes back, give the operator this alert's reference.", _AGAIN),
}  # fmt: skip


class _Words(dict[str, str]):
    """Words of an alert's detail; one that is missing leaves a sentence that still reads."""

    def __missing__(self, key: str) -> str:
        return "a day that is near" if key == "ends" else "some" if key != "what" else "…"


def explain(alert: Alert) -> Explained:
    """The alert in words."""
    return explain_code(alert.code, channel=alert.channel.label if alert.channel else "The platform", detail=alert.detail)


def explain_code(code: str, *, channel: str, detail: Mapping[str, str] | None = None) -> Explained:
    """The words for a code; an unknown one is an internal error."""
    trouble = CATALOGUE.get(code, CATALOGUE["internal_error"])
    words = _Words({"channel": channel} | dict(detail or {}))
    own = next((text for (known, at), text in REMEDIES.items() if known == code and at.label == channel), trouble.remedy)
    title, cause, remedy = (text.format_map(words) for text in (trouble.title, trouble.cause, own))
    return Explained(trouble.severity, title, cause, remedy, trouble.actions)
