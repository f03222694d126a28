"""The main job, from the first command to equal audiences, compared with the stand-in's own record."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.conftest import Demo
from tests.journeys.desk import Desk, Json, Sandbox, elements, eventually, resync, sha256

WEBINAR = "Webinar guests"
FIELDS = ["email", "phone", "first_name", "last_name", "country", "postal_code", "consent"]
_LETTERS = "abcdefgh"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def put(path: Path, contacts: list[dict[str, str]]) -> None:
    """Replaces a segment's file as an export would: whole, by renaming."""
    part = path.with_name(".part.csv")
    with part.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(contacts)
    part.rename(path)


def contact(email: str, **more: str) -> dict[str, str]:
    return dict.fromkeys(FIELDS, "") | {"email": email, "consent": "true"} | more


def expected(contacts: list[dict[str, str]]) -> set[str]:
    """The digests of the valid addresses of everybody who consents in all of their rows."""
    said: dict[str, bool] = {}
    for row in contacts:
        email = row["email"].strip().lower()
        if " " not in email and email.count("@") == 1:
            said[email] = said.get(email, True) and row["consent"] == "true"
    return {sha256(email) for email, consents in said.items() if consents}


def emails(sandbox: Sandbox, audience_id: str) -> set[str]:
    return {email for person in sandbox.truth(audience_id) for email in person.get("email", [])}


def connect(desk: Desk) -> None:
    """By the command, in the person's own browser."""
    desk.type("/segsync connect meta")
    url = eventually(lambda: link(desk), "a link")
    page = desk.sandbox.post("/control/consent", {"user": desk.user, "url": url, "grant": True})
    assert page["status"] == 200, page
    desk.close_all()


def link(desk: Desk) -> str | None:
    modals = desk.screen()["modals"]
    return next((e["url"] for v in modals for b in v["blocks"] for e in elements(b) if e.get("url")), None)


def fill(desk: Desk, segment: str, account: str = "Acme EU") -> Json:
    desk.type("/segsync create")
    desk.choose("Segment", segment)
    desk.choose("Channel", "meta")
    return desk.choose("Ad account", account)


def create(desk: Desk, segment: str, account: str = "Acme EU") -> str:
    """The short id of a new sync that is *Synced*."""
    desk.submit(fill(desk, segment, account))
    found = rf"Synced\*: {segment} → Meta · {account} \(`(S-\d+)`\)"
    match = re.search(found, desk.sees(found, timeout_s=60))
    assert match
    return match[1]


def audience(sandbox: Sandbox, name: str) -> Json:
    return next(a for a in sandbox.audiences() if a["name"] == name)


@pytest.fixture(scope="module")
def synced(demo: Demo) -> tuple[str, Path]:
    """The marketer's sync of the webinar's guests: its short id and the segment's file."""
    marketer = demo.sandbox.desk("marketing_user")
    connect(marketer)
    path = next(Path(s["path"]) for s in demo.sandbox.segments() if s["name"] == WEBINAR)
    return create(marketer, WEBINAR), path


def refreshed(sandbox: Sandbox, desk: Desk, number: str, wanted: set[str]) -> None:
    """Asks for a refresh and waits until the audience is what it should be."""
    desk.type(f"/segsync refresh {number}")
    held = audience(sandbox, WEBINAR)["audience_id"]
    eventually(lambda: emails(sandbox, held) == wanted, "the audience to equal the segment", timeout_s=40)


def test_a_new_sync_makes_the_audience_equal_to_the_segment(sandbox: Sandbox, synced: tuple[str, Path]) -> None:
    _, path = synced
    held = emails(sandbox, audience(sandbox, WEBINAR)["audience_id"])
    assert held == expected(rows(path))
    assert len(held) > 1_000


def test_a_changed_segment_sends_only_the_difference(sandbox: Sandbox, synced: tuple[str, Path]) -> None:
    number, path = synced
    marketer = sandbox.desk("marketing_user")
    contacts = rows(path)
    changed = contacts[:50] + contacts[70:] + [contact(f"New.{n}@Example.com ") for n in _LETTERS]
    last = sandbox.log()[-1]["n"]
    put(path, changed)
    refreshed(sandbox, marketer, number, expected(changed))
    sent = [e for e in sandbox.log(after=last) if e["action"] in ("add", "remove")]
    assert sum(e["received"] for e in sent) < 200


def test_the_clock_picks_a_change_up_by_itself(sandbox: Sandbox, synced: tuple[str, Path]) -> None:
    _, path = synced
    changed = [*rows(path), contact("by.itself@example.com")]
    put(path, changed)
    sandbox.advance(25 * 3600)
    held = audience(sandbox, WEBINAR)["audience_id"]
    eventually(lambda: emails(sandbox, held) == expected(changed), "the routine refresh", timeout_s=40)


def test_a_full_resync_takes_out_whoever_else_was_put_in(sandbox: Sandbox, synced: tuple[str, Path]) -> None:
    number, path = synced
    there, marketer = audience(sandbox, WEBINAR)["audience_id"], sandbox.desk("marketing_user")
    token = sandbox.post("/control/token", {"platform": "meta", "user": marketer.user})["access_token"]
    body = {"payload": {"schema": ["EMAIL"], "data": [[sha256("stranger@example.com")]]}}
    headers = {"authorization": f"Bearer {token}"}
    sandbox.http.post(f"/meta/v26.0/{there}/users", json=body, headers=headers).raise_for_status()
    eventually(lambda: sha256("stranger@example.com") in emails(sandbox, there), "the stranger in the audience")
    resync(sandbox.desk("abm_admin"), number)
    eventually(lambda: emails(sandbox, there) == expected(rows(path)), "the stranger gone", timeout_s=40)


def test_a_shared_mailbox_stays_while_somebody_holds_it(sandbox: Sandbox, synced: tuple[str, Path]) -> None:
    number, path = synced
    marketer = sandbox.desk("marketing_user")
    sandbox.post(
        "/control/people-map",
        {"platform": "meta", "people": [[{"email": "one@example.com"}, {"phone": "+34600111222"}]]},
    )
    base = rows(path)
    both = [*base, contact("one@example.com", phone="+34 600 111 222"), contact("two@example.com", phone="0034600111222")]
    put(path, both)
    refreshed(sandbox, marketer, number, expected(both))
    left = [*base, contact("two@example.com", phone="0034600111222")]
    put(path, left)
    refreshed(sandbox, marketer, number, expected(left))
    held = audience(sandbox, WEBINAR)["audience_id"]
    phone = sha256("34600111222")
    eventually(lambda: any(phone in p.get("phone", []) for p in sandbox.truth(held)), "the shared phone to be back")


def test_a_paused_sync_leaves_the_audience_alone_and_a_colleague_resumes_it(sandbox: Sandbox, synced: tuple[str, Path]) -> None:
    number, path = synced
    marketer, colleague = sandbox.desk("marketing_user"), sandbox.desk("marketing_user", nth=1)
    marketer.type(f"/segsync pause {number}")
    said = marketer.sees_in_view("stale")
    assert "Always on: awareness" in marketer.sees_in_view("Always on")
    assert said
    marketer.submit()
    marketer.close_all()
    before = audience(sandbox, WEBINAR)
    changed = rows(path)[5:]
    put(path, changed)
    last = sandbox.log()[-1]["n"]
    sandbox.advance(49 * 3600)
    marketer.type("/segsync list status:inactive")
    marketer.sees(number)
    assert audience(sandbox, WEBINAR)["members"] == before["members"]
    assert sandbox.log(after=last) == []

    connect(colleague)
    colleague.type(f"/segsync resume {number}")
    eventually(lambda: emails(sandbox, before["audience_id"]) == expected(changed), "the resumed refresh", timeout_s=40)
    colleague.close_all()


def test_a_viewer_is_refused_in_words(sandbox: Sandbox) -> None:
    viewer = sandbox.desk("viewer")
    viewer.type("/segsync create")
    said = viewer.sees("View-only")
    assert "administrator" in said
    assert not viewer.screen()["modals"]


def test_a_guest_is_refused_without_a_button(sandbox: Sandbox) -> None:
    guest = sandbox.desk("guest")
    guest.type("/segsync")
    guest.sees("not for guests")
    assert not [e for _, m in guest.messages() for b in m.get("blocks", []) for e in elements(b)]


def test_the_same_segment_on_the_same_account_is_refused_with_the_first(sandbox: Sandbox, synced: tuple[str, Path]) -> None:
    number, _ = synced
    marketer = sandbox.desk("marketing_user")
    answer = marketer.submit(fill(marketer, WEBINAR))
    assert number in str(answer) + marketer.reads_view()
    marketer.close_all()


def test_a_revoked_token_fails_with_the_remedy_and_reconnecting_heals(sandbox: Sandbox, synced: tuple[str, Path]) -> None:
    number, path = synced
    colleague = sandbox.desk("marketing_user", nth=1)  # the sync runs on this connection since it was resumed
    sandbox.fault("meta", "token_revoked")
    put(path, [*rows(path), contact("after.the.fall@example.com")])
    sandbox.desk("primary_admin").type(f"/segsync refresh {number}")
    said = colleague.sees("no longer accepts", timeout_s=30)
    assert "reconnect" in said.lower()
    connect(colleague)
    held = audience(sandbox, WEBINAR)["audience_id"]
    eventually(lambda: emails(sandbox, held) == expected(rows(path)), "the healed refresh", timeout_s=40)
    sandbox.desk("primary_admin").sees("esolved")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A demo whose contract allows one sync."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SEGSYNC_SYNC_LIMIT", "1")
        running = Demo(tmp_path_factory.mktemp("small") / "data", "--empty")
    yield running.sandbox
    running.stop()


def test_of_two_people_exactly_one_gets_the_last_place(small: Sandbox) -> None:
    first, second = small.desk("marketing_user"), small.desk("marketing_user", nth=1)
    for desk in (first, second):
        connect(desk)
    forms = [(first, fill(first, WEBINAR)), (second, fill(second, "Customers"))]
    for desk, values in forms:
        desk.submit(values)
    first.sees(r"Synced\*: Webinar guests", timeout_s=60)
    second.sees_in_view("1 of 1|in use")
    assert [a["name"] for a in small.audiences()] == [WEBINAR]
    second.close_all()
    second.type("/segsync create")
    said = second.sees_in_view("1 of 1")
    assert "submit" not in {k for k, v in second.view().items() if v}
    assert WEBINAR in said


def test_the_demo_ends_when_it_is_told_to(tmp_path: Path) -> None:
    running = Demo(tmp_path / "data")
    viewer = running.sandbox.desk("viewer")
    viewer.type("/segsync list")
    viewer.sees("S-1")
    assert running.stop() == 0
