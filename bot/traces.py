"""Traces for whoever watches with OpenTelemetry: what Slack asked, each refresh, each request to a platform.

Nothing of it is imported unless an address is set. Spans say what kind of thing happened to which sync, never who is in it: no
address, no token, no identifier.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from slack_bolt import BoltContext, BoltResponse

from core.errors import ConfigError
from core.ports import Note, Tracer, Untraced

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider


class Traces:
    """A `Tracer` over OpenTelemetry's SDK."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("segsync")

    def span(self, name: str, *, parent: str = "", **facts: str | int) -> AbstractContextManager[Note]:
        """A span; an exception is noted by its kind alone."""
        return self._span(name, parent, facts)

    def here(self) -> str:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        return carrier.get("traceparent", "")

    def close(self) -> None:
        """Sends what is left."""
        self._provider.shutdown()

    @contextmanager
    def _span(self, name: str, parent: str, facts: dict[str, str | int]) -> Iterator[Note]:
        from opentelemetry.trace import StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        named = {f"segsync.{key}": value for key, value in facts.items()}
        above = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
        with self._tracer.start_as_current_span(
            name, context=above, attributes=named, record_exception=False, set_status_on_exception=False
        ) as span:

            def note(**more: str | int) -> None:
                span.set_attributes({f"segsync.{key}": value for key, value in more.items()})
                if "failure" in more:
                    span.set_status(StatusCode.ERROR, str(more["failure"]))

            try:
                yield note
            except BaseException as error:  # its message may hold what must not leave
                span.set_status(StatusCode.ERROR, type(error).__name__)
                raise


def traces(endpoint: str | None) -> Traces | Untraced:
    """Where an address is set, by the setting or OpenTelemetry's own variable, its tracer.

    Raises ConfigError where the libraries are not installed.
    """
    endpoint = endpoint or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not endpoint:
        return Untraced()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise ConfigError("Traces need OpenTelemetry: install segsync[otel], or leave otlp_endpoint out.") from None
    provider = TracerProvider(resource=Resource.create({"service.name": "segsync"}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=3)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Traces(provider)


def traced(tracer: Tracer) -> Callable[..., BoltResponse]:
    """Bolt middleware: what Slack asked, and which word or action it was; what it leads to later may name it as its `trace`."""

    def middleware(context: BoltContext, body: dict[str, Any], next: Callable[[], BoltResponse]) -> BoltResponse:
        actions = body.get("actions") or [{}]
        kind = "command" if "command" in body else str(body.get("type", "event"))
        word = str(body.get("text") or "").partition(" ")[0] if kind == "command" else str(actions[0].get("action_id") or "")
        with tracer.span("slack", kind=kind, what=word[:40]):
            context["trace"] = tracer.here()
            return next()

    return middleware
