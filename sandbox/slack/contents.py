"""The content of a message as an app gives it: checked against Slack's limits, and laid into the message's JSON."""

from typing import Any

from sandbox.slack.blockkit.surfaces import filled, message_faults
from sandbox.slack.refusal import Refused, bad_blocks
from sandbox.slack.state import JSON, App
from sandbox.slack.workspace import Workspace
from sandbox.world import TEAM_ID

MOST_TEXT = 40_000
MOST_MARKDOWN = 12_000
MOST_ATTACHMENTS = 100
_METADATA_BYTES = 16_000


def checked(space: Workspace, args: JSON) -> JSON:
    """The fields `text`, `blocks`, `attachments` of a message; raises Refused as `chat.postMessage` does.

    `args` holds `text`, `blocks`, `attachments`, `markdown_text`, decoded already. Nothing in it is changed.
    """
    text, blocks, attachments = args.get("text"), args.get("blocks"), args.get("attachments")
    markdown = args.get("markdown_text")
    if markdown is not None:
        if text or blocks:
            raise Refused("markdown_text_conflict")
        if len(markdown) > MOST_MARKDOWN:
            raise Refused("msg_too_long")
        text, blocks = markdown, [{"type": "markdown", "text": markdown}]
    if blocks is not None:
        if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
            raise Refused("invalid_blocks_format")
        if len(blocks) > 50:
            text_of = "no more than 50 items allowed [json-pointer:/blocks]"
            raise Refused("invalid_blocks", errors=[text_of], response_metadata={"messages": [f"[ERROR] {text_of}"]})
        if faults := message_faults(blocks):
            raise bad_blocks(faults)
    if not text and not blocks and not attachments:
        raise Refused("no_text")
    content: JSON = {"text": str(text or "")[:MOST_TEXT]}
    if blocks:
        content["blocks"] = filled(blocks, space.ids.block_id)
    if attachments:
        content["attachments"] = _attachments(space, attachments)
    return content


def _attachments(space: Workspace, attachments: Any) -> list[JSON]:
    if not isinstance(attachments, list) or not all(isinstance(item, dict) for item in attachments):
        raise Refused("invalid_attachments")
    if len(attachments) > MOST_ATTACHMENTS:
        raise Refused("too_many_attachments")
    out = []
    for n, item in enumerate(attachments):
        if "blocks" in item:
            if faults := message_faults(item["blocks"], f"/attachments/{n}/blocks"):
                raise bad_blocks(faults)
            filled(item["blocks"], space.ids.block_id)
        out.append({"id": n + 1, "fallback": item.get("fallback") or item.get("text") or "[no preview available]"} | item)
    return out


def metadata(value: Any) -> JSON | None:
    """Message metadata, checked (docs.slack.dev, message metadata); None when there is none."""
    if value is None:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("event_type"), str):
        raise Refused("invalid_metadata_format")
    if not isinstance(value.get("event_payload", {}), dict):
        raise Refused("invalid_metadata_schema")
    if len(str(value)) > _METADATA_BYTES:
        raise Refused("metadata_too_large")
    return {"event_type": value["event_type"], "event_payload": value.get("event_payload", {})}


def bot_body(app: App, ts: str, content: JSON) -> JSON:
    """The JSON of a message that an app writes."""
    return {
        "user": app.bot_user_id,
        "type": "message",
        "ts": ts,
        "bot_id": app.bot_id,
        "app_id": app.id,
        "team": TEAM_ID,
        "bot_profile": {
            "id": app.bot_id,
            "app_id": app.id,
            "user_id": app.bot_user_id,
            "name": app.name,
            "deleted": False,
            "updated": 1767225600,
            "team_id": TEAM_ID,
        },
        **content,
    }
