"""Google's adapter against answers that its stand-in does not give, and what goes over the wire."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import orjson
import pyarrow as pa
import pytest

from channels.google import Google
from channels.google_errors import DAY_QUOTA_S, PROCESSING, REASONS, TABLE, error_of
from channels.http import Http
from core.errors import (
    AccessLost,
    AccountDisabled,
    ChannelError,
    NeedsReconnect,
    RateLimited,
    Rejected,
    Unavailable,
    VersionSunset,
)
from core.models import Grant, IdentifierKind
from core.ports import Batch, Column, Delivery, Op, Target

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
THERE = Target(Grant("token", "refresh"), "500", audience_id="77")
EMPTY: list[Any] = [None, {}, {"error": "text"}, []]
REQUEST = f"r1@{int((NOW - timedelta(hours=2)).timestamp())}"


class Clock:
    def now(self) -> datetime:
        return NOW


class Wire:
    """What Google would answer, in order; the last answer stands. Keeps what it was asked."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []
        self.http = Http("Google", transport=httpx.MockTransport(self.answer), sleep=lambda _: None)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return httpx.Response(status, content=body if isinstance(body, bytes) else orjson.dumps(body))

    def body(self, nth: int = 0) -> Any:
        return orjson.loads(self.asked[nth].content)


@pytest.fixture
def speaking() -> Iterator[Callable[..., tuple[Google, Wire]]]:
    opened: list[Wire] = []

    def make(*answers: tuple[int, Any]) -> tuple[Google, Wire]:
        opened.append(Wire(*answers))
        return Google(http=opened[-1].http, client_id="app", client_secret="secret", clock=Clock()), opened[-1]

    yield make
    for wire in opened:
        wire.http.close()


Speaking = Callable[..., tuple[Google, Wire]]


def refusal(
    status: str = "INVALID_ARGUMENT", reason: str = "", *, fields: tuple[tuple[str, str], ...] = (), **metadata: str
) -> Any:
    details: list[Any] = [{"reason": reason or status, "metadata": metadata}]
    if fields:
        details.append({"fieldViolations": [{"field": f, "reason": r, "description": "x@example.com"} for f, r in fields]})
    return {"error": {"status": status, "message": "about x@example.com", "details": details}}


def failure(kind: str, code: str) -> Any:
    return {"error": {"status": "PERMISSION_DENIED", "details": [{"errors": [{"errorCode": {kind: code}}], "requestId": "r"}]}}


def people(size: int = 2) -> Delivery:
    values = pa.array([bytes([n]) * 32 for n in range(size)], pa.binary(32))
    batch = Batch(size, {IdentifierKind.EMAIL: Column(pa.array(range(size), pa.uint32()), values)})
    return Delivery(Op.ADD, batch, 1, 1, last=True, total=size)


def work(state: str, **counts: int) -> Any:
    """A request's status at its destination; `counts` by reason."""
    rows = [{"reason": f"PROCESSING_ERROR_REASON_{r}", "recordCount": str(n)} for r, n in counts.items()]
    done = {"compositeDataIngestionStatus": {"recordCount": "10", "uploadMatchRateRange": "MATCH_RATE_RANGE_51_TO_60"}}
    part = {"requestStatus": state, "audienceMembersIngestionStatus": done} | (
        {"errorInfo": {"errorCounts": rows}} if rows else {}
    )
    return {"requestStatusPerDestination": [part]}


# ── errors ──


@pytest.mark.parametrize("name", [n for n in TABLE if isinstance(n, str)])
def test_each_row_of_the_table_is_reached_by_its_reason_or_its_status(name: str) -> None:
    expected = TABLE[name]
    ways: list[Any] = [refusal(reason=name), refusal(name), refusal(fields=(("user_list.x", name),)), failure("someError", name)]
    for body in ways:
        found = error_of(400, body)
        assert type(found) is expected
        assert "example.com" not in str(found)


@pytest.mark.parametrize("status", [n for n in TABLE if isinstance(n, int)])
def test_an_answer_without_a_reason_is_known_by_its_status(status: int) -> None:
    for body in EMPTY:
        assert type(error_of(status, body)) is TABLE[status]


def test_what_nobody_knows_is_ours_to_look_at_and_a_server_that_fails_is_waited_for() -> None:
    strange = error_of(400, refusal(reason="SOMETHING_NEW"))
    assert type(strange) is ChannelError
    assert "SOMETHING_NEW" in str(strange)
    assert type(error_of(502, b"<html>")) is Unavailable


def test_the_quota_of_a_day_is_asked_for_later_than_that_of_a_minute() -> None:
    for limit, wait in (("IngestionMutateRequestsPerDayPerProject", DAY_QUOTA_S), ("XRequestsPerMinutePerProject", None)):
        found = error_of(429, refusal("RESOURCE_EXHAUSTED", quota_limit=limit))
        assert isinstance(found, RateLimited)
        assert found.retry_after == wait
    named = error_of(429, refusal("RESOURCE_EXHAUSTED"), retry_after=7)
    assert isinstance(named, RateLimited)
    assert named.retry_after == 7


def test_an_expired_token_is_told_from_one_that_was_taken_back() -> None:
    assert error_of(401, refusal("UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED")).code == "connection_expired"
    assert error_of(401, failure("authenticationError", "OAUTH_TOKEN_REVOKED")).code == "connection_revoked"


@pytest.mark.parametrize(("part", "reason"), REASONS)
def test_members_that_are_refused_are_named_with_their_places(part: str, reason: str) -> None:
    at = "audience_members.audience_members[{}].composite_data.user_data.user_identifiers[0]." + part
    if part == "user_identifiers":
        at = at.removesuffix("[0]." + part)
    found = error_of(400, refusal(fields=((at.format(3), "INVALID_FORMAT"), (at.format(1), "INVALID_FORMAT"))))
    assert isinstance(found, Rejected)
    assert (found.rows, found.reason) == ((1, 3), reason)


# ── over the wire ──


def test_a_request_carries_consent_terms_and_the_way_to_the_account(speaking: Speaking) -> None:
    google, wire = speaking((200, {"requestId": "r1"}))
    receipt = google.deliver(replace(THERE, login_id="900"), people())
    assert (receipt.received, receipt.request_id) == (2, f"r1@{int(NOW.timestamp())}")
    body = wire.body()
    assert body["consent"] == {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"}
    assert body["termsOfService"] == {"customerMatchTermsOfServiceStatus": "ACCEPTED"}
    assert body["destinations"] == [
        {
            "operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": "500"},
            "loginAccount": {"accountType": "GOOGLE_ADS", "accountId": "900"},
            "productDestinationId": "77",
        }
    ]
    assert body["audienceMembers"][1] == {"compositeData": {"userData": {"userIdentifiers": [{"emailAddress": "01" * 32}]}}}
    google.deliver(THERE, replace(people(), op=Op.REMOVE))
    assert set(wire.body(1)) == {"destinations", "audienceMembers", "encoding"}
    assert "loginAccount" not in wire.body(1)["destinations"][0]


def test_a_list_is_made_once_for_contact_data_and_lives_as_long_as_google_allows(speaking: Speaking) -> None:
    google, wire = speaking((200, {"id": "9", "displayName": "Guests"}))
    google.create(THERE, name="Guests", key="k", kinds=frozenset({IdentifierKind.EMAIL}))
    body = wire.body()
    assert (body["integrationCode"], body["membershipDuration"]) == ("segsync:k", "46656000s")
    assert body["ingestedUserListInfo"]["uploadKeyTypes"] == ["CONTACT_ID"]
    assert wire.asked[0].headers["login-account"] == "accountTypes/GOOGLE_ADS/accounts/500"


def test_an_answer_without_a_number_is_no_success(speaking: Speaking) -> None:
    google, _ = speaking((200, {}))
    with pytest.raises(Unavailable):
        google.deliver(THERE, people())


def test_a_search_goes_on_to_the_last_page(speaking: Speaking) -> None:
    first = {"userLists": [{"id": "1", "integrationCode": "segsync:kk"}], "nextPageToken": "p2"}
    google, wire = speaking((200, first), (200, {"userLists": [{"id": "2", "integrationCode": "segsync:k"}]}))
    found = google.find(THERE, key="k")
    assert found is not None
    assert found.id == "2"
    assert parse_qs(wire.asked[1].url.query.decode())["pageToken"] == ["p2"]


def test_a_denial_says_what_google_ads_knows_of_the_account(speaking: Speaking) -> None:
    denied = (403, refusal("PERMISSION_DENIED"))
    closed = (200, {"results": [{"customer": {"id": "500", "status": "CANCELED"}}]})
    open_ = (200, {"results": [{"customer": {"id": "500", "status": "ENABLED"}}]})
    for answer, error in (
        (closed, AccountDisabled),
        (open_, AccessLost),
        ((403, failure("authorizationError", "CUSTOMER_NOT_ENABLED")), AccountDisabled),
        ((403, failure("authorizationError", "USER_PERMISSION_DENIED")), AccessLost),
        ((503, {}), AccessLost),
    ):
        google, _ = speaking(denied, answer)
        with pytest.raises(ChannelError) as refused:
            google.deliver(THERE, people())
        assert refused.type is error


def test_a_version_that_google_ads_no_longer_serves_is_a_matter_for_the_operator(speaking: Speaking) -> None:
    google, _ = speaking((200, {"sub": "1"}), (404, b"<html>not found</html>"))
    with pytest.raises(VersionSunset):
        google.accounts(THERE.grant)


def test_a_closed_account_stands_in_the_list_and_says_so(speaking: Speaking) -> None:
    closed = (403, failure("authorizationError", "CUSTOMER_NOT_ENABLED"))
    google, _ = speaking((200, {"sub": "1"}), (200, {"resourceNames": ["customers/500"]}), closed)
    (account,) = google.accounts(THERE.grant)
    assert (account.id, account.may_manage, account.status) == ("500", False, "disabled")


def test_roles_that_nobody_may_read_forbid_nothing(speaking: Speaking) -> None:
    customer = (200, {"results": [{"customer": {"id": "500", "descriptiveName": "Acme", "status": "ENABLED"}}]})
    denied = (403, failure("authorizationError", "ACTION_NOT_PERMITTED"))
    google, _ = speaking((200, {"sub": "1"}), (200, {"resourceNames": ["customers/500"]}), customer, denied)
    (account,) = google.accounts(THERE.grant)
    assert (account.name, account.may_manage) == ("Acme", True)


# ── settlement ──


def test_members_that_the_work_left_out_are_counted_by_reason(speaking: Speaking) -> None:
    google, _ = speaking((200, work("PARTIAL_SUCCESS", UNKNOWN_CONSENT=3, INVALID_FORMAT=2, NEW_ONE=1)))
    found = google.settlement(THERE, REQUEST)
    assert (found.done, found.failed) == (True, False)
    assert found.rejected == {"no_consent": 3, "format_invalid": 2, "refused": 1}
    assert found.matched_share == 0.555


def test_a_batch_of_which_nobody_was_taken_is_refused_and_not_sent_over_and_over(speaking: Speaking) -> None:
    google, _ = speaking((200, work("FAILED", INVALID_FORMAT=10)))
    found = google.settlement(THERE, REQUEST)
    assert (found.done, found.failed, found.rejected) == (True, False, {"format_invalid": 10})


@pytest.mark.parametrize("answer", [work("FAILED"), work("PARTIAL_SUCCESS", INTERNAL_ERROR=4), work("FAILED", INTERNAL_ERROR=10)])
def test_what_google_itself_failed_at_is_sent_again(speaking: Speaking, answer: Any) -> None:
    google, _ = speaking((200, answer))
    found = google.settlement(THERE, REQUEST)
    assert (found.done, found.failed) == (True, True)


@pytest.mark.parametrize("reason", ["INVALID_REQUEST_ID", "REQUEST_TOO_OLD"])
def test_a_request_that_google_no_longer_knows_is_sent_again(speaking: Speaking, reason: str) -> None:
    google, _ = speaking((400, refusal(fields=(("request_id", reason),))))
    assert google.settlement(THERE, REQUEST).failed


def test_work_that_goes_on_is_asked_for_ever_more_rarely(speaking: Speaking) -> None:
    google, _ = speaking((200, work("PROCESSING")))
    ages = [timedelta(minutes=40), timedelta(hours=4), timedelta(days=2)]
    waits = [google.settlement(THERE, f"r@{int((NOW - age).timestamp())}").ask_again_in for age in ages]
    assert waits == [timedelta(minutes=30), timedelta(hours=2), timedelta(hours=6)]


def test_a_word_that_nobody_knows_yet_is_waited_on(speaking: Speaking) -> None:
    google, _ = speaking((200, work("REQUEST_STATUS_UNKNOWN")))
    assert not google.settlement(THERE, REQUEST).done


def test_every_reason_of_the_work_has_a_name_of_ours() -> None:
    assert set(PROCESSING.values()) <= {"no_consent", "format_invalid", "channel_failed"}


# ── tokens ──


def test_a_grant_of_an_app_in_testing_ends_when_google_says(speaking: Speaking) -> None:
    reply = {"access_token": "a", "refresh_token": "r", "expires_in": 3599, "refresh_token_expires_in": 604_799}
    scopes = {"scope": "https://www.googleapis.com/auth/datamanager https://www.googleapis.com/auth/adwords"}
    google, _ = speaking(
        (200, reply | scopes), (200, {"sub": "1", "name": "Mia"}), (200, {"access_token": "b", "expires_in": 3599})
    )
    grant = google.exchange(code="c", redirect_uri="https://x.example", verifier="v")
    assert grant.ends_at == NOW + timedelta(seconds=604_799)
    renewed = google.renew(grant)
    assert (renewed.access_token, renewed.ends_at, renewed.scopes) == ("b", grant.ends_at, grant.scopes)
    with pytest.raises(NeedsReconnect) as over:
        google.renew(replace(grant, ends_at=NOW))
    assert over.value.code == "connection_expired"


def test_settings_that_google_does_not_know_are_a_matter_for_the_operator(speaking: Speaking) -> None:
    google, _ = speaking((401, {"error": "invalid_client"}))
    with pytest.raises(ChannelError, match="operator") as refused:
        google.renew(THERE.grant)
    assert refused.type is ChannelError


def test_no_token_stands_in_an_address(speaking: Speaking) -> None:
    google, wire = speaking((200, {"scope": "a b"}))
    google.check(THERE.grant)
    google.revoke(THERE.grant)
    assert not [r for r in wire.asked if "token=" in str(r.url)]
