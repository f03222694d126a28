"""Messages that apps scheduled for later: kept until their time, then written."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.slack.ids import Ids
from sandbox.slack.state import JSON


@dataclass(frozen=True)
class Entry:
    """One message to come. `post_at` and `created` are unix seconds."""

    id: str
    app_id: str
    channel: str
    args: JSON
    post_at: int
    created: int


class Agenda:
    """See the module. Entries do not survive a restart."""

    def __init__(self, *, ids: Ids) -> None:
        """Nothing is scheduled yet."""
        self._ids = ids
        self._entries: dict[str, tuple[Entry, asyncio.TimerHandle]] = {}

    def add(self, app_id: str, channel: str, args: JSON, post_at: int, write: Callable[[Entry], None]) -> Entry:
        """Have `write` called with the entry when its time has come."""
        now = self._ids.now()
        entry = Entry(self._ids.new("Q"), app_id, channel, args, post_at, int(now))

        def due() -> None:
            del self._entries[entry.id]
            write(entry)

        self._entries[entry.id] = (entry, asyncio.get_running_loop().call_later(max(0.0, post_at - now), due))
        return entry

    def entries(self) -> list[Entry]:
        """What is still to come, soonest first."""
        return sorted((entry for entry, _ in self._entries.values()), key=lambda entry: entry.post_at)

    def cancel(self, id: str, app_id: str) -> bool:
        """Take an entry of this app back; whether there was one."""
        found = self._entries.get(id)
        if found is None or found[0].app_id != app_id:
            return False
        found[1].cancel()
        del self._entries[id]
        return True

    def close(self) -> None:
        """Write nothing any more."""
        for _, timer in self._entries.values():
            timer.cancel()
        self._entries.clear()
