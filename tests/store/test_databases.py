"""What must hold on both databases: migrations, races for a place and for a refresh, and that models and tables do not drift."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from core.errors import Conflict, LimitReached
from core.models import Actor, Request, RequestKind, RequestState, Role, Sync, SyncStatus
from core.store import Store
from core.store.database import Database
from core.store.migrate import MIGRATIONS, migrate, missing
from core.tables import Base
from tests.store.conftest import NOW, at_once, create


def _alembic(url: str, work: Callable[[Config], None]) -> None:
    database = Database(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.write() as session:
        config.attributes["connection"] = session.connection()
        work(config)
    database.dispose()


def test_models_and_migrations_do_not_drift(url: str) -> None:
    migrate(url)
    database = Database(url)
    with database.read() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": False})
        assert compare_metadata(context, Base.metadata) == []
    database.dispose()


def test_every_released_state_is_brought_up_with_its_data_and_can_be_taken_back(url: str) -> None:
    _alembic(url, lambda config: command.upgrade(config, "0001"))
    database = Database(url)
    with database.write() as session:
        columns = "id, name, created_at, last_number, sync_limit, settings"
        values = "'T9', 'Old', '2026-01-01 00:00:00+00:00', 0, 5, '{}'"
        session.execute(text(f"INSERT INTO organization ({columns}) VALUES ({values})"))
    database.dispose()
    assert missing(url) > 0
    migrate(url)
    assert missing(url) == 0
    store = Store(url)
    assert store.organizations.get("T9")["name"] == "Old"
    store.close()
    _alembic(url, lambda config: command.downgrade(config, "0001"))
    database = Database(url)
    with database.read() as session:
        assert "request" not in inspect(session.connection()).get_table_names()
    database.dispose()
    migrate(url)


def test_of_many_who_reach_for_the_last_place_exactly_one_gets_it(store: Store) -> None:
    for n in range(2):
        create(store, f"s{n}")
    answers = at_once(*(lambda n=n: create(store, f"last{n}") for n in range(6)))
    assert sum(isinstance(a, Sync) for a in answers) == 1
    assert sum(isinstance(a, LimitReached) for a in answers) == 5


def test_of_many_who_create_the_same_sync_exactly_one_does(store: Store) -> None:
    answers = at_once(*(lambda: create(store, "same") for _ in range(4)))
    assert sum(isinstance(a, Sync) for a in answers) == 1
    assert sum(isinstance(a, Conflict) for a in answers) == 3


def test_a_refresh_is_claimed_by_one_worker(store: Store) -> None:
    for n in range(3):
        create(store, f"s{n}")
    claim = lambda: store.refreshes.claim(NOW, timedelta(minutes=1), 4)  # noqa: E731
    answers = at_once(*(claim for _ in range(8)))
    claimed = [a.id for a in answers if a is not None]
    assert len(claimed) == len(set(claimed)) == 3


def test_the_first_decision_on_a_request_stands(store: Store) -> None:
    sync = create(store, "s1")
    request = Request("r1", "T1", RequestKind.PAUSE, RequestState.WAITING, "U2", NOW, NOW + timedelta(hours=72), sync_id=sync.id)
    store.requests.ask(Actor("T1", "U2", Role.MARKETING_USER), request, subject=sync.id)
    admins = [Actor("T1", f"A{n}", Role.ABM_ADMIN) for n in range(4)]
    answers = at_once(*(lambda a=a: store.requests.approve_pause(a, "r1", NOW) for a in admins))
    assert sum(isinstance(a, Request) for a in answers) == 1
    assert sum(isinstance(a, Conflict) for a in answers) == 3
    assert store.syncs.get("T1", sync.id).status is SyncStatus.INACTIVE


def test_a_letter_is_delivered_by_one_notifier(store: Store) -> None:
    for n in range(3):
        create(store, f"s{n}")
    answers = at_once(*(lambda: store.outbox.claim(NOW + timedelta(seconds=1)) for _ in range(4)))
    claimed = [letter.id for letters in answers for letter in letters]
    assert len(claimed) == len(set(claimed))
    assert claimed


def test_a_process_that_is_frozen_in_a_transaction_holds_up_nobody_for_long(url: str) -> None:
    if url.startswith("sqlite"):
        pytest.skip("processes of one machine share a SQLite file, and its lock")
    migrate(url)
    frozen, other = Database(url, idle_s=1), Database(url)
    change = text("LOCK TABLE pace IN EXCLUSIVE MODE")

    def freezes() -> None:
        with frozen.write() as session:
            session.execute(change)
            with other.write() as successor:  # waits until the server has ended the other's transaction
                successor.execute(change)
            session.execute(text("SELECT 1"))

    with pytest.raises(DBAPIError):
        freezes()
    frozen.dispose()
    other.dispose()
