"""Writes `docs/channels.md` from the tables of errors in `channels/`: `python -m tests.channels.page`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from channels import google_errors, linkedin_errors, meta_errors
from core.errors import ChannelError, NeedsReconnect, Rejected
from core.models import Channel
from core.troubleshooting import explain_code

PAGE = Path(__file__).parents[2] / "docs" / "channels.md"
HEAD = """# What the ad platforms refuse, and what segsync makes of it

Written by `make docs` from the tables in `channels/`; change those, not this page. A platform's answer becomes one alert with one
remedy. What passes by itself is tried again first, longer and longer, and alerts only when that does not help. Only where a
platform refuses members of a batch is the batch divided, until who is refused is known; all others go in.

## Received, against sent

LinkedIn answers for each member, Meta with a count, Google later with counts by reason. Who is missing from that is sent
again once. Where a platform does not say who was left out a second time, they are looked for in requests of a hundred and
then of one, at most twenty of them in one refresh and half an hour for each of these steps at Google; more are counted only.
Who is refused stays so until the data change, the weekly pass, or a person's *Retry*.

## A full resync

| channel | what it does | people whom segsync does not know |
| --- | --- | --- |
| Meta | replaces the audience in one session | leave |
| Google | sends everybody again; when all of that is done, removes whoever was not sent since it began | leave |
| LinkedIn | removes whoever left and sends everybody else again, in the same audience | stay |

LinkedIn neither lists the members of an audience nor removes anybody whom one does not name, so that whom segsync never
sent, or sent after a backup that was restored, cannot be taken out there. Removing first all that the ledger holds would
find nobody more, and would leave the audience empty until LinkedIn has settled, below the size from which campaigns run. The
audience is private to segsync's app; where strangers matter, delete the sync with its audience and create it anew, then
point the campaigns to it.
"""


@dataclass(frozen=True)
class Table:
    """One platform's table. `expired`: what of NeedsReconnect means an end that was known; `reasons`: of refused members."""

    channel: Channel
    how: str
    rows: Mapping[str, type[ChannelError]]
    expired: Sequence[str]
    reasons: Mapping[str, str] = field(default_factory=dict)
    handled: tuple[type[ChannelError], ...] = ()


def _meta(row: int | tuple[int, int]) -> str:
    return f"{row[0]}/{row[1]}" if isinstance(row, tuple) else str(row)


TABLES = (
    Table(
        Channel.GOOGLE,
        "The reason of a field, else the code of a Google Ads failure, else the whole's reason or status, else HTTP's status.",
        {str(row): kind for row, kind in google_errors.TABLE.items()},
        google_errors.EXPIRED,
        {f"a field `{part}`": reason for part, reason in google_errors.REASONS} | dict(google_errors.PROCESSING),
        google_errors.HANDLED,
    ),
    Table(
        Channel.LINKEDIN,
        "The code, else the number beside it (`serviceErrorCode`), else the HTTP status; what a 403 is about, by its sentence.",
        {str(row): kind for row, kind in linkedin_errors.TABLE.items()}
        | {f"403 and `{pattern.removeprefix('(?i)')}`": kind for pattern, kind in linkedin_errors.DENIED},
        [str(row) for row in linkedin_errors.EXPIRED],
        {f"a sentence with `{pattern.removeprefix('(?i)')}`": reason for pattern, reason in linkedin_errors.REASONS},
    ),
    Table(
        Channel.META,
        "The code with its subcode, else the code alone.",
        {_meta(row): kind for row, kind in meta_errors.TABLE.items()},
        [f"190/{subcode}" for subcode in meta_errors.EXPIRED],
    ),
)


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_section(table) for table in TABLES)])


def _section(table: Table) -> str:
    label = table.channel.label
    lines = [f"## {label}", "", f"An error is known by: {table.how[0].lower()}{table.how[1:]}", ""]
    lines += [f"| {label} says | alert | what people read | remedy |", "| --- | --- | --- | --- |"]
    groups: dict[tuple[type[ChannelError], bool], list[str]] = {}
    for name in (*table.rows, *(e for e in table.expired if e not in table.rows)):
        kind = table.rows.get(name, NeedsReconnect)
        groups.setdefault((kind, kind is NeedsReconnect and name in table.expired), []).append(name)
    ordered = sorted(groups.items(), key=lambda item: (not item[0][0].permanent, _code(*item[0]), item[0][0].__name__))
    lines += [_row(table, kind, names, expired=expired) for (kind, expired), names in ordered]
    if table.reasons:
        lines += [
            "",
            f"Members that {label} refuses are counted by reason:",
            "",
            f"| {label} says | counted as |",
            "| --- | --- |",
        ]
        lines += [f"| {_cell(said)} | {reason.replace('_', ' ')} |" for said, reason in table.reasons.items()]
    return "\n".join([*lines, ""])


def _code(kind: type[ChannelError], expired: bool) -> str:
    return "connection_expired" if expired else kind.code


def _row(table: Table, kind: type[ChannelError], names: Sequence[str], *, expired: bool) -> str:
    says = "<br>".join(_cell(name) for name in names)
    if kind in table.handled:
        return f"| {says} | none | {(kind.__doc__ or '').strip()} | segsync deals with it |"
    if kind is Rejected:
        return f"| {says} | none, unless many are refused | The batch is divided; who is refused is counted. | Smaller batches. |"
    found = explain_code(_code(kind, expired), channel=table.channel.label)
    again = "" if kind.permanent else " Tried again by itself."
    return f"| {says} | `{_code(kind, expired)}` | {_cell(found.cause)} | {_cell(found.remedy)}{again} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
