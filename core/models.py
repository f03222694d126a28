"""The words of the product as values: frozen dataclasses and StrEnums. Times are aware and UTC, durations are timedelta."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum, StrEnum
from typing import Any, Final


class Role(StrEnum):
    """What a user may do; a user nobody gave a role is a viewer."""

    PRIMARY_ADMIN = "primary_admin"
    ABM_ADMIN = "abm_admin"
    MARKETING_USER = "marketing_user"
    VIEWER = "viewer"

    @property
    def label(self) -> str:
        """As it is shown to people."""
        return _ROLE_TITLES[self]

    @property
    def is_administrator(self) -> bool:
        """The primary and the ABM administrators together are the administrators."""
        return self in (Role.PRIMARY_ADMIN, Role.ABM_ADMIN)


_ROLE_TITLES = {
    Role.PRIMARY_ADMIN: "Primary Administrator",
    Role.ABM_ADMIN: "ABM Administrator",
    Role.MARKETING_USER: "Marketing User",
    Role.VIEWER: "View-only",
}


class Channel(StrEnum):
    """An ad platform; a Slack channel is called a conversation everywhere."""

    GOOGLE = "google"
    LINKEDIN = "linkedin"
    META = "meta"

    @property
    def label(self) -> str:
        """As it is shown to people."""
        return {"google": "Google", "linkedin": "LinkedIn", "meta": "Meta"}[self.value]


class SegmentKind(StrEnum):
    """Whether a segment's members are people or companies."""

    CONTACTS = "contacts"
    COMPANIES = "companies"


class IdentifierKind(StrEnum):
    """What a channel can match on."""

    EMAIL = "email"
    PHONE = "phone"
    ADDRESS = "address"  # first name + last name + country + postal code: one identifier, a tuple
    MOBILE = "mobile"
    DOMAIN = "domain"
    COMPANY = "company"
    PAGE = "page"


class SyncStatus(StrEnum):
    """The state of a sync. Active (all but inactive) ones use up the sync limit."""

    SYNCING = "syncing"
    SYNCED = "synced"
    FAILED = "failed"
    INACTIVE = "inactive"

    @property
    def is_active(self) -> bool:
        """Whether a sync in this state counts against the sync limit."""
        return self is not SyncStatus.INACTIVE


class Rank(IntEnum):
    """Who goes first where Slack's limits leave no room for all (spec, *One budget for Slack's limits*)."""

    ANSWER, STATE, ALERT, HOME, PROGRESS = range(5)


class RefreshState(StrEnum):
    """The state of one refresh (a row of `refresh_run`)."""

    QUEUED = "queued"
    RUNNING = "running"
    SETTLING = "settling"  # waits for the platform until `not_before`; holds no lease, no thread
    HELD = "held"  # the guard stopped it; somebody decides
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        """Whether the refresh still has something to do by itself."""
        return self in (RefreshState.QUEUED, RefreshState.RUNNING, RefreshState.SETTLING)


class RefreshKind(StrEnum):
    """Why a refresh was started, and how far it goes."""

    FIRST = "first"
    ROUTINE = "routine"
    REQUESTED = "requested"
    FULL = "full"  # full resync: the platform's own replace where there is one
    DRY = "dry"  # says what a refresh would change, sends nothing


class Phase(StrEnum):
    """Where a running refresh is; shown with its progress."""

    READING = "reading"
    COMPARING = "comparing"
    REMOVING = "removing"
    ADDING = "adding"
    SETTLING = "settling"
    CONFIRMING = "confirming"


class ConnectionStatus(StrEnum):
    """What is known of one user's grant for one channel."""

    CONNECTED = "connected"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    REVOKED = "revoked"
    MISSING = "missing"


class Action(StrEnum):
    """Everything a person can do; the columns of the permission table in `core/access.py`."""

    SEE = "see"
    OWN_NOTIFICATIONS = "own_notifications"
    CONNECT = "connect"
    CREATE = "create"
    PAUSE = "pause"
    EDIT = "edit"
    REFRESH = "refresh"
    DRY_RUN = "dry_run"
    ASK_PAUSE = "ask_pause"
    ASK_ROLE = "ask_role"
    ASK_HELP = "ask_help"
    RESUME = "resume"
    TAKE_OVER = "take_over"
    DECIDE_HELD = "decide_held"
    HANDLE_ALERT = "handle_alert"
    DECIDE_REQUEST = "decide_request"
    DELETE = "delete"
    FULL_RESYNC = "full_resync"
    LOOKUP = "lookup"
    SEE_PEOPLE = "see_people"
    SETTINGS = "settings"
    GIVE_ROLE = "give_role"
    AUDIT = "audit"


OPERATOR: Final = "operator"  # who acts at the command line: nobody of Slack's, whom no message reaches


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a verified user of one organization, with the role the store knows now.

    `cause`: the id of the request by which they act, and its trace (W3C traceparent) where there is one, with a blank between.
    """

    org_id: str
    user_id: str
    role: Role
    name: str = ""
    tz: str = "UTC"
    surface: str = "slack"  # slack, cli, web, clock: written to the audit log
    guest: bool = False
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """A named set of contacts or companies in a source. `size` is rows, `None` where not counted yet."""

    source: str
    id: str
    name: str
    kind: SegmentKind
    size: int | None = None
    creator: str | None = None
    changed_at: datetime | None = None
    description: str | None = None
    columns: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Names the segment within the organization: `source/id`."""
        return f"{self.source}/{self.id}"

    @property
    def choice(self) -> str:
        """The key as an option's value, for which Slack has 150 characters: of a longer one, a digest stands in."""
        if len(self.key) <= 150:
            return self.key
        return f"{self.source}/~{hashlib.sha256(self.id.encode()).hexdigest()[:40]}"


@dataclass(frozen=True, slots=True)
class AdAccount:
    """An account on a channel that a connection can reach. `may_manage`: audiences may be managed in it now."""

    channel: Channel
    id: str
    name: str
    may_manage: bool = True
    reason: str | None = None  # why not, in words for a person
    login_id: str | None = None  # Google: the manager through which it is reached
    status: str = "active"


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign on the channel that targets an audience. `running`: it is spending now."""

    id: str
    name: str
    status: str
    running: bool
    excludes: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """What a platform's OAuth gave: secrets in clear, so never logged, shown or stored but through the vault."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    scopes: tuple[str, ...] = ()
    expires_at: datetime | None = None  # of the access token
    ends_at: datetime | None = None  # the earliest moment at which the person must consent again
    person_id: str = ""
    person_name: str = ""


@dataclass(frozen=True, slots=True)
class Connection:
    """One user's own grant for one channel, without its secrets."""

    id: str
    org_id: str
    user_id: str
    channel: Channel
    status: ConnectionStatus
    person_name: str
    scopes: tuple[str, ...]
    connected_at: datetime
    ends_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RemoteAudience:
    """The object on the channel that a sync fills, as the channel describes it now."""

    id: str
    name: str
    status: str  # the channel's own word, for a person
    usable: bool = True
    can_edit: bool = True
    working: bool = False  # the channel has not taken in yet all that it received
    created_at: datetime | None = None
    size_lower: int | None = None  # matched, as reported; None: not known
    size_upper: int | None = None
    match_rate: float | None = None  # 0..1
    expires_at: datetime | None = None

    @property
    def life(self) -> str:
        """Names it and its life: an audience that was made anew is another one, even under the same id."""
        return f"{self.id}@{self.created_at.isoformat() if self.created_at else ''}"


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often a sync refreshes: `hourly`, `6h`, `daily`, `weekly`, or five cron fields; read in time zone `tz`."""

    rule: str
    tz: str


@dataclass(frozen=True, slots=True)
class Sync:
    """One segment kept up on one ad account. `number` is the short id: S-42 has number 42."""

    id: str
    org_id: str
    number: int
    name: str
    segment_source: str
    segment_id: str
    segment_name: str
    segment_kind: SegmentKind
    channel: Channel
    account_id: str
    account_name: str
    owner_id: str
    run_as: str  # id of a connection
    status: SyncStatus
    cadence: Cadence
    created_at: datetime
    version: int = 1
    login_id: str | None = None
    audience_id: str | None = None
    first_day: date | None = None
    last_day: date | None = None
    guard_share: float | None = None  # None: the organization's
    next_due_at: datetime | None = None
    refreshed_at: datetime | None = None
    members: int | None = None  # of the segment, at the last refresh
    matchable: int | None = None  # with an identifier this channel takes
    delivered: int | None = None  # in the ledger as delivered
    matched: int | None = None  # as the channel reports
    paused_at: datetime | None = None
    failure: str | None = None  # the open failure's alert code

    @property
    def short(self) -> str:
        """The short id as people say it."""
        return f"S-{self.number}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a refresh is. `left_s`: seconds left by the present rate, None while unknown."""

    phase: Phase
    done: int = 0
    total: int = 0
    rate: float | None = None
    left_s: float | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What a refresh did or would do, in members; `rejected` counts by reason and holds no value of anybody."""

    members: int = 0
    matchable: int = 0
    added: int = 0
    removed: int = 0
    again: int = 0  # sent again after a removal that may have taken them along, or for renewal
    unchanged: int = 0
    delivered: int = 0
    received: int = 0
    owed: int = 0  # that a removal may have taken along and who are not sent again yet
    rejected: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refresh:
    """One execution of a sync. `fence` grows at each claim; every write-back carries it. `cause`: as in `Actor`."""

    id: str
    org_id: str
    sync_id: str
    kind: RefreshKind
    state: RefreshState
    fence: int
    created_at: datetime
    not_before: datetime
    requested_by: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: Progress | None = None
    counts: Counts = field(default_factory=Counts)
    checkpoint: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 0
    failure: str | None = None
    approved_removals: int | None = None
    cause: str = ""


class Severity(StrEnum):
    """How bad an alert is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class AlertState(StrEnum):
    """Whether an alert still needs somebody."""

    OPEN = "open"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did about an alert: `acknowledged`, `snoozed`, `retried`, `reconnected`, `took over`, `applied`, `kept`."""

    at: datetime
    by: str
    what: str


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that needs a person. One open alert per `cause` (organization-wide unique while open)."""

    id: str
    org_id: str
    code: str
    cause: str
    severity: Severity
    state: AlertState
    first_seen_at: datetime
    last_seen_at: datetime
    count: int = 1
    channel: Channel | None = None
    account_id: str | None = None
    connection_id: str | None = None
    sync_ids: tuple[str, ...] = ()
    detail: Mapping[str, str] = field(default_factory=dict)  # words for the catalogue's sentences
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    snoozed_until: datetime | None = None
    snoozed_by: str | None = None
    resolved_at: datetime | None = None
    escalated_at: datetime | None = None
    history: tuple[Deed, ...] = ()  # oldest first
    left_ids: tuple[str, ...] = ()  # syncs that have got over it while others have not


class RequestKind(StrEnum):
    """What somebody asks an administrator for."""

    PAUSE = "pause"
    ROLE = "role"
    HELP = "help"


class RequestState(StrEnum):
    """Where a request stands; the first decision stands."""

    WAITING = "waiting"
    APPROVED = "approved"
    DECLINED = "declined"
    LAPSED = "lapsed"
    OBSOLETE = "obsolete"  # no longer needed: it closed itself


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the administrators; lapses after 72 h."""

    id: str
    org_id: str
    kind: RequestKind
    state: RequestState
    asked_by: str
    created_at: datetime
    lapses_at: datetime
    sync_id: str | None = None
    role: Role | None = None
    note: str | None = None
    impact: tuple[Campaign, ...] | None = None  # None: the channel has not answered
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what, when, from where; `before` and `after` hold what changed. People by id only."""

    id: int
    org_id: str
    at: datetime
    actor_id: str
    surface: str
    action: str
    subject: str  # what it was done to: `sync S-42`, `user U1`, `settings`
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
