"""One claim of one refresh: what it works with, how far it is, and what the next claim has to know."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from core.book import Book
from core.delivery import Stopped
from core.difference import Survey
from core.errors import RemovalRefused
from core.ledger import Ledger
from core.models import Counts, Phase, Progress, Refresh, RefreshKind, Sync
from core.ports import AdChannel, ChannelTraits, Clock, SegmentSource, Target
from core.store.refreshes import RefreshStore

_BEAT_S = 1.0


@dataclass(frozen=True, slots=True)
class RefreshSettings:
    """How refreshes are executed. `retries`: seconds before new attempts of a request; `waits`: before new tries of a refresh.

    `memory_mib`: what comparing may hold in memory before it spills to disk; `look_at_all`: after this long everybody is looked
    at, also those whose rows have not changed; `compact_below`: identifiers up to which a ledger is written whole each time.
    `confirm`: how long a refresh that has sent everything waits for the channel to take it in, before it ends all the same.
    """

    lease: timedelta = timedelta(minutes=2)
    guard_share: float = 0.30
    guard_floor: int = 100
    retries: tuple[float, ...] = (1, 2, 4, 8)
    waits: tuple[float, ...] = (5, 15, 60, 300, 900, 1800)
    per_org: int = 4
    confirm: timedelta = timedelta(minutes=1)
    confirm_every: timedelta = timedelta(seconds=1)
    memory_mib: int = 256
    look_at_all: timedelta = timedelta(days=7)
    compact_below: int = 50_000


class Claim:
    """A refresh in the hands of one worker, until it ends, waits, is held, or belongs to another one.

    `target` names the audience as soon as it is known. `memory` outlives the claim; `is_held`: the guard keeps back all but those
    who withdrew their consent; `refusal`: removals that the platform refused, by which the refresh fails at its end.
    """

    def __init__(
        self,
        *,
        run: Refresh,
        sync: Sync,
        channel: AdChannel,
        source: SegmentSource,
        target: Target,
        ledger: Ledger,
        store: RefreshStore,
        clock: Clock,
        settings: RefreshSettings,
        stopping: threading.Event,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.run, self.sync, self.channel, self.source, self.target = run, sync, channel, source, target
        self.ledger, self.store, self.clock, self.settings, self.stopping = ledger, store, clock, settings, stopping
        self.monotonic = monotonic
        self.memory: dict[str, Any] = dict(run.checkpoint)
        self.counts = replace(Counts(), **self.memory.get("totals", {}))
        self.rejected: dict[str, int] = dict(self.memory.get("refused", {}))
        self.begun = clock.now()  # whose turn it is to be sent again is asked several times, of the same moment
        self.is_held = False
        self.refusal: RemovalRefused | None = None
        self._beaten = 0.0

    @property
    def traits(self) -> ChannelTraits:
        """What the channel takes."""
        return self.channel.traits

    @property
    def is_full(self) -> bool:
        """Whether everybody is still to be sent again, for a full resync."""
        return self.run.kind is RefreshKind.FULL and not self.memory.get("resent") and not self.run.ending

    @property
    def retries_refused(self) -> bool:
        """A person's request tries refused members again."""
        return self.run.requested_by is not None and "totals" not in self.memory

    def is_settled(self, book: Book) -> bool:
        """Whether the removals that were sent have taken effect by now; when they were sent is not known after a kill."""
        removed = book.header.get("removed")
        if removed is None:
            return True
        return bool(removed) and self.clock.now() >= datetime.fromisoformat(removed) + self.traits.settle

    def adopt(self, audience_id: str) -> None:
        """From now on this is the sync's audience."""
        self.store.set_audience(self.run.id, self.run.fence, audience_id)
        self.target = replace(self.target, audience_id=audience_id)

    def count(self, survey: Survey, matchable: int) -> None:
        """Counts once what the first plan of this refresh does; later plans of the same refresh only go on with it."""
        if "totals" in self.memory or self.is_held:
            return
        again = survey.again + max(survey.adds - survey.added, 0)
        unchanged = matchable - survey.adds - survey.again
        self.counts = replace(self.counts, added=survey.added, removed=survey.left, again=again, unchanged=unchanged)

    def reject(self, reasons: Mapping[str, int]) -> None:
        """Counts members that were not taken, by reason."""
        for reason, number in reasons.items():
            self.rejected[reason] = self.rejected.get(reason, 0) + number

    def remember(self, *, store: bool = True) -> None:
        """What the next claim has to know, durable when this returns unless `store` is False."""
        totals = asdict(self.counts) | {"rejected": {}}
        self.memory |= {"refused": self.rejected} | ({} if self.is_held else {"totals": totals})
        if store:
            self.store.checkpoint(self.run.id, self.run.fence, self.memory)

    def beat(self, phase: Phase, done: int, total: int, *, rate: float | None = None, now: bool = False) -> None:
        """Keeps the lease and says how far it is, at most once a second unless a phase begins. Raises LeaseLost, Stopped."""
        at = self.monotonic()
        if not now and at - self._beaten < _BEAT_S:
            return
        left = (total - done) / rate if rate else None
        moment = self.clock.now()
        progress, until = Progress(phase, done, total, rate, left), moment + self.settings.lease
        ends = self.store.progress(self.run.id, self.run.fence, progress, self.counts, now=moment, until=until)
        self._beaten = at
        self._stop_if(ends)

    def confirm(self) -> None:
        """Before each request, in its thread: a process may have been frozen since the last beat. Raises LeaseLost, Stopped."""
        at = self.monotonic()
        if at - self._beaten >= 2 * _BEAT_S:
            ends = self.store.renew(self.run.id, self.run.fence, self.clock.now() + self.settings.lease)
            self._beaten = at
            self._stop_if(ends)

    def _stop_if(self, ends: bool) -> None:
        """Its sync was paused: the next claim pays what is owed, and nothing else."""
        if ends and not self.run.ending:
            raise Stopped

    def settle(self, wait: timedelta) -> None:
        """The refresh waits for the platform and holds no worker meanwhile."""
        if self.refusal:
            raise self.refusal
        self.beat(Phase.SETTLING, 0, 0, now=True)
        self.remember(store=False)
        self.memory.pop("troubles", None)
        self.store.settle(self.run.id, self.run.fence, self.clock.now() + wait, self.memory)
