"""The time: the machine's, or the demo's, which a file moves forward."""

from datetime import UTC, datetime, timedelta
from pathlib import Path


class SystemClock:
    """Now. `offset_file` holds seconds ahead of the real time as text; a missing or unreadable one means none."""

    def __init__(self, offset_file: Path | None = None) -> None:
        self._offset_file = offset_file

    def now(self) -> datetime:
        """The present, aware, UTC."""
        now = datetime.now(UTC)
        if self._offset_file is None:
            return now
        try:
            return now + timedelta(seconds=float(self._offset_file.read_text()))
        except (OSError, ValueError):
            return now
