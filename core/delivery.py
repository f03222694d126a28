"""Sends the batches of one refresh: several in flight, each tried again while that can help, refused ones split."""

import contextvars
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from core.errors import LeaseLost, OutcomeUnknown, RateLimited, Rejected, Unavailable
from core.identifiers import U64, Identifiers, among, each
from core.ledger import Ledger
from core.planning import build
from core.ports import CHANNEL_FAILED, AdChannel, Delivery, Op, Receipt, Target


class Stopped(Exception):
    """This worker was asked to stop: the rest is for another one."""


@dataclass(slots=True)
class Sent:
    """What one wave of requests did. `waiting`: whether the platform still works on some; `rejected` counts by reason.

    `failed`: whether the platform itself failed at some removals, which are still to be made.
    """

    waiting: bool = False
    failed: bool = False
    received: int = 0
    rejected: Counter[str] = field(default_factory=Counter)


class Courier:
    """Carries batches to one audience. `beat`: called at least once a second with the members done; raises to end the wave.

    `confirm`: called before each request, in the thread that sends it; raises LeaseLost where the refresh is another worker's.
    `retries`: seconds to wait before each new attempt; a longer wait that a platform asks for is left to the caller.
    """

    def __init__(
        self,
        *,
        channel: AdChannel,
        target: Target,
        ledger: Ledger,
        beat: Callable[[int], None],
        confirm: Callable[[], None],
        stopping: threading.Event,
        retries: tuple[float, ...] = (1, 2, 4, 8),
    ) -> None:
        self._channel, self._target, self._ledger, self._beat = channel, target, ledger, beat
        self._confirm, self._stopping, self._retries = confirm, stopping, retries

    def carry(self, op: Op, parts: Iterable[tuple[int, Identifiers]], *, total: int, session: int) -> Sent:
        """Sends batches, by their numbers. Raises Stopped, what `beat` raises, or the ChannelError that ended it.

        The last batch closes the platform's session, so it goes alone, after all others; of a replacement the first opens it and
        goes alone as well. `total`: members of them all.
        """
        sent = Sent()
        coming = iter(parts)
        last = next(coming, None)
        if last is None:
            return sent
        wave = _Wave(op, session, total, itertools.count(1))
        if op is Op.REPLACE and (following := next(coming, None)):
            self._several(wave, [last], sent, last=False)
            last = following
        ending: list[tuple[int, Identifiers]] = []
        self._several(wave, _but_last(last, coming, ending), sent, last=False)
        self._several(wave, ending, sent, last=True)
        return sent

    def _several(self, wave: "_Wave", parts: Iterable[tuple[int, Identifiers]], sent: Sent, *, last: bool) -> None:
        waiting = iter(parts)
        with ThreadPoolExecutor(max(self._channel.traits.in_flight, 1), thread_name_prefix="deliver") as pool:
            flying: dict[Future[_Outcome], int] = {}
            error: BaseException | None = None
            while True:
                while error is None and len(flying) < self._channel.traits.in_flight:
                    part = next(waiting, None)
                    if part is None:
                        break
                    try:
                        self._check(wave)
                    except (Stopped, LeaseLost) as stop:  # what is in flight is awaited and noted first
                        error = stop
                        break
                    within = contextvars.copy_context()  # so that what watches knows whose request it is
                    flying[pool.submit(within.run, self._one, wave, part[1], last=last)] = part[0]
                if not flying:
                    break
                ready, _ = wait(flying, timeout=1, return_when=FIRST_COMPLETED)
                for future in ready:
                    number = flying.pop(future)
                    if failure := future.exception():
                        error = error or failure
                    else:
                        self._note(wave, number, future.result(), sent)
                if not ready and error is None:
                    try:
                        self._check(wave)
                    except (Stopped, LeaseLost) as stop:
                        error = stop
            if error is not None:
                raise error

    def _check(self, wave: "_Wave") -> None:
        if self._stopping.is_set():
            raise Stopped
        self._beat(wave.done)

    def _note(self, wave: "_Wave", number: int, outcome: "_Outcome", sent: Sent) -> None:
        """Durable before anything is built on it."""
        wave.done += outcome.size
        sent.received += outcome.received
        if wave.op is Op.REMOVE and CHANNEL_FAILED in {*outcome.refused.values(), *outcome.unplaced}:
            sent.failed = True  # somebody may still be there: the whole batch stays to be removed, which harms nobody
            return
        sent.rejected.update(outcome.refused.values())
        sent.rejected.update(outcome.unplaced)
        refused = {int(outcome.members[place]): reason for place, reason in outcome.refused.items()}
        if outcome.requests:
            sent.waiting = True
            self._ledger.sent(number, ",".join(outcome.requests), refused)
        else:
            self._ledger.done(number, refused)

    def _one(self, wave: "_Wave", rows: Identifiers, *, last: bool) -> "_Outcome":
        """One batch, divided as long as the platform refuses it for its rows."""
        outcome = _Outcome(each(rows.column("member")))
        parts: list[list[int]] = [list(range(outcome.size))]
        while parts:
            chosen = parts.pop(0)
            part = rows if len(chosen) == outcome.size else rows.where(among(rows.column("member"), outcome.members[chosen]))
            try:
                receipt = self._insist(wave, part, len(chosen), last=last and not parts)
            except Rejected as error:
                named = [chosen[r] for r in error.rows if 0 <= r < len(chosen)]
                if named or len(chosen) == 1:
                    outcome.refused |= dict.fromkeys(named or chosen, error.reason)
                    rest = [p for p in chosen if p not in set(named)] if named else []
                    parts += [rest] if rest else []
                else:
                    parts += [chosen[: len(chosen) // 2], chosen[len(chosen) // 2 :]]
                continue
            outcome.received += receipt.received
            outcome.refused |= {chosen[place]: reason for place, reason in receipt.rejected.items()}
            outcome.unplaced.update(receipt.unplaced)
            if receipt.request_id:
                outcome.requests.append(receipt.request_id)
        return outcome

    def _insist(self, wave: "_Wave", rows: Identifiers, size: int, *, last: bool) -> Receipt:
        delivery = Delivery(wave.op, build(rows), wave.session, wave.next(), last, wave.total)
        for attempt in itertools.count():
            self._confirm()
            try:
                receipt = self._channel.deliver(self._target, delivery)
            except (Unavailable, OutcomeUnknown) as error:
                asked = error.retry_after if isinstance(error, RateLimited) else None
                if attempt >= len(self._retries) or (asked or 0) > max(self._retries):
                    raise
                if self._stopping.wait(asked if asked is not None else self._retries[attempt]):
                    raise Stopped from error
                continue
            short = size - receipt.received - len(receipt.rejected) - sum(receipt.unplaced.values())
            if short <= 0 or wave.op is not Op.ADD:
                return receipt
            if attempt:  # a shortfall is sent again once
                return Receipt(
                    receipt.received, receipt.rejected, {**receipt.unplaced, "not_received": short}, receipt.request_id
                )
        raise AssertionError  # the loop ends by itself only


@dataclass(slots=True)
class _Wave:
    op: Op
    session: int
    total: int
    numbers: "itertools.count[int]"
    done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> int:
        with self.lock:
            return next(self.numbers)


@dataclass(slots=True)
class _Outcome:
    members: U64  # in the order of their places
    received: int = 0
    refused: dict[int, str] = field(default_factory=dict)
    unplaced: Counter[str] = field(default_factory=Counter)
    requests: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.members)


def _but_last(
    first: tuple[int, Identifiers], coming: Iterator[tuple[int, Identifiers]], ending: list[tuple[int, Identifiers]]
) -> Iterator[tuple[int, Identifiers]]:
    """All but the last, which is put aside."""
    held = first
    for part in coming:
        yield held
        held = part
    ending.append(held)
