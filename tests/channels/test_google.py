"""Google's adapter against its stand-in."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pytest

from channels.google import Google
from channels.google_login import PERSON, SCOPES
from channels.http import Http
from core.errors import (
    AccessLost,
    AccountDisabled,
    AudienceGone,
    ChannelError,
    NeedsReconnect,
    PermissionMissing,
    RateLimited,
    TermsNotAccepted,
    Unavailable,
)
from core.models import Grant, IdentifierKind
from core.ports import Batch, Column, Delivery, Op, Target
from tests.sandbox.platforms.drive import MIA, VERA, Drive, running, sha

CONTACTS = frozenset({IdentifierKind.EMAIL, IdentifierKind.PHONE})
VERIFIER = "v" * 64


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
    shared.pace("google", 0)
    return shared


@pytest.fixture
def adapter(drive: Drive) -> Iterator[Callable[..., Google]]:
    """Makes adapters that speak to the stand-in."""
    opened: list[Http] = []

    def make(**told: object) -> Google:
        opened.append(Http("Google", sleep=lambda _: None))
        urls = dict.fromkeys(("data_url", "ads_url", "login_url", "token_url", "people_url"), f"{drive.base}/google")
        told = {"clock": Clock(), "poll": timedelta(0), "mobile_app": ("ANDROID", "com.example"), **urls} | told
        return Google(http=opened[-1], client_id="app", client_secret="secret", **told)  # type: ignore[arg-type]

    yield make
    for http in opened:
        http.close()


@pytest.fixture
def google(adapter: Callable[..., Google]) -> Google:
    return adapter()


def target(drive: Drive, user: str = MIA) -> Target:
    token, (account, *_) = drive.token("google", user)
    return Target(Grant(token), account)


def made(google: Google, there: Target, key: str, kinds: frozenset[IdentifierKind] = CONTACTS) -> Target:
    return replace(there, audience_id=google.create(there, name=key, key=key, kinds=kinds).id)


def digests(values: list[str], places: list[int] | None = None) -> Column:
    found = pa.array([bytes.fromhex(sha(v)) for v in values], pa.binary(32))
    return Column(pa.array(places or range(len(values)), pa.uint32()), found)


def people(*addresses: str) -> Batch:
    return Batch(len(addresses), {IdentifierKind.EMAIL: digests(list(addresses))})


def send(batch: Batch, op: Op = Op.ADD) -> Delivery:
    return Delivery(op, batch, 1, 1, last=True, total=batch.size)


def consent(drive: Drive, google: Google, user: str = MIA, scopes: tuple[str, ...] = (*SCOPES, *PERSON)) -> Grant:
    """What a person's browser does on Google's page."""
    back = "http://127.0.0.1/back"
    url = urlsplit(google.authorize_url(state="s", redirect_uri=back, verifier=VERIFIER))
    asked = {k: v[0] for k, v in parse_qs(url.query).items()}
    assert asked["scope"].split() == [*SCOPES, *PERSON]
    form = asked | {"as": user, "decision": "grant", "scope": list(scopes)}
    answer = drive.http.post(f"{url.scheme}://{url.netloc}{url.path}", data=form, follow_redirects=False)
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    return google.exchange(code=code, redirect_uri=back, verifier=VERIFIER)


# ── consent ──


def test_a_consent_gives_a_grant_that_can_be_renewed_with_its_person_and_its_scopes(drive: Drive, google: Google) -> None:
    grant = consent(drive, google)
    assert grant.person_name == "Mia Chen"
    assert set(SCOPES) <= set(grant.scopes)
    assert (grant.ends_at, grant.refresh_token is not None) == (None, True)
    renewed = google.renew(grant)
    assert renewed.access_token != grant.access_token
    assert (renewed.refresh_token, renewed.person_name) == (grant.refresh_token, grant.person_name)
    assert set(SCOPES) <= set(google.check(renewed).scopes)


@pytest.mark.parametrize("left_out", SCOPES)
def test_a_box_that_was_left_empty_connects_nothing(drive: Drive, google: Google, left_out: str) -> None:
    with pytest.raises(PermissionMissing, match="every box"):
        consent(drive, google, scopes=tuple(s for s in (*SCOPES, *PERSON) if s != left_out))


def test_who_does_not_say_who_they_are_is_connected_all_the_same(drive: Drive, google: Google) -> None:
    grant = consent(drive, google, scopes=SCOPES)
    assert grant.person_name == ""
    assert any(a.may_manage for a in google.accounts(grant))


def test_a_used_code_says_what_to_do(drive: Drive, google: Google) -> None:
    with pytest.raises(ChannelError, match="new link") as refused:
        google.exchange(code="used", redirect_uri="http://127.0.0.1/back", verifier=VERIFIER)
    assert refused.type is ChannelError


def test_a_token_that_ends_before_its_time_is_renewed_once_and_without_a_word(drive: Drive, google: Google) -> None:
    grant = consent(drive, google)
    drive.fault("google", "token_expired")
    before = requests(drive, "POST token")
    assert google.accounts(grant)
    assert google.accounts(grant)
    assert requests(drive, "POST token") == before + 1


def test_an_expired_token_without_a_refresh_token_asks_to_log_in_again(drive: Drive, google: Google) -> None:
    grant = replace(consent(drive, google), refresh_token=None)
    drive.fault("google", "token_expired")
    for ask in (google.accounts, google.check):
        with pytest.raises(NeedsReconnect) as refused:
            ask(grant)
        assert refused.value.code == "connection_expired"


def test_a_revoked_consent_is_told_as_that(drive: Drive, google: Google) -> None:
    grant = consent(drive, google)
    drive.fault("google", "token_revoked")
    for ask in (google.accounts, google.check, google.renew):
        with pytest.raises(NeedsReconnect) as refused:
            ask(grant)
        assert refused.value.code == "connection_revoked"


def test_disconnecting_takes_the_consent_back(drive: Drive, google: Google) -> None:
    grant = consent(drive, google)
    google.revoke(grant)
    with pytest.raises(NeedsReconnect):
        google.check(grant)


def requests(drive: Drive, endpoint: str) -> int:
    return sum(r["count"] for r in drive.get("requests/google")["requests"] if r["endpoint"] == endpoint)


# ── accounts ──


def test_accounts_come_in_googles_order_and_those_below_a_manager_with_the_way_there(drive: Drive, google: Google) -> None:
    accounts = google.accounts(consent(drive, google))
    assert accounts[0].id == drive.token("google")[1][0]
    assert accounts[0].may_manage
    assert {a.status: a.reason for a in accounts if not a.may_manage} == {
        "disabled": "Google says this ad account is suspended.",
        "read_only": "Your role in this ad account does not allow to manage audiences.",
    }
    below = [a for a in accounts if a.login_id]
    assert [(a.name, a.may_manage) for a in below] == [("Acme Nordics", True)]
    assert not [a for a in accounts if a.id == below[0].login_id]
    assert not any(a.may_manage for a in google.accounts(consent(drive, google, VERA)))


def test_an_account_below_a_manager_is_worked_on_through_it(drive: Drive, google: Google) -> None:
    grant = consent(drive, google)
    account = next(a for a in google.accounts(grant) if a.login_id)
    there = Target(grant, account.id, account.login_id)
    google.require_access(there)
    there = made(google, there, "below")
    google.require_access(there)
    assert google.deliver(there, send(people("nordic@example.com"))).received == 1
    assert drive.held("google", there.audience_id) == {sha("nordic@example.com")}
    assert google.campaigns(there)
    with pytest.raises(AccessLost):
        google.require_access(replace(there, login_id=None))


@pytest.mark.parametrize(
    ("fault", "error"),
    [("access_lost", AccessLost), ("account_disabled", AccountDisabled), ("terms_not_accepted", TermsNotAccepted)],
)
def test_access_is_asked_for_now(drive: Drive, google: Google, fault: str, error: type[ChannelError]) -> None:
    there = target(drive)
    lists = len(drive.get("truth/google"))
    google.require_access(there)
    there_is = made(google, there, f"access {fault}")
    drive.fault("google", fault, account_id=there.account_id)
    for asked in (there, there_is):
        with pytest.raises(error) as refused:
            google.require_access(asked)
        assert refused.type is error
    assert len(drive.get("truth/google")) == lists + 1


def test_who_may_only_look_is_refused(drive: Drive, google: Google) -> None:
    grant = consent(drive, google)
    account = next(a for a in google.accounts(grant) if a.status == "read_only")
    with pytest.raises(AccessLost):
        google.require_access(Target(grant, account.id))


# ── audiences ──


def test_an_audience_is_found_by_our_key_and_is_the_same_whenever_it_is_read(drive: Drive, google: Google) -> None:
    there = target(drive)
    assert google.find(there, key="one") is None
    audience = google.create(there, name="Guests", key="one", kinds=CONTACTS)
    assert google.find(there, key="one") == audience
    assert google.find(there, key="on") is None
    there = replace(there, audience_id=audience.id)
    google.deliver(there, send(people(*(f"n{n}@example.com" for n in range(300)))))
    later = google.audience(there)
    assert (later.id, later.created_at, later.status, later.usable) == (audience.id, audience.created_at, "Open", True)
    assert (later.size_lower, later.match_rate) == (165, 0.55)


def test_a_name_that_is_taken_is_told_apart(drive: Drive, google: Google) -> None:
    there = target(drive)
    first = google.create(there, name="Same", key="first", kinds=CONTACTS)
    second = google.create(there, name="Same", key="0123456789", kinds=CONTACTS)
    assert first.id != second.id
    assert second.name == "Same · 01234567"
    assert google.create(there, name="Same", key="first", kinds=CONTACTS) == first


def test_a_deleted_audience_is_gone_and_deleting_it_again_is_well(drive: Drive, google: Google) -> None:
    there = made(google, target(drive), "deleted")
    google.delete(there)
    google.delete(there)
    for ask in (google.audience, lambda t: google.deliver(t, send(people("a@example.com")))):
        with pytest.raises(AudienceGone):
            ask(there)
    assert google.find(there, key="deleted") is None


def test_campaigns_that_target_or_exclude_an_audience_are_told(drive: Drive, google: Google) -> None:
    grant = consent(drive, google)
    own = next(a for a in google.accounts(grant) if a.may_manage and "regional" in a.name)
    found = [google.campaigns(made(google, Target(grant, own.id), f"used {n}")) for n in range(4)]
    assert [[(c.name, c.running, c.excludes) for c in campaigns] for campaigns in found] == [
        [("Always on: awareness", True, False), ("Autumn launch", True, False)],
        [("Spring recap", False, False)],
        [("Always on: awareness", True, False), ("Autumn launch", True, True)],
        [("Spring recap", False, False)],
    ]


# ── members ──


def test_people_are_added_and_removed_by_all_that_they_are_known_by(drive: Drive, google: Google) -> None:
    there = made(google, target(drive), "people")
    names = b"".join(hashlib.sha256(n).digest() for n in (b"ana", b"ruiz"))
    address = Column(pa.array([1], pa.uint32()), pa.array([names + b"ES28001"], pa.binary()))
    batch = Batch(
        3,
        {
            IdentifierKind.EMAIL: digests(["a@example.com", "b@example.com", "b2@example.com"], [0, 1, 1]),
            IdentifierKind.PHONE: digests(["+34600111222", "+34600111333"], [1, 2]),
            IdentifierKind.ADDRESS: address,
        },
    )
    receipt = google.deliver(there, send(batch))
    assert (receipt.received, receipt.rejected, receipt.request_id is not None) == (3, {}, True)
    assert google.settlement(there, str(receipt.request_id)).done
    assert drive.held("google", there.audience_id) == {sha(f"{n}@example.com") for n in ("a", "b", "b2")}
    assert drive.held("google", there.audience_id, "phone") == {sha("+34600111222"), sha("+34600111333")}
    assert len(drive.held("google", there.audience_id, "address")) == 1
    google.deliver(there, send(people("a@example.com", "never@example.com"), Op.REMOVE))
    assert drive.held("google", there.audience_id) == {sha(f"{n}@example.com") for n in ("b", "b2")}


def test_mobile_ids_have_lists_of_their_own(drive: Drive, google: Google, adapter: Callable[..., Google]) -> None:
    mobile = frozenset({IdentifierKind.MOBILE})
    there = made(google, target(drive), "mobile", mobile)
    ids = ["11111111-2222-3333-4444-555555555555", "11111111-2222-3333-4444-666666666666"]
    values = pa.array([i.encode() for i in ids], pa.binary())
    google.deliver(there, send(Batch(1, {IdentifierKind.MOBILE: Column(pa.array([0, 0], pa.uint32()), values)})))
    assert drive.held("google", there.audience_id, "mobile") == set(ids)
    with pytest.raises(ChannelError):
        google.deliver(there, send(people("a@example.com")))
    assert IdentifierKind.MOBILE in google.traits.kinds
    assert IdentifierKind.MOBILE not in adapter(mobile_app=None).traits.kinds


def test_a_request_is_settled_when_google_has_worked_on_it(drive: Drive, google: Google, adapter: Callable[..., Google]) -> None:
    there = made(google, target(drive), "settled")
    drive.pace("google", 60)
    receipt = google.deliver(there, send(people("a@example.com"), Op.REMOVE))
    waiting = google.settlement(there, str(receipt.request_id))
    assert not waiting.done
    patient = adapter(poll=timedelta(minutes=30))
    before = requests(drive, "GET requestStatus:retrieve")
    left = patient.settlement(there, str(receipt.request_id)).ask_again_in
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)
    assert requests(drive, "GET requestStatus:retrieve") == before
    unknown = google.settlement(there, "00000000-0000-0000-0000-000000000000@0")
    assert (unknown.done, unknown.failed) == (True, True)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("http_500", Unavailable),
        ("rate_limited", RateLimited),
        ("terms_not_accepted", TermsNotAccepted),
        ("account_disabled", AccountDisabled),
        ("access_lost", AccessLost),
        ("audience_deleted", AudienceGone),
        ("token_revoked", NeedsReconnect),
    ],
)
def test_every_trouble_on_the_way_has_its_name(drive: Drive, google: Google, fault: str, error: type[ChannelError]) -> None:
    there = made(google, target(drive), fault)
    drive.fault("google", fault)
    with pytest.raises(error) as refused:
        google.deliver(there, send(people("secret@example.com")))
    assert refused.type is error
    assert sha("secret@example.com") not in str(refused.value)


def test_a_sweep_takes_out_whoever_was_not_sent_since(drive: Drive, google: Google) -> None:
    there = made(google, target(drive), "swept")
    google.deliver(there, send(people("old@example.com", "kept@example.com")))
    since = Clock().now() + timedelta(seconds=3)
    threading.Event().wait(3)  # Google's clock has whole seconds
    google.deliver(there, send(people("kept@example.com")))
    request = google.sweep(there, since)
    assert google.settlement(there, request).done
    assert drive.held("google", there.audience_id) == {sha("kept@example.com")}


def test_a_clock_that_is_ahead_of_googles_sweeps_nobody_who_was_just_sent(adapter: Callable[..., Google], drive: Drive) -> None:
    ahead = adapter(wall=lambda: time.time() + 600)
    there = made(ahead, target(drive), "skewed")
    ahead.deliver(there, send(people("new@example.com")))
    request = ahead.sweep(there, Clock().now() + timedelta(seconds=600))
    assert ahead.settlement(there, request).done
    assert drive.held("google", there.audience_id) == {sha("new@example.com")}
