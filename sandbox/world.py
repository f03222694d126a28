"""Who lives in the sandbox: the people, the workspace and the folder in which the stand-ins keep their state."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

TEAM_ID = "T01ACMEHQ"
TEAM_NAME = "Acme"


@dataclass
class Person:
    """One person of the workspace. `role` is what the demo gives, or `guest`; `/control/person` changes it."""

    id: str
    handle: str
    name: str
    role: str
    tz: str
    guest: bool = False
    deleted: bool = False

    @property
    def email(self) -> str:
        """The address with which this person logs in on the platforms."""
        return f"{self.handle}@acme.example"


def first_people() -> list[Person]:
    """The people of a new workspace: one of each role at least, two marketers, and a guest."""
    return [
        Person("U01ANARUIZ", "ana", "Ana Ruiz", "primary_admin", "Europe/Madrid"),
        Person("U02BOLIND", "bo", "Bo Lindqvist", "abm_admin", "Europe/Stockholm"),
        Person("U03MIACHEN", "mia", "Mia Chen", "marketing_user", "America/New_York"),
        Person("U04TOMOKA", "tom", "Tom Okafor", "marketing_user", "Europe/London"),
        Person("U05VERANO", "vera", "Vera Novák", "viewer", "Europe/Prague"),
        Person("U06GUSPAR", "gus", "Gus Parker", "guest", "America/Chicago", guest=True),
    ]


@dataclass
class World:
    """What all stand-ins share. `base_url` has no trailing slash; `data` is a folder that exists."""

    base_url: str
    data: Path
    people: Sequence[Person] = field(default_factory=first_people)

    def person(self, user_id: str) -> Person | None:
        """The person with this Slack id, or None."""
        return next((p for p in self.people if p.id == user_id), None)
