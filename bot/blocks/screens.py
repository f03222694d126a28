"""The smaller screens: overview, connections, pausing, problems."""

from collections.abc import Mapping, Sequence

from bot.blocks import ids, kit
from bot.blocks.requests import campaign_lines
from bot.blocks.syncs import details_button
from bot.blocks.words import SIGNS, bar, connection_status, number, person, plain_route, route, status, value
from core.errors import AccessLost, NeedsReconnect, PermissionMissing, SegsyncError
from core.models import Actor, Channel, Connection, ConnectionStatus, Role, Sync, SyncStatus
from core.views import Impact, Overview, Usage

_NAMED = 10
NEEDS_APPROVAL = "Here an administrator has to agree before a sync is paused that running campaigns use."


def problem(text: str, *, title: str = "That did not work", more: Sequence[kit.Block] = ()) -> kit.View:
    """A modal with one sentence, and what can be done about it."""
    return kit.modal(title, [kit.section(text), *more], callback_id=ids.PROBLEM)


def refusal(text: str, *, asks_role: bool) -> kit.Message:
    """What went wrong; a role that does not suffice can be asked for right there."""
    ask = [kit.actions(kit.button("Ask for a role", ids.REQUEST_ASK, "role"))] if asks_role else []
    return kit.message(f"🔴 {text}", [kit.section(f"🔴 {text}"), *ask])


def usage_line(usage: Usage) -> str:
    """`17 of 20`, as a bar."""
    return f"`{bar(usage.used, usage.limit)}` *{usage.used} of {usage.limit}* syncs in use, {usage.left} left"


def overview_blocks(seen: Overview, offered: Sequence[Channel], actor: Actor) -> list[kit.Block]:
    """How things stand for one person and the organization."""
    lines = []
    for channel in Channel:
        mine = connection_status(seen.connections.get(channel)) if channel in offered else "⚪ Not set up by the operator yet"
        lines.append(f"*{channel.label}*: {mine} · {number(seen.active[channel])} active{_everybody(seen, channel)}")
    counts = [
        kit.button(f"{SIGNS[s][0]} {SIGNS[s][1]}: {seen.by_status[s]}", f"{ids.COMMAND}.{s.value}", f"list status:{s.value}")
        for s in SyncStatus
    ]
    blocks = [
        kit.section("*My connections, and active syncs of the organization*\n" + "\n".join(lines)),
        kit.actions(*counts, block_id="overview.status"),
        kit.section(usage_line(seen.usage)),
    ]
    if seen.alerts:
        blocks.append(
            kit.section(
                f"🔴 *{len(seen.alerts)} open alerts*", accessory=kit.button("Alerts", f"{ids.COMMAND}.alerts", "alerts all")
            )
        )
    row = [kit.button("All syncs", f"{ids.COMMAND}.list", "list"), kit.button("Help", f"{ids.COMMAND}.help", "help")]
    if actor.role is not Role.VIEWER:
        row = [
            kit.button("Create a sync", f"{ids.COMMAND}.create", "create", style="primary"),
            kit.button("Connections", f"{ids.COMMAND}.connect", "connect"),
            *row,
        ]
    return [*blocks, kit.actions(*row, block_id="overview.actions")]


def _everybody(seen: Overview, channel: Channel) -> str:
    """For administrators: how many are connected."""
    if seen.connected is None:
        return ""
    connected, able, ending = seen.connected[channel]
    ends = f", {number(ending)} end{'s' if ending == 1 else ''} this week" if ending else ""
    return f"\n      {number(connected)} of {number(able)} people connected{ends}"


def overview_message(seen: Overview, offered: Sequence[Channel], actor: Actor) -> kit.Message:
    """`/segsync` alone."""
    failed = seen.by_status[SyncStatus.FAILED]
    said = f"{seen.usage.used} of {seen.usage.limit} syncs in use, {failed} failed, {len(seen.alerts)} open alerts"
    head = kit.header(f"segsync at {seen.organization or 'your organization'}")
    return kit.message(said, [head, *overview_blocks(seen, offered, actor)])


# ── connections ──────────────────────────────────────────────────────────────────────────────────────────────────────


def connections_modal(mine: Mapping[Channel, Connection], offered: Sequence[Channel]) -> kit.View:
    """My own connections."""
    blocks = [kit.section("Your connections are yours alone: syncs that you create or resume run on them.")]
    for channel in Channel:
        connection = mine.get(channel)
        if channel not in offered:
            blocks.append(kit.section(f"*{channel.label}*\n⚪ Not set up by the operator of segsync yet"))
            continue
        known = connection is not None and connection.status is not ConnectionStatus.MISSING
        blocks.append(kit.section(f"*{channel.label}*\n{connection_status(connection)}", block_id=f"connection.{channel.value}"))
        row = [
            kit.button("Reconnect" if known else "Connect", ids.CONNECT_START, channel.value, label=f"Connect {channel.label}")
        ]
        if known:
            row.append(kit.button("Disconnect", ids.CONNECT_REMOVE, channel.value, label=f"Disconnect {channel.label}"))
        blocks.append(kit.actions(*row, block_id=f"connection.{channel.value}.actions"))
    return kit.modal("My connections", blocks, callback_id=ids.CONNECT)


def link_modal(channel: Channel, url: str, *, external_id: str | None = None) -> kit.View:
    """The link of one use, for the eyes of one person."""
    text = (
        f"Open {channel.label} in your browser and agree there. The link is for you alone, works once, and ends in ten minutes."
    )
    row = kit.actions(kit.button(f"Connect {channel.label}", ids.CONNECT_LINK, url=url, style="primary"))
    blocks = [kit.section(text), row, kit.context("This window goes on by itself when you are done.")]
    return kit.modal(f"Connect {channel.label}", blocks, callback_id=ids.CONNECT, external_id=external_id)


def connected_modal(channel: Channel, person_name: str) -> kit.View:
    """The consent has come back."""
    as_whom = f" as {kit.esc(person_name)}" if person_name else ""
    return kit.modal(
        f"Connect {channel.label}", [kit.section(f"✅ *{channel.label} is connected*{as_whom}.")], callback_id=ids.CONNECT
    )


def disconnect_modal(channel: Channel, syncs: Sequence[Sync]) -> kit.View:
    """What disconnecting means, before it happens. `syncs`: the active ones that run on the connection."""
    blocks = [kit.section(f"Disconnect your {channel.label}?")]
    if syncs:
        count = "One active sync runs" if len(syncs) == 1 else f"{number(len(syncs))} active syncs run"
        lines = [f"• {route(s)}" for s in syncs[:_NAMED]] + ([f"and {len(syncs) - _NAMED} more"] if len(syncs) > _NAMED else [])
        blocks.append(kit.section(f"🟠 {count} on it:\n" + "\n".join(lines)))
        one = "It fails at its next refresh until you reconnect or somebody takes it over. Its audience stays as it is."
        more = "They fail at their next refresh until you reconnect or somebody takes them over; audiences stay as they are."
        blocks.append(kit.section(one if len(syncs) == 1 else more))
    else:
        blocks.append(kit.section("No active sync runs on it."))
    return kit.modal(
        "Disconnect", blocks, callback_id=ids.DISCONNECT, submit="Disconnect", close="Cancel", metadata=channel.value
    )


def connected_message(channel: Channel, draft: str | None = None) -> kit.Message:
    """By DM, with the way back into a form that was closed meanwhile."""
    button = kit.button("Create a sync", f"{ids.COMMAND}.create", f"create {channel.value}")
    if draft:
        button = kit.button("Go on creating", ids.CREATE_RESUME_DRAFT, draft, style="primary")
    return kit.message(
        f"✅ {channel.label} is connected", [kit.section(f"✅ *{channel.label} is connected*."), kit.actions(button)]
    )


# ── pausing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def pause_modal(sync: Sync, impact: Impact | None, *, error: str = "") -> kit.View:
    """What a pause touches; `impact` None: the channel is being asked."""
    label = sync.channel.label
    blocks = [kit.section(f"*{route(sync)}*")]
    if error:
        blocks.insert(0, kit.section(f"🔴 {error}"))
    if impact is None:
        blocks.append(kit.section(f"⏳ Asking {label} which campaigns use this audience…"))
    elif impact.campaigns is None:
        blocks.append(kit.section(f"🟠 {label} could not say which campaigns use this audience: {kit.esc(impact.reason or '')}"))
    else:
        blocks.append(kit.section(campaign_lines(sync.channel, impact.campaigns)))
    blocks.append(
        kit.section(f"The audience stays on {label} and goes stale: nobody is added or removed until somebody resumes this sync.")
    )
    return kit.modal(
        f"Pause {sync.short}", blocks, callback_id=ids.PAUSE_FORM, submit="Pause", close="Cancel", metadata=value(sync)
    )


def asking(title: str, text: str) -> kit.View:
    """Something has been asked from a platform."""
    return kit.modal(title, [kit.section(f"⏳ {text}")], callback_id=ids.MOVED)


def done(title: str, text: str) -> kit.View:
    """It is done."""
    return kit.modal(title, [kit.section(text)], callback_id=ids.MOVED)


def moved(title: str, text: str, channel: Channel, *, connect: SegsyncError, may_ask: bool) -> kit.View:
    """A resume or a take-over did not work; where a connection is missing, *Connect* is right there.

    `may_ask`: where the ad account is out of reach, this person may ask the administrators for it.
    """
    blocks = [kit.section(text)]
    if may_ask and isinstance(connect, AccessLost | PermissionMissing):
        ask = kit.button("Ask an administrator", ids.REQUEST_ASK, f"account:{channel.value}")
        blocks.append(kit.actions(ask))
    if isinstance(connect, NeedsReconnect):
        blocks.append(kit.actions(kit.button(f"Connect {channel.label}", ids.CONNECT_START, channel.value, style="primary")))
    return kit.modal(title, blocks, callback_id=ids.MOVED)


def unknown_impact(sync: Sync, reason: str) -> Impact:
    """The channel did not answer in time; pausing is possible all the same."""
    return Impact(sync, None, reason)


def paused_message(sync: Sync) -> kit.Message:
    """After a pause."""
    said = f"{status(sync.status)}: {route(sync)}\nThe audience stays on {sync.channel.label} and goes stale."
    row = kit.actions(kit.button("Resume", ids.RESUME, value(sync)), details_button(sync))
    return kit.message(f"⏸️ Inactive: {plain_route(sync)}", [kit.section(said), row])


def notice_message(sync: Sync, what: str, by: str) -> kit.Message:
    """To the owner: somebody else did something with their sync."""
    return kit.message(
        f"{plain_route(sync)} was {what}",
        [kit.section(f"{person(by)} has {what} your sync {route(sync)}.", accessory=details_button(sync))],
    )
