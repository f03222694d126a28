"""The Slack client of each organization: one token from the settings, or each workspace's own from its installation."""

import threading
import time
from collections.abc import Callable

from slack_sdk import WebClient

TIMEOUT_S = 15
_REMEMBER_S = 60.0


class Workspaces:
    """`token`: the one workspace's, if the settings have one. `installed`: an organization's own token; None: it has none."""

    def __init__(
        self,
        *,
        api_url: str,
        token: str | None,
        installed: Callable[[str], str | None],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api_url, self._token, self._installed, self._ticks = api_url, token, installed, ticks
        self._known: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()

    def client(self, org_id: str) -> WebClient:
        """The client with which this organization is answered."""
        return WebClient(base_url=self._api_url, token=self._token_of(org_id), timeout=TIMEOUT_S)

    def once(self, org_id: str) -> WebClient:
        """The same, but it never tries a request again by itself: for what must not be posted twice."""
        return WebClient(base_url=self._api_url, token=self._token_of(org_id), timeout=TIMEOUT_S, retry_handlers=[])

    def forget(self, org_id: str) -> None:
        """Its token has changed, or it has uninstalled segsync."""
        with self._lock:
            self._known.pop(org_id, None)

    def _token_of(self, org_id: str) -> str | None:
        if self._token:
            return self._token
        with self._lock:
            known = self._known.get(org_id)
        if known and self._ticks() - known[0] < _REMEMBER_S:
            return known[1]
        token = self._installed(org_id)
        if token:
            with self._lock:
                self._known[org_id] = (self._ticks(), token)
        return token
