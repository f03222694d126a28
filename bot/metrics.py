"""What Prometheus reads: how things stand in the database, asked at each scrape, and what this process has counted."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, make_asgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from slack_bolt import BoltResponse
from starlette.routing import Mount

from core.store import Store

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3)


class Metrics:
    """`tally`: what the notifier has counted (posted, edited, put off, …)."""

    def __init__(self, *, store: Store, tally: Mapping[str, int]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Standing(store, tally))
        self._acknowledged = Histogram(
            "segsync_slack_handled_seconds", "How long a request of Slack's kept its handler", ["kind"], buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip

    def timed(self, body: dict[str, Any], next: Callable[[], BoltResponse]) -> BoltResponse:
        """Bolt middleware."""
        begun = time.monotonic()
        try:
            return next()
        finally:
            kind = "command" if "command" in body else str(body.get("type", "other"))
            self._acknowledged.labels(kind).observe(time.monotonic() - begun)

    def page(self) -> Mount:
        """`/metrics`."""
        return Mount("/metrics", make_asgi_app(self.registry))


class _Standing(Collector):
    """Counts of rows; no names, no ids of people."""

    def __init__(self, store: Store, tally: Mapping[str, int]) -> None:
        self._store, self._tally = store, tally

    def collect(self) -> Iterable[Metric]:
        """Everything, asked now."""
        standing = self._store.standing.read()
        syncs = GaugeMetricFamily("segsync_syncs", "Segment syncs", labels=["channel", "status"])
        for (channel, status), n in standing.syncs.items():
            syncs.add_metric([channel, status], n)
        refreshes = GaugeMetricFamily("segsync_refreshes_open", "Refreshes that are not over", labels=["state"])
        for state, n in standing.refreshes.items():
            refreshes.add_metric([state], n)
        ended = GaugeMetricFamily("segsync_refreshes_ended_hour", "Refreshes that ended in the last hour", labels=["state"])
        for state, n in standing.ended.items():
            ended.add_metric([state], n)
        alerts = GaugeMetricFamily("segsync_alerts_open", "Open alerts", labels=["code", "severity"])
        for (code, severity), n in standing.alerts.items():
            alerts.add_metric([code, severity], n)
        letters = CounterMetricFamily("segsync_letters", "Messages to Slack by what became of them", labels=["outcome"])
        for outcome, n in dict(self._tally).items():
            letters.add_metric([outcome.replace(" ", "_")], n)
        yield syncs
        yield refreshes
        yield ended
        yield alerts
        yield letters
        yield GaugeMetricFamily("segsync_outbox_waiting", "Messages that wait for Slack", value=standing.letters)
        yield GaugeMetricFamily("segsync_due_late_seconds", "How late the longest due refresh is", value=standing.late_s)
