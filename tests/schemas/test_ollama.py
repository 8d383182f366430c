from __future__ import annotations

import json

import msgspec
import ollama as sdk
import pytest
from msgspec import UNSET
from ollama import _types as sdk_types

from gateway_schemas import ollama

CHAT_REQUEST = {
    "model": "llama3.2",
    "messages": [
        {"role": "user", "content": "Weather?", "images": ["aGk="]},
        {
            "role": "assistant",
            "content": "",
            "thinking": "They want the weather.",
            "tool_calls": [
                {"id": "call_1", "function": {"name": "weather", "arguments": {"city": "Oslo"}, "index": 0}}
            ],
        },
        {"role": "tool", "content": "4 °C", "tool_name": "weather", "tool_call_id": "call_1"},
    ],
    "tools": [
        {"function": {"name": "weather", "description": "d", "parameters": {"type": "object"}}, "type": "function"}
    ],
    "stream": False,
    "format": {"type": "object"},
    "options": {"num_predict": -1, "temperature": 0.5, "stop": ["\n"], "num_ctx": 4096, "use_mmap": True},
    "think": "high",
    "keep_alive": "5m",
    "truncate": True,
    "shift": False,
    "logprobs": True,
    "top_logprobs": 2,
    "_debug_render_only": False,
}

CHAT_RESPONSE = {
    "model": "llama3.2",
    "created_at": "2026-08-21T08:52:19.385406455Z",
    "message": {"role": "assistant", "content": "Hi"},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 26,
    "eval_count": 3,
    "total_duration": 4883583458,
    "load_duration": 1334875,
    "prompt_eval_duration": 342546000,
    "eval_duration": 4535599000,
    "logprobs": [
        {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": [{"token": "Hi", "logprob": -0.5}]}
    ],
    "remote_model": "gpt-oss:120b",
    "remote_host": "https://ollama.com",
}


@pytest.mark.parametrize(
    ("decoder", "body"),
    [
        (ollama.chat_request_decoder, CHAT_REQUEST),
        (ollama.chat_response_decoder, CHAT_RESPONSE),
        (
            ollama.generate_request_decoder,
            {"model": "m", "prompt": "p", "suffix": "s", "images": ["aGk="], "raw": True},
        ),
        (
            ollama.generate_response_decoder,
            {"model": "m", "created_at": "t", "response": "r", "thinking": "t", "done": True, "context": [1, 2]},
        ),
        (ollama.embed_request_decoder, {"model": "m", "input": ["a", "b"], "truncate": False, "dimensions": 2}),
        (
            ollama.embed_response_decoder,
            {"model": "m", "embeddings": [[0.5, 1.0]], "total_duration": 1, "load_duration": 1, "prompt_eval_count": 2},
        ),
        (
            ollama.tags_response_decoder,
            {
                "models": [
                    {"name": "m:latest", "model": "m:latest", "size": 3, "digest": "d", "details": {"family": "llama"}}
                ]
            },
        ),
        (ollama.show_request_decoder, {"model": "m", "verbose": True}),
        (
            ollama.show_response_decoder,
            {"template": "{{ }}", "details": {"format": "gguf"}, "model_info": {"a.b": 1}, "capabilities": ["tools"]},
        ),
        (ollama.version_response_decoder, {"version": "0.12.1"}),
        (ollama.error_response_decoder, {"error": "model 'x' not found"}),
    ],
)
def test_what_is_documented_is_read_and_written_back_as_it_was(
    decoder: msgspec.json.Decoder[msgspec.Struct], body: dict[str, object]
) -> None:
    decoded = decoder.decode(json.dumps(body).encode())
    assert json.loads(ollama.encode(decoded)) == body


def test_absent_null_and_a_value_are_three_things() -> None:
    decode = ollama.chat_request_decoder.decode
    assert decode(b'{"model":"m"}').think is UNSET
    assert decode(b'{"model":"m","think":null}').think is None
    assert decode(b'{"model":"m","think":false}').think is False


def test_an_unknown_field_is_no_error() -> None:
    assert ollama.chat_request_decoder.decode(b'{"model":"m","new":{"a":1}}').model == "m"


def test_arguments_keep_their_very_text() -> None:
    call = b'{"function":{"name":"f","arguments":{"b": 1.0,  "a":[ ]}}}'
    body = b'{"model":"m","messages":[{"role":"assistant","tool_calls":[%b]}]}' % call
    assert call in ollama.encode(ollama.chat_request_decoder.decode(body))


def test_what_is_written_is_what_the_official_client_reads() -> None:
    response = ollama.chat_response_decoder.decode(json.dumps(CHAT_RESPONSE).encode())
    read = sdk.ChatResponse.model_validate_json(ollama.encode(response))
    assert read.message.content == "Hi"
    assert read.eval_count == 3


def test_what_the_official_client_writes_is_read() -> None:
    request = sdk_types.ChatRequest(
        model="m",
        messages=[sdk.Message(role="user", content="hi")],
        tools=[sdk.Tool(function=sdk.Tool.Function(name="f", parameters=sdk.Tool.Function.Parameters()))],
        options=sdk.Options(num_predict=5, stop=["x"]),
        think="low",
        keep_alive=1.5,
        stream=True,
    )
    read = ollama.chat_request_decoder.decode(json.dumps(request.model_dump(exclude_none=True)).encode())
    assert read.messages
    assert read.messages[0].content == "hi"
    assert read.tools
    assert read.tools[0].function.name == "f"
    assert read.options
    assert read.options.num_predict == 5
    assert read.keep_alive == msgspec.Raw(b"1.5")
