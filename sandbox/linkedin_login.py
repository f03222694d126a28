"""LinkedIn's three-legged OAuth 2 (Authorization code flow; Programmatic refresh tokens; Token introspection).

Consent is all or nothing. An access token lives 60 days, a refresh token a year from the consent on: refreshing renews the access
token only, and never beyond the end of the refresh token.
"""

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.platforms.consent import Asked, Grants, Token, ask, back, wrong
from sandbox.platforms.platform import Answer, Json, Refusal
from sandbox.world import World

SCOPES = ("rw_ads", "r_ads", "rw_dmp_segments", "r_ads_reporting", "r_organization_admin", "openid", "profile", "email")
WORDS = {
    "rw_ads": "Manage your advertising accounts",
    "r_ads": "Read your advertising accounts",
    "rw_dmp_segments": "Create and manage your matched audiences",
    "r_ads_reporting": "Read the statistics of your advertising accounts",
    "r_organization_admin": "Read your organizations' pages",
    "openid": "Use your name and photo",
    "profile": "Use your name and photo",
    "email": "Use the primary e-mail address of your account",
}
ACCESS_S, REFRESH_S = 5_184_000, 31_536_000
UNMATCHED = (
    "Unable to retrieve access token: appid/redirect uri/code verifier does not match authorization code."
    " Or authorization code expired. Or external member binding exists"
)


class Login:
    """The consent page and the token endpoints."""

    def __init__(self, world: World, grants: Grants) -> None:
        self._world, self._grants = world, grants

    async def page(self, request: Request) -> Response:
        """The consent page, and what its buttons send."""
        if request.method == "POST":
            form = await request.form()
            state, redirect, user_id = (str(form.get(k, "")) for k in ("state", "redirect_uri", "as"))
            if not redirect or self._world.person(user_id) is None:
                return wrong("Bummer, something went wrong.", "Nobody is logged in.")
            if form.get("decision") != "grant":
                said = "The user cancelled LinkedIn authorization"
                return back(redirect, error="user_cancelled_authorize", error_description=said, state=state)
            scopes = tuple(str(s) for s in form.getlist("scope"))
            return back(
                redirect, code=self._grants.code(user_id, scopes, redirect, str(form.get("client_id", "")), ""), state=state
            )
        query = request.query_params
        if query.get("response_type") != "code":
            return wrong("Bummer, something went wrong.", 'The passed in response_type is invalid: it must be "code".')
        if not query.get("client_id") or not query.get("redirect_uri"):
            return wrong("Bummer, something went wrong.", "You need to pass the client_id and the redirect_uri.")
        asked = query.get("scope", "").replace(",", " ").split()
        if unknown := [s for s in asked if s not in SCOPES]:
            said = f'Scope "{unknown[0]}" is not authorized for your application'
            return back(
                query["redirect_uri"], error="unauthorized_scope_error", error_description=said, state=query.get("state", "")
            )
        fields = {k: query.get(k, "") for k in ("client_id", "redirect_uri", "state")}
        about = Asked("LinkedIn", asked, words=WORDS, optional=False, action=request.url.path, fields=fields, colour="#0a66c2")
        return ask(request, self._world, about)

    def token(self, form: Json) -> Json:
        """`accessToken`: a code or a refresh token for an access token."""
        self._app(form)
        if form.get("grant_type") == "refresh_token":
            refresh, state = self._grants.state(str(form.get("refresh_token", "")), "refresh")
            if refresh is None or state != "good" or refresh.client_id not in ("", form["client_id"]):
                raise _refused(400, "invalid_grant", "The provided refresh token is invalid, expired or revoked")
            return self._reply(refresh)
        if form.get("grant_type") != "authorization_code":
            raise _refused(400, "invalid_request", "The grant_type is missing or not supported")
        code = self._grants.spend(str(form.get("code", "")))
        if code is None or code.client_id != form["client_id"]:
            raise _refused(400, "invalid_request", UNMATCHED)
        if code.redirect_uri != form.get("redirect_uri"):
            raise _refused(400, "invalid_redirect_uri", UNMATCHED)
        return self._reply(
            self._grants.token(code.user_id, code.scopes, lives_s=REFRESH_S, kind="refresh", client_id=code.client_id)
        )

    def _reply(self, refresh: Token) -> Json:
        left = refresh.expires - time.time()
        lives = min(ACCESS_S, left)
        access = self._grants.token(refresh.user_id, refresh.scopes, lives_s=lives, client_id=refresh.client_id)
        return {
            "access_token": access.value,
            "expires_in": int(lives),
            "refresh_token": refresh.value,
            "refresh_token_expires_in": int(left),
            "scope": ",".join(refresh.scopes),
            "token_type": "Bearer",
        }

    def introspect(self, form: Json) -> Json:
        """What is known of an access token."""
        self._app(form)
        token, state = self._grants.state(str(form.get("token", "")))
        if token is None:
            raise _refused(400, "invalid_request", "The token is missing or unknown")
        return {
            "active": state == "good",
            "status": "active" if state == "good" else state,
            "scope": ",".join(token.scopes),
            "client_id": token.client_id,
            "created_at": int(token.issued),
            "authorized_at": int(token.issued),
            "expires_at": int(token.expires),
            "auth_type": "3L",
        }

    def revoke(self, form: Json) -> Any:
        """Takes the person's grant back."""
        self._app(form)
        token = self._grants.tokens.get(str(form.get("token", "")))
        if token is not None:
            self._grants.revoke(user_id=token.user_id, client_id=token.client_id)
        return {}

    @staticmethod
    def _app(form: Json) -> None:
        if not form.get("client_id"):
            raise _refused(400, "invalid_request", 'A required parameter "client_id" is missing')
        if not form.get("client_secret"):
            raise _refused(401, "invalid_client", "Client authentication failed")


def _refused(status: int, error: str, said: str) -> Refusal:
    return Refusal(Answer({"error": error, "error_description": said}, status))
