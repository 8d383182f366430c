"""What translating costs: requests of three sizes and streamed events, for each pair of dialects.

    python benchmarks/translation_cost.py [--quick]

Figures are µs of CPU, the best of several rounds. The yardstick stands beside them: `json.loads` of the same body,
which only reads it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from trio_gateway.dialects import DIALECTS, dialect
from trio_gateway.dialects.capabilities import capabilities_for
from trio_gateway.dialects.conversation import AnswerContext
from trio_gateway.dialects.names import fit_names

MODELS = {
    "openai_chat": "gpt-5",
    "openai_responses": "gpt-5",
    "anthropic_messages": "claude-opus-4-5",
    "gemini": "gemini-3-pro",
    "ollama": "llama4",
}
EVENTS = 200


def conversation(turns: int, tools: int, words: int) -> bytes:
    """Return a Chat request: the dialect whose requests the others' are made of."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": "You are terse. " * 4}]
    for turn in range(turns):
        messages.append({"role": "user", "content": f"Question {turn}. " + "word " * words})
        messages.append({"role": "assistant", "content": "Answer. " + "word " * words})
    messages.append({"role": "user", "content": "And now?"})
    offered = [
        {
            "type": "function",
            "function": {
                "name": f"tool_{index}",
                "description": "Looks something up and tells what it found. " * 4,
                "parameters": {
                    "type": "object",
                    "properties": {
                        f"field_{field}": {"type": "string", "description": "What to look for."} for field in range(8)
                    },
                    "required": ["field_0"],
                },
            },
        }
        for index in range(tools)
    ]
    request: dict[str, Any] = {"model": "gpt-5", "messages": messages, "max_completion_tokens": 1000}
    if offered:
        request["tools"] = offered
    return json.dumps(request, separators=(",", ":")).encode()


SIZES = {
    "1 kB": conversation(1, 0, 70),
    "20 kB, 20 tools": conversation(2, 20, 100),
    "500 kB": conversation(400, 0, 120),
}


def as_dialect(body: bytes, name: str) -> bytes:
    """Return the same request in another dialect's words."""
    if name == "openai_chat":
        return body
    read = dialect("openai_chat").decode_request(body)
    return dialect(name).encode_request(read, MODELS[name], capabilities_for(name, MODELS[name]))[0]


def stream_of(name: str) -> list[bytes]:
    """Return a stream of EVENTS deltas as `name` writes it, an item an event."""
    source = [b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":%b,"finish_reason":%b}]}\n\n' % pair for pair in [(b'{"role":"assistant","content":""}', b"null"), *[(b'{"content":" word"}', b"null")] * EVENTS, (b"{}", b'"stop"')]]  # fmt: skip # noqa: E501 (one stream)
    source.append(b"data: [DONE]\n\n")
    if name == "openai_chat":
        return source
    decoder, encoder = dialect("openai_chat").new_answer_decoder(), dialect(name).new_answer_encoder(AnswerContext())
    return [written for chunk in source if (written := encoder.feed(decoder.feed(chunk)))]


def cpu_us(function: Callable[[], object], seconds: float, rounds: int) -> float:
    """Return the best round's CPU time of one call."""
    begun = time.process_time()
    function()
    count = max(1, int(seconds / max(time.process_time() - begun, 1e-6)))
    best = float("inf")
    for _ in range(rounds):
        begun = time.process_time()
        for _ in range(count):
            function()
        best = min(best, (time.process_time() - begun) / count * 1e6)
    return best


def translating(source: str, target: str, body: bytes) -> Callable[[], object]:
    read, write = dialect(source), dialect(target)
    capabilities = capabilities_for(target, MODELS[target])

    def translate() -> object:
        conversation, _ = fit_names(read.decode_request(body), write.TOOL_NAMES)
        return write.encode_request(conversation, MODELS[target], capabilities)

    return translate


def streaming(source: str, target: str, chunks: list[bytes]) -> Callable[[], object]:
    context = AnswerContext()

    def stream() -> None:
        decoder, encoder = dialect(source).new_answer_decoder(), dialect(target).new_answer_encoder(context)
        for chunk in chunks:
            encoder.feed(decoder.feed(chunk))

    return stream


def main() -> None:
    rounds, seconds = (2, 0.02) if "--quick" in sys.argv else (5, 0.1)
    yardstick = {size: cpu_us(lambda body=body: json.loads(body), seconds, rounds) for size, body in SIZES.items()}  # type: ignore[misc]  # bound now
    print("µs of CPU; json.loads of the Chat body: " + ", ".join(f"{size} {us:.0f}" for size, us in yardstick.items()))
    print(f"{'from':20}{'to':20}" + "".join(f"{size:>18}" for size in SIZES) + f"{'an event':>12}")
    for source in DIALECTS:
        bodies = [as_dialect(body, source) for body in SIZES.values()]
        chunks = stream_of(source)
        for target in DIALECTS:
            if source == target:
                continue
            costs = [cpu_us(translating(source, target, body), seconds, rounds) for body in bodies]
            event = cpu_us(streaming(source, target, chunks), seconds, rounds) / len(chunks)
            print(f"{source:20}{target:20}" + "".join(f"{cost:>18.1f}" for cost in costs) + f"{event:>12.2f}")


if __name__ == "__main__":
    main()
