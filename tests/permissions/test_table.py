"""Who may do what: the documentation's table, tried on every surface that offers a thing, by everybody.

A click or a submission is sent as Slack would send it, whether or not the screen had offered it to this person: what is refused
here is refused by the core, also to whoever lost the role after the screen was drawn.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from bot.blocks.guide import COMMANDS
from core.models import Action, RequestState, Role, SyncStatus
from tests.permissions import forms
from tests.permissions.house import ELSEWHERE, GUEST, HOME, OWNER, PASSING, PEOPLE, House, Person
from tests.permissions.surfaces import ASKER, NOTE, SURFACES, Case, Surface, role_values

P, A, M, V = Role.PRIMARY_ADMIN, Role.ABM_ADMIN, Role.MARKETING_USER, Role.VIEWER
YES, OWN, NO = "yes", "own", "no"
REFUSED = r"does not allow to|Only its owner or an administrator may|Only a Primary Administrator"
# Written from the documentation, not from the code: action → what each role may.
TABLE: dict[Action, dict[Role, str]] = {
    Action.SEE: {P: YES, A: YES, M: YES, V: YES},
    Action.OWN_NOTIFICATIONS: {P: YES, A: YES, M: YES, V: YES},
    Action.CONNECT: {P: YES, A: YES, M: YES, V: NO},
    Action.CREATE: {P: YES, A: YES, M: YES, V: NO},
    Action.PAUSE: {P: YES, A: YES, M: OWN, V: NO},
    Action.EDIT: {P: YES, A: YES, M: OWN, V: NO},
    Action.REFRESH: {P: YES, A: YES, M: OWN, V: NO},
    Action.DRY_RUN: {P: YES, A: YES, M: OWN, V: NO},
    Action.ASK_PAUSE: {P: NO, A: NO, M: YES, V: NO},
    Action.ASK_ROLE: {P: NO, A: NO, M: YES, V: YES},
    Action.ASK_HELP: {P: NO, A: NO, M: YES, V: NO},
    Action.RESUME: {P: YES, A: YES, M: YES, V: NO},
    Action.TAKE_OVER: {P: YES, A: YES, M: YES, V: NO},
    Action.DECIDE_HELD: {P: YES, A: YES, M: OWN, V: NO},
    Action.HANDLE_ALERT: {P: YES, A: YES, M: OWN, V: NO},
    Action.DECIDE_REQUEST: {P: YES, A: YES, M: NO, V: NO},
    Action.DELETE: {P: YES, A: YES, M: OWN, V: NO},
    Action.FULL_RESYNC: {P: YES, A: YES, M: NO, V: NO},
    Action.LOOKUP: {P: YES, A: YES, M: NO, V: NO},
    Action.SEE_PEOPLE: {P: YES, A: YES, M: NO, V: NO},
    Action.SETTINGS: {P: YES, A: YES, M: NO, V: NO},
    Action.GIVE_ROLE: {P: YES, A: YES, M: NO, V: NO},
    Action.AUDIT: {P: YES, A: YES, M: NO, V: NO},
}
TRIES = [
    pytest.param(surface, role, own, id=f"{surface.action}-{surface.name}-{role}-{'own' if own else 'colleagues'}")
    for surface in SURFACES
    for role in Role
    for own in ((True, False) if surface.owned else (False,))
]


def test_every_action_and_every_command_is_tried() -> None:
    assert {s.action for s in SURFACES} == set(Action) == set(TABLE)
    typed = {s.name.split()[1] for s in SURFACES if s.name.startswith("/segsync ") and len(s.name.split()) > 1}
    assert typed >= {c.name for c in COMMANDS}, forms.__doc__


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    built = House(tmp_path_factory.mktemp("house"))
    yield built
    built.close()


@pytest.mark.parametrize(("surface", "role", "own"), TRIES)
def test_everybody_may_what_the_table_says_and_no_more(house: House, surface: Surface, role: Role, own: bool) -> None:
    case = begun(house, surface, Person(PEOPLE[role]), PEOPLE[role] if own else OWNER)
    surface.act.send(case)
    level = TABLE[surface.action][role]
    if level == YES or (level == OWN and own):
        assert soon(lambda: surface.done(case)), house.ear.words()
    else:
        assert soon(lambda: case.reads(REFUSED) or case.opens(surface.instead)), house.ear.words()
        assert not surface.done(case)


@pytest.mark.parametrize("surface", [s for s in SURFACES if s.act.names], ids=str)
def test_what_belongs_to_another_organization_is_not_there(house: House, surface: Surface) -> None:
    role = P if TABLE[surface.action][P] == YES else M
    case = begun(house, surface, Person(PEOPLE[role], ELSEWHERE), OWNER)
    before = replace(case.now(), version=0)
    surface.act.send(case)
    assert soon(lambda: case.reads("There is no|No sync is called")), house.ear.words()
    assert not surface.done(case)
    assert replace(case.now(), version=0) == before


@pytest.mark.parametrize("surface", SURFACES, ids=str)
def test_a_guest_is_refused_whatever_the_role_was(house: House, surface: Surface) -> None:
    house.give(HOME, GUEST, P)
    case = begun(house, surface, Person(GUEST), OWNER)
    surface.act.send(case)
    assert soon(lambda: case.reads("segsync is not for guests")), house.ear.words()
    if surface.action is not Action.SEE and surface.name != "the modal Disconnect":  # a guest has no connections any more
        assert not surface.done(case)


@pytest.mark.parametrize("surface", [s for s in SURFACES if "modal" in s.name and TABLE[s.action][V] == NO], ids=str)
def test_a_role_lost_while_a_modal_was_open_counts_when_it_is_submitted(house: House, surface: Surface) -> None:
    house.give(HOME, PASSING, M if surface.action in (Action.ASK_PAUSE, Action.ASK_HELP) else P)
    case = begun(house, surface, Person(PASSING), OWNER)
    house.give(HOME, PASSING, V)
    surface.act.send(case)
    assert soon(lambda: case.reads(REFUSED)), house.ear.words()
    assert not surface.done(case)


def test_a_pause_that_was_opened_before_somebody_changed_the_sync_asks_again(house: House) -> None:
    case = Case(house, Person(PEOPLE[P]), OWNER)
    house.store.syncs.pause(house.actor(PEOPLE[A]), case.sync.id, version=None, at=house.now())
    house.product.pausing.resume(house.actor(PEOPLE[A]), case.sync.id)
    house.ear.forget()
    house.submits(case.by, "pause.form", f"{case.sync.id}:{case.sync.version}")
    assert soon(lambda: case.reads("Somebody changed this sync in the meantime"))
    assert case.now().status is SyncStatus.SYNCING


@pytest.mark.parametrize("decides", ["approve", "decline"])
def test_nobody_decides_about_ones_own_request_whatever_one_has_become(house: House, decides: str) -> None:
    case = Case(house, Person(ASKER), OWNER)
    case.asked()
    house.give(HOME, ASKER, P)
    house.ear.forget()
    if decides == "approve":
        house.clicks(case.by, "request.approve", case.thing)
    else:
        house.submits(case.by, "request.decline_form", case.thing, NOTE)
    assert soon(lambda: case.reads("Somebody else decides about your own request")), house.ear.words()
    assert house.store.requests.get(HOME, case.thing).state is RequestState.WAITING
    assert case.now().status is SyncStatus.SYNCED


@pytest.mark.parametrize("giver", [P, A, M, V])
@pytest.mark.parametrize("old", list(Role))
@pytest.mark.parametrize("new", list(Role))
def test_abm_administrators_give_only_the_two_lower_roles(house: House, giver: Role, old: Role, new: Role) -> None:
    house.give(HOME, PASSING, old)
    case = Case(house, Person(PEOPLE[giver]), OWNER)
    house.ear.forget()
    house.submits(case.by, "roles.form", "", role_values(PASSING, new))
    may = giver is P or (giver is A and old in (M, V) and new in (M, V))
    assert soon(lambda: bool(house.ear.heard))
    assert house.store.organizations.role(HOME, PASSING) is (new if may else old)


def begun(house: House, surface: Surface, by: Person, owner: str) -> Case:
    """A case in which everything is as it must be before the act; nothing has been said yet."""
    case = Case(house, by, owner)
    surface.needs(case)
    house.ear.forget()
    return case


def soon(look: Callable[[], bool], timeout_s: float = 5) -> bool:
    """Whether it becomes so in time."""
    end = time.monotonic() + timeout_s
    while not look():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
