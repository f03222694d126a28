"""A source that cannot prove that it was read whole: who is missing from one reading stays, who is missing from two goes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from core.models import RefreshState
from core.ports import Op, Reading
from sources.files import FilesSource
from tests.engine.conftest import Desk

ROWS = [{"key": str(i), "email": f"person{i}@example.com", "phone": None} for i in range(300)]


class Shaky(FilesSource):
    """Every other going through lacks a row that moves between pages meanwhile."""

    passes = 0
    proven = False

    @contextmanager
    def read(self, segment_id: str) -> Iterator[Reading]:
        with super().read(segment_id) as reading:

            def batches(wanted: Sequence[str]) -> Iterator[pa.RecordBatch]:
                self.passes += 1
                place = self.passes % 7
                for batch in reading.batches(wanted):
                    table = pa.Table.from_batches([batch])
                    lacking = pa.concat_tables([table.slice(0, place), table.slice(place + 1)]) if self.passes % 2 else table
                    yield from lacking.to_batches()

            yield replace(reading, version=None, batches=batches, proven=self.proven)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.source = Shaky(name="files", folder=made.segments)
    made.restart()
    return made


def test_who_is_missing_from_one_of_two_readings_stays(desk: Desk) -> None:
    desk.write(ROWS)
    for _ in range(4):
        assert desk.refresh().state is RefreshState.SUCCEEDED
        assert len(desk.platform.held()) == 300
        assert desk.sync().members == 300
    assert desk.platform.sent(Op.REMOVE) == []
    desk.write(ROWS[:280])
    last = desk.refresh()
    assert (last.counts.removed, last.counts.members, len(desk.platform.held())) == (20, 280, 280)


def test_without_the_second_reading_somebody_would_leave(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shaky, "proven", True)
    desk.write(ROWS)
    desk.refresh()
    assert len(desk.platform.held()) < 300


def test_rows_that_give_nothing_are_counted_once(desk: Desk) -> None:
    desk.write([*ROWS, *({"key": f"bad{i}", "email": "nonsense", "phone": None} for i in range(40))])
    for _ in range(3):
        desk.refresh()
        sync = desk.sync()
        assert (sync.members, sync.matchable) == (340, 300)
