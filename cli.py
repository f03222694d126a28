"""The `segsync` command; thin: parse, call, print."""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, NoReturn

import typer

import cli_operate
import cli_syncs
from core.errors import SegsyncError

app = typer.Typer(
    name="segsync",
    help="Keeps ad audiences on Google, LinkedIn and Meta equal to segments that live elsewhere, from Slack.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


cli_operate.register(app)
cli_syncs.register(app)


@app.command()
def run(
    *,
    with_parent: Annotated[bool, typer.Option(hidden=True, help="End when standard input ends.")] = False,
) -> None:
    """Serve Slack, refresh what is due and answer browsers, all in this process."""
    from bot.logs import configure
    from bot.main import build
    from bot.settings import Settings

    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    if with_parent:
        threading.Thread(target=_watch_parent, args=(stop,), daemon=True).start()
    settings = Settings()
    configure(settings.log_format, level=settings.log_level)
    product = build(settings)
    product.start()
    stop.wait()
    product.stop()


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Where to serve on 127.0.0.1; 0 picks a free port.")] = 8765,
    data: Annotated[Path | None, typer.Option(help="Keeps the demo's state; a fresh temporary folder unless told.")] = None,
    *,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
    empty: Annotated[bool, typer.Option("--empty", help="Start without seeded syncs and connections.")] = False,
) -> None:
    """Run segsync with local stand-ins for Slack and the platforms: no account anywhere is needed."""
    from demo import serve

    sys.exit(serve(port=port, data=data, browser=browser, empty=empty))


@app.command()
def migrate() -> None:
    """Bring the database to this version's tables."""
    from bot.settings import Settings
    from core.store.migrate import migrate as bring_up

    bring_up(Settings().database_url)
    typer.echo("The database is up to date.")


def _watch_parent(stop: threading.Event) -> None:
    """The demo holds our standard input open: when it dies in whatever way, so do we."""
    while os.read(0, 1024):  # beneath sys.stdin, whose lock this thread would still hold when the interpreter ends
        pass
    stop.set()


def main() -> NoReturn:
    """The entry point: a person's error is one sentence and exit code 2."""
    try:
        app()
    except SegsyncError as error:
        typer.echo(f"segsync: {error}", err=True)
        sys.exit(2)
    sys.exit(0)


if __name__ == "__main__":
    main()
