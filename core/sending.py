"""What one claim sends: removals first, then whoever shares nothing with them; and how the platform's own work on it stands."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from core.book import Book
from core.claim import Claim
from core.delivery import Courier, Sent
from core.difference import State, Survey
from core.errors import ChannelError, RemovalRefused, SessionOver, Unavailable
from core.identifiers import U64, each
from core.ledger import ADDING
from core.models import Phase, Refresh
from core.planning import requests
from core.ports import ChannelTraits, Op

_ROWS = {2: 100, 3: 1}  # of a batch, by how often batches were sent again because some of them were left out
_FEW = 20  # so many are looked for one by one
_REQUESTS = 2_000  # with at most so many requests each time


class Sending:
    """Sends what the ledger's newest generation says, and notes what becomes of it."""

    def __init__(self, claim: Claim) -> None:
        self._claim, self._work = claim, claim.work

    def is_settled(self, book: Book) -> bool:
        """Whether the removals that were sent have taken effect by now; when they were sent is not known after a kill."""
        removed = book.header.get("removed")
        if removed is None:
            return True
        return bool(removed) and self._work.clock.now() >= datetime.fromisoformat(removed) + self._work.channel.traits.settle

    def unsettled_for(self, book: Book) -> timedelta | None:
        """How long until the removals that were sent have taken effect; None: they have."""
        if self.is_settled(book):
            return None
        now, settle, removed = self._work.clock.now(), self._work.channel.traits.settle, book.header["removed"]
        if not removed:  # a kill or a pause came between the requests and their time: they were sent by now
            removed = now.isoformat()
            self._work.ledger.seen(dict(book.header) | {"removed": removed})
        return datetime.fromisoformat(removed) + settle - now

    def remove(self, members: int, header: dict[str, Any]) -> None:
        """Carries out the removals that the ledger says, and notes when."""
        plan = Book.of(self._work.ledger)
        sent = self._carry(Op.REMOVE, Phase.REMOVING, plan, members)
        plan.close()
        if sent.failed:
            raise Unavailable("The platform failed at some removals.")
        self._work.ledger.seen(header | {"removed": self._work.clock.now().isoformat()})

    def add(self, members: int) -> bool:
        """Carries out the additions that the ledger says; whether the platform still works on them."""
        plan = Book.of(self._work.ledger)
        sent = self._carry(Op.ADD, Phase.ADDING, plan, members)
        plan.close()
        return sent.waiting

    def deliver(self, survey: Survey, header: dict[str, Any], *, replaces: bool) -> timedelta | None:
        """Removals first, then whoever shares nothing with them. How long to wait for the platform; None: all is done."""
        traits, ledger = self._work.channel.traits, self._work.ledger
        plan = Book.of(ledger)
        sent: list[Sent] = []
        again = False
        if replaces:
            # what an earlier claim sent in this session goes in with the rest: if somebody left since, another one follows
            again = self._goes_on() and bool(survey.removes)
            sent.append(self._carry(Op.REPLACE, Phase.ADDING, plan, survey.adds))
            if again:
                self._claim.memory["sessions"] = self._claim.memory.get("sessions", 0) + 1
            else:
                self._replaced(plan, header, waits=sent[-1].waiting)
        else:
            sent.append(self._carry(Op.REMOVE, Phase.REMOVING, plan, survey.removes))
        if header.get("removed") == "":
            header["removed"] = self._work.clock.now().isoformat()
            ledger.seen(header)
        if not replaces:
            sent.append(self._carry(Op.ADD, Phase.ADDING, plan, survey.adds))
        plan.close()
        if any(wave.failed for wave in sent):  # said when the others are in
            raise Unavailable("The platform failed at some removals.")
        if self._claim.is_full and not again:
            self._claim.memory["resent"] = True
        if survey.again or any(wave.waiting for wave in sent) or self._claim.held or again:
            return traits.settle if survey.again else timedelta(0)
        return None

    def _goes_on(self) -> bool:
        """Whether an earlier claim began this replacement."""
        session = self._claim.memory.get("sessions", 0)
        goes_on = bool(self._claim.memory.get("replacing") == session)
        self._claim.memory["replacing"] = session
        self._claim.remember()
        return goes_on

    def _replaced(self, plan: Book, header: dict[str, Any], *, waits: bool) -> None:
        """Nobody else is in the audience any more."""
        del header["replacing"]
        self._work.ledger.seen(header)
        for batch in () if waits else plan.counts.sizes:
            if batch < ADDING:
                self._work.ledger.done(batch, {})

    def _carry(self, op: Op, phase: Phase, plan: Book, total: int) -> Sent:
        work, state = self._work, State.LEAVING if op is Op.REMOVE else State.SENDING
        begun = self._claim.monotonic()

        def beat(done: int) -> None:
            rate = done / max(self._claim.monotonic() - begun, 1e-3)
            self._claim.beat(phase, done, total, rate=rate if done else None)

        if total:
            self._claim.beat(phase, 0, total, now=True)
        courier = Courier(
            channel=work.channel,
            target=self._claim.target,
            ledger=work.ledger,
            beat=beat,
            confirm=self._claim.confirm,
            stopping=work.stopping,
            retries=work.settings.retries,
        )
        try:
            session = _session(self._claim.run, op, self._claim.memory.get("sessions", 0))
            sent = courier.carry(op, requests(plan.newest, state), total=total, session=session)
        except SessionOver:
            self._claim.memory["sessions"] = self._claim.memory.get("sessions", 0) + 1
            self._claim.remember()
            raise
        except RemovalRefused as error:
            # who is new still goes in; the refresh fails at its end, and those members stay to be removed
            self._claim.refusal = error
            return Sent()
        self._claim.reject(sent.rejected)
        if op is not Op.REMOVE:
            self._claim.counts = replace(self._claim.counts, received=self._claim.counts.received + sent.received)
        if total:
            self._claim.beat(phase, total, total, now=True)
        return sent

    def traits(self, survey: Survey) -> ChannelTraits:
        """The channel's, with smaller batches where it is being found out who of them is refused."""
        traits = self._work.channel.traits
        rows = _ROWS.get(self._claim.memory.get("divided", 0))
        if rows is None or survey.adds + survey.removes > rows * _REQUESTS:
            return traits
        return replace(traits, batch_rows=min(rows, traits.batch_rows))

    # ── the platform's own work ──

    def still_working(self, book: Book) -> timedelta | None:
        """Asks how the platform's own work stands: when to ask again, None when nothing of it is open."""
        ask_again: timedelta | None = None
        failed: set[int] = set()
        refusals: dict[int, Mapping[str, int]] = {}
        for batch, request_ids in list(book.waiting.items()):
            states = [self._work.channel.settlement(self._claim.target, r) for r in request_ids.split(",")]
            pending = [s.ask_again_in for s in states if not s.done]
            if pending:
                ask_again = max(ask_again or timedelta(seconds=1), *pending)
            elif any(s.failed for s in states):
                failed.add(batch)
            elif told := sum((Counter(s.rejected) for s in states), Counter()):
                refusals[batch] = told
            else:
                self._work.ledger.done(batch, book.refused(batch))
        for batch in failed:
            self._work.ledger.lost(batch)
        if failed:
            self._claim.memory["failed"] = self._claim.memory.get("failed", 0) + 1
            if self._claim.memory["failed"] > len(self._work.settings.waits):
                raise ChannelError("The platform's own work on the audience keeps failing.")
        self._divide(book, refusals)
        return ask_again

    def _divide(self, book: Book, refusals: Mapping[int, Mapping[str, int]]) -> None:
        """Batches of which the platform left out some without saying whom.

        They are sent again once as they were; who is left out again is looked for in batches of a hundred, then alone. Where that
        would take too many requests they are only counted.
        """
        if not refusals:
            return
        step = self._claim.memory.get("divided", 0)
        few = sum(sum(told.values()) for told in refusals.values()) <= _FEW
        again = False
        members: Mapping[int, U64] = {}
        for batch, told in refusals.items():
            whole = sum(told.values()) >= book.counts.sizes[batch]
            if step == 0 or (step <= len(_ROWS) and few and not whole and batch >= ADDING):
                self._work.ledger.lost(batch)
                again = True
                continue
            self._claim.reject(told)
            bad = dict(book.refused(batch))
            if whole and batch >= ADDING:
                members = members or {n: each(rows.column("member")) for n, rows in requests(book.newest, State.SENDING)}
                bad |= dict.fromkeys(members[batch].tolist(), next(iter(told)))
            self._work.ledger.done(batch, bad)
        if again:
            self._claim.memory["divided"] = step + 1


def _session(run: Refresh, op: Op, over: int) -> int:
    """A number for the platform's upload session: another one for each claim, since a closed session takes nothing more.

    A replacement goes on in the same one, since the platform allows no other beside it, unless it is over.
    """
    part = over if op is Op.REPLACE else run.fence
    digest = hashlib.blake2b(f"{run.id}/{part}/{op}".encode(), digest_size=6).digest()
    return int.from_bytes(digest) + 1
