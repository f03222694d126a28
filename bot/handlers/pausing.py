"""Pause with its impact, resume, take over, and the guard's two answers: each asks the channel in three beats."""

from typing import Any

from slack_bolt import Ack, App, BoltContext
from slack_sdk import WebClient

from bot.asking import Asking
from bot.blocks import ids, kit, screens
from bot.blocks import syncs as blocks
from bot.handlers.ask import Ask, chosen, open_or_push, show, split
from bot.handlers.browse import Browsing
from core.access import require
from core.errors import Conflict, SegsyncError
from core.models import Action, Actor, Sync, SyncStatus
from core.pausing import Pausing
from core.syncs import Syncs


class Switching:
    """Turning syncs off and on."""

    def __init__(self, *, pausing: Pausing, syncs: Syncs, browsing: Browsing, asking: Asking) -> None:
        self._pausing, self._syncs, self._browsing, self._asking = pausing, syncs, browsing, asking

    def register(self, app: App) -> None:
        """Buttons and the confirmation."""
        app.action(ids.PAUSE)(self.pause_clicked)
        app.view(ids.PAUSE_FORM)(self.confirm)
        app.action(ids.RESUME)(self.resume_clicked)
        app.action(ids.TAKE_OVER)(self.take_over_clicked)
        app.action(ids.APPLY)(self.apply)
        app.action(ids.KEEP)(self.keep)

    def pause(self, ask: Ask) -> None:
        """`pause <sync>`."""

        def go(sync: Sync) -> None:
            self._require_pause(ask.actor, sync)
            self._fill_in(ask.client, ask.actor, sync, ask.open(screens.pause_modal(sync, None)))

        self._browsing.for_one(ask, go)

    def resume(self, ask: Ask) -> None:
        """`resume <sync>`."""

        def go(sync: Sync) -> None:
            require(ask.actor, Action.RESUME)
            self._move(ask.client, ask.actor, sync, ask.open(_asks(sync)), resume=True)

        self._browsing.for_one(ask, go)

    def take_over(self, ask: Ask) -> None:
        """`takeover <sync>`."""

        def go(sync: Sync) -> None:
            require(ask.actor, Action.TAKE_OVER)
            self._move(ask.client, ask.actor, sync, ask.open(_asks(sync)), resume=False)

        self._browsing.for_one(ask, go)

    def pause_clicked(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """*Pause*, anywhere: the impact first."""
        ack()
        actor: Actor = context["actor"]
        sync = self._syncs.get(actor, split(chosen(body))[0])
        self._require_pause(actor, sync)
        self._fill_in(client, actor, sync, open_or_push(client, body, screens.pause_modal(sync, None)))

    def confirm(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """The impact was read: inactive at once. A version that is stale shows what changed, and asks again."""
        actor: Actor = context["actor"]
        sync_id, version = split(body["view"]["private_metadata"])
        try:
            sync = self._pausing.pause(actor, sync_id, version=version)
        except Conflict as stale:
            now = self._syncs.get(actor, sync_id)
            ack(response_action="update", view=screens.pause_modal(now, None, error=kit.esc(str(stale))))
            self._fill_in(client, actor, now, body["view"]["id"])
            return
        ack()
        self._redraw(client, actor, sync, body["view"].get("previous_view_id"))
        client.chat_postMessage(channel=actor.user_id, **screens.paused_message(sync))

    def resume_clicked(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """*Resume*, anywhere."""
        self._clicked(ack, body, client, context["actor"], resume=True)

    def take_over_clicked(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """*Take over*, anywhere."""
        self._clicked(ack, body, client, context["actor"], resume=False)

    def apply(self, ack: Ack, body: dict[str, Any], context: BoltContext) -> None:
        """The guard's *Apply*."""
        ack()
        self._decide(context["actor"], chosen(body), apply=True)

    def keep(self, ack: Ack, body: dict[str, Any], context: BoltContext) -> None:
        """The guard's *Keep the old audience*."""
        ack()
        self._decide(context["actor"], chosen(body), apply=False)

    def _decide(self, actor: Actor, refresh_id: str, *, apply: bool) -> None:
        if not self._syncs.decide_held(actor, refresh_id, apply=apply):
            raise Conflict("Somebody has decided about this refresh already.")

    def _clicked(self, ack: Ack, body: dict[str, Any], client: WebClient, actor: Actor, *, resume: bool) -> None:
        ack()
        sync = self._syncs.get(actor, split(chosen(body))[0])
        require(actor, Action.RESUME if resume else Action.TAKE_OVER)
        view_id = open_or_push(client, body, _asks(sync))
        self._move(client, actor, sync, view_id, resume=resume, under=(body.get("view") or {}).get("id"))

    def _require_pause(self, actor: Actor, sync: Sync) -> None:
        require(actor, Action.PAUSE, owner_id=sync.owner_id)
        if sync.status is SyncStatus.INACTIVE:
            raise Conflict(f"{sync.short} is paused already. `/segsync resume {sync.short}` starts it again.")

    def _fill_in(self, client: WebClient, actor: Actor, sync: Sync, view_id: str) -> None:
        def answered(impact: Any) -> None:
            if isinstance(impact, SegsyncError):
                show(client, view_id, screens.pause_modal(sync, screens.unknown_impact(sync, str(impact))))
            else:
                show(client, view_id, screens.pause_modal(impact.sync, impact))

        if view_id:
            self._asking.ask(sync.channel, lambda: self._pausing.impact(actor, sync.id), answered)

    def _move(self, client: WebClient, actor: Actor, sync: Sync, view_id: str, *, resume: bool, under: str | None = None) -> None:
        act = self._pausing.resume if resume else self._pausing.take_over
        title = "Resume" if resume else "Take over"

        def answered(moved: Any) -> None:
            if isinstance(moved, SegsyncError):
                said = f"🔴 {kit.esc(str(moved))}"
                if not show(client, view_id, screens.moved(title, said, sync.channel, connect=moved)):
                    client.chat_postMessage(channel=actor.user_id, **kit.message(said))
                return
            message = blocks.progress_message(moved, None)
            show(client, view_id, screens.done(title, message["blocks"][0]["text"]["text"]))
            self._redraw(client, actor, moved, under)

        if view_id:
            self._asking.ask(sync.channel, lambda: act(actor, sync.id), answered)

    def _redraw(self, client: WebClient, actor: Actor, sync: Sync, view_id: str | None) -> None:
        if view_id:
            show(client, view_id, blocks.details_modal(self._syncs.details(actor, sync.id)))


def _asks(sync: Sync) -> kit.View:
    return screens.asking(sync.short, f"Asking {sync.channel.label} whether you may edit this audience…")
