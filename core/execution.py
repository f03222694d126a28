"""One refresh from its claim to its requests: what is on the platform, what the segment says now, what is to be done.

Every claim plans anew from what the ledger says may be on the platform, so it does not matter where the last worker died, nor how
often. Nothing is sent before the ledger says so durably, and nothing without having seen within the last second that the refresh
is still this worker's. What it does is sent by `core/sending.py`; how it ends is in `core/ending.py`.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from core.book import Book
from core.changes import gather
from core.claim import Claim, Work
from core.difference import Comparison, Survey
from core.ending import Ending
from core.errors import AudienceGone, ConsentMissing
from core.fingerprints import VERSION
from core.gathering import Everybody, Segment, Some, Totals
from core.identifiers import KINDS
from core.identity import RULES
from core.models import Phase, RefreshKind, RemoteAudience, SegmentKind, SyncStatus
from core.paying import pay
from core.planning import Allowed
from core.ports import Reading
from core.recording import record
from core.schedule import renewal
from core.sending import Sending

_WEEK = timedelta(days=7)


class Execution:
    """One claim of one refresh."""

    def __init__(self, work: Work, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._work, self._run, self._sync = work, work.run, work.sync
        self._claim = Claim(work, monotonic=monotonic)
        self._sending, self._ending = Sending(self._claim), Ending(self._claim)
        self._clipped = False

    def go(self) -> None:
        """Works until there is nothing more to do now. Raises LeaseLost, Stopped, ChannelError, SourceError."""
        work = self._work
        confirming = "confirming" in self._claim.memory
        self._claim.beat(Phase.CONFIRMING if confirming else Phase.READING, 0, self._sync.members or 0, now=True)
        self._require_access()
        audience = self._audience()
        book = self._open(audience)
        if wait := self._sending.still_working(book):
            self._ending.settle(wait)
            return
        book = self._reopened(book)
        if self._sync.status is SyncStatus.INACTIVE:
            pay(self._claim, self._sending, self._ending, book)
            return
        if confirming and book.is_settled:  # all was sent before: only the channel's own work was waited for
            self._ending.finish(book)
            return
        self._claim.replaces_again = self._is_replacing(book) and self._run.kind is not RefreshKind.DRY
        with work.source.read(self._sync.segment_id) as reading:
            if self._is_unchanged(book, reading, audience):
                self._ending.finish(book)
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
            self._work.channel.require_access(self._claim.target)
        except AudienceGone:  # what follows from that is decided where the audience is looked for; the account must be ours
            self._work.channel.require_access(replace(self._claim.target, audience_id=""))

    def _audience(self) -> RemoteAudience | None:
        """The audience as the platform has it; None where it is still to be made. A person's retry makes a deleted one anew."""
        channel = self._work.channel
        if self._sync.audience_id:
            try:
                return channel.audience(self._claim.target)
            except AudienceGone:
                asked = self._run.requested_by is not None or self._run.kind in (RefreshKind.FULL, RefreshKind.FIRST)
                if not (asked and self._sync.failure == AudienceGone.code):
                    raise
        found = channel.find(replace(self._claim.target, audience_id=""), key=self._sync.id)
        if found is not None and found.id != self._sync.audience_id:
            self._claim.adopt(found)
            return found
        return None

    def _open(self, audience: RemoteAudience | None) -> Book:
        """The ledger of this audience and its life; of another one nothing counts."""
        generations = self._work.ledger.generations()
        is_its_own = audience is not None and generations and generations[-1].header.get("life") == audience.life
        return Book(generations, void=not is_its_own)

    def _is_replacing(self, book: Book) -> bool:
        return self._work.channel.traits.can_replace and bool(book.header.get("replacing"))

    def _reopened(self, book: Book) -> Book:
        """With what the platform's own work has come to."""
        if not book.waiting:
            return book
        book.close()
        return Book.of(self._work.ledger)

    # ── reading and comparing ──

    def _gather(self, reading: Reading, book: Book) -> Everybody | Some:
        """Whom to look at, as they are now."""
        work, columns, kind = self._work, reading.columns, reading.segment.kind
        if work.channel.traits.needs_consent and not columns.consent and kind is SegmentKind.CONTACTS:
            raise ConsentMissing
        allowed = Allowed(work.channel.traits, kind, book.header.get("kinds", ()), bool(book.header.get("clipped")))
        retry = self._claim.retries_refused or self._is_stale(book)
        some = Some(book, allowed, settled=self._sending.is_settled(book), retry_refused=retry, due=self._due(book))
        replaces = self._claim.is_full and work.channel.traits.can_replace  # with everybody, or whoever was sent before is lost
        if not replaces and self._is_planned(book, self._version(reading)):
            some.totals = Totals(members=int(book.header.get("counts", {}).get("members", 0)))
            return some
        size = reading.segment.size or 0
        segment = Segment(
            reading,
            allowed,
            seed=work.ledger.seed,
            memory=work.settings.memory_mib << 20,
            beat=lambda rows: self._claim.beat(Phase.READING, min(rows, size), size),
        )
        stale = self._is_stale(book) or book.header.get("rules") != self._rules(reading)
        # under an older key of the ledger, fingerprints of rows were others too; all of it is written anew
        anew = self._claim.is_full or book.is_empty or work.ledger.is_under_old_key
        found = gather(segment, book, None if anew else some, rows_known=not stale)
        self._clipped = allowed.clipped
        return found

    def _is_stale(self, book: Book) -> bool:
        """Whether everybody has to be looked at again, and whoever was refused to be tried again."""
        looked = book.header.get("looked")
        return looked is None or self._claim.begun - datetime.fromisoformat(looked) >= self._work.settings.look_at_all

    def _is_planned(self, book: Book, version: str | None) -> bool:
        """Whether the ledger was last planned for this refresh, and the source proves that nothing has changed since."""
        return version is not None and book.header.get("version") == version and "totals" in self._claim.memory

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
        return renewal(datetime.fromisoformat(renewed), self._claim.begun, memory / 2)

    def _is_unchanged(self, book: Book, reading: Reading, audience: RemoteAudience | None) -> bool:
        """Whether the source proves that the ledger's last plan still holds, and nothing else asks for work."""
        if self._run.kind not in (RefreshKind.ROUTINE, RefreshKind.REQUESTED) or audience is None or self._due(book):
            return False
        if self._work.ledger.is_under_old_key or self._is_stale(book):
            return False
        version = self._version(reading)
        refused = book.counts.refused if self._run.requested_by else 0
        if version is None or book.header.get("version") != version or not book.is_settled or refused:
            return False
        if "totals" not in self._claim.memory:
            known = book.header.get("counts", {})
            members = int(known.get("members", 0))
            self._claim.counts = replace(
                self._claim.counts, members=members, matchable=int(known.get("matchable", 0)), unchanged=book.delivered
            )
        return True

    def _compare(self, audience: RemoteAudience | None, book: Book, touched: Everybody | Some, reading: Reading) -> None:
        self._claim.beat(Phase.COMPARING, 0, touched.totals.members, now=True)
        settled = self._sending.is_settled(book)

        def compare(*, replaces: bool) -> Comparison:
            return Comparison(
                touched,
                settled=settled,
                everything=self._claim.is_full,
                retry_refused=self._claim.retries_refused or self._is_stale(book),
                due=self._due(book),
                replaces=replaces,
                first=book.is_empty and isinstance(touched, Everybody) and self._run.kind is not RefreshKind.DRY,
            )

        replaces = self._claim.is_full and self._work.channel.traits.can_replace
        comparison = compare(replaces=replaces)
        if replaces and not comparison.survey.adds:  # nobody to put in the others' place
            replaces, comparison = False, compare(replaces=False)
        survey = comparison.survey
        code = "segment_shrunk" if touched.totals.members else "segment_empty"
        known = survey.known if isinstance(touched, Everybody) else book.counts.present
        matchable = known - survey.known + survey.matchable
        self._claim.counts = replace(self._claim.counts, members=touched.totals.members, matchable=matchable)
        self._claim.held = self._is_guarded(survey, known, matchable)
        if not book.is_empty or self._run.kind is RefreshKind.DRY:
            self._claim.count(survey, matchable)
        if self._claim.held:  # who withdrew consent leaves all the same
            if self._run.kind is RefreshKind.DRY:
                self._claim.held = False
                self._claim.count(survey, matchable)
                self._ending.tried(book, code)
                return
            shown = survey
            some = Some(book, Allowed(self._work.channel.traits, reading.segment.kind), settled=settled, retry_refused=False)
            some.leave(survey.withdrawn)
            some.totals, touched = touched.totals, some
            comparison, replaces = Comparison(some, settled=settled), False
            survey = comparison.survey
            if survey.is_empty:
                self._ending.hold(shown, book, code, matchable)
                return
        if self._run.kind is RefreshKind.DRY:
            self._ending.tried(book, None)
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
                self._claim.target, name=self._sync.name, key=self._sync.id, kinds=frozenset(KINDS[code] for code in codes)
            )
            self._claim.adopt(audience)
        names = {"life": audience.life, "audience": audience.id}
        if survey.is_empty and isinstance(touched, Some) and not touched.has_news:
            header = self._header(book, touched, survey, reading) | names
            if header != dict(book.header):
                self._work.ledger.seen(header)
            self._ending.finish(Book.of(self._work.ledger))
            return

        def decided() -> dict[str, Any]:
            """All is decided: counted and remembered before anything of it counts."""
            if self._claim.is_full and not self._claim.held:
                self._claim.memory.setdefault("since", self._claim.begun.isoformat())
            if book.is_empty:
                self._claim.counts = replace(self._claim.counts, members=touched.totals.members, matchable=survey.matchable)
                self._claim.count(survey, survey.matchable)
            self._claim.owe(survey)
            self._claim.remember()
            self._claim.beat(Phase.COMPARING, 0, 0, now=True)
            removing = {"removed": ""} if survey.removes else {}  # at a time that is only known when all are sent
            replacing = {"replacing": True} if replaces or (self._claim.held and self._is_replacing(book)) else {}
            header.update(self._header(book, touched, survey, reading) | names | removing | replacing)
            return header

        header = {}
        traits, floor = self._sending.traits(survey), self._work.settings.compact_below
        record(self._work.ledger, book, touched, comparison, header=decided, traits=traits, floor=floor)
        touched.close()
        if survey.is_empty:
            self._ending.finish(Book.of(self._work.ledger))
            return
        wait = self._sending.deliver(survey, header, replaces=replaces)
        if wait is None:
            self._ending.finish(Book.of(self._work.ledger))
        else:
            self._ending.settle(wait)

    def _header(self, book: Book, touched: Everybody | Some, survey: Survey, reading: Reading) -> dict[str, Any]:
        now = self._work.clock.now().isoformat()
        before, everybody = book.header, isinstance(touched, Everybody)
        is_renewed = not self._claim.held and (self._claim.is_full or "renewed" not in before or bool(self._due(book)))
        kinds = survey.kinds if everybody else survey.kinds | set(before.get("kinds", ()))
        header: dict[str, Any] = {
            "format": 2,
            "version": None if self._claim.held else self._version(reading),
            "rules": before.get("rules") if self._claim.held else self._rules(reading),
            "kinds": sorted(kinds),
            "clipped": self._clipped or bool(before.get("clipped")),
            "counts": {
                "members": self._claim.counts.members,
                "matchable": self._claim.counts.matchable,
                "reasons": touched.totals.reasons,
            },
            "looked": now if touched.looked_at_all else before.get("looked"),
            "renewed": self._claim.begun.isoformat() if is_renewed else before.get("renewed"),
        }
        return header | ({"removed": before["removed"]} if "removed" in before else {})

    def _is_guarded(self, survey: Survey, known: int, matchable: int) -> bool:
        approved = self._run.approved_removals
        if not known or not survey.left or (approved is not None and survey.left <= approved):
            return False
        share = self._work.store.guard_share(self._sync)
        share = self._work.settings.guard_share if share is None else share
        if not matchable or survey.left < self._work.settings.guard_floor:
            return not matchable
        largest = self._work.store.largest(self._sync.id, self._claim.begun - _WEEK)
        return survey.left > share * known or matchable < largest * (1 - max(share, self._work.settings.guard_week))
