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

import polars as pl

from core.delivery import Courier, Sent
from core.difference import Plan, State, compare, intend, present
from core.errors import AudienceGone, ChannelError, ConsentMissing, RemovalRefused, SegmentTorn, SourceUnavailable, Unavailable
from core.identity import KINDS, RULES, Members, identify, needed
from core.ledger import Book, Ledger, apply
from core.models import Counts, Phase, Progress, Refresh, RefreshKind, RemoteAudience, SegmentKind, Sync
from core.planning import in_batches, taken
from core.ports import AdChannel, Clock, Op, Reading, SegmentSource, Target
from core.schedule import next_due_of
from core.store.refreshes import RefreshStore

logger = logging.getLogger(__name__)
_BEAT_S = 1.0


@dataclass(frozen=True, slots=True)
class RefreshSettings:
    """How refreshes are executed. `retries`: seconds before new attempts of a request; `waits`: before new tries of a refresh.

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
        self._held = False
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
        if confirming and book.is_settled:  # all was sent before: only the channel's own work was waited for
            self._finish(book)
            return
        with work.source.read(self._sync.segment_id) as reading:
            if self._is_unchanged(book, reading, audience):
                self._finish(book)
                return
            version = self._version(reading)
            members, current = self._planned(book, version) or self._read(reading, book)
        self._compare(audience, book, members, current, version)

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
        book = self._work.ledger.load()
        if audience is None or book.header.get("life") != _life(audience):
            return Book(book.table.clear(), {}, book.generation)
        return book

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
            del book.waiting[batch]
            if any(s.failed for s in states):
                failed += 1
                self._work.ledger.lost(batch)
            else:
                refused = book.journal.get(batch, {})
                self._work.ledger.done(batch, refused)
                book.table = apply(book.table, {batch: refused})
        if failed:
            self._memory["failed"] = self._memory.get("failed", 0) + 1
            if self._memory["failed"] > len(self._work.settings.waits):
                raise ChannelError("The platform's own work on the audience keeps failing.")
        if ask_again:
            self._settle(ask_again)
            return True
        return False

    # ── reading and comparing ──

    def _read(self, reading: Reading, book: Book) -> tuple[Members, pl.DataFrame]:
        work, columns = self._work, reading.columns
        if work.channel.traits.needs_consent and not columns.consent and reading.segment.kind is SegmentKind.CONTACTS:
            raise ConsentMissing
        names = needed(columns)
        parts: list[pl.DataFrame] = []
        for batch in reading.batches(names):
            parts.append(pl.DataFrame(batch))
            self._beat(Phase.READING, 0, reading.segment.size or 0)
        if not reading.complete():
            raise SegmentTorn
        frame = pl.concat(parts) if parts else pl.DataFrame(schema=dict.fromkeys(names, pl.String))
        members = identify(frame, columns, work.channel.traits.channel, reading.segment.kind)
        held = present(book.table)["kind"].unique().to_list()
        current, _ = taken(members.table, work.channel.traits, reading.segment.kind, held=held)
        matchable = current["member"].n_unique()
        self._counts = replace(self._counts, members=members.members, matchable=matchable)
        return members, current

    def _planned(self, book: Book, version: str | None) -> tuple[Members, pl.DataFrame] | None:
        """What the ledger was last planned for, where the source proves that it has not changed since; None where it does not."""
        if version is None or book.header.get("version") != version or "totals" not in self._memory:
            return None
        current = present(book.table).select("member", "kind", "value")
        known = book.header.get("counts", {})
        members, matchable = int(known.get("members", 0)), int(known.get("matchable", 0))
        return Members(current, 0, members, matchable, {}, pl.Series(dtype=pl.UInt64)), current

    def _version(self, reading: Reading) -> str | None:
        """Names content and rules together: what gave the same identifiers before gives them again."""
        if reading.version is None:
            return None
        rules = f"{RULES}/{reading.columns}/{sorted(self._work.channel.traits.kinds)}/{self._work.channel.traits.max_identifiers}"
        return hashlib.sha256(f"{reading.version}|{rules}".encode()).hexdigest()

    def _is_unchanged(self, book: Book, reading: Reading, audience: RemoteAudience | None) -> bool:
        """Whether the source proves that the ledger's last plan still holds, and nothing else asks for work."""
        if self._run.kind not in (RefreshKind.ROUTINE, RefreshKind.REQUESTED) or audience is None:
            return False
        version = self._version(reading)
        refused = book.table.filter(pl.col("state") == State.REFUSED).height if self._run.requested_by else 0
        if version is None or book.header.get("version") != version or not book.is_settled or refused:
            return False
        if "totals" not in self._memory:
            known = book.header.get("counts", {})
            members = int(known.get("members", 0))
            self._counts = replace(
                self._counts, members=members, matchable=int(known.get("matchable", 0)), unchanged=book.delivered
            )
        return True

    def _compare(
        self, audience: RemoteAudience | None, book: Book, members: Members, current: pl.DataFrame, version: str | None
    ) -> None:
        run = self._run
        self._beat(Phase.COMPARING, 0, members.members, now=True)
        full = run.kind is RefreshKind.FULL and not self._memory.get("resent")
        again = run.requested_by is not None and "totals" not in self._memory  # a person's request tries refused members again
        settled = self._is_settled(book)
        plan = compare(current, book.table, withdrawn=members.withdrawn, settled=settled, everything=full, retry_refused=again)
        self._held = self._is_guarded(plan, current)
        if self._held:  # who withdrew consent leaves all the same
            staying = present(book.table).select("member", "kind", "value").unique()
            current = staying.join(members.withdrawn.to_frame("member"), on="member", how="anti")
            shown, plan, full = plan, compare(current, book.table, settled=settled), False
            if run.kind is RefreshKind.DRY:
                self._held = False
                self._count(shown)
                self._tried(book, "segment_shrunk" if members.members else "segment_empty")
                return
            if plan.is_empty:
                self._hold(shown, book, members)
                return
        self._count(plan)
        if run.kind is RefreshKind.DRY:
            self._tried(book, None)
            return
        header: dict[str, Any] = {
            "version": None if self._held else version,
            "counts": {"members": members.members, "matchable": self._counts.matchable},
        }
        if audience is None:
            audience = self._work.channel.create(
                self._target, name=self._sync.name, key=self._sync.id, kinds=frozenset(KINDS[k] for k in current["kind"].unique())
            )
            self._adopt(audience)
        header |= {"life": _life(audience), "audience": audience.id, "format": 1}
        header |= {"removed": book.header["removed"]} if "removed" in book.header else {}
        if plan.is_empty:
            if header != dict(book.header):
                self._note_header(book, header)
            self._finish(book)
            return
        self._deliver(plan, current, book, header, full=full, settled=settled)

    def _is_guarded(self, plan: Plan, current: pl.DataFrame) -> bool:
        approved = self._run.approved_removals
        if not plan.known or not plan.left or (approved is not None and plan.left <= approved):
            return False
        share = self._store.guard_share(self._sync)
        share = self._work.settings.guard_share if share is None else share
        empty = not current.height
        return empty or (plan.left > share * plan.known and plan.left >= self._work.settings.guard_floor)

    # ── sending ──

    def _is_settled(self, book: Book) -> bool:
        """Whether the removals that were sent have taken effect by now; when they were sent is not known after a kill."""
        removed = book.header.get("removed")
        if removed is None:
            return True
        return bool(removed) and self._work.clock.now() >= datetime.fromisoformat(removed) + self._work.channel.traits.settle

    def _deliver(
        self, plan: Plan, current: pl.DataFrame, book: Book, header: dict[str, Any], *, full: bool, settled: bool
    ) -> None:
        """Removals first, then whoever shares nothing with them; the others after the platform has settled."""
        traits, ledger = self._work.channel.traits, self._work.ledger
        replaces = full and traits.can_replace
        if replaces:
            everybody = current.sort("member")
            plan = replace(plan, adds=everybody, again=everybody.clear())
        removes = in_batches(plan.removes, traits, first=0)
        first = int(removes["batch"].max() or 0) + 1 if removes.height else 0  # type: ignore[arg-type]
        adds = in_batches(plan.adds, traits, first=first)
        planned = replace(plan, removes=removes, adds=adds)
        table = intend(planned, current, book.table, settled=settled)
        if removes.height:
            header["removed"] = ""  # at a time that is only known when all are sent
        self._remember()
        self._beat(Phase.COMPARING, 0, 0, now=True)
        ledger.write(table, header)
        sent: list[Sent] = []
        if replaces:
            sent.append(self._carry(Op.REPLACE, Phase.ADDING, adds))
            if not sent[-1].waiting:
                for batch in removes["batch"].unique():
                    ledger.done(batch, {})
                    sent[-1].done[batch] = {}
        else:
            sent.append(self._carry(Op.REMOVE, Phase.REMOVING, removes))
        if header.get("removed") == "":
            header["removed"] = self._work.clock.now().isoformat()
            ledger.seen(header)
        if not replaces:
            sent.append(self._carry(Op.ADD, Phase.ADDING, adds))
        if full:
            self._memory["resent"] = True
        waiting = {k: v for wave in sent for k, v in wave.waiting.items()}
        if plan.again.height or waiting or self._held:
            wait = traits.settle if plan.again.height else timedelta(0)
            self._settle(wait)
            return
        book = Book(apply(table, {k: v for wave in sent for k, v in wave.done.items()}), header, book.generation + 1)
        self._finish(book)

    def _carry(self, op: Op, phase: Phase, table: pl.DataFrame) -> Sent:
        work, total = self._work, table["member"].n_unique() if table.height else 0
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
            stopping=work.stopping,
            retries=work.settings.retries,
        )
        try:
            sent = courier.carry(op, table, session=_session(self._run, op))
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

    def _hold(self, plan: Plan, book: Book, members: Members) -> None:
        counts = replace(self._counts, removed=plan.left, added=plan.added, delivered=book.delivered, unchanged=plan.unchanged)
        code = "segment_shrunk" if members.members else "segment_empty"
        self._store.hold(self._run.id, self._run.fence, counts, code, now=self._work.clock.now())

    def _note_header(self, book: Book, header: Mapping[str, Any]) -> None:
        if book.generation and book.header:
            self._work.ledger.seen(header)
        else:
            self._work.ledger.write(book.table, header)

    # ── what people see, and what the next claim knows ──

    def _count(self, plan: Plan) -> None:
        """Counts once what the first plan of this refresh does; later plans of the same refresh only go on with it."""
        if "totals" in self._memory or self._held:
            return
        again = plan.again["member"].n_unique() if plan.again.height else 0
        adds = plan.adds["member"].n_unique() if plan.adds.height else 0
        again += max(adds - plan.added, 0)
        self._counts = replace(self._counts, added=plan.added, removed=plan.left, again=again, unchanged=plan.unchanged)

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
        self._store.renew(self._run.id, self._run.fence, moment + self._work.settings.lease)
        self._store.progress(self._run.id, self._run.fence, Progress(phase, done, total, rate, left), self._counts, moment)
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
    return isinstance(error, SourceUnavailable | SegmentTorn) or (isinstance(error, ChannelError) and not error.permanent)


def _life(audience: RemoteAudience) -> str:
    return f"{audience.id}@{audience.created_at.isoformat() if audience.created_at else ''}"


def _session(run: Refresh, op: Op) -> int:
    """A number for the platform's upload session: another one for each claim, since a closed session takes nothing more."""
    digest = hashlib.blake2b(f"{run.id}/{run.fence}/{op}".encode(), digest_size=6).digest()
    return int.from_bytes(digest) + 1
