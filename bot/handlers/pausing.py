"""Pause with its impact, resume, take over, and the guard's two answers: each asks the channel in three beats."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from slack_bolt import Ack, App, BoltContext
from slack_sdk import WebClient

from bot.asking import LAID_S, Asking
from bot.blocks import ids, kit, requests, screens
from bot.blocks import syncs as blocks
from bot.handlers.ask import Ask, chosen, open_or_push, show, split
from bot.handlers.browse import Browsing
from core.access import may, require
from core.errors import Conflict, NotAllowed, SegsyncError
from core.models import Action, Actor, Sync, SyncStatus
from core.pausing import Pausing, touches
from core.syncs import Syncs
from core.views import Impact


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
            form = self._form(ask.actor, sync)
            self._fill_in(ask.client, ask.actor, sync, ask.open(form(sync, None)))

        self._browsing.for_one(ask, go)

    def resume(self, ask: Ask) -> None:
        """`resume <sync>`."""

        def go(sync: Sync) -> None:
            require(ask.actor, Action.RESUME)
            self._move(ask.client, ask.actor, sync, ask.open(_asks(sync)), resume=True)

        self._browsing.for_one(ask, go)

    def toggle(self, ask: Ask) -> None:
        """`toggle <sync>`: off if it is on, on if it is off."""

        def go(sync: Sync) -> None:
            turn = self.resume if sync.status is SyncStatus.INACTIVE else self.pause
            turn(replace(ask, words=sync.short))

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
        form = self._form(actor, sync)
        self._fill_in(client, actor, sync, open_or_push(client, body, form(sync, None)))

    def confirm(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """The impact was read: inactive at once. A version that is stale shows what changed, and asks again."""
        actor: Actor = context["actor"]
        sync_id, version = split(body["view"]["private_metadata"])
        if self._pausing.needs_approval(actor):
            self._confirm_slowly(ack, body, client, actor, self._syncs.get(actor, sync_id), version)
            return
        try:
            sync = self._pausing.pause(actor, sync_id, version=version)
        except Conflict as stale:
            now = self._syncs.get(actor, sync_id)
            ack(response_action="update", view=screens.pause_modal(now, None, error=kit.esc(str(stale))))
            self._fill_in(client, actor, now, body["view"]["id"], after_s=LAID_S)
            return
        ack()
        self._redraw(client, actor, sync, body["view"].get("previous_view_id"))
        client.chat_postMessage(channel=actor.user_id, **screens.paused_message(sync))

    def _confirm_slowly(
        self, ack: Ack, body: dict[str, Any], client: WebClient, actor: Actor, sync: Sync, version: int | None
    ) -> None:
        """Where pauses of running campaigns need an administrator's yes, the channel is asked before the pause."""
        ack(response_action="update", view=screens.asking(f"Pause {sync.short}", f"Checking with {sync.channel.label}…"))
        view_id = body["view"]["id"]

        def answered(answer: Any) -> None:
            if isinstance(answer, NotAllowed) and answer.may_ask:
                show(client, view_id, requests.ask_pause_modal(sync, None, why=kit.esc(str(answer))))
                self._fill_in(client, actor, sync, view_id)
            elif isinstance(answer, SegsyncError):
                show(client, view_id, screens.problem(kit.esc(str(answer))))
            else:
                said = screens.paused_message(answer)["blocks"][0]["text"]["text"]
                show(client, view_id, screens.done(f"Pause {sync.short}", said))

        self._asking.ask(sync.channel, lambda: self._pausing.pause(actor, sync.id, version=version), answered, after_s=LAID_S)

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

    def _form(self, actor: Actor, sync: Sync) -> Callable[[Sync, Impact | None], kit.View]:
        """The confirmation for whoever may pause this sync, the request for whoever may ask for it."""
        asks = not may(actor, Action.PAUSE, owner_id=sync.owner_id) and may(actor, Action.ASK_PAUSE)
        if not asks:
            require(actor, Action.PAUSE, owner_id=sync.owner_id)
        if sync.status is SyncStatus.INACTIVE:
            raise Conflict(f"{sync.short} is paused already. `/segsync resume {sync.short}` starts it again.")
        return requests.ask_pause_modal if asks else screens.pause_modal

    def _fill_in(self, client: WebClient, actor: Actor, sync: Sync, view_id: str, *, after_s: float = 0) -> None:
        def answered(impact: Any) -> None:
            known = screens.unknown_impact(sync, str(impact)) if isinstance(impact, SegsyncError) else impact
            if self._pausing.needs_approval(actor) and touches(known):
                show(client, view_id, requests.ask_pause_modal(sync, known, why=screens.NEEDS_APPROVAL))
            else:
                show(client, view_id, self._form(actor, sync)(sync, known))

        if view_id:
            self._asking.ask(sync.channel, lambda: self._pausing.impact(actor, sync.id), answered, after_s=after_s)

    def _move(self, client: WebClient, actor: Actor, sync: Sync, view_id: str, *, resume: bool, under: str | None = None) -> None:
        act = self._pausing.resume if resume else self._pausing.take_over
        title = "Resume" if resume else "Take over"

        def answered(moved: Any) -> None:
            if isinstance(moved, SegsyncError):
                said = f"🔴 {kit.esc(str(moved))}"
                asks = may(actor, Action.ASK_HELP)
                if not show(client, view_id, screens.moved(title, said, sync.channel, connect=moved, may_ask=asks)):
                    client.chat_postMessage(channel=actor.user_id, **kit.message(said))
                return
            message = blocks.progress_message(moved, None)
            show(client, view_id, screens.done(title, message["blocks"][0]["text"]["text"]))
            self._redraw(client, actor, moved, under)

        if view_id:
            self._asking.ask(sync.channel, lambda: act(actor, sync.id), answered)

    def _redraw(self, client: WebClient, actor: Actor, sync: Sync, view_id: str | None) -> None:
        if view_id:
            self._browsing.draw(client, actor, sync.id, view_id)


def _asks(sync: Sync) -> kit.View:
    return screens.asking(sync.short, f"Asking {sync.channel.label} whether you may edit this audience…")
