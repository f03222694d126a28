"""Alerts on screen: message, threads, list, modal. A shared message shows every action, a direct one those of its reader."""

from collections.abc import Sequence
from datetime import datetime

from bot.blocks import ids, kit
from bot.blocks.syncs import details_button
from bot.blocks.words import SEVERITIES, number, person, plain_route, route, when
from core.models import Alert, AlertState, Severity, Sync, SyncStatus
from core.troubleshooting import CATALOGUE, Explained, Remedy, Scope, explain
from core.views import AlertView, TakenOver

LIST, MINE = "list", "mine"
_NAMED = 5
_LISTED = 40
_WORDS = {Severity.ERROR: "Error", Severity.WARNING: "Warning", Severity.INFO: "Note"}
_SNOOZES = (("1 hour", "1h"), ("1 day", "1d"), ("1 week", "1w"))


def alert_message(view: AlertView, *, reader: str | None = None) -> kit.Message:
    """As it is posted, and edited whenever something changes. `reader`: whose direct message it is; None: a conversation's."""
    alert, said = view.alert, explain(view.alert)
    is_over = alert.state is AlertState.RESOLVED
    sign = "✅ Resolved:" if is_over else f"{SEVERITIES[alert.severity]} {_WORDS[alert.severity]}:"
    named = _named(view, reader)
    names = ", ".join(plain_route(s) for s in named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")
    return kit.message(f"{sign} {said.title}" + (f": {names}" if names else ""), alert_blocks(view, reader=reader))


def alert_blocks(view: AlertView, *, reader: str | None = None, place: str = "") -> list[kit.Block]:
    """One alert: what happened, what it means, what to do; who did what. `place`: where it stands, for the answer to a click."""
    alert, said = view.alert, explain(view.alert)
    if alert.state is AlertState.RESOLVED:
        text = f"✅ *Resolved*: {kit.esc(said.title)}{_whose(view)}"
        foot = [f"It lasted {lasted(alert)}, until {when(alert.resolved_at)}.", *_deeds(alert)]
        return [*_sections(text, _list(view, reader)), kit.context(" · ".join(foot))]
    text = "\n".join(
        part
        for part in (
            f"{SEVERITIES[alert.severity]} *{_WORDS[alert.severity]}*: *{kit.esc(said.title)}*{_whose(view)}",
            kit.esc(said.cause),
            kit.esc(said.remedy),
            _meanwhile(view),
        )
        if part
    )
    row = [b for r in said.actions if (b := _button(r, view, said, reader)) is not None]
    # another id after each deed: Slack keeps what a select held otherwise
    block_id = f"alert.{alert.id}.{len(alert.history)}.{place}"
    buttons = kit.actions(*row, block_id=block_id)
    return [*_sections(text, _list(view, reader)), buttons, kit.context(" · ".join(_foot(alert)))]


def lasted(alert: Alert) -> str:
    """How long it was open."""
    seconds = ((alert.resolved_at or alert.last_seen_at) - alert.first_seen_at).total_seconds()
    minutes = max(round(seconds / 60), 1)
    if minutes < 120:
        return f"{minutes} min"
    return f"{round(minutes / 60)} h" if minutes < 60 * 48 else f"{round(minutes / 1440)} days"


def remark_message(view: AlertView, what: str) -> kit.Message:
    """A reply in the thread: what has changed."""
    kind, _, rest = what.partition(" ")
    said = {
        "resolved": f"✅ Resolved after {lasted(view.alert)}.",
        "back": "🔁 It is back.",
        "joined": f"➕ {rest} syncs are concerned now.",
        "awake": "⏰ The snooze is over, and this is still open.",
        "escalated": "📣 Nobody has acted on this yet; the administrators have been told.",
        "crossed": f"{SEVERITIES[view.alert.severity]} {kit.esc(explain(view.alert).cause)}",
        "sooner": f"⏳ {kit.esc(explain(view.alert).cause)}",
    }.get(kind)
    if said is None:
        verb, _, user = what.rpartition(" ")
        said = f"{_DEEDS.get(verb, kit.esc(verb)).capitalize()} by {person(user)}."
    return kit.message(said)


def alerts_message(found: Sequence[AlertView], now: datetime, *, mine: bool) -> kit.Message:
    """Open alerts, the most severe first, with their actions."""
    if not found:
        return kit.message("✅ No open alerts about your syncs or connections." if mine else "✅ No open alerts.")
    title = f"{len(found)} open alert" + ("" if len(found) == 1 else "s")
    blocks, shown = [kit.header(title)], 0
    for view in found:
        asleep = view.alert.snoozed_until is not None and view.alert.snoozed_until > now
        more = [
            *([kit.context("💤 Snoozed")] if asleep else []),
            *alert_blocks(view, place=MINE if mine else LIST),
            kit.divider(),
        ]
        if len(blocks) + len(more) >= kit.MESSAGE_BLOCKS:
            blocks.append(kit.context(f"{len(found) - shown} more are less severe or older; they show as these are resolved."))
            break
        blocks, shown = blocks + more, shown + 1
    return kit.message(f"{title}: " + "; ".join(explain(v.alert).title for v in found[:3]), blocks)


def alert_modal(view: AlertView) -> kit.View:
    """Everything about one alert that several syncs share."""
    blocks = alert_blocks(view, place="modal")
    blocks += [kit.divider(), *(_sync(s, is_over=False) for s in view.syncs[:_LISTED])]
    blocks += [_sync(s, is_over=True) for s in view.left[: max(_LISTED - len(view.syncs), 0)]]
    hidden = len(view.syncs) + len(view.left) - _LISTED
    if hidden > 0:
        blocks.append(kit.context(f"{hidden} more are not shown here."))
    if view.alert.history:
        deeds = "\n".join(f"{when(d.at)}: {_DEEDS.get(d.what, kit.esc(d.what))} by {person(d.by)}" for d in view.alert.history)
        blocks.append(kit.section(f"*Who did what*\n{deeds}"))
    return kit.modal("Alert", blocks, callback_id=ids.ALERT_VIEW, metadata=view.alert.id)


def taken_over(answer: TakenOver) -> str:
    """What came of taking over."""
    lines = [f"✅ *{len(answer.taken)}* run on your connection now."] if answer.taken else []
    lines += [f"🔴 {route(sync)}: {kit.esc(why)}" for sync, why in answer.refused[:10]]
    if len(answer.refused) > 10:
        lines.append(f"… and {len(answer.refused) - 10} more that your connection may not edit.")
    return "\n".join(lines) or "There is nothing left to take over."


# ── parts of a message ───────────────────────────────────────────────────────────────────────────────────────────────

_DEEDS = {
    "acknowledged": "acknowledged",
    "snoozed": "snoozed",
    "retried": "retried",
    "reconnected": "reconnected",
    "took over": "taken over",
    "applied": "the removals were applied",
    "kept": "the old audience was kept",
}


def _sections(text: str, names: str) -> list[kit.Block]:
    """Names on their own: however long people make them, the words above stay whole."""
    return [kit.section(text), *([kit.section(names)] if names else [])]


def _whose(view: AlertView) -> str:
    return f" (connection of {person(view.whose)})" if view.whose else ""


def _named(view: AlertView, reader: str | None) -> list[Sync]:
    """The syncs to name: in a direct message the reader's own, unless it reads somebody else's as an administrator does."""
    shown = [*view.syncs, *view.left] if view.alert.state is AlertState.RESOLVED else list(view.syncs)
    own = [s for s in shown if s.owner_id == reader]
    return own or shown


def _list(view: AlertView, reader: str | None) -> str:
    if CATALOGUE[view.alert.code].scope is Scope.ORGANIZATION:
        return _makes_room(view)
    named = _named(view, reader)
    everything = len(view.syncs) + (len(view.left) if view.alert.state is AlertState.RESOLVED else 0)
    lines = [f"• {route(s)}" + ("" if s.owner_id == reader else f", {person(s.owner_id)}") for s in named[:_NAMED]]
    if len(named) > _NAMED:
        lines.append(f"… and {number(len(named) - _NAMED)} more" + (" of yours" if len(named) < everything else ""))
    if len(named) < everything:
        lines.append(f"{number(everything - len(named))} of colleagues are concerned as well.")
    if view.left and view.alert.state is AlertState.OPEN:
        lines.append(f"{number(len(view.left))} have got over it.")
    return "\n".join(lines)


def _makes_room(view: AlertView) -> str:
    users = [u.split(":") for u in view.alert.detail.get("users", "").split(",") if ":" in u]
    lines = ["*Who uses it*: " + ", ".join(f"{person(u)} {n}" for u, n in users)] if users else []
    if view.syncs:
        lines.append("*Refreshed the longest ago, so perhaps to be paused*:")
        lines += [f"• {route(s)}, {person(s.owner_id)}, {when(s.refreshed_at, 'never refreshed')}" for s in view.syncs[:3]]
    return "\n".join(lines)


def _meanwhile(view: AlertView) -> str:
    trouble = CATALOGUE[view.alert.code]
    if not trouble.fails or not view.syncs or view.alert.code == "audience_deleted":
        return ""
    if len(view.syncs) > 1:
        return "Their audiences stay as they are until then."
    sync = view.syncs[0]
    if not sync.delivered:
        return "Nothing has been delivered yet."
    return f"The audience keeps its {number(sync.delivered)} {sync.segment_kind.value} as of {when(sync.refreshed_at)}."


def _button(remedy: Remedy, view: AlertView, said: Explained, reader: str | None) -> kit.Element | None:
    alert = view.alert
    is_reconnectable = view.whose is not None and reader in (None, view.whose)
    can_take_over = bool(view.syncs) and (reader is None or reader != view.whose)
    first = "primary" if said.actions[0] is remedy else None
    match remedy:
        case Remedy.RECONNECT:
            return kit.button("Reconnect", ids.ALERT_RECONNECT, alert.id, style="primary") if is_reconnectable else None
        case Remedy.TAKE_OVER:
            return kit.button("Take over", ids.ALERT_TAKE_OVER, alert.id) if can_take_over else None
        case Remedy.RETRY:
            return kit.button("Retry", ids.ALERT_RETRY, alert.id, style=first) if view.syncs else None
        case Remedy.APPLY:
            return kit.button("Apply", ids.ALERT_APPLY, alert.id, style="danger") if alert.detail.get("refresh") else None
        case Remedy.KEEP:
            return kit.button("Keep the old audience", ids.ALERT_KEEP, alert.id) if alert.detail.get("refresh") else None
        case Remedy.OPEN:
            label = f"Open in {alert.channel.label}" if alert.channel else "Open"
            return kit.button(label, ids.OPEN, url=view.url) if view.url else None
        case Remedy.ACKNOWLEDGE:
            return None if alert.acknowledged_by else kit.button("Acknowledge", ids.ALERT_ACKNOWLEDGE, alert.id)
        case Remedy.SNOOZE:
            options = [kit.option(text, f"{alert.id}:{length}") for text, length in _SNOOZES]
            return kit.static_select(ids.ALERT_SNOOZE, "Snooze", options)
        case Remedy.DETAILS:
            return _details(view)


def _details(view: AlertView) -> kit.Element:
    if CATALOGUE[view.alert.code].scope is Scope.ORGANIZATION:
        return kit.button("Details", f"{ids.COMMAND}.usage", "usage")
    if len(view.syncs) == 1 and not view.left:
        return details_button(view.syncs[0])
    return kit.button("Details", ids.ALERT_DETAILS, view.alert.id)


def _foot(alert: Alert) -> list[str]:
    foot = [f"Since {when(alert.first_seen_at)}"]
    if alert.count > 1:
        foot.append(f"seen {number(alert.count)} times, last {when(alert.last_seen_at)}")
    if alert.snoozed_until and alert.snoozed_by:
        foot.append(f"💤 snoozed by {person(alert.snoozed_by)} until {when(alert.snoozed_until)}")
    if alert.escalated_at:
        foot.append(f"📣 told to the administrators {when(alert.escalated_at)}")
    if reference := alert.detail.get("reference"):
        foot.append(f"reference `{kit.esc(reference)}`")
    return foot + _deeds(alert)


def _deeds(alert: Alert) -> list[str]:
    """The last deed of each kind and person, newest last."""
    last = {(d.by, d.what): d for d in alert.history if d.what != "snoozed" or alert.snoozed_until is None}
    return [f"{_DEEDS.get(d.what, kit.esc(d.what))} by {person(d.by)}, {when(d.at)}" for d in list(last.values())[-4:]]


def _sync(sync: Sync, *, is_over: bool) -> kit.Block:
    sign = "✅" if is_over else "🔴" if sync.status is SyncStatus.FAILED else "•"
    return kit.section(f"{sign} {route(sync)}, {person(sync.owner_id)}", accessory=details_button(sync))


def misrouted_message(conversation: str, why: str) -> kit.Message:
    """To an administrator: a conversation that was set cannot be written to."""
    reasons = {
        "not_in_channel": "segsync is not in it. Invite it there with `/invite @segsync`.",
        "is_archived": "it is archived. Bring it back, or choose another.",
        "ext_shared": "it is shared with another company, which segsync refuses. Choose another.",
        "channel_not_found": "it does not exist any more, or segsync cannot see it. Invite segsync there, or choose another.",
    }
    said = reasons.get(why, "Slack refuses messages of segsync there. Look at its posting permissions, or choose another.")
    text = (
        f"🟠 *segsync cannot write in <#{conversation}>*: {said}\n"
        "Until then what belongs there comes to the administrators directly; nothing is lost. "
        "`/segsync settings` chooses another conversation."
    )
    return kit.message(text)
