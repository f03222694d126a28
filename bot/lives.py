"""People's lives, wired: who leaves, what an uninstall ends, what a welcome says. Part of the composition root."""

from collections.abc import Callable
from functools import partial

from slack_sdk import WebClient

from bot.actor import Profiles
from bot.asking import Asking
from bot.blocks import kit
from bot.blocks import people as blocks
from bot.letters import Draw, Letters
from bot.presence import Presence
from core.connections import Connections
from core.models import Role
from core.people import People
from core.ports import Clock
from core.store import Store
from core.store.lives import Left
from core.store.outbox import Letter


class Lives:
    """`client_of`: an organization's Slack client; `removed`: its token is worth nothing; `forget`: destroys a sync's ledger."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        connections: Connections,
        asking: Asking,
        profiles: Profiles,
        letters: Letters,
        client_of: Callable[[str], WebClient],
        removed: Callable[[str], None],
        forget: Callable[[str], None],
        wake: Callable[[], None],
    ) -> None:
        self._store, self._connections, self._asking = store, connections, asking
        self.people = People(store=store, clock=clock, wake=wake, take_back=self._take_back, forget=forget)
        self.presence = Presence(
            people=self.people,
            connections=connections,
            profiles=profiles,
            organizations=store.organizations.ids,
            client_of=client_of,
            removed=removed,
            clock=clock,
        )
        drawn: dict[str, Draw] = {"welcome": self._welcome, "role": self._role}
        letters.more.update(drawn)

    def _take_back(self, left: Left) -> None:
        ask = partial(self._connections.take_back, left.connection, left.sealed_grant)
        self._asking.begin(left.connection.channel, ask)

    def _welcome(self, letter: Letter) -> kit.Message | None:
        return blocks.welcome_message(self._store.lives.steps(letter.org_id, letter.target.partition(":")[2]))

    @staticmethod
    def _role(letter: Letter) -> kit.Message | None:
        return blocks.role_message(Role(str(letter.payload["role"])), str(letter.payload.get("by") or ""))
