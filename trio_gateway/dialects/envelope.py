"""What is read of a request before it is known where it goes: which model, and whether the answer is streamed.

The whole body is decoded by its dialect's own shapes, so that what is wrong with it is said here, with its JSON
pointer, before anything is sent to anybody.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gateway_schemas import openai_chat
from trio_gateway.dialects.wire import read_request


class Envelope(msgspec.Struct, frozen=True):
    """`include_usage`: a Chat client asked for the chunk that tells the usage of a stream."""

    model: str
    stream: bool = False
    include_usage: bool = False


def _openai_chat(body: bytes) -> Envelope:
    request = read_request(openai_chat.request_decoder, body)
    options = request.stream_options
    return Envelope(request.model, bool(request.stream), options is not None and bool(options.include_usage))


_READERS: dict[str, Callable[[bytes], Envelope]] = {"openai_chat": _openai_chat}


def read_envelope(dialect: str, body: bytes) -> Envelope:
    """Raises InvalidRequest."""
    return _READERS[dialect](body)
