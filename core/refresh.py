"""Refreshes: claims one that waits and works on it until it finishes, settles, is held, fails or is handed back."""

import logging
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import timedelta

from core.claim import RefreshSettings, Work
from core.delivery import Stopped
from core.ending import is_passing, trouble_wait
from core.errors import (
    ChannelError,
    LeaseLost,
    NeedsReconnect,
    SegmentGone,
    SegsyncError,
    SourceError,
)
from core.execution import Execution
from core.ledger import Ledgers
from core.models import Channel, Grant, Refresh, RefreshKind, RefreshState, Sync, SyncStatus
from core.ports import AdChannel, Clock, Note, SegmentSource, Target, Tracer, Untraced
from core.schedule import next_due_of
from core.store import Store

logger = logging.getLogger(__name__)

__all__ = ["RefreshSettings", "Refreshing"]


class Refreshing:
    """Executes refreshes. `grants`: the grant of a connection by its id, fresh enough to use; raises NeedsReconnect.

    `wake`: called when there may be news for people. `broken`: called with a connection's id when its platform refuses it.
    """

    def __init__(
        self,
        *,
        store: Store,
        channels: Mapping[Channel, AdChannel],
        sources: Mapping[str, SegmentSource],
        grants: Callable[[str], Grant],
        ledgers: Ledgers,
        clock: Clock,
        settings: RefreshSettings | None = None,
        tracer: Tracer | None = None,
        wake: Callable[[], None] = lambda: None,
        broken: Callable[[str, NeedsReconnect], None] = lambda _connection, _error: None,
    ) -> None:
        self._store, self._channels, self._sources, self._grants = store.refreshes, channels, sources, grants
        self._ledgers, self._clock, self._wake, self._broken = ledgers, clock, wake, broken
        self._settings = settings or RefreshSettings()
        self._tracer = tracer or Untraced()
        self._stopping = threading.Event()

    def execute_next(self, claimed: Callable[[], None] = lambda: None) -> bool:
        """Claims one refresh and works on it; False when there is none to claim. Called by worker threads in a loop.

        `claimed`: called before the work, so that somebody else may look for the next one meanwhile.
        """
        if self._stopping.is_set():
            return False
        run = self._store.claim(self._clock.now(), self._settings.lease, self._settings.per_org)
        if run is None:
            return False
        claimed()
        sync = self._store.sync(run.id)
        facts = {"refresh": run.id, "sync": sync.short, "channel": sync.channel.value, "kind": run.kind.value}
        request, _, trace = run.cause.partition(" ")
        with self._tracer.span("refresh", parent=trace, **facts | ({"request": request} if request else {})) as note:
            self._work(run, sync, note)
        return True

    def _work(self, run: Refresh, sync: Sync, note: Note) -> None:
        begun = time.monotonic()
        logger.log(logging.INFO if run.fence == 1 else logging.DEBUG, "The refresh begins.")
        try:
            self._execute(run, sync)
            now = self._store.get(run.id)
            level = logging.DEBUG if now.state is RefreshState.SETTLING else logging.INFO
            added, removed, seconds = now.counts.added, now.counts.removed, time.monotonic() - begun
            logger.log(level, "The refresh %s: +%d −%d, after %.1f s.", now.state.value, added, removed, seconds)
        except LeaseLost:
            logger.info("The refresh is no longer ours.")
        except Stopped:
            self._hand_back(run)
            logger.info("The refresh is handed back: this process ends.")
        except Exception as error:  # noqa: BLE001 - the job wrapper: whatever happens, the refresh must end in a state that people see
            note(failure=_code(error))
            self._end(run, error)
        finally:
            self._wake()

    def is_waiting(self) -> bool:
        """Whether there is a refresh to claim now."""
        return self._store.is_waiting(self._clock.now(), self._settings.per_org)

    def stop(self) -> None:
        """Takes nothing new; what runs ends its requests in flight and is handed back."""
        self._stopping.set()

    def _execute(self, run: Refresh, sync: Sync) -> None:
        channel = self._channels.get(sync.channel)
        if channel is None:
            raise ChannelError(f"{sync.channel.label} is not set up in the settings.")
        source = self._sources.get(sync.segment_source)
        if source is None:
            raise SegmentGone("This segment's source is not declared any more.")
        target = Target(self._grants(sync.run_as), sync.account_id, sync.login_id, sync.audience_id or "", sync.segment_kind)
        ledger = self._ledgers.of(sync.id)
        work = Work(run, sync, channel, source, target, ledger, self._store, self._clock, self._settings, self._stopping)
        try:
            Execution(work).go()
        finally:
            ledger.close()

    def _hand_back(self, run: Refresh) -> None:
        try:
            self._store.postpone(run.id, run.fence, self._clock.now(), self._store.get(run.id).checkpoint)
        except LeaseLost:
            return

    def _end(self, run: Refresh, error: Exception) -> None:
        """Trouble that passes: tried again later; anything else fails the sync with an alert that says what to do."""
        now = self._clock.now()
        code = _code(error)
        detail = dict(error.detail) if isinstance(error, ChannelError) else {}
        if isinstance(error, SourceError):
            detail["what"] = str(error)
        if code == "internal_error":
            detail["reference"] = run.id
        if not isinstance(error, SegsyncError):  # its message may hold somebody's data: only where it happened is written
            frames = "".join(traceback.format_tb(error.__traceback__))
            logger.error("The refresh met %s:\n%s", type(error).__name__, frames)
        try:
            latest = self._store.get(run.id)
            if is_passing(error):
                seconds, memory = trouble_wait(error, latest, self._settings.waits)
                if seconds is not None:
                    self._store.postpone(run.id, run.fence, now + timedelta(seconds=seconds), memory)
                    logger.warning("The refresh met %s and is tried again in %.0f s.", code, seconds)
                    return
            sync = self._store.sync(run.id)
            if isinstance(error, NeedsReconnect):
                self._broken(sync.run_as, error)
            if run.kind is RefreshKind.DRY:
                self._store.tried(run.id, run.fence, latest.counts, failure=code, now=now)
                return
            if sync.status is SyncStatus.INACTIVE:
                self._store.stop(run.id, run.fence, latest.counts, failure=code, now=now)
                return
            due = next_due_of(sync, now)
            self._store.fail(run.id, run.fence, code, detail, next_due_at=due, now=now)
            logger.warning("The refresh failed: %s.", code)
        except LeaseLost:
            logger.info("The refresh was stopped while it ended.")


def _code(error: Exception) -> str:
    return error.code if isinstance(error, ChannelError | SourceError) else "internal_error"
