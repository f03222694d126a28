"""One refresh from its claim to where it finishes, waits, is held or fails.

Every claim plans anew from what the ledger says may be on the platform, so it does not matter where the last worker died, nor how
often. Nothing is sent before the ledger says so durably, and nothing without having seen within the last second that the refresh
is still this worker's.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from core.book import Book
from core.changes import gather
from core.delivery import Courier, Sent
from core.difference import Comparison, State, Survey
from core.errors import (
    AudienceGone,
    ChannelError,
    ConsentMissing,
    LedgerUnavailable,
    RemovalRefused,
    SegmentTorn,
    SessionOver,
    SourceUnavailable,
    Unavailable,
)
from core.fingerprints import VERSION
from core.gathering import Everybody, Segment, Some, Totals
from core.identifiers import KINDS
from core.identity import RULES
from core.ledger import ADDING, Ledger
from core.models import Counts, Phase, Progress, Refresh, RefreshKind, RemoteAudience, SegmentKind, Sync
from core.planning import Allowed, requests
from core.ports import AdChannel, Clock, Op, Reading, SegmentSource, Target
from core.recording import record
from core.schedule import next_due_of, renewal
from core.store.refreshes import RefreshStore

logger = logging.getLogger(__name__)
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


class Execution:
    """One claim of one refresh."""

    def __init__(self, work: Work, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._work, self._monotonic = work, monotonic
        self._run, self._sync, self._store = work.run, work.sync, work.store
        self._target = work.target
        self._memory: dict[str, Any] = dict(work.run.checkpoint)
        self._counts = replace(Counts(), **self._memory.get("totals", {}))
        self._beaten = 0.0
        self._begun = work.clock.now()  # whose turn it is to be sent again is asked several times, of the same moment
        self._held = self._clipped = False
        self._rejected: dict[str, int] = dict(self._memory.get("refused", {}))
        self._refusal: RemovalRefused | None = None

    def go(self) -> None:
        """Works until there is nothing more to do now. Raises LeaseLost, Stopped, ChannelError, SourceError."""
        work = self._work
        confirming = "confirming" in self._memory
        self._beat(Phase.CONFIRMING if confirming else Phase.READING, 0, self._sync.members or 0, now=True)
        self._require_access()
        audience = self._audience()
        book = self._open(audience)
        if self._still_working(book):
            return
        book = self._reopened(book)
        if confirming and book.is_settled:  # all was sent before: only the channel's own work was waited for
            self._finish(book)
            return
        with work.source.read(self._sync.segment_id) as reading:
            if self._is_unchanged(book, reading, audience):
                self._finish(book)
                return
            touched = self._gather(reading, book)
        try:
            self._compare(audience, book, touched, reading)
        finally:
            touched.close()
            book.close()

    # ── what is there ──

    def _require_access(self) -> None:
        try:
            self._work.channel.require_access(self._target)
        except AudienceGone:  # what follows from that is decided where the audience is looked for; the account must be ours
            self._work.channel.require_access(replace(self._target, audience_id=""))

    def _audience(self) -> RemoteAudience | None:
        """The audience as the platform has it; None where it is still to be made. A person's retry makes a deleted one anew."""
        channel = self._work.channel
        if self._sync.audience_id:
            try:
                return channel.audience(self._target)
            except AudienceGone:
                asked = self._run.requested_by is not None or self._run.kind in (RefreshKind.FULL, RefreshKind.FIRST)
                if not (asked and self._sync.failure == AudienceGone.code):
                    raise
        found = channel.find(replace(self._target, audience_id=""), key=self._sync.id)
        if found is not None and found.id != self._sync.audience_id:
            self._adopt(found)
            return found
        return None

    def _adopt(self, audience: RemoteAudience) -> None:
        self._store.set_audience(self._run.id, self._run.fence, audience.id)
        self._target = replace(self._target, audience_id=audience.id)

    def _open(self, audience: RemoteAudience | None) -> Book:
        """The ledger of this audience and its life; of another one nothing counts."""
        generations = self._work.ledger.generations()
        is_its_own = audience is not None and generations and generations[-1].header.get("life") == _life(audience)
        return Book(generations, void=not is_its_own)

    def _reopened(self, book: Book) -> Book:
        """With what the platform's own work has come to."""
        if not book.waiting:
            return book
        book.close()
        return Book.of(self._work.ledger)

    def _still_working(self, book: Book) -> bool:
        """Asks how the platform's own work stands; while it goes on the refresh waits."""
        ask_again = timedelta(0)
        failed = 0
        for batch, request_ids in list(book.waiting.items()):
            states = [self._work.channel.settlement(self._target, r) for r in request_ids.split(",")]
            pending = [s.ask_again_in for s in states if not s.done]
            if pending:
                ask_again = max(ask_again, *pending, timedelta(seconds=1))
                continue
            for state in states:
                self._reject(state.rejected)
            if any(s.failed for s in states):
                failed += 1
                self._work.ledger.lost(batch)
            else:
                self._work.ledger.done(batch, book.refused(batch))
        if failed:
            self._memory["failed"] = self._memory.get("failed", 0) + 1
            if self._memory["failed"] > len(self._work.settings.waits):
                raise ChannelError("The platform's own work on the audience keeps failing.")
        if ask_again:
            self._settle(ask_again)
            return True
        return False

    # ── reading and comparing ──

    def _gather(self, reading: Reading, book: Book) -> Everybody | Some:
        """Whom to look at, as they are now."""
        work, columns, kind = self._work, reading.columns, reading.segment.kind
        if work.channel.traits.needs_consent and not columns.consent and kind is SegmentKind.CONTACTS:
            raise ConsentMissing
        allowed = Allowed(work.channel.traits, kind, book.header.get("kinds", ()), bool(book.header.get("clipped")))
        some = Some(book, allowed, settled=self._is_settled(book), retry_refused=self._retries_refused, due=self._due(book))
        if self._is_planned(book, self._version(reading)):
            some.totals = Totals(members=int(book.header.get("counts", {}).get("members", 0)))
            return some
        size = reading.segment.size or 0
        segment = Segment(
            reading,
            allowed,
            seed=work.ledger.seed,
            memory=work.settings.memory_mib << 20,
            beat=lambda rows: self._beat(Phase.READING, min(rows, size), size),
        )
        looked = book.header.get("looked")
        stale = looked is None or self._work.clock.now() - datetime.fromisoformat(looked) >= work.settings.look_at_all
        stale = stale or book.header.get("rules") != self._rules(reading)
        # under an older key of the ledger, fingerprints of rows were others too; all of it is written anew
        anew = self._is_full or book.is_empty or work.ledger.is_under_old_key
        found = gather(segment, book, None if anew else some, rows_known=not stale)
        self._clipped = allowed.clipped
        return found

    @property
    def _is_full(self) -> bool:
        return self._run.kind is RefreshKind.FULL and not self._memory.get("resent")

    @property
    def _retries_refused(self) -> bool:
        """A person's request tries refused members again."""
        return self._run.requested_by is not None and "totals" not in self._memory

    def _is_planned(self, book: Book, version: str | None) -> bool:
        """Whether the ledger was last planned for this refresh, and the source proves that nothing has changed since."""
        return version is not None and book.header.get("version") == version and "totals" in self._memory

    def _rules(self, reading: Reading) -> str:
        """Names all that makes identifiers out of rows: equal rules give equal identifiers of equal rows."""
        traits = self._work.channel.traits
        words = f"{RULES}/{VERSION}/{reading.columns}/{reading.segment.kind}/{sorted(traits.kinds)}/{traits.max_identifiers}"
        return hashlib.sha256(words.encode()).hexdigest()

    def _version(self, reading: Reading) -> str | None:
        """Names content and rules together: what gave the same identifiers before gives them again."""
        if reading.version is None:
            return None
        return hashlib.sha256(f"{reading.version}|{self._rules(reading)}".encode()).hexdigest()

    def _due(self, book: Book) -> tuple[tuple[int, int], ...]:
        """Ranges of members whose turn it is to be sent again, so that the platform does not forget them."""
        memory, renewed = self._work.channel.traits.memory, book.header.get("renewed")
        if memory is None or renewed is None:
            return ()
        return renewal(datetime.fromisoformat(renewed), self._begun, memory / 2)

    def _is_unchanged(self, book: Book, reading: Reading, audience: RemoteAudience | None) -> bool:
        """Whether the source proves that the ledger's last plan still holds, and nothing else asks for work."""
        if self._run.kind not in (RefreshKind.ROUTINE, RefreshKind.REQUESTED) or audience is None or self._due(book):
            return False
        if self._work.ledger.is_under_old_key:
            return False
        version = self._version(reading)
        refused = book.counts.refused if self._run.requested_by else 0
        if version is None or book.header.get("version") != version or not book.is_settled or refused:
            return False
        if "totals" not in self._memory:
            known = book.header.get("counts", {})
            members = int(known.get("members", 0))
            self._counts = replace(
                self._counts, members=members, matchable=int(known.get("matchable", 0)), unchanged=book.delivered
            )
        return True

    def _compare(self, audience: RemoteAudience | None, book: Book, touched: Everybody | Some, reading: Reading) -> None:
        self._beat(Phase.COMPARING, 0, touched.totals.members, now=True)
        settled = self._is_settled(book)

        def compare(*, replaces: bool) -> Comparison:
            return Comparison(
                touched,
                settled=settled,
                everything=self._is_full,
                retry_refused=self._retries_refused,
                due=self._due(book),
                replaces=replaces,
                first=book.is_empty and isinstance(touched, Everybody) and self._run.kind is not RefreshKind.DRY,
            )

        replaces = self._is_full and self._work.channel.traits.can_replace
        comparison = compare(replaces=replaces)
        if replaces and not comparison.survey.adds:  # nobody to put in the others' place
            replaces, comparison = False, compare(replaces=False)
        survey = comparison.survey
        code = "segment_shrunk" if touched.totals.members else "segment_empty"
        known = survey.known if isinstance(touched, Everybody) else book.counts.present
        matchable = known - survey.known + survey.matchable
        self._counts = replace(self._counts, members=touched.totals.members, matchable=matchable)
        self._held = self._is_guarded(survey, known, matchable)
        if not book.is_empty or self._run.kind is RefreshKind.DRY:
            self._count(survey, matchable)
        if self._held:  # who withdrew consent leaves all the same
            if self._run.kind is RefreshKind.DRY:
                self._held = False
                self._count(survey, matchable)
                self._tried(book, code)
                return
            shown = survey
            some = Some(book, Allowed(self._work.channel.traits, reading.segment.kind), settled=settled, retry_refused=False)
            some.leave(survey.withdrawn)
            some.totals, touched = touched.totals, some
            comparison, replaces = Comparison(some, settled=settled), False
            survey = comparison.survey
            if survey.is_empty:
                self._hold(shown, book, code, matchable)
                return
        if self._run.kind is RefreshKind.DRY:
            self._tried(book, None)
            return
        self._plan(audience, book, touched, comparison, reading, replaces=replaces)

    def _plan(
        self,
        audience: RemoteAudience | None,
        book: Book,
        touched: Everybody | Some,
        comparison: Comparison,
        reading: Reading,
        *,
        replaces: bool,
    ) -> None:
        """Writes down what will be done, and does it."""
        survey = comparison.survey
        if audience is None:
            codes = touched.kinds if isinstance(touched, Everybody) else survey.kinds
            audience = self._work.channel.create(
                self._target, name=self._sync.name, key=self._sync.id, kinds=frozenset(KINDS[code] for code in codes)
            )
            self._adopt(audience)
        names = {"life": _life(audience), "audience": audience.id}
        if survey.is_empty and isinstance(touched, Some) and not touched.has_news:
            header = self._header(book, touched, survey, reading) | names
            if header != dict(book.header):
                self._work.ledger.seen(header)
            self._finish(Book.of(self._work.ledger))
            return

        def decided() -> dict[str, Any]:
            """All is decided: counted and remembered before anything of it counts."""
            if self._is_full and not self._held:
                self._memory.setdefault("since", self._begun.isoformat())
            if book.is_empty:
                self._counts = replace(self._counts, members=touched.totals.members, matchable=survey.matchable)
                self._count(survey, survey.matchable)
            self._remember()
            self._beat(Phase.COMPARING, 0, 0, now=True)
            removing = {"removed": ""} if survey.removes else {}  # at a time that is only known when all are sent
            header.update(self._header(book, touched, survey, reading) | names | removing)
            return header

        header = {}
        traits, floor = self._work.channel.traits, self._work.settings.compact_below
        record(self._work.ledger, book, touched, comparison, header=decided, traits=traits, floor=floor)
        touched.close()
        if survey.is_empty:
            self._finish(Book.of(self._work.ledger))
            return
        self._deliver(survey, header, replaces=replaces)

    def _header(self, book: Book, touched: Everybody | Some, survey: Survey, reading: Reading) -> dict[str, Any]:
        now = self._work.clock.now().isoformat()
        before, everybody = book.header, isinstance(touched, Everybody)
        is_renewed = not self._held and (self._is_full or "renewed" not in before or bool(self._due(book)))
        kinds = survey.kinds if everybody else survey.kinds | set(before.get("kinds", ()))
        header: dict[str, Any] = {
            "format": 2,
            "version": None if self._held else self._version(reading),
            "rules": before.get("rules") if self._held else self._rules(reading),
            "kinds": sorted(kinds),
            "clipped": self._clipped or bool(before.get("clipped")),
            "counts": {
                "members": self._counts.members,
                "matchable": self._counts.matchable,
                "reasons": touched.totals.reasons,
            },
            "looked": now if touched.looked_at_all else before.get("looked"),
            "renewed": self._begun.isoformat() if is_renewed else before.get("renewed"),
        }
        return header | ({"removed": before["removed"]} if "removed" in before else {})

    def _is_guarded(self, survey: Survey, known: int, matchable: int) -> bool:
        approved = self._run.approved_removals
        if not known or not survey.left or (approved is not None and survey.left <= approved):
            return False
        share = self._store.guard_share(self._sync)
        share = self._work.settings.guard_share if share is None else share
        return not matchable or (survey.left > share * known and survey.left >= self._work.settings.guard_floor)

    # ── sending ──

    def _is_settled(self, book: Book) -> bool:
        """Whether the removals that were sent have taken effect by now; when they were sent is not known after a kill."""
        removed = book.header.get("removed")
        if removed is None:
            return True
        return bool(removed) and self._work.clock.now() >= datetime.fromisoformat(removed) + self._work.channel.traits.settle

    def _deliver(self, survey: Survey, header: dict[str, Any], *, replaces: bool) -> None:
        """Removals first, then whoever shares nothing with them; the others after the platform has settled."""
        traits, ledger = self._work.channel.traits, self._work.ledger
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
            header["removed"] = self._work.clock.now().isoformat()
            ledger.seen(header)
        if not replaces:
            sent.append(self._carry(Op.ADD, Phase.ADDING, plan, survey.adds))
        plan.close()
        if self._is_full:
            self._memory["resent"] = True
        if survey.again or any(wave.waiting for wave in sent) or self._held:
            self._settle(traits.settle if survey.again else timedelta(0))
            return
        self._finish(Book.of(ledger))

    def _carry(self, op: Op, phase: Phase, plan: Book, total: int) -> Sent:
        work, state = self._work, State.LEAVING if op is Op.REMOVE else State.SENDING
        begun = self._monotonic()

        def beat(done: int) -> None:
            rate = done / max(self._monotonic() - begun, 1e-3)
            self._beat(phase, done, total, rate=rate if done else None)

        if total:
            self._beat(phase, 0, total, now=True)
        courier = Courier(
            channel=work.channel,
            target=self._target,
            ledger=work.ledger,
            beat=beat,
            confirm=self._confirm,
            stopping=work.stopping,
            retries=work.settings.retries,
        )
        try:
            session = _session(self._run, op, self._memory.get("sessions", 0))
            sent = courier.carry(op, requests(plan.newest, state), total=total, session=session)
        except SessionOver:
            self._memory["sessions"] = self._memory.get("sessions", 0) + 1
            self._remember()
            raise
        except RemovalRefused as error:
            self._refusal = error  # who is new still goes in; the refresh fails at its end, and those members stay to be removed
            return Sent()
        self._reject(sent.rejected)
        if op is not Op.REMOVE:
            self._counts = replace(self._counts, received=self._counts.received + sent.received)
        if total:
            self._beat(phase, total, total, now=True)
        return sent

    # ── where it ends ──

    def _finish(self, book: Book) -> None:
        if self._refusal:
            raise self._refusal
        self._beat(Phase.CONFIRMING, 0, 0, now=True)
        if self._is_sweeping():
            return
        matched = expires_at = None
        if self._target.audience_id:
            try:
                audience = self._work.channel.audience(self._target)
                matched, expires_at = audience.size_lower, audience.expires_at
            except Unavailable:
                logger.info("The size of the audience of %s is not known now.", self._sync.short)
            else:
                if audience.working and self._may_wait():
                    return
        counts = replace(self._counts, delivered=book.delivered, rejected=self._rejected)
        now = self._work.clock.now()
        due = next_due_of(self._sync, now)
        self._store.finish(
            self._run.id, self._run.fence, counts, matched=matched, next_due_at=due, now=now, expires_at=expires_at
        )

    def _is_sweeping(self) -> bool:
        """A full resync ends by taking out whoever was not sent in it, where the channel can; while that works, this waits."""
        since = self._memory.get("since")
        if since is None or "swept" in self._memory:
            return False
        if "sweep" not in self._memory:
            request_id = self._work.channel.sweep(self._target, datetime.fromisoformat(since))
            if request_id is None:
                return False
            self._memory["sweep"] = request_id
            self._remember()
        state = self._work.channel.settlement(self._target, self._memory["sweep"])
        if state.done and not state.failed:
            self._memory["swept"] = True
            return False
        if state.failed:
            del self._memory["sweep"]
            self._remember()
            raise Unavailable("The platform did not take out the others.")
        self._settle(max(state.ask_again_in, timedelta(seconds=1)))
        return True

    def _tried(self, book: Book, held: str | None) -> None:
        """A dry run ends before anything is sent. `held`: the guard's code, if it would stop a refresh like this one."""
        counts = replace(self._counts, delivered=book.delivered, rejected=self._rejected)
        self._store.tried(self._run.id, self._run.fence, counts, failure=held, now=self._work.clock.now())

    def _may_wait(self) -> bool:
        """Lets the channel take in what was sent, for a while: the refresh is claimed again; False when it has waited enough."""
        now, settings = self._work.clock.now(), self._work.settings
        begun = datetime.fromisoformat(self._memory.setdefault("confirming", now.isoformat()))
        if now - begun >= settings.confirm:
            return False
        self._remember(store=False)
        self._store.settle(self._run.id, self._run.fence, now + settings.confirm_every, self._memory)
        return True

    def _settle(self, wait: timedelta) -> None:
        if self._refusal:
            raise self._refusal
        self._beat(Phase.SETTLING, 0, 0, now=True)
        self._remember(store=False)
        self._memory.pop("troubles", None)
        self._store.settle(self._run.id, self._run.fence, self._work.clock.now() + wait, self._memory)

    def _hold(self, survey: Survey, book: Book, code: str, matchable: int) -> None:
        unchanged = matchable - survey.adds - survey.again
        counts = replace(self._counts, removed=survey.left, added=survey.added, delivered=book.delivered, unchanged=unchanged)
        self._store.hold(self._run.id, self._run.fence, counts, code, now=self._work.clock.now())

    # ── what people see, and what the next claim knows ──

    def _count(self, survey: Survey, matchable: int) -> None:
        """Counts once what the first plan of this refresh does; later plans of the same refresh only go on with it."""
        if "totals" in self._memory or self._held:
            return
        again = survey.again + max(survey.adds - survey.added, 0)
        unchanged = matchable - survey.adds - survey.again
        self._counts = replace(self._counts, added=survey.added, removed=survey.left, again=again, unchanged=unchanged)

    def _reject(self, reasons: Mapping[str, int]) -> None:
        for reason, number in reasons.items():
            self._rejected[reason] = self._rejected.get(reason, 0) + number

    def _remember(self, *, store: bool = True) -> None:
        totals = asdict(self._counts) | {"rejected": {}}
        self._memory |= {"refused": self._rejected} | ({} if self._held else {"totals": totals})
        if store:
            self._store.checkpoint(self._run.id, self._run.fence, self._memory)

    def _beat(self, phase: Phase, done: int, total: int, *, rate: float | None = None, now: bool = False) -> None:
        """Keeps the lease and says how far it is, at most once a second unless a phase begins. Raises LeaseLost."""
        at = self._monotonic()
        if not now and at - self._beaten < _BEAT_S:
            return
        left = (total - done) / rate if rate else None
        moment = self._work.clock.now()
        progress, until = Progress(phase, done, total, rate, left), moment + self._work.settings.lease
        self._store.progress(self._run.id, self._run.fence, progress, self._counts, now=moment, until=until)
        self._beaten = at

    def _confirm(self) -> None:
        """Before each request, in its own thread: a process may have been frozen since the last beat. Raises LeaseLost."""
        at = self._monotonic()
        if at - self._beaten >= 2 * _BEAT_S:
            self._store.renew(self._run.id, self._run.fence, self._work.clock.now() + self._work.settings.lease)
            self._beaten = at


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
    """Whether trying the refresh again by itself can help."""
    return isinstance(error, SourceUnavailable | SegmentTorn | LedgerUnavailable) or (
        isinstance(error, ChannelError) and not error.permanent
    )


def _life(audience: RemoteAudience) -> str:
    return f"{audience.id}@{audience.created_at.isoformat() if audience.created_at else ''}"


def _session(run: Refresh, op: Op, over: int) -> int:
    """A number for the platform's upload session: another one for each claim, since a closed session takes nothing more.

    A replacement goes on in the same one, since the platform allows no other beside it, unless it is over.
    """
    part = over if op is Op.REPLACE else run.fence
    digest = hashlib.blake2b(f"{run.id}/{part}/{op}".encode(), digest_size=6).digest()
    return int.from_bytes(digest) + 1
