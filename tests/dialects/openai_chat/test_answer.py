import json
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given
from openai.types.chat import ChatCompletion

from tests.dialects.readers import placeless
from trio_gateway.dialects.conversation import (
    Answer,
    AnswerContext,
    Choice,
    Image,
    Loss,
    Losses,
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
from trio_gateway.dialects.openai_chat import decode_answer, encode_answer
from trio_gateway.dialects.openai_chat.answer import checked_logprobs
from trio_gateway.errors import UpstreamBroke, UpstreamError

CONTEXT = AnswerContext(id="g1", created=7, model="asked")
AT = "/choices/0/message"


def body(message: dict[str, Any], finish_reason: str | None = "stop", **fields: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
    return json.dumps({"id": "chatcmpl-1", "created": 5, "model": "m", "choices": [choice], **fields}).encode()


def parts_of(message: dict[str, Any]) -> list[Part]:
    return decode_answer(body(message)).choices[0].parts


def encode(*parts: Part, stop: Stop | None = None, **fields: Any) -> tuple[dict[str, Any], list[Loss]]:
    """Return the choice that is written, checked against the SDK's types, and the losses."""
    answer = Answer(source="anthropic_messages", choices=[Choice(list(parts), stop or Stop("stop"))], **fields)
    written, losses = encode_answer(answer, CONTEXT)
    ChatCompletion.model_validate_json(written, strict=True)
    choice: dict[str, Any] = json.loads(written)["choices"][0]
    return choice, losses


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def test_an_answer_is_read_whole() -> None:
    details = {"cached_tokens": 2, "cache_write_tokens": 1, "audio_tokens": 0}
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "total_tokens": 13,
        "prompt_tokens_details": details,
        "completion_tokens_details": {"reasoning_tokens": 3, "accepted_prediction_tokens": 0},
    }
    answer = decode_answer(body({"content": "hi", "refusal": None}, usage=usage, service_tier="default"))
    assert answer == Answer(
        source="openai_chat",
        choices=[Choice([Text("hi", AT + "/content")], Stop("stop", raw="stop"))],
        id="chatcmpl-1",
        model="m",
        created=5,
        usage=Usage(9, 4, 2, 1, 3),
        service_tier="default",
    )


def test_what_an_answer_says_beyond_the_model_is_named() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "completion_tokens_details": {"audio_tokens": 1}}
    answer = decode_answer(body({"content": "a", "x": 1}, usage=usage, system_fingerprint="fp", provider="p"))
    assert sorted(loss.pointer for loss in answer.unread) == [
        "/choices/0/message/x",
        "/provider",
        "/system_fingerprint",
        "/usage/completion_tokens_details/audio_tokens",
    ]


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}, {"prompt_tokens": -1}])
def test_counts_that_are_not_there_stay_unknown(usage: object) -> None:
    assert decode_answer(body({"content": "a"}, usage=usage)).usage in (None, Usage())


def test_unknown_usage_is_left_out_for_clients_and_never_zero() -> None:
    for usage in (None, Usage(), Usage(output=3)):
        answer = Answer(source="ollama", choices=[Choice([Text("a")])], usage=usage)
        written, losses = encode_answer(answer, CONTEXT)
        assert b"usage" not in written
        assert [loss.pointer for loss in losses] == (["/eval_count"] if usage == Usage(output=3) else [])


def test_usage_is_written_with_its_total() -> None:
    written, _ = encode_answer(Answer(source="x", choices=[Choice([])], usage=Usage(9, 4, 2, 1, 3)), CONTEXT)
    assert json.loads(written)["usage"] == {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "total_tokens": 13,
        "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }


def test_reasoning_and_its_carriers_are_read() -> None:
    assert parts_of({"reasoning_content": "r", "content": "c"}) == [
        Reasoning("r", AT + "/reasoning_content"),
        Text("c", AT + "/content"),
    ]
    assert parts_of({"reasoning": "r"}) == [Reasoning("r", AT + "/reasoning")]
    details = [{"type": "reasoning.text", "text": "r", "signature": "s"}, {"type": "reasoning.encrypted", "data": "d"}]
    assert parts_of({"reasoning": "r", "reasoning_details": details}) == [
        Reasoning("r", AT + "/reasoning_details/0", Token("openai_chat", "s")),
        Reasoning("", AT + "/reasoning_details/1", Token("openai_chat", "d"), redacted=True),
    ]


def test_calls_of_every_kind_are_read() -> None:
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"id": "a", "type": "function", "function": {"name": "g", "arguments": "[1]"}},
        {"id": "", "function": {"name": "h"}},
        {"id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls"}},
    ]
    answer = decode_answer(body({"content": None, "tool_calls": calls}, "stop"))
    at = AT + "/tool_calls/"
    assert answer.choices[0].parts == [
        ToolCall("a", "f", "{}", at + "0"),
        ToolCall("call_05ceaaf605966fc6_0_1", "g", "[1]", at + "1"),
        ToolCall("call_05ceaaf605966fc6_0_2", "h", "{}", at + "2"),
        ToolCall("c", "sh", "ls", at + "3", custom=True),
    ]
    assert answer.choices[0].stop == Stop("tool_calls", raw="stop")


@pytest.mark.parametrize(
    ("finish", "called", "reason"),
    [
        ("stop", False, "stop"),
        ("stop", True, "tool_calls"),
        ("length", True, "length"),
        ("content_filter", True, "refusal"),
        ("function_call", True, "tool_calls"),
        ("tool_calls", False, "tool_calls"),
        ("from_the_future", False, "other"),
        ("from_the_future", True, "tool_calls"),
    ],
)
def test_finish_reasons_are_read(finish: str, called: bool, reason: str) -> None:
    calls = [{"id": "a", "function": {"name": "f", "arguments": "{}"}}] if called else []
    stop = decode_answer(body({"content": None, "tool_calls": calls}, finish)).choices[0].stop
    assert stop is not None
    assert (stop.reason, stop.raw) == (reason, finish)


@pytest.mark.parametrize(
    ("stop", "called", "finish", "losses"),
    [
        (Stop("stop"), False, "stop", 0),
        (Stop("stop"), True, "tool_calls", 0),
        (Stop("length"), True, "length", 0),
        (Stop("refusal"), True, "content_filter", 0),
        (Stop("stop_sequence", sequence="X"), False, "stop", 2),
        (Stop("context_window"), False, "length", 1),
        (Stop("pause", raw="pause_turn"), False, "stop", 1),
        (Stop("error", raw="MALFORMED"), False, "stop", 1),
        (Stop("other", raw="new"), True, "tool_calls", 1),
    ],
)
def test_finish_reasons_are_written(stop: Stop, called: bool, finish: str, losses: int) -> None:
    parts = [ToolCall("a", "f", "{}")] if called else []
    choice, lost = encode(*parts, stop=stop)
    assert choice["finish_reason"] == finish
    assert len(lost) == losses


def test_a_refusal_is_the_message_or_the_explanation_of_the_stop() -> None:
    choice, _ = encode(Refusal("no"), stop=Stop("refusal", detail="policy"))
    assert choice["message"] == {"role": "assistant", "content": None, "refusal": "no"}
    choice, losses = encode(stop=Stop("refusal", detail="policy"))
    assert choice["message"]["refusal"] == "policy"
    assert losses == []


def test_signed_and_redacted_reasoning_travels_under_a_namespace() -> None:
    choice, losses = encode(
        Reasoning("a", token=Token("anthropic_messages", "S")),
        Reasoning("", token=Token("anthropic_messages", "R"), redacted=True),
        Reasoning("", token=Token("openai_responses", "E"), id="rs_1"),
        Text("x"),
    )
    assert choice["message"]["reasoning_content"] == "a"
    assert choice["message"]["reasoning_details"] == [
        {"type": "reasoning.text", "text": "a", "signature": "trio:anthropic_messages:S"},
        {"type": "reasoning.encrypted", "data": "trio:anthropic_messages:R"},
        {"type": "reasoning.encrypted", "data": "trio:openai_responses:E", "id": "rs_1"},
    ]
    assert losses == []


def test_plain_reasoning_needs_no_details() -> None:
    choice, _ = encode(Reasoning("a"), Text("x"))
    assert choice["message"] == {"role": "assistant", "content": "x", "refusal": None, "reasoning_content": "a"}


def test_a_calls_token_is_extra_content() -> None:
    choice, _ = encode(ToolCall("a", "f", "", token=Token("gemini", "Zm9v")))
    (call,) = choice["message"]["tool_calls"]
    assert call["extra_content"] == {"google": {"thought_signature": "trio:gemini:Zm9v"}}
    assert call["function"] == {"name": "f", "arguments": "{}"}


def test_what_loses_its_place_says_so() -> None:
    _, losses = encode(
        Text("a", "/0"),
        Text("b", "/1"),
        ToolCall("c", "f", "{}", "/2"),
        Reasoning("r", "/3"),
        Text("d", "/4", token=Token("gemini", "t")),
        Opaque("anthropic_messages", "server_tool_use", raw({}), "/5"),
        Image(Media("base64", ""), "/6"),
    )
    assert [loss.pointer for loss in losses] == ["/1", "/3", "/4", "/4", "/5", "/6"]


def test_web_citations_become_annotations_of_the_stretch_they_stand_on() -> None:
    web = raw({"type": "web_search_result_location", "url": "u", "title": "t", "cited_text": "c"})
    flat = raw({"type": "url_citation", "url": "v", "title": "w", "start_index": 1, "end_index": 2})
    page = raw({"type": "page_location", "document_index": 0})
    untitled = raw({"type": "web_search_result_location", "url": "u", "title": None})
    choice, losses = encode(Text("één "), Text("deux", "/1", citations=[web, flat, page, untitled]))
    assert [annotation["url_citation"] for annotation in choice["message"]["annotations"]] == [
        {"start_index": 4, "end_index": 8, "title": "t", "url": "u"},
        {"start_index": 5, "end_index": 6, "title": "w", "url": "v"},
    ]
    assert [loss.pointer for loss in losses] == ["/1", *["/1/citations"] * 3]


def test_chats_own_annotations_logprobs_and_audio_go_through_as_they_are() -> None:
    annotation = {
        "type": "url_citation",
        "url_citation": {"start_index": 0, "end_index": 1, "title": "t", "url": "u", "q": 1},
    }
    logprobs = {"content": [{"token": "a", "logprob": -0.5, "bytes": None, "top_logprobs": []}], "refusal": None}
    audio = {"id": "a1", "data": "AA==", "expires_at": 1, "transcript": "a"}
    message = {"role": "assistant", "content": "a", "refusal": None, "annotations": [annotation], "audio": audio}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": logprobs}
    answer = decode_answer(json.dumps({"id": "chatcmpl-1", "created": 1, "model": "m", "choices": [choice]}).encode())
    written, losses = encode_answer(answer, CONTEXT)
    assert json.loads(written)["choices"] == [choice]
    assert losses == []


def test_logprobs_of_another_shape_are_a_loss() -> None:
    choice = {"message": {"content": "a"}, "finish_reason": "stop", "logprobs": {"content": 3}}
    answer = decode_answer(json.dumps({"choices": [choice]}).encode())
    assert answer.choices[0].logprobs is None
    assert [loss.pointer for loss in answer.unread] == ["/choices/0/logprobs"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [(None, "g1"), ("", "g1"), ("chatcmpl-x", "x"), ("msg_x", "x"), ("resp_x", "x"), ("gen-x", "gen-x")],
)
def test_ids_carry_chats_prefix(source: str | None, expected: str) -> None:
    written, _ = encode_answer(Answer(source="x", choices=[Choice([])], id=source), CONTEXT)
    assert json.loads(written)["id"] == "chatcmpl-" + expected


def test_what_the_source_does_not_say_the_context_says() -> None:
    written = json.loads(encode_answer(Answer(source="x", choices=[Choice([])]), CONTEXT)[0])
    assert (written["model"], written["created"], written["object"]) == ("asked", 7, "chat.completion")
    told = Answer(source="x", choices=[Choice([])], model="m", created=0)
    written = json.loads(encode_answer(told, CONTEXT)[0])
    assert (written["model"], written["created"]) == ("m", 0)


@pytest.mark.parametrize("bad", [b"", b"[]", b"<html>", b"{}", b'{"choices":[]}', b'{"choices":[{}]}', b"[" * 99999])
def test_a_body_that_is_no_answer_is_the_providers_fault(bad: bytes) -> None:
    with pytest.raises(UpstreamBroke):
        decode_answer(bad)


def test_an_error_inside_a_200_is_an_error() -> None:
    with pytest.raises(UpstreamError, match="slow down") as caught:
        decode_answer(b'{"error":{"message":"slow down","type":"rate_limit_error"}}')
    assert caught.value.status == 429
    assert decode_answer(b'{"error":null,' + body({"content": "a"})[1:]).choices


@given(
    st.binary(max_size=50)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda v: (
            st.lists(v, max_size=3)
            | st.dictionaries(
                st.sampled_from(["choices", "message", "content", "error", "usage", "tool_calls"]), v, max_size=4
            )
        ),
    )
    .map(json.dumps)
    .map(str.encode)
)
def test_no_body_raises_anything_but_upstream_error(data: bytes) -> None:
    try:
        answer = decode_answer(data)
    except UpstreamError:
        return
    assert answer.choices


TEXTS = st.text(min_size=1, max_size=6)
TOKENS = st.builds(Token, st.sampled_from(["openai_chat", "anthropic_messages", "gemini"]), TEXTS)
CALLS = st.builds(ToolCall, st.uuids().map(str), TEXTS, TEXTS, custom=st.booleans(), token=st.none() | TOKENS)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Answers that Chat can hold: reasoning, then one text, then a refusal, then calls."""
    choices = []
    for index in range(draw(st.integers(1, 2))):
        thoughts = draw(st.lists(st.builds(Reasoning, TEXTS, token=TOKENS), max_size=2))
        redacted = draw(st.lists(st.builds(Reasoning, st.just(""), token=TOKENS, redacted=st.just(True)), max_size=1))
        rest = [
            *draw(st.lists(st.builds(Text, TEXTS), max_size=1)),
            *draw(st.lists(st.builds(Refusal, TEXTS), max_size=1)),
        ]
        calls = draw(st.lists(CALLS, max_size=2))
        reason = "tool_calls" if calls else draw(st.sampled_from(["stop", "length", "refusal"]))
        finish = {"refusal": "content_filter"}.get(reason, reason)
        choices.append(Choice([*thoughts, *redacted, *rest, *calls], Stop(reason, raw=finish), index))
    usage = draw(st.none() | st.builds(Usage, *[st.integers(0, 9)] * 2, *[st.none() | st.integers(0, 9)] * 3))
    return Answer(source="openai_chat", choices=choices, id="chatcmpl-1", model="m", created=3, usage=usage)


@given(answers())
def test_what_chat_can_hold_comes_back_as_it_was(answer: Answer) -> None:
    written, losses = encode_answer(answer, CONTEXT)
    ChatCompletion.model_validate_json(written, strict=True)
    assert losses == []
    assert placeless(decode_answer(written)) == answer


def test_a_call_without_an_id_has_another_one_in_each_answer() -> None:
    calls = [{"function": {"name": "f", "arguments": "{}"}}]
    first, second = body({"tool_calls": calls}, "stop"), body({"tool_calls": calls}, "stop", id="chatcmpl-2")
    ids = [decode_answer(one).choices[0].parts[0].id for one in (first, second, first)]
    assert ids[0] == ids[2] != ids[1]


@pytest.mark.parametrize(
    ("logprobs", "kept", "lost"),
    [
        ({"content": [], "provider": "x"}, {"content": [], "refusal": None}, ["/provider"]),
        ({"tokens": ["a"], "token_logprobs": [-1.0]}, None, ["/tokens", "/token_logprobs"]),
        (
            {"content": [{"token": "a", "logprob": -1.0, "rank": 1}]},
            {
                "content": [{"token": "a", "logprob": -1.0, "bytes": None, "top_logprobs": None}],
                "refusal": None,
            },
            ["/content/0/rank"],
        ),
        ({"content": ["a"]}, None, [""]),
    ],
)
def test_of_logprobs_what_nobody_knows_is_named(logprobs: object, kept: object, lost: list[str]) -> None:
    losses: Losses = []
    read = checked_logprobs(msgspec.Raw(msgspec.json.encode(logprobs)), "/choices/0", losses)
    assert (None if read is None else msgspec.json.decode(read)) == kept
    assert [loss.pointer.removeprefix("/choices/0/logprobs") for loss in losses] == lost
