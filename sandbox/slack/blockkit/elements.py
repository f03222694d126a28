"""Block Kit's composition objects and block elements, as tables (docs.slack.dev/reference/block-kit)."""

from collections.abc import Mapping
from typing import Any

from sandbox.slack.blockkit.shapes import Bool, Fault, Items, Num, Obj, Rule, Shape, Str, Typed, one_of

ID = Str(255)
URL = Str(3000, 1)
DATE = Str(pattern=r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", complaint="must be a valid date in YYYY-MM-DD format")
TIME = Str(pattern=r"([01]\d|2[0-3]):[0-5]\d", complaint="must be a valid time in HH:mm format")
STYLE = Str(words=("primary", "danger"))
DECIMAL = Str(pattern=r"-?\d+(\.\d+)?", complaint="must be a valid number")


def kind(name: str, must: Mapping[str, Shape], may: Mapping[str, Shape], *rules: Rule) -> Obj:
    """An object with this `type`."""
    return Obj({"type": Str(words=(name,)), **must}, may, rules)


def plain(most: int, least: int = 1) -> Shape:
    """A `plain_text` object of that many characters at most."""
    return Obj({"type": Str(words=("plain_text",)), "text": Str(most, least)}, {"emoji": Bool()})


def words(most: int) -> Shape:
    """A text object of either kind."""
    return Typed(
        {
            "plain_text": kind("plain_text", {"text": Str(most, 1)}, {"emoji": Bool()}),
            "mrkdwn": kind("mrkdwn", {"text": Str(most, 1)}, {"verbatim": Bool()}),
        }
    )


def mrkdwn(most: int) -> Shape:
    """Text that Slack accepts in either kind but documents as mrkdwn (cards)."""
    return words(most)


CONFIRM = Obj({"text": words(300)}, {"title": plain(100), "confirm": plain(30), "deny": plain(30), "style": STYLE})
DISPATCH = Obj({"trigger_actions_on": Items(Str(words=("on_enter_pressed", "on_character_entered")), most=2, least=1)})
OPTION = Obj({"text": plain(75), "value": Str(150, 1)}, {"description": plain(75), "url": URL})
RICH_OPTION = Obj({"text": words(75), "value": Str(150, 1)}, {"description": words(75)})
GROUP = Obj({"label": plain(75), "options": Items(OPTION, 100, 1)})
SLACK_FILE = Obj({}, {"id": Str(255), "url": URL}, (one_of("id", "url"),))
IMAGE = kind(
    "image",
    {"alt_text": Str(2000)},
    {"image_url": URL, "slack_file": SLACK_FILE},
    one_of("image_url", "slack_file"),
)

_PICK: Mapping[str, Shape] = {"action_id": ID, "confirm": CONFIRM, "focus_on_load": Bool(), "placeholder": plain(150)}
_TICK: Mapping[str, Shape] = {"action_id": ID, "confirm": CONFIRM, "focus_on_load": Bool()}
_TYPE: Mapping[str, Shape] = {
    "action_id": ID,
    "dispatch_action_config": DISPATCH,
    "focus_on_load": Bool(),
    "placeholder": plain(150),
}
_CHOICES: Mapping[str, Shape] = {"options": Items(OPTION, 100, 1), "option_groups": Items(GROUP, 100, 1)}
_MULTI: Mapping[str, Shape] = {"max_selected_items": Num(1)}
_QUERY: Mapping[str, Shape] = {"min_query_length": Num(0)}
_FILTER = Obj(
    {},
    {
        "include": Items(Str(words=("im", "mpim", "private", "public")), 4, 1),
        "exclude_external_shared_channels": Bool(),
        "exclude_bot_users": Bool(),
    },
)
_CONVERSATIONS: Mapping[str, Shape] = {"default_to_current_conversation": Bool(), "filter": _FILTER}


def _options_of(element: Mapping[str, Any]) -> list[Any]:
    groups = element.get("option_groups") or []
    return [*(element.get("options") or []), *(option for group in groups for option in group["options"])]


def _initial_is_an_option(element: Mapping[str, Any], pointer: str, out: list[Fault]) -> None:
    """What is chosen at first has to be one of the options, word for word (select menu reference)."""
    chosen = [("initial_option", element["initial_option"])] if "initial_option" in element else []
    chosen += [(f"initial_options/{n}", option) for n, option in enumerate(element.get("initial_options", []))]
    known = [(option["value"], option["text"]["text"]) for option in _options_of(element)]
    out += [
        Fault("initial option must match one of the options provided", f"{pointer}/{name}")
        for name, option in chosen
        if (option["value"], option["text"]["text"]) not in known
    ]


def _not_too_many_initial(element: Mapping[str, Any], pointer: str, out: list[Fault]) -> None:
    most = element.get("max_selected_items")
    names = ("initial_options", "initial_users", "initial_channels", "initial_conversations")
    over = [name for name in names if most is not None and len(element.get(name, [])) > most]
    out += [Fault(f"no more than {most} items allowed", f"{pointer}/{name}") for name in over]


def _ordered(low: str, high: str) -> Rule:
    def rule(element: Mapping[str, Any], pointer: str, out: list[Fault]) -> None:
        if low in element and high in element and float(element[low]) > float(element[high]):
            out.append(Fault(f"{low} must be less than or equal to {high}", f"{pointer}/{low}"))

    return rule


def _initial_within_length(element: Mapping[str, Any], pointer: str, out: list[Fault]) -> None:
    size, most = len(element.get("initial_value", "")), element.get("max_length", 3000)
    if size > most:
        out.append(Fault(f"must be less than {int(most) + 1} characters", f"{pointer}/initial_value"))


_FEEDBACK = Obj({"text": plain(75), "value": Str(2000)}, {"accessibility_label": Str(75, 1)})

BUTTON = kind(
    "button",
    {"text": plain(75)},
    {
        "action_id": ID,
        "url": URL,
        "value": Str(2000),
        "style": STYLE,
        "confirm": CONFIRM,
        "accessibility_label": Str(75, 1),
    },
)

RICH_STYLE = Obj({}, {name: Bool() for name in ("bold", "italic", "strike", "code", "underline", "highlight",
                                                "client_highlight", "unlink")})  # fmt: skip
_STYLED: Mapping[str, Shape] = {"style": RICH_STYLE}
RICH_PIECE: Shape = Typed(
    {
        "text": kind("text", {"text": Str(None, 1)}, _STYLED),
        "link": kind("link", {"url": URL}, {"text": Str(), "unsafe": Bool(), **_STYLED}),
        "emoji": kind("emoji", {"name": Str(None, 1)}, {"unicode": Str(), "url": URL, "skin_tone": Num(), **_STYLED}),
        "user": kind("user", {"user_id": Str(None, 1)}, _STYLED),
        "channel": kind("channel", {"channel_id": Str(None, 1)}, _STYLED),
        "usergroup": kind("usergroup", {"usergroup_id": Str(None, 1)}, _STYLED),
        "team": kind("team", {"team_id": Str(None, 1)}, _STYLED),
        "broadcast": kind("broadcast", {"range": Str(words=("here", "channel", "everyone"))}, _STYLED),
        "color": kind("color", {"value": Str(None, 1)}, _STYLED),
        "date": kind("date", {"timestamp": Num(), "format": Str(None, 1)}, {"url": URL, "fallback": Str(), **_STYLED}),
    }
)
_PIECES = Items(RICH_PIECE)
_BORDER: Mapping[str, Shape] = {"border": Num(0, 1)}
_SECTION = kind("rich_text_section", {"elements": _PIECES}, {})
RICH_TEXT = kind(
    "rich_text",
    {
        "elements": Items(
            Typed(
                {
                    "rich_text_section": _SECTION,
                    "rich_text_list": kind(
                        "rich_text_list",
                        {"elements": Items(Typed({"rich_text_section": _SECTION})),
                         "style": Str(words=("bullet", "ordered"))},
                        {"indent": Num(0, 8), "offset": Num(0), **_BORDER},
                    ),
                    "rich_text_quote": kind("rich_text_quote", {"elements": _PIECES}, _BORDER),
                    "rich_text_preformatted": kind(
                        "rich_text_preformatted", {"elements": _PIECES}, {"language": Str(), **_BORDER}
                    ),
                }
            )
        )
    },
    {"block_id": ID},
)  # fmt: skip

ELEMENTS: Mapping[str, Shape] = {
    "button": BUTTON,
    "image": IMAGE,
    "static_select": kind(
        "static_select", {}, {**_PICK, **_CHOICES, "initial_option": OPTION},
        one_of("options", "option_groups"), _initial_is_an_option,
    ),
    "multi_static_select": kind(
        "multi_static_select", {}, {**_PICK, **_CHOICES, **_MULTI, "initial_options": Items(OPTION, 100)},
        one_of("options", "option_groups"), _initial_is_an_option, _not_too_many_initial,
    ),
    "external_select": kind("external_select", {}, {**_PICK, **_QUERY, "initial_option": OPTION}),
    "multi_external_select": kind(
        "multi_external_select", {}, {**_PICK, **_QUERY, **_MULTI, "initial_options": Items(OPTION, 100)},
        _not_too_many_initial,
    ),
    "users_select": kind("users_select", {}, {**_PICK, "initial_user": Str(None, 1)}),
    "multi_users_select": kind(
        "multi_users_select", {}, {**_PICK, **_MULTI, "initial_users": Items(Str(None, 1))}, _not_too_many_initial
    ),
    "conversations_select": kind(
        "conversations_select", {},
        {**_PICK, **_CONVERSATIONS, "initial_conversation": Str(None, 1), "response_url_enabled": Bool()},
    ),
    "multi_conversations_select": kind(
        "multi_conversations_select", {},
        {**_PICK, **_CONVERSATIONS, **_MULTI, "initial_conversations": Items(Str(None, 1))}, _not_too_many_initial,
    ),
    "channels_select": kind(
        "channels_select", {}, {**_PICK, "initial_channel": Str(None, 1), "response_url_enabled": Bool()}
    ),
    "multi_channels_select": kind(
        "multi_channels_select", {}, {**_PICK, **_MULTI, "initial_channels": Items(Str(None, 1))},
        _not_too_many_initial,
    ),
    "overflow": kind("overflow", {"options": Items(OPTION, 5, 1)}, {"action_id": ID, "confirm": CONFIRM}),
    "checkboxes": kind(
        "checkboxes", {"options": Items(RICH_OPTION, 10, 1)}, {**_TICK, "initial_options": Items(RICH_OPTION, 10, 1)},
        _initial_is_an_option,
    ),
    "radio_buttons": kind(
        "radio_buttons", {"options": Items(RICH_OPTION, 10, 1)}, {**_TICK, "initial_option": RICH_OPTION},
        _initial_is_an_option,
    ),
    "datepicker": kind("datepicker", {}, {**_PICK, "initial_date": DATE}),
    "timepicker": kind("timepicker", {}, {**_PICK, "initial_time": TIME, "timezone": Str(None, 1)}),
    "datetimepicker": kind("datetimepicker", {}, {**_TICK, "initial_date_time": Num(1_000_000_000, 9_999_999_999)}),
    "plain_text_input": kind(
        "plain_text_input", {},
        {**_TYPE, "initial_value": Str(3000), "multiline": Bool(), "min_length": Num(0, 3000),
         "max_length": Num(1, 3000)},
        _ordered("min_length", "max_length"), _initial_within_length,
    ),
    "number_input": kind(
        "number_input", {"is_decimal_allowed": Bool()},
        {**_TYPE, "initial_value": DECIMAL, "min_value": DECIMAL, "max_value": DECIMAL},
        _ordered("min_value", "max_value"), _ordered("min_value", "initial_value"),
        _ordered("initial_value", "max_value"),
    ),
    "email_text_input": kind("email_text_input", {}, {**_TYPE, "initial_value": Str(3000)}),
    "url_text_input": kind("url_text_input", {}, {**_TYPE, "initial_value": Str(3000)}),
    "rich_text_input": kind(
        "rich_text_input", {},
        {**_TYPE, "initial_value": RICH_TEXT, "min_lines": Num(1, 100), "max_lines": Num(1, 100)},
        _ordered("min_lines", "max_lines"),
    ),
    "file_input": kind("file_input", {}, {"action_id": ID, "filetypes": Items(Str(None, 1)), "max_files": Num(1, 10)}),
    "workflow_button": kind(
        "workflow_button",
        {"text": plain(75), "workflow": Obj({"trigger": Obj({"url": URL}, {"customizable_input_parameters": Items(
            Obj({"name": Str(), "value": Str()}))})})},
        {"action_id": ID, "style": STYLE, "accessibility_label": Str(75, 1), "confirm": CONFIRM},
    ),
    "feedback_buttons": kind(
        "feedback_buttons", {"positive_button": _FEEDBACK, "negative_button": _FEEDBACK}, {"action_id": ID}
    ),
    "icon_button": kind(
        "icon_button", {"icon": Str(words=("trash",)), "text": plain(75)},
        {"action_id": ID, "value": Str(2000), "confirm": CONFIRM, "accessibility_label": Str(75, 1),
         "visible_to_user_ids": Items(Str(None, 1))},
    ),
}  # fmt: skip


def elements(*names: str) -> Typed:
    """The elements of these types, where a block takes some of them only."""
    return Typed({name: ELEMENTS[name] for name in names})


SELECTS = (
    "static_select", "external_select", "users_select", "conversations_select", "channels_select",
)  # fmt: skip
MULTIS = tuple(f"multi_{name}" for name in SELECTS)
PICKERS = ("datepicker", "timepicker", "checkboxes", "radio_buttons")
INPUTS = (
    *SELECTS, *MULTIS, *PICKERS, "datetimepicker", "plain_text_input", "number_input", "email_text_input",
    "url_text_input", "rich_text_input", "file_input",
)  # fmt: skip
