"""Charts as Slack draws them, and the same numbers as text for clients that refuse them.

Shape and limits: docs.slack.dev/reference/block-kit/blocks/data-visualization-block (line: 12 series of 20 points, labels of 20).
"""

from collections.abc import Sequence
from typing import Any

from bot.blocks import kit

_TYPE = "data_visualization"
POINTS = 20
_LABEL = 20


def line(title: str, series: str, points: Sequence[tuple[str, float]], *, y: str = "") -> kit.Block:
    """One line over time; of more points than Slack draws, the last."""
    shown = [(kit.cut(label, _LABEL), value) for label, value in points[-POINTS:]]
    axes: dict[str, Any] = {"categories": [label for label, _ in shown]}
    if y:
        axes["y_label"] = y
    data = [{"label": label, "value": value} for label, value in shown]
    chart = {"type": "line", "series": [{"name": kit.cut(series, _LABEL), "data": data}], "axis_config": axes}
    return {"type": _TYPE, "title": kit.cut(title, 50), "chart": chart}


def has_chart(message: kit.Message) -> bool:
    """Whether a client may refuse it for its chart."""
    return any(b.get("type") == _TYPE for b in message["blocks"])


def without(message: kit.Message) -> kit.Message:
    """The same message with tables of text in place of charts."""
    return message | {"blocks": [_table(b) if b.get("type") == _TYPE else b for b in message["blocks"]]}


def _table(chart: kit.Block) -> kit.Block:
    lines = []
    for series in chart["chart"]["series"]:
        width = max((len(p["label"]) for p in series["data"]), default=0)
        lines += [f"{p['label']:<{width}}  {p['value']:>8,}" for p in series["data"]]
    text = kit.esc("\n".join(lines))
    return kit.section(f"*{kit.esc(chart['title'])}*\n```{kit.cut(text, 2800)}```")
