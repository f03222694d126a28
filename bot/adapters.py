"""From settings to the platforms and sources that the product works with outside; with `main` the only place that knows them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bot.settings import (
    FilesSettings,
    GooglePlatform,
    HttpSettings,
    LinkedInPlatform,
    Platform,
    SegmentSettings,
    Settings,
    SqlSettings,
)
from channels.google import Google
from channels.http import Http
from channels.linkedin import LinkedIn
from channels.meta import Meta
from core.models import Channel
from core.ports import AdChannel, Clock, Pace, SegmentSource, Tracer
from core.shelves import Folders, Objects, Shelves
from sources.declared import Declared
from sources.files import FilesSource
from sources.http import HttpSource, Paging
from sources.sql import SqlSource


@dataclass(frozen=True, slots=True)
class Adapters:
    """The platforms that the operator has set up, and the sources that are declared."""

    channels: Mapping[Channel, AdChannel] = field(default_factory=dict)
    sources: Mapping[str, SegmentSource] = field(default_factory=dict)


def shelves(settings: Settings) -> Shelves:
    """Where ledgers lie. Raises ConfigError for an address that names no store."""
    return Objects(settings.ledger_url) if settings.ledger_url else Folders(settings.data_dir / "ledger")


def adapters(settings: Settings, clock: Clock, pace: Pace | None = None, tracer: Tracer | None = None) -> Adapters:
    """What the settings declare. `pace`: keeps the platforms' quotas. Raises ConfigError for what this version cannot serve."""
    channels: dict[Channel, AdChannel] = {}
    if settings.meta:
        channels[Channel.META] = _meta(settings.meta, clock, tracer)
    if settings.linkedin:
        channels[Channel.LINKEDIN] = _linkedin(settings.linkedin, clock, pace, tracer)
    if settings.google:
        channels[Channel.GOOGLE] = _google(settings.google, clock, pace, tracer)
    sources: dict[str, SegmentSource] = {}
    for one in settings.sources:
        sources[one.name] = _source(one)
    return Adapters(channels, sources)


def _source(one: FilesSettings | SqlSettings | HttpSettings) -> SegmentSource:
    match one:
        case FilesSettings():
            return FilesSource(name=one.name, folder=one.folder, consent=one.consent, default_country=one.default_country)
        case SqlSettings():
            declared = [_declared(one, s) for s in one.segments]
            return SqlSource(name=one.name, url=one.url.get_secret_value(), segments=declared, timeout_s=one.timeout_s)
        case HttpSettings():
            paging = Paging(
                items=one.items,
                next=one.next,
                cursor=one.cursor,
                total=one.total,
                listing=one.listing,
                id=one.listed_id,
                name=one.listed_name,
                size=one.listed_size,
                creator=one.listed_creator,
            )
            return HttpSource(
                name=one.name,
                url=one.url,
                headers={name: value.get_secret_value() for name, value in one.headers.items()},
                paths=one.columns,
                paging=paging,
                template=Declared("", one.read, consent=one.consent, default_country=one.default_country),
                segments=[_declared(one, s) for s in one.segments],
                timeout_s=one.timeout_s,
            )


def _declared(source: SqlSettings | HttpSettings, one: SegmentSettings) -> Declared:
    return Declared(
        id=one.id,
        read=one.read,
        name=one.name,
        creator=one.creator,
        description=one.description,
        kind=one.kind,
        columns=one.columns,
        consent=source.consent,
        default_country=source.default_country,
        count=one.count,
        version=one.version,
    )


def _meta(platform: Platform, clock: Clock, tracer: Tracer | None) -> Meta:
    told: dict[str, Any] = {}
    if platform.api_url:
        told["api_url"] = platform.api_url
    if platform.auth_url:
        told["dialog_url"] = platform.auth_url
    if platform.settle_s is not None:
        told["settle"] = timedelta(seconds=platform.settle_s)
    http = Http("Meta", timeout_s=platform.timeout_s, tracer=tracer)
    return Meta(
        http=http, client_id=platform.client_id, client_secret=platform.client_secret.get_secret_value(), clock=clock, **told
    )


def _linkedin(platform: LinkedInPlatform, clock: Clock, pace: Pace | None, tracer: Tracer | None) -> LinkedIn:
    told: dict[str, Any] = {
        "api_url": platform.api_url,
        "login_url": platform.auth_url,
        "version": platform.version,
        "source_platform": platform.source_platform,
        "settle": timedelta(seconds=platform.settle_s) if platform.settle_s is not None else None,
    }
    return LinkedIn(
        http=Http("LinkedIn", timeout_s=platform.timeout_s, pace=pace, tracer=tracer),
        client_id=platform.client_id,
        client_secret=platform.client_secret.get_secret_value(),
        clock=clock,
        **{name: value for name, value in told.items() if value is not None},
    )


def _google(platform: GooglePlatform, clock: Clock, pace: Pace | None, tracer: Tracer | None) -> Google:
    """`api_url` stands for all of Google's hosts but that of the consent page, which is `auth_url`."""
    api = platform.api_url
    told: dict[str, Any] = {
        "data_url": api,
        "ads_url": api,
        "token_url": api,
        "people_url": api,
        "login_url": platform.auth_url,
        "version": platform.version,
        "poll": timedelta(seconds=platform.poll_s) if platform.poll_s is not None else None,
        "settle": timedelta(seconds=platform.settle_s) if platform.settle_s is not None else None,
        "mobile_app": (platform.mobile_key_space, platform.mobile_app_id) if platform.mobile_app_id else None,
    }
    return Google(
        http=Http("Google", timeout_s=platform.timeout_s, pace=pace, tracer=tracer),
        client_id=platform.client_id,
        client_secret=platform.client_secret.get_secret_value(),
        clock=clock,
        **{name: value for name, value in told.items() if value is not None},
    )
