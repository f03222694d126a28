"""Segments: found by words across all sources, and counted for a channel before anybody creates a sync."""

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from core.access import require
from core.errors import NotFound
from core.gathering import count
from core.models import Action, Actor, Channel, Segment, SegmentKind
from core.ports import AdChannel, SegmentSource
from core.views import Preview

_REMEMBERED = 500


class Segments:
    """What the declared sources hold. `channels`: by whose rules members are counted."""

    def __init__(self, *, sources: Mapping[str, SegmentSource], channels: Mapping[Channel, AdChannel] | None = None) -> None:
        self._sources, self._channels = sources, channels or {}
        self._counted: OrderedDict[tuple[object, ...], Preview] = OrderedDict()
        self._lock = threading.Lock()

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
        if segment_id.startswith("~"):  # a digest: `Segment.choice`
            segment_id = next((s.id for s in self._sources[source].segments() if s.choice == key), segment_id)
        return self._sources[source].segment(segment_id)

    def made_by(self, creator: str) -> Sequence[Segment]:
        """Segments whose creator, as their source says, holds these words."""
        words = creator.lower()
        return [s for source in self._sources.values() for s in source.segments() if s.creator and words in s.creator.lower()]

    def counted(self, segment: Segment, channel: Channel) -> Preview | None:
        """What counting this segment as it is now gave before; None: it has to be counted."""
        with self._lock:
            return self._counted.get(_name(segment, channel))

    def preview(self, actor: Actor, key: str, channel: Channel) -> Preview:
        """Reads the whole segment and counts what this channel can match. Slow. Raises NotFound, SourceError."""
        require(actor, Action.SEE)
        segment = self.get(key)
        if known := self.counted(segment, channel):
            return known
        if channel not in self._channels:
            raise NotFound(f"{channel.label} has not been set up by the operator yet.")
        traits = self._channels[channel].traits
        with self._sources[segment.source].read(segment.id) as reading:
            totals, matchable = count(reading, traits)
            is_silent = traits.needs_consent and not reading.columns.consent and segment.kind is SegmentKind.CONTACTS
        minutes = math.ceil(matchable / traits.batch_rows / traits.a_minute) if traits.a_minute else None
        made = Preview(
            totals.rows, totals.members, matchable, totals.reasons, traits.minimum, is_silent, traits.max_identifiers, minutes
        )
        with self._lock:
            self._counted[_name(segment, channel)] = made
            while len(self._counted) > _REMEMBERED:
                self._counted.popitem(last=False)
        return made


def _name(segment: Segment, channel: Channel) -> tuple[object, ...]:
    return segment.key, segment.changed_at, segment.size, channel
