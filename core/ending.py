"""Where a refresh ends: it finishes, waits, is held or was only tried; and whether trouble on the way passes by itself."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import OperationalError

from core.book import Book
from core.claim import Claim
from core.difference import Survey
from core.errors import ChannelError, LedgerUnavailable, SegmentTorn, SourceUnavailable, Unavailable
from core.models import Phase, Refresh
from core.schedule import next_due_of

logger = logging.getLogger(__name__)


class Ending:
    """The ways in which one claim ends."""

    def __init__(self, claim: Claim) -> None:
        self._claim, self._work = claim, claim.work
        self._store, self._mine = claim.work.store, (claim.run.id, claim.run.fence)

    def finish(self, book: Book) -> None:
        """It succeeded, unless the platform still works on something that is worth waiting for."""
        if self._claim.refusal:
            raise self._claim.refusal
        self._claim.beat(Phase.CONFIRMING, 0, 0, now=True)
        if self._is_sweeping():
            return
        matched = expires_at = None
        if self._claim.target.audience_id:
            try:
                audience = self._work.channel.audience(self._claim.target)
                matched, expires_at = audience.size_lower, audience.expires_at
            except Unavailable:
                logger.info("The size of the audience of %s is not known now.", self._claim.sync.short)
            else:
                if audience.working and self._may_wait():
                    return
        counts = replace(self._claim.counts, delivered=book.delivered, owed=0, rejected=self._claim.rejected)
        now = self._work.clock.now()
        due = next_due_of(self._claim.sync, now)
        self._store.finish(*self._mine, counts, matched=matched, next_due_at=due, now=now, expires_at=expires_at)

    def _is_sweeping(self) -> bool:
        """A full resync ends by taking out whoever was not sent in it, where the channel can; while that works, this waits."""
        since = self._claim.memory.get("since")
        if since is None or "swept" in self._claim.memory:
            return False
        if "sweep" not in self._claim.memory:
            request_id = self._work.channel.sweep(self._claim.target, datetime.fromisoformat(since))
            if request_id is None:
                return False
            self._claim.memory["sweep"] = request_id
            self._claim.remember()
        state = self._work.channel.settlement(self._claim.target, self._claim.memory["sweep"])
        if state.done and not state.failed:
            self._claim.memory["swept"] = True
            return False
        if state.failed:
            del self._claim.memory["sweep"]
            self._claim.remember()
            raise Unavailable("The platform did not take out the others.")
        self.settle(max(state.ask_again_in, timedelta(seconds=1)))
        return True

    def tried(self, book: Book, held: str | None) -> None:
        """A dry run ends before anything is sent. `held`: the guard's code, if it would stop a refresh like this one."""
        counts = replace(self._claim.counts, delivered=book.delivered, rejected=self._claim.rejected)
        self._store.tried(*self._mine, counts, failure=held, now=self._work.clock.now())

    def _may_wait(self) -> bool:
        """Lets the channel take in what was sent, for a while: the refresh is claimed again; False when it has waited enough."""
        now, settings = self._work.clock.now(), self._work.settings
        begun = datetime.fromisoformat(self._claim.memory.setdefault("confirming", now.isoformat()))
        if now - begun >= settings.confirm:
            return False
        self._claim.remember(store=False)
        self._store.settle(*self._mine, now + settings.confirm_every, self._claim.memory)
        return True

    def stop(self) -> None:
        """Its sync is paused, and nothing is owed any more."""
        self._store.stop(*self._mine, replace(self._claim.counts, owed=0), failure=None, now=self._work.clock.now())

    def settle(self, wait: timedelta | None) -> None:
        """It waits for the platform, and nobody waits with it. None: as long as the platform's own work says."""
        if self._claim.refusal:
            raise self._claim.refusal
        self._claim.beat(Phase.SETTLING, 0, 0, now=True)
        self._claim.remember(store=False)
        self._claim.memory.pop("troubles", None)
        self._store.settle(*self._mine, self._work.clock.now() + (wait or timedelta(0)), self._claim.memory)

    def hold(self, survey: Survey, book: Book, code: str, matchable: int) -> None:
        """The guard stops it until somebody decides. `code`: why."""
        unchanged = matchable - survey.adds - survey.again
        counts = replace(
            self._claim.counts, removed=survey.left, added=survey.added, delivered=book.delivered, unchanged=unchanged
        )
        self._store.hold(*self._mine, counts, code, now=self._work.clock.now())


def trouble_wait(error: Exception, run: Refresh, waits: tuple[float, ...]) -> tuple[float | None, dict[str, Any]]:
    """Seconds until the next try of a refresh that met passing trouble, None when it has been tried enough; its memory."""
    memory = dict(run.checkpoint)
    troubles = int(memory.get("troubles", 0))
    memory["troubles"] = troubles + 1
    if troubles >= len(waits):
        return None, memory
    asked = getattr(error, "retry_after", None)
    return max(float(asked or 0), waits[troubles]), memory


def is_passing(error: Exception) -> bool:
    """Whether trying the refresh again by itself can help: also when our own database was away."""
    return isinstance(error, SourceUnavailable | SegmentTorn | LedgerUnavailable | OperationalError) or (
        isinstance(error, ChannelError) and not error.permanent
    )
