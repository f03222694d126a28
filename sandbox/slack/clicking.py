"""What a person does with the elements of a message or a view: clicks, choices, searches."""

from dataclasses import dataclass
from typing import Any

from sandbox.slack import payloads, viewstate
from sandbox.slack.blockkit.elements import GROUP, OPTION
from sandbox.slack.blockkit.shapes import Fault, Items
from sandbox.slack.delivery import Delivery
from sandbox.slack.faces import file_face
from sandbox.slack.refusal import Impossible
from sandbox.slack.state import JSON, App, Message, View
from sandbox.slack.workspace import Workspace
from sandbox.world import Person

_FEEDBACK = ("positive_button", "negative_button")


@dataclass
class Surface:
    """Where an element stands: a view, a message, or an attachment of one, which may be another app's card."""

    app: App
    blocks: list[JSON]
    view: View | None = None
    message: Message | None = None
    attachment: JSON | None = None


class Clicking:
    """Elements."""

    def __init__(self, *, space: Workspace, delivery: Delivery) -> None:
        """See the class."""
        self._space, self._delivery = space, delivery
        self._offered: dict[tuple[str, str, str, str], dict[str, JSON]] = {}

    async def click(self, person: Person, container: Any, action_id: str, block_id: str | None, value: Any) -> None:
        """Press a button, choose, tick, type. The app hears of it as a `block_actions`, if Slack would send one."""
        surface, block, element = self._find(person, container, action_id, block_id)
        held: JSON = {}
        if viewstate.holds_value(element):
            held = await self.chosen(person, surface, block, element, value)
            self._hold(person, surface, block, element, held)
            if block["type"] == "input" and not block.get("dispatch_action"):
                return
        action = self._action(block, element, held, value)
        payload = self._payload(person, surface, "block_actions")
        view_id = surface.view.id if surface.view and surface.view.is_modal else None
        payload |= {"trigger_id": self._space.trigger(surface.app, person.id, view_id), "actions": [action]}
        if surface.message is not None:
            message = surface.message
            payload["state"] = {"values": self.message_values(person, message)}
            payload["response_url"] = self._space.reply_url(surface.app, person.id, message.channel, "actions", message.ts)
        elif surface.view is not None:
            surface.view.known = surface.view.values
        await self._delivery.ask(surface.app, "interactive", payload, accepts=False)

    async def options(self, person: Person, container: Any, action_id: str, block_id: str | None, query: str) -> JSON:
        """What an external select shows for this query; what the app gave is remembered for the choice."""
        surface, block, element = self._find(person, container, action_id, block_id)
        if not element["type"].endswith("external_select"):
            raise Impossible(404, "no external select has this action_id")
        return await self._suggestions(person, surface, block, element, query)

    async def _suggestions(self, person: Person, surface: Surface, block: JSON, element: JSON, query: str) -> JSON:
        if len(query) < element.get("min_query_length", 3):
            return {"options": []}
        payload = self._payload(person, surface, "block_suggestion", stale=True)
        payload |= {"action_id": element["action_id"], "block_id": block["block_id"], "value": query}
        ack = await self._delivery.ask(surface.app, "interactive", payload, accepts=True)
        answer = ack.body if isinstance(ack.body, dict) else {}
        kept: JSON = {"option_groups": answer["option_groups"]} if "option_groups" in answer else {}
        kept = kept or {"options": answer.get("options", [])}
        faults: list[Fault] = []
        name, given = next(iter(kept.items()))
        Items(GROUP if name == "option_groups" else OPTION, 100).check(given, f"/{name}", faults)
        if faults:  # Slack shows an empty menu
            return {"options": []}
        known = self._offered.setdefault(self._offer_key(person, surface, block, element), {})
        known.update({option["value"]: option for option in viewstate.options_of(kept)})
        return kept

    def _find(self, person: Person, container: Any, action_id: Any, block_id: Any) -> tuple[Surface, JSON, JSON]:
        """The element with these ids under this container, and where it stands; Impossible when it is not there."""
        for surface in self._surfaces(person, container):
            found = viewstate.find(surface.blocks, action_id, block_id)
            if found is not None:
                return surface, *found
        raise Impossible(404, "no such action_id there")

    def _surfaces(self, person: Person, container: Any) -> list[Surface]:
        """What is on this person's screen under this container."""
        if not isinstance(container, dict):
            raise Impossible(400, "container must be {channel, ts} or {view_id}")
        if "view_id" in container:
            view = self._space.views.get(str(container["view_id"]))
            if view is None or view.user != person.id:
                raise Impossible(404, "view_not_found")
            return [Surface(self._space.apps[view.app_id], view.body["blocks"], view=view)]
        message = self._space.message(str(container.get("channel")), str(container.get("ts")))
        channel = self._space.channels.get(str(container.get("channel")))
        if message is None or channel is None or person.id not in channel.members or message.to not in (None, person.id):
            raise Impossible(404, "message_not_found")
        author = self._space.apps.get(message.app_id or "")
        found = [Surface(author, message.body.get("blocks", []), message=message)] if author else []
        for attachment in message.body.get("attachments", []):
            app = self._space.apps.get(attachment.get("app_id", ""), author)
            if app is not None and "blocks" in attachment:
                found.append(Surface(app, attachment["blocks"], message=message, attachment=attachment))
        return found

    def message_values(self, person: Person, message: Message) -> JSON:
        """What this person's client holds of a message's inputs."""
        key = (person.id, message.channel, message.ts)
        blocks = message.body.get("blocks", [])
        old, seen = self._space.message_values.get(key, ({}, {}))
        if seen is not blocks:
            old = viewstate.carried(old, blocks)
            if old:
                self._space.message_values[key] = old, blocks
        return old

    def _hold(self, person: Person, surface: Surface, block: JSON, element: JSON, held: JSON) -> None:
        if surface.view is not None:
            values = surface.view.values
            mine = values.get(block["block_id"], {}) | {element["action_id"]: held}
            surface.view.values = values | {block["block_id"]: mine}
            self._space.feed.tell([person.id], "view" if surface.view.is_modal else "home")
        elif surface.message is not None:
            values = self.message_values(person, surface.message)
            values.setdefault(block["block_id"], {})[element["action_id"]] = held

    async def chosen(self, person: Person, surface: Surface, block: JSON, element: JSON, value: Any) -> JSON:
        """The state of the element after this choice; asks the app for options that nobody has looked up yet."""
        own = {option["value"]: option for option in viewstate.options_of(element)}
        known = own | self._offered.get(self._offer_key(person, surface, block, element), {})
        for initial in [element.get("initial_option"), *(element.get("initial_options") or [])]:
            if isinstance(initial, dict):
                known.setdefault(initial["value"], initial)
        if element["type"].endswith("external_select"):
            for item in value if isinstance(value, list) else [value]:
                for query in (item, ""):
                    if isinstance(item, str) and item not in known:
                        await self._suggestions(person, surface, block, element, query)
                        known |= self._offered.get(self._offer_key(person, surface, block, element), {})
        try:
            held = viewstate.chosen(element, value, known.get, self._exists)
            if element["type"] == "file_input":
                held["files"] = [file_face(self._space, self._space.files[name]) for name in held["files"]]
            return held
        except viewstate.Unreadable as error:
            raise Impossible(400, str(error)) from error
        except viewstate.Absent as error:
            raise Impossible(404, str(error)) from error

    def _exists(self, kind: str, name: str) -> bool:
        space = self._space
        if kind == "file_input":
            return name in space.files and space.files[name].uploaded
        if kind.endswith("users_select"):
            return bool(space.world.person(name) or space.app_of_bot(name))
        found = space.channels.get(name)
        return found is not None and (found.kind == "public" or not kind.endswith("channels_select"))

    def _offer_key(self, person: Person, surface: Surface, block: JSON, element: JSON) -> tuple[str, str, str, str]:
        where = surface.view.id if surface.view else surface.message.ts if surface.message else ""
        return person.id, where, block["block_id"], element["action_id"]

    def _action(self, block: JSON, element: JSON, held: JSON, value: Any) -> JSON:
        action: JSON = {"type": element["type"], "action_id": element["action_id"], "block_id": block["block_id"]}
        action["action_ts"] = self._space.ids.ts()
        match element["type"]:
            case "button" | "workflow_button" | "icon_button":
                copied = ("text", "value", "url", "style", "icon")
                action |= {name: element[name] for name in copied if name in element}
            case "feedback_buttons":
                choices = {element[name]["value"]: element[name] for name in _FEEDBACK}
                if value not in choices:
                    raise Impossible(404, "no such feedback button")
                action |= {"value": value, "text": choices[value]["text"]}
            case "overflow":
                option = next((o for o in element["options"] if o["value"] == value), None)
                if option is None:
                    raise Impossible(404, "no option has this value")
                action["selected_option"] = option
            case _:
                action |= {name: item for name, item in held.items() if name != "type"}
                sources = ("placeholder", "initial_option", "initial_options", "initial_date", "initial_time")
                action |= {name: element[name] for name in sources if name in element}
        if "confirm" in element:
            action["confirm"] = element["confirm"]
        return action

    def _payload(self, person: Person, surface: Surface, kind: str, *, stale: bool = False) -> JSON:
        """`stale`: with the state as Slack's servers last knew it (bolt-js issue 1146), not as it is on screen."""
        if surface.view is not None:
            values = surface.view.known if stale else surface.view.values
            return payloads.in_view(self._space, person, kind, surface.view, values)
        if surface.message is None:
            raise Impossible(404, "nothing there")
        payload = payloads.in_message(self._space, surface.app, person, kind, surface.message)
        if surface.attachment is not None:
            attachment = surface.attachment
            where: JSON = {"type": "message_attachment", "attachment_id": attachment["id"]}
            where["is_app_unfurl"] = attachment.get("is_app_unfurl", False)
            if "app_unfurl_url" in attachment:
                where["app_unfurl_url"] = attachment["app_unfurl_url"]
                payload["app_unfurl"] = attachment
            payload["container"] |= where
        return payload
