"""What Slack says of conversations: whether one is shared with another company, and whether a message stands there already."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from core.ports import Clock
from core.store.outbox import Letter

OUTAGES = {"", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}  # Slack's own trouble
_REMEMBER = timedelta(seconds=60)


class Conversations:
    """Asked by the notifier; what is known of a conversation is remembered for a minute."""

    def __init__(self, *, client: Callable[[str], WebClient], clock: Clock) -> None:
        """`client`: of an organization."""
        self._client, self._clock = client, clock
        self._shared: dict[str, tuple[datetime, bool]] = {}
        self._lock = threading.Lock()

    def is_shared(self, org_id: str, conversation: str) -> bool:
        """Whether people of another company read it, or are about to; False where Slack does not say."""
        now = self._clock.now()
        with self._lock:
            known = self._shared.get(conversation)
        if known and now - known[0] < _REMEMBER:
            return known[1]
        try:
            found: dict[str, Any] = self._client(org_id).conversations_info(channel=conversation)["channel"]
        except SlackApiError:  # posting says why
            return False
        shared = bool(found.get("is_ext_shared") or found.get("is_pending_ext_shared"))
        with self._lock:
            self._shared[conversation] = (now, shared)
        return shared

    def find(self, letter: Letter) -> tuple[str, str] | None:
        """Where the message with this letter's key stands, by one look at the newest messages."""
        kind, _, name = letter.target.partition(":")
        client = self._client(letter.org_id)
        if letter.thread:
            channel, head = letter.thread
            found: Any = client.conversations_replies(channel=channel, ts=head, include_all_metadata=True, limit=200)
        else:
            opened: Any = client.conversations_open(users=[name]) if kind == "dm" else None
            channel = str(opened["channel"]["id"]) if opened else name
            found = client.conversations_history(channel=channel, include_all_metadata=True, limit=200)
        for message in found["messages"]:
            if message.get("metadata", {}).get("event_payload", {}).get("key") == letter.key:
                return channel, str(message["ts"])
        return None


def error_of(refused: SlackApiError) -> str:
    """Slack's word for what went wrong; empty where it gave none (a 5xx without a body)."""
    response: Any = refused.response
    try:
        return str(response.get("error") or "")
    except (AttributeError, ValueError):
        return ""


def wait_of(refused: SlackApiError) -> float:
    """For how many seconds Slack asks to wait."""
    return float(refused.response.headers.get("Retry-After", 1) or 1)
