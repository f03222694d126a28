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
from bot.blocks import ids, kit, listing, screens
from bot.blocks import syncs as blocks
from bot.blocks.details import details_modal
from bot.directory import Directory
from bot.handlers.ask import Ask, chosen, open_or_push, redraw, send, show, split
from bot.handlers.filters import pack, parse, plain, unpack
from core.connections import Connections
from core.errors import NotFound, SegsyncError
from core.models import Actor, Channel, RefreshKind, Sync, SyncStatus
from core.pausing import Pausing
from core.syncs import SyncFilter, Syncs
from core.views import Impact

__all__ = ["Browsing", "parse"]

_REMEMBERED = 1_000
_FILTERS = (
    ids.LIST_STATUS,
    ids.LIST_CHANNEL,
    ids.LIST_OWNER,
    ids.LIST_PERSON,
    ids.LIST_SEGMENT,
    ids.LIST_ACCOUNT,
    ids.LIST_SORT,
    ids.LIST_ALERT,
    ids.LIST_MORE,
    ids.LIST_CLEAR,
)


class Browsing:
    """What everybody may see."""

    def __init__(
        self,
        *,
        syncs: Syncs,
        connections: Connections,
        pausing: Pausing,
        asking: Asking,
        directory: Directory,
        own: Callable[[], str | None],
    ) -> None:
        self._syncs, self._connections, self._pausing, self._asking = syncs, connections, pausing, asking
        self._directory, self._own = directory, own
        self._places: OrderedDict[str, str] = OrderedDict()  # view → the address by which its conversation is answered

    def register(self, app: App) -> None:
        """Buttons and filters."""
        app.action(ids.DETAILS)(self.details)
        app.action(ids.REFRESH)(self.refresh_clicked)
        app.action(ids.RETRY)(self.refresh_clicked)
        app.action(ids.RESYNC)(self.resync_clicked)
        app.action(ids.SHARE)(self.share)
        app.action(ids.CHART)(self.chart)
        app.action(re.compile(rf"^{re.escape(ids.LIST_PAGE)}\."))(self.turn)
        for filtered in _FILTERS:
            app.action(filtered)(self.filter)
        app.options(ids.LIST_SEGMENT)(self.segment_options)
        app.options(ids.LIST_ACCOUNT)(self.account_options)

    def overview(self, ask: Ask) -> None:
        """`/segsync` alone."""
        ask.say(screens.overview_message(self._syncs.overview(ask.actor), self._connections.offered(), ask.actor))

    def list(self, ask: Ask) -> None:
        """`list [filters]`."""
        org_id = ask.actor.org_id
        wanted = parse(ask.words, ask.actor.user_id, lambda name: self._directory.find(ask.client, org_id, name))
        ask.say(self.page(ask.actor, wanted, 1))

    def page(self, actor: Actor, wanted: SyncFilter, page: int, *, more: bool = False) -> kit.Message:
        """One page of the list, with its filters."""
        found = self._syncs.list(actor, wanted, page)
        shown = listing.Shown(
            state=pack(wanted, more=more),
            me=actor.user_id,
            status=wanted.status,
            channel=wanted.channel,
            owner=wanted.owner_id,
            account=wanted.account,
            segment=wanted.segment,
            creator=wanted.creator,
            words=wanted.words,
            with_alert=wanted.with_alert,
            sort=wanted.sort,
            more=more,
        )
        return listing.list_message(found, shown)

    def filter(self, ack: Ack, body: dict[str, Any], client: WebClient, respond: Respond, context: BoltContext) -> None:
        """A filter was chosen: the same message shows the first page of what fits."""
        ack()
        actor: Actor = context["actor"]
        action = body["actions"][0]
        wanted, more = unpack(action["block_id"], actor.user_id)
        picked = str(action.get("selected_user") or chosen(body))
        value = None if picked == "any" else picked
        match action["action_id"]:
            case ids.LIST_STATUS:
                wanted = replace(wanted, status=SyncStatus(value) if value else None)
            case ids.LIST_CHANNEL:
                wanted = replace(wanted, channel=Channel(value) if value else None)
            case ids.LIST_SEGMENT:
                wanted = replace(wanted, segment=value)
            case ids.LIST_ACCOUNT:
                wanted = replace(wanted, account=value)
            case ids.LIST_SORT:
                wanted = replace(wanted, sort="" if value == "newest" else str(value or ""))
            case ids.LIST_ALERT:
                wanted = replace(wanted, with_alert=not wanted.with_alert)
            case ids.LIST_MORE:
                more = value == "more"
            case ids.LIST_CLEAR:
                wanted = SyncFilter()
            case _:
                wanted = replace(wanted, owner_id=value)
        redraw(client, respond, body, self.page(actor, wanted, 1, more=more))

    def segment_options(self, ack: Ack, payload: dict[str, Any], context: BoltContext) -> None:
        """Segments of the syncs that there are."""
        found = self._syncs.segment_names(context["actor"], str(payload.get("value") or ""))
        names = dict.fromkeys(name[:75] for name in found)
        ack(options=[kit.option("Any segment", "any"), *(kit.option(name, name) for name in names)][: kit.OPTIONS])

    def account_options(self, ack: Ack, payload: dict[str, Any], context: BoltContext) -> None:
        """Ad accounts of the syncs that there are."""
        found = self._syncs.accounts(context["actor"], str(payload.get("value") or ""))
        options = [kit.option(name, account_id[:75], account_id) for account_id, name in found]
        ack(options=[kit.option("Any ad account", "any"), *options][: kit.OPTIONS])

    def turn(self, ack: Ack, body: dict[str, Any], client: WebClient, respond: Respond, context: BoltContext) -> None:
        """Another page in the same message."""
        ack()
        actor: Actor = context["actor"]
        number = chosen(body)
        wanted, more = unpack(body["actions"][0]["block_id"], actor.user_id)
        redraw(client, respond, body, self.page(actor, wanted, int(number) if number.isdigit() else 1, more=more))

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
        words = plain(ask.words).strip("\"' ")
        if not words:
            ask.say(self.page(ask.actor, SyncFilter(), 1))
            return
        found = self._syncs.find(ask.actor, words)
        if not found:
            raise NotFound(f"No sync is called “{words}”. `/segsync list` shows all of them.")
        if len(found) > 1:
            ask.say(listing.picker(found, words, ask.command))
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

    def chart(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """*Chart*: Slack draws charts in messages only, so it comes as one."""
        ack()
        actor: Actor = context["actor"]
        sync = self._syncs.get(actor, chosen(body))
        points = [(f"{at:%d %b %H:%M:%S}", size) for at, size in self._syncs.sizes(actor, sync.id)]
        send(client.chat_postMessage, blocks.chart_message(sync, points), channel=actor.user_id)

    def _refresh(self, client: WebClient, actor: Actor, body: dict[str, Any], kind: RefreshKind) -> None:
        sync_id, _ = split(chosen(body))
        self._syncs.refresh(actor, sync_id, kind)
        view = body.get("view") or {}
        if view.get("callback_id") == ids.DETAILS_VIEW:
            self.draw(client, actor, sync_id, view["id"])

    def _view(self, actor: Actor, sync: Sync, *, can_share: bool, impact: Impact | None = None) -> kit.View:
        asks = impact is None and sync.audience_id is not None
        link = f"{own}/s/{sync.short}" if (own := self._own()) else ""
        return details_modal(self._syncs.details(actor, sync.id), impact, is_asking=asks, can_share=can_share, link=link)

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
