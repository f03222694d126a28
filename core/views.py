"""What use cases answer, drawn by the blocks: values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from core.models import Action, Alert, Campaign, Channel, Connection, Refresh, Request, Role, Segment, Sync, SyncStatus


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of the sync limit is used; `stale`: active syncs that were refreshed the longest ago."""

    used: int
    limit: int
    stale: tuple[Sync, ...] = ()

    @property
    def left(self) -> int:
        """Places that are free."""
        return max(self.limit - self.used, 0)


@dataclass(frozen=True, slots=True)
class Overview:
    """How things stand for one user and the organization."""

    organization: str
    connections: Mapping[Channel, Connection]
    active: Mapping[Channel, int]
    by_status: Mapping[SyncStatus, int]
    usage: Usage
    alerts: tuple[Alert, ...]
    connected: Mapping[Channel, tuple[int, int, int]] | None = None  # for administrators: so many, of so many, ending soon


@dataclass(frozen=True, slots=True)
class SyncPage:
    """Some rows of a list; `page` counts from 1."""

    rows: tuple[Sync, ...]
    page: int
    pages: int
    total: int
    waiting: Mapping[str, frozenset[str]] = field(default_factory=dict)  # sync → `held`, `pause`: what somebody has to decide


@dataclass(frozen=True, slots=True)
class Details:
    """One sync, whole. `segment` None: its source does not have it any more or does not answer."""

    sync: Sync
    refreshes: tuple[Refresh, ...]
    alerts: tuple[Alert, ...]
    segment: Segment | None
    run_as: Connection | None
    may: frozenset[Action]
    next_words: str
    cadence_words: str
    sizes: tuple[int, ...] = ()  # delivered, after each of the last refreshes, oldest first


@dataclass(frozen=True, slots=True)
class Impact:
    """What a pause touches: the campaigns that target the audience now; None where the channel did not answer, with `reason`."""

    sync: Sync
    campaigns: tuple[Campaign, ...] | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request with the sync that it is about; None: it is about none, or that has been deleted."""

    request: Request
    sync: Sync | None


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of the organization: the role, and what they have connected."""

    user_id: str
    role: Role
    connections: tuple[Connection, ...]


@dataclass(frozen=True, slots=True)
class ConnectLink:
    """A link for one use."""

    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the browser goes for consent, and the cookie by which it is known again."""

    url: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """A consent came back: whose, for what, and what waits for it in Slack. `problem`: why there is no connection."""

    org_id: str
    user_id: str
    channel: Channel
    back: Mapping[str, str]
    person_name: str = ""
    problem: str | None = None
    letter: str = ""  # what the direct message about it is filed under


@dataclass(frozen=True, slots=True)
class Preview:
    """What a segment would give a channel: rows, members that carry something it can match, and what is left out by reason.

    `minimum`: matched members below which the channel's audiences do not serve. `lacks_consent`: the channel asks for consent
    and the segment has no column that says it. `identifiers`: how many of one member the channel takes. `minutes`: what its quota
    needs at least to take them all; None: it has no such quota.
    """

    rows: int
    members: int
    matchable: int
    left_out: Mapping[str, int]
    minimum: int = 0
    lacks_consent: bool = False
    identifiers: int = 0
    minutes: int | None = None


@dataclass(frozen=True, slots=True)
class AlertView:
    """An alert with what a message shows of it. `left`: syncs that have got over it.

    `whose`: the user of the connection, if it is about one. `url`: where a person looks at it on the platform's own screens.
    """

    alert: Alert
    syncs: tuple[Sync, ...]
    left: tuple[Sync, ...] = ()
    whose: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What became of taking over the syncs of an alert; `refused`: with the reason, in words."""

    alert: AlertView
    taken: tuple[Sync, ...]
    refused: tuple[tuple[Sync, str], ...]


@dataclass(frozen=True, slots=True)
class Day:
    """How many refreshes ended well and badly on a day (UTC)."""

    day: date
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True)
class Change:
    """How many members a week's refreshes of a sync added and removed."""

    sync: Sync
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class Week:
    """Seven days in figures; `opened` and `resolved` count alerts."""

    days: tuple[Day, ...]
    opened: int
    resolved: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Digest:
    """What the weekly digest tells. `alerts`: those open now."""

    organization: str
    usage: Usage
    week: Week
    alerts: tuple[Alert, ...]
