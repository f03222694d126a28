"""Syncs: edited, deleted (with the audience, if chosen), tried out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from uuid import uuid4

from core import schedule
from core.access import require
from core.connections import Connections
from core.errors import ChannelError, Conflict, InvalidInput
from core.models import Action, Actor, Channel, Sync
from core.ports import AdChannel, Clock, Target
from core.store import Store
from core.store.editing import Changes
from core.syncs import LONGEST_NAME

__all__ = ["Edit", "Editing"]


@dataclass(frozen=True, slots=True)
class Edit:
    """What somebody wrote in the form. `guard`: percent of the audience that a refresh may remove; None: the organization's."""

    name: str
    cadence: str
    first_day: date | None = None
    last_day: date | None = None
    guard: int | None = None


class Editing:
    """Use cases that change or end a sync. `forget`: destroys what is kept of a sync's deliveries on disk."""

    def __init__(
        self,
        *,
        store: Store,
        channels: Mapping[Channel, AdChannel],
        connections: Connections,
        forget: Callable[[str], None],
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._store, self._channels, self._connections = store, channels, connections
        self._forget, self._clock, self._wake = forget, clock, wake

    def require(self, actor: Actor, action: Action, sync_id: str) -> Sync:
        """The sync, if the actor may do this with it. Raises NotFound, NotAllowed."""
        sync = self._store.syncs.get(actor.org_id, sync_id)
        require(actor, action, owner_id=sync.owner_id)
        return sync

    def edit(self, actor: Actor, sync_id: str, new: Edit, *, version: int) -> Sync:
        """Changes name, cadence, days, guard. Raises NotAllowed, InvalidInput(field), Conflict(current)."""
        sync = self.require(actor, Action.EDIT, sync_id)
        name = " ".join(new.name.split())
        if not name or len(name) > LONGEST_NAME:
            raise InvalidInput(f"Give it a name of at most {LONGEST_NAME} characters.", field="name")
        if new.guard is not None and not 1 <= new.guard <= 100:
            raise InvalidInput("Write a whole number of percent from 1 to 100, or nothing.", field="guard")
        if new.first_day and new.last_day and new.last_day < new.first_day:
            raise InvalidInput("The last day is before the first.", field="last_day")
        # the time zone stays the creator's while the rule stays
        cadence = sync.cadence if new.cadence == sync.cadence.rule else schedule.parse(new.cadence, sync.cadence.tz)
        share = None if new.guard is None else new.guard / 100
        changes = Changes(name, cadence, new.first_day, new.last_day, share)
        edited = self._store.editing.edit(actor, sync.id, changes, version=version, at=self._clock.now())
        self._wake()
        return edited

    def delete(self, actor: Actor, sync_id: str, *, version: int, audience: bool) -> Sync:
        """Ends a sync for good. `audience`: the channel is asked first, and slow; if it refuses, nothing is deleted.

        Raises NotAllowed, Conflict(current), ChannelError.
        """
        sync = self.require(actor, Action.DELETE, sync_id)
        if version != sync.version:
            raise Conflict("Somebody changed this sync in the meantime.", current=sync)
        gone = bool(audience and sync.audience_id)
        if gone:
            self._delete_audience(actor, sync)
        deleted = self._store.editing.delete(actor, sync.id, version=version, audience_gone=gone, at=self._clock.now())
        self._forget(sync.id)
        self._wake()
        return deleted

    def dry_run(self, actor: Actor, sync_id: str) -> Sync:
        """Starts a refresh that sends nothing and tells the actor what it would change. Raises NotAllowed, Conflict."""
        sync = self.require(actor, Action.DRY_RUN, sync_id)
        tried = self._store.editing.try_out(actor, sync.id, refresh_id=uuid4().hex, at=self._clock.now())
        self._wake()
        return tried

    def _delete_audience(self, actor: Actor, sync: Sync) -> None:
        """With the connection that the sync runs as; where that is broken, with the actor's own."""
        if sync.channel not in self._channels:
            raise ChannelError(f"{sync.channel.label} is not set up in the settings, so its audience cannot be deleted.")
        try:
            grant = self._connections.grant(sync.run_as)
        except ChannelError:
            grant = self._connections.grant(self._connections.usable(actor, sync.channel).id)
        target = Target(grant, sync.account_id, sync.login_id, sync.audience_id or "", sync.segment_kind)
        self._channels[sync.channel].delete(target)
