"""Meta's adapter against its stand-in, and each row of its table of errors."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import orjson
import pyarrow as pa
import pytest

from channels.http import Http
from channels.meta import SCOPES, Meta
from channels.meta_errors import EXPIRED, TABLE, error_of
from core.errors import (
    AccessLost,
    AccountDisabled,
    AudienceGone,
    ChannelError,
    NeedsReconnect,
    OutcomeUnknown,
    PermissionMissing,
    RateLimited,
    Rejected,
    SessionOver,
    TermsNotAccepted,
    Unavailable,
)
from core.models import Grant, IdentifierKind
from core.ports import Batch, Column, Delivery, Op, Target
from tests.sandbox.platforms.drive import MIA, VERA, Drive, running, sha

EMAIL = frozenset({IdentifierKind.EMAIL})
SESSIONS = count(1)
THERE = Target(Grant("token"), "500", audience_id="77")


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drive]:
    with running(tmp_path_factory.mktemp("sandbox")) as started:
        yield started


@pytest.fixture
def drive(shared: Drive) -> Drive:
    shared.well()
    shared.pace("meta", 0)
    return shared


@pytest.fixture
def meta(drive: Drive) -> Iterator[Meta]:
    http = Http("Meta", sleep=lambda _: None)
    base = f"{drive.base}/meta"
    yield Meta(http=http, client_id="app", client_secret="secret", clock=Clock(), api_url=base, dialog_url=base)
    http.close()


def target(drive: Drive, user: str = MIA) -> Target:
    token, (account, *_) = drive.token("meta", user)
    return Target(Grant(token), account)


def made(meta: Meta, there: Target, key: str) -> Target:
    return replace(there, audience_id=meta.create(there, name=key, key=key, kinds=EMAIL).id)


def column(values: list[str], places: list[int]) -> Column:
    return Column(pa.array(places, pa.uint32()), pa.array([bytes.fromhex(sha(v)) for v in values], pa.binary(32)))


def people(*addresses: str) -> Batch:
    return Batch(len(addresses), {IdentifierKind.EMAIL: column(list(addresses), list(range(len(addresses))))})


def send(batch: Batch, op: Op = Op.ADD) -> Delivery:
    """In a session of its own, as each refresh has one: Meta knows a session again within an ad account."""
    return Delivery(op, batch, next(SESSIONS), 1, last=True, total=batch.size)


def consent(drive: Drive, meta: Meta, user: str = MIA, scopes: tuple[str, ...] = SCOPES) -> Grant:
    """What a person's browser does on Meta's dialog."""
    back = "http://127.0.0.1/back"
    url = urlsplit(meta.authorize_url(state="s", redirect_uri=back, verifier=""))
    asked = {k: v[0] for k, v in parse_qs(url.query).items()}
    form = asked | {"as": user, "decision": "grant", "scope": list(scopes)}
    answer = drive.http.post(f"{url.scheme}://{url.netloc}{url.path}", data=form, follow_redirects=False)
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    return meta.exchange(code=code, redirect_uri=back, verifier="")


# ── consent ──


def test_a_consent_gives_a_grant_that_ends_in_sixty_days_and_is_never_refreshed(drive: Drive, meta: Meta) -> None:
    grant = consent(drive, meta)
    assert grant.person_name == "Mia Chen"
    assert set(SCOPES) <= set(grant.scopes)
    assert grant.ends_at is not None
    assert (grant.ends_at - datetime.now(UTC)).days == 59
    assert (grant.refresh_token, meta.renew(grant)) == (None, grant)


@pytest.mark.parametrize("left_out", SCOPES)
def test_a_box_that_was_left_empty_connects_nothing(drive: Drive, meta: Meta, left_out: str) -> None:
    with pytest.raises(PermissionMissing, match=left_out):
        consent(drive, meta, scopes=tuple(s for s in SCOPES if s != left_out))


@pytest.mark.parametrize(("fault", "code"), [("token_expired", "connection_expired"), ("token_revoked", "connection_revoked")])
def test_a_token_that_is_no_longer_good_asks_to_log_in_again(drive: Drive, meta: Meta, fault: str, code: str) -> None:
    grant = consent(drive, meta)
    drive.fault("meta", fault)
    with pytest.raises(NeedsReconnect) as refused:
        meta.accounts(grant)
    assert refused.value.code == code
    with pytest.raises(NeedsReconnect):
        meta.check(grant)


def test_disconnecting_takes_the_consent_back(drive: Drive, meta: Meta) -> None:
    grant = consent(drive, meta)
    meta.revoke(grant)
    with pytest.raises(NeedsReconnect):
        meta.check(grant)


# ── accounts ──


def test_accounts_come_in_metas_order_and_say_why_they_cannot_be_managed(drive: Drive, meta: Meta) -> None:
    token, ids = drive.token("meta")
    accounts = meta.accounts(Grant(token))
    assert (accounts[0].id, accounts[0].may_manage) == (ids[0], True)
    reasons = {a.status: a.reason or "" for a in accounts if not a.may_manage}
    assert set(reasons) == {"disabled", "read_only", "terms"}
    assert "customaudiences/tos" in reasons["terms"]
    assert not any(a.may_manage for a in meta.accounts(Grant(drive.token("meta", VERA)[0])))


@pytest.mark.parametrize(
    ("fault", "error"),
    [("access_lost", AccessLost), ("account_disabled", AccountDisabled), ("terms_not_accepted", TermsNotAccepted)],
)
def test_access_is_asked_for_now(drive: Drive, meta: Meta, fault: str, error: type[ChannelError]) -> None:
    there = target(drive)
    meta.require_access(there)
    drive.fault("meta", fault, account_id=there.account_id)
    with pytest.raises(error) as refused:
        meta.require_access(there)
    assert refused.type is error


# ── audiences ──


def test_an_audience_is_found_by_our_key_with_the_time_it_was_born_with(drive: Drive, meta: Meta) -> None:
    there = target(drive)
    assert meta.find(there, key="one") is None
    audience = meta.create(there, name="Guests", key="one", kinds=EMAIL)
    assert audience.created_at is not None
    assert meta.find(there, key="one") == audience
    assert meta.find(there, key="on") is None
    there = replace(there, audience_id=audience.id)
    meta.deliver(there, send(people(*(f"n{n}@example.com" for n in range(300)))))
    later = meta.audience(there)
    assert (later.created_at, later.working, later.usable) == (audience.created_at, False, True)
    assert (later.size_lower or 0) > 100
    assert audience.id in meta.audience_url(there.account_id, audience.id)


def test_an_audience_that_is_still_finding_people_says_so(drive: Drive, meta: Meta) -> None:
    there = made(meta, target(drive), "finding")
    drive.pace("meta", 60)
    meta.deliver(there, send(people("a@example.com")))
    assert meta.audience(there).working


def test_a_deleted_audience_is_gone_and_deleting_it_again_is_well(drive: Drive, meta: Meta) -> None:
    there = made(meta, target(drive), "deleted")
    meta.delete(there)
    meta.delete(there)
    with pytest.raises(AudienceGone):
        meta.audience(there)
    assert meta.find(there, key="deleted") is None


def test_campaigns_that_target_or_exclude_an_audience_are_told(drive: Drive, meta: Meta) -> None:
    grant = consent(drive, meta)
    own = next(a for a in meta.accounts(grant) if a.may_manage and "regional" in a.name)
    found = [meta.campaigns(made(meta, Target(grant, own.id), f"used {n}")) for n in range(4)]
    assert sorted(len(campaigns) for campaigns in found) == [1, 1, 2, 2]
    assert [c.name for campaigns in found for c in campaigns if c.excludes] == ["Autumn launch"]
    assert {c.name for campaigns in found for c in campaigns if not c.running} == {"Spring recap"}


# ── members ──


def test_people_are_added_and_removed_by_all_that_they_are_known_by(drive: Drive, meta: Meta) -> None:
    there = made(meta, target(drive), "people")
    batch = Batch(
        3,
        {
            IdentifierKind.EMAIL: column(["a@example.com", "b@example.com", "b2@example.com"], [0, 1, 1]),
            IdentifierKind.PHONE: column(["34600111222", "34600111333"], [1, 2]),
            IdentifierKind.MOBILE: Column(pa.array([0], pa.uint32()), pa.array([b"aaaa-bbbb"], pa.binary())),
        },
    )
    assert meta.deliver(there, send(batch)).received == 3
    assert drive.held("meta", there.audience_id) == {sha(f"{n}@example.com") for n in ("a", "b", "b2")}
    assert drive.held("meta", there.audience_id, "phone") == {sha("34600111222"), sha("34600111333")}
    assert drive.held("meta", there.audience_id, "mobile") == {"aaaa-bbbb"}
    assert meta.deliver(there, send(people("a@example.com", "never@example.com"), Op.REMOVE)).received == 2
    assert drive.held("meta", there.audience_id) == {sha(f"{n}@example.com") for n in ("b", "b2")}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("http_500", Unavailable),
        ("rate_limited", RateLimited),
        ("terms_not_accepted", TermsNotAccepted),
        ("account_disabled", AccountDisabled),
        ("audience_deleted", AudienceGone),
        ("token_revoked", NeedsReconnect),
        ("token_expired", NeedsReconnect),
    ],
)
def test_every_trouble_on_the_way_has_its_name(drive: Drive, meta: Meta, fault: str, error: type[ChannelError]) -> None:
    there = made(meta, target(drive), fault)
    drive.fault("meta", fault)
    with pytest.raises(error) as refused:
        meta.deliver(there, send(people("secret@example.com")))
    assert refused.type is error
    assert sha("secret@example.com") not in str(refused.value)


def test_a_new_audience_is_not_made_twice_when_the_answer_is_lost(drive: Drive, meta: Meta) -> None:
    there = target(drive)
    drive.fault("meta", "reset", times=1, endpoint="POST act_{id}/customaudiences")
    with pytest.raises(OutcomeUnknown):
        meta.create(there, name="Once", key="once", kinds=EMAIL)


# ── answers that the stand-in does not give ──


def batches(*parts: Batch, session: int = 1) -> list[Delivery]:
    total, last = sum(b.size for b in parts), len(parts)
    return [Delivery(Op.REPLACE, b, session, n, last=n == last, total=total) for n, b in enumerate(parts, 1)]


def test_a_replacement_leaves_nobody_but_whom_its_batches_name(drive: Drive, meta: Meta) -> None:
    there = made(meta, target(drive), "replaced")
    meta.deliver(there, send(people("stranger@example.com", "a@example.com")))
    phones = Batch(1, {IdentifierKind.PHONE: column(["15559876543"], [0])})
    for delivery in batches(people("a@example.com", "b@example.com"), phones, people("c@example.com")):
        meta.deliver(there, delivery)
    assert drive.held("meta", there.audience_id) == {sha(f"{n}@example.com") for n in "abc"}
    assert drive.held("meta", there.audience_id, "phone") == {sha("15559876543")}


def test_a_replacement_that_was_cut_off_goes_on_and_one_that_is_over_says_so(drive: Drive, meta: Meta) -> None:
    there = made(meta, target(drive), "cut-off")
    first, last = batches(people("a@example.com"), people("b@example.com"), session=2)
    meta.deliver(there, first)
    with pytest.raises(Unavailable):
        meta.deliver(there, send(people("c@example.com")))
    meta.deliver(there, first)
    meta.deliver(there, last)
    assert drive.held("meta", there.audience_id) == {sha("a@example.com"), sha("b@example.com")}
    with pytest.raises(SessionOver):
        meta.deliver(there, last)


@pytest.fixture
def speaking() -> Iterator[Callable[..., Meta]]:
    """Makes adapters to whom Meta always gives this answer."""
    opened: list[Http] = []

    def make(status: int, body: Any, headers: dict[str, str] | None = None) -> Meta:
        answer = httpx.Response(status, content=orjson.dumps(body), headers=headers)
        opened.append(Http("Meta", transport=httpx.MockTransport(lambda _: answer), sleep=lambda _: None))
        return Meta(http=opened[-1], client_id="app", client_secret="secret", clock=Clock())

    yield make
    for http in opened:
        http.close()


def told(code: int, subcode: int = 0, **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "error_subcode": subcode, "message": "about x@example.com", **more}}


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_each_row_of_the_table_is_reached_through_the_adapter(speaking: Callable[..., Meta], row: int | tuple[int, int]) -> None:
    code, subcode = row if isinstance(row, tuple) else (row, 0)
    with pytest.raises(ChannelError) as refused:
        speaking(400, told(code, subcode)).deliver(THERE, send(people("a@example.com")))
    assert refused.type is TABLE[row]
    assert "example.com" not in str(refused.value)


@pytest.mark.parametrize("subcode", EXPIRED)
def test_a_session_that_has_expired_is_told_from_one_that_was_taken_back(subcode: int) -> None:
    assert error_of(401, told(190, subcode)).code == "connection_expired"
    assert error_of(401, told(190, 460)).code == "connection_revoked"


def test_a_subcode_that_nobody_knows_is_read_by_its_code_alone() -> None:
    assert type(error_of(400, told(200, 4_242))) is AccessLost


def test_what_nobody_knows_is_ours_to_look_at_unless_it_passes() -> None:
    strange = error_of(400, told(4_242, 7))
    assert type(strange) is ChannelError
    assert "4242, 7" in str(strange)
    assert type(error_of(400, told(4_242, is_transient=True))) is Unavailable
    assert type(error_of(500, told(4_242))) is Unavailable
    assert type(error_of(502, None)) is Unavailable


def test_terms_lead_to_the_page_where_they_are_accepted() -> None:
    found = error_of(400, told(200, 1_870_090), account_id="500")
    assert isinstance(found, TermsNotAccepted)
    assert str(found.url).endswith("act=500")


def test_a_batch_that_is_refused_for_its_rows_is_divided() -> None:
    found = error_of(
        400, {"error": {"code": 100, "message": "(#100) The number of rows must not exceed 10000"}}, account_id="500"
    )
    assert isinstance(found, Rejected)


def test_meta_says_in_minutes_when_the_budget_is_back(speaking: Callable[..., Meta]) -> None:
    usage = orjson.dumps({"500": [{"type": "custom_audience", "call_count": 100, "estimated_time_to_regain_access": 3}]}).decode()
    meta = speaking(400, told(80_003), {"x-business-use-case-usage": usage})
    with pytest.raises(RateLimited) as refused:
        meta.deliver(THERE, send(people("a@example.com")))
    assert refused.value.retry_after == timedelta(minutes=3).total_seconds()


def test_rows_that_meta_finds_invalid_are_counted_and_the_others_are_in(speaking: Callable[..., Meta]) -> None:
    meta = speaking(200, {"num_received": 3, "num_invalid_entries": 1})
    receipt = meta.deliver(THERE, send(people("a@example.com", "b@example.com", "c@example.com")))
    assert (receipt.received, receipt.unplaced) == (2, {"invalid": 1})


@pytest.mark.parametrize(
    ("delivery", "operation", "usable", "working"),
    [(200, 200, True, False), (300, 441, True, True), (200, 414, True, True), (400, 471, False, False)],
)
def test_the_states_of_an_audience_are_told(
    speaking: Callable[..., Meta], delivery: int, operation: int, *, usable: bool, working: bool
) -> None:
    row = {"id": "77", "delivery_status": {"code": delivery}, "operation_status": {"code": operation}}
    found = speaking(200, row | {"approximate_count_lower_bound": -1}).audience(THERE)
    assert (found.usable, found.working, found.size_lower) == (usable, working, None)
