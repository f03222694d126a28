"""The command line as an operator types it, on a real database, with a sandbox for Slack."""

import base64
import json

from typer.testing import CliRunner

from cli import app
from core.tables import SyncRow
from tests.cli.conftest import Operator, installed


def test_the_doctor_finds_all_well(operator: Operator) -> None:
    operator.types("migrate")
    found = {f["name"]: f for f in operator.json("doctor")}
    assert all(
        found[name]["well"] for name in ("settings", "keys", "data_dir", "database", "slack_bot_token", "scopes", "source files")
    )
    assert found["slack_app_token"]["said"] == "opens sockets"
    assert found["public_url"]["is_warning"]


def test_the_doctor_says_how_to_fix_what_is_wrong(operator: Operator) -> None:
    operator.patch.setenv("SEGSYNC_SLACK_BOT_TOKEN", "xoxb-wrong")
    operator.patch.setenv("SEGSYNC_KEYS", '{"a": "short"}')
    said = operator.types("doctor", code=1)
    assert "🔴 slack_bot_token: invalid_auth" in said
    assert "OAuth & Permissions" in said
    assert "🔴 keys" in said
    assert "xoxb-wrong" not in said


def test_the_doctor_tries_out_where_ledgers_lie(operator: Operator) -> None:
    operator.patch.setenv("SEGSYNC_LEDGER_URL", (operator.folder / "bucket").as_uri())
    found = {f["name"]: f for f in operator.json("doctor")}
    assert found["ledger_url"]["well"], found["ledger_url"]
    assert "data_dir" not in found
    assert not [p for p in (operator.folder / "bucket").rglob("*") if p.is_file()]
    operator.patch.setenv("SEGSYNC_LEDGER_URL", "ftp://nowhere/bucket")
    assert "🔴 ledger_url" in operator.types("doctor", code=1)
    operator.patch.delenv("SEGSYNC_LEDGER_URL")
    (operator.folder / "data").touch()  # a file in the folder's place
    said = operator.types("doctor", code=1)
    assert "🔴 data_dir" in said
    assert "hard links" in said


def test_the_doctor_names_settings_that_are_missing(operator: Operator) -> None:
    operator.patch.delenv("SEGSYNC_SLACK_BOT_TOKEN")
    assert "slack_bot_token is needed" in operator.types("doctor", code=1)
    operator.patch.delenv("SEGSYNC_KEYS")
    assert "Set SEGSYNC_KEYS" in operator.types("doctor", code=1)


def test_the_manifest_is_for_socket_mode_or_for_http(operator: Operator) -> None:
    socket = json.loads(operator.types("manifest"))
    assert socket["settings"]["socket_mode_enabled"] is True
    assert socket["features"]["slash_commands"][0]["should_escape"] is True
    assert socket["features"]["unfurl_domains"] == ["segsync.example"]
    http = json.loads(operator.types("manifest", "--http"))
    assert http["settings"]["event_subscriptions"]["request_url"] == "https://segsync.example/slack/events"
    assert "chat:write" in operator.types("manifest", "--reasons")


def test_syncs_are_listed_shown_refreshed_and_paused(operator: Operator) -> None:
    installed(operator)
    (row,) = operator.json("sync", "list")
    assert (row["sync"], row["status"], row["segment"]) == ("S-1", "syncing", "Buyers")
    assert operator.json("sync", "list", "status:failed") == []
    assert operator.json("sync", "show", "buyers")["cadence"].startswith("every day")
    assert "S-1" in operator.types("sync", "refresh", "S-1")
    assert operator.json("sync", "pause", "S-1") == {"sync": "S-1", "status": "inactive"}


def test_roles_are_given_and_listed(operator: Operator) -> None:
    installed(operator)
    operator.types("roles", "give", "U9", "abm_admin")
    assert operator.json("roles", "list") == [{"user": "U9", "role": "abm_admin"}]


def test_a_source_is_checked_for_each_channel(operator: Operator) -> None:
    (row,) = operator.json("source", "check")
    assert (row["segment"], row["rows"], row["meta"], row["problem"]) == ("buyers", 2, 1, None)
    assert "No source is called other" in str(CliRunner().invoke(app, ["source", "check", "other"]).exception)


def test_keys_rotate_and_the_old_one_can_go(operator: Operator) -> None:
    product = installed(operator)
    both = operator.key | {"second": base64.b64encode(b"n" * 32).decode()}
    operator.patch.setenv("SEGSYNC_KEYS", json.dumps(both))
    assert operator.json("keys", "rotate") == {"connections": 1, "syncs": 1, "installations": 0, "key": "second"}
    operator.patch.setenv("SEGSYNC_KEYS", json.dumps({"second": both["second"]}))
    from bot.main import build
    from bot.settings import Settings

    later = build(Settings())
    assert later.store.sealed.ledger_keys(later.vault, "s1") == [b"l" * 32]
    product.store.close()


def test_each_ledger_gets_a_new_key_once_and_one_of_a_deleted_sync_none(operator: Operator) -> None:
    product = installed(operator)
    first = operator.json("keys", "rotate", "--ledgers")
    assert (first["ledgers"], first["waiting"]) == (1, 0)
    assert operator.json("keys", "rotate", "--ledgers")["waiting"] == 1
    old, new = product.store.sealed.ledger_keys(product.vault, "s1")
    assert old == b"l" * 32
    product.store.sealed.retire_ledger_keys(product.vault, "s1", new)
    assert product.store.sealed.ledger_keys(product.vault, "s1") == [new]
    with product.store.database.write() as session:
        session.get_one(SyncRow, "s1").sealed_ledger_key = b""
    assert operator.json("keys", "rotate", "--ledgers")["syncs"] == 0
    product.store.close()


def test_a_backup_is_restored_whole(operator: Operator) -> None:
    product = installed(operator)
    with product.ledgers.of("s1").writing(whole=True) as out:
        out.commit({"audience": "a1"}, {"sizes": {}})
    product.store.close()
    file = operator.folder / "kept.tar.gz"
    operator.types("backup", str(file))
    assert "exists" in str(CliRunner().invoke(app, ["restore", str(file)]).exception)
    operator.patch.setenv("SEGSYNC_DATABASE_URL", f"sqlite:///{operator.folder / 'new' / 'segsync.db'}")
    operator.patch.setenv("SEGSYNC_DATA_DIR", str(operator.folder / "elsewhere"))
    operator.types("restore", str(file))
    assert [r["sync"] for r in operator.json("sync", "list")] == ["S-1"]
    (row,) = operator.json("ledger", "verify")
    assert (row["generation"], row["problem"]) == (1, None)


def test_a_damaged_ledger_is_found(operator: Operator) -> None:
    product = installed(operator)
    with product.ledgers.of("s1").writing(whole=True) as out:
        out.commit({"audience": "a1"}, {"sizes": {}})
    path = next((operator.folder / "data" / "ledger" / "s1").glob("*.ledger"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    (row,) = operator.json("ledger", "verify", code=1)
    assert "cannot be read" in row["problem"]
    product.store.close()
