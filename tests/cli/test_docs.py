"""What the pages tell an operator to type is there: commands with their options, settings, files of settings; and `--json`."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from bot.settings import Settings
from cli import app
from tests.cli.conftest import Operator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SERVE = {("run",), ("bot",), ("clock",), ("worker",), ("demo",)}
ROOT_COMMAND: Any = get_command(app)


def commands(group: Any = ROOT_COMMAND, above: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for name, one in group.commands.items():
        found |= commands(one, (*above, name)) if hasattr(one, "commands") else {(*above, name): one}
    return found


def options(command: Any) -> set[str]:
    return {name for param in command.params for name in (*param.opts, *param.secondary_opts)} | {"--help", "-h"}


COMMANDS = commands()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_on_a_page_exists_with_its_options(page: Path) -> None:
    text = page.read_text()
    typed = re.findall(r"`segsync ([^`]+)`", text)
    for block in re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.M | re.S):
        typed += re.findall(r"(?:^|\$\(|bin/|--rm |exec segsync )(?:[A-Z_0-9]+=\S+ )*segsync ([a-z][^\n&|;)#]*)", block, re.M)
    for line in typed:
        words = line.split()
        names = next((n for n in (tuple(words[:2]), tuple(words[:1])) if n in COMMANDS), None)
        if names is None:  # a group, or an option alone
            assert words[0].startswith("--") or any(known[0] == words[0] for known in COMMANDS), line
        else:
            assert {w for w in words if w.startswith("--")} <= options(COMMANDS[names]), line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_on_a_page_exists(page: Path) -> None:
    named = {name.lower() for name in re.findall(r"SEGSYNC_([A-Z][A-Z_]+[A-Z])", page.read_text())}
    assert named <= set(Settings.model_fields) | {"secrets_dir", "test_database"}


@pytest.mark.parametrize("page", ["install.md", "sources.md"])
def test_every_file_of_settings_on_a_page_can_be_read(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs" / page).read_text()
    files = re.findall(r"^```toml\n(.*?)^```", text, re.M | re.S) + re.findall(
        r"segsync\.toml <<'END'\n(.*?)^END$", text, re.M | re.S
    )
    assert files
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGSYNC_KEYS", '{"a": "b"}')
    monkeypatch.setenv("SEGSYNC_SLACK_BOT_TOKEN", "xoxb-1")
    for written in files:
        tomllib.loads(written)
        (tmp_path / "segsync.toml").write_text(written)
        assert Settings().sources


def test_every_command_that_ends_prints_json_on_request() -> None:
    lacking = [" ".join(names) for names, command in COMMANDS.items() if names not in SERVE and "--json" not in options(command)]
    assert lacking == []


def test_the_version_is_said() -> None:
    command = [str(Path(sys.executable).parent / "segsync"), "--version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_a_key_is_json_either_way(operator: Operator) -> None:
    assert len(json.loads(operator.types("keys", "new"))) == len(operator.json("keys", "new")) == 1
