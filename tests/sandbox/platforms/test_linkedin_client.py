"""LinkedIn's own client goes the whole way: consent, accounts, a segment of people and one of companies, reading back, errors."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest
from linkedin_api.common import constants

from tests.sandbox.platforms.drive import ANA, MIA, VERA, Drive, emails, sha

VERSION = "202607"


@pytest.fixture
def client(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client, pointed at the stand-in: its hosts are constants that its modules take by name."""
    from linkedin_api.clients.restli import client as module
    from linkedin_api.clients.restli.utils import api

    for name, path in (("VERSIONED_BASE_URL", "rest"), ("NON_VERSIONED_BASE_URL", "v2")):
        monkeypatch.setattr(constants, name, f"{drive.base}/linkedin/{path}")
        for where in (api, module):
            if hasattr(where, name):
                monkeypatch.setattr(where, name, f"{drive.base}/linkedin/{path}")
    made = module.RestliClient()
    yield made
    made.session.close()


def call(
    drive: Drive, token: str, method: str, path: str, *, kind: str = "", version: str = VERSION, **more: Any
) -> httpx.Response:
    """A request as any program would make it."""
    headers = {"authorization": f"Bearer {token}", "x-restli-protocol-version": "2.0.0"}
    headers |= {"linkedin-version": version} if version else {}
    headers |= {"x-restli-method": kind} if kind else {}
    return drive.http.request(method, f"/linkedin/rest/{path}", headers=headers, **more)


def segment(drive: Drive, token: str, account: str, kind: str = "USER", **more: Any) -> str:
    body = {"name": "Guests", "account": f"urn:li:sponsoredAccount:{account}", "type": kind, "sourcePlatform": "DIRECT_API"}
    answer = call(drive, token, "POST", "dmpSegments", json=body | {"destinations": [{"destination": "LINKEDIN"}]} | more)
    assert answer.status_code == 201, answer.text
    assert answer.headers["x-restli-id"] == answer.headers["x-linkedin-id"]
    return answer.headers["x-restli-id"]


def people(hashes: list[str], action: str = "ADD") -> list[dict[str, Any]]:
    return [{"action": action, "userIds": [{"idType": "SHA256_EMAIL", "idValue": h}]} for h in hashes]


def stream(drive: Drive, token: str, segment_id: str, elements: list[dict[str, Any]], edge: str = "users") -> httpx.Response:
    return call(drive, token, "POST", f"dmpSegments/{segment_id}/{edge}", kind="BATCH_CREATE", json={"elements": elements})


def test_a_segment_is_made_filled_emptied_in_part_found_changed_and_deleted(drive: Drive, client: Any) -> None:
    token, (account, *_) = drive.token("linkedin")
    ask = {"access_token": token, "version_string": VERSION}
    urn = f"urn:li:sponsoredAccount:{account}"
    entity = {"name": "Guests", "account": urn, "type": "USER", "sourcePlatform": "DIRECT_API", "sourceSegmentId": "segsync:1"}
    entity["destinations"] = [{"destination": "LINKEDIN"}]
    made = client.create(resource_path="/dmpSegments", entity=entity, **ask)
    assert made.status_code == 201
    segment_id = made.entity_id
    fresh = client.get(resource_path="/dmpSegments/{id}", path_keys={"id": segment_id}, **ask).entity
    assert fresh["destinations"][0]["status"] == "BUILDING"
    path = {"resource_path": "/dmpSegments/{id}/users", "path_keys": {"id": segment_id}}
    hashes = emails(400)
    added = client.batch_create(**path, entities=people(hashes), **ask)
    assert [element.status for element in added.elements] == [201] * 400
    client.batch_create(**path, entities=people(hashes[:50], "REMOVE"), **ask)
    assert drive.held("linkedin", segment_id) == set(hashes[50:])
    query = {"account": urn, "sourceSegmentId": "segsync:1"}
    found = client.finder(resource_path="/dmpSegments", finder_name="account", query_params=query, **ask).elements
    assert [row["id"] for row in found] == [int(segment_id)]
    assert found[0]["destinations"][0]["status"] == "READY"
    assert found[0]["inputCount"] == 350
    assert 100 < found[0]["destinations"][0]["matchedCount"] < 350
    by_id = {"resource_path": "/dmpSegments/{id}", "path_keys": {"id": segment_id}}
    assert client.partial_update(**by_id, patch_set_object={"name": "Guests 2"}, **ask).status_code == 204
    assert client.get(**by_id, **ask).entity["name"] == "Guests 2"
    assert client.delete(**by_id, **ask).status_code == 204
    assert client.get(**by_id, **ask).status_code == 404


def test_a_long_query_comes_through_a_tunnel(drive: Drive, client: Any) -> None:
    token, (account, *_) = drive.token("linkedin")
    urns = [f"urn:li:sponsoredAccount:{account}"] + [f"urn:li:sponsoredAccount:{n}" for n in range(10_000, 10_200)]
    segment(drive, token, account)
    ask = {"access_token": token, "version_string": VERSION}
    found = client.finder(resource_path="/adSegments", finder_name="accounts", query_params={"accounts": urns}, **ask)
    assert found.status_code == 200
    assert found.elements


def test_accounts_stand_in_order_and_roles_tell_who_may_manage(drive: Drive, client: Any) -> None:
    firsts = set()
    for user in (ANA, MIA):
        token, ids = drive.token("linkedin", user)
        ask = {"access_token": token, "version_string": VERSION}
        roles = client.finder(resource_path="/adAccountUsers", finder_name="authenticatedUser", **ask).elements
        assert {"VIEWER"} < {row["role"] for row in roles}
        listed = client.finder(resource_path="/adAccounts", finder_name="search", **ask).elements
        assert str(listed[0]["id"]) == ids[0]
        active = {"search": {"status": {"values": ["ACTIVE"]}, "type": {"values": ["BUSINESS"]}}}
        assert len(client.finder(resource_path="/adAccounts", finder_name="search", query_params=active, **ask).elements) < len(
            listed
        )
        key = {"account": roles[0]["account"], "user": roles[0]["user"]}
        one = client.get(resource_path="/adAccountUsers/{key}", path_keys={"key": key}, **ask)
        assert one.entity["role"] == roles[0]["role"]
        firsts.add(ids[0])
    assert len(firsts) == 1
    assert drive.token("linkedin", VERA)[1] == []


def test_companies_go_into_a_segment_of_companies(drive: Drive) -> None:
    token, (account, *_) = drive.token("linkedin")
    segment_id = segment(drive, token, account, "COMPANY")
    elements = [
        {"action": "ADD", "companyWebsiteDomain": "acme.example", "companyName": "Acme"},
        {"action": "ADD", "companyName": "Nord GmbH"},
        {"action": "ADD", "companyWebsiteDomain": "https://not-a-domain"},
        {"action": "ADD"},
    ]
    answer = stream(drive, token, segment_id, elements, "companies").json()["elements"]
    assert [e["status"] for e in answer] == [201, 201, 400, 400]
    assert drive.held("linkedin", segment_id, "domain") == {"acme.example"}
    assert drive.held("linkedin", segment_id, "name") == {"Acme", "Nord GmbH"}
    assert stream(drive, token, segment_id, people(emails(1))).status_code == 400


def test_bad_elements_are_refused_one_by_one_within_a_success(drive: Drive) -> None:
    token, (account, *_) = drive.token("linkedin")
    segment_id = segment(drive, token, account)
    good = sha("a@example.com")
    elements = [
        *people([good]),
        *people(["ana@example.com"]),
        *people([good.upper()]),
        {"action": "KEEP", "userIds": []},
        {"action": "ADD", "userIds": [{"idType": "PHONE", "idValue": good}]},
        {
            "action": "ADD",
            "userIds": [{"idType": "SHA512_EMAIL", "idValue": "ab" * 64}, {"idType": "GOOGLE_AID", "idValue": "AB-1"}],
        },
        {"action": "ADD", "email": good},
    ]
    answer = stream(drive, token, segment_id, elements)
    assert answer.status_code == 200
    assert [e["status"] for e in answer.json()["elements"]] == [201, 400, 400, 400, 400, 201, 400]
    assert drive.held("linkedin", segment_id) == {good, "ab" * 64}
    assert drive.held("linkedin", segment_id, "mobile") == {"ab-1"}
    entry = drive.lines("log/linkedin")[-1]
    assert (entry["received"], entry["rejected"], entry["status"]) == (7, 5, "partial")
    assert drive.get("requests/linkedin")["rejected"]["email_not_hashed"] >= 2


def test_what_linkedin_refuses_as_a_whole(drive: Drive) -> None:
    token, (account, *_) = drive.token("linkedin")
    segment_id = segment(drive, token, account)

    def said(answer: httpx.Response) -> tuple[int, str]:
        return answer.status_code, answer.json().get("code", "")

    assert said(call(drive, token, "GET", f"dmpSegments/{segment_id}", version="")) == (400, "VERSION_MISSING")
    assert said(call(drive, token, "GET", f"dmpSegments/{segment_id}", version="202504")) == (426, "NONEXISTENT_VERSION")
    assert said(call(drive, "nobody's", "GET", "adAccounts")) == (401, "INVALID_ACCESS_TOKEN")
    assert stream(drive, token, segment_id, people(emails(5_001))).status_code == 400
    plain = call(drive, token, "POST", f"dmpSegments/{segment_id}/users", json={"elements": people(emails(1))})
    assert plain.status_code == 400
    encoded = quote("List(urn:li:sponsoredAccount:1)", safe="")
    assert said(call(drive, token, "GET", f"adSegments?q=accounts&accounts={encoded}")) == (400, "PARAM_INVALID")
    readonly = "510083"
    body = {"name": "x", "account": f"urn:li:sponsoredAccount:{readonly}", "type": "USER", "sourcePlatform": "DIRECT_API"}
    assert said(call(drive, token, "POST", "dmpSegments", json=body)) == (403, "ACCESS_DENIED")
    assert call(drive, token, "POST", "dmpSegments", json={"name": "x"}).status_code == 400


def test_a_young_segment_is_not_there_yet_for_members(drive: Drive) -> None:
    token, (account, *_) = drive.token("linkedin")
    drive.pace("linkedin", 1)
    segment_id = segment(drive, token, account)
    answer = stream(drive, token, segment_id, people(emails(1)))
    assert (answer.status_code, segment_id in answer.json()["message"]) == (404, True)


def test_faults_are_told_as_linkedin_tells_them(drive: Drive) -> None:
    token, (account, *_) = drive.token("linkedin")
    segment_id = segment(drive, token, account)

    def status() -> int:
        return stream(drive, token, segment_id, people(emails(1))).status_code

    for fault, expected in (("http_500", 500), ("rate_limited", 429)):
        drive.fault("linkedin", fault, times=1, endpoint="users")
        assert (status(), status()) == (expected, 200)
    for fault in ("terms_not_accepted", "account_disabled", "access_lost"):
        drive.fault("linkedin", fault, account_id=f"urn:li:sponsoredAccount:{account}")
        assert status() == 403
        drive.well()
    drive.fault("linkedin", "audience_deleted")
    assert status() == 404
    drive.fault("linkedin", "token_expired")
    assert call(drive, token, "GET", "adAccounts?q=search").json()["code"] == "EXPIRED_ACCESS_TOKEN"
    drive.fault("linkedin", "token_revoked")
    assert call(drive, token, "GET", "adAccounts?q=search").json()["code"] == "REVOKED_ACCESS_TOKEN"


def test_running_campaigns_are_found_by_the_ad_segment_that_they_target(drive: Drive) -> None:
    token, (account, *_) = drive.token("linkedin", "U04TOMOKA")
    own = drive.token("linkedin", "U04TOMOKA")[1][1]
    segment_id = segment(drive, token, own)
    urn = call(drive, token, "GET", f"dmpSegments/{segment_id}/destinations/LINKEDIN").json()["destinationSegmentId"]
    found = call(drive, token, "GET", f"adAccounts/{own}/adCampaigns?q=search&search=(status:(values:List(ACTIVE)))").json()
    names = {row["name"] for row in found["elements"] if urn in str(row["targetingCriteria"])}
    assert names == {"Always on: awareness", "Autumn launch"}
    assert account != own


def test_consent_is_all_or_nothing_and_refreshing_does_not_outlive_the_year(drive: Drive) -> None:
    redirect = f"{drive.base}/control/people"
    ask = f"{drive.base}/linkedin/oauth/v2/authorization?response_type=code&client_id=c&redirect_uri={redirect}&state=s"
    page = drive.post("consent", user=MIA, grant=True, url=f"{ask}&amp;scope=rw_ads%20rw_dmp_segments")
    code = page["url"].split("code=")[1].split("&")[0]
    form = {"client_id": "c", "client_secret": "s", "redirect_uri": redirect, "code": code, "grant_type": "authorization_code"}
    assert (
        drive.http.post("/linkedin/oauth/v2/accessToken", data=form | {"redirect_uri": "http://127.0.0.1/else"}).status_code
        == 400
    )
    assert drive.http.post("/linkedin/oauth/v2/accessToken", data=form).status_code == 400  # a code is for one try
    page = drive.post("consent", user=MIA, grant=True, url=f"{ask}&scope=rw_ads%20rw_dmp_segments")
    form["code"] = page["url"].split("code=")[1].split("&")[0]
    given = drive.http.post("/linkedin/oauth/v2/accessToken", data=form).json()
    assert given["expires_in"] == 5_184_000
    again = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"], "client_id": "c", "client_secret": "s"}
    renewed = drive.http.post("/linkedin/oauth/v2/accessToken", data=again).json()
    assert renewed["access_token"] != given["access_token"]
    assert renewed["refresh_token_expires_in"] <= given["refresh_token_expires_in"]
    told = {"client_id": "c", "client_secret": "s", "token": renewed["access_token"]}
    assert drive.http.post("/linkedin/oauth/v2/introspectToken", data=told).json()["status"] == "active"
    drive.fault("linkedin", "token_revoked")
    assert drive.http.post("/linkedin/oauth/v2/introspectToken", data=told).json()["status"] == "revoked"
    assert drive.http.post("/linkedin/oauth/v2/accessToken", data=again).json()["error"] == "invalid_grant"
    refused = drive.post("consent", user=MIA, grant=False, url=f"{ask}&scope=rw_ads")
    assert "error=user_cancelled_authorize" in refused["url"]
    assert "unauthorized_scope_error" in drive.post("consent", user=MIA, grant=True, url=f"{ask}&scope=w_everything")["url"]
