"""Cutting a stream into the JSON objects of its chunks, fed bytes split anywhere.

There are two framings: server-sent events (`alt=sse`), and one JSON array whose items are the chunks. An error may
come in either as plain JSON over many lines, without `data:`, alone or in an array of its own.
"""

from __future__ import annotations

import re

from trio_gateway.dialects.framing import MAX_EVENT_BYTES, SseDecoder
from trio_gateway.errors import UpstreamBroke

_BOM = b"\xef\xbb\xbf"
_QUOTED_BYTES = 300

# In SSE a line starts with the name of a field: one that starts so is JSON without a frame.
_raw_start = re.compile(rb"[\r\n][{\[]").search
_string_rest = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL).match
_mark = re.compile(rb'["{}\[\]]').search


class ObjectSplitter:
    """Find the objects of a JSON array, or of a sequence of objects. What stands between them is passed over."""

    __slots__ = ("_at", "_buffer", "_depth", "_in_string", "_max_bytes", "_stack", "_start")

    def __init__(self, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._at = 0  # up to here the buffer has been looked at
        self._start = -1  # where the object that is open begins
        self._depth = 0  # of brackets inside it
        self._in_string = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the objects that `chunk` completes. Raises UpstreamBroke for one of more than `max_bytes`."""
        self._buffer += chunk
        found: list[bytes] = []
        while self._step(found):
            pass
        keep = self._start if self._start >= 0 else self._at
        if keep:
            del self._buffer[:keep]
            self._at -= keep
            self._start = min(self._start, 0) if self._start < 0 else 0
        if len(self._buffer) > self._max_bytes:
            raise UpstreamBroke(f"The provider sent an event of more than {self._max_bytes} bytes.")
        return found

    def _step(self, found: list[bytes]) -> bool:
        """Go on to the next mark; False where the buffer has no more of them."""
        buffer = self._buffer
        if self._in_string:
            rest = _string_rest(buffer, self._at)
            assert rest is not None, "nothing is a match too"
            self._at = rest.end()
            if self._at == len(buffer) or buffer[self._at] != 0x22:  # a lone backslash waits for what it escapes
                return False
            self._at += 1
            self._in_string = False
        mark = _mark(buffer, self._at)
        if mark is None:
            self._at = len(buffer)
            return False
        self._at = mark.end()
        byte = mark[0]
        if byte == b'"':
            self._in_string = True
        elif self._start < 0:
            if byte == b"{":
                self._start, self._depth = mark.start(), 1
        elif byte in b"{[":
            self._depth += 1
        else:
            self._depth -= 1
            if not self._depth:
                found.append(bytes(buffer[self._start : self._at]))
                self._start = -1
        return True


class FrameDecoder:
    """Return each chunk's JSON, in whichever framing it comes.

    `seen` is the beginning of a stream that has not had a chunk yet, for an error to quote, and empty after one.
    `bare_from` says, once JSON has begun that is in no event, where in the bytes fed then, and how many of the chunks
    told then came before.
    """

    __slots__ = ("_at_border", "_head", "_line_start", "_quotes", "_splitter", "_sse", "bare_from", "seen")

    def __init__(self) -> None:
        self._head: bytes | None = b""  # what has come before the framing is known
        self._sse = SseDecoder()
        self._splitter: ObjectSplitter | None = None
        self.bare_from: tuple[int, int] | None = None
        self._line_start = True
        self._at_border = False  # all that came has been told
        self._quotes = True  # nothing has been told
        self.seen = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Raises UpstreamBroke for a chunk that is larger than any event may be."""
        if not self._quotes:
            return self._feed(chunk)
        self.seen = (self.seen + chunk)[:_QUOTED_BYTES]
        found = self._feed(chunk)
        if found:  # how much of it came along with the first says nothing
            self._quotes, self.seen = False, b""
        return found

    def _feed(self, chunk: bytes) -> list[bytes]:
        if self._head is not None:
            fed = len(chunk)
            chunk = self._head = self._head + chunk
            text = chunk.removeprefix(_BOM).lstrip()
            if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
                return []
            if not text:
                self._head = b""  # blank space says nothing in either framing
                return []
            self._head = None
            if text[:1] in b"[{":
                self._splitter = ObjectSplitter()
                self.bare_from = (fed - len(text), 0)
                chunk = text
        if self._splitter is not None:
            return self._splitter.feed(chunk)
        return self._feed_events(chunk)

    def _feed_events(self, chunk: bytes) -> list[bytes]:
        # Nearly every chunk is one event on one line, and follows a whole one.
        if self._at_border and chunk[:6] == b"data: " and chunk.count(b"\n") == 2:
            if chunk.endswith(b"\n\n") and b"\r" not in chunk:
                return [chunk[6:-2]]
            if chunk.endswith(b"\r\n\r\n") and chunk.count(b"\r") == 2:
                return [chunk[6:-4]]
        as_fed = chunk
        if chunk.endswith(b"\r\n\r\n"):  # Google's line ends; the decoder is faster with the short ones
            chunk = chunk.replace(b"\r\n", b"\n")
        # Searches that C does in no time; only an error has what they look for.
        start = 0 if self._line_start and chunk[:1] in (b"{", b"[") else -1
        if start < 0 and (b"\n{" in chunk or b"\n[" in chunk or b"\r" in chunk):
            match = _raw_start(as_fed)
            start = match.start() + 1 if match is not None else -1
        if start >= 0:
            events = [*self._sse.feed(as_fed[:start]), *self._sse.close()]
            self.bare_from = (start, len(events))
            self._splitter = ObjectSplitter()
            return events + self._splitter.feed(as_fed[start:])
        if chunk:
            self._line_start = chunk[-1:] in b"\r\n"
            self._at_border = chunk.endswith(b"\n\n")
        return self._sse.feed(chunk)

    def close(self) -> list[bytes]:
        """Return a last event that no blank line followed."""
        return self._sse.close() if self._splitter is None and self._head is None else []
