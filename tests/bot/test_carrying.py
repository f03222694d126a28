"""Lines logged on other threads name the request that they belong to; an address that somebody else has is said at once."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from starlette.applications import Starlette

from bot.asking import Asking
from bot.carrying import Carrying
from bot.serving import Serving
from core.errors import ConfigError
from core.models import Channel


@pytest.fixture
def asking() -> Iterator[Asking]:
    found = Asking()
    yield found
    found.stop()


def test_a_question_to_a_platform_is_logged_under_the_request_that_asked_it(asking: Asking) -> None:
    heard: list[dict[str, Any]] = []
    done = threading.Event()
    with structlog.contextvars.bound_contextvars(request="r1"):
        asking.ask(Channel.META, structlog.contextvars.get_contextvars, lambda found: (heard.append(found), done.set()))
    assert done.wait(10)
    assert heard == [{"request": "r1"}]


def test_a_thread_keeps_nothing_of_the_request_before() -> None:
    with Carrying(1) as one:
        with structlog.contextvars.bound_contextvars(request="r1"):
            first = one.submit(structlog.contextvars.get_contextvars)
        second = one.submit(structlog.contextvars.get_contextvars)
        assert (first.result(10), second.result(10)) == ({"request": "r1"}, {})


def test_an_address_that_somebody_else_has_is_said_in_a_sentence() -> None:
    said = r"Nobody can listen on 127\.0\.0\.1:\d+: Address already in use"
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError, match=said):
        Serving(Starlette(), host="127.0.0.1", port=taken.getsockname()[1]).start()
