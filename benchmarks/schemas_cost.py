"""Decoding and encoding the same payloads: these structs, and the types of the vendors' own SDKs.

    python benchmarks/schemas_cost.py

Figures are µs of CPU, the best of several rounds that take turns, since noise only ever adds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import msgspec
from anthropic.types import Message as AnthropicMessage
from anthropic.types import RawContentBlockDeltaEvent
from google.genai.types import GenerateContentResponse
from ollama import ChatResponse as OllamaResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response as OpenAiResponse

from gateway_schemas import anthropic_messages, gemini, ollama, openai_chat, openai_responses

ROUNDS = 7
TEXT = "The capital of France is Paris. " * 8

CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-5",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": TEXT}, "logprobs": None, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 25, "completion_tokens": 80, "total_tokens": 105},
}
CHUNK = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "gpt-5",
    "choices": [{"index": 0, "delta": {"content": " word"}, "logprobs": None, "finish_reason": None}],
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5",
    "content": [{"type": "text", "text": TEXT}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 25, "output_tokens": 80},
}
DELTA = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " word"}}
GEMINI = {
    "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": TEXT}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 25, "candidatesTokenCount": 80, "totalTokenCount": 105},
    "modelVersion": "gemini-3",
    "responseId": "r1",
}
OLLAMA = {
    "model": "llama4",
    "created_at": "2026-11-22T10:00:00Z",
    "message": {"role": "assistant", "content": TEXT},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 25,
    "eval_count": 80,
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-5",
    "status": "completed",
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": TEXT, "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 25,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 80,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 105,
    },
}

# name, payload, our decoder, our encoder, the vendor's type
CASES = (
    ("openai chat, answer", CHAT, openai_chat.response_decoder, openai_chat.encode, ChatCompletion),
    ("openai chat, chunk", CHUNK, openai_chat.chunk_decoder, openai_chat.encode, ChatCompletionChunk),
    ("openai responses, answer", RESPONSE, openai_responses.response_decoder, openai_responses.encode, OpenAiResponse),
    (
        "anthropic, answer",
        MESSAGE,
        anthropic_messages.response_decoder,
        anthropic_messages.encode,
        AnthropicMessage,
    ),
    (
        "anthropic, delta",
        DELTA,
        anthropic_messages.event_decoder,
        anthropic_messages.encode,
        RawContentBlockDeltaEvent,
    ),
    ("gemini, answer", GEMINI, gemini.response_decoder, gemini.encode, GenerateContentResponse),
    ("ollama, answer", OLLAMA, ollama.chat_response_decoder, ollama.encode, OllamaResponse),
)


def cpu_us(function: Callable[[], object], count: int) -> float:
    begun = time.process_time()
    for _ in range(count):
        function()
    return (time.process_time() - begun) / count * 1e6


def main() -> None:
    print(
        f"{'':26}{'bytes':>7}{'decode':>9}{'vendor':>9}{'times':>7}{'encode':>9}{'vendor':>9}{'times':>7}{'json.loads':>12}"
    )
    for name, payload, decoder, encode, vendor in CASES:
        body = msgspec.json.encode(payload)
        ours, theirs = decoder.decode(body), vendor.model_validate_json(body)
        functions: list[Callable[[], object]] = [
            lambda decoder=decoder, body=body: decoder.decode(body),  # type: ignore[misc]  # bound now
            lambda vendor=vendor, body=body: vendor.model_validate_json(body),  # type: ignore[misc]  # bound now
            lambda encode=encode, ours=ours: encode(ours),  # type: ignore[misc]  # bound now
            lambda theirs=theirs: theirs.model_dump_json(),  # type: ignore[misc]  # bound now
            lambda body=body: json.loads(body),  # type: ignore[misc]  # bound now
        ]
        best = [min(cpu_us(function, 2000) for _ in range(ROUNDS)) for function in functions]
        decode, vendor_decode, encoded, vendor_encode, loads = best
        print(
            f"{name:26}{len(body):>7}{decode:>9.2f}{vendor_decode:>9.2f}{vendor_decode / decode:>7.1f}"
            f"{encoded:>9.2f}{vendor_encode:>9.2f}{vendor_encode / encoded:>7.1f}{loads:>12.2f}"
        )


if __name__ == "__main__":
    main()
