"""OpenAI Responses, `POST /v1/responses`."""

from __future__ import annotations

from trio_gateway.dialects.conversation import AnswerContext
from trio_gateway.dialects.framing import KEEP_ALIVE
from trio_gateway.dialects.openai_responses.answer_decoder import decode_answer
from trio_gateway.dialects.openai_responses.answer_encoder import encode_answer
from trio_gateway.dialects.openai_responses.errors import decode_error, encode_error, encode_stream_error
from trio_gateway.dialects.openai_responses.items import TOOL_NAMES
from trio_gateway.dialects.openai_responses.request_decoder import decode_request
from trio_gateway.dialects.openai_responses.request_encoder import encode_request
from trio_gateway.dialects.openai_responses.stream_decoder import AnswerDecoder
from trio_gateway.dialects.openai_responses.stream_encoder import AnswerEncoder

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

MEDIA_TYPE_STREAM = "text/event-stream"


def new_answer_decoder() -> AnswerDecoder:
    return AnswerDecoder()


def new_answer_encoder(context: AnswerContext, /) -> AnswerEncoder:
    return AnswerEncoder(context)
