"""Commands for whoever runs segsync: is all well, the Slack app's manifest, keys, sources, backups, ledgers."""

import json
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from core.errors import ConfigError, NotFound, SegsyncError
from terminal import JsonOption, Terminal, cell

_WANTED = {  # what makes matching better where a segment has it
    "contacts": ("email", "phone", "first_name", "last_name", "country", "postal_code", "consent"),
    "companies": ("domain", "company", "page"),
}

_BESIDE = ("sees", "lacks", "left_out", "problem")

keys = typer.Typer(help="The keys that secrets are sealed with.", no_args_is_help=True)
sources = typer.Typer(help="Where segments come from.", no_args_is_help=True)
ledger = typer.Typer(help="What segsync knows to be delivered.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(doctor)
    app.command()(manifest)
    app.command()(backup)
    app.command()(restore)
    app.command()(reconcile)
    app.add_typer(keys, name="keys")
    app.add_typer(sources, name="source")
    app.add_typer(ledger, name="ledger")


def doctor(*, as_json: JsonOption = False) -> None:
    """Look at settings, keys, database, Slack, channels and sources; say how to fix each. Exit code 1: something is wrong."""
    from bot.doctor import examine
    from bot.slips import read

    findings = list(examine(read))
    if as_json:
        Terminal(as_json).value([{k: getattr(f, k) for k in ("name", "well", "is_warning", "said", "fix")} for f in findings])
    for finding in findings if not as_json else ():
        sign = "✅" if finding.well else "🟠" if finding.is_warning else "🔴"
        typer.echo(f"{sign} {finding.name}: {finding.said}" + (f"\n   {finding.fix}" if finding.fix and not finding.well else ""))
    if any(not f.well and not f.is_warning for f in findings):
        raise typer.Exit(1)


def manifest(
    *,
    http: Annotated[bool, typer.Option("--http", help="Slack calls us over HTTP instead of Socket Mode.")] = False,
    public_url: Annotated[str | None, typer.Option(help="Where segsync is reached; the setting unless told.")] = None,
    reasons: Annotated[bool, typer.Option("--reasons", help="Print why each scope is needed instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs; the manifest is JSON anyway.")] = False,
) -> None:
    """Print the manifest from which Slack creates the app (api.slack.com/apps → Create New App → From a manifest)."""
    from bot.manifest import SCOPES
    from bot.manifest import manifest as made

    if reasons:
        Terminal(as_json).table("Scopes", [{"scope": scope, "why": why} for scope, why in SCOPES.items()])
        return
    try:
        typer.echo(json.dumps(made(public_url=public_url or _set_public_url(), socket_mode=not http), indent=2))
    except ValueError as wrong:
        raise ConfigError(str(wrong)) from wrong


def _set_public_url() -> str | None:
    """The setting, where it is set already: the manifest comes before the tokens, without which there are no settings."""
    import os
    import tomllib

    file = Path("segsync.toml")
    written = tomllib.loads(file.read_text()).get("public_url") if file.is_file() else None
    return str(os.environ.get("SEGSYNC_PUBLIC_URL") or written or "").rstrip("/") or None


@keys.command("new")
def new_key(*, as_json: JsonOption = False) -> None:  # noqa: ARG001 - it is JSON anyway
    """Print a new key for the setting `keys`."""
    import base64
    import secrets

    typer.echo(json.dumps({secrets.token_hex(4): base64.b64encode(secrets.token_bytes(32)).decode()}))


@keys.command("rotate")
def rotate(
    *,
    ledgers: Annotated[bool, typer.Option("--ledgers", help="Give each ledger a new key of its own, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Seal everything anew under the last key of the settings; after that older keys can be taken out. Safe to repeat.

    With --ledgers the next refresh of each sync looks at everybody and writes its ledger under a new key; nothing is sent.
    """
    from core import vault

    product = _product()
    done = product.store.sealed.rotate(product.vault)
    kept = f"{done['connections']} connections and {done['syncs']} syncs are sealed with the key {product.vault.current!r} now."
    if ledgers:
        done |= product.store.sealed.renew_ledger_keys(product.vault, vault.new_key)
        kept += f" {done['ledgers']} ledgers get a new key with their next refresh; {done['waiting']} wait for one already."
    Terminal(as_json).say(kept, **done, key=product.vault.current)


@sources.command("check")
def check(
    name: Annotated[str | None, typer.Argument(help="One source; all unless told.")] = None, *, as_json: JsonOption = False
) -> None:
    """Read every segment, and say what it has, what is missing, and how many members each channel can match. Needs no database.

    Exit code 1: a segment cannot be read.
    """
    from bot.adapters import adapters
    from bot.clock import SystemClock
    from bot.slips import read
    from core.models import Channel
    from core.ports import ChannelTraits

    outside = adapters(read(), SystemClock())
    if name is not None and name not in outside.sources:
        raise ConfigError(f"No source is called {name}: there are {', '.join(outside.sources) or 'none'}.")
    known = {c: adapter.traits for c, adapter in outside.channels.items()} or {c: ChannelTraits.unknown(c) for c in Channel}
    terminal = Terminal(as_json)
    rows: list[dict[str, Any]] = []
    for source in [outside.sources[name]] if name else outside.sources.values():
        for segment in source.segments():
            with terminal.waiting(f"Reading {source.name}/{segment.id}"):
                rows.append(_checked(source, segment, known))
    numbers = [{k: v for k, v in row.items() if k not in _BESIDE} for row in rows]
    shown = rows if as_json else numbers
    terminal.table("Segments, and members that each channel can match", shown, nothing="No source has a segment.")
    for row in () if as_json else rows:
        for beside in _BESIDE:
            if row[beside]:
                typer.echo(f"{row['source']}/{row['segment']} {beside.replace('_', ' ')}: {cell(row[beside])}")
    if any(row["problem"] for row in rows):
        raise typer.Exit(1)


def _checked(source: Any, segment: Any, known: Mapping[Any, Any]) -> dict[str, Any]:
    """One segment: `sees` and `lacks` name fields, `left_out` counts rows by reason, then the members a channel can match."""
    from dataclasses import asdict

    from core.gathering import count

    row: dict[str, Any] = {"source": source.name, "segment": segment.id, "kind": segment.kind.value, "rows": segment.size}
    row |= {"sees": [], "lacks": [], **{channel.value: None for channel in known}, "left_out": {}, "problem": None}
    try:
        with source.read(segment.id) as reading:
            for channel, traits in known.items():
                totals, row[channel.value] = count(reading, traits)
                row["rows"] = totals.rows
                row["left_out"] |= {why: max(n, row["left_out"].get(why, 0)) for why, n in totals.reasons.items()}
            fields = asdict(reading.columns)
    except SegsyncError as error:
        return row | {"problem": str(error)}
    row["sees"] = [name for name, column in fields.items() if column]
    row["lacks"] = [name for name, column in fields.items() if not column and name in _WANTED[segment.kind.value]]
    return row


@ledger.command("verify")
def verify(
    sync: Annotated[str | None, typer.Argument(help="S-42; all unless told.")] = None, *, as_json: JsonOption = False
) -> None:
    """Check that every ledger is whole, and compare it with the database and with what the platform reports now.

    Exit code 1: something is wrong.
    """
    from dataclasses import asdict

    from core.verifying import Verifying

    product = _product()
    channels, grants = product.adapters.channels, product.connections.grant
    verifying = Verifying(store=product.store, channels=channels, grants=grants, ledgers=product.ledgers)
    rows = [asdict(finding) for finding in verifying.findings(sync)]
    if sync and not rows:
        raise NotFound(f"No sync is called “{sync}”. `segsync sync list` shows all of them.")
    Terminal(as_json).table("Ledgers", rows, nothing="There is no sync.")
    if any(row["problem"] for row in rows):
        raise typer.Exit(1)


def backup(
    file: Annotated[Path, typer.Argument(help="A .tar.gz that does not exist yet.")], *, as_json: JsonOption = False
) -> None:
    """Write database and ledgers into one file, while segsync runs. Keys are not in it: keep them elsewhere."""
    from core.store.backup import save

    product = _product()
    _require_folder(product.settings)
    size = save(product.settings.database_url, product.settings.data_dir, file)
    Terminal(as_json).say(f"{file}: {size:,} bytes. The keys are not in it.", file=str(file), bytes=size)


def restore(file: Annotated[Path, typer.Argument(help="What `segsync backup` wrote.")], *, as_json: JsonOption = False) -> None:
    """Put a backup's database and ledgers in place; every sync then begins with a full resync.

    Refuses to overwrite: the ledger folder must not exist, and the database must not exist (PostgreSQL: must be empty).
    """
    from bot.slips import read
    from core.store.backup import load

    settings = read()
    _require_folder(settings)
    load(file, settings.database_url, settings.data_dir)
    _reconcile(Terminal(as_json), "Restored. ", file=str(file))


def reconcile(*, as_json: JsonOption = False) -> None:
    """After a restore by other tools: every active sync begins with a full resync, whatever was under way."""
    _reconcile(Terminal(as_json))


def _reconcile(terminal: Terminal, said: str = "", **facts: Any) -> None:
    product = _product()
    syncs = product.store.refreshes.reconcile(product.clock.now())
    said += f"{syncs} active syncs begin with a full resync: whoever was delivered after the backup is unknown to it."
    terminal.say(said, **facts, syncs=syncs)


def _require_folder(settings: Any) -> None:
    if settings.ledger_url:
        raise ConfigError("The ledgers lie in an object store: copy both with their own tools, the bucket before the database.")


def _product() -> Any:
    """The product, nothing of it started; its database is let go when the command ends."""
    from bot.main import build
    from bot.slips import read

    product = build(read())
    weakref.finalize(product, product.store.close)
    return product
