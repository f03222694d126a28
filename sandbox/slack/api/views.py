"""`views.*`: modals and Home tabs."""

from sandbox.slack.api.calls import Call, Method, invalid
from sandbox.slack.payloads import view_face
from sandbox.slack.refusal import Refused
from sandbox.slack.state import JSON, View


def _shown(call: Call, view: View) -> JSON:
    return {"view": view_face(call.space, view, view.values)}


def _view(call: Call) -> object:
    if "view" not in call.args:
        raise invalid("missing required field: view")
    return call.args["view"]


def _trigger(call: Call) -> str:
    trigger = call.maybe("trigger_id") or call.maybe("interactivity_pointer")
    if trigger is None:
        raise invalid("missing required field: trigger_id")
    return trigger


def open_view(call: Call) -> JSON:
    """A new modal."""
    return _shown(call, call.tools.screens.open(call.app, _trigger(call), _view(call)))


def push(call: Call) -> JSON:
    """Another modal on top."""
    return _shown(call, call.tools.screens.push(call.app, _trigger(call), _view(call)))


def update(call: Call) -> JSON:
    """Another content for an open view."""
    view_id, external_id = call.maybe("view_id"), call.maybe("external_id")
    if view_id is None and external_id is None:
        raise invalid("missing required field: view_id")
    view = call.tools.screens.update(call.app, _view(call), view_id=view_id, external_id=external_id, hash=call.maybe("hash"))
    return _shown(call, view)


def publish(call: Call) -> JSON:
    """A person's Home tab."""
    user = call.text("user_id")
    view = _view(call)
    if call.space.app_of_bot(user):
        raise Refused("user_not_found")
    return _shown(call, call.tools.screens.publish(call.app, user, view, call.maybe("hash")))


METHODS = {
    "views.open": Method(open_view, 4),
    "views.publish": Method(publish, 4),
    "views.push": Method(push, 4),
    "views.update": Method(update, 4),
}
