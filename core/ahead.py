"""Work on the next pieces while this one is used: what releases the interpreter's lock takes every core."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, Queue
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

_Piece = TypeVar("_Piece")
_Made = TypeVar("_Made")
_WORKERS = max(os.cpu_count() or 1, 2)


def ahead(make: Callable[[_Piece], _Made], pieces: Iterable[_Piece]) -> Iterator[_Made]:
    """What `make` makes of each piece, in order, a few pieces ahead. A thread of its own takes pieces, one after the other."""
    coming: Queue[Future[_Made] | None] = Queue(_WORKERS)
    is_over = threading.Event()

    def take() -> None:
        try:
            for piece in pieces:
                coming.put(pool.submit(make, piece))
                if is_over.is_set():
                    return
            coming.put(None)
        except BaseException as error:  # noqa: BLE001 - it is the caller's, who hears of it in its turn
            failed: Future[_Made] = Future()
            failed.set_exception(error)
            coming.put(failed)

    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="ahead") as pool:
        taker = threading.Thread(target=take, name="ahead-taker")
        taker.start()
        try:
            while made := coming.get():
                yield made.result()
        finally:
            is_over.set()
            while taker.is_alive():  # it may wait for a place
                with suppress(Empty):
                    coming.get(timeout=0.01)
            pool.shutdown(cancel_futures=True)


class Upto:
    """Columns that come in ascending order of the first, some at a time, and are taken up to a limit at a time."""

    def __init__(self, parts: Iterator[tuple[npt.NDArray[Any], ...]]) -> None:
        self._parts = parts
        self._held: list[tuple[npt.NDArray[Any], ...]] = []

    def take(self, high: int) -> tuple[npt.NDArray[Any], ...] | None:
        """All rows up to this number that were not taken yet; None where there are none."""
        limit = np.uint64(high)
        held = self._held
        while not held or held[-1][0][-1] <= limit:
            part = next(self._parts, None)
            if part is None:
                break
            if len(part[0]):
                held.append(part)
        if not held:
            return None
        last = held[-1]
        stop = int(np.searchsorted(last[0], limit, side="right"))
        self._held = [tuple(column[stop:] for column in last)] if stop < len(last[0]) else []
        held[-1] = tuple(column[:stop] for column in last)
        return tuple(np.concatenate(columns) for columns in zip(*held, strict=True))
