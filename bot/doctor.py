"""What `segsync doctor` looks at: each check says how things stand, and what to do where they are wrong."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from pydantic import ValidationError
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from bot.adapters import adapters, shelves
from bot.clock import SystemClock
from bot.manifest import SCOPES
from bot.settings import Settings
from core.errors import SegsyncError
from core.shelves import try_out
from core.store.database import Database
from core.store.migrate import missing
from core.vault import Vault

SKEW_S = 60.0  # Slack refuses signatures that are five minutes off; tokens end earlier than they seem
_QUICK_S = 10.0


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
    except ValidationError as wrong:
        for error in wrong.errors(include_input=False, include_url=False):
            name = ".".join(str(part) for part in error["loc"])
            fix = (
                f"Set SEGSYNC_{name.upper()} or `{name}` in segsync.toml." if name else "Set it as SEGSYNC_… or in segsync.toml."
            )
            yield Finding(f"setting {name}".strip(), False, error["msg"].removeprefix("Value error, "), fix)
        return
    yield Finding("settings", True, "read")
    yield _keys(settings)
    yield _ledgers(settings)
    yield _database(settings)
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
        database = Database(settings.database_url)
        try:
            with database.read() as session:
                tables = inspect(session.connection()).get_table_names()
        finally:
            database.dispose()
        behind = missing(settings.database_url)
    except SQLAlchemyError as wrong:
        kind = type(wrong).__name__
        return Finding("database", False, f"cannot be reached ({kind})", "Look at database_url, and whether the server is up.")
    if not tables or behind:
        return Finding(
            "database", False, f"{behind} migrations behind", "`segsync migrate`; `segsync run` does it, too.", is_warning=True
        )
    return Finding("database", True, "reached, up to date")


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
        said = str(wrong.response["error"]) if isinstance(wrong, SlackApiError) else "Slack does not answer"
        fix = "Copy the Bot User OAuth Token (xoxb-…) from your app's page, OAuth & Permissions."
        yield Finding("slack_bot_token", False, said, fix)
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
        said = str(wrong.response["error"]) if isinstance(wrong, SlackApiError) else "Slack does not answer"
        return Finding("slack_app_token", False, said, fix)
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
        yield Finding(f"channel {channel.value}", True, "set up")
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
                "" if found else "There is nothing to sync.",
                is_warning=True,
            )
