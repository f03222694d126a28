"""LinkedIn's adapter against its stand-in, and against answers that the stand-in does not give."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pytest

from channels.http import Http
from channels.linkedin import LinkedIn
from channels.linkedin_login import SCOPES
from core.errors import (
    AccessLost,
    AccountDisabled,
    AudienceGone,
    ChannelError,
    NeedsReconnect,
    RateLimited,
    TermsNotAccepted,
    Unavailable,
    VersionSunset,
)
from core.models import Grant, IdentifierKind, SegmentKind
from core.ports import Batch, Column, Delivery, Op, Target
from tests.sandbox.platforms.drive import MIA, VERA, Drive, running, sha

EMAIL = frozenset({IdentifierKind.EMAIL})


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drive]:
    with running(tmp_path_factory.mktemp("sandbox")) as started:
        yield started


@pytest.fixture
def drive(shared: Drive) -> Drive:
    shared.well()
    shared.pace("linkedin", 0)
    return shared


@pytest.fixture
def adapter(drive: Drive) -> Iterator[Callable[..., LinkedIn]]:
    """Makes adapters that speak to the stand-in."""
    opened: list[Http] = []

    def make(**told: object) -> LinkedIn:
        opened.append(Http("LinkedIn", sleep=lambda _: None))
        told = {"clock": Clock(), "version": "202511", "sleep": lambda _: None} | told
        base = f"{drive.base}/linkedin"
        return LinkedIn(http=opened[-1], client_id="app", client_secret="secret", api_url=base, login_url=base, **told)  # type: ignore[arg-type]

    yield make
    for http in opened:
        http.close()


@pytest.fixture
def linkedin(adapter: Callable[..., LinkedIn]) -> LinkedIn:
    return adapter()


def target(drive: Drive, user: str = MIA, kind: SegmentKind = SegmentKind.CONTACTS) -> Target:
    token, (account, *_) = drive.token("linkedin", user)
    return Target(Grant(token), account, kind=kind)


def made(linkedin: LinkedIn, there: Target, key: str) -> Target:
    return replace(there, audience_id=linkedin.create(there, name=key, key=key, kinds=EMAIL).id)


def people(*addresses: str) -> Batch:
    values = pa.array([bytes.fromhex(sha(a)) for a in addresses], pa.binary(32))
    return Batch(len(addresses), {IdentifierKind.EMAIL: Column(pa.array(range(len(addresses)), pa.uint32()), values)})


def firms(**columns: list[str | None]) -> Batch:
    found = {}
    for name, values in columns.items():
        places = [n for n, value in enumerate(values) if value is not None]
        clear = pa.array([v.encode() for v in values if v is not None], pa.binary())
        found[IdentifierKind(name)] = Column(pa.array(places, pa.uint32()), clear)
    return Batch(max(len(v) for v in columns.values()), found)


def send(batch: Batch, op: Op = Op.ADD) -> Delivery:
    return Delivery(op, batch, 1, 1, last=True, total=batch.size)


def consent(drive: Drive, linkedin: LinkedIn, user: str = MIA) -> Grant:
    """What a person's browser does on LinkedIn's page."""
    back = "http://127.0.0.1/back"
    url = linkedin.authorize_url(state="s", redirect_uri=back, verifier="")
    form = {"as": user, "decision": "grant", "state": "s", "redirect_uri": back, "client_id": "app", "scope": list(SCOPES)}
    answer = drive.http.post(url.partition("?")[0], data=form, follow_redirects=False)
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    return linkedin.exchange(code=code, redirect_uri=back, verifier="")


# ── consent ──


def test_a_consent_gives_a_grant_with_its_person_its_scopes_and_the_end_of_the_year(drive: Drive, linkedin: LinkedIn) -> None:
    grant = consent(drive, linkedin)
    assert grant.person_name == "Mia Chen"
    assert set(grant.scopes) == set(SCOPES)
    days = {(end - datetime.now(UTC)).days for end in (grant.expires_at, grant.ends_at) if end}
    assert days == {59, 364}
    assert set(linkedin.check(grant).scopes) == set(SCOPES)


def test_a_used_code_says_what_to_do(drive: Drive, linkedin: LinkedIn) -> None:
    with pytest.raises(ChannelError, match="new link") as refused:
        linkedin.exchange(code="used", redirect_uri="http://127.0.0.1/back", verifier="")
    assert refused.type is ChannelError


def test_renewing_never_puts_off_the_end_of_the_year(drive: Drive, linkedin: LinkedIn, adapter: Callable[..., LinkedIn]) -> None:
    grant = consent(drive, linkedin)
    renewed = linkedin.renew(grant)
    assert renewed.access_token != grant.access_token
    assert renewed.ends_at is not None
    assert grant.ends_at is not None
    assert renewed.ends_at <= grant.ends_at
    assert (renewed.person_name, renewed.refresh_token) == (grant.person_name, grant.refresh_token)
    clock = Clock()
    clock.ahead = timedelta(days=366)
    with pytest.raises(NeedsReconnect) as over:
        adapter(clock=clock).renew(grant)
    assert over.value.code == "connection_expired"


def test_a_token_that_ends_before_its_time_is_renewed_once_and_without_a_word(drive: Drive, linkedin: LinkedIn) -> None:
    grant = consent(drive, linkedin)
    drive.fault("linkedin", "token_expired")
    before = requests(drive, "POST oauth/v2/accessToken")
    assert linkedin.accounts(grant)
    assert linkedin.accounts(grant)
    assert requests(drive, "POST oauth/v2/accessToken") == before + 1


def test_an_expired_token_without_a_refresh_token_asks_to_log_in_again(drive: Drive, linkedin: LinkedIn) -> None:
    grant = replace(consent(drive, linkedin), refresh_token=None)
    drive.fault("linkedin", "token_expired")
    for ask in (linkedin.accounts, linkedin.check):
        with pytest.raises(NeedsReconnect) as refused:
            ask(grant)
        assert refused.value.code == "connection_expired"


def test_a_revoked_token_is_told_as_that(drive: Drive, linkedin: LinkedIn) -> None:
    grant = consent(drive, linkedin)
    drive.fault("linkedin", "token_revoked")
    for ask in (linkedin.accounts, linkedin.check, linkedin.renew):
        with pytest.raises(NeedsReconnect) as refused:
            ask(grant)
        assert refused.value.code == "connection_revoked"


def test_disconnecting_takes_the_consent_back(drive: Drive, linkedin: LinkedIn) -> None:
    grant = consent(drive, linkedin)
    linkedin.revoke(grant)
    with pytest.raises(NeedsReconnect):
        linkedin.check(grant)


def requests(drive: Drive, endpoint: str) -> int:
    return sum(r["count"] for r in drive.get("requests/linkedin")["requests"] if r["endpoint"] == endpoint)


# ── accounts ──


def test_accounts_come_in_linkedins_order_and_roles_tell_who_may_manage(drive: Drive, linkedin: LinkedIn) -> None:
    token, ids = drive.token("linkedin")
    accounts = linkedin.accounts(Grant(token))
    assert accounts[0].id == ids[0]
    assert accounts[0].may_manage
    assert {a.status: a.reason for a in accounts if not a.may_manage} == {
        "disabled": "LinkedIn says this ad account is canceled.",
        "read_only": "Your role in this ad account does not allow to manage audiences.",
    }
    assert not any(a.may_manage for a in linkedin.accounts(Grant(drive.token("linkedin", VERA)[0])))


@pytest.mark.parametrize(("fault", "error"), [("access_lost", AccessLost), ("account_disabled", AccountDisabled)])
def test_access_is_asked_for_now(drive: Drive, linkedin: LinkedIn, fault: str, error: type[ChannelError]) -> None:
    there = target(drive)
    linkedin.require_access(there)
    drive.fault("linkedin", fault, account_id=there.account_id)
    with pytest.raises(error) as refused:
        linkedin.require_access(there)
    assert refused.type is error


# ── audiences ──


def test_an_audience_is_found_by_our_key_with_the_time_it_was_born_with(drive: Drive, linkedin: LinkedIn) -> None:
    there = target(drive)
    assert linkedin.find(there, key="one") is None
    audience = linkedin.create(there, name="Guests", key="one", kinds=EMAIL)
    assert audience.created_at is not None
    assert linkedin.find(there, key="one") == audience
    assert linkedin.find(there, key="on") is None
    there = replace(there, audience_id=audience.id)
    linkedin.deliver(there, send(people("a@example.com")))
    later = linkedin.audience(there)
    assert (later.id, later.created_at, later.status) == (audience.id, audience.created_at, "Ready")
    assert there.account_id in linkedin.audience_url(there.account_id, audience.id)


def test_a_deleted_audience_is_gone_and_deleting_it_again_is_well(drive: Drive, linkedin: LinkedIn) -> None:
    there = made(linkedin, target(drive), "deleted")
    linkedin.delete(there)
    linkedin.delete(there)
    with pytest.raises(AudienceGone):
        linkedin.audience(there)
    with pytest.raises(AudienceGone):
        linkedin.deliver(there, send(people("a@example.com")))
    assert linkedin.find(there, key="deleted") is None


def test_campaigns_that_target_or_exclude_an_audience_are_told(drive: Drive, linkedin: LinkedIn) -> None:
    there = target(drive)
    found = [linkedin.campaigns(made(linkedin, there, f"used {n}")) for n in range(4)]  # one round of the stand-in's campaigns
    assert sorted(len(campaigns) for campaigns in found) == [1, 1, 2, 2]
    assert [c.name for campaigns in found for c in campaigns if c.excludes] == ["Autumn launch"]
    assert {c.status for campaigns in found for c in campaigns if c.running} == {"Active"}


# ── members ──


def test_people_are_added_and_removed_by_the_hash_of_their_address(drive: Drive, linkedin: LinkedIn) -> None:
    there = made(linkedin, target(drive), "people")
    assert linkedin.deliver(there, send(people("a@example.com", "b@example.com", "c@example.com"))).received == 3
    assert linkedin.deliver(there, send(people("b@example.com", "never@example.com"), Op.REMOVE)).received == 2
    assert drive.held("linkedin", there.audience_id) == {sha("a@example.com"), sha("c@example.com")}


def test_companies_go_by_domain_and_name_and_the_bad_ones_are_told_from_the_good(drive: Drive, linkedin: LinkedIn) -> None:
    there = made(linkedin, target(drive, kind=SegmentKind.COMPANIES), "companies")
    batch = firms(domain=["acme.example", "not a domain", None], company=["Acme", "Bad", "Nord GmbH"])
    receipt = linkedin.deliver(there, send(batch))
    assert (receipt.received, receipt.rejected) == (2, {1: "domain_invalid"})
    assert drive.held("linkedin", there.audience_id, "domain") == {"acme.example"}
    assert drive.held("linkedin", there.audience_id, "name") == {"Acme", "Nord GmbH"}


def test_a_young_audience_takes_nobody_yet_and_that_is_not_a_deleted_one(drive: Drive, linkedin: LinkedIn) -> None:
    there = made(linkedin, target(drive), "young")
    drive.pace("linkedin", 60)
    with pytest.raises(Unavailable):
        linkedin.deliver(there, send(people("a@example.com")))
    drive.pace("linkedin", 0)
    assert linkedin.deliver(there, send(people("a@example.com"))).received == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("http_500", Unavailable),
        ("rate_limited", RateLimited),
        ("terms_not_accepted", TermsNotAccepted),
        ("account_disabled", AccountDisabled),
        ("access_lost", AccessLost),
        ("audience_deleted", AudienceGone),
    ],
)
def test_every_trouble_on_the_way_has_its_name(drive: Drive, linkedin: LinkedIn, fault: str, error: type[ChannelError]) -> None:
    there = made(linkedin, target(drive), fault)
    drive.fault("linkedin", fault)
    with pytest.raises(error) as refused:
        linkedin.deliver(there, send(people("secret@example.com")))
    assert refused.type is error
    assert sha("secret@example.com") not in str(refused.value)


def test_a_version_that_is_no_longer_served_is_a_matter_for_the_operator(drive: Drive, adapter: Callable[..., LinkedIn]) -> None:
    with pytest.raises(VersionSunset):
        adapter(version="202401").require_access(target(drive))
