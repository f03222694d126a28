"""Usage, settings, notifications, the audit log, exports, lookups, as people use them."""

import csv
import io
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from bot.blocks import charts, kit
from core.audit import AuditFilter, defused
from core.identifiers import DIGEST, LEDGER_SCHEMA, NO_BATCH, Identifiers, State, heads
from core.tables import Base
from tests.bot.conftest import Office, connect, make_sync
from tests.bot.test_editing import field, synced
from tests.journeys.desk import Desk, eventually, sha256


def rows(desk: Desk, name: str) -> list[list[str]]:
    """The CSV file in this person's direct messages."""

    def look() -> str | None:
        return next((str(f["url"]) for m in desk.dm() for f in m.get("files", []) if f["name"] == name), None)

    data = desk.sandbox.http.get(eventually(look, f"the file {name}")).content
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_usage_shows_a_trend_who_uses_it_and_what_could_be_paused(office: Office) -> None:
    mia = synced(office)
    mia.type("/segsync usage")
    said = mia.sees("Who uses it")
    assert "1 of 3* syncs in use, 2 left" in said
    message = next(m for _, m in mia.messages() if "Who uses it" in str(m))
    assert [b["type"] for b in message["blocks"]].count("data_visualization") == 1


def test_usage_is_shared_with_everybody_in_the_conversation(office: Office) -> None:
    mia, tom = synced(office), office.desk("Tom")
    mia.type("/segsync usage")
    mia.press("Share here")
    tom.sees("1 of 3")


def test_a_chart_that_a_client_refuses_becomes_a_table() -> None:
    message = kit.message("Usage", [charts.line("Active syncs", "Active syncs", [("01 Mar", 3), ("08 Mar", 12)])])
    assert charts.has_chart(message)
    plain = charts.without(message)
    assert not charts.has_chart(plain)
    assert "08 Mar" in str(plain)
    assert "12" in str(plain)


def conversation(desk: Desk, name: str) -> str:
    return str(next(c["id"] for c in desk.sandbox.get("/control/channels") if c["name"] == name))


def test_settings_take_effect_and_say_what_is_wrong_beside_the_input(office: Office) -> None:
    bo = office.desk("Bo")
    bo.type("/segsync settings")
    bo.sees_in_view("Alert conversation")
    wrong = bo.submit(field(bo, "Own cap", "9"))
    assert "Your contract allows 3" in str(wrong["errors"]["cap"])
    assert "whole numbers" in str(bo.submit(field(bo, "Own cap", "2") | field(bo, "Guard", "much"))["errors"]["guard"])
    assert bo.submit(field(bo, "Own cap", "2") | field(bo, "Guard", "55 %") | field(bo, "Tell when", "50, 90")) == {}
    bo.sees("The settings are saved")
    known = office.product.store.organizations.get(office.org_id)
    assert (known["own_cap"], known["guard_share"], known["limit_thresholds"]) == (2, 0.55, [50, 90])
    bo.type("/segsync usage")
    bo.sees("0 of 2")


def test_a_conversation_that_segsync_is_not_in_or_that_others_read_is_refused(office: Office) -> None:
    bo = office.desk("Bo")
    place = {c["name"]: c["id"] for c in bo.sandbox.get("/control/channels")}["segsync-alerts"]
    bo.type("/segsync settings")
    bo.sees_in_view("Alert conversation")
    for change, why in (
        ({"ext_shared": True}, "shared with another company"),
        ({"ext_shared": False, "archived": True}, "archived"),
        ({"archived": False, "app_member": False}, "/invite @segsync"),
    ):
        bo.sandbox.post("/control/channel", {"channel": place} | change)
        assert why in str(bo.submit(field(bo, "Alert conversation", place))["errors"]["alerts"])
        assert why in str(bo.submit(field(bo, "Approval conversation", place))["errors"]["approvals"])
    bo.sandbox.post("/control/channel", {"channel": place, "app_member": True})
    assert bo.submit(field(bo, "Alert conversation", place)) == {}
    assert office.product.store.organizations.get(office.org_id)["alert_conversation"] == place


def test_a_marketer_may_not_open_the_settings_but_everybody_their_notifications(office: Office) -> None:
    mia, vera = office.desk("Mia"), office.desk("Vera")
    mia.type("/segsync settings")
    mia.sees("does not allow to change the settings")
    vera.type("/segsync notifications")
    vera.sees_in_view("Direct messages about alerts")
    assert "a beginning and an end" in str(vera.submit(field(vera, "Quiet from", "22:00"))["errors"])
    vera.submit(field(vera, "Direct messages", "none") | field(vera, "Quiet from", "22:00") | field(vera, "Quiet until", "07:00"))
    known = office.product.store.people.settings(office.org_id, vera.user)
    assert (known["dms"], known["quiet"]) == ("none", ["22:00", "07:00"])
    assert office.product.users.actor(office.org_id, vera.user).role.label == "View-only"


def test_the_audit_log_is_searched_and_exported_by_administrators(office: Office) -> None:
    synced(office)
    bo, mia = office.desk("Bo"), office.desk("Mia")
    bo.type("/segsync audit by:@mia action:create sync:S-1")
    said = bo.sees("1 entry")
    assert "sync S-1" in said
    bo.press("Export as CSV")
    table = rows(bo, "segsync-audit.csv")
    assert table[0][:4] == ["When", "Who", "From where", "What"]
    assert [r[3] for r in table[1:]] == ["create"]
    bo.type("/segsync audit since:yesterday")
    bo.sees("Write days as")
    mia.type("/segsync audit")
    mia.sees("does not allow to read the audit log")


def test_an_edit_is_audited_with_what_was_before_and_after(office: Office) -> None:
    mia, bo = synced(office), office.desk("Bo")
    mia.type("/segsync edit S-1")
    mia.submit(field(mia, "Name", "New <name>"))
    bo.type("/segsync audit action:edit")
    bo.sees("name: EMEA brand → New &lt;name&gt;")


def test_the_list_is_exported_with_its_filters(office: Office) -> None:
    mia = synced(office)
    mia.type("/segsync edit S-1")
    mia.submit(field(mia, "Name", "=cmd()"))
    mia.type("/segsync export status:synced")
    mia.sees("The list is on its way")
    table = rows(mia, "segsync-syncs.csv")
    assert [r[:3] for r in table[1:]] == [["S-1", "'=cmd()", "synced"]]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_what_a_spreadsheet_would_take_for_a_formula_is_defused(cell: str) -> None:
    assert defused(cell) == f"'{cell}"
    assert defused("Brand = all") == "Brand = all"


def deliver(office: Office, sync_id: str, mail: str) -> None:
    values = pa.array([bytes.fromhex(sha256(mail))], DIGEST)
    columns = {"member": [1], "kind": [0], "head": heads(0, values), "state": [int(State.DELIVERED)], "batch": [NO_BATCH]}
    with office.product.ledgers.of(sync_id).writing(whole=True) as out:
        out.members([Identifiers(pl.DataFrame(columns, schema=LEDGER_SCHEMA), values)])
        out.commit({"life": "a1@"}, {"present": 1, "delivered": 1, "sizes": {}})


def test_a_lookup_finds_the_syncs_of_a_person_and_keeps_nothing(office: Office, tmp_path: Path) -> None:
    synced(office)
    bo = office.desk("Bo")
    sync = office.product.store.syncs.get(office.org_id, "S-1")
    deliver(office, sync.id, "ann@example.com")
    bo.type("/segsync lookup")
    bo.sees_in_view("hashed at once")
    assert "not an e-mail address" in str(bo.submit(field(bo, "Value", "ann"))["errors"])
    bo.submit(field(bo, "Value", " Ann@Example.com "))
    said = bo.sees_in_view("One sync holds this person")
    assert "EMEA brand" in said
    entries, _ = office.product.journeys.audit.search(office.product.users.actor(office.org_id, bo.user), AuditFilter())
    assert [(e.action, e.subject, e.after) for e in entries if e.action == "lookup"] == [("lookup", "a person", {"found": 1})]
    for table in Base.metadata.sorted_tables:
        with office.product.store.database.read() as session:
            assert "ann@example.com" not in str(session.execute(table.select()).all()).lower(), table.name


def test_somebody_who_was_never_delivered_is_said_so(office: Office) -> None:
    synced(office)
    bo, mia = office.desk("Bo"), office.desk("Mia")
    bo.type("/segsync lookup")
    bo.submit(field(bo, "Value", "nobody@example.com"))
    bo.sees_in_view("No sync of this organization holds this person")
    mia.type("/segsync lookup")
    mia.sees("does not allow to look a person up")


def test_a_shown_list_can_be_exported_from_its_message(office: Office) -> None:
    mia = office.desk("Mia")
    connect(office, mia)
    make_sync(office, mia)
    mia.type("/segsync list")
    mia.press("More filters")
    mia.press("Export as CSV")
    assert len(rows(mia, "segsync-syncs.csv")) == 2
