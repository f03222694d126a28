"""Segments: found by words, across all sources."""

from collections.abc import Mapping, Sequence

from core.access import require
from core.errors import NotFound
from core.models import Action, Actor, Segment
from core.ports import SegmentSource


class Segments:
    """What the declared sources hold."""

    def __init__(self, *, sources: Mapping[str, SegmentSource]) -> None:
        self._sources = sources

    def search(self, actor: Actor, words: str = "", limit: int = 100) -> Sequence[Segment]:
        """Segments whose name holds all the words, those that begin with them first."""
        require(actor, Action.SEE)
        wanted = words.lower().split()
        found = [s for source in self._sources.values() for s in source.segments() if all(w in s.name.lower() for w in wanted)]
        found.sort(key=lambda s: (not s.name.lower().startswith(words.lower()), s.name.lower()))
        return found[:limit]

    def get(self, key: str) -> Segment:
        """By `source/id`. Raises NotFound, or the source's own error."""
        source, _, segment_id = key.partition("/")
        if source not in self._sources:
            raise NotFound("This segment's source is not declared any more.")
        return self._sources[source].segment(segment_id)
