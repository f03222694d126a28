"""Slack's limits and escaping, enforced once: every block that the product shows is made here.

Limits: docs.slack.dev/reference/block-kit. A text that is too long is cut with an ellipsis, never refused by Slack.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

Block = dict[str, Any]
Element = dict[str, Any]
View = dict[str, Any]
Message = dict[str, Any]

MESSAGE_BLOCKS: Final = 50
VIEW_BLOCKS: Final = 100
OPTIONS: Final = 100
METADATA: Final = 3000


def esc(text: str) -> str:
    """Text from people or platforms, safe inside mrkdwn: only these three are escaped, by Slack's own rule."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cut(text: str, limit: int) -> str:
    """At most `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def plain(text: str, limit: int) -> dict[str, Any]:
    """A plain text object; Slack refuses empty ones."""
    return {"type": "plain_text", "text": cut(text, limit) or " ", "emoji": True}


def mrkdwn(text: str, limit: int = 3000) -> dict[str, Any]:
    """A mrkdwn text object. What came from people must have gone through `esc` already."""
    return {"type": "mrkdwn", "text": cut(text, limit) or " "}


def section(text: str, *, accessory: Element | None = None, block_id: str | None = None) -> Block:
    """A paragraph, with at most one element beside it."""
    block: Block = {"type": "section", "text": mrkdwn(text)}
    if accessory is not None:
        block["accessory"] = accessory
    return _with_id(block, block_id)


def fields(*texts: str) -> Block:
    """Up to ten short texts in two columns."""
    return {"type": "section", "fields": [mrkdwn(t, 2000) for t in texts[:10]]}


def header(text: str) -> Block:
    """A heading."""
    return {"type": "header", "text": plain(text, 150)}


def context(*texts: str, block_id: str | None = None) -> Block:
    """Small print."""
    return _with_id({"type": "context", "elements": [mrkdwn(t, 2000) for t in texts[:10]]}, block_id)


def divider() -> Block:
    """A line."""
    return {"type": "divider"}


def actions(*elements: Element, block_id: str | None = None) -> Block:
    """A row of buttons and selects."""
    return _with_id({"type": "actions", "elements": list(elements[:25])}, block_id)


def button(
    text: str,
    action_id: str,
    value: str = "",
    *,
    style: str | None = None,
    url: str | None = None,
    label: str | None = None,
) -> Element:
    """A button. `value` holds ids only; `label` is what a screen reader says where the text alone is terse."""
    made: Element = {"type": "button", "text": plain(text, 75), "action_id": action_id}
    if value:
        made["value"] = cut(value, 2000)
    if style:
        made["style"] = style
    if url:
        made["url"] = url
    if label:
        made["accessibility_label"] = cut(label, 75)
    return made


def option(text: str, value: str, description: str | None = None) -> dict[str, Any]:
    """One choice. The value is an id and must fit as it is."""
    made: dict[str, Any] = {"text": plain(text, 75), "value": value}
    if description:
        made["description"] = plain(description, 75)
    return made


def external_select(action_id: str, placeholder: str, *, initial: dict[str, Any] | None = None) -> Element:
    """A select that is searched on our side, with suggestions before anything is typed."""
    made: Element = {
        "type": "external_select",
        "action_id": action_id,
        "placeholder": plain(placeholder, 150),
        "min_query_length": 0,
    }
    if initial:
        made["initial_option"] = initial
    return made


def static_select(action_id: str, placeholder: str, options: Sequence[dict[str, Any]], *, initial: str | None = None) -> Element:
    """A select of few choices; `initial` is the value that is chosen already."""
    made: Element = {
        "type": "static_select",
        "action_id": action_id,
        "placeholder": plain(placeholder, 150),
        "options": list(options[:OPTIONS]),
    }
    chosen = next((o for o in made["options"] if o["value"] == initial), None)
    if chosen:
        made["initial_option"] = chosen
    return made


def text_input(action_id: str, placeholder: str, *, initial: str = "", multiline: bool = False) -> Element:
    """A line, or a few, to type."""
    made: Element = {
        "type": "plain_text_input",
        "action_id": action_id,
        "placeholder": plain(placeholder, 150),
        "multiline": multiline,
        "max_length": 500,
    }
    if initial:
        made["initial_value"] = initial
    return made


def datepicker(action_id: str, placeholder: str, *, initial: str | None = None) -> Element:
    """A day."""
    made: Element = {"type": "datepicker", "action_id": action_id, "placeholder": plain(placeholder, 150)}
    if initial:
        made["initial_date"] = initial
    return made


def field(
    label: str, element: Element, *, block_id: str, hint: str | None = None, optional: bool = False, heard: bool = False
) -> Block:
    """An input. `heard`: choosing already tells us, before the form is submitted."""
    block: Block = {
        "type": "input",
        "block_id": block_id,
        "label": plain(label, 2000),
        "element": element,
        "optional": optional,
        "dispatch_action": heard,
    }
    if hint:
        block["hint"] = plain(hint, 2000)
    return block


def modal(
    title: str,
    blocks: Iterable[Block],
    *,
    callback_id: str,
    submit: str | None = None,
    close: str = "Close",
    metadata: str = "",
    external_id: str | None = None,
) -> View:
    """A modal. Raises ValueError when metadata of ours does not fit: cutting it would lose ids."""
    if len(metadata) > METADATA:
        raise ValueError("private_metadata is too long")
    view: View = {
        "type": "modal",
        "title": plain(title, 24),
        "close": plain(close, 24),
        "callback_id": callback_id,
        "private_metadata": metadata,
        "blocks": fit(blocks, VIEW_BLOCKS),
    }
    if submit:
        view["submit"] = plain(submit, 24)
    if external_id:
        view["external_id"] = external_id
    return view


def home(blocks: Iterable[Block]) -> View:
    """The Home tab."""
    return {"type": "home", "blocks": fit(blocks, VIEW_BLOCKS)}


def message(text: str, blocks: Iterable[Block] = ()) -> Message:
    """A message; `text` stands alone: it is the phone's notification and what a screen reader says."""
    return {"text": cut(text, 4000), "blocks": fit(blocks or [section(text)], MESSAGE_BLOCKS)}


def fit(blocks: Iterable[Block], limit: int) -> list[Block]:
    """As many blocks as Slack takes; the last says how many are not shown."""
    all_blocks = list(blocks)
    if len(all_blocks) <= limit:
        return all_blocks
    left = len(all_blocks) - limit + 1
    return [*all_blocks[: limit - 1], context(f"{left} more are not shown here.")]


def _with_id(block: Block, block_id: str | None) -> Block:
    return block | {"block_id": block_id} if block_id else block
