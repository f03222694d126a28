"""Segments in files: what they are called, what they hold, and when a reading proves nothing."""

import os
from pathlib import Path

import polars as pl
import pytest

from core.errors import ColumnsMissing, QueryFailed, SegmentGone, SourceUnavailable
from core.models import SegmentKind
from sources.files import FilesSource


@pytest.fixture
def source(tmp_path: Path) -> FilesSource:
    pl.DataFrame({"Email": ["a@example.com", None], "zip": ["1", "2"]}).write_parquet(tmp_path / "brand-fans.parquet")
    (tmp_path / "guests.csv").write_text('email,phone\n"a@example.com",0012\n,""\n')
    (tmp_path / "guests.meta.toml").write_text('name = "Webinar guests"\ncreator = "Mia Chen"\ndefault_country = "DE"\n')
    pl.DataFrame({"domain": ["a.example"], "company": ["A"]}).write_parquet(tmp_path / "accounts.parquet")
    (tmp_path / ".hidden.parquet.part").write_text("x")
    return FilesSource(name="files", folder=tmp_path)


def rows(source: FilesSource, segment_id: str, names: list[str]) -> list[tuple[object, ...]]:
    with source.read(segment_id) as reading:
        return [row for batch in reading.batches(names) for row in pl.DataFrame(batch).iter_rows()]


def test_each_file_is_a_segment_with_its_own_words(source: FilesSource) -> None:
    accounts, fans, guests = source.segments()
    assert (fans.name, fans.size, fans.kind) == ("Brand fans", 2, SegmentKind.CONTACTS)
    assert (guests.name, guests.creator, guests.size) == ("Webinar guests", "Mia Chen", None)
    assert accounts.kind is SegmentKind.COMPANIES
    assert source.segment("guests").size == 2


def test_text_stays_text_and_empty_means_absent(source: FilesSource) -> None:
    assert rows(source, "guests", ["phone", "email"]) == [("0012", "a@example.com"), (None, None)]


def test_columns_are_known_by_their_usual_names_or_as_declared(source: FilesSource, tmp_path: Path) -> None:
    with source.read("brand-fans") as reading:
        assert (reading.columns.email, reading.columns.postal_code, reading.columns.key) == (("Email",), "zip", None)
    (tmp_path / "brand-fans.meta.toml").write_text('[columns]\nkey = "zip"\n')
    with source.read("brand-fans") as reading:
        assert reading.columns.key == "zip"
    with source.read("guests") as reading:
        assert reading.columns.default_country == "DE"


def test_a_declared_column_that_is_gone_is_an_error_and_never_means_without(source: FilesSource, tmp_path: Path) -> None:
    strict = FilesSource(name="files", folder=tmp_path, consent="consent")
    with pytest.raises(ColumnsMissing, match="consent"), strict.read("guests"):
        pass
    with strict.read("accounts") as reading:
        assert reading.columns.consent is None


@pytest.mark.parametrize(
    "content", ["email,phone\na@example.com\n", "email,phone\na@example.com,1\nb@exa", "email,phone\na,1,2\n"]
)
def test_a_csv_that_was_cut_is_an_error_and_not_a_shorter_segment(source: FilesSource, tmp_path: Path, content: str) -> None:
    (tmp_path / "guests.csv").write_text(content)
    with pytest.raises(QueryFailed) as caught:
        rows(source, "guests", ["email"])
    assert "example" not in str(caught.value)


def test_a_file_that_changes_while_it_is_read_is_noticed(source: FilesSource, tmp_path: Path) -> None:
    path = tmp_path / "guests.csv"
    with source.read("guests") as reading:
        assert reading.complete()
        before = path.stat()
        path.write_text(path.read_text().replace("0012", "0013"))  # in place, the same size
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert not reading.complete()


def test_a_young_file_proves_nothing_and_an_old_one_its_content(source: FilesSource, monkeypatch: pytest.MonkeyPatch) -> None:
    with source.read("guests") as reading:
        assert reading.version is None
    monkeypatch.setattr("sources.files._YOUNG_NS", -1)
    with source.read("guests") as first, source.read("guests") as second:
        assert first.version == second.version is not None


def test_what_is_not_there_is_said(source: FilesSource, tmp_path: Path) -> None:
    for name in ("nobody", "../guests", ".hidden"):
        with pytest.raises(SegmentGone):
            source.segment(name)
    with pytest.raises(SourceUnavailable):
        FilesSource(name="files", folder=tmp_path / "elsewhere").segments()


def test_a_broken_file_does_not_hide_the_others(source: FilesSource, tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not really")
    assert [s.id for s in source.segments()] == ["accounts", "brand-fans", "guests"]
    with pytest.raises(QueryFailed):
        source.segment("broken")
