"""OpenAI Chat Completions: the dialect most clients and most providers speak.

Beyond what OpenAI documents it reads and writes what compatible servers agree on: reasoning as
`reasoning_content` and `reasoning_details`, a call's thought signature as `extra_content` (see reasoning.py).
An answer's id is the source's own with `chatcmpl-` in place of its dialect's prefix.
"""

from __future__ import annotations

import re

from trio_gateway.dialects.conversation import AnswerContext
from trio_gateway.dialects.framing import KEEP_ALIVE
from trio_gateway.dialects.names import NameRules
from trio_gateway.dialects.openai_chat.answer import decode_answer, encode_answer
from trio_gateway.dialects.openai_chat.answer_decoder import AnswerDecoder
from trio_gateway.dialects.openai_chat.answer_encoder import AnswerEncoder
from trio_gateway.dialects.openai_chat.errors import decode_error, encode_error, encode_stream_error
from trio_gateway.dialects.openai_chat.request_decoder import decode_request
from trio_gateway.dialects.openai_chat.request_encoder import encode_request

MEDIA_TYPE_STREAM = "text/event-stream"

TOOL_NAMES = NameRules(re.compile(r"[a-zA-Z0-9_-]{1,64}\Z").match, re.compile(r"[^a-zA-Z0-9_-]"), length_max=64)


def new_answer_decoder() -> AnswerDecoder:
    return AnswerDecoder()


def new_answer_encoder(context: AnswerContext, /) -> AnswerEncoder:
    return AnswerEncoder(context)


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
