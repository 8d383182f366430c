import json
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given
from openai.types.chat import ChatCompletionChunk

from trio_gateway.dialects.conversation import Answer, AnswerContext, Choice, Stop, Token, Usage
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
from trio_gateway.dialects.openai_chat import AnswerDecoder, AnswerEncoder, decode_answer, encode_answer
from trio_gateway.errors import UpstreamError

CONTEXT = AnswerContext(id="g1", created=7, model="asked")
START = Start("msg_1", "m", 5)
STOP = Finish(Stop("stop"))


def write(*events: AnswerEvent, context: AnswerContext = CONTEXT) -> tuple[list[Any], list[str]]:
    """Return the data of every event that is written, checked against the SDK's type, and the losses' reasons."""
    encoder = AnswerEncoder(context)
    stream = encoder.feed(list(events)) + encoder.close()
    assert stream.endswith(b"\n\n")
    frames = [frame.removeprefix(b"data: ") for frame in stream.split(b"\n\n")[:-1]]
    for frame in frames:
        if frame != b"[DONE]" and b'"custom"' not in frame and not frame.startswith(b'{"error"'):
            ChatCompletionChunk.model_validate_json(frame, strict=True)
    found = ["[DONE]" if frame == b"[DONE]" else json.loads(frame) for frame in frames]
    return found, [loss.reason for loss in encoder.losses]


def deltas(*events: AnswerEvent) -> list[dict[str, Any]]:
    """Return the deltas between the role chunk and the finish chunk."""
    frames, _ = write(START, *events, STOP, End())
    assert frames[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert frames[-2]["choices"][0]["delta"] == {}
    return [frame["choices"][0]["delta"] for frame in frames[1:-2]]


def part(key: int, kind: Any, *inside: AnswerEvent, **fields: Any) -> list[AnswerEvent]:
    return [Open(key, kind, **fields), *inside, Close(key)]


def test_a_text_is_role_deltas_finish_and_done() -> None:
    frames, losses = write(START, *part(0, "text", Delta(0, 'a"'), Delta(0, "é\n")), STOP, End())
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 5, "model": "m"}

    def frame(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return head | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    role = {"role": "assistant", "content": "", "refusal": None}
    assert frames == [frame(role), frame({"content": 'a"'}), frame({"content": "é\n"}), frame({}, "stop"), "[DONE]"]
    assert losses == []


def test_what_the_source_does_not_say_the_context_says() -> None:
    frames, _ = write(Start(), STOP, End())
    assert (frames[0]["id"], frames[0]["created"], frames[0]["model"]) == ("chatcmpl-g1", 7, "asked")


def test_a_delta_leaves_at_once() -> None:
    encoder = AnswerEncoder(CONTEXT)
    encoder.feed([START, Open(0, "text")])
    assert b'"content":"a"' in encoder.feed([Delta(0, "a")])


def test_calls_count_from_zero_whatever_came_before() -> None:
    assert deltas(
        *part(4, "text", Delta(4, "t")),
        *part(5, "call", Delta(5, "{"), Delta(5, "}"), id="toolu_1", name="f"),
        *part(6, "call", id="", name="g"),
    ) == [
        {"content": "t"},
        {"tool_calls": [{"index": 0, "id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]},
        {
            "tool_calls": [
                {"index": 1, "id": "call_0_1", "type": "function", "function": {"name": "g", "arguments": ""}}
            ]
        },
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
    ]


def test_calls_that_alternate_keep_their_index() -> None:
    told = deltas(Open(0, "call", id="a", name="f"), Open(1, "call", id="b", name="g"), Delta(1, "1"), Delta(0, "0"))
    assert [delta["tool_calls"][0]["index"] for delta in told] == [0, 1, 1, 0]


def test_custom_calls_are_told_as_input() -> None:
    assert deltas(*part(0, "custom_call", Delta(0, "ls"), id="a", name="sh"))[1:] == [
        {"tool_calls": [{"index": 0, "custom": {"input": "ls"}}]}
    ]


def test_a_signed_thought_is_told_once_more_and_whole_beside_its_token() -> None:
    token = Token("anthropic_messages", "S")
    assert deltas(*part(0, "reasoning", Delta(0, "a"), Delta(0, "b"), Sign(0, token))) == [
        {"reasoning_content": "a"},
        {"reasoning_content": "b"},
        {
            "reasoning_details": [
                {"type": "reasoning.text", "text": "ab", "signature": "trio:anthropic_messages:S", "index": 0}
            ]
        },
    ]


def test_a_plain_thought_needs_no_details() -> None:
    assert deltas(*part(0, "reasoning", Delta(0, "a"))) == [{"reasoning_content": "a"}]


def test_once_one_thought_is_in_the_details_every_one_is() -> None:
    told = deltas(
        *part(0, "reasoning", Delta(0, "a")),
        *part(1, "redacted", Sign(1, Token("anthropic_messages", "R"))),
        *part(2, "reasoning", Delta(2, "b")),
    )
    details = [delta["reasoning_details"][0] for delta in told if "reasoning_details" in delta]
    assert details == [
        {"type": "reasoning.text", "text": "a", "index": 0},
        {"type": "reasoning.encrypted", "data": "trio:anthropic_messages:R", "index": 1},
        {"type": "reasoning.text", "text": "b", "index": 2},
    ]


def test_a_calls_token_is_extra_content() -> None:
    told = deltas(*part(0, "call", Delta(0, "{}"), Sign(0, Token("gemini", "Zm9v")), id="a", name="f"))
    assert told[-1] == {
        "tool_calls": [
            {
                "index": 0,
                "function": {"arguments": ""},
                "extra_content": {"google": {"thought_signature": "trio:gemini:Zm9v"}},
            }
        ]
    }


def test_web_citations_become_annotations_of_their_text() -> None:
    web = msgspec.Raw(b'{"type":"web_search_result_location","url":"u","title":"t"}')
    told = deltas(*part(0, "text", Delta(0, "één ")), *part(1, "text", Delta(1, "deux"), Cite(1, web)))
    citation = {"start_index": 4, "end_index": 8, "title": "t", "url": "u"}
    assert told[-1] == {"annotations": [{"type": "url_citation", "url_citation": citation}]}


def test_usage_is_told_to_who_asked_for_it() -> None:
    context = AnswerContext(include_usage=True)
    counts = [UsageUpdate(Usage(9, 1, 2)), STOP, UsageUpdate(Usage(output=4)), End()]
    frames, _ = write(START, *counts, context=context)
    assert [frame["usage"] for frame in frames[:-2]] == [None, None]
    assert frames[-2]["choices"] == []
    assert frames[-2]["usage"] == {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "total_tokens": 13,
        "prompt_tokens_details": {"cached_tokens": 2},
    }
    frames, _ = write(START, *counts)
    assert not any("usage" in frame for frame in frames[:-1])


def test_unknown_usage_is_not_told() -> None:
    frames, _ = write(START, STOP, End(), context=AnswerContext(include_usage=True))
    assert [frame["usage"] for frame in frames[:-1]] == [None, None]


@pytest.mark.parametrize(
    ("stop", "called", "finish"),
    [
        (Stop("stop"), True, "tool_calls"),
        (Stop("length"), True, "length"),
        (Stop("refusal"), True, "content_filter"),
        (Stop("stop_sequence"), False, "stop"),
        (Stop("other", raw="new"), False, "stop"),
    ],
)
def test_finish_reasons_are_written(stop: Stop, called: bool, finish: str) -> None:
    opened = part(0, "call", Delta(0, "{}"), id="a", name="f") if called else []
    frames, _ = write(START, *opened, Finish(stop), Finish(stop), End())
    reasons = [frame["choices"][0]["finish_reason"] for frame in frames[:-1]]
    assert [reason for reason in reasons if reason] == [finish]


def test_a_refusal_without_text_tells_its_explanation() -> None:
    frames, losses = write(START, Finish(Stop("refusal", detail="policy")), End())
    assert frames[1]["choices"][0]["delta"] == {"refusal": "policy"}
    assert losses == []
    assert deltas(*part(0, "refusal", Delta(0, "no"))) == [{"refusal": "no"}]


def test_choices_have_their_own_role_and_finish() -> None:
    frames, _ = write(
        START,
        *part(0, "text", Delta(0, "b"), choice=1),
        *part(1, "text", Delta(1, "a")),
        Finish(Stop("stop"), 1),
        Finish(Stop("length"), 0),
        End(),
    )
    told = [(frame["choices"][0]["index"], frame["choices"][0]["finish_reason"]) for frame in frames[:-1]]
    assert told == [(1, None), (1, None), (0, None), (0, None), (1, "stop"), (0, "length")]


def test_logprobs_go_through() -> None:
    logprobs = msgspec.Raw(b'{"content":[{"token":"a","logprob":-1.0,"bytes":null,"top_logprobs":[]}],"refusal":null}')
    frames, _ = write(START, *part(0, "text", Delta(0, "a"), LogprobsDelta(logprobs)), STOP, End())
    assert frames[2]["choices"][0]["logprobs"]["content"][0]["token"] == "a"


def test_what_chat_cannot_tell_is_a_loss() -> None:
    _, losses = write(
        Start(service_tier="ultrafast"),
        *part(0, "opaque", tag="server_tool_use"),
        *part(1, "text", Delta(1, "a"), Sign(1, Token("gemini", "t")), Cite(1, msgspec.Raw(b"{}"))),
        *part(2, "text", Delta(2, "b")),
        *part(3, "call", id="a", name="f"),
        *part(4, "text", Delta(4, "c")),
        *part(5, "reasoning", Delta(5, "d")),
        *part(6, "redacted"),
        Finish(Stop("pause", raw="pause_turn")),
        End(),
    )
    assert len(losses) == 10


def test_a_text_without_a_word_is_not_out_of_its_place() -> None:
    mark = Sign(1, Token("gemini", "t"))
    _, losses = write(START, *part(0, "text", Delta(0, "a")), *part(1, "text", mark), STOP, End())
    assert losses == ["Chat's texts carry no reasoning token"]
    assert write(START, *part(0, "text"), *part(1, "reasoning", Delta(1, "b")), STOP, End())[1] == []


def test_a_text_that_is_still_open_is_before_what_follows() -> None:
    _, losses = write(START, Open(0, "text"), Delta(0, "a"), *part(1, "text", Delta(1, "b")), Close(0), STOP, End())
    assert losses == ["Chat has one text in a message: this one is joined to the one before"]


def test_a_failure_is_an_error_and_nothing_after_it() -> None:
    error = UpstreamError("busy", status=529, kind="overloaded_error")
    frames, _ = write(START, Open(0, "text"), Delta(0, "a"), Fail(error), Delta(0, "b"), End())
    assert frames[-1] == {
        "error": {"message": "busy", "type": "service_unavailable_error", "param": None, "code": None}
    }
    assert "[DONE]" not in frames


def test_an_answer_that_breaks_off_is_an_error_and_no_clean_finish() -> None:
    frames, _ = write(START, Open(0, "text"), Delta(0, "a"))
    assert frames[-1]["error"]["code"] == "upstream_broke"


def test_nothing_follows_the_end() -> None:
    encoder = AnswerEncoder(CONTEXT)
    encoder.feed([START, STOP, End()])
    assert encoder.feed([Open(0, "text"), Delta(0, "a")]) == encoder.close() == b""


TEXTS = st.text(min_size=1, max_size=5)
TOKENS = st.none() | st.builds(Token, st.sampled_from(["openai_chat", "anthropic_messages"]), TEXTS)


@st.composite
def told(draw: st.DrawFn) -> list[AnswerEvent]:
    """Events of an answer that Chat can hold; its calls may be told in turns."""
    events: list[AnswerEvent] = [Start("chatcmpl-1", "m", 5)]
    key = 0
    for kind, most in (("reasoning", 2), ("redacted", 1), ("text", 1), ("refusal", 1)):
        for _ in range(draw(st.integers(0, most))):
            pieces = [] if kind == "redacted" else draw(st.lists(TEXTS, min_size=1, max_size=3))
            token = draw(TOKENS) if kind == "reasoning" else None
            if kind == "redacted":
                token = Token("anthropic_messages", "R")
            signed: list[AnswerEvent] = [Sign(key, token)] if token else []
            events += part(key, kind, *[Delta(key, piece) for piece in pieces], *signed)
            key += 1
        events += [Ping()] * draw(st.integers(0, 1))
    keys = [key + position for position in range(draw(st.integers(0, 3)))]
    events += [Open(each, "call", id=f"id{each}", name="f") for each in keys]
    for each in draw(st.lists(st.sampled_from(keys), max_size=5)) if keys else ():
        events.append(Delta(each, draw(TEXTS)))
    events += [Close(each) for each in keys]
    reason = "tool_calls" if keys else draw(st.sampled_from(["stop", "length"]))
    usage = draw(st.none() | st.builds(Usage, st.integers(0, 9), st.integers(0, 9), st.none() | st.integers(0, 9)))
    events.append(Finish(Stop(reason, raw=reason)))
    return [*events, *([UsageUpdate(usage)] if usage else []), End()]


def read(stream: bytes) -> Answer:
    decoder = AnswerDecoder()
    return fold(decoder.feed(stream) + decoder.close(), "openai_chat")


@given(told())
def test_what_is_written_is_read_again(events: list[AnswerEvent]) -> None:
    encoder = AnswerEncoder(AnswerContext(include_usage=True))
    assert read(encoder.feed(events)) == fold(events, "openai_chat")
    assert encoder.losses == []


@given(told())
def test_a_stream_tells_what_the_whole_answer_says(events: list[AnswerEvent]) -> None:
    streamed = read(AnswerEncoder(AnswerContext(include_usage=True)).feed(events))
    whole = decode_answer(encode_answer(fold(events), AnswerContext())[0])
    for choice in whole.choices:
        for each in choice.parts:
            each.at = ""
    assert streamed == whole


@given(told(), st.integers(1, 5))
def test_bytes_do_not_depend_on_how_events_are_grouped(events: list[AnswerEvent], size: int) -> None:
    whole, grouped = AnswerEncoder(CONTEXT), AnswerEncoder(CONTEXT)
    groups = [events[i : i + size] for i in range(0, len(events), size)]
    assert b"".join(grouped.feed(group) for group in groups) == whole.feed(events)


@given(told(), st.data())
def test_every_prefix_ends_in_an_error_or_done(events: list[AnswerEvent], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(events)))
    encoder = AnswerEncoder(CONTEXT)
    stream = encoder.feed(events[:cut]) + encoder.close()
    assert stream.endswith(b"data: [DONE]\n\n") is (cut == len(events))
    assert stream.count(b'data: {"error"') == (cut != len(events))


def test_an_answer_in_choices_folds_to_the_same_choice() -> None:
    events: list[AnswerEvent] = [START, *part(0, "text", Delta(0, "a")), STOP, End()]
    assert read(AnswerEncoder(CONTEXT).feed(events)).choices == [
        Choice([*fold(events).choices[0].parts], Stop("stop", raw="stop"))
    ]
