"""Google's OAuth 2 for web server apps: consent page, tokens, refreshing, revoking, asking what a token is good for.

A person may leave scopes out. A refresh token comes with `access_type=offline`, at the first consent and with `prompt=consent`.
A code that was asked for with a code challenge needs its verifier. Client id and secret come in the form or as HTTP Basic.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from sandbox.platforms.consent import Asked, Code, Grants, ask, back, wrong
from sandbox.platforms.platform import Answer, Json, Refusal
from sandbox.world import World

DATA = "https://www.googleapis.com/auth/datamanager"
ADS = "https://www.googleapis.com/auth/adwords"
PROFILE = ("openid", "email", "profile")
LONG_PROFILE = ("https://www.googleapis.com/auth/userinfo.email", "https://www.googleapis.com/auth/userinfo.profile")
SCOPES = (DATA, ADS, *PROFILE, *LONG_PROFILE)
WORDS = {
    DATA: "Manage your audiences and send data to your ad accounts",
    ADS: "See, edit, create, and delete your Google Ads accounts and data",
    "openid": "Associate you with your personal info on Google",
    "email": "See your primary Google Account e-mail address",
    "profile": "See your personal info",
}
ACCESS_S, REFRESH_S = 3_600, 180 * 86_400  # a refresh token dies when six months idle


class Login:
    """The consent page and the token endpoints."""

    def __init__(self, world: World, grants: Grants) -> None:
        self._world, self._grants = world, grants

    async def page(self, request: Request) -> Response:
        """The consent page, and what its buttons send."""
        if request.method == "POST":
            return await self._decided(request)
        query = request.query_params
        if query.get("response_type") != "code" or not query.get("client_id") or not query.get("redirect_uri"):
            said = "Required parameter is missing: response_type, client_id or redirect_uri"
            return wrong("Access blocked: Authorization Error", f"Error 400: invalid_request. {said}")
        asked = query.get("scope", "").split()
        if not asked or any(s not in SCOPES for s in asked):
            return wrong("Access blocked: Authorization Error", "Error 400: invalid_scope. Some requested scopes were invalid.")
        if query.get("code_challenge") and query.get("code_challenge_method") != "S256":
            return wrong("Access blocked: Authorization Error", "Error 400: invalid_request. Only S256 is supported here.")
        names = ("client_id", "redirect_uri", "state", "code_challenge", "access_type", "prompt")
        fields = {k: query.get(k, "") for k in names}
        about = Asked("Google", asked, words=WORDS, optional=True, action=request.url.path, fields=fields, colour="#1a73e8")
        return ask(request, self._world, about)

    async def _decided(self, request: Request) -> Response:
        form = {k: str(v) for k, v in (await request.form()).items()}
        scopes = tuple(str(s) for s in (await request.form()).getlist("scope"))
        redirect, user_id, client_id = form.get("redirect_uri", ""), form.get("as", ""), form.get("client_id", "")
        if not redirect or self._world.person(user_id) is None:
            return wrong("Something went wrong", "Nobody is signed in.")
        if form.get("decision") != "grant":
            return back(redirect, error="access_denied", state=form.get("state", ""))
        tokens = list(self._grants.tokens.values())
        first = not any((t.user_id, t.client_id) == (user_id, client_id) and not t.revoked for t in tokens)
        offline = form.get("access_type") == "offline" and (first or "consent" in form.get("prompt", ""))
        challenge = form.get("code_challenge", "")
        code = self._grants.code(user_id, scopes, redirect, client_id, challenge, offline=offline)
        return back(redirect, code=code, scope=" ".join(scopes), state=form.get("state", ""))

    def token(self, form: Json, headers: Mapping[str, str]) -> Json:
        """A code or a refresh token for an access token."""
        client_id, secret = _client(form, headers)
        if not client_id:
            raise _refused(400, "invalid_request", "Could not determine client ID from request.")
        if not secret:
            raise _refused(401, "invalid_client", "Unauthorized")
        if form.get("grant_type") == "refresh_token":
            old, state = self._grants.state(str(form.get("refresh_token", "")), "refresh")
            if old is None or state != "good" or old.client_id not in ("", client_id):
                raise _refused(400, "invalid_grant", "Token has been expired or revoked.")
            return self._reply(old.user_id, old.scopes, client_id)
        if form.get("grant_type") != "authorization_code":
            raise _refused(400, "unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type', '')}")
        code = self._grants.spend(str(form.get("code", "")))
        if code is None or code.client_id != client_id:
            raise _refused(400, "invalid_grant", "Malformed auth code.")
        if code.redirect_uri != form.get("redirect_uri"):
            raise _refused(400, "redirect_uri_mismatch", "Bad Request")
        _verify(code, str(form.get("code_verifier", "")))
        reply = self._reply(code.user_id, code.scopes, client_id)
        if code.offline:
            refresh = self._grants.token(code.user_id, code.scopes, lives_s=REFRESH_S, kind="refresh", client_id=client_id)
            reply["refresh_token"] = refresh.value
        return reply

    def _reply(self, user_id: str, scopes: tuple[str, ...], client_id: str) -> Json:
        access = self._grants.token(user_id, scopes, lives_s=ACCESS_S, client_id=client_id)
        return {"access_token": access.value, "expires_in": ACCESS_S - 1, "scope": " ".join(scopes), "token_type": "Bearer"}

    def revoke(self, form: Json) -> Json:
        """Takes the person's grant to the app back."""
        token = self._grants.tokens.get(str(form.get("token", "")))
        if token is None or token.revoked:
            raise _refused(400, "invalid_token", "Token expired or revoked")
        self._grants.revoke(user_id=token.user_id, client_id=token.client_id)
        return {}

    def inspect(self, params: Json) -> Json:
        """`tokeninfo`: what an access token is good for."""
        token, state = self._grants.state(str(params.get("access_token", "")))
        if token is None or state != "good":
            raise _refused(400, "invalid_token", "Invalid Value")
        left = int(token.expires - time.time())
        about = {"azp": token.client_id, "aud": token.client_id, "sub": person_number(token.user_id)}
        return about | {"scope": " ".join(token.scopes), "expires_in": str(left), "access_type": "offline"}

    def userinfo(self, user_id: str) -> Json:
        """Who the person is."""
        person = next(p for p in self._world.people if p.id == user_id)
        return {"sub": person_number(user_id), "name": person.name, "email": person.email, "email_verified": True}


def person_number(user_id: str) -> str:
    """The person's id at Google."""
    return str(1_000_000_000 + int(hashlib.sha256(user_id.encode()).hexdigest()[:8], 16))


def _client(form: Json, headers: Mapping[str, str]) -> tuple[str, str]:
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(value).decode().partition(":")
        except ValueError as error:
            raise _refused(401, "invalid_client", "Unauthorized") from error
        return unquote(name), unquote(secret)
    return str(form.get("client_id", "")), str(form.get("client_secret", ""))


def _verify(code: Code, verifier: str) -> None:
    if not code.challenge:
        return
    if not verifier:
        raise _refused(400, "invalid_grant", "Missing code verifier.")
    made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    if not secrets.compare_digest(made, code.challenge):
        raise _refused(400, "invalid_grant", "Invalid code verifier.")


def _refused(status: int, error: str, said: str) -> Refusal:
    return Refusal(Answer({"error": error, "error_description": said}, status))
