"""How the product says things: signs, numbers, times, names. Pure; every text from outside is escaped here or by the caller."""

from collections.abc import Sequence
from datetime import datetime

from bot.blocks.kit import esc
from core.models import OPERATOR, Channel, Connection, ConnectionStatus, Severity, Sync, SyncStatus

SIGNS = {
    SyncStatus.SYNCING: ("🔄", "Syncing"),
    SyncStatus.SYNCED: ("✅", "Synced"),
    SyncStatus.FAILED: ("🔴", "Failed"),
    SyncStatus.INACTIVE: ("⏸️", "Inactive"),
}
SEVERITIES = {Severity.ERROR: "🔴", Severity.WARNING: "🟠", Severity.INFO: "🔵"}
_CONNECTIONS = {
    ConnectionStatus.CONNECTED: "✅ Connected",
    ConnectionStatus.EXPIRING: "🟠 Connected, ends soon",
    ConnectionStatus.EXPIRED: "🔴 Expired",
    ConnectionStatus.REVOKED: "🔴 No longer accepted",
    ConnectionStatus.MISSING: "⚪ Not connected",
}


def status(of: SyncStatus) -> str:
    """A sign and a word: colour alone says nothing to many."""
    sign, word = SIGNS[of]
    return f"{sign} *{word}*"


def number(n: int | None) -> str:
    """18,204; a dash where nobody has counted yet."""
    return "–" if n is None else f"{n:,}"


def when(at: datetime | None, otherwise: str = "not yet") -> str:
    """A moment in the reader's own zone: Slack writes it for each reader."""
    if at is None:
        return otherwise
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}}, {{time}}|{at:%Y-%m-%d %H:%M} UTC>"


def person(user_id: str) -> str:
    """A mention, which shows the name and notifies nobody in a modal or an ephemeral message."""
    return "the operator" if user_id == OPERATOR else f"<@{user_id}>"


def route(sync: Sync) -> str:
    """Segment → channel · ad account (short id): how a sync is named everywhere."""
    return f"{esc(sync.segment_name)} → {sync.channel.label} · {esc(sync.account_name)} (`{sync.short}`)"


def plain_route(sync: Sync) -> str:
    """The same without markup, for notifications."""
    return f"{sync.segment_name} → {sync.channel.label} · {sync.account_name} ({sync.short})"


def connection_status(connection: Connection | None) -> str:
    """How one's own connection stands."""
    if connection is None:
        return _CONNECTIONS[ConnectionStatus.MISSING]
    said = _CONNECTIONS[connection.status]
    if connection.status in (ConnectionStatus.CONNECTED, ConnectionStatus.EXPIRING) and connection.person_name:
        said += f" as {esc(connection.person_name)}"
    if connection.ends_at and connection.status is not ConnectionStatus.MISSING:
        said += f", until {when(connection.ends_at)}"
    return said


def bar(used: int, limit: int, width: int = 20) -> str:
    """Usage as a bar; never empty when something is used."""
    filled = 0 if limit <= 0 else min(width, round(used / limit * width))
    return "█" * max(filled, 1 if used else 0) + "░" * (width - max(filled, 1 if used else 0))


def channel(text: str) -> Channel | None:
    """The channel that somebody means: its name or any clear beginning of it."""
    said = text.strip().lower().removesuffix(" ads")
    also = {"facebook": Channel.META, "fb": Channel.META, "instagram": Channel.META, "adwords": Channel.GOOGLE}
    if said in also:
        return also[said]
    return next((c for c in Channel if len(said) >= 3 and c.value.startswith(said)), None)


def value(sync: Sync) -> str:
    """What a button about a sync carries: its id and the version that the reader saw."""
    return f"{sync.id}:{sync.version}"


_REASONS = {
    "no_consent": "without consent",
    "no_identifier": "without an identifier",
    "email_invalid": "e-mail addresses that are none",
    "phone_invalid": "phone numbers that are none",
    "mobile_invalid": "mobile ids that are none",
    "too_many_identifiers": "identifiers beyond what one member may have",
    "kind_left_out": "identifiers of a kind that cannot share this audience",
}


def reason(why: str) -> str:
    """Why members or identifiers are left out: our own reasons in words, a platform's as it says it."""
    return _REASONS.get(why) or esc(why.replace("_", " "))


_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[int]) -> str:
    """A row of bars from the lowest to the highest value; level ones are drawn in the middle."""
    low, high = min(values), max(values)
    if low == high:
        return _BARS[3] * len(values)
    return "".join(_BARS[round((v - low) / (high - low) * (len(_BARS) - 1))] for v in values)


def lasted(seconds: float) -> str:
    """A length of time as people say it."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
