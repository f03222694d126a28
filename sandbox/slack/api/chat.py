"""`chat.*`: messages."""

from collections.abc import Mapping
from typing import Any

from sandbox.slack.api.calls import Call, Method, invalid, visible
from sandbox.slack.blockkit.surfaces import filled, message_faults
from sandbox.slack.refusal import Refused, bad_blocks
from sandbox.slack.state import JSON, Conversation, Message
from sandbox.world import TEAM_ID

_FURTHEST = 120 * 86_400
_MOST_SCHEDULED = 30
_MOST_UPDATED = 4_000


def _writable(call: Call) -> Conversation:
    """The conversation, if this app may write in it."""
    channel = call.conversation(open_dm=True)
    if channel.archived:
        raise Refused("is_archived")
    if call.app.bot_user_id not in channel.members and (channel.kind != "public" or "chat:write.public" not in call.app.scopes):
        raise Refused("not_in_channel")
    return channel


def _video_scope(call: Call) -> None:
    blocks = call.args.get("blocks")
    if isinstance(blocks, list) and any(isinstance(b, dict) and b.get("type") == "video" for b in blocks):
        call.needs("links.embed:write")


def post_message(call: Call) -> JSON:
    """Write a message."""
    channel = _writable(call)
    _video_scope(call)
    message = call.tools.posting.post(call.app, channel, _typed(call.args))
    return {"channel": channel.id, "ts": message.ts, "message": message.body}


def _typed(args: Mapping[str, Any]) -> JSON:
    """The arguments with the booleans of a form read."""
    return {**args, "reply_broadcast": args.get("reply_broadcast") in (True, "true", "1", 1)}


def post_ephemeral(call: Call) -> JSON:
    """Write a message that one person sees."""
    channel, user = call.conversation(open_dm=True), call.text("user")
    if channel.archived:
        raise Refused("is_archived")
    if call.app.bot_user_id not in channel.members and "chat:write.public" not in call.app.scopes:
        raise Refused("not_in_channel")
    if user not in channel.members:
        raise Refused("user_not_in_channel")
    return {"message_ts": call.tools.posting.whisper(call.app, channel, user, call.args).ts}


def _own(call: Call, error: str) -> Message:
    channel = call.conversation(open_dm=False)
    message = call.space.message(channel.id, call.text("ts"))
    if message is None:
        raise Refused("message_not_found")
    if message.to is not None or message.app_id != call.app.id:
        raise Refused(error)
    return message


def update(call: Call) -> JSON:
    """Change one of the app's own messages."""
    message = _own(call, "cant_update_message")
    if call.space.channels[message.channel].archived:
        raise Refused("is_inactive")
    if len(call.maybe("text") or "") > _MOST_UPDATED and not call.args.get("blocks"):
        raise Refused("msg_too_long")
    _video_scope(call)
    call.tools.posting.change(call.app, message, call.args)
    return {"channel": message.channel, "ts": message.ts, "text": message.body["text"], "message": message.body}


def delete(call: Call) -> JSON:
    """Delete one of the app's own messages."""
    message = _own(call, "cant_delete_message")
    call.tools.posting.delete(call.app, message)
    return {"channel": message.channel, "ts": message.ts}


def permalink(call: Call) -> JSON:
    """The address of a message."""
    channel = call.conversation()
    ts = call.text("message_ts")
    message = call.space.message(channel.id, ts)
    if message is None or message.to is not None:
        raise Refused("message_not_found")
    link = f"{call.space.world.base_url}/archives/{channel.id}/p{ts.replace('.', '')}"
    thread = message.body.get("thread_ts")
    if thread and thread != ts:
        link += f"?thread_ts={thread}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


def schedule(call: Call) -> JSON:
    """Write a message later; at most 120 days ahead, 30 for one conversation within five minutes."""
    channel = _writable(call)
    at, now = call.number("post_at", 0), call.space.ids.now()
    if at == 0:
        raise invalid("missing required field: post_at")
    if at <= now:
        raise Refused("time_in_past")
    if at > now + _FURTHEST:
        raise Refused("time_too_far")
    near = [e for e in call.tools.posting.agenda.entries() if e.channel == channel.id and abs(e.post_at - at) < 300]
    if len(near) >= _MOST_SCHEDULED:
        raise Refused("restricted_too_many")
    entry = call.tools.posting.schedule(call.app, channel, call.args, at)
    body = {"text": call.args.get("text", ""), "type": "delayed_message", "user": call.app.bot_user_id,
            "bot_id": call.app.bot_id, "team": TEAM_ID}  # fmt: skip
    if "blocks" in call.args:
        body["blocks"] = call.args["blocks"]
    return {"channel": channel.id, "scheduled_message_id": entry.id, "post_at": at, "message": body}


def scheduled(call: Call) -> JSON:
    """What this app has scheduled."""
    wanted = call.maybe("channel")
    mine = [e for e in call.tools.posting.agenda.entries() if e.app_id == call.app.id and wanted in (None, e.channel)]
    chunk, cursor = call.page(mine, default=100, most=100)
    items = [{"id": e.id, "channel_id": e.channel, "post_at": e.post_at, "date_created": e.created,
              "text": e.args.get("text", "")} for e in chunk]  # fmt: skip
    return {"scheduled_messages": items, "response_metadata": {"next_cursor": cursor}}


def unschedule(call: Call) -> JSON:
    """Take a scheduled message back."""
    if not call.tools.posting.agenda.cancel(call.text("scheduled_message_id"), call.app.id):
        raise Refused("invalid_scheduled_message_id")
    return {}


def unfurl(call: Call) -> JSON:
    """Show cards below a message for links in it (docs.slack.dev, unfurling links in messages)."""
    unfurls = call.args.get("unfurls")
    if unfurls is None and not call.flag("user_auth_required"):
        raise Refused("missing_unfurls")
    if not isinstance(unfurls or {}, dict):
        raise Refused("invalid_unfurls_format")
    if call.maybe("unfurl_id"):
        channel_id, _, rest = call.text("unfurl_id").partition(".")
        ts = rest.rpartition(".")[0]
    else:
        channel_id, ts = call.text("channel"), call.text("ts")
    channel = call.space.channels.get(channel_id)
    message = call.space.message(channel_id, ts)
    if message is None or channel is None or not visible(channel, call.app):
        raise Refused("cannot_find_message")
    attachments = [_card(call, n, url, card, message) for n, (url, card) in enumerate((unfurls or {}).items(), 1)]
    call.tools.posting.attach(call.app, message, attachments)
    return {}


def _card(call: Call, n: int, url: str, card: Any, message: Message) -> JSON:
    if not isinstance(card, dict):
        raise Refused("invalid_unfurls_format")
    if url.replace("&amp;", "&") not in message.body["text"].replace("&amp;", "&"):
        raise Refused("cannot_unfurl_url")
    if "blocks" in card:
        if faults := message_faults(card["blocks"], f"/unfurls/{url}/blocks"):
            raise bad_blocks(faults)
        filled(card["blocks"], call.space.ids.block_id)
    known = {"id": n, "from_url": url, "app_unfurl_url": url, "is_app_unfurl": True, "app_id": call.app.id,
             "bot_id": call.app.bot_id, "fallback": card.get("fallback", "[no preview available]")}  # fmt: skip
    return {**card, **known}


METHODS = {
    "chat.delete": Method(delete, 3, ("chat:write",)),
    "chat.deleteScheduledMessage": Method(unschedule, 3, ("chat:write",)),
    "chat.getPermalink": Method(permalink, 5),
    "chat.postEphemeral": Method(post_ephemeral, 4, ("chat:write",)),
    "chat.postMessage": Method(post_message, 4, ("chat:write",)),
    "chat.scheduleMessage": Method(schedule, 3, ("chat:write",)),
    "chat.scheduledMessages.list": Method(scheduled, 3),
    "chat.unfurl": Method(unfurl, 3, ("links:write",)),
    "chat.update": Method(update, 3, ("chat:write",)),
}
