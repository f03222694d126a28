"""The seams: what the core asks of platforms, sources, Slack and the clock. One small Protocol each, with its values."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import pyarrow as pa

from core.models import AdAccount, Campaign, Channel, Grant, IdentifierKind, RemoteAudience, Segment, SegmentKind


class Clock(Protocol):
    """Tells the time; passed in so that tests and the demo can move it."""

    def now(self) -> datetime:
        """The present, aware, UTC."""
        ...


# ── platforms ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Op(StrEnum):
    """What is done with a batch of members."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Column:
    """Identifiers of one kind in a batch, one per row, in the form that the channel takes.

    `member`: uint32 array, which member of the batch (0 … size-1) a row belongs to, ascending; a member may have several rows.
    `value`: the same length. EMAIL and PHONE: fixed_size_binary(32), the raw SHA-256. ADDRESS: binary, the channel's own
    packing (see `core/identity.py`). MOBILE, DOMAIN, COMPANY, PAGE: binary, UTF-8 in clear.
    """

    member: pa.UInt32Array
    value: pa.Array


@dataclass(frozen=True, slots=True)
class Batch:
    """Some members in columns: at most as many as one request of the channel takes."""

    size: int
    columns: Mapping[IdentifierKind, Column]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request of a refresh. `session` is the same for all batches of one refresh and one `op`; `seq` counts from 1."""

    op: Op
    batch: Batch
    session: int
    seq: int
    last: bool
    total: int  # members of the whole session, as far as known


CHANNEL_FAILED = "channel_failed"  # the reason for members at which the channel itself failed: another try may go through


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the channel answered: `received` members taken, `rejected` places in the batch with the channel's reason.

    `request_id`: to ask later how the asynchronous work went; None where the answer is final.
    `unplaced`: refused members whose place the channel does not tell, by reason.
    """

    received: int
    rejected: Mapping[int, str] = field(default_factory=dict)
    unplaced: Mapping[str, int] = field(default_factory=dict)
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """How the channel's asynchronous work stands. `done` False: ask again after `ask_again_in`."""

    done: bool
    ask_again_in: timedelta = timedelta(0)
    failed: bool = False
    rejected: Mapping[str, int] = field(default_factory=dict)
    matched_share: float | None = None


@dataclass(frozen=True, slots=True)
class ChannelTraits:
    """What a channel is like; its adapter states each with the address of the platform's page."""

    channel: Channel
    kinds: frozenset[IdentifierKind]  # for segments of contacts
    company_kinds: frozenset[IdentifierKind]  # for segments of companies; empty: takes none
    batch_rows: int  # rows in one request
    max_identifiers: int  # of one member in one row; more are left out and counted
    one_of_each: bool  # a row carries one identifier of each kind, so a member may take several rows
    exclusive: tuple[frozenset[IdentifierKind], ...] = ()  # kinds that may not share one audience
    minimum: int = 0  # matched members below which the audience does not serve
    needs_consent: bool = False
    can_replace: bool = False  # everybody is sent in one session, after which nobody else is in the audience
    settle: timedelta = timedelta(0)  # how long after a removal an addition must wait where no status tells
    memory: timedelta | None = None  # after this long the channel forgets a member that was not sent again
    in_flight: int = 4  # requests at the same time, as the platform advises
    a_minute: int | None = None  # requests with members in a minute, by the platform's quota; None: it has none of this kind
    scopes: tuple[str, ...] = ()

    @classmethod
    def unknown(cls, channel: Channel) -> "ChannelTraits":
        """Of a channel that is not set up: by its rules for identifiers alone."""
        everything = frozenset(IdentifierKind)
        return cls(channel, everything, everything, batch_rows=1, max_identifiers=100, one_of_each=True)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a delivery goes, with whose grant."""

    grant: Grant
    account_id: str
    login_id: str | None = None
    audience_id: str = ""
    kind: SegmentKind = SegmentKind.CONTACTS


@dataclass(frozen=True, slots=True)
class Quota:
    """So many requests a minute, and a day, that a platform allows to all who share `name`: an application, a project."""

    name: str
    a_minute: int
    a_day: int | None = None


class Pace(Protocol):
    """Spends quotas for all processes together, so that a platform's limit is kept before it bites."""

    def take(self, quota: Quota, patience_s: float) -> float:
        """Takes one request: seconds to wait before it is sent. More than `patience_s`: nothing was taken; come again then."""
        ...

    def hold(self, quota: Quota, seconds: float) -> None:
        """The platform itself asks everybody to wait."""
        ...


class AdChannel(Protocol):
    """One ad platform. Every method may raise a ChannelError; nothing here knows of Slack or the database."""

    traits: ChannelTraits

    def authorize_url(self, *, state: str, redirect_uri: str, verifier: str) -> str:
        """The platform's consent page. `verifier`: PKCE, where the platform supports it."""
        ...

    def exchange(self, *, code: str, redirect_uri: str, verifier: str) -> Grant:
        """A grant for the code of a consent. Raises PermissionMissing when the person ticked too little."""
        ...

    def renew(self, grant: Grant) -> Grant:
        """The grant with a fresh access token where the platform refreshes; else as it is. Raises NeedsReconnect."""
        ...

    def revoke(self, grant: Grant) -> None:
        """Takes the consent back at the platform, where it offers that."""
        ...

    def check(self, grant: Grant) -> Grant:
        """Asks the platform whether the grant is good now; the grant with the end it tells. Raises NeedsReconnect."""
        ...

    def accounts(self, grant: Grant) -> Sequence[AdAccount]:
        """All ad accounts that this grant reaches, `may_manage` and `reason` filled in."""
        ...

    def require_access(self, target: Target) -> None:
        """Asks now whether this grant may manage the audience (if `audience_id`) or audiences in the account; raises why not."""
        ...

    def find(self, target: Target, *, key: str) -> RemoteAudience | None:
        """The audience that was created with this key of ours, or None."""
        ...

    def create(self, target: Target, *, name: str, key: str, kinds: frozenset[IdentifierKind]) -> RemoteAudience:
        """Creates the audience, to be found again by `key`."""
        ...

    def audience(self, target: Target) -> RemoteAudience:
        """The audience as it is now. Raises AudienceGone."""
        ...

    def delete(self, target: Target) -> None:
        """Deletes the audience on the channel; no error when it is gone already."""
        ...

    def campaigns(self, target: Target) -> Sequence[Campaign]:
        """The campaigns that target or exclude the audience now."""
        ...

    def deliver(self, target: Target, delivery: Delivery) -> Receipt:
        """Sends one batch. Raises Rejected (split), RateLimited, Unavailable, OutcomeUnknown, or a permanent ChannelError."""
        ...

    def sweep(self, target: Target, before: datetime) -> str | None:
        """Takes out whoever was last added before this moment; the request's id, None where the channel has no such thing."""
        ...

    def settlement(self, target: Target, request_id: str) -> Settlement:
        """How the work behind a receipt stands."""
        ...

    def audience_url(self, account_id: str, audience_id: str | None) -> str:
        """Where a person sees the audience (or the account's audiences) on the platform's own screens."""
        ...


# ── sources ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Which column of a segment holds what; None: it has none. `key`: the declared key of a member."""

    key: str | None = None
    email: tuple[str, ...] = ()
    phone: tuple[str, ...] = ()
    first_name: str | None = None
    last_name: str | None = None
    country: str | None = None
    postal_code: str | None = None
    mobile: tuple[str, ...] = ()
    domain: str | None = None
    company: str | None = None
    page: str | None = None
    consent: str | None = None
    default_country: str | None = None  # ISO 3166 alpha-2, for phones written without a country


@dataclass(frozen=True, slots=True)
class Reading:
    """One snapshot of a segment, readable more than once. `version` names it: equal versions mean equal content."""

    segment: Segment
    columns: ColumnMap
    version: str | None
    batches: Callable[[Sequence[str]], Iterator[pa.RecordBatch]] = field(repr=False)
    complete: Callable[[], bool] = field(repr=False)  # after reading: was it one whole, unchanged snapshot?
    proven: bool = True  # whether `complete` can know; else a row may be missing from one reading and there in the next


class SegmentSource(Protocol):
    """Where segments come from. Errors: SourceError."""

    name: str

    def segments(self) -> Sequence[Segment]:
        """All segments, without counting what is expensive to count."""
        ...

    def segment(self, segment_id: str) -> Segment:
        """One segment, with its size. Raises SegmentGone."""
        ...

    def read(self, segment_id: str) -> AbstractContextManager[Reading]:
        """Opens one snapshot of the segment."""
        ...


# ── telling and waking ───────────────────────────────────────────────────────────────────────────────────────────────


class Jobs(Protocol):
    """Wakes whoever executes refreshes. The truth is the table; a wake-up that is lost is found by the next tick."""

    def wake(self) -> None:
        """There may be a refresh to claim."""
        ...


class Wake(Protocol):
    """Tells the notifier that the outbox has something new; losing it costs only the time to the next tick."""

    def __call__(self) -> None: ...


# ── watching ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Note(Protocol):
    """Adds facts to a span; a `failure` marks it as failed."""

    def __call__(self, **facts: str | int) -> None: ...


class Tracer(Protocol):
    """Tells how long what took, to whoever watches."""

    def span(self, name: str, *, parent: str = "", **facts: str | int) -> AbstractContextManager[Note]:
        """Something that begins now and ends with the context, under `parent` or what is open in this context."""
        ...

    def here(self) -> str:
        """Names what is open in this context (W3C traceparent), as a parent elsewhere; empty where nobody watches."""
        ...


class Untraced:
    """Nobody watches."""

    def span(self, name: str, *, parent: str = "", **facts: str | int) -> AbstractContextManager[Note]:  # noqa: ARG002 - the protocol's signature
        """Nothing."""
        return nullcontext(_unnoted)

    def here(self) -> str:
        """Nothing."""
        return ""

    def close(self) -> None:
        """Nothing is left."""


def _unnoted(**_facts: str | int) -> None:
    return
