"""Writes `docs/settings.md` from the settings themselves: `python -m tests.cli.page`."""

import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from bot.settings import GooglePlatform, LinkedInPlatform, Platform, Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
_HIDDEN = ("clock_file",)
_HEAD = """# Settings

Each is read from the environment (`SEGSYNC_` and its name in capitals, lists and tables as JSON), else from a file of its own in
the folder that `SEGSYNC_SECRETS_DIR` names, else from `segsync.toml` in the working folder. `segsync doctor` says what is missing
or wrong, and how to fix it. This page is written from the code by `make docs`.
"""


def page() -> str:
    """The page."""
    parts = [_HEAD, _table("Settings", Settings, "SEGSYNC_{}")]
    parts.append(
        "## Ad platforms\n\n`[meta]`, `[linkedin]` and `[google]` in `segsync.toml`, or a JSON object in the environment.\n"
    )
    parts.append(_table("Each platform", Platform, "{}"))
    for title, kind in (("LinkedIn besides", LinkedInPlatform), ("Google besides", GooglePlatform)):
        parts.append(_table(title, kind, "{}", leave=set(Platform.model_fields)))
    return "\n".join(parts)


def _table(title: str, kind: type[BaseModel], form: str, *, leave: set[str] | None = None) -> str:
    rows = [f"### {title}", "", "| setting | what | default |", "| --- | --- | --- |"]
    for name, field in kind.model_fields.items():
        if name in _HIDDEN or name in (leave or set()):
            continue
        shown = f"`{form.format(name.upper() if '_{}' in form else name)}`"
        rows.append(f"| {shown} | {field.description} {_choices(field)}".rstrip() + f" | {_default(field)} |")
    return "\n".join([*rows, ""])


def _choices(field: FieldInfo) -> str:
    kind: Any = field.annotation
    kinds = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    words = [f"`{w}`" for k in kinds if get_origin(k) is Literal for w in get_args(k)]
    bounds = [str(m).rstrip(")").partition("(") for m in field.metadata]
    signs = {"Ge": "at least", "Gt": "more than", "Le": "at most"}
    told = [f"{signs[name]} {rest.rpartition('=')[2]}" for name, _, rest in bounds if name in signs]
    return " ".join(filter(None, [f"One of {', '.join(words)}." if words else "", f"({', '.join(told)})" if told else ""]))


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "**needed**"
    if value is None or value == [] or (isinstance(value, SecretStr) and not value.get_secret_value()):
        return ""
    return f"`{', '.join(map(str, value)) if isinstance(value, tuple) else value}`"


if __name__ == "__main__":
    PAGE.write_text(page())
