"""The ad accounts of the sandbox, and which person reaches which; the same on every platform but for the ids' prefix.

Of every list the first account is one that primary_admin, abm_admin and marketing users share (active, terms accepted); each of
them has one of their own; further down stand those with a catch. Every account has three campaigns: two running and one paused.
Which audiences they target follows from the order in which audiences were made in that account, so that new ones are targeted
too: the running campaigns take the first, third, fifth … audience, the paused one the second, fourth, sixth …; the second
running campaign takes every fourth (1, 5, 9 …), and excludes the third, seventh … instead.
"""

from dataclasses import dataclass

from sandbox.world import World


@dataclass(frozen=True)
class Account:
    """One ad account. `readers` may look, `writers` may manage audiences; `accepted`: the platform's audience terms.

    `manager`: an account of accounts, without audiences of its own (Google). `through`: the manager by which alone it is reached.
    """

    id: str
    name: str
    writers: tuple[str, ...]
    readers: tuple[str, ...] = ()
    accepted: bool = True
    active: bool = True
    manager: bool = False
    through: str | None = None

    def reaches(self, user_id: str) -> bool:
        """Whether this person sees the account at all."""
        return user_id in self.writers or user_id in self.readers


@dataclass(frozen=True)
class Campaign:
    """A campaign of an account; `place` is 1, 2 or 3 (see the module)."""

    id: str
    name: str
    running: bool
    place: int

    def targets(self, audience_number: int) -> bool:
        """Whether it shows ads to the audience with this number in its account (from 1)."""
        return {1: audience_number % 2 == 1, 2: audience_number % 4 == 1, 3: audience_number % 2 == 0}[self.place]

    def excludes(self, audience_number: int) -> bool:
        """Whether it keeps its ads from that audience."""
        return self.place == 2 and audience_number % 4 == 3

    def uses(self, audience_number: int) -> bool:
        """Either."""
        return self.targets(audience_number) or self.excludes(audience_number)


def accounts(world: World, prefix: str) -> list[Account]:
    """All accounts, in the order of every list: the shared one first, then each person's own, then those with a catch."""
    working = [p for p in world.people if p.role in ("primary_admin", "abm_admin", "marketing_user")]
    ids = tuple(p.id for p in working)
    shared = [Account(f"{prefix}01", "Acme EU", ids)]
    own = [Account(f"{prefix}{11 + n}", f"{p.name.split()[0]}'s regional account", (p.id,)) for n, p in enumerate(working)]
    catch = [
        Account(f"{prefix}71", "Acme US", ids[:3]),
        Account(f"{prefix}81", "Acme Labs (terms open)", ids, accepted=False),
        Account(f"{prefix}82", "Acme Archive (disabled)", ids, active=False),
        Account(f"{prefix}83", "Acme Partners (read only)", (), readers=ids),
    ]
    return shared + own + catch


def campaigns(account: Account) -> list[Campaign]:
    """Two running campaigns and a paused one."""
    return [
        Campaign(f"{account.id}901", "Always on: awareness", running=True, place=1),
        Campaign(f"{account.id}902", "Autumn launch", running=True, place=2),
        Campaign(f"{account.id}903", "Spring recap", running=False, place=3),
    ]
