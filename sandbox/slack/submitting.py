"""What a person does with a whole modal: submit it or close it; and what the app may answer to a submission."""

from typing import Any

from sandbox.slack import payloads, viewstate
from sandbox.slack.blockkit.surfaces import walk
from sandbox.slack.clicking import Clicking, Surface
from sandbox.slack.delivery import Ack, Delivery
from sandbox.slack.refusal import Impossible, Refused
from sandbox.slack.screens import Screens
from sandbox.slack.state import JSON, App, View
from sandbox.slack.workspace import Workspace
from sandbox.world import Person

TROUBLE = "We had some trouble connecting. Try again?"


class Submitting:
    """Modals."""

    def __init__(self, *, space: Workspace, delivery: Delivery, screens: Screens, clicking: Clicking) -> None:
        """See the class."""
        self._space, self._delivery, self._screens, self._clicking = space, delivery, screens, clicking

    async def submit(self, person: Person, view_id: Any, values: Any) -> JSON:
        """Submit a modal: `{"errors": …}`, `{"view": the top one now}`, or `{}` when none is open.

        When the app's answer cannot be used (late, or not what Slack takes) the modal stays, with `"trouble"` beside it.
        """
        view = self._top(person, view_id)
        if not view.body.get("submit"):
            raise Impossible(400, "this view has no submit button")
        await self._fill(person, view, values)
        if errors := _client_errors(view):
            return {"errors": errors}
        app = self._space.apps[view.app_id]
        view.known = view.values
        payload = payloads.plain_interaction(self._space, app, person, kind="view_submission", more={
            "trigger_id": self._space.trigger(app, person.id, view.id),
            "view": payloads.view_face(self._space, view, view.values),
            "response_urls": self._response_urls(app, person, view),
        })  # fmt: skip
        ack = await self._delivery.ask(app, "interactive", payload, accepts=True)
        return self._answer(person, app, view, ack)

    def _answer(self, person: Person, app: App, view: View, ack: Ack) -> JSON:
        body = ack.body if isinstance(ack.body, dict) else {}
        action = body.get("response_action")
        trouble = ack.error
        try:
            match action:
                case _ if trouble or view not in self._space.stack(person.id):
                    pass  # late, or closed in the meantime
                case None:
                    self._space.drop_views([view])
                case "errors":
                    errors = _known_errors(view, body.get("errors"))
                    if errors:
                        return {"errors": errors}
                    trouble = "invalid_errors"
                case "update":
                    self._screens.check(body.get("view"), "modal", app, besides=view)
                    self._screens.change(view, body["view"])
                case "push":
                    self._screens.check(body.get("view"), "modal", app)
                    self._screens.room_above(view)
                    self._screens.put(app, person.id, body["view"], below=view)
                case "clear":
                    self._space.drop_views([v for v in self._space.stack(person.id) if v.root_id == view.root_id])
                case _:
                    trouble = "invalid_response_action"
        except Refused as refused:
            trouble = refused.error
        shown = self._shown(person)
        return shown | {"trouble": f"{TROUBLE} ({trouble})"} if trouble else shown

    def _shown(self, person: Person) -> JSON:
        stack = self._space.stack(person.id)
        return {"view": payloads.view_face(self._space, stack[-1], stack[-1].values)} if stack else {}

    def _top(self, person: Person, view_id: Any) -> View:
        stack = self._space.stack(person.id)
        view = next((v for v in stack if v.id == view_id), None)
        if view is None:
            raise Impossible(404, "view_not_found")
        if view is not stack[-1]:
            raise Impossible(404, "another view is on top of this one")
        return view

    async def _fill(self, person: Person, view: View, values: Any) -> None:
        if values is None:
            return
        if not isinstance(values, dict) or not all(isinstance(item, dict) for item in values.values()):
            raise Impossible(400, "values must be {block_id: {action_id: value}}")
        surface = Surface(self._space.apps[view.app_id], view.body["blocks"], view=view)
        new: JSON = {}
        for block_id, actions in values.items():
            for action_id, value in actions.items():
                found = viewstate.find(view.body["blocks"], action_id, block_id)
                if found is None or not viewstate.holds_value(found[1]):
                    raise Impossible(404, f"no input {block_id}/{action_id} in this view")
                held = await self._clicking.chosen(person, surface, *found, value)
                new.setdefault(block_id, {})[action_id] = held
        view.values = view.values | {b: view.values.get(b, {}) | held for b, held in new.items()}

    def _response_urls(self, app: App, person: Person, view: View) -> list[JSON]:
        """For channel menus with `response_url_enabled`, an address to answer to (docs.slack.dev, modals)."""
        urls = []
        for block, _ in walk(view.body["blocks"]):
            element = block.get("element", {})
            held = view.values.get(block["block_id"], {}).get(element.get("action_id"), {})
            chosen = held.get("selected_channel") or held.get("selected_conversation")
            if element.get("response_url_enabled") and chosen:
                urls.append({
                    "block_id": block["block_id"],
                    "action_id": element["action_id"],
                    "channel_id": chosen,
                    "response_url": self._space.reply_url(app, person.id, chosen, "app"),
                })  # fmt: skip
        return urls

    async def close(self, person: Person, view_id: Any) -> None:
        """Close the top modal; the app hears of it when the view asked to be told."""
        view = self._top(person, view_id)
        clears = bool(view.body.get("clear_on_close"))
        stack = self._space.stack(person.id)
        self._space.drop_views([v for v in stack if v.root_id == view.root_id] if clears else [view])
        if view.body.get("notify_on_close"):
            app = self._space.apps[view.app_id]
            payload = payloads.plain_interaction(self._space, app, person, kind="view_closed", more={
                "view": payloads.view_face(self._space, view, view.values),
                "is_cleared": clears,
            })  # fmt: skip
            await self._delivery.ask(app, "interactive", payload, accepts=False)


def _inputs(view: View) -> list[JSON]:
    return [block for block, _ in walk(view.body["blocks"]) if block["type"] == "input"]


def _client_errors(view: View) -> dict[str, str]:
    errors = {}
    for block in _inputs(view):
        held = view.values[block["block_id"]][block["element"]["action_id"]]
        said = viewstate.complaint(block["element"], held, optional=bool(block.get("optional")))
        if said:
            errors[block["block_id"]] = said
    return errors


def _known_errors(view: View, errors: Any) -> dict[str, str]:
    """Slack shows an error beside an input block only."""
    if not isinstance(errors, dict):
        return {}
    inputs = {block["block_id"] for block in _inputs(view)}
    return {block: str(text) for block, text in errors.items() if block in inputs}
