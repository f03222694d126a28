"""A Slack that does what the test wants: rate limits, outages, answers that are lost after the deed. Its time is the test's."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

Json = dict[str, Any]


class Killed(BaseException):
    """The process died here."""


class Slack:
    """Keeps messages by conversation. `limited`: Slack's rates, one post a second and conversation, fifty edits a minute."""

    def __init__(self, now: Callable[[], float], *, limited: bool = False) -> None:
        self.now, self.limited = now, limited
        self.said: dict[str, list[Json]] = defaultdict(list)
        self.calls: list[tuple[str, str]] = []
        self.is_down = False
        self.before: Callable[[str, str], None] = lambda _method, _channel: None
        self.after: Callable[[str, str], None] = lambda _method, _channel: None
        self.frozen: set[str] = set()  # messages that cannot be edited
        self.shared: set[str] = set()
        self._times: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._count = 0
        self.refusals = 0  # how often it said "too many"

    # ── what the product calls ──

    def chat_postMessage(self, *, channel: str, text: str, blocks: list[Json], **more: Any) -> Json:  # noqa: N802
        place = self._dm(channel)
        self._call("chat.postMessage", place, 5, 5.0)
        self._count += 1
        message = {"ts": f"{self._count}.0", "text": text, "blocks": blocks, **more}
        self.said[place].append(message)
        self.after("chat.postMessage", place)
        return {"channel": place, "ts": message["ts"]}

    def chat_update(self, *, channel: str, ts: str, text: str, blocks: list[Json]) -> Json:
        self._call("chat.update", channel, 50, 60.0, by_channel=False)
        message = next((m for m in self.said[channel] if m["ts"] == ts), None)
        if message is None:
            raise refused("message_not_found")
        if ts in self.frozen:
            raise refused("edit_window_closed")
        message |= {"text": text, "blocks": blocks}
        message["edits"] = message.get("edits", 0) + 1
        self.after("chat.update", channel)
        return {"channel": channel, "ts": ts}

    def conversations_info(self, *, channel: str) -> Json:
        return {"channel": {"id": channel, "is_ext_shared": channel in self.shared}}

    def conversations_open(self, *, users: list[str]) -> Json:
        return {"channel": {"id": self._dm(users[0])}}

    def conversations_history(self, *, channel: str, include_all_metadata: bool, limit: int) -> Json:
        self._call("conversations.history", channel, 50, 60.0)
        return {"messages": [m for m in self.said[channel] if "thread_ts" not in m][-limit:]}

    def conversations_replies(self, *, channel: str, ts: str, include_all_metadata: bool, limit: int) -> Json:
        self._call("conversations.replies", channel, 50, 60.0)
        return {"messages": [m for m in self.said[channel] if ts in (m["ts"], m.get("thread_ts"))][:limit]}

    # ── what the test looks at ──

    def heads(self, place: str) -> list[Json]:
        """Messages that stand in the conversation itself."""
        return [m for m in self.said[place] if "thread_ts" not in m]

    def keys(self) -> list[str]:
        return [str(m["metadata"]["event_payload"]["key"]) for ms in self.said.values() for m in ms]

    def _call(self, method: str, channel: str, most: int, seconds: float, *, by_channel: bool = True) -> None:
        self.calls.append((method, channel))
        if self.is_down:
            raise ConnectionRefusedError
        self.before(method, channel)
        if not self.limited:
            return
        times = self._times[method, channel if by_channel else ""]
        times[:] = [t for t in times if t > self.now() - seconds]
        if len(times) >= most:
            self.refusals += 1
            raise refused("ratelimited", status=429, wait=int(times[0] + seconds - self.now()) + 1)
        times.append(self.now())

    @staticmethod
    def _dm(channel: str) -> str:
        return f"D{channel}" if channel.startswith("U") else channel


def refused(error: str, *, status: int = 200, wait: int = 0) -> SlackApiError:
    """What Slack's client raises."""
    response = SlackResponse(
        client=None,
        http_verb="POST",
        api_url="",
        req_args={},
        data={"ok": False, "error": error},
        headers={"Retry-After": str(wait)} if wait else {},
        status_code=status,
    )
    return SlackApiError(error, response)
