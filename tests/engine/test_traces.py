"""What whoever watches sees of a refresh: the refresh, its requests below it, and nobody in it."""

import httpx
import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from slack_bolt import BoltContext

from bot.logs import Named, named
from bot.traces import Traces, traced, traces
from channels.http import Http
from core.errors import OutcomeUnknown
from core.models import Actor, RefreshKind, RefreshState, RemoteAudience, Role
from core.ports import Target, Untraced
from tests.engine.conftest import ORG, OWNER, Desk

URL = "https://graph.example.com/act_123/users?access_token=EAAsecret"


class Watch:
    """Spans as they end."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.traces = Traces(provider)

    def spans(self, name: str) -> list[ReadableSpan]:
        return [s for s in self._exporter.get_finished_spans() if s.name == name]

    def words(self) -> str:
        return " ".join(f"{s.to_json()}" for s in self._exporter.get_finished_spans())


@pytest.fixture
def watch() -> Watch:
    return Watch()


def client(watch: Watch, answer: httpx.Response | Exception) -> Http:
    def respond(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Http("Meta", transport=httpx.MockTransport(respond), tracer=watch.traces, sleep=lambda _: None)


def test_requests_stand_below_their_refresh_although_other_threads_send_them(desk: Desk, watch: Watch) -> None:
    http = client(watch, httpx.Response(200, json={}))
    desk.write([{"key": "1", "email": "somebody@example.com", "phone": ""}])
    desk.platform.after = lambda _: http.ask("POST", URL, json={"email": "somebody@example.com"}) and None  # type: ignore[func-returns-value]
    assert desk.restart(watch.traces).execute_next()
    assert desk.store.refreshes.last(desk.sync_id)[0].state is RefreshState.SUCCEEDED
    ((refresh,), (request,)) = watch.spans("refresh"), watch.spans("request")
    assert refresh.attributes
    assert request.attributes
    assert (refresh.attributes["segsync.sync"], refresh.attributes["segsync.channel"]) == ("S-1", "meta")
    assert (request.attributes["segsync.platform"], request.attributes["segsync.status"]) == ("Meta", 200)
    assert request.parent
    assert refresh.context
    assert request.parent.span_id == refresh.context.span_id
    http.close()


def test_no_span_holds_an_address_a_token_or_an_identifier(watch: Watch) -> None:
    http = client(watch, httpx.ReadError("somebody@example.com"))
    with pytest.raises(OutcomeUnknown):
        http.ask("POST", URL, json={"email": "somebody@example.com"}, headers={"authorization": "Bearer EAAsecret"})
    (span,) = watch.spans("request")
    assert span.status.description == "ReadError"
    assert not any(word in watch.words() for word in ("EAAsecret", "somebody", "act_123", "graph.example"))
    http.close()


def test_what_slack_asked_is_named_by_its_word(watch: Watch) -> None:
    asked = traced(watch.traces)
    asked(BoltContext(), {"command": "/segsync", "text": "lookup somebody@example.com"}, lambda: None)
    asked(BoltContext(), {"type": "block_actions", "actions": [{"action_id": "sync.retry"}]}, lambda: None)
    found = [(s.attributes or {}).get("segsync.what") for s in watch.spans("slack")]
    assert found == ["lookup", "sync.retry"]
    assert "somebody" not in watch.words()


def test_a_refresh_stands_in_the_trace_and_the_log_of_the_click_that_asked_for_it(desk: Desk, watch: Watch) -> None:
    desk.write([{"key": "1", "email": "somebody@example.com", "phone": ""}])
    desk.work()
    context, lines = BoltContext(), []

    def click() -> None:
        actor = Actor(ORG, OWNER, Role.PRIMARY_ADMIN, cause=f"{context['request']} {context['trace']}")
        desk.store.syncs.refresh(actor, desk.sync_id, RefreshKind.REQUESTED, refresh_id="again", at=desk.clock.now())

    body = {"type": "block_actions", "actions": [{"action_id": "sync.retry"}]}
    named(context, body, lambda: traced(watch.traces)(context, body, click))
    desk.platform.settlements = lambda _: pytest.fail("nothing is asked later")
    audience = desk.platform.audience

    def noted(target: Target) -> RemoteAudience:
        lines.append(structlog.contextvars.get_contextvars())
        return audience(target)

    desk.platform.audience = noted  # type: ignore[method-assign]
    structlog.contextvars.clear_contextvars()
    assert desk.restart(Named(watch.traces)).execute_next()
    ((slack,), (refresh,)) = watch.spans("slack"), watch.spans("refresh")
    assert slack.context
    assert refresh.parent
    assert (refresh.parent.trace_id, refresh.parent.span_id) == (slack.context.trace_id, slack.context.span_id)
    assert {(line["request"], line["refresh"], line["sync"]) for line in lines} == {(context["request"], "again", "S-1")}
    assert structlog.contextvars.get_contextvars() == {}


def test_nothing_is_traced_unless_an_address_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert isinstance(traces(None), Untraced)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    told = traces(None)
    assert isinstance(told, Traces)
    told.close()
