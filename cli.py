"""The `segsync` command; thin: parse, call, print."""

import logging
import os
import signal
import sys
import threading
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn
from urllib.error import URLError

import typer

import cli_operate
import cli_syncs
from core.errors import SegsyncError
from core.memory import settle
from terminal import JsonOption, Terminal

app = typer.Typer(
    name="segsync",
    help="Keeps ad audiences on Google, LinkedIn and Meta equal to segments that live elsewhere, from Slack.",
    epilog="Exit codes: 0 done; 1 looked at, and something is wrong; 2 could not be done, and a sentence says why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(*, told: bool) -> None:
    if told:
        typer.echo(version("segsync"))
        raise typer.Exit


ShowVersion = Annotated[bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_version)]


@app.callback()
def _every(*, told: ShowVersion = False) -> None:
    """What every command has."""


cli_operate.register(app)
cli_syncs.register(app)


WithParent = Annotated[bool, typer.Option(hidden=True, help="End when standard input ends.")]


@app.command()
def run(*, with_parent: WithParent = False) -> None:
    """Serve Slack, refresh what is due and answer browsers, all in this process."""
    _serve("bot", "clock", "worker", with_parent=with_parent)


@app.command()
def bot(*, with_parent: WithParent = False) -> None:
    """Only answer Slack and browsers; any number of these, with clocks and workers on the same PostgreSQL."""
    _serve("bot", with_parent=with_parent)


@app.command()
def clock(*, with_parent: WithParent = False) -> None:
    """Only find what is due; two of these do no harm."""
    _serve("clock", with_parent=with_parent)


@app.command()
def worker(*, with_parent: WithParent = False) -> None:
    """Only refresh; as many as the platforms and the database bear. All need the same `ledger_url` or `data_dir`."""
    _serve("worker", with_parent=with_parent)


def _serve(*parts: str, with_parent: bool) -> None:
    from bot.logs import configure
    from bot.main import Part, build
    from bot.slips import read, unknown

    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    if with_parent:
        threading.Thread(target=_watch_parent, args=(stop,), daemon=True).start()
    settings = read()
    configure(settings.log_format, level=settings.log_level)
    logger = logging.getLogger("segsync")
    for slip in unknown():
        logger.warning("%s: %s. %s", slip.name, slip.said, slip.fix)
    product = build(settings, parts=frozenset(Part(p) for p in parts))
    product.start()
    logger.info("segsync %s runs: %s.", version("segsync"), ", ".join(parts))
    stop.wait()
    logger.info("segsync ends.")
    product.stop()


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Where to serve on 127.0.0.1; 0 picks a free port.")] = 8765,
    data: Annotated[Path | None, typer.Option(help="Keeps the demo's state; a fresh temporary folder unless told.")] = None,
    *,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
    empty: Annotated[bool, typer.Option("--empty", help="Start without seeded syncs and connections.")] = False,
    stand_ins: Annotated[
        bool, typer.Option("--stand-ins", help="Only the stand-ins; DATA/rehearsal.env has the settings for segsync's parts.")
    ] = False,
    web_port: Annotated[int, typer.Option(help="With --stand-ins: the port of the bot that answers browsers.")] = 8080,
) -> None:
    """Run segsync with local stand-ins for Slack and the platforms: no account anywhere is needed."""
    from demo import serve

    sys.exit(serve(port=port, data=data, browser=browser, empty=empty, web_port=web_port if stand_ins else None))


@app.command()
def migrate(*, as_json: JsonOption = False) -> None:
    """Bring the database to this version's tables."""
    from bot.main import bring_up
    from bot.slips import read

    bring_up(read())
    Terminal(as_json).say("The database is up to date.", migrated=True)


def _watch_parent(stop: threading.Event) -> None:
    """The demo holds our standard input open: when it dies in whatever way, so do we."""
    while os.read(0, 1024):  # beneath sys.stdin, whose lock this thread would still hold when the interpreter ends
        pass
    stop.set()


def main() -> NoReturn:
    """The entry point: what a person can mend is one sentence and exit code 2."""
    settle()
    try:
        app()
    except SegsyncError as error:
        typer.echo(f"segsync: {error}", err=True)
        sys.exit(2)
    except Exception as error:
        if (said := _in_words(error)) is None:
            raise
        typer.echo(f"segsync: {said}", err=True)
        sys.exit(2)
    sys.exit(0)


def _in_words(error: Exception) -> str | None:
    """What libraries say where database or Slack are not there or refuse us; None: nothing that an operator can mend."""
    from slack_sdk.errors import SlackApiError
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

    from bot.logs import hide

    match error:
        case OperationalError():
            return f"The database does not answer: {hide(str(error.orig).strip().splitlines()[0])}. `segsync doctor` says more."
        case ArgumentError() | NoSuchModuleError():
            return "SEGSYNC_DATABASE_URL is no address of a database that segsync knows: docs/settings.md."
        case SlackApiError():
            return f"Slack refuses: {error.response.get('error')}. `segsync doctor` says what to do."
        case URLError():
            return f"Slack does not answer ({error.reason}). `segsync doctor` says more."
        case _:
            return None


if __name__ == "__main__":
    main()
