"""Responses to Responses: events pass byte for byte, and an error of the gateway's own goes on with their numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import msgspec

from trio_gateway.dialects import Dialect, openai_responses
from trio_gateway.dialects.openai_responses.errors import encode_stream_error
from trio_gateway.dialects.passage import SSE_ENDS, ObservedStream
from trio_gateway.dialects.wire import BAD_BODY
from trio_gateway.errors import UpstreamError


class _Numbered(msgspec.Struct):
    sequence_number: int = -1


_NUMBER = b'"sequence_number"'
_decode = msgspec.json.Decoder(_Numbered).decode


class ResponsesStream(ObservedStream):
    """A StreamPassage. The last frames that passed with a number are kept until the next: they hold the last one."""

    __slots__ = ("_last",)

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__(cast(Dialect, openai_responses), SSE_ENDS, redact)
        self._last = b""

    def feed(self, chunk: bytes) -> bytes:
        passed = super().feed(chunk)
        if _NUMBER in passed:
            self._last = passed
        return passed

    def in_band(self, error: UpstreamError, before: bytes) -> bytes:
        number = _next_number(b"".join([*self._held, before])) or _next_number(self._last)
        return encode_stream_error(error, number)


def _next_number(frames: bytes) -> int:
    """Return the number after the last one in the frames; 0 where there is none."""
    for line in reversed(frames.splitlines()):
        if _NUMBER in line and line.startswith(b"data:"):
            try:
                return _decode(line[5:]).sequence_number + 1
            except BAD_BODY:
                continue
    return 0
