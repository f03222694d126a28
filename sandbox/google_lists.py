"""User lists of the Google stand-in, as the Data Manager API's UserListService keeps them."""

import re
from collections.abc import Callable
from typing import Any

import orjson

from sandbox.google_errors import DataError, Violation, bad
from sandbox.google_proto import camel, enum, known, seconds, snake
from sandbox.platforms.platform import Json
from sandbox.platforms.truth import Audience, Truth

DAY_S, LONGEST_S = 86_400, 540 * 86_400
MATCHED = 0.55  # the made-up share of people whom Google knows
SERVES_FROM = 100
DEFAULT_PAGE, LARGEST_PAGE = 50, 1_000
WRITABLE = ("displayName", "description", "integrationCode", "membershipStatus", "membershipDuration", "targetNetworkInfo")
OUTPUT = ("name", "id", "readOnly", "closingReason", "accessReason", "accountAccessStatus", "sizeInfo")
INFO = ("uploadKeyTypes", "contactIdInfo", "mobileIdInfo", "userIdInfo")
FILTERS = (
    "id",
    "displayName",
    "description",
    "membershipStatus",
    "integrationCode",
    "accessReason",
    "ingestedUserListInfo.uploadKeyTypes",
)
CONDITION = re.compile(r"\s*(?P<field>[\w.]+)\s*(?P<sign>!=|>=|<=|=|>|<|:)\s*(?P<value>\"(?:[^\"\\]|\\.)*\"|'[^']*'|\S+)\s*")
FUNCTION = re.compile(r"\s*IN\s*\(\s*(?P<field>[\w.]+)\s*,(?P<values>[^)]*)\)\s*")
VALUE = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|([^\s,]+)")


class Lists:
    """The user lists, on top of the stand-in's truth. Who may do what is decided before (`sandbox/google.py`)."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth

    def get(self, account_id: str, list_id: str) -> Audience:
        """The list. Raises DataError."""
        found = self._truth.get(list_id)
        if found is None or found.account_id != account_id:
            raise DataError("NOT_FOUND", "The user list was not found.", reason="NOT_FOUND")
        return found

    def entity(self, found: Audience) -> Json:
        """The list as it is read back."""
        fields = found.fields
        size = int(self._truth.size(found) * MATCHED)
        contact = "CONTACT_ID" in fields["uploadKeyTypes"]
        info: Json = {"uploadKeyTypes": fields["uploadKeyTypes"]}
        if contact:
            info["contactIdInfo"] = {"dataSourceType": fields.get("dataSourceType", "DATA_SOURCE_TYPE_FIRST_PARTY")}
            if size >= SERVES_FROM:
                info["contactIdInfo"]["matchRatePercentage"] = round(100 * MATCHED)
        return {
            "name": f"accountTypes/GOOGLE_ADS/accounts/{found.account_id}/userLists/{found.id}",
            "id": found.id,
            "readOnly": False,
            "displayName": found.name,
            "description": fields.get("description", ""),
            "integrationCode": fields.get("integrationCode", ""),
            "membershipStatus": fields.get("membershipStatus", "OPEN"),
            "membershipDuration": f"{fields.get('membershipDuration', LONGEST_S)}s",
            "accessReason": "OWNED",
            "accountAccessStatus": "ENABLED",
            "sizeInfo": {
                "displayNetworkMembersCount": str(size),
                "searchNetworkMembersCount": str(int(size * 0.9)),
                "youtubeMembersCount": str(int(size * 0.8)),
                "gmailMembersCount": str(int(size * 0.7)),
            },
            "targetNetworkInfo": {"eligibleForDisplay": size >= SERVES_FROM, "eligibleForSearch": size * 0.9 >= SERVES_FROM},
            "ingestedUserListInfo": info,
        }

    def create(self, account_id: str, body: Any, *, validate_only: bool) -> Json:
        """A new list. Raises DataError when a field is missing or wrong."""
        message = known(body, (*WRITABLE, *OUTPUT, "ingestedUserListInfo"), "user_list")
        if "ingestedUserListInfo" not in message:
            raise bad(Violation("user_list.ingested_user_list_info", "REQUIRED_FIELD_MISSING", "The field is required"))
        info = known(message["ingestedUserListInfo"], INFO, "user_list.ingested_user_list_info")
        path = "user_list.ingested_user_list_info.upload_key_types"
        keys = [enum("key", k, path) for k in info.get("uploadKeyTypes") or []]
        if len(keys) != 1:
            raise bad(Violation(path, "REQUIRED_FIELD_MISSING" if not keys else "TOO_MANY_ELEMENTS", "Exactly one key type"))
        if keys[0] not in ("CONTACT_ID", "MOBILE_ID", "USER_ID"):
            raise bad(Violation(path, "UNSUPPORTED_USER_LIST_UPLOAD_KEY_TYPES", "This key type is for data partners"))
        kept = self._writable(account_id, message, None) | {"uploadKeyTypes": keys}
        source = (info.get("contactIdInfo") or {}).get("dataSourceType")
        kept["dataSourceType"] = enum("source", source or 1, "user_list.ingested_user_list_info.contact_id_info.data_source_type")
        name = kept.pop("displayName", "")
        if not name:
            raise bad(Violation("user_list.display_name", "REQUIRED_FIELD_MISSING", "The field is required"))
        if validate_only:
            return {}
        return self.entity(self._truth.create(account_id, name, kept))

    def update(self, found: Audience, body: Any, mask: str, *, validate_only: bool) -> Json:
        """Changes the fields of the mask."""
        message = known(body, (*WRITABLE, *OUTPUT, "ingestedUserListInfo"), "user_list")
        asked = [camel(f.strip()) for f in mask.split(",") if f.strip()] or [f for f in WRITABLE if f in message]
        for field in asked:
            if field.startswith("ingestedUserListInfo") or field in OUTPUT:
                raise bad(Violation(f"user_list.{snake(field)}", "IMMUTABLE_FIELD_FOR_UPDATE", "The field cannot be changed"))
            if field.partition(".")[0] not in WRITABLE:
                raise bad(Violation("update_mask", "INVALID_UPDATE_MASK", f"{field} is not a field of a user list"))
        changes = self._writable(found.account_id, {k: v for k, v in message.items() if k in asked}, found)
        if not validate_only:
            self._truth.update(found, changes.pop("displayName", None), changes)
        return self.entity(found)

    def _writable(self, account_id: str, message: Json, current: Audience | None) -> Json:
        kept: Json = {}
        if name := str(message.get("displayName", "")):
            others = [a for a in self._truth.of_account(account_id) if a is not current]
            if any(a.name == name for a in others):
                raise bad(Violation("user_list.display_name", "DISPLAY_NAME_ALREADY_USED", "Another list has this name"))
            kept["displayName"] = name
        if "membershipDuration" in message:
            path = "user_list.membership_duration"
            duration = seconds(message["membershipDuration"], path)
            if duration % DAY_S:
                raise bad(Violation(path, "INVALID_ARGUMENT", "The duration must be a number of whole days"))
            if duration > LONGEST_S:
                raise bad(Violation(path, "MEMBERSHIP_DURATION_TOO_LONG", "The duration must be 540 days at most"))
            kept["membershipDuration"] = duration
        if "membershipStatus" in message:
            kept["membershipStatus"] = enum("membership", message["membershipStatus"], "user_list.membership_status")
        return kept | {k: str(message[k]) for k in ("description", "integrationCode") if k in message}

    def page(self, account_id: str, params: Json) -> Json:
        """The lists of an account, filtered, one page."""
        rows = [self.entity(a) for a in self._truth.of_account(account_id)]
        for test in _conditions(str(params.get("filter", ""))):
            rows = [row for row in rows if test(row)]
        size = int(str(params.get("pageSize") or 0) if str(params.get("pageSize") or 0).isdigit() else 0) or DEFAULT_PAGE
        start = str(params.get("pageToken") or 0)
        if not start.isdigit():
            raise bad(Violation("page_token", "INVALID_PAGE_TOKEN", "The token comes from another request"))
        end = int(start) + min(size, LARGEST_PAGE)
        found: Json = {"userLists": rows[int(start) : end]}
        if end < len(rows):
            found["nextPageToken"] = str(end)
        return found


def _conditions(text: str) -> list[Callable[[Json], bool]]:
    """The conditions of an AIP-160 filter, joined by AND. Raises DataError."""
    tests: list[Callable[[Json], bool]] = []
    while text.strip():
        match = FUNCTION.match(text) or CONDITION.match(text)
        if match is None or camel(match["field"]) not in FILTERS:
            raise bad(Violation("filter", "INVALID_FILTER", "The filter cannot be read"))
        groups = match.groupdict()
        said = groups.get("values") or groups["value"]
        values = [orjson.loads(f'"{a}"') if a else b or c for a, b, c in VALUE.findall(said)]
        tests.append(_test(camel(match["field"]), "IN" if "values" in groups else groups["sign"], values))
        text = text[match.end() :]
        if text.strip():
            word, _, text = text.strip().partition(" ")
            if word != "AND":
                raise bad(Violation("filter", "INVALID_FILTER", "Conditions are joined by AND"))
    return tests


def _test(field: str, sign: str, values: list[str]) -> Callable[[Json], bool]:
    def have(row: Json) -> list[str]:
        value: Any = row
        for part in field.split("."):
            value = value.get(part, "") if isinstance(value, dict) else ""
        return [str(v) for v in value] if isinstance(value, list) else [str(value)]

    wanted = values[0] if values else ""
    tests: dict[str, Callable[[Json], bool]] = {
        "=": lambda row: wanted in have(row),
        ":": lambda row: any(wanted.lower() in v.lower() for v in have(row)),
        "!=": lambda row: wanted not in have(row),
        "IN": lambda row: bool(set(values) & set(have(row))),
        ">": lambda row: _number(have(row)[0]) > _number(wanted),
        ">=": lambda row: _number(have(row)[0]) >= _number(wanted),
        "<": lambda row: _number(have(row)[0]) < _number(wanted),
        "<=": lambda row: _number(have(row)[0]) <= _number(wanted),
    }
    return tests[sign]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise bad(Violation("filter", "INVALID_FILTER", "Only numbers can be compared")) from error
