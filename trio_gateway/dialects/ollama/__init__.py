"""Ollama's native chat: POST /api/chat.

A message has one text, its images and its calls, and no parts; a call's arguments are an object; streaming is what
happens unless the client says otherwise, one JSON object a line. Source: Ollama's Go types (api/types.go) and docs.
"""

from __future__ import annotations

from trio_gateway.dialects.conversation import AnswerContext
from trio_gateway.dialects.ollama.answer_decode import decode_answer
from trio_gateway.dialects.ollama.answer_encode import encode_answer
from trio_gateway.dialects.ollama.errors import decode_error, encode_error, encode_stream_error
from trio_gateway.dialects.ollama.request_decode import decode_request
from trio_gateway.dialects.ollama.request_encode import encode_request
from trio_gateway.dialects.ollama.stream import AnswerDecoder, AnswerEncoder

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

MEDIA_TYPE_STREAM = "application/x-ndjson"
KEEP_ALIVE = b""  # lines of JSON have no comments

TOOL_NAMES = None  # any name is taken


def new_answer_decoder() -> AnswerDecoder:
    return AnswerDecoder()


def new_answer_encoder(context: AnswerContext) -> AnswerEncoder:
    return AnswerEncoder(context)
