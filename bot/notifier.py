"""The outbox, told to Slack: posted once, then edited in place. Slack being down costs time, never a message.

Slack knows no key that makes posting twice harmless. So a letter is marked *sending*, posted with its key in the message's
metadata, then marked *sent*; where something broke in between, one look into the conversation's history tells whether it stands
there. Only where Slack does not let us look may a message come twice; `tally["unsure"]` counts these. The client given here must
not try again by itself, for the same reason.
"""

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackRequestError

from bot.blocks import charts, kit
from bot.conversations import OUTAGES, Conversations, error_of, wait_of
from bot.errors import answer_of
from bot.letters import Letters
from core.errors import SegsyncError
from core.models import Rank
from core.ports import Clock
from core.store import Store
from core.store.outbox import Letter

logger = logging.getLogger(__name__)
_NOBODY = {"user_not_found", "user_disabled", "users_not_found", "cannot_dm_bot", "user_not_visible"}
_NO_PLACE = {"channel_not_found", "is_archived", "not_in_channel", "restricted_action", "is_inactive", "team_access_not_granted"}
_FIXED = {"message_not_found", "cant_update_message", "edit_window_closed"}
_MALFORMED = {"invalid_blocks", "invalid_blocks_format", "msg_too_long", "too_many_attachments", "metadata_too_large"}
_OURS = {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope"}
_TRIES = 20  # of a letter that Slack answers with a refusal that may be about itself
_BURST, _WINDOW_S = 5, 5.0  # posts to one conversation: a few at once, about one a second over time (Slack's rate limits)
_LONGEST_WAIT_S = 60
_PROGRESS_S = 3.0  # between two edits of one message that only tell progress
_KEPT = 1_000  # targets and messages of which is remembered when they were written to


class Limits(Protocol):
    """Slack's limits, as `bot/workspaces.py` keeps them."""

    def wait(self, org_id: str, method: str, rank: Rank, behind: int = 0) -> float:
        """0: call it now; else the seconds to wait, with so many before it."""
        ...

    def is_short(self, org_id: str, method: str) -> bool:
        """Whether only what matters should be told."""
        ...


class Unlimited:
    """Nothing waits."""

    def wait(self, org_id: str, method: str, rank: Rank, behind: int = 0) -> float:  # noqa: ARG002 - the protocol's signature
        """Now."""
        return 0.0

    def is_short(self, org_id: str, method: str) -> bool:  # noqa: ARG002 - the protocol's signature
        """Never."""
        return False


class Misrouted(Exception):
    """A conversation cannot be written to; `why` in Slack's word."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Notifier:
    """Delivers letters. `deliver` may be called by any number of threads and processes: the claim decides."""

    def __init__(
        self,
        *,
        store: Store,
        client: Callable[[str], WebClient],
        clock: Clock,
        letters: Letters,
        limits: Limits | None = None,
        idle_s: float = 0.5,
    ) -> None:
        """`client`: of an organization; it never tries a request again by itself."""
        self._limits = limits or Unlimited()
        self._store, self._client, self._clock, self._letters, self._idle_s = store, client, clock, letters, idle_s
        self._places = Conversations(client=client, clock=clock)
        self.tally: Counter[str] = Counter()  # posted, edited, replied, replaced, found, unsure, rerouted, put off
        self._posts: dict[str, deque[float]] = {}
        self._told: dict[tuple[str, str], tuple[float, int]] = {}  # when progress was last told in a message, and its quarter
        self._news, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="notifier", daemon=True)

    def start(self) -> None:
        """Starts the thread that delivers."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether letters are being delivered."""
        return self._thread.is_alive()

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
        """Delivers what is due; how many letters that were."""
        letters = self._store.outbox.claim(self._clock.now())
        put_off: dict[str, float] = {}  # targets that wait now: what follows waits with them, in order
        self._behind: Counter[str] = Counter()
        for letter in letters:
            if letter.target in put_off:
                self._later(letter, put_off[letter.target], tried=False)
            elif (wait := self._deliver(letter)) is not None:
                put_off[letter.target] = wait
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

    def _deliver(self, letter: Letter) -> float | None:
        """None when it is done with; else the seconds after which it is tried again."""
        if letter.rank is Rank.PROGRESS and letter.posted and (rest := self._rest(letter, letter.posted)) is not None:
            return rest or None  # what is dropped holds up nothing
        message = self._letters.write(letter)
        if message is None:
            self._store.outbox.skipped(letter.id)
            return None
        posts = letter.posted is None
        if posts and (wait := self._pace(letter.target)):
            return self._later(letter, wait, tried=False)
        method = "chat.postMessage" if posts else "chat.update"
        if wait := self._limits.wait(letter.org_id, method, letter.rank, self._behind[method]):
            self._behind[method] += 1
            return self._later(letter, wait, tried=False)
        try:
            self._send(letter, message)
        except Misrouted as no_place:
            self._reroute(letter, no_place.why)
        except SlackApiError as refused:
            return self._refused(letter, message, refused)
        except (OSError, SlackRequestError):
            return self._later(letter, _back_off(letter), unsure=posts)
        return None

    def _rest(self, letter: Letter, message: tuple[str, str]) -> float | None:
        """Whether progress is not worth telling now: 0 when it is dropped, else the seconds until it is; None: tell it."""
        before, now = self._told.get(message, (0.0, -1)), self._clock.now().timestamp()
        quarter = self._letters.quarter(letter)
        if self._limits.is_short(letter.org_id, "chat.update") and quarter <= before[1]:
            self.tally["dropped"] += 1
            self._store.outbox.skipped(letter.id)
            return 0.0
        if 0 <= now - before[0] < _PROGRESS_S and quarter <= before[1]:
            return self._later(letter, before[0] + _PROGRESS_S - now, tried=False)
        self._told[message] = (now, quarter)
        _forget(self._told)
        return None

    def _send(self, letter: Letter, message: kit.Message) -> None:
        if letter.posted:
            conversation, ts = letter.posted
            try:
                self._client(letter.org_id).chat_update(channel=conversation, ts=ts, **message)
            except SlackApiError as refused:
                if error_of(refused) not in _FIXED:
                    raise
                if letter.replaced:  # once is enough: somebody takes these away
                    self._store.outbox.sent(letter.id, conversation, ts, replaced=True)
                    return
                self._post(letter, message, replaces=True)
                return
            self.tally["edited"] += 1
            self._store.outbox.sent(letter.id, conversation, ts, replaced=letter.replaced)
            return
        if letter.is_unsure and (stands := self._look(letter)):
            self.tally["found"] += 1
            self._store.outbox.sent(letter.id, *stands)
            return
        self._post(letter, message)

    def _post(self, letter: Letter, message: kit.Message, *, replaces: bool = False) -> None:
        kind, _, name = letter.target.partition(":")
        if kind == "conversation" and self._places.is_shared(letter.org_id, name):
            raise Misrouted("ext_shared")
        more: dict[str, Any] = {"metadata": {"event_type": "segsync_letter", "event_payload": {"key": letter.key}}}
        if letter.thread:
            name, more["thread_ts"] = letter.thread
            more["reply_broadcast"] = bool(letter.payload.get("loud")) and kind == "conversation"
        answer: Any = self._client(letter.org_id).chat_postMessage(channel=name, unfurl_links=False, **message, **more)
        self.tally["replaced" if replaces else "replied" if letter.thread else "posted"] += 1
        self._store.outbox.sent(letter.id, str(answer["channel"]), str(answer["ts"]), replaced=replaces)

    def _look(self, letter: Letter) -> tuple[str, str] | None:
        """Where the letter stands, if it arrived although nobody noted it; None also where Slack does not let us look."""
        try:
            return self._places.find(letter)
        except SlackApiError as refused:
            if error_of(refused) in ("ratelimited", "internal_error", "fatal_error", ""):
                raise
            self.tally["unsure"] += 1
            return None

    def _refused(self, letter: Letter, message: kit.Message, refused: SlackApiError) -> float | None:
        error, kind = error_of(refused), letter.target.partition(":")[0]
        if error == "ratelimited":
            return self._later(letter, wait_of(refused), tried=False)
        if error in _NO_PLACE and kind == "conversation":
            self._reroute(letter, error)
        elif error in _NO_PLACE | _NOBODY:
            logger.warning("A %s letter will never arrive: %s", letter.topic, error)
            self._store.outbox.failed(letter.id)
        elif error in _MALFORMED and message["blocks"]:
            if charts.has_chart(message):
                return self._deliver_plainer(letter, charts.without(message))
            logger.error("Slack refuses the blocks of a %s letter: %s; its text is sent instead.", letter.topic, error)
            return self._deliver_plainer(letter, message | {"blocks": []})
        elif error in _OURS:
            logger.error("Slack does not accept segsync's token: %s. Letters wait.", error)
            return self._later(letter, _LONGEST_WAIT_S)
        elif error not in OUTAGES and letter.attempts > _TRIES:  # this letter is what Slack minds: others must not wait for it
            logger.error("Slack refuses a %s letter for good: %s", letter.topic, error)
            self._store.outbox.failed(letter.id)
        else:
            return self._later(letter, _back_off(letter), unsure=letter.posted is None)
        return None

    def _deliver_plainer(self, letter: Letter, message: kit.Message) -> float | None:
        try:
            self._send(letter, message)
        except Misrouted as no_place:
            self._reroute(letter, no_place.why)
        except SlackApiError as refused:
            return self._refused(letter, message, refused)
        except (OSError, SlackRequestError):
            return self._later(letter, _back_off(letter), unsure=letter.posted is None)
        return None

    def _reroute(self, letter: Letter, why: str) -> None:
        self.tally["rerouted"] += 1
        told = self._store.outbox.reroute(letter.id, why, self._clock.now())
        logger.warning("A %s letter cannot be written to its conversation: %s; told %d people.", letter.topic, why, len(told))

    def _later(self, letter: Letter, seconds: float, *, unsure: bool = False, tried: bool = True) -> float:
        self.tally["put off"] += 1
        self._store.outbox.again(letter.id, self._clock.now() + timedelta(seconds=seconds), unsure=unsure, tried=tried)
        return seconds

    def _pace(self, target: str) -> float:
        """Seconds until one more post to this target is due; 0 when it may go now, which is counted."""
        posts, now = self._posts.pop(target, deque(maxlen=_BURST)), self._clock.now().timestamp()
        self._posts[target] = posts  # the last in the row: the first is forgotten first
        _forget(self._posts)
        if len(posts) == _BURST and 0 <= now - posts[0] < _WINDOW_S:
            return posts[0] + _WINDOW_S - now
        posts.append(now)
        return 0


def _forget(known: dict[Any, Any]) -> None:
    while len(known) > _KEPT:
        known.pop(next(iter(known)))


def _back_off(letter: Letter) -> float:
    return min(2.0 ** min(letter.attempts, 10), _LONGEST_WAIT_S)
