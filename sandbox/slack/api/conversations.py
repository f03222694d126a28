"""`conversations.*` and `reactions.*`: where people talk, and what they said."""

from sandbox.slack.api.calls import Call, Method, visible
from sandbox.slack.api.users import kind_word
from sandbox.slack.faces import channel_type, conversation_face, message_face
from sandbox.slack.refusal import Refused
from sandbox.slack.state import JSON, Conversation, Message

_PREFIX = {"public": "channels", "private": "groups", "im": "im"}


def _readable(call: Call, what: str) -> Conversation:
    """The conversation, if the app holds the scope that reading this of its kind takes."""
    channel = call.conversation()
    call.needs(f"{_PREFIX[channel.kind]}:{what}")
    return channel


def info(call: Call) -> JSON:
    """One conversation."""
    channel = _readable(call, "read")
    return {"channel": conversation_face(call.space, channel, call.app, count=call.flag("include_num_members"))}


def all_conversations(call: Call) -> JSON:
    """The conversations that the app can see."""
    call.one_team()
    kinds = call.words("types") or ["public_channel"]
    for kind in kinds:
        if kind not in ("public_channel", "private_channel", "im", "mpim"):
            raise Refused("invalid_types")
    found = [
        channel
        for channel in call.space.channels.values()
        if visible(channel, call.app) and kind_word(channel.kind) in kinds
        and not (call.flag("exclude_archived") and channel.archived)
    ]  # fmt: skip
    chunk, cursor = call.page(found, default=100, most=999)
    faces = [conversation_face(call.space, channel, call.app, count=channel.kind != "im") for channel in chunk]
    return {"channels": faces, "response_metadata": {"next_cursor": cursor}}


def open_dm(call: Call) -> JSON:
    """The DM with one person (several are a group, which the sandbox does not have)."""
    if existing := call.maybe("channel"):
        channel = call.space.channels.get(existing)
        if channel is None or channel.kind != "im" or channel.app_id != call.app.id:
            raise Refused("channel_not_found")
    else:
        users = call.words("users")
        if not users:
            raise Refused("users_list_not_supplied")
        if len(users) > 8:
            raise Refused("too_many_users")
        people = [call.space.world.person(user) for user in users]
        if None in people:
            raise Refused("user_not_found")
        if any(person and person.deleted for person in people):
            raise Refused("user_disabled")
        if len(users) > 1:
            raise Refused("not_enough_users" if len(set(users)) < 2 else "method_not_supported_for_channel_type")
        channel = call.space.dm(users[0], call.app)
    face = conversation_face(call.space, channel, call.app) if call.flag("return_im") else {"id": channel.id}
    return {"channel": face, "no_op": True, "already_open": True}


def join(call: Call) -> JSON:
    """Become a member of a public channel."""
    channel = call.conversation()
    if channel.archived:
        raise Refused("is_archived")
    if channel.kind != "public":
        raise Refused("method_not_supported_for_channel_type")
    answer: JSON = {}
    if call.app.bot_user_id in channel.members:
        answer = {"warning": "already_in_channel", "response_metadata": {"warnings": ["already_in_channel"]}}
    else:
        channel.members.append(call.app.bot_user_id)
        call.space.keep_channel(channel)
        call.tools.events.joined(channel, call.app.bot_user_id)
    return {"channel": conversation_face(call.space, channel, call.app), **answer}


def leave(call: Call) -> JSON:
    """Stop being a member."""
    channel = call.conversation()
    if call.app.bot_user_id not in channel.members:
        return {"not_in_channel": True}
    channel.members.remove(call.app.bot_user_id)
    call.space.keep_channel(channel)
    return {}


def members(call: Call) -> JSON:
    """Who is in it."""
    channel = _readable(call, "read")
    chunk, cursor = call.page(channel.members, default=100, most=1000)
    return {"members": chunk, "response_metadata": {"next_cursor": cursor}}


def history(call: Call) -> JSON:
    """What was said, newest first, without the replies of threads."""
    channel = _readable(call, "history")
    if call.app.bot_user_id not in channel.members:
        raise Refused("not_in_channel")
    found = [m for m in _between(call, channel) if _in_channel(m)]
    chunk, cursor = call.page(found[::-1], default=100, most=999)
    return {
        "messages": [message_face(m, metadata=call.flag("include_all_metadata")) for m in chunk],
        "has_more": bool(cursor),
        "pin_count": 0,
        "response_metadata": {"next_cursor": cursor},
    }


def _in_channel(message: Message) -> bool:
    thread = message.body.get("thread_ts")
    return thread in (None, message.ts) or message.body.get("subtype") == "thread_broadcast"


def _between(call: Call, channel: Conversation) -> list[Message]:
    """Messages between `oldest` and `latest`; the ends count when `inclusive`."""
    oldest, latest = float(call.maybe("oldest") or 0), float(call.maybe("latest") or "inf")
    ends = call.flag("inclusive")
    public = [m for m in channel.messages.values() if m.to is None]
    return [m for m in public if oldest < float(m.ts) < latest or (ends and float(m.ts) in (oldest, latest))]


def replies(call: Call) -> JSON:
    """A thread: its parent first, then the replies, oldest first."""
    channel = _readable(call, "history")
    if call.app.bot_user_id not in channel.members:
        raise Refused("not_in_channel")
    parent = channel.messages.get(call.text("ts"))
    if parent is None or parent.to is not None:
        raise Refused("thread_not_found")
    root = parent.body.get("thread_ts", parent.ts)
    found = [m for m in _between(call, channel) if root in (m.ts, m.body.get("thread_ts"))]
    chunk, cursor = call.page(found, default=1000, most=1000)
    return {
        "messages": [message_face(m, metadata=call.flag("include_all_metadata")) for m in chunk],
        "has_more": bool(cursor),
        "response_metadata": {"next_cursor": cursor},
    }


def react(call: Call) -> JSON:
    """Add an emoji to a message."""
    message, name = _reacted(call)
    reactions = message.body.setdefault("reactions", [])
    found = next((r for r in reactions if r["name"] == name), None)
    if found and call.app.bot_user_id in found["users"]:
        raise Refused("already_reacted")
    if found is None:
        found = {"name": name, "users": [], "count": 0}
        reactions.append(found)
    found["users"].append(call.app.bot_user_id)
    found["count"] += 1
    call.space.put_message(message)
    return {}


def unreact(call: Call) -> JSON:
    """Take an emoji back."""
    message, name = _reacted(call)
    found = next((r for r in message.body.get("reactions", []) if r["name"] == name), None)
    if found is None or call.app.bot_user_id not in found["users"]:
        raise Refused("no_reaction")
    found["users"].remove(call.app.bot_user_id)
    found["count"] -= 1
    if not found["count"]:
        message.body["reactions"].remove(found)
    call.space.put_message(message)
    return {}


def _reacted(call: Call) -> tuple[Message, str]:
    channel = call.conversation()
    message = call.space.message(channel.id, call.text("timestamp"))
    if message is None or message.to is not None:
        raise Refused("message_not_found")
    return message, call.text("name").strip(":")


def mark(call: Call) -> JSON:
    """Bots have no reading mark; Slack says ok."""
    channel_type(call.conversation())
    return {}


_READS = ("channels:read", "groups:read", "im:read", "mpim:read")
_HISTORY = ("channels:history", "groups:history", "im:history", "mpim:history")
METHODS = {
    "conversations.history": Method(history, 3, _HISTORY),
    "conversations.info": Method(info, 3, _READS),
    "conversations.join": Method(join, 3, ("channels:join",)),
    "conversations.leave": Method(leave, 3, ("channels:manage", "channels:write", "groups:write")),
    "conversations.list": Method(all_conversations, 2, _READS),
    "conversations.mark": Method(mark, 3),
    "conversations.members": Method(members, 4, _READS),
    "conversations.open": Method(open_dm, 3, ("im:write", "mpim:write")),
    "conversations.replies": Method(replies, 3, _HISTORY),
    "reactions.add": Method(react, 3, ("reactions:write",)),
    "reactions.remove": Method(unreact, 2, ("reactions:write",)),
}
