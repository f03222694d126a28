"""One's own connections: a click opens a link of one use that only this person sees; then what waits for it goes on."""

from typing import Any

from slack_bolt import Ack, App, BoltContext
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.asking import Asking
from bot.blocks import ids, kit, screens
from bot.blocks.words import channel as channel_of
from bot.handlers.ask import Ask, chosen, open_or_push
from bot.handlers.create import Creating
from core.access import require
from core.connections import Connections
from core.errors import InvalidInput
from core.models import Action, Actor, Channel, ConnectionStatus
from core.views import Arrival


class Connecting:
    """Connect, reconnect, disconnect."""

    def __init__(self, *, connections: Connections, creating: Creating, asking: Asking) -> None:
        self._connections, self._creating, self._asking = connections, creating, asking

    def register(self, app: App) -> None:
        """Buttons and the confirmation."""
        app.action(ids.CONNECT_START)(self.start)
        app.action(ids.CONNECT_LINK)(self.followed)
        app.action(ids.CONNECT_REMOVE)(self.remove)
        app.view(ids.DISCONNECT)(self.disconnected)

    def connect(self, ask: Ask) -> None:
        """`connect [channel]`."""
        require(ask.actor, Action.CONNECT)
        channel = _channel(ask.words)
        if channel is None:
            ask.open(screens.connections_modal(self._connections.mine(ask.actor), self._connections.offered()))
            return
        external_id = f"connect-{ask.trigger_id}"[:255]
        link = self._connections.start(ask.actor, channel, back={"external_id": external_id})
        ask.open(screens.link_modal(channel, link.url, external_id=external_id))

    def disconnect(self, ask: Ask) -> None:
        """`disconnect [channel]`."""
        require(ask.actor, Action.CONNECT)
        channel = _channel(ask.words)
        mine = self._connections.mine(ask.actor)
        if channel is None:
            ask.open(screens.connections_modal(mine, self._connections.offered()))
        elif channel not in mine or mine[channel].status is ConnectionStatus.MISSING:
            ask.say(kit.message(f"You have not connected {channel.label}."))
        else:
            ask.open(screens.disconnect_modal(channel, self._connections.runs(ask.actor, channel)))

    def start(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """*Connect* or *Reconnect*, anywhere."""
        ack()
        channel = Channel(chosen(body))
        external_id = f"connect-{body['trigger_id']}"[:255]
        back = {"external_id": external_id}
        if (body.get("view") or {}).get("callback_id") == ids.CONNECT:
            back["list_id"] = body["view"]["id"]
        link = self._connections.start(context["actor"], channel, back=back)
        open_or_push(client, body, screens.link_modal(channel, link.url, external_id=external_id))

    def followed(self, ack: Ack) -> None:
        """The link itself was followed: the browser does the rest."""
        ack()

    def remove(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """*Disconnect*: what it means first."""
        ack()
        actor: Actor = context["actor"]
        require(actor, Action.CONNECT)
        channel = Channel(chosen(body))
        open_or_push(client, body, screens.disconnect_modal(channel, self._connections.runs(actor, channel)))

    def disconnected(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """Confirmed."""
        actor: Actor = context["actor"]
        channel = Channel(body["view"]["private_metadata"])
        take_back = self._connections.disconnect(actor, channel)
        ack()
        if take_back is not None:
            self._asking.begin(channel, take_back)
        if under := body["view"].get("previous_view_id"):
            _update(client, screens.connections_modal(self._connections.mine(actor), self._connections.offered()), view_id=under)
        client.chat_postMessage(channel=actor.user_id, **kit.message(f"⚪ {channel.label} is disconnected."))

    def arrived(self, client: WebClient, actor: Actor, arrival: Arrival) -> None:
        """A consent came back in the browser: whatever waits for it in Slack goes on."""
        back = arrival.back
        if arrival.problem:
            view = screens.problem(f"🔴 {kit.esc(arrival.problem)}", title=f"Connect {arrival.channel.label}")
            if not _update(client, view, external_id=back.get("external_id")):
                client.chat_postMessage(channel=actor.user_id, **kit.message(f"🔴 {kit.esc(arrival.problem)}"))
            return
        _update(client, screens.connected_modal(arrival.channel, arrival.person_name), external_id=back.get("external_id"))
        if view_id := back.get("list_id"):
            _update(
                client, screens.connections_modal(self._connections.mine(actor), self._connections.offered()), view_id=view_id
            )
        draft = back.get("draft")
        if draft and self._creating.connected(client, actor, back.get("view_id", ""), draft):
            self._connections.went_on(arrival)


def _channel(words: str) -> Channel | None:
    if not words.strip():
        return None
    channel = channel_of(words.split(maxsplit=1)[0])
    if channel is None:
        raise InvalidInput("Channels are Google, LinkedIn and Meta: `/segsync connect meta`.", field="channel")
    return channel


def _update(client: WebClient, view: kit.View, *, view_id: str | None = None, external_id: str | None = None) -> bool:
    """Updates a view by either id; False when it was closed, which is no error."""
    if not view_id and not external_id:
        return False
    try:
        if view_id:
            client.views_update(view_id=view_id, view=view)
        else:
            client.views_update(external_id=external_id, view=view | {"external_id": external_id})
    except SlackApiError as error:
        if error.response["error"] in ("not_found", "view_not_found", "hash_conflict"):
            return False
        raise
    return True
