"""Editing, deleting and trying out a sync, from a command or from its details."""

from collections.abc import Callable
from concurrent.futures import TimeoutError as StillWaiting
from datetime import date
from typing import Any

from slack_bolt import Ack, App, BoltContext
from slack_sdk import WebClient

from bot.asking import LAID_S, Asking
from bot.blocks import editing as blocks
from bot.blocks import ids, kit, screens
from bot.errors import answer_of
from bot.handlers.ask import Ask, chosen, open_or_push, show, split
from bot.handlers.browse import Browsing
from core import schedule
from core.editing import Edit, Editing
from core.errors import Conflict, InvalidInput, SegsyncError, UserError
from core.models import Action, Actor, Sync
from core.pausing import Pausing

WAIT_S = 2.0  # of Slack's three


class Changing:
    """What an owner and administrators do with a sync that is there. `guard`: the organization's share in percent."""

    def __init__(
        self, *, editing: Editing, pausing: Pausing, browsing: Browsing, asking: Asking, guard: Callable[[str], int]
    ) -> None:
        self._editing, self._pausing, self._browsing, self._asking = editing, pausing, browsing, asking
        self._guard = guard

    def register(self, app: App) -> None:
        """Buttons and forms."""
        app.action(ids.EDIT)(self.edit_clicked)
        app.action(ids.EDIT_CADENCE)(self.cadence_chosen)
        app.view(ids.EDIT_FORM)(self.save)
        app.action(ids.DELETE)(self.delete_clicked)
        app.action(ids.DELETE_AUDIENCE)(self.audience_chosen)
        app.view(ids.DELETE_FORM)(self.confirm)
        app.action(ids.DRY_RUN)(self.dry_run_clicked)

    # ── edit ──

    def edit(self, ask: Ask) -> None:
        """`edit <sync>`."""
        self._browsing.for_one(ask, lambda sync: ask.open(self._form(ask.actor, sync.id)))

    def edit_clicked(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """*Edit*, anywhere."""
        ack()
        open_or_push(client, body, self._form(context["actor"], split(chosen(body))[0]))

    def cadence_chosen(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """Another cadence: the input for a cron expression comes or goes; the form stays the one that was opened."""
        ack()
        view, actor = body["view"], context["actor"]
        carried, _ = blocks.unpack(view["private_metadata"])
        sync = self._editing.require(actor, Action.EDIT, split(carried)[0])
        by_cron = chosen(body) == "cron"
        form = blocks.edit_modal(sync, blocks.read(view), guard_default=self._guard(actor.org_id), is_cron=by_cron)
        show(client, view["id"], form | {"private_metadata": view["private_metadata"]})

    def save(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """Saved; errors inline; a stale version shows what changed and keeps what was typed."""
        actor: Actor = context["actor"]
        view = body["view"]
        carried, was = blocks.unpack(view["private_metadata"])
        sync_id, version = split(carried)
        draft = blocks.read(view)
        try:
            edited = self._editing.edit(actor, sync_id, _edit(draft), version=version or 0)
        except InvalidInput as wrong:
            field = blocks.CRON if wrong.field == "cadence" and _block(view, blocks.CRON) else wrong.field
            ack(response_action="errors", errors={_block(view, field) or view["blocks"][1]["block_id"]: str(wrong)})
            return
        except Conflict as stale:
            now = stale.current if isinstance(stale.current, Sync) else self._editing.require(actor, Action.EDIT, sync_id)
            changed = blocks.what_changed(was, blocks.draft_of(now))
            guard = self._guard(actor.org_id)
            ack(response_action="update", view=blocks.edit_modal(now, draft, guard_default=guard, changed=changed))
            return
        ack()
        if under := view.get("previous_view_id"):
            self._browsing.draw(client, actor, edited.id, under)
        else:
            said = blocks.edited_message(edited, schedule.describe(edited.cadence))
            client.chat_postMessage(channel=actor.user_id, **said)

    def _form(self, actor: Actor, sync_id: str) -> kit.View:
        sync = self._editing.require(actor, Action.EDIT, sync_id)
        return blocks.edit_modal(sync, blocks.draft_of(sync), guard_default=self._guard(actor.org_id))

    # ── delete ──

    def delete(self, ask: Ask) -> None:
        """`delete <sync>`."""

        def go(found: Sync) -> None:
            sync = self._editing.require(ask.actor, Action.DELETE, found.id)
            self._fill_in(ask.client, ask.actor, sync, ask.open(blocks.delete_modal(sync, None)))

        self._browsing.for_one(ask, go)

    def delete_clicked(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """*Delete*, anywhere: what goes and what stays first."""
        ack()
        actor: Actor = context["actor"]
        sync = self._editing.require(actor, Action.DELETE, split(chosen(body))[0])
        self._fill_in(client, actor, sync, open_or_push(client, body, blocks.delete_modal(sync, None)))

    def audience_chosen(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """Whether the audience goes too: then the short id has to be typed."""
        ack()
        actor: Actor = context["actor"]
        sync = self._editing.require(actor, Action.DELETE, split(body["view"]["private_metadata"])[0])
        audience, view_id = chosen(body) == "delete", body["view"]["id"]
        show(client, view_id, blocks.delete_modal(sync, None, audience=audience))
        self._fill_in(client, actor, sync, view_id, audience=audience)

    def confirm(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """Confirmed: with the audience the channel is asked first, so it may take a moment."""
        actor: Actor = context["actor"]
        view = body["view"]
        sync_id, version = split(view["private_metadata"])
        sync = self._editing.require(actor, Action.DELETE, sync_id)
        values = view["state"]["values"]
        picked = values.get(blocks.AUDIENCE, {}).get(ids.DELETE_AUDIENCE, {}).get("selected_option") or {}
        audience = picked.get("value") == "delete"
        typed = values.get(blocks.TYPED, {}).get(ids.DELETE_TYPED, {}).get("value") or ""
        if audience and typed.strip().upper() != sync.short:
            ack(
                response_action="errors", errors={_block(view, blocks.TYPED) or blocks.AUDIENCE: f"Type {sync.short} to confirm."}
            )
            return

        def delete() -> Sync:
            return self._editing.delete(actor, sync_id, version=version or 0, audience=audience)

        work = self._asking.begin(sync.channel, delete) if audience else None
        try:
            answer = work.result(timeout=WAIT_S) if work else answer_of(delete)
        except StillWaiting:
            ack(response_action="update", view=blocks.delete_modal(sync, None, is_checking=True))
            settled = work.result if work else delete  # whatever becomes of it in the end: "nothing was deleted" must be true
            self._asking.later(settled, lambda late: self._late(client, actor, view["id"], late, audience))
            return
        if isinstance(answer, SegsyncError):
            now = self._again(actor, sync)
            ack(response_action="update", view=blocks.delete_modal(now, None, audience=audience, error=kit.esc(str(answer))))
            self._fill_in(client, actor, now, view["id"], audience=audience, error=kit.esc(str(answer)), after_s=LAID_S)
            return
        ack(response_action="clear")
        client.chat_postMessage(channel=actor.user_id, **blocks.deleted_message(answer, audience=audience))

    def _late(self, client: WebClient, actor: Actor, view_id: str, answer: Any, audience: bool) -> None:
        if isinstance(answer, SegsyncError):
            said = f"🔴 Nothing was deleted. {kit.esc(str(answer))}"
            if not show(client, view_id, screens.problem(said)):
                client.chat_postMessage(channel=actor.user_id, **kit.message(said))
            return
        message = blocks.deleted_message(answer, audience=audience)
        show(client, view_id, screens.done("Deleted", message["blocks"][0]["text"]["text"]))
        client.chat_postMessage(channel=actor.user_id, **message)

    def _again(self, actor: Actor, sync: Sync) -> Sync:
        try:
            return self._editing.require(actor, Action.DELETE, sync.id)
        except UserError:
            return sync

    def _fill_in(
        self,
        client: WebClient,
        actor: Actor,
        sync: Sync,
        view_id: str,
        *,
        audience: bool = False,
        error: str = "",
        after_s: float = 0,
    ) -> None:
        def answered(answer: Any) -> None:
            known = screens.unknown_impact(sync, str(answer)) if isinstance(answer, SegsyncError) else answer
            show(client, view_id, blocks.delete_modal(sync, known, audience=audience, error=error))

        if view_id:
            self._asking.ask(sync.channel, lambda: self._pausing.impact(actor, sync.id), answered, after_s=after_s)

    # ── dry run ──

    def dry_run(self, ask: Ask) -> None:
        """`dry-run <sync>`."""

        def go(sync: Sync) -> None:
            tried = self._editing.dry_run(ask.actor, sync.id)
            ask.say(kit.message(f"Trying out a refresh of {tried.short}.", blocks.trying(tried)["blocks"]))

        self._browsing.for_one(ask, go)

    def dry_run_clicked(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """*Dry run*, anywhere."""
        ack()
        tried = self._editing.dry_run(context["actor"], split(chosen(body))[0])
        open_or_push(client, body, blocks.trying(tried))


def _edit(draft: blocks.EditDraft) -> Edit:
    days = [date.fromisoformat(d) if d else None for d in (draft.first_day, draft.last_day)]
    said = draft.guard.removesuffix("%").strip()
    if said and not said.isdigit():
        raise InvalidInput("Write a whole number of percent from 1 to 100, or nothing.", field=blocks.GUARD)
    return Edit(draft.name, draft.cadence, days[0], days[1], int(said) if said else None)


def _block(view: dict[str, Any], name: str) -> str | None:
    """The block id of an input by its plain name: it may carry a version behind a dot."""
    return next((b["block_id"] for b in view["blocks"] if b["type"] == "input" and b["block_id"].partition(".")[0] == name), None)
