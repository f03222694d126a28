"""Segments behind pages of JSON: paging, mapping, patience, and where credentials never go."""

from collections.abc import Callable

import httpx
import orjson
import polars as pl
import pytest

from core.errors import QueryFailed, SegmentGone, SourceUnavailable
from core.models import SegmentKind
from sources.declared import Declared
from sources.http import HttpSource, Paging

PATHS = {"email": "person.email", "domain": "accounts.0.domain", "consent": "consent"}
ROWS = [
    {"person": {"email": f"p{n}@example.com"}, "accounts": [{"domain": "a.example"}], "consent": n % 2 == 0} for n in range(5)
]
Handler = Callable[[httpx.Request], httpx.Response]


def answer(body: object, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, content=orjson.dumps(body), headers={k.replace("_", "-"): v for k, v in headers.items()})


def two_at_a_time(request: httpx.Request) -> httpx.Response:
    assert request.headers["authorization"] == "Bearer secret"
    if request.url.path == "/api/segments":
        return answer({"items": [{"id": "s1", "name": "Intent", "count": 5}, {"id": "s2", "name": "Fit", "count": 0}]})
    if request.url.path != "/api/segments/s1/members":
        return answer({}, 404)
    start = int(request.url.params.get("from", 0))
    following = start + 2 if start + 2 < len(ROWS) else None
    return answer({"items": ROWS[start : start + 2], "next": following, "total": len(ROWS)})


def source(handler: Handler, *, paging: Paging | None = None, waits: list[float] | None = None) -> HttpSource:
    kept = [] if waits is None else waits
    return HttpSource(
        name="abm",
        url="https://abm.example/api/",
        headers={"Authorization": "Bearer secret"},
        paths=PATHS,
        paging=paging or Paging(cursor="from", total="total", listing="segments", size="count"),
        template=Declared("", "segments/{id}/members", consent="consent"),
        sleep=kept.append,
        transport=httpx.MockTransport(handler),
    )


def rows(of: HttpSource, names: list[str]) -> list[tuple[object, ...]]:
    with of.read("s1") as reading:
        found = [row for batch in reading.batches(names) for row in pl.DataFrame(batch).iter_rows()]
        assert reading.complete()
        return found


def test_listed_segments_are_read_through_all_pages() -> None:
    abm = source(two_at_a_time)
    assert [(s.name, s.size, s.kind) for s in abm.segments()] == [
        ("Intent", 5, SegmentKind.CONTACTS),
        ("Fit", 0, SegmentKind.CONTACTS),
    ]
    assert rows(abm, ["email", "consent"])[:2] == [("p0@example.com", "true"), ("p1@example.com", "false")]
    assert len(rows(abm, ["domain"])) == 5
    abm.close()


def test_fewer_rows_than_announced_are_no_whole_reading() -> None:
    def torn(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/segments":
            return two_at_a_time(request)
        return answer({"items": ROWS[:3], "next": None, "total": 5})

    abm = source(torn)
    with abm.read("s1") as reading:
        assert len(list(reading.batches(["email"]))) == 1
        assert not reading.complete()
    abm.close()


def test_a_busy_interface_is_asked_again_after_the_time_it_names() -> None:
    waits: list[float] = []
    tried = [0]

    def busy(request: httpx.Request) -> httpx.Response:
        tried[0] += 1
        return answer({}, 429, retry_after="7") if tried[0] == 1 else two_at_a_time(request)

    abm = source(busy, waits=waits)
    assert len(abm.segments()) == 2
    assert waits == [7.0]
    abm.close()


def test_an_interface_that_stays_down_is_unavailable() -> None:
    abm = source(lambda _: answer({}, 503))
    with pytest.raises(SourceUnavailable):
        abm.segments()
    abm.close()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [(401, {}, "credentials"), (200, {"items": 3}, "no list"), (418, {}, "418"), (200, {"items": ["x"]}, "not objects")],
)
def test_what_cannot_be_read_is_said_plainly(status: int, body: object, said: str) -> None:
    abm = source(lambda _: answer(body, status))
    with pytest.raises(QueryFailed, match=said):
        abm.segments()
    abm.close()


def test_credentials_never_follow_to_another_host() -> None:
    hosts: set[str] = set()

    def elsewhere(request: httpx.Request) -> httpx.Response:
        hosts.add(request.url.host)
        return answer({"items": [], "next": "https://evil.example/steal"})

    abm = source(elsewhere, paging=Paging(listing="segments"))
    with pytest.raises(QueryFailed, match="another host"):
        abm.segments()
    assert hosts == {"abm.example"}
    abm.close()


def test_a_segment_that_is_not_there_is_gone() -> None:
    abm = source(two_at_a_time)
    with pytest.raises(SegmentGone), abm.read("other"):
        pass
    abm.close()
