"""Segments in a folder: each Parquet or CSV file is one.

`NAME.meta.toml` beside `NAME.parquet` may say more about it:

name = "EMEA brand"                 # else the file's name
creator = "Ana Ruiz"
description = "…"
kind = "companies"                  # else what the columns tell
default_country = "DE"              # for phones written without a country
[columns]                           # else columns are known by their usual names
key = "crm_id"
email = ["work_mail", "private_mail"]
consent = "opted_in"
"""

import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from core.errors import ColumnsMissing, QueryFailed, SegmentGone, SourceUnavailable
from core.models import Segment, SegmentKind
from core.ports import ColumnMap, Reading
from sources.columns import column_map, kind_of

_SUFFIXES = (".parquet", ".csv")
_YOUNG_NS = 2_000_000_000  # a file written less than this ago may change again within the clock's grain
_BATCH = 64 << 10
_BUFFER = 1 << 20
_Identity = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What was found out about a file as it was under this identity."""

    identity: _Identity
    columns: tuple[str, ...]
    rows: int | None


class FilesSource:
    """A folder of files. `consent`: the consent column's name where a file's own `meta.toml` names none."""

    def __init__(self, *, name: str, folder: Path, consent: str | None = None, default_country: str | None = None) -> None:
        self.name = name
        self._folder, self._consent, self._country = folder, consent, default_country
        self._shapes: dict[Path, _Shape] = {}

    def segments(self) -> Sequence[Segment]:
        """All segments; a CSV file's size is known once it has been counted. A file that cannot be read is left out here."""
        if not self._folder.is_dir():
            raise SourceUnavailable(f"The folder of the source {self.name} is not there.")
        found = []
        for path in sorted(self._folder.iterdir()):
            if path.suffix in _SUFFIXES and not path.name.startswith("."):
                try:
                    found.append(self._segment(path, count=False))
                except (QueryFailed, SegmentGone):  # shown when somebody picks it by its name; it must not hide the others
                    continue
        return found

    def segment(self, segment_id: str) -> Segment:
        """One segment, counted. Raises SegmentGone, QueryFailed."""
        return self._segment(self._path(segment_id), count=True)

    @contextmanager
    def read(self, segment_id: str) -> Iterator[Reading]:
        """Opens the segment. Raises SegmentGone, QueryFailed, ColumnsMissing."""
        path = self._path(segment_id)
        before = _identity(path)
        segment = self._segment(path, count=False)
        meta = _meta(path)
        columns = self._columns(segment.columns, meta)
        scan = _parquet if path.suffix == ".parquet" else _csv

        def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
            with _told(path):
                yield from scan(path, names)

        is_old = time.time_ns() - max(before[2], before[3]) > _YOUNG_NS
        version = "-".join(map(str, before)) if is_old else None
        yield Reading(segment, columns, version, batches, lambda: _same(path, before))

    def _path(self, segment_id: str) -> Path:
        for suffix in _SUFFIXES:
            path = self._folder / f"{segment_id}{suffix}"
            if path.parent == self._folder and path.is_file() and not segment_id.startswith("."):
                return path
        if not self._folder.is_dir():
            raise SourceUnavailable(f"The folder of the source {self.name} is not there.")
        raise SegmentGone

    def _segment(self, path: Path, *, count: bool) -> Segment:
        shape, meta = self._shape(path, count=count), _meta(path)
        columns = self._columns(shape.columns, meta, strict=False)
        kind = SegmentKind(meta["kind"]) if "kind" in meta else kind_of(columns)
        return Segment(
            source=self.name,
            id=path.stem,
            name=str(meta.get("name") or path.stem.replace("-", " ").replace("_", " ").capitalize()),
            kind=kind,
            size=shape.rows,
            creator=meta.get("creator"),
            changed_at=datetime.fromtimestamp(shape.identity[2] / 1e9, UTC),
            description=meta.get("description"),
            columns=shape.columns,
        )

    def _shape(self, path: Path, *, count: bool) -> _Shape:
        identity = _identity(path)
        known = self._shapes.get(path)
        if known and known.identity == identity and (known.rows is not None or not count):
            return known
        with _told(path):
            if path.suffix == ".parquet":
                with pq.ParquetFile(path) as file:
                    shape = _Shape(identity, tuple(file.schema_arrow.names), file.metadata.num_rows)
            else:
                with _open_csv(path) as reader:
                    rows = sum(batch.num_rows for batch in reader) if count else None
                    shape = _Shape(identity, tuple(reader.schema.names), rows)
        self._shapes[path] = shape
        return shape

    def _columns(self, names: Sequence[str], meta: Mapping[str, Any], *, strict: bool = True) -> ColumnMap:
        """Which column holds what. Raises ColumnsMissing for a declared one that is gone."""
        return column_map(
            names,
            dict(meta.get("columns") or {}),
            consent=self._consent,
            default_country=meta.get("default_country", self._country),
            strict=strict,
        )


def _identity(path: Path) -> _Identity:
    try:
        stat = path.stat()
    except FileNotFoundError as error:
        raise SegmentGone from error
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _same(path: Path, before: _Identity) -> bool:
    try:
        return _identity(path) == before
    except SegmentGone:
        return False


def _meta(path: Path) -> dict[str, Any]:
    beside = path.with_name(f"{path.stem}.meta.toml")
    try:
        return tomllib.loads(beside.read_text())
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise QueryFailed(f"{beside.name} is not valid TOML.") from error


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turns the readers' errors into the source's own, without a value of anybody in them."""
    try:
        yield
    except FileNotFoundError as error:
        raise SegmentGone from error
    except pa.ArrowKeyError as error:
        raise ColumnsMissing from error
    except (pa.ArrowInvalid, UnicodeDecodeError):
        raise QueryFailed(f"{path.name} is not whole, or not a {path.suffix[1:].upper()} file that can be read.") from None
    except OSError as error:
        raise SourceUnavailable(f"{path.name} cannot be read now.") from error


def _parquet(path: Path, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False) as file:  # a row group may be the whole file: not at once
        yield from file.iter_batches(batch_size=_BATCH, columns=list(names))


def _csv(path: Path, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with _open_csv(path, names) as reader:
        yield from reader


def _open_csv(path: Path, names: Sequence[str] | None = None) -> pa_csv.CSVStreamingReader:
    """Text in every column, empty means absent; a row with too few or too many fields is an error, never a shorter segment."""
    with pa_csv.open_csv(path) as probe:
        header = probe.schema.names
    types = pa_csv.ConvertOptions(
        column_types=dict.fromkeys(header, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
        include_columns=list(names) if names is not None else None,
    )
    parsing = pa_csv.ParseOptions(newlines_in_values=True)
    return pa_csv.open_csv(path, parse_options=parsing, convert_options=types)
