"""The details of one sync: one modal, drawn by one function, whatever it was opened from.

What can be clicked stands in blocks that keep their ids: the modal is drawn anew while somebody reads it.
"""

from collections.abc import Sequence

from bot.blocks import ids, kit
from bot.blocks.requests import campaign_lines
from bot.blocks.syncs import STATES, progress_line
from bot.blocks.words import SEVERITIES, lasted, number, person, reason, route, sparkline, status, value, when
from core.models import Action, Refresh, RefreshKind, RefreshState, Sync, SyncStatus
from core.troubleshooting import explain, explain_code
from core.views import Details, Impact

_KINDS = {RefreshKind.DRY: "dry run ", RefreshKind.FULL: "full resync ", RefreshKind.FIRST: "first refresh "}


def details_modal(
    details: Details, impact: Impact | None = None, *, is_asking: bool = False, can_share: bool = False, link: str = ""
) -> kit.View:
    """One sync, whole. `impact`: the campaigns on the channel; `is_asking`: it has been asked for them."""
    sync = details.sync
    blocks = [
        kit.section(f"{status(sync.status)} · *{kit.esc(sync.name)}*\n{route(sync)}"),
        *_progress(details.refreshes),
        *_stale(sync, details.refreshes),
        *_held(details),
        *_alerts(details),
        *_buttons(details, can_share=can_share),
        kit.divider(),
        *_facts(details),
        kit.section(_funnel(sync)),
        *_sizes(details),
        *_campaigns(sync, impact, is_asking=is_asking),
        *_history(details.refreshes, sync),
        *([kit.context(f"Link to this sync: {link}")] if link else []),
    ]
    return kit.modal(sync.short, blocks, callback_id=ids.DETAILS_VIEW, metadata=value(sync))


def _progress(refreshes: Sequence[Refresh]) -> list[kit.Block]:
    running = next((r for r in refreshes if r.state.is_open), None)
    return [kit.context(progress_line(running))] if running else []


def _stale(sync: Sync, refreshes: Sequence[Refresh]) -> list[kit.Block]:
    if sync.status is not SyncStatus.INACTIVE:
        return []
    as_it_was = when(sync.refreshed_at, "before the first refresh")
    text = f"The audience stays on {sync.channel.label} as it was {as_it_was} and goes stale."
    last = refreshes[0] if refreshes else None
    if last and last.counts.owed:
        many = f"{number(last.counts.owed)} members of the segment that its last removals may have taken along"
        told = f"First {many} are sent again." if last.state.is_open else f"*{many} are missing* until it is resumed."
        text += f"\n{told}"
    return [kit.section(text)]


def _held(details: Details) -> list[kit.Block]:
    """The guard's question, where somebody who may answer it reads."""
    held = next((r for r in details.refreshes if r.state is RefreshState.HELD), None)
    if held is None:
        return []
    text = (
        f"✋ *A refresh waits for a decision*: it would remove {number(held.counts.removed)}, "
        f"add {number(held.counts.added)}. "
        "Until then the audience stays as it is."
    )
    if Action.DECIDE_HELD not in details.may:
        return [kit.section(text)]
    row = [
        kit.button("Apply", ids.APPLY, held.id, style="danger"),
        kit.button("Keep the old audience", ids.KEEP, held.id),
    ]
    return [kit.section(text), kit.actions(*row, block_id="sync.held")]


def _alerts(details: Details) -> list[kit.Block]:
    blocks = []
    for alert in details.alerts[:5]:
        said = explain(alert)
        what = kit.button("What to do", ids.ALERT_DETAILS, alert.id, label=f"What to do about: {said.title}")
        text = f"{SEVERITIES[alert.severity]} *{kit.esc(said.title)}*\n{kit.esc(said.cause)}\n{kit.esc(said.remedy)}"
        blocks.append(kit.section(text, accessory=what, block_id=f"sync.alert.{alert.id}"))
    return blocks


def _buttons(details: Details, *, can_share: bool) -> list[kit.Block]:
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
    if Action.EDIT in may:
        row.append(kit.button("Edit", ids.EDIT, carried))
    blocks = [kit.actions(*row, block_id="sync.actions")] if row else []
    more = _seldom(details, can_share=can_share)
    return [*blocks, kit.actions(*more, block_id="sync.more")] if more else blocks


def _seldom(details: Details, *, can_share: bool) -> list[kit.Element]:
    sync, may, carried = details.sync, details.may, value(details.sync)
    row = []
    if Action.DRY_RUN in may and not any(r.state.is_open or r.state is RefreshState.HELD for r in details.refreshes):
        row.append(kit.button("Dry run", ids.DRY_RUN, carried, label=f"What a refresh of {sync.short} would change"))
    if Action.FULL_RESYNC in may and sync.status is not SyncStatus.INACTIVE:
        row.append(kit.button("Full resync", ids.RESYNC, carried))
    if can_share:
        row.append(kit.button("Share here", ids.SHARE, carried))
    if Action.DELETE in may:
        row.append(kit.button("Delete", ids.DELETE, carried, style="danger"))
    return row


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


def _sizes(details: Details) -> list[kit.Block]:
    """How the audience grew and shrank, as a row of bars."""
    sizes = details.sizes
    if len(sizes) < 2:
        return []
    row = f"first {number(sizes[0])}, last {number(sizes[-1])}, lowest {number(min(sizes))}, highest {number(max(sizes))}"
    chart = kit.button("Chart", ids.CHART, details.sync.id, label=f"Chart of the audience of {details.sync.short}")
    text = f"*Audience size over the last {len(sizes)} refreshes*\n`{sparkline(sizes)}`\n{row}"
    return [kit.section(text, accessory=chart, block_id="sync.sizes")]


def _campaigns(sync: Sync, impact: Impact | None, *, is_asking: bool) -> list[kit.Block]:
    label = sync.channel.label
    if is_asking:
        return [kit.section(f"⏳ Asking {label} which campaigns use this audience…", block_id="sync.campaigns")]
    if impact is None:
        return []
    if impact.campaigns is None:
        text = f"🟠 {label} could not say which campaigns use this audience: {kit.esc(impact.reason or '')}"
        return [kit.section(text, block_id="sync.campaigns")]
    return [kit.section(campaign_lines(sync.channel, impact.campaigns), block_id="sync.campaigns")]


def _history(refreshes: Sequence[Refresh], sync: Sync) -> list[kit.Block]:
    lines = []
    for one in refreshes[:8]:
        said = f"{when(one.created_at)}: {_KINDS.get(one.kind, '')}{STATES[one.state]}"
        if one.state is RefreshState.SUCCEEDED or one.kind is RefreshKind.DRY:
            said += f", +{number(one.counts.added)} −{number(one.counts.removed)}"
        if one.counts.rejected:
            said += ", left out: " + ", ".join(f"{number(n)} {reason(why)}" for why, n in one.counts.rejected.items())
        if one.started_at and one.finished_at:
            said += f", in {lasted((one.finished_at - one.started_at).total_seconds())}"
        if one.failure:
            said += f" ({kit.esc(explain_code(one.failure, channel=sync.channel.label).title)})"
        lines.append(said)
    return [kit.section("*Last refreshes*\n" + "\n".join(lines))] if lines else []
