"""What OAuth 2 is the same for LinkedIn and Google: token replies, code challenges, access tokens that end before their time."""

import base64
import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from core.models import Grant

REMEMBERED = 1_000


def challenge(verifier: str) -> str:
    """The S256 code challenge of a verifier (RFC 7636, section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def grant_of(reply: Mapping[str, Any], now: datetime, *, former: Grant | None = None) -> Grant:
    """The grant in a token reply (RFC 6749, section 5.1). What the reply leaves out stays as it was in the `former` one."""
    scopes = tuple(filter(None, re.split(r"[\s,]+", str(reply.get("scope") or ""))))  # LinkedIn joins them by commas
    lives = reply.get("expires_in")
    return Grant(
        access_token=str(reply["access_token"]),
        refresh_token=str(reply["refresh_token"]) if reply.get("refresh_token") else former.refresh_token if former else None,
        scopes=scopes or (former.scopes if former else ()),
        expires_at=now + timedelta(seconds=int(lives)) if lives else None,
        ends_at=former.ends_at if former else None,
        person_id=former.person_id if former else "",
        person_name=former.person_name if former else "",
    )


class Renewals:
    """Access tokens that a platform refused before their time, and the grants that took their place.

    Whoever is refused at the same moment shares one renewal. The core keeps the grant that it has until it is about to expire;
    what replaced it is known here as long as the process lives, and asked for anew after that. `renew` may raise NeedsReconnect.
    """

    def __init__(self, renew: Callable[[Grant], Grant]) -> None:
        self._renew, self._lock = renew, threading.Lock()
        self._renewing: dict[str, threading.Lock] = {}
        self._next: OrderedDict[str, Grant] = OrderedDict()

    def current(self, grant: Grant) -> Grant:
        """The grant that took this one's place, or itself."""
        with self._lock:
            while (following := self._next.get(grant.access_token)) is not None:
                grant = following
            return grant

    def instead_of(self, refused: Grant) -> Grant | None:
        """A grant for one whose access token was refused; None where there is nothing to renew it with."""
        if refused.refresh_token is None:
            return None
        with self._lock:
            renewing = self._renewing.setdefault(refused.refresh_token, threading.Lock())
        with renewing:
            known = self.current(refused)
            if known is not refused:
                return known
            fresh = self._renew(refused)
            with self._lock:
                if fresh.access_token != refused.access_token:
                    self._next[refused.access_token] = fresh
                while len(self._next) > REMEMBERED:
                    self._next.popitem(last=False)
            return fresh
