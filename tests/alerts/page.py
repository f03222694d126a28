"""`docs/alerts.md`, written from the catalogue."""

from pathlib import Path

from core.models import Channel
from core.remedies import REMEDIES
from core.troubleshooting import CATALOGUE, Remedy, Route, Trouble, explain_code

PAGE = Path(__file__).parents[2] / "docs" / "alerts.md"
HEAD = """# Alerts: what each one means and what to do

Written by `make docs` from the catalogue in `core/troubleshooting.py`; change that, not this page. One alert is open for each
cause: it names the syncs concerned, counts repeats in place, and turns to *Resolved* by itself when its cause is gone. What comes
back within an hour goes on in the same message. Errors on which nobody acts within an hour reach the administrators.
"""
_ROUTES = {
    Route.FAILURE: "the owners by direct message; the alert conversation",
    Route.CONNECTION: "whose connection it is and the owners by direct message; the alert conversation",
    Route.AHEAD: "whose connection it is, 14, 7 and 1 days before; on the last day the alert conversation too",
    Route.ADMINISTRATORS: "the administrators by direct message; the alert conversation",
    Route.WATCH: "the owners by direct message; the alert conversation",
    Route.OWNERS: "the owners by direct message",
}
_ACTIONS = {
    Remedy.RETRY: "Retry",
    Remedy.RECONNECT: "Reconnect",
    Remedy.TAKE_OVER: "Take over",
    Remedy.APPLY: "Apply",
    Remedy.KEEP: "Keep the old audience",
    Remedy.OPEN: "Open in the channel",
    Remedy.ACKNOWLEDGE: "Acknowledge",
    Remedy.SNOOZE: "Snooze",
    Remedy.DETAILS: "Details",
}


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_section(code, trouble) for code, trouble in CATALOGUE.items())])


def _section(code: str, trouble: Trouble) -> str:
    said = explain_code(code, channel="the platform")
    title = f"{said.title[0].upper()}{said.title[1:]}"
    lines = [
        f"## `{code}`: {title}",
        "",
        f"{trouble.severity.value.capitalize()}; one for each {trouble.scope.value}. {said.cause[0].upper()}{said.cause[1:]}",
        "",
        f"* **What to do**: {said.remedy}",
        *(f"* **{c.label}**: {REMEDIES[code, c]}" for c in Channel if (code, c) in REMEDIES),
        f"* **Buttons**: {', '.join(_ACTIONS[a] for a in trouble.actions)}",
        f"* **Who hears of it**: {_ROUTES[trouble.route]}",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page())
