"""What administrators do: people, roles, the audit log."""

from collections.abc import Callable
from typing import Any

from slack_bolt import Ack, App, BoltContext
from slack_sdk import WebClient

from bot.blocks import ids, kit, screens
from bot.handlers.ask import Ask
from core.access import require
from core.errors import UserError
from core.models import Action, Actor, AuditEntry, Role
from core.syncs import Syncs
from core.users import Users


class Administering:
    """Roles, people, audit. `audit`: the newest entries of an organization that hold these words."""

    def __init__(self, *, users: Users, syncs: Syncs, audit: Callable[[str, str], list[AuditEntry]]) -> None:
        self._users, self._syncs, self._audit = users, syncs, audit

    def register(self, app: App) -> None:
        """The roles form."""
        app.view(ids.ROLE_FORM)(self.give)

    def people(self, ask: Ask) -> None:
        """`people`."""
        ask.say(screens.people_message(self._users.people(ask.actor)))

    def roles(self, ask: Ask) -> None:
        """`roles`."""
        require(ask.actor, Action.GIVE_ROLE)
        ask.open(screens.roles_modal())

    def audit(self, ask: Ask) -> None:
        """`audit [words]`."""
        require(ask.actor, Action.AUDIT)
        ask.say(screens.audit_message(self._audit(ask.actor.org_id, ask.words)))

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
