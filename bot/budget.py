"""One budget for Slack's limits: who may call which method now, so that people are answered first.

Slack counts calls by workspace and method (docs.slack.dev, rate limits: tier 2 is 20 a minute, 3 is 50, 4 is 100). Answers to
people are never held up: they are counted as they happen, and a share of every method is left to them. What runs by itself asks
before it calls, and each rank may use the method up to its own share: states, then alerts, then Home, then progress. When Slack
says *too many* all the same (another process has used up the rest), nobody but people calls that method until the time that Slack
named is over.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable

from slack_sdk.http_retry import HttpRequest, HttpResponse, RetryHandler, RetryState

from core.models import Rank

WINDOW_S = 60.0
PER_MINUTE = {
    "chat.postMessage": 240,  # "several hundred a minute"; a conversation's one a second is kept elsewhere
    "chat.update": 50,
    "conversations.info": 50,
    "conversations.history": 50,
    "conversations.replies": 50,
    "conversations.open": 50,
    "users.list": 20,
    "users.info": 100,
    "views.publish": 100,
}
_ELSE = 50
_ANSWER_WAITS_S = 2.0  # a person's click is worth nothing after three seconds
_NEVER_AGAIN = {"users.info"}  # what was known before is answer enough
SHORT = 0.25  # of a method's calls used up: then progress is told at its quarters only

SHARE = {Rank.ANSWER: 1.0, Rank.STATE: 0.9, Rank.ALERT: 0.8, Rank.HOME: 0.7, Rank.PROGRESS: 0.5}


class Budget:
    """What was called in the last minute, by workspace and method. Any number of threads may ask.

    `ahead` False: nobody waits before Slack itself says *too many*.
    """

    def __init__(self, *, ahead: bool = True, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ahead, self._ticks = ahead, ticks
        self._calls: dict[tuple[str, str], deque[float]] = {}
        self._closed: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()
        self.tally: Counter[str] = Counter()  # calls by method; `429 method`: how often Slack refused

    def take(self, workspace: str, method: str, rank: Rank, *, behind: int = 0) -> float:
        """0: call it now, it is counted. Else the seconds until it is worth asking again, `behind` so many."""
        with self._lock:
            now, calls = self._ticks(), self._recent(workspace, method)
            closed = self._closed.get((workspace, method), now) - now
            a_minute = PER_MINUTE.get(method, _ELSE)
            if closed > 0 and rank is not Rank.ANSWER:
                return closed + behind * WINDOW_S / a_minute
            most = max(int(a_minute * SHARE[rank]), 1)
            if self._ahead and (behind or len(calls) >= most):
                at = min(max(len(calls) - most, 0) + behind, len(calls) - 1) if calls else 0
                return max((calls[at] if calls else now) + WINDOW_S - now, 0.05)
            self._count(method, calls, now)
            return 0.0

    def used(self, workspace: str, method: str) -> float:
        """The share of this minute's calls that is gone."""
        if not self._ahead:
            return 0.0
        with self._lock:
            return len(self._recent(workspace, method)) / PER_MINUTE.get(method, _ELSE)

    def spent(self, workspace: str, method: str) -> None:
        """Somebody was answered with it."""
        with self._lock:
            self._count(method, self._recent(workspace, method), self._ticks())

    def refused(self, workspace: str, method: str, seconds: float) -> None:
        """Slack says that it was one too many, and for how long."""
        with self._lock:
            self.tally[f"429 {method}"] += 1
            until = self._ticks() + seconds
            self._closed[workspace, method] = max(self._closed.get((workspace, method), until), until)

    def _count(self, method: str, calls: deque[float], now: float) -> None:
        calls.append(now)
        self.tally[method] += 1

    def _recent(self, workspace: str, method: str) -> deque[float]:
        calls, now = self._calls.setdefault((workspace, method), deque()), self._ticks()
        while calls and calls[0] <= now - WINDOW_S:
            calls.popleft()
        return calls


class Counted(RetryHandler):
    """Counts what a client calls, and hears Slack's *too many*; a person's answer is tried once more if that is soon enough.

    `counts`: False for a client whose calls were taken from the budget before.
    """

    def __init__(self, budget: Budget, *, counts: bool) -> None:
        super().__init__(max_retry_count=1)
        self._budget, self._counts = budget, counts

    def can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,  # noqa: ARG002 - the library's signature
    ) -> bool:
        """Called after every call, whatever came of it, and also when it has been tried again enough."""
        method, workspace = _method(request.url), workspace_of(request.headers.get("Authorization"))
        if self._counts:
            self._budget.spent(workspace, method)
        if response is None or response.status_code != 429:
            return False
        wait = _retry_after(response)
        if method != "chat.postMessage":  # there the limit is one conversation's, not the method's
            self._budget.refused(workspace, method, wait)
        else:
            self._budget.tally[f"429 {method}"] += 1
        return self._counts and wait <= _ANSWER_WAITS_S and state.current_attempt < 1 and method not in _NEVER_AGAIN

    def prepare_for_next_attempt(
        self,
        *,
        state: RetryState,
        request: HttpRequest,  # noqa: ARG002 - the library's signature
        response: HttpResponse | None = None,
        error: Exception | None = None,  # noqa: ARG002 - the library's signature
    ) -> None:
        """Waits as long as Slack says."""
        state.next_attempt_requested = True
        time.sleep(_retry_after(response) if response else 0)  # in a thread of the person's own request, two seconds at most
        state.increment_current_attempt()


def workspace_of(authorization: str | list[str] | None) -> str:
    """A name for the workspace behind a token that does not tell the token."""
    said = authorization[0] if isinstance(authorization, list) else authorization
    return f"{hash((said or '').removeprefix('Bearer ')):x}"


def _method(url: str) -> str:
    return url.partition("?")[0].rstrip("/").rpartition("/")[2]


def _retry_after(response: HttpResponse) -> float:
    said = next((v for k, v in response.headers.items() if k.lower() == "retry-after"), "1")
    said = said[0] if isinstance(said, list) else said
    return float(said) if str(said).replace(".", "", 1).isdigit() else 1.0
