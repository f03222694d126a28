"""What is looked up: usage with its trend, the audit log, one person's deliveries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.blocks import charts, ids, kit
from bot.blocks.syncs import details_button
from bot.blocks.words import bar, number, person, plain_route, route, status, value, when
from core.lookup import Hit
from core.models import Actor, AuditEntry, IdentifierKind, Sync
from core.views import Usage

AUDIT_PAGE = 20


@dataclass(frozen=True, slots=True)
class UsageReport:
    """`trend`: label and how many were active; `owners`: who uses it; `cap`: the organization's own, below the contract's."""

    usage: Usage
    trend: tuple[tuple[str, int], ...]
    owners: tuple[tuple[str, int], ...]


def usage_message(report: UsageReport, actor: Actor, *, is_shared: bool = False) -> kit.Message:
    """The sync limit: used, left, its trend, who uses it, what could be paused."""
    usage = report.usage
    line = f"`{bar(usage.used, usage.limit)}` *{usage.used} of {usage.limit}* syncs in use, {usage.left} left"
    blocks = [kit.header("Sync limit"), kit.section(line)]
    if len(report.trend) > 1:
        blocks.append(charts.line("Active syncs", "Active syncs", report.trend, y="syncs"))
    if report.owners:
        blocks.append(kit.section("*Who uses it*\n" + "\n".join(f"{person(u)}: {number(n)}" for u, n in report.owners)))
    if usage.stale:
        blocks.append(kit.section("*Refreshed the longest ago, so perhaps to be paused*"))
        blocks += [_stale(sync, actor, is_shared=is_shared) for sync in usage.stale]
    elif not usage.used:
        blocks.append(kit.section("No sync is active."))
    if not is_shared:
        share = kit.button("Share here", ids.USAGE_SHARE, "usage")
        blocks.append(kit.actions(share, kit.button("All syncs", f"{ids.COMMAND}.list", "list sort:refreshed")))
    return kit.message(f"{usage.used} of {usage.limit} syncs in use, {usage.left} left", blocks)


def _stale(sync: Sync, actor: Actor, *, is_shared: bool) -> kit.Block:
    text = f"{status(sync.status)} · {route(sync)}\n{person(sync.owner_id)} · {when(sync.refreshed_at, 'never refreshed')}"
    may = actor.role.is_administrator or sync.owner_id == actor.user_id
    return kit.section(
        text, accessory=kit.button("Pause", ids.PAUSE, value(sync)) if may and not is_shared else details_button(sync)
    )


# ── audit ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def audit_message(entries: Sequence[AuditEntry], total: int, page: int, state: str) -> kit.Message:
    """Who did what, when, from where, before → after; pages in place. `state`: the filters, as somebody would write them."""
    if not total:
        return kit.message("Nothing in the audit log fits these words.")
    pages = max((total + AUDIT_PAGE - 1) // AUDIT_PAGE, 1)
    title = f"{total:,} entr" + ("y" if total == 1 else "ies")
    lines = [_entry(e) for e in entries]
    chunks = [lines[i : i + 5] for i in range(0, len(lines), 5)]
    row = []
    if page > 1:
        row.append(kit.button("← Newer", f"{ids.AUDIT_PAGE}.back", str(page - 1)))
    if page < pages:
        row.append(kit.button("Older →", f"{ids.AUDIT_PAGE}.on", str(page + 1)))
    row.append(kit.button("Export as CSV", ids.AUDIT_EXPORT, "csv"))
    blocks = [kit.header("Audit log"), *(kit.section("\n".join(c)) for c in chunks)]
    blocks += [kit.actions(*row, block_id=kit.cut(f"audit|{state}", 255)), kit.context(f"{title} · page {page:,} of {pages:,}")]
    return kit.message(f"Audit log: {title}", blocks)


def _entry(entry: AuditEntry) -> str:
    who = person(entry.actor_id) if entry.actor_id[:1] in "UW" else kit.esc(entry.actor_id)
    text = f"{when(entry.at)} · {who} · *{kit.esc(entry.action)}* {kit.esc(entry.subject)}"
    if entry.surface != "slack":
        text += f" (from {kit.esc(entry.surface)})"
    changes = _changes(entry.before, entry.after)
    return kit.cut(text + (f"\n      {changes}" if changes else ""), 580)


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    said = []
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        name = kit.esc(str(key).replace("_", " "))
        if key in before and key in after:
            said.append(f"{name}: {_plain(old)} → {_plain(new)}")
        else:
            said.append(f"{name}: {_plain(new if key in after else old)}")
    return ", ".join(said)


def _plain(fact: Any) -> str:
    return kit.esc(kit.cut("–" if fact is None else str(fact), 120))


def on_its_way(what: str) -> kit.Message:
    """A file is being made."""
    return kit.message(f"📄 {what} is on its way to your messages with segsync.")


# ── lookup ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def lookup_modal() -> kit.View:
    """One person, by what a channel could match on."""
    kinds = [kit.option("E-mail address", IdentifierKind.EMAIL.value), kit.option("Phone number", IdentifierKind.PHONE.value)]
    kind = kit.static_select(ids.LOOKUP_KIND, "By what", kinds, initial=IdentifierKind.EMAIL.value)
    text = "It is hashed at once and kept nowhere. The audit log notes that you looked somebody up, not whom."
    blocks = [
        kit.section("Which syncs have delivered a person? For requests of access and erasure."),
        kit.field("By what", kind, block_id="kind"),
        kit.field("Value", kit.text_input(ids.LOOKUP_VALUE, "ana@example.com"), block_id="value", hint=text),
    ]
    return kit.modal("Look a person up", blocks, callback_id=ids.LOOKUP_FORM, submit="Look up", close="Cancel")


def looking_modal() -> kit.View:
    """While every ledger is read."""
    return kit.modal("Look a person up", [kit.section("⏳ Looking into what every sync has delivered…")], callback_id=ids.PROBLEM)


def found_blocks(hits: Sequence[Hit]) -> list[kit.Block]:
    """Which syncs hold the person."""
    if not hits:
        text = "✅ No sync of this organization holds this person as delivered."
        return [kit.section(text), kit.context("Members whose delivery was refused by a channel are not counted.")]
    head = "One sync holds this person" if len(hits) == 1 else f"{len(hits)} syncs hold this person"
    blocks = [kit.section(f"*{head}*, as of the last refresh of each:")]
    for hit in hits[:80]:
        sync = hit.sync
        what = "is being removed" if hit.leaving else "delivered"
        text = f"{status(sync.status)} · {route(sync)}\n"
        text += f"from segment {kit.esc(sync.segment_name)} · {what}, {when(sync.refreshed_at)}"
        blocks.append(kit.section(text, accessory=details_button(sync)))
    if len(hits) > 80:
        blocks.append(kit.section("And also: " + ", ".join(h.sync.short for h in hits[80:480])))
    blocks.append(kit.context("To erase: take the person out of these segments, then refresh their syncs."))
    return blocks


def found_message(hits: Sequence[Hit]) -> kit.Message:
    """The same as a direct message, where the form was closed meanwhile."""
    names = ", ".join(plain_route(h.sync) for h in hits[:3])
    return kit.message(f"Lookup: {len(hits)} syncs" + (f": {names}" if names else ""), found_blocks(hits))
