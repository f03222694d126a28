"""The list of syncs: its rows, its filters, its pages; all in one message that changes in place."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.blocks import ids, kit
from bot.blocks.syncs import sync_row
from bot.blocks.words import plain_route
from core.models import Channel, Sync, SyncStatus
from core.views import SyncPage

_SORTS = (
    ("Newest first", "newest"),
    ("Refreshed the longest ago", "refreshed"),
    ("Refreshed last", "-refreshed"),
    ("By name", "name"),
    ("Largest first", "-size"),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """The filters as the list shows them. `state`: the same as text, carried by every element that changes one."""

    state: str
    me: str
    status: SyncStatus | None = None
    channel: Channel | None = None
    owner: str | None = None
    account: str | None = None
    segment: str | None = None
    creator: str | None = None
    words: str = ""
    with_alert: bool = False
    sort: str = ""
    more: bool = False

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is filtered."""
        return any((self.status, self.channel, self.owner, self.account, self.segment, self.creator, self.words, self.with_alert))


def list_message(page: SyncPage, shown: Shown) -> kit.Message:
    """A page of syncs with its filters."""
    title = f"{page.total:,} sync" + ("" if page.total == 1 else "s")
    rows = [sync_row(s, page.waiting.get(s.id, ())) for s in page.rows]
    blocks = [kit.header(title), _filters(shown), *_seldom(shown), *_words(shown), *rows]
    if not page.rows:
        blocks.append(kit.section("No sync fits these filters. Widen them, or `/segsync create` one."))
    if page.pages > 1:
        turns = []
        if page.page > 1:
            turns.append(kit.button("← Newer", f"{ids.LIST_PAGE}.back", str(page.page - 1)))
        if page.page < page.pages:
            turns.append(kit.button("Older →", f"{ids.LIST_PAGE}.on", str(page.page + 1)))
        blocks += [kit.actions(*turns, block_id=_carry("pages", shown)), kit.context(f"Page {page.page:,} of {page.pages:,}")]
    return kit.message(f"{title}: " + "; ".join(plain_route(s) for s in page.rows[:5]), blocks)


def picker(found: Sequence[Sync], words: str, again: str) -> kit.Message:
    """Several syncs may have been meant. `again`: the command, to be run with the one that is picked."""
    head = f"{len(found)} syncs are called something like “{kit.esc(words)}”. Which one?"
    rows = [row if again in ("", "show") else _picks(row, sync, again) for sync in found for row in [sync_row(sync)]]
    return kit.message(f"{len(found)} syncs fit “{words}”", [kit.section(head), *rows])


def _picks(row: kit.Block, sync: Sync, again: str) -> kit.Block:
    button = kit.button(again.capitalize(), f"{ids.COMMAND}.pick", f"{again} {sync.short}", label=f"{again} {sync.short}")
    return row | {"accessory": button}


def _filters(shown: Shown) -> kit.Block:
    statuses = [kit.option("Any status", "any"), *(kit.option(s.value.capitalize(), s.value) for s in SyncStatus)]
    channels = [kit.option("Any channel", "any"), *(kit.option(c.label, c.value) for c in Channel)]
    owners = [kit.option("Anybody's", "any"), kit.option("Mine", shown.me)]
    if shown.owner and shown.owner != shown.me:
        owners.append(kit.option("The owner asked for", shown.owner))
    row = [
        kit.static_select(ids.LIST_STATUS, "Status", statuses, initial=shown.status.value if shown.status else "any"),
        kit.static_select(ids.LIST_CHANNEL, "Channel", channels, initial=shown.channel.value if shown.channel else "any"),
        kit.static_select(ids.LIST_OWNER, "Owner", owners, initial=shown.owner or "any"),
        kit.button("Fewer filters" if shown.more else "More filters", ids.LIST_MORE, "less" if shown.more else "more"),
    ]
    if shown.is_narrowed:
        row.append(kit.button("Clear", ids.LIST_CLEAR, "clear", label="Clear all filters"))
    return kit.actions(*row, block_id=_carry("filters", shown))


def _seldom(shown: Shown) -> list[kit.Block]:
    if not shown.more:
        return []
    person: kit.Element = {
        "type": "users_select",
        "action_id": ids.LIST_PERSON,
        "placeholder": kit.plain("Somebody's", 150),
    }
    if shown.owner:
        person["initial_user"] = shown.owner
    segment = kit.option(shown.segment, shown.segment[:75]) if shown.segment else None
    account = kit.option(shown.account, shown.account[:75]) if shown.account else None
    alert = kit.button("With or without an alert" if shown.with_alert else "With an alert", ids.LIST_ALERT, "alert")
    order = kit.static_select(ids.LIST_SORT, "Order", [kit.option(t, v) for t, v in _SORTS], initial=shown.sort or "newest")
    row = [
        person,
        kit.external_select(ids.LIST_SEGMENT, "Segment", initial=segment),
        kit.external_select(ids.LIST_ACCOUNT, "Ad account", initial=account),
        order,
        alert,
        kit.button("Export as CSV", ids.LIST_EXPORT, "csv"),
    ]
    return [kit.actions(*row, block_id=_carry("more", shown))]


def _words(shown: Shown) -> list[kit.Block]:
    """What filters that have no element of their own narrow the list to."""
    said = []
    if shown.words:
        said.append(f"named like “{kit.esc(shown.words)}”")
    if shown.segment:
        said.append(f"segment “{kit.esc(shown.segment)}”")
    if shown.account:
        said.append(f"ad account “{kit.esc(shown.account)}”")
    if shown.creator:
        said.append(f"segment made by “{kit.esc(shown.creator)}”")
    if shown.with_alert:
        said.append("with an open alert")
    return [kit.context("Only " + ", ".join(said))] if said else []


def _carry(kind: str, shown: Shown) -> str:
    return kit.cut(f"{kind}|{shown.state}", 255)
