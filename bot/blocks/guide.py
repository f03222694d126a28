"""The commands in one table: names, who may, what they do. Help is drawn from it, unknown words are matched to it."""

import difflib
from dataclasses import dataclass

from bot.blocks import kit
from core.access import may
from core.models import Action, Actor


@dataclass(frozen=True, slots=True)
class Command:
    """One row of the help."""

    name: str
    shape: str
    does: str
    action: Action = Action.SEE


COMMANDS = (
    Command("overview", "", "how things stand: connections, syncs, sync limit, alerts"),
    Command("create", "[words]", "keep a segment up on an ad account", Action.CREATE),
    Command("list", "[filters]", "the syncs, e.g. `list status:failed channel:meta by:@ana brand`"),
    Command("show", "<sync>", "everything about one sync, by its short id or words of its name"),
    Command("pause", "<sync>", "stop it; you see first which campaigns it touches", Action.PAUSE),
    Command("resume", "<sync>", "start it again, on your own connection", Action.RESUME),
    Command("refresh", "<sync>", "bring it up to date now", Action.REFRESH),
    Command("edit", "<sync>", "its name, cadence, days and guard", Action.EDIT),
    Command("dry-run", "<sync>", "what a refresh would change, without sending anything", Action.DRY_RUN),
    Command("delete", "<sync>", "end it for good; you choose what becomes of its audience", Action.DELETE),
    Command("takeover", "<sync>", "run a failing sync on your own connection", Action.TAKE_OVER),
    Command("resync", "<sync>", "send everybody again", Action.FULL_RESYNC),
    Command("connect", "[channel]", "connect Google, LinkedIn or Meta with your own account", Action.CONNECT),
    Command("disconnect", "<channel>", "take a connection back", Action.CONNECT),
    Command("alerts", "[mine|all]", "what needs somebody, the most severe first"),
    Command("approvals", "", "requests that wait for you, or that you made"),
    Command("usage", "", "the sync limit and what could be paused"),
    Command("digest", "", "the week: refreshes, failures, biggest changes; also every Monday in the alert conversation"),
    Command("people", "", "who has which role", Action.SEE_PEOPLE),
    Command("roles", "", "give and take roles", Action.GIVE_ROLE),
    Command("audit", "[words]", "who did what, when", Action.AUDIT),
    Command("export", "[filters]", "the filtered list as CSV, in your messages; `export audit` for the audit log"),
    Command("lookup", "", "which syncs have delivered one person", Action.LOOKUP),
    Command("settings", "", "conversations, own cap, thresholds, guard", Action.SETTINGS),
    Command("notifications", "", "which direct messages you get, and when not", Action.OWN_NOTIFICATIONS),
    Command("help", "[command]", "this"),
)
ALSO = {
    "": "overview", "off": "pause", "stop": "pause", "on": "resume", "start": "resume", "toggle": "show", "details": "show",
    "new": "create", "add": "create", "syncs": "list", "ls": "list", "limit": "usage", "take-over": "takeover", "?": "help",
    "dryrun": "dry-run", "remove": "delete", "change": "edit",
}  # fmt: skip


def nearest(word: str) -> str | None:
    """The command that was probably meant."""
    names = [c.name for c in COMMANDS] + [a for a in ALSO if len(a) > 2]
    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.5)
    return ALSO.get(close[0], close[0]) if close else None


def help_message(actor: Actor, about: str = "", *, unknown: str = "") -> kit.Message:
    """What this person may do; nothing of what their role does not allow."""
    allowed = [c for c in COMMANDS if may(actor, c.action, owner_id=actor.user_id)]
    about = ALSO.get(about, about) if about else ""
    if one := next((c for c in allowed if c.name == about), None):
        return kit.message(f"/segsync {one.name}: {one.does}", [kit.section(f"`/segsync {_usage(one)}`\n{one.does}")])
    lines = [f"`/segsync {_usage(c)}`: {c.does}" for c in allowed]
    blocks = [
        kit.section("\n".join(lines)),
        kit.context(f"Your role is {actor.role.label}. `<sync>` is a short id such as S-42, or words of its name."),
    ]
    text = "segsync: " + ", ".join(c.name for c in allowed)
    if unknown:
        close = nearest(unknown)
        said = f"There is no command “{kit.esc(unknown)}”." + (f" Did you mean `/segsync {close}`?" if close else "")
        blocks.insert(0, kit.section(said))
        text = said.replace("`", "")
    return kit.message(text, blocks)


def _usage(command: Command) -> str:
    return kit.esc(f"{command.name} {command.shape}".strip())
