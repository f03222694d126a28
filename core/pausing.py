"""Pause, resume, take over: what turns a sync off and on, and with whose connection it goes on."""

from collections.abc import Callable, Mapping
from uuid import uuid4

from core.access import may, require
from core.connections import Connections
from core.errors import AudienceGone, ChannelError, NotAllowed
from core.models import Action, Actor, Channel, Grant, RequestKind, Sync
from core.ports import AdChannel, Clock, Target
from core.store import Store
from core.views import Impact


class Pausing:
    """Use cases that change who keeps a sync running, or whether."""

    def __init__(
        self,
        *,
        store: Store,
        channels: Mapping[Channel, AdChannel],
        connections: Connections,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._store, self._channels, self._connections = store, channels, connections
        self._clock, self._wake = clock, wake

    def impact(self, actor: Actor, sync_id: str) -> Impact:
        """Which campaigns target the audience now, asked from the channel with the connection that the sync runs as."""
        require(actor, Action.SEE)
        sync = self._store.syncs.get(actor.org_id, sync_id)
        if sync.audience_id is None or sync.channel not in self._channels:
            return Impact(sync, ())
        try:
            grant = self._connections.grant(sync.run_as)
            campaigns = self._channels[sync.channel].campaigns(_target(sync, grant))
        except AudienceGone:
            return Impact(sync, ())
        except ChannelError as trouble:
            return Impact(sync, None, str(trouble))
        return Impact(sync, tuple(campaigns))

    def pause(self, actor: Actor, sync_id: str, *, version: int | None = None) -> Sync:
        """Inactive at once. Raises NotAllowed, Conflict on a stale version.

        Where `needs_approval` holds, the channel is asked first: that is slow.
        """
        sync = self._store.syncs.get(actor.org_id, sync_id)
        require(actor, Action.PAUSE, owner_id=sync.owner_id)
        if self.needs_approval(actor) and touches(self.impact(actor, sync.id)):
            raise NotAllowed(
                "Here an administrator has to agree before a sync is paused that running campaigns use.",
                action=Action.PAUSE,
                may_ask=RequestKind.PAUSE.value,
            )
        return self._store.syncs.pause(actor, sync.id, version=version, at=self._clock.now())

    def needs_approval(self, actor: Actor) -> bool:
        """Whether the organization wants an administrator to agree to pauses that touch running campaigns, also the actor's."""
        set_so = bool(self._store.organizations.get(actor.org_id).get("approve_pauses"))
        return set_so and not may(actor, Action.DECIDE_REQUEST)

    def resume(self, actor: Actor, sync_id: str) -> Sync:
        """Active again with the actor's own connection, if that may edit the audience now. Raises ChannelError, LimitReached."""
        sync = self._store.syncs.get(actor.org_id, sync_id)
        require(actor, Action.RESUME)
        connection_id, login_id = self._own_access(actor, sync)
        resumed = self._store.syncs.resume(
            actor, sync.id, run_as=connection_id, login_id=login_id, refresh_id=uuid4().hex, at=self._clock.now()
        )
        self._wake()
        return resumed

    def take_over(self, actor: Actor, sync_id: str) -> Sync:
        """The actor's own connection becomes the one an active sync runs as."""
        sync = self._store.syncs.get(actor.org_id, sync_id)
        require(actor, Action.TAKE_OVER)
        connection_id, login_id = self._own_access(actor, sync)
        taken = self._store.syncs.take_over(
            actor, sync.id, run_as=connection_id, login_id=login_id, refresh_id=uuid4().hex, at=self._clock.now()
        )
        self._wake()
        return taken

    def _own_access(self, actor: Actor, sync: Sync) -> tuple[str, str | None]:
        connection = self._connections.usable(actor, sync.channel)
        grant = self._connections.grant(connection.id)
        account = next((a for a in self._channels[sync.channel].accounts(grant) if a.id == sync.account_id), None)
        login_id = account.login_id if account else sync.login_id
        target = Target(grant, sync.account_id, login_id, sync.audience_id or "", sync.segment_kind)
        try:
            self._channels[sync.channel].require_access(target)
        except AudienceGone:  # the refresh will create it anew; what counts is the ad account
            self._channels[sync.channel].require_access(Target(grant, sync.account_id, login_id, "", sync.segment_kind))
        return connection.id, login_id


def touches(impact: Impact) -> bool:
    """Whether a pause touches running campaigns; where the channel does not say, it may."""
    return impact.campaigns is None or any(c.running for c in impact.campaigns)


def _target(sync: Sync, grant: Grant) -> Target:
    return Target(grant, sync.account_id, sync.login_id, sync.audience_id or "", sync.segment_kind)
