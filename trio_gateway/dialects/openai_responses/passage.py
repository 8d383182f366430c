"""Responses to Responses: events pass byte for byte, and an error of the gateway's own goes on with their numbers.

It is told as OpenAI tells one: an `error`, and the response itself as one that failed. The response is what the
stream began with, for its events have said what was made of it since. A provider's own `error` ends the stream, for
nobody knows whether more will come: the response that failed is the gateway's then too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from gateway_schemas import openai_responses as wire
from trio_gateway.dialects import Dialect, openai_responses
from trio_gateway.dialects.openai_responses.errors import encode_stream_error, failure_of
from trio_gateway.dialects.openai_responses.stream_decoder import AnswerDecoder
from trio_gateway.dialects.passage import SSE_ENDS, ObservedStream
from trio_gateway.dialects.splice import splice_member
from trio_gateway.errors import UpstreamBroke, UpstreamError


class ResponsesStream(ObservedStream):
    """A StreamPassage."""

    __slots__ = ("_reader",)

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__(cast(Dialect, openai_responses), SSE_ENDS, redact)
        self._decoder = self._reader = AnswerDecoder(keeps_response=True)

    def in_band(self, error: UpstreamError) -> bytes:
        """Return `error` and `response.failed`; the first alone where there was no event with the response."""
        number, response = self._reader.number + 1, self._reader.response
        told = encode_stream_error(error, number)
        return told if response is None else told + _failed(bytes(response), failure_of(error), number + 1)

    def _up_to_the_end(self, frames: bytes) -> bytes:
        told = super()._up_to_the_end(frames)
        reader, error = self._reader, self.error
        if error is None or isinstance(error, UpstreamBroke) or not reader.told_error or reader.response is None:
            return told
        if not told.endswith(SSE_ENDS):  # the provider has closed behind its error
            told += b"\n\n"
        failure = failure_of(error)
        failure.code = error.code or failure.code  # the provider's own word, of which there are more than documented
        return told + _failed(bytes(reader.response), failure, reader.number + 1)


def _failed(response: bytes, failure: wire.ResponseError, number: int) -> bytes:
    """Return the last event, framed, of a response that began as `response`."""
    failed = splice_member(response, "status", b'"failed"')
    failed = splice_member(failed, "error", wire.encode(failure))
    return b'event: response.failed\ndata: {"type":"response.failed","sequence_number":%d,"response":%b}\n\n' % (
        number,
        failed.replace(b"\n", b" "),  # an event's data may be in several lines, which are space in JSON
    )
