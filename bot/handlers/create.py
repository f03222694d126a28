"""Creating a sync: the form, its choices, the platform's answers, the submission."""

import threading
from collections import OrderedDict
from concurrent.futures import TimeoutError as StillWaiting
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from slack_bolt import Ack, App, BoltContext
from slack_sdk import WebClient

from bot.actor import Profiles
from bot.asking import Asking
from bot.blocks import create as blocks
from bot.blocks import ids, kit, screens
from bot.blocks.create import Draft, Form
from bot.blocks.words import channel as channel_of
from bot.handlers.ask import Ask, chosen, open_or_push, show
from core import schedule
from core.access import may, require
from core.connections import Connections
from core.errors import Conflict, InvalidInput, LimitReached, NotFound, SegsyncError, SourceError, Unavailable
from core.models import Action, Actor, Channel, ConnectionStatus, Segment, Sync
from core.segments import Segments
from core.syncs import NewSync, Syncs

WAIT_S = 2.0  # of Slack's three: a platform that answers by then can still be answered inline
_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class Known:
    """What has been heard so far of what a form asks. `asking`, `counting`: an answer is still to come."""

    asking: bool = False
    problem: str = ""
    counting: bool = False
    uncounted: str = ""
    error: str = ""


@dataclass(slots=True)
class Opened:
    """A form on somebody's screen. Answers come in any order; each is drawn over the newest draft, one at a time."""

    draft: Draft
    known: Known
    lock: threading.RLock = field(default_factory=threading.RLock)


class Creating:
    """The journey from `/segsync create` to a sync."""

    def __init__(self, *, syncs: Syncs, segments: Segments, connections: Connections, asking: Asking, profiles: Profiles) -> None:
        self._syncs, self._segments, self._connections, self._asking = syncs, segments, connections, asking
        self._profiles = profiles
        self._opened: OrderedDict[str, Opened] = OrderedDict()
        self._lock = threading.Lock()

    def register(self, app: App) -> None:
        """The form's actions, options and submission."""
        app.options(ids.CREATE_SEGMENT)(self.segment_options)
        app.options(ids.CREATE_ACCOUNT)(self.account_options)
        for choice in (
            ids.CREATE_SEGMENT,
            ids.CREATE_CHANNEL,
            ids.CREATE_ACCOUNT,
            ids.CREATE_CADENCE,
            ids.CREATE_CRON,
            ids.CREATE_MORE,
            ids.CREATE_AGAIN,
            ids.CREATE_COUNT,
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
        draft = Draft(channel=found.value if found else "", segment=segments[0].choice if len(segments) == 1 else "")
        known = self._begin(ask.actor, draft)
        self._opens(ask.client, ask.actor, ask.open(self.view(ask.actor, draft, known)), draft, known)

    def shortcut(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """The global shortcut."""
        ack()
        actor: Actor = context["actor"]
        require(actor, Action.CREATE)
        client.views_open(trigger_id=body["trigger_id"], view=self.view(actor, Draft(), Known()))

    def go_on(self, ack: Ack, body: dict[str, Any], client: WebClient, context: BoltContext) -> None:
        """The form again, as it was when it was closed."""
        ack()
        actor: Actor = context["actor"]
        require(actor, Action.CREATE)
        draft = Draft.unpack(chosen(body))
        known = self._begin(actor, draft)
        self._opens(client, actor, open_or_push(client, body, self.view(actor, draft, known)), draft, known)

    def view(self, actor: Actor, draft: Draft, known: Known) -> kit.View:
        """The form for this draft, or the limit's view."""
        usage = self._syncs.usage(actor)
        if usage.left == 0 and not known.error:
            return blocks.limit_modal(usage, actor.user_id, administrator=actor.role.is_administrator)
        segment = self._segment(draft.segment)
        channel = Channel(draft.channel) if draft.channel else None
        means, wrong = _cron_words(draft, actor.tz)
        form = Form(
            draft=draft,
            usage=usage,
            connections=self._connections.mine(actor),
            offered=tuple(self._connections.offered()),
            tz=actor.tz,
            segment=segment,
            asking=known.asking,
            problem=known.problem,
            error=known.error,
            preview=self._segments.counted(segment, channel) if segment and channel else None,
            counting=known.counting,
            uncounted=known.uncounted,
            match_rate=self._syncs.match_rate(actor, channel, draft.account) if channel and draft.account else None,
            cron_means=means,
            cron_wrong=wrong,
            may_ask=may(actor, Action.ASK_HELP),
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
        did = action["action_id"]
        asks = draft.channel != before.channel or did == ids.CREATE_AGAIN
        counts = (draft.segment, draft.channel) != (before.segment, before.channel) or did == ids.CREATE_COUNT
        opened = self._remember(view["id"], draft)
        with opened.lock:
            fresh = self._begin(actor, draft)
            opened.draft = draft
            if asks:
                opened.known = replace(opened.known, asking=fresh.asking, problem="")
            if counts:
                opened.known = replace(opened.known, counting=fresh.counting, uncounted="")
            show(client, view["id"], self.view(actor, draft, opened.known))
        self._ask(client, actor, draft, view["id"], accounts=asks, count=counts)

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
        known = self._begin(actor, draft)
        if not show(client, view_id, self.view(actor, draft, known)):
            return False
        self._opens(client, actor, view_id, draft, known)
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
            if isinstance(answer, LimitReached):
                text = self._who_took_it(client, actor, text)
            ack(response_action="errors", errors={block: text})
            return
        ack(response_action="clear")

    def _late(self, client: WebClient, actor: Actor, draft: Draft, view_id: str, answer: Any) -> None:
        if isinstance(answer, Sync):
            show(client, view_id, blocks.created(answer))
            return
        again = replace(draft, turn=draft.turn + 1)
        said = self._who_took_it(client, actor, str(answer)) if isinstance(answer, LimitReached) else str(answer)
        if isinstance(answer, Unavailable):
            said += " If the sync is created after all, your messages will say so."
        known = Known(error=kit.esc(said))
        if not show(client, view_id, self.view(actor, again, known)):
            client.chat_postMessage(channel=actor.user_id, **kit.message(f"🔴 The sync was not created. {kit.esc(said)}"))
            return
        self._remember(view_id, again).known = known

    def _who_took_it(self, client: WebClient, actor: Actor, text: str) -> str:
        """At the limit: who got the last place while this form was open."""
        found = self._syncs.last_taken(actor)
        name = self._profiles.of(client, actor.org_id, found[0]).name if found else ""
        if found is None or not name:
            return f"{text} Somebody took the last place while this form was open; what you chose is kept."
        who = "You" if found[0] == actor.user_id else name
        return f"{text} {who} took the last place with {found[1]} while this form was open; what you chose is kept."

    def _begin(self, actor: Actor, draft: Draft) -> Known:
        """What is to be asked for this draft."""
        if not draft.channel:
            return Known()
        channel = Channel(draft.channel)
        connection = self._connections.mine(actor).get(channel)
        is_connected = connection is not None and connection.status in (ConnectionStatus.CONNECTED, ConnectionStatus.EXPIRING)
        segment = self._segment(draft.segment)
        counts = segment is not None and channel in self._connections.offered() and not self._segments.counted(segment, channel)
        return Known(asking=is_connected, counting=counts)

    def _opens(self, client: WebClient, actor: Actor, view_id: str, draft: Draft, known: Known) -> None:
        """A form is on the screen: what it asks is asked."""
        if view_id:
            self._remember(view_id, draft).known = known
            self._ask(client, actor, draft, view_id, accounts=known.asking, count=known.counting)

    def _remember(self, view_id: str, draft: Draft) -> Opened:
        with self._lock:
            opened = self._opened.setdefault(view_id, Opened(draft, Known()))
            opened.draft = draft
            while len(self._opened) > _REMEMBERED:
                self._opened.popitem(last=False)
            return opened

    def _ask(self, client: WebClient, actor: Actor, draft: Draft, view_id: str, *, accounts: bool, count: bool) -> None:
        """Asks the channel for ad accounts, and counts the segment; each answer is drawn when it comes."""
        begun = self._begin(actor, draft)
        channel = Channel(draft.channel) if draft.channel else None
        if channel and accounts and begun.asking:

            def answered(answer: Any) -> None:
                problem = kit.esc(str(answer)) if isinstance(answer, SegsyncError) else ""
                if not problem and not any(a.may_manage for a in answer):
                    problem = f"Your {channel.label} connection reaches no ad account in which you may manage audiences."
                self._learn(client, actor, view_id, draft, asking=False, problem=problem)

            self._asking.ask(channel, lambda: self._connections.accounts(actor, channel), answered)
        if channel and count and begun.counting:

            def counted(answer: Any) -> None:
                why = kit.esc(str(answer)) if isinstance(answer, SegsyncError) else ""
                self._learn(client, actor, view_id, draft, counting=False, uncounted=why)

            self._asking.count(lambda: self._segments.preview(actor, draft.segment, channel), counted)

    def _learn(self, client: WebClient, actor: Actor, view_id: str, asked: Draft, **heard: Any) -> None:
        """An answer has come: drawn over what the form holds by now, unless it is about something else by now."""
        opened = self._remember(view_id, asked) if view_id not in self._opened else self._opened[view_id]
        with opened.lock:
            about = ("segment", "channel") if "counting" in heard else ("channel",)
            if any(getattr(opened.draft, a) != getattr(asked, a) for a in about):
                return
            opened.known = replace(opened.known, **heard)
            show(client, view_id, self.view(actor, opened.draft, opened.known))

    def _segment(self, key: str) -> Segment | None:
        if not key:
            return None
        try:
            return self._segments.get(key)
        except (NotFound, SourceError):
            return None


def _cron_words(draft: Draft, tz: str) -> tuple[str, str]:
    """What a cron expression means, or that it is none."""
    if draft.cadence != "cron" or not draft.cron:
        return "", ""
    try:
        return f"That is {schedule.describe(schedule.parse(draft.cron, tz))}.", ""
    except InvalidInput as wrong:
        return "", str(wrong)


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
        return segment, text
    if isinstance(error, Conflict) and isinstance(error.current, Sync):
        other = error.current
        return segment, f"{other.short} keeps this segment up on this ad account already: /segsync show {other.short}"
    return (account if not isinstance(error, SourceError | NotFound) else segment), text
