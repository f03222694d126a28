"""How much of Meta's budgets an account has used, as its answers tell, and the pause that keeps clear of the limit.

Marketing API Rate Limiting: `X-Business-Use-Case-Usage` (percent by account), `X-Ad-Account-Usage`, `X-App-Usage`. The scores
decay by themselves within minutes, so that slowing down near the end costs seconds, where running into the limit costs minutes.
"""

from collections.abc import Mapping
from typing import Any

import orjson

SLOW_FROM = 75.0  # percent
LONGEST_S = 30.0
_SHARES = ("call_count", "total_cputime", "total_time", "acc_id_util_pct")


def used(headers: Mapping[str, str]) -> float:
    """The highest share that the answer tells, in percent; 0 where it tells none. `headers` in lower case."""
    shares = [0.0]
    for name in ("x-business-use-case-usage", "x-ad-account-usage", "x-app-usage"):
        try:
            told = orjson.loads(headers.get(name) or "{}")
        except orjson.JSONDecodeError:
            continue
        shares += [float(row[share]) for row in _rows(told) for share in _SHARES if isinstance(row.get(share), int | float)]
    return max(shares)


def pause_s(share: float) -> float:
    """Seconds before the next members are sent: none below three quarters, growing to half a minute at the limit."""
    return max(0.0, min(share, 100.0) - SLOW_FROM) / (100.0 - SLOW_FROM) * LONGEST_S


def _rows(told: Any) -> list[dict[str, Any]]:
    if not isinstance(told, dict):
        return []
    nested = [row for rows in told.values() if isinstance(rows, list) for row in rows if isinstance(row, dict)]
    return [told, *nested]
