"""Threads that know whose request they work for: what is logged and traced there stands beside the rest of it."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Carrying(ThreadPoolExecutor):
    """Each call sees the context variables of whoever submitted it."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        carried: Any = copy_context().run  # its signature would have to be spelled out for the type checker
        return super().submit(carried, fn, *args, **kwargs)
