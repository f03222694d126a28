"""Every block and element that Slack draws, by the surfaces that take them."""

from typing import Any

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def text(words: str, kind: str = "mrkdwn") -> dict[str, Any]:
    return {"type": kind, "text": words}


def plain(words: str) -> dict[str, Any]:
    return text(words, "plain_text")


def option(name: str, about: str | None = None) -> dict[str, Any]:
    return {"text": plain(name), "value": name.lower()} | ({"description": plain(about)} if about else {})


def button(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "button", "text": plain(name), "action_id": name.lower().replace(" ", "_"), "value": name} | more


def rich(words: str) -> dict[str, Any]:
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": words}]}]}


COLOURS = [option("Red", "warm"), option("Green"), option("Blue", "cold")]
CONFIRM = {"title": plain("Remove it?"), "text": text("It *cannot* come back."), "confirm": plain("Remove"),
           "deny": plain("Keep"), "style": "danger"}  # fmt: skip


def line_chart(kind: str = "line") -> dict[str, Any]:
    days = ["Mon", "Tue", "Wed", "Thu"]
    series = [{"name": name, "data": [{"label": d, "value": v * f} for d, v in zip(days, (3, 5, 4, 8), strict=True)]}
              for name, f in (("Synced", 1000), ("Refused", 90))]  # fmt: skip
    return {"type": kind, "series": series, "axis_config": {"categories": days, "x_label": "day", "y_label": "members"}}


MESSAGES: list[list[dict[str, Any]]] = [
    [
        {"type": "header", "text": plain("A heading :tada:")},
        {"type": "section", "text": text("*Bold*, _italic_, ~struck~, `code`, <https://example.com|a link>, <@U03MIACHEN>, "
                                         "<#C01GENERAL>, :rocket:\n> a quotation\n```pre\nformatted```")},
        {"type": "section", "fields": [text("*Owner*\nMia"), text("*Channel*\nMeta"), text("*Next*\n"
         "<!date^1767225600^{date_short_pretty} at {time}|1 January>"), text("*Size*\n12,400")],
         "accessory": button("Details")},
        {"type": "divider"},
        {"type": "context", "elements": [text("Small print, :information_source: with a sign")]},
        {"type": "actions", "elements": [button("Apply", style="primary"), button("Remove", style="danger", confirm=CONFIRM),
         button("Open", url="https://example.com/"), {"type": "overflow", "action_id": "more", "options": COLOURS},
         {"type": "static_select", "action_id": "pick", "options": COLOURS, "placeholder": plain("A colour")},
         {"type": "datepicker", "action_id": "day", "initial_date": "2026-12-01"},
         {"type": "timepicker", "action_id": "hour", "initial_time": "06:30"}]},
    ],
    [
        {"type": "data_visualization", "title": "Members a day", "chart": line_chart("bar")},
        {"type": "data_visualization", "title": "By channel", "chart": {"type": "pie", "segments": [
            {"label": "Meta", "value": 5}, {"label": "Google", "value": 3}, {"label": "LinkedIn", "value": 2}]}},
    ],
    [
        {"type": "data_visualization", "title": "A line", "chart": line_chart()},
        {"type": "data_visualization", "title": "An area", "chart": line_chart("area")},
    ],
    [
        {"type": "table", "rows": [[{"type": "raw_text", "text": "Segment"}, {"type": "raw_text", "text": "Members"}],
                                   [{"type": "raw_text", "text": "Buyers"}, {"type": "raw_number", "value": 1200}]],
         "column_settings": [{}, {"align": "right"}]},
        {"type": "data_table", "caption": "Syncs by size", "page_size": 3, "rows": [
            [{"type": "raw_text", "text": "Sync"}, {"type": "raw_text", "text": "Size"}],
            *[[{"type": "raw_text", "text": f"S-{n}"}, {"type": "raw_number", "value": 900 - 100 * n}] for n in range(1, 8)]]},
    ],
    [
        {"type": "rich_text", "elements": [
            {"type": "rich_text_section", "elements": [{"type": "text", "text": "Rich ", "style": {"bold": True}},
                                                       {"type": "user", "user_id": "U01ANARUIZ"}]},
            {"type": "rich_text_list", "style": "ordered", "elements": [
                {"type": "rich_text_section", "elements": [{"type": "text", "text": "first"}]},
                {"type": "rich_text_section", "elements": [{"type": "link", "url": "https://example.com", "text": "second"}]}]},
            {"type": "rich_text_quote", "elements": [{"type": "text", "text": "quoted"}]},
            {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "x = 1"}]}]},
        {"type": "card", "title": text("A card"), "subtitle": text("with a subtitle"), "body": text("and *more* to say"),
         "actions": [button("Card button")]},
        {"type": "carousel", "elements": [
            {"type": "card", "title": text(f"Card {n}"), "body": text("one of three")} for n in (1, 2, 3)]},
        {"type": "container", "title": plain("A container"), "is_collapsible": True, "child_blocks": [
            {"type": "section", "text": text("inside the container")}]},
        {"type": "context_actions", "elements": [{"type": "feedback_buttons", "action_id": "useful",
            "positive_button": {"text": plain("Good"), "value": "good"},
            "negative_button": {"text": plain("Bad"), "value": "bad"}},
            {"type": "icon_button", "icon": "trash", "text": plain("Throw away"), "action_id": "throw"}]},
        {"type": "plan", "title": "The plan", "tasks": [
            {"type": "task_card", "task_id": "1", "title": "Read the segment", "status": "complete",
             "output": rich("3,200 rows")},
            {"type": "task_card", "task_id": "2", "title": "Send", "status": "in_progress"},
            {"type": "task_card", "task_id": "3", "title": "Confirm", "status": "pending"}]},
        {"type": "image", "image_url": PIXEL, "alt_text": "a dot", "title": plain("A picture")},
    ],
    [{"type": "markdown", "text": "## Markdown\n\n**strong** and [linked](https://example.com)\n\n- one\n- two"}],
]  # fmt: skip


def labelled(label: str, element: dict[str, Any], **more: Any) -> dict[str, Any]:
    name = label.lower().replace(" ", "_")
    return {"type": "input", "block_id": name, "label": plain(label), "element": {"action_id": name} | element} | more


MODAL: dict[str, Any] = {
    "type": "modal", "callback_id": "all", "title": plain("Every input"), "submit": plain("Save"), "close": plain("Not now"),
    "blocks": [
        {"type": "alert", "level": "warning", "text": text("Look *twice*.")},
        labelled("Name", {"type": "plain_text_input", "max_length": 40}, hint=plain("As on the door")),
        labelled("Story", {"type": "plain_text_input", "multiline": True}, optional=True),
        labelled("Amount", {"type": "number_input", "is_decimal_allowed": False, "min_value": "1"}),
        labelled("Mail", {"type": "email_text_input"}, optional=True),
        labelled("Site", {"type": "url_text_input"}, optional=True),
        labelled("Colour", {"type": "static_select", "options": COLOURS}),
        labelled("Search", {"type": "external_select", "min_query_length": 0}),
        labelled("Colours", {"type": "multi_static_select", "options": COLOURS}, optional=True),
        labelled("Person", {"type": "users_select"}, optional=True),
        labelled("Conversation", {"type": "conversations_select"}, optional=True),
        labelled("Choice", {"type": "radio_buttons", "options": COLOURS}),
        labelled("Ticks", {"type": "checkboxes", "options": COLOURS}, optional=True),
        labelled("Day", {"type": "datepicker"}, optional=True),
        labelled("Hour", {"type": "timepicker"}, optional=True),
        labelled("Moment", {"type": "datetimepicker"}, optional=True),
    ],
}  # fmt: skip
