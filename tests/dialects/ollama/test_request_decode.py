from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.dialects.readers import pointers
from trio_gateway.dialects import dialect
from trio_gateway.dialects.capabilities import Capabilities, capabilities_for
from trio_gateway.dialects.conversation import (
    Conversation,
    Image,
    Media,
    Reasoning,
    ReasoningRequest,
    Text,
    ToolCall,
    ToolResult,
)
from trio_gateway.dialects.ollama import decode_request
from trio_gateway.errors import InvalidRequest

PNG = "iVBORw0KGgo="


def decode(**fields: Any) -> Conversation:
    return decode_request(json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]} | fields).encode())


def test_a_small_request_is_read_whole() -> None:
    conversation = decode()
    assert conversation.model == "m"
    assert conversation.stream
    assert [(turn.role, turn.parts, turn.at) for turn in conversation.turns] == [
        ("user", [Text("hi", "/messages/0/content")], "/messages/0")
    ]
    assert conversation.unread == []


def test_streaming_is_the_default_and_can_be_turned_off() -> None:
    assert decode(stream=None).stream
    assert not decode(stream=False).stream


def test_a_message_becomes_thoughts_text_images_and_calls() -> None:
    conversation = decode(
        messages=[
            {
                "role": "assistant",
                "content": "Look:",
                "thinking": "hm",
                "images": [PNG],
                "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}],
            }
        ]
    )
    assert conversation.turns[0].parts == [
        Reasoning("hm", "/messages/0/thinking"),
        Text("Look:", "/messages/0/content"),
        Image(Media("base64", PNG, "image/png"), "/messages/0/images/0"),
        ToolCall("c", "f", '{"a": 1}', "/messages/0/tool_calls/0"),
    ]
    assert conversation.unread == []


@pytest.mark.parametrize("content", ["", None])
def test_empty_content_gives_no_part(content: str | None) -> None:
    assert decode(messages=[{"role": "user", "content": content}]).turns[0].parts == []


def test_arguments_are_the_very_text() -> None:
    arguments = '{"b": 1.0,\n "a":[ ], "__proto__": {}, "n": 12345678901234567890123}'
    body = '{"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":%s}}]}]}'
    call = decode_request((body % arguments).encode()).turns[0].parts[0]
    assert isinstance(call, ToolCall)
    assert call.arguments == arguments


@pytest.mark.parametrize("function", [{"name": "f"}, {"name": "f", "arguments": None}, {"name": "f", "arguments": {}}])
def test_a_call_without_arguments_has_the_empty_object(function: dict[str, Any]) -> None:
    call = decode(messages=[{"role": "assistant", "tool_calls": [{"function": function}]}]).turns[0].parts[0]
    assert isinstance(call, ToolCall)
    assert call.arguments == "{}"


def calls_and_results(*messages: dict[str, Any]) -> list[str]:
    found = []
    for turn in decode(messages=list(messages)).turns:
        for part in turn.parts:
            if isinstance(part, ToolCall):
                found.append(part.id)
            elif isinstance(part, ToolResult):
                found.append("=" + part.call_id)
    return found


def call(name: str, **fields: str) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": {}}, **fields}


def test_without_ids_results_answer_calls_by_name_and_then_in_order() -> None:
    assert calls_and_results(
        {"role": "assistant", "tool_calls": [call("f"), call("g"), call("f")]},
        {"role": "tool", "tool_name": "g", "content": "1"},
        {"role": "tool", "tool_name": "f", "content": "2"},
        {"role": "tool", "content": "3"},
    ) == ["call_0_0", "call_0_1", "call_0_2", "=call_0_1", "=call_0_0", "=call_0_2"]


def test_a_result_without_any_call_still_has_an_id() -> None:
    assert calls_and_results({"role": "tool", "content": "?"}, {"role": "tool", "content": "?"}) == [
        "=call_of_result_0",
        "=call_of_result_1",
    ]


def test_a_made_up_id_never_meets_one_that_was_given() -> None:
    assert calls_and_results(
        {"role": "assistant", "tool_calls": [call("f", id="call_1_0")]},
        {"role": "assistant", "tool_calls": [call("f")]},
    ) == ["call_1_0", "call_1_0_"]


def test_two_calls_with_one_id_are_told_apart() -> None:
    messages = [
        {"role": "assistant", "tool_calls": [call("f", id="c"), call("g", id="c")]},
        {"role": "tool", "tool_call_id": "c", "tool_name": "g", "content": "1"},
        {"role": "tool", "tool_call_id": "c", "content": "2"},
    ]
    assert calls_and_results(*messages) == ["c", "call_0_1", "=call_0_1", "=c"]
    assert pointers(decode(messages=messages).unread) == ["/messages/0/tool_calls/1/id"]


def test_a_longer_history_has_the_same_ids() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "assistant", "tool_calls": [call("f"), call("g")]},
        {"role": "tool", "content": "1"},
        {"role": "tool", "content": "2"},
        {"role": "assistant", "tool_calls": [call("f", id="call_0_1")]},
    ]
    whole = decode(messages=messages).turns
    for length in range(len(messages)):
        assert decode(messages=messages[:length]).turns == whole[:length]


def test_a_result_keeps_its_tools_name_and_its_images() -> None:
    turn = decode(
        messages=[{"role": "tool", "tool_call_id": "c", "tool_name": "f", "content": "x", "images": [PNG]}]
    ).turns[0]
    assert turn.role == "tool"
    assert turn.parts == [
        ToolResult(
            "c",
            [
                Text("x", "/messages/0/content"),
                Image(Media("base64", PNG, "image/png"), "/messages/0/images/0"),
            ],
            "/messages/0",
            "f",
        )
    ]


@pytest.mark.parametrize(
    ("think", "reasoning"),
    [
        (True, ReasoningRequest(at="/think", mode="enabled", show=True)),
        (False, ReasoningRequest("none", "/think")),
        ("max", ReasoningRequest("max", "/think", show=True)),
        (None, None),
    ],
)
def test_think_is_on_off_or_a_level(think: object, reasoning: ReasoningRequest | None) -> None:
    assert decode(think=think).reasoning == reasoning


BY_BUDGET = {"thinking": {"type": "enabled", "budget_tokens": 4096, "display": "summarized"}}
ADAPTIVE = {"thinking": {"type": "adaptive", "display": "summarized"}}


@pytest.mark.parametrize(
    ("target", "model", "think", "expected", "lost"),
    [
        ("anthropic_messages", "claude-opus-4-8", "high", ADAPTIVE | {"output_config": {"effort": "high"}}, []),
        ("anthropic_messages", "claude-opus-4-8", True, ADAPTIVE, []),
        ("anthropic_messages", "claude-opus-4-8", False, {"thinking": {"type": "disabled"}}, []),
        ("anthropic_messages", "claude-3-7-sonnet", "high", BY_BUDGET, []),
        (
            "gemini",
            "gemini-3-pro",
            "high",
            {"generationConfig": {"thinkingConfig": {"includeThoughts": True, "thinkingLevel": "HIGH"}}},
            [],
        ),
        (
            "gemini",
            "gemini-3-pro",
            True,
            {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}},
            ["/think"],
        ),
        ("gemini", "gemini-2.5-flash", False, {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}, []),
        ("openai_responses", "gpt-5.6", "high", {"reasoning": {"effort": "high", "summary": "auto"}}, []),
        ("openai_responses", "gpt-5.6", True, {"reasoning": {"summary": "auto"}}, ["/think"]),
        ("openai_responses", "gpt-5.6", False, {"reasoning": {"effort": "none"}}, []),
        # Chat has no word for it: what its providers show is theirs to choose, and no member was left out.
        ("openai_chat", "gpt-5.6", "high", {"reasoning_effort": "high"}, []),
        ("openai_chat", "gpt-5.6", True, {}, ["/think"]),
        ("openai_chat", "gpt-5.6", False, {"reasoning_effort": "none"}, []),
    ],
)
def test_who_asks_to_think_is_shown_the_thoughts_where_that_can_be_asked_for(
    target: str, model: str, think: bool | str, expected: dict[str, object], lost: list[str]
) -> None:
    can = capabilities_for(target, model)
    body, losses = dialect(target).encode_request(decode(think=think), model, can)
    written = json.loads(body)
    names = ("thinking", "output_config", "generationConfig", "reasoning", "reasoning_effort")
    assert {name: written[name] for name in names if name in written} == expected
    assert [loss.pointer for loss in losses] == lost


@pytest.mark.parametrize("think", ["low", "medium", "high", False])
@pytest.mark.parametrize("over", ["anthropic_messages", "gemini", "openai_responses", "openai_chat"])
def test_a_level_of_thinking_comes_home_over_any_dialect(over: str, think: str | bool) -> None:
    asked = decode(think=think, options={"num_predict": 9000})
    there, _ = dialect(over).encode_request(asked, "m", Capabilities())
    home, losses = dialect("ollama").encode_request(dialect(over).decode_request(there), "m", Capabilities())
    assert json.loads(home)["think"] == think
    assert losses == []


def test_options_are_read_and_point_back() -> None:
    conversation = decode(
        options={
            "num_predict": 5,
            "temperature": 0,
            "top_p": 0.5,
            "top_k": 40.0,
            "min_p": 0.1,
            "seed": 0,
            "presence_penalty": 1,
            "frequency_penalty": -1.5,
            "stop": "END",
        }
    )
    assert conversation.max_output_tokens == 5
    assert conversation.temperature == 0.0
    assert (conversation.top_p, conversation.top_k, conversation.min_p, conversation.seed) == (0.5, 40, 0.1, 0)
    assert (conversation.presence_penalty, conversation.frequency_penalty) == (1.0, -1.5)
    assert conversation.stop == ["END"]
    assert conversation.pointer("max_output_tokens") == "/options/num_predict"
    assert conversation.unread == []


def test_writing_without_end_is_no_limit_and_filling_the_context_is_lost() -> None:
    endless = decode(options={"num_predict": -1})
    assert (endless.max_output_tokens, endless.unread) == (None, [])
    assert pointers(decode(options={"num_predict": -2}).unread) == ["/options/num_predict"]


def test_format_is_json_or_a_schema() -> None:
    output = decode(format="json").output
    assert output is not None
    assert output.kind == "json_object"
    body = b'{"model":"m","format":{"type" : "object"}}'
    output = decode_request(body).output
    assert output is not None
    assert output.kind == "json_schema"
    assert output.schema is not None
    assert bytes(output.schema) == b'{"type" : "object"}'
    assert decode(format="").output is None
    assert decode(format=None).output is None


def test_everything_the_model_has_no_word_for_is_named() -> None:
    conversation = decode(
        messages=[
            {"role": "user", "content": "a", "thinking": "t", "tool_name": "f", "new/field": 1},
            {
                "role": "assistant",
                "tool_call_id": "c",
                "tool_calls": [
                    {"function": {"name": "f", "arguments": {"deep": 1}, "index": 3, "x": 1}, "type": "function"}
                ],
            },
        ],
        tools=[
            {
                "type": "other",
                "items": {},
                "y": 1,
                "function": {"name": "f", "strict": True, "parameters": {"z": {"unknown": 1}}},
            }
        ],
        options={"num_ctx": 1, "mirostat": 2, "use_mmap": None},
        truncate=False,
        shift=True,
        _debug_render_only=True,
        template="{{ }}",
        raw=None,
    )
    assert sorted(pointers(conversation.unread)) == [
        "/_debug_render_only",
        "/messages/0/new~1field",
        "/messages/0/thinking",
        "/messages/0/tool_name",
        "/messages/1/tool_call_id",
        "/messages/1/tool_calls/0/function/index",
        "/messages/1/tool_calls/0/function/x",
        "/messages/1/tool_calls/0/type",
        "/options/mirostat",
        "/options/num_ctx",
        "/shift",
        "/template",
        "/tools/0/function/strict",
        "/tools/0/items",
        "/tools/0/type",
        "/tools/0/y",
        "/truncate",
    ]


def test_a_request_to_load_a_model_has_no_turns() -> None:
    conversation = decode_request(b'{"model":"m","keep_alive":0}')
    assert conversation.turns == []
    assert conversation.keep_alive is not None
    assert bytes(conversation.keep_alive) == b"0"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"{}", "/model"),
        (b'{"model":""}', "/model"),
        (b'{"model":1}', "/model"),
        (b'{"model":"m","messages":{}}', "/messages"),
        (b'{"model":"m","messages":[{"content":"x"}]}', "/messages/0/role"),
        (b'{"model":"m","messages":[{"role":"critic"}]}', "/messages/0/role"),
        (b'{"model":"m","messages":[{"role":"user","content":[]}]}', "/messages/0/content"),
        (b'{"model":"m","messages":[{"role":"user","images":[{}]}]}', "/messages/0/images/0"),
        (
            b'{"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}]}',
            "/messages/0/tool_calls/0/function/arguments",
        ),
        (b'{"model":"m","tools":[{"type":"function"}]}', "/tools/0/function"),
        (b'{"model":"m","tools":[{"function":{}}]}', "/tools/0/function/name"),
        (b'{"model":"m","think":"hard"}', "/think"),
        (b'{"model":"m","think":1}', "/think"),
        (b'{"model":"m","format":"xml"}', "/format"),
        (b'{"model":"m","format":1}', "/format"),
        (b'{"model":"m","keep_alive":{}}', "/keep_alive"),
        (b'{"model":"m","options":{"temperature":"hot"}}', "/options/temperature"),
        (b'{"model":"m","options":{"stop":[1]}}', "/options/stop/0"),
        (b"[]", ""),
        (b"", ""),
        (b"not json", ""),
        (b'{"model":"\xff"}', ""),
        (b'{"model":"m","format":{"a":"\xff"}}', ""),
        (b"[" * 100_000, ""),
    ],
)
def test_what_ollama_would_not_take_is_refused_where_it_is_wrong(body: bytes, pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_request(body)
    assert caught.value.pointer == pointer


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
FIELDS = [
    "model", "messages", "role", "content", "thinking", "images", "tool_calls", "function", "name", "arguments",
    "tools", "parameters", "options", "num_predict", "stop", "think", "format", "keep_alive", "tool_call_id",
]  # fmt: skip
SHAPED = st.recursive(
    JSON, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner), max_leaves=20
)


@given(st.binary() | SHAPED.map(lambda value: json.dumps(value).encode()))
@example(b'{"model":"m","x":"\\ud800"}')
@example(b'{"model":"m","x":1e400}')
@example(b'{"model":"m","options":{"num_predict":1e300}}')
@example(b'\xef\xbb\xbf{"model":"m"}')
def test_any_body_is_read_or_refused(body: bytes) -> None:
    try:
        decode_request(body)
    except InvalidRequest:
        pass


@given(st.dictionaries(st.sampled_from(FIELDS), SHAPED))
def test_any_request_with_a_model_is_read_or_refused(fields: dict[str, Any]) -> None:
    try:
        decode(**fields | {"model": "m"})
    except InvalidRequest:
        pass
