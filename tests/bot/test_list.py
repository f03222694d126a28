"""The list: filters as people write and click them, paging in place, and ten thousand syncs as quick as ten."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert

from bot.handlers.filters import pack, parse, unpack
from core.errors import InvalidInput
from core.models import Channel, Counts, Phase, Progress, SyncStatus
from core.store import Store
from core.store.migrate import migrate
from core.store.syncs import SyncFilter
from core.tables import SyncRow
from tests.bot.conftest import Office, connect, make_sync
from tests.journeys.desk import Desk, eventually

ORG = "T1"


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("status:failed channel:meta", SyncFilter(status=SyncStatus.FAILED, channel=Channel.META)),
        ("brand CHANNEL:Facebook Status:OFF", SyncFilter(status=SyncStatus.INACTIVE, channel=Channel.META, words="brand")),
        ("account:“EMEA brand” by:me", SyncFilter(account="EMEA brand", owner_id="U0ME1")),
        ("by:<@U01ANARUIZ|ana>", SyncFilter(owner_id="U01ANARUIZ")),
        ("by:@ana segment:intent", SyncFilter(owner_id="U01ANARUIZ", segment="intent")),
        ("segment-by:<@U02BO0|bo> sort:-refreshed", SyncFilter(creator="bo", sort="-refreshed")),
        (":red_circle: web", SyncFilter(status=SyncStatus.FAILED, words="web")),
        ("has:alert", SyncFilter(with_alert=True)),
        ("intent: data", SyncFilter(words="intent: data")),
    ],
)
def test_filters_forgive_order_case_quotes_and_mentions(said: str, wanted: SyncFilter) -> None:
    assert parse(said, "U0ME1", {"ana": "U01ANARUIZ"}.get) == wanted


@pytest.mark.parametrize("said", ["status:odd", "channel:tiktok", "by:@nobody", "sort:colour"])
def test_a_filter_that_means_nothing_is_said_so(said: str) -> None:
    with pytest.raises(InvalidInput):
        parse(said, "U0ME1")


def test_filters_travel_in_a_message_from_click_to_click() -> None:
    wanted = SyncFilter(
        SyncStatus.FAILED, Channel.META, 'The "big" one', "U01ANARUIZ", "R" * 200, with_alert=True, words="w" * 80
    )
    text = pack(wanted, more=True)
    assert len(f"filters|{text}") <= 255
    back, more = unpack(f"filters|{text}", "U0ME1")
    assert more
    assert (back.status, back.channel, back.owner_id, back.with_alert) == (SyncStatus.FAILED, Channel.META, "U01ANARUIZ", True)


def place(desk: Desk, text: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        return next(({"channel": c, "ts": m["ts"]} for c, m in desk.messages() if m.get("ephemeral") and text in str(m)), None)

    return dict(eventually(look, f"a message with {text!r}"))


def test_the_list_is_narrowed_by_owner_ad_account_and_alert_in_place(office: Office) -> None:
    mia, tom = office.desk("Mia"), office.desk("Tom")
    connect(office, mia)
    connect(office, tom)
    make_sync(office, mia, "EMEA brand", "Acme EU")
    make_sync(office, tom, "Webinar guests", "Acme US")
    bo = office.desk("Bo")
    bo.type("/segsync list")
    bo.sees("2 syncs")
    bo.press("More filters")
    bo.sees("Fewer filters")
    bo.click(place(bo, "Fewer filters"), "list.person", value=tom.user)
    bo.sees("1 sync")
    assert "EMEA brand → Meta" not in bo.reads()
    bo.press("Clear")
    bo.sees("2 syncs")
    bo.click(place(bo, "Fewer filters"), "list.account", value="1001")
    assert "EMEA brand → Meta" in bo.sees("1 sync.*|Only ad account")
    bo.press("Clear")
    bo.sees("2 syncs")
    bo.press("With an alert")
    bo.sees("No sync fits these filters")


def test_the_list_takes_a_name_written_with_an_at_sign(office: Office) -> None:
    mia, bo = office.desk("Mia"), office.desk("Bo")
    connect(office, mia)
    make_sync(office, mia)
    bo.type("/segsync list by:@mia status:syncing")
    bo.sees("1 sync")
    bo.type("/segsync list by:@nobodyhere")
    bo.sees("Nobody here is called nobodyhere")


def test_a_picker_goes_on_with_the_command(office: Office) -> None:
    mia = office.desk("Mia")
    connect(office, mia)
    make_sync(office, mia, "EMEA brand", "Acme EU")
    make_sync(office, mia, "EMEA brand", "Acme US")
    mia.type("/segsync pause emea")
    mia.sees("Which one")
    mia.press("Pause")
    mia.sees_in_view("goes stale")


def test_a_row_says_what_waits_for_a_decision_and_keeps_its_status(office: Office) -> None:
    mia, tom = office.desk("Mia"), office.desk("Tom")
    connect(office, mia)
    make_sync(office, mia)
    office.refresh_all()
    mia.sees("Synced")
    tom.type("/segsync pause S-1")
    tom.sees_in_view("Ask|ask")
    tom.submit()
    tom.close_all()
    mia.type("/segsync refresh S-1")
    store, now = office.product.store, office.product.clock.now
    run = store.refreshes.claim(now(), timedelta(minutes=1))
    assert run is not None
    store.refreshes.hold(run.id, run.fence, Counts(removed=80), "segment_shrunk", now=now())
    tom.type("/segsync list")
    said = tom.sees("a refresh waits for a decision")
    assert "a pause has been asked for" in said
    assert "✅ *Synced*" in said


@contextmanager
def counted(store: Store) -> Iterator[list[str]]:
    said: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    event.listen(store.database.engine, "before_cursor_execute", note)
    yield said
    event.remove(store.database.engine, "before_cursor_execute", note)


def filled(folder: Path, n: int) -> Store:
    url = f"sqlite:///{folder / f'{n}.db'}"
    migrate(url)
    store, now = Store(url), datetime(2026, 3, 2, tzinfo=UTC)
    store.organizations.ensure(ORG, name="Acme", sync_limit=20_000, at=now)
    rows = [
        {
            "id": f"s{i}", "org_id": ORG, "number": i, "name": f"Sync {i}", "segment_source": "files", "segment_id": f"g{i}",
            "segment_name": f"Segment {i}", "segment_kind": "contacts", "channel": "meta", "account_id": "1",
            "account_name": "Acme", "owner_id": f"U{i % 40}", "run_as": "c1", "cadence": "daily", "tz": "UTC",
            "status": ("synced", "failed")[i % 50 == 0], "created_at": now, "version": 1, "sealed_ledger_key": b"",
        }
        for i in range(1, n + 1)
    ]  # fmt: skip
    with store.database.write() as session:
        session.execute(insert(SyncRow), rows)
    return store


@pytest.mark.parametrize(
    "wanted", [SyncFilter(), SyncFilter(status=SyncStatus.FAILED), SyncFilter(owner_id="U7"), SyncFilter(words="9")]
)
def test_ten_thousand_syncs_cost_as_few_queries_and_rows_as_ten(tmp_path: Path, wanted: SyncFilter) -> None:
    costs = []
    for n in (60, 10_000):
        store = filled(tmp_path, n)
        with counted(store) as said:
            rows, total = store.syncs.search(ORG, wanted, limit=10)
        assert len(rows) <= 10
        assert total >= len(rows)
        costs.append(len([s for s in said if s.startswith("SELECT")]))
        store.close()
    assert costs == [2, 2]


def test_a_page_of_the_list_is_read_along_an_index(tmp_path: Path) -> None:
    store = filled(tmp_path, 60)
    with counted(store) as said:
        store.syncs.search(ORG, SyncFilter(), limit=10)
    page = next(s for s in said if "ORDER BY" in s)
    with store.database.read() as session:
        plan = str(session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {page}", (ORG, 10, 0)).all())
    assert "USING INDEX" in plan
    assert "TEMP B-TREE" not in plan
    store.close()


def test_a_paused_sync_says_whom_it_still_sends_again_and_who_is_missing(office: Office) -> None:
    mia = office.desk("Mia")
    connect(office, mia)
    make_sync(office, mia)
    office.refresh_all()
    mia.type("/segsync refresh S-1")
    mia.sees("Synced")
    store, now, lease = office.product.store, office.product.clock.now, timedelta(minutes=1)
    run = store.refreshes.claim(now(), lease)
    assert run is not None
    progress = Progress(Phase.REMOVING, 3, 3, None, None)
    store.refreshes.progress(run.id, run.fence, progress, Counts(owed=1204), now=now(), until=now() + lease)
    mia.type("/segsync pause S-1")
    mia.sees_in_view("goes stale")
    mia.submit()
    mia.type("/segsync show S-1")
    mia.sees_in_view("First 1,204 members of the segment that its last removals may have taken along are sent again.")
    run = store.refreshes.claim(now(), lease)
    assert run is not None
    store.refreshes.stop(run.id, run.fence, Counts(owed=1204), failure="connection_revoked", now=now())
    mia.close_all()
    mia.type("/segsync show S-1")
    mia.sees_in_view("are missing")
