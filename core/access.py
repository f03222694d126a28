"""Who may do what: the permission table as one literal, asked by every use case whatever the surface."""

from core.errors import NotAllowed
from core.models import Action, Actor, RequestKind, Role

_P, _A, _M, _V = Role.PRIMARY_ADMIN, Role.ABM_ADMIN, Role.MARKETING_USER, Role.VIEWER
ANY, OWN, NO = "any", "own", "no"

# One row an action, as in the table of the documentation. OWN: only where the actor owns the sync (or the object) concerned.
TABLE: dict[Action, dict[Role, str]] = {
    Action.SEE: {_P: ANY, _A: ANY, _M: ANY, _V: ANY},
    Action.OWN_NOTIFICATIONS: {_P: ANY, _A: ANY, _M: ANY, _V: ANY},
    Action.CONNECT: {_P: ANY, _A: ANY, _M: ANY, _V: NO},
    Action.CREATE: {_P: ANY, _A: ANY, _M: ANY, _V: NO},
    Action.PAUSE: {_P: ANY, _A: ANY, _M: OWN, _V: NO},
    Action.EDIT: {_P: ANY, _A: ANY, _M: OWN, _V: NO},
    Action.REFRESH: {_P: ANY, _A: ANY, _M: OWN, _V: NO},
    Action.DRY_RUN: {_P: ANY, _A: ANY, _M: OWN, _V: NO},
    Action.ASK_PAUSE: {_P: NO, _A: NO, _M: ANY, _V: NO},
    Action.ASK_ROLE: {_P: NO, _A: NO, _M: ANY, _V: ANY},
    Action.ASK_HELP: {_P: NO, _A: NO, _M: ANY, _V: NO},
    Action.RESUME: {_P: ANY, _A: ANY, _M: ANY, _V: NO},
    Action.TAKE_OVER: {_P: ANY, _A: ANY, _M: ANY, _V: NO},
    Action.DECIDE_HELD: {_P: ANY, _A: ANY, _M: OWN, _V: NO},
    Action.HANDLE_ALERT: {_P: ANY, _A: ANY, _M: OWN, _V: NO},
    Action.DECIDE_REQUEST: {_P: ANY, _A: ANY, _M: NO, _V: NO},
    Action.DELETE: {_P: ANY, _A: ANY, _M: OWN, _V: NO},
    Action.FULL_RESYNC: {_P: ANY, _A: ANY, _M: NO, _V: NO},
    Action.LOOKUP: {_P: ANY, _A: ANY, _M: NO, _V: NO},
    Action.SEE_PEOPLE: {_P: ANY, _A: ANY, _M: NO, _V: NO},
    Action.SETTINGS: {_P: ANY, _A: ANY, _M: NO, _V: NO},
    Action.GIVE_ROLE: {_P: ANY, _A: ANY, _M: NO, _V: NO},
    Action.AUDIT: {_P: ANY, _A: ANY, _M: NO, _V: NO},
}

_WORDS = {
    Action.CONNECT: "connect an ad platform",
    Action.CREATE: "create a sync",
    Action.PAUSE: "pause this sync",
    Action.EDIT: "edit this sync",
    Action.REFRESH: "refresh this sync",
    Action.DRY_RUN: "try out a refresh of this sync",
    Action.ASK_PAUSE: "ask for a pause",
    Action.ASK_ROLE: "ask for a role",
    Action.ASK_HELP: "ask for help with a sync",
    Action.RESUME: "resume a sync",
    Action.TAKE_OVER: "take over a sync",
    Action.DECIDE_HELD: "decide on this held refresh",
    Action.HANDLE_ALERT: "handle this alert",
    Action.DECIDE_REQUEST: "decide on requests",
    Action.DELETE: "delete this sync",
    Action.FULL_RESYNC: "start a full resync",
    Action.LOOKUP: "look a person up",
    Action.SEE_PEOPLE: "see everybody's connections",
    Action.SETTINGS: "change the settings",
    Action.GIVE_ROLE: "give roles",
    Action.AUDIT: "read the audit log",
}


def may(actor: Actor, action: Action, *, owner_id: str | None = None) -> bool:
    """Whether this person may do this; `owner_id` is the owner of the sync concerned, where there is one."""
    if actor.guest:
        return False
    level = TABLE[action][actor.role]
    return level == ANY or (level == OWN and owner_id == actor.user_id)


def may_give(actor: Actor, *, old: Role, new: Role) -> bool:
    """Whether this person may turn somebody's role from `old` into `new`: ABM administrators, only among the lower two."""
    if not may(actor, Action.GIVE_ROLE):
        return False
    lower = (Role.MARKETING_USER, Role.VIEWER)
    return actor.role is Role.PRIMARY_ADMIN or (old in lower and new in lower)


def require(actor: Actor, action: Action, *, owner_id: str | None = None) -> None:
    """Raises NotAllowed, in words that say the own role and whom to ask, unless `may`."""
    if may(actor, action, owner_id=owner_id):
        return
    if actor.guest:
        raise NotAllowed("segsync is not for guests of this workspace.", action=action)
    words = _WORDS.get(action, "do this")
    if TABLE[action][actor.role] == OWN:
        asks = RequestKind.PAUSE if action is Action.PAUSE else None
        raise NotAllowed(f"Only its owner or an administrator may {words}.", action=action, may_ask=asks.value if asks else None)
    can_ask = action is not Action.ASK_ROLE and may(actor, Action.ASK_ROLE) and actor.role is Role.VIEWER
    raise NotAllowed(
        f"Your role is {actor.role.label}, which does not allow to {words}. An administrator can give you another role.",
        action=action,
        may_ask=RequestKind.ROLE.value if can_ask else None,
    )
