"""The form that creates a sync, and the view that stands in its place when no sync is left. The draft travels in the view."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from bot.blocks import ids, kit
from bot.blocks.words import bar, connection_status, number, person, reason, route, value, when
from core.models import AdAccount, Channel, Connection, ConnectionStatus, Segment, SegmentKind, Sync
from core.views import Preview, Usage

CADENCES = (
    ("Every day, about 06:00", "daily"),
    ("Every hour", "hourly"),
    ("Every 6 hours", "6h"),
    ("Every week, on Monday", "weekly"),
    ("By a cron expression…", "cron"),
)
SEGMENT_BLOCK, CHANNEL_BLOCK, CADENCE_BLOCK, CRON_BLOCK = "segment", "channel", "cadence", "cron"
_NEAR = 0.8  # of the sync limit: from here on a warning
FIRST_BLOCK, LAST_BLOCK = "first_day", "last_day"


@dataclass(frozen=True, slots=True)
class Draft:
    """What has been chosen so far. `turn` grows whenever an input must be drawn anew: Slack keeps what an unchanged one held."""

    segment: str = ""
    channel: str = ""
    account: str = ""
    account_name: str = ""
    cadence: str = "daily"
    cron: str = ""
    first_day: str = ""
    last_day: str = ""
    more: bool = False
    turn: int = 0

    def pack(self) -> str:
        """As text, for the view: only what differs from an empty one."""
        empty = asdict(Draft())
        return json.dumps({k: v for k, v in asdict(self).items() if v != empty[k]}, separators=(",", ":"))

    @classmethod
    def unpack(cls, text: str) -> "Draft":
        """From a view's metadata, which passed through somebody's client: unknown and ill-typed parts are dropped."""
        try:
            given = json.loads(text or "{}")
        except ValueError:
            return cls()
        empty = asdict(cls())
        return cls(**{k: v for k, v in given.items() if k in empty and type(v) is type(empty[k])})

    @property
    def account_block(self) -> str:
        """Another ad account input for another channel."""
        return f"account.{self.channel}.{self.turn}"


def read(view: Mapping[str, Any]) -> Draft:
    """The draft with what the view's inputs hold now. Inputs that are not there keep their part of the draft."""
    draft = Draft.unpack(str(view.get("private_metadata", "")))
    values = view.get("state", {}).get("values", {})
    found = {
        "segment": _chosen(values, SEGMENT_BLOCK, f"{SEGMENT_BLOCK}.{draft.turn}"),
        "channel": _chosen(values, CHANNEL_BLOCK),
        "account": _chosen(values, draft.account_block),
        "cadence": _chosen(values, CADENCE_BLOCK),
        "cron": _chosen(values, CRON_BLOCK),
        "first_day": _chosen(values, FIRST_BLOCK),
        "last_day": _chosen(values, LAST_BLOCK),
    }
    kept: dict[str, Any] = {k: v for k, v in found.items() if v}
    if kept.get("channel", draft.channel) != draft.channel:
        kept |= {"account": "", "account_name": ""}
    return replace(draft, **kept)


def _chosen(values: Mapping[str, Any], *blocks: str) -> str:
    for block in blocks:
        for element in values.get(block, {}).values():
            option = element.get("selected_option")
            return str((option or {}).get("value") or element.get("selected_date") or element.get("value") or "").strip()
    return ""


@dataclass(frozen=True, slots=True)
class Form:
    """What the form shows beside the draft. `asking`: the channel has not answered yet; `problem`: what it said instead.

    `preview`: what counting the segment for this channel gave; `uncounted`: why it could not be counted. `match_rate`: the
    account's usual one. `cron_means`: what the cron expression says in words; `cron_wrong`: that it is none.
    """

    draft: Draft
    usage: Usage
    connections: Mapping[Channel, Connection]
    offered: tuple[Channel, ...]
    tz: str
    segment: Segment | None = None
    asking: bool = False
    problem: str = ""
    error: str = ""
    preview: Preview | None = None
    counting: bool = False
    uncounted: str = ""
    match_rate: float | None = None
    cron_means: str = ""
    cron_wrong: str = ""
    may_ask: bool = False  # this person may ask the administrators for help


def create_modal(form: Form) -> kit.View:
    """The form. At the limit use `limit_modal` instead."""
    draft = form.draft
    blocks: list[kit.Block] = []
    if form.error:
        blocks.append(kit.section(f"🔴 {form.error}"))
    initial = kit.option(form.segment.name, form.segment.choice) if form.segment else None
    blocks += [
        kit.field(
            "Segment",
            kit.external_select(ids.CREATE_SEGMENT, "Search segments by name", initial=initial),
            block_id=f"{SEGMENT_BLOCK}.{draft.turn}" if draft.turn else SEGMENT_BLOCK,
            heard=True,
        ),
        kit.field(
            "Channel",
            kit.static_select(
                ids.CREATE_CHANNEL, "Where the audience is kept", [_channel(form, c) for c in Channel], initial=draft.channel
            ),
            block_id=CHANNEL_BLOCK,
            heard=True,
        ),
        *_account(form),
        kit.field(
            "Cadence",
            kit.static_select(
                ids.CREATE_CADENCE, "How often", [kit.option(text, rule) for text, rule in CADENCES], initial=draft.cadence
            ),
            block_id=CADENCE_BLOCK,
            hint=f"Times are in your time zone, {form.tz}.",
            heard=True,
        ),
        *_cron(form),
        *_days(draft),
        kit.divider(),
        *_preview(form),
    ]
    return kit.modal(
        "Create a segment sync", blocks, callback_id=ids.CREATE, submit="Create", close="Cancel", metadata=draft.pack()
    )


def _channel(form: Form, channel: Channel) -> dict[str, Any]:
    if channel not in form.offered:
        return kit.option(channel.label, channel.value, "Not set up by the operator yet")
    connection = form.connections.get(channel)
    if connection and connection.status in (ConnectionStatus.CONNECTED, ConnectionStatus.EXPIRING):
        return kit.option(channel.label, channel.value, f"Connected as {connection.person_name}")
    broken = connection and connection.status is not ConnectionStatus.MISSING
    return kit.option(channel.label, channel.value, "Needs to be connected again" if broken else "Not connected yet")


def _account(form: Form) -> list[kit.Block]:
    draft = form.draft
    if not draft.channel:
        return [kit.context("Ad account: choose a channel first.")]
    channel = Channel(draft.channel)
    if channel not in form.offered:
        return [kit.section(f"⚪ {channel.label} has not been set up by the operator of segsync yet.")]
    connection = form.connections.get(channel)
    if connection is None or connection.status not in (ConnectionStatus.CONNECTED, ConnectionStatus.EXPIRING):
        text = f"*{channel.label}*: {connection_status(connection)}\nConnect it to choose an ad account. What you chose is kept."
        return [
            kit.section(
                text,
                accessory=kit.button(
                    "Connect", ids.CREATE_CONNECT, channel.value, style="primary", label=f"Connect {channel.label}"
                ),
                block_id="connect",
            )
        ]
    if form.asking:
        return [kit.context(f"⏳ Asking {channel.label} for your ad accounts…", block_id="asking")]
    if form.problem:
        row = [kit.button("Try again", ids.CREATE_AGAIN, channel.value)]
        if form.may_ask:
            row.append(kit.button("Ask an administrator", ids.REQUEST_ASK, f"account:{channel.value}"))
        return [kit.section(f"🔴 {form.problem}", block_id="problem"), kit.actions(*row, block_id="problem.actions")]
    initial = kit.option(draft.account_name or draft.account, draft.account) if draft.account else None
    element = kit.external_select(ids.CREATE_ACCOUNT, "Search your ad accounts", initial=initial)
    blocks = [kit.field("Ad account", element, block_id=draft.account_block, heard=True)]
    if form.may_ask and not draft.account:
        ask = kit.button("Ask an administrator", ids.REQUEST_ASK, f"account:{channel.value}")
        blocks.append(kit.section("The one that you need is not there?", accessory=ask, block_id="missing_account"))
    return blocks


def _cron(form: Form) -> list[kit.Block]:
    draft = form.draft
    if draft.cadence != "cron":
        return []
    element = kit.text_input(ids.CREATE_CRON, "30 7 * * 1-5", initial=draft.cron)
    element["dispatch_action_config"] = {"trigger_actions_on": ["on_enter_pressed", "on_character_entered"]}
    hint = "Minute, hour, day of the month, month, day of the week. 30 7 * * 1-5 means weekdays at 07:30."
    blocks = [kit.field("Cron expression", element, block_id=CRON_BLOCK, hint=hint, heard=True)]
    if form.cron_means:
        blocks.append(kit.context(f"🕖 {form.cron_means}", block_id="cron_means"))
    elif form.cron_wrong:
        blocks.append(kit.context(f"🔴 {form.cron_wrong}", block_id="cron_wrong"))
    return blocks


def _days(draft: Draft) -> list[kit.Block]:
    if not draft.more:
        return [kit.actions(kit.button("More…", ids.CREATE_MORE, "more", label="First and last day"), block_id="more")]
    first = kit.datepicker(ids.CREATE_FIRST, "At once", initial=draft.first_day or None)
    last = kit.datepicker(ids.CREATE_LAST, "Until it is paused", initial=draft.last_day or None)
    return [
        kit.field("First day", first, block_id=FIRST_BLOCK, optional=True),
        kit.field("Last day", last, block_id=LAST_BLOCK, optional=True),
    ]


def _preview(form: Form) -> list[kit.Block]:
    """What would come of it; fills in by itself as choices are made."""
    said = []
    if form.segment:
        size = f"{number(form.segment.size)} {form.segment.kind.value}"
        said.append(f"*{kit.esc(form.segment.name)}*: {size}, changed {when(form.segment.changed_at, 'nobody knows when')}")
        said += _matchable(form)
    used, limit = form.usage.used, form.usage.limit
    said.append(f"Sync limit: *{used} of {limit}* in use now, *{used + 1} of {limit}* with this one.")
    if limit and (used + 1) / limit >= _NEAR:
        left = max(limit - used - 1, 0)
        said.append("🟠 This is the last place of the sync limit." if not left else f"🟠 After this one {number(left)} are left.")
    blocks = [kit.context("\n".join(said), block_id="preview")]
    if form.uncounted:
        again = kit.button("Count again", ids.CREATE_COUNT, form.draft.channel)
        blocks.append(kit.section(f"🟠 {form.uncounted}", accessory=again, block_id="uncounted"))
    return blocks


def _matchable(form: Form) -> list[str]:
    """How many members this channel can match, and whether that is enough for it to serve."""
    if not form.draft.channel or not form.segment:
        return []
    label, preview = Channel(form.draft.channel).label, form.preview
    if preview is None:
        return [f"⏳ Counting whom {label} can match…"] if form.counting else []
    kind = form.segment.kind.value
    said = [f"*{number(preview.matchable)}* of {number(preview.members)} {kind} carry an identifier that {label} can match."]
    if preview.left_out:
        most = sorted(preview.left_out.items(), key=lambda r: -r[1])[:4]
        said.append("Left out: " + ", ".join(f"{number(n)} {reason(why)}" for why, n in most) + ".")
    if preview.minimum:
        said.append(_minimum(form, preview, label))
    if preview.identifiers and preview.matchable:
        said.append(_limits(preview, label, kind))
    if preview.lacks_consent:
        said.append(
            f"🟠 {label} asks for consent, and this segment has no column that says who gave it: its refreshes will wait."
        )
    return said


def _minimum(form: Form, preview: Preview, label: str) -> str:
    needs = f"{label} serves an audience from {number(preview.minimum)} matched on."
    if preview.matchable < preview.minimum:
        return f"🟠 {needs} This one is too small to be served."
    if form.match_rate is None:
        known = "is not known before the first refresh in this ad account" if form.draft.account else "depends on the ad account"
        return f"{needs} How many of these it matches {known}."
    likely = round(preview.matchable * form.match_rate)
    said = f"{needs} At this ad account's usual match rate of {form.match_rate:.0%} that makes about {number(likely)}."
    return f"🟠 {said} That is too few." if likely < preview.minimum else said


def _limits(preview: Preview, label: str, kind: str) -> str:
    """What the channel takes, as far as it bears on this segment."""
    each = "company" if kind == SegmentKind.COMPANIES else "contact"
    said = f"{label} takes up to {preview.identifiers} identifiers of each {each}"
    if not preview.minutes:
        return f"{said}."
    needs = "less than a minute" if preview.minutes == 1 else f"at least {number(preview.minutes - 1)} min"
    return f"{said}, and its limits let all of these through in {needs}."


def segment_option(segment: Segment) -> dict[str, Any]:
    """One segment to choose: its name in full; size and source beneath."""
    what = "companies" if segment.kind is SegmentKind.COMPANIES else "contacts"
    changed = f", changed {segment.changed_at:%d %b %Y}" if segment.changed_at else ""
    return kit.option(segment.name, segment.choice, f"{number(segment.size)} {what}{changed}")


def account_option(account: AdAccount) -> dict[str, Any]:
    """One ad account to choose."""
    return kit.option(account.name, account.id, account.id)


def limit_modal(usage: Usage, mine: str, *, administrator: bool) -> kit.View:
    """No form: how the limit is used, and what could be paused. `mine`: the reader's id."""
    shown = f"`{bar(usage.used, usage.limit)}` {usage.used} of {usage.limit}"
    blocks = [
        kit.section(f"🟠 *All {usage.limit} syncs of your contract are in use.*\n{shown}"),
        kit.section("To make room, pause one that nobody needs. These were refreshed the longest ago:"),
    ]
    for sync in usage.stale:
        may = administrator or sync.owner_id == mine
        button = kit.button("Pause" if may else "Ask an administrator", ids.PAUSE, value(sync))
        said = f"*{route(sync)}*\n{person(sync.owner_id)} · last refreshed {when(sync.refreshed_at)}"
        blocks.append(kit.section(said, accessory=button))
    return kit.modal("Sync limit reached", blocks, callback_id=ids.CREATE)


def checking(channel: Channel) -> kit.View:
    """After a submission that waits for a platform."""
    blocks = [kit.section(f"⏳ Checking with {channel.label}…\nYou may close this; what comes of it will be in your messages.")]
    return kit.modal("Create a segment sync", blocks, callback_id=ids.PROBLEM)


def created(sync: Sync) -> kit.View:
    """The sync exists."""
    blocks = [kit.section(f"🔄 *Syncing*: {route(sync)}\nFollow it in your messages with segsync.")]
    return kit.modal("Sync created", blocks, callback_id=ids.PROBLEM)
