"""Two organizations in one product, a person of each role in both, and everything that a permission can be about."""

import base64
import json
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import SecretStr
from slack_bolt.request import BoltRequest

from bot.main import Adapters, Product, build
from bot.settings import Settings
from core.models import (
    Actor,
    AdAccount,
    Alert,
    Cadence,
    Channel,
    ConnectionStatus,
    Counts,
    Grant,
    Refresh,
    Role,
    SegmentKind,
    Sync,
    SyncStatus,
)
from tests.bot.conftest import FakeChannel, FakeSource
from tests.databases import fresh
from tests.permissions.ear import Ear, Json

HOME, ELSEWHERE = "T1", "T2"
ACCOUNT = "act-of-all"
PEOPLE = {role: f"U{n}{role.name.replace('_', '')}" for n, role in enumerate(Role)}
GUEST = "U9GUEST"  # whom Slack calls a guest
PASSING = "U9PASSING"  # whose role changes
OWNER = "U9OWNER"  # a colleague, Marketing User, who owns what is not one's own


class House:
    """The product over a Slack that only listens. Nothing runs by itself: no workers, no clock, no notifier."""

    def __init__(self, folder: Path) -> None:
        self.ear, self.channel = Ear(), FakeChannel()
        self.channel.has = [AdAccount(Channel.META, ACCOUNT, "Acme EU")]
        settings = Settings(
            database_url=fresh(folder),
            data_dir=folder / "data",
            keys={"test": SecretStr(base64.b64encode(b"k" * 32).decode())},
            slack_bot_token=SecretStr("xoxb-1"),
            slack_signing_secret=SecretStr("secret"),
            slack_api_url=f"{self.ear.url}/api/",
            slack_mode="http",
            public_url="https://segsync.example",
            sync_limit=100_000,
        )
        self.product: Product = build(settings, outside=Adapters({Channel.META: self.channel}, {"files": FakeSource()}))
        self.store = self.product.store
        for org in (HOME, ELSEWHERE):
            self.product.organizations.welcome(org, "Acme")
            for user, role in [*((u, r) for r, u in PEOPLE.items()), (OWNER, Role.MARKETING_USER)]:
                self.give(org, user, role)
                self.connect(org, user)

    # ── who and what there is ──

    def give(self, org: str, user: str, role: Role) -> None:
        """By setting: whatever the role was."""
        actor = Actor(org, "operator", Role.PRIMARY_ADMIN, surface="settings")
        self.store.organizations.give_role(actor, user, role, self.now())

    def connect(self, org: str, user: str) -> str:
        """This person's connection to Meta, made anew if it is gone; its id."""
        actor = self.actor(user, org)
        known = self.store.connections.of_user(org, user).get(Channel.META)
        if known and known.status is ConnectionStatus.CONNECTED:
            return known.id
        made, grant = known.id if known else uuid4().hex, Grant("token", person_id=user, person_name=user)
        sealed = self.product.connections._seal(made, grant)
        self.store.connections.save(actor, made, Channel.META, grant, sealed, self.now(), letter=f"meta:{uuid4().hex}")
        return made

    def actor(self, user: str, org: str = HOME) -> Actor:
        return self.product.users.actor(org, user)

    def sync(self, owner: str, status: SyncStatus = SyncStatus.SYNCED) -> Sync:
        """A new sync of this person, in this state."""
        actor = replace(self.actor(owner), role=Role.MARKETING_USER)
        wanted = Sync(
            id=uuid4().hex,
            org_id=HOME,
            number=0,
            name="EMEA brand",
            segment_source="files",
            segment_id="seg0",
            segment_name="EMEA brand",
            segment_kind=SegmentKind.CONTACTS,
            channel=Channel.META,
            account_id=uuid4().hex,
            account_name="Acme EU",
            owner_id=owner,
            run_as=self.connect(HOME, owner),
            status=SyncStatus.SYNCING,
            cadence=Cadence("daily", "UTC"),
            created_at=self.now(),
        )
        key = self.product.vault.seal(b"k" * 32, bound_to=f"sync:{wanted.id}")
        made = self.store.syncs.create(actor, wanted, sealed_ledger_key=key, refresh_id=uuid4().hex, at=self.now())
        run = self._claim(made)
        if status is SyncStatus.FAILED:
            self.store.refreshes.fail(run.id, run.fence, "ad_account_disabled", {}, next_due_at=None, now=self.now())
        elif status is not SyncStatus.SYNCING:
            counts = Counts(members=9, matchable=9, added=9, delivered=9, received=9)
            self.store.refreshes.finish(run.id, run.fence, counts, matched=9, next_due_at=None, now=self.now())
        if status is SyncStatus.INACTIVE:
            self.store.syncs.pause(actor, made.id, version=None, at=self.now())
        return self.store.syncs.get(HOME, made.id)

    def hold(self, sync: Sync) -> Refresh:
        """The guard has stopped a refresh of it."""
        self.product.syncs.refresh(Actor(HOME, OWNER, Role.PRIMARY_ADMIN), sync.id)
        run = self._claim(sync)
        self.store.refreshes.hold(run.id, run.fence, Counts(removed=400, delivered=1000), "segment_shrunk", now=self.now())
        return self.store.refreshes.get(run.id)

    def alert(self, sync: Sync) -> Alert:
        """The open alert about it."""
        return next(a for a in self.store.outbox.open_alerts(HOME) if sync.id in a.sync_ids)

    def now(self) -> Any:
        return self.product.clock.now()

    def _claim(self, sync: Sync) -> Refresh:
        """Its waiting refresh; what earlier cases left behind ends here."""
        while run := self.store.refreshes.claim(self.now(), timedelta(minutes=5), per_org=100_000):
            if run.sync_id == sync.id:
                return run
            self.store.refreshes.postpone(run.id, run.fence, self.now() + timedelta(days=9))
        raise AssertionError("nothing waits")

    def close(self) -> None:
        self.product.asking.stop()
        self.store.close()
        self.ear.close()

    # ── what Slack sends ──

    def types(self, by: "Person", text: str) -> None:
        """`/segsync …`"""
        self._send({"command": "/segsync", "text": text, "user_id": by.user, "team_id": by.org, **self._more()})

    def clicks(self, by: "Person", action_id: str, value: str, *, view: Json | None = None, picked: bool = False) -> None:
        """A button, or with `picked` an option of a menu; in a message, or with `view` in a modal."""
        act: Json = {"type": "button", "action_id": action_id, "block_id": "b", "action_ts": "1", "value": value}
        if picked:
            option = {"value": act.pop("value"), "text": {"type": "plain_text", "text": "x"}}
            act |= {"type": "static_select", "selected_option": option}
        body = self._from(by) | {"type": "block_actions", "actions": [act], "container": {"type": "view" if view else "message"}}
        body |= {"view": view} if view else {"response_url": f"{self.ear.url}/answer/to", "channel": {"id": "C1"}}
        self._send(body)

    def submits(self, by: "Person", callback_id: str, metadata: str, values: Json | None = None, **view: Any) -> None:
        """A modal with what was filled in."""
        form = {"id": "VF", "type": "modal", "callback_id": callback_id, "private_metadata": metadata, "blocks": [], **view}
        self._send(self._from(by) | {"type": "view_submission", "view": form | {"state": {"values": values or {}}}})

    def shortcut(self, by: "Person", callback_id: str) -> None:
        """A global shortcut."""
        self._send(self._from(by) | {"type": "shortcut", "callback_id": callback_id})

    def happens(self, by: "Person", event: Json) -> None:
        """An event."""
        outer = {"type": "event_callback", "team_id": by.org, "event_id": uuid4().hex, "event_time": 1, "api_app_id": "A1"}
        self._send(outer | {"event": event | {"user": by.user, "event_ts": "1"}})

    def _from(self, by: "Person") -> Json:
        return {"user": {"id": by.user, "team_id": by.org}, "team": {"id": by.org, "domain": "acme"}, **self._more()}

    def _more(self) -> Json:
        return {"trigger_id": uuid4().hex, "response_url": f"{self.ear.url}/answer/to", "api_app_id": "A1"} | {"channel_id": "C1"}

    def _send(self, body: Json) -> None:
        if body.get("type") in ("view_submission", "shortcut"):
            body = {k: v for k, v in body.items() if k != "response_url"}
        answer = self.product.bolt.dispatch(BoltRequest(body=body, mode="socket_mode"))
        if answer.body:
            said = answer.body if isinstance(answer.body, dict) else _json(str(answer.body))
            self.ear.heard.append(("ack", said))


@dataclass(frozen=True, slots=True)
class Person:
    """Who acts, from which organization."""

    user: str
    org: str = HOME


def _json(text: str) -> Json:
    return dict(json.loads(text)) if text.startswith("{") else {"text": text}
