"""What administrators do: people, roles."""

from typing import Any

from slack_bolt import Ack, App, BoltContext
from slack_sdk import WebClient

from bot.blocks import ids, kit
from bot.blocks import people as blocks
from bot.handlers.ask import Ask, chosen, open_or_push
from core.access import require
from core.errors import UserError
from core.models import Action, Actor, Role
from core.people import People
from core.users import Users


class Administering:
    """Roles and people."""

    def __init__(self, *, users: Users, people: People) -> None:
        self._users, self._people = users, people

    def register(self, app: App) -> None:
        """The roles form."""
        app.view(ids.ROLE_FORM)(self.give)
        app.action(ids.ROLE_CHANGE)(self.change)

    def people(self, ask: Ask) -> None:
        """`people [page]`."""
        page = int(ask.words) if ask.words.isdigit() else 1
        ask.say(blocks.people_message(self._people.see(ask.actor), ask.actor, page))

    def roles(self, ask: Ask) -> None:
        """`roles`."""
        require(ask.actor, Action.GIVE_ROLE)
        ask.open(blocks.roles_modal(ask.actor.role))

    def change(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """*Change role*, beside somebody."""
        ack()
        actor: Actor = context["actor"]
        require(actor, Action.GIVE_ROLE)
        user_id = chosen(body)
        open_or_push(client, body, blocks.roles_modal(actor.role, user_id, self._users.role(actor, user_id)))

    def give(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """The form was submitted."""
        actor: Actor = context["actor"]
        values = body["view"]["state"]["values"]
        user_id = str(values["user"][ids.ROLE_USER]["selected_user"])
        role = Role(values["role"][ids.ROLE_ROLE]["selected_option"]["value"])
        try:
            self._users.give_role(actor, user_id, role)
        except UserError as refused:
            ack(response_action="errors", errors={"role": str(refused)})
            return
        ack()
        client.chat_postMessage(channel=actor.user_id, **kit.message(f"✅ <@{user_id}> is {role.label} now."))
