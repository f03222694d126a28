"""Every setting with its meaning, default and bounds: read once from `SEGSYNC_…` or `segsync.toml`, then passed down."""

import base64
import binascii
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from core.models import SegmentKind


class Platform(BaseModel):
    """One ad platform as the operator registered segsync there. URLs: None means the platform's own."""

    client_id: str
    client_secret: SecretStr
    api_url: str | None = None
    auth_url: str | None = None
    settle_s: float | None = Field(default=None, ge=0)  # seconds between a removal and the additions after it
    timeout_s: float = Field(default=30, gt=0, le=600)  # how long one request may take


class LinkedInPlatform(Platform):
    """LinkedIn besides. A version is served for a year; the source platform is what LinkedIn gave the app. None: as built in."""

    version: str | None = Field(default=None, pattern=r"^20\d\d(0[1-9]|1[0-2])$")
    source_platform: str | None = None


class GooglePlatform(Platform):
    """Google besides: the Google Ads API's version, how long a request's status is left alone, and the app of mobile ids."""

    version: str | None = Field(default=None, pattern=r"^v\d+$")
    poll_s: float | None = Field(default=None, ge=0)
    mobile_app_id: str | None = None  # without it no mobile ids are sent: Google keeps them by app
    mobile_key_space: Literal["ANDROID", "IOS"] = "ANDROID"


class _Source(BaseModel):
    """What every source has. `consent` names the consent column; `default_country` is for phones written without one."""

    name: str = Field(min_length=1, max_length=40, pattern=r"^[a-z0-9_-]+$")
    consent: str | None = None
    default_country: str | None = Field(default=None, min_length=2, max_length=2)


class FilesSettings(_Source):
    """A folder of Parquet and CSV files."""

    kind: Literal["files"]
    folder: Path


class SegmentSettings(BaseModel):
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

    model_config = SettingsConfigDict(env_prefix="SEGSYNC_", toml_file="segsync.toml", extra="ignore")

    database_url: str = "sqlite:///segsync.db"
    data_dir: Path = Path("data")
    keys: dict[str, SecretStr]  # name → base64 of 32 bytes; the last one seals
    slack_bot_token: SecretStr | None = None  # of one workspace; without it, workspaces install segsync by Slack's OAuth
    slack_client_id: str | None = None
    slack_client_secret: SecretStr | None = None
    slack_app_token: SecretStr | None = None
    slack_signing_secret: SecretStr = SecretStr("")
    slack_api_url: str = "https://slack.com/api/"
    slack_mode: Literal["socket", "http"] = "socket"
    listener_threads: int = Field(default=64, ge=4, le=500)
    public_url: str | None = None
    web_host: str = "127.0.0.1"
    web_port: int = Field(default=8080, ge=0, le=65535)
    primary_admin: str | None = None
    sync_limit: int = Field(default=20, ge=0)
    clock_file: Path | None = None  # the demo's clock: seconds ahead of the real time, as text
    workers: int = Field(default=2, ge=1, le=64)
    tick_s: float = Field(default=5, gt=0, le=300)  # how often due refreshes are looked for
    lease_s: float = Field(default=120, ge=5)  # how long a worker that died keeps its refresh
    retry_waits_s: tuple[float, ...] = (5, 15, 60, 300, 900, 1800)  # before new tries of a refresh that met passing trouble
    sources: list[Source] = []
    meta: Platform | None = None
    linkedin: LinkedInPlatform | None = None
    google: GooglePlatform | None = None
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    metrics_port: int | None = Field(default=None, ge=0, le=65535)  # where Prometheus reads /metrics; None: nowhere
    metrics_host: str = "127.0.0.1"

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

    def key_ring(self) -> tuple[dict[str, bytes], str]:
        """The keys in bytes, and the name of the one that seals. Raises ValueError for what is not base64."""
        try:
            ring = {name: base64.b64decode(key.get_secret_value(), validate=True) for name, key in self.keys.items()}
        except binascii.Error as error:
            raise ValueError("keys: each must be base64 of 32 bytes; `segsync keys new` prints one") from error
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
        """Environment before the file."""
        return init_settings, env_settings, dotenv_settings, TomlConfigSettingsSource(settings_cls), file_secret_settings
