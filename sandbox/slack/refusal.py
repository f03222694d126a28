"""How the stand-in says no: to an app in the Web API's words, to whoever drives it with a status."""

from typing import Any

from sandbox.slack.blockkit.shapes import Fault


class Refused(Exception):
    """A Web API call answers `{"ok": false, "error": error, **more}`."""

    def __init__(self, error: str, **more: Any) -> None:
        """`more` goes into the answer beside the error."""
        super().__init__(error)
        self.error, self.more = error, more


class Impossible(Exception):
    """What a person is told to do cannot be done: 404 not there, 400 unreadable, 409 something is in the way."""

    def __init__(self, status: int, error: str) -> None:
        """`status` is the HTTP status of the control interface's answer."""
        super().__init__(error)
        self.status, self.error = status, error


def bad_blocks(faults: list[Fault]) -> Refused:
    """The answer of `chat.*` to blocks that Block Kit does not allow."""
    texts = [str(fault) for fault in faults]
    if any("only_one_table_allowed" in text for text in texts):
        messages = ["[ERROR] only_one_table_allowed"]
        return Refused("invalid_attachments", response_metadata={"messages": messages})
    return Refused("invalid_blocks", errors=texts, response_metadata={"messages": [f"[ERROR] {text}" for text in texts]})


def bad_view(faults: list[Fault]) -> Refused:
    """The answer of `views.*` to a view that Block Kit does not allow."""
    texts = ["failed to match all allowed schemas [json-pointer:/view]", *(str(fault) for fault in faults)]
    return Refused("invalid_arguments", response_metadata={"messages": [f"[ERROR] {text}" for text in texts]})
