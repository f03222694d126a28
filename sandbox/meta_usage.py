"""How much of Meta's limits is used (Marketing API Rate Limiting, full access), told in headers before the limit bites.

Per ad account a score: reading costs 1 point, writing 3, what was spent decays over 300 s, and above 9,000 the account is
blocked for 60 s. Calls about custom audiences: 190,000 an hour and 40 more for each active audience, 700,000 at most.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

import orjson

FULL_SCORE = 9_000
DECAY_S = 300.0
BLOCK_S = 60.0
HOUR_S = 3_600.0


class Usage:
    """The calls of one stand-in, by ad account."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._lock = now, threading.Lock()
        self._calls: dict[str, deque[float]] = {}
        self._score: dict[str, tuple[float, float]] = {}
        self._blocked: dict[str, float] = {}

    def spend(self, account_id: str, *, write: bool) -> bool:
        """Notes a call; False when the account is blocked."""
        with self._lock:
            now = self._now()
            if self._blocked.get(account_id, 0.0) > now:
                return False
            score = self._left(account_id, now) + (3 if write else 1)
            self._score[account_id] = (score, now)
            calls = self._calls.setdefault(account_id, deque())
            calls.append(now)
            while calls[0] < now - HOUR_S:
                calls.popleft()
            if score > FULL_SCORE:
                self._blocked[account_id] = now + BLOCK_S
                return False
            return True

    def headers(self, account_id: str, audiences: int, *, throttled: bool) -> dict[str, str]:
        """The usage headers of an answer; shares are percent, `estimated_time_to_regain_access` minutes."""
        with self._lock:
            now = self._now()
            limit = min(190_000 + 40 * audiences, 700_000)
            calls = 100 if throttled else round(100 * len(self._calls.get(account_id, ())) / limit)
            util = 100.0 if throttled else round(100 * self._left(account_id, now) / FULL_SCORE, 2)
            reset = max(0, round(self._blocked.get(account_id, 0.0) - now))
        use = {
            "type": "custom_audience",
            "call_count": calls,
            "total_cputime": min(calls, 100),
            "total_time": min(calls, 100),
            "estimated_time_to_regain_access": 0,
            "ads_api_access_tier": "standard_access",
        }
        account = {"acc_id_util_pct": util, "reset_time_duration": reset, "ads_api_access_tier": "standard_access"}
        app = {"call_count": calls, "total_time": calls, "total_cputime": calls}
        return {
            "x-business-use-case-usage": orjson.dumps({account_id: [use]}).decode(),
            "x-ad-account-usage": orjson.dumps(account).decode(),
            "x-app-usage": orjson.dumps(app).decode(),
        }

    def _left(self, account_id: str, now: float) -> float:
        score, since = self._score.get(account_id, (0.0, now))
        return max(0.0, score - FULL_SCORE * (now - since) / DECAY_S)
