"""What a refresh sends: removals first, whoever shares nothing with them at once, the others after the platform has settled."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

from core.book import Book
from core.claim import Claim
from core.delivery import Courier, Sent
from core.difference import Survey
from core.ending import Ending
from core.errors import RemovalRefused, SessionOver
from core.identifiers import State
from core.ledger import ADDING
from core.models import Phase, Refresh
from core.planning import requests
from core.ports import Op


class Sending:
    """Sends what the ledger's newest generation says, wave by wave."""

    def __init__(self, claim: Claim, ending: Ending) -> None:
        self._claim, self._ending = claim, ending

    def deliver(self, survey: Survey, header: dict[str, Any], *, replaces: bool) -> None:
        """Sends it all, and ends the refresh or lets it wait. Raises LeaseLost, Stopped, ChannelError."""
        claim = self._claim
        traits, ledger = claim.traits, claim.ledger
        plan = Book.of(ledger)
        sent: list[Sent] = []
        if replaces:
            sent.append(self._carry(Op.REPLACE, Phase.ADDING, plan, survey.adds))
            if not sent[-1].waiting:
                for batch in plan.counts.sizes:
                    if batch < ADDING:
                        ledger.done(batch, {})
        else:
            sent.append(self._carry(Op.REMOVE, Phase.REMOVING, plan, survey.removes))
        if header.get("removed") == "":
            header["removed"] = claim.clock.now().isoformat()
            ledger.seen(header)
        if not replaces:
            sent.append(self._carry(Op.ADD, Phase.ADDING, plan, survey.adds))
        plan.close()
        if claim.is_full:
            claim.memory["resent"] = True
        if survey.again or any(wave.waiting for wave in sent) or claim.is_held:
            claim.settle(traits.settle if survey.again else timedelta(0))
            return
        self._ending.finish(Book.of(ledger))

    def _carry(self, op: Op, phase: Phase, plan: Book, total: int) -> Sent:
        claim, state = self._claim, State.LEAVING if op is Op.REMOVE else State.SENDING
        begun = self._claim.monotonic()

        def beat(done: int) -> None:
            rate = done / max(claim.monotonic() - begun, 1e-3)
            claim.beat(phase, done, total, rate=rate if done else None)

        if total:
            claim.beat(phase, 0, total, now=True)
        courier = Courier(
            channel=claim.channel,
            target=claim.target,
            ledger=claim.ledger,
            beat=beat,
            confirm=claim.confirm,
            stopping=claim.stopping,
            retries=claim.settings.retries,
        )
        try:
            session = _session(claim.run, op, claim.memory.get("sessions", 0))
            sent = courier.carry(op, requests(plan.newest, state), total=total, session=session)
        except SessionOver:
            claim.memory["sessions"] = claim.memory.get("sessions", 0) + 1
            claim.remember()
            raise
        except RemovalRefused as error:
            claim.refusal = error  # who is new still goes in; the refresh fails at its end, and those members stay to be removed
            return Sent()
        claim.reject(sent.rejected)
        if op is not Op.REMOVE:
            claim.counts = replace(claim.counts, received=claim.counts.received + sent.received)
        if total:
            claim.beat(phase, total, total, now=True)
        return sent


def _session(run: Refresh, op: Op, over: int) -> int:
    """A number for the platform's upload session: another one for each claim, since a closed session takes nothing more.

    A replacement goes on in the same one, since the platform allows no other beside it, unless it is over.
    """
    part = over if op is Op.REPLACE else run.fence
    digest = hashlib.blake2b(f"{run.id}/{part}/{op}".encode(), digest_size=6).digest()
    return int.from_bytes(digest) + 1
