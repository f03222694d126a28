"""The tables. Every row belongs to one organization; times are UTC; secrets are sealed by the vault before they come here."""

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Dialect,
    Double,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Utc(TypeDecorator[datetime]):
    """An aware moment, kept in UTC; SQLite forgets the zone, so it is given back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """To the database: aware only."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """From the database."""
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Names constraints the same everywhere, so that migrations can find them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        datetime: Utc(),
        date: Date(),
        dict[str, Any]: JSON(),
        list[str]: JSON(),
        str: String(255),
        bytes: LargeBinary(),
        bool: Boolean(),
        float: Float(),
        int: Integer(),
    }


class OrganizationRow(Base):
    """One Slack workspace that installed the app. `last_number`: the last short id given; never given again."""

    __tablename__ = "organization"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    created_at: Mapped[datetime]
    last_number: Mapped[int] = mapped_column(default=0)
    sync_limit: Mapped[int]
    own_cap: Mapped[int | None]
    alert_conversation: Mapped[str | None]
    approval_conversation: Mapped[str | None]
    claim_hash: Mapped[str | None]
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)


class UserRow(Base):
    """A user with a role; who is not here is a viewer."""

    __tablename__ = "user"

    org_id: Mapped[str] = mapped_column(ForeignKey("organization.id"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    home_opened_at: Mapped[datetime | None]


class ConnectionRow(Base):
    """One user's own grant for one channel; `grant` is sealed."""

    __tablename__ = "connection"
    __table_args__ = (UniqueConstraint("org_id", "user_id", "channel"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("organization.id"))
    user_id: Mapped[str]
    channel: Mapped[str]
    status: Mapped[str]
    person_id: Mapped[str]
    person_name: Mapped[str]
    scopes: Mapped[list[str]]
    sealed_grant: Mapped[bytes | None]
    connected_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    reason: Mapped[str | None]


class ConsentRow(Base):
    """One consent under way. Only hashes of the link, the state and the cookie are kept; the PKCE verifier is sealed."""

    __tablename__ = "consent"

    link_hash: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("organization.id"))
    user_id: Mapped[str]
    channel: Mapped[str]
    back: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    state_hash: Mapped[str | None] = mapped_column(unique=True)
    cookie_hash: Mapped[str | None]
    sealed_verifier: Mapped[bytes | None]
    finished_at: Mapped[datetime | None]


class SyncRow(Base):
    """One segment kept up on one ad account."""

    __tablename__ = "sync"
    __table_args__ = (
        UniqueConstraint("org_id", "number"),
        Index(
            "uq_sync_target",
            "org_id",
            "segment_source",
            "segment_id",
            "channel",
            "account_id",
            unique=True,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index("ix_sync_due", "status", "next_due_at"),
        Index("ix_sync_org_status", "org_id", "status"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("organization.id"))
    number: Mapped[int]
    name: Mapped[str]
    segment_source: Mapped[str]
    segment_id: Mapped[str]
    segment_name: Mapped[str]
    segment_kind: Mapped[str]
    channel: Mapped[str]
    account_id: Mapped[str]
    account_name: Mapped[str]
    login_id: Mapped[str | None]
    owner_id: Mapped[str]
    run_as: Mapped[str]
    status: Mapped[str]
    cadence: Mapped[str]
    tz: Mapped[str]
    first_day: Mapped[date | None]
    last_day: Mapped[date | None]
    guard_share: Mapped[float | None]
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)
    audience_id: Mapped[str | None]
    sealed_ledger_key: Mapped[bytes]
    next_due_at: Mapped[datetime | None]
    refreshed_at: Mapped[datetime | None]
    members: Mapped[int | None]
    matchable: Mapped[int | None]
    delivered: Mapped[int | None]
    matched: Mapped[int | None]
    paused_at: Mapped[datetime | None]
    failure: Mapped[str | None]
    deleted_at: Mapped[datetime | None]


# word for word in indexes and queries alike, or SQLite does not use the index
IS_OPEN = text("state IN ('queued','running','settling','held')")
RUNS = text("state = 'running'")
WAITS = text("state IN ('queued','settling')")


class RefreshRow(Base):
    """One refresh of a sync: the truth about who executes what. At most one open one a sync."""

    __tablename__ = "refresh_run"
    __table_args__ = (
        Index(
            "uq_refresh_run_open",
            "sync_id",
            unique=True,
            sqlite_where=IS_OPEN,
            postgresql_where=IS_OPEN,
        ),
        Index(
            "ix_refresh_run_lease",
            "lane",
            "lease_until",
            sqlite_where=RUNS,
            postgresql_where=RUNS,
        ),
        Index(
            "ix_refresh_run_lane",
            "lane",
            "not_before",
            "id",
            sqlite_where=WAITS,
            postgresql_where=WAITS,
        ),
        Index("ix_refresh_run_sync", "sync_id", "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("organization.id"))
    sync_id: Mapped[str] = mapped_column(ForeignKey("sync.id"))
    kind: Mapped[str]
    state: Mapped[str]
    lane: Mapped[str]  # refreshes that only wait for each other: see `core/store/claims.py`
    fence: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]
    not_before: Mapped[datetime]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    requested_by: Mapped[str | None]
    cause: Mapped[str] = mapped_column(server_default="")
    attempts: Mapped[int] = mapped_column(default=0)
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    checkpoint: Mapped[dict[str, Any]] = mapped_column(default=dict)
    failure: Mapped[str | None]
    approved_removals: Mapped[int | None]
    again_for: Mapped[str | None]  # who asked for one more while this one was under way
    matched: Mapped[int | None]  # as the channel reported at its end: the past that a match rate is compared with


class OutboxRow(Base):
    """What Slack must hear: written with the fact, delivered by the notifier."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("dedupe_key"),
        Index("ix_outbox_due", "state", "rank", "id"),
        Index("ix_outbox_target", "target", "state"),
        Index("ix_outbox_message", "topic", "subject_id", "target", "state"),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    org_id: Mapped[str]
    topic: Mapped[str]
    subject_id: Mapped[str]
    target: Mapped[str]
    dedupe_key: Mapped[str]
    payload: Mapped[dict[str, Any]]
    rank: Mapped[int]  # a `Rank`
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime]
    created_at: Mapped[datetime]
    conversation: Mapped[str | None]
    ts: Mapped[str | None]


class AlertRow(Base):
    """Something that needs a person; one open one a cause."""

    __tablename__ = "alert"
    __table_args__ = (
        Index(
            "uq_alert_open",
            "org_id",
            "cause",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("organization.id"))
    code: Mapped[str]
    cause: Mapped[str]
    severity: Mapped[str]
    state: Mapped[str]
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    count: Mapped[int] = mapped_column(default=1)
    channel: Mapped[str | None]
    account_id: Mapped[str | None]
    connection_id: Mapped[str | None]
    sync_ids: Mapped[list[str]]
    left_ids: Mapped[list[str]] = mapped_column(JSON, default=list)  # syncs that have got over it while others have not
    detail: Mapped[dict[str, Any]]
    acknowledged_by: Mapped[str | None]
    acknowledged_at: Mapped[datetime | None]
    snoozed_until: Mapped[datetime | None]
    snoozed_by: Mapped[str | None]
    resolved_at: Mapped[datetime | None]
    escalated_at: Mapped[datetime | None]  # nobody acted in time: the administrators were told
    noted_at: Mapped[datetime | None]  # when its thread last heard of a change
    history: Mapped[list[str]] = mapped_column(JSON, default=list)  # who did what: "when user deed", oldest first


class RequestRow(Base):
    """Something that somebody asks the administrators for; one waiting one a person, kind and subject."""

    __tablename__ = "request"
    __table_args__ = (
        Index(
            "uq_request_waiting",
            "org_id",
            "kind",
            "asked_by",
            "subject",
            unique=True,
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
        Index("ix_request_state", "org_id", "state"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(ForeignKey("organization.id"))
    kind: Mapped[str]
    subject: Mapped[str]  # a sync's id, or what else is asked for: never empty, so that the index holds
    state: Mapped[str]
    asked_by: Mapped[str]
    created_at: Mapped[datetime]
    lapses_at: Mapped[datetime]
    sync_id: Mapped[str | None] = mapped_column(ForeignKey("sync.id"))
    role: Mapped[str | None]
    note: Mapped[str | None] = mapped_column(Text)
    impact: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))  # campaigns, as the channel said when it was asked
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)


class InstallationRow(Base):
    """A workspace that installed the app by OAuth; its token is sealed."""

    __tablename__ = "installation"

    org_id: Mapped[str] = mapped_column(primary_key=True)
    facts: Mapped[dict[str, Any]]
    sealed_token: Mapped[bytes]
    installed_by: Mapped[str]
    installed_at: Mapped[datetime]


class InstallStateRow(Base):
    """An installation under way: the hash of its state."""

    __tablename__ = "install_state"

    state_hash: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]


class AuditRow(Base):
    """Who did what, when, from where. Rows are only ever added."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_org_at", "org_id", "at"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    org_id: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[str]
    surface: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str] = mapped_column(Text)
    before: Mapped[dict[str, Any]]
    after: Mapped[dict[str, Any]]


class PaceRow(Base):
    """How far a platform's quota is used up, for all processes. `free_at`: when all of it is free again, seconds of the epoch."""

    __tablename__ = "pace"

    quota: Mapped[str] = mapped_column(primary_key=True)
    free_at: Mapped[float] = mapped_column(Double)
