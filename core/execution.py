"""One refresh from its claim to where it is planned; what follows is sent (`sending.py`) and ends (`ending.py`).

Every claim plans anew from what the ledger says may be on the platform, so it does not matter where the last worker died, nor how
often. Nothing is sent before the ledger says so durably, and nothing without having seen within the last second that the refresh
is still this worker's.
"""

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from core.book import Book
from core.changes import gather
from core.claim import Claim
from core.difference import Comparison, Survey
from core.ending import Ending
from core.errors import AudienceGone, ChannelError, ConsentMissing
from core.fingerprints import VERSION
from core.gathering import Everybody, Segment, Some, Totals
from core.identifiers import KINDS
from core.identity import RULES
from core.models import Phase, RefreshKind, RemoteAudience, SegmentKind
from core.planning import Allowed
from core.ports import Reading
from core.recording import record
from core.schedule import renewal
from core.sending import Sending


class Execution:
    """One claim of one refresh."""

    def __init__(self, claim: Claim) -> None:
        self._claim, self._ending = claim, Ending(claim)
        self._sending = Sending(claim, self._ending)
        self._clipped = False

    def go(self) -> None:
        """Works until there is nothing more to do now. Raises LeaseLost, Stopped, ChannelError, SourceError."""
        claim = self._claim
        confirming = "confirming" in claim.memory
        claim.beat(Phase.CONFIRMING if confirming else Phase.READING, 0, claim.sync.members or 0, now=True)
        self._require_access()
        audience = self._audience()
        book = self._open(audience)
        if self._still_working(book):
            return
        book = self._reopened(book)
        if claim.run.ending:
            self._pay(book)
            return
        if confirming and book.is_settled:  # all was sent before: only the channel's own work was waited for
            self._ending.finish(book)
            return
        with claim.source.read(claim.sync.segment_id) as reading:
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
        claim = self._claim
        try:
            claim.channel.require_access(claim.target)
        except AudienceGone:  # what follows from that is decided where the audience is looked for; the account must be ours
            claim.channel.require_access(replace(claim.target, audience_id=""))

    def _audience(self) -> RemoteAudience | None:
        """The audience as the platform has it; None where it is still to be made. A person's retry makes a deleted one anew."""
        claim, channel = self._claim, self._claim.channel
        if claim.sync.audience_id:
            try:
                return channel.audience(claim.target)
            except AudienceGone:
                asked = claim.run.requested_by is not None or claim.run.kind in (RefreshKind.FULL, RefreshKind.FIRST)
                if not (asked and claim.sync.failure == AudienceGone.code):
                    raise
        found = channel.find(replace(claim.target, audience_id=""), key=claim.sync.id)
        if found is not None and found.id != claim.sync.audience_id:
            claim.adopt(found.id)
            return found
        return None

    def _open(self, audience: RemoteAudience | None) -> Book:
        """The ledger of this audience and its life; of another one nothing counts."""
        generations = self._claim.ledger.generations()
        is_its_own = audience is not None and generations and generations[-1].header.get("life") == _life(audience)
        return Book(generations, void=not is_its_own)

    def _reopened(self, book: Book) -> Book:
        """With what the platform's own work has come to."""
        if not book.waiting:
            return book
        book.close()
        return Book.of(self._claim.ledger)

    def _still_working(self, book: Book) -> bool:
        """Asks how the platform's own work stands; while it goes on the refresh waits."""
        claim = self._claim
        ask_again = timedelta(0)
        failed = 0
        for batch, request_ids in list(book.waiting.items()):
            states = [claim.channel.settlement(claim.target, r) for r in request_ids.split(",")]
            pending = [s.ask_again_in for s in states if not s.done]
            if pending:
                ask_again = max(ask_again, *pending, timedelta(seconds=1))
                continue
            for state in states:
                claim.reject(state.rejected)
            if any(s.failed for s in states):
                failed += 1
                claim.ledger.lost(batch)
            else:
                claim.ledger.done(batch, book.refused(batch))
        if failed:
            claim.memory["failed"] = claim.memory.get("failed", 0) + 1
            if claim.memory["failed"] > len(claim.settings.waits):
                raise ChannelError("The platform's own work on the audience keeps failing.")
        if ask_again:
            claim.settle(ask_again)
            return True
        return False

    def _pay(self, book: Book) -> None:
        """The sync was paused: whom removals may have taken along is sent again, when they have taken effect; nothing else is."""
        claim = self._claim
        if not book.owed:
            self._ending.finish(book)
            return
        if not claim.is_settled(book):
            if not book.header["removed"]:  # a kill came before it was noted
                claim.ledger.seen({**book.header, "removed": claim.clock.now().isoformat()})
            claim.settle(claim.traits.settle)
            return
        kind = claim.sync.segment_kind
        some = Some(book, Allowed(claim.traits, kind, book.header.get("kinds", ())), settled=True, retry_refused=False)
        comparison = Comparison(some, only_owed=True, paying=book.is_paying)
        header = {**book.header, "paying": True}
        traits, floor = claim.traits, claim.settings.compact_below
        record(claim.ledger, book, some, comparison, header=lambda: header, traits=traits, floor=floor)
        book.close()
        self._sending.deliver(comparison.survey, header, replaces=False)

    # ── reading and comparing ──

    def _gather(self, reading: Reading, book: Book) -> Everybody | Some:
        """Whom to look at, as they are now."""
        claim, columns, kind = self._claim, reading.columns, reading.segment.kind
        if claim.traits.needs_consent and not columns.consent and kind is SegmentKind.CONTACTS:
            raise ConsentMissing
        allowed = Allowed(claim.traits, kind, book.header.get("kinds", ()), bool(book.header.get("clipped")))
        some = Some(book, allowed, settled=claim.is_settled(book), retry_refused=claim.retries_refused, due=self._due(book))
        if self._is_planned(book, self._version(reading)):
            some.totals = Totals(members=int(book.header.get("counts", {}).get("members", 0)))
            return some
        size = reading.segment.size or 0
        segment = Segment(
            reading,
            allowed,
            seed=claim.ledger.seed,
            memory=claim.settings.memory_mib << 20,
            beat=lambda rows: claim.beat(Phase.READING, min(rows, size), size),
        )
        looked = book.header.get("looked")
        stale = looked is None or claim.clock.now() - datetime.fromisoformat(looked) >= claim.settings.look_at_all
        stale = stale or book.header.get("rules") != self._rules(reading)
        # under an older key of the ledger, fingerprints of rows were others too; all of it is written anew
        anew = claim.is_full or book.is_empty or claim.ledger.is_under_old_key
        found = gather(segment, book, None if anew else some, rows_known=not stale)
        self._clipped = allowed.clipped
        return found

    def _is_planned(self, book: Book, version: str | None) -> bool:
        """Whether the ledger was last planned for this refresh, and the source proves that nothing has changed since."""
        return version is not None and book.header.get("version") == version and "totals" in self._claim.memory

    def _rules(self, reading: Reading) -> str:
        """Names all that makes identifiers out of rows: equal rules give equal identifiers of equal rows."""
        traits = self._claim.traits
        words = f"{RULES}/{VERSION}/{reading.columns}/{reading.segment.kind}/{sorted(traits.kinds)}/{traits.max_identifiers}"
        return hashlib.sha256(words.encode()).hexdigest()

    def _version(self, reading: Reading) -> str | None:
        """Names content and rules together: what gave the same identifiers before gives them again."""
        if reading.version is None:
            return None
        return hashlib.sha256(f"{reading.version}|{self._rules(reading)}".encode()).hexdigest()

    def _due(self, book: Book) -> tuple[tuple[int, int], ...]:
        """Ranges of members whose turn it is to be sent again, so that the platform does not forget them."""
        memory, renewed = self._claim.traits.memory, book.header.get("renewed")
        if memory is None or renewed is None:
            return ()
        return renewal(datetime.fromisoformat(renewed), self._claim.begun, memory / 2)

    def _is_unchanged(self, book: Book, reading: Reading, audience: RemoteAudience | None) -> bool:
        """Whether the source proves that the ledger's last plan still holds, and nothing else asks for work."""
        claim = self._claim
        if claim.run.kind not in (RefreshKind.ROUTINE, RefreshKind.REQUESTED) or audience is None or self._due(book):
            return False
        if claim.ledger.is_under_old_key:
            return False
        version = self._version(reading)
        refused = book.counts.refused if claim.run.requested_by else 0
        if version is None or book.header.get("version") != version or not book.is_settled or refused:
            return False
        if "totals" not in claim.memory:
            known = book.header.get("counts", {})
            members = int(known.get("members", 0))
            claim.counts = replace(
                claim.counts, members=members, matchable=int(known.get("matchable", 0)), unchanged=book.delivered
            )
        return True

    def _compare(self, audience: RemoteAudience | None, book: Book, touched: Everybody | Some, reading: Reading) -> None:
        claim = self._claim
        claim.beat(Phase.COMPARING, 0, touched.totals.members, now=True)
        settled = claim.is_settled(book)

        def compare(*, replaces: bool) -> Comparison:
            return Comparison(
                touched,
                settled=settled,
                everything=claim.is_full,
                retry_refused=claim.retries_refused,
                due=self._due(book),
                replaces=replaces,
                first=book.is_empty and isinstance(touched, Everybody) and claim.run.kind is not RefreshKind.DRY,
            )

        replaces = claim.is_full and claim.traits.can_replace
        comparison = compare(replaces=replaces)
        if replaces and not comparison.survey.adds:  # nobody to put in the others' place
            replaces, comparison = False, compare(replaces=False)
        survey = comparison.survey
        code = "segment_shrunk" if touched.totals.members else "segment_empty"
        known = survey.known if isinstance(touched, Everybody) else book.counts.present
        matchable = known - survey.known + survey.matchable
        claim.counts = replace(claim.counts, members=touched.totals.members, matchable=matchable)
        claim.is_held = self._is_guarded(survey, known, matchable)
        if not book.is_empty or claim.run.kind is RefreshKind.DRY:
            claim.count(survey, matchable)
        if claim.is_held:  # who withdrew consent leaves all the same
            if claim.run.kind is RefreshKind.DRY:
                claim.is_held = False
                claim.count(survey, matchable)
                self._ending.tried(book, code)
                return
            shown = survey
            some = Some(book, Allowed(claim.traits, reading.segment.kind), settled=settled, retry_refused=False)
            some.leave(survey.withdrawn)
            some.totals, touched = touched.totals, some
            comparison, replaces = Comparison(some, settled=settled), False
            survey = comparison.survey
            if survey.is_empty:
                self._ending.hold(shown, book, code, matchable)
                return
        if claim.run.kind is RefreshKind.DRY:
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
        claim, survey = self._claim, comparison.survey
        if audience is None:
            codes = touched.kinds if isinstance(touched, Everybody) else survey.kinds
            audience = claim.channel.create(
                claim.target, name=claim.sync.name, key=claim.sync.id, kinds=frozenset(KINDS[code] for code in codes)
            )
            claim.adopt(audience.id)
        names = {"life": _life(audience), "audience": audience.id}
        if survey.is_empty and isinstance(touched, Some) and not touched.has_news:
            header = self._header(book, touched, survey, reading) | names
            if header != dict(book.header):
                claim.ledger.seen(header)
            self._ending.finish(Book.of(claim.ledger))
            return

        def decided() -> dict[str, Any]:
            """All is decided: counted and remembered before anything of it counts."""
            if claim.is_full and not claim.is_held:
                claim.memory.setdefault("since", claim.begun.isoformat())
            if book.is_empty:
                claim.counts = replace(claim.counts, members=touched.totals.members, matchable=survey.matchable)
                claim.count(survey, survey.matchable)
            claim.remember()
            claim.beat(Phase.COMPARING, 0, 0, now=True)
            removing = {"removed": ""} if survey.removes else {}  # at a time that is only known when all are sent
            header.update(self._header(book, touched, survey, reading) | names | removing)
            return header

        header = {}
        traits, floor = claim.traits, claim.settings.compact_below
        record(claim.ledger, book, touched, comparison, header=decided, traits=traits, floor=floor)
        touched.close()
        if survey.is_empty:
            self._ending.finish(Book.of(claim.ledger))
            return
        self._sending.deliver(survey, header, replaces=replaces)

    def _header(self, book: Book, touched: Everybody | Some, survey: Survey, reading: Reading) -> dict[str, Any]:
        claim = self._claim
        now = claim.clock.now().isoformat()
        before, everybody = book.header, isinstance(touched, Everybody)
        is_renewed = not claim.is_held and (claim.is_full or "renewed" not in before or bool(self._due(book)))
        kinds = survey.kinds if everybody else survey.kinds | set(before.get("kinds", ()))
        header: dict[str, Any] = {
            "format": 2,
            "version": None if claim.is_held else self._version(reading),
            "rules": before.get("rules") if claim.is_held else self._rules(reading),
            "kinds": sorted(kinds),
            "clipped": self._clipped or bool(before.get("clipped")),
            "counts": {
                "members": claim.counts.members,
                "matchable": claim.counts.matchable,
                "reasons": touched.totals.reasons,
            },
            "looked": now if touched.looked_at_all else before.get("looked"),
            "renewed": claim.begun.isoformat() if is_renewed else before.get("renewed"),
        }
        return header | ({"removed": before["removed"]} if "removed" in before else {})

    def _is_guarded(self, survey: Survey, known: int, matchable: int) -> bool:
        claim = self._claim
        approved = claim.run.approved_removals
        if not known or not survey.left or (approved is not None and survey.left <= approved):
            return False
        share = claim.store.guard_share(claim.sync)
        share = claim.settings.guard_share if share is None else share
        return not matchable or (survey.left > share * known and survey.left >= claim.settings.guard_floor)


def _life(audience: RemoteAudience) -> str:
    return f"{audience.id}@{audience.created_at.isoformat() if audience.created_at else ''}"
