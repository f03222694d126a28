"""Syncs on screen: the row of a list, the list, the message that follows a refresh."""

from collections.abc import Iterable, Sequence

from bot.blocks import charts, ids, kit
from bot.blocks.words import SIGNS, number, person, plain_route, route, status, value, when
from core.models import Phase, Refresh, RefreshState, Sync, SyncStatus
from core.troubleshooting import explain_code

_PHASES = {
    Phase.READING: "Reading the segment",
    Phase.COMPARING: "Comparing with what was delivered",
    Phase.REMOVING: "Removing",
    Phase.ADDING: "Adding",
    Phase.SETTLING: "Waiting for the channel",
    Phase.CONFIRMING: "Confirming",
}
STATES = {
    RefreshState.QUEUED: "waiting its turn",
    RefreshState.RUNNING: "under way",
    RefreshState.SETTLING: "waiting for the channel",
    RefreshState.HELD: "held: somebody decides",
    RefreshState.SUCCEEDED: "done",
    RefreshState.FAILED: "failed",
    RefreshState.CANCELLED: "stopped",
}


def details_button(sync: Sync) -> kit.Element:
    """From anywhere to the details."""
    return kit.button("Details", ids.DETAILS, value(sync), label=f"Details of {sync.short}")


_WAITING = {"held": "✋ a refresh waits for a decision", "pause": "📥 a pause has been asked for"}


def sync_row(sync: Sync, waiting: Iterable[str] = ()) -> kit.Block:
    """Two lines and a button. `waiting`: what somebody has to decide, which changes no status."""
    sizes = f"{number(sync.delivered)} in the audience" if sync.delivered is not None else "nothing delivered yet"
    text = f"{status(sync.status)} · {route(sync)}\n{person(sync.owner_id)} · last refreshed {when(sync.refreshed_at)} · {sizes}"
    text += "".join(f" · {_WAITING[what]}" for what in sorted(waiting))
    return kit.section(text, accessory=details_button(sync))


def progress_line(refresh: Refresh) -> str:
    """How far a refresh is."""
    progress = refresh.progress
    if progress is None:
        return f"Refresh: {STATES[refresh.state]}."
    said = _PHASES[progress.phase]
    if progress.total:
        said += f": {number(progress.done)} of {number(progress.total)} ({progress.done * 100 // progress.total} %)"
    if progress.left_s:
        said += f", about {max(round(progress.left_s), 1)} s left"
    return said


def card(sync: Sync) -> kit.Block:
    """What everybody may read below a link: name, status, owner; no sizes, no alerts."""
    text = f"{status(sync.status)} · *{kit.esc(sync.name)}*\n{route(sync)}\nOwner {person(sync.owner_id)}"
    return kit.section(text, accessory=details_button(sync))


def chart_message(sync: Sync, points: Sequence[tuple[str, int]]) -> kit.Message:
    """The audience's size over its last refreshes."""
    chart = charts.line(f"Audience of {sync.short}", "Delivered", points, y="members")
    return kit.message(f"📈 {plain_route(sync)}", [kit.section(f"📈 {route(sync)}"), chart, kit.actions(details_button(sync))])


def shared_message(sync: Sync, by: str) -> kit.Message:
    """What everybody in a conversation reads of a sync that somebody shares there."""
    text = (
        f"{status(sync.status)} · *{kit.esc(sync.name)}*\n{route(sync)}\nOwner {person(sync.owner_id)} · shared by {person(by)}"
    )
    said = f"{SIGNS[sync.status][0]} {SIGNS[sync.status][1]}: {plain_route(sync)}"
    return kit.message(said, [kit.section(text, accessory=details_button(sync))])


def progress_message(sync: Sync, last: Refresh | None) -> kit.Message:
    """The message that follows a sync from *Syncing* to *Synced* or *Failed*; every state names the whole route."""
    text = f"{status(sync.status)}: {route(sync)}"
    sign = status(sync.status).replace("*", "")
    buttons = [details_button(sync)]
    if sync.status is SyncStatus.SYNCED:
        text += f" · {number(sync.delivered)} in the audience"
        if last and last.state is RefreshState.SUCCEEDED:
            text += f", +{number(last.counts.added)} −{number(last.counts.removed)}"
        if last and last.state.is_open:
            text += f"\n{progress_line(last)}"
        elif sync.next_due_at:
            text += f" · next {when(sync.next_due_at)}"
    elif sync.status is SyncStatus.SYNCING:
        text += f"\n{progress_line(last)}" if last else "\nThe first refresh is about to start."
    elif sync.status is SyncStatus.FAILED:
        if last and last.state.is_open:
            text += f"\nTrying again. {progress_line(last)}"
        else:
            said = explain_code(sync.failure or "internal_error", channel=sync.channel.label)
            kept = (
                f"\nThe audience keeps its {number(sync.delivered)} members."
                if sync.delivered
                else "\nNothing has been delivered."
            )
            is_gone = sync.failure == "audience_deleted"
            text += f"\n{kit.esc(said.cause)}\n{kit.esc(said.remedy)}{'' if is_gone else kept}"
            buttons.insert(0, kit.button("Retry", ids.RETRY, value(sync)))
    else:
        text += f"\nThe audience stays on {sync.channel.label} and goes stale."
    return kit.message(f"{sign}: {plain_route(sync)}", [kit.section(text), kit.actions(*buttons)])
