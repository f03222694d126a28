"""The product over the Slack stand-in, with a channel and a source that are values of the test."""

import asyncio
import base64
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from pydantic import SecretStr

from bot.main import Adapters, Product, build
from bot.settings import Settings
from core.errors import ChannelError, SegmentGone
from core.models import (
    Actor,
    AdAccount,
    Campaign,
    Channel,
    Counts,
    Grant,
    IdentifierKind,
    RemoteAudience,
    Role,
    Segment,
    SegmentKind,
)
from core.ports import ChannelTraits, ColumnMap, Delivery, Reading, Receipt, Settlement, Target
from sandbox.app import create, listen, server
from sandbox.world import World
from tests.databases import fresh
from tests.journeys.desk import Desk, Sandbox, eventually


@dataclass
class FakeChannel:
    """A platform that says what the test wants. `trouble`: raised by whatever asks; `gate`: cleared, it hangs."""

    traits: ChannelTraits = field(
        default_factory=lambda: ChannelTraits(
            Channel.META, frozenset({IdentifierKind.EMAIL}), frozenset(), 10_000, 1, one_of_each=True
        )
    )
    has: list[AdAccount] = field(
        default_factory=lambda: [AdAccount(Channel.META, "1001", "Acme EU"), AdAccount(Channel.META, "1002", "Acme US")]
    )
    running: list[Campaign] = field(default_factory=list)
    trouble: ChannelError | None = None
    revoked: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def _answer(self) -> None:
        self.gate.wait(20)
        if self.trouble:
            raise self.trouble

    def authorize_url(self, *, state: str, redirect_uri: str, verifier: str) -> str:
        return f"{redirect_uri}?state={state}&code=good"

    def exchange(self, *, code: str, redirect_uri: str, verifier: str) -> Grant:
        return Grant("secret-token", person_id="p1", person_name="Mia on Meta")

    def renew(self, grant: Grant) -> Grant:
        return grant

    def revoke(self, grant: Grant) -> None:
        self._answer()
        self.revoked.append(grant.person_id)

    def check(self, grant: Grant) -> Grant:
        return grant

    def accounts(self, grant: Grant) -> Sequence[AdAccount]:
        self._answer()
        return self.has

    def require_access(self, target: Target) -> None:
        self._answer()

    def find(self, target: Target, *, key: str) -> RemoteAudience | None:
        return None

    def create(self, target: Target, *, name: str, key: str, kinds: frozenset[IdentifierKind]) -> RemoteAudience:
        return RemoteAudience("a1", name, "ready")

    def audience(self, target: Target) -> RemoteAudience:
        return RemoteAudience(target.audience_id, "x", "ready")

    def delete(self, target: Target) -> None:
        self._answer()
        self.deleted.append(target.audience_id)

    def campaigns(self, target: Target) -> Sequence[Campaign]:
        self._answer()
        return self.running

    def deliver(self, target: Target, delivery: Delivery) -> Receipt:
        return Receipt(delivery.batch.size)

    def settlement(self, target: Target, request_id: str) -> Settlement:
        return Settlement(done=True)

    def audience_url(self, account_id: str, audience_id: str | None) -> str:
        return "https://platform.example/"


class FakeSource:
    """A few segments; some with names as long as people make them."""

    name = "files"

    def __init__(self) -> None:
        names = ["EMEA brand", "Webinar guests", "Intent: data platforms", "L" * 200, "R&D <b>leads</b>"]
        self.all = [Segment("files", f"seg{n}", name, SegmentKind.CONTACTS, size=1000 * n) for n, name in enumerate(names)]

    def segments(self) -> Sequence[Segment]:
        return self.all

    def segment(self, segment_id: str) -> Segment:
        found = next((s for s in self.all if s.id == segment_id), None)
        if found is None:
            raise SegmentGone
        return found

    @contextmanager
    def read(self, segment_id: str) -> Iterator[Reading]:
        """Two members, one of whom carries something that nobody can match."""
        rows = pa.RecordBatch.from_pydict({"email": ["a@example.com", "not an address"]})
        yield Reading(self.segment(segment_id), ColumnMap(email=("email",)), "v1", lambda names: iter([rows]), lambda: True)


class Office:
    """The workspace with the product in it."""

    def __init__(self, data: Path) -> None:
        self.channel, self.source = FakeChannel(), FakeSource()
        listener = listen(0)
        self.app = create(World(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", data=data), alone=True)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._server = server(self.app, handle_signals=False)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()
        ours = self.app.state.slack.ours
        web = listen(0)
        port = web.getsockname()[1]
        web.close()
        self.app.state.product_url = f"http://127.0.0.1:{port}"
        settings = Settings(
            database_url=fresh(data),
            data_dir=data / "product",
            keys={"test": SecretStr(base64.b64encode(b"k" * 32).decode())},
            slack_bot_token=SecretStr(ours.bot_token),
            slack_app_token=SecretStr(ours.app_token),
            slack_signing_secret=SecretStr(ours.signing_secret),
            slack_api_url=f"{self.url}/slack/api/",
            public_url=f"{self.url}/app",
            web_port=port,
            sync_limit=3,
            listener_threads=8,
        )
        self.product: Product = build(settings, outside=Adapters({Channel.META: self.channel}, {"files": self.source}))
        self.product.beside.clear()  # the tests play the engine themselves
        self.product.start()
        self.org_id = self.product.store.organizations.ids()[0]
        ana = Actor(self.org_id, "U01ANARUIZ", Role.PRIMARY_ADMIN, surface="settings")
        now = self.product.clock.now()
        for person in World(self.url, data).people:
            if person.role in set(Role):
                self.product.store.organizations.give_role(ana, person.id, Role(person.role), now)
        self.sandbox = Sandbox(self.url)
        assert self.app.state.socket_connected.wait(10)

    def desk(self, name: str) -> Desk:
        person = next(p for p in self.sandbox.people() if p["name"].startswith(name))
        return Desk(self.sandbox, person["id"], person["name"])

    def follow(self, url: str) -> str:
        """A person's browser: our page, *Continue*, the platform, the way back."""
        with httpx.Client(follow_redirects=True) as browser:
            page = browser.get(url)
            assert "Continue" in page.text, page.text
            return browser.post(url).text

    def refresh_all(self) -> None:
        """Executes what waits, as the engine would."""
        store, now = self.product.store, self.product.clock.now
        while run := store.refreshes.claim(now(), timedelta(minutes=1)):
            store.refreshes.set_audience(run.id, run.fence, "a1")
            counts = Counts(members=100, matchable=90, added=90, delivered=90, received=90)
            store.refreshes.finish(run.id, run.fence, counts, matched=80, next_due_at=now() + timedelta(days=1), now=now())
        self.product.wake()

    def close(self) -> None:
        self.channel.gate.set()
        socket = self.product._socket
        if socket is not None:  # Slack hangs up first: the SDK's own goodbye waits up to three seconds for a byte
            socket.client.auto_reconnect_enabled = False
            asyncio.run_coroutine_threadsafe(self.app.state.slack.delivery.drop_sockets(), self.app.state.loop).result(5)
            eventually(lambda: not socket.client.is_connected(), "the socket to be closed")
        self.product.stop()
        self.sandbox.http.close()
        self._server.should_exit = True
        self._thread.join(10)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    running = Office(tmp_path)
    yield running
    running.close()


def connect(office: Office, desk: Desk) -> None:
    """This person connects Meta."""
    desk.type("/segsync connect meta")
    office.follow(link(desk))
    desk.sees("Meta is connected")
    desk.close_all()


def link(desk: Desk) -> str:
    def look() -> Any:
        blocks = desk.view()["blocks"]
        return next((e["url"] for b in blocks for e in b.get("elements", []) if e.get("url")), None)

    return str(eventually(look, "a link"))


def make_sync(office: Office, desk: Desk, segment: str = "EMEA brand", account: str = "Acme EU") -> Any:
    """Through the form, as a person does."""
    desk.type("/segsync create")
    values = desk.choose("Segment", segment)
    values |= desk.choose("Channel", "Meta")
    values |= desk.choose("Ad account", account)
    return desk.submit(values)
