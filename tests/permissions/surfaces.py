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
        views = [b.get("view") for m, b in list(self.house.ear.heard) if m in ("views.open", "views.push", "views.update")]
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


def _add(
    action: Action, name: str, act: Act, done: Callable[[Case], bool], needs: Callable[[Case], None] = lambda _: None, **more: Any
) -> None:
    SURFACES.append(Surface(action, name, act, done, needs, **more))


def _types(words: str) -> Act:
    return Act(lambda c: c.house.types(c.by, words.format(sync=c.sync.short)), names="{" in words)


def _clicks(action_id: str, value: str = "{id}:{version}", *, picked: bool = False) -> Act:
    def does(c: Case) -> None:
        c.house.clicks(c.by, action_id, value.format(id=c.sync.id, version=c.sync.version, thing=c.thing), picked=picked)

    return Act(does, names="{" in value)


def _submits(callback_id: str, metadata: str, values: Any = None) -> Act:
    def does(c: Case) -> None:
        said = metadata.format(id=c.sync.id, version=c.sync.version, thing=c.thing)
        c.house.submits(c.by, callback_id, said, values)

    return Act(does, names="{" in metadata)


def _status(status: SyncStatus) -> Callable[[Case], None]:
    return lambda c: c.be(status)


def _is(status: SyncStatus) -> Callable[[Case], bool]:
    return lambda c: c.now().status is status


def _reads(text: str) -> Callable[[Case], bool]:
    return lambda c: c.reads(text)


def _opens(callback_id: str) -> Callable[[Case], bool]:
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
    _add(Action.SEE, f"/segsync {word}", _types(word), _reads(said))
_add(Action.SEE, "/segsync show", _types("show {sync}"), _opens(ids.DETAILS_VIEW))
_add(Action.SEE, "the button Details", _clicks(ids.DETAILS), _opens(ids.DETAILS_VIEW))
_add(
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


_add(Action.CONNECT, "/segsync connect", _types("connect"), _opens(ids.CONNECT))
_add(Action.CONNECT, "/segsync connect meta", _types("connect meta"), _reads("segsync.example/connect/"))
_add(Action.CONNECT, "the button Connect", _clicks(ids.CONNECT_START, "meta"), _reads("segsync.example/connect/"))
_add(Action.CONNECT, "/segsync disconnect meta", _types("disconnect meta"), _opens(ids.DISCONNECT), _connected)
_add(Action.CONNECT, "the button Disconnect", _clicks(ids.CONNECT_REMOVE, "meta"), _opens(ids.DISCONNECT), _connected)
_add(Action.CONNECT, "the modal Disconnect", _submits(ids.DISCONNECT, "meta"), _disconnected, _connected)

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


_add(Action.CREATE, "/segsync create", _types("create"), _opens(ids.CREATE), _connected)
_add(Action.CREATE, "the shortcut", Act(lambda c: c.house.shortcut(c.by, ids.CREATE_SHORTCUT)), _opens(ids.CREATE), _connected)
_add(
    Action.CREATE,
    "the button Go on creating",
    Act(lambda c: c.house.clicks(c.by, ids.CREATE_RESUME_DRAFT, _draft(c))),
    _opens(ids.CREATE),
    _account,
)
_add(Action.CREATE, "the modal Create", Act(lambda c: c.house.submits(c.by, ids.CREATE, _draft(c))), _created, _account)

# ── pausing, resuming, taking over ──


def _runs_as_actor(c: Case) -> bool:
    return c.now().run_as == c.house.connect(HOME, c.by.user) and c.now().status is not SyncStatus.INACTIVE


def _failed(c: Case) -> None:
    _connected(c)
    c.be(SyncStatus.FAILED)


def _inactive(c: Case) -> None:
    _connected(c)
    c.be(SyncStatus.INACTIVE)


def _alert(c: Case) -> None:
    _failed(c)
    c.thing = c.house.alert(c.sync).id


_add(Action.PAUSE, "/segsync pause", _types("pause {sync}"), _opens(ids.PAUSE_FORM), owned=True, instead=ids.REQUEST_FORM)
_add(Action.PAUSE, "the button Pause", _clicks(ids.PAUSE), _opens(ids.PAUSE_FORM), owned=True, instead=ids.REQUEST_FORM)
_add(Action.PAUSE, "the modal Pause", _submits(ids.PAUSE_FORM, "{id}:{version}"), _is(SyncStatus.INACTIVE), owned=True)
_add(Action.RESUME, "/segsync resume", _types("resume {sync}"), _runs_as_actor, _inactive)
_add(Action.RESUME, "the button Resume", _clicks(ids.RESUME), _runs_as_actor, _inactive)
_add(Action.TAKE_OVER, "/segsync takeover", _types("takeover {sync}"), _runs_as_actor, _failed)
_add(Action.TAKE_OVER, "the button Take over", _clicks(ids.TAKE_OVER), _runs_as_actor, _failed)

# ── refreshing ──


def _asked_for(c: Case) -> bool:
    return c.refreshes(RefreshKind.REQUESTED)


_add(Action.REFRESH, "/segsync refresh", _types("refresh {sync}"), _asked_for, owned=True)
_add(Action.REFRESH, "the button Refresh now", _clicks(ids.REFRESH), _asked_for, owned=True)
_add(Action.REFRESH, "the button Retry", _clicks(ids.RETRY), _asked_for, _failed, owned=True)
_add(Action.REFRESH, "an alert's Retry", _clicks(ids.ALERT_RETRY, "{thing}"), _asked_for, _alert, owned=True)
_add(Action.FULL_RESYNC, "/segsync resync", _types("resync {sync}"), lambda c: c.refreshes(RefreshKind.FULL))


def _held(c: Case) -> None:
    c.thing = c.house.hold(c.sync).id


def _held_alert(c: Case) -> None:
    c.house.hold(c.sync)
    c.thing = c.house.alert(c.sync).id


def _decided(c: Case) -> bool:
    return c.house.store.refreshes.last(c.sync.id, 1)[0].state is not RefreshState.HELD


_add(Action.DECIDE_HELD, "the guard's Apply", _clicks(ids.APPLY, "{thing}"), _decided, _held, owned=True)
_add(Action.DECIDE_HELD, "the guard's Keep", _clicks(ids.KEEP, "{thing}"), _decided, _held, owned=True)
_add(Action.DECIDE_HELD, "an alert's Apply", _clicks(ids.ALERT_APPLY, "{thing}"), _decided, _held_alert, owned=True)
_add(Action.DECIDE_HELD, "an alert's Keep", _clicks(ids.ALERT_KEEP, "{thing}"), _decided, _held_alert, owned=True)

# ── alerts ──


def _handled(c: Case) -> bool:
    alert = c.house.store.alerts.get(HOME, c.thing)
    return alert.acknowledged_by is not None or alert.snoozed_until is not None


_add(Action.HANDLE_ALERT, "Acknowledge", _clicks(ids.ALERT_ACKNOWLEDGE, "{thing}"), _handled, _alert, owned=True)
_add(Action.HANDLE_ALERT, "Snooze", _clicks(ids.ALERT_SNOOZE, "{thing}:1d", picked=True), _handled, _alert, owned=True)
_add(Action.SEE, "an alert's Details", _clicks(ids.ALERT_DETAILS, "{thing}"), _opens(ids.ALERT_VIEW), _alert)
_add(Action.TAKE_OVER, "an alert's Take over", _clicks(ids.ALERT_TAKE_OVER, "{thing}"), _runs_as_actor, _alert)

# ── asking the administrators, and their answer ──


def _waits(kind: RequestKind, *, about_sync: bool) -> Callable[[Case], bool]:
    return lambda c: c.waits(kind, c.sync.id if about_sync else None)


_add(Action.ASK_PAUSE, "/segsync pause", _types("pause {sync}"), _opens(ids.REQUEST_FORM), instead=ids.PAUSE_FORM)
_add(Action.ASK_PAUSE, "the button Ask for a pause", _clicks(ids.PAUSE), _opens(ids.REQUEST_FORM), instead=ids.PAUSE_FORM)
_add(Action.ASK_PAUSE, "the modal", _submits(ids.REQUEST_FORM, "pause:{id}", NOTE), _waits(RequestKind.PAUSE, about_sync=True))
_add(Action.ASK_ROLE, "the button Ask for a role", _clicks(ids.REQUEST_ASK, "role"), _opens(ids.REQUEST_FORM))
_add(Action.ASK_ROLE, "the modal", _submits(ids.REQUEST_FORM, "role", NOTE), _waits(RequestKind.ROLE, about_sync=False))
_add(Action.ASK_HELP, "the button Ask an administrator", _clicks(ids.REQUEST_ASK, "help:{id}"), _opens(ids.REQUEST_FORM), _failed)
_add(
    Action.ASK_HELP,
    "the modal",
    _submits(ids.REQUEST_FORM, "help:{id}", NOTE),
    _waits(RequestKind.HELP, about_sync=True),
    _failed,
)
_add(
    Action.ASK_HELP,
    "the modal about an ad account",
    _submits(ids.REQUEST_FORM, "account:meta", NOTE),
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


_add(Action.DECIDE_REQUEST, "the button Approve", _clicks(ids.REQUEST_APPROVE, "{thing}"), _is_decided, _pause_asked)
_add(Action.DECIDE_REQUEST, "the button Decline", _clicks(ids.REQUEST_DECLINE, "{thing}"), _opens(ids.DECLINE_FORM), _pause_asked)
_add(Action.DECIDE_REQUEST, "the modal Decline", _submits(ids.DECLINE_FORM, "{thing}", NOTE), _is_decided, _pause_asked)
_add(Action.DECIDE_REQUEST, "a request's Take over", _clicks(ids.REQUEST_TAKE_OVER, "{thing}"), _is_decided, _help_asked)

# ── administration ──


def role_values(user: str, role: Role) -> dict[str, Any]:
    """The form *Roles*, filled in."""
    return {
        "user": {ids.ROLE_USER: {"type": "users_select", "selected_user": user}},
        "role": {ids.ROLE_ROLE: {"type": "static_select", "selected_option": {"value": role.value}}},
    }


_add(Action.SEE_PEOPLE, "/segsync people", _types("people"), _reads("people have a role|Give a role"))
_add(Action.GIVE_ROLE, "/segsync roles", _types("roles"), _opens(ids.ROLE_FORM))
_add(
    Action.GIVE_ROLE,
    "the modal Roles",
    _submits(ids.ROLE_FORM, "", role_values(ASKER, Role.VIEWER)),
    lambda c: c.house.store.organizations.role(HOME, ASKER) is Role.VIEWER,
    lambda c: c.house.give(HOME, ASKER, Role.MARKETING_USER),
)
_add(Action.AUDIT, "/segsync audit", _types("audit"), _reads("Audit log"))
