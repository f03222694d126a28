"""What `segsync doctor` looks at: each check says how things stand, and what to do where they are wrong."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from sqlalchemy.exc import SQLAlchemyError

from bot.adapters import adapters, shelves
from bot.clock import SystemClock
from bot.logs import hide
from bot.manifest import SCOPES
from bot.settings import Settings
from bot.slips import Slips, unknown
from core.errors import ConfigError, SegsyncError
from core.models import Channel
from core.shelves import try_out
from core.store import Store
from core.store.backup import saved_at
from core.store.migrate import missing
from core.vault import Vault

SKEW_S = 60.0  # Slack refuses signatures that are five minutes off; tokens end earlier than they seem
LATE_S = 900.0
WAITING = 100  # letters: more than a storm leaves for a minute
BACKUP_AGE = timedelta(days=2)
_QUICK_S = 10.0
_HOMES = {
    Channel.GOOGLE: "https://datamanager.googleapis.com",
    Channel.LINKEDIN: "https://api.linkedin.com",
    Channel.META: "https://graph.facebook.com",
}
_DATABASE_FIXES = (  # by words of what the driver says
    ("password", "Look at user and password in SEGSYNC_DATABASE_URL: `psql` with the same ones must get in."),
    ("role", "Create the user: `sudo -u postgres createuser --pwprompt segsync`."),
    ("does not exist", "Create the database: `sudo -u postgres createdb --owner segsync segsync`."),
    ("refused", "Start PostgreSQL, and look at host and port in SEGSYNC_DATABASE_URL."),
    ("no module", "Install the driver beside segsync; PostgreSQL's is there: `postgresql+psycopg://…`."),
    ("newer", "Install the version of segsync that brought the database up to date last, or a newer one."),
    ("unable to open", "Let the user who runs segsync write to that file and its folder."),
    ("", "Look at SEGSYNC_DATABASE_URL, and whether the server is up."),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. `fix` says what to do where it is not well; `is_warning`: segsync runs, but not as it should."""

    name: str
    well: bool
    said: str
    fix: str = ""
    is_warning: bool = False


def examine(load: Callable[[], Settings]) -> Iterator[Finding]:
    """All findings, one after the other; without settings nothing else can be looked at."""
    try:
        settings = load()
    except Slips as wrong:
        yield from (Finding(f"setting {one.name}".strip(), False, one.said, one.fix) for one in wrong.found)
        return
    yield Finding("settings", True, "read")
    yield from (Finding(f"setting {one.name}", False, one.said, one.fix, is_warning=True) for one in unknown())
    yield _keys(settings)
    yield _ledgers(settings)
    yield (database := _database(settings))
    if database.well:
        yield from _kept(settings)
    yield from _slack(settings)
    yield _public_url(settings)
    yield from _outside(settings)


def _keys(settings: Settings) -> Finding:
    try:
        ring, current = settings.key_ring()
        vault = Vault(ring, current)
        vault.open(vault.seal(b"x", bound_to="doctor"), bound_to="doctor")
    except (ValueError, SegsyncError) as wrong:
        return Finding("keys", False, str(wrong), "`segsync keys new` prints one; keep it where the database's backup is not.")
    return Finding("keys", True, f"{len(ring)}; {current} seals")


def _ledgers(settings: Settings) -> Finding:
    """A ledger's file counts once, whoever writes it first: a folder must link, a store must put on a condition."""
    name = "ledger_url" if settings.ledger_url else "data_dir"
    try:
        try_out(shelves(settings))
    except OSError as wrong:
        fix = f"Let the user who runs segsync write to {settings.data_dir}; it must be on a disk that can make hard links."
        return Finding(name, False, wrong.strerror or "cannot be written", fix)
    except SegsyncError as wrong:
        fix = "Look at ledger_url, and whether the credentials may write, read and delete there."
        return Finding(name, False, str(wrong), fix)
    return Finding(name, True, "can be written, read and deleted; a name counts once")


def _database(settings: Settings) -> Finding:
    try:
        behind = missing(settings.database_url)
    except (SQLAlchemyError, SegsyncError, ImportError) as wrong:
        said = hide(str(getattr(wrong, "orig", None) or wrong).strip().splitlines()[0])
        return Finding("database", False, said, next(fix for words, fix in _DATABASE_FIXES if words in said.lower()))
    if behind:
        fix = "`segsync migrate`; each part does it when it starts, too."
        return Finding("database", False, f"{behind} migrations behind", fix, is_warning=True)
    return Finding("database", True, "reached, up to date")


def _kept(settings: Settings) -> Iterator[Finding]:
    """What the database holds: can it be opened, does anybody work on it, is there a copy."""
    store = Store(settings.database_url)
    try:
        standing = store.standing.read()
        sealed = store.sealed.unreadable(Vault(*settings.key_ring()))
    except ConfigError:  # of the keys, which are a finding of their own
        return
    finally:
        store.close()
    if sealed:
        fix = "Put the key back into SEGSYNC_KEYS that was there when they were sealed; others open nothing."
        yield Finding("sealed secrets", False, f"{sealed} cannot be opened with these keys", fix)
    late = standing.late_s > LATE_S
    fix = "Start a worker (`segsync worker`) and a clock (`segsync clock`), or more workers; `segsync run` is all in one."
    said = f"the longest waits for {standing.late_s / 60:.0f} minutes" if late else "none is late"
    yield Finding("refreshes", not late, said, fix, is_warning=True)
    waits = standing.letters > WAITING
    fix = "Start a bot (`segsync bot`); where one runs, its log says what Slack refuses."
    yield Finding("messages", not waits, f"{standing.letters} wait for Slack", fix, is_warning=True)
    if standing.syncs:
        yield _backup(settings)


def _backup(settings: Settings) -> Finding:
    at = saved_at(settings.data_dir)
    age = datetime.now(UTC) - at if at else None
    said = "there is none yet" if age is None else f"the last one is {age.days} days old"
    fix = f"`segsync backup FILE` every night; other tools tell of theirs by `touch {settings.data_dir / 'last-backup'}`."
    return Finding("backup", age is not None and age < BACKUP_AGE, said, fix, is_warning=True)


def _slack(settings: Settings) -> Iterator[Finding]:
    if settings.slack_bot_token is None:
        yield Finding("slack", True, f"workspaces install it at {settings.public_url}/slack/install")
        return
    token = settings.slack_bot_token.get_secret_value()
    client = WebClient(base_url=settings.slack_api_url, token=token, timeout=int(_QUICK_S))
    before = time.time()
    try:
        answer = client.auth_test()
    except (SlackApiError, OSError) as wrong:
        fix = "Copy the Bot User OAuth Token (xoxb-…) from your app's page, OAuth & Permissions."
        yield _refused("slack_bot_token", wrong, settings, fix)
        return
    told: dict[str, Any] = {k.lower(): v for k, v in answer.headers.items()}
    yield Finding("slack_bot_token", True, f"{answer['team']}, as {answer['user']}")
    given = {s.strip() for s in str(told.get("x-oauth-scopes", "")).split(",") if s.strip()}
    lacking = [s for s in SCOPES if s not in given]
    fix = "Add them under OAuth & Permissions (or paste `segsync manifest`), then install the app again."
    yield Finding(
        "scopes", not lacking, f"lacks {', '.join(lacking)}" if lacking else f"all {len(SCOPES)}", fix if lacking else ""
    )
    yield _skew(str(told.get("date", "")), before)
    if settings.slack_mode == "socket":
        yield _socket(settings)
    elif not settings.slack_signing_secret.get_secret_value():
        yield Finding("slack_signing_secret", False, "is empty", "Copy it from your app's page, Basic Information.")


def _refused(name: str, wrong: SlackApiError | OSError, settings: Settings, fix: str) -> Finding:
    if isinstance(wrong, SlackApiError):
        return Finding(name, False, str(wrong.response["error"]), fix)
    host = urlsplit(settings.slack_api_url).netloc
    return Finding("slack", False, "does not answer", f"Let this machine reach {host} (https, also through HTTPS_PROXY).")


def _skew(date: str, before: float) -> Finding:
    if not date:
        return Finding("clock", True, "Slack does not tell the time here")
    off = abs(parsedate_to_datetime(date).timestamp() - before)
    return Finding(
        "clock", off < SKEW_S, f"{off:.0f} s beside Slack's", "Switch time synchronisation on (chrony, systemd-timesyncd)."
    )


def _socket(settings: Settings) -> Finding:
    token = settings.slack_app_token.get_secret_value() if settings.slack_app_token else ""
    fix = "Create an app-level token (xapp-…) with connections:write under Basic Information, and switch Socket Mode on."
    if not token:
        return Finding("slack_app_token", False, "is not set", fix)
    try:
        WebClient(base_url=settings.slack_api_url, timeout=int(_QUICK_S)).apps_connections_open(app_token=token)
    except (SlackApiError, OSError) as wrong:
        return _refused("slack_app_token", wrong, settings, fix)
    return Finding("slack_app_token", True, "opens sockets")


def _public_url(settings: Settings) -> Finding:
    if not settings.public_url:
        said = "is not set: nobody can connect an ad platform, and links to syncs do not work"
        fix = f"Set it to the https address that leads to {settings.web_host}:{settings.web_port}."
        return Finding("public_url", False, said, fix, is_warning=True)
    try:
        answer = httpx.get(f"{settings.public_url}/healthz", timeout=_QUICK_S)
    except httpx.HTTPError:
        fix = "Fine while segsync is not running; else look at the proxy in front of it."
        return Finding("public_url", False, "does not answer", fix, is_warning=True)
    well = answer.status_code == 200
    fix = "Fine while segsync is not running; else it must lead to segsync." if not well else ""
    return Finding("public_url", well, f"answers {answer.status_code}", fix, is_warning=True)


def _outside(settings: Settings) -> Iterator[Finding]:
    try:
        outside = adapters(settings, SystemClock(settings.clock_file))
    except SegsyncError as wrong:
        yield Finding("channels and sources", False, str(wrong), "Look at these settings.")
        return
    if not outside.channels:
        yield Finding(
            "channels",
            False,
            "none is set up",
            "Register an app at Google, LinkedIn or Meta: docs/install.md says how.",
            is_warning=True,
        )
    for channel in outside.channels:
        yield _channel(channel, settings)
    if not outside.sources:
        yield Finding("sources", False, "none is declared", "docs/sources.md says how.", is_warning=True)
    for name, source in outside.sources.items():
        try:
            found = source.segments()
        except SegsyncError as wrong:
            yield Finding(f"source {name}", False, str(wrong), f"`segsync source check {name}` says more.")
        else:
            yield Finding(
                f"source {name}",
                bool(found),
                f"{len(found)} segments",
                "" if found else "Put files there, or declare segments: docs/sources.md.",
                is_warning=True,
            )


def _channel(channel: Channel, settings: Settings) -> Finding:
    """Whether the platform can be reached from here; what our app may do there only a person's consent can tell."""
    platform = getattr(settings, channel.value)
    home = platform.api_url or _HOMES[channel]
    name, host = f"channel {channel.value}", urlsplit(home).netloc
    try:
        httpx.get(home, timeout=_QUICK_S)
    except httpx.HTTPError:
        return Finding(
            name, False, f"{host} does not answer", f"Let this machine reach {host} (https, also through HTTPS_PROXY)."
        )
    back = f"; its redirect address is {settings.public_url}/oauth/{channel.value}/callback" if settings.public_url else ""
    return Finding(name, True, f"{host} answers{back}")
