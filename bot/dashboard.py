"""Home tabs kept up to date: published when opened and, after a change, to whoever opened theirs within a day."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.blocks import home, kit
from bot.errors import answer_of
from core.alerts import Alerts
from core.approvals import Approvals
from core.connections import Connections
from core.models import Actor
from core.ports import Clock
from core.syncs import SyncFilter, Syncs

logger = logging.getLogger(__name__)
LOOKED_WITHIN = timedelta(hours=24)
EVERY_S = 10.0  # at most so often a person


class Dashboards:
    """`lookers`: who opened Home since a moment, as (organization, user). `actor_of`, `client_of`: for what nobody asked."""

    def __init__(
        self,
        *,
        syncs: Syncs,
        connections: Connections,
        alerts: Alerts,
        approvals: Approvals,
        clock: Clock,
        lookers: Callable[..., Iterable[tuple[str, str]]],
        actor_of: Callable[[str, str], Actor],
        client_of: Callable[[str], WebClient],
        every_s: float = EVERY_S,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._syncs, self._connections, self._alerts, self._approvals = syncs, connections, alerts, approvals
        self._clock, self._lookers, self._actor_of, self._client_of = clock, lookers, actor_of, client_of
        self._every_s, self._ticks = every_s, ticks
        self._shown: dict[tuple[str, str], tuple[float, str]] = {}
        self._news, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="homes", daemon=True)

    def start(self) -> None:
        """Starts the thread that publishes."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the Home in hand."""
        self._stopping.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def wake(self) -> None:
        """Something has changed."""
        self._news.set()

    def publish(self, client: WebClient, actor: Actor, *, only_changed: bool = False) -> bool:
        """One person's Home as things stand; whether it was published."""
        view = self.view(actor)
        key, text = (actor.org_id, actor.user_id), json.dumps(view, sort_keys=True)
        if only_changed and self._shown.get(key, (0.0, ""))[1] == text:
            return False
        client.views_publish(user_id=actor.user_id, view=view)
        self._shown[key] = (self._ticks(), text)
        return True

    def view(self, actor: Actor) -> kit.View:
        """What it shows."""
        mine = self._syncs.list(actor, SyncFilter(owner_id=actor.user_id), 1)
        board = home.Dashboard(
            seen=self._syncs.overview(actor),
            offered=self._connections.offered(),
            mine=mine,
            alerts=self._alerts.open(actor, mine=True),
            waiting=len(self._approvals.waiting(actor)),
        )
        return home.home_view(board, actor)

    def refresh(self) -> float | None:
        """Publishes what has changed, to those whose turn it is; seconds until the next one's turn, None when all are shown."""
        later: list[float] = []
        for org_id, user_id in self._lookers(self._clock.now() - LOOKED_WITHIN):
            wait = self._shown.get((org_id, user_id), (-self._every_s, ""))[0] + self._every_s - self._ticks()
            if wait > 0:
                later.append(wait)
                continue
            try:
                self.publish(self._client_of(org_id), self._actor_of(org_id, user_id), only_changed=True)
            except SlackApiError as refused:
                logger.info("A Home tab could not be published: %s", refused.response.get("error"))
        return min(later, default=None)

    def _work(self) -> None:
        wait: float | None = None
        while not self._stopping.is_set():
            self._news.wait(wait)
            self._news.clear()
            if self._stopping.is_set():
                return
            answer = answer_of(self.refresh)
            wait = answer if isinstance(answer, float) else None
            self._stopping.wait(1)  # a burst of changes is one
