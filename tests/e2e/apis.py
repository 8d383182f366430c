"""How a client of each API asks a gateway, and reads what it gets: for tests of all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

PROVIDERS = {"openai": "gpt-test", "anthropic": "claude-test", "ollama": "llama-test", "gemini": "gemini-test"}


def only(values: Any) -> Any:
    (value,) = values
    return value


def sse(body: bytes) -> list[Any]:
    """The data of a stream's events, without [DONE]."""
    lines = [line[6:] for line in body.decode().split("\n") if line.startswith("data: ")]
    return [msgspec.json.decode(line) for line in lines if line != "[DONE]"]


def lines(body: bytes) -> list[Any]:
    return [msgspec.json.decode(line) for line in body.splitlines()]


def array(body: bytes) -> list[Any]:
    decoded = msgspec.json.decode(body)
    assert isinstance(decoded, list)
    return decoded


class Api(NamedTuple):
    """How a client of one API asks, and reads what it gets."""

    same: str  # the provider that speaks it too
    path: Callable[[str, bool], str]
    body: Callable[[str, str, bool], dict[str, Any]]
    plain: Callable[[Any], str]
    media_type: str
    events: Callable[[bytes], list[Any]]
    piece: Callable[[Any], str]
    is_error: Callable[[Any], bool]
    message: Callable[[Any], str]
    kind: Callable[[Any], str]


def nested(error: Any) -> str:
    return str(error["error"]["message"])


def gemini_text(chunk: Any) -> str:
    parts = [part for one in chunk.get("candidates", ()) for part in one.get("content", {}).get("parts", ())]
    return "".join(part.get("text", "") for part in parts)


def gemini_at(model: str, stream: bool) -> str:
    return f"/v1beta/models/{model}:{'streamGenerateContent?alt=sse' if stream else 'generateContent'}"


def gemini_body(_model: str, text: str, _stream: bool) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": text}]}]}


def turns(model: str, text: str, stream: bool) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}


def prompt(model: str, text: str, stream: bool) -> dict[str, Any]:
    return {"model": model, "prompt": text, "stream": stream}


def responses_text(response: Any) -> str:
    messages = [item for item in response["output"] if item["type"] == "message"]
    return "".join(part["text"] for message in messages for part in message["content"])


GEMINI = Api(
    "gemini", gemini_at, gemini_body, gemini_text, "text/event-stream", sse, gemini_text,
    lambda event: "error" in event, nested, lambda error: str(error["error"]["status"]),
)  # fmt: skip
OLLAMA = Api(
    "ollama", lambda *_: "/api/chat", turns, lambda answer: str(answer["message"]["content"]), "application/x-ndjson",
    lines, lambda line: str(line.get("message", {}).get("content", "")), lambda line: "error" in line,
    lambda error: str(error["error"]), lambda error: "",
)  # fmt: skip
CHAT = Api(
    "openai", lambda *_: "/v1/chat/completions", turns,
    lambda answer: str(only(answer["choices"])["message"]["content"]), "text/event-stream", sse,
    lambda chunk: "".join(choice["delta"].get("content") or "" for choice in chunk.get("choices", ())),
    lambda chunk: "error" in chunk, nested, lambda error: str(error["error"]["type"]),
)  # fmt: skip
APIS = {
    "openai_chat": CHAT,
    "openai_responses": Api(
        "openai", lambda *_: "/v1/responses",
        lambda model, text, stream: {"model": model, "input": text, "stream": stream}, responses_text,
        "text/event-stream", sse,
        lambda event: event["delta"] if event["type"] == "response.output_text.delta" else "",
        lambda event: event["type"] == "error", nested, lambda error: str(error["error"]["type"]),
    ),
    "anthropic_messages": Api(
        "anthropic", lambda *_: "/v1/messages",
        lambda model, text, stream: turns(model, text, stream) | {"max_tokens": 100},
        lambda answer: "".join(block["text"] for block in answer["content"]), "text/event-stream", sse,
        lambda event: event["delta"].get("text", "") if event["type"] == "content_block_delta" else "",
        lambda event: event["type"] == "error", nested, lambda error: str(error["error"]["type"]),
    ),
    "gemini": GEMINI,
    "gemini array": GEMINI._replace(
        path=lambda model, stream: gemini_at(model, stream).removesuffix("?alt=sse").replace("v1beta", "v1"),
        media_type="application/json",
        events=array,
    ),
    "ollama": OLLAMA,
    "ollama_generate": OLLAMA._replace(
        path=lambda *_: "/api/generate", body=prompt, plain=lambda answer: str(answer["response"]),
        piece=lambda line: str(line.get("response", "")),
    ),
    "openai_completions": CHAT._replace(
        same="", path=lambda *_: "/v1/completions", body=prompt,
        plain=lambda answer: str(only(answer["choices"])["text"]),
        piece=lambda chunk: "".join(choice["text"] for choice in chunk.get("choices", ())),
    ),
}  # fmt: skip


async def ask(
    running: Any, api: Api, model: str, text: str, stream: bool, headers: dict[str, str] | None = None
) -> Any:
    return await running.post(api.path(model, stream), api.body(model, text, stream), headers)
