"""`users.*` and `usergroups.list`: people."""

from sandbox.slack.api.calls import Call, Method, visible
from sandbox.slack.faces import bot_face, conversation_face, person_face
from sandbox.slack.refusal import Refused
from sandbox.slack.state import JSON
from sandbox.slack.workspace import SLACKBOT


def _face(call: Call, user: str) -> JSON:
    person = call.space.world.person(user)
    if person is not None:
        return person_face(call.space, person, email="users:read.email" in call.app.scopes)
    app = call.space.app_of_bot(user)
    if app is not None:
        return bot_face(app)
    if user == SLACKBOT:
        return {"id": SLACKBOT, "name": "slackbot", "real_name": "Slackbot", "is_bot": False, "deleted": False,
                "profile": {"real_name": "Slackbot", "display_name": "Slackbot"}}  # fmt: skip
    raise Refused("user_not_found")


def info(call: Call) -> JSON:
    """One person."""
    face = _face(call, call.text("user"))
    if not call.flag("include_locale"):
        face.pop("locale", None)
    return {"user": face}


def everybody(call: Call) -> JSON:
    """Everybody, bots and deactivated people too."""
    call.one_team()
    space = call.space
    ids = [p.id for p in space.people] + [a.bot_user_id for a in space.apps.values()] + [SLACKBOT]
    chunk, cursor = call.page(ids, default=1000, most=1000)
    members = [_face(call, user) for user in chunk]
    return {"members": members, "cache_ts": int(space.ids.now()), "response_metadata": {"next_cursor": cursor}}


def by_email(call: Call) -> JSON:
    """The person with this address."""
    wanted = call.text("email").lower()
    person = next((p for p in call.space.people if p.email == wanted and not p.deleted), None)
    if person is None:
        raise Refused("users_not_found")
    return {"user": _face(call, person.id)}


def profile(call: Call) -> JSON:
    """The profile of one person, or of the bot itself."""
    return {"profile": _face(call, call.maybe("user") or call.app.bot_user_id)["profile"]}


def conversations(call: Call) -> JSON:
    """The conversations that a person, or the bot, is in; a person's only as far as the app sees them too."""
    call.one_team()
    user = call.maybe("user") or call.app.bot_user_id
    _face(call, user)
    kinds = call.words("types") or ["public_channel"]
    found = [
        c
        for c in call.space.channels.values()
        if user in c.members and visible(c, call.app) and kind_word(c.kind) in kinds
        and not (call.flag("exclude_archived") and c.archived)
    ]  # fmt: skip
    chunk, cursor = call.page(found, default=100, most=999)
    faces = [conversation_face(call.space, channel, call.app) for channel in chunk]
    return {"channels": faces, "response_metadata": {"next_cursor": cursor}}


def kind_word(kind: str) -> str:
    """The word of `types` for a kind of conversation."""
    return {"public": "public_channel", "private": "private_channel"}.get(kind, kind)


def presence(call: Call) -> JSON:
    """Everybody who is not deactivated is there."""
    return {"presence": "away" if _face(call, call.text("user")).get("deleted") else "active"}


_READS = ("channels:read", "groups:read", "im:read", "mpim:read")
METHODS = {
    "usergroups.list": Method(lambda _: {"usergroups": []}, 2, ("usergroups:read",)),
    "users.conversations": Method(conversations, 3, _READS),
    "users.getPresence": Method(presence, 3, ("users:read",)),
    "users.info": Method(info, 4, ("users:read",)),
    "users.list": Method(everybody, 2, ("users:read",)),
    "users.lookupByEmail": Method(by_email, 3, ("users:read.email",)),
    "users.profile.get": Method(profile, 4, ("users.profile:read",)),
}
