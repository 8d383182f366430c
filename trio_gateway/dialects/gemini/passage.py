"""Gemini to Gemini: bodies that name their model, and streams, as they come or as the items of one JSON array.

Google is always asked for server-sent events. What comes as JSON outside of any, as its errors may, passes once it is
whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import cast

import msgspec

from trio_gateway.dialects import Dialect, gemini
from trio_gateway.dialects.events import AnswerEvent
from trio_gateway.dialects.gemini.answer import DONE, AnswerDecoder
from trio_gateway.dialects.passage import EVENTS, SSE_ENDS, ObservedStream, redacted_text
from trio_gateway.dialects.splice import find_member, splice_member
from trio_gateway.dialects.wire import read_request
from trio_gateway.errors import UpstreamBroke, UpstreamError

_encode = msgspec.json.Encoder().encode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_line_ends = re.compile(rb"[\r\n]+").sub


def renamed(body: bytes, model: str) -> bytes:
    """Return a request's body that names `model` where it names one, which the URL does already."""
    return splice_member(body, "model", _encode(f"models/{model}")) if find_member(body, "model") else body


def renamed_count(body: bytes, model: str) -> bytes:
    """Return the body of a request to count. It may hold a whole request, with a model of its own. InvalidRequest."""
    for name, request in read_request(_members, body).items():
        if name in ("generateContentRequest", "generate_content_request") and bytes(request).startswith(b"{"):
            body = splice_member(body, name, renamed(bytes(request), model))
    return renamed(body, model)


class GeminiStream(ObservedStream):
    """A StreamPassage. An error outside of any event passes as it is, and so that none is missed, chunks as events."""

    __slots__ = ("_is_bare", "_looking")

    def __init__(self, redact: Callable[[str], str] = str) -> None:
        super().__init__(cast(Dialect, gemini), SSE_ENDS, redact)
        self._looking = cast(AnswerDecoder, self._decoder)
        self._is_bare = False  # what comes is in no event

    def feed(self, chunk: bytes) -> bytes:
        if self.ended:
            return b""
        events = self._looking.feed(chunk)
        bare = self._looking.framing.bare_from
        if bare is None:
            return self._pass(self._frames.feed(chunk), events)
        if self._is_bare:
            return self._pass_bare(b"", 0, events)
        self._is_bare = True
        begins, framed = bare
        return self._pass_bare(self._frames.rest() + chunk[:begins], framed, events)

    def _pass_bare(self, framed: bytes, count: int, events: list[AnswerEvent]) -> bytes:
        """Pass on events, of which `count` have data, and the JSON that follows them in none."""
        seen = self._note(events)
        place = self._looking.ended_at
        if place is not None and place < count:
            return self._sent(self._up_to_the_end(framed), seen)
        written = [framed, _missing_end(framed)]
        for at, item in enumerate(self._looking.frames[count:], count):
            if at != place:
                written.append(b"data: %b\r\n\r\n" % _line_ends(b" ", item))
                continue
            if not isinstance(self.error, UpstreamBroke):
                written.append(redacted_text(item, self._redact))
            break
        if isinstance(self.error, UpstreamBroke):
            written.append(self.in_band(self.error))
        return self._sent(b"".join(written), seen)

    def _sent(self, told: bytes, seen: bool) -> bytes:
        return told if self.begun else self._begin(told, seen)


def _missing_end(framed: bytes) -> bytes:
    """Return the blank line that an event lacks which something else follows."""
    last = EVENTS.findall(framed)[-1:]
    return b"\r\n\r\n" if last and last[0].strip() and not last[0].endswith((*SSE_ENDS, b"\r\r", b"\n\r")) else b""


class ArrayStream(ObservedStream):
    """A StreamPassage: the events' data, byte for byte, as an array's items."""

    __slots__ = ("_looking", "_written")

    def __init__(self, redact: Callable[[str], str] = str) -> None:
        super().__init__(cast(Dialect, gemini), SSE_ENDS, redact)
        self._looking = cast(AnswerDecoder, self._decoder)
        self._written = False

    def feed(self, chunk: bytes) -> bytes:
        return b"" if self.ended else self._write(self._looking.feed(chunk))

    def close(self) -> bytes:
        return b"" if self.ended else self._write(self._looking.close())

    def in_band(self, error: UpstreamError) -> bytes:
        return self._items([gemini.encode_error(error)[1]])

    def _write(self, events: list[AnswerEvent]) -> bytes:
        seen = self._note(events)
        items, place = self._looking.frames, self._looking.ended_at
        if place is not None:
            items, last = items[:place], items[place]
            if not isinstance(self.error, UpstreamBroke):
                items.append(redacted_text(last, self._redact))
        if isinstance(self.error, UpstreamBroke):
            items = [*items, gemini.encode_error(self.error)[1]]
        self._held += items
        if not (seen or self.begun):
            return b""
        self.begun = True
        items, self._held = self._held, []
        return self._items([item for item in items if item.strip() != DONE])

    def _items(self, items: list[bytes]) -> bytes:
        """Return what the array goes on with, and its end where the stream has ended."""
        written = b",\n".join(items)
        if written:
            written = (b",\n" if self._written else b"[") + written
            self._written = True
        return written + b"]" if self.ended else written
