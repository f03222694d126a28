"""Google's OAuth 2 for web server apps: consent page, tokens, their renewal and their end.

Facts from Google's pages: Using OAuth 2.0 for Web Server Applications, OpenID Connect. People may tick only some boxes, so what
was given is checked. A refresh token lasts until it is taken back, or six months unused; of an app in *Testing* seven days, which
the token reply tells as `refresh_token_expires_in`.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

from channels.http import Answer, Http, retry_after
from channels.oauth import challenge, grant_of
from core.errors import ChannelError, NeedsReconnect, PermissionMissing, RateLimited, Unavailable
from core.models import Grant
from core.ports import Clock

DATA = "https://www.googleapis.com/auth/datamanager"
ADS = "https://www.googleapis.com/auth/adwords"
SCOPES = (DATA, ADS)
PERSON = ("openid", "email", "profile")  # who it is; shown without a box
_WORDS = {DATA: "to manage audiences and send data", ADS: "to see Google Ads accounts and campaigns"}


class Login:
    """The consent page below `login_url`, the token endpoints below `token_url`, the person's profile below `people_url`."""

    def __init__(
        self, *, http: Http, client_id: str, client_secret: str, clock: Clock, login_url: str, token_url: str, people_url: str
    ) -> None:
        self._http, self._clock = http, clock
        self._page, self._tokens, self._people = f"{login_url}/o/oauth2/v2/auth", token_url, people_url
        self._app = {"client_id": client_id, "client_secret": client_secret}

    def page(self, *, state: str, redirect_uri: str, verifier: str) -> str:
        """The consent page. `prompt=consent`: without it a second consent would give no refresh token."""
        asked = {
            "response_type": "code",
            "client_id": self._app["client_id"],
            "redirect_uri": redirect_uri,
            "scope": " ".join((*SCOPES, *PERSON)),
            "state": state,
            "access_type": "offline",
            "prompt": "consent",
            "code_challenge": challenge(verifier),
            "code_challenge_method": "S256",
        }
        return f"{self._page}?{urlencode(asked, quote_via=quote)}"

    def grant(self, *, code: str, redirect_uri: str, verifier: str) -> Grant:
        """The grant for a code, with who gave it. Raises PermissionMissing where a box was left empty."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
        grant = self._read(self._ask("token", form, consenting=True), Grant(""))
        if missing := [s for s in SCOPES if s not in grant.scopes]:
            lacks = " and ".join(_WORDS[s] for s in missing)
            raise PermissionMissing(
                f"Google was not connected: the permission {lacks} was not given. Try again and leave every box ticked."
            )
        about = self.person(grant)
        return replace(grant, person_id=str(about.get("sub", "")), person_name=str(about.get("name") or about.get("email", "")))

    def person(self, grant: Grant) -> Mapping[str, Any]:
        """`sub`, `name`, `email` of whoever gave the grant; empty where the app may not know."""
        headers = {"authorization": f"Bearer {grant.access_token}"}
        answer = self._http.ask("GET", f"{self._people}/oauth2/v3/userinfo", headers=headers, answers_429=True)
        return answer.body if answer.status < 400 and isinstance(answer.body, dict) else {}

    def renew(self, grant: Grant) -> Grant:
        """A fresh access token. Raises NeedsReconnect."""
        if grant.refresh_token is None:
            return grant
        if grant.ends_at is not None and grant.ends_at <= self._clock.now():
            raise NeedsReconnect("The Google connection has expired: log in again.", expired=True)
        form = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token}
        return self._read(self._ask("token", form, safe=True), grant)

    def revoke(self, grant: Grant) -> None:
        """Takes the whole consent back; one that is gone already is well."""
        form = {"token": grant.refresh_token or grant.access_token}
        self._http.ask("POST", f"{self._tokens}/revoke", form=form, safe=True, answers_429=True)

    def check(self, grant: Grant) -> Grant:
        """Asks whether the token is good now, and for what; renews one that is not. Raises NeedsReconnect."""
        headers = {"authorization": f"Bearer {grant.access_token}"}
        answer = self._http.ask(
            "POST",
            f"{self._tokens}/tokeninfo",
            form={"access_token": grant.access_token},  # in the form: an address ends up in logs
            headers=headers,
            safe=True,
            answers_429=True,
        )
        if answer.status in (400, 401):
            if grant.refresh_token is None:
                raise NeedsReconnect("The Google connection has expired: log in again.", expired=True)
            return self.renew(grant)
        if answer.status >= 400 or not isinstance(answer.body, dict):
            raise _refusal(answer, consenting=False)
        return replace(grant, scopes=tuple(str(answer.body.get("scope") or "").split()) or grant.scopes)

    def _read(self, reply: Mapping[str, Any], former: Grant) -> Grant:
        """The grant, with its end where Google tells one; without a refresh token it ends with its access token."""
        now = self._clock.now()
        grant = grant_of(reply, now, former=former)
        lives = reply.get("refresh_token_expires_in")
        ends = now + timedelta(seconds=int(lives)) if lives else None
        if grant.refresh_token is None:
            return replace(grant, ends_at=grant.expires_at)
        return replace(grant, ends_at=min([e for e in (ends, former.ends_at) if e is not None], default=None))

    def _ask(self, path: str, form: Mapping[str, str], *, safe: bool = False, consenting: bool = False) -> Mapping[str, Any]:
        answer = self._http.ask("POST", f"{self._tokens}/{path}", form=self._app | dict(form), safe=safe, answers_429=True)
        if answer.status < 400 and isinstance(answer.body, dict):
            return answer.body
        raise _refusal(answer, consenting=consenting)


def _refusal(answer: Answer, *, consenting: bool) -> ChannelError:
    error = str(answer.body.get("error", "")) if isinstance(answer.body, dict) else ""
    if answer.status == 429:
        return RateLimited("Google asks for fewer requests.", retry_after=retry_after(answer.headers))
    if answer.status >= 500:
        return Unavailable("Google does not answer well at the moment.")
    if error in ("invalid_client", "unauthorized_client", "redirect_uri_mismatch"):
        return ChannelError("Google does not accept segsync's client id, secret or address: the operator looks at the settings.")
    if consenting:
        return ChannelError("Google was not connected: it no longer accepts this consent. Ask for a new link in Slack.")
    if error == "invalid_grant":
        return NeedsReconnect("Google no longer accepts this connection: log in again.")
    return ChannelError(f"Google did not renew the connection ({answer.status}).")
