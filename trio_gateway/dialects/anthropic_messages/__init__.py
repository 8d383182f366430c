"""Anthropic Messages, both sides: `POST /v1/messages`.

`read_*` turn the wire's words into ours, `write_*` ours into the wire's. What goes to a provider is of the version
2023-06-01; clients may speak that or 2026-10-21, which refuses some things and adds none.
"""

from __future__ import annotations

from trio_gateway.dialects.anthropic_messages.errors import decode_error, encode_error, encode_stream_error
from trio_gateway.dialects.anthropic_messages.names import TOOL_NAMES
from trio_gateway.dialects.anthropic_messages.read_answer import decode_answer
from trio_gateway.dialects.anthropic_messages.read_request import decode_request
from trio_gateway.dialects.anthropic_messages.read_stream import AnswerDecoder
from trio_gateway.dialects.anthropic_messages.write_answer import encode_answer
from trio_gateway.dialects.anthropic_messages.write_request import encode_request
from trio_gateway.dialects.anthropic_messages.write_stream import AnswerEncoder
from trio_gateway.dialects.conversation import AnswerContext
from trio_gateway.dialects.framing import KEEP_ALIVE

MEDIA_TYPE_STREAM = "text/event-stream"

__all__ = [
    "KEEP_ALIVE",
    "MEDIA_TYPE_STREAM",
    "TOOL_NAMES",
    "AnswerDecoder",
    "AnswerEncoder",
    "decode_answer",
    "decode_error",
    "decode_request",
    "encode_answer",
    "encode_error",
    "encode_request",
    "encode_stream_error",
    "new_answer_decoder",
    "new_answer_encoder",
]


def new_answer_decoder() -> AnswerDecoder:
    return AnswerDecoder()


def new_answer_encoder(context: AnswerContext) -> AnswerEncoder:
    return AnswerEncoder(context)
