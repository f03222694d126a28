"""Google from the first connection to an equal audience, and what people read when it fails."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.troubleshooting import explain_code
from tests.journeys.conftest import Demo
from tests.journeys.desk import Desk, Json, Sandbox, eventually, resync, sha256
from tests.journeys.test_main_job import WEBINAR, contact, link, put, rows

BELOW = "Acme Nordics"
_LETTERS = "abcdefgh"


def connect(desk: Desk) -> None:
    """By the command, in the person's own browser."""
    desk.type("/segsync connect google")
    url = eventually(lambda: link(desk), "a link")
    page = desk.sandbox.post("/control/consent", {"user": desk.user, "url": url, "grant": True})
    assert page["status"] == 200, page
    desk.close_all()


def fill(desk: Desk, segment: str, account: str = "Acme EU") -> Json:
    desk.type("/segsync create")
    desk.choose("Segment", segment)
    desk.choose("Channel", "google")
    return desk.choose("Ad account", account)


def create(desk: Desk, segment: str, account: str = "Acme EU") -> str:
    """The short id of a new sync that is *Synced*."""
    desk.submit(fill(desk, segment, account))
    found = rf"Synced\*: {segment} → Google · {account} \(`(S-\d+)`\)"
    match = re.search(found, desk.sees(found, timeout_s=60))
    assert match
    return match[1]


def normal(email: str) -> str:
    """As Google's page on formatting has it: dots and what follows a plus mean nothing at Gmail."""
    local, _, host = email.strip().lower().partition("@")
    if host in ("gmail.com", "googlemail.com"):
        local = local.partition("+")[0].replace(".", "")
    return f"{local}@{host}"


def expected(contacts: list[dict[str, str]]) -> set[str]:
    """The digests of the valid addresses of everybody who consents in all of their rows."""
    said: dict[str, bool] = {}
    for row in contacts:
        if " " not in row["email"].strip() and row["email"].count("@") == 1:
            email = normal(row["email"])
            said[email] = said.get(email, True) and row["consent"] == "true"
    return {sha256(email) for email, consents in said.items() if consents}


def audience(sandbox: Sandbox, name: str, account: str = "") -> Json:
    there = sandbox.audiences("google")
    return next(a for a in there if a["name"] == name and str(a["account_id"]).endswith(account))


def held(sandbox: Sandbox, name: str = WEBINAR, account: str = "01") -> set[str]:
    there = sandbox.truth(audience(sandbox, name, account)["audience_id"], "google")
    return {email for person in there for email in person.get("email", [])}


def refreshed(desk: Desk, number: str, look: Callable[[], Any]) -> None:
    """Asks for a refresh and waits until the truth is as it should be."""
    desk.type(f"/segsync refresh {number}")
    eventually(look, "the audience to equal the segment", timeout_s=40)


@pytest.fixture(scope="module")
def guests(demo: Demo) -> tuple[str, Path]:
    """The marketer's sync of the webinar's guests: its short id and the segment's file."""
    marketer = demo.sandbox.desk("marketing_user")
    connect(marketer)
    path = next(Path(s["path"]) for s in demo.sandbox.segments() if s["name"] == WEBINAR)
    return create(marketer, WEBINAR), path


# ── from the connection to an equal audience ──


def test_contacts_become_an_audience_that_is_equal_member_by_member(sandbox: Sandbox, guests: tuple[str, Path]) -> None:
    _, path = guests
    there = sandbox.truth(audience(sandbox, WEBINAR)["audience_id"], "google")
    wanted = expected(rows(path))
    assert held(sandbox) == wanted
    assert len([person for person in there if "email" in person]) == len(wanted) > 1_000
    assert {kind for person in there for kind in person} == {"email", "phone", "address"}


def test_a_changed_segment_sends_only_the_difference(sandbox: Sandbox, guests: tuple[str, Path]) -> None:
    number, path = guests
    contacts = rows(path)
    changed = contacts[:50] + contacts[70:] + [contact(f"New.{n}+tag@Gmail.com ") for n in _LETTERS]
    last = sandbox.log("google")[-1]["n"]
    put(path, changed)
    refreshed(sandbox.desk("marketing_user"), number, lambda: held(sandbox) == expected(changed))
    sent = [e for e in sandbox.log("google", after=last) if e["action"] in ("add", "remove")]
    assert 0 < sum(e["received"] for e in sent) < 200


def test_a_full_resync_takes_out_whoever_else_was_put_in(sandbox: Sandbox, guests: tuple[str, Path]) -> None:
    number, path = guests
    there, marketer = audience(sandbox, WEBINAR, "01"), sandbox.desk("marketing_user")
    token = sandbox.post("/control/token", {"platform": "google", "user": marketer.user})["access_token"]
    owner = {"accountType": "GOOGLE_ADS", "accountId": there["account_id"]}
    body = {
        "destinations": [{"operatingAccount": owner, "productDestinationId": there["audience_id"]}],
        "audienceMembers": [{"userData": {"userIdentifiers": [{"emailAddress": sha256("stranger@example.com")}]}}],
        "consent": {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"},
        "termsOfService": {"customerMatchTermsOfServiceStatus": "ACCEPTED"},
        "encoding": "HEX",
    }
    headers = {"authorization": f"Bearer {token}"}
    sandbox.http.post("/google/v1/audienceMembers:ingest", json=body, headers=headers).raise_for_status()
    eventually(lambda: sha256("stranger@example.com") in held(sandbox), "the stranger in the audience")
    resync(sandbox.desk("abm_admin"), number)
    eventually(lambda: held(sandbox) == expected(rows(path)), "the stranger gone", timeout_s=40)


def test_an_account_below_a_manager_is_synced_through_it(sandbox: Sandbox, guests: tuple[str, Path]) -> None:
    _, path = guests
    create(sandbox.desk("marketing_user"), WEBINAR, BELOW)
    assert held(sandbox, account="91") == expected(rows(path))


def test_whoever_shares_a_phone_with_somebody_who_leaves_stays(sandbox: Sandbox, guests: tuple[str, Path]) -> None:
    """To Google they are one person, and it works in no order: the removal takes both, and an early addition would be lost."""
    number, path = guests
    one, other, phone = "one@family.example", "other@family.example", "+34600999888"
    sandbox.post("/control/people-map", {"platform": "google", "people": [[{"email": one}, {"email": other}, {"phone": phone}]]})
    marketer, contacts = sandbox.desk("marketing_user"), rows(path)
    put(path, [*contacts, contact(one, phone=phone), contact(other, phone=phone)])
    refreshed(marketer, number, lambda: held(sandbox) == expected(rows(path)))
    sandbox.post("/control/pace", {"platform": "google", "seconds": 2})
    put(path, [*contacts, contact(other, phone=phone)])
    last = sandbox.log("google")[-1]["n"]
    marketer.type(f"/segsync refresh {number}")
    eventually(lambda: len(sandbox.log("google", after=last)) >= 2, "a removal and then an addition", timeout_s=40)
    sandbox.post("/control/pace", {"platform": "google", "seconds": 1})
    assert [e["action"] for e in sandbox.log("google", after=last)] == ["remove", "add"]
    eventually(lambda: held(sandbox) == expected(rows(path)), "the audience to equal the segment")
    assert sha256(other) in held(sandbox)


def test_before_a_pause_people_read_which_campaigns_it_touches(sandbox: Sandbox, guests: tuple[str, Path]) -> None:
    number, _ = guests
    marketer = sandbox.desk("marketing_user")
    marketer.type(f"/segsync pause {number}")
    said = marketer.sees_in_view("Always on: awareness")
    assert "Autumn launch" in said
    marketer.close_all()


def test_a_list_of_mobile_ids_becomes_an_audience_of_its_own_kind(sandbox: Sandbox, guests: tuple[str, Path]) -> None:
    _, path = guests
    devices = {f"{n:08x}-1111-4222-8333-444444444444" for n in range(150)}
    lines = ["mobile_id,consent", *(f"{device.upper()},true" for device in sorted(devices)), "not an id,true", "x,false"]
    part = path.with_name(".devices.csv")
    part.write_text("\n".join(lines))
    part.rename(path.with_name("app-users.csv"))
    marketer = sandbox.desk("marketing_user")
    create(marketer, "App users")
    there = sandbox.truth(audience(sandbox, "App users")["audience_id"], "google")
    assert {device for person in there for device in person.get("mobile", [])} == devices


# ── trouble ──


def test_a_consent_that_was_refused_leaves_nothing_connected(sandbox: Sandbox) -> None:
    colleague = sandbox.desk("marketing_user", nth=1)
    colleague.type("/segsync connect google")
    url = eventually(lambda: link(colleague), "a link")
    page = sandbox.post("/control/consent", {"user": colleague.user, "url": url, "grant": False})
    assert "Google was not connected" in page["text"]
    colleague.close_all()


def changed_by(path: Path, email: str) -> set[str]:
    """Adds somebody to the segment, so that a refresh has something to send; whom the audience should then hold."""
    put(path, [*rows(path), contact(email)])
    return expected(rows(path))


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("account_disabled", "ad_account_disabled"),
        ("access_lost", "ad_account_access_lost"),
        ("terms_not_accepted", "channel_terms_not_accepted"),
    ],
)
def test_what_fails_at_google_is_told_with_its_remedy_and_heals(
    sandbox: Sandbox, guests: tuple[str, Path], fault: str, code: str
) -> None:
    number, path = guests
    marketer, trouble = sandbox.desk("marketing_user"), explain_code(code, channel="Google")
    wanted = changed_by(path, f"{fault}@example.com")
    sandbox.fault("google", fault)
    marketer.type(f"/segsync refresh {number}")
    said = marketer.sees(re.escape(trouble.title), timeout_s=30)
    assert trouble.remedy in said
    sandbox.well()
    refreshed(marketer, number, lambda: held(sandbox) == wanted)


@pytest.mark.parametrize(("fault", "times"), [("http_500", 2), ("rate_limited", 2), ("reset", 2), ("timeout", 1)])
def test_passing_trouble_is_nobodys_business(sandbox: Sandbox, guests: tuple[str, Path], fault: str, times: int) -> None:
    number, path = guests
    wanted = changed_by(path, f"{fault}@example.com")
    sandbox.fault("google", fault, times=times, endpoint="POST audienceMembers:ingest")
    refreshed(sandbox.desk("marketing_user"), number, lambda: held(sandbox) == wanted)


def test_an_expired_token_is_renewed_without_a_word(sandbox: Sandbox, guests: tuple[str, Path]) -> None:
    number, path = guests
    wanted = changed_by(path, "renewed@example.com")
    sandbox.fault("google", "token_expired")
    refreshed(sandbox.desk("marketing_user"), number, lambda: held(sandbox) == wanted)


def test_an_audience_that_somebody_deleted_is_made_anew_when_a_person_retries(sandbox: Sandbox, guests: tuple[str, Path]) -> None:
    number, path = guests
    marketer, trouble = sandbox.desk("marketing_user"), explain_code("audience_deleted", channel="Google")
    old = audience(sandbox, WEBINAR, "01")["audience_id"]
    wanted = changed_by(path, "anew@example.com")
    sandbox.fault("google", "audience_deleted")
    marketer.type(f"/segsync refresh {number}")
    said = marketer.sees(re.escape(trouble.title), timeout_s=30)
    assert trouble.remedy in said
    marketer.type(f"/segsync refresh {number}")

    def there() -> list[Json]:
        return [a for a in sandbox.audiences("google") if a["name"] == WEBINAR and str(a["account_id"]).endswith("01")]

    eventually(there, "a new audience")
    eventually(lambda: held(sandbox) == wanted, "the audience to be filled anew", timeout_s=40)
    assert there()[0]["audience_id"] != old


def test_a_consent_that_was_taken_back_is_told_and_reconnecting_heals(sandbox: Sandbox, guests: tuple[str, Path]) -> None:
    number, path = guests
    marketer, trouble = sandbox.desk("marketing_user"), explain_code("connection_revoked", channel="Google")
    wanted = changed_by(path, "reconnected@example.com")
    sandbox.fault("google", "token_revoked")
    marketer.type(f"/segsync refresh {number}")
    said = marketer.sees(re.escape(trouble.title), timeout_s=30)
    assert trouble.remedy in said
    connect(marketer)
    marketer.type(f"/segsync refresh {number}")
    eventually(lambda: held(sandbox) == wanted, "the healed refresh", timeout_s=40)
