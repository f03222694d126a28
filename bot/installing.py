"""Slack's OAuth: workspaces install segsync by themselves. Tokens are sealed; a state works once, in one browser, for a while."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from slack_bolt import BoltResponse
from slack_bolt.oauth.callback_options import CallbackOptions, FailureArgs, SuccessArgs
from slack_bolt.oauth.oauth_settings import OAuthSettings
from slack_sdk.oauth.installation_store import Bot, Installation, InstallationStore
from slack_sdk.oauth.state_store import OAuthStateStore

from bot.manifest import SCOPES
from bot.settings import Settings
from core.ports import Clock
from core.store.installations import InstallationRecords
from core.vault import Vault

STATE_LIVES = timedelta(minutes=10)
Page = Callable[..., Any]


class Installations(InstallationStore):
    """What Bolt asks for a workspace's token. Only bot tokens are asked for and kept."""

    def __init__(self, *, records: InstallationRecords, vault: Vault, clock: Clock) -> None:
        self._records, self._vault, self._clock = records, vault, clock

    def save(self, installation: Installation) -> None:
        """A workspace has installed us."""
        org_id = _org(installation.enterprise_id, installation.team_id, installation.is_enterprise_install)
        token = str(installation.bot_token)
        facts = {
            "app_id": installation.app_id,
            "enterprise_id": installation.enterprise_id,
            "team_id": installation.team_id,
            "team_name": installation.team_name,
            "bot_id": installation.bot_id,
            "bot_user_id": installation.bot_user_id,
            "bot_scopes": list(installation.bot_scopes or []),
            "is_enterprise_install": bool(installation.is_enterprise_install),
        }
        sealed = self._vault.seal(token.encode(), bound_to=f"installation:{org_id}")
        self._records.save(org_id, facts, sealed, installed_by=installation.user_id, at=self._clock.now())

    def find_bot(
        self, *, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None = False
    ) -> Bot | None:
        """The workspace's bot; None where it has not installed us."""
        found = self._records.get(_org(enterprise_id, team_id, is_enterprise_install))
        if found is None:
            return None
        facts, sealed, at = found
        token = self._vault.open(sealed, bound_to=f"installation:{_org(enterprise_id, team_id, is_enterprise_install)}")
        return Bot(**facts, enterprise_name=None, bot_token=token.decode(), installed_at=at.timestamp())

    def delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        """It has uninstalled us, or taken the token back."""
        for org_id in filter(None, (team_id, enterprise_id)):
            self._records.delete(org_id)

    def delete_installation(self, *, enterprise_id: str | None, team_id: str | None, user_id: str | None = None) -> None:
        """No user tokens are kept: there is nothing to forget."""

    def token(self, org_id: str) -> str | None:
        """The bot token of an organization."""
        found = self._records.get(org_id)
        return self._vault.open(found[1], bound_to=f"installation:{org_id}").decode() if found else None


class States(OAuthStateStore):
    """States of installations under way; only their hashes are kept."""

    def __init__(self, *, records: InstallationRecords, clock: Clock) -> None:
        self._records, self._clock = records, clock

    def issue(self, *_args: Any, **_kwargs: Any) -> str:
        """A new one."""
        state = secrets.token_urlsafe(32)
        now = self._clock.now()
        self._records.issue(_hash(state), now + STATE_LIVES, now)
        return state

    def consume(self, state: str) -> bool:
        """True once, in time."""
        return self._records.consume(_hash(state), self._clock.now())


def oauth_settings(
    settings: Settings,
    *,
    installations: Installations,
    states: States,
    page: Page,
    installed: Callable[[Installation], None],
) -> OAuthSettings:
    """Bolt's settings for `/slack/install` and `/slack/oauth_redirect`. `installed`: a workspace is here now."""

    def success(args: SuccessArgs) -> BoltResponse:
        installed(args.installation)
        name = args.installation.team_name or "your workspace"
        return _shown(page("segsync is installed", f"Type /segsync in {name} to begin."))

    def failure(args: FailureArgs) -> BoltResponse:
        said = "Nothing was installed." if args.reason == "access_denied" else "Ask for the installation link again."
        return _shown(page("segsync is not installed", said, status=args.suggested_status_code))

    secret = settings.slack_client_secret
    return OAuthSettings(
        client_id=settings.slack_client_id,
        client_secret=secret.get_secret_value() if secret else None,
        scopes=list(SCOPES),
        redirect_uri=f"{settings.public_url}/slack/oauth_redirect",
        installation_store=installations,
        state_store=states,
        state_expiration_seconds=int(STATE_LIVES.total_seconds()),
        install_page_rendering_enabled=False,
        callback_options=CallbackOptions(success=success, failure=failure),
        authorization_url=f"{_site(settings)}/oauth/v2/authorize",
    )


def _site(settings: Settings) -> str:
    """Where Slack's own pages are: beside its API."""
    return settings.slack_api_url.rstrip("/").removesuffix("/api")


def _shown(answer: Any) -> BoltResponse:
    headers: dict[str, str | Sequence[str]] = {"content-type": "text/html; charset=utf-8", "cache-control": "no-store"}
    return BoltResponse(status=answer.status_code, body=bytes(answer.body).decode(), headers=headers)


def _org(enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None) -> str:
    return str((enterprise_id if is_enterprise_install else team_id) or enterprise_id or team_id or "")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
