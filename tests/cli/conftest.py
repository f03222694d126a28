"""An operator at a terminal, with a real database and a sandbox for Slack."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli import app
from sandbox.slack.standin import SlackStandIn
from tests.sandbox.slack.drive import running

ORG = "T1"


class Operator:
    """Somebody at a terminal."""

    def __init__(self, folder: Path, slack: SlackStandIn, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, monkeypatch
        (folder / "segments").mkdir()
        (folder / "segments" / "buyers.csv").write_text("email,phone\na@example.com,+34600000001\nbroken,\n")
        source = {"kind": "files", "name": "files", "folder": str(folder / "segments")}
        self.key = {"first": base64.b64encode(b"k" * 32).decode()}
        values = {
            "DATABASE_URL": f"sqlite:///{folder / 'segsync.db'}",
            "DATA_DIR": str(folder / "data"),
            "KEYS": json.dumps(self.key),
            "SLACK_BOT_TOKEN": slack.ours.bot_token,
            "SLACK_APP_TOKEN": slack.ours.app_token,
            "SLACK_API_URL": f"{base}/slack/api/",
            "PUBLIC_URL": "https://segsync.example",
            "SOURCES": json.dumps([source]),
        }
        for name, value in values.items():
            monkeypatch.setenv(f"SEGSYNC_{name}", value)
        monkeypatch.setenv("COLUMNS", "200")

    def types(self, *words: str, code: int = 0) -> str:
        result: Result = CliRunner().invoke(app, list(words))
        assert result.exit_code == code, (words, result.output, result.exception)
        return result.output

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.types(*words, "--json", code=code))


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    with running(tmp_path / "sandbox") as drive:
        yield Operator(tmp_path, drive.slack, drive.base, monkeypatch)


def installed(operator: Operator) -> Any:
    """A workspace with one sync that has never been refreshed."""
    from bot.main import build
    from bot.settings import Settings
    from core.models import Actor, Cadence, Channel, Grant, Role, SegmentKind, Sync, SyncStatus

    product = build(Settings())
    now = product.clock.now()
    product.store.organizations.ensure(ORG, name="Acme", sync_limit=5, at=now)
    mia = Actor(ORG, "U03MIACHEN", Role.MARKETING_USER)
    sealed = product.vault.seal(b'{"access_token": "secret"}', bound_to="connection:c1")
    grant = Grant("secret", person_id="1", person_name="Mia")
    product.store.connections.save(mia, "c1", Channel.META, grant, sealed, now, letter="meta:1")
    sync = Sync(
        id="s1", org_id=ORG, number=0, name="Buyers", segment_source="files", segment_id="buyers", segment_name="Buyers",
        segment_kind=SegmentKind.CONTACTS, channel=Channel.META, account_id="42", account_name="Acme EU", owner_id=mia.user_id,
        run_as="c1", status=SyncStatus.SYNCING, cadence=Cadence("daily", "UTC"), created_at=now,
    )  # fmt: skip
    key = product.vault.seal(b"l" * 32, bound_to="sync:s1")
    product.store.syncs.create(mia, sync, sealed_ledger_key=key, refresh_id="r1", at=now)
    return product
