"""Where a refresh ends, or what it waits for at its end."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from core.book import Book
from core.claim import Claim
from core.difference import Survey
from core.errors import Unavailable
from core.models import Phase
from core.schedule import next_due_of

logger = logging.getLogger(__name__)


class Ending:
    """Ends one claim: finished, held, or only tried; or leaves it to wait for the channel."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim

    def finish(self, book: Book) -> None:
        """All is sent, or all that is owed by a paused sync. Raises RemovalRefused where the platform kept who had to go."""
        claim = self._claim
        if claim.run.ending:
            claim.store.end(claim.run.id, claim.run.fence, book.owed, now=claim.clock.now())
            return
        if claim.refusal:
            raise claim.refusal
        claim.beat(Phase.CONFIRMING, 0, 0, now=True)
        if self._is_sweeping():
            return
        matched = expires_at = None
        if claim.target.audience_id:
            try:
                audience = claim.channel.audience(claim.target)
                matched, expires_at = audience.size_lower, audience.expires_at
            except Unavailable:
                logger.info("The size of the audience of %s is not known now.", claim.sync.short)
            else:
                if audience.working and self._may_wait():
                    return
        counts = replace(claim.counts, delivered=book.delivered, rejected=claim.rejected)
        now = claim.clock.now()
        due = next_due_of(claim.sync, now)
        claim.store.finish(
            claim.run.id, claim.run.fence, counts, matched=matched, next_due_at=due, now=now, expires_at=expires_at
        )

    def _is_sweeping(self) -> bool:
        """A full resync ends by taking out whoever was not sent in it, where the channel can; while that works, this waits."""
        claim = self._claim
        since = claim.memory.get("since")
        if since is None or "swept" in claim.memory:
            return False
        if "sweep" not in claim.memory:
            request_id = claim.channel.sweep(claim.target, datetime.fromisoformat(since))
            if request_id is None:
                return False
            claim.memory["sweep"] = request_id
            claim.remember()
        state = claim.channel.settlement(claim.target, claim.memory["sweep"])
        if state.done and not state.failed:
            claim.memory["swept"] = True
            return False
        if state.failed:
            del claim.memory["sweep"]
            claim.remember()
            raise Unavailable("The platform did not take out the others.")
        claim.settle(max(state.ask_again_in, timedelta(seconds=1)))
        return True

    def tried(self, book: Book, held: str | None) -> None:
        """A dry run ends before anything is sent. `held`: the guard's code, if it would stop a refresh like this one."""
        claim = self._claim
        counts = replace(claim.counts, delivered=book.delivered, rejected=claim.rejected)
        claim.store.tried(claim.run.id, claim.run.fence, counts, failure=held, now=claim.clock.now())

    def _may_wait(self) -> bool:
        """Lets the channel take in what was sent, for a while: the refresh is claimed again; False when it has waited enough."""
        claim = self._claim
        now, settings = claim.clock.now(), claim.settings
        begun = datetime.fromisoformat(claim.memory.setdefault("confirming", now.isoformat()))
        if now - begun >= settings.confirm:
            return False
        claim.remember(store=False)
        claim.store.settle(claim.run.id, claim.run.fence, now + settings.confirm_every, claim.memory)
        return True

    def hold(self, survey: Survey, book: Book, code: str, matchable: int) -> None:
        """The guard waits for a person, who reads what would happen."""
        claim = self._claim
        unchanged = matchable - survey.adds - survey.again
        counts = replace(claim.counts, removed=survey.left, added=survey.added, delivered=book.delivered, unchanged=unchanged)
        claim.store.hold(claim.run.id, claim.run.fence, counts, code, now=claim.clock.now())
