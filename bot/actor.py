"""Who is asking: organization, user, role, zone. Runs before every handler; guests and strangers go no further."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from slack_bolt import BoltContext, BoltResponse
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.blocks import kit, screens
from bot.conversations import OUTAGES, error_of
from core.users import Users

REMEMBER_S = 60.0
STALE_S = 86_400.0  # so old a profile serves where Slack does not answer now: it tells of every change by itself
GUEST = "segsync is not for guests of this workspace."


@dataclass(frozen=True, slots=True)
class Profile:
    """What Slack says of a member."""

    name: str
    tz: str
    guest: bool
    gone: str = ""  # why this person may not use segsync any more, as Slack says for certain


class Profiles:
    """`users.info`, remembered for a minute, and forgotten when Slack says that somebody changed."""

    def __init__(self, *, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._known: dict[tuple[str, str], tuple[float, Profile]] = {}
        self._lock = threading.Lock()

    def of(self, client: WebClient, org_id: str, user_id: str) -> Profile:
        """The profile; of somebody whom Slack does not show us, a guest's."""
        with self._lock:
            found = self._known.get((org_id, user_id))
        age = self._ticks() - found[0] if found else STALE_S
        if found and age < REMEMBER_S:
            return found[1]
        try:
            user: dict[str, Any] = client.users_info(user=user_id)["user"]
        except SlackApiError as error:
            if error_of(error) in ("user_not_found", "user_not_visible"):
                return Profile("", "UTC", guest=True)
            if found and age < STALE_S and error_of(error) in OUTAGES | {"ratelimited"}:
                return found[1]
            raise
        return self.learn(org_id, {"id": user_id, **user})

    def learn(self, org_id: str, user: Mapping[str, Any]) -> Profile:
        """What Slack says of somebody, in its own form."""
        outside = bool(user.get("is_stranger") or user.get("is_bot") or user.get("deleted"))
        guest = outside or bool(user.get("is_restricted") or user.get("is_ultra_restricted"))
        name = str(user.get("profile", {}).get("display_name") or user.get("real_name") or user.get("name") or "")
        profile = Profile(name, str(user.get("tz") or "UTC"), guest, gone(user))
        with self._lock:
            self._known[org_id, str(user["id"])] = (self._ticks(), profile)
        return profile

    def forget(self, user_id: str) -> None:
        """Somebody's profile has changed."""
        with self._lock:
            for key in [k for k in self._known if k[1] == user_id]:
                del self._known[key]


def gone(user: Mapping[str, Any]) -> str:
    """Why somebody may not use segsync any more, in a word; nothing for whoever may."""
    if user.get("deleted"):
        return "deactivated"
    return "guest" if user.get("is_restricted") or user.get("is_ultra_restricted") else ""


class WhoAsks:
    """Bolt middleware: puts the `Actor` into the context under `actor`. `left`: somebody acts who has become a guest."""

    def __init__(
        self, *, users: Users, profiles: Profiles, welcome: Callable[[str, str], None], left: Callable[[str, str, str], object]
    ) -> None:
        self._users, self._profiles, self._welcome, self._left = users, profiles, welcome, left
        self._seen: set[str] = set()

    def __call__(
        self, context: BoltContext, client: WebClient, body: dict[str, Any], next: Callable[[], BoltResponse]
    ) -> BoltResponse:
        """Goes on with an actor, or answers one sentence."""
        user_id, org_id = context.user_id, organization(context)
        if not user_id or not org_id or user_id == context.bot_user_id:  # nobody, or what we did ourselves
            return next()
        if org_id not in self._seen:
            self._welcome(org_id, _called(client))
            self._seen.add(org_id)
        profile = self._profiles.of(client, org_id, user_id)
        if profile.gone:
            self._left(org_id, user_id, profile.gone)
        if profile.guest:
            return _refuse(context, client, body, user_id)
        actor = self._users.actor(org_id, user_id, name=profile.name, tz=profile.tz)
        context["actor"] = replace(actor, cause=f"{context.get('request', '')} {context.get('trace', '')}".strip())
        return next()


def _called(client: WebClient) -> str:
    """The workspace's name, not its address; nothing where Slack does not say."""
    try:
        return str(client.auth_test().get("team") or "")
    except SlackApiError:
        return ""


def organization(context: BoltContext) -> str | None:
    """The key of the organization: the Grid org where it installed the app, else the workspace."""
    if context.get("is_enterprise_install"):
        return context.enterprise_id
    return context.team_id or context.enterprise_id


def _refuse(context: BoltContext, client: WebClient, body: dict[str, Any], user_id: str) -> BoltResponse:
    kind = body.get("type")
    if "command" in body:
        return BoltResponse(status=200, body=GUEST)
    if kind == "block_suggestion":
        return BoltResponse(status=200, body={"options": []})
    if kind == "view_submission":
        return BoltResponse(status=200, body={"response_action": "update", "view": screens.problem(GUEST, title="segsync")})
    event = body.get("event", {})
    if event.get("type") == "app_home_opened":
        client.views_publish(user_id=user_id, view=kit.home([kit.section(GUEST)]))
    elif body.get("response_url") and context.respond:
        context.respond(text=GUEST, response_type="ephemeral", replace_original=False)
    elif body.get("trigger_id"):
        client.views_open(trigger_id=body["trigger_id"], view=screens.problem(GUEST, title="segsync"))
    elif event.get("type") == "app_mention":
        client.chat_postEphemeral(channel=event["channel"], user=user_id, text=GUEST)
    elif event.get("type") == "message" and not event.get("bot_id") and not event.get("subtype"):
        client.chat_postMessage(channel=event["channel"], text=GUEST)
    return BoltResponse(status=200, body="")
