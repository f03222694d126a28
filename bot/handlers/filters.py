"""Filters of the list as people write them, and as a message carries them from one click to the next."""

import re
from collections.abc import Callable
from dataclasses import replace

from bot.blocks.words import channel as channel_of
from core.errors import InvalidInput
from core.models import SyncStatus
from core.syncs import SORTS, SyncFilter

_PARTS = re.compile(r'(\w[\w-]*):("[^"]*"|<[^>]*>|\S+)|"([^"]*)"|(\S+)')
_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'"})
STATUSES = {
    "paused": SyncStatus.INACTIVE, "off": SyncStatus.INACTIVE, "⏸️": SyncStatus.INACTIVE, "⏸": SyncStatus.INACTIVE,
    ":double_vertical_bar:": SyncStatus.INACTIVE, ":pause_button:": SyncStatus.INACTIVE,
    "error": SyncStatus.FAILED, "broken": SyncStatus.FAILED, "🔴": SyncStatus.FAILED, ":red_circle:": SyncStatus.FAILED,
    "ok": SyncStatus.SYNCED, "✅": SyncStatus.SYNCED, ":white_check_mark:": SyncStatus.SYNCED,
    "running": SyncStatus.SYNCING, "🔄": SyncStatus.SYNCING, ":arrows_counterclockwise:": SyncStatus.SYNCING,
    **{s.value: s for s in SyncStatus},
}  # fmt: skip
_SORTS = {"refresh": "refreshed", "last": "refreshed", "age": "created", "newest": "-created", "members": "size"}
_USER_ID = re.compile(r"^[UW][A-Z0-9]{4,}$")


def plain(text: str) -> str:
    """Curly quotes made straight: phones write them by themselves."""
    return text.translate(_QUOTES)


def parse(text: str, me: str, find: Callable[[str], str | None] = lambda _name: None) -> SyncFilter:
    """Filters in any order; words without a key search names. `find`: the id of whoever is called so.

    Raises InvalidInput for a value that means nothing, rather than leave the filter out.
    """
    wanted, words = SyncFilter(), []
    for key, value, quoted, word in _PARTS.findall(plain(text)):
        said = value.strip('"')
        match key.lower():
            case "status" | "state":
                wanted = replace(wanted, status=_status(said))
            case "channel" | "on":
                channel = channel_of(said)
                if channel is None:
                    raise InvalidInput("Channels are google, linkedin and meta: `channel:meta`.", field="channel")
                wanted = replace(wanted, channel=channel)
            case "by" | "owner":
                wanted = replace(wanted, owner_id=_user(said, me, find))
            case "account":
                wanted = replace(wanted, account=said)
            case "segment":
                wanted = replace(wanted, segment=said)
            case "segment-by" | "creator":
                wanted = replace(wanted, creator=_name(said))
            case "sort":
                wanted = replace(wanted, sort=_sort(said))
            case "has" | "with":
                wanted = replace(wanted, with_alert=True)
            case "":
                bare = quoted or word
                if bare in STATUSES and not bare.isalpha():
                    wanted = replace(wanted, status=STATUSES[bare])
                else:
                    words.append(bare)
            case _:
                words.append(f"{key}:{said}")
    return replace(wanted, words=" ".join(words)[:80])


def pack(wanted: SyncFilter, *, more: bool = False) -> str:
    """The filters as text, short enough for a block's id, readable by `parse`. `more`: the seldom filters are shown."""
    quoted = {"account": wanted.account, "segment": wanted.segment, "segment-by": wanted.creator}
    parts = {
        "status": wanted.status.value if wanted.status else None,
        "channel": wanted.channel.value if wanted.channel else None,
        "by": wanted.owner_id,
        "has": "alert" if wanted.with_alert else None,
        "sort": wanted.sort,
    } | {k: '"' + v.replace('"', " ")[:40] + '"' for k, v in quoted.items() if v}
    words = [wanted.words[:50]] if wanted.words else []
    return ("+" if more else "") + " ".join([f"{k}:{v}" for k, v in parts.items() if v] + words)


def unpack(block_id: str, me: str) -> tuple[SyncFilter, bool]:
    """What `pack` made, behind the first bar of a block's id."""
    text = block_id.partition("|")[2]
    return parse(text.removeprefix("+"), me), text.startswith("+")


def _status(said: str) -> SyncStatus:
    status = STATUSES.get(said.lower())
    if status is None:
        raise InvalidInput("A status is syncing, synced, failed or inactive: `status:failed`.", field="status")
    return status


def _sort(said: str) -> str:
    sign, name = ("-", said[1:]) if said.startswith("-") else ("", said)
    name = _SORTS.get(name.lower(), name.lower())
    if name.lstrip("-") not in SORTS:
        raise InvalidInput(f"Sort by {', '.join(SORTS)}; with a minus the other way round: `sort:-refreshed`.", field="sort")
    return f"{sign}{name}"


def _user(said: str, me: str, find: Callable[[str], str | None]) -> str:
    bare = said.strip("<>").partition("|")[0].lstrip("@")
    if bare.lower() in ("me", "mine", "my"):
        return me
    if _USER_ID.match(bare):
        return bare
    found = find(bare)
    if found is None:
        raise InvalidInput(f"Nobody here is called {bare}. Mention the person with @ to be sure.", field="by")
    return found


def _name(said: str) -> str:
    """A creator is named by the source, not by Slack: of a mention the name counts."""
    bare, _, name = said.strip("<>").partition("|")
    return (name or bare).lstrip("@")
