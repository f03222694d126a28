"""Editing, deleting and trying out a sync: the forms, and the messages that say what came of it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bot.blocks import ids, kit
from bot.blocks.create import CADENCES
from bot.blocks.requests import campaign_lines
from bot.blocks.syncs import details_button
from bot.blocks.words import number, person, plain_route, reason, route, status, value
from core.models import Channel, Refresh, RefreshState, Sync
from core.troubleshooting import explain_code
from core.views import Impact

NAME, CADENCE, CRON, FIRST, LAST, GUARD = "name", "cadence", "cron", "first_day", "last_day", "guard"
AUDIENCE, TYPED = "audience", "typed"
_LABELS = {NAME: "Name", CADENCE: "Cadence", FIRST: "First day", LAST: "Last day", GUARD: "Guard", "status": "Status"}
_HELD = ("segment_shrunk", "segment_empty")


@dataclass(frozen=True, slots=True)
class EditDraft:
    """What the form holds. `cadence` is a rule; `cron`: the choice is *by a cron expression*."""

    name: str
    cadence: str
    first_day: str = ""
    last_day: str = ""
    guard: str = ""
    status: str = ""


def draft_of(sync: Sync) -> EditDraft:
    """As the sync is now."""
    return EditDraft(
        name=sync.name,
        cadence=sync.cadence.rule,
        first_day=sync.first_day.isoformat() if sync.first_day else "",
        last_day=sync.last_day.isoformat() if sync.last_day else "",
        guard="" if sync.guard_share is None else f"{round(sync.guard_share * 100)}",
        status=sync.status.value,
    )


def pack(sync: Sync, as_opened: EditDraft) -> str:
    """The sync, its version, and what the form was filled with: so that a stale one can say what changed."""
    return json.dumps({"sync": value(sync), "was": asdict(as_opened)}, separators=(",", ":"))


def unpack(text: str) -> tuple[str, EditDraft]:
    """The sync's `id:version`, and what the form was filled with."""
    known: dict[str, Any] = json.loads(text)
    return str(known["sync"]), EditDraft(**known["was"])


def read(view: Mapping[str, Any]) -> EditDraft:
    """What the form holds now."""
    held: dict[str, str] = {}
    for block, elements in view["state"]["values"].items():
        for element in elements.values():
            option = element.get("selected_option") or {}
            held[block.partition(".")[0]] = str(
                option.get("value") or element.get("selected_date") or element.get("value") or ""
            ).strip()
    rule = held.get(CADENCE, "")
    cadence = held.get(CRON, "") if rule == "cron" else rule
    return EditDraft(held.get(NAME, ""), cadence, held.get(FIRST, ""), held.get(LAST, ""), held.get(GUARD, ""))


def edit_modal(
    sync: Sync, draft: EditDraft, *, guard_default: int, is_cron: bool | None = None, changed: str = "", error: str = ""
) -> kit.View:
    """Name, cadence, days, guard. `changed`: what somebody else changed meanwhile; what was typed is kept in `draft`."""
    rules = [rule for _, rule in CADENCES]
    by_cron = draft.cadence not in rules if is_cron is None else is_cron
    options = [kit.option(text, rule) for text, rule in CADENCES]
    turn = f".{sync.version}" if changed else ""  # other inputs: Slack would keep what the old ones held
    notes = [kit.section(f"🟠 {note}") for note in (changed, error) if note]
    cadence = kit.static_select(ids.EDIT_CADENCE, "How often", options, initial="cron" if by_cron else draft.cadence)
    blocks = [
        kit.section(f"*{route(sync)}*"),
        *notes,
        kit.field("Name", kit.text_input(ids.EDIT_NAME, "How it is called", initial=draft.name), block_id=f"{NAME}{turn}"),
        kit.field("Cadence", cadence, block_id=f"{CADENCE}{turn}", hint=f"Times are in {sync.cadence.tz}.", heard=True),
    ]
    if by_cron:
        given = "" if draft.cadence in rules else draft.cadence
        element = kit.text_input(ids.EDIT_CRON, "30 7 * * 1-5", initial=given)
        hint = "Minute, hour, day of the month, month, day of the week. 30 7 * * 1-5 means weekdays at 07:30."
        blocks.append(kit.field("Cron expression", element, block_id=f"{CRON}{turn}", hint=hint))
    first = kit.datepicker(ids.EDIT_FIRST, "At once", initial=draft.first_day or None)
    last = kit.datepicker(ids.EDIT_LAST, "Until it is paused", initial=draft.last_day or None)
    guard = kit.text_input(ids.EDIT_GUARD, f"{guard_default}, as for the organization", initial=draft.guard)
    hint = "If a refresh would remove more than this share of the audience, it waits for somebody to decide."
    blocks += [
        kit.field("First day", first, block_id=f"{FIRST}{turn}", optional=True),
        kit.field("Last day", last, block_id=f"{LAST}{turn}", optional=True),
        kit.field("Guard, in percent", guard, block_id=f"{GUARD}{turn}", hint=hint, optional=True),
    ]
    metadata = pack(sync, draft_of(sync))
    return kit.modal(f"Edit {sync.short}", blocks, callback_id=ids.EDIT_FORM, submit="Save", close="Cancel", metadata=metadata)


def what_changed(was: EditDraft, now: EditDraft) -> str:
    """What somebody else changed since the form was opened."""
    old, new = asdict(was), asdict(now)
    lines = [f"{_LABELS[k]}: {kit.esc(old[k] or '–')} → *{kit.esc(new[k] or '–')}*" for k in _LABELS if old[k] != new[k]]
    listed = ("\n" + "\n".join(lines)) if lines else ""
    return f"Somebody changed this sync while the form was open. What you wrote is kept; save again to apply it.{listed}"


def delete_modal(
    sync: Sync, impact: Impact | None, *, audience: bool = False, error: str = "", is_checking: bool = False
) -> kit.View:
    """What goes and what stays; with the audience, only after its short id was typed. `impact` None: the channel is asked."""
    label = sync.channel.label
    blocks = [kit.section(f"*{route(sync)}*")]
    if error:
        blocks.insert(0, kit.section(f"🔴 {error}"))
    if is_checking:
        blocks.append(
            kit.section(f"⏳ Deleting the audience on {label}…\nYou may close this; your messages will say what came of it.")
        )
        return kit.modal(f"Delete {sync.short}", blocks, callback_id=ids.PROBLEM)
    if impact is None:
        blocks.append(kit.section(f"⏳ Asking {label} which campaigns use this audience…"))
    elif impact.campaigns is None:
        blocks.append(kit.section(f"🟠 {label} could not say which campaigns use this audience: {kit.esc(impact.reason or '')}"))
    else:
        blocks.append(kit.section(campaign_lines(sync.channel, impact.campaigns)))
    blocks.append(kit.section("The sync, its history and what segsync knows of its deliveries are deleted for good."))
    if sync.audience_id:
        size = f"its {number(sync.delivered)} {sync.segment_kind.value}" if sync.delivered is not None else "what it holds"
        choices = [
            kit.option(f"Keep the audience on {label}", "keep", f"It stays there with {size} and goes stale"),
            kit.option(f"Delete the audience on {label} too", "delete", "Campaigns that target it lose it; it cannot be undone"),
        ]
        chosen = choices[1] if audience else choices[0]
        radio = {"type": "radio_buttons", "action_id": ids.DELETE_AUDIENCE, "options": choices, "initial_option": chosen}
        blocks.append(kit.field(f"The audience on {label}", radio, block_id=AUDIENCE, heard=True))
    if audience:
        typed = kit.text_input(ids.DELETE_TYPED, sync.short)
        blocks.append(kit.field(f"Type {sync.short} to confirm", typed, block_id=TYPED))
    return kit.modal(
        f"Delete {sync.short}", blocks, callback_id=ids.DELETE_FORM, submit="Delete", close="Cancel", metadata=value(sync)
    )


def deleted_message(sync: Sync, *, audience: bool) -> kit.Message:
    """To whoever deleted it."""
    kept = _what_stays(sync.channel, audience=audience, had_one=sync.audience_id is not None)
    return kit.message(f"🗑️ Deleted: {plain_route(sync)}", [kit.section(f"🗑️ *Deleted*: {route(sync)}\n{kept}")])


def deleted_notice(payload: Mapping[str, Any]) -> kit.Message:
    """To its owner: somebody else deleted it."""
    channel = Channel(str(payload["channel"]))
    names = f"{payload['segment']} → {channel.label} · {payload['account']} ({payload['short']})"
    kept = _what_stays(channel, audience=bool(payload["audience"]), had_one=True)
    text = f"🗑️ {person(str(payload['by']))} has deleted your sync {kit.esc(names)}.\n{kept}"
    return kit.message(f"🗑️ Deleted: {names}", [kit.section(text)])


def _what_stays(channel: Channel, *, audience: bool, had_one: bool) -> str:
    if not had_one:
        return "It had no audience yet."
    return f"Its audience on {channel.label} is deleted too." if audience else f"Its audience stays on {channel.label}, stale."


def trying(sync: Sync) -> kit.View:
    """A dry run has been started."""
    text = f"⏳ Trying out a refresh of {route(sync)}.\nNothing is sent; your messages will say what would change."
    return kit.modal("Dry run", [kit.section(text)], callback_id=ids.PROBLEM)


def tried_message(sync: Sync, run: Refresh) -> kit.Message:
    """What a refresh would change."""
    counts, kind = run.counts, sync.segment_kind.value
    head = f"🧪 *Dry run*: {route(sync)}"
    if run.state is not RefreshState.SUCCEEDED:
        said = explain_code(run.failure or "internal_error", channel=sync.channel.label)
        text = f"{head}\nIt could not be tried out: {kit.esc(said.cause)}\n{kit.esc(said.remedy)}\nThe sync is as it was."
        return kit.message(f"🧪 Dry run of {plain_route(sync)} did not work", [kit.section(text), _row(sync)])
    lines = [f"A refresh now would add *{number(counts.added)}* and remove *{number(counts.removed)}* {kind}"]
    lines[0] += f", and send {number(counts.again)} again." if counts.again else "."
    lines.append(
        f"{number(counts.unchanged)} stay as they are; {number(counts.matchable)} of {number(counts.members)} can be matched."
    )
    if counts.rejected:
        lines.append("Left out: " + ", ".join(f"{number(n)} {reason(why)}" for why, n in counts.rejected.items()) + ".")
    if run.failure in _HELD:
        lines.append("🟠 That is more than the guard allows: the refresh would wait until somebody decides.")
    lines.append("Nothing has been sent.")
    short = f"🧪 Dry run: +{number(counts.added)} −{number(counts.removed)}, {plain_route(sync)}"
    return kit.message(short, [kit.section("\n".join([head, *lines])), _row(sync)])


def _row(sync: Sync) -> kit.Block:
    return kit.actions(kit.button("Refresh now", ids.REFRESH, value(sync)), details_button(sync))


def edited_message(sync: Sync, cadence_words: str) -> kit.Message:
    """To whoever saved the form with nothing beneath it."""
    text = f"✏️ Saved. {status(sync.status)}: {route(sync)}\n*{kit.esc(sync.name)}*, {kit.esc(cadence_words)}."
    return kit.message(f"✏️ Saved: {plain_route(sync)}", [kit.section(text), kit.actions(details_button(sync))])
