"""What goes wrong on purpose: faults that strike Web API calls, a pace that slows them, and Slack's rate limits."""

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass

TIERS = {1: 1, 2: 20, 3: 50, 4: 100}
"""Calls a minute for each tier (docs.slack.dev, rate limits); Slack lets short bursts pass above it."""
STRIKES = ("http_500", "rate_limited", "timeout", "reset", "slow")
SLOW_SECONDS = 5.0


@dataclass
class _Strike:
    """A fault that waits for matching calls; `left` None: until it is cleared."""

    fault: str
    endpoint: str | None
    left: int | None


class Weather:
    """Faults, pace and rate limits of the Web API. `limited` switches Slack's real figures on."""

    def __init__(self, *, now: Callable[[], float], limited: bool = False) -> None:
        """`now` gives unix seconds."""
        self._now, self.limited = now, limited
        self.pace = 0.0
        self._strikes: list[_Strike] = []
        self._calls: dict[tuple[str, str], deque[float]] = defaultdict(deque)

    def add(self, fault: str, times: int | None, endpoint: str | None) -> None:
        """Let this fault strike the next `times` calls of `endpoint` (a method's name; any when None)."""
        self._strikes.append(_Strike(fault, endpoint, times))

    def clear(self) -> None:
        """All well again; the pace stays."""
        self._strikes.clear()

    def strike(self, method: str) -> str | None:
        """The fault that this call meets, used up once."""
        for strike in self._strikes:
            if strike.endpoint in (None, "", method):
                if strike.left is not None:
                    strike.left -= 1
                    if strike.left <= 0:
                        self._strikes.remove(strike)
                return strike.fault
        return None

    def retry_after(self, app_id: str, method: str, tier: int, channel: str | None) -> int | None:
        """Seconds to wait when this call is one too many, else None; counts it."""
        if not self.limited:
            return None
        if method == "chat.postMessage":  # about one a second and conversation, a few more in a burst
            return self._over((app_id, f"{method} {channel}"), 5, 5.0)
        return self._over((app_id, method), TIERS.get(tier, 100), 60.0)

    def _over(self, key: tuple[str, str], most: int, seconds: float) -> int | None:
        calls, now = self._calls[key], self._now()
        while calls and calls[0] <= now - seconds:
            calls.popleft()
        if len(calls) >= most:
            return max(1, int(calls[0] + seconds - now + 0.999))
        calls.append(now)
        return None
