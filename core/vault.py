"""Secrets at rest: AES-256-GCM, bound to the row that holds them, under a key that is named and can be rotated."""

import hmac
import secrets
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.errors import ConfigError, SegsyncError

_NONCE = 12
KEY_SIZE = 32


class Unreadable(SegsyncError):
    """A sealed secret cannot be opened: its key is missing, or it was moved from another row."""


class Vault:
    """Seals and opens. `keys`: 32 bytes each by name; `current` names the one that seals."""

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        if current not in keys:
            raise ConfigError(f"The current key {current!r} is not among the keys.")
        if wrong := [name for name, key in keys.items() if len(key) != KEY_SIZE or not 0 < len(name) < 256]:
            raise ConfigError(f"Each key must be 32 bytes: {', '.join(wrong)}.")
        self._keys = {name: AESGCM(key) for name, key in keys.items()}
        self._current, self._sealing = current, keys[current]

    def seal(self, plain: bytes, *, bound_to: str) -> bytes:
        """The secret under the current key; it opens only with the same `bound_to`."""
        nonce, name = secrets.token_bytes(_NONCE), self._current.encode()
        return bytes([len(name)]) + name + nonce + self._keys[self._current].encrypt(nonce, plain, bound_to.encode())

    @property
    def current(self) -> str:
        """The name of the key that seals."""
        return self._current

    def sign(self, words: str) -> str:
        """What only whoever holds the current key can say of these words, in hex; every process says the same."""
        return hmac.new(self._sealing, words.encode(), "sha256").hexdigest()

    def again(self, sealed: bytes, *, bound_to: str) -> bytes:
        """The same secret under the current key. Raises Unreadable."""
        return self.seal(self.open(sealed, bound_to=bound_to), bound_to=bound_to)

    def open(self, sealed: bytes, *, bound_to: str) -> bytes:
        """The secret again. Raises Unreadable."""
        size = sealed[0]
        name = sealed[1 : 1 + size].decode()
        nonce, body = sealed[1 + size : 1 + size + _NONCE], sealed[1 + size + _NONCE :]
        if name not in self._keys:
            raise Unreadable(f"A secret is sealed with the key {name!r}, which the settings do not have.")
        try:
            return self._keys[name].decrypt(nonce, body, bound_to.encode())
        except InvalidTag as error:
            raise Unreadable from error

    def opens(self, sealed: bytes, *, bound_to: str) -> bool:
        """Whether it can be opened."""
        try:
            self.open(sealed, bound_to=bound_to)
        except Unreadable:
            return False
        return True


def new_key() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(KEY_SIZE)
