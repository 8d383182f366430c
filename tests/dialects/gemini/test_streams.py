from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from google.genai import types
from hypothesis import example, given
from hypothesis import strategies as st

from tests.dialects.readers import cut, failure, fed, placeless
from trio_gateway.dialects.conversation import (
    Answer,
    AnswerContext,
    Choice,
    Opaque,
    Part,
    Reasoning,
    Stop,
    Text,
    Token,
    ToolCall,
    Usage,
)
from trio_gateway.dialects.events import (
    AnswerEvent,
    Cite,
    Close,
    Delta,
    End,
    Fail,
    Finish,
    LogprobsDelta,
    Open,
    Ping,
    Sign,
    Start,
    UsageUpdate,
    fold,
)
from trio_gateway.dialects.gemini import decode_answer, new_answer_decoder, new_answer_encoder
from trio_gateway.errors import UpstreamBroke, UpstreamError

RAW = msgspec.Raw
OWN = Token("gemini", "c2ln")
FOREIGN = Token("anthropic_messages", "sig")
CONTEXT = AnswerContext(id="ctx", model="m")


def chunk(*parts: Any, index: int | None = 0, finish: str | None = None, **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {} if index is None else {"index": index}
    if parts:
        candidate["content"] = {"role": "model", "parts": list(parts)}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "responseId": "r", "modelVersion": "v", **more}


def sse(*chunks: Any, end: str = "\r\n\r\n") -> bytes:
    return "".join(f"data: {compact(one)}{end}" for one in chunks).encode()


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def decode(*pieces: bytes) -> list[AnswerEvent]:
    return fed(new_answer_decoder(), *pieces)


def parts_of(events: list[AnswerEvent], choice: int = 0) -> list[Part]:
    return fold(events).choices[choice].parts


CALL = {"functionCall": {"name": "f", "args": {"a": 1}}}
HELLO = sse(chunk({"text": "Hel"}), chunk({"text": "lo"}, finish="STOP"))


# ---------------------------------------------------------------------------------------------- decoding


def test_a_stream_as_a_conversation() -> None:
    decoder = new_answer_decoder()
    usage = {"promptTokenCount": 5, "totalTokenCount": 5, "serviceTier": "standard"}
    assert decoder.feed(sse(chunk({"text": "hm", "thought": True}, usageMetadata=usage))) == [
        Start("r", "v", None, "default"),
        Open(0, "reasoning"),
        Delta(0, "hm"),
        UsageUpdate(Usage(input=5, output=0)),
    ]
    assert decoder.feed(sse(chunk({"text": "Hel"}, usageMetadata=usage))) == [
        Close(0),
        Open(1, "text"),
        Delta(1, "Hel"),
    ]
    assert decoder.feed(sse(chunk({"text": "lo"}))) == [Delta(1, "lo")]
    events = decoder.feed(sse(chunk({**CALL, "thoughtSignature": "c2ln"}, finish="STOP")))
    (opened,) = [event for event in events if isinstance(event, Open)]
    assert events == [
        Close(1),
        Open(2, "call", id=opened.id, name="f"),
        Delta(2, '{"a":1}'),
        Sign(2, OWN),
        Close(2),
    ]
    assert decoder.close() == [Finish(Stop("tool_calls", raw="STOP")), End()]
    assert decoder.close() == decoder.feed(HELLO) == []


def test_text_leaves_with_the_chunk_that_brings_it() -> None:
    decoder = new_answer_decoder()
    data = sse(chunk({"text": "a"}), end="\n\n")
    assert [type(event) for event in decoder.feed(data)] == [Start, Open, Delta]
    assert decoder.feed(data) == [Delta(0, "a")]


@pytest.mark.parametrize("framing", ["sse", "array", "lines"])
def test_every_framing_gives_the_same_events_fed_byte_by_byte(framing: str) -> None:
    chunks = [chunk({"text": "é\u2028\u0085"}), chunk({"text": '"}],\\'}), chunk(CALL, finish="STOP")]
    data = {
        "sse": sse(*chunks),
        "array": json.dumps(chunks, indent=2).encode(),
        "lines": "\n".join(map(compact, chunks)).encode(),
    }[framing]
    expected = decode(sse(*chunks, end="\n\n"))
    assert decode(*[data[i : i + 1] for i in range(len(data))]) == expected
    assert parts_of(expected)[0] == Text('é\u2028\u0085"}],\\')


@pytest.mark.parametrize(
    "error",
    [
        '{\n  "error": {\n    "code": 503,\n    "message": "overloaded {x}",\n    "status": "UNAVAILABLE"\n  }\n}\n',
        '[{\n  "error": {\n    "code": 503,\n    "message": "overloaded {x}",\n    "status": "UNAVAILABLE"\n  }\n}\n]',
        'data: {"error":{"code":503,"message":"overloaded {x}","status":"UNAVAILABLE"}}\n\n',
    ],
)
@pytest.mark.parametrize("text", [b"", sse(chunk({"text": "a"}))])
def test_an_error_in_the_middle_ends_the_stream_at_once(error: str, text: bytes) -> None:
    decoder = new_answer_decoder()
    decoder.feed(text)
    events = decoder.feed(error.encode())
    assert decoder.close() == []
    found = failure(events)
    assert (found.status, found.kind, found.message) == (503, "UNAVAILABLE", "overloaded {x}")


def test_an_error_as_an_item_of_the_array() -> None:
    events = decode(
        b'[{"candidates":[{"content":{"parts":[{"text":"a"}]}}]},\n{"error":{"message":"m","status":"RESOURCE_EXHAUSTED"}}]'
    )
    assert failure(events).status == 429


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"<html>502",
        sse(chunk({"text": "a"})),
        sse(chunk({"text": "a"})) + b'data: {"candi',
        b"data: nonsense\n\n",
        b"[",
        b"[]",
        b'[{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}]',
        sse({"usageMetadata": {"promptTokenCount": 1}}),
        sse(chunk({"text": "a"}, finish="FINISH_REASON_UNSPECIFIED")),
    ],
)
def test_a_stream_without_a_reason_to_stop_is_broken(data: bytes) -> None:
    assert isinstance(failure(decode(data)), UpstreamBroke)


def test_one_candidate_that_never_stopped_breaks_the_whole() -> None:
    assert isinstance(
        failure(decode(sse(chunk({"text": "a"}, finish="STOP"), chunk({"text": "b"}, index=1)))), UpstreamBroke
    )


def test_a_page_in_place_of_a_stream_is_quoted() -> None:
    assert "502 Bad Gateway" in failure(decode(b"<html>\n502 Bad\nGateway")).message


@pytest.mark.parametrize("cut", [13, 14, 15, 26, 28])
def test_how_a_stream_without_an_answer_was_cut_says_nothing(cut: int) -> None:
    stream = b"data: [DONE]\n\n" * 2
    decoder = new_answer_decoder()
    events = decoder.feed(stream[:cut]) + decoder.feed(stream[cut:]) + decoder.close()
    assert failure(events).message == "The provider's stream holds no answer."


def test_a_blocked_prompt_is_a_refusal() -> None:
    events = decode(
        sse({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 3}})
    )
    assert fold(events).choices == [Choice([], Stop("refusal", raw="PROHIBITED_CONTENT"))]


def test_a_fault_without_content_is_an_error_and_with_content_a_reason() -> None:
    assert failure(decode(sse(chunk(finish="MALFORMED_FUNCTION_CALL")))).code == "MALFORMED_FUNCTION_CALL"
    events = decode(sse(chunk({"text": "a"}), chunk(finish="MALFORMED_FUNCTION_CALL")))
    assert fold(events).choices[0].stop == Stop("error", raw="MALFORMED_FUNCTION_CALL")


def test_what_comes_after_the_reason_still_counts() -> None:
    events = decode(
        sse(
            chunk({"text": "a"}, finish="STOP"),
            chunk({"text": "", "thoughtSignature": "c2ln"}),
            {"usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2}},
        )
    )
    whole = fold(events)
    assert whole.choices == [Choice([Text("a"), Text("", token=OWN)], Stop("stop", raw="STOP"))]
    assert whole.usage == Usage(input=1, output=2)
    assert isinstance(events[-2], Finish)


def test_empty_texts_say_nothing() -> None:
    events = decode(sse(chunk({"text": ""}), chunk({"text": "a"}), chunk({"text": ""}, finish="STOP")))
    assert parts_of(events) == [Text("a")]


def test_other_lines_and_a_terminal_marker_are_passed_over() -> None:
    assert decode(b": ping\n\n" + HELLO + b"data: [DONE]\n\n") == decode(HELLO)


def test_candidates_are_told_apart() -> None:
    both = {
        "candidates": [
            {"index": 1, "content": {"parts": [{"text": "b"}]}},
            {"index": 0, "content": {"parts": [{"text": "a"}]}},
        ]
    }
    events = decode(sse(both, both, chunk(CALL, finish="STOP"), chunk(CALL, index=1, finish="MAX_TOKENS")))
    whole = fold(events)
    assert [choice.parts[0] for choice in whole.choices] == [Text("aa"), Text("bb")]
    assert [choice.stop and choice.stop.reason for choice in whole.choices] == ["tool_calls", "length"]
    ids = [part.id for choice in whole.choices for part in choice.parts if isinstance(part, ToolCall)]
    assert len(set(ids)) == 2


def test_losses_are_told_once() -> None:
    decoder = new_answer_decoder()
    one = chunk({"text": "a"}, usageMetadata={"promptTokensDetails": []})
    one["candidates"][0]["safetyRatings"] = [{}]
    one["novel"] = 1
    for _ in range(3):
        decoder.feed(sse(one))
    assert sorted(loss.pointer for loss in decoder.losses) == [
        "/candidates/0/safetyRatings",
        "/novel",
        "/usageMetadata/promptTokensDetails",
    ]


def test_a_foreign_signature_is_of_the_text_before_it() -> None:
    encoder = new_answer_encoder(CONTEXT)
    told = [Start(), Open(0, "reasoning"), Delta(0, "hm"), Sign(0, FOREIGN), Close(0), Finish(Stop("stop")), End()]
    assert parts_of(decode(encoder.feed(told))) == [Reasoning("hm", token=FOREIGN)]


# --------------------------------------------------------------------------------- arguments in fragments


def fragment(path: str, text: str, *, more: bool = False, **also: Any) -> dict[str, Any]:
    piece: dict[str, Any] = {"jsonPath": path, "stringValue": text}
    return {
        "functionCall": {
            "partialArgs": [piece | ({"willContinue": True} if more else {})],
            "willContinue": True,
            **also,
        }
    }


BEGIN = {"functionCall": {"name": "f", "willContinue": True}, "thoughtSignature": "c2ln"}
PIECES = [fragment("$.location", "Bos", more=True), fragment("$.location", "ton"), fragment("$.days[0]", "mon")]
WHOLE = '{"location":"Boston","days":["mon"]}'


@pytest.mark.parametrize(
    ("chunks", "count"),
    [
        ([chunk(BEGIN), *map(chunk, PIECES), chunk({"functionCall": {}}), chunk(finish="STOP")], 1),
        ([chunk(BEGIN), *map(chunk, PIECES), chunk(finish="STOP")], 1),
        ([chunk(BEGIN, *PIECES, {"functionCall": {}}, finish="STOP")], 1),
        ([chunk(BEGIN), *map(chunk, PIECES), chunk(BEGIN), *map(chunk, PIECES), chunk(finish="STOP")], 2),
        ([chunk(BEGIN), *map(chunk, PIECES), chunk(CALL, finish="STOP")], 2),
    ],
    ids=["terminated", "no terminator", "one chunk", "ended by the next", "ended by a whole one"],
)
def test_fragments_become_one_call(chunks: list[Any], count: int) -> None:
    found = parts_of(decode(sse(*chunks)))
    assert len(found) == count
    assert isinstance(found[0], ToolCall)
    assert (found[0].name, found[0].arguments, found[0].token) == ("f", WHOLE, OWN)


@pytest.mark.parametrize(
    "ending",
    [
        [chunk(finish="MAX_TOKENS")],
        [chunk({"text": "a"}), chunk(finish="STOP")],
        [chunk(fragment("nonsense", "x")), chunk({"functionCall": {}}), chunk(finish="STOP")],
    ],
    ids=["cut off", "text instead of an end", "a fragment that fits nowhere"],
)
def test_arguments_that_are_not_whole_are_no_json(ending: list[Any]) -> None:
    (call, *_) = parts_of(decode(sse(chunk(BEGIN), *map(chunk, PIECES), *ending)))
    assert isinstance(call, ToolCall)
    assert call.arguments == WHOLE[:-1]


def test_a_fragment_of_nothing_is_passed_over_and_said() -> None:
    decoder = new_answer_decoder()
    events = decoder.feed(sse(chunk({"text": "a"}), chunk({"functionCall": {}}, finish="STOP"))) + decoder.close()
    assert parts_of(events) == [Text("a")]
    assert len(decoder.losses) == 1


# ---------------------------------------------------------------------------------------------- encoding


def told(*events: AnswerEvent) -> list[AnswerEvent]:
    return [Start("id", "gpt"), *events]


def frames(data: bytes) -> list[Any]:
    found = [json.loads(line.removeprefix(b"data: ")) for line in data.split(b"\n\n") if line]
    for frame in found:
        if "error" not in frame:
            types.GenerateContentResponse.model_validate(frame)
    return found


def encoded(*events: AnswerEvent) -> list[Any]:
    encoder = new_answer_encoder(CONTEXT)
    return frames(encoder.feed(list(events)) + encoder.close())


def test_a_stream_for_a_client() -> None:
    found = encoded(
        *told(
            Ping(),
            Open(0, "text"),
            Delta(0, "Hé"),
            Close(0),
            Open(1, "call", id="c1", name="f"),
            Delta(1, '{"a":'),
            Delta(1, " 1.50}"),
            Sign(1, OWN),
            Close(1),
            UsageUpdate(Usage(input=3)),
            Finish(Stop("tool_calls")),
            UsageUpdate(Usage(output=4, reasoning=1)),
            End(),
        )
    )
    tail = {"modelVersion": "gpt", "responseId": "id"}
    call = {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1.5}}, "thoughtSignature": "c2ln"}
    assert found == [
        {"candidates": [{"content": {"parts": [{"text": "Hé"}], "role": "model"}, "index": 0}], **tail},
        {"candidates": [{"content": {"parts": [call], "role": "model"}, "index": 0}], **tail},
        {
            "candidates": [{"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {
                "promptTokenCount": 3, "candidatesTokenCount": 3, "thoughtsTokenCount": 1, "totalTokenCount": 7,
            },
            **tail,
        },
    ]  # fmt: skip


def test_a_delta_leaves_at_once_and_the_bytes_are_exact() -> None:
    encoder = new_answer_encoder(CONTEXT)
    encoder.feed([Start("id", "gpt", 1795341600), Open(0, "text", choice=1)])
    assert encoder.feed([Delta(0, 'a"\n')]) == (
        b'data: {"candidates":[{"content":{"parts":[{"text":"a\\"\\n"}],"role":"model"},"index":1}],'
        b'"modelVersion":"gpt","responseId":"id","createTime":"2026-11-22T10:00:00Z"}\n\n'
    )


def test_the_array_is_json_as_a_whole() -> None:
    events = told(Open(0, "text"), Delta(0, "a"), Close(0), Finish(Stop("stop")), End())
    encoder = new_answer_encoder(AnswerContext(array=True))
    data = b"".join(encoder.feed([event]) for event in events) + encoder.close()
    assert len(json.loads(data)) == 2
    assert parts_of(decode(data)) == [Text("a")]


@pytest.mark.parametrize("array", [False, True])
def test_a_failure_is_an_error_frame_and_nothing_more(array: bool) -> None:
    encoder = new_answer_encoder(AnswerContext(array=array))
    data = encoder.feed([*told(Open(0, "text"), Delta(0, "a")), Fail(UpstreamError("m", status=529)), Delta(0, "b")])
    data += encoder.feed([End()]) + encoder.close()
    found = json.loads(data) if array else frames(data)
    assert len(found) == 2
    assert found[1]["error"] == {"code": 503, "message": "m", "status": "UNAVAILABLE"}
    assert failure(decode(data)).message == "m"


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize("events", [[], [Start()], told(Open(0, "text"), Delta(0, "a"), Finish(Stop("stop")))])
def test_closing_without_an_end_is_an_error(events: list[AnswerEvent], array: bool) -> None:
    encoder = new_answer_encoder(AnswerContext(array=array))
    data = encoder.feed(events) + encoder.close()
    assert encoder.close() == b""
    assert failure(decode(data)).status == 502
    if array:
        json.loads(data)


def test_a_call_whose_arguments_are_no_object_is_left_out_and_said() -> None:
    encoder = new_answer_encoder(CONTEXT)
    events = told(Open(0, "call", id="a", name="f"), Delta(0, '{"a"'), Close(0), Finish(Stop("tool_calls")), End())
    (last,) = frames(encoder.feed(events))
    assert last["candidates"][0]["finishReason"] == "MALFORMED_FUNCTION_CALL"
    assert [loss.pointer for loss in encoder.losses] == ["/choices/0", "/stop"]


def test_line_ends_in_somebody_s_json_do_not_end_the_event() -> None:
    raw = RAW(b'{\r\n"executableCode": {\n\n}}')
    encoder = new_answer_encoder(CONTEXT)
    data = encoder.feed(
        told(
            Open(0, "call", id="a", name="f"),
            Delta(0, '{\n\n"a": "x\\n"\r}'),
            Close(0),
            Open(1, "opaque", tag="executableCode", raw=raw, dialect="gemini"),
            Close(1),
        )
    )
    call, code = (frame["candidates"][0]["content"]["parts"][0] for frame in frames(data))
    assert call["functionCall"]["args"] == {"a": "x\n"}
    assert code == {"executableCode": {}}


def test_interleaved_calls_come_out_one_by_one() -> None:
    found = encoded(
        *told(
            Open(0, "call", id="a", name="f"),
            Open(1, "call", id="b", name="g"),
            Delta(0, '{"x":'),
            Delta(1, "{"),
            Delta(0, "1}"),
            Delta(1, "}"),
            Close(0),
            Close(1),
            Finish(Stop("tool_calls")),
            End(),
        )
    )
    calls = [frame["candidates"][0]["content"]["parts"][0]["functionCall"] for frame in found[:2]]
    assert calls == [{"id": "a", "name": "f", "args": {"x": 1}}, {"id": "b", "name": "g", "args": {}}]


def test_what_a_client_of_gemini_cannot_be_told_is_a_loss_once() -> None:
    encoder = new_answer_encoder(CONTEXT)
    raw = RAW(b'{"executableCode":{"code":"1"}}')
    encoder.feed(
        told(
            Open(0, "opaque", tag="x", raw=RAW(b"{}"), dialect="anthropic_messages"),
            Close(0),
            Open(1, "text"),
            Cite(1, RAW(b"{}")),
            Cite(1, RAW(b"{}")),
            Close(1),
        )
    )
    assert b"executableCode" in encoder.feed(
        [Open(2, "opaque", tag="executableCode", raw=raw, dialect="gemini"), Close(2)]
    )
    assert b"no" in encoder.feed([Open(3, "refusal"), Delta(3, "no"), Close(3)])
    last = frames(encoder.feed([Finish(Stop("stop")), End()]))[-1]
    assert last["candidates"][0]["finishReason"] == "SAFETY"
    assert len(encoder.losses) == 3


def test_logprobs_are_a_chunk_of_their_own() -> None:
    raw = RAW(b'{"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}],"refusal":null}')
    found = encoded(*told(Open(0, "text"), Delta(0, "a"), LogprobsDelta(raw), Close(0), Finish(Stop("stop")), End()))
    assert found[1]["candidates"] == [
        {
            "index": 0,
            "logprobsResult": {
                "chosenCandidates": [{"token": "a", "logProbability": -0.5}],
                "topCandidates": [{"candidates": []}],
            },
        }
    ]


# -------------------------------------------------------------------------------------------------- laws

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)
WIRE_PARTS = st.one_of(
    st.builds(lambda text: {"text": text}, WORDS),
    st.builds(lambda text: {"text": text, "thought": True}, WORDS),
    st.builds(lambda text: {"text": text, "thoughtSignature": "c2ln"}, st.just("") | WORDS),
    st.builds(
        lambda id_: {"functionCall": {"name": "f", "args": {"a": [1.5, "{"]}} | id_}, st.sampled_from([{}, {"id": "x"}])
    ),
    st.just({"executableCode": {"code": "1", "language": "PYTHON"}}),
)
STREAMS = st.lists(st.lists(WIRE_PARTS, max_size=3), min_size=1, max_size=5)
PLACES = st.lists(st.integers(0, 5000), max_size=6)


def chunks_of(stream: list[list[Any]]) -> list[Any]:
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7}
    return [chunk(*parts) for parts in stream] + [chunk({"text": "end"}, finish="STOP", usageMetadata=usage)]


@given(STREAMS, PLACES, st.sampled_from(["\r\n\r\n", "\n\n", "array"]))
def test_cutting_a_stream_anywhere_changes_nothing(stream: list[list[Any]], places: list[int], end: str) -> None:
    chunks = chunks_of(stream)
    data = compact(chunks).replace("},{", "},\r\n{").encode() if end == "array" else sse(*chunks, end=end)
    assert decode(*cut(data, places)) == decode(sse(*chunks))


@given(STREAMS)
def test_a_stream_amounts_to_the_answer_that_was_not_streamed(stream: list[list[Any]]) -> None:
    chunks = chunks_of(stream)
    whole = chunks[-1] | chunk(*[part for parts in stream for part in parts], {"text": "end"}, finish="STOP")
    streamed = fold(decode(sse(*chunks)), "gemini")
    assert streamed == placeless(decode_answer(compact(whole).encode()))


@given(STREAMS, st.booleans())
def test_what_is_encoded_decodes_to_the_same_answer(stream: list[list[Any]], array: bool) -> None:
    events = decode(sse(*chunks_of(stream)))
    encoder = new_answer_encoder(AnswerContext(array=array))
    data = encoder.feed(events) + encoder.close()
    again = fold(decode(data))
    expected = fold(events)
    # A signature of Google's follows in an empty part of its own: that is where its text stays unsigned.
    assert _unsigned(again) == _unsigned(expected)
    assert (again.usage, again.choices[0].stop) == (expected.usage, expected.choices[0].stop)


def _unsigned(answer: Answer) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for part in answer.choices[0].parts:
        kind = type(part).__name__
        text = part.text if isinstance(part, Text | Reasoning) else part.arguments if isinstance(part, ToolCall) else ""
        if isinstance(part, Opaque):
            text = compact(json.loads(bytes(part.raw)))
        if found and found[-1][0] == kind and isinstance(part, Text | Reasoning):
            found[-1] = (kind, found[-1][1] + text)
        elif text:
            found.append((kind, text))
    return found


@given(STREAMS, st.lists(st.integers(0, 50), max_size=5))
def test_feeding_an_encoder_in_any_grouping_gives_the_same_bytes(stream: list[list[Any]], places: list[int]) -> None:
    events = decode(sse(*chunks_of(stream)))
    at_once, grouped = new_answer_encoder(CONTEXT), new_answer_encoder(CONTEXT)
    edges = [0, *sorted(place % (len(events) + 1) for place in places), len(events)]
    assert b"".join(grouped.feed(events[a:b]) for a, b in pairwise(edges)) == at_once.feed(events)


@given(STREAMS, st.integers(0, 60))
def test_any_beginning_of_a_stream_ends_in_exactly_one_way(stream: list[list[Any]], length: int) -> None:
    data = sse(*chunks_of(stream))
    events = decode(data[: len(data) * length // 60])
    assert sum(isinstance(event, End | Fail) for event in events) == 1
    assert isinstance(events[-1], End | Fail)
    whole = decode(data)
    if isinstance(events[-1], Fail):
        assert events[:-1] == whole[: len(events) - 1]
    encoder = new_answer_encoder(CONTEXT)
    found = frames(encoder.feed(events) + encoder.close())
    assert ("error" in found[-1]) is isinstance(events[-1], Fail)


@given(
    st.lists(st.binary(max_size=30) | st.sampled_from([b"data: ", b"\n\n", b"[", b"{", b'"', b"}", HELLO]), max_size=6)
)
@example([b'data: {"candidates":[{"content":{"parts":[{"text":"\xff"}]}}]}\n\n'])
@example([b'data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":"\xff"}}}]}}]}\n\n'])
@example([b"data: " + b"[" * 5000 + b"\n\n"])
@example([b"{" * 5000])
def test_no_bytes_raise_and_every_stream_ends_once(pieces: list[bytes]) -> None:
    events = decode(*pieces)
    assert sum(isinstance(event, End | Fail) for event in events) == 1


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["text", "functionCall", "name", "args", "partialArgs", "jsonPath", "stringValue",
                             "numberValue", "willContinue", "thought", "thoughtSignature", "inlineData", "other"]),
            inner, max_size=4,
        )
    ),
    max_leaves=10,
)  # fmt: skip


@given(st.lists(ANYTHING, max_size=3))
@example([{"functionCall": {"name": "f", "args": [1]}}])
def test_no_parts_raise_and_their_events_keep_the_grammar(parts: list[Any]) -> None:
    events = decode(sse(chunk(*parts), chunk(finish="STOP")))
    assert sum(isinstance(event, End | Fail) for event in events) == 1
    open_parts: set[int] = set()
    for event in events:
        if isinstance(event, Open):
            assert not open_parts
            open_parts.add(event.key)
        elif isinstance(event, Delta | Sign):
            assert event.key in open_parts
            assert not isinstance(event, Delta) or event.text
        elif isinstance(event, Close):
            open_parts.remove(event.key)
    if isinstance(events[-1], End):
        fold(events)
    encoder = new_answer_encoder(CONTEXT)
    for frame in (encoder.feed(events) + encoder.close()).split(b"\n\n")[:-1]:
        json.loads(frame.removeprefix(b"data: "))
