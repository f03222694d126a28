"""`/segsync`, the same words by mention or direct message, and buttons that stand for a command."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from html import unescape
from typing import Any

from slack_bolt import Ack, App, BoltContext, Respond
from slack_sdk import WebClient

from bot.blocks import charts, guide, ids, kit, screens
from bot.handlers.ask import Ask, open_or_push, send
from bot.handlers.filters import plain
from core.errors import NotAllowed, UserError
from core.models import Actor, RequestKind
from core.users import Users

Journey = Callable[[Ask], None]
_UNCLAIMED = (
    "Nobody administers segsync here yet. Whoever runs it types `/segsync claim CODE` with the code that it printed at its start."
)
_MENTION = re.compile(r"^\s*<@[^>]+>\s*")


class Commands:
    """Finds the journey for what somebody wrote."""

    def __init__(self, *, users: Users, journeys: Mapping[str, Journey], examples: Callable[[Actor], guide.Examples]) -> None:
        self._users, self._journeys, self._examples = users, journeys, examples

    def register(self, app: App) -> None:
        """The command, mentions, direct messages, buttons."""
        app.command("/segsync")(self.typed)
        app.action(re.compile(rf"^{re.escape(ids.COMMAND)}(\.|$)"))(self.pressed)
        app.event("app_mention")(self.mentioned)
        app.event("message")(self.written)

    def run(self, ask: Ask) -> None:
        """One command. Until somebody administers the organization, only *claim* is understood."""
        name, rest = guide.understood(plain(ask.words))
        if not self._users.has_administrator(ask.actor.org_id):
            if name == "claim":
                self._users.claim(ask.actor, rest)
                ask.say(kit.message("✅ You are the Primary Administrator now. `/segsync help` shows what you can do."))
            else:
                ask.say(kit.message(_UNCLAIMED))
            return
        if name == "claim":
            self._users.claim(ask.actor, rest)
        elif name == "help":
            ask.say(guide.help_message(ask.actor, rest.lower(), examples=self._examples(ask.actor)))
        elif name in self._journeys:
            self._journeys[name](replace(ask, command=name, words=rest))
        else:
            ask.say(guide.help_message(ask.actor, unknown=name, examples=self._examples(ask.actor)))

    def typed(self, ack: Ack, command: dict[str, Any], client: WebClient, respond: Respond, context: BoltContext) -> None:
        """The slash command: the answer is the acknowledgement, seen by nobody else."""

        def say(message: kit.Message) -> None:
            if charts.has_chart(message):  # of an acknowledgement nobody hears whether it was refused
                ack()
                send(respond, message, response_type="ephemeral")
                return
            ack(text=message["text"], blocks=message["blocks"], response_type="ephemeral")

        self.run(
            Ask(
                context["actor"],
                "",
                str(command.get("text") or ""),
                client,
                say,
                lambda: _done(ack),
                command["trigger_id"],
                command.get("response_url"),
            )
        )

    def pressed(self, ack: Ack, body: dict[str, Any], client: WebClient, respond: Respond, context: BoltContext) -> None:
        """A button that stands for a command: its answer replaces the message it was in, or stands by itself."""
        ack()
        action, actor = body["actions"][0], context["actor"]
        ephemeral = (body.get("container") or {}).get("is_ephemeral", False)

        def say(message: kit.Message) -> None:
            if body.get("response_url"):
                send(respond, message, response_type="ephemeral", replace_original=bool(ephemeral))
            elif body.get("trigger_id"):
                blocks = charts.without(message)["blocks"]
                open_or_push(client, body, kit.modal("segsync", blocks, callback_id=ids.PROBLEM))

        words = str(action.get("value") or "")
        self.run(Ask(actor, "", words, client, say, lambda: None, body["trigger_id"], body.get("response_url"), body))

    def mentioned(self, event: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """In a conversation: only the asker sees the answer, in the thread."""
        if event.get("bot_id") or event.get("edited"):
            return
        thread = event.get("thread_ts") or event["ts"]
        say = partial(self._privately, client, event["channel"], event["user"], thread)
        self._answer(context["actor"], event, client, say)

    def written(self, event: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """A direct message. Bots, edits and our own messages are not for us."""
        if event.get("channel_type") != "im" or event.get("subtype") or event.get("bot_id") or "actor" not in context:
            return
        actor: Actor = context["actor"]

        def say(message: kit.Message) -> None:
            thread = {"thread_ts": event["thread_ts"]} if event.get("thread_ts") else {}
            send(client.chat_postMessage, message, channel=event["channel"], **thread)

        self._answer(actor, event, client, say)

    def _answer(self, actor: Actor, event: dict[str, Any], client: WebClient, say: Callable[[kit.Message], None]) -> None:
        """The words of a message, which Slack has escaped; what goes wrong is said where they were written."""
        words = _MENTION.sub("", unescape(str(event.get("text") or "")))
        try:
            self.run(Ask(actor, "", words, client, say, lambda: None))
        except UserError as error:
            may_ask = isinstance(error, NotAllowed) and error.may_ask == RequestKind.ROLE
            say(screens.refusal(kit.esc(str(error)), asks_role=may_ask))

    @staticmethod
    def _privately(client: WebClient, channel: str, user: str, thread: str, message: kit.Message) -> None:
        send(client.chat_postEphemeral, message, channel=channel, user=user, thread_ts=thread)


def _done(ack: Ack) -> None:
    ack()
