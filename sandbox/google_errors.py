"""How Google's APIs refuse: the Data Manager API (Understand API errors) and the Google Ads API (GoogleAdsFailure)."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandbox.platforms.platform import Answer, Json, Refusal

STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
}
MOST_VIOLATIONS = 100
TYPES = "type.googleapis.com"


@dataclass(frozen=True)
class Violation:
    """One field that is not as it should be; `field` in snake case, as the Data Manager API writes it."""

    field: str
    reason: str
    description: str


class DataError(Refusal):
    """An error of the Data Manager API. `reason` is one of its ErrorReasons."""

    def __init__(
        self,
        status: str,
        message: str,
        *,
        reason: str = "",
        violations: Sequence[Violation] = (),
        domain: str = "datamanager.googleapis.com",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        request_id = f"t-{secrets.token_hex(8)}"
        details: list[Json] = [
            {
                "@type": f"{TYPES}/google.rpc.ErrorInfo",
                "reason": reason or status,
                "domain": domain,
                "metadata": {"requestId": request_id, **(metadata or {})},
            },
            {"@type": f"{TYPES}/google.rpc.RequestInfo", "requestId": request_id},
        ]
        if violations:
            told = [{"field": v.field, "description": v.description, "reason": v.reason} for v in violations[:MOST_VIOLATIONS]]
            details.append({"@type": f"{TYPES}/google.rpc.BadRequest", "fieldViolations": told})
        body = {"code": STATUSES[status], "message": message, "status": status, "details": details}
        super().__init__(Answer({"error": body}, STATUSES[status]))
        self.violations = violations


def bad(*violations: Violation) -> DataError:
    """Fields that are not as they should be."""
    return DataError(
        "INVALID_ARGUMENT", "There was a problem with the request.", reason="INVALID_ARGUMENT", violations=violations
    )


def denied(message: str, reason: str = "PERMISSION_DENIED") -> DataError:
    """Something that the caller may not do."""
    return DataError("PERMISSION_DENIED", message, reason=reason)


def unauthenticated(reason: str) -> DataError:
    """A token that is missing, unknown, expired or taken back."""
    said = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid"
        " authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    return DataError("UNAUTHENTICATED", said, reason=reason, domain="googleapis.com")


def missing_scope() -> DataError:
    """The person did not grant what this needs."""
    said = "Request had insufficient authentication scopes."
    return DataError("PERMISSION_DENIED", said, reason="ACCESS_TOKEN_SCOPE_INSUFFICIENT", domain="googleapis.com")


def exhausted(limit: str) -> DataError:
    """A quota of the project is used up."""
    said = f"Quota exceeded for quota metric and limit '{limit}' of service 'datamanager.googleapis.com'."
    metadata = {"quota_limit": limit, "service": "datamanager.googleapis.com"}
    return DataError("RESOURCE_EXHAUSTED", said, reason="RATE_LIMIT_EXCEEDED", domain="googleapis.com", metadata=metadata)


class AdsError(Refusal):
    """An error of the Google Ads API, such as `authorizationError: USER_PERMISSION_DENIED`."""

    def __init__(self, status: str, kind: str, code: str, message: str, *, version: str) -> None:
        failure = {
            "@type": f"{TYPES}/google.ads.googleads.{version}.errors.GoogleAdsFailure",
            "errors": [{"errorCode": {kind: code}, "message": message}],
            "requestId": secrets.token_urlsafe(16),
        }
        said = "The caller does not have permission" if status == "PERMISSION_DENIED" else "Request contains an invalid argument."
        body = {"code": STATUSES[status], "message": said, "status": status, "details": [failure]}
        super().__init__(Answer({"error": body}, STATUSES[status]))
