"""A database of each kind, and what many do to it at once."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from core.models import Actor, Cadence, Channel, Role, SegmentKind, Sync, SyncStatus
from core.store import Store
from core.store.migrate import migrate
from tests.databases import postgres_or_skip

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return postgres_or_skip("nothing is proven about it")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    migrate(url)
    opened = Store(url)
    opened.organizations.ensure("T1", name="Acme", sync_limit=3, at=NOW)
    yield opened
    opened.close()


def new_sync(segment: str, org_id: str = "T1", channel: Channel = Channel.META) -> Sync:
    return Sync(
        id=uuid4().hex, org_id=org_id, number=0, name=segment, segment_source="files", segment_id=segment, segment_name=segment,
        segment_kind=SegmentKind.CONTACTS, channel=channel, account_id="1", account_name="Acme", owner_id="U1",
        run_as="c1", status=SyncStatus.SYNCING, cadence=Cadence("daily", "UTC"), created_at=NOW,
    )  # fmt: skip


def create(store: Store, segment: str, org_id: str = "T1", channel: Channel = Channel.META) -> Sync:
    actor = Actor(org_id, "U1", Role.MARKETING_USER)
    return store.syncs.create(actor, new_sync(segment, org_id, channel), sealed_ledger_key=b"k", refresh_id=uuid4().hex, at=NOW)


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """What each answers or raises when all begin at the same moment."""
    start, answers = threading.Barrier(len(works)), [None] * len(works)

    def run(place: int, work: Callable[[], Any]) -> None:
        start.wait()
        try:
            answers[place] = work()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            answers[place] = error  # type: ignore[call-overload]

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return answers
