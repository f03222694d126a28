"""The Slack client of each organization: one token from the settings, or each workspace's own from its installation."""

import threading
import time
from collections.abc import Callable

from slack_sdk import WebClient
from slack_sdk.http_retry import RetryHandler, default_retry_handlers

from bot.budget import SHORT, Budget, Counted, workspace_of
from core.models import Rank

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
        budget: Budget | None = None,
    ) -> None:
        self._api_url, self._token, self._installed, self._ticks = api_url, token, installed, ticks
        self._known: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()
        self.budget = budget or Budget()

    def client(self, org_id: str) -> WebClient:
        """The client with which this organization is answered."""
        handlers = [*default_retry_handlers(), Counted(self.budget, counts=True)]
        return WebClient(base_url=self._api_url, token=self._token_of(org_id), timeout=TIMEOUT_S, retry_handlers=handlers)

    def once(self, org_id: str) -> WebClient:
        """For what runs by itself, after `wait` said 0: it never tries a request again, so that nothing is posted twice."""
        handlers: list[RetryHandler] = [Counted(self.budget, counts=False)]
        return WebClient(base_url=self._api_url, token=self._token_of(org_id), timeout=TIMEOUT_S, retry_handlers=handlers)

    def wait(self, org_id: str, method: str, rank: Rank, behind: int = 0) -> float:
        """0: this method may be called for this organization now, and is counted; else seconds, with so many before it."""
        return self.budget.take(workspace_of(self._token_of(org_id)), method, rank, behind=behind)

    def is_short(self, org_id: str, method: str) -> bool:
        """Whether so much of this minute's calls is gone that only what matters should be told."""
        return self.budget.used(workspace_of(self._token_of(org_id)), method) >= SHORT

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
