"""What an organization and each of its users has chosen: conversations, caps, thresholds, direct messages, quiet hours."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import time
from typing import Any

from core.access import require
from core.errors import InvalidInput
from core.models import Action, Actor
from core.ports import Clock
from core.store import Store

DMS = ("mine", "all", "none")
_GUARD = 0.30  # what the engine does where nobody set another share
_THRESHOLDS = (80, 95, 100)


@dataclass(frozen=True, slots=True)
class OrganizationSettings:
    """`sync_limit` is the contract's and set by the operator. `routes`: alert conversations by `channel:meta` and the like."""

    name: str
    sync_limit: int
    alert_conversation: str | None = None
    approval_conversation: str | None = None
    own_cap: int | None = None
    thresholds: tuple[int, ...] = _THRESHOLDS
    guard_share: float = _GUARD
    approve_pauses: bool = False
    routes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notifications:
    """One's own direct messages: `mine` (default), `all` or `none`; `quiet`: from, to as HH:MM in one's own time zone."""

    dms: str = "mine"
    quiet: tuple[str, str] | None = None


class Preferences:
    """Use cases on settings. `wake` tells the notifier."""

    def __init__(self, *, store: Store, clock: Clock, wake: Callable[[], None]) -> None:
        self._store, self._clock, self._wake = store, clock, wake

    def organization(self, actor: Actor) -> OrganizationSettings:
        """For administrators. Raises NotAllowed."""
        require(actor, Action.SETTINGS)
        known = self._store.organizations.get(actor.org_id)
        return OrganizationSettings(
            name=str(known["name"]),
            sync_limit=int(known["sync_limit"]),
            alert_conversation=known.get("alert_conversation"),
            approval_conversation=known.get("approval_conversation"),
            own_cap=known.get("own_cap"),
            thresholds=tuple(known.get("limit_thresholds") or _THRESHOLDS),
            guard_share=known["guard_share"] if known.get("guard_share") is not None else _GUARD,
            approve_pauses=bool(known.get("approve_pauses")),
            routes=dict(known.get("alert_routes") or {}),
        )

    def set_organization(self, actor: Actor, new: OrganizationSettings) -> OrganizationSettings:
        """Sets all but the contract's limit; only what changed is audited. Raises NotAllowed, InvalidInput(field)."""
        old = self.organization(actor)
        if new.own_cap is not None and not 1 <= new.own_cap <= old.sync_limit:
            raise InvalidInput(f"Your contract allows {old.sync_limit}: write a number from 1 to that, or nothing.", field="cap")
        if not new.thresholds or any(not 1 <= t <= 100 for t in new.thresholds) or len(new.thresholds) > 5:
            raise InvalidInput("Write up to five percentages from 1 to 100, such as 80, 95, 100.", field="thresholds")
        if not 0.01 <= new.guard_share <= 1:
            raise InvalidInput("Write a whole number of percent from 1 to 100.", field="guard")
        changes: dict[str, Any] = {}
        for name, key in _KEYS.items():
            before, after = getattr(old, name), getattr(new, name)
            if before != after:
                changes[key] = sorted(set(after)) if name == "thresholds" else after
        if changes:
            self._store.organizations.set(actor, changes, self._clock.now())
            self._wake()
        return self.organization(actor)

    def notifications(self, actor: Actor) -> Notifications:
        """One's own."""
        require(actor, Action.OWN_NOTIFICATIONS)
        known = self._store.people.settings(actor.org_id, actor.user_id)
        quiet = known.get("quiet")
        return Notifications(str(known.get("dms") or "mine"), (quiet[0], quiet[1]) if quiet else None)

    def set_notifications(self, actor: Actor, new: Notifications) -> None:
        """Raises InvalidInput(field)."""
        require(actor, Action.OWN_NOTIFICATIONS)
        if new.dms not in DMS:
            raise InvalidInput("Choose all, only mine, or none.", field="dms")
        if new.quiet and new.quiet[0] == new.quiet[1]:
            raise InvalidInput("Quiet hours need a beginning and another end.", field="quiet_to")
        quiet = [time.fromisoformat(t).strftime("%H:%M") for t in new.quiet] if new.quiet else None
        chosen = {"dms": new.dms, "quiet": quiet, "tz": actor.tz}
        self._store.people.set_settings(actor, chosen, self._clock.now())


_KEYS = {
    "alert_conversation": "alert_conversation",
    "approval_conversation": "approval_conversation",
    "own_cap": "own_cap",
    "thresholds": "limit_thresholds",
    "guard_share": "guard_share",
    "approve_pauses": "approve_pauses",
    "routes": "alert_routes",
}
