"""Every setting with its meaning, default and bounds: read once from `SEGSYNC_…` or `segsync.toml`, then passed down."""

import base64
import binascii
import os
from pathlib import Path
from typing import Annotated, Literal

import pydantic
from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from core.errors import ConfigError
from core.models import SegmentKind


class Strict(pydantic.BaseModel):
    """What is written but not known is a slip, and could be the name of the consent column: it is refused."""

    model_config = ConfigDict(extra="forbid")


class Platform(Strict, use_attribute_docstrings=True):
    """One ad platform as the operator registered segsync there."""

    client_id: str
    """The client id of your app at the platform."""
    client_secret: SecretStr
    """Its client secret."""
    api_url: str | None = None
    """The platform's API; its own unless told."""
    auth_url: str | None = None
    """The platform's consent page; its own unless told."""
    settle_s: float | None = Field(default=None, ge=0)
    """How long additions wait after a removal, in seconds; as the platform needs unless told."""
    timeout_s: float = Field(default=30, gt=0, le=600)
    """How long one request may take, in seconds."""


class LinkedInPlatform(Platform):
    """LinkedIn besides. A version is served for a year."""

    version: str | None = Field(default=None, pattern=r"^20\d\d(0[1-9]|1[0-2])$")
    """The version of the platform's API; the built-in one unless told."""
    source_platform: str | None = None
    """What LinkedIn gave your app as its source platform."""


class GooglePlatform(Platform):
    """Google besides."""

    version: str | None = Field(default=None, pattern=r"^v\d+$")
    """The version of the platform's API; the built-in one unless told."""
    poll_s: float | None = Field(default=None, ge=0)
    """How long a request's status is left alone, in seconds."""
    mobile_app_id: str | None = None
    """The app whose mobile ids are sent; without it none are: Google keeps them by app."""
    mobile_key_space: Literal["ANDROID", "IOS"] = "ANDROID"
    """Which kind of mobile ids that app has."""


class _Source(Strict):
    """What every source has. `consent` names the consent column; `default_country` is for phones written without one."""

    name: str = Field(min_length=1, max_length=40, pattern=r"^[a-z0-9_-]+$")
    consent: str | None = None
    default_country: str | None = Field(default=None, min_length=2, max_length=2)


class FilesSettings(_Source):
    """A folder of Parquet and CSV files."""

    kind: Literal["files"]
    folder: Path


class SegmentSettings(Strict):
    """One declared segment of a source. `columns`: field → column, for e-mail, phone and mobile id also a list of columns."""

    id: str = Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._-]+$")
    read: str = Field(min_length=1)  # the query, or the path below the source's url
    name: str = ""
    creator: str | None = None
    description: str | None = None
    kind: SegmentKind | None = None
    columns: dict[str, str | list[str]] = {}
    count: str | None = None  # a query for the number of rows
    version: str | None = None  # a query whose answer changes whenever the segment does


class SqlSettings(_Source):
    """Declared queries over a database that SQLAlchemy reaches; `url` holds a password, so prefer the environment for it."""

    kind: Literal["sql"]
    url: SecretStr
    timeout_s: float = Field(default=600, gt=0)
    segments: list[SegmentSettings] = Field(min_length=1)


class HttpSettings(_Source):
    """Pages of JSON. `columns`: column → dotted path in a row. `listing`: the path that lists segments; `read`: where one is."""

    kind: Literal["http"]
    url: str
    headers: dict[str, SecretStr] = {}
    columns: dict[str, str] = Field(min_length=1)
    items: str = "items"
    next: str | None = "next"
    cursor: str | None = None
    total: str | None = None
    listing: str | None = None
    listed_id: str = "id"
    listed_name: str = "name"
    listed_size: str | None = None
    listed_creator: str | None = None
    read: str = "{id}"
    timeout_s: float = Field(default=30, gt=0)
    segments: list[SegmentSettings] = []


Source = Annotated[FilesSettings | SqlSettings | HttpSettings, Field(discriminator="kind")]


class Settings(BaseSettings):
    """The settings of one running segsync."""

    model_config = SettingsConfigDict(
        env_prefix="SEGSYNC_", toml_file="segsync.toml", extra="forbid", use_attribute_docstrings=True
    )

    database_url: str = "sqlite:///segsync.db"
    """Where everything is kept: a SQLite file, or `postgresql+psycopg://user:password@host/name` past one machine."""
    data_dir: Path = Path("data")
    """The folder of the ledgers: what was delivered to whom, encrypted. Shared by all workers."""
    ledger_url: str | None = None
    """An object store for the ledgers, not the folder: `s3://bucket/prefix`, `gs://…`, `az://…`. Credentials as for its tools."""
    keys: dict[str, SecretStr]
    """Names and keys (base64 of 32 bytes) that secrets are sealed with; the last one seals. `segsync keys new` prints one."""
    slack_bot_token: SecretStr | None = None
    """The Bot User OAuth Token (xoxb-…) of one workspace. Without it, workspaces install segsync by Slack's OAuth."""
    slack_client_id: str | None = None
    """The app's client id, for installing by OAuth."""
    slack_client_secret: SecretStr | None = None
    """The app's client secret, for installing by OAuth."""
    slack_app_token: SecretStr | None = None
    """An app-level token (xapp-…) with `connections:write`, for Socket Mode."""
    slack_signing_secret: SecretStr = SecretStr("")
    """The app's signing secret: how segsync knows Slack over HTTP."""
    slack_api_url: str = "https://slack.com/api/"
    """Slack's Web API."""
    slack_mode: Literal["socket", "http"] = "socket"
    """Whether Slack reaches segsync by Socket Mode (no address needed) or over HTTP at `{public_url}/slack/events`."""
    listener_threads: int = Field(default=64, ge=4, le=500)
    """How many requests of Slack are handled at the same time."""
    slack_limits: bool = True
    """Keeps to Slack's published rate limits before Slack has to say so."""
    public_url: str | None = None
    """The https address at which browsers reach segsync: needed to connect ad platforms and for links to syncs."""
    web_host: str = "127.0.0.1"
    """Where the pages behind `public_url` are served."""
    web_port: int = Field(default=8080, ge=0, le=65535)
    """The port of these pages."""
    primary_admin: str | None = None
    """The Slack id of the first Primary Administrator, while there is none."""
    sync_limit: int = Field(default=20, ge=0)
    """How many active syncs the contract allows."""
    clock_file: Path | None = None
    """The demo's clock: a file with the seconds that it is ahead of the real time."""
    workers: int = Field(default=2, ge=1, le=64)
    """How many refreshes run at the same time in one process."""
    tick_s: float = Field(default=5, gt=0, le=300)
    """How often due refreshes are looked for, in seconds."""
    lease_s: float = Field(default=120, ge=5)
    """How long a worker that died keeps its refresh, in seconds."""
    retry_waits_s: tuple[float, ...] = (5, 15, 60, 300, 900, 1800)
    """The pauses before new tries of a refresh that met passing trouble, in seconds."""
    sources: list[Source] = []
    """Where segments come from: see docs/sources.md."""
    meta: Platform | None = None
    """Meta, as the operator registered segsync there."""
    linkedin: LinkedInPlatform | None = None
    """LinkedIn, as the operator registered segsync there."""
    google: GooglePlatform | None = None
    """Google, as the operator registered segsync there."""
    log_format: Literal["auto", "text", "json"] = "auto"
    """Lines for people, or JSON; `auto`: for people on a terminal, else JSON."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """What is logged at least."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Where every part serves `/metrics`, `/healthz` and `/readyz`; unset: nowhere."""
    otlp_endpoint: str | None = None
    """Where traces go (OpenTelemetry over HTTP, such as `http://localhost:4318`; needs `segsync[otel]`); unset: nowhere."""
    metrics_host: str = "127.0.0.1"
    """The address on which these are served."""

    @model_validator(mode="after")
    def _reaches_slack(self) -> "Settings":
        by_oauth = self.slack_client_id and self.slack_client_secret
        if not self.slack_bot_token and not by_oauth:
            raise ValueError("slack_bot_token is needed, or slack_client_id and slack_client_secret for installing by OAuth")
        if by_oauth and not self.slack_bot_token and not self.public_url:
            raise ValueError("public_url is needed for installing by OAuth: Slack leads browsers there")
        if self.slack_mode == "http" and not self.slack_signing_secret.get_secret_value():
            raise ValueError("slack_signing_secret is needed over HTTP: it is how segsync knows Slack")
        return self

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, url: str | None) -> str | None:
        return url.rstrip("/") if url else None

    @property
    def is_shared(self) -> bool:
        """Whether processes beside this one may work on the same database."""
        return self.database_url.startswith("postgresql")

    def key_ring(self) -> tuple[dict[str, bytes], str]:
        """The keys in bytes, and the name of the one that seals. Raises ConfigError for what is not base64."""
        try:
            ring = {name: base64.b64decode(key.get_secret_value(), validate=True) for name, key in self.keys.items()}
        except binascii.Error as error:
            raise ConfigError("keys: each must be base64 of 32 bytes; `segsync keys new` prints one") from error
        return ring, next(reversed(ring), "")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment before files of secrets (`SEGSYNC_SECRETS_DIR`, as Docker mounts them) before `segsync.toml`."""
        folder = os.environ.get("SEGSYNC_SECRETS_DIR")
        secret = SecretsSettingsSource(settings_cls, secrets_dir=folder) if folder else file_secret_settings
        return init_settings, env_settings, dotenv_settings, secret, TomlConfigSettingsSource(settings_cls)
