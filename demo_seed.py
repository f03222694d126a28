"""What the demo's organization begins with: roles and conversations; unless it is to be empty, a connection and a sync.

Runs in the product's surroundings before it starts: `python -m demo_seed URL empty|full`. The product's own use cases do it all.
"""

import sys
import threading
import time
from uuid import uuid4

import httpx
import uvicorn

from bot.main import Product, build
from bot.settings import Settings
from core.models import Actor, Channel, Role
from core.syncs import NewSync


def main(url: str, *, empty: bool) -> None:
    """Seeds once: an organization that has a primary administrator is left alone."""
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as control:
        product = build(Settings())
        team = product.workspaces.client("").auth_test()
        org_id = str(team["team_id"])
        product.organizations.welcome(org_id, str(team["team"]))
        if product.users.has_administrator(org_id):
            return
        people = control.get("/control/people").json()
        conversations = {c["name"]: c["id"] for c in control.get("/control/channels").json()}
        now = product.clock.now()
        operator = Actor(org_id, "demo", Role.PRIMARY_ADMIN, surface="demo")
        for person in people:
            if person["role"] in {r.value for r in Role}:
                product.store.organizations.give_role(operator, person["id"], Role(person["role"]), now)
        talk = {
            "alert_conversation": conversations["segsync-alerts"],
            "approval_conversation": conversations["segsync-approvals"],
        }
        product.store.organizations.set(operator, talk, now)
        if not empty:
            marketer = next(p for p in people if p["role"] == Role.MARKETING_USER.value)
            _first_sync(product, control, product.users.actor(org_id, marketer["id"], name=marketer["name"], surface="demo"))
        product.store.close()


def _first_sync(product: Product, control: httpx.Client, marketer: Actor) -> None:
    """Somebody connects in their own browser and creates a sync; its first refresh runs as soon as the product does."""
    settings = product.settings
    config = uvicorn.Config(product.web, host=settings.web_host, port=settings.web_port, log_level="warning", access_log=False)
    pages = uvicorn.Server(config)
    serving = threading.Thread(target=pages.run, daemon=True)
    serving.start()
    while not pages.started:
        time.sleep(0.02)
    link = product.connections.start(marketer, Channel.META, back={"seed": uuid4().hex})
    control.post("/control/consent", json={"user": marketer.user_id, "url": link.url, "grant": True}).raise_for_status()
    account = next(a for a in product.connections.accounts(marketer, Channel.META) if a.may_manage)
    segments = product.segments.search(marketer, "webinar")
    product.syncs.create(marketer, NewSync(segments[0].key, Channel.META, account.id))
    pages.should_exit = True
    serving.join(5)


if __name__ == "__main__":
    main(sys.argv[1], empty=sys.argv[2] == "empty")
