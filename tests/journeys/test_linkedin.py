"""LinkedIn from the first connection to equal audiences, for contacts and for companies, and what people read when it fails."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from core.troubleshooting import explain_code
from tests.journeys.conftest import Demo
from tests.journeys.desk import Desk, Json, Sandbox, eventually
from tests.journeys.test_main_job import WEBINAR, contact, expected, link, put, rows

ACCOUNTS = "Target accounts"
_LETTERS = "abcdefgh"


def connect(desk: Desk) -> None:
    """By the command, in the person's own browser."""
    desk.type("/segsync connect linkedin")
    url = eventually(lambda: link(desk), "a link")
    page = desk.sandbox.post("/control/consent", {"user": desk.user, "url": url, "grant": True})
    assert page["status"] == 200, page
    desk.close_all()


def fill(desk: Desk, segment: str, account: str = "Acme EU") -> Json:
    desk.type("/segsync create")
    desk.choose("Segment", segment)
    desk.choose("Channel", "linkedin")
    return desk.choose("Ad account", account)


def create(desk: Desk, segment: str, account: str = "Acme EU") -> str:
    """The short id of a new sync that is *Synced*."""
    desk.submit(fill(desk, segment, account))
    found = rf"Synced\*: {segment} → LinkedIn · {account} \(`(S-\d+)`\)"
    match = re.search(found, desk.sees(found, timeout_s=60))
    assert match
    return match[1]


def audience_id(sandbox: Sandbox, name: str) -> str:
    return str(next(a["audience_id"] for a in sandbox.audiences("linkedin") if a["name"] == name))


def held(sandbox: Sandbox, name: str, kind: str = "email") -> set[str]:
    there = sandbox.truth(audience_id(sandbox, name), "linkedin")
    return {value for person in there for value in person.get(kind, [])}


def path_of(sandbox: Sandbox, name: str) -> Path:
    return next(Path(s["path"]) for s in sandbox.segments() if s["name"] == name)


def refreshed(desk: Desk, number: str, look: Callable[[], Any]) -> None:
    """Asks for a refresh and waits until the truth is as it should be."""
    desk.type(f"/segsync refresh {number}")
    eventually(look, "the audience to equal the segment", timeout_s=40)


@pytest.fixture(scope="module")
def guests(demo: Demo) -> tuple[str, Path]:
    """The marketer's sync of the webinar's guests: its short id and the segment's file."""
    marketer = demo.sandbox.desk("marketing_user")
    connect(marketer)
    return create(marketer, WEBINAR), path_of(demo.sandbox, WEBINAR)


@pytest.fixture(scope="module")
def firms(demo: Demo, guests: tuple[str, Path]) -> tuple[str, Path]:
    """The marketer's sync of the companies on the list."""
    return create(demo.sandbox.desk("marketing_user"), ACCOUNTS), path_of(demo.sandbox, ACCOUNTS)


def domains(path: Path) -> set[str]:
    """As LinkedIn takes them: lower case, without what an address has before and after."""
    found = {d.strip().lower() for d in pl.read_parquet(path)["domain"].drop_nulls()}
    return {d.removeprefix("https://").removeprefix("www.").rstrip("/") for d in found}


def names(path: Path) -> set[str]:
    return set(pl.read_parquet(path)["company"].drop_nulls())


# ── from the connection to equal audiences ──


def test_contacts_become_an_audience_that_is_equal_by_e_mail(sandbox: Sandbox, guests: tuple[str, Path]) -> None:
    _, path = guests
    assert held(sandbox, WEBINAR) == expected(rows(path))
    assert {kind for person in sandbox.truth(audience_id(sandbox, WEBINAR), "linkedin") for kind in person} == {"email"}


def test_companies_become_an_audience_that_is_equal_by_domain_and_name(sandbox: Sandbox, firms: tuple[str, Path]) -> None:
    _, path = firms
    assert held(sandbox, ACCOUNTS, "domain") == domains(path)
    assert held(sandbox, ACCOUNTS, "name") == names(path)
    assert len(domains(path)) > 1_000


def test_a_changed_list_of_contacts_sends_only_the_difference(sandbox: Sandbox, guests: tuple[str, Path]) -> None:
    number, path = guests
    contacts = rows(path)
    changed = contacts[:50] + contacts[70:] + [contact(f"New.{n}@Example.com ") for n in _LETTERS]
    last = sandbox.log("linkedin")[-1]["n"]
    put(path, changed)
    refreshed(sandbox.desk("marketing_user"), number, lambda: held(sandbox, WEBINAR) == expected(changed))
    sent = [e for e in sandbox.log("linkedin", after=last) if e["action"] in ("add", "remove")]
    assert 0 < sum(e["received"] for e in sent) < 200


def test_a_changed_list_of_companies_is_followed(sandbox: Sandbox, firms: tuple[str, Path]) -> None:
    number, path = firms
    old = pl.read_parquet(path)
    new = pl.DataFrame({"domain": ["HTTPS://www.New-One.example/", None], "company": ["New One", "Nameless GmbH"]})
    part = path.with_name(".part.parquet")
    pl.concat([old[:100], old[140:], new], how="vertical_relaxed").write_parquet(part)
    part.rename(path)

    def equal() -> bool:
        return held(sandbox, ACCOUNTS, "domain") == domains(path) and held(sandbox, ACCOUNTS, "name") == names(path)

    refreshed(sandbox.desk("marketing_user"), number, equal)
    assert "new-one.example" in domains(path)


# ── trouble ──


def test_a_consent_that_was_refused_leaves_nothing_connected(sandbox: Sandbox) -> None:
    colleague = sandbox.desk("marketing_user", nth=1)
    colleague.type("/segsync connect linkedin")
    url = eventually(lambda: link(colleague), "a link")
    page = sandbox.post("/control/consent", {"user": colleague.user, "url": url, "grant": False})
    assert "LinkedIn was not connected" in page["text"]
    colleague.close_all()
    colleague.type("/segsync create")
    assert "Connected as" not in colleague.sees_in_view("LinkedIn")
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
def test_what_fails_at_linkedin_is_told_with_its_remedy_and_heals(
    sandbox: Sandbox, guests: tuple[str, Path], fault: str, code: str
) -> None:
    number, path = guests
    marketer, trouble = sandbox.desk("marketing_user"), explain_code(code, channel="LinkedIn")
    wanted = changed_by(path, f"{fault}@example.com")
    sandbox.fault("linkedin", fault)
    marketer.type(f"/segsync refresh {number}")
    said = marketer.sees(re.escape(trouble.title), timeout_s=30)
    assert trouble.remedy in said
    sandbox.well()
    refreshed(marketer, number, lambda: held(sandbox, WEBINAR) == wanted)


def test_passing_trouble_is_nobodys_business(sandbox: Sandbox, guests: tuple[str, Path]) -> None:
    number, path = guests
    for fault in ("http_500", "rate_limited", "reset"):
        wanted = changed_by(path, f"{fault}@example.com")
        sandbox.fault("linkedin", fault, times=2, endpoint="POST dmpSegments/{id}/users")
        refreshed(sandbox.desk("marketing_user"), number, lambda wanted=wanted: held(sandbox, WEBINAR) == wanted)


def test_an_expired_token_is_renewed_without_a_word(sandbox: Sandbox, guests: tuple[str, Path]) -> None:
    number, path = guests
    wanted = changed_by(path, "renewed@example.com")
    sandbox.fault("linkedin", "token_expired")
    refreshed(sandbox.desk("marketing_user"), number, lambda: held(sandbox, WEBINAR) == wanted)


def test_an_audience_that_somebody_deleted_is_made_anew_when_a_person_retries(sandbox: Sandbox, guests: tuple[str, Path]) -> None:
    number, path = guests
    marketer, trouble = sandbox.desk("marketing_user"), explain_code("audience_deleted", channel="LinkedIn")
    old = audience_id(sandbox, WEBINAR)
    wanted = changed_by(path, "anew@example.com")
    sandbox.fault("linkedin", "audience_deleted")
    marketer.type(f"/segsync refresh {number}")
    said = marketer.sees(re.escape(trouble.title), timeout_s=30)
    assert trouble.remedy in said
    marketer.type(f"/segsync refresh {number}")
    eventually(lambda: [a for a in sandbox.audiences("linkedin") if a["name"] == WEBINAR], "a new audience")
    eventually(lambda: held(sandbox, WEBINAR) == wanted, "the audience to be filled anew", timeout_s=40)
    assert audience_id(sandbox, WEBINAR) != old


def test_a_consent_that_was_taken_back_is_told_and_reconnecting_heals(sandbox: Sandbox, guests: tuple[str, Path]) -> None:
    number, path = guests
    marketer, trouble = sandbox.desk("marketing_user"), explain_code("connection_revoked", channel="LinkedIn")
    wanted = changed_by(path, "reconnected@example.com")
    sandbox.fault("linkedin", "token_revoked")
    marketer.type(f"/segsync refresh {number}")
    said = marketer.sees(re.escape(trouble.title), timeout_s=30)
    assert trouble.remedy in said
    connect(marketer)
    marketer.type(f"/segsync refresh {number}")
    eventually(lambda: held(sandbox, WEBINAR) == wanted, "the healed refresh", timeout_s=40)
