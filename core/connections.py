"""Connections: each user's own consent for each channel, asked for by a link of one use and kept sealed."""

import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import uuid4

from core.access import require
from core.errors import ChannelError, ConfigError, NeedsReconnect, NotFound
from core.models import Action, Actor, AdAccount, Channel, Connection, ConnectionStatus, Grant, Sync
from core.ports import AdChannel, Clock
from core.store import Store
from core.store.connections import Consent
from core.vault import Vault
from core.views import Arrival, ConnectLink, Departure

LINK_LIFE = timedelta(minutes=10)
RENEW_AHEAD = timedelta(minutes=5)
REMEMBER_ACCOUNTS = timedelta(seconds=60)


class Connections:
    """Starting, finishing and using consents. `public_url` without a slash at its end; None: connecting is refused."""

    def __init__(
        self, *, store: Store, vault: Vault, channels: Mapping[Channel, AdChannel], clock: Clock, public_url: str | None
    ) -> None:
        self._store, self._vault, self._channels, self._clock, self._public_url = store, vault, channels, clock, public_url
        self._renewing: dict[str, threading.Lock] = {}
        self._accounts: dict[str, tuple[datetime, Sequence[AdAccount]]] = {}

    def offered(self) -> list[Channel]:
        """The channels that the operator has set up."""
        return [c for c in Channel if c in self._channels]

    def mine(self, actor: Actor) -> dict[Channel, Connection]:
        """The actor's own connections."""
        return self._store.connections.of_user(actor.org_id, actor.user_id)

    def start(self, actor: Actor, channel: Channel, *, back: Mapping[str, str] | None = None) -> ConnectLink:
        """A link of one use, ten minutes. `back` is what waits for the connection: a view, a draft, a message."""
        require(actor, Action.CONNECT)
        if self._public_url is None:
            raise ConfigError("Connecting needs a public address: the operator sets `public_url`.")
        if channel not in self._channels:
            raise NotFound(f"{channel.label} has not been set up by the operator of segsync yet.")
        token, now = secrets.token_urlsafe(32), self._clock.now()
        consent = Consent(actor.org_id, actor.user_id, channel, dict(back or {}))
        self._store.connections.begin(_hash(token), consent, at=now, expires_at=now + LINK_LIFE)
        return ConnectLink(f"{self._public_url}/connect/{token}", now + LINK_LIFE)

    def page(self, token: str) -> Consent:
        """For whom and what a link is. Raises NotFound when it is used or old."""
        consent = self._store.connections.look(_hash(token), self._clock.now())
        if consent is None:
            raise NotFound("This link has been used or is older than ten minutes. Ask for a new one in Slack.")
        return consent

    def go(self, token: str) -> Departure:
        """Spends the link: the platform's consent page, and a cookie for the browser."""
        consent = self.page(token)
        state, cookie, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        sealed = self._vault.seal(verifier.encode(), bound_to=f"consent:{_hash(state)}")
        if not self._store.connections.use(
            _hash(token), state_hash=_hash(state), cookie_hash=_hash(cookie), sealed_verifier=sealed, at=self._clock.now()
        ):
            raise NotFound("This link has been used already. Ask for a new one in Slack.")
        url = self._channels[consent.channel].authorize_url(
            state=state, redirect_uri=self._redirect(consent.channel), verifier=verifier
        )
        return Departure(url, cookie)

    def finish(self, channel: Channel, *, state: str, code: str | None, error: str | None, cookie: str) -> Arrival:
        """The browser is back. Raises NotFound for a state that is used, old, another browser's or of another channel."""
        consent = self._store.connections.arrive(_hash(state), _hash(cookie), self._clock.now())
        if consent is None or consent.channel is not channel or consent.sealed_verifier is None:
            raise NotFound("This way back has been used already, or began in another browser. Ask for a new link in Slack.")
        role = self._store.organizations.role(consent.org_id, consent.user_id)
        actor = Actor(consent.org_id, consent.user_id, role, surface="web")
        require(actor, Action.CONNECT)  # the role may have been taken since the link was given
        arrival = Arrival(consent.org_id, consent.user_id, channel, consent.back)
        if code is None:
            said = (
                f"{channel.label} was not connected: access was refused there." if error else f"{channel.label} gave no answer."
            )
            return _with_problem(arrival, said)
        verifier = self._vault.open(consent.sealed_verifier, bound_to=f"consent:{_hash(state)}").decode()
        try:
            grant = self._channels[channel].exchange(code=code, redirect_uri=self._redirect(channel), verifier=verifier)
        except ChannelError as trouble:
            return _with_problem(arrival, str(trouble))
        old = self._store.connections.of_user(actor.org_id, actor.user_id).get(channel)
        connection_id = old.id if old else uuid4().hex
        letter, sealed = f"{channel.value}:{uuid4().hex}", self._seal(connection_id, grant)
        draft = str(consent.back.get("draft") or "")
        self._store.connections.save(actor, connection_id, channel, grant, sealed, self._clock.now(), letter=letter, draft=draft)
        self._accounts.pop(connection_id, None)
        return Arrival(consent.org_id, consent.user_id, channel, consent.back, grant.person_name, letter=letter)

    def went_on(self, arrival: Arrival) -> None:
        """The form that waited is still open and goes on: the direct message does not offer to bring it back."""
        self._store.connections.went_on(arrival.letter, self._clock.now())

    def disconnect(self, actor: Actor, channel: Channel) -> Callable[[], None] | None:
        """Forgets the consent at once. What is left to do, slow: taking it back at the platform; None when there was none."""
        require(actor, Action.CONNECT)
        mine = self.mine(actor).get(channel)
        found = self._store.connections.get(mine.id) if mine else None
        if mine is None or found is None or found[1] is None:
            return None
        sealed = found[1]
        self._accounts.pop(mine.id, None)
        if not self._store.connections.remove(actor, channel, self._clock.now()):
            return None
        return lambda: self.take_back(mine, sealed)

    def runs(self, actor: Actor, channel: Channel) -> list[Sync]:
        """The active syncs that run on the actor's own connection."""
        mine = self.mine(actor).get(channel)
        return self._store.connections.runs(mine.id) if mine else []

    def take_back(self, connection: Connection, sealed_grant: bytes) -> None:
        """Asks the platform to forget a consent that is forgotten here. Slow; a refusal changes nothing."""
        if connection.channel in self._channels:
            with suppress(ChannelError):
                self._channels[connection.channel].revoke(self._open(connection.id, sealed_grant))

    def accounts(self, actor: Actor, channel: Channel) -> Sequence[AdAccount]:
        """The ad accounts that the actor's own connection reaches; asks the platform at most once a minute."""
        require(actor, Action.CREATE)
        connection = self.usable(actor, channel)
        known = self._accounts.get(connection.id)
        if known is None or self._clock.now() - known[0] > REMEMBER_ACCOUNTS:
            known = (self._clock.now(), tuple(self._channels[channel].accounts(self.grant(connection.id))))
            self._accounts[connection.id] = known
        return known[1]

    def usable(self, actor: Actor, channel: Channel) -> Connection:
        """The actor's connection that works as far as is known. Raises NeedsReconnect."""
        connection = self.mine(actor).get(channel)
        if connection is None or connection.status not in (ConnectionStatus.CONNECTED, ConnectionStatus.EXPIRING):
            raise NeedsReconnect(f"You have not connected {channel.label}.")
        return connection

    def owner(self, connection_id: str) -> tuple[str, str] | None:
        """Whose connection it is: organization and user."""
        found = self._store.connections.get(connection_id)
        return (found[0].org_id, found[0].user_id) if found else None

    def grant(self, connection_id: str) -> Grant:
        """The secrets of a connection, renewed when they are about to end. Raises NeedsReconnect."""
        with self._renewing.setdefault(connection_id, threading.Lock()):
            found = self._store.connections.get(connection_id)
            if found is None or found[1] is None:
                raise NeedsReconnect("The connection was taken back.")
            connection, _, expires_at = found
            grant = self._open(connection_id, found[1])
            if expires_at is None or expires_at - self._clock.now() > RENEW_AHEAD:
                return grant
            renewed = self._channels[connection.channel].renew(grant)
            if renewed.expires_at is not None and renewed.expires_at <= self._clock.now():
                raise NeedsReconnect(f"The connection to {connection.channel.label} has expired.", expired=True)
            self._store.connections.renewed(connection_id, renewed, self._seal(connection_id, renewed))
            return renewed

    def broken(self, connection_id: str, trouble: NeedsReconnect) -> None:
        """A platform refused it: remembered, so that screens say so."""
        expired = trouble.code == "connection_expired"
        status = ConnectionStatus.EXPIRED if expired else ConnectionStatus.REVOKED
        self._store.connections.broken(connection_id, status, str(trouble)[:200])

    def _redirect(self, channel: Channel) -> str:
        return f"{self._public_url}/oauth/{channel.value}/callback"

    def _seal(self, connection_id: str, grant: Grant) -> bytes:
        plain = {
            "access_token": grant.access_token,
            "refresh_token": grant.refresh_token,
            "scopes": list(grant.scopes),
            "expires_at": grant.expires_at.isoformat() if grant.expires_at else None,
            "ends_at": grant.ends_at.isoformat() if grant.ends_at else None,
            "person_id": grant.person_id,
            "person_name": grant.person_name,
        }
        return self._vault.seal(json.dumps(plain).encode(), bound_to=f"connection:{connection_id}")

    def _open(self, connection_id: str, sealed: bytes) -> Grant:
        plain = json.loads(self._vault.open(sealed, bound_to=f"connection:{connection_id}"))
        times = {k: datetime.fromisoformat(plain[k]) if plain[k] else None for k in ("expires_at", "ends_at")}
        return Grant(**plain | times | {"scopes": tuple(plain["scopes"])})


def _with_problem(arrival: Arrival, problem: str) -> Arrival:
    return Arrival(arrival.org_id, arrival.user_id, arrival.channel, arrival.back, problem=problem)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
