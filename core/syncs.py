"""Syncs: create, see, list, refresh."""

import builtins
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import uuid4

from core import schedule
from core.access import may, require
from core.connections import Connections
from core.errors import InvalidInput, NotFound, SourceError
from core.models import Action, Actor, Channel, RefreshKind, SegmentKind, Sync, SyncStatus
from core.ports import AdChannel, Clock, Target
from core.segments import Segments
from core.store import Store
from core.store.syncs import SORTS, SyncFilter
from core.vault import Vault, new_key
from core.views import Details, Overview, SyncPage, Usage

__all__ = ["PAGE", "SORTS", "NewSync", "SyncFilter", "Syncs"]

PAGE = 10
LONGEST_NAME = 200
_MOST_SEGMENTS = 400


@dataclass(frozen=True, slots=True)
class NewSync:
    """What somebody chose in the form."""

    segment_key: str
    channel: Channel
    account_id: str
    cadence: str = "daily"
    first_day: date | None = None
    last_day: date | None = None


class Syncs:
    """Use cases on syncs. `connections` is what the channel is asked with; `wake` tells the workers."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        channels: Mapping[Channel, AdChannel],
        segments: Segments,
        connections: Connections,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._store, self._vault, self._channels, self._segments = store, vault, channels, segments
        self._connections, self._clock, self._wake = connections, clock, wake

    def create(self, actor: Actor, new: NewSync) -> Sync:
        """A new sync, its first refresh enqueued. Asks the channel whether the actor may manage audiences there.

        Raises NotAllowed, InvalidInput(field), Conflict(current=the sync that is there already), LimitReached, ChannelError.
        """
        require(actor, Action.CREATE)
        if new.channel not in self._channels:
            raise InvalidInput(f"{new.channel.label} has not been set up by the operator yet.", field="channel")
        segment = self._segments.get(new.segment_key)
        if segment.kind is SegmentKind.COMPANIES and not self._channels[new.channel].traits.company_kinds:
            raise InvalidInput(f"{new.channel.label} takes no segments of companies.", field="segment")
        cadence = schedule.parse(new.cadence, actor.tz)
        if new.first_day and new.last_day and new.last_day < new.first_day:
            raise InvalidInput("The last day is before the first.", field="last_day")
        connection = self._connections.usable(actor, new.channel)
        account = next((a for a in self._connections.accounts(actor, new.channel) if a.id == new.account_id), None)
        if account is None:
            raise InvalidInput(f"Your {new.channel.label} connection does not reach this ad account.", field="account")
        if not account.may_manage:
            raise InvalidInput(account.reason or "You may not manage audiences in this ad account.", field="account")
        target = Target(self._connections.grant(connection.id), account.id, account.login_id, kind=segment.kind)
        self._channels[new.channel].require_access(target)
        sync_id, now = uuid4().hex, self._clock.now()
        sync = Sync(
            id=sync_id,
            org_id=actor.org_id,
            number=0,
            name=segment.name[:LONGEST_NAME],
            segment_source=segment.source,
            segment_id=segment.id,
            segment_name=segment.name,
            segment_kind=segment.kind,
            channel=new.channel,
            account_id=account.id,
            account_name=account.name,
            login_id=account.login_id,
            owner_id=actor.user_id,
            run_as=connection.id,
            status=SyncStatus.SYNCING,
            cadence=cadence,
            created_at=now,
            first_day=new.first_day,
            last_day=new.last_day,
        )
        sealed = self._vault.seal(new_key(), bound_to=f"sync:{sync_id}")
        made = self._store.syncs.create(actor, sync, sealed_ledger_key=sealed, refresh_id=uuid4().hex, at=now)
        self._wake()
        return made

    def get(self, actor: Actor, wanted: str) -> Sync:
        """By id or short id. Raises NotFound."""
        require(actor, Action.SEE)
        return self._store.syncs.get(actor.org_id, wanted)

    def find(self, actor: Actor, words: str) -> list[Sync]:
        """What somebody may have meant: the short id, else words of the name."""
        require(actor, Action.SEE)
        if not words.strip():
            return []
        try:
            return [self._store.syncs.get(actor.org_id, words.strip())]
        except NotFound:
            return self._store.syncs.search(actor.org_id, SyncFilter(words=words), limit=25)[0]

    def list(self, actor: Actor, wanted: SyncFilter, page: int = 1) -> SyncPage:
        """One page, newest first; a page that is not there becomes the nearest."""
        require(actor, Action.SEE)
        wanted = self._resolved(actor, wanted)
        rows, total = self._store.syncs.search(actor.org_id, wanted, offset=(max(page, 1) - 1) * PAGE, limit=PAGE)
        pages = max((total + PAGE - 1) // PAGE, 1)
        if page > pages:
            return self.list(actor, wanted, pages)
        return SyncPage(tuple(rows), max(page, 1), pages, total, self._store.measures.waiting([s.id for s in rows]))

    def some(self, actor: Actor, wanted: SyncFilter, *, offset: int, limit: int) -> builtins.list[Sync]:
        """A stretch of the list, for files."""
        require(actor, Action.SEE)
        return self._store.syncs.search(actor.org_id, self._resolved(actor, wanted), offset=offset, limit=limit)[0]

    def _resolved(self, actor: Actor, wanted: SyncFilter) -> SyncFilter:
        """With what the database alone does not know: whose segments, which syncs have an open alert."""
        if wanted.creator and wanted.segments is None:
            made = self._segments.made_by(wanted.creator)
            wanted = replace(wanted, segments=tuple((s.source, s.id) for s in made[:_MOST_SEGMENTS]))
        if wanted.with_alert and not wanted.alerted:
            wanted = replace(wanted, alerted=tuple(self._store.syncs.alerted(actor.org_id)))
        return wanted

    def accounts(self, actor: Actor, words: str) -> builtins.list[tuple[str, str]]:
        """The ad accounts (id, name) of the organization's syncs, to filter by."""
        require(actor, Action.SEE)
        return self._store.syncs.accounts(actor.org_id, words)

    def segment_names(self, actor: Actor, words: str) -> builtins.list[str]:
        """The segments of the organization's syncs, to filter by."""
        require(actor, Action.SEE)
        return self._store.syncs.segment_names(actor.org_id, words)

    def usage(self, actor: Actor) -> Usage:
        """The sync limit."""
        require(actor, Action.SEE)
        used, limit = self._store.syncs.usage(actor.org_id)
        return Usage(used, limit, tuple(self._store.syncs.stalest(actor.org_id)))

    def last_taken(self, actor: Actor) -> tuple[str, str] | None:
        """Who took the last place of the sync limit, and by which sync (its short id)."""
        require(actor, Action.SEE)
        found = self._store.measures.last_taken(actor.org_id)
        return found[:2] if found else None

    def sizes(self, actor: Actor, sync_id: str) -> builtins.list[tuple[datetime, int]]:
        """What was delivered after each of the last refreshes, oldest first."""
        return self._store.measures.sizes(self.get(actor, sync_id).id)

    def trend(self, actor: Actor, weeks: int = 12) -> builtins.list[tuple[datetime, int]]:
        """How many syncs were active a week ago, two weeks ago …, oldest first, and now; not before the first was created."""
        require(actor, Action.SEE)
        now = self._clock.now()
        moments = [now - timedelta(weeks=n) for n in range(weeks, -1, -1)]
        used = self._store.measures.used_at(actor.org_id, moments)
        first = next((i for i, n in enumerate(used) if n), len(used) - 1)
        return list(zip(moments, used, strict=True))[max(first - 1, 0) :]

    def owners(self, actor: Actor) -> builtins.list[tuple[str, int]]:
        """Who uses the sync limit, the busiest first."""
        require(actor, Action.SEE)
        return self._store.measures.owners(actor.org_id)

    def match_rate(self, actor: Actor, channel: Channel, account_id: str) -> float | None:
        """The usual match rate of an ad account, 0..1; None while nobody knows."""
        require(actor, Action.SEE)
        return self._store.measures.match_rate(actor.org_id, channel, account_id)

    def overview(self, actor: Actor) -> Overview:
        """How things stand."""
        require(actor, Action.SEE)
        active = dict.fromkeys(Channel, 0)
        by_status = dict.fromkeys(SyncStatus, 0)
        for channel, status, n in self._store.syncs.counts(actor.org_id):
            by_status[status] += n
            active[channel] += n if status.is_active else 0
        return Overview(
            organization=str(self._store.organizations.get(actor.org_id)["name"]),
            connections=self._connections.mine(actor),
            active=active,
            by_status=by_status,
            usage=self.usage(actor),
            alerts=tuple(self._store.outbox.open_alerts(actor.org_id)),
            connected=self._connected(actor),
        )

    def _connected(self, actor: Actor) -> Mapping[Channel, tuple[int, int, int]] | None:
        """For administrators: of those who may connect how many are connected to each channel, and how many of them end soon."""
        if not may(actor, Action.SEE_PEOPLE):
            return None
        roles = self._store.organizations.people(actor.org_id)
        able = [u for u, role in roles.items() if may(Actor(actor.org_id, u, role), Action.CONNECT)]
        return self._store.measures.connected(actor.org_id, able, self._clock.now() + timedelta(days=7))

    def details(self, actor: Actor, sync_id: str) -> Details:
        """Everything about one sync that our own database and its source know."""
        sync = self.get(actor, sync_id)
        try:
            segment = self._segments.get(f"{sync.segment_source}/{sync.segment_id}")
        except (SourceError, NotFound):
            segment = None
        found = self._store.connections.get(sync.run_as)
        asks = (
            Action.PAUSE,
            Action.EDIT,
            Action.REFRESH,
            Action.DRY_RUN,
            Action.RESUME,
            Action.TAKE_OVER,
            Action.DELETE,
            Action.FULL_RESYNC,
            Action.DECIDE_HELD,
            Action.ASK_PAUSE,
            Action.ASK_HELP,
        )
        return Details(
            sync=sync,
            refreshes=tuple(self._store.refreshes.last(sync.id)),
            alerts=tuple(a for a in self._store.outbox.open_alerts(actor.org_id) if sync.id in a.sync_ids),
            segment=segment,
            run_as=found[0] if found else None,
            may=frozenset(a for a in asks if may(actor, a, owner_id=sync.owner_id)),
            next_words="paused" if sync.next_due_at is None else "",
            cadence_words=schedule.describe(sync.cadence),
            sizes=tuple(size for _, size in self._store.measures.sizes(sync.id)),
        )

    def refresh(self, actor: Actor, sync_id: str, kind: RefreshKind = RefreshKind.REQUESTED) -> Sync:
        """Enqueues a refresh now."""
        sync = self.get(actor, sync_id)
        require(actor, Action.FULL_RESYNC if kind is RefreshKind.FULL else Action.REFRESH, owner_id=sync.owner_id)
        refreshed = self._store.syncs.refresh(actor, sync.id, kind, refresh_id=uuid4().hex, at=self._clock.now())
        self._wake()
        return refreshed

    def decide_held(self, actor: Actor, refresh_id: str, *, apply: bool) -> bool:
        """Applies or ends a held refresh; False when somebody decided before."""
        sync = self._store.refreshes.sync(refresh_id)
        if sync.org_id != actor.org_id:
            raise NotFound
        require(actor, Action.DECIDE_HELD, owner_id=sync.owner_id)
        asking = next((a for a in self._store.alerts.open(actor.org_id) if a.detail.get("refresh") == refresh_id), None)
        decided = self._store.refreshes.decide(refresh_id, apply=apply, at=self._clock.now())
        if decided and asking:
            self._store.alerts.deed(actor, asking.id, "applied" if apply else "kept", self._clock.now())
        self._wake()
        return decided is not None
