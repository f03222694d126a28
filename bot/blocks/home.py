"""The Home tab: the personal dashboard, one's own work first."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.blocks import ids, kit
from bot.blocks.screens import usage_line
from bot.blocks.syncs import sync_row
from bot.blocks.words import SEVERITIES, SIGNS, connection_status, number
from core.models import Actor, Channel, ConnectionStatus, Role, SyncStatus
from core.troubleshooting import explain
from core.views import AlertView, Overview, SyncPage

_ALERTS = 5


@dataclass(frozen=True, slots=True)
class Dashboard:
    """What one person's Home shows. `waiting`: requests that wait for this person, or that this person made."""

    seen: Overview
    offered: Sequence[Channel]
    mine: SyncPage
    alerts: Sequence[AlertView]
    waiting: int


def home_view(board: Dashboard, actor: Actor) -> kit.View:
    """Own connections, what needs this person, own syncs, then the organization."""
    greeting = f"Good to see you, {kit.esc(actor.name)}." if actor.name else "Good to see you."
    return kit.home(
        [
            kit.section(f"{greeting} Your role is *{actor.role.label}*."),
            _actions(actor),
            *_needs(board, actor),
            *_connections(board, actor),
            kit.divider(),
            *_syncs(board),
            kit.divider(),
            *_organization(board),
        ]
    )


def _actions(actor: Actor) -> kit.Block:
    row = [kit.button("All syncs", f"{ids.COMMAND}.list", "list"), kit.button("Usage", f"{ids.COMMAND}.usage", "usage")]
    if actor.role is not Role.VIEWER:
        row.insert(0, kit.button("Create a sync", f"{ids.COMMAND}.create", "create", style="primary"))
    if actor.role.is_administrator:
        row.append(kit.button("Settings", f"{ids.COMMAND}.settings", "settings"))
    row.append(kit.button("Notifications", f"{ids.COMMAND}.notifications", "notifications"))
    row.append(kit.button("Help", f"{ids.COMMAND}.help", "help"))
    return kit.actions(*row, block_id="home.actions")


def _needs(board: Dashboard, actor: Actor) -> list[kit.Block]:
    """What waits for this person."""
    blocks: list[kit.Block] = []
    for view in board.alerts[:_ALERTS]:
        said = explain(view.alert)
        text = f"{SEVERITIES[view.alert.severity]} *{kit.esc(said.title)}*\n{kit.esc(said.cause)}"
        what = kit.button("What to do", ids.ALERT_DETAILS, view.alert.id, label=f"What to do about: {said.title}")
        blocks.append(kit.section(text, accessory=what, block_id=f"home.alert.{view.alert.id}"))
    if len(board.alerts) > _ALERTS:
        more = kit.button(f"All {len(board.alerts)} alerts", f"{ids.COMMAND}.alerts", "alerts mine")
        blocks.append(kit.actions(more, block_id="home.alerts"))
    if board.waiting:
        one = "One request waits" if board.waiting == 1 else f"{board.waiting} requests wait"
        text = f"📥 *{one} for you*" if actor.role.is_administrator else f"📥 *{one} for an administrator*, asked by you"
        button = kit.button("Approvals", f"{ids.COMMAND}.approvals", "approvals")
        blocks.append(kit.section(text, accessory=button, block_id="home.approvals"))
    return [kit.header("Needs you"), *blocks] if blocks else [kit.context("✅ Nothing needs you now.")]


def _connections(board: Dashboard, actor: Actor) -> list[kit.Block]:
    blocks = [kit.header("My connections")]
    for channel in Channel:
        if channel not in board.offered:
            blocks.append(kit.section(f"*{channel.label}*: ⚪ Not set up by the operator yet"))
            continue
        mine = board.seen.connections.get(channel)
        text = f"*{channel.label}*: {connection_status(mine)}"
        works = mine is not None and mine.status is ConnectionStatus.CONNECTED
        if actor.role is Role.VIEWER or works:
            blocks.append(kit.section(text))
            continue
        is_known = mine is not None and mine.status is not ConnectionStatus.MISSING
        label = "Reconnect" if is_known else "Connect"
        button = kit.button(label, ids.CONNECT_START, channel.value, label=f"{label} {channel.label}")
        blocks.append(kit.section(text, accessory=button, block_id=f"home.connection.{channel.value}"))
    return blocks


def _syncs(board: Dashboard) -> list[kit.Block]:
    rows = [sync_row(s, board.mine.waiting.get(s.id, ())) | {"block_id": f"home.sync.{s.id}"} for s in board.mine.rows]
    own = rows or [kit.section("You own no sync yet.")]
    if board.mine.pages > 1:
        all_mine = kit.button(f"All {board.mine.total:,} of mine", f"{ids.COMMAND}.mine", "list by:me")
        own.append(kit.actions(all_mine, block_id="home.mine"))
    return [kit.header("My syncs"), *own]


def _organization(board: Dashboard) -> list[kit.Block]:
    seen = board.seen
    counts = [
        kit.button(f"{SIGNS[s][0]} {SIGNS[s][1]}: {seen.by_status[s]:,}", f"{ids.COMMAND}.{s.value}", f"list status:{s.value}")
        for s in SyncStatus
    ]
    active = " · ".join(f"{c.label} {number(seen.active[c])}" for c in Channel)
    alerts = f"🔴 {len(seen.alerts)} open alerts" if seen.alerts else "✅ No open alerts"
    button = kit.button("Alerts", f"{ids.COMMAND}.alerts", "alerts all")
    return [
        kit.header(seen.organization or "Organization"),
        kit.actions(*counts, block_id="overview.status"),
        kit.section(f"{usage_line(seen.usage)}\nActive: {active}"),
        kit.section(alerts, accessory=button, block_id="home.open_alerts") if seen.alerts else kit.section(alerts),
    ]
