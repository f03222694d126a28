"""Requests to the administrators on screen: the message with its decision, the forms, the list, the outcome."""

from collections.abc import Sequence

from bot.blocks import ids, kit
from bot.blocks.syncs import details_button
from bot.blocks.words import person, plain_route, route, when
from core.models import Campaign, Channel, Request, RequestKind, RequestState, Role, Sync
from core.troubleshooting import explain_code
from core.views import Impact, RequestView

LIST = "requests"  # the end of a block's id in the private list, which is drawn anew after a decision


def request_blocks(view: RequestView, *, place: str = "") -> list[kit.Block]:
    """What is asked, by whom, what it touches, and the decision or the buttons for it."""
    request = view.request
    blocks = [kit.section(_asked(view))]
    if request.note:
        blocks.append(kit.section("\n".join(f"> {kit.esc(line)}" for line in request.note.splitlines() or [request.note])))
    if request.kind is RequestKind.PAUSE and view.sync:
        blocks.append(kit.section(campaign_lines(view.sync.channel, request.impact)))
    if request.state is not RequestState.WAITING:
        return [*blocks, kit.section(decided(request))]
    row = kit.actions(*_buttons(view), block_id=f"request.{request.id}.{place}" if place else f"request.{request.id}")
    return [*blocks, row, kit.context(f"Asked {when(request.created_at)} · lapses {when(request.lapses_at)}")]


def request_message(view: RequestView) -> kit.Message:
    """In the approval conversation: the same for all who read it."""
    return kit.message(_plain(view), request_blocks(view))


def requests_message(views: Sequence[RequestView], *, decides: bool) -> kit.Message:
    """`approvals`."""
    if not views:
        return kit.message(
            "Nothing waits for your decision." if decides else "You have not asked the administrators for anything."
        )
    waiting = sum(v.request.state is RequestState.WAITING for v in views)
    title = f"{waiting} waiting for a decision"
    blocks = [kit.header(title)]
    for view in views[:10]:
        shown = request_blocks(view, place=LIST)
        blocks += [*(shown if decides else [b for b in shown if b["type"] != "actions"]), kit.divider()]
    return kit.message(title, blocks)


def decision_message(view: RequestView) -> kit.Message:
    """To whoever asked."""
    said = decided(view.request)
    row = [kit.actions(details_button(view.sync))] if view.sync else []
    return kit.message(f"{_own(view)}: {_DECIDED[view.request.state]}", [kit.section(f"{_own(view)}\n{said}"), *row])


def decided(request: Request) -> str:
    """How a request ended, and by whom."""
    by = f" by {person(request.decided_by)}" if request.decided_by else ""
    reason = f"\n> {kit.esc(request.reason)}" if request.reason else ""
    sign = {"approved": "✅", "declined": "🚫", "lapsed": "⌛", "obsolete": "☑️"}[request.state.value]
    return f"{sign} *{_DECIDED[request.state]}*{by} · {when(request.decided_at)}{reason}"


def campaign_lines(channel: Channel, campaigns: Sequence[Campaign] | None) -> str:
    """Which campaigns use the audience, as the channel says; None: it has not said."""
    if campaigns is None:
        return f"{channel.label} has not said yet which campaigns use this audience."
    if not campaigns:
        return "No campaign uses this audience."
    running = sum(c.running for c in campaigns)
    lines = [
        f"{'🟢' if c.running else '⚪'} {kit.esc(c.name)} ({kit.esc(c.status)}{', excludes it' if c.excludes else ''})"
        for c in campaigns[:30]
    ]
    if len(campaigns) == 1:
        head = f"One campaign uses this audience, and it is {'' if running else 'not '}running:"
    else:
        head = f"{len(campaigns)} campaigns use this audience, {running} of them running:"
    return f"*{head}*\n" + "\n".join(lines)


def ask_pause_modal(sync: Sync, impact: Impact | None, *, why: str = "") -> kit.View:
    """A colleague's sync, or one that needs an administrator's yes: what a pause touches, then *Ask an administrator*."""
    label = sync.channel.label
    blocks = [
        kit.section(f"*{route(sync)}*\nOwner: {person(sync.owner_id)}"),
        kit.section(why or "Only its owner or an administrator may pause this sync. You can ask for it."),
        kit.section(f"⏳ Asking {label} which campaigns use this audience…" if impact is None else _impact(impact)),
        note_field("Why should it pause?"),
    ]
    return kit.modal(
        f"Pause {sync.short}",
        blocks,
        callback_id=ids.REQUEST_FORM,
        submit="Ask an administrator",
        close="Cancel",
        metadata=f"pause:{sync.id}",
    )


def ask_role_modal(role: Role) -> kit.View:
    """Asks for the next role."""
    text = f"An administrator can give you the role *{role.label}*. They see your name and what you write here."
    blocks = [kit.section(text), note_field("What do you want to do?")]
    return kit.modal(
        "Ask for a role", blocks, callback_id=ids.REQUEST_FORM, submit="Ask an administrator", close="Cancel", metadata="role"
    )


def ask_help_modal(sync: Sync | None, channel: Channel | None = None) -> kit.View:
    """Asks for help with a failed sync, or with an ad account that one does not reach."""
    about = f"*{route(sync)}*" if sync else f"About an ad account on {channel.label}." if channel else "About segsync."
    label = "What have you tried?" if sync else "Which ad account do you need, and what for?"
    blocks = [kit.section(about), note_field(label, optional=sync is not None)]
    metadata = f"help:{sync.id}" if sync else f"account:{channel.value if channel else ''}"
    return kit.modal(
        "Ask for help", blocks, callback_id=ids.REQUEST_FORM, submit="Ask an administrator", close="Cancel", metadata=metadata
    )


def decline_modal(view: RequestView) -> kit.View:
    """Why not."""
    blocks = [kit.section(_asked(view)), note_field("Reason", hint="Whoever asked reads it.")]
    return kit.modal("Decline", blocks, callback_id=ids.DECLINE_FORM, submit="Decline", close="Cancel", metadata=view.request.id)


def note_field(label: str, *, hint: str | None = None, optional: bool = True) -> kit.Block:
    """A few words to whoever decides."""
    element = kit.text_input(ids.REQUEST_NOTE, "A sentence is enough", multiline=True)
    return kit.field(label, element, block_id="note", hint=hint, optional=optional)


_DECIDED = {
    RequestState.APPROVED: "Approved",
    RequestState.DECLINED: "Declined",
    RequestState.LAPSED: "Lapsed: nobody decided within 72 hours",
    RequestState.OBSOLETE: "No longer needed",
    RequestState.WAITING: "Waiting",
}


def _impact(impact: Impact) -> str:
    if impact.campaigns is None:
        return f"🟠 {impact.sync.channel.label} could not say which campaigns use this audience: {kit.esc(impact.reason or '')}"
    return campaign_lines(impact.sync.channel, impact.campaigns)


def _asked(view: RequestView) -> str:
    request, sync = view.request, view.sync
    who = person(request.asked_by)
    about = f"*{route(sync)}*" if sync else "a sync that has been deleted"
    match request.kind:
        case RequestKind.PAUSE:
            owner = f", owned by {person(sync.owner_id)}" if sync and sync.owner_id != request.asked_by else ""
            return f"⏸️ {who} asks to pause {about}{owner}."
        case RequestKind.ROLE:
            return f"🙋 {who} asks for the role *{(request.role or Role.MARKETING_USER).label}*."
        case RequestKind.HELP:
            if not request.sync_id:
                return f"🙋 {who} asks for help."
            failed = f"\n{kit.esc(explain_code(sync.failure, channel=sync.channel.label).title)}" if sync and sync.failure else ""
            return f"🙋 {who} asks for help with {about}.{failed}"


def _plain(view: RequestView) -> str:
    """For the phone's notification."""
    request, sync = view.request, view.sync
    if request.state is not RequestState.WAITING:
        return f"{_own(view)}: {_DECIDED[request.state]}"
    match request.kind:
        case RequestKind.PAUSE:
            return f"Somebody asks to pause {plain_route(sync)}" if sync else "Somebody asks for a pause"
        case RequestKind.ROLE:
            return f"Somebody asks for the role {(request.role or Role.MARKETING_USER).label}"
        case RequestKind.HELP:
            return f"Somebody asks for help with {plain_route(sync)}" if sync else "Somebody asks for help"


def _own(view: RequestView) -> str:
    request, sync = view.request, view.sync
    about = plain_route(sync) if sync else "a sync"
    match request.kind:
        case RequestKind.PAUSE:
            return f"Your request to pause {kit.esc(about)}"
        case RequestKind.ROLE:
            return f"Your request for the role {(request.role or Role.MARKETING_USER).label}"
        case RequestKind.HELP:
            return f"Your request for help with {kit.esc(about)}" if sync else "Your request for help"


def _buttons(view: RequestView) -> list[kit.Element]:
    request, sync = view.request, view.sync
    decline = kit.button("Decline", ids.REQUEST_DECLINE, request.id)
    details = [details_button(sync)] if sync else []
    match request.kind:
        case RequestKind.PAUSE:
            return [kit.button("Approve", ids.REQUEST_APPROVE, request.id, style="primary"), decline, *details]
        case RequestKind.ROLE:
            return [kit.button("Give role", ids.REQUEST_APPROVE, request.id, style="primary"), decline]
        case RequestKind.HELP:
            take = [kit.button("Take over", ids.REQUEST_TAKE_OVER, request.id, style="primary")] if sync else []
            return [*take, kit.button("Done", ids.REQUEST_APPROVE, request.id), decline, *details]
