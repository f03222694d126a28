"""What Meta's Graph API says when it refuses (Marketing API error codes; Handling errors)."""

import secrets

from sandbox.platforms.platform import Answer, Json, Refusal

TRANSIENT = (1, 2, 4, 17, 32, 341, 613, 80000, 80003, 80004, 80014)
TOS_URL = "https://business.facebook.com/ads/manage/customaudiences/tos/?act={}"


class GraphError(Refusal):
    """An error as the Graph API answers it."""

    def __init__(self, code: int, message: str, *, subcode: int = 0, status: int = 400, title: str = "", said: str = "") -> None:
        body: Json = {
            "message": message,
            "type": "OAuthException",
            "code": code,
            "is_transient": code in TRANSIENT,
            "fbtrace_id": secrets.token_urlsafe(8),
        }
        if subcode:
            body["error_subcode"] = subcode
        if title:
            body |= {"error_user_title": title, "error_user_msg": said}
        super().__init__(Answer({"error": body}, status))


def no_such_field(field: str, node: str) -> GraphError:
    """A field or an edge that the node does not have."""
    return GraphError(100, f"(#100) Tried accessing nonexisting field ({field}) on node type ({node})")


def missing_object(method: str, object_id: str) -> GraphError:
    """An object that is not there, or not for this person: Meta does not tell which."""
    return GraphError(
        100,
        f"Unsupported {method.lower()} request. Object with ID '{object_id}' does not exist, cannot be loaded due to missing"
        " permissions, or does not support this operation. Please read the Graph API documentation at"
        " https://developers.facebook.com/docs/graph-api",
        subcode=33,
    )


def no_account() -> GraphError:
    """An ad account that the person does not reach."""
    return GraphError(200, "(#200) Ad account owner has NOT grant ads_management or ads_read permission", status=403)


def no_write() -> GraphError:
    """An ad account in which the person may only look."""
    return GraphError(
        2654,
        "(#2654) Failed to create custom audience",
        subcode=1713092,
        title="No Write Permission on This Ad Account",
        said="You don't have permission to create audiences in this ad account.",
    )


def disabled() -> GraphError:
    """An ad account that is switched off."""
    return GraphError(
        368,
        "(#368) The action attempted has been deemed abusive or is otherwise disallowed",
        subcode=1404078,
        title="Ad account disabled",
        said="This ad account is disabled.",
    )


def terms(account_id: str) -> GraphError:
    """The terms for custom audiences are not accepted."""
    return GraphError(
        200,
        "(#200) Permissions error",
        subcode=1870090,
        title="Custom Audience Terms Not Accepted",
        said=f"Accept the terms at {TOS_URL.format(account_id)}",
    )


def replacing(subcode: int, said: str) -> GraphError:
    """About a replacement of all members: 1870145 under way, 1870147 no first batch, 1870158 too late, 1870159 finished."""
    return GraphError(2650, "(#2650) Failed to update the custom audience", subcode=subcode, title="Replace failed", said=said)


def throttled() -> GraphError:
    """Too many calls about custom audiences."""
    said = "(#80003) There have been too many calls to this ad-account. Wait a bit and try again."
    return GraphError(80003, said, subcode=2446079)


def too_much() -> GraphError:
    """The account's score is over its limit."""
    return GraphError(17, "(#17) User request limit reached", subcode=2446079)
