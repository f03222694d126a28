"""From settings to the platforms and sources that the product works with outside; with `main` the only place that knows them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from bot.settings import GooglePlatform, LinkedInPlatform, Platform, Settings
from channels.google import Google
from channels.http import Http
from channels.linkedin import LinkedIn
from channels.meta import Meta
from core.errors import ConfigError
from core.models import Channel
from core.ports import AdChannel, Clock, SegmentSource
from sources.files import FilesSource


@dataclass(frozen=True, slots=True)
class Adapters:
    """The platforms that the operator has set up, and the sources that are declared."""

    channels: Mapping[Channel, AdChannel] = field(default_factory=dict)
    sources: Mapping[str, SegmentSource] = field(default_factory=dict)


def adapters(settings: Settings, clock: Clock) -> Adapters:
    """What the settings declare. Raises ConfigError for what this version cannot serve."""
    channels: dict[Channel, AdChannel] = {}
    if settings.meta:
        channels[Channel.META] = _meta(settings.meta, clock)
    if settings.linkedin:
        channels[Channel.LINKEDIN] = _linkedin(settings.linkedin, clock)
    if settings.google:
        channels[Channel.GOOGLE] = _google(settings.google, clock)
    sources: dict[str, SegmentSource] = {}
    for one in settings.sources:
        if one.kind != "files" or one.folder is None:
            raise ConfigError(
                f'The source {one.name} is not one that this version can read: it needs kind = "files" and a folder.'
            )
        sources[one.name] = FilesSource(
            name=one.name, folder=Path(one.folder), consent=one.consent, default_country=one.default_country
        )
    return Adapters(channels, sources)


def _meta(platform: Platform, clock: Clock) -> Meta:
    told: dict[str, Any] = {}
    if platform.api_url:
        told["api_url"] = platform.api_url
    if platform.auth_url:
        told["dialog_url"] = platform.auth_url
    if platform.settle_s is not None:
        told["settle"] = timedelta(seconds=platform.settle_s)
    http = Http("Meta", timeout_s=platform.timeout_s)
    return Meta(
        http=http, client_id=platform.client_id, client_secret=platform.client_secret.get_secret_value(), clock=clock, **told
    )


def _linkedin(platform: LinkedInPlatform, clock: Clock) -> LinkedIn:
    told: dict[str, Any] = {
        "api_url": platform.api_url,
        "login_url": platform.auth_url,
        "version": platform.version,
        "source_platform": platform.source_platform,
        "settle": timedelta(seconds=platform.settle_s) if platform.settle_s is not None else None,
    }
    return LinkedIn(
        http=Http("LinkedIn", timeout_s=platform.timeout_s),
        client_id=platform.client_id,
        client_secret=platform.client_secret.get_secret_value(),
        clock=clock,
        **{name: value for name, value in told.items() if value is not None},
    )


def _google(platform: GooglePlatform, clock: Clock) -> Google:
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
        http=Http("Google", timeout_s=platform.timeout_s),
        client_id=platform.client_id,
        client_secret=platform.client_secret.get_secret_value(),
        clock=clock,
        **{name: value for name, value in told.items() if value is not None},
    )
