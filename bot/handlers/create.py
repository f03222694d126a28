"""Creating a sync: the form, its choices, the platform's answers, the submission."""

from concurrent.futures import TimeoutError as StillWaiting
from dataclasses import replace
from datetime import date
from typing import Any

from slack_bolt import Ack, App, BoltContext
from slack_sdk import WebClient

from bot.asking import Asking
from bot.blocks import create as blocks
from bot.blocks import ids, kit, screens
from bot.blocks.create import Draft, Form
from bot.blocks.words import channel as channel_of
from bot.handlers.ask import Ask, chosen, open_or_push, show
from core.access import require
from core.connections import Connections
from core.errors import Conflict, InvalidInput, LimitReached, NotFound, SegsyncError, SourceError
from core.models import Action, Actor, Channel, ConnectionStatus, Segment, Sync
from core.segments import Segments
from core.syncs import NewSync, Syncs

WAIT_S = 2.0  # of Slack's three: a platform that answers by then can still be answered inline


class Creating:
    """The journey from `/segsync create` to a sync."""

    def __init__(self, *, syncs: Syncs, segments: Segments, connections: Connections, asking: Asking) -> None:
        self._syncs, self._segments, self._connections, self._asking = syncs, segments, connections, asking

    def register(self, app: App) -> None:
        """The form's actions, options and submission."""
        app.options(ids.CREATE_SEGMENT)(self.segment_options)
        app.options(ids.CREATE_ACCOUNT)(self.account_options)
        for choice in (
            ids.CREATE_SEGMENT,
            ids.CREATE_CHANNEL,
            ids.CREATE_ACCOUNT,
            ids.CREATE_CADENCE,
            ids.CREATE_MORE,
            ids.CREATE_AGAIN,
        ):
            app.action(choice)(self.choose)
        app.action(ids.CREATE_CONNECT)(self.connect)
        app.action(ids.CREATE_RESUME_DRAFT)(self.go_on)
        app.view(ids.CREATE)(self.submit)
        app.shortcut(ids.CREATE_SHORTCUT)(self.shortcut)

    def command(self, ask: Ask) -> None:
        """`create [words]`: a channel's name fills in the channel, the other words find the segment if only one fits."""
        require(ask.actor, Action.CREATE)
        words = ask.words.split()
        found = next((c for w in words if (c := channel_of(w))), None)
        rest = " ".join(w for w in words if channel_of(w) is None and w.lower() not in ("for", "on", "to", "from"))
        segments = self._segments.search(ask.actor, rest, 2) if rest else []
        draft = Draft(channel=found.value if found else "", segment=segments[0].key if len(segments) == 1 else "")
        view_id = ask.open(self.view(ask.actor, draft))
        self._ask_accounts(ask.client, ask.actor, draft, view_id)

    def shortcut(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """The global shortcut."""
        ack()
        actor: Actor = context["actor"]
        require(actor, Action.CREATE)
        client.views_open(trigger_id=body["trigger_id"], view=self.view(actor, Draft()))

    def go_on(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """The form again, as it was when it was closed."""
        ack()
        actor: Actor = context["actor"]
        require(actor, Action.CREATE)
        draft = Draft.unpack(chosen(body))
        view_id = open_or_push(client, body, self.view(actor, draft))
        self._ask_accounts(client, actor, draft, view_id)

    def view(self, actor: Actor, draft: Draft, *, asking: bool | None = None, problem: str = "", error: str = "") -> kit.View:
        """The form for this draft, or the limit's view. `asking` None: asks, if there is a connection to ask with."""
        usage = self._syncs.usage(actor)
        if usage.left == 0 and not error:
            return blocks.limit_modal(usage, actor.user_id, administrator=actor.role.is_administrator)
        form = Form(
            draft=draft,
            usage=usage,
            connections=self._connections.mine(actor),
            offered=tuple(self._connections.offered()),
            tz=actor.tz,
            segment=self._segment(draft.segment),
            asking=bool(draft.channel) if asking is None else asking,
            problem=problem,
            error=error,
        )
        return blocks.create_modal(form)

    def segment_options(self, ack: Ack, payload: dict[str, Any], context: BoltContext) -> None:
        """Segments that fit what was typed."""
        found = self._segments.search(context["actor"], str(payload.get("value") or ""), kit.OPTIONS)
        ack(options=[blocks.segment_option(s) for s in found])

    def account_options(self, ack: Ack, body: dict[str, Any], context: BoltContext) -> None:
        """Ad accounts in which this person may manage audiences."""
        draft = Draft.unpack(body["view"]["private_metadata"])
        wanted = str(body.get("value") or "").lower()
        actor, channel = context["actor"], Channel(draft.channel)
        try:
            found = self._asking.begin(channel, lambda: self._connections.accounts(actor, channel)).result(timeout=WAIT_S)
        except StillWaiting:
            found = []
        if isinstance(found, SegsyncError):
            raise found
        fits = [a for a in found if a.may_manage and (wanted in a.name.lower() or wanted in a.id.lower())]
        ack(options=[blocks.account_option(a) for a in fits[: kit.OPTIONS]])

    def choose(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """A choice: kept in the view, and the form drawn for it."""
        ack()
        actor: Actor = context["actor"]
        view, action = body["view"], body["actions"][0]
        before = Draft.unpack(view["private_metadata"])
        draft = blocks.read(view)
        if action["action_id"] == ids.CREATE_MORE:
            draft = replace(draft, more=True)
        option = action.get("selected_option") or {}
        if action["action_id"] == ids.CREATE_ACCOUNT and option:
            draft = replace(draft, account_name=option["text"]["text"])
        asks = draft.channel != before.channel or action["action_id"] == ids.CREATE_AGAIN
        show(client, view["id"], self.view(actor, draft, asking=asks))
        if asks:
            self._ask_accounts(client, actor, draft, view["id"])

    def connect(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """*Connect* in the form: the link in a modal above it; the draft waits in both places."""
        ack()
        view, channel = body["view"], Channel(chosen(body))
        draft = blocks.read(view)
        external_id = f"connect-{view['id']}-{body['actions'][0]['action_ts']}"
        back = {"view_id": view["id"], "external_id": external_id, "draft": replace(draft, channel=channel.value).pack()}
        link = self._connections.start(context["actor"], channel, back=back)
        open_or_push(client, body, screens.link_modal(channel, link.url, external_id=external_id))

    def connected(self, client: WebClient, actor: Actor, view_id: str, draft_text: str) -> bool:
        """The connection that a form waited for is there; False when the form was closed."""
        draft = Draft.unpack(draft_text)
        if not show(client, view_id, self.view(actor, draft)):
            return False
        self._ask_accounts(client, actor, draft, view_id)
        return True

    def submit(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """Errors inline where the answer comes in time; else *Checking…*, and on from there."""
        actor: Actor = context["actor"]
        view = body["view"]
        draft = blocks.read(view)
        if wrong := _incomplete(draft, view):
            ack(response_action="errors", errors=wrong)
            return
        channel = Channel(draft.channel)
        work = self._asking.begin(channel, lambda: self._syncs.create(actor, _new(draft)))
        try:
            answer = work.result(timeout=WAIT_S)
        except StillWaiting:
            ack(response_action="update", view=blocks.checking(channel))
            self._asking.ask(channel, work.result, lambda late: self._late(client, actor, draft, view["id"], late))
            return
        if isinstance(answer, SegsyncError):
            block, text = _place(answer, draft, view)
            ack(response_action="errors", errors={block: text})
            return
        ack(response_action="clear")

    def _late(self, client: WebClient, actor: Actor, draft: Draft, view_id: str, answer: Any) -> None:
        if isinstance(answer, Sync):
            show(client, view_id, blocks.created(answer))
            return
        again = replace(draft, turn=draft.turn + 1)
        said = kit.esc(str(answer))
        if not show(client, view_id, self.view(actor, again, asking=False, error=said)):
            client.chat_postMessage(channel=actor.user_id, **kit.message(f"🔴 The sync was not created. {said}"))

    def _ask_accounts(self, client: WebClient, actor: Actor, draft: Draft, view_id: str) -> None:
        if not draft.channel or not view_id:
            return
        channel = Channel(draft.channel)
        connection = self._connections.mine(actor).get(channel)
        if connection is None or connection.status not in (ConnectionStatus.CONNECTED, ConnectionStatus.EXPIRING):
            return

        def answered(answer: Any) -> None:
            problem = kit.esc(str(answer)) if isinstance(answer, SegsyncError) else ""
            if not problem and not any(a.may_manage for a in answer):
                problem = f"Your {channel.label} connection reaches no ad account in which you may manage audiences."
            show(client, view_id, self.view(actor, draft, asking=False, problem=problem))

        self._asking.ask(channel, lambda: self._connections.accounts(actor, channel), answered)

    def _segment(self, key: str) -> Segment | None:
        if not key:
            return None
        try:
            return self._segments.get(key)
        except (NotFound, SourceError):
            return None


def _new(draft: Draft) -> NewSync:
    rule = draft.cron if draft.cadence == "cron" else draft.cadence
    days = [date.fromisoformat(d) if d else None for d in (draft.first_day, draft.last_day)]
    return NewSync(draft.segment, Channel(draft.channel), draft.account, rule, days[0], days[1])


def _inputs(view: dict[str, Any], start: str) -> str | None:
    return next((b["block_id"] for b in view["blocks"] if b["type"] == "input" and b["block_id"].startswith(start)), None)


def _incomplete(draft: Draft, view: dict[str, Any]) -> dict[str, str]:
    if draft.account:
        return {}
    where = _inputs(view, "account.")
    if where:
        return {where: "Choose an ad account."}
    if not draft.channel:
        return {blocks.CHANNEL_BLOCK: "Choose a channel."}
    return {blocks.CHANNEL_BLOCK: f"Connect {Channel(draft.channel).label} first, then choose an ad account."}


def _place(error: SegsyncError, draft: Draft, view: dict[str, Any]) -> tuple[str, str]:
    """Beside which input an error is shown, and its words."""
    account = _inputs(view, "account.") or blocks.CHANNEL_BLOCK
    segment = _inputs(view, blocks.SEGMENT_BLOCK) or blocks.CHANNEL_BLOCK
    text = str(error)
    if isinstance(error, InvalidInput):
        cadence = blocks.CRON_BLOCK if draft.cadence == "cron" else blocks.CADENCE_BLOCK
        places = {"segment": segment, "account": account, "cadence": cadence}
        return places.get(error.field, _inputs(view, error.field) or segment), text
    if isinstance(error, LimitReached):
        return segment, f"{text} Somebody took the last place while this form was open; what you chose is kept."
    if isinstance(error, Conflict) and isinstance(error.current, Sync):
        other = error.current
        return segment, f"{other.short} keeps this segment up on this ad account already: /segsync show {other.short}"
    return (account if not isinstance(error, SourceError | NotFound) else segment), text
