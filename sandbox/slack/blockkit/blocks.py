"""Block Kit's blocks as a table, and which of them a message, a modal and a Home tab take (docs.slack.dev, 2026)."""

from collections.abc import Mapping
from typing import Any

from sandbox.slack.blockkit.elements import (
    BUTTON,
    ID,
    IMAGE,
    INPUTS,
    MULTIS,
    PICKERS,
    RICH_TEXT,
    SELECTS,
    SLACK_FILE,
    URL,
    elements,
    kind,
    mrkdwn,
    plain,
    words,
)
from sandbox.slack.blockkit.shapes import Bool, Fault, Items, Num, Obj, Rule, Shape, Str, Typed, one_of, some_of

HTTPS = Str(3000, 1, pattern=r"https?://.+", complaint="must be a valid URL")
_CELL: Shape = Typed(
    {
        "raw_text": kind("raw_text", {"text": Str()}, {}),
        "raw_number": kind("raw_number", {"value": Num(fraction=True)}, {"text": Str()}),
        "rich_text": RICH_TEXT,
    }
)


def _characters(value: Any) -> int:
    """The characters of all texts below a cell, as the limit of a whole table counts them."""
    if isinstance(value, dict):
        return sum(len(v) if k == "text" and isinstance(v, str) else _characters(v) for k, v in value.items())
    return sum(map(_characters, value)) if isinstance(value, list) else 0


def _table_text(most: int) -> Rule:
    def rule(block: Mapping[str, Any], pointer: str, out: list[Fault]) -> None:
        if _characters(block["rows"]) > most:
            out.append(Fault(f"must be less than {most + 1} characters", f"{pointer}/rows"))

    return rule


def _even_rows(block: Mapping[str, Any], pointer: str, out: list[Fault]) -> None:
    width = len(block["rows"][0]) if block["rows"] else 0
    for n, row in enumerate(block["rows"]):
        if len(row) != width:
            out.append(Fault("all rows must have the same number of columns", f"{pointer}/rows/{n}"))


def _row_header_exists(block: Mapping[str, Any], pointer: str, out: list[Fault]) -> None:
    index = block.get("row_header_column_index", 0)
    if block["rows"] and index >= len(block["rows"][0]):
        out.append(Fault(f"must be less than {len(block['rows'][0])}", f"{pointer}/row_header_column_index"))


def _points_match_categories(chart: Mapping[str, Any], pointer: str, out: list[Fault]) -> None:
    categories = chart["axis_config"]["categories"]
    names = [series["name"] for series in chart["series"]]
    for n, series in enumerate(chart["series"]):
        if {point["label"] for point in series["data"]} - set(categories):
            out.append(Fault("labels must match the categories", f"{pointer}/series/{n}/data"))
        if names.index(series["name"]) != n:
            out.append(Fault("series names must be unique", f"{pointer}/series/{n}/name"))


_POINT = Obj({"label": Str(20, 1), "value": Num(fraction=True)})
_SEGMENT = Obj({"label": Str(20, 1), "value": Num(0, fraction=True)})
_AXIS = Obj({"categories": Items(Str(20, 1), 20, 1)}, {"x_label": Str(50), "y_label": Str(50)})
_SERIES = Items(Obj({"name": Str(20, 1), "data": Items(_POINT, 20, 1)}), 12, 1)


def _chart(name: str) -> Shape:
    return kind(name, {"series": _SERIES, "axis_config": _AXIS}, {}, _points_match_categories)


_CHART = Typed(
    {
        "line": _chart("line"),
        "bar": _chart("bar"),
        "area": _chart("area"),
        "pie": kind("pie", {"segments": Items(_SEGMENT, 12, 1)}, {}),
    }
)

_OWN: Mapping[str, Shape] = {"block_id": ID}
_SOURCES = Items(Obj({"type": Str(words=("url",)), "url": URL, "text": Str(None, 1)}, {"icon_url": URL}))


def _task(*states: str) -> Shape:
    return kind(
        "task_card",
        {"task_id": Str(255, 1), "title": Str(None, 1), "status": Str(words=states)},
        {**_OWN, "details": RICH_TEXT, "output": RICH_TEXT, "sources": _SOURCES},
    )


def _dispatch_needs_an_input(block: Mapping[str, Any], pointer: str, out: list[Fault]) -> None:
    if block.get("dispatch_action") and block["element"]["type"] == "file_input":
        out.append(Fault("dispatch_action is not allowed for this element", f"{pointer}/dispatch_action"))


def _collapsed_needs_collapsible(block: Mapping[str, Any], pointer: str, out: list[Fault]) -> None:
    if block.get("default_collapsed") and not block.get("is_collapsible"):
        out.append(Fault("default_collapsed requires is_collapsible", f"{pointer}/default_collapsed"))


CARD = kind(
    "card", {},
    {**_OWN, "hero_image": IMAGE, "icon": IMAGE, "slack_icon": Obj({"type": Str(words=("icon",)), "name": Str(None, 1)}),
     "title": mrkdwn(150), "subtitle": mrkdwn(150), "body": mrkdwn(200), "subtext": mrkdwn(200),
     "actions": Items(BUTTON, 3)},
    some_of("title", "body", "actions", "hero_image"),
)  # fmt: skip

BLOCKS: dict[str, Shape] = {
    "section": kind(
        "section", {},
        {**_OWN, "text": words(3000), "fields": Items(words(2000), 10, 1), "expand": Bool(),
         "accessory": elements("button", "image", "overflow", "workflow_button", *SELECTS, *MULTIS, *PICKERS)},
        some_of("text", "fields"),
    ),
    "header": kind("header", {"text": plain(150)}, {**_OWN, "level": Num(1, 4)}),
    "divider": kind("divider", {}, _OWN),
    "context": kind("context", {"elements": Items(Typed({
        "image": IMAGE,
        "plain_text": kind("plain_text", {"text": Str(3000, 1)}, {"emoji": Bool()}),
        "mrkdwn": kind("mrkdwn", {"text": Str(3000, 1)}, {"verbatim": Bool()}),
    }), 10, 1)}, _OWN),
    "actions": kind(
        "actions",
        {"elements": Items(elements("button", "overflow", "workflow_button", "datetimepicker", "rich_text_input",
                                    *SELECTS, *MULTIS, *PICKERS), 25, 1)},
        _OWN,
    ),
    "image": kind(
        "image", {"alt_text": Str(2000)},
        {**_OWN, "image_url": URL, "slack_file": SLACK_FILE, "title": plain(2000)},
        one_of("image_url", "slack_file"),
    ),
    "input": kind(
        "input", {"label": plain(2000), "element": elements(*INPUTS)},
        {**_OWN, "hint": plain(2000), "optional": Bool(), "dispatch_action": Bool()}, _dispatch_needs_an_input,
    ),
    "video": kind(
        "video",
        {"video_url": HTTPS, "thumbnail_url": HTTPS, "alt_text": Str(), "title": plain(199)},
        {**_OWN, "title_url": HTTPS, "author_name": Str(49), "provider_name": Str(), "provider_icon_url": HTTPS,
         "description": plain(3000)},
    ),
    "rich_text": RICH_TEXT,
    "file": kind("file", {"source": Str(words=("remote",)), "external_id": Str(255, 1)}, _OWN),
    "markdown": kind("markdown", {"text": Str(12_000, 1)}, _OWN),
    "table": kind(
        "table", {"rows": Items(Items(_CELL, 20, 1), 100, 1)},
        {**_OWN, "column_settings": Items(Obj({}, {"align": Str(words=("left", "center", "right")),
                                                   "is_wrapped": Bool()}), 20)},
        _table_text(10_000),
    ),
    "data_table": kind(
        "data_table", {"caption": Str(None, 1), "rows": Items(Items(_CELL, 20, 1), 201, 1)},
        {**_OWN, "page_size": Num(1, 100), "row_header_column_index": Num(0)},
        _even_rows, _row_header_exists, _table_text(20_000),
    ),
    "data_visualization": kind("data_visualization", {"title": Str(50, 1), "chart": _CHART}, _OWN),
    "alert": kind(
        "alert", {"text": words(200)},
        {**_OWN, "level": Str(words=("default", "info", "warning", "error", "success"))},
    ),
    "card": CARD,
    "carousel": kind("carousel", {"elements": Items(Typed({"card": CARD}), 10, 1)}, _OWN),
    "context_actions": kind(
        "context_actions", {"elements": Items(elements("feedback_buttons", "icon_button"), 5, 1)}, _OWN
    ),
    "task_card": _task("in_progress", "complete", "error"),
    "plan": kind("plan", {"title": Str(None, 1)}, {
        **_OWN, "tasks": Items(Typed({"task_card": _task("pending", "in_progress", "complete", "error")}))}),
}  # fmt: skip

_CHILDREN = ("actions", "context", "divider", "file", "header", "image", "input", "rich_text", "section", "table", "video")
BLOCKS["container"] = kind(
    "container", {"child_blocks": Items(Typed({name: BLOCKS[name] for name in _CHILDREN}), 10, 1)},
    {**_OWN, "title": plain(150), "rich_text_title": RICH_TEXT, "subtitle": words(150), "icon": IMAGE,
     "width": Str(words=("narrow", "standard", "wide", "full")), "is_collapsible": Bool(),
     "default_collapsed": Bool(), "has_header_divider": Bool()},
    some_of("title", "rich_text_title"), _collapsed_needs_collapsible,
)  # fmt: skip

_EVERYWHERE = ("section", "header", "divider", "context", "actions", "image", "input", "video", "rich_text")
_MESSAGE = (
    *_EVERYWHERE, "file", "markdown", "table", "data_table", "data_visualization", "card", "carousel", "container",
    "context_actions", "task_card", "plan",
)  # fmt: skip

MESSAGE_BLOCK = Typed({name: BLOCKS[name] for name in _MESSAGE})
MODAL_BLOCK = Typed({name: BLOCKS[name] for name in (*_EVERYWHERE, "alert")})
HOME_BLOCK = Typed({name: BLOCKS[name] for name in (*_EVERYWHERE, "data_table", "card", "carousel", "container")})
