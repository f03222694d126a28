"""People of an organization: who they are here, and what happens when they leave, or the organization does."""

from collections.abc import Callable
from datetime import timedelta

from core.access import require
from core.models import Action, Actor
from core.ports import Clock
from core.store import Store
from core.store.lives import Left
from core.views import Member

KEPT = timedelta(days=30)  # what an organization has after it has uninstalled


class People:
    """Use cases on lives. `take_back`: asks the platform to forget a consent, beside; `forget`: destroys a sync's ledger."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        wake: Callable[[], None],
        take_back: Callable[[Left], None],
        forget: Callable[[str], None],
    ) -> None:
        self._store, self._clock, self._wake, self._take_back, self._forget = store, clock, wake, take_back, forget

    def see(self, actor: Actor) -> list[Member]:
        """Everybody with a role or a connection, administrators first."""
        require(actor, Action.SEE_PEOPLE)
        known = self._store.lives.known(actor.org_id)
        members = [Member(user, role, tuple(held)) for user, (role, held) in known.items()]
        order = list(type(actor.role))
        return sorted(members, key=lambda m: (order.index(m.role), m.user_id))

    def known(self, org_id: str) -> list[str]:
        """Users that have something to lose."""
        return list(self._store.lives.known(org_id))

    def left(self, org_id: str, user_id: str, why: str) -> bool:
        """Somebody is deactivated or a guest now (`why`): role and connections go. False: there was nothing to take."""
        left = self._store.lives.leave(org_id, user_id, why, self._clock.now())
        for one in left or []:
            self._take_back(one)
        if left is not None:
            self._wake()
        return left is not None

    def uninstalled(self, org_id: str) -> bool:
        """The organization has taken segsync out, or its tokens back: its refreshes end at the next batch."""
        return self._store.lives.suspend(org_id, self._clock.now())

    def installed(self, org_id: str) -> bool:
        """It is there again: what was suspended goes on. False: it never was away."""
        came_back = self._store.lives.come_back(org_id, self._clock.now())
        if came_back:
            self._wake()
        return came_back

    def prune(self) -> int:
        """Forgets organizations that have been away for thirty days, their ledgers too; how many."""
        gone = self._store.lives.long_gone(KEPT, self._clock.now())
        for org_id in gone:
            for sync_id in self._store.lives.forget(org_id):
                self._forget(sync_id)
        return len(gone)
