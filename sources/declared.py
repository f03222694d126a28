"""A segment as the operator declares it for a source that does not describe its segments itself."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from core.errors import SegmentGone
from core.models import Segment, SegmentKind
from core.ports import ColumnMap
from sources.columns import column_map, kind_of


@dataclass(frozen=True, slots=True)
class Declared:
    """`read`: the query, or the path. `columns`: field → column; for e-mail, phone and mobile id also a list of columns."""

    id: str
    read: str
    name: str = ""
    creator: str | None = None
    description: str | None = None
    kind: SegmentKind | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    consent: str | None = None
    default_country: str | None = None
    count: str | None = None  # a query that answers how many rows there are
    version: str | None = None  # a query whose answer changes whenever the segment does

    def columns_of(self, names: Sequence[str], *, strict: bool = True) -> ColumnMap:
        """Which of these columns holds what. Raises ColumnsMissing."""
        return column_map(names, self.columns, consent=self.consent, default_country=self.default_country, strict=strict)

    def segment(self, source: str, *, names: Sequence[str] = (), size: int | None = None) -> Segment:
        """As the core knows it; `names`: its columns, once they are known."""
        return Segment(
            source=source,
            id=self.id,
            name=self.name or self.id.replace("-", " ").replace("_", " ").capitalize(),
            kind=self.kind or (kind_of(self.columns_of(names, strict=False)) if names else SegmentKind.CONTACTS),
            size=size,
            creator=self.creator,
            description=self.description,
            columns=tuple(names),
        )


def find(declared: Iterable[Declared], segment_id: str) -> Declared:
    """The one with this id. Raises SegmentGone."""
    found = next((d for d in declared if d.id == segment_id), None)
    if found is None:
        raise SegmentGone
    return found


def in_text(value: Any) -> str | None:
    """A value as text: truth in words that every consent column has, everything else as it prints; empty means absent."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def in_batches(names: Sequence[str], rows: Iterable[Sequence[Any]], size: int) -> Iterator[pa.RecordBatch]:
    """Rows of these columns as Arrow text, `size` rows at a time."""
    part: list[Sequence[Any]] = []

    def batch() -> pa.RecordBatch:
        columns = zip(*part, strict=True)
        arrays = [pa.array([in_text(v) for v in column], pa.string()) for column in columns]
        return pa.RecordBatch.from_arrays(arrays, names=list(names))

    for row in rows:
        part.append(row)
        if len(part) == size:
            yield batch()
            part = []
    if part:
        yield batch()
