"""Identifiers in columns: digests as sorted arrays of bytes of one width, all else as texts; a million need 40 MB, not 200.

An identifier by itself is bytes: one letter for its kind (`KINDS`), then the raw digest, or the text where a platform takes
clear values. In columns the digests of a kind stand together without their letter. An address is one, too: four digests of
32 bytes (Meta), or two digests, two letters of the region and a postal code filled up with zero bytes to 80 (Google).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

KINDS = {"e": "email", "p": "phone", "a": "address", "m": "mobile", "d": "domain", "n": "name", "u": "page", "i": "user_id"}
Digests = npt.NDArray[np.bytes_]  # dtype S32 (addresses wider), ascending, each once
Times = npt.NDArray[np.float64]
_NONE: Digests = np.empty(0, "S32")
_HEX = np.array([f"{n:02x}".encode() for n in range(256)], "S2").view("u1").reshape(256, 2)
_MERGE_AT = 65_536
FOUR_DIGESTS, WITH_PLACE = 128, 80
_WIDTHS = {b"e": (32,), b"p": (32,), b"a": (FOUR_DIGESTS, WITH_PLACE)}
NO_HEX = re.compile(r"[^0-9a-f]")


def raw(digests: Digests) -> bytes:
    """The digests one after the other."""
    return digests.tobytes()


def digests_of(joined: bytes, width: int = 32) -> Digests:
    """Sorted and distinct, from digests one after the other."""
    return np.unique(np.frombuffer(joined, f"S{width}"))


def _is_in(needles: Digests, hay: Digests) -> npt.NDArray[np.bool_]:
    if not len(hay):
        return np.zeros(len(needles), bool)
    found: npt.NDArray[np.bool_] = hay[np.minimum(np.searchsorted(hay, needles), len(hay) - 1)] == needles
    return found


@dataclass(frozen=True)
class Identifiers:
    """Some identifiers, each once: `digests` by the letter of their kind, `others` with their letter in front."""

    digests: dict[str, Digests] = field(default_factory=dict)
    others: frozenset[bytes] = frozenset()

    @classmethod
    def of(cls, identifiers: Iterable[bytes]) -> "Identifiers":
        """In columns what came one by one."""
        joined: dict[str, list[bytes]] = {}
        others: set[bytes] = set()
        for one in identifiers:
            if len(one) - 1 in _WIDTHS.get(one[:1], ()):
                joined.setdefault(chr(one[0]), []).append(one[1:])
            else:
                others.add(one)
        return cls({letter: digests_of(b"".join(parts), len(parts[0])) for letter, parts in joined.items()}, frozenset(others))

    def __len__(self) -> int:
        return sum(map(len, self.digests.values())) + len(self.others)

    def __iter__(self) -> Iterator[bytes]:
        for letter, digests in self.digests.items():
            for digest in digests:  # NumPy's scalars leave out zero bytes at the end
                yield letter.encode() + bytes(digest).ljust(digests.itemsize, b"\0")
        yield from self.others

    def __or__(self, more: "Identifiers") -> "Identifiers":
        letters = self.digests.keys() | more.digests.keys()
        both = {x: np.union1d(self.digests.get(x, _NONE), more.digests.get(x, _NONE)) for x in letters}
        return Identifiers(both, self.others | more.others)

    def __sub__(self, less: "Identifiers") -> "Identifiers":
        left = {x: d[~_is_in(d, less.digests[x])] if len(less.digests.get(x, _NONE)) else d for x, d in self.digests.items()}
        return Identifiers(left, self.others - less.others)

    def common(self, more: "Identifiers") -> "Identifiers":
        """What is in both."""
        shared = {x: ours[_is_in(ours, more.digests.get(x, _NONE))] for x, ours in self.digests.items()}
        return Identifiers(shared, self.others & more.others)

    def pack(self) -> tuple[dict[str, Any], bytes]:
        """A head that JSON can hold, and the bytes that it describes; `unpack` reads them."""
        texts = orjson.dumps([o.hex() for o in self.others]) if self.others else b""
        head = {"digests": {x: [len(d), d.itemsize] for x, d in self.digests.items()}, "others": len(texts)}
        return head, b"".join([raw(d) for d in self.digests.values()]) + texts

    @classmethod
    def unpack(cls, head: dict[str, Any], body: bytes) -> "Identifiers":
        """What `pack` wrote."""
        at, digests = 0, {}
        for letter, (count, width) in head["digests"].items():
            digests[letter] = np.frombuffer(body, f"S{width}", count, at)
            at += width * count
        texts = orjson.loads(body[at:]) if head["others"] else []
        return cls(digests, frozenset(bytes.fromhex(t) for t in texts))

    @staticmethod
    def size(head: dict[str, Any]) -> int:
        """How many bytes belong to this head."""
        return sum(int(count) * int(width) for count, width in head["digests"].values()) + int(head["others"])


class Held:
    """What one audience holds, and when each identifier was last added. Arrays are replaced, never changed in place."""

    def __init__(self) -> None:
        self._keys: dict[str, Digests] = {}
        self._times: dict[str, Times] = {}
        self._fresh: dict[str, list[tuple[Digests, float]]] = {}
        self._others: dict[bytes, float] = {}

    def __len__(self) -> int:
        self._merge_all()
        return sum(map(len, self._keys.values())) + len(self._others)

    def add(self, added: Identifiers, at: float) -> None:
        """Records them as of `at`. New digests wait beside until merging them is worth it."""
        for letter, digests in added.digests.items():
            if len(digests):
                waiting = self._fresh.setdefault(letter, [])
                waiting.append((digests, at))
                if sum(len(d) for d, _ in waiting) > max(_MERGE_AT, len(self._keys.get(letter, _NONE)) // 4):
                    self._merge(letter)
        for one in added.others:
            self._others[one] = max(at, self._others.get(one, at))

    def remove(self, removed: Identifiers) -> None:
        """Forgets them, whether recorded or not."""
        for letter, digests in removed.digests.items():
            keys, times = self._merge(letter)
            stays = np.ones(len(keys), bool)
            if len(keys):
                places = np.minimum(np.searchsorted(keys, digests), len(keys) - 1)
                stays[places[keys[places] == digests]] = False
            self._keys[letter], self._times[letter] = keys[stays], times[stays]
        for one in removed.others:
            self._others.pop(one, None)

    def older(self, than: float) -> Identifiers:
        """What was last added before a time."""
        self._merge_all()
        digests = {letter: keys[self._times[letter] < than] for letter, keys in self._keys.items()}
        return Identifiers(digests, frozenset(o for o, at in self._others.items() if at < than))

    def all(self) -> Identifiers:
        """Everything that is recorded, as it is now."""
        self._merge_all()
        return Identifiers(dict(self._keys), frozenset(self._others))

    def _merge_all(self) -> None:
        for letter in [x for x, waiting in self._fresh.items() if waiting]:
            self._merge(letter)

    def _merge(self, letter: str) -> tuple[Digests, Times]:
        keys, times = self._keys.get(letter, _NONE), self._times.get(letter, np.empty(0))
        if waiting := self._fresh.pop(letter, []):
            order = np.argsort(joined := np.concatenate([d for d, _ in waiting]), kind="stable")
            stamps = np.concatenate([np.full(len(d), at) for d, at in waiting])[order]
            joined = joined[order]
            last = np.append(joined[1:] != joined[:-1], True)  # of equal ones the latest
            joined, stamps = joined[last], stamps[last]
            if not len(keys):
                self._keys[letter], self._times[letter] = joined, stamps
                return joined, stamps
            known = _is_in(joined, keys)
            times = times.copy()
            times[np.searchsorted(keys, joined[known])] = stamps[known]
            places = np.searchsorted(keys, joined[~known])
            keys, times = np.insert(keys, places, joined[~known]), np.insert(times, places, stamps[~known])
        self._keys[letter], self._times[letter] = keys, times
        return keys, times


def lines(digests: Digests, kind: str, *, at_once: int = 50_000) -> Iterator[bytes]:
    """`{"kind":["<hex>"]}` a line for each digest, many lines in a piece: written as one table of characters."""
    if digests.itemsize != 32:
        for start in range(0, len(digests), at_once):
            told = [place(bytes(d).ljust(digests.itemsize, b"\0")) for d in digests[start : start + at_once]]
            yield b"".join([orjson.dumps({kind: [text]}) + b"\n" for text in told])
        return
    before, after = f'{{"{kind}":["'.encode(), b'"]}\n'
    for start in range(0, len(digests), at_once):
        part = np.frombuffer(raw(digests[start : start + at_once]), "u1").reshape(-1, 32)
        page = np.empty((len(part), len(before) + 64 + len(after)), "u1")
        page[:, : len(before)] = np.frombuffer(before, "u1")
        page[:, len(before) : -len(after)] = _HEX[part].reshape(-1, 64)
        page[:, -len(after) :] = np.frombuffer(after, "u1")
        yield page.tobytes()


def is_hex_column(column: Sequence[Any]) -> bool:
    """Whether every value is a SHA-256 in lower-case hex, or empty: decided on the column as one text."""
    try:
        joined = "".join(column)
    except TypeError:
        return False
    return set(map(len, column)) <= {0, 64} and not NO_HEX.search(joined)


def digest_column(column: Sequence[str]) -> Digests:
    """The distinct digests of a column of hex, empty values left out."""
    return digests_of(bytes.fromhex("".join(column)))


def place(packed: bytes) -> str:
    """A packed address as the control interface tells it: its parts, digests in hex."""
    digests = [packed[at : at + 32].hex() for at in range(0, len(packed) if len(packed) == FOUR_DIGESTS else 64, 32)]
    clear = [] if len(packed) == FOUR_DIGESTS else [packed[64:66].decode(), packed[66:].rstrip(b"\0").decode()]
    return " ".join(digests + clear)
