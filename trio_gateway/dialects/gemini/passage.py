"""Gemini to Gemini: bodies that name their model, and streams for a client that wants them as one JSON array.

The array's items are the events' data: Google is always asked for server-sent events, and each chunk's JSON passes byte
for byte.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import msgspec

from trio_gateway.dialects import Dialect, gemini
from trio_gateway.dialects.conversation import Losses, Usage
from trio_gateway.dialects.gemini.frames import FrameDecoder
from trio_gateway.dialects.passage import ObservedStream, redacted_error
from trio_gateway.dialects.splice import find_member, splice_member
from trio_gateway.dialects.wire import read_request
from trio_gateway.errors import UpstreamBroke, UpstreamError

_encode = msgspec.json.Encoder().encode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def renamed(body: bytes, model: str) -> bytes:
    """Return a request's body that names `model` where it names one, which the URL does already."""
    return splice_member(body, "model", _encode(f"models/{model}")) if find_member(body, "model") else body


def renamed_count(body: bytes, model: str) -> bytes:
    """Return the body of a request to count. It may hold a whole request, with a model of its own. InvalidRequest."""
    for name, request in read_request(_members, body).items():
        if name in ("generateContentRequest", "generate_content_request") and bytes(request).startswith(b"{"):
            body = splice_member(body, name, renamed(bytes(request), model))
    return renamed(body, model)


class ArrayStream:
    """A StreamPassage."""

    __slots__ = ("_frames", "_held", "_observed", "_redact", "_written")

    def __init__(self, redact: Callable[[str], str] = str) -> None:
        self._redact = redact
        # Which only looks on: its bytes are not used.
        self._observed = ObservedStream(cast(Dialect, gemini), (), redact)
        self._frames = FrameDecoder()
        self._held: list[bytes] = []
        self._written = False

    @property
    def begun(self) -> bool:
        return self._observed.begun

    @property
    def ended(self) -> bool:
        return self._observed.ended

    @property
    def error(self) -> UpstreamError | None:
        return self._observed.error

    @property
    def usage(self) -> Usage | None:
        return self._observed.usage

    @property
    def losses(self) -> Losses:
        return []

    def feed(self, chunk: bytes) -> bytes:
        if self.ended:
            return b""
        self._observed.feed(chunk)
        try:
            self._held += self._frames.feed(chunk)
        except UpstreamBroke:
            pass  # the onlooker has said so too
        return self._write()

    def close(self) -> bytes:
        if self.ended:
            return b""
        self._observed.close()
        self._held += self._frames.close()
        return self._write()

    def fail(self, error: UpstreamError) -> bytes:
        if self.ended:
            return b""
        self._observed.fail(error)
        self._held = [gemini.encode_error(error)[1]]
        return self._write()

    def _write(self) -> bytes:
        """Return what the array goes on with, and its end where the stream has ended."""
        if not self.begun:
            return b""
        if isinstance(self.error, UpstreamBroke) and self._held[-1:] != [told := gemini.encode_error(self.error)[1]]:
            self._held.append(told)
        items, self._held = self._held, []
        if self.error is not None:
            items = [redacted_error(item, self._redact) for item in items]
        written = b",\n".join(items)
        if written:
            written = (b",\n" if self._written else b"[") + written
            self._written = True
        return written + b"]" if self.ended else written
