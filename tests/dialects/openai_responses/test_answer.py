from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from openai.types.responses import Response

from trio_gateway.dialects.conversation import (
    Answer,
    AnswerContext,
    Audio,
    Choice,
    Loss,
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
from trio_gateway.dialects.openai_responses import decode_answer, encode_answer
from trio_gateway.errors import UpstreamBroke, UpstreamError

ME = "openai_responses"
CONTEXT = AnswerContext(id="x1", created=1787302339, model="ours")

TEXT = {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [TEXT]}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": '{"a": 1}'}


def placeless(answer: Answer) -> Answer:
    """Return an answer without the pointers of its parts."""
    for choice in answer.choices:
        for part in choice.parts:
            part.at = ""
    return answer


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


def encode(*parts: Part, **fields: Any) -> tuple[dict[str, Any], list[str]]:
    fields.setdefault("stop", Stop("stop"))
    logprobs = fields.pop("logprobs", None)
    choice = Choice(list(parts), fields.pop("stop"), logprobs=logprobs)
    body, losses = encode_answer(Answer(source="x", choices=[choice], **fields), CONTEXT)
    Response.model_validate_json(body)
    return msgspec.json.decode(body), [loss.pointer for loss in losses]


# --------------------------------------------------------------------------------------------- reading


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
        ({**CALL, "name": "a_x2E_b"}, ToolCall("call_1", "a.b", '{"a": 1}')),
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


# --------------------------------------------------------------------------------------------- writing


def test_an_answer_is_a_whole_response_object() -> None:
    body, losses = encode(Text("Hello"), model="claude", usage=Usage(3, 4, 1, 2, 0))
    assert body == {
        "id": "resp_x1",
        "object": "response",
        "created_at": 1787302339,
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": "claude",
        "output": [
            {
                "type": "message",
                "id": "msg_x1_0",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": "Hello"}],
            }
        ],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": False,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": {
            "input_tokens": 3,
            "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 2},
            "output_tokens": 4,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 7,
        },
        "metadata": {},
    }
    assert losses == []


def test_unknown_usage_is_absent() -> None:
    assert "usage" not in encode(Text("a"))[0]


def test_a_responses_id_is_kept_and_any_other_replaced() -> None:
    assert encode(id="resp_9")[0]["id"] == "resp_9"
    assert encode(id="chatcmpl-9")[0]["id"] == "resp_x1"


def test_parts_become_items_and_texts_in_a_row_one_message() -> None:
    body, losses = encode(
        Reasoning("hm", token=Token("anthropic_messages", "sig")),
        Text("a"),
        Refusal("no"),
        ToolCall("toolu_1", "f", ""),
        ToolCall("c", "sh", "ls", custom=True),
        Text("b"),
        stop=Stop("refusal"),
    )
    assert [(item["type"], item["id"]) for item in body["output"]] == [
        ("reasoning", "rs_x1_0"),
        ("message", "msg_x1_1"),
        ("function_call", "fc_x1_2"),
        ("custom_tool_call", "ctc_x1_3"),
        ("message", "msg_x1_4"),
    ]
    assert body["output"][0]["encrypted_content"] == "trio:anthropic_messages:sig"
    assert body["output"][2]["arguments"] == "{}"
    assert losses == []


def test_a_token_of_a_call_is_carried_behind_it() -> None:
    body, losses = encode(ToolCall("c", "f", "{}", token=Token("gemini", "sig")), stop=Stop("tool_calls"))
    assert [item["type"] for item in body["output"]] == ["function_call", "reasoning"]
    assert body["output"][1]["encrypted_content"] == "trio:gemini:previous:sig"
    assert losses == []


def test_redacted_thinking_is_marked() -> None:
    body, _ = encode(Reasoning("", token=Token("anthropic_messages", "data"), redacted=True))
    assert body["output"][0]["encrypted_content"] == "trio:anthropic_messages:redacted:data"
    assert body["output"][0]["summary"] == []


def test_an_answer_cut_off_is_incomplete_and_so_are_its_last_message_and_call() -> None:
    body, _ = encode(ToolCall("c", "f", '{"a'), Text("so"), stop=Stop("length"))
    assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert [item["status"] for item in body["output"]] == ["incomplete", "incomplete"]


def test_logprobs_go_to_the_text() -> None:
    entry = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
    logprobs = Raw(msgspec.json.encode({"content": [entry], "refusal": [entry]}))
    body, losses = encode(Text("a"), logprobs=logprobs)
    assert body["output"][0]["content"][0]["logprobs"] == [entry]
    assert losses == ["/logprobs/refusal"]
    assert encode(logprobs=logprobs)[1] == ["/logprobs/refusal", "/logprobs"]


def test_what_an_answer_cannot_hold_is_a_loss() -> None:
    other = Opaque("anthropic_messages", "server_tool_use", Raw(b"{}"), "/content/0")
    body, losses = encode(other, Audio(Media("base64", "AA=="), "/content/1"), Text("a", "/t", citations=[Raw(b"{}")]))
    assert len(body["output"]) == 1
    assert losses == ["/content/0", "/content/1", "/t/citations"]


def test_further_choices_are_lost() -> None:
    answer = Answer(source="x", choices=[Choice([Text("a")], Stop("stop")), Choice([Text("b")], Stop("stop"), index=1)])
    body, losses = encode_answer(answer, CONTEXT)
    assert b'"b"' not in body
    assert losses == [Loss("/choices/1", "there is one answer here")]


def test_an_answer_without_choices_is_empty() -> None:
    body, losses = encode_answer(Answer(source="x", choices=[]), CONTEXT)
    assert msgspec.json.decode(body)["output"] == []
    assert [loss.pointer for loss in losses] == ["/stop"]


# ------------------------------------------------------------------------------------------------- laws

words = st.text(min_size=1, max_size=5)
word = st.text("ab_", min_size=1, max_size=5)
annotations = st.lists(st.just(Raw(b'{"type":"file_path","file_id":"f","index":0}')), min_size=1, max_size=2)
tokens = st.builds(Token, st.sampled_from(["anthropic_messages", "gemini"]), word)
parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, words, citations=st.none() | annotations),
    st.builds(Refusal, words),
    st.builds(ToolCall, word, word, st.sampled_from(["{}", '{"a":1}', '{"a'])),
    st.builds(ToolCall, word, word, words, custom=st.just(True)),
    st.builds(Reasoning, words, token=st.none() | tokens),
    st.builds(Reasoning, st.just(""), token=tokens, redacted=st.booleans()),
    st.just(Opaque(ME, "web_search_call", Raw(b'{"type":"web_search_call","id":"ws_1"}'))),
)
usages = st.none() | st.builds(Usage, *[st.integers(0, 99)] * 5)


@given(st.lists(parts, max_size=5), usages, st.none() | st.just("flex"))
def test_what_the_dialect_can_hold_comes_back(given_parts: list[Part], usage: Usage | None, tier: str | None) -> None:
    refused = any(isinstance(part, Refusal) for part in given_parts)
    called = any(isinstance(part, ToolCall) for part in given_parts)
    stop = Stop("refusal" if refused else "tool_calls" if called else "stop", raw="completed")
    answer = Answer(
        source=ME,
        choices=[Choice(given_parts, stop)],
        id="resp_1",
        model="m",
        created=7,
        usage=usage,
        service_tier=tier,
    )
    body, losses = encode_answer(answer, CONTEXT)
    again = decode_answer(body)
    for part in again.choices[0].parts:
        if isinstance(part, Reasoning):
            part.id = None  # which it must have here
    assert placeless(again) == answer
    assert losses == []
