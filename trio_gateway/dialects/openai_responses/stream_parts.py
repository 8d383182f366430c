"""The parts of a stream that is read: which are announced, which open, and what has been told of each.

A place is an output_index and a content_index. A part is begun by its first payload, so that empty ones are none, or
when a later one is begun before it is done, so that they keep their order.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from trio_gateway.dialects.conversation import Opaque
from trio_gateway.dialects.events import AnswerEvent, Cite, Close, Delta, Open
from trio_gateway.dialects.names import OwnName

Kind: TypeAlias = Literal["text", "reasoning", "redacted", "call", "custom_call", "refusal", "opaque"]
Place: TypeAlias = tuple[int, int]
NO_NAME = OwnName("")


class OpenPart:
    """A part that is open: what has been told of it so far."""

    __slots__ = ("citations", "key", "last_index", "length")

    def __init__(self, key: int) -> None:
        self.key = key
        self.length = 0  # characters
        self.citations = 0
        self.last_index = 0  # of the summary part that was told last


class StreamParts:
    """Tells parts, in `events`. What has been told once is not told again."""

    __slots__ = ("_next_key", "announced", "events", "has_refusal", "items_done", "open", "seen", "told")

    def __init__(self) -> None:
        self.events: list[AnswerEvent] = []
        self.open: dict[Place, OpenPart] = {}
        self.announced: dict[Place, tuple[Kind, str]] = {}  # without a payload so far
        self.told: set[Place] = set()  # content that is done
        self.items_done: set[int] = set()  # by output_index
        self.seen = False  # an item
        self.has_refusal = False
        self._next_key = 0

    def begin(self, index: int, position: int, kind: Kind, id_: str = "", called: OwnName = NO_NAME) -> OpenPart:
        """Open a part, and before it those that were announced at earlier places."""
        self.seen = True
        self.announced.pop((index, position), None)
        if self.announced:
            earlier = [place for place in self.announced if place < (index, position)]
            for place in earlier:
                self._begin(place, *self.announced.pop(place))
        return self._begin((index, position), kind, id_, called)

    def _begin(self, place: Place, kind: Kind, id_: str, called: OwnName = NO_NAME) -> OpenPart:
        key = self._next_key
        self._next_key += 1
        if kind == "refusal":
            self.has_refusal = True
        self.open[place] = part = OpenPart(key)
        self.events.append(Open(key, kind, id=id_, name=called.name, namespace=called.namespace))
        return part

    def close(self, place: Place) -> None:
        self.events.append(Close(self.open.pop(place).key))

    def tell(self, index: int, position: int, kind: Kind, text: str, id_: str = "") -> None:
        part = self.open.get((index, position))
        if part is None:
            if index in self.items_done or (index, position) in self.told:
                return  # a delta after the part was done has nowhere to go
            part = self.begin(index, position, kind, id_)
        part.length += len(text)
        self.events.append(Delta(part.key, text))

    def rest(self, index: int, position: int, kind: Kind, text: str | None, id_: str = "") -> None:
        """Tell what of a whole text has not been told."""
        if (index, position) in self.told:
            return
        part = self.open.get((index, position))
        rest = (text or "")[part.length if part is not None else 0 :]
        if rest:
            if part is None:
                part = self.begin(index, position, kind, id_)
            part.length += len(rest)
            self.events.append(Delta(part.key, rest))

    def tell_opaque(self, part: Opaque) -> None:
        for place in list(self.announced):
            self._begin(place, *self.announced.pop(place))
        key = self._next_key
        self._next_key += 1
        self.events += (Open(key, "opaque", tag=part.tag, raw=part.raw, dialect=part.dialect), Close(key))

    def cite(self, index: int, position: int, citation: msgspec.Raw) -> None:
        if (index, position) in self.told:
            return
        part = self.open.get((index, position)) or self.begin(index, position, "text")
        part.citations += 1
        self.events.append(Cite(part.key, citation))

    def citations(self, index: int, position: int) -> int:
        """Return how many have been told of the part, if it is open."""
        part = self.open.get((index, position))
        return 0 if part is None else part.citations
