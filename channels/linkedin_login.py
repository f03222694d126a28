"""LinkedIn's three-legged OAuth 2: consent page, tokens, their renewal and their end.

Facts from LinkedIn's pages: Authorization Code Flow, Programmatic Refresh Tokens, Token Introspection. There is no PKCE for apps
with a secret. Refresh tokens are for approved partners only; they live a year from the consent on, and refreshing does not
lengthen that. Whoever has none logs in again every 60 days.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from channels.http import Answer, Http, retry_after
from channels.oauth import grant_of
from core.errors import ChannelError, NeedsReconnect, PermissionMissing, RateLimited, Unavailable
from core.models import Grant
from core.ports import Clock

SCOPES = ("rw_ads", "rw_dmp_segments")


class Login:
    """The endpoints below `oauth_url`."""

    def __init__(self, *, http: Http, client_id: str, client_secret: str, clock: Clock, oauth_url: str) -> None:
        self._http, self._clock, self._url = http, clock, oauth_url
        self._app = {"client_id": client_id, "client_secret": client_secret}

    def page(self, *, state: str, redirect_uri: str) -> str:
        """The consent page; what is asked is given as a whole or not at all (Authorization Code Flow, step 2)."""
        asked = {
            "response_type": "code",
            "client_id": self._app["client_id"],
            "redirect_uri": redirect_uri,
            "state": state,
            "scope": " ".join(SCOPES),
        }
        return f"{self._url}/authorization?{urlencode(asked, quote_via=quote)}"

    def grant(self, *, code: str, redirect_uri: str) -> Grant:
        """The grant for a code. Raises PermissionMissing where a scope is not among the given ones."""
        reply = self._ask("accessToken", {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri})
        grant = self._read(reply, Grant("", scopes=SCOPES))
        missing = [s for s in SCOPES if s not in grant.scopes]
        if missing:
            raise PermissionMissing(f"LinkedIn was not connected: it did not give the permission {' and '.join(missing)}.")
        return grant

    def renew(self, grant: Grant) -> Grant:
        """A fresh access token; the grant as it is where there is no refresh token. Raises NeedsReconnect."""
        if grant.refresh_token is None:
            return grant
        if grant.ends_at is not None and grant.ends_at <= self._clock.now():
            raise NeedsReconnect("The LinkedIn connection has lasted a year, its longest: log in again.", expired=True)
        reply = self._ask("accessToken", {"grant_type": "refresh_token", "refresh_token": grant.refresh_token}, safe=True)
        return self._read(reply, grant)

    def revoke(self, grant: Grant) -> None:
        """Asks LinkedIn to forget the token. No page of LinkedIn's promises this, so a refusal counts for nothing."""
        self._http.ask("POST", f"{self._url}/revoke", form=self._app | {"token": grant.access_token}, safe=True, answers_429=True)

    def check(self, grant: Grant) -> Grant:
        """Asks whether the token is good now; renews one that has expired. Raises NeedsReconnect (Token Introspection)."""
        told = self._ask("introspectToken", {"token": grant.access_token}, safe=True)
        if not told.get("active"):
            if told.get("status") == "expired":
                if grant.refresh_token is not None:
                    return self.renew(grant)
                raise NeedsReconnect("The LinkedIn connection has expired: log in again.", expired=True)
            raise NeedsReconnect("LinkedIn no longer accepts this connection: log in again.")
        scopes = tuple(filter(None, str(told.get("scope") or "").split(",")))
        expires = datetime.fromtimestamp(int(told["expires_at"]), UTC) if told.get("expires_at") else grant.expires_at
        return replace(
            grant,
            scopes=scopes or grant.scopes,
            expires_at=expires,
            ends_at=grant.ends_at if grant.refresh_token else expires,
        )

    def _read(self, reply: Mapping[str, Any], former: Grant) -> Grant:
        """The grant, with its end: the refresh token's, else the access token's; a renewal never puts it off."""
        now = self._clock.now()
        grant = grant_of(reply, now, former=former)
        lives = reply.get("refresh_token_expires_in")
        ends = now + timedelta(seconds=int(lives)) if lives else None
        if grant.refresh_token is None:
            return replace(grant, ends_at=grant.expires_at)
        return replace(grant, ends_at=min([e for e in (ends, former.ends_at) if e is not None], default=None))

    def _ask(self, path: str, form: Mapping[str, str], *, safe: bool = False) -> Mapping[str, Any]:
        answer = self._http.ask("POST", f"{self._url}/{path}", form=self._app | dict(form), safe=safe, answers_429=True)
        if answer.status < 400 and isinstance(answer.body, dict):
            return answer.body
        raise _refusal(answer)


def _refusal(answer: Answer) -> ChannelError:
    error = str(answer.body.get("error", "")) if isinstance(answer.body, dict) else ""
    if answer.status == 429:
        return RateLimited("LinkedIn asks for fewer requests.", retry_after=retry_after(answer.headers))
    if answer.status >= 500:
        return Unavailable("LinkedIn does not answer well at the moment.")
    if error == "invalid_grant":
        return NeedsReconnect("LinkedIn no longer accepts this connection: log in again.")
    if error == "invalid_client" or answer.status == 401:
        return ChannelError("LinkedIn does not accept segsync's client id and secret: the operator looks at the settings.")
    return ChannelError("LinkedIn was not connected: it no longer accepts this consent. Ask for a new link in Slack.")
