"""The ad accounts of the sandbox, and which person reaches which; the same on every platform but for the ids' prefix."""

from dataclasses import dataclass

from sandbox.world import World


@dataclass(frozen=True)
class Account:
    """One ad account. `readers` may look, `writers` may manage audiences; `accepted`: the platform's audience terms."""

    id: str
    name: str
    writers: tuple[str, ...]
    readers: tuple[str, ...] = ()
    accepted: bool = True
    active: bool = True

    def reaches(self, user_id: str) -> bool:
        """Whether this person sees the account at all."""
        return user_id in self.writers or user_id in self.readers


@dataclass(frozen=True)
class Campaign:
    """A campaign of an account: a running one targets the account's first, third, fifth … audience, a paused one the others."""

    id: str
    name: str
    running: bool

    def targets(self, audience_number: int) -> bool:
        """Whether it targets the audience with this number in its account (from 1)."""
        return audience_number % 2 == 1 if self.running else audience_number % 2 == 0


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
    """Two running campaigns and a paused one in every account."""
    return [
        Campaign(f"{account.id}901", "Always on: awareness", running=True),
        Campaign(f"{account.id}902", "Autumn launch", running=True),
        Campaign(f"{account.id}903", "Spring recap", running=False),
    ]
