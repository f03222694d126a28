"""Links to syncs below which a card stands, for one's own people only."""

import json
from typing import Any

from tests.bot.conftest import Office
from tests.bot.test_commands import write
from tests.bot.test_editing import synced
from tests.journeys.desk import Desk, eventually


def cards(desk: Desk, channel: str, url: str) -> str:
    """What stands below the newest message with this link."""
    message = next(m for m in reversed(desk.screen()["channels"][channel]) if url in m.get("text", ""))
    return json.dumps(message.get("attachments") or [])


def test_a_link_unfurls_as_a_card_without_sizes(office: Office) -> None:
    mia = synced(office)
    url = f"{office.product.settings.public_url}/s/S-1"
    write(mia, "C01GENERAL", f"Look: {url}")
    said = str(eventually(lambda: "EMEA brand" in cards(mia, "C01GENERAL", url) and cards(mia, "C01GENERAL", url), "a card"))
    assert "Synced" in said
    assert mia.user in said
    assert "90 " not in said
    assert "in the audience" not in said
    assert office.sandbox.http.get(url).status_code == 200
    mia.type("/segsync show S-1")
    mia.sees_in_view("Link to this sync")


def shown(office: Office, **event: Any) -> list[Any]:
    """What an event about a link makes us unfurl."""
    asked: list[Any] = []

    class Client:
        def conversations_info(self, channel: str) -> Any:
            return {"channel": {"is_ext_shared": channel == "C0SHARED"}}

        def chat_unfurl(self, **unfurl: Any) -> None:
            asked.append(unfurl["unfurls"])

    linking = office.product.journeys.linking
    mia = office.desk("Mia")
    actor = office.product.users.actor(office.org_id, mia.user)
    base: dict[str, Any] = {"channel": "C01GENERAL", "message_ts": "1.0"}
    linking.shared(base | event, Client(), {"actor": actor})  # type: ignore[attr-defined]
    return asked


def test_nothing_is_shown_where_another_company_reads_nor_for_what_is_not_ours(office: Office) -> None:
    synced(office)
    own = office.product.settings.public_url
    good = [{"url": f"{own}/s/s-1?x=1", "domain": "127.0.0.1"}]
    assert len(shown(office, links=good)) == 1
    assert shown(office, links=good, channel="C0SHARED") == []
    others = (f"{own}/s/S-99", f"{own}/s/S-1/x", "https://elsewhere.example/s/S-1", f"{own}.evil.example/s/S-1")
    for url in others:
        assert shown(office, links=[{"url": url, "domain": "x"}]) == []
