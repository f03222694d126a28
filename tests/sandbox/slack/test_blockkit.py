"""Block Kit's limits, each one step inside and one step outside."""

from typing import Any

import pytest

from sandbox.slack.blockkit.surfaces import filled, message_faults, view_faults

JSON = dict[str, Any]


def plain(size: int = 1) -> JSON:
    return {"type": "plain_text", "text": "x" * size}


def mrkdwn(size: int = 1) -> JSON:
    return {"type": "mrkdwn", "text": "x" * size}


def option(n: int = 0, text: int = 1, value: int = 0) -> JSON:
    return {"text": plain(text), "value": str(n).rjust(value, "v")}


def options(count: int) -> list[JSON]:
    return [option(n) for n in range(count)]


def actions(*elements: JSON) -> JSON:
    return {"type": "actions", "elements": list(elements)}


def button(**more: Any) -> JSON:
    return {"type": "button", "text": plain()} | more


def section(**more: Any) -> JSON:
    return {"type": "section", "text": mrkdwn()} | more


def select(count: int) -> JSON:
    return {"type": "static_select", "options": options(count)}


def table(rows: int, columns: int, size: int = 1) -> JSON:
    return {"type": "table", "rows": [[{"type": "raw_text", "text": "x" * size}] * columns] * rows}


def data_table(rows: int, **more: Any) -> JSON:
    return {"type": "data_table", "caption": "c", "rows": [[{"type": "raw_text", "text": "x"}]] * rows} | more


def chart(**more: Any) -> JSON:
    body = {
        "type": "line",
        "series": [{"name": "a", "data": [{"label": "x", "value": 1.5}]}],
        "axis_config": {"categories": ["x"]},
    }
    return {"type": "data_visualization", "title": "t", "chart": body | more}


def pie(count: int) -> JSON:
    segments = [{"label": str(n), "value": n} for n in range(count)]
    return {"type": "data_visualization", "title": "t", "chart": {"type": "pie", "segments": segments}}


def container(count: int, **more: Any) -> JSON:
    return {"type": "container", "title": plain(), "child_blocks": [{"type": "divider"}] * count} | more


def card(**more: Any) -> JSON:
    return {"type": "card", "title": mrkdwn()} | more


def rich(*pieces: JSON) -> JSON:
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(pieces)}]}


def task(state: str) -> JSON:
    return {"type": "task_card", "task_id": "1", "title": "t", "status": state}


FEEDBACK = {"type": "feedback_buttons", "positive_button": {"text": plain(), "value": "1"},
            "negative_button": {"text": plain(), "value": "0"}}  # fmt: skip
MESSAGE_LIMITS: list[tuple[JSON, JSON | None, str]] = [
    (
        section(text=mrkdwn(3000)),
        section(text=mrkdwn(3001)),
        "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
    ),
    (section(), section(text=mrkdwn(0)), "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
    (
        section(fields=[mrkdwn()] * 10),
        section(fields=[mrkdwn()] * 11),
        "no more than 10 items allowed [json-pointer:/blocks/0/fields]",
    ),
    (
        section(fields=[mrkdwn(2000)]),
        section(fields=[mrkdwn(2001)]),
        "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]",
    ),
    (section(accessory=select(1)), {"type": "section"}, "missing required field: text [json-pointer:/blocks/0]"),
    (
        section(block_id="x" * 255),
        section(block_id="x" * 256),
        "must be less than 256 characters [json-pointer:/blocks/0/block_id]",
    ),
    (section(), section(colour="red"), "invalid additional property: colour [json-pointer:/blocks/0]"),
    (section(), {"type": "sections"}, "unsupported type: sections [json-pointer:/blocks/0/type]"),
    (section(), {"text": mrkdwn()}, "missing required field: type [json-pointer:/blocks/0]"),
    (
        {"type": "header", "text": plain(150)},
        {"type": "header", "text": plain(151)},
        "must be less than 151 characters [json-pointer:/blocks/0/text/text]",
    ),
    (
        {"type": "header", "text": plain(), "level": 4},
        {"type": "header", "text": plain(), "level": 5},
        "must be less than 5 [json-pointer:/blocks/0/level]",
    ),
    (
        {"type": "header", "text": plain()},
        {"type": "header", "text": mrkdwn()},
        "must be a valid enum value [json-pointer:/blocks/0/text/type]",
    ),
    (
        {"type": "context", "elements": [mrkdwn()] * 10},
        {"type": "context", "elements": [mrkdwn()] * 11},
        "no more than 10 items allowed [json-pointer:/blocks/0/elements]",
    ),
    (
        actions(*[button() for _ in range(25)]),
        actions(*[button() for _ in range(26)]),
        "no more than 25 items allowed [json-pointer:/blocks/0/elements]",
    ),
    (
        actions(button(text=plain(75))),
        actions(button(text=plain(76))),
        "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]",
    ),
    (
        actions(button(value="x" * 2000)),
        actions(button(value="x" * 2001)),
        "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]",
    ),
    (
        actions(button(url="x" * 3000)),
        actions(button(url="x" * 3001)),
        "must be less than 3001 characters [json-pointer:/blocks/0/elements/0/url]",
    ),
    (
        actions(button(style="danger")),
        actions(button(style="red")),
        "must be a valid enum value [json-pointer:/blocks/0/elements/0/style]",
    ),
    (actions(button()), actions(button(style=None)), "must provide a string [json-pointer:/blocks/0/elements/0/style]"),
    (
        actions(button(action_id="a"), button(action_id="b")),
        actions(button(action_id="a"), button(action_id="a")),
        '`action_id` "a" already exists [json-pointer:/blocks/0/elements/1/action_id]',
    ),
    (actions(select(100)), actions(select(101)), "no more than 100 items allowed [json-pointer:/blocks/0/elements/0/options]"),
    (
        actions(select(1) | {"options": [option(text=75, value=150)]}),
        actions(select(1) | {"options": [option(value=151)]}),
        "must be less than 151 characters [json-pointer:/blocks/0/elements/0/options/0/value]",
    ),
    (
        actions(select(1) | {"placeholder": plain(150)}),
        actions(select(1) | {"placeholder": plain(151)}),
        "must be less than 151 characters [json-pointer:/blocks/0/elements/0/placeholder/text]",
    ),
    (
        actions(select(2) | {"initial_option": option(1)}),
        actions(select(2) | {"initial_option": option(5)}),
        "initial option must match one of the options provided [json-pointer:/blocks/0/elements/0/initial_option]",
    ),
    (
        actions(button(confirm={"text": plain(300)})),
        actions(button(confirm={"text": plain(301)})),
        "must be less than 301 characters [json-pointer:/blocks/0/elements/0/confirm/text/text]",
    ),
    (
        actions({"type": "overflow", "options": options(5)}),
        actions({"type": "overflow", "options": options(6)}),
        "no more than 5 items allowed [json-pointer:/blocks/0/elements/0/options]",
    ),
    (
        actions({"type": "checkboxes", "options": options(10)}),
        actions({"type": "checkboxes", "options": options(11)}),
        "no more than 10 items allowed [json-pointer:/blocks/0/elements/0/options]",
    ),
    (
        actions({"type": "radio_buttons", "options": options(10)}),
        actions({"type": "radio_buttons", "options": options(11)}),
        "no more than 10 items allowed [json-pointer:/blocks/0/elements/0/options]",
    ),
    (
        actions({"type": "datepicker", "initial_date": "2026-02-03"}),
        actions({"type": "datepicker", "initial_date": "3.2.2026"}),
        "must be a valid date in YYYY-MM-DD format [json-pointer:/blocks/0/elements/0/initial_date]",
    ),
    (
        {"type": "image", "image_url": "https://x", "alt_text": "x" * 2000},
        {"type": "image", "image_url": "https://x", "alt_text": "x" * 2001},
        "must be less than 2001 characters [json-pointer:/blocks/0/alt_text]",
    ),
    (
        {"type": "image", "image_url": "https://x", "alt_text": ""},
        {"type": "image", "image_url": "https://x"},
        "missing required field: alt_text [json-pointer:/blocks/0]",
    ),
    (
        {"type": "markdown", "text": "x" * 12_000},
        {"type": "markdown", "text": "x" * 12_001},
        "must be less than 12001 characters [json-pointer:/blocks/0/text]",
    ),
    (table(100, 20), table(101, 1), "no more than 100 items allowed [json-pointer:/blocks/0/rows]"),
    (table(100, 10, 10), table(100, 10, 11), "must be less than 10001 characters [json-pointer:/blocks/0/rows]"),
    (data_table(201), data_table(202), "no more than 201 items allowed [json-pointer:/blocks/0/rows]"),
    (data_table(2, page_size=100), data_table(2, page_size=101), "must be less than 101 [json-pointer:/blocks/0/page_size]"),
    (pie(12), pie(13), "no more than 12 items allowed [json-pointer:/blocks/0/chart/segments]"),
    (
        chart() | {"title": "x" * 50},
        chart() | {"title": "x" * 51},
        "must be less than 51 characters [json-pointer:/blocks/0/title]",
    ),
    (
        chart(),
        chart(axis_config={"categories": ["y"]}),
        "labels must match the categories [json-pointer:/blocks/0/chart/series/0/data]",
    ),
    (card(actions=[button()] * 3), card(actions=[button()] * 4), "no more than 3 items allowed [json-pointer:/blocks/0/actions]"),
    (
        {"type": "carousel", "elements": [card()] * 10},
        {"type": "carousel", "elements": [card()] * 11},
        "no more than 10 items allowed [json-pointer:/blocks/0/elements]",
    ),
    (container(10), container(11), "no more than 10 items allowed [json-pointer:/blocks/0/child_blocks]"),
    (
        container(1, is_collapsible=True, default_collapsed=True),
        container(1, default_collapsed=True),
        "default_collapsed requires is_collapsible [json-pointer:/blocks/0/default_collapsed]",
    ),
    (
        {"type": "context_actions", "elements": [FEEDBACK] * 5},
        {"type": "context_actions", "elements": [FEEDBACK] * 6},
        "no more than 5 items allowed [json-pointer:/blocks/0/elements]",
    ),
    (task("complete"), task("pending"), "must be a valid enum value [json-pointer:/blocks/0/status]"),
    (
        {"type": "plan", "title": "p", "tasks": [task("pending")]},
        {"type": "plan", "title": plain()},
        "must provide a string [json-pointer:/blocks/0/title]",
    ),
    (
        rich({"type": "text", "text": "x", "style": {"bold": True}}),
        rich({"type": "txt", "text": "x"}),
        "unsupported type: txt [json-pointer:/blocks/0/elements/0/elements/0/type]",
    ),
    (section(), {"type": "alert", "text": plain()}, "unsupported type: alert [json-pointer:/blocks/0/type]"),
    (
        {"type": "video", "title": plain(199), "video_url": "https://x", "thumbnail_url": "https://x", "alt_text": "x"},
        {"type": "video", "title": plain(200), "video_url": "https://x", "thumbnail_url": "https://x", "alt_text": "x"},
        "must be less than 200 characters [json-pointer:/blocks/0/title/text]",
    ),
]


@pytest.mark.parametrize(("inside", "outside", "said"), MESSAGE_LIMITS, ids=[said for *_, said in MESSAGE_LIMITS])
def test_a_message_is_refused_one_step_outside_and_not_inside(inside: JSON, outside: JSON, said: str) -> None:
    assert [str(fault) for fault in message_faults([inside])] == []
    assert said in [str(fault) for fault in message_faults([outside])]


def test_a_message_has_fifty_blocks_two_charts_and_unique_ids() -> None:
    assert message_faults([section()] * 50) == []
    assert str(message_faults([section()] * 51)[0]) == "no more than 50 items allowed [json-pointer:/blocks]"
    assert message_faults([pie(1)] * 2) == []
    assert message_faults([pie(1)] * 3)
    twice = [section(block_id="a"), section(block_id="a")]
    assert str(message_faults(twice)[0]) == '`block_id` "a" already exists [json-pointer:/blocks/1/block_id]'


def modal(*blocks: JSON, **more: Any) -> JSON:
    return {"type": "modal", "title": plain(), "blocks": list(blocks)} | more


def entry(element: JSON, **more: Any) -> JSON:
    return {"type": "input", "label": plain(), "element": element} | more


TEXT = {"type": "plain_text_input"}
SENT = {"submit": {"type": "plain_text", "text": "Go"}}
VIEW_LIMITS: list[tuple[JSON, JSON, str]] = [
    (modal(title=plain(24)), modal(title=plain(25)), "must be less than 25 characters [json-pointer:/view/title/text]"),
    (modal(*[section()] * 100), modal(*[section()] * 101), "no more than 100 items allowed [json-pointer:/view/blocks]"),
    (
        modal(private_metadata="x" * 3000),
        modal(private_metadata="x" * 3001),
        "must be less than 3001 characters [json-pointer:/view/private_metadata]",
    ),
    (
        modal(callback_id="x" * 255),
        modal(callback_id="x" * 256),
        "must be less than 256 characters [json-pointer:/view/callback_id]",
    ),
    (modal(entry(TEXT), **SENT), modal(entry(TEXT)), "missing required field: submit [json-pointer:/view]"),
    (
        modal(entry(TEXT), **SENT),
        modal(entry(TEXT), **SENT, submit_disabled=True),
        "invalid additional property: submit_disabled [json-pointer:/view]",
    ),
    (
        modal(entry(TEXT | {"max_length": 3000}), **SENT),
        modal(entry(TEXT | {"max_length": 3001}), **SENT),
        "must be less than 3001 [json-pointer:/view/blocks/0/element/max_length]",
    ),
    (
        modal(entry(TEXT, label=plain(2000)), **SENT),
        modal(entry(TEXT, label=plain(2001)), **SENT),
        "must be less than 2001 characters [json-pointer:/view/blocks/0/label/text]",
    ),
    (
        modal(entry(TEXT), **SENT),
        modal(entry(button()), **SENT),
        "unsupported type: button [json-pointer:/view/blocks/0/element/type]",
    ),
    (
        modal({"type": "alert", "text": plain(200), "level": "warning"}),
        modal({"type": "alert", "text": plain(201)}),
        "must be less than 201 characters [json-pointer:/view/blocks/0/text/text]",
    ),
    (modal(section()), modal({"type": "markdown", "text": "x"}), "unsupported type: markdown [json-pointer:/view/blocks/0/type]"),
    (modal(section()), modal(container(1)), "unsupported type: container [json-pointer:/view/blocks/0/type]"),
    (
        modal(entry({"type": "file_input", "max_files": 10}), **SENT),
        modal(entry({"type": "file_input", "max_files": 11}), **SENT),
        "must be less than 11 [json-pointer:/view/blocks/0/element/max_files]",
    ),
    (
        modal(entry({"type": "number_input", "is_decimal_allowed": False}), **SENT),
        modal(entry({"type": "number_input"}), **SENT),
        "missing required field: is_decimal_allowed [json-pointer:/view/blocks/0/element]",
    ),
]


@pytest.mark.parametrize(("inside", "outside", "said"), VIEW_LIMITS, ids=[said for *_, said in VIEW_LIMITS])
def test_a_modal_is_refused_one_step_outside_and_not_inside(inside: JSON, outside: JSON, said: str) -> None:
    assert [str(fault) for fault in view_faults(inside, "modal")] == []
    assert said in [str(fault) for fault in view_faults(outside, "modal")]


def test_a_home_tab_takes_containers_and_tables_but_no_alerts() -> None:
    home = {"type": "home", "blocks": [container(1), data_table(2), {"type": "carousel", "elements": [card()]}]}
    assert view_faults(home, "home") == []
    assert view_faults({"type": "home", "blocks": [{"type": "alert", "text": plain()}]}, "home")
    assert str(view_faults(home, "modal")[0]) == "must be a valid enum value [json-pointer:/view/type]"


def test_missing_ids_are_filled_in_at_every_depth() -> None:
    names = iter(f"n{n}" for n in range(20))
    blocks = filled(
        [actions(button(action_id="mine"), button()), container(1, child_blocks=[actions(button())])], lambda: next(names)
    )
    assert blocks[0]["block_id"]
    assert blocks[0]["elements"][0]["action_id"] == "mine"
    inner = blocks[1]["child_blocks"][0]
    assert inner["block_id"]
    assert inner["elements"][0]["action_id"]
