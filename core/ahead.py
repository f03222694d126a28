"""Work on the next pieces while this one is used: what releases the interpreter's lock takes every core."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Piece = TypeVar("_Piece")
_Made = TypeVar("_Made")
_WORKERS = max(os.cpu_count() or 1, 2)


def ahead(make: Callable[[_Piece], _Made], pieces: Iterable[_Piece]) -> Iterator[_Made]:
    """What `make` makes of each piece, in order, a few pieces ahead. The caller's thread takes pieces, one after the other."""
    pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="ahead")
    coming: deque[Future[_Made]] = deque()
    try:
        for piece in pieces:
            coming.append(pool.submit(make, piece))
            if len(coming) > _WORKERS:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
