"""Surfaces whose modal is taken as the product drew it for somebody who may: whoever submits it then is the case's person."""

import time
from collections.abc import Callable
from typing import Any

from bot.blocks import ids
from core.errors import NotFound
from core.models import Action, RefreshKind
from tests.permissions.house import HOME, PEOPLE, Person, Role
from tests.permissions.surfaces import (
    ASKER,
    Act,
    Case,
    add,
    clicks,
    inactive,
    opens,
    reads,
    runs_as_actor,
    submits,
    types,
)

_INITIAL = {
    "plain_text_input": ("value", "initial_value"),
    "number_input": ("value", "initial_value"),
    "static_select": ("selected_option", "initial_option"),
    "radio_buttons": ("selected_option", "initial_option"),
    "checkboxes": ("selected_options", "initial_options"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    "users_select": ("selected_user", "initial_user"),
}


def _open_form(words: str) -> Callable[[Case], None]:
    """The Primary Administrator has the form open: it is the case's."""

    def needs(c: Case) -> None:
        c.house.ear.forget()
        c.house.types(Person(PEOPLE[Role.PRIMARY_ADMIN]), words.format(sync=c.sync.short))
        end = time.monotonic() + 5
        while not any(m == "views.open" for m, _ in list(c.house.ear.heard)):
            assert time.monotonic() < end, c.house.ear.words()
            time.sleep(0.01)
        c.form = dict(next(b["view"] for m, b in c.house.ear.heard if m == "views.open"))

    return needs


def _fills_in(**said: Any) -> Act:
    """Submits the case's form: `said` by the last part of an action's id, everything else as it was drawn."""

    def send(c: Case) -> None:
        values: dict[str, Any] = {}
        for block in c.form["blocks"]:
            if block["type"] != "input":
                continue
            element = block["element"]
            name, initial = _INITIAL[element["type"]]
            held = said.get(element["action_id"].rpartition(".")[2], element.get(initial))
            values[block["block_id"]] = {element["action_id"]: {"type": element["type"], name: held}}
        metadata = c.form.get("private_metadata", "")
        c.house.submits(c.by, c.form["callback_id"], metadata, values, blocks=c.form["blocks"])

    return Act(send)


def _option(value: str) -> dict[str, Any]:
    return {"value": value, "text": {"type": "plain_text", "text": "x"}}


def _is_deleted(c: Case) -> bool:
    try:
        c.now()
    except NotFound:
        return True
    return False


def _chose(c: Case) -> bool:
    return c.house.product.store.people.settings(HOME, c.by.user).get("dms") == "all"


def _capped(c: Case) -> bool:
    return c.house.store.organizations.get(HOME).get("own_cap") == 99_999


def _uncapped(c: Case) -> None:
    operator = c.house.actor(PEOPLE[Role.PRIMARY_ADMIN])
    c.house.store.organizations.set(operator, {"own_cap": None}, c.house.now())
    _open_form("settings")(c)


def _tried(c: Case) -> bool:
    return c.refreshes(RefreshKind.DRY)


def _sent(c: Case) -> bool:
    return any(m == "files.getUploadURLExternal" for m, _ in list(c.house.ear.heard))


# ── one sync ──
add(Action.EDIT, "/segsync edit", types("edit {sync}"), opens(ids.EDIT_FORM), owned=True)
add(Action.EDIT, "the button Edit", clicks(ids.EDIT), opens(ids.EDIT_FORM), owned=True)
add(
    Action.EDIT,
    "the modal Edit",
    _fills_in(name="Other"),
    lambda c: c.now().name == "Other",
    _open_form("edit {sync}"),
    owned=True,
)
add(Action.DRY_RUN, "/segsync dry-run", types("dry-run {sync}"), _tried, owned=True)
add(Action.DRY_RUN, "the button Dry run", clicks(ids.DRY_RUN), _tried, owned=True)
add(Action.DELETE, "/segsync delete", types("delete {sync}"), opens(ids.DELETE_FORM), owned=True)
add(Action.DELETE, "the button Delete", clicks(ids.DELETE), opens(ids.DELETE_FORM), owned=True)
add(Action.DELETE, "the modal Delete", submits(ids.DELETE_FORM, "{id}:{version}", {}), _is_deleted, owned=True)
add(Action.FULL_RESYNC, "the button Full resync", clicks(ids.RESYNC), lambda c: c.refreshes(RefreshKind.FULL))
add(Action.RESUME, "/segsync toggle", types("toggle {sync}"), runs_as_actor, inactive)

# ── what everybody sees, and chooses for oneself ──
add(Action.SEE, "/segsync overview", types("overview"), reads("in use"))
add(Action.SEE, "/segsync approvals", types("approvals"), reads("waiting|Nothing|asked"))
add(Action.SEE, "/segsync digest", types("digest"), reads("week"))
add(Action.SEE, "/segsync export", types("export"), _sent)
add(Action.SEE, "the button Export as CSV", clicks(ids.LIST_EXPORT, "csv"), _sent)
add(Action.OWN_NOTIFICATIONS, "/segsync notifications", types("notifications"), opens(ids.NOTIFY_FORM))
add(Action.OWN_NOTIFICATIONS, "the modal Notifications", _fills_in(dms=_option("all")), _chose, _open_form("notifications"))

# ── administration ──
add(Action.AUDIT, "/segsync export audit", types("export audit"), _sent)
add(Action.AUDIT, "the button Export as CSV", clicks(ids.AUDIT_EXPORT, "csv"), _sent)
add(Action.AUDIT, "another page", clicks(f"{ids.AUDIT_PAGE}.on", "1"), reads("Audit log"))
add(Action.GIVE_ROLE, "the button Change role", clicks(ids.ROLE_CHANGE, ASKER), opens(ids.ROLE_FORM))
add(Action.SETTINGS, "/segsync settings", types("settings"), opens(ids.SETTINGS_FORM))
add(Action.SETTINGS, "the modal Settings", _fills_in(own_cap="99999"), _capped, _uncapped)
add(Action.LOOKUP, "/segsync lookup", types("lookup"), opens(ids.LOOKUP_FORM))
add(
    Action.LOOKUP,
    "the modal Lookup",
    _fills_in(value="ana@example.com"),
    reads("Looking|No sync|delivered"),
    _open_form("lookup"),
)
