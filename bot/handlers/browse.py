"""Looking around: the overview, the list with its filters, the details, usage; and a refresh from any of them."""

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from slack_bolt import Ack, App, BoltContext, Respond
from slack_sdk import WebClient
from slack_sdk.webhook import WebhookClient

from bot.asking import Asking
from bot.blocks import ids, kit, screens
from bot.blocks import syncs as blocks
from bot.blocks.details import details_modal
from bot.blocks.words import channel as channel_of
from bot.handlers.ask import Ask, chosen, open_or_push, show, split
from core.connections import Connections
from core.errors import NotFound, SegsyncError
from core.models import Actor, Channel, RefreshKind, Sync, SyncStatus
from core.pausing import Pausing
from core.syncs import SyncFilter, Syncs
from core.views import Impact

_REMEMBERED = 1_000
_PARTS = re.compile(r'(\w[\w-]*):("[^"]*"|\S+)|"([^"]*)"|(\S+)')
_STATUSES = {"paused": SyncStatus.INACTIVE, "off": SyncStatus.INACTIVE, "error": SyncStatus.FAILED, "ok": SyncStatus.SYNCED}


class Browsing:
    """What everybody may see."""

    def __init__(self, *, syncs: Syncs, connections: Connections, pausing: Pausing, asking: Asking) -> None:
        self._syncs, self._connections, self._pausing, self._asking = syncs, connections, pausing, asking
        self._places: OrderedDict[str, str] = OrderedDict()  # view → the address by which its conversation is answered

    def register(self, app: App) -> None:
        """Buttons and filters."""
        app.action(ids.DETAILS)(self.details)
        app.action(ids.REFRESH)(self.refresh_clicked)
        app.action(ids.RETRY)(self.refresh_clicked)
        app.action(ids.RESYNC)(self.resync_clicked)
        app.action(ids.SHARE)(self.share)
        app.action(re.compile(rf"^{re.escape(ids.LIST_PAGE)}\."))(self.turn)
        for filtered in (ids.LIST_STATUS, ids.LIST_CHANNEL, ids.LIST_OWNER):
            app.action(filtered)(self.filter)

    def overview(self, ask: Ask) -> None:
        """`/segsync` alone."""
        ask.say(screens.overview_message(self._syncs.overview(ask.actor), self._connections.offered(), ask.actor))

    def usage(self, ask: Ask) -> None:
        """The sync limit."""
        seen = self._syncs.usage(ask.actor)
        ask.say(screens.usage_message(seen, ask.actor.user_id, administrator=ask.actor.role.is_administrator))

    def list(self, ask: Ask) -> None:
        """`list [filters]`."""
        ask.say(self.page(ask.actor, parse(ask.words, ask.actor.user_id), 1))

    def page(self, actor: Actor, wanted: SyncFilter, page: int) -> kit.Message:
        """One page of the list, with its filters."""
        found = self._syncs.list(actor, wanted, page)
        return blocks.list_message(
            found, _pack(wanted), shown=wanted.status, channel=wanted.channel, owner=wanted.owner_id, me=actor.user_id
        )

    def filter(self, ack: Ack, body: dict[str, Any], respond: Respond, context: BoltContext) -> None:
        """A filter was chosen: the same message shows the first page of what fits."""
        ack()
        actor: Actor = context["actor"]
        action = body["actions"][0]
        wanted, picked = _unpack(action["block_id"], actor.user_id), chosen(body)
        value = None if picked == "any" else picked
        if action["action_id"] == ids.LIST_STATUS:
            wanted = replace(wanted, status=SyncStatus(value) if value else None)
        elif action["action_id"] == ids.LIST_CHANNEL:
            wanted = replace(wanted, channel=Channel(value) if value else None)
        else:
            wanted = replace(wanted, owner_id=value)
        respond(**self.page(actor, wanted, 1), replace_original=True)

    def turn(self, ack: Ack, body: dict[str, Any], respond: Respond, context: BoltContext) -> None:
        """Another page in the same message."""
        ack()
        actor: Actor = context["actor"]
        number = chosen(body)
        wanted = _unpack(body["actions"][0]["block_id"], actor.user_id)
        respond(**self.page(actor, wanted, int(number) if number.isdigit() else 1), replace_original=True)

    def show(self, ask: Ask) -> None:
        """`show <sync>`."""

        def go(sync: Sync) -> None:
            view = self._view(ask.actor, sync, can_share=ask.response_url is not None)
            self._opened(ask.client, ask.actor, sync, ask.open(view), ask.response_url)

        self.for_one(ask, go)

    def refresh(self, ask: Ask, kind: RefreshKind = RefreshKind.REQUESTED) -> None:
        """`refresh <sync>`, `resync <sync>`."""

        def go(sync: Sync) -> None:
            refreshed = self._syncs.refresh(ask.actor, sync.id, kind)
            ask.say(blocks.progress_message(refreshed, None))

        self.for_one(ask, go)

    def for_one(self, ask: Ask, act: Callable[[Sync], object]) -> None:
        """Finds the one sync that is meant, or asks which."""
        words = ask.words.strip("\"“”' ")
        if not words:
            ask.say(self.page(ask.actor, SyncFilter(), 1))
            return
        found = self._syncs.find(ask.actor, words)
        if not found:
            raise NotFound(f"No sync is called “{words}”. `/segsync list` shows all of them.")
        if len(found) > 1:
            ask.say(blocks.picker(found, words))
            return
        act(found[0])

    def details(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """*Details*, anywhere."""
        ack()
        actor: Actor = context["actor"]
        sync = self._syncs.get(actor, split(chosen(body))[0])
        place = body.get("response_url") if not str((body.get("channel") or {}).get("id", "D")).startswith("D") else None
        view_id = open_or_push(client, body, self._view(actor, sync, can_share=bool(place)))
        self._opened(client, actor, sync, view_id, place)

    def draw(self, client: WebClient, actor: Actor, sync_id: str, view_id: str) -> None:
        """The details anew, in a view that shows them already."""
        sync = self._syncs.get(actor, sync_id)
        if show(client, view_id, self._view(actor, sync, can_share=view_id in self._places)):
            self._opened(client, actor, sync, view_id, None)

    def refresh_clicked(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """*Refresh now* and *Retry*."""
        ack()
        self._refresh(client, context["actor"], body, RefreshKind.REQUESTED)

    def resync_clicked(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """*Full resync*."""
        ack()
        self._refresh(client, context["actor"], body, RefreshKind.FULL)

    def share(self, ack: Ack, body: dict[str, Any], context: BoltContext) -> None:
        """*Share here*: everybody in the conversation from which the details were opened reads the sync's card."""
        ack()
        actor: Actor = context["actor"]
        sync = self._syncs.get(actor, split(chosen(body))[0])
        place = self._places.get(body["view"]["id"])
        message = blocks.shared_message(sync, actor.user_id)
        if place is None or not _post(place, message):
            raise NotFound("The way back to that conversation has ended. Open the details there again, then share.")

    def _refresh(self, client: WebClient, actor: Actor, body: dict[str, Any], kind: RefreshKind) -> None:
        sync_id, _ = split(chosen(body))
        self._syncs.refresh(actor, sync_id, kind)
        view = body.get("view") or {}
        if view.get("callback_id") == ids.DETAILS_VIEW:
            self.draw(client, actor, sync_id, view["id"])

    def _view(self, actor: Actor, sync: Sync, *, can_share: bool, impact: Impact | None = None) -> kit.View:
        asks = impact is None and sync.audience_id is not None
        return details_modal(self._syncs.details(actor, sync.id), impact, is_asking=asks, can_share=can_share)

    def _opened(self, client: WebClient, actor: Actor, sync: Sync, view_id: str, place: str | None) -> None:
        """The details are on the screen: the channel is asked which campaigns use the audience."""
        if not view_id:
            return
        if place:
            self._places[view_id] = place
            while len(self._places) > _REMEMBERED:
                self._places.popitem(last=False)
        if sync.audience_id is None:
            return

        def answered(answer: Any) -> None:
            known = Impact(sync, None, str(answer)) if isinstance(answer, SegsyncError) else answer
            show(client, view_id, self._view(actor, sync, can_share=view_id in self._places, impact=known))

        self._asking.ask(sync.channel, lambda: self._pausing.impact(actor, sync.id), answered)


def _post(response_url: str, message: kit.Message) -> bool:
    """Into the conversation that a response address belongs to; False when it has ended (30 minutes, five answers)."""
    answer = WebhookClient(response_url).send(**message, response_type="in_channel", replace_original=False)
    return answer.status_code == 200


def parse(text: str, me: str) -> SyncFilter:
    """Filters as people write them, in any order; words without a key search names."""
    wanted, words = SyncFilter(), []
    for key, value, quoted, word in _PARTS.findall(text.replace("“", '"').replace("”", '"')):
        said = value.strip('"')
        match key.lower():
            case "status" | "state":
                status = _STATUSES.get(said.lower()) or next((s for s in SyncStatus if s.value == said.lower()), None)
                wanted = replace(wanted, status=status) if status else wanted
            case "channel" | "on":
                wanted = replace(wanted, channel=channel_of(said) or wanted.channel)
            case "by" | "owner":
                wanted = replace(wanted, owner_id=me if said.lower() in ("me", "@me") else _user(said))
            case "account":
                wanted = replace(wanted, account=said)
            case "segment":
                wanted = replace(wanted, segment=said)
            case "has":
                wanted = replace(wanted, with_alert=True)
            case "":
                words.append(quoted or word)
            case _:
                words.append(said)
    return replace(wanted, words=" ".join(words)[:80])


def _user(said: str) -> str:
    return said.strip("<>@").partition("|")[0]


def _pack(wanted: SyncFilter) -> str:
    """The filters as text, short enough for a block's id, readable by `parse`."""
    parts = {
        "status": wanted.status.value if wanted.status else None,
        "channel": wanted.channel.value if wanted.channel else None,
        "by": wanted.owner_id,
        "account": wanted.account and f'"{wanted.account[:60]}"',
        "segment": wanted.segment and f'"{wanted.segment[:60]}"',
        "has": "alert" if wanted.with_alert else None,
    }
    return " ".join([f"{k}:{v}" for k, v in parts.items() if v] + ([wanted.words[:60]] if wanted.words else []))


def _unpack(block_id: str, me: str) -> SyncFilter:
    return parse(block_id.partition("|")[2], me)
