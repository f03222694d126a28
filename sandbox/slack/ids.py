"""Ids, timestamps and tokens in Slack's forms. What must be the same after a restart is derived from the folder's seed."""

import base64
import hashlib
import hmac
import random
import string
from collections.abc import Callable

_LETTERS = string.ascii_uppercase + string.digits


class Ids:
    """Makes ids. `seed` fixes the derived ones, `chance` draws the others, `now` gives unix seconds."""

    def __init__(self, *, seed: str, chance: random.Random, now: Callable[[], float]) -> None:
        """See the class."""
        self._seed, self._chance, self._now = seed, chance, now
        self._last_ts = 0

    def now(self) -> float:
        """Unix seconds."""
        return self._now()

    def derived(self, *parts: str, size: int = 24) -> str:
        """Letters and digits that follow from the seed and these parts alone."""
        digest = hmac.new(self._seed.encode(), "\0".join(parts).encode(), hashlib.sha512).digest()
        return base64.b32encode(digest).decode().rstrip("=")[:size]

    def derived_hex(self, *parts: str, size: int = 32) -> str:
        """Hexadecimal digits that follow from the seed and these parts alone."""
        return hmac.new(self._seed.encode(), "\0".join(parts).encode(), hashlib.sha512).hexdigest()[:size]

    def new(self, prefix: str, size: int = 10) -> str:
        """A fresh id such as `V0123ABCDEF`."""
        return f"{prefix}{self.letters(size)}"

    def letters(self, size: int) -> str:
        """Fresh capitals and digits."""
        return "".join(self._chance.choices(_LETTERS, k=size))

    def block_id(self) -> str:
        """What Slack fills in for a missing `block_id` or `action_id`: five mixed characters or so."""
        return "".join(self._chance.choices(string.ascii_letters + string.digits, k=6))

    def digits(self, size: int) -> str:
        """Fresh digits, the first not zero."""
        return str(self._chance.randrange(10 ** (size - 1), 10**size))

    def hex(self, size: int) -> str:
        """Fresh hexadecimal digits."""
        return f"{self._chance.getrandbits(size * 4):0{size}x}"

    def ts(self) -> str:
        """A message's timestamp: never the same twice, always later than the last."""
        self._last_ts = max(int(self._now() * 1_000_000), self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"
