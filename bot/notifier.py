"""The outbox, told to Slack: posted once, then edited in place. Slack being down costs time, never a message."""

import logging
import threading
from datetime import timedelta
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackRequestError

from bot.blocks import kit, screens
from bot.blocks import syncs as blocks
from bot.errors import answer_of
from core.errors import NotFound, SegsyncError
from core.models import Channel, Refresh, Sync
from core.ports import Clock
from core.store import Store
from core.store.outbox import Letter

logger = logging.getLogger(__name__)
_HOPELESS = {"channel_not_found", "user_not_found", "is_archived", "user_disabled", "account_inactive", "not_in_channel"}
_GONE = {"message_not_found", "cant_update_message", "edit_window_closed"}
_GIVE_UP = 200


class Notifier:
    """Delivers letters. `deliver` may be called by any number of threads and processes: the claim decides."""

    def __init__(self, *, store: Store, client: WebClient, clock: Clock, idle_s: float = 0.5) -> None:
        self._store, self._client, self._clock, self._idle_s = store, client, clock, idle_s
        self._news, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="notifier", daemon=True)

    def start(self) -> None:
        """Starts the thread that delivers."""
        self._thread.start()

    def wake(self) -> None:
        """There may be something to tell."""
        self._news.set()

    def stop(self) -> None:
        """Ends after the letter in hand."""
        self._stopping.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def deliver(self) -> int:
        """Delivers what is due; how many."""
        letters = self._store.outbox.claim(self._clock.now())
        for letter in letters:
            self._deliver(letter)
        return len(letters)

    def _work(self) -> None:
        while not self._stopping.is_set():
            self._news.clear()
            busy = answer_of(self.deliver)  # the thread must live; what it held is claimed again in a minute
            if isinstance(busy, SegsyncError):
                logger.warning("Letters could not be delivered; they are tried again.")
                busy = 0
            if not busy:
                self._news.wait(self._idle_s)

    def _deliver(self, letter: Letter) -> None:
        message = self._write(letter)
        if message is None:
            self._store.outbox.failed(letter.id)
            return
        try:
            conversation, ts = self._put(letter, message)
        except SlackApiError as refused:
            if refused.response["error"] in _HOPELESS or letter.attempts > _GIVE_UP:
                logger.warning("A %s letter will never arrive: %s", letter.topic, refused.response["error"])
                self._store.outbox.failed(letter.id)
                return
            wait = int(refused.response.headers.get("Retry-After", 0) or 0) if refused.response.status_code == 429 else 0
            self._later(letter, wait)
        except (OSError, SlackRequestError):
            self._later(letter, 0)
        else:
            self._store.outbox.sent(letter.id, conversation, ts)

    def _put(self, letter: Letter, message: kit.Message) -> tuple[str, str]:
        if letter.posted and letter.topic != "notice":
            conversation, ts = letter.posted
            try:
                self._client.chat_update(channel=conversation, ts=ts, **message)
            except SlackApiError as refused:
                if refused.response["error"] not in _GONE:
                    raise
            else:
                return conversation, ts
        target = letter.target.partition(":")[2]
        answer: Any = self._client.chat_postMessage(channel=target, unfurl_links=False, **message)
        return str(answer["channel"]), str(answer["ts"])

    def _later(self, letter: Letter, seconds: int) -> None:
        pause = max(seconds, min(2**letter.attempts, 60))
        self._store.outbox.again(letter.id, self._clock.now() + timedelta(seconds=pause))

    def _write(self, letter: Letter) -> kit.Message | None:
        """The message as things stand now; None when there is nothing left to tell."""
        match letter.topic:
            case "progress":
                sync = self._sync(letter.org_id, letter.subject_id)
                return blocks.progress_message(sync, self._last(sync)) if sync else None
            case "notice":
                sync = self._sync(letter.org_id, letter.subject_id)
                what, by = str(letter.payload.get("what", "changed")), str(letter.payload.get("by", ""))
                return screens.notice_message(sync, what, by) if sync else None
            case "connected":
                return screens.connected_message(Channel(letter.subject_id))
            case "alert":
                alert = self._store.outbox.alert(letter.subject_id)
                syncs = [s for i in alert.sync_ids if (s := self._sync(letter.org_id, i))]
                return screens.alert_message(alert, syncs)
            case _:
                return None

    def _sync(self, org_id: str, sync_id: str) -> Sync | None:
        try:
            return self._store.syncs.get(org_id, sync_id)
        except NotFound:
            return None

    def _last(self, sync: Sync) -> Refresh | None:
        found = self._store.refreshes.last(sync.id, 1)
        return found[0] if found else None
