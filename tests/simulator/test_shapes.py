"""Every body and event of the simulator, held against the types of the vendors' own clients.

The clients themselves are lenient: they take what lacks required members. Here nothing may be missing.
"""

from __future__ import annotations

import json
from typing import Any

import anthropic.types
import google.genai.types
import ollama
import openai.types
import openai.types.chat
import openai.types.responses
import pydantic
import pytest

from trio_gateway.simulator import PROVIDERS, SimulatorConfig
from trio_gateway.simulator.reply import Request
from trio_gateway.simulator.routes import Desk

ASKS = {
    "text": "hello",
    "everything": '[sim: reasoning=hm signature=c2ln text="one two" tool=f args={"a":1} tool=g chunks=2 fragments=2]',
    "refusal": "[sim: refusal=No.]",
    "cut short": "[sim: finish=length reasoned=1 cached=1]",
}


def in_messages(text: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


def in_contents(text: str) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": text}]}]}


BODY = {
    "/v1/chat/completions": lambda text: in_messages(text) | {"stream_options": {"include_usage": True}},
    "/v1/responses": lambda text: {"model": "m", "input": text},
    "/v1/messages": lambda text: in_messages(text) | {"max_tokens": 9},
    "/api/chat": in_messages,
    "/v1beta/models/m:": in_contents,
}
WHOLE: dict[str, Any] = {
    "/v1/chat/completions": openai.types.chat.ChatCompletion,
    "/v1/responses": openai.types.responses.Response,
    "/v1/messages": anthropic.types.Message,
    "/api/chat": ollama.ChatResponse,
    "/v1beta/models/m:": google.genai.types.GenerateContentResponse,
}
EVENT: dict[str, Any] = WHOLE | {
    "/v1/chat/completions": openai.types.chat.ChatCompletionChunk,
    "/v1/responses": openai.types.responses.ResponseStreamEvent,
    "/v1/messages": anthropic.types.RawMessageStreamEvent,
}


def answer(path: str, text: str, *, stream: bool) -> list[Any]:
    desk = Desk(SimulatorConfig(strict=False), PROVIDERS, lambda: 7)
    body = BODY[path](text) | {"stream": stream}
    query = ""
    if path.startswith("/v1beta"):
        path, query = path + ("streamGenerateContent" if stream else "generateContent"), "alt=sse"
    headers = {b"anthropic-version": b"2026-10-21"}
    _, _, reply = desk.answer(Request("POST", path, query, headers, json.dumps(body).encode()), 1_800_000_000)
    assert reply.status == 200
    if reply.body is not None:
        return [json.loads(reply.body)]
    lines = b"".join(data for data, _ in reply.frames).decode().splitlines()
    found = [line.removeprefix("data: ") for line in lines if line and not line.startswith("event: ")]
    return [json.loads(one) for one in found if one != "[DONE]"]


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("path", BODY)
def test_a_plain_answer_has_the_shape_of_the_vendors_types(path: str, ask: str) -> None:
    [whole] = answer(path, ASKS[ask], stream=False)
    pydantic.TypeAdapter(WHOLE[path]).validate_json(json.dumps(whole))


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("path", BODY)
def test_each_event_of_a_stream_has_the_shape_of_the_vendors_types(path: str, ask: str) -> None:
    events = answer(path, ASKS[ask], stream=True)
    adapter = pydantic.TypeAdapter(EVENT[path])
    checked = [adapter.validate_json(json.dumps(event)) for event in events if event.get("type") != "ping"]
    assert checked
