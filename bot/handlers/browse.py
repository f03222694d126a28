"""Looking around: the overview, the list with its filters, the details, usage; and a refresh from any of them."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from slack_bolt import Ack, App, BoltContext, Respond
from slack_sdk import WebClient

from bot.blocks import ids, kit, screens
from bot.blocks import syncs as blocks
from bot.blocks.words import channel as channel_of
from bot.handlers.ask import Ask, chosen, open_or_push, show, split
from core.connections import Connections
from core.errors import NotFound
from core.models import Actor, Channel, RefreshKind, Sync, SyncStatus
from core.syncs import SyncFilter, Syncs

_PARTS = re.compile(r'(\w[\w-]*):("[^"]*"|\S+)|"([^"]*)"|(\S+)')
_STATUSES = {"paused": SyncStatus.INACTIVE, "off": SyncStatus.INACTIVE, "error": SyncStatus.FAILED, "ok": SyncStatus.SYNCED}


class Browsing:
    """What everybody may see."""

    def __init__(self, *, syncs: Syncs, connections: Connections) -> None:
        self._syncs, self._connections = syncs, connections

    def register(self, app: App) -> None:
        """Buttons and filters."""
        app.action(ids.DETAILS)(self.details)
        app.action(ids.REFRESH)(self.refresh_clicked)
        app.action(ids.RETRY)(self.refresh_clicked)
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
        self.for_one(ask, lambda sync: ask.open(blocks.details_modal(self._syncs.details(ask.actor, sync.id))))

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
        sync_id, _ = split(chosen(body))
        open_or_push(client, body, blocks.details_modal(self._syncs.details(context["actor"], sync_id)))

    def refresh_clicked(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """*Refresh now* and *Retry*."""
        ack()
        actor: Actor = context["actor"]
        sync_id, _ = split(chosen(body))
        self._syncs.refresh(actor, sync_id)
        view = body.get("view") or {}
        if view.get("callback_id") == ids.DETAILS_VIEW:
            show(client, view["id"], blocks.details_modal(self._syncs.details(actor, sync_id)))


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
