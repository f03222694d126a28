"""Whether somebody is still there is asked of Slack where it matters; a Slack that does not answer stops nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from bot.actor import Profiles
from bot.presence import SWEEP_EVERY, Presence
from core.connections import Connections
from core.errors import NeedsReconnect
from core.models import Channel, Role
from core.vault import Vault
from tests.alerts.conftest import ANA, MIA, ORG, TOM, Firm
from tests.alerts.slack import refused
from tests.people.test_lives import Lives


class Slack:
    """Knows who is deactivated or a guest. `trouble`: what it answers instead; `asked`: how often."""

    def __init__(self) -> None:
        self.deleted: set[str] = set()
        self.guests: set[str] = set()
        self.trouble: SlackApiError | OSError | None = None
        self.asked = 0
        self.heal_after = 0  # so many refusals; 0: for ever

    def users_info(self, *, user: str) -> dict[str, Any]:
        self._answer()
        return {"user": self._face(user)}

    def users_list(self, *, cursor: str, limit: int) -> dict[str, Any]:
        self._answer()
        everybody = [ANA, MIA, TOM]
        at = int(cursor or 0)
        more = str(at + 1) if at + 1 < len(everybody) else ""
        return {"members": [self._face(everybody[at])], "response_metadata": {"next_cursor": more}}

    def _face(self, user: str) -> dict[str, Any]:
        return {"id": user, "name": user, "deleted": user in self.deleted, "is_restricted": user in self.guests, "profile": {}}

    def _answer(self) -> None:
        self.asked += 1
        if self.trouble:
            trouble, self.heal_after = self.trouble, self.heal_after - 1
            if not self.heal_after:
                self.trouble = None
            raise trouble


class Door:
    """Presence over a firm and its Slack."""

    def __init__(self, folder: Path) -> None:
        self.firm, self.slack, self.seconds = Firm(folder), Slack(), 0.0
        self.waits: list[float] = []
        self.lives = Lives(self.firm)
        connections = Connections(
            store=self.firm.store,
            vault=Vault({"k": b"k" * 32}, "k"),
            channels={},
            clock=self.firm.clock,
            public_url=None,
        )
        self.presence = Presence(
            people=self.lives.people,
            connections=connections,
            profiles=Profiles(ticks=lambda: self.seconds),
            organizations=lambda: [ORG],
            client_of=lambda _: self.slack,  # type: ignore[arg-type,return-value]
            removed=lambda _: None,
            clock=self.firm.clock,
            ticks=lambda: self.seconds,
            sleep=self.waits.append,
        )

    def role(self, user: str) -> Role:
        return self.firm.store.organizations.role(ORG, user)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path)
    yield made
    made.firm.store.close()


def test_a_connection_of_somebody_who_has_left_is_not_used_any_more(door: Door) -> None:
    door.slack.deleted.add(MIA)
    with pytest.raises(NeedsReconnect, match="left the workspace"):
        door.presence.grant(door.firm.connections[MIA])
    assert door.role(MIA) is Role.VIEWER
    assert [one.connection.user_id for one in door.lives.taken_back] == [MIA]


@pytest.mark.parametrize("trouble", [refused("internal_error"), refused("user_not_found"), ConnectionRefusedError()])
def test_a_slack_that_does_not_say_takes_nothing_from_anybody(door: Door, trouble: SlackApiError | OSError) -> None:
    door.slack.trouble = trouble
    for _ in range(3):
        with pytest.raises(Exception, match=r"^(?!.*left the workspace)"):  # the firm's grants are not really sealed
            door.presence.grant(door.firm.connections[MIA])
    assert door.role(MIA) is Role.MARKETING_USER
    assert door.firm.store.connections.of_user(ORG, MIA)[Channel.META].person_name == MIA
    assert door.slack.asked == (3 if "user_not_found" in str(trouble) else 1)  # one that is away is left alone for a minute


def test_once_a_day_everybody_is_looked_up_page_by_page(door: Door) -> None:
    door.presence.sweep()
    assert door.slack.asked == 3
    door.slack.deleted.add(ANA)
    door.slack.guests.add(TOM)
    door.presence.sweep()
    assert door.slack.asked == 3
    door.firm.clock.time += SWEEP_EVERY
    door.presence.sweep()
    assert (door.role(ANA), door.role(TOM), door.role(MIA)) == (Role.VIEWER, Role.VIEWER, Role.MARKETING_USER)


def test_a_sweep_waits_as_long_as_slack_asks_and_goes_on(door: Door) -> None:
    door.slack.trouble, waits = refused("ratelimited", status=429, wait=7), door.waits
    door.slack.deleted.add(TOM)
    door.slack.heal_after = 2
    door.presence.sweep()
    assert waits == [7.0, 7.0]
    assert door.role(TOM) is Role.VIEWER


def test_a_sweep_that_slack_did_not_answer_is_made_again(door: Door) -> None:
    door.slack.trouble = refused("internal_error", status=500)
    door.presence.sweep()
    door.slack.trouble = None
    door.slack.deleted.add(TOM)
    door.presence.sweep()
    assert door.role(TOM) is Role.VIEWER
