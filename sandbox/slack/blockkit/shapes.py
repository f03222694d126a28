"""The vocabulary in which Block Kit's rules are written down, and the check of a value against it.

Messages and JSON pointers are Slack's own, as its answers show them: `must be less than 3001 characters
[json-pointer:/blocks/0/text/text]`, `no more than 25 items allowed`, `missing required field: text`,
`unsupported type: sections`, `invalid additional property: x`, `must be a valid enum value`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, in Slack's words, and the JSON pointer of where."""

    message: str
    pointer: str

    def __str__(self) -> str:
        """The text as Slack's `errors` have it."""
        return f"{self.message} [json-pointer:{self.pointer}]"


class Shape(Protocol):
    """What a JSON value has to look like."""

    def check(self, value: Any, pointer: str, out: list[Fault]) -> None:
        """Append to `out` whatever is wrong with `value`, which stands at `pointer`."""


@dataclass(frozen=True)
class Str:
    """A string of `least` to `most` characters, of a pattern or one of some words when given."""

    most: int | None = None
    least: int = 0
    words: tuple[str, ...] = ()
    pattern: str = ""
    complaint: str = "must match pattern"

    def check(self, value: Any, pointer: str, out: list[Fault]) -> None:
        """See `Shape.check`."""
        if not isinstance(value, str):
            out.append(Fault("must provide a string", pointer))
        elif self.words and value not in self.words:
            out.append(Fault("must be a valid enum value", pointer))
        elif self.most is not None and len(value) > self.most:
            out.append(Fault(f"must be less than {self.most + 1} characters", pointer))
        elif len(value) < self.least:
            out.append(Fault(f"must be more than {self.least - 1} characters", pointer))
        elif self.pattern and not re.fullmatch(self.pattern, value):
            out.append(Fault(self.complaint, pointer))


@dataclass(frozen=True)
class Bool:
    """True or false."""

    def check(self, value: Any, pointer: str, out: list[Fault]) -> None:
        """See `Shape.check`."""
        if not isinstance(value, bool):
            out.append(Fault("must be a boolean", pointer))


@dataclass(frozen=True)
class Num:
    """A number; whole unless `fraction`."""

    least: float | None = None
    most: float | None = None
    fraction: bool = False

    def check(self, value: Any, pointer: str, out: list[Fault]) -> None:
        """See `Shape.check`."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            out.append(Fault("must provide a number" if self.fraction else "must provide an integer", pointer))
        elif not self.fraction and not float(value).is_integer():
            out.append(Fault("must provide an integer", pointer))
        elif self.least is not None and value < self.least:
            out.append(Fault(f"must be greater than {self.least - 1:g}", pointer))
        elif self.most is not None and value > self.most:
            out.append(Fault(f"must be less than {self.most + 1:g}", pointer))


@dataclass(frozen=True)
class Items:
    """An array of `least` to `most` values of one shape."""

    of: Shape
    most: int | None = None
    least: int = 0

    def check(self, value: Any, pointer: str, out: list[Fault]) -> None:
        """See `Shape.check`."""
        if not isinstance(value, list):
            out.append(Fault("must provide an array", pointer))
            return
        if self.most is not None and len(value) > self.most:
            out.append(Fault(f"no more than {self.most} items allowed", pointer))
        if len(value) < self.least:
            out.append(Fault(f"no less than {self.least} items allowed", pointer))
        for index, item in enumerate(value):
            self.of.check(item, f"{pointer}/{index}", out)


Rule = Callable[[Mapping[str, Any], str, list[Fault]], None]


@dataclass(frozen=True)
class Obj:
    """An object with exactly these fields, and `rules` that see several of them at once."""

    must: Mapping[str, Shape] = field(default_factory=dict)
    may: Mapping[str, Shape] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    closed: bool = True

    def check(self, value: Any, pointer: str, out: list[Fault]) -> None:
        """See `Shape.check`."""
        if not isinstance(value, dict):
            out.append(Fault("must provide an object", pointer))
            return
        before = len(out)
        out += [Fault(f"missing required field: {name}", pointer) for name in self.must if name not in value]
        for name, item in value.items():
            shape = self.must.get(name) or self.may.get(name)
            if shape is not None:
                shape.check(item, f"{pointer}/{name}", out)
            elif self.closed:
                out.append(Fault(f"invalid additional property: {name}", pointer))
        if len(out) == before:  # rules may trust the types of what they read
            for rule in self.rules:
                rule(value, pointer, out)


@dataclass(frozen=True)
class Typed:
    """An object whose `type` says which of several shapes it has; filled in later so that shapes may nest."""

    kinds: Mapping[str, Shape]

    def check(self, value: Any, pointer: str, out: list[Fault]) -> None:
        """See `Shape.check`."""
        if not isinstance(value, dict):
            out.append(Fault("must provide an object", pointer))
        elif "type" not in value:
            out.append(Fault("missing required field: type", pointer))
        elif not isinstance(value["type"], str) or value["type"] not in self.kinds:
            out.append(Fault(f"unsupported type: {value['type']}", f"{pointer}/type"))
        else:
            self.kinds[value["type"]].check(value, pointer, out)


@dataclass(frozen=True)
class Free:
    """Anything at all."""

    def check(self, value: Any, pointer: str, out: list[Fault]) -> None:
        """See `Shape.check`."""


def one_of(*names: str) -> Rule:
    """A rule: exactly one of these fields has to be there."""

    def rule(value: Mapping[str, Any], pointer: str, out: list[Fault]) -> None:
        found = [name for name in names if name in value]
        if not found:
            out.append(Fault(f"missing required field: {names[0]}", pointer))
        elif len(found) > 1:
            out.append(Fault(f"only one of {', '.join(names)} allowed", pointer))

    return rule


def some_of(*names: str) -> Rule:
    """A rule: at least one of these fields has to be there."""

    def rule(value: Mapping[str, Any], pointer: str, out: list[Fault]) -> None:
        if not any(name in value for name in names):
            out.append(Fault(f"missing required field: {names[0]}", pointer))

    return rule
