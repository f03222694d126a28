"""Views on people's screens: opened, pushed, updated, published, under Slack's rules (docs.slack.dev, modals)."""

from typing import Any

import orjson

from sandbox.slack import viewstate
from sandbox.slack.blockkit.surfaces import filled, view_faults
from sandbox.slack.refusal import Refused, bad_view
from sandbox.slack.state import JSON, App, Trigger, View
from sandbox.slack.workspace import Workspace

DEEPEST = 3
MOST_BYTES = 250_000


class Screens:
    """What apps do to views."""

    def __init__(self, *, space: Workspace) -> None:
        """See the class."""
        self._space = space

    def open(self, app: App, trigger_id: str, body: Any) -> View:
        """`views.open`: a new modal on the screen of whoever the trigger belongs to."""
        trigger = self._trigger(app, trigger_id)
        self.check(body, "modal", app)
        trigger.used = True
        return self.put(app, trigger.user, body, below=None)

    def push(self, app: App, trigger_id: str, body: Any) -> View:
        """`views.push`: on top of the modal in which the trigger arose."""
        trigger = self._trigger(app, trigger_id)
        below = self._space.views.get(trigger.view_id or "")
        if below is None or not below.is_modal:
            raise Refused("not_found")
        self.check(body, "modal", app)
        self.room_above(below)
        trigger.used = True
        return self.put(app, trigger.user, body, below=below)

    def update(self, app: App, body: Any, *, view_id: str | None, external_id: str | None, hash: str | None) -> View:
        """`views.update`: another content for a view that is still open."""
        view = self._space.views.get(view_id or "") if view_id else self._external(app, external_id or "")
        if view is None or view.app_id != app.id:
            raise Refused("not_found")
        if hash and hash != view.hash:
            raise Refused("hash_conflict")
        self.check(body, view.body["type"], app, besides=view)
        self.change(view, body)
        if not view.is_modal:
            self._space.put_home(view)
        return view

    def publish(self, app: App, user: str, body: Any, hash: str | None) -> View:
        """`views.publish`: this person's Home tab of this app."""
        if self._space.world.person(user) is None:
            raise Refused("user_not_found")
        if not app.home_enabled:
            raise Refused("not_enabled")
        old = self._space.homes.get((app.id, user))
        if hash and (old is None or hash != old.hash):
            raise Refused("hash_conflict")
        self.check(body, "home", app, besides=old)
        if old is not None:
            view = self.change(old, body)
        else:
            view_id = self._space.ids.new("V")
            view = self._new(app, user, body, view_id, None)
        view.published_at = self._space.ids.now()
        self._space.put_home(view)
        return view

    def put(self, app: App, user: str, body: JSON, *, below: View | None) -> View:
        """Lay a checked modal on a person's screen."""
        view_id = self._space.ids.new("V")
        view = self._new(app, user, body, view_id, below)
        self._space.views[view_id] = view
        self._space.stack(user).append(view)
        self._space.feed.tell([user], "view")
        return view

    def change(self, view: View, body: JSON) -> View:
        """Another checked content in the same place; what was typed in elements that stay is kept."""
        view.body = body | {"blocks": filled(body["blocks"], self._space.ids.block_id)}
        view.values = viewstate.carried(view.values, view.body["blocks"])
        view.known = view.values
        view.hash = self._hash()
        self._space.feed.tell([view.user], "view" if view.is_modal else "home")
        return view

    def room_above(self, below: View) -> None:
        """Raise `push_limit_reached` when the stack is full."""
        if sum(v.root_id == below.root_id for v in self._space.stack(below.user)) >= DEEPEST:
            raise Refused("push_limit_reached")

    def check(self, body: Any, kind: str, app: App, besides: View | None = None) -> None:
        """Raise what Slack would answer to this view."""
        if len(orjson.dumps(body)) > MOST_BYTES:
            raise Refused("view_too_large")
        if faults := view_faults(body, kind):
            raise bad_view(faults)
        external = body.get("external_id")
        other = self._external(app, external) if external else None
        if other is not None and other is not besides:
            raise Refused("duplicate_external_id")

    def _external(self, app: App, external_id: str) -> View | None:
        found = (v for v in self._space.views.values() if v.app_id == app.id)
        return next((v for v in found if v.body.get("external_id") == external_id), None)

    def _new(self, app: App, user: str, body: JSON, view_id: str, below: View | None) -> View:
        body = body | {"blocks": filled(body["blocks"], self._space.ids.block_id)}
        values = viewstate.carried({}, body["blocks"])
        root, previous = (below.root_id, below.id) if below else (view_id, None)
        return View(view_id, app.id, user, body, values, values, self._hash(), root, previous)

    def _hash(self) -> str:
        return f"{int(self._space.ids.now())}.{self._space.ids.letters(8)}"

    def _trigger(self, app: App, trigger_id: str) -> Trigger:
        trigger = self._space.triggers.get(trigger_id)
        if trigger is None or trigger.app_id != app.id:
            raise Refused("invalid_trigger_id")
        if trigger.used:
            raise Refused("exchanged_trigger_id")
        if self._space.ids.now() > trigger.expires:
            raise Refused("expired_trigger_id")
        return trigger
