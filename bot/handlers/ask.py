"""One thing that somebody asks in words, from whatever surface: where to answer, and whether a modal can be opened."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.blocks import charts, ids, kit
from core.errors import NotFound
from core.models import Actor


@dataclass(frozen=True, slots=True)
class Ask:
    """`say` answers once; `words` follow the command's name. No `trigger_id`: the answer is a button that asks again."""

    actor: Actor
    command: str
    words: str
    client: WebClient
    say: Callable[[kit.Message], None]
    acknowledge: Callable[[], None]
    trigger_id: str | None = None
    response_url: str | None = None  # where what is shared goes: the conversation in which somebody asked
    clicked: dict[str, Any] | None = None  # the click behind it, which may have been in a modal

    def open(self, view: kit.View) -> str:
        """Opens a modal; its id, or nothing where none can be opened from here."""
        if self.trigger_id is None:
            said = f"{self.command} {self.words}".strip()
            row = kit.actions(kit.button(view["title"]["text"], f"{ids.COMMAND}.open", said, style="primary"))
            self.say(kit.message(f"{view['title']['text']}: press the button to go on.", [row]))
            return ""
        self.acknowledge()
        if self.clicked:
            return open_or_push(self.client, self.clicked, view)
        return str(self.client.views_open(trigger_id=self.trigger_id, view=view)["view"]["id"])


def send(post: Callable[..., Any], message: kit.Message, **more: Any) -> None:
    """Posts it; where a client refuses its chart, with the same numbers as text."""
    if charts.has_chart(message):
        try:
            answer = post(**message, **more)
        except SlackApiError as error:
            if error.response["error"] not in ("invalid_blocks", "invalid_blocks_format"):
                raise
        else:
            if getattr(answer, "status_code", 200) == 200:
                return
        message = charts.without(message)
    post(**message, **more)


def show(client: WebClient, view_id: str, view: kit.View) -> bool:
    """Updates an open view; False when it was closed meanwhile, which is no error."""
    if not view_id:
        return False
    try:
        client.views_update(view_id=view_id, view=view)
    except SlackApiError as error:
        if error.response["error"] in ("not_found", "view_not_found", "hash_conflict"):
            return False
        raise
    return True


def open_or_push(client: WebClient, body: dict[str, Any], view: kit.View) -> str:
    """A modal from a click: on top of the one that was clicked in, or by itself; never a fourth."""
    under = body.get("view") or {}
    if under.get("type") != "modal":
        return str(client.views_open(trigger_id=body["trigger_id"], view=view)["view"]["id"])
    try:
        return str(client.views_push(trigger_id=body["trigger_id"], view=view)["view"]["id"])
    except SlackApiError as error:
        if error.response["error"] != "push_limit_reached":
            raise
    return str(client.views_update(view_id=under["id"], view=view)["view"]["id"])


def redraw(client: WebClient, respond: Callable[..., Any], body: dict[str, Any], message: kit.Message) -> None:
    """A message that changes in place; from Home it stands in a modal, which then changes instead."""
    if body.get("response_url"):
        send(respond, message, replace_original=True)
    elif view := body.get("view"):
        blocks = charts.without(message)["blocks"]
        show(client, view["id"], kit.modal(view["title"]["text"], blocks, callback_id=view["callback_id"]))


def split(value: str) -> tuple[str, int | None]:
    """The id and the version that a button carries."""
    one, _, version = value.partition(":")
    return one, int(version) if version.isdigit() else None


def chosen(body: dict[str, Any]) -> str:
    """What was clicked or chosen. Raises NotFound for an action without a value, which no button of ours sends."""
    action = body["actions"][0]
    value = action.get("value") or (action.get("selected_option") or {}).get("value")
    if not value:
        raise NotFound
    return str(value)
