"""People, conversations, files and teams as Slack's API shows them (reference of `users.info`, `conversations.info`)."""

from datetime import datetime
from zoneinfo import ZoneInfo

from sandbox.slack.state import JSON, App, Conversation, File, Message
from sandbox.slack.workspace import GENERAL, Workspace
from sandbox.world import TEAM_ID, Person

ENTERPRISE_ID = "E01ACMEGRP"
ENTERPRISE_NAME = "Acme Group"
TEAM_DOMAIN = "acme"
_COLOURS = ("9f69e7", "4bbe2e", "e7392d", "3c989f", "674b1b", "e96699", "e0a729", "684b6c")


def team() -> JSON:
    """The team as interactive payloads name it."""
    return {"id": TEAM_ID, "domain": TEAM_DOMAIN}


PARTNER_ID = "T09PARTNER"


def home_team(space: Workspace, person: Person) -> str:
    """The team that a person belongs to: another company's for a stranger of Slack Connect."""
    return PARTNER_ID if person.id in space.strangers else TEAM_ID


def person_face(space: Workspace, person: Person, *, email: bool = True) -> JSON:
    """A person as `users.info` shows them; the address only to who may read it."""
    first, _, last = person.name.partition(" ")
    zone = ZoneInfo(person.tz)
    now = datetime.now(zone)
    offset = now.utcoffset()
    profile: JSON = {
        "title": person.role.replace("_", " ").capitalize(),
        "phone": "",
        "skype": "",
        "real_name": person.name,
        "real_name_normalized": person.name,
        "display_name": person.handle,
        "display_name_normalized": person.handle,
        "first_name": first,
        "last_name": last,
        "status_text": "",
        "status_emoji": "",
        "team": TEAM_ID,
        "avatar_hash": space.ids.derived("avatar", person.id, size=12).lower(),
    }
    for size in (24, 32, 48, 72, 192, 512):
        profile[f"image_{size}"] = f"{space.world.base_url}/slack/avatar/{person.id}.svg?s={size}"
    if email:
        profile["email"] = person.email
    stranger = person.id in space.strangers
    face: JSON = {
        "id": person.id,
        "team_id": home_team(space, person),
        "name": person.handle,
        "deleted": person.deleted,
        "color": _COLOURS[sum(person.id.encode()) % len(_COLOURS)],
        "real_name": person.name,
        "tz": person.tz,
        "tz_label": now.tzname() or person.tz,
        "tz_offset": int(offset.total_seconds()) if offset else 0,
        "profile": profile,
        "is_bot": False,
        "is_app_user": False,
        "is_email_confirmed": True,
        "updated": 1767225600,
        "who_can_share_contact_card": "EVERYONE",
    }
    if stranger:
        face["is_stranger"] = True
    if not person.deleted:
        owner = person.role == "primary_admin"
        face |= {
            "is_admin": owner,
            "is_owner": owner,
            "is_primary_owner": owner,
            "is_restricted": person.guest,
            "is_ultra_restricted": False,
            "locale": "en-US",
        }
    return face


def bot_face(app: App) -> JSON:
    """An app's bot user as `users.info` shows it."""
    return {
        "id": app.bot_user_id,
        "team_id": TEAM_ID,
        "name": app.name,
        "deleted": not app.installed,
        "color": "4c8bf5",
        "real_name": app.name,
        "tz": "America/Los_Angeles",
        "tz_label": "Pacific Standard Time",
        "tz_offset": -28800,
        "profile": {
            "real_name": app.name,
            "real_name_normalized": app.name,
            "display_name": app.name,
            "display_name_normalized": app.name,
            "api_app_id": app.id,
            "bot_id": app.bot_id,
            "always_active": False,
            "team": TEAM_ID,
        },
        "is_admin": False,
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": False,
        "is_ultra_restricted": False,
        "is_bot": True,
        "is_app_user": False,
        "updated": 1767225600,
    }


def conversation_face(space: Workspace, channel: Conversation, app: App, *, count: bool = False) -> JSON:
    """A conversation as this app sees it."""
    face: JSON = {
        "id": channel.id,
        "created": channel.created,
        "is_archived": channel.archived,
        "is_im": channel.kind == "im",
        "is_org_shared": False,
        "context_team_id": TEAM_ID,
        "updated": channel.created * 1000,
    }
    if channel.kind == "im":
        person = space.world.person(channel.user or "")
        return face | {"user": channel.user, "is_user_deleted": bool(person and person.deleted), "priority": 0}
    empty = {"creator": "", "last_set": 0}
    face |= {
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": channel.kind == "public",
        "is_group": channel.kind == "private",
        "is_mpim": False,
        "is_private": channel.kind == "private",
        "is_general": channel.id == GENERAL,
        "unlinked": 0,
        "is_shared": channel.ext_shared,
        "is_ext_shared": channel.ext_shared,
        "is_pending_ext_shared": False,
        "pending_shared": [],
        "parent_conversation": None,
        "creator": channel.creator,
        "shared_team_ids": [TEAM_ID, PARTNER_ID] if channel.ext_shared else [TEAM_ID],
        "pending_connected_team_ids": [],
        "is_member": app.bot_user_id in channel.members,
        "topic": {"value": channel.topic, **empty},
        "purpose": {"value": channel.purpose, **empty},
        "previous_names": [],
    }
    if count:
        face["num_members"] = len(channel.members)
    return face


def file_face(space: Workspace, file: File) -> JSON:
    """A file as `files.info` shows it."""
    base = f"{space.world.base_url}/slack/files/{TEAM_ID}-{file.id}"
    extension = file.name.rpartition(".")[2].lower() if "." in file.name else "binary"
    return {
        "id": file.id,
        "created": file.created,
        "timestamp": file.created,
        "name": file.name,
        "title": file.title or file.name,
        "mimetype": MIMES.get(extension, "application/octet-stream"),
        "filetype": extension,
        "pretty_type": extension.upper(),
        "user": file.user,
        "user_team": TEAM_ID,
        "editable": False,
        "size": file.size,
        "mode": "hosted",
        "is_external": False,
        "external_type": "",
        "is_public": any(space.channels[c].kind == "public" for c in file.channels if c in space.channels),
        "public_url_shared": False,
        "display_as_bot": False,
        "username": "",
        "url_private": f"{base}/{file.name}",
        "url_private_download": f"{base}/download/{file.name}",
        "permalink": f"{space.world.base_url}/files/{file.user}/{file.id}/{file.name}",
        "has_rich_preview": False,
        "file_access": "visible",
        "channels": [c for c in file.channels if c.startswith("C")],
        "groups": [],
        "ims": [c for c in file.channels if c.startswith("D")],
        "comments_count": 0,
    }


MIMES = {
    "txt": "text/plain",
    "csv": "text/csv",
    "json": "application/json",
    "png": "image/png",
    "jpg": "image/jpeg",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
    "html": "text/html",
    "zip": "application/zip",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def channel_type(channel: Conversation) -> str:
    """The word that events use for this kind of conversation."""
    return {"im": "im", "private": "group"}.get(channel.kind, "channel")


def message_face(message: Message, *, metadata: bool = False) -> JSON:
    """A message as `conversations.history` shows it; metadata only when it was asked for."""
    body = message.body
    return body | {"metadata": message.metadata} if metadata and message.metadata else body
