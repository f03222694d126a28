"""Meta's own client goes the whole way: accounts, an audience, members in and out, reading back, errors as it knows them."""

from collections.abc import Iterator

import pytest
from facebook_business import FacebookAdsApi, FacebookSession
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.customaudience import CustomAudience
from facebook_business.adobjects.user import User
from facebook_business.exceptions import FacebookRequestError

from tests.sandbox.platforms.drive import MIA, VERA, Drive, emails, sha


def client(drive: Drive, token: str) -> FacebookAdsApi:
    session = FacebookSession("1", "secret", token)
    session.GRAPH = f"{drive.base}/meta"
    return FacebookAdsApi(session)


@pytest.fixture
def api(drive: Drive) -> Iterator[FacebookAdsApi]:
    token, _ = drive.token("meta")
    api = client(drive, token)
    yield api
    api._session.requests.close()


@pytest.fixture
def account(drive: Drive, api: FacebookAdsApi) -> AdAccount:
    return AdAccount(f"act_{drive.token('meta')[1][0]}", api=api)


def made(account: AdAccount, name: str = "Guests") -> CustomAudience:
    params = {"name": name, "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY", "description": "segsync:1"}
    return account.create_custom_audience(params=params)


def test_an_audience_is_made_filled_emptied_in_part_and_read_back(drive: Drive, account: AdAccount) -> None:
    audience = made(account)
    hashes = emails(300)
    assert audience.add_users("EMAIL_SHA256", hashes, pre_hashed=True).json()["num_received"] == 300
    assert audience.remove_users("EMAIL_SHA256", hashes[:50], pre_hashed=True).json()["num_received"] == 50
    assert drive.held("meta", audience["id"]) == set(hashes[50:])
    read = audience.api_get(
        fields=["name", "description", "approximate_count_lower_bound", "operation_status", "delivery_status"]
    )
    assert (read["name"], read["description"]) == ("Guests", "segsync:1")
    assert read["operation_status"]["code"] == 200
    assert read["delivery_status"]["code"] == 200
    assert 100 < read["approximate_count_lower_bound"] < 250


def test_ten_thousand_members_are_removed_by_the_clients_long_address(drive: Drive, account: AdAccount) -> None:
    audience = made(account)
    hashes = emails(10_000)
    audience.add_users("EMAIL_SHA256", hashes, pre_hashed=True)
    audience.remove_users("EMAIL_SHA256", hashes, pre_hashed=True)
    assert drive.held("meta", audience["id"]) == set()


def test_rows_of_several_keys_hold_email_phone_and_address(drive: Drive, account: AdAccount) -> None:
    audience = made(account)
    row = [sha("a@example.com"), sha("34600111222"), sha("ana"), sha("ruiz"), sha("es"), sha("28001")]
    schema = ["EMAIL", "PHONE", "FN", "LN", "COUNTRY", "ZIP"]
    audience.add_users(schema, [row, [sha("b@example.com"), "", "", "", "", ""]], pre_hashed=True, is_raw=True)
    assert drive.held("meta", audience["id"]) == {row[0], sha("b@example.com")}
    assert drive.held("meta", audience["id"], "phone") == {row[1]}
    assert drive.held("meta", audience["id"], "address") == {" ".join(row[2:])}


def test_the_client_swaps_all_members(drive: Drive, account: AdAccount) -> None:
    audience = made(account)
    audience.add_users("EMAIL_SHA256", emails(10), pre_hashed=True)
    for seq, hashes in ((1, emails(5, 100)), (2, emails(5, 200))):
        session = {"session_id": 77, "batch_seq": seq, "last_batch_flag": seq == 2}
        payload = {"schema": ["EMAIL"], "data": [[h] for h in hashes]}
        audience.create_users_replace(params={"payload": payload, "session": session})
    assert drive.held("meta", audience["id"]) == set(emails(5, 100) + emails(5, 200))


def test_the_shared_account_stands_first_for_everyone_who_works(drive: Drive) -> None:
    firsts, alone = set(), []
    for user in ("U01ANARUIZ", "U02BOLIND", "U03MIACHEN", "U04TOMOKA"):
        token, ids = drive.token("meta", user)
        listed = User("me", api=client(drive, token)).get_ad_accounts(fields=["account_id", "account_status", "tos_accepted"])
        assert listed[0]["account_id"] == ids[0]
        assert listed[0]["account_status"] == 1
        assert listed[0]["tos_accepted"]["custom_audience_tos"] == 1
        firsts.add(ids[0])
        alone.append({a["account_id"] for a in listed})
    assert len(firsts) == 1
    for mine in alone:
        assert mine - set().union(*(other for other in alone if other is not mine))
    assert drive.token("meta", VERA)[1] == []


def test_lists_come_in_pages_and_can_be_filtered(account: AdAccount) -> None:
    for n in range(7):
        made(account, f"Page {n}")
    names = [a["name"] for a in account.get_custom_audiences(fields=["name"], params={"limit": 3})]
    assert [n for n in names if n.startswith("Page")] == [f"Page {n}" for n in range(7)]
    wanted = {"filtering": [{"field": "name", "operator": "EQUAL", "value": "Page 3"}]}
    assert [a["name"] for a in account.get_custom_audiences(fields=["name"], params=wanted)] == ["Page 3"]


def test_campaigns_that_target_an_audience_are_found_from_it_and_from_the_account(account: AdAccount) -> None:
    audience = made(account)
    ads = audience.get_ads(fields=["name", "effective_status", "campaign"])
    sets = account.get_ad_sets(fields=["name", "effective_status", "campaign", "targeting"])
    targeting = {
        s["campaign"]["name"]: s["effective_status"]
        for s in sets
        if any(t["id"] == audience["id"] for t in s["targeting"].get("custom_audiences", []))
    }
    assert {a["campaign"]["name"]: a["effective_status"] for a in ads} == targeting
    assert targeting


def test_errors_reach_the_client_with_their_codes(drive: Drive, api: FacebookAdsApi, account: AdAccount) -> None:
    def code(call: object, *args: object, **kwargs: object) -> tuple[int, int | None]:
        with pytest.raises(FacebookRequestError) as caught:
            call(*args, **kwargs)  # type: ignore[operator]
        return caught.value.api_error_code(), caught.value.api_error_subcode()

    audience = made(account)
    assert code(CustomAudience("999", api=api).api_get)[0] == 100
    assert code(account.create_custom_audience, params={"name": "No source"})[0] == 100
    assert code(audience.add_users, "EMAIL_SHA256", emails(10_001), pre_hashed=True)[0] == 100
    drive.fault("meta", "terms_not_accepted")
    assert code(audience.add_users, "EMAIL_SHA256", emails(1), pre_hashed=True) == (200, 1870090)
    drive.well()
    drive.fault("meta", "account_disabled", account_id=account["id"])
    assert code(audience.add_users, "EMAIL_SHA256", emails(1), pre_hashed=True)[0] == 368
    drive.well()
    drive.fault("meta", "rate_limited", times=1)
    assert code(audience.add_users, "EMAIL_SHA256", emails(1), pre_hashed=True)[0] == 80003
    drive.fault("meta", "http_500", times=1, endpoint="/users")
    assert code(audience.add_users, "EMAIL_SHA256", emails(1), pre_hashed=True)[0] == 2
    drive.fault("meta", "audience_deleted")
    assert code(audience.api_get) == (100, 33)
    drive.fault("meta", "token_expired")
    assert code(User("me", api=api).api_get) == (190, 463)
    drive.fault("meta", "token_revoked")
    assert code(User("me", api=api).api_get) == (190, 460)
    token, _ = drive.token("meta", MIA)
    assert User("me", api=client(drive, token)).api_get(fields=["name"])["name"] == "Mia Chen"


def test_several_calls_go_in_one_batch(api: FacebookAdsApi, account: AdAccount) -> None:
    seen: list[str] = []
    batch = api.new_batch()
    for name in ("One", "Two"):
        params = {"name": name, "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"}
        account.create_custom_audience(params=params, batch=batch, success=lambda answer: seen.append(answer.json()["id"]))
    batch.execute()
    assert len(set(seen)) == 2


def test_a_proof_made_with_another_secret_is_refused(drive: Drive) -> None:
    params = {"client_id": "9", "client_secret": "right", "redirect_uri": f"{drive.base}/control/people"}
    page = drive.post(
        "consent",
        user=MIA,
        grant=True,
        url=f"{drive.base}/meta/v26.0/dialog/oauth?client_id=9&scope=ads_management&redirect_uri={params['redirect_uri']}&state=s",
    )
    code = page["url"].split("code=")[1].split("&")[0]
    token = drive.http.get("/meta/v26.0/oauth/access_token", params=params | {"code": code}).json()["access_token"]
    wrong = FacebookSession("9", "wrong", token)
    right = FacebookSession("9", "right", token)
    for session in (wrong, right):
        session.GRAPH = f"{drive.base}/meta"
    assert User("me", api=FacebookAdsApi(right)).api_get(fields=["name"])["name"] == "Mia Chen"
    with pytest.raises(FacebookRequestError):
        User("me", api=FacebookAdsApi(wrong)).api_get()
