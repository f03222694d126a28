"""Faults on purpose, and the counts of what was asked: one for each platform."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

STRIKES = ("http_500", "rate_limited", "timeout", "reset", "slow")
STATES = ("terms_not_accepted", "account_disabled", "access_lost")
ONCE = ("token_revoked", "token_expired", "audience_deleted")
SLOW_S = 5.0
TIMEOUT_S = 120.0


@dataclass
class _Strike:
    fault: str
    account_id: str | None
    endpoint: str | None
    left: int | None


class Weather:
    """`strike` is asked at every request; `state` says which accounts are ill."""

    def __init__(self) -> None:
        self._strikes: list[_Strike] = []
        self._states: set[tuple[str, str | None]] = set()
        self.requests: Counter[str] = Counter()
        self.cleared = asyncio.Event()

    def add(self, fault: str, *, times: int | None, account_id: str | None, endpoint: str | None) -> None:
        """Starts a fault that lasts."""
        if fault in STATES:
            self._states.add((fault, account_id))
        else:
            self._strikes.append(_Strike(fault, account_id, endpoint, times))

    def clear(self) -> None:
        """All well again; whoever hangs is let go."""
        self._strikes.clear()
        self._states.clear()
        self.cleared.set()
        self.cleared = asyncio.Event()

    def strike(self, endpoint: str, path: str, account_id: str | None) -> str | None:
        """The fault that this request meets, used up once; a strike names a part of our endpoint, or of the path as asked."""
        for strike in self._strikes:
            if strike.endpoint and strike.endpoint not in endpoint and strike.endpoint.strip("/") not in path:
                continue
            if strike.account_id not in (None, "", account_id):
                continue
            if strike.left is not None:
                strike.left -= 1
                if strike.left <= 0:
                    self._strikes.remove(strike)
            return strike.fault
        return None

    def state(self, fault: str, account_id: str) -> bool:
        """Whether this account is ill in this way."""
        return (fault, None) in self._states or (fault, account_id) in self._states

    def count(self, endpoint: str, status: int) -> None:
        """Notes one request."""
        self.requests[f"{endpoint} {status}"] += 1

    async def hang(self, seconds: float) -> None:
        """Waits that long, or until all is well again."""
        try:
            async with asyncio.timeout(seconds):
                await self.cleared.wait()
        except TimeoutError:
            return

    def tally(self) -> list[dict[str, Any]]:
        """Counts by endpoint and status."""
        rows = []
        for name, count in sorted(self.requests.items()):
            endpoint, _, status = name.rpartition(" ")
            rows.append({"endpoint": endpoint, "status": int(status), "count": count})
        return rows
