"""Settings: where they come from, and the page about them."""

import json
from pathlib import Path

import pytest

from bot.settings import Settings
from tests.cli.page import PAGE, page

KEYS = json.dumps({"a": "a" * 44})


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "make docs writes it anew"


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_the_environment_goes_before_files_of_secrets_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "segsync.toml").write_text('slack_bot_token = "from-file"\nsync_limit = 7\nworkers = 3\n')
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "SEGSYNC_SLACK_BOT_TOKEN").write_text("from-secret\n")
    (tmp_path / "secrets" / "SEGSYNC_KEYS").write_text(KEYS)
    monkeypatch.setenv("SEGSYNC_SECRETS_DIR", str(tmp_path / "secrets"))
    monkeypatch.setenv("SEGSYNC_WORKERS", "5")
    settings = Settings()
    assert settings.slack_bot_token
    assert settings.slack_bot_token.get_secret_value() == "from-secret"
    assert (settings.sync_limit, settings.workers) == (7, 5)


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGSYNC_KEYS", KEYS)
    monkeypatch.setenv("SEGSYNC_SLACK_BOT_TOKEN", "xoxb-hush")
    assert "hush" not in repr(Settings())
    assert "aaaa" not in repr(Settings())
