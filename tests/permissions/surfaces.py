"""Every surface on which something can be done: how Slack would say it, and how one sees that it was done."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from bot.blocks import ids
from bot.blocks.create import Draft
from core.models import (
    Action,
    AdAccount,
    Channel,
    ConnectionStatus,
    RefreshKind,
    RefreshState,
    Request,
    RequestKind,
    RequestState,
    Role,
    Sync,
    SyncStatus,
)
from core.syncs import SyncFilter
from tests.permissions.house import HOME, House, Person

ASKER = "U9ASKER"  # a Marketing User who asks the administrators


class Case:
    """One try: a house, who acts, whose sync it is about; what is needed is made when it is asked for."""

    def __init__(self, house: House, by: Person, owner: str) -> None:
        self.house, self.by, self.owner = house, by, owner
        self.sync: Sync = house.sync(owner)
        self.request: Request | None = None
        self.thing = ""  # the id of what it is about, when that is no sync
        self.form: dict[str, Any] = {}  # a modal that somebody has open

    def be(self, status: SyncStatus) -> None:
        """The sync is in this state."""
        self.sync = self.house.sync(self.owner, status)

    def now(self) -> Sync:
        return self.house.store.syncs.get(HOME, self.sync.id)

    def asked(self) -> None:
        """Somebody has asked for a pause of the sync."""
        self.house.give(HOME, ASKER, Role.MARKETING_USER)
        self.request = self.house.product.approvals.ask_pause(self.house.actor(ASKER), self.sync.id)
        self.thing = self.request.id

    def opens(self, callback_id: str, metadata: str = "") -> bool:
        """A modal of this kind was opened."""
        views = [b.get("view") for m, b in list(self.house.ear.heard) if m in ("views.open", "views.push")]
        shown = [v for v in views if isinstance(v, dict)]
        return any(v["callback_id"] == callback_id and metadata in v.get("private_metadata", "") for v in shown)

    def reads(self, text: str) -> bool:
        """This was said."""
        return re.search(text, self.house.ear.words()) is not None

    def waits(self, kind: RequestKind, sync_id: str | None) -> bool:
        """A request of the actor waits, about this sync or none."""
        mine = self.house.store.requests.of(HOME, self.by.user)
        return any(r.state is RequestState.WAITING and r.kind is kind and r.sync_id == sync_id for r in mine)

    def refreshes(self, kind: RefreshKind) -> bool:
        last = self.house.store.refreshes.last(self.sync.id, 1)
        return bool(last) and last[0].kind is kind and last[0].state.is_open


@dataclass(frozen=True, slots=True)
class Act:
    """What Slack sends. `names`: it carries the id of a thing, which somebody may have forged."""

    send: Callable[[Case], None]
    names: bool = False


@dataclass(frozen=True, slots=True)
class Surface:
    """`done`: it took effect; `needs`: what must be so before; `instead`: the modal that others see who may not."""

    action: Action
    name: str
    act: Act
    done: Callable[[Case], bool]
    needs: Callable[[Case], None]
    owned: bool = False  # may differ by whose sync it is
    instead: str = ids.PROBLEM

    def __str__(self) -> str:
        return f"{self.action}: {self.name}"


SURFACES: list[Surface] = []


def add(
    action: Action, name: str, act: Act, done: Callable[[Case], bool], needs: Callable[[Case], None] = lambda _: None, **more: Any
) -> None:
    SURFACES.append(Surface(action, name, act, done, needs, **more))


def types(words: str) -> Act:
    return Act(lambda c: c.house.types(c.by, words.format(sync=c.sync.short)), names="{" in words)


def clicks(action_id: str, value: str = "{id}:{version}", *, picked: bool = False) -> Act:
    def does(c: Case) -> None:
        c.house.clicks(c.by, action_id, value.format(id=c.sync.id, version=c.sync.version, thing=c.thing), picked=picked)

    return Act(does, names="{" in value)


def submits(callback_id: str, metadata: str, values: Any = None) -> Act:
    def does(c: Case) -> None:
        said = metadata.format(id=c.sync.id, version=c.sync.version, thing=c.thing)
        c.house.submits(c.by, callback_id, said, values)

    return Act(does, names="{" in metadata)


def _status(status: SyncStatus) -> Callable[[Case], None]:
    return lambda c: c.be(status)


def _is(status: SyncStatus) -> Callable[[Case], bool]:
    return lambda c: c.now().status is status


def reads(text: str) -> Callable[[Case], bool]:
    return lambda c: c.reads(text)


def opens(callback_id: str) -> Callable[[Case], bool]:
    return lambda c: c.opens(callback_id)


NOTE = {"note": {ids.REQUEST_NOTE: {"type": "plain_text_input", "value": "Please"}}}

# ── seeing ──
for word, said in {
    "": "in use",
    "list": "Details",
    "alerts": "open alert|No open alerts",
    "usage": "in use",
    "help": "/segsync",
}.items():
    add(Action.SEE, f"/segsync {word}", types(word), reads(said))
add(Action.SEE, "/segsync show", types("show {sync}"), opens(ids.DETAILS_VIEW))
add(Action.SEE, "the button Details", clicks(ids.DETAILS), opens(ids.DETAILS_VIEW))
add(
    Action.SEE,
    "the Home tab",
    Act(lambda c: c.house.happens(c.by, {"type": "app_home_opened", "tab": "home", "channel": "D1"})),
    lambda c: any(m == "views.publish" for m, _ in list(c.house.ear.heard)),
)

# ── connections ──


def _connected(c: Case) -> None:
    c.house.connect(HOME, c.by.user)


def _disconnected(c: Case) -> bool:
    mine = c.house.store.connections.of_user(HOME, c.by.user)[Channel.META]
    return mine.status is ConnectionStatus.MISSING


add(Action.CONNECT, "/segsync connect", types("connect"), opens(ids.CONNECT))
add(Action.CONNECT, "/segsync connect meta", types("connect meta"), reads("segsync.example/connect/"))
add(Action.CONNECT, "the button Connect", clicks(ids.CONNECT_START, "meta"), reads("segsync.example/connect/"))
add(Action.CONNECT, "/segsync disconnect meta", types("disconnect meta"), opens(ids.DISCONNECT), _connected)
add(Action.CONNECT, "the button Disconnect", clicks(ids.CONNECT_REMOVE, "meta"), opens(ids.DISCONNECT), _connected)
add(Action.CONNECT, "the modal Disconnect", submits(ids.DISCONNECT, "meta"), _disconnected, _connected)

# ── creating ──


def _account(c: Case) -> None:
    """An ad account in which nothing is kept up yet."""
    _connected(c)
    c.thing = uuid4().hex
    c.house.channel.has = [AdAccount(Channel.META, c.thing, "Acme EU")]
    c.house.product.connections._accounts.clear()


def _draft(c: Case) -> str:
    return Draft(segment="files/seg0", channel="meta", account=c.thing).pack()


def _created(c: Case) -> bool:
    return c.house.store.syncs.search(HOME, SyncFilter(account=c.thing))[1] > 0


add(Action.CREATE, "/segsync create", types("create"), opens(ids.CREATE), _connected)
add(Action.CREATE, "the shortcut", Act(lambda c: c.house.shortcut(c.by, ids.CREATE_SHORTCUT)), opens(ids.CREATE), _connected)
add(
    Action.CREATE,
    "the button Go on creating",
    Act(lambda c: c.house.clicks(c.by, ids.CREATE_RESUME_DRAFT, _draft(c))),
    opens(ids.CREATE),
    _account,
)
add(Action.CREATE, "the modal Create", Act(lambda c: c.house.submits(c.by, ids.CREATE, _draft(c))), _created, _account)

# ── pausing, resuming, taking over ──


def runs_as_actor(c: Case) -> bool:
    return c.now().run_as == c.house.connect(HOME, c.by.user) and c.now().status is not SyncStatus.INACTIVE


def _failed(c: Case) -> None:
    _connected(c)
    c.be(SyncStatus.FAILED)


def inactive(c: Case) -> None:
    _connected(c)
    c.be(SyncStatus.INACTIVE)


def _alert(c: Case) -> None:
    _failed(c)
    c.thing = c.house.alert(c.sync).id


add(Action.PAUSE, "/segsync pause", types("pause {sync}"), opens(ids.PAUSE_FORM), owned=True, instead=ids.REQUEST_FORM)
add(Action.PAUSE, "the button Pause", clicks(ids.PAUSE), opens(ids.PAUSE_FORM), owned=True, instead=ids.REQUEST_FORM)
add(Action.PAUSE, "the modal Pause", submits(ids.PAUSE_FORM, "{id}:{version}"), _is(SyncStatus.INACTIVE), owned=True)
add(Action.RESUME, "/segsync resume", types("resume {sync}"), runs_as_actor, inactive)
add(Action.RESUME, "the button Resume", clicks(ids.RESUME), runs_as_actor, inactive)
add(Action.TAKE_OVER, "/segsync takeover", types("takeover {sync}"), runs_as_actor, _failed)
add(Action.TAKE_OVER, "the button Take over", clicks(ids.TAKE_OVER), runs_as_actor, _failed)

# ── refreshing ──


def _asked_for(c: Case) -> bool:
    return c.refreshes(RefreshKind.REQUESTED)


add(Action.REFRESH, "/segsync refresh", types("refresh {sync}"), _asked_for, owned=True)
add(Action.REFRESH, "the button Refresh now", clicks(ids.REFRESH), _asked_for, owned=True)
add(Action.REFRESH, "the button Retry", clicks(ids.RETRY), _asked_for, _failed, owned=True)
add(Action.REFRESH, "an alert's Retry", clicks(ids.ALERT_RETRY, "{thing}"), _asked_for, _alert, owned=True)
add(Action.FULL_RESYNC, "/segsync resync", types("resync {sync}"), lambda c: c.refreshes(RefreshKind.FULL))


def _held(c: Case) -> None:
    c.thing = c.house.hold(c.sync).id


def _held_alert(c: Case) -> None:
    c.house.hold(c.sync)
    c.thing = c.house.alert(c.sync).id


def _decided(c: Case) -> bool:
    return c.house.store.refreshes.last(c.sync.id, 1)[0].state is not RefreshState.HELD


add(Action.DECIDE_HELD, "the guard's Apply", clicks(ids.APPLY, "{thing}"), _decided, _held, owned=True)
add(Action.DECIDE_HELD, "the guard's Keep", clicks(ids.KEEP, "{thing}"), _decided, _held, owned=True)
add(Action.DECIDE_HELD, "an alert's Apply", clicks(ids.ALERT_APPLY, "{thing}"), _decided, _held_alert, owned=True)
add(Action.DECIDE_HELD, "an alert's Keep", clicks(ids.ALERT_KEEP, "{thing}"), _decided, _held_alert, owned=True)

# ── alerts ──


def _handled(c: Case) -> bool:
    alert = c.house.store.alerts.get(HOME, c.thing)
    return alert.acknowledged_by is not None or alert.snoozed_until is not None


add(Action.HANDLE_ALERT, "Acknowledge", clicks(ids.ALERT_ACKNOWLEDGE, "{thing}"), _handled, _alert, owned=True)
add(Action.HANDLE_ALERT, "Snooze", clicks(ids.ALERT_SNOOZE, "{thing}:1d", picked=True), _handled, _alert, owned=True)
add(Action.SEE, "an alert's Details", clicks(ids.ALERT_DETAILS, "{thing}"), opens(ids.ALERT_VIEW), _alert)
add(Action.TAKE_OVER, "an alert's Take over", clicks(ids.ALERT_TAKE_OVER, "{thing}"), runs_as_actor, _alert)

# ── asking the administrators, and their answer ──


def _waits(kind: RequestKind, *, about_sync: bool) -> Callable[[Case], bool]:
    return lambda c: c.waits(kind, c.sync.id if about_sync else None)


add(Action.ASK_PAUSE, "/segsync pause", types("pause {sync}"), opens(ids.REQUEST_FORM), instead=ids.PAUSE_FORM)
add(Action.ASK_PAUSE, "the button Ask for a pause", clicks(ids.PAUSE), opens(ids.REQUEST_FORM), instead=ids.PAUSE_FORM)
add(Action.ASK_PAUSE, "the modal", submits(ids.REQUEST_FORM, "pause:{id}", NOTE), _waits(RequestKind.PAUSE, about_sync=True))
add(Action.ASK_ROLE, "the button Ask for a role", clicks(ids.REQUEST_ASK, "role"), opens(ids.REQUEST_FORM))
add(Action.ASK_ROLE, "the modal", submits(ids.REQUEST_FORM, "role", NOTE), _waits(RequestKind.ROLE, about_sync=False))
add(Action.ASK_HELP, "the button Ask an administrator", clicks(ids.REQUEST_ASK, "help:{id}"), opens(ids.REQUEST_FORM), _failed)
add(
    Action.ASK_HELP,
    "the modal",
    submits(ids.REQUEST_FORM, "help:{id}", NOTE),
    _waits(RequestKind.HELP, about_sync=True),
    _failed,
)
add(
    Action.ASK_HELP,
    "the modal about an ad account",
    submits(ids.REQUEST_FORM, "account:meta", NOTE),
    _waits(RequestKind.HELP, about_sync=False),
)


def _pause_asked(c: Case) -> None:
    c.asked()


def _help_asked(c: Case) -> None:
    _failed(c)
    c.house.give(HOME, ASKER, Role.MARKETING_USER)
    c.thing = c.house.product.approvals.ask_help(c.house.actor(ASKER), sync_id=c.sync.id).id


def _is_decided(c: Case) -> bool:
    return c.house.store.requests.get(HOME, c.thing).state is not RequestState.WAITING


add(Action.DECIDE_REQUEST, "the button Approve", clicks(ids.REQUEST_APPROVE, "{thing}"), _is_decided, _pause_asked)
add(Action.DECIDE_REQUEST, "the button Decline", clicks(ids.REQUEST_DECLINE, "{thing}"), opens(ids.DECLINE_FORM), _pause_asked)
add(Action.DECIDE_REQUEST, "the modal Decline", submits(ids.DECLINE_FORM, "{thing}", NOTE), _is_decided, _pause_asked)
add(Action.DECIDE_REQUEST, "a request's Take over", clicks(ids.REQUEST_TAKE_OVER, "{thing}"), _is_decided, _help_asked)

# ── administration ──


def role_values(user: str, role: Role) -> dict[str, Any]:
    """The form *Roles*, filled in."""
    return {
        "user": {ids.ROLE_USER: {"type": "users_select", "selected_user": user}},
        "role": {ids.ROLE_ROLE: {"type": "static_select", "selected_option": {"value": role.value}}},
    }


add(Action.SEE_PEOPLE, "/segsync people", types("people"), reads("people have a role|Give a role"))
add(Action.GIVE_ROLE, "/segsync roles", types("roles"), opens(ids.ROLE_FORM))
add(
    Action.GIVE_ROLE,
    "the modal Roles",
    submits(ids.ROLE_FORM, "", role_values(ASKER, Role.VIEWER)),
    lambda c: c.house.store.organizations.role(HOME, ASKER) is Role.VIEWER,
    lambda c: c.house.give(HOME, ASKER, Role.MARKETING_USER),
)
add(Action.AUDIT, "/segsync audit", types("audit"), reads("Audit log"))
