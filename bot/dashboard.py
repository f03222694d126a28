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
LOOK_S = 30.0  # so often without being woken: refreshes of other processes wake nobody here
_AT_ONCE = 20  # Homes drawn in a row, a second's rest between: clicks are answered meanwhile


class Dashboards:
    """`lookers`: who opened Home since a moment, as (organization, user). `actor_of`, `client_of`: for what nobody asked.

    `wait`: seconds until one more Home may be published for an organization, by Slack's limits; 0: now, and it is counted.
    """

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
        wait: Callable[[str], float] = lambda _org_id: 0.0,
        every_s: float = EVERY_S,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._syncs, self._connections, self._alerts, self._approvals = syncs, connections, alerts, approvals
        self._clock, self._lookers, self._actor_of, self._client_of = clock, lookers, actor_of, client_of
        self._wait, self._every_s, self._ticks = wait, every_s, ticks
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

    def publish(self, client: WebClient, actor: Actor) -> None:
        """One person's Home as things stand; in its turn where Slack lets no more be published now."""
        view = self.view(actor)
        try:
            client.views_publish(user_id=actor.user_id, view=view)
        except SlackApiError as refused:
            if refused.response.get("error") != "ratelimited":
                raise
            self._shown.pop((actor.org_id, actor.user_id), None)
            self.wake()
            return
        self._shown[actor.org_id, actor.user_id] = (self._ticks(), _text(view))

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
        """Publishes what has changed, to those whose turn it is, the longest unseen first.

        Seconds until it should be called again; None: all are shown.
        """
        lookers = set(self._lookers(self._clock.now() - LOOKED_WITHIN))
        self._shown = {key: seen for key, seen in self._shown.items() if key in lookers}
        turns = sorted((self._shown.get(key, (-self._every_s, ""))[0] + self._every_s, key) for key in lookers)
        for drawn, (at, (org_id, user_id)) in enumerate(turns):
            if (rest := at - self._ticks()) > 0:
                return rest
            if drawn == _AT_ONCE:
                return 0.0
            if wait := self._bring_up(org_id, user_id):
                return wait
        return None

    def _bring_up(self, org_id: str, user_id: str) -> float:
        """Draws one Home and publishes it if it has changed; seconds to wait where Slack's limits do not let it."""
        try:
            actor = self._actor_of(org_id, user_id)
            view = self.view(actor)
            text = _text(view)
            if self._shown.get((org_id, user_id), (0.0, ""))[1] != text:
                if wait := self._wait(org_id):
                    return wait
                self._client_of(org_id).views_publish(user_id=user_id, view=view)
        except SlackApiError as refused:
            logger.info("A Home tab could not be published: %s", refused.response.get("error"))
            text = ""
        self._shown[org_id, user_id] = (self._ticks(), text)
        return 0.0

    def _work(self) -> None:
        wait: float | None = None
        while not self._stopping.is_set():
            self._news.wait(LOOK_S if wait is None else wait)
            self._news.clear()
            if self._stopping.is_set():
                return
            answer = answer_of(self.refresh)
            wait = answer if isinstance(answer, float) else None
            self._stopping.wait(1)  # a burst of changes is one


def _text(view: kit.View) -> str:
    return json.dumps(view, sort_keys=True)
