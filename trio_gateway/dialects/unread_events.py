"""What the events of a stream hold that nobody knows: each such member is found once, in whichever event it comes.

Events repeat their members. A decoder that refuses those nobody knows proves for free that there are none. Where an
event has some, they are named, and from then on a decoder is used that lets these pass and refuses any other. So an
event costs no more than to decode it, whatever its provider adds to all of them.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Callable
from functools import lru_cache
from typing import Generic, cast

import msgspec
from msgspec import Raw, UnsetType

from trio_gateway.dialects.unread import Granted, Narrowed, Place, T, Twins, Unread, find_unread

PLACES_MAX = 32  # that a stream's decoder learns; from then on, each event with another member is searched by itself
_TWINS_MAX = 256  # structs made for what was learned, over all streams: what one provider adds is mostly one set
_DECODERS_MAX = 64  # sets of places

# Names that msgspec's structs cannot have: events with one go on to be searched, each by itself.
_unteachable = re.compile(r'["\\\x00-\x1f]').search

_ANYTHING: object = Raw | UnsetType
_NULL: object = None


class Events(Generic[T]):
    """The struct of a stream's events, and where not to search: places of members that are known to say nothing, and
    members of its own inside of which somebody else searches."""

    def __init__(
        self, shape: type[T], *, known: frozenset[Place] = frozenset(), elsewhere: frozenset[str] = frozenset()
    ) -> None:
        self.shape = shape
        self.known = known
        self.elsewhere = elsewhere
        hints = typing.get_type_hints(shape)
        self._narrowed: Narrowed = {(shape, name): hints[name] for name in elsewhere}
        self._twins = Twins(self._narrowed)
        self.lenient: Callable[[bytes], T] = msgspec.json.Decoder(shape).decode
        self.strict = self._decoder_of(frozenset())
        self.decoder_of = lru_cache(maxsize=_DECODERS_MAX)(self._decoder_of)  # making one takes about a millisecond

    def _decoder_of(self, learned: Granted) -> Callable[[bytes], T]:
        """Return what decodes an event in which no other places are unknown than those."""
        if len(self._twins) > _TWINS_MAX:
            self._twins = Twins(self._narrowed)
        granted = learned | {(place, _ANYTHING) for place in self.known}
        return msgspec.json.Decoder(cast("type[T]", self._twins.of(self.shape, granted))).decode


class UnreadOfEvents(Generic[T]):
    """Decodes the events of one stream. `decode` raises ValidationError for one that `look` is to be asked about."""

    __slots__ = ("_events", "_learned", "decode")

    def __init__(self, events: Events[T]) -> None:
        self._events = events
        self._learned: dict[Place, object] = {}
        self.decode: Callable[[bytes], T] = events.strict

    def look(self, data: bytes) -> tuple[T, list[Unread]]:
        """Return an event, and what is in it that nobody knows and that has not been learned. Raises as a decoder."""
        event = self._events.lenient(data)
        return event, [found for found in find_unread(data, self._events.shape) if self._is_new(found)]

    def _is_new(self, found: Unread) -> bool:
        if found.place in self._events.known or (found.place[1:] and found.place[0] in self._events.elsewhere):
            return False
        if found.place not in self._learned:
            return True
        return self._learned[found.place] is _NULL and not found.is_null

    def learn(self, unread: list[Unread]) -> None:
        """Let what `look` found pass from now on. A member that was null is new again when it is not."""
        for found in unread:
            if found.place in self._learned or len(self._learned) < PLACES_MAX:
                self._learned[found.place] = _NULL if found.is_null else _ANYTHING
        taught = [(place, kind) for place, kind in self._learned.items() if not _unteachable(place[-1])]
        self.decode = self._events.decoder_of(frozenset(taught))
