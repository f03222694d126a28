"""Users of an organization: who somebody is, and who gives roles to whom."""

import hashlib
import secrets

from core.access import may_give, require
from core.errors import Conflict, InvalidInput, NotAllowed
from core.models import Action, Actor, Role
from core.ports import Clock
from core.store import Store
from core.vault import Vault

_CLAIMED = "There is a Primary Administrator already; ask them for a role."


class Users:
    """Who may do what in an organization."""

    def __init__(self, *, store: Store, clock: Clock, vault: Vault) -> None:
        self._store, self._clock, self._vault = store, clock, vault

    def actor(
        self, org_id: str, user_id: str, *, name: str = "", tz: str = "UTC", guest: bool = False, surface: str = "slack"
    ) -> Actor:
        """Who acts, with the role of now."""
        return Actor(org_id, user_id, self._store.organizations.role(org_id, user_id), name, tz, surface, guest)

    def people(self, actor: Actor) -> dict[str, Role]:
        """Everybody with a role, for administrators."""
        require(actor, Action.SEE_PEOPLE)
        return self._store.organizations.people(actor.org_id)

    def role(self, actor: Actor, user_id: str) -> Role:
        """What somebody is, for whoever gives roles."""
        require(actor, Action.GIVE_ROLE)
        return self._store.organizations.role(actor.org_id, user_id)

    def give_role(self, actor: Actor, user_id: str, role: Role) -> None:
        """Raises NotAllowed for a role beyond the actor's, Conflict when nobody would be left to administer."""
        old = self._store.organizations.role(actor.org_id, user_id)
        if not may_give(actor, old=old, new=role):
            require(actor, Action.GIVE_ROLE)
            raise NotAllowed("Only a Primary Administrator may give or take an administrator's role.", action=Action.GIVE_ROLE)
        if not self._store.organizations.give_role(actor, user_id, role, self._clock.now()):
            raise Conflict("There must always be a Primary Administrator: name another one first.")

    def has_administrator(self, org_id: str) -> bool:
        """Whether somebody is the primary administrator already."""
        return Role.PRIMARY_ADMIN in self._store.organizations.people(org_id).values()

    def claim_code(self, org_id: str) -> str:
        """What whoever runs segsync reads at its start: the same in all processes, another one once it was used."""
        return self._vault.sign(f"claim:{org_id}:{self._store.organizations.claimed(org_id)}")[:8]

    def claim(self, actor: Actor, code: str) -> None:
        """The first administrator: by the code that the operator sees at the start, while there is none."""
        if actor.guest:
            require(actor, Action.SEE)
        if self.has_administrator(actor.org_id):
            raise Conflict(_CLAIMED)
        expected = self.claim_code(actor.org_id)
        if not secrets.compare_digest(code.strip().encode(), expected.encode()):
            raise InvalidInput("This is not the code that segsync printed when it started.", field="code")
        if not self._store.organizations.claim(actor, hashlib.sha256(expected.encode()).hexdigest(), self._clock.now()):
            raise Conflict(_CLAIMED)
