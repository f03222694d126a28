"""What commands print: tables and sentences for a person, JSON for a program."""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@dataclass(frozen=True, slots=True)
class Terminal:
    """`as_json`: nothing but one JSON value goes to standard output."""

    as_json: bool = False

    def table(self, title: str, rows: Sequence[Mapping[str, Any]], *, nothing: str = "There is nothing to show.") -> None:
        """Rows with the same keys."""
        if self.as_json:
            self.value(list(rows))
            return
        if not rows:
            typer.echo(nothing)
            return
        shown = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
        for name in rows[0]:
            shown.add_column(name.replace("_", " "), overflow="fold")
        for row in rows:
            shown.add_row(*(cell(v) for v in row.values()))
        Console(soft_wrap=False).print(shown)

    def waiting(self, for_what: str) -> AbstractContextManager[object]:
        """Says on a terminal what takes its time; nothing goes to standard output."""
        return nullcontext() if self.as_json else Console(stderr=True).status(for_what)

    def value(self, value: Any) -> None:
        """One JSON value."""
        typer.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))

    def say(self, sentence: str, **facts: Any) -> None:
        """What was done: a sentence, or the facts."""
        if self.as_json:
            self.value(facts)
        else:
            typer.echo(sentence)


def cell(value: Any) -> str:
    """As a person reads it."""
    match value:
        case None:
            return ""
        case Mapping():
            return ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in value.items())
        case list():
            return ", ".join(str(one).replace("_", " ") for one in value)
        case int() if not isinstance(value, bool):
            return f"{value:,}"
        case _:
            return str(value)
