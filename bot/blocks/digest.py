"""The weekly digest on screen."""

from bot.blocks import ids, kit
from bot.blocks.syncs import details_button
from bot.blocks.words import SEVERITIES, bar, number, person, route, when
from core.troubleshooting import explain
from core.views import Digest


def digest_message(seen: Digest) -> kit.Message:
    """Usage, refreshes by day, open alerts, biggest changes, what could be paused."""
    week, usage = seen.week, seen.usage
    well, badly = sum(d.succeeded for d in week.days), sum(d.failed for d in week.days)
    text = (
        f"This week at {seen.organization}: {number(well)} refreshes succeeded, {number(badly)} failed; "
        f"{len(seen.alerts)} alerts are open; {usage.used} of {usage.limit} syncs in use"
    )
    blocks = [
        kit.header("The week in segment syncs"),
        kit.section(
            f"✅ *{number(well)}* refreshes succeeded, 🔴 *{number(badly)}* failed\n"
            f"Alerts: *{number(week.opened)}* opened, *{number(week.resolved)}* resolved, *{len(seen.alerts)}* open now\n"
            f"`{bar(usage.used, usage.limit)}` *{usage.used} of {usage.limit}* syncs in use"
        ),
        *([_chart(seen)] if well or badly else []),
        *_alerts(seen),
        *_changes(seen),
        *_stale(seen),
    ]
    return kit.message(text, blocks)


def _chart(seen: Digest) -> kit.Block:
    days = seen.week.days
    series = [
        {"name": name, "data": [{"label": f"{d.day:%a %d}", "value": value} for d, value in zip(days, values, strict=True)]}
        for name, values in (("Succeeded", [d.succeeded for d in days]), ("Failed", [d.failed for d in days]))
    ]
    axes = {"categories": [f"{d.day:%a %d}" for d in days], "y_label": "Refreshes"}
    chart = {"type": "bar", "series": series, "axis_config": axes}
    return {"type": "data_visualization", "title": "Refreshes by day", "chart": chart}


def _alerts(seen: Digest) -> list[kit.Block]:
    if not seen.alerts:
        return []
    lines = [f"{SEVERITIES[a.severity]} {kit.esc(explain(a).title)}, since {when(a.first_seen_at)}" for a in seen.alerts[:5]]
    if len(seen.alerts) > 5:
        lines.append(f"… and {len(seen.alerts) - 5} more")
    button = kit.button("Alerts", f"{ids.COMMAND}.alerts", "alerts all")
    return [kit.section("*Open alerts*\n" + "\n".join(lines), accessory=button)]


def _changes(seen: Digest) -> list[kit.Block]:
    if not seen.week.changes:
        return []
    lines = [f"• {route(c.sync)}: +{number(c.added)} −{number(c.removed)}" for c in seen.week.changes]
    return [kit.section("*Biggest changes*\n" + "\n".join(lines))]


def _stale(seen: Digest) -> list[kit.Block]:
    if not seen.usage.stale:
        return []
    rows = [
        kit.section(f"{route(s)}\n{person(s.owner_id)} · {when(s.refreshed_at, 'never refreshed')}", accessory=details_button(s))
        for s in seen.usage.stale
    ]
    return [kit.section("*Refreshed the longest ago*"), *rows]
