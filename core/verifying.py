"""Whether each ledger is whole, and says what the database and the platform say."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from core.book import Book
from core.errors import AudienceGone, ChannelError, SegsyncError
from core.identifiers import State
from core.ledger import Ledgers
from core.models import Channel, Grant, RefreshState, Sync
from core.ports import AdChannel, Target
from core.store import Store

_AWAY = [int(State.REFUSED), int(State.GONE)]


@dataclass(slots=True)
class Finding:
    """What was found of one sync. None: not known.

    `said`: delivered as the database says; `received`: members that the platform took in the last refresh, by its answers;
    `matched`: people in the audience now, as the platform reports them; `open`: requests whose outcome is not known.
    """

    sync: str
    generation: int | None = None
    delivered: int | None = None
    said: int | None = None
    received: int | None = None
    matched: int | None = None
    open: int | None = None
    note: str | None = None
    problem: str | None = None


class Verifying:
    """Reads every ledger and asks the platforms. `grants`: of a connection, fresh enough to use; raises NeedsReconnect."""

    def __init__(
        self, *, store: Store, channels: Mapping[Channel, AdChannel], grants: Callable[[str], Grant], ledgers: Ledgers
    ) -> None:
        self._store, self._channels, self._grants, self._ledgers = store, channels, grants, ledgers

    def findings(self, wanted: str | None = None) -> Iterator[Finding]:
        """Of all syncs, or of the ones with this short id."""
        for org_id in self._store.organizations.ids():
            for sync in self._store.syncs.all(org_id):
                if wanted is None or wanted.upper() == sync.short:
                    yield self._look(sync)

    def _look(self, sync: Sync) -> Finding:
        found = Finding(sync.short, said=sync.delivered)
        ledger = self._ledgers.of(sync.id)
        try:
            book = Book.of(ledger)
            book.check()
        except SegsyncError as error:
            found.problem = str(error)
            return found
        finally:
            ledger.close()
        found.generation, found.delivered = book.number, book.delivered
        if not book.is_empty:
            found.open = sum(1 for batch in book.counts.sizes if batch not in book.newest.done)
        problems = [self._own(sync, book, found), *self._outside(sync, book, found)]
        found.problem = "; ".join(p for p in problems if p) or None
        book.close()
        return found

    def _own(self, sync: Sync, book: Book, found: Finding) -> str | None:
        """Against the database."""
        last = next((r for r in self._store.refreshes.last(sync.id) if r.state is RefreshState.SUCCEEDED), None)
        if last is not None:
            found.received = last.counts.received
            if missing := last.counts.rejected.get("not_received", 0):
                return f"{sync.channel.label} received {missing:,} fewer than were sent; a person's retry sends them again"
        if book.is_settled and sync.delivered is not None and book.delivered != sync.delivered:
            return "the database says another number; a refresh puts it right"
        return None

    def _outside(self, sync: Sync, book: Book, found: Finding) -> Iterator[str]:
        """Against the platform, as far as it can be asked now."""
        channel, label = self._channels.get(sync.channel), sync.channel.label
        if sync.audience_id is None or book.is_empty:
            return
        if channel is None:
            found.note = f"{label} is not set up here, and was not asked"
            return
        try:
            grant = self._grants(sync.run_as)
            target = Target(grant, sync.account_id, sync.login_id, sync.audience_id, sync.segment_kind)
            audience = channel.audience(target)
            asked = [channel.settlement(target, r) for ids in book.waiting.values() for r in ids.split(",")]
        except AudienceGone:
            yield f"the audience is no longer on {label}; a person's retry makes it anew"
            return
        except ChannelError as error:
            found.note = f"{label} could not be asked: {error}"
            return
        found.matched = audience.size_lower
        if audience.life != book.header.get("life"):
            yield f"the audience on {label} is another one than was filled; the next refresh fills it anew"
        left_out = sum((Counter(s.rejected) for s in asked), Counter[str]())
        if left_out:
            yield f"{label} left out {left_out.total():,} of the last refresh; it sends them again once by itself"
        most = sum(int((~frame["state"].is_in(_AWAY)).sum()) for frame in book.scan())
        if audience.size_lower is not None and audience.size_lower > most:
            yield f"{label} reports {audience.size_lower:,} people, and at most {most:,} were sent; a full resync looks into it"
