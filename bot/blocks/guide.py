"""The commands in one table: names, who may, what they do. Help is drawn from it, unknown words are matched to it."""

import difflib
import re
from dataclasses import dataclass

from bot.blocks import kit
from core.access import may
from core.models import Action, Actor, Sync


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
    Command("toggle", "<sync>", "pause it if it is active, resume it if it is paused", Action.RESUME),
    Command("refresh", "<sync>", "bring it up to date now", Action.REFRESH),
    Command("edit", "<sync>", "its name, cadence, days and guard", Action.EDIT),
    Command("dry-run", "<sync>", "what a refresh would change, without sending anything", Action.DRY_RUN),
    Command("delete", "<sync>", "end it for good; you choose what becomes of its audience", Action.DELETE),
    Command("takeover", "<sync>", "run a failing sync on your own connection", Action.TAKE_OVER),
    Command("resync", "<sync>", "send everybody again", Action.FULL_RESYNC),
    Command("connect", "[channel]", "connect Google, LinkedIn or Meta with your own account", Action.CONNECT),
    Command("disconnect", "<channel>", "take a connection back", Action.CONNECT),
    Command("alerts", "[mine|all]", "what needs somebody, the most severe first; `alerts route ACCOUNT #conversation`"),
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
    "": "overview", "off": "pause", "stop": "pause", "on": "resume", "start": "resume", "details": "show",
    "new": "create", "add": "create", "syncs": "list", "ls": "list", "limit": "usage", "take-over": "takeover", "?": "help",
    "dryrun": "dry-run", "remove": "delete", "change": "edit", "retry": "refresh",
}  # fmt: skip


NAMES = frozenset(c.name for c in COMMANDS) | {"claim"}
_SHORT_ID = re.compile(r"^s-?\d+$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Examples:
    """What help shows commands with: one of the caller's own syncs, else somebody's, else none."""

    sync: Sync | None = None


def understood(text: str) -> tuple[str, str]:
    """The command and what belongs to it; it need not come first: `emea brand pause`. Unknown words are left as they are."""
    words = text.split()
    first = words[0].lower().removeprefix("/segsync") if words else ""
    name = ALSO.get(first, first)
    if name in NAMES:
        return name, text.strip().partition(" ")[2].strip()
    if _SHORT_ID.match(first) and len(words) == 1:
        return "show", first
    found = [w for w in words[1:] if ALSO.get(w.lower(), w.lower()) in NAMES and len(w) > 1]
    if len(found) == 1:
        rest = [w for w in words if w is not found[0]]
        return ALSO.get(found[0].lower(), found[0].lower()), " ".join(rest)
    return first, text.strip().partition(" ")[2].strip()


def nearest(word: str) -> str | None:
    """The command that was probably meant."""
    names = [c.name for c in COMMANDS] + [a for a in ALSO if len(a) > 2]
    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.5)
    return ALSO.get(close[0], close[0]) if close else None


def help_message(actor: Actor, about: str = "", *, unknown: str = "", examples: Examples | None = None) -> kit.Message:
    """What this person may do, with examples of their own; nothing of what their role does not allow."""
    allowed = [c for c in COMMANDS if may(actor, c.action, owner_id=actor.user_id)]
    known = examples or Examples()
    about = ALSO.get(about, about) if about else ""
    if one := next((c for c in allowed if c.name == about), None):
        return _about(one, known)
    if about in NAMES - {"claim"}:
        return kit.message(f"`{about}` is not for your role, {actor.role.label}. An administrator can give you another role.")
    lines = [f"`/segsync {_usage(c)}`: {c.does}" for c in allowed]
    half = (len(lines) + 1) // 2
    shown = [f"`/segsync {kit.esc(e)}`" for c in allowed if c.name in _SHOWN and (e := _example(c, known))]
    blocks = [
        kit.section("\n".join(lines[:half])),
        kit.section("\n".join(lines[half:])),
        *([kit.section("*For example*\n" + "\n".join(shown))] if shown else []),
        kit.context(f"Your role is {actor.role.label}. `<sync>` is a short id such as S-42, or words of its name."),
    ]
    text = "segsync: " + ", ".join(c.name for c in allowed)
    if unknown:
        close = nearest(unknown)
        said = f"There is no command “{kit.esc(kit.cut(unknown, 60))}”." + (f" Did you mean `/segsync {close}`?" if close else "")
        blocks.insert(0, kit.section(said))
        text = said.replace("`", "")
    return kit.message(text, blocks)


_SHOWN = ("create", "list", "show", "pause")


def _about(command: Command, known: Examples) -> kit.Message:
    example = _example(command, known)
    more = f"\nFor example `/segsync {kit.esc(example)}`" if example else ""
    return kit.message(
        f"/segsync {command.name}: {command.does}", [kit.section(f"`/segsync {_usage(command)}`\n{command.does}{more}")]
    )


def _example(command: Command, known: Examples) -> str:
    sync = known.sync
    if command.name == "list":
        return f"list status:failed channel:{sync.channel.value if sync else 'meta'} by:me"
    if command.name in ("connect", "disconnect"):
        return f"{command.name} {sync.channel.value if sync else 'meta'}"
    if sync is None:
        return ""
    if command.name == "create":
        return f"create {kit.cut(sync.segment_name, 40)} {sync.channel.value}"
    return f"{command.name} {sync.short}" if "<sync>" in command.shape else ""


def _usage(command: Command) -> str:
    return kit.esc(f"{command.name} {command.shape}".strip())
