"""Google's own client goes the whole way over REST: a user list, members in and out, what became of each request, errors."""

import base64
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from google.ads import datamanager_v1 as dm
from google.ads.datamanager_v1.services.ingestion_service.transports import IngestionServiceRestTransport
from google.ads.datamanager_v1.services.user_list_service.transports import UserListServiceRestTransport
from google.api_core import exceptions
from google.oauth2.credentials import Credentials

from tests.sandbox.platforms.drive import ANA, MIA, VERA, Drive, emails, sha

GRANTED = dm.Consent(ad_user_data="CONSENT_GRANTED", ad_personalization="CONSENT_GRANTED")
ACCEPTED = dm.TermsOfService(customer_match_terms_of_service_status="ACCEPTED")


class Client:
    """Google's clients of the Data Manager API, as one person."""

    def __init__(self, drive: Drive, token: str, account: str) -> None:
        host, credentials = f"{drive.base}/google", Credentials(token=token)
        self.lists = dm.UserListServiceClient(transport=UserListServiceRestTransport(host=host, credentials=credentials))
        self.members = dm.IngestionServiceClient(transport=IngestionServiceRestTransport(host=host, credentials=credentials))
        self.account, self.parent = account, f"accountTypes/GOOGLE_ADS/accounts/{account}"

    def make(self, name: str, key: str = "CONTACT_ID") -> dm.UserList:
        info = dm.IngestedUserListInfo(upload_key_types=[key])
        if key == "CONTACT_ID":
            info.contact_id_info = dm.ContactIdInfo(data_source_type="DATA_SOURCE_TYPE_FIRST_PARTY")
        asked = dm.UserList(display_name=name, ingested_user_list_info=info, description="segsync:1")
        return self.lists.create_user_list(parent=self.parent, user_list=asked)

    def destination(self, made: dm.UserList, **more: Any) -> dm.Destination:
        account = dm.ProductAccount(account_type="GOOGLE_ADS", account_id=self.account)
        return dm.Destination(operating_account=account, product_destination_id=str(made.id), **more)

    def ingest(self, made: dm.UserList, members: list[dm.AudienceMember], **more: Any) -> str:
        asked = {"consent": GRANTED, "terms_of_service": ACCEPTED, "encoding": "HEX"} | more
        request = dm.IngestAudienceMembersRequest(destinations=[self.destination(made)], audience_members=members, **asked)
        return str(self.members.ingest_audience_members(request=request).request_id)

    def remove(self, made: dm.UserList, members: list[dm.AudienceMember]) -> str:
        request = dm.RemoveAudienceMembersRequest(destinations=[self.destination(made)], audience_members=members, encoding="HEX")
        return str(self.members.remove_audience_members(request=request).request_id)

    def status(self, request_id: str) -> Any:
        return self.members.retrieve_request_status(request={"request_id": request_id}).request_status_per_destination[0]


def member(email: str, phone: str = "", **more: Any) -> dm.AudienceMember:
    ids = [dm.UserIdentifier(email_address=email)] + ([dm.UserIdentifier(phone_number=phone)] if phone else [])
    return dm.AudienceMember(composite_data=dm.CompositeData(user_data=dm.UserData(user_identifiers=ids)), **more)


@pytest.fixture
def client(drive: Drive) -> Iterator[Client]:
    token, (account, *_) = drive.token("google")
    made = Client(drive, token, account)
    yield made
    for one in (made.lists, made.members):
        one.transport.close()
        one.transport._session.close()


def test_a_list_is_made_filled_emptied_in_part_changed_and_read_back(drive: Drive, client: Client) -> None:
    made = client.make("Guests")
    assert made.access_reason.name == "OWNED"
    hashes = emails(400)
    request_id = client.ingest(made, [member(h, sha(f"+3460011{n:04}")) for n, h in enumerate(hashes)])
    status = client.status(request_id)
    assert status.request_status.name == "SUCCESS"
    counted = status.audience_members_ingestion_status.composite_data_ingestion_status
    assert counted.record_count == 400
    assert {c.type_.name: c.count for c in counted.data_type_counts} == {"EMAIL": 400, "PHONE_NUMBER": 400}
    assert counted.upload_match_rate_range.name == "MATCH_RATE_RANGE_51_TO_60"
    gone = client.status(client.remove(made, [member(h) for h in hashes[:50]]))
    assert gone.audience_members_removal_status.composite_data_removal_status.record_count == 50
    assert drive.held("google", str(made.id)) == set(hashes[50:])
    assert len(drive.held("google", str(made.id), "phone")) == 400
    read = client.lists.get_user_list(name=made.name)
    assert (read.display_name, read.description) == ("Guests", "segsync:1")
    assert read.size_info.display_network_members_count > 100
    renamed = dm.UserList(name=made.name, display_name="Guests 2", membership_duration=timedelta(days=30))
    changed = client.lists.update_user_list(user_list=renamed, update_mask={"paths": ["display_name", "membership_duration"]})
    assert (changed.display_name, changed.membership_duration) == ("Guests 2", timedelta(days=30))
    asked = {"parent": client.parent, "filter": 'display_name = "Guests 2" AND membership_status = OPEN'}
    assert [found.id for found in client.lists.list_user_lists(request=asked)] == [made.id]
    client.lists.delete_user_list(name=made.name)
    with pytest.raises(exceptions.NotFound):
        client.lists.get_user_list(name=made.name)


def test_base64_is_told_in_hex_and_an_address_in_its_parts(drive: Drive, client: Client) -> None:
    made = client.make("Encoded")

    def b64(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    address = dm.AddressInfo(given_name=b64("ana"), family_name=b64("ruiz"), region_code="ES", postal_code="28001")
    ids = [dm.UserIdentifier(email_address=b64("ana@example.com")), dm.UserIdentifier(address=address)]
    data = dm.UserData(user_identifiers=ids)
    client.ingest(made, [dm.AudienceMember(composite_data=dm.CompositeData(user_data=data))], encoding="BASE64")
    assert drive.held("google", str(made.id)) == {sha("ana@example.com")}
    assert drive.held("google", str(made.id), "address") == {f"{sha('ana')} {sha('ruiz')} ES 28001"}


def test_rows_without_consent_are_counted_and_not_used(drive: Drive, client: Client) -> None:
    made = client.make("Consent")
    denied = dm.Consent(ad_user_data="CONSENT_DENIED", ad_personalization="CONSENT_GRANTED")
    some = client.status(client.ingest(made, [member(sha("a")), member(sha("b"), consent=denied)]))
    assert some.request_status.name == "PARTIAL_SUCCESS"
    assert [(c.reason.name, c.record_count) for c in some.error_info.error_counts] == [
        ("PROCESSING_ERROR_REASON_DENIED_CONSENT", 1)
    ]
    none = client.status(client.ingest(made, [member(sha("c"))], consent=dm.Consent()))
    assert (none.request_status.name, none.error_info.error_counts[0].reason.name) == (
        "FAILED",
        "PROCESSING_ERROR_REASON_UNKNOWN_CONSENT",
    )
    assert drive.held("google", str(made.id)) == {sha("a")}
    assert [entry["rejected"] for entry in drive.lines("log/google")[-2:]] == [1, 1]


def test_a_request_is_in_process_for_a_pace_and_a_removal_may_end_after_a_later_addition(drive: Drive, client: Client) -> None:
    made = client.make("Order")
    client.ingest(made, [member(sha("a"))])
    assert drive.held("google", str(made.id)) == {sha("a")}
    drive.pace("google", 60)
    first = client.remove(made, [member(sha("a"))])
    again = client.ingest(made, [member(sha("a"))])
    assert client.status(first).request_status.name == client.status(again).request_status.name == "PROCESSING"
    entries = drive.lines("log/google")[-2:]
    assert [e["action"] for e in entries] == ["remove", "add"]
    assert [e["request_id"] for e in entries] == [first, again]


def test_all_members_last_added_before_a_time_are_removed(drive: Drive, client: Client) -> None:
    made = client.make("Renewed")
    client.ingest(made, [member(h) for h in emails(10)])
    moment = datetime.now(UTC)
    client.ingest(made, [member(h) for h in emails(10)[7:]])
    asked = dm.RemoveAllAudienceMembersRequest(destinations=[client.destination(made)], remove_as_of_time=moment)
    request_id = client.members.remove_all_audience_members(request=asked).request_id
    assert client.status(request_id).request_status.name == "SUCCESS"
    assert drive.held("google", str(made.id)) == set(emails(10)[7:])
    asked.remove_as_of_time = moment + timedelta(hours=1)
    with pytest.raises(exceptions.BadRequest):
        client.members.remove_all_audience_members(request=asked)


def reasons(caught: pytest.ExceptionInfo[Any]) -> set[str]:
    """The reasons of the field violations in an error."""
    body = caught.value.response.json()["error"]
    return {v["reason"] for d in body["details"] for v in d.get("fieldViolations", [])} | {body["details"][0]["reason"]}


def test_what_google_refuses_as_a_whole(drive: Drive, client: Client) -> None:
    made = client.make("Refusals")

    def refused(reason: str, call: Any, *args: Any, **more: Any) -> None:
        with pytest.raises(exceptions.GoogleAPICallError) as caught:
            call(*args, **more)
        assert reason in reasons(caught)

    refused("TOO_MANY_AUDIENCE_MEMBERS", client.ingest, made, [member(h) for h in emails(10_001)])
    refused("INVALID_HEX_ENCODING", client.ingest, made, [member(sha("a")), member("ana@example.com")])
    refused("INVALID_SHA256_FORMAT", client.ingest, made, [member("abcd")])
    refused("REQUIRED_FIELD_MISSING", client.ingest, made, [member(sha("a"))], encoding=0)
    refused("REQUIRED_FIELD_MISSING", client.ingest, made, [member(sha("a"))], terms_of_service=None)
    refused(
        "TERMS_AND_CONDITIONS_NOT_SIGNED",
        client.ingest,
        made,
        [member(sha("a"))],
        terms_of_service=dm.TermsOfService(customer_match_terms_of_service_status="REJECTED"),
    )
    many = dm.UserData(user_identifiers=[dm.UserIdentifier(email_address=h) for h in emails(11)])
    refused("TOO_MANY_USER_IDENTIFIERS", client.ingest, made, [dm.AudienceMember(user_data=many)])
    mobile = dm.AudienceMember(mobile_data=dm.MobileData(mobile_ids=["ab-1"]))
    refused("INVALID_USER_LIST_TYPE", client.ingest, made, [mobile])
    refused("MULTIPLE_DATA_TYPES_NOT_ALLOWED", client.ingest, made, [member(sha("a")), mobile])
    refused("DISPLAY_NAME_ALREADY_USED", client.make, "Refusals")
    refused("INVALID_REQUEST_ID", client.status, "nothing")
    refused("INVALID_USER_LIST_ID", client.ingest, dm.UserList(id=1), [member(sha("a"))])
    assert drive.held("google", str(made.id)) == set()
    client.ingest(client.make("Devices", "MOBILE_ID"), [mobile])


def test_faults_are_told_as_google_tells_them(drive: Drive, client: Client) -> None:
    made = client.make("Faults")

    def fails(kind: type[Exception], reason: str) -> None:
        with pytest.raises(kind) as caught:
            client.ingest(made, [member(sha("a"))])
        assert reason in reasons(caught)

    drive.fault("google", "http_500", times=1, endpoint="audienceMembers:ingest")
    fails(exceptions.InternalServerError, "INTERNAL_ERROR")
    drive.fault("google", "rate_limited", times=1)
    fails(exceptions.TooManyRequests, "RATE_LIMIT_EXCEEDED")
    for fault, reason in (
        ("terms_not_accepted", "TERMS_AND_CONDITIONS_NOT_SIGNED"),
        ("account_disabled", "PERMISSION_DENIED"),
        ("access_lost", "PERMISSION_DENIED"),
    ):
        drive.fault("google", fault, account_id=client.account)
        fails(exceptions.Forbidden, reason)
        drive.well()
    client.ingest(made, [member(sha("a"))])
    drive.fault("google", "audience_deleted")
    fails(exceptions.BadRequest, "INVALID_USER_LIST_ID")
    drive.fault("google", "token_expired")
    headers = {"authorization": f"Bearer {drive.token('google')[0]}"}
    assert drive.http.get("/google/v26/customers:listAccessibleCustomers", headers=headers).status_code == 200
    drive.fault("google", "token_revoked")
    told = drive.http.get("/google/v26/customers:listAccessibleCustomers", headers=headers)
    assert (told.status_code, told.json()["error"]["status"]) == (401, "UNAUTHENTICATED")


# ── Google Ads ──


def search(drive: Drive, token: str, account: str, query: str, login: str = "", verb: str = "search") -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"} | ({"login-customer-id": login} if login else {})
    return drive.http.post(f"/google/v26/customers/{account}/googleAds:{verb}", json={"query": query}, headers=headers)


def test_accessible_customers_and_what_queries_tell_of_them(drive: Drive) -> None:
    firsts = set()
    for user in (ANA, MIA):
        token, ids = drive.token("google", user)
        headers = {"authorization": f"Bearer {token}"}
        names = drive.http.get("/google/v26/customers:listAccessibleCustomers", headers=headers).json()["resourceNames"]
        assert names[0] == f"customers/{ids[0]}"
        firsts.add(names[0])
        query = "SELECT customer.id, customer.descriptive_name, customer.status, customer.manager FROM customer"
        told = {n: search(drive, token, n.removeprefix("customers/"), query).json()["results"][0]["customer"] for n in names}
        assert told[names[0]]["status"] == "ENABLED"
        manager = next(c["id"] for c in told.values() if c["manager"])
        assert manager not in ids
        clients = "SELECT customer_client.id, customer_client.level FROM customer_client WHERE customer_client.level <= 1"
        below = [
            r["customerClient"]["id"]
            for r in search(drive, token, manager, clients).json()["results"]
            if r["customerClient"]["level"] == "1"
        ]
        assert search(drive, token, below[0], query).status_code == 403
        assert search(drive, token, below[0], query, login=manager).status_code == 200
        assert below[0] not in ids
    assert len(firsts) == 1
    assert drive.token("google", VERA)[1] == []


def test_running_campaigns_are_found_by_the_list_that_they_target(drive: Drive) -> None:
    token, ids = drive.token("google", "U04TOMOKA")
    own = Client(drive, token, ids[1])
    made = own.make("Targeted")
    name = f"customers/{ids[1]}/userLists/{made.id}"
    where = f"campaign_criterion.type = USER_LIST AND campaign_criterion.user_list.user_list = '{name}'"
    query = "SELECT campaign.id, campaign.name, campaign.status, campaign_criterion.negative FROM campaign_criterion WHERE "
    found = search(drive, token, ids[1], query + where, verb="searchStream").json()[0]["results"]
    groups = search(drive, token, ids[1], (query + where).replace("campaign_criterion", "ad_group_criterion")).json()["results"]
    names = {r["campaign"]["name"]: r["campaign"]["status"] for r in found + groups}
    assert names == {"Always on: awareness": "ENABLED", "Autumn launch": "ENABLED"}
    refused = search(drive, token, ids[1], "SELECT campaign.nonsense FROM campaign")
    assert refused.json()["error"]["details"][0]["errors"][0]["errorCode"] == {"queryError": "UNRECOGNIZED_FIELD"}
    for service in (own.lists, own.members):
        service.transport.close()
        service.transport._session.close()


# ── sign-in ──


def test_signing_in_with_a_code_challenge_refreshing_and_revoking(drive: Drive) -> None:
    verifier = "v" * 50
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    redirect = f"{drive.base}/control/people"
    scope = "https://www.googleapis.com/auth/datamanager https://www.googleapis.com/auth/adwords"
    url = (
        f"{drive.base}/google/o/oauth2/v2/auth?response_type=code&client_id=c&redirect_uri={redirect}&state=s&scope={scope}"
        f"&access_type=offline&prompt=consent&code_challenge={challenge}&code_challenge_method=S256"
    )

    def code() -> str:
        page = drive.post("consent", user=MIA, grant=True, url=url)
        return str(page["url"].split("code=")[1].split("&")[0])

    form = {"grant_type": "authorization_code", "redirect_uri": redirect, "client_id": "c", "client_secret": "s"}
    assert drive.http.post("/google/token", data=form | {"code": code()}).json()["error"] == "invalid_grant"
    form |= {"code_verifier": verifier}
    basic = {k: v for k, v in form.items() if not k.startswith("client_")}
    given = drive.http.post("/google/token", data=basic | {"code": code()}, auth=("c", "s")).json()
    assert given["scope"] == scope
    again = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"], "client_id": "c", "client_secret": "s"}
    renewed = drive.http.post("/google/token", data=again).json()
    assert "refresh_token" not in renewed
    told = drive.http.get("/google/tokeninfo", params={"access_token": renewed["access_token"]}).json()
    assert told["scope"] == scope
    assert drive.http.post("/google/revoke", data={"token": given["refresh_token"]}).status_code == 200
    dead = drive.http.post("/google/token", data=again)
    assert (dead.status_code, dead.json()["error_description"]) == (400, "Token has been expired or revoked.")
    assert "error=access_denied" in drive.post("consent", user=MIA, grant=False, url=url)["url"]
