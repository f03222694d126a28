"""Meta's login dialog, tokens and what can be asked of a token (Manually build a login flow; Long-lived tokens; Debug token).

A code gives a token of 90 minutes, which exchanges for one of 60 days; there is no refresh token. A person may leave scopes out
on the dialog; `public_profile` is always granted.
"""

import hashlib
import hmac
import re
import secrets

from starlette.requests import Request
from starlette.responses import Response

from sandbox.meta_errors import GraphError
from sandbox.platforms.consent import Asked, Grants, ask, back, wrong
from sandbox.platforms.platform import Json
from sandbox.world import World

SCOPES = ("ads_management", "ads_read", "business_management", "public_profile", "email")
WORDS = {
    "ads_management": "Manage ads and audiences of the ad accounts that you can manage",
    "ads_read": "Read the ads and statistics of your ad accounts",
    "business_management": "Manage your business portfolio",
    "email": "Your e-mail address",
}
SHORT_S, LONG_S = 5_400, 60 * 86_400
DATA_ACCESS_S = 90 * 86_400


class Login:
    """The dialog and the token endpoints."""

    def __init__(self, world: World, grants: Grants) -> None:
        self._world, self._grants = world, grants
        self._secrets: dict[str, str] = {}  # by client id, as told at the last exchange

    async def dialog(self, request: Request) -> Response:
        """The consent dialog, and what its buttons send."""
        if request.method == "POST":
            return await self._decided(request)
        query = request.query_params
        if not query.get("client_id") or not query.get("redirect_uri"):
            return wrong("Invalid request", "The parameters client_id and redirect_uri are required.")
        asked = [s for s in re.split(r"[ ,]+", query.get("scope", "")) if s and s != "public_profile"]
        if unknown := [s for s in asked if s not in SCOPES]:
            return wrong("Invalid Scopes", f"Invalid Scopes: {', '.join(unknown)}. This message is only shown to developers.")
        fields = {k: query.get(k, "") for k in ("client_id", "redirect_uri", "state")}
        return ask(
            request,
            self._world,
            Asked("Meta", asked, words=WORDS, optional=True, action=request.url.path, fields=fields, colour="#0866ff"),
        )

    async def _decided(self, request: Request) -> Response:
        form = await request.form()
        state, redirect, user_id = (str(form.get(k, "")) for k in ("state", "redirect_uri", "as"))
        if not redirect or self._world.person(user_id) is None:
            return wrong("Invalid request", "Nobody is logged in.")
        if form.get("decision") != "grant":
            told = {"error": "access_denied", "error_reason": "user_denied", "error_description": "Permissions error"}
            return back(redirect, **told, state=state)
        scopes = tuple(str(s) for s in form.getlist("scope") if s in SCOPES)
        code = self._grants.code(user_id, (*scopes, "public_profile"), redirect, str(form.get("client_id", "")), "")
        return back(redirect, code=code, state=state)

    def exchange(self, params: Json) -> Json:
        """A code for a short token, or a token for a long one."""
        for needed in ("client_id", "client_secret"):
            if not params.get(needed):
                raise GraphError(101, f"Missing {needed} parameter.")
        client_id = str(params["client_id"])
        if params.get("grant_type") == "fb_exchange_token":
            old, state = self._grants.state(str(params.get("fb_exchange_token", "")))
            if old is None or state != "good":
                raise GraphError(190, "Error validating access token.", subcode=463 if state == "expired" else 460)
            new = self._grants.token(old.user_id, old.scopes, lives_s=LONG_S, client_id=client_id)
        else:
            code = self._grants.spend(str(params.get("code", "")))
            if code is None:
                raise GraphError(100, "This authorization code has been used.", subcode=36009)
            if code.redirect_uri != params.get("redirect_uri") or code.client_id != client_id:
                said = "Error validating verification code. Please make sure your redirect_uri is identical to the one you used."
                raise GraphError(100, said, subcode=36008)
            new = self._grants.token(code.user_id, code.scopes, lives_s=SHORT_S, client_id=client_id)
        self._secrets[client_id] = str(params["client_secret"])
        return {"access_token": new.value, "token_type": "bearer", "expires_in": int(new.expires - new.issued)}

    def debug(self, params: Json) -> Json:
        """What is known of a token; asked with the app's token or a person's."""
        asking = str(params.get("access_token", ""))
        if "|" not in asking and self._grants.state(asking)[1] != "good":
            raise GraphError(190, "Invalid OAuth access token - Cannot parse access token", status=400)
        token, state = self._grants.state(str(params.get("input_token", "")))
        if token is None:
            error = {"code": 190, "message": "Invalid OAuth access token."}
            return {"data": {"error": error, "is_valid": False, "scopes": []}}
        data: Json = {
            "app_id": token.client_id or "1",
            "type": "USER",
            "application": "segsync",
            "user_id": person_number(token.user_id),
            "is_valid": state == "good",
            "issued_at": int(token.issued),
            "expires_at": int(token.expires),
            "data_access_expires_at": int(token.issued + DATA_ACCESS_S),
            "scopes": list(token.scopes),
        }
        if state != "good":
            said = "Error validating access token."
            data["error"] = {"code": 190, "message": said, "subcode": 460 if state == "revoked" else 463}
        return {"data": data}

    def caller(self, value: str, params: Json) -> tuple[str, tuple[str, ...]]:
        """The person behind a token, and what the token may. Raises GraphError as Meta does for each way in which it is bad."""
        token, state = self._grants.state(value)
        if not value:
            raise GraphError(2500, "An active access token must be used to query information about the current user.")
        if state == "revoked":
            said = "Error validating access token: The session has been invalidated because the user changed their password."
            raise GraphError(190, said, subcode=460, status=401)
        if state == "expired":
            raise GraphError(190, "Error validating access token: Session has expired.", subcode=463, status=401)
        if token is None:
            raise GraphError(190, "Invalid OAuth access token - Cannot parse access token", status=401)
        secret, proof = self._secrets.get(token.client_id), str(params.get("appsecret_proof", ""))
        if proof and secret:
            expected = hmac.new(secret.encode(), value.encode(), hashlib.sha256).hexdigest()
            if not secrets.compare_digest(expected.encode(), proof.encode()):
                raise GraphError(100, "Invalid appsecret_proof provided in the API argument")
        return token.user_id, token.scopes

    def permissions(self, user_id: str) -> list[Json]:
        """What this person has granted."""
        mine = (t for t in list(self._grants.tokens.values()) if t.user_id == user_id and not t.revoked)
        return [{"permission": s, "status": "granted"} for s in sorted({s for t in mine for s in t.scopes})]


def person_number(user_id: str) -> str:
    """The person's id on Meta."""
    digits = re.sub(r"\D", "", user_id)
    return f"90000{int(digits[:2] or 0):04d}"
