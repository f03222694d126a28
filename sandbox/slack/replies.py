"""What apps send to a `response_url`: five times in half an hour, no token (docs.slack.dev, handling user interaction)."""

from typing import Any

from sandbox.slack.posting import Posting
from sandbox.slack.refusal import Refused
from sandbox.slack.state import JSON, App, Reply
from sandbox.slack.workspace import Workspace


class Replies:
    """See the module."""

    def __init__(self, *, space: Workspace, posting: Posting) -> None:
        """See the class."""
        self._space, self._posting = space, posting

    def take(self, secret: str, body: Any) -> None:
        """Do what the app asked for; raises Refused with Slack's word for why not."""
        reply = self._space.replies.get(secret)
        app = self._space.apps.get(reply.app_id) if reply else None
        if reply is None or app is None or self._space.ids.now() > reply.expires:
            raise Refused("expired_url")
        if reply.left <= 0:
            raise Refused("used_url")
        if not isinstance(body, dict):
            raise Refused("invalid_payload")
        reply.left -= 1
        if reply.ts is not None and (body.get("delete_original") or body.get("replace_original")):
            self._original(app, reply, body)
        else:
            self._post(app, reply, body)

    def _original(self, app: App, reply: Reply, body: JSON) -> None:
        message = self._space.message(reply.channel, reply.ts or "")
        if message is None:
            raise Refused("message_not_found")
        if body.get("delete_original"):
            self._posting.delete(app, message)
        else:
            self._posting.change(app, message, body)

    def _post(self, app: App, reply: Reply, body: JSON) -> None:
        channel = self._space.channels[reply.channel]
        body = dict(body)
        if body.get("response_type") != "in_channel":
            body.pop("thread_ts", None)
            self._posting.whisper(app, channel, reply.user, body)
        else:
            self._posting.post(app, channel, body)
