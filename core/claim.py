"""One claim of a refresh: what it remembers and counts, and what people see of it, all written under its fence."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

from core.difference import Survey
from core.errors import RemovalRefused
from core.ledger import Ledger
from core.models import Counts, Phase, Progress, Refresh, RefreshKind, RemoteAudience, Sync
from core.ports import AdChannel, Clock, SegmentSource, Target
from core.store.refreshes import RefreshStore

_BEAT_S = 1.0


@dataclass(frozen=True, slots=True)
class RefreshSettings:
    """How refreshes are executed. `retries`: seconds before new attempts of a request; `waits`: before new tries of a refresh.

    `guard_share`: of an audience, beyond which removals are held, from `guard_floor` members on; `guard_week`: the same of the
    most that it held within seven days, where the sync's own share is not larger.
    `memory_mib`: what comparing may hold in memory before it spills to disk; `look_at_all`: after this long everybody is looked
    at, also those whose rows have not changed; `compact_below`: identifiers up to which a ledger is written whole each time.
    `confirm`: how long a refresh that has sent everything waits for the channel to take it in, before it ends all the same.
    """

    lease: timedelta = timedelta(minutes=2)
    guard_share: float = 0.30
    guard_floor: int = 100
    guard_week: float = 0.50
    retries: tuple[float, ...] = (1, 2, 4, 8)
    waits: tuple[float, ...] = (5, 15, 60, 300, 900, 1800)
    per_org: int = 4
    confirm: timedelta = timedelta(minutes=1)
    confirm_every: timedelta = timedelta(seconds=1)
    memory_mib: int = 256
    look_at_all: timedelta = timedelta(days=7)
    compact_below: int = 50_000


@dataclass(frozen=True, slots=True)
class Work:
    """What an execution works with."""

    run: Refresh
    sync: Sync
    channel: AdChannel
    source: SegmentSource
    target: Target
    ledger: Ledger
    store: RefreshStore
    clock: Clock
    settings: RefreshSettings
    stopping: threading.Event


class Claim:
    """What one worker knows of the refresh that it has claimed.

    `memory`: what the next claim must know, kept in the database; `begun`: whose turn it is to be sent again is asked several
    times, of the same moment; `held`: the guard holds back all but withdrawn consents; `refusal`: removals that were refused.
    `replaces_again`: an earlier refresh began to replace everybody and did not end it, so this one does: the ledger then says
    what will be there, and not what a removal now would take along.
    """

    def __init__(self, work: Work, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.work, self.run, self.sync, self.target = work, work.run, work.sync, work.target
        self.monotonic = monotonic
        self.memory: dict[str, Any] = dict(work.run.checkpoint)
        self.counts = replace(Counts(), **self.memory.get("totals", {}))
        self.rejected: dict[str, int] = dict(self.memory.get("refused", {}))
        self.begun = work.clock.now()
        self.held = False
        self.replaces_again = False
        self.refusal: RemovalRefused | None = None
        self._store, self._beaten = work.store, 0.0

    @property
    def is_full(self) -> bool:
        """Whether everybody is still to be sent again."""
        return (self.run.kind is RefreshKind.FULL or self.replaces_again) and not self.memory.get("resent")

    @property
    def retries_refused(self) -> bool:
        """A person's request tries refused members again."""
        return self.run.requested_by is not None and "totals" not in self.memory

    def adopt(self, audience: RemoteAudience) -> None:
        """This is the sync's audience from now on."""
        self._store.set_audience(self.run.id, self.run.fence, audience.id)
        self.target = replace(self.target, audience_id=audience.id)

    def count(self, survey: Survey, matchable: int) -> None:
        """Counts once what the first plan of this refresh does; later plans of the same refresh only go on with it."""
        if "totals" in self.memory or self.held:
            return
        again = survey.again + max(survey.adds - survey.added, 0)
        unchanged = matchable - survey.adds - survey.again
        self.counts = replace(self.counts, added=survey.added, removed=survey.left, again=again, unchanged=unchanged)

    def owe(self, survey: Survey) -> None:
        """Whom this plan's removals may take along; and of those before, who is sent again by this plan."""
        returning = bool(self.memory.get("owed"))
        owed = survey.again + (survey.adds if returning else 0)
        self.memory |= {"owed": owed, "returning": returning}
        self.counts = replace(self.counts, owed=owed)

    def reject(self, reasons: Mapping[str, int]) -> None:
        """Counts members that the platform did not take."""
        for reason, number in reasons.items():
            self.rejected[reason] = self.rejected.get(reason, 0) + number

    def remember(self, *, store: bool = True) -> None:
        """Keeps for the next claim what this one knows. `store`: now, else with what is written next."""
        totals = asdict(self.counts) | {"rejected": {}}
        self.memory |= {"refused": self.rejected} | ({} if self.held else {"totals": totals})
        if store:
            self._store.checkpoint(self.run.id, self.run.fence, self.memory)

    def beat(self, phase: Phase, done: int, total: int, *, rate: float | None = None, now: bool = False) -> None:
        """Keeps the lease and says how far it is, at most once a second unless a phase begins. Raises LeaseLost."""
        at = self.monotonic()
        if not now and at - self._beaten < _BEAT_S:
            return
        left = (total - done) / rate if rate else None
        moment = self.work.clock.now()
        progress, until = Progress(phase, done, total, rate, left), moment + self.work.settings.lease
        self._store.progress(self.run.id, self.run.fence, progress, self.counts, now=moment, until=until)
        self._beaten = at

    def confirm(self) -> None:
        """Before each request, in its own thread: a process may have been frozen since the last beat. Raises LeaseLost."""
        at = self.monotonic()
        if at - self._beaten >= 2 * _BEAT_S:
            self._store.renew(self.run.id, self.run.fence, self.work.clock.now() + self.work.settings.lease)
            self._beaten = at
