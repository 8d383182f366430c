"""What tests of every dialect read with: decoders fed in pieces, what they told, and that without its places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Protocol, TypeVar

import msgspec

from trio_gateway.dialects.conversation import Loss
from trio_gateway.dialects.events import AnswerEvent, End, Fail
from trio_gateway.errors import UpstreamError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_PLACES = frozenset({"at", "token_at", "phase_at", "pointers", "joined"})


class Decoder(Protocol[T_co]):
    def feed(self, chunk: bytes, /) -> Sequence[T_co]: ...

    def close(self) -> Sequence[T_co]: ...


def fed(decoder: Decoder[T], *chunks: bytes) -> list[T]:
    """Return all that a decoder makes of the chunks, and of their end."""
    return [one for chunk in chunks for one in decoder.feed(chunk)] + list(decoder.close())


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    """Return the stream in pieces, cut at the places: any number is one."""
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


def bytewise(stream: bytes) -> list[bytes]:
    return [stream[i : i + 1] for i in range(len(stream))]


def failure(events: list[AnswerEvent]) -> UpstreamError:
    """Return the error that a stream ends with, and that nothing else ended it."""
    *before, last = events
    assert isinstance(last, Fail), last
    assert not any(isinstance(event, Fail | End) for event in before), before
    return last.error


def pointers(losses: Iterable[Loss]) -> list[str]:
    return [loss.pointer for loss in losses]


def placeless(value: T) -> T:
    """Return what is said, without where it was said."""
    return _placeless(value)  # type: ignore[no-any-return]  # of whatever type it was


def _placeless(value: Any) -> Any:
    if isinstance(value, list):
        return [_placeless(item) for item in value]
    if not isinstance(value, msgspec.Struct):
        return value
    names = [name for name in value.__struct_fields__ if name not in _PLACES]
    return type(value)(**{name: _placeless(getattr(value, name)) for name in names})
