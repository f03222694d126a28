"""Requests to the administrators: asked, approved, declined, lapsed. What is approved is asked anew before it is done."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

from core.access import may, may_give, require
from core.errors import Conflict, NotAllowed, NotFound
from core.models import Action, Actor, Request, RequestKind, RequestState, Role, SyncStatus
from core.pausing import Pausing
from core.ports import Clock
from core.store import Store

LAPSE = timedelta(hours=72)


class Approvals:
    """Use cases on requests. `wake` tells the notifier."""

    def __init__(self, *, store: Store, pausing: Pausing, clock: Clock, wake: Callable[[], None]) -> None:
        self._store, self._pausing, self._clock, self._wake = store, pausing, clock, wake

    def ask_pause(self, actor: Actor, sync_id: str, *, note: str = "") -> Request:
        """Asks that somebody else's sync be paused. Raises NotAllowed, Conflict when it is paused or asked for already."""
        require(actor, Action.ASK_PAUSE)
        sync = self._store.syncs.get(actor.org_id, sync_id)
        if sync.status is SyncStatus.INACTIVE:
            raise Conflict(f"{sync.short} is paused already.")
        return self._ask(actor, RequestKind.PAUSE, sync.id, note, sync_id=sync.id)

    def ask_role(self, actor: Actor, *, note: str = "") -> Request:
        """Asks for the next role: a viewer to become a marketing user, a marketing user an ABM administrator."""
        require(actor, Action.ASK_ROLE)
        role = Role.MARKETING_USER if actor.role is Role.VIEWER else Role.ABM_ADMIN
        return self._ask(actor, RequestKind.ROLE, "role", note, role=role)

    def ask_help(self, actor: Actor, *, sync_id: str | None = None, note: str = "") -> Request:
        """Asks for help: with a failed sync, or, in words, with an ad account that one does not reach."""
        require(actor, Action.ASK_HELP)
        sync = self._store.syncs.get(actor.org_id, sync_id) if sync_id else None
        return self._ask(actor, RequestKind.HELP, sync.id if sync else "help", note, sync_id=sync.id if sync else None)

    def add_impact(self, actor: Actor, request_id: str) -> Request:
        """Asks the channel which campaigns use the audience, and adds that to the request. Slow."""
        request = self._store.requests.get(actor.org_id, request_id)
        if request.kind is not RequestKind.PAUSE or request.sync_id is None:
            return request
        impact = self._pausing.impact(actor, request.sync_id)
        if impact.campaigns is None:
            return request
        added = self._store.requests.attach(request.id, impact.campaigns, self._clock.now())
        self._wake()
        return added

    def get(self, actor: Actor, request_id: str) -> Request:
        """One request: for administrators, and whoever asked."""
        request = self._store.requests.get(actor.org_id, request_id)
        if request.asked_by != actor.user_id:
            require(actor, Action.DECIDE_REQUEST)
        return request

    def waiting(self, actor: Actor) -> list[Request]:
        """What waits for the actor's decision; for whoever decides nothing, what they asked for."""
        require(actor, Action.SEE)
        if may(actor, Action.DECIDE_REQUEST):
            return self._store.requests.waiting(actor.org_id)
        return self._store.requests.of(actor.org_id, actor.user_id)

    def approve(self, actor: Actor, request_id: str) -> Request:
        """Does what is asked for, after asking role, state and impact again. Slow for a pause.

        Raises Conflict(current=the request): somebody decided before, or more campaigns run on the audience than the request
        showed; then the message shows them, and approving again does it.
        """
        request = self._to_decide(actor, request_id)
        match request.kind:
            case RequestKind.PAUSE:
                decided = self._approve_pause(actor, request)
            case RequestKind.ROLE:
                decided = self._approve_role(actor, request)
            case RequestKind.HELP:
                decided = self._store.requests.decide(actor, request.id, RequestState.APPROVED, self._clock.now())
        self._wake()
        return decided

    def take_over(self, actor: Actor, request_id: str) -> Request:
        """Helps with a sync by one's own connection, which becomes the one that it runs as. Slow. Raises ChannelError."""
        request = self._to_decide(actor, request_id)
        if request.kind is not RequestKind.HELP or request.sync_id is None:
            raise NotFound
        self._pausing.take_over(actor, request.sync_id)
        decided = self._store.requests.decide(actor, request.id, RequestState.APPROVED, self._clock.now())
        self._wake()
        return decided

    def decline(self, actor: Actor, request_id: str, *, reason: str = "") -> Request:
        """Nothing happens; whoever asked hears the reason. Raises Conflict(current) when somebody decided before."""
        self._to_decide(actor, request_id)
        now = self._clock.now()
        declined = self._store.requests.decide(actor, request_id, RequestState.DECLINED, now, reason=reason.strip())
        self._wake()
        return declined

    def lapse(self) -> int:
        """Ends what nobody decided in 72 hours, and what is no longer needed."""
        ended = self._store.requests.lapse(self._clock.now())
        if ended:
            self._wake()
        return ended

    def _to_decide(self, actor: Actor, request_id: str) -> Request:
        """A waiting request of somebody else. Whoever has become an administrator since may do the thing itself."""
        require(actor, Action.DECIDE_REQUEST)
        request = self._store.requests.get(actor.org_id, request_id)
        _require_waiting(request)
        if request.asked_by == actor.user_id:
            raise NotAllowed("Somebody else decides about your own request.", action=Action.DECIDE_REQUEST)
        return request

    def _approve_pause(self, actor: Actor, request: Request) -> Request:
        role = self._store.organizations.role(actor.org_id, request.asked_by)
        if not may(Actor(actor.org_id, request.asked_by, role), Action.ASK_PAUSE):
            return self._store.requests.close(actor.org_id, request.id, self._clock.now())
        impact = self._pausing.impact(actor, request.sync_id or "")
        running = {c.id for c in impact.campaigns or () if c.running}
        if request.impact is not None and running - {c.id for c in request.impact if c.running}:
            shown = self._store.requests.attach(request.id, impact.campaigns or (), self._clock.now())
            self._wake()
            raise Conflict(
                "More campaigns run on this audience now than the request showed. Look again, then approve.", current=shown
            )
        return self._store.requests.approve_pause(actor, request.id, self._clock.now())

    def _approve_role(self, actor: Actor, request: Request) -> Request:
        old = self._store.organizations.role(actor.org_id, request.asked_by)
        role = request.role or Role.MARKETING_USER
        if old is role or old.is_administrator:
            return self._store.requests.close(actor.org_id, request.id, self._clock.now())
        if not may_give(actor, old=old, new=role):
            raise NotAllowed(f"Only a Primary Administrator may give the role {role.label}.", action=Action.GIVE_ROLE)
        return self._store.requests.approve_role(actor, request.id, role, self._clock.now())

    def _ask(
        self, actor: Actor, kind: RequestKind, subject: str, note: str, *, sync_id: str | None = None, role: Role | None = None
    ) -> Request:
        now = self._clock.now()
        new = Request(
            id=uuid4().hex,
            org_id=actor.org_id,
            kind=kind,
            state=RequestState.WAITING,
            asked_by=actor.user_id,
            created_at=now,
            lapses_at=now + LAPSE,
            sync_id=sync_id,
            role=role,
            note=note.strip()[:500] or None,
        )
        asked = self._store.requests.ask(actor, new, subject=subject)
        self._wake()
        return asked


def _require_waiting(request: Request) -> None:
    if request.state is not RequestState.WAITING:
        raise Conflict("This request has been decided already.", current=request)
