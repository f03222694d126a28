"""Settings that cannot be read, in words for whoever wrote them; what they hold is not repeated."""

import difflib
import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_settings import SettingsError

from bot.settings import Settings
from core.errors import ConfigError

_KINDS = ("files", "sql", "http")  # of sources: in an error's place, but not in what was written
_OURS = ("SEGSYNC_SECRETS_DIR", "SEGSYNC_TEST_DATABASE")  # not settings


@dataclass(frozen=True, slots=True)
class Slip:
    """`name`: as it is written in the environment, or the place inside a table of `segsync.toml`; empty for all of them."""

    name: str
    said: str
    fix: str


class Slips(ConfigError):
    """The settings need another look."""

    def __init__(self, found: list[Slip]) -> None:
        lines = [f"  {one.name}: {one.said}" if one.name else f"  {one.said}" for one in found]
        super().__init__("\n".join(["the settings need another look (docs/settings.md):", *lines]))
        self.found = found


def read() -> Settings:
    """The settings. Raises Slips."""
    try:
        return Settings()
    except ValidationError as wrong:
        raise Slips(list(_slips(wrong))) from None
    except tomllib.TOMLDecodeError as wrong:
        raise Slips([Slip("segsync.toml", f"is not TOML: {wrong}", "Quote texts, and close every quote and bracket.")]) from None
    except SettingsError as wrong:  # names the field, and not what it holds
        name = str(wrong).partition('field "')[2].partition('"')[0].upper()
        raise Slips([Slip(f"SEGSYNC_{name}", "is not JSON", "Lists and tables are JSON in the environment.")]) from None


def unknown() -> list[Slip]:
    """What the environment names that is no setting: a slip, or left from another version."""
    known = [f"SEGSYNC_{name.upper()}" for name in Settings.model_fields]
    found = [name for name in os.environ if name.upper().startswith("SEGSYNC_") and name.upper() not in (*known, *_OURS)]
    return [Slip(name, "no setting is called so", _meant(name.upper(), known)) for name in sorted(found)]


def _slips(wrong: ValidationError) -> Iterator[Slip]:
    for error in wrong.errors(include_input=False, include_context=False, include_url=False):
        first, *rest = [str(part) for part in error["loc"]] or [""]
        inside = [part for part in rest if part not in _KINDS]
        name = ".".join([first, *inside]) if inside else f"SEGSYNC_{first.upper()}" if first else ""
        where = f"`{name}` in segsync.toml" if inside else f"{name}, or `{first}` in segsync.toml"
        match error["type"]:
            case "missing":
                yield Slip(name, "is needed", f"Set {where}.")
            case "model_type" | "model_attributes_type" | "dict_type":
                yield Slip(name, "is no table", "A table is a JSON object in the environment.")
            case "extra_forbidden":
                known = list(Settings.model_fields) if not inside else []
                yield Slip(f"`{first}` in segsync.toml" if not inside else name, "no setting is called so", _meant(first, known))
            case _:
                fix = f"Look at {where}." if name else "Set it as SEGSYNC_… or in segsync.toml."
                yield Slip(name, error["msg"].removeprefix("Value error, "), fix)


def _meant(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"Is {near[0]} meant? Else take it out." if near else "Take it out, or write it as in docs/settings.md."
