"""Segments that are queries: what is read, what is refused, and what never happens to the database."""

import sqlite3
from pathlib import Path

import polars as pl
import pytest

from core.errors import ColumnsMissing, QueryFailed, SegmentGone, SourceUnavailable
from core.models import SegmentKind
from sources.declared import Declared
from sources.sql import SqlSource

PEOPLE = Declared(
    "buyers",
    "SELECT mail AS email, tel AS phone, agreed FROM people WHERE bought = 1 ORDER BY mail",
    name="Buyers",
    creator="Ana Ruiz",
    consent="agreed",
    count="SELECT count(*) FROM people WHERE bought = 1",
    version="SELECT max(changed) FROM people",
)
ACCOUNTS = Declared("accounts", "SELECT domain, company FROM accounts")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "warehouse.db"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE people (mail TEXT, tel TEXT, agreed BOOLEAN, bought INT, changed INT)")
        database.executemany(
            "INSERT INTO people VALUES (?, ?, ?, ?, ?)",
            [("b@example.com", "0012", 1, 1, 7), ("a@example.com", None, 0, 1, 9), ("c@example.com", "", 1, 0, 3)],
        )
        database.execute("CREATE TABLE accounts (domain TEXT, company TEXT)")
        database.execute("INSERT INTO accounts VALUES ('a.example', 'A')")
    database.close()
    return file


def source(path: Path, *declared: Declared, timeout_s: float = 5) -> SqlSource:
    return SqlSource(name="warehouse", url=f"sqlite:///{path}", segments=declared or (PEOPLE, ACCOUNTS), timeout_s=timeout_s)


def rows(of: SqlSource, segment_id: str, names: list[str]) -> list[tuple[object, ...]]:
    with of.read(segment_id) as reading:
        return [row for batch in reading.batches(names) for row in pl.DataFrame(batch).iter_rows()]


def test_a_query_is_a_segment_with_its_size_and_columns(path: Path) -> None:
    warehouse = source(path)
    assert [s.name for s in warehouse.segments()] == ["Buyers", "Accounts"]
    buyers = warehouse.segment("buyers")
    assert (buyers.size, buyers.creator, buyers.kind) == (2, "Ana Ruiz", SegmentKind.CONTACTS)
    assert warehouse.segment("accounts").kind is SegmentKind.COMPANIES
    warehouse.close()


def test_rows_come_as_text_and_empty_means_absent(path: Path) -> None:
    warehouse = source(path)
    assert rows(warehouse, "buyers", ["phone", "email"]) == [(None, "a@example.com"), ("0012", "b@example.com")]
    assert rows(warehouse, "buyers", ["agreed"]) == [("0",), ("1",)]
    warehouse.close()


def test_a_reading_knows_its_version_and_its_consent_column(path: Path) -> None:
    warehouse = source(path)
    with warehouse.read("buyers") as reading:
        assert (reading.version, reading.columns.consent) == ("9", "agreed")
    warehouse.close()


def test_a_declared_column_that_is_gone_is_an_error(path: Path) -> None:
    warehouse = source(path, Declared("x", "SELECT mail AS email FROM people", consent="agreed"))
    with pytest.raises(ColumnsMissing, match="agreed"), warehouse.read("x"):
        pass
    warehouse.close()


def test_nothing_can_be_written(path: Path) -> None:
    warehouse = source(path, Declared("x", "INSERT INTO accounts VALUES ('evil', 'x') RETURNING domain"))
    with pytest.raises(QueryFailed), warehouse.read("x"):
        pass
    warehouse.close()
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM accounts").fetchone() == (1,)
    database.close()


def test_a_query_that_takes_too_long_is_ended(path: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS email FROM n"
    warehouse = source(path, Declared("x", endless), timeout_s=0.2)
    with pytest.raises(QueryFailed, match="took longer"), warehouse.read("x"):
        pass
    warehouse.close()


@pytest.mark.parametrize("query", ["SELECT nothing FROM people", "SELECT * FROM nowhere", "this is no query"])
def test_what_the_database_refuses_is_said_without_its_words(path: Path, query: str) -> None:
    warehouse = source(path, Declared("x", query))
    with pytest.raises(QueryFailed) as refused, warehouse.read("x"):
        pass
    assert "nothing" not in str(refused.value)
    warehouse.close()


def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    warehouse = source(tmp_path / "no" / "such" / "folder.db")
    with pytest.raises(SourceUnavailable), warehouse.read("buyers"):
        pass
    warehouse.close()


def test_a_segment_that_nobody_declared_is_gone(path: Path) -> None:
    warehouse = source(path)
    with pytest.raises(SegmentGone):
        warehouse.segment("other")
    warehouse.close()
