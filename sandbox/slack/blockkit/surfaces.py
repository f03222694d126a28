"""Whole messages and views: how many blocks, unique ids, one table, what a modal needs; and the ids that Slack fills in."""

from collections.abc import Callable, Iterator
from typing import Any

from sandbox.slack.blockkit.blocks import HOME_BLOCK, MESSAGE_BLOCK, MODAL_BLOCK
from sandbox.slack.blockkit.elements import ID, plain
from sandbox.slack.blockkit.shapes import Bool, Fault, Free, Items, Obj, Shape, Str

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
_PER_MESSAGE = {"table": (1, "only_one_table_allowed"), "data_visualization": (2, "no more than 2 charts allowed")}
_NO_ACTION_ID = {"image", "plain_text", "mrkdwn"}

_COMMON: dict[str, Shape] = {
    "private_metadata": Str(3000),
    "callback_id": ID,
    "external_id": ID,
    "clear_on_close": Bool(),
    "notify_on_close": Bool(),
}
_MODAL = Obj(
    {"type": Str(words=("modal",)), "title": plain(24), "blocks": Items(MODAL_BLOCK, VIEW_BLOCKS)},
    {**_COMMON, "submit": plain(24), "close": plain(24)},
)
_HOME = Obj(
    {"type": Str(words=("home",)), "blocks": Items(HOME_BLOCK, VIEW_BLOCKS)},
    {**_COMMON, "title": Free(), "submit": Free(), "close": Free()},
)


def message_faults(blocks: Any, pointer: str = "/blocks") -> list[Fault]:
    """What Slack would refuse in the blocks of a message."""
    out: list[Fault] = []
    Items(MESSAGE_BLOCK, MESSAGE_BLOCKS).check(blocks, pointer, out)
    if out:
        return out
    for name, (most, complaint) in _PER_MESSAGE.items():
        where = [n for n, block in enumerate(blocks) if block["type"] == name]
        out += [Fault(complaint, f"{pointer}/{n}") for n in where[most:]]
    if sum(len(block["text"]) for block in blocks if block["type"] == "markdown") > 12_000:
        out.append(Fault("must be less than 12001 characters", pointer))
    return out + _repeated_ids(blocks, pointer)


def view_faults(view: Any, kind: str, pointer: str = "/view") -> list[Fault]:
    """What Slack would refuse in a view; `kind` is the only type that the method takes (`modal` or `home`)."""
    out: list[Fault] = []
    if isinstance(view, dict) and view.get("type") not in (None, kind):
        return [Fault("must be a valid enum value", f"{pointer}/type")]
    (_MODAL if kind == "modal" else _HOME).check(view, pointer, out)
    if out:
        return out
    if kind == "modal" and "submit" not in view and any(block["type"] == "input" for block in view["blocks"]):
        out.append(Fault("missing required field: submit", pointer))
    focused = [e for block in view["blocks"] for e in elements_of(block) if e.get("focus_on_load")]
    if len(focused) > 1:
        out.append(Fault("only one element may have focus_on_load", f"{pointer}/blocks"))
    return out + _repeated_ids(view["blocks"], f"{pointer}/blocks")


def _repeated_ids(blocks: list[Any], pointer: str) -> list[Fault]:
    """`block_id` is unique in a surface, `action_id` in a block."""
    out: list[Fault] = []
    seen: set[str] = set()
    for block, where in walk(blocks, pointer):
        name = block.get("block_id")
        if name and name in seen:
            out.append(Fault(f'`block_id` "{name}" already exists', f"{where}/block_id"))
        seen.add(name or "")
        actions: set[str] = set()
        for n, element in enumerate(elements_of(block)):
            action = element.get("action_id")
            if action and action in actions:
                out.append(Fault(f'`action_id` "{action}" already exists', f"{where}/elements/{n}/action_id"))
            actions.add(action or "")
    return out


def walk(blocks: list[Any], pointer: str = "") -> Iterator[tuple[dict[str, Any], str]]:
    """Every block with its pointer, those inside containers, carousels and plans too."""
    for n, block in enumerate(blocks):
        here = f"{pointer}/{n}"
        yield block, here
        if block["type"] == "container":
            yield from walk(block["child_blocks"], f"{here}/child_blocks")
        elif block["type"] == "carousel":
            yield from walk(block["elements"], f"{here}/elements")
        elif block["type"] == "plan":
            yield from walk(block.get("tasks", []), f"{here}/tasks")


def elements_of(block: dict[str, Any]) -> list[dict[str, Any]]:
    """The elements with which a person can do something, of this block alone."""
    match block["type"]:
        case "input":
            return [block["element"]]
        case "section":
            found = [block["accessory"]] if "accessory" in block else []
        case "actions" | "context_actions":
            found = block["elements"]
        case "card":
            found = block.get("actions", [])
        case _:
            found = []
    return [element for element in found if element["type"] not in _NO_ACTION_ID]


def filled(blocks: list[Any], new_id: Callable[[], str]) -> list[Any]:
    """The same blocks, every one with a `block_id` and every element with an `action_id`; changes `blocks` in place.

    Slack drops the `block_id` of a markdown block (it translates the block), so a new one is made there too.
    """
    for block, _ in walk(blocks):
        if not block.get("block_id") or block["type"] == "markdown":
            block["block_id"] = new_id()
        for element in elements_of(block):
            if not element.get("action_id"):
                element["action_id"] = new_id()
    return blocks
