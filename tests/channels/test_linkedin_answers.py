"""LinkedIn's adapter against answers that its stand-in does not give, and what goes over the wire."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pyarrow as pa
import pytest

from channels.http import Http
from channels.linkedin import LinkedIn
from channels.linkedin_errors import error_of, reason_of
from core.errors import (
    AccessLost,
    AudienceGone,
    AudienceLimit,
    ChannelError,
    NeedsReconnect,
    PermissionMissing,
    RateLimited,
    Rejected,
    Unavailable,
)
from core.models import Grant, IdentifierKind
from core.ports import Batch, Column, Delivery, Op, Target

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
THERE = Target(Grant("token", "refresh"), "500", audience_id="77")


class Clock:
    def now(self) -> datetime:
        return NOW


class Wire:
    """What LinkedIn would answer, in order; the last answer stands. Keeps what it was asked."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []
        self.waits: list[float] = []
        self.http = Http("LinkedIn", transport=httpx.MockTransport(self.answer), sleep=self.waits.append)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        headers = {"x-linkedin-id": "77"} if status == 201 else {}
        return httpx.Response(status, content=orjson.dumps(body) if body is not None else b"", headers=headers)

    def elements(self, nth: int) -> list[Any]:
        return list(orjson.loads(self.asked[nth].content)["elements"])


@pytest.fixture
def speaking() -> Iterator[Callable[..., tuple[LinkedIn, Wire]]]:
    opened: list[Wire] = []

    def make(*answers: tuple[int, Any]) -> tuple[LinkedIn, Wire]:
        wire = Wire(*answers)
        opened.append(wire)
        return LinkedIn(http=wire.http, client_id="app", client_secret="secret", clock=Clock(), sleep=wire.waits.append), wire

    yield make
    for wire in opened:
        wire.http.close()


Speaking = Callable[..., tuple[LinkedIn, Wire]]


def batch(*members: int, mobile: bool = False) -> Batch:
    """E-mails, made of a number each, of the members at these places."""
    values = pa.array([bytes([n]) * 32 for n in range(len(members))], pa.binary(32))
    columns = {IdentifierKind.EMAIL: Column(pa.array(members, pa.uint32()), values)}
    if mobile:
        columns[IdentifierKind.MOBILE] = Column(pa.array([0], pa.uint32()), pa.array([b"aa-bb"], pa.binary()))
    return Batch(max(members) + 1, columns)


def send(what: Batch, op: Op = Op.ADD) -> Delivery:
    return Delivery(op, what, 1, 1, last=True, total=what.size)


def told(*statuses: int, message: str = "idValue x@example.com is wrong") -> tuple[int, Any]:
    elements = [{"status": s} if s < 300 else {"status": s, "error": {"message": message}} for s in statuses]
    return 200, {"elements": elements}


def segment(status: str, **more: Any) -> Any:
    changed = int((NOW - timedelta(days=40)).timestamp() * 1_000)
    there = {"destination": "LINKEDIN", "status": status, "audienceSize": 900, "matchedCount": 60}
    row = {"id": 77, "name": "Guests", "created": 1_700_000_000_123, "lastModified": changed, "destinations": [there]}
    return row | more


def test_a_request_carries_version_protocol_and_method_and_hashes_only(speaking: Speaking) -> None:
    linkedin, wire = speaking(told(201, 201))
    linkedin.deliver(THERE, send(batch(0, 1, mobile=True), Op.REMOVE))
    sent = wire.asked[0]
    assert (sent.method, str(sent.url)) == ("POST", "https://api.linkedin.com/rest/dmpSegments/77/users")
    names = ("linkedin-version", "x-restli-protocol-version", "x-restli-method", "authorization", "content-type")
    assert [sent.headers[n] for n in names] == ["202607", "2.0.0", "BATCH_CREATE", "Bearer token", "application/json"]
    first = {"idType": "SHA256_EMAIL", "idValue": "00" * 32}
    assert wire.elements(0) == [
        {"action": "REMOVE", "userIds": [first, {"idType": "GOOGLE_AID", "idValue": "aa-bb"}]},
        {"action": "REMOVE", "userIds": [{"idType": "SHA256_EMAIL", "idValue": "01" * 32}]},
    ]


def test_structure_travels_in_the_clear_and_texts_are_encoded(speaking: Speaking) -> None:
    linkedin, wire = speaking((200, {"elements": [], **segment("READY")}))
    linkedin.find(THERE, key="a b")
    linkedin.campaigns(THERE)
    queries = [request.url.raw_path.decode().partition("?")[2] for request in wire.asked]
    assert "account=urn%3Ali%3AsponsoredAccount%3A500&sourceSegmentId=segsync%3Aa%20b" in queries[0]
    assert "search=(status:(values:List(ACTIVE,PAUSED,DRAFT)))" in queries[2]


def test_refusals_within_a_success_are_told_by_place_and_reason(speaking: Speaking) -> None:
    linkedin, wire = speaking(told(201, 400, 201))
    receipt = linkedin.deliver(THERE, send(batch(0, 1, 2)))
    assert (receipt.received, receipt.rejected) == (2, {1: "email_invalid"})
    assert len(wire.asked) == 1


def test_a_member_of_whom_one_address_is_refused_is_refused(speaking: Speaking) -> None:
    linkedin, _ = speaking(told(201, 400, 201))
    receipt = linkedin.deliver(THERE, send(batch(0, 0, 1)))
    assert (receipt.received, receipt.rejected) == (1, {0: "email_invalid"})


def test_elements_that_may_pass_later_go_again_alone(speaking: Speaking) -> None:
    linkedin, wire = speaking(told(201, 429, 400, 500), told(201, 429), told(201))
    receipt = linkedin.deliver(THERE, send(batch(0, 1, 2, 3)))
    assert (receipt.received, receipt.rejected) == (3, {2: "email_invalid"})
    assert [len(wire.elements(n)) for n in range(3)] == [4, 2, 1]
    assert wire.waits == [1.0, 2.0]


def test_one_element_that_keeps_failing_does_not_fail_the_rest(speaking: Speaking) -> None:
    linkedin, _ = speaking(told(201, 500), told(500))
    receipt = linkedin.deliver(THERE, send(batch(0, 1)))
    assert (receipt.received, receipt.rejected) == (1, {1: "channel_failed"})


def test_a_request_of_which_nothing_passes_is_tried_later_as_a_whole(speaking: Speaking) -> None:
    linkedin, _ = speaking(told(503, 503))
    with pytest.raises(Unavailable):
        linkedin.deliver(THERE, send(batch(0, 1)))


def test_elements_without_an_answer_are_not_received(speaking: Speaking) -> None:
    linkedin, _ = speaking(told(201))
    receipt = linkedin.deliver(THERE, send(batch(0, 1)))
    assert (receipt.received, receipt.rejected) == (1, {})


@pytest.mark.parametrize(
    ("status", "given", "usable", "working"),
    [
        ("BUILDING", None, True, False),
        ("BUILDING", 200, True, True),
        ("READY", 200, True, False),
        ("UPDATING", 200, True, True),
        ("ARCHIVED", 200, True, False),
        ("FAILED", 200, False, False),
        ("ERROR", 200, False, False),
    ],
)
def test_an_audience_says_where_it_is_in_its_life(
    speaking: Speaking, status: str, given: int | None, usable: bool, working: bool
) -> None:
    linkedin, _ = speaking((200, segment(status, **({"inputCount": given} if given else {}))))
    audience = linkedin.audience(THERE)
    assert (audience.status, audience.usable, audience.working) == (status.capitalize(), usable, working)
    assert audience.size_lower == 900
    assert audience.match_rate == (0.3 if given else None)
    assert audience.expires_at == (NOW + timedelta(days=50) if status == "ARCHIVED" else None)


def test_an_expired_audience_is_gone_and_is_not_found_again(speaking: Speaking) -> None:
    linkedin, _ = speaking((200, {"elements": [segment("EXPIRED", sourceSegmentId="segsync:k")], **segment("EXPIRED")}))
    with pytest.raises(AudienceGone, match="expired"):
        linkedin.audience(THERE)
    assert linkedin.find(THERE, key="k") is None


def test_lists_are_read_to_their_end(speaking: Speaking) -> None:
    roles = {"elements": [{"account": "urn:li:sponsoredAccount:1", "role": "CREATIVE_MANAGER"}], "paging": {"total": 2}}
    more = {"elements": [{"account": "urn:li:sponsoredAccount:2", "role": "VIEWER"}], "paging": {"total": 2}}
    first = {"elements": [{"id": 1, "name": "One", "status": "ACTIVE"}], "metadata": {"nextPageToken": "a/b"}}
    last = {"elements": [{"id": 2, "name": "Two", "status": "ACTIVE"}, {"id": 3, "status": "ACTIVE"}], "metadata": {}}
    linkedin, wire = speaking((200, roles), (200, more), (200, first), (200, last))
    assert [(a.id, a.may_manage) for a in linkedin.accounts(THERE.grant)] == [("1", True), ("2", False), ("3", False)]
    assert "pageToken=a%2Fb" in str(wire.asked[3].url)


def test_an_app_that_may_not_read_names_still_knows_who_consented(speaking: Speaking) -> None:
    token = {"access_token": "fresh", "expires_in": 5_184_000, "scope": "rw_ads,rw_dmp_segments"}
    denied = {"status": 403, "code": "ACCESS_DENIED", "message": "Not enough permissions to access: me.GET.NO_VERSION"}
    roles = {"elements": [{"account": "urn:li:sponsoredAccount:1", "user": "urn:li:person:Ab1", "role": "VIEWER"}]}
    linkedin, _ = speaking((200, token), (403, denied), (200, roles))
    grant = linkedin.exchange(code="c", redirect_uri="http://127.0.0.1/back", verifier="")
    assert (grant.person_id, grant.person_name, grant.refresh_token) == ("Ab1", "", None)
    assert grant.ends_at == grant.expires_at == NOW + timedelta(days=60)


def test_a_scope_that_was_not_given_is_named(speaking: Speaking) -> None:
    linkedin, _ = speaking((200, {"access_token": "fresh", "expires_in": 60, "scope": "rw_ads"}))
    with pytest.raises(PermissionMissing, match="rw_dmp_segments"):
        linkedin.exchange(code="c", redirect_uri="http://127.0.0.1/back", verifier="")


def test_a_new_audience_that_is_not_shown_yet_is_not_made_twice(speaking: Speaking) -> None:
    gone = (404, {"status": 404, "message": "Could not find DMP segment with ID 77"})
    linkedin, _ = speaking((201, None), gone, gone, gone, (200, {"elements": []}), (200, segment("BUILDING")))
    with pytest.raises(Unavailable):
        linkedin.create(THERE, name="Guests", key="k", kinds=frozenset())
    found = linkedin.find(THERE, key="k")
    assert found is not None
    assert found.id == "77"


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"serviceErrorCode": 65601, "message": "revoked by the user"}, NeedsReconnect),
        (403, {"code": "ACCESS_DENIED", "message": "Not enough permissions to access: dmpSegments.CREATE"}, PermissionMissing),
        (403, {"code": "ACCESS_DENIED", "message": "something else"}, AccessLost),
        (409, {}, Unavailable),
        (429, {"code": "SEGMENT_LIMIT_EXCEEDED"}, AudienceLimit),
        (429, {"serviceErrorCode": 101}, RateLimited),
        (413, None, Rejected),
        (502, "gateway", Unavailable),
        (400, {"code": "PARAM_INVALID", "message": "bad"}, ChannelError),
        (422, None, ChannelError),
    ],
)
def test_errors_have_one_name_each(status: int, body: Any, error: type[ChannelError]) -> None:
    assert type(error_of(status, body, account_id="500")) is error


def test_a_refusal_that_is_about_no_account_is_about_the_consent() -> None:
    refused = {"code": "ACCESS_DENIED", "message": "Not enough permissions to access: adAccounts.FINDER-search.NO_VERSION"}
    assert type(error_of(403, refused)) is PermissionMissing


def test_a_refused_request_names_the_rows_where_linkedin_does() -> None:
    where = {"input": {"inputPath": {"fieldPath": "elements/3/userIds/0/idValue"}}}
    refused = error_of(400, {"code": "FIELD_INVALID", "message": "x@example.com", "errorDetails": {"inputErrors": [where]}})
    assert isinstance(refused, Rejected)
    assert refused.rows == (3,)
    assert "example" not in f"{refused} {refused.reason}"


def test_reasons_never_hold_what_was_sent() -> None:
    assert reason_of({"error": {"message": "x@example.com"}}) == "refused"
