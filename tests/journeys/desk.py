"""A person at the sandbox's control interface: types, clicks, fills in, and reads what is on screen."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

Json = dict[str, Any]


class Sandbox:
    """The running demo, seen through `/control`."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.http = httpx.Client(base_url=base_url, timeout=60)

    def get(self, path: str, **params: str) -> Any:
        answer = self.http.get(path, params=params or None)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
        return answer.json()

    def post(self, path: str, body: Json, *, status: int = 200) -> Any:
        answer = self.http.post(path, json=body)
        assert answer.status_code == status, (path, body, answer.status_code, answer.text[:800])
        return answer.json()

    def people(self) -> list[Json]:
        return list(self.get("/control/people"))

    def desk(self, role: str, *, nth: int = 0) -> "Desk":
        """The nth person of this role."""
        person = [p for p in self.people() if p["role"] == role][nth]
        return Desk(self, person["id"], person["name"])

    def segments(self) -> list[Json]:
        return list(self.get("/control/segments"))

    def fault(self, platform: str, fault: str, **more: Any) -> None:
        self.post("/control/faults", {"platform": platform, "fault": fault, **more})

    def well(self) -> None:
        self.http.request("DELETE", "/control/faults").raise_for_status()

    def audiences(self, platform: str = "meta") -> list[Json]:
        return list(self.get(f"/control/truth/{platform}"))

    def truth(self, audience_id: str, platform: str = "meta") -> list[Json]:
        with self.http.stream("GET", f"/control/truth/{platform}/{audience_id}") as answer:
            assert answer.status_code == 200
            return [json.loads(line) for line in answer.iter_lines() if line]

    def log(self, platform: str = "meta", after: int = 0) -> list[Json]:
        text = self.http.get(f"/control/log/{platform}", params={"after": str(after)}).text
        return [json.loads(line) for line in text.splitlines() if line]

    def advance(self, seconds: float) -> None:
        self.post("/control/clock", {"advance_s": seconds})


class Desk:
    """One person of the workspace."""

    def __init__(self, sandbox: Sandbox, user: str, name: str) -> None:
        self.sandbox = sandbox
        self.user = user
        self.name = name

    # ── acting ──
    def type(self, text: str, channel: str = "C01GENERAL") -> Json:
        answer = self.sandbox.post("/control/command", {"user": self.user, "channel": channel, "text": text})
        assert answer["status"] == "ok", answer
        return dict(answer)

    def click(
        self, container: Json, action_id: str, *, block_id: str | None = None, value: Any = None, status: int = 200
    ) -> None:
        body = {"user": self.user, "container": container, "action_id": action_id}
        if block_id is not None:
            body["block_id"] = block_id
        if value is not None:
            body["value"] = value
        self.sandbox.post("/control/click", body, status=status)

    def press(self, label: str) -> None:
        """Clicks the newest button with this text, in the top view or else in a message."""
        container, block_id, element = eventually(lambda: self._button(label), f"a button {label!r} for {self.name}")
        self.click(container, element["action_id"], block_id=block_id)

    def submit(self, values: Json | None = None) -> Json:
        view = eventually(lambda: view if (view := self.view()).get("submit") else None, f"a form for {self.name}")
        return dict(self.sandbox.post("/control/submit", {"user": self.user, "view_id": view["id"], "values": values or {}}))

    def close(self) -> None:
        self.sandbox.post("/control/close", {"user": self.user, "view_id": self.view()["id"]})

    def close_all(self) -> None:
        while self.screen()["modals"]:
            self.close()

    def options(self, action_id: str, query: str = "") -> list[Json]:
        view = self.view()
        block = next(b for b in view["blocks"] for e in elements(b) if e.get("action_id") == action_id)
        answer = self.sandbox.post(
            "/control/options",
            {"user": self.user, "container": {"view_id": view["id"]}, "action_id": action_id}
            | {"block_id": block["block_id"], "query": query},
        )
        return [o for g in answer.get("option_groups", []) for o in g["options"]] + list(answer.get("options", []))

    def choose(self, label: str, option: str) -> Json:
        """Picks an option by part of its text or its value, in the input with this label; clicks it where that is heard."""
        block, element = eventually(lambda: self._input(label), f"an input {label!r} for {self.name}")
        if "options" in element:
            offered = element["options"]
        else:
            offered = eventually(lambda: self.options(element["action_id"]), f"options for {label!r}")
        picked = next((o for o in offered if option in (o["value"], o["text"]["text"]) or option in o["text"]["text"]), None)
        assert picked is not None, (option, [o["text"]["text"] for o in offered])
        if block["type"] != "input" or block.get("dispatch_action"):
            self.click({"view_id": self.view()["id"]}, element["action_id"], block_id=block["block_id"], value=picked["value"])
            return {}
        return {block["block_id"]: {element["action_id"]: picked["value"]}}

    # ── reading ──
    def screen(self) -> Json:
        return dict(self.sandbox.get("/control/screen", user=self.user))

    def view(self) -> Json:
        return dict(eventually(lambda: (self.screen()["modals"] or [None])[-1], f"a modal for {self.name}"))

    def messages(self) -> list[tuple[str, Json]]:
        return [(c, m) for c, ms in self.screen()["channels"].items() for m in ms]

    def dm(self) -> list[Json]:
        return [m for c, ms in self.screen()["channels"].items() if c.startswith("D") for m in ms]

    def reads(self) -> str:
        """All text on this person's screen."""
        return words(self.screen())

    def sees(self, text: str, *, timeout_s: float = 20) -> str:
        """Waits until this text is on screen; answers all that is there."""

        def look() -> str | None:
            said = self.reads()
            return said if re.search(text, said) else None

        return str(eventually(look, f"{text!r} for {self.name}", timeout_s, self.reads))

    def reads_view(self) -> str:
        return words(self.view())

    def sees_in_view(self, text: str, *, timeout_s: float = 15) -> str:
        def look() -> str | None:
            modals = self.screen()["modals"]
            said = words(modals[-1]) if modals else ""
            return said if re.search(text, said) else None

        return str(eventually(look, f"{text!r} in {self.name}'s modal", timeout_s, lambda: words(self.screen()["modals"])))

    # ── finding ──
    def _button(self, label: str) -> tuple[Json, str, Json] | None:
        screen = self.screen()
        places: list[tuple[Json, list[Json]]] = [({"view_id": v["id"]}, v["blocks"]) for v in screen["modals"][-1:]]
        messages = [(c, m) for c, ms in screen["channels"].items() for m in ms]
        for channel, message in sorted(messages, key=lambda p: p[1]["ts"], reverse=True):
            places.append(({"channel": channel, "ts": message["ts"]}, message.get("blocks") or []))
        for container, blocks in places:
            for block in blocks:
                for element in elements(block):
                    if element.get("type") == "button" and label in element["text"]["text"]:
                        return container, block["block_id"], element
        return None

    def _input(self, label: str) -> tuple[Json, Json] | None:
        for block in self.view()["blocks"]:
            said = words(block.get("label") or block.get("text") or {})
            for element in elements(block):
                if label.lower() in said.lower() and "action_id" in element and element.get("type") != "button":
                    return block, element
        return None


# ── shared by the journeys ──


def eventually(look: Callable[[], Any], what: str, timeout_s: float = 20, otherwise: Callable[[], str] | None = None) -> Any:
    """The first answer of `look` that is not empty; fails with `what` after `timeout_s` seconds."""
    end = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"never came: {what}" + (f"\n{otherwise()[-3000:]}" if otherwise else "")
        time.sleep(0.05)


def resync(admin: Desk, number: str) -> None:
    """Asks for a full resync, again as long as the answer is that another refresh is under way."""

    def asked() -> bool:
        before = admin.reads().count("is under way")
        admin.type(f"/segsync resync {number}")
        return admin.reads().count("is under way") == before

    eventually(asked, "a full resync")


def elements(block: Json) -> Iterator[Json]:
    """The interactive elements of a block."""
    yield from block.get("elements") or []
    if "element" in block:
        yield block["element"]
    if "accessory" in block:
        yield block["accessory"]


def words(thing: Any) -> str:
    """What a person reads in these blocks."""
    if isinstance(thing, dict):
        own = [thing["text"]] if isinstance(thing.get("text"), str) else []
        return " ".join(own + [words(v) for k, v in thing.items() if isinstance(v, dict | list) and k != "private_metadata"])
    if isinstance(thing, list):
        return "\n".join(words(t) for t in thing)
    return ""


def sha256(text: str) -> str:
    """As the platforms write it."""
    return hashlib.sha256(text.encode()).hexdigest()
