"""How an organization begins and ends: the first administrator, an uninstall, a second beginning."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.models import Actor, Role, SyncStatus
from core.users import Users
from tests.permissions.house import HOME, OWNER, PEOPLE, House, Person
from tests.permissions.test_table import soon

NEW, ZOE, YAN = "T9", "U7ZOE", "U7YAN"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    built = House(tmp_path)
    yield built
    built.close()


def says(house: House, by: Person, words: str) -> str:
    """What the command answers."""
    house.ear.forget()
    house.types(by, words)
    assert soon(lambda: bool(house.ear.heard))
    return house.ear.words()


@pytest.mark.parametrize("words", ["", "list", "create", "help", "people", "nonsense"])
def test_until_somebody_administers_every_command_says_how_to_claim(house: House, words: str) -> None:
    assert "/segsync claim CODE" in says(house, Person(ZOE, NEW), words)


def test_who_types_the_code_first_administers_and_is_welcomed(house: House) -> None:
    zoe, yan = Person(ZOE, NEW), Person(YAN, NEW)
    assert "not the code" in says(house, zoe, "claim 1234")
    assert house.store.organizations.role(NEW, ZOE) is Role.VIEWER
    code = house.product.users.claim_code(NEW)
    assert "Primary Administrator now" in says(house, zoe, f"claim {code}")
    assert "There is a Primary Administrator already" in says(house, yan, f"claim {code}")
    assert house.store.organizations.people(NEW) == {ZOE: Role.PRIMARY_ADMIN}
    letters = {(letter.topic, letter.target) for letter in house.store.outbox.claim(house.now()) if letter.org_id == NEW}
    assert letters == {("welcome", f"dm:{ZOE}")}


def test_the_code_is_the_same_whichever_process_printed_it_and_another_one_once_it_was_used(house: House) -> None:
    zoe = Person(ZOE, NEW)
    says(house, zoe, "help")
    beside = Users(store=house.store, clock=house.product.clock, vault=house.product.vault)  # as another bot has it
    code = beside.claim_code(NEW)
    assert "Primary Administrator now" in says(house, zoe, f"claim {code}")
    assert house.product.users.claim_code(NEW) == beside.claim_code(NEW) != code
    assert beside.claim_code("T8") != beside.claim_code(NEW)


def test_of_two_who_claim_at_once_one_administers(house: House) -> None:
    says(house, Person(ZOE, NEW), "help")
    zoe, yan = Actor(NEW, ZOE, Role.VIEWER), Actor(NEW, YAN, Role.VIEWER)
    assert house.store.organizations.claim(zoe, "used", house.now())
    assert not house.store.organizations.claim(yan, "used", house.now())


def test_a_guest_claims_nothing(house: House) -> None:
    assert "not for guests" in says(house, Person("U7GUEST", NEW), f"claim {house.product.users.claim_code(NEW)}")
    assert house.store.organizations.people(NEW) == {}


@pytest.mark.parametrize(
    "event",
    [{"type": "app_uninstalled"}, {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": ["UBOT"]}}],
    ids=lambda e: str(e["type"]),
)
def test_whatever_ends_the_installation_ends_the_refreshes(house: House, event: dict[str, object]) -> None:
    sync = house.sync(OWNER)
    house.product.syncs.refresh(house.actor(OWNER), sync.id)
    house.happens(Person(OWNER), event)
    assert soon(lambda: house.store.lives.is_gone(HOME))
    assert not house.store.refreshes.last(sync.id, 1)[0].state.is_open
    assert house.store.syncs.get(HOME, sync.id).status is SyncStatus.SYNCED
    house.product.organizations.welcome(HOME, "Acme")
    assert not house.store.lives.is_gone(HOME)
    assert house.store.refreshes.enqueue_due(house.now(), new_ids=["next"]) == 1


def test_a_persons_own_token_taken_back_ends_nothing(house: House) -> None:
    house.happens(Person(OWNER), {"type": "tokens_revoked", "tokens": {"oauth": [OWNER], "bot": []}})
    assert "in use" in says(house, Person(PEOPLE[Role.VIEWER]), "")
    assert not house.store.lives.is_gone(HOME)
