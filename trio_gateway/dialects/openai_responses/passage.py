"""Responses to Responses: events pass byte for byte, and an error of the gateway's own goes on with their numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from trio_gateway.dialects import Dialect, openai_responses
from trio_gateway.dialects.openai_responses.errors import encode_stream_error
from trio_gateway.dialects.openai_responses.stream_decoder import AnswerDecoder
from trio_gateway.dialects.passage import SSE_ENDS, ObservedStream
from trio_gateway.errors import UpstreamError


class ResponsesStream(ObservedStream):
    """A StreamPassage."""

    __slots__ = ()

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__(cast(Dialect, openai_responses), SSE_ENDS, redact)

    def in_band(self, error: UpstreamError) -> bytes:
        return encode_stream_error(error, cast(AnswerDecoder, self._decoder).number + 1)
