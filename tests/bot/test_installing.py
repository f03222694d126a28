"""Installed as a stranger's app would be: from the link over Slack's consent page, then spoken to over signed HTTP."""

import base64
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from bot.main import Adapters, Part, Product, build
from bot.settings import Settings
from core.models import Role
from sandbox.app import listen
from sandbox.slack.delivery import signature_headers
from tests.bot.conftest import FakeSource
from tests.journeys.desk import Sandbox
from tests.sandbox.slack.drive import MIA, Drive, running

KEYS = {"test": SecretStr(base64.b64encode(b"k" * 32).decode())}


@dataclass
class Shop:
    """A running product that nobody has installed yet, and the workspace."""

    drive: Drive
    product: Product
    url: str

    def install(self, *, decision: str = "allow") -> httpx.Response:
        """What a person's browser does from the link on."""
        with httpx.Client(follow_redirects=True, trust_env=False, cookies={"sandbox_person": MIA}) as browser:
            page = browser.get(f"{self.url}/slack/install", follow_redirects=False)
            assert page.status_code == 302, page.text
            asked = browser.get(page.headers["location"])
            assert "requesting permission" in asked.text
            fields = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', asked.text))
            answer = browser.post(str(asked.url), data=fields | {"decision": decision}, follow_redirects=False)
            state = next(c.partition(";")[0] for c in page.headers.get_list("set-cookie"))
            return browser.get(answer.headers["location"], headers={"cookie": state})


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    free = listen(0)
    url = f"http://127.0.0.1:{free.getsockname()[1]}"
    free.close()
    with running(tmp_path / "sandbox") as drive:
        ours = drive.slack.ours
        drive.on_loop(drive.slack.uninstall(ours))
        ours.request_url, ours.redirect_urls = f"{url}/slack/events", [f"{url}/slack/oauth_redirect"]
        settings = Settings(
            database_url=f"sqlite:///{tmp_path / 'segsync.db'}",
            data_dir=tmp_path / "data",
            keys=KEYS,
            slack_client_id=ours.client_id,
            slack_client_secret=SecretStr(ours.client_secret),
            slack_signing_secret=SecretStr(ours.signing_secret),
            slack_api_url=f"{drive.base}/slack/api/",
            slack_mode="http",
            public_url=url,
            web_port=int(url.rpartition(":")[2]),
            listener_threads=8,
        )
        product = build(settings, outside=Adapters({}, {"files": FakeSource()}), parts=frozenset({Part.BOT}))
        product.beside.clear()
        product.start()
        drive.until(lambda: _answers(url))
        yield Shop(drive, product, url)
        product.stop()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_workspace_installs_it_and_its_installer_administers_it(shop: Shop) -> None:
    done = shop.install()
    assert done.status_code == 200, done.text
    assert "segsync is installed" in done.text
    (org_id,) = shop.product.store.organizations.ids()
    assert shop.product.store.organizations.role(org_id, MIA) is Role.PRIMARY_ADMIN
    sandbox = Sandbox(shop.drive.base)
    desk = sandbox.desk("marketing_user")
    desk.type("/segsync")
    desk.sees("syncs in use")
    desk.type("/segsync create")
    desk.sees_in_view("Segment")
    desk.close_all()
    sandbox.http.close()


def test_a_refused_installation_leaves_nothing(shop: Shop) -> None:
    refused = shop.install(decision="cancel")
    assert "not installed" in refused.text
    assert shop.product.store.organizations.ids() == []


def test_a_state_works_once_and_only_in_the_browser_that_asked(shop: Shop) -> None:
    page = httpx.get(f"{shop.url}/slack/install", trust_env=False)
    state = dict(httpx.URL(page.headers["location"]).params)["state"]
    stranger = httpx.get(f"{shop.url}/slack/oauth_redirect", params={"state": state, "code": "x"}, trust_env=False)
    assert stranger.status_code == 400
    assert shop.product.store.organizations.ids() == []


def test_tokens_are_sealed_in_the_database(shop: Shop, tmp_path: Path) -> None:
    shop.install()
    token = shop.drive.slack.ours.bot_token.encode()
    shop.product.store.database.engine.dispose()
    assert all(token not in path.read_bytes() for path in tmp_path.glob("segsync.db*"))


def test_what_slack_did_not_sign_is_refused(shop: Shop) -> None:
    shop.install()
    body = b"command=%2Fsegsync&text=list&team_id=T1&user_id=U1"
    kind = {"content-type": "application/x-www-form-urlencoded"}
    bare = httpx.post(f"{shop.url}/slack/events", content=body, headers=kind, trust_env=False)
    forged = signature_headers("wrong", body, int(time.time()))
    old = signature_headers(shop.drive.slack.ours.signing_secret, body, int(time.time()) - 600)
    assert bare.status_code == 401
    for headers in (forged, old):
        assert httpx.post(f"{shop.url}/slack/events", content=body, headers=kind | headers, trust_env=False).status_code == 401


def test_settings_that_cannot_reach_slack_are_refused() -> None:
    with pytest.raises(ValidationError, match="slack_bot_token is needed"):
        Settings(keys=KEYS)
    with pytest.raises(ValidationError, match="slack_signing_secret"):
        Settings(keys=KEYS, slack_bot_token=SecretStr("xoxb-1"), slack_mode="http")
    with pytest.raises(ValidationError, match="public_url"):
        Settings(keys=KEYS, slack_client_id="1", slack_client_secret=SecretStr("s"))
