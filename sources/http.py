"""Segments behind an HTTP interface that answers pages of JSON, such as an ABM platform's.

What stands where in an answer is declared by dotted paths: `items` leads to the rows of a page, `next` to the address or the
cursor of the next one, `total` to how many rows there should be.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import httpx
import orjson
import pyarrow as pa

from core.errors import QueryFailed, SegmentGone, SourceUnavailable
from core.models import Segment
from core.ports import ColumnMap, Reading
from sources.declared import Declared, find, in_batches

_BATCH = 16 << 10
_TRIES = 5
_MOST_PAGES = 1_000_000


@dataclass(frozen=True, slots=True)
class Paging:
    """How an answer is read. With `cursor`, what `next` leads to is that query parameter; else it is an address.

    `listing`: the path that lists segments, where there is one; `id` and the others lead to what a listed one is.
    """

    items: str = "items"
    next: str | None = "next"
    cursor: str | None = None
    total: str | None = None
    listing: str | None = None
    id: str = "id"
    name: str = "name"
    size: str | None = None
    creator: str | None = None


class HttpSource:
    """Declared segments, or those that the interface lists. `paths`: column → dotted path inside a row."""

    def __init__(
        self,
        *,
        name: str,
        url: str,
        headers: Mapping[str, str],
        paths: Mapping[str, str],
        paging: Paging,
        template: Declared,
        segments: Sequence[Declared] = (),
        timeout_s: float = 30,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`template`: what holds for listed segments; `{id}` in its `read` is the segment's id."""
        self.name = name
        self._url, self._paths, self._paging, self._template = url.rstrip("/") + "/", dict(paths), paging, template
        self._declared, self._sleep = tuple(segments), sleep
        self._client = httpx.Client(headers=dict(headers), timeout=timeout_s, transport=transport, follow_redirects=False)

    def segments(self) -> Sequence[Segment]:
        """The declared ones, and those that the interface lists. Raises SourceUnavailable, QueryFailed."""
        return [d.segment(self.name, names=tuple(self._paths), size=size) for d, size in self._all()]

    def segment(self, segment_id: str) -> Segment:
        """One of them. Raises SegmentGone."""
        found = next(((d, size) for d, size in self._all() if d.id == segment_id), None)
        if found is None:
            raise SegmentGone
        return found[0].segment(self.name, names=tuple(self._paths), size=found[1])

    @contextmanager
    def read(self, segment_id: str) -> Iterator[Reading]:
        """Opens the segment. Each going through asks for all pages again."""
        declared = find([d for d, _ in self._all()], segment_id)
        columns: ColumnMap = declared.columns_of(tuple(self._paths))
        whole = [False]

        def batches(wanted: Sequence[str]) -> Iterator[pa.RecordBatch]:
            whole[0] = False
            paths = [self._paths[w].split(".") for w in wanted]
            rows = self._rows(declared.read, whole)
            yield from in_batches(wanted, ([_at(row, path) for path in paths] for row in rows), _BATCH)

        segment = declared.segment(self.name, names=tuple(self._paths))
        yield Reading(segment, columns, None, batches, lambda: whole[0], proven=self._paging.total is not None)

    def close(self) -> None:
        """Closes every connection."""
        self._client.close()

    def _all(self) -> Iterator[tuple[Declared, int | None]]:
        yield from ((d, None) for d in self._declared)
        paging, base = self._paging, self._template
        if paging.listing is None:
            return
        for row in self._rows(paging.listing, [False]):
            segment_id = str(_at(row, paging.id.split(".")) or "")
            size = _at(row, paging.size.split(".")) if paging.size else None
            creator = _at(row, paging.creator.split(".")) if paging.creator else None
            listed = Declared(
                id=segment_id,
                read=base.read.replace("{id}", segment_id),
                name=str(_at(row, paging.name.split(".")) or segment_id),
                creator=str(creator) if creator else None,
                kind=base.kind,
                columns=base.columns,
                consent=base.consent,
                default_country=base.default_country,
            )
            if segment_id:
                yield listed, int(size) if isinstance(size, int) else None

    def _rows(self, path: str, whole: list[bool]) -> Iterator[Mapping[str, Any]]:
        """All rows of all pages; `whole[0]` becomes True once the last page was there and nothing was missing."""
        paging, url, seen = self._paging, urljoin(self._url, path.lstrip("/")), 0
        params: dict[str, str] = {}
        total: int | None = None
        for _ in range(_MOST_PAGES):
            page = self._get(url, params)
            rows = _at(page, paging.items.split(".")) if paging.items else page
            if not isinstance(rows, list):
                raise QueryFailed(f"The answer of {self.name} has no list at {paging.items!r}.")
            for row in rows:
                if not isinstance(row, dict):
                    raise QueryFailed(f"The answer of {self.name} has rows that are not objects.")
                yield row
            seen += len(rows)
            told = _at(page, paging.total.split(".")) if paging.total else None
            total = told if isinstance(told, int) else total
            following = _at(page, paging.next.split(".")) if paging.next else None
            if not following:
                whole[0] = not paging.total or seen == total
                return
            if paging.cursor:
                params = {paging.cursor: str(following)}
            else:
                url, params = self._same_host(urljoin(url, str(following))), {}
        raise QueryFailed(f"{self.name} has more pages than anybody could mean.")

    def _same_host(self, url: str) -> str:
        """The credentials go nowhere else, whatever an answer says."""
        if httpx.URL(url).host != httpx.URL(self._url).host:
            raise QueryFailed(f"{self.name} leads to another host, where segsync does not follow.")
        return url

    def _get(self, url: str, params: Mapping[str, str]) -> Any:
        """One page, asked for again with growing pauses while the interface is busy or down."""
        for attempt in range(_TRIES):
            try:
                answer = self._client.get(url, params=params or None)
            except httpx.TransportError:
                self._sleep(2.0**attempt)
                continue
            if answer.status_code == 404:
                raise SegmentGone
            if answer.status_code in (401, 403):
                raise QueryFailed(f"{self.name} does not accept the credentials in the settings.")
            if answer.status_code == 429 or answer.status_code >= 500:
                told = answer.headers.get("retry-after", "")
                self._sleep(min(float(told) if told.isdigit() else 2.0**attempt, 60))
                continue
            if answer.status_code >= 300:
                raise QueryFailed(f"{self.name} answered {answer.status_code}.")
            try:
                return orjson.loads(answer.content)
            except orjson.JSONDecodeError:
                raise QueryFailed(f"{self.name} did not answer with JSON.") from None
        raise SourceUnavailable(f"{self.name} does not answer.")


def _at(value: Any, path: Sequence[str]) -> Any:
    """What a dotted path leads to; None where it leads nowhere."""
    for part in path:
        if isinstance(value, list) and part.isdigit():
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value
