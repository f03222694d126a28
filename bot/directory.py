"""People of the workspace by the names that others write: `@ana`, `Ana Ruiz`."""

import threading
import time
from collections.abc import Callable
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

REMEMBER_S = 600.0
_MOST_PAGES = 20


class Directory:
    """`users.list`, remembered for ten minutes: Slack allows it about twenty times a minute for everybody together."""

    def __init__(self, *, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._known: dict[str, tuple[float, dict[str, str]]] = {}
        self._lock = threading.Lock()

    def find(self, client: WebClient, org_id: str, name: str) -> str | None:
        """The id of whoever is called so, if exactly that name is known; None where Slack does not say."""
        wanted = name.strip().lstrip("@").casefold()
        with self._lock:
            known = self._known.get(org_id)
            if known is None or self._ticks() - known[0] > REMEMBER_S:
                try:
                    known = (self._ticks(), self._read(client))
                except SlackApiError:
                    return None
                self._known[org_id] = known
        return known[1].get(wanted)

    @staticmethod
    def _read(client: WebClient) -> dict[str, str]:
        names: dict[str, str] = {}
        cursor = ""
        for _ in range(_MOST_PAGES):
            page: Any = client.users_list(limit=200, cursor=cursor)
            for user in page["members"]:
                if user.get("deleted"):
                    continue
                profile = user.get("profile") or {}
                for said in (user.get("real_name"), profile.get("display_name"), user.get("name")):  # the handle wins
                    if said:
                        names[str(said).casefold()] = str(user["id"])
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                break
        return names
