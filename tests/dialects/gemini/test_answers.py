from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from tests.dialects.readers import placeless
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
from trio_gateway.dialects.gemini import decode_answer, encode_answer
from trio_gateway.dialects.gemini.outcome import read_usage
from trio_gateway.errors import UpstreamBroke, UpstreamError

RAW = msgspec.Raw
OWN = Token("gemini", "c2ln")
FOREIGN = Token("anthropic_messages", "EqQB+/==")


def answer(*parts: Any, finish: str | None = "STOP", **more: Any) -> bytes:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return json.dumps({"candidates": [candidate], "responseId": "r", "modelVersion": "v", **more}).encode()


def read(*parts: Any, **more: Any) -> list[Part]:
    return placeless(decode_answer(answer(*parts, **more))).choices[0].parts


def lost(body: bytes) -> list[str]:
    return [loss.pointer for loss in decode_answer(body).unread]


CALL = {"functionCall": {"name": "f", "args": {"a": 1}}}


# ------------------------------------------------------------------------------------------------ reading


def test_a_whole_answer() -> None:
    body = answer(
        {"text": "hm", "thought": True},
        {"text": "Hello"},
        {"text": " there"},
        {**CALL, "thoughtSignature": "c2ln"},
        usageMetadata={"promptTokenCount": 5, "cachedContentTokenCount": 2, "candidatesTokenCount": 3,
                       "thoughtsTokenCount": 4, "toolUsePromptTokenCount": 1, "totalTokenCount": 13,
                       "serviceTier": "standard"},
        createTime="2026-11-22T10:00:00.123456789Z",
    )  # fmt: skip
    found = placeless(decode_answer(body))
    (call,) = [part for part in found.choices[0].parts if isinstance(part, ToolCall)]
    assert found == Answer(
        source="gemini",
        choices=[
            Choice(
                [Reasoning("hm"), Text("Hello there"), ToolCall(call.id, "f", '{"a": 1}', token=OWN)],
                Stop("tool_calls", raw="STOP"),
            )
        ],
        id="r",
        model="v",
        created=1795341600,
        usage=Usage(input=6, output=7, cached=2, reasoning=4),
        service_tier="default",
    )


def test_calls_without_ids_get_some_that_differ_between_answers() -> None:
    def ids(response_id: str) -> list[str]:
        body = answer(CALL, CALL, {"functionCall": {"name": "f", "id": "given"}}, responseId=response_id)
        return [part.id for part in decode_answer(body).choices[0].parts if isinstance(part, ToolCall)]

    assert ids("a") == ids("a")
    assert len({*ids("a"), *ids("b")}) == 5
    assert ids("a")[2] == "given"


@pytest.mark.parametrize(
    ("args", "arguments"),
    [
        (b"", "{}"),
        (b',"args":{}', "{}"),
        (b',"args":null', "{}"),
        (b',"args":{"a": 1.50}', '{"a": 1.50}'),
        (b',"args":{\n  "a": 12345678901234567890,\n "b": [1.0]\n}', '{"a":12345678901234567890,"b":[1.0]}'),
    ],
)
def test_arguments_keep_their_text_but_for_the_indentation(args: bytes, arguments: str) -> None:
    body = b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"%b}}]},"finishReason":"STOP"}]}' % args
    (call,) = decode_answer(body).choices[0].parts
    assert isinstance(call, ToolCall)
    assert call.arguments == arguments


def test_a_call_of_a_tool_that_takes_free_text_is_unwrapped() -> None:
    (call,) = read({"functionCall": {"name": "sh-x0_", "args": {"input": "ls"}}})
    assert isinstance(call, ToolCall)
    assert (call.name, call.arguments, call.custom) == ("sh", "ls", True)


def test_a_signature_stays_on_its_own_part() -> None:
    parts = read(
        {"text": "a", "thought": True},
        {"text": "b", "thought": True, "thoughtSignature": "MQ=="},
        {"text": "c"},
        {"text": "", "thoughtSignature": "Mg=="},
    )
    assert parts == [
        Reasoning("a"),
        Reasoning("b", token=Token("gemini", "MQ==")),
        Text("c"),
        Text("", token=Token("gemini", "Mg==")),
    ]


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "refusal"),
        ("RECITATION", "refusal"),
        ("IMAGE_SAFETY", "refusal"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("OTHER", "other"),
        ("SOMETHING_NEW", "other"),
    ],
)
def test_why_it_stopped(reason: str, stop: str) -> None:
    body = json.loads(answer({"text": "a"}, finish=reason))
    body["candidates"][0]["finishMessage"] = "because"
    assert decode_answer(json.dumps(body).encode()).choices[0].stop == Stop(stop, detail="because", raw=reason)  # type: ignore[arg-type]  # a stop reason


def test_a_call_wins_over_stop_and_over_nothing_else() -> None:
    def reason(finish: str) -> str | None:
        stop = decode_answer(answer(CALL, finish=finish)).choices[0].stop
        return stop.reason if stop else None

    assert [reason(finish) for finish in ("STOP", "MAX_TOKENS", "SAFETY")] == ["tool_calls", "length", "refusal"]


def test_an_answer_without_a_reason_has_none() -> None:
    assert decode_answer(answer({"text": "a"}, finish=None)).choices[0].stop is None


@pytest.mark.parametrize("candidates", [{}, {"candidates": []}, {"candidates": [{"index": 0}]}])
def test_a_blocked_prompt_is_a_refusal_with_nothing_in_it(candidates: dict[str, Any]) -> None:
    feedback = {"blockReason": "SAFETY", "blockReasonMessage": "no"}
    found = decode_answer(json.dumps({**candidates, "promptFeedback": feedback}).encode())
    assert found.choices == [Choice([], Stop("refusal", detail="no", raw="SAFETY"))]


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "OTHER", "UNEXPECTED_TOOL_CALL"])
def test_a_fault_without_any_content_is_an_error(reason: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        decode_answer(answer(finish=reason))
    assert (caught.value.status, caught.value.code) == (502, reason)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"candidates":[]}', b'{"candidates":1}', b"<html>", b"null", b"\xff"]
)
def test_what_is_no_answer_is_broken(body: bytes) -> None:
    with pytest.raises(UpstreamBroke):
        decode_answer(body)


@pytest.mark.parametrize("body", [b'{"error":{"code":429,"message":"m"}}', b'[{"error":{"code":429,"message":"m"}}]'])
def test_an_error_in_place_of_an_answer(body: bytes) -> None:
    with pytest.raises(UpstreamError, match="m") as caught:
        decode_answer(body)
    assert caught.value.status == 429


def test_the_array_of_a_stream_is_an_answer_too() -> None:
    body = b"[%b,%b]" % (answer({"text": "a"}, finish=None), answer({"text": "b"}))
    assert placeless(decode_answer(body)).choices[0].parts == [Text("ab")]


def test_several_candidates() -> None:
    body = {
        "candidates": [
            {"index": 1, "content": {"parts": [CALL]}, "finishReason": "STOP"},
            {"content": {"parts": [CALL]}, "finishReason": "MAX_TOKENS"},
        ]
    }
    found = decode_answer(json.dumps(body).encode())
    assert [(choice.index, choice.stop and choice.stop.reason) for choice in found.choices] == [
        (0, "length"),
        (1, "tool_calls"),
    ]
    assert len({part.id for choice in found.choices for part in choice.parts if isinstance(part, ToolCall)}) == 2


def test_parts_of_other_kinds_are_opaque() -> None:
    code = {"executableCode": {"code": "1"}}
    image = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    odd = {"new_thing": {"a_b": 1}}
    found = read(code, {"text": "a"}, image, odd)
    assert [(part.tag, json.loads(bytes(part.raw)), part.dialect) for part in found if isinstance(part, Opaque)] == [
        ("executableCode", code, "gemini"),
        ("inlineData", image, "gemini"),
        ("newThing", odd, "gemini"),
    ]


def test_what_has_no_word_is_a_loss() -> None:
    body = json.loads(answer({"text": "a", "odd": 1}))
    body["candidates"][0] |= {"safetyRatings": [{}], "groundingMetadata": {"a": 1}, "avgLogprobs": -0.5, "novel": 1}
    body |= {"usageMetadata": {"promptTokensDetails": [], "trafficType": "ON_DEMAND"}, "modelStatus": {}, "more": 1}
    body["promptFeedback"] = {"safetyRatings": [{}]}
    assert sorted(lost(json.dumps(body).encode())) == [
        "/candidates/0/avgLogprobs", "/candidates/0/content/parts/0/odd", "/candidates/0/groundingMetadata",
        "/candidates/0/novel", "/candidates/0/safetyRatings", "/modelStatus", "/more",
        "/promptFeedback/safetyRatings", "/usageMetadata/promptTokensDetails", "/usageMetadata/trafficType",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({}, Usage()),
        ({"promptTokenCount": 5}, Usage(input=5)),
        ({"promptTokenCount": 5, "totalTokenCount": 9}, Usage(input=5, output=4)),
        ({"promptTokenCount": 5, "thoughtsTokenCount": 4, "totalTokenCount": 9}, Usage(input=5, output=4, reasoning=4)),
        ({"candidatesTokenCount": 3}, Usage(output=3)),
        ({"promptTokenCount": 5, "toolUsePromptTokenCount": 2, "candidatesTokenCount": 0}, Usage(input=7, output=0)),
        ({"promptTokenCount": 9, "totalTokenCount": 5}, Usage(input=9, output=0)),
    ],
)
def test_usage_knows_what_is_known_and_no_more(counts: dict[str, int], usage: Usage) -> None:
    assert decode_answer(answer({"text": "a"}, usageMetadata=counts)).usage == usage


def test_logprobs_are_read_and_written() -> None:
    result = {
        "chosenCandidates": [{"token": "é", "logProbability": -0.5}],
        "topCandidates": [
            {"candidates": [{"token": "é", "logProbability": -0.5}, {"token": "b", "logProbability": -1.5}]}
        ],
    }
    body = json.loads(answer({"text": "é"}))
    body["candidates"][0]["logprobsResult"] = result
    found = decode_answer(json.dumps(body).encode())
    assert found.choices[0].logprobs is not None
    entry = json.loads(bytes(found.choices[0].logprobs))["content"][0]
    assert (entry["token"], entry["logprob"], entry["bytes"]) == ("é", -0.5, [195, 169])
    assert [top["token"] for top in entry["top_logprobs"]] == ["é", "b"]
    written = json.loads(encode_answer(found, AnswerContext())[0])
    assert written["candidates"][0]["logprobsResult"] == result


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_but_an_upstream_s_error(body: bytes) -> None:
    try:
        decode_answer(body)
    except UpstreamError:
        pass


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["candidates", "content", "parts", "text", "functionCall", "name", "args", "partialArgs",
                             "jsonPath", "stringValue", "willContinue", "index", "finishReason", "usageMetadata",
                             "promptTokenCount", "promptFeedback", "blockReason", "error", "thoughtSignature"]),
            inner, max_size=4,
        )
    ),
    max_leaves=10,
)  # fmt: skip


@given(ANYTHING)
def test_no_json_raises_anything_but_an_upstream_s_error(value: Any) -> None:
    for body in (value, {"candidates": value}, {"candidates": [{"content": {"parts": value}, "finishReason": "STOP"}]}):
        try:
            decode_answer(json.dumps(body).encode())
        except UpstreamError:
            pass


# ------------------------------------------------------------------------------------------------ writing


def written(*parts: Part, stop: Stop | None = None, **more: Any) -> tuple[dict[str, Any], list[str]]:
    whole = Answer(source="openai_chat", choices=[Choice(list(parts), stop or Stop("stop"))], **more)
    body, losses = encode_answer(whole, AnswerContext(id="ctx", model="m"))
    types.GenerateContentResponse.model_validate_json(body)
    return json.loads(body), [loss.pointer for loss in losses]


def test_two_thoughts_stay_two_where_what_stood_between_them_falls() -> None:
    between = Opaque("openai_responses", "web_search_call", RAW(b"{}"), "/output/1")
    body, _ = written(Reasoning("a"), between, Reasoning("b", token=FOREIGN))
    assert [part["text"] for part in body["candidates"][0]["content"]["parts"]] == ["a", "", "b"]


def test_an_answer_for_a_client() -> None:
    signature = "dHJpbzphbnRocm9waWNfbWVzc2FnZXM6RXFRQisvPT0="  # trio:anthropic_messages:EqQB+/==
    body, losses = written(
        Reasoning("hm", token=FOREIGN),
        Text("Hello"),
        ToolCall("call_1", "f", '{"a":1}'),
        stop=Stop("tool_calls"),
        id="chatcmpl-1",
        model="gpt",
        created=1795341600,
        service_tier="priority",
        usage=Usage(input=10, output=7, cached=4, cache_write=0, reasoning=2),
    )
    assert body == {
        "candidates": [
            {
                "content": {
                    "role": "model",
                    "parts": [
                        {"text": "hm", "thought": True, "thoughtSignature": signature},
                        {"text": "Hello"},
                        {"functionCall": {"id": "call_1", "name": "f", "args": {"a": 1}}},
                    ],
                },
                "finishReason": "STOP",
                "index": 0,
            }
        ],
        "modelVersion": "gpt",
        "responseId": "chatcmpl-1",
        "createTime": "2026-11-22T10:00:00Z",
        "usageMetadata": {
            "promptTokenCount": 10, "cachedContentTokenCount": 4, "candidatesTokenCount": 5, "thoughtsTokenCount": 2,
            "totalTokenCount": 17,
        },
    }  # fmt: skip
    assert losses == ["/service_tier"]


def test_what_nobody_said_comes_from_the_context() -> None:
    body, _ = written(Text("a"))
    assert (body["responseId"], body["modelVersion"]) == ("ctx", "m")
    assert "createTime" not in body
    assert "usageMetadata" not in body


@pytest.mark.parametrize(
    ("stop", "reason", "losses"),
    [
        (Stop("stop"), "STOP", 0),
        (Stop("tool_calls"), "STOP", 0),
        (Stop("length"), "MAX_TOKENS", 0),
        (Stop("refusal"), "SAFETY", 0),
        (Stop("refusal", raw="RECITATION"), "RECITATION", 0),
        (Stop("stop_sequence", "x"), "STOP", 1),
        (Stop("pause"), "STOP", 1),
        (Stop("context_window"), "MAX_TOKENS", 1),
        (Stop("error"), "OTHER", 1),
        (Stop("other", raw="odd"), "OTHER", 0),
    ],
)
def test_why_it_stopped_is_written(stop: Stop, reason: str, losses: int) -> None:
    body, lost_pointers = written(Text("a"), stop=stop)
    assert body["candidates"][0]["finishReason"] == reason
    assert len(lost_pointers) == losses


def test_an_explanation_is_the_finish_message() -> None:
    assert written(stop=Stop("refusal", detail="no"))[0]["candidates"][0]["finishMessage"] == "no"


@pytest.mark.parametrize(("stop", "reason"), [("tool_calls", "MALFORMED_FUNCTION_CALL"), ("length", "MAX_TOKENS")])
def test_a_call_that_is_no_object_is_left_out_and_said(stop: Any, reason: str) -> None:
    body, losses = written(ToolCall("a", "f", '{"a":', "/0"), stop=Stop(stop))
    assert body["candidates"][0]["content"]["parts"] == [{"text": ""}]
    assert body["candidates"][0]["finishReason"] == reason
    assert losses[0] == "/0"
    assert len(losses) == (1 if stop == "length" else 2)


def test_a_refusal_becomes_text_and_the_reason() -> None:
    body, losses = written(Refusal("no", "/0"))
    assert body["candidates"][0]["content"]["parts"] == [{"text": "no"}]
    assert body["candidates"][0]["finishReason"] == "SAFETY"
    assert losses == ["/0"]


def test_other_parts_of_an_answer() -> None:
    body, losses = written(
        Image(Media("base64", "aGk=", "image/png")),
        Audio(Media("file_id", "audio_1"), "/1"),
        Opaque("gemini", "executableCode", RAW(b'{"executableCode":{"code":"1"}}')),
        Opaque("anthropic_messages", "x", RAW(b"{}"), "/3"),
        Text("a", "/4", citations=[RAW(b"{}")]),
    )
    assert [list(part) for part in body["candidates"][0]["content"]["parts"]] == [
        ["inlineData"],
        ["executableCode"],
        ["text"],
    ]
    assert losses == ["/1", "/3", "/4/citations"]


def test_counts_that_gemini_does_not_have_are_losses() -> None:
    _, losses = written(Text("a"), usage=Usage(input=1, output=1, cache_write=3), service_tier="scale")
    assert losses == ["/service_tier", "/usage"]


def test_reasoning_that_is_more_than_the_output_leaves_no_negative_count() -> None:
    body, _ = written(Text("a"), usage=Usage(input=1, output=2, reasoning=5))
    assert body["usageMetadata"]["candidatesTokenCount"] == 0


# --------------------------------------------------------------------------------------------------- laws

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
TOKENS = st.none() | st.sampled_from([OWN, FOREIGN])
COUNTS = st.none() | st.integers(0, 1000)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    parts: list[Part] = draw(
        st.lists(
            st.one_of(
                st.builds(Text, WORDS, token=TOKENS),
                st.builds(Reasoning, WORDS, token=TOKENS),
                st.builds(lambda token: Reasoning("", token=token, redacted=True), st.just(FOREIGN)),
                st.builds(
                    ToolCall, st.sampled_from(["a", "call/x"]), st.sampled_from(["f", "1 x", "_x41_"]),
                    st.sampled_from(["{}", '{"a": 1.50}']), token=TOKENS,
                ),
                st.builds(ToolCall, st.just("c"), st.just("sh"), WORDS, custom=st.just(True)),
            ),
            max_size=5,
        )
    )  # fmt: skip
    # Neighbours of one kind without tokens are one part: what streams cannot tell apart.
    parts = [
        part
        for i, part in enumerate(parts)
        if not i or type(part) is not type(parts[i - 1]) or isinstance(part, ToolCall)
    ]
    has_calls = any(isinstance(part, ToolCall) for part in parts)
    stop = draw(st.sampled_from(["tool_calls" if has_calls else "stop", "length", "refusal"]))
    raw = {"length": "MAX_TOKENS", "refusal": "SAFETY"}.get(stop, "STOP")
    output = draw(COUNTS)
    reasoning = None if output is None else draw(st.none() | st.integers(0, output))
    prompt = draw(COUNTS)
    usage = Usage(prompt, output, draw(COUNTS), None, reasoning)
    return Answer(
        source="gemini", choices=[Choice(parts, Stop(stop, raw=raw))], id="r", model="m",
        created=draw(st.none() | st.integers(1, 2**31)),
        usage=draw(st.sampled_from([None, usage])), service_tier=None,
    )  # fmt: skip


@given(answers())
def test_an_answer_that_is_written_reads_as_it_was(whole: Answer) -> None:
    body, losses = encode_answer(whole, AnswerContext())
    types.GenerateContentResponse.model_validate_json(body)
    assert losses == []
    assert placeless(decode_answer(body)) == whole


def test_no_count_is_ever_negative() -> None:
    from gateway_schemas.gemini import UsageMetadata

    assert read_usage(UsageMetadata(prompt_token_count=-5, candidates_token_count=-1)) == Usage(input=0, output=0)
