"""Every endpoint, given requests that are wrong somewhere: it answers, and never fails."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trio_gateway.simulator import PROVIDERS, SimulatorConfig
from trio_gateway.simulator.reply import Request
from trio_gateway.simulator.routes import Desk

OPENAI_TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {}}}}}
ANTHROPIC_TOOL = {"name": "f", "input_schema": {"type": "object", "properties": {"a": {"$ref": "#"}}}}

BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "model": "m",
        "messages": [
            {"role": "system", "content": "[sim: chunks=2]"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "u"}}],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "a", "content": "r"},
        ],
        "tools": [OPENAI_TOOL],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
        "stop": ["a"],
        "n": 1,
        "reasoning_effort": "low",
        "stream": True,
        "stream_options": {"include_usage": True},
    },
    "/v1/embeddings": {"model": "m", "input": ["a", [1, 2]], "dimensions": 3, "encoding_format": "float"},
    "/v1/messages": {
        "model": "m",
        "max_tokens": 2000,
        "system": [{"type": "text", "text": "s"}],
        "messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "r"}]},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                ],
            },
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "s"}]},
        ],
        "tools": [ANTHROPIC_TOOL],
        "tool_choice": {"type": "tool", "name": "f"},
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "string"}}},
        "metadata": {"user_id": "u"},
        "stop_sequences": ["x"],
        "stream": True,
    },
    "/v1/messages/count_tokens": {"model": "m", "messages": [{"role": "user", "content": "x"}]},
    "/v1/responses": {
        "model": "m",
        "instructions": "s",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "x"}]},
            {"type": "reasoning", "id": "r", "summary": []},
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": [{"type": "input_text", "text": "r"}]},
        ],
        "tools": [{"type": "function", "name": "f", "parameters": {}}],
        "tool_choice": {"type": "function", "name": "f"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}},
        "max_output_tokens": 20,
        "stream": True,
    },
    "/v1beta/models/gemini-3-pro:streamGenerateContent": {
        "contents": [
            {"role": "user", "parts": [{"text": "x"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
            {
                "role": "model",
                "parts": [{"functionCall": {"name": "f"}, "thoughtSignature": "c2ltdWxhdGVkLXRob3VnaHQt"}],
            },
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "r"}}}]},
        ],
        "systemInstruction": {"parts": [{"text": "s"}]},
        "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT", "properties": {"a": {}}}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {
            "responseMimeType": "application/json",
            "responseSchema": {"type": "STRING"},
            "stopSequences": ["a"],
            "thinkingConfig": {"thinkingLevel": "LOW"},
        },
    },
    "/v1beta/models/m:countTokens": {"contents": [{"parts": [{"text": "x"}]}]},
    "/v1beta/models/m:embedContent": {"content": {"parts": [{"text": "x"}]}, "outputDimensionality": 3},
    "/api/chat": {
        "model": "m",
        "messages": [
            {"role": "user", "content": "x", "images": ["AAAA"]},
            {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]},
            {"role": "tool", "content": "r", "tool_name": "f"},
        ],
        "tools": [OPENAI_TOOL],
        "options": {"stop": ["x"], "temperature": 1},
        "format": {"type": "object"},
        "think": "low",
        "keep_alive": 0,
        "stream": True,
    },
    "/v1/completions": {"model": "m", "prompt": ["p", [1, 2]], "n": 2, "echo": True, "logprobs": 1, "suffix": "s"},
    "/api/generate": {"model": "m", "prompt": "p", "system": "s", "options": {}, "stream": False},
    "/api/embed": {"model": "m", "input": ["a"], "dimensions": 3},
    "/api/show": {"model": "m"},
}

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
anything = st.recursive(
    scalars | st.sampled_from(["function", "object", "[sim: fail=cut@1 tool=f args=x]", "[sim: error_in_200=yes]", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "name"]), inner),
    max_leaves=6,
)


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        found += paths_in(inner, (*path, key))
    return found


def desk(*, strict: bool) -> Desk:
    return Desk(SimulatorConfig(strict=strict), PROVIDERS, lambda: 1)


def ask(at: Desk, path: str, body: bytes) -> int:
    headers = {b"anthropic-version": b"2026-10-21"} if path.startswith("/v1/messages") else {}
    _, _, reply = at.answer(Request("POST", path, "", headers, body), 0)
    return reply.status


@pytest.mark.parametrize("path", BODIES)
def test_the_requests_that_are_bent_here_have_a_place_to_go(path: str) -> None:
    assert ask(desk(strict=False), path, b"{}") in (200, 400)
    assert ask(desk(strict=False), "/nowhere" + path, b"{}") == 404


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("path", BODIES)
@given(data=st.data())
@settings(max_examples=60)
def test_a_request_that_is_wrong_somewhere_is_answered(path: str, strict: bool, data: st.DataObject) -> None:
    body = copy.deepcopy(BODIES[path])
    for _ in range(data.draw(st.integers(1, 2))):
        *way, last = data.draw(st.sampled_from(paths_in(body)))
        place = body
        for step in way:
            place = place[step]
        place[last] = data.draw(anything)
    assert ask(desk(strict=strict), path, json.dumps(body).encode()) in (200, 400, 404)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'"\\ud800"'])
@pytest.mark.parametrize("path", BODIES)
def test_what_is_no_json_object_is_refused(path: str, body: bytes) -> None:
    assert ask(desk(strict=True), path, body) == 400
