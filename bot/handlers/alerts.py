"""What people do about alerts, from a message, the list, the modal or Home. Whoever may not is told why, privately."""

import re
from collections.abc import Callable
from typing import Any

from slack_bolt import Ack, App, BoltContext, Respond
from slack_sdk import WebClient

from bot.actor import organization
from bot.asking import Asking
from bot.blocks import alerts as blocks
from bot.blocks import ids, kit, screens
from bot.blocks.digest import digest_message
from bot.handlers.ask import Ask, chosen, open_or_push, show
from bot.handlers.settings import refusal
from core.alerts import SNOOZES, Alerts
from core.connections import Connections
from core.digest import Digests
from core.errors import InvalidInput, NeedsReconnect, NotFound, SegsyncError
from core.models import Actor, Channel
from core.ports import Clock
from core.views import Arrival

_CONVERSATION = re.compile(r"<#(\w+)(?:\|[^>]*)?>")
_HOW = "Write `alerts route <ad account> #conversation` with an ad account that a sync uses; without a conversation it ends."


class Alerting:
    """Open alerts and their actions."""

    def __init__(self, *, alerts: Alerts, digests: Digests, connections: Connections, asking: Asking, clock: Clock) -> None:
        self._alerts, self._digests, self._connections = alerts, digests, connections
        self._asking, self._clock = asking, clock

    def register(self, app: App) -> None:
        """Buttons and the snooze menu."""
        app.action(ids.ALERT_ACKNOWLEDGE)(self._acting(self._alerts.acknowledge))
        app.action(ids.ALERT_RETRY)(self._acting(self._alerts.retry))
        app.action(ids.ALERT_APPLY)(self._acting(lambda actor, alert_id: self._alerts.decide(actor, alert_id, apply=True)))
        app.action(ids.ALERT_KEEP)(self._acting(lambda actor, alert_id: self._alerts.decide(actor, alert_id, apply=False)))
        app.action(ids.ALERT_SNOOZE)(self._acting(self._snooze))
        app.action(ids.ALERT_RECONNECT)(self.reconnect)
        app.action(ids.ALERT_TAKE_OVER)(self.take_over)
        app.action(ids.ALERT_DETAILS)(self.details)
        app.action(ids.OPEN)(self.opened)
        for event in ("member_joined_channel", "channel_unarchive", "group_unarchive", "channel_unshared"):
            app.event(event)(self.conversation_changed)

    def alerts(self, ask: Ask) -> None:
        """`alerts [mine|all]`; `alerts route <ad account> #conversation` for administrators."""
        word, _, rest = ask.words.strip().partition(" ")
        if word.lower() == "route":
            self._route(ask, rest)
            return
        ask.say(self._list(ask.actor, mine=ask.words.strip().lower() == "mine"))

    def _route(self, ask: Ask, words: str) -> None:
        place = _CONVERSATION.search(words)
        account = _CONVERSATION.sub("", words).strip(' "“”')
        found = self._alerts.accounts(ask.actor, account) if account else []
        if len(found) != 1:
            names = ", ".join(name for _, name in found[:10])
            said = f"Several ad accounts are meant: {names}. Write more of the name, or its id." if found else _HOW
            raise InvalidInput(said, field="account")
        route, name = found[0]
        if place and (why := refusal(ask.client, place[1])):
            raise InvalidInput(why, field="conversation")
        self._alerts.route(ask.actor, route, place[1] if place else None)
        where = f"<#{place[1]}>" if place else "where those of its channel go"
        ask.say(kit.message(f"✅ Alerts about {kit.esc(name)} go to {where} from now on."))

    def digest(self, ask: Ask) -> None:
        """`digest`: the weekly one, now."""
        ask.say(digest_message(self._digests.now(ask.actor)))

    def details(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """*Details* of an alert that several syncs share."""
        ack()
        open_or_push(client, body, blocks.alert_modal(self._alerts.view(context["actor"], chosen(body))))

    def opened(self, ack: Ack) -> None:
        """*Open in …*: the browser does the rest."""
        ack()

    def conversation_changed(self, event: dict[str, Any], context: BoltContext) -> None:
        """Segsync came into a conversation, or it can be written to again: open alerts that belong there are posted."""
        joined = event["type"] == "member_joined_channel"
        org_id = organization(context)
        if org_id and (not joined or event.get("user") == context.bot_user_id):
            self._alerts.conversation_is_back(org_id, str(event["channel"]))

    def reconnect(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """*Reconnect* renews one's own connection; on somebody else's alert it takes over."""
        ack()
        actor: Actor = context["actor"]
        alert_id, _, then = chosen(body).partition(":")
        channel = self._alerts.is_whose(actor, alert_id)
        if channel is None and then:
            channel = self._alerts.view(actor, alert_id).alert.channel
        if channel is None:
            self._take_over(client, body, actor, alert_id)
            return
        external_id = f"connect-{body['trigger_id']}"[:255]
        back = {"external_id": external_id} | ({"take_over": alert_id} if then else {})
        link = self._connections.start(actor, channel, back=back)
        open_or_push(client, body, screens.link_modal(channel, link.url, external_id=external_id))

    def take_over(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """*Take over*: every sync of the alert that one's own connection may edit."""
        ack()
        self._take_over(client, body, context["actor"], chosen(body))

    def arrived(self, client: WebClient, actor: Actor, arrival: Arrival) -> None:
        """A consent came back that a take-over waits for: it goes on, and its outcome comes by direct message."""
        alert_id = arrival.back.get("take_over")
        if not alert_id or arrival.problem:
            return

        def answered(answer: Any) -> None:
            said = kit.esc(str(answer)) if isinstance(answer, SegsyncError) else blocks.taken_over(answer)
            client.chat_postMessage(channel=actor.user_id, **kit.message(said))

        self._asking.ask(arrival.channel, lambda: self._alerts.take_over(actor, alert_id), answered)

    def _take_over(self, client: WebClient, body: dict[str, Any], actor: Actor, alert_id: str) -> None:
        view = self._alerts.view(actor, alert_id)
        channel = view.alert.channel or (view.syncs[0].channel if view.syncs else Channel.META)
        asking = screens.asking("Take over", f"Asking {channel.label} which of these audiences you may edit…")
        view_id = open_or_push(client, body, asking)

        def answered(answer: Any) -> None:
            if isinstance(answer, NeedsReconnect):
                button = kit.button(f"Connect {channel.label}", ids.ALERT_RECONNECT, f"{alert_id}:take", style="primary")
                rows = [kit.section(f"🔴 {kit.esc(str(answer))}"), kit.actions(button)]
                show(client, view_id, kit.modal("Take over", rows, callback_id=ids.MOVED))
                return
            said = f"🔴 {kit.esc(str(answer))}" if isinstance(answer, SegsyncError) else blocks.taken_over(answer)
            if not show(client, view_id, screens.done("Take over", said)):
                client.chat_postMessage(channel=actor.user_id, **kit.message(said))

        self._asking.ask(channel, lambda: self._alerts.take_over(actor, alert_id), answered)

    def _snooze(self, actor: Actor, value: str) -> object:
        alert_id, _, length = value.partition(":")
        if length not in SNOOZES:
            raise NotFound
        return self._alerts.snooze(actor, alert_id, SNOOZES[length])

    def _acting(self, act: Callable[[Actor, str], object]) -> Callable[..., None]:
        def clicked(ack: Ack, body: dict[str, Any], client: WebClient, respond: Respond, context: BoltContext) -> None:
            ack()
            actor: Actor = context["actor"]
            act(actor, chosen(body))
            self._redraw(body, client, respond, actor)

        return clicked

    def _redraw(self, body: dict[str, Any], client: WebClient, respond: Respond, actor: Actor) -> None:
        """Messages of alerts are drawn anew by the notifier; what only the actor sees is drawn here."""
        parts = str(body["actions"][0].get("block_id", "")).split(".")
        place, view = parts[-1], body.get("view") or {}
        if place in (blocks.LIST, blocks.MINE) and body.get("response_url"):
            respond(**self._list(actor, mine=place == blocks.MINE), response_type="ephemeral", replace_original=True)
        elif view.get("callback_id") == ids.ALERT_VIEW:
            show(client, view["id"], blocks.alert_modal(self._alerts.view(actor, view["private_metadata"])))

    def _list(self, actor: Actor, *, mine: bool) -> kit.Message:
        return blocks.alerts_message(self._alerts.open(actor, mine=mine), self._clock.now(), mine=mine)
