"""Syncs on screen: the row of a list, the list, the details, the message that follows a refresh."""

from collections.abc import Sequence

from bot.blocks import ids, kit
from bot.blocks.words import number, person, plain_route, route, status, value, when
from core.models import Action, Channel, Phase, Refresh, RefreshKind, RefreshState, Sync, SyncStatus
from core.troubleshooting import explain, explain_code
from core.views import Details, SyncPage

_PHASES = {
    Phase.READING: "Reading the segment",
    Phase.COMPARING: "Comparing with what was delivered",
    Phase.REMOVING: "Removing",
    Phase.ADDING: "Adding",
    Phase.SETTLING: "Waiting for the channel",
    Phase.CONFIRMING: "Confirming",
}
_STATES = {
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


def sync_row(sync: Sync) -> kit.Block:
    """Two lines and a button."""
    sizes = f"{number(sync.delivered)} in the audience" if sync.delivered is not None else "nothing delivered yet"
    text = f"{status(sync.status)} · {route(sync)}\n{person(sync.owner_id)} · last refreshed {when(sync.refreshed_at)} · {sizes}"
    return kit.section(text, accessory=details_button(sync))


def list_message(
    page: SyncPage, state: str, *, shown: SyncStatus | None, channel: Channel | None, owner: str | None, me: str
) -> kit.Message:
    """A page of syncs with its filters. `state`: the filters as text, carried by every element that changes one."""
    title = f"{page.total} sync" + ("" if page.total == 1 else "s")
    statuses = [kit.option("Any status", "any"), *(kit.option(s.value.capitalize(), s.value) for s in SyncStatus)]
    channels = [kit.option("Any channel", "any"), *(kit.option(c.label, c.value) for c in Channel)]
    owners = [kit.option("Anybody's", "any"), kit.option("Mine", me)]
    if owner and owner != me:
        owners.append(kit.option("The owner asked for", owner))
    blocks = [
        kit.header(title),
        kit.actions(
            kit.static_select(ids.LIST_STATUS, "Status", statuses, initial=shown.value if shown else "any"),
            kit.static_select(ids.LIST_CHANNEL, "Channel", channels, initial=channel.value if channel else "any"),
            kit.static_select(ids.LIST_OWNER, "Owner", owners, initial=owner or "any"),
            block_id=kit.cut(f"filters|{state}", 255),
        ),
        *(sync_row(s) for s in page.rows),
    ]
    if not page.rows:
        blocks.append(kit.section("No sync fits these filters. Widen them, or `/segsync create` one."))
    if page.pages > 1:
        turns = []
        if page.page > 1:
            turns.append(kit.button("← Newer", f"{ids.LIST_PAGE}.back", str(page.page - 1)))
        if page.page < page.pages:
            turns.append(kit.button("Older →", f"{ids.LIST_PAGE}.on", str(page.page + 1)))
        blocks += [kit.actions(*turns, block_id=kit.cut(f"pages|{state}", 255)), kit.context(f"Page {page.page} of {page.pages}")]
    return kit.message(f"{title}: " + "; ".join(plain_route(s) for s in page.rows[:5]), blocks)


def picker(found: Sequence[Sync], words: str) -> kit.Message:
    """Several syncs may have been meant."""
    blocks = [kit.section(f"{len(found)} syncs are called something like “{kit.esc(words)}”. Which one?"), *map(sync_row, found)]
    return kit.message(f"{len(found)} syncs fit “{words}”", blocks)


def details_modal(details: Details) -> kit.View:
    """One sync, whole."""
    sync = details.sync
    blocks = [
        kit.section(f"{status(sync.status)} · *{kit.esc(sync.name)}*\n{route(sync)}"),
        *_progress(details.refreshes),
        *_stale(sync),
        *_alerts(details),
        *_buttons(details),
        kit.divider(),
        *_facts(details),
        kit.section(_funnel(sync)),
        *_history(details.refreshes, sync),
    ]
    return kit.modal(sync.short, blocks, callback_id=ids.DETAILS_VIEW, metadata=value(sync))


def _progress(refreshes: Sequence[Refresh]) -> list[kit.Block]:
    running = next((r for r in refreshes if r.state.is_open), None)
    return [kit.context(progress_line(running))] if running else []


def progress_line(refresh: Refresh) -> str:
    """How far a refresh is."""
    progress = refresh.progress
    if progress is None:
        return f"Refresh: {_STATES[refresh.state]}."
    said = _PHASES[progress.phase]
    if progress.total:
        said += f": {number(progress.done)} of {number(progress.total)} ({progress.done * 100 // progress.total} %)"
    if progress.left_s:
        said += f", about {max(round(progress.left_s), 1)} s left"
    return said


def _stale(sync: Sync) -> list[kit.Block]:
    if sync.status is not SyncStatus.INACTIVE:
        return []
    as_it_was = when(sync.refreshed_at, "before the first refresh")
    return [kit.section(f"The audience stays on {sync.channel.label} as it was {as_it_was} and goes stale.")]


def _alerts(details: Details) -> list[kit.Block]:
    blocks = []
    for alert in details.alerts[:5]:
        said = explain(alert)
        blocks.append(kit.section(f"🔴 *{kit.esc(said.title)}*\n{kit.esc(said.cause)}\n{kit.esc(said.remedy)}"))
    return blocks


def _buttons(details: Details) -> list[kit.Block]:
    sync, may, carried = details.sync, details.may, value(details.sync)
    row = []
    if sync.status is SyncStatus.INACTIVE:
        if Action.RESUME in may:
            row.append(kit.button("Resume", ids.RESUME, carried, style="primary"))
    else:
        if Action.REFRESH in may:
            failed = sync.status is SyncStatus.FAILED
            row.append(kit.button("Retry", ids.RETRY, carried) if failed else kit.button("Refresh now", ids.REFRESH, carried))
        if Action.PAUSE in may:
            row.append(kit.button("Pause", ids.PAUSE, carried))
        elif Action.ASK_PAUSE in may:
            row.append(kit.button("Ask for a pause", ids.PAUSE, carried))
        if sync.status is SyncStatus.FAILED and Action.TAKE_OVER in may:
            row.append(kit.button("Take over", ids.TAKE_OVER, carried))
        if sync.status is SyncStatus.FAILED and Action.ASK_HELP in may:
            row.append(kit.button("Ask an administrator", ids.REQUEST_ASK, f"help:{sync.id}"))
    return [kit.actions(*row, block_id="sync.actions")] if row else []


def _facts(details: Details) -> list[kit.Block]:
    sync, segment = details.sync, details.segment
    runs = person(details.run_as.user_id) if details.run_as else "nobody: the connection was taken back"
    due = "paused" if sync.status is SyncStatus.INACTIVE else when(sync.next_due_at, "after the one under way")
    known = (kit.esc(segment.creator) if segment.creator else "not known") if segment else "not known"
    return [
        kit.fields(
            f"*Segment*\n{kit.esc(sync.segment_name)}",
            f"*Its creator*\n{known}",
            f"*Its size*\n{number(segment.size if segment else None)} {sync.segment_kind.value}",
            f"*Last changed*\n{when(segment.changed_at if segment else None, 'not known')}",
            f"*Owner*\n{person(sync.owner_id)}",
            f"*Runs as*\n{runs}",
            f"*Created*\n{when(sync.created_at)}",
            f"*Last refreshed*\n{when(sync.refreshed_at)}",
            f"*Next refresh*\n{due}",
            f"*Cadence*\n{kit.esc(details.cadence_words)}",
        )
    ]


def _funnel(sync: Sync) -> str:
    return (
        f"*{number(sync.members)}* {sync.segment_kind.value} in the segment → *{number(sync.matchable)}* with an identifier "
        f"→ *{number(sync.delivered)}* delivered → *{number(sync.matched)}* matched, as {sync.channel.label} reports"
    )


def _history(refreshes: Sequence[Refresh], sync: Sync) -> list[kit.Block]:
    lines = []
    for one in refreshes[:8]:
        said = f"{when(one.created_at)}: {_STATES[one.state]}"
        if one.state is RefreshState.SUCCEEDED or one.kind is RefreshKind.DRY:
            said += f", +{number(one.counts.added)} −{number(one.counts.removed)}"
        if one.counts.rejected:
            said += ", left out: " + ", ".join(f"{number(n)} {kit.esc(why)}" for why, n in one.counts.rejected.items())
        if one.failure:
            said += f" ({kit.esc(explain_code(one.failure, channel=sync.channel.label).title)})"
        lines.append(said)
    return [kit.section("*Last refreshes*\n" + "\n".join(lines))] if lines else []


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
                f"The audience keeps its {number(sync.delivered)} members." if sync.delivered else "Nothing has been delivered."
            )
            text += f"\n{kit.esc(said.cause)}\n{kit.esc(said.remedy)}\n{kept}"
            buttons.insert(0, kit.button("Retry", ids.RETRY, value(sync)))
    else:
        text += f"\nThe audience stays on {sync.channel.label} and goes stale."
    return kit.message(f"{sign}: {plain_route(sync)}", [kit.section(text), kit.actions(*buttons)])
