"""What a person's client holds of a surface: the value of every input, before and after it was touched.

As Slack: a value belongs to its `block_id` and `action_id`. An initial value counts only when the element first appears;
when a view is updated and an element keeps both ids, what was typed stays, and a *new* initial value shows on screen but is
not in the state (bolt-python issue 572).
"""

import re
from collections.abc import Callable
from typing import Any

from sandbox.slack.blockkit.surfaces import elements_of, walk
from sandbox.slack.state import JSON

REQUIRED = "Please complete this required field."
_KEYS: dict[str, tuple[str, str, Any]] = {
    # element type: (key in the state, key of the initial value, untouched)
    "plain_text_input": ("value", "initial_value", None),
    "number_input": ("value", "initial_value", None),
    "email_text_input": ("value", "initial_value", None),
    "url_text_input": ("value", "initial_value", None),
    "rich_text_input": ("rich_text_value", "initial_value", None),
    "file_input": ("files", "", []),
    "static_select": ("selected_option", "initial_option", None),
    "external_select": ("selected_option", "initial_option", None),
    "users_select": ("selected_user", "initial_user", None),
    "conversations_select": ("selected_conversation", "initial_conversation", None),
    "channels_select": ("selected_channel", "initial_channel", None),
    "multi_static_select": ("selected_options", "initial_options", []),
    "multi_external_select": ("selected_options", "initial_options", []),
    "multi_users_select": ("selected_users", "initial_users", []),
    "multi_conversations_select": ("selected_conversations", "initial_conversations", []),
    "multi_channels_select": ("selected_channels", "initial_channels", []),
    "checkboxes": ("selected_options", "initial_options", []),
    "radio_buttons": ("selected_option", "initial_option", None),
    "datepicker": ("selected_date", "initial_date", None),
    "timepicker": ("selected_time", "initial_time", None),
    "datetimepicker": ("selected_date_time", "initial_date_time", None),
}
_ANY = re.compile(r"(?s).*")
_FORMS = {
    "plain_text_input": (_ANY, ""),
    "number_input": (_ANY, ""),
    "email_text_input": (_ANY, ""),
    "url_text_input": (_ANY, ""),
    "datepicker": (re.compile(r"\d{4}-\d{2}-\d{2}"), "a date is YYYY-MM-DD"),
    "timepicker": (re.compile(r"([01]\d|2[0-3]):[0-5]\d"), "a time is HH:mm"),
}
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_LINK = re.compile(r"https?://\S+|mailto:\S+")


class Unreadable(Exception):
    """The value has not the form that this element takes."""


class Absent(Exception):
    """What should be chosen is not among the choices."""


def holds_value(element: JSON) -> bool:
    """Whether this element has a place in the state (buttons and overflow menus have none)."""
    return element["type"] in _KEYS


def initial(element: JSON) -> JSON:
    """The element's value before anybody touched it."""
    key, source, untouched = _KEYS[element["type"]]
    value = {"type": element["type"], key: element.get(source, untouched)}
    if element["type"] == "timepicker" and element.get("timezone"):
        value["timezone"] = element["timezone"]
    return value


def carried(old: JSON, blocks: list[JSON]) -> JSON:
    """The state of these blocks, where an element that was there before with both ids keeps its value."""
    values: JSON = {}
    for block, _ in walk(blocks):
        for element in elements_of(block):
            if holds_value(element):
                before = old.get(block["block_id"], {}).get(element["action_id"])
                same = before is not None and before["type"] == element["type"]
                values.setdefault(block["block_id"], {})[element["action_id"]] = before if same else initial(element)
    return values


def find(blocks: list[JSON], action_id: str, block_id: str | None) -> tuple[JSON, JSON] | None:
    """The block and the element with this action id, in this block if one is named."""
    for block, _ in walk(blocks):
        if block_id in (None, block["block_id"]):
            for element in elements_of(block):
                if element["action_id"] == action_id:
                    return block, element
    return None


def options_of(element: JSON) -> list[JSON]:
    """All options that the element itself carries."""
    groups = element.get("option_groups") or []
    return [*(element.get("options") or []), *(option for group in groups for option in group["options"])]


Known = Callable[[str], JSON | None]
"""Finds the option with a value among those that were offered to this person."""


def chosen(element: JSON, value: Any, known: Known, exists: Callable[[str, str], bool]) -> JSON:
    """The state of `element` after a person chose or typed `value`.

    A single choice is the option's value, several a list of them; ids, dates, times and texts are strings; None clears.
    `known` finds an option, `exists` says whether what an element of this type names is there. Raises Unreadable or Absent.
    """
    kind = element["type"]
    key, _, untouched = _KEYS[kind]
    if value is None:
        return {"type": kind, key: untouched}
    if isinstance(untouched, list):
        several = [value] if isinstance(value, str) else value
        if not isinstance(several, list) or not all(isinstance(item, str) for item in several):
            raise Unreadable(f"{kind} takes a list of strings")
        most = element.get("max_selected_items")
        if most is not None and len(several) > most:
            raise Unreadable(f"no more than {most} can be chosen")
        return {"type": kind, key: [_one(kind, item, known, exists) for item in several]}
    return {"type": kind, key: _one(kind, value, known, exists)}


def _one(kind: str, value: Any, known: Known, exists: Callable[[str, str], bool]) -> Any:
    if kind == "rich_text_input":
        return _rich(value)
    if kind == "datetimepicker":
        if not str(value).isdigit():
            raise Unreadable("a date and time is given in unix seconds")
        return int(value)
    if not isinstance(value, str):
        raise Unreadable(f"{kind} takes a string")
    if kind in _FORMS:
        pattern, wrong = _FORMS[kind]
        if not pattern.fullmatch(value):
            raise Unreadable(wrong)
        return value or None
    if kind.endswith(("users_select", "conversations_select", "channels_select", "file_input")):
        if not exists(kind, value):
            raise Absent(f"{value} is not there")
        return value
    option = known(value)
    if option is None:
        raise Absent(f"no option has the value {value}")
    return option


def _rich(value: Any) -> Any:
    """A text as a rich text of one section; rich text as it is."""
    if isinstance(value, str):
        piece = {"type": "rich_text_section", "elements": [{"type": "text", "text": value}]}
        return {"type": "rich_text", "elements": [piece]} if value else None
    if not isinstance(value, dict):
        raise Unreadable("rich_text_input takes a text or a rich text")
    return value


def complaint(element: JSON, value: JSON, *, optional: bool) -> str | None:
    """What Slack's client says beside an input that cannot be submitted so, before the app hears of it."""
    key, _, _ = _KEYS[element["type"]]
    held = value[key]
    if held is None or held == []:
        return None if optional else REQUIRED
    if key == "value":
        return _text_complaint(element, held)
    return None


def _text_complaint(element: JSON, held: str) -> str | None:
    match element["type"]:
        case "plain_text_input":
            if len(held) < element.get("min_length", 0):
                return f"Must be at least {element['min_length']} characters long."
            if len(held) > element.get("max_length", 3000):
                return f"Must be less than {element.get('max_length', 3000) + 1} characters."
        case "email_text_input" if not _EMAIL.fullmatch(held):
            return "Enter a valid email address."
        case "url_text_input" if not _LINK.fullmatch(held):
            return "Enter a valid URL."
        case "number_input":
            return _number_complaint(element, held)
        case _:
            pass
    return None


def _number_complaint(element: JSON, held: str) -> str | None:
    try:
        number = float(held)
    except ValueError:
        return "Enter a valid number."
    if not element["is_decimal_allowed"] and not re.fullmatch(r"-?\d+", held):
        return "Enter a whole number."
    if "min_value" in element and number < float(element["min_value"]):
        return f"Must be {element['min_value']} or more."
    if "max_value" in element and number > float(element["max_value"]):
        return f"Must be {element['max_value']} or less."
    return None
