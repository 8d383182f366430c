"""Gemini: generateContent and streamGenerateContent. The model, and whether to stream, are said by the URL.

A client that does not ask for `alt=sse` wants its stream as one JSON array: AnswerContext.array.
"""

from trio_gateway.dialects.gemini.answer import AnswerDecoder, decode_answer, encode_answer
from trio_gateway.dialects.gemini.errors import decode_error, encode_error, encode_stream_error
from trio_gateway.dialects.gemini.names import TOOL_NAMES
from trio_gateway.dialects.gemini.read_request import decode_request
from trio_gateway.dialects.gemini.write_request import encode_request
from trio_gateway.dialects.gemini.write_stream import AnswerEncoder

MEDIA_TYPE_STREAM = "text/event-stream"
MEDIA_TYPE_ARRAY = "application/json"
KEEP_ALIVE = b""  # google-genai takes every line of a stream for data

new_answer_decoder = AnswerDecoder
new_answer_encoder = AnswerEncoder

__all__ = [
    "KEEP_ALIVE",
    "MEDIA_TYPE_ARRAY",
    "MEDIA_TYPE_STREAM",
    "TOOL_NAMES",
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
