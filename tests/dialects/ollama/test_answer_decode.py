from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from trio_gateway.dialects.conversation import Answer, Opaque, Reasoning, Stop, Text, ToolCall, Usage
from trio_gateway.dialects.ollama import decode_answer
from trio_gateway.errors import UpstreamBroke, UpstreamError

TIME = "2026-08-21T08:52:19.385406455Z"


def decode(message: dict[str, Any] | None = None, **fields: Any) -> Answer:
    body = {"model": "m", "created_at": TIME, "message": {"role": "assistant", "content": "hi"}, "done": True}
    if message is not None:
        body["message"] = message
    return decode_answer(json.dumps(body | fields).encode())


def unread(answer: Answer) -> list[str]:
    return sorted(loss.pointer for loss in answer.unread)


def test_a_whole_answer_is_read() -> None:
    answer = decode(
        {
            "role": "assistant",
            "thinking": "hm",
            "content": "hi",
            "tool_calls": [{"id": "c", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}}],
        },
        done_reason="stop",
        prompt_eval_count=26,
        eval_count=3,
    )
    [choice] = answer.choices
    assert choice.parts == [
        Reasoning("hm", "/message/thinking"),
        Text("hi", "/message/content"),
        ToolCall("c", "f", '{"a": 1}', "/message/tool_calls/0"),
    ]
    assert choice.stop == Stop("tool_calls", raw="stop")
    assert answer.usage == Usage(26, 3)
    assert (answer.source, answer.model, answer.created, answer.unread) == ("ollama", "m", 1787302339, [])


@pytest.mark.parametrize(
    ("reason", "called", "stop"),
    [
        ("stop", False, Stop("stop", raw="stop")),
        ("stop", True, Stop("tool_calls", raw="stop")),
        ("length", True, Stop("length", raw="length")),
        (None, False, Stop("stop")),
        ("load", False, Stop("other", raw="load")),
        ("a future word", True, Stop("other", raw="a future word")),
    ],
)
def test_calls_win_over_stop_and_over_nothing_else(reason: str | None, called: bool, stop: Stop) -> None:
    calls = [{"function": {"name": "f", "arguments": {}}}] if called else []
    answer = decode({"role": "assistant", "tool_calls": calls}, done_reason=reason)
    assert answer.choices[0].stop == stop


def test_counts_that_are_absent_are_unknown() -> None:
    assert decode().usage is None
    assert decode(eval_count=3).usage == Usage(None, 3)
    assert decode(prompt_eval_count=0, eval_count=None).usage == Usage(0, None)


def test_two_calls_without_ids_get_two_that_stay_the_same() -> None:
    call = {"function": {"name": "f", "arguments": {}}}
    message = {"role": "assistant", "tool_calls": [call, call]}
    first, second = (part.id for part in decode(message).choices[0].parts if isinstance(part, ToolCall))
    assert first != second
    assert first.startswith("call_")
    assert [part.id for part in decode(message).choices[0].parts if isinstance(part, ToolCall)] == [first, second]
    later = decode(message, created_at="2026-08-21T08:52:19.385406456Z").choices[0].parts[0]
    assert isinstance(later, ToolCall)
    assert later.id not in (first, second)


def test_two_calls_with_one_id_are_told_apart() -> None:
    call = {"id": "c", "function": {"name": "f", "arguments": {}}}
    first, second = decode({"role": "assistant", "tool_calls": [call, call]}).choices[0].parts
    assert isinstance(first, ToolCall)
    assert isinstance(second, ToolCall)
    assert first.id == "c" != second.id


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ({"name": "f"}, "{}"),
        ({"name": "f", "arguments": None}, "{}"),
        ({"name": "f", "arguments": '{"a":1}'}, '{"a":1}'),
        ({"name": "f", "arguments": ""}, "{}"),
        ({"name": "f", "arguments": [1]}, "[1]"),
    ],
)
def test_arguments_of_servers_of_other_makes_are_read(function: dict[str, Any], arguments: str) -> None:
    part = decode({"tool_calls": [{"function": function}]}).choices[0].parts[0]
    assert isinstance(part, ToolCall)
    assert part.arguments == arguments


def test_images_that_the_model_made_are_kept_as_they_are() -> None:
    assert decode({"role": "assistant", "images": ["aGk="]}).choices[0].parts == [
        Opaque("ollama", "image", Raw(b'"aGk="'), "/message/images/0")
    ]


def test_log_probabilities_are_in_chats_shape() -> None:
    answer = decode(
        logprobs=[
            {"token": "h", "logprob": -0.5, "bytes": [104], "top_logprobs": [{"token": "H", "logprob": -2.0}]},
            {"token": "i", "logprob": -1.0},
        ]
    )
    raw = answer.choices[0].logprobs
    assert raw is not None
    assert json.loads(bytes(raw)) == {
        "content": [
            {
                "token": "h",
                "logprob": -0.5,
                "bytes": [104],
                "top_logprobs": [{"token": "H", "logprob": -2.0, "bytes": None}],
            },
            {"token": "i", "logprob": -1.0, "bytes": None, "top_logprobs": []},
        ]
    }


def test_everything_the_model_has_no_word_for_is_named() -> None:
    answer = decode(
        {
            "role": "assistant",
            "tool_name": "f",
            "mood": 1,
            "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"x": 1}, "strict": True}}],
        },
        total_duration=1,
        eval_duration=2.5,
        remote_host="https://ollama.com",
        _debug_info={},
        new=1,
    )
    assert unread(answer) == [
        "/_debug_info",
        "/eval_duration",
        "/message/mood",
        "/message/tool_calls/0/function/strict",
        "/message/tool_calls/0/type",
        "/message/tool_name",
        "/new",
        "/remote_host",
        "/total_duration",
    ]


def test_an_error_in_place_of_an_answer_is_the_providers() -> None:
    with pytest.raises(UpstreamError, match=r"^out of memory$"):
        decode_answer(b'{"error":"out of memory"}')


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"[]", b"{}", b'{"model":"m","message":{"content":"half"},"done":false}',
        b'{"model":"\xff","done":true}', b'{"message":{"tool_calls":[{}]},"done":true}',
        b'{"message":{"tool_calls":[{"function":{"name":"f","arguments":{"a":"\xff"}}}]},"done":true}',
    ],
)  # fmt: skip
def test_what_is_no_whole_answer_broke(body: bytes) -> None:
    with pytest.raises(UpstreamBroke):
        decode_answer(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["message", "content", "tool_calls", "function", "name", "arguments", "done", "logprobs", "error", "id"]
            ),
            inner,
        )
    ),
    max_leaves=20,
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_an_answer_or_the_providers_error(body: bytes) -> None:
    try:
        decode_answer(body)
    except UpstreamError:
        pass
