from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tests.dialects.readers import placeless
from trio_gateway.dialects.conversation import (
    Answer,
    Choice,
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
from trio_gateway.dialects.openai_responses import decode_answer
from trio_gateway.errors import UpstreamBroke, UpstreamError

ME = "openai_responses"

TEXT = {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [TEXT]}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": '{"a": 1}'}


def decode(*output: Any, **fields: Any) -> Answer:
    whole = {
        "id": "resp_1",
        "object": "response",
        "created_at": 5.0,
        "status": "completed",
        "model": "gpt",
        "output": output,
    }
    return placeless(decode_answer(msgspec.json.encode({**whole, **fields})))


def parts_of(*output: Any) -> list[Part]:
    return decode(*output).choices[0].parts


def test_a_whole_answer() -> None:
    usage = {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 17,
    }
    reasoning = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "hm"}],
        "encrypted_content": "gA",
    }
    answer = decode(reasoning, MESSAGE, CALL, usage=usage, service_tier="default")
    assert answer == Answer(
        source=ME,
        choices=[
            Choice(
                [
                    Reasoning("hm", token=Token(ME, "rs_1:gA"), id="rs_1"),
                    Text("Hello"),
                    ToolCall("call_1", "f", '{"a": 1}'),
                ],
                Stop("tool_calls", raw="completed"),
            )
        ],
        id="resp_1",
        model="gpt",
        created=5,
        usage=Usage(10, 7, 3, 2, 4),
        service_tier="default",
    )


def test_parts_have_the_pointers_of_what_they_were_read_from() -> None:
    thoughts = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}
    refusal = {"type": "refusal", "refusal": "No."}
    item = {"type": "web_search_call", "id": "ws_1"}
    output = [thoughts, {**MESSAGE, "content": [TEXT, refusal]}, CALL, item]
    body = {"id": "resp_1", "object": "response", "status": "completed", "model": "gpt", "output": output}
    parts = decode_answer(msgspec.json.encode(body)).choices[0].parts
    assert [part.at for part in parts] == [
        "/output/0", "/output/1/content/0", "/output/1/content/1", "/output/2", "/output/3",
    ]  # fmt: skip


def test_members_that_nobody_knows_are_losses() -> None:
    text = {**TEXT, "new": 1}
    answer = decode({**MESSAGE, "content": [text], "phase": "commentary"}, {**CALL, "namespace": "n"}, moderation={})
    assert [loss.pointer for loss in answer.unread] == [
        "/moderation", "/output/0/phase", "/output/0/content/0/new", "/output/1/namespace",
    ]  # fmt: skip


def test_a_calls_namespace_is_told_and_lost_to_those_that_have_none() -> None:
    answer = decode({**CALL, "namespace": "crm"})
    [call] = answer.choices[0].parts
    assert isinstance(call, ToolCall)
    assert call.namespace == "crm"
    assert [loss.pointer for loss in answer.unread] == ["/output/0/namespace"]


def test_counts_that_are_missing_stay_unknown() -> None:
    assert decode(usage=None).usage is None
    assert decode().usage is None
    assert decode(usage={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}).usage == Usage(1, 2)


@pytest.mark.parametrize(
    ("status", "details", "stop"),
    [
        ("completed", None, Stop("stop", raw="completed")),
        ("incomplete", {"reason": "max_output_tokens"}, Stop("length", raw="max_output_tokens")),
        ("incomplete", {"reason": "content_filter"}, Stop("refusal", raw="content_filter")),
        ("incomplete", {"reason": "steered"}, Stop("other", raw="steered")),
        ("incomplete", None, Stop("other", raw="incomplete")),
    ],
)
def test_the_status_says_why_it_stopped(status: str, details: Any, stop: Stop) -> None:
    assert decode(MESSAGE, status=status, incomplete_details=details).choices[0].stop == stop


def test_a_refusal_is_a_refusal_although_there_are_calls() -> None:
    refusal = {**MESSAGE, "content": [{"type": "refusal", "refusal": "No."}]}
    choice = decode(refusal, CALL).choices[0]
    assert choice.parts[0] == Refusal("No.")
    assert choice.stop == Stop("refusal", raw="completed")


def test_calls_that_were_cut_off_stay_text_and_length_stays_length() -> None:
    choice = decode(
        {**CALL, "arguments": '{"a'}, status="incomplete", incomplete_details={"reason": "max_output_tokens"}
    ).choices[0]
    assert choice.parts == [ToolCall("call_1", "f", '{"a')]
    assert choice.stop is not None
    assert choice.stop.reason == "length"


@pytest.mark.parametrize(
    ("item", "call"),
    [
        ({**CALL, "arguments": ""}, ToolCall("call_1", "f", "{}")),
        ({**CALL, "name": "a_x2E_b"}, ToolCall("call_1", "a_x2E_b", '{"a": 1}')),
        ({"type": "function_call", "id": "fc_1", "name": "f"}, ToolCall("fc_1", "f", "{}")),
        ({"type": "function_call", "name": "f"}, ToolCall("call_0", "f", "{}")),
        (
            {"type": "custom_tool_call", "call_id": "c", "name": "sh", "input": "ls"},
            ToolCall("c", "sh", "ls", custom=True),
        ),
    ],
)
def test_calls_of_careful_and_careless_servers(item: Any, call: ToolCall) -> None:
    assert parts_of(item) == [call]


def test_empty_texts_and_thoughts_without_anything_are_no_parts() -> None:
    empty = {**MESSAGE, "content": [{**TEXT, "text": ""}, {"type": "refusal", "refusal": ""}]}
    assert parts_of(empty, {"type": "reasoning", "id": "rs_1", "summary": []}, {**MESSAGE, "content": []}) == []


def test_items_and_parts_of_other_types_stay_whole() -> None:
    item, part = {"type": "web_search_call", "output": 3}, {"type": "output_audio", "text": 3}
    assert parts_of(item, {**MESSAGE, "content": [part]}) == [
        Opaque(ME, "web_search_call", Raw(msgspec.json.encode(item))),
        Opaque(ME, "output_audio", Raw(msgspec.json.encode(part))),
    ]


def test_annotations_and_logprobs_are_read() -> None:
    entry = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
    annotation = {"type": "file_path", "file_id": "f", "index": 0}
    first = {
        **MESSAGE,
        "content": [{**TEXT, "annotations": [annotation], "logprobs": [entry]}, {**TEXT, "logprobs": [entry]}],
    }
    choice = decode(first).choices[0]
    assert isinstance(choice.parts[0], Text)
    assert choice.parts[0].citations == [Raw(msgspec.json.encode(annotation))]
    assert choice.logprobs is not None
    assert msgspec.json.decode(choice.logprobs) == {"content": [entry, entry]}


def test_a_phase_is_lost() -> None:
    assert [loss.pointer for loss in decode({**MESSAGE, "phase": "commentary"}).unread] == ["/output/0/phase"]


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "Slow"}}, 429, "rate_limit_exceeded"),
        ({"status": "failed", "error": {"code": "new_code", "message": "Slow"}}, 500, "new_code"),
        ({"status": "failed", "error": None}, 500, None),
        ({"error": {"message": "m", "code": "insufficient_quota"}}, 429, "insufficient_quota"),
    ],
)
def test_a_failed_response_is_an_error(fields: Any, status: int, code: str | None) -> None:
    with pytest.raises(UpstreamError) as caught:
        decode(**fields)
    assert (caught.value.status, caught.value.code) == (status, code)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html>",
        b'{"status":"queued","output":[]}',
        b'{"status":"in_progress"}',
        b'{"output":[3]}',
        b'{"output":[{"type":"message","content":[{"type":"output_text","text":3}]}]}',
    ],
)
def test_what_is_no_answer_is_the_providers_fault(body: bytes) -> None:
    with pytest.raises(UpstreamBroke):
        decode_answer(body)


JSON = st.recursive(st.none() | st.text() | st.integers(), st.lists)


@given(st.binary() | JSON.map(lambda value: msgspec.json.encode({"output": value})))
def test_any_bytes_are_an_answer_or_the_providers_fault(body: bytes) -> None:
    try:
        decode_answer(body)
    except UpstreamError:
        pass
