"""Whole answers, both ways."""

import json
from typing import Any

import pytest
from anthropic.types import Message
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Raw

from trio_gateway.dialects.anthropic_messages import decode_answer, decode_request, encode_answer
from trio_gateway.dialects.conversation import (
    Answer,
    AnswerContext,
    Audio,
    Choice,
    Image,
    Media,
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
from trio_gateway.errors import UpstreamBroke, UpstreamError

CONTEXT = AnswerContext(id="7", created=1, model="claude-x")


def read(*content: object, **fields: object) -> Answer:
    body: dict[str, object] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": list(content),
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    return decode_answer(json.dumps(body | fields).encode())


def write(*parts: Part, stop: Stop | None = None, **fields: Any) -> tuple[dict[str, Any], list[str]]:
    answer = Answer(source="openai_chat", choices=[Choice(list(parts), stop or Stop("stop"))], **fields)
    body, losses = encode_answer(answer, CONTEXT)
    Message.model_validate_json(body)
    return json.loads(body), [loss.pointer for loss in losses]


# ---------------------------------------------------------------------------------------------- read


def test_an_answer_is_read_in_the_order_of_its_blocks() -> None:
    found = read(
        {"type": "thinking", "thinking": "", "signature": "S"},
        {"type": "redacted_thinking", "data": "D"},
        {"type": "text", "text": "a", "citations": [{"type": "char_location"}]},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": 1.0}, "caller": {"type": "direct"}},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "of the future", "text": 5},
    )
    own = "anthropic_messages"
    parts = found.choices[0].parts
    assert parts[:4] == [
        Reasoning("", "/content/0", Token(own, "S")),
        Reasoning("", "/content/1", Token(own, "D"), redacted=True),
        Text("a", "/content/2", citations=[Raw(b'{"type": "char_location"}')]),
        ToolCall("toolu_1", "f", '{"x": 1.0}', "/content/3"),
    ]
    assert [part.tag for part in parts[4:] if isinstance(part, Opaque)] == ["server_tool_use", "of the future"]
    assert found.unread == []


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "refusal"),
        ("pause_turn", "pause"),
        ("model_context_window_exceeded", "context_window"),
        ("compaction", "other"),
        (None, "other"),
    ],
)
def test_every_reason_to_stop_is_understood(word: str | None, reason: str) -> None:
    assert read(stop_reason=word).choices[0].stop == Stop(reason, raw=word)  # type: ignore[arg-type]  # a literal


def test_a_stop_sequence_is_named_and_a_refusal_explained() -> None:
    assert read(stop_reason="stop_sequence", stop_sequence="END").choices[0].stop == Stop(
        "stop_sequence", "END", raw="stop_sequence"
    )
    found = read(stop_reason="refusal", stop_details={"type": "refusal", "category": "bio", "explanation": "no"})
    assert found.choices == [Choice([], Stop("refusal", detail="no", raw="refusal"))]
    assert [loss.pointer for loss in found.unread] == ["/stop_details/category"]


def test_a_call_makes_it_a_stop_for_tools_but_never_in_place_of_length() -> None:
    call = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    assert read(call).choices[0].stop == Stop("tool_calls", raw="end_turn")
    assert read(call, stop_reason="max_tokens").choices[0].stop == Stop("length", raw="max_tokens")


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"input_tokens": 3, "output_tokens": 5}, Usage(3, 5)),
        (
            {
                "input_tokens": 3,
                "cache_read_input_tokens": 10,
                "cache_creation_input_tokens": 20,
                "output_tokens": 5,
                "output_tokens_details": {"thinking_tokens": 4},
            },
            Usage(33, 5, 10, 20, 4),
        ),
        (
            {"input_tokens": 3, "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 0}},
            Usage(5, None, None, 2),
        ),
        ({"input_tokens": None, "cache_read_input_tokens": 4, "output_tokens": 0}, Usage(None, 0, 4)),
        ({}, Usage()),
    ],
)
def test_the_whole_prompt_is_counted_and_what_is_unknown_stays_unknown(counts: object, usage: Usage) -> None:
    assert read(usage=counts).usage == usage


def test_what_an_answer_says_beyond_ours_is_listed() -> None:
    found = read(
        {"type": "tool_use", "id": "a", "name": "f", "input": {}, "caller": {"type": "x"}, "toolset_name": "b"},
        container={"id": "c"},
        diagnostics=None,
        usage={
            "input_tokens": 1,
            "output_tokens": 2,
            "speed": "fast",
            "inference_geo": "not_available",
            "server_tool_use": None,
            "service_tier": "priority",
            "cache_creation": {"ephemeral_1h_input_tokens": 5},
            "iterations": [{}],
        },
    )
    assert sorted(loss.pointer for loss in found.unread) == [
        "/container",
        "/content/0/caller",
        "/content/0/toolset_name",
        "/usage/cache_creation",
        "/usage/iterations",
        "/usage/speed",
    ]
    assert found.service_tier == "priority"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"id":"x"}', b'"\\ud800"', b"[" * 100_000])
def test_a_body_that_is_no_answer_is_the_providers_fault(body: bytes) -> None:
    with pytest.raises(UpstreamBroke):
        decode_answer(body)


def test_an_error_inside_a_200_is_an_error() -> None:
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}'
    with pytest.raises(UpstreamError) as caught:
        decode_answer(body)
    error = caught.value
    assert (error.status, error.kind, error.message, error.request_id, error.retryable) == (
        529,
        "overloaded_error",
        "Overloaded",
        "req_1",
        True,
    )


@given(st.binary(max_size=50))
@example(b'{"type":"error","error":{"type":5}}')
@example(b'{"type":"error","error":null}')
def test_any_bytes_are_an_answer_or_the_providers_fault(body: bytes) -> None:
    try:
        decode_answer(body)
    except UpstreamError:
        pass


# --------------------------------------------------------------------------------------------- write


def test_an_answer_of_another_vendor_is_written() -> None:
    body, lost = write(
        Reasoning("hm", token=Token("openai_responses", "enc"), id="rs_1"),
        Text("a"),
        Text(""),
        ToolCall("call:1", "f", '{"x" : 1}'),
        id="chatcmpl-1",
        usage=Usage(100, 20, 30, 40, 5),
        service_tier="default",
    )
    assert body["id"] == "chatcmpl-1"
    assert body["model"] == "claude-x"
    assert body["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "trio:openai_responses:enc"},
        {"type": "text", "text": "a"},
        {"type": "tool_use", "id": "trio-Y2FsbDox", "name": "f", "input": {"x": 1}},
    ]
    assert (body["stop_reason"], body["stop_sequence"]) == ("tool_use", None)
    assert body["usage"] == {
        "input_tokens": 30,
        "cache_creation_input_tokens": 40,
        "cache_read_input_tokens": 30,
        "output_tokens": 20,
        "output_tokens_details": {"thinking_tokens": 5},
        "service_tier": "standard",
    }
    assert lost == []


def test_what_a_client_sends_back_is_what_it_was_given() -> None:
    given_ = [
        Reasoning("hm", token=Token("openai_responses", "enc")),
        Reasoning("", token=Token("anthropic_messages", "red"), redacted=True),
        Text("a", token=Token("gemini", "T")),
        ToolCall("call:1", "files.read", '{"x":1}', token=Token("gemini", "G")),
        ToolCall("call_2", "patch", "free\ntext", custom=True),
    ]
    body, lost = write(*given_, usage=Usage(1, 1))
    request = {"model": "m", "max_tokens": 1, "messages": [{"role": "assistant", "content": body["content"]}]}
    returned = decode_request(json.dumps(request, separators=(",", ":")).encode()).turns[0].parts
    for part in returned:
        part.at = ""
        if isinstance(part, Text | ToolCall):
            part.token_at = None
    assert returned == given_
    assert lost == []


@pytest.mark.parametrize(
    ("stop", "word"),
    [
        (Stop("stop"), "end_turn"),
        (Stop("length"), "max_tokens"),
        (Stop("context_window"), "model_context_window_exceeded"),
        (Stop("refusal"), "refusal"),
        (Stop("pause"), "pause_turn"),
    ],
)
def test_every_reason_to_stop_has_its_word(stop: Stop, word: str) -> None:
    body, lost = write(Text("a"), stop=stop, usage=Usage(1, 1))
    assert (body["stop_reason"], lost) == (word, [])


def test_a_stop_that_has_no_word_is_reported() -> None:
    body, lost = write(Text("a"), stop=Stop("other", raw="RECITATION"), usage=Usage(1, 1))
    assert (body["stop_reason"], lost) == ("end_turn", ["/choices/0/finish_reason"])


def test_a_stop_for_calls_of_which_there_is_none_is_an_end_and_reported() -> None:
    body, lost = write(Text("a"), stop=Stop("tool_calls"), usage=Usage(1, 1))
    assert (body["stop_reason"], lost) == ("end_turn", ["/choices/0/finish_reason"])
    body, lost = write(Text("a"), ToolCall("c", "f", "{}"), stop=Stop("tool_calls"), usage=Usage(1, 1))
    assert (body["stop_reason"], lost) == ("tool_use", [])


def test_a_stop_sequence_and_a_refusal_are_told_whole() -> None:
    body, _ = write(Text("a"), stop=Stop("stop_sequence", "END"))
    assert (body["stop_reason"], body["stop_sequence"]) == ("stop_sequence", "END")
    body, _ = write(stop=Stop("refusal", detail="no"))
    assert (body["content"], body["stop_details"]) == ([], {"type": "refusal", "category": None, "explanation": "no"})
    body, lost = write(Refusal("I will not"), usage=Usage(1, 1))
    assert body["content"] == [{"type": "text", "text": "I will not"}]
    assert (body["stop_reason"], lost) == ("refusal", [""])


def test_unknown_counts_are_zero_where_the_format_demands_a_number_and_that_is_reported() -> None:
    body, lost = write(Text("a"))
    assert (body["usage"], lost) == ({"input_tokens": 0, "output_tokens": 0}, ["/usage"])


def test_no_count_is_ever_negative() -> None:
    body, _ = write(Text("a"), usage=Usage(5, 1, 10))
    assert body["usage"]["input_tokens"] == 0


def test_what_cannot_be_told_is_reported() -> None:
    answer = Answer(
        source="gemini",
        choices=[
            Choice(
                [
                    Text(
                        "a",
                        "/0",
                        citations=[Raw(b'{"type":"url_citation"}'), Raw(b'{"type":"char_location","cited_text":"c"}')],
                    ),
                    Audio(Media("base64", "AA"), "/1"),
                    Image(Media("base64", "AA"), "/2"),
                    Opaque("gemini", "executableCode", Raw(b"{}"), "/3"),
                    ToolCall("a", "f", '{"cut', "/4"),
                ],
                Stop("length"),
                logprobs=Raw(b"{}"),
            ),
            Choice([Text("b")], index=1),
        ],
        usage=Usage(1, 1),
        service_tier="flex",
    )
    body, losses = encode_answer(answer, CONTEXT)
    assert [loss.pointer for loss in losses] == [
        "/candidates/1",
        "/candidates/0/logprobsResult",
        "/0/citations",
        "/1",
        "/2",
        "/3",
        "/4",
        "/usageMetadata/serviceTier",
    ]
    found = json.loads(body)
    assert found["content"][0]["citations"] == [{"type": "char_location", "cited_text": "c"}]
    assert found["content"][1]["input"] == {"input": '{"cut'}
    assert found["stop_reason"] == "max_tokens"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10)
PARTS = st.one_of(
    st.builds(Text, TEXTS),
    st.builds(
        Reasoning, TEXTS, token=st.none() | st.builds(Token, st.just("anthropic_messages"), st.text("abc=", min_size=1))
    ),
    st.builds(
        ToolCall,
        TEXTS,
        TEXTS.map(lambda t: t[:3]),
        st.dictionaries(TEXTS, st.integers() | TEXTS, max_size=2).map(json.dumps),
    ),
    st.builds(ToolCall, TEXTS, TEXTS.map(lambda t: t[:3]), TEXTS, custom=st.just(True)),
)


@given(st.lists(PARTS, max_size=4), st.sampled_from(["length", "refusal", "pause", "context_window"]))
def test_an_answer_that_is_written_and_read_is_the_same(parts: list[Part], reason: Any) -> None:
    answer = Answer(source="s", choices=[Choice(parts, Stop(reason))], id="i", model="m", usage=Usage(9, 5, 3, 2, 1))
    body, losses = encode_answer(answer, CONTEXT)
    back = decode_answer(body)
    for part in back.choices[0].parts:
        part.at = ""
    assert back.choices[0].parts == parts
    assert back.choices[0].stop is not None
    assert (back.choices[0].stop.reason, back.usage, back.id, back.model) == (reason, answer.usage, "i", "m")
    assert losses == []
