from __future__ import annotations

import json
from typing import Any

import msgspec
import ollama as sdk
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from trio_gateway.dialects.conversation import (
    Answer,
    AnswerContext,
    Choice,
    Loss,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Stop,
    Text,
    Token,
    ToolCall,
    Usage,
)
from trio_gateway.dialects.ollama import decode_answer, encode_answer

CONTEXT = AnswerContext(id="1", created=1787302339, model="ours")


def encode(*parts: Part, stop: Stop | None = None, logprobs: Raw | None = None, **fields: Any) -> tuple[Any, list[str]]:
    answer = Answer(source="openai_chat", choices=[Choice(list(parts), stop, logprobs=logprobs)], **fields)
    body, losses = encode_answer(answer, CONTEXT)
    sdk.ChatResponse.model_validate_json(body)
    return json.loads(body), [loss.pointer for loss in losses]


def test_an_answer_is_written_whole() -> None:
    assert encode(
        Reasoning("hm"), Text("hi"), ToolCall("c", "f", '{"a":1}'), stop=Stop("tool_calls"), usage=Usage(26, 3)
    ) == (
        {
            "model": "ours",
            "created_at": "2026-08-21T08:52:19Z",
            "message": {
                "role": "assistant",
                "content": "hi",
                "thinking": "hm",
                "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}, "index": 0}, "id": "c"}],
            },
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 26,
            "eval_count": 3,
        },
        [],
    )


def test_what_the_source_says_goes_before_the_context() -> None:
    body, _ = encode(model="theirs", created=0)
    assert (body["model"], body["created_at"]) == ("theirs", "1970-01-01T00:00:00Z")


def test_counts_that_are_unknown_stay_so() -> None:
    body, losses = encode(usage=Usage(output=0, cached=5, cache_write=0, reasoning=2))
    assert "prompt_eval_count" not in body
    assert body["eval_count"] == 0
    assert losses == ["/usage", "/usage"]


@pytest.mark.parametrize(
    ("stop", "reason", "lost"),
    [
        (None, "stop", 0),
        (Stop("stop"), "stop", 0),
        (Stop("tool_calls"), "stop", 0),
        (Stop("length"), "length", 0),
        (Stop("stop_sequence", "END"), "stop", 1),
        (Stop("context_window"), "length", 1),
        (Stop("refusal", detail="unsafe"), "stop", 2),
        (Stop("pause"), "stop", 1),
        (Stop("other", raw="new"), "stop", 1),
        (Stop("other", raw="unload"), "unload", 0),
    ],
)
def test_a_stop_reason_becomes_the_nearest(stop: Stop | None, reason: str, lost: int) -> None:
    body, losses = encode(stop=stop)
    assert body["done_reason"] == reason
    assert len(losses) == lost
    assert all(pointer in ("/choices/0/finish_reason", "/stop/sequence", "/stop/detail") for pointer in losses)


def test_a_call_that_was_cut_off_is_dropped() -> None:
    body, losses = encode(Text("x"), ToolCall("c", "f", '{"a":', "/c"), stop=Stop("length"))
    assert "tool_calls" not in body["message"]
    assert losses == ["/c"]


@pytest.mark.parametrize("arguments", ['{"a":', "[1]", '{}{"a":1}'])
def test_broken_arguments_are_wrapped_where_nothing_was_cut_off(arguments: str) -> None:
    body, losses = encode(ToolCall("c", "f", arguments, "/c"), stop=Stop("tool_calls"))
    assert body["message"]["tool_calls"][0]["function"]["arguments"] == {"input": arguments}
    assert losses == ["/c"]


def test_what_ollama_cannot_hold_is_named() -> None:
    token = Token("anthropic_messages", "s")
    body, losses = encode(
        Text("a", "/0", citations=[Raw(b"{}")], token=token),
        Reasoning("t", "/1", token),
        Reasoning("", "/2", token, redacted=True),
        Refusal("no", "/3"),
        Text("b", "/4"),
        ToolCall("c", "f", "ls", "/5", custom=True, token=token),
        Opaque("anthropic_messages", "server_tool_use", Raw(b"{}"), "/6"),
        service_tier="flex",
        unread=[Loss("/x", "unknown")],
    )
    assert body["message"]["content"] == "anob"
    assert body["message"]["thinking"] == "t"
    assert body["message"]["tool_calls"][0]["function"]["arguments"] == {"input": "ls"}
    assert losses == ["/x", "/0/citations", "/0", "/1", "/1", "/2", "/3", "/4", "/5", "/5", "/6", "/service_tier"]


def test_only_the_first_choice_is_told() -> None:
    answer = Answer(source="openai_chat", choices=[Choice([Text("a")]), Choice([Text("b")], index=1)])
    body, losses = encode_answer(answer, CONTEXT)
    assert json.loads(body)["message"]["content"] == "a"
    assert [loss.pointer for loss in losses] == ["/choices/1"]


def test_log_probabilities_lose_nothing_but_the_refusals() -> None:
    entry = {
        "token": "h",
        "logprob": -0.5,
        "bytes": [104],
        "top_logprobs": [{"token": "h", "logprob": -0.5, "bytes": None}],
    }
    raw = Raw(json.dumps({"content": [entry], "refusal": [entry]}).encode())
    body, losses = encode(Text("h"), logprobs=raw)
    assert body["logprobs"] == [
        {"token": "h", "logprob": -0.5, "bytes": [104], "top_logprobs": [{"token": "h", "logprob": -0.5}]}
    ]
    assert losses == ["/choices/0/logprobs/refusal"]
    assert encode(logprobs=Raw(b"[1]"))[1] == ["/choices/0/logprobs"]


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
objects = st.dictionaries(st.text("ab", max_size=2), st.integers() | st.text("x\n", max_size=2), max_size=2)


@given(
    st.lists(texts.map(Reasoning), max_size=1),
    st.lists(texts.map(Text), max_size=1),
    st.lists(st.builds(ToolCall, texts, texts, objects.map(json.dumps)), max_size=3, unique_by=lambda call: call.id),
    st.sampled_from(["stop", "length"]),
    st.none() | st.builds(Usage, st.none() | st.integers(0, 9), st.integers(0, 9)),
)
def test_what_ollama_can_hold_comes_back_as_it_was(
    thoughts: list[Part], said: list[Part], calls: list[Part], reason: Any, usage: Usage | None
) -> None:
    stop = Stop("tool_calls" if calls and reason == "stop" else reason, raw=reason)
    choice = Choice([*thoughts, *said, *calls], stop)
    answer = Answer(source="ollama", choices=[choice], model="m", created=1, usage=usage)
    body, losses = encode_answer(answer, CONTEXT)
    assert losses == []
    read = decode_answer(body)
    for part in read.choices[0].parts:
        part.at = ""
    assert read == answer


@given(
    st.lists(
        st.builds(Text, texts | st.just(""))
        | st.builds(Reasoning, texts, redacted=st.booleans())
        | st.builds(Refusal, texts)
        | st.builds(ToolCall, texts, texts, st.text(), custom=st.booleans())
    ),
    st.sampled_from(["stop", "length", "refusal", "pause", "other"]),
)
def test_any_answer_is_written_and_a_second_trip_loses_nothing_more(parts: list[Part], reason: Any) -> None:
    answer = Answer(source="openai_responses", choices=[Choice(parts, Stop(reason))], model="m", created=1)
    once = decode_answer(encode_answer(answer, CONTEXT)[0])
    body, losses = encode_answer(once, CONTEXT)
    assert losses == []
    assert decode_answer(body) == once
    assert msgspec.json.decode(body)["done"] is True
