"""Asking the administrators, and their decisions: from the approval conversation, a direct message or the private list."""

from collections.abc import Callable
from typing import Any

from slack_bolt import Ack, App, BoltContext, Respond
from slack_sdk import WebClient

from bot.asking import Asking
from bot.blocks import ids, kit, screens
from bot.blocks import requests as blocks
from bot.handlers.ask import Ask, chosen, open_or_push
from core.access import may, require
from core.approvals import Approvals
from core.errors import Conflict, NotFound, SegsyncError, UserError
from core.models import Action, Actor, Channel, Request, RequestKind, RequestState, Role
from core.syncs import Syncs
from core.views import RequestView


class Approving:
    """Requests."""

    def __init__(self, *, approvals: Approvals, syncs: Syncs, asking: Asking) -> None:
        self._approvals, self._syncs, self._asking = approvals, syncs, asking

    def register(self, app: App) -> None:
        """Buttons and forms."""
        app.action(ids.REQUEST_ASK)(self.ask_clicked)
        app.view(ids.REQUEST_FORM)(self.asked)
        app.action(ids.REQUEST_APPROVE)(self._deciding(self._approvals.approve))
        app.action(ids.REQUEST_TAKE_OVER)(self._deciding(self._approvals.take_over))
        app.action(ids.REQUEST_DECLINE)(self.decline_clicked)
        app.view(ids.DECLINE_FORM)(self.declined)

    def approvals(self, ask: Ask) -> None:
        """`approvals`: what waits for me, or what I asked for."""
        ask.say(self._list(ask.actor))

    def view(self, actor: Actor, request: Request) -> RequestView:
        """A request with its sync, if that is still there."""
        try:
            return RequestView(request, self._syncs.get(actor, request.sync_id) if request.sync_id else None)
        except NotFound:
            return RequestView(request, None)

    def ask_clicked(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """*Ask an administrator*: value `role`, `help:<sync>` or `account:<channel>`."""
        ack()
        actor: Actor = context["actor"]
        kind, _, about = chosen(body).partition(":")
        if kind == "role":
            require(actor, Action.ASK_ROLE)
            view = blocks.ask_role_modal(Role.MARKETING_USER if actor.role is Role.VIEWER else Role.ABM_ADMIN)
        else:
            require(actor, Action.ASK_HELP)
            channel = next((c for c in Channel if c.value == about), None) if kind == "account" else None
            view = blocks.ask_help_modal(self._syncs.get(actor, about) if kind == "help" else None, channel)
        open_or_push(client, body, view)

    def asked(self, ack: Ack, body: dict[str, Any], context: BoltContext) -> None:
        """A form was submitted: the administrators are told; the channel is asked for the impact after that."""
        actor: Actor = context["actor"]
        kind, _, about = body["view"]["private_metadata"].partition(":")
        note = str(body["view"]["state"]["values"]["note"][ids.REQUEST_NOTE]["value"] or "")
        try:
            request = self._ask(actor, kind, about, note)
        except UserError as refused:
            ack(response_action="errors", errors={"note": str(refused)})
            return
        said = "✅ The administrators have been asked. You hear from segsync when one of them has decided."
        ack(response_action="update", view=screens.done("Asked", said))
        if request.kind is RequestKind.PAUSE and request.sync_id:
            channel = self._syncs.get(actor, request.sync_id).channel
            self._asking.ask(channel, lambda: self._approvals.add_impact(actor, request.id), lambda _: None)

    def decline_clicked(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """*Decline*: with a reason."""
        ack()
        actor: Actor = context["actor"]
        require(actor, Action.DECIDE_REQUEST)
        request = self._approvals.get(actor, chosen(body))
        if request.state is not RequestState.WAITING:
            open_or_push(client, body, screens.problem(blocks.decided(request), title="Decided already"))
            return
        open_or_push(client, body, blocks.decline_modal(self.view(actor, request)))

    def declined(self, ack: Ack, body: dict[str, Any], context: BoltContext) -> None:
        """The reason was given."""
        actor: Actor = context["actor"]
        reason = str(body["view"]["state"]["values"]["note"][ids.REQUEST_NOTE]["value"] or "")
        try:
            self._approvals.decline(actor, body["view"]["private_metadata"], reason=reason)
        except Conflict as late:
            said = blocks.decided(late.current) if isinstance(late.current, Request) else kit.esc(str(late))
            ack(response_action="update", view=screens.problem(said, title="Decided already"))
            return
        ack()

    def _ask(self, actor: Actor, kind: str, about: str, note: str) -> Request:
        match kind:
            case "pause":
                return self._approvals.ask_pause(actor, about, note=note)
            case "role":
                return self._approvals.ask_role(actor, note=note)
            case "help":
                return self._approvals.ask_help(actor, sync_id=about, note=note)
            case "account":
                channel = next((c.label for c in Channel if c.value == about), "")
                return self._approvals.ask_help(actor, note=f"{channel} ad account: {note}" if channel else note)
            case _:
                raise NotFound

    def _deciding(self, decide: Callable[[Actor, str], Request]) -> Callable[..., None]:
        """A click that decides: the channel may have to be asked, so it happens after the acknowledgement, on its executor."""

        def clicked(ack: Ack, body: dict[str, Any], client: WebClient, respond: Respond, context: BoltContext) -> None:
            ack()
            actor: Actor = context["actor"]
            require(actor, Action.DECIDE_REQUEST)
            request = self._approvals.get(actor, chosen(body))
            sync = self.view(actor, request).sync

            def answered(answer: Any) -> None:
                self._show(body, client, respond, actor, answer)

            if sync is None:
                answered(_answer(lambda: decide(actor, request.id)))
            else:
                self._asking.ask(sync.channel, lambda: decide(actor, request.id), answered)

        return clicked

    def _show(self, body: dict[str, Any], client: WebClient, respond: Respond, actor: Actor, answer: Any) -> None:
        """The notifier draws the message anew; what went wrong is told privately; the private list is drawn here."""
        if isinstance(answer, SegsyncError):
            said = f"🔴 {kit.esc(str(answer))}"
            if isinstance(answer, Conflict) and isinstance(answer.current, Request):
                current = answer.current
                said = f"🟠 {kit.esc(str(answer))}" if current.state is RequestState.WAITING else blocks.decided(current)
            if body.get("response_url"):
                respond(**kit.message(said), response_type="ephemeral", replace_original=False)
            else:
                client.chat_postMessage(channel=actor.user_id, **kit.message(said))
        if str(body["actions"][0].get("block_id", "")).endswith(f".{blocks.LIST}") and body.get("response_url"):
            respond(**self._list(actor), response_type="ephemeral", replace_original=True)

    def _list(self, actor: Actor) -> kit.Message:
        views = [self.view(actor, r) for r in self._approvals.waiting(actor)]
        return blocks.requests_message(views, decides=may(actor, Action.DECIDE_REQUEST))


def _answer(work: Callable[[], Request]) -> Request | SegsyncError:
    try:
        return work()
    except SegsyncError as error:
        return error
