"""What an operator installs: every command and setting that deploy/ names is there, and systemd takes the unit."""

import base64
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from bot.settings import Settings
from cli import app

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = [path for path in sorted(DEPLOY.iterdir()) if path.suffix in ("", ".yaml", ".service")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    named = {name.lower() for name in re.findall(r"SEGSYNC_([A-Z_]+)", path.read_text())}
    assert named <= set(Settings.model_fields) | {"secrets_dir"}, path.name


def test_every_command_that_is_named_exists() -> None:
    docker, unit, compose = ((DEPLOY / name).read_text() for name in ("Dockerfile", "segsync@.service", "compose.yaml"))
    named = set(re.findall(r'^CMD \["(\w+)"', docker, re.M)) | set(re.findall(r"segsync@(\w+)", unit))
    named |= set(re.findall(r"^    command: \[(\w+)\]$", compose, re.M))
    commands = get_command(app).commands  # type: ignore[attr-defined] # a group's
    assert named == {"run", "bot", "worker", "clock"} <= set(commands)


@pytest.mark.parametrize(("instance", "part"), [("run", "run"), ("worker-1", "worker"), ("bot-eu-2", "bot")])
def test_what_follows_the_dash_only_tells_parts_apart(instance: str, part: str) -> None:
    unit = (DEPLOY / "segsync@.service").read_text()
    command = re.search(r"^ExecStart=/bin/sh -c '(.*)' %i$", unit, re.M)
    assert command
    words = command[1].replace("$$", "$").replace("%%", "%").replace("exec /opt/segsync/.venv/bin/segsync", "echo")
    told = subprocess.run(["/bin/sh", "-c", words, instance], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == part


def test_the_container_installs_from_the_lock_and_runs_as_nobody_in_particular() -> None:
    docker = (DEPLOY / "Dockerfile").read_text()
    assert "--require-hashes -r requirements.lock" in docker
    last = docker.rpartition("FROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.M)
    assert re.search(r"^HEALTHCHECK ", last, re.M)


def test_what_the_image_tries_when_it_is_built_passes_here_too(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(DEPLOY.parent), "TMPDIR": str(tmp_path)}
    told = subprocess.run([sys.executable, DEPLOY / "check.py"], env=environment, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")


def test_the_build_of_the_image_sees_all_that_setup_needs() -> None:
    seen = {line[1:] for line in (DEPLOY.parent / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    packages = {path.parent.name for path in DEPLOY.parent.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert packages | {"*.py", "pyproject.toml", "README.md", "requirements.lock", "deploy/check.py"} == seen


def test_every_part_in_containers_reads_secrets_from_files_changes_nothing_but_its_data_and_ends_in_peace() -> None:
    shared, _, services = (DEPLOY / "compose.yaml").read_text().partition("\nservices:\n")
    for line in ("read_only: true", "cap_drop: [ALL]", 'security_opt: ["no-new-privileges:true"]', "stop_grace_period: 30s"):
        assert f"  {line}\n" in shared
    assert "  environment:\n    SEGSYNC_SECRETS_DIR: /run/secrets\n  volumes:" in shared
    services = services.partition("\nvolumes:\n")[0]
    named = re.findall(r"^  ([a-z0-9-]+):", services, re.M)
    assert named == ["database", "segsync", "bot", "bot-2", "worker", "worker-2", "clock"]
    assert len(re.findall(r"<<: \*(?:segsync|bot)$|worker-2: \*worker$", services, re.M)) == len(named) - 1
    assert "environment:" not in services.partition("\n  segsync:\n")[2], "of the parts, each has the same"


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("NO systemd-analyze here: the unit is not verified")
    unit = (DEPLOY / "segsync@.service").read_text()
    (tmp_path / "segsync@.service").write_text(unit.replace("User=segsync", "User=root"))
    there = tmp_path / "segsync@worker-1.service"
    told = subprocess.run(["systemd-analyze", "verify", str(there)], capture_output=True, text=True, check=False)
    assert "segsync@" not in told.stderr, told.stderr


def test_a_database_that_does_not_answer_is_a_sentence_without_its_password(tmp_path: Path) -> None:
    settings = {
        "KEYS": json.dumps({"first": base64.b64encode(b"k" * 32).decode()}),
        "SLACK_BOT_TOKEN": "xoxb-1",
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": "postgresql+psycopg://segsync:secret-value@127.0.0.1:1/segsync",
    }
    environment = {"PATH": "/usr/bin:/bin"} | {f"SEGSYNC_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "cli", "run"]
    told = subprocess.run(command, env=environment, cwd=DEPLOY.parent, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr.count("\n")) == (2, 1), told.stderr
    assert told.stderr.startswith("segsync: The database does not answer")
    assert "secret-value" not in told.stderr


def test_settings_that_cannot_be_read_are_named_without_what_they_hold(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "SEGSYNC_TICK_S": "secret-value", "SEGSYNC_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "cli", "migrate"]
    told = subprocess.run(command, env=environment, cwd=DEPLOY.parent, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert "SEGSYNC_KEYS: is needed" in told.stderr
    assert "SEGSYNC_TICK_S: " in told.stderr
    assert "Traceback" not in told.stderr
    assert "secret-value" not in told.stderr
