"""The one error handler: a person's error becomes a sentence to that person; anything else a reference and a log entry."""

import logging
import secrets
from collections.abc import Callable
from typing import Any, TypeVar

from slack_bolt import Ack, App, BoltResponse
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.blocks import kit, screens
from core.errors import NotAllowed, SegsyncError
from core.models import RequestKind

logger = logging.getLogger(__name__)
T = TypeVar("T")


def words_for(error: Exception) -> str:
    """What a person is told; an error of ours is logged under the reference that the sentence names."""
    if isinstance(error, SegsyncError):
        return kit.esc(str(error))
    if isinstance(error, SlackApiError) and error.response.get("error") == "ratelimited":
        seconds = error.response.headers.get("Retry-After", "60")
        return f"So many people use segsync just now that Slack asks us to wait. Try again in {seconds} seconds; nothing is lost."
    reference = secrets.token_hex(4)
    logger.error("Unexpected error, reference %s", reference, exc_info=error)
    return f"Something went wrong on our side. Try again; if it comes back, tell the operator this reference: `{reference}`."


def answer_of(work: Callable[[], T]) -> T | SegsyncError:
    """The result, or what went wrong as an error that can be shown. For work on other threads, where nobody would see it."""
    try:
        return work()
    except SegsyncError as error:
        return error
    except Exception as error:  # noqa: BLE001 - here on purpose: another thread would swallow it
        return SegsyncError(words_for(error))


def register(app: App) -> None:
    """Installs the handler."""

    @app.error
    def tell(error: Exception, body: dict[str, Any], client: WebClient, context: dict[str, Any]) -> BoltResponse:
        """Tells whoever acted, where they acted; whoever's form has closed already, by direct message."""
        ack: Ack | None = context.get("ack")
        text = words_for(error)
        kind = body.get("type")
        if kind == "block_suggestion":
            return BoltResponse(status=200, body={"options": []})
        if kind == "view_submission" and (ack is None or ack.response is None):
            return BoltResponse(status=200, body={"response_action": "update", "view": screens.problem(text)})
        try:
            said = screens.refusal(text, asks_role=isinstance(error, NotAllowed) and error.may_ask == RequestKind.ROLE)
            if respond := (context.get("respond") if body.get("response_url") else None):
                respond(**said, response_type="ephemeral", replace_original=False)
            elif body.get("trigger_id") and kind != "view_submission":
                lay = client.views_push if (body.get("view") or {}).get("type") == "modal" else client.views_open
                lay(trigger_id=body["trigger_id"], view=screens.problem(text, more=said["blocks"][1:]))
            elif user_id := context.get("user_id"):
                client.chat_postMessage(channel=user_id, **said)
        except SlackApiError as refused:
            logger.warning("An error could not be shown: %s", refused.response["error"])
        return BoltResponse(status=200, body="")
