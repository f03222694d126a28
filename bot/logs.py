"""Logs: for a person on a terminal, JSON otherwise; who asked and which request stand in every line; secrets in none."""

import logging
import re
import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import structlog
from slack_bolt import BoltContext, BoltResponse
from sqlalchemy.exc import OperationalError

from core.ports import Note, Tracer

_SECRETS = re.compile(
    r"xox[a-z]-[\w-]+|xapp-[\w-]+|Bearer\s+\S+|\b(?:EAA|ya29\.|AQ)[\w.-]{20,}"  # Slack's and the platforms' tokens
    r"|(?<=[?&])(?:code|state|access_token|client_secret|refresh_token)=[^&\s]+"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # a password in an address
    r"|[\w.+-]+@[\w-]+\.[\w.-]+"  # an e-mail address
)
_CHATTY = ("httpx", "httpcore", "slack_bolt", "slack_sdk", "apscheduler", "alembic", "uvicorn", "procrastinate")


def hide(text: str) -> str:
    """The text without tokens, passwords and e-mail addresses: the last line of defence, where nothing should have been."""
    return _SECRETS.sub("[hidden]", text)


def _hiding(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = hide(value)
    return event


def _shortened(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A database that is away is known by one line; where in the code that was found out says nothing, every few seconds."""
    found = event.get("exc_info")
    error = found[1] if isinstance(found, tuple) else sys.exc_info()[1] if found is True else found
    if isinstance(error, OperationalError) and (error.connection_invalidated or error.statement is None):
        event["database"] = str(error.orig).strip().splitlines()[0]
        del event["exc_info"]
    return event


def configure(log_format: str, *, level: str = "INFO") -> None:
    """Every logger writes to standard error in this form: `text`, `json`, or `auto`: text on a terminal, else JSON."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _shortened,
        structlog.processors.format_exc_info,
        _hiding,
    ]
    is_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    shown: Any = structlog.processors.JSONRenderer() if is_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, shown]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(lambda record: record.levelno >= logging.WARNING or not record.name.startswith(_CHATTY))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def named(context: BoltContext, body: dict[str, Any], next: Callable[[], BoltResponse]) -> BoltResponse:
    """Bolt middleware: what is logged on the way carries one id for the request, the organization and the user."""
    kind = "command" if "command" in body else str(body.get("type", ""))
    context["request"] = uuid4().hex[:12]
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request=context["request"], kind=kind, org=context.team_id, user=context.user_id)
    return next()


class Named:
    """A `Tracer` whose spans' facts stand in every line logged in them: of a refresh its id, and the request it comes from."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self.here = tracer.here

    @contextmanager
    def span(self, name: str, *, parent: str = "", **facts: str | int) -> Iterator[Note]:
        with structlog.contextvars.bound_contextvars(**facts), self._tracer.span(name, parent=parent, **facts) as note:
            yield note
