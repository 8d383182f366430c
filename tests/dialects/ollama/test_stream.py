from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

import ollama as sdk
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Raw

from tests.dialects.readers import failure, fed, placeless
from trio_gateway.dialects.conversation import (
    Answer,
    AnswerContext,
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
from trio_gateway.dialects.framing import MAX_EVENT_BYTES
from trio_gateway.dialects.ollama import AnswerDecoder, AnswerEncoder, decode_answer, encode_answer
from trio_gateway.errors import UpstreamBroke, UpstreamError

TIME = "2026-08-21T08:52:19.385406455Z"
CONTEXT = AnswerContext(created=1787302339, model="ours")


def line(done: bool = False, **fields: Any) -> bytes:
    message = {name: fields.pop(name) for name in ("content", "thinking", "tool_calls", "images") if name in fields}
    body = {"model": "m", "created_at": TIME, "message": {"role": "assistant", "content": ""} | message, "done": done}
    return json.dumps(body | fields, ensure_ascii=False).encode() + b"\n"


LAST = line(done=True, done_reason="stop", prompt_eval_count=26, eval_count=3)
STREAM = (
    line(thinking="h"),
    line(thinking="m"),
    line(content="Hé\u2028"),
    line(content="llo"),
    line(tool_calls=[{"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}]),
    line(tool_calls=[{"id": "b", "function": {"name": "f", "arguments": {}}}]),
    LAST,
)
EVENTS = [
    Start(None, "m", 1787302339),
    Open(0, "reasoning"),
    Delta(0, "h"),
    Delta(0, "m"),
    Close(0),
    Open(1, "text"),
    Delta(1, "Hé\u2028"),
    Delta(1, "llo"),
    Close(1),
    Open(2, "call", id="a", name="f"),
    Delta(2, '{"x": 1}'),
    Close(2),
    Open(3, "call", id="b", name="f"),
    Delta(3, "{}"),
    Close(3),
    UsageUpdate(Usage(26, 3)),
    Finish(Stop("tool_calls", raw="stop")),
    End(),
]


def decode(*chunks: bytes) -> list[AnswerEvent]:
    return fed(AnswerDecoder(), *chunks)


def test_a_stream_is_told_as_events() -> None:
    assert decode(*STREAM) == EVENTS


def test_every_line_is_told_at_once() -> None:
    decoder = AnswerDecoder()
    assert decoder.feed(STREAM[0]) == EVENTS[:3]
    assert decoder.feed(STREAM[1]) == EVENTS[3:4]


@given(st.lists(st.integers(0, len(b"".join(STREAM)))))
def test_it_does_not_matter_where_the_bytes_are_split(cuts: list[int]) -> None:
    whole = b"".join(STREAM)
    places = [0, *sorted(cuts), len(whole)]
    assert decode(*(whole[start:end] for start, end in itertools.pairwise(places))) == EVENTS


def test_byte_by_byte_is_fine_too() -> None:
    assert decode(*(bytes([byte]) for byte in b"".join(STREAM))) == EVENTS


def test_line_ends_of_windows_a_bom_blank_lines_and_a_missing_last_newline_are_tolerated() -> None:
    stream = b"\xef\xbb\xbf" + b"\r\n\n".join(part.rstrip() for part in STREAM)
    assert decode(stream) == EVENTS


def test_nothing_is_told_after_the_end() -> None:
    decoder = AnswerDecoder()
    assert decoder.feed(LAST + STREAM[0])[-1] == End()
    assert decoder.feed(STREAM[0]) == []
    assert decoder.close() == []


def test_a_last_line_with_text_and_without_a_message_are_both_fine() -> None:
    assert Delta(0, "x") in decode(line(done=True, content="x"))
    assert decode(b'{"done":true}') == [Start(), Finish(Stop("stop")), End()]


def test_an_end_without_counts_leaves_usage_unknown() -> None:
    assert not any(isinstance(event, UsageUpdate) for event in decode(line(done=True)))


def test_an_error_line_ends_the_stream() -> None:
    error = failure(decode(STREAM[2], b'{"error":"an error was encountered while running the model"}\n', LAST))
    assert str(error) == "an error was encountered while running the model"


def test_an_end_without_the_last_line_is_a_failure() -> None:
    assert isinstance(failure(decode()), UpstreamBroke)
    assert isinstance(failure(decode(b"", b"\n")), UpstreamBroke)
    assert isinstance(failure(decode(STREAM[2])), UpstreamBroke)
    assert isinstance(failure(decode(STREAM[2], LAST[:-10])), UpstreamBroke)


@pytest.mark.parametrize(
    "garbage", [b"<html>Bad Gateway</html>\n", b"null\n", b'"x"\n', b'{"model":"\xff"}\n', b"[]\n"]
)
def test_what_is_no_line_is_a_failure(garbage: bytes) -> None:
    assert isinstance(failure(decode(STREAM[2], garbage, LAST)), UpstreamBroke)


def test_arguments_that_are_no_text_are_a_failure() -> None:
    call = b'{"message":{"tool_calls":[{"function":{"name":"f","arguments":{"a":"\xff"}}}]}}\n'
    assert isinstance(failure(decode(call, LAST)), UpstreamBroke)


def test_a_line_without_end_is_a_failure() -> None:
    decoder = AnswerDecoder()
    [fail] = decoder.feed(b"x" * (MAX_EVENT_BYTES + 1))
    assert isinstance(fail, Fail)
    assert decoder.feed(LAST) == decoder.close() == []


def test_what_goes_unread_is_named_once() -> None:
    decoder = AnswerDecoder()
    decoder.feed(line(content="a", mood=1) + line(content="b", mood=2))
    decoder.feed(line(done=True, total_duration=5, remote_model="x"))
    assert [loss.pointer for loss in decoder.losses] == ["/mood", "/total_duration", "/remote_model"]


def test_log_probabilities_go_along() -> None:
    events = decode(line(content="a", logprobs=[{"token": "a", "logprob": -1.0}]), LAST)
    [found] = [event for event in events if isinstance(event, LogprobsDelta)]
    assert json.loads(bytes(found.raw)) == {
        "content": [{"token": "a", "logprob": -1.0, "bytes": None, "top_logprobs": []}]
    }


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
calls = st.builds(
    lambda id_, name, arguments: {"id": id_, "function": {"name": name, "arguments": arguments}},
    st.sampled_from(["", "a", "b"]),
    texts,
    st.dictionaries(st.text("ab", max_size=2), st.integers(), max_size=2),
)


@given(
    st.lists(texts, max_size=3),
    st.lists(texts, max_size=3),
    st.lists(st.lists(calls, min_size=1, max_size=2), max_size=2),
    st.sampled_from(["stop", "length", "load", "new"]),
)
def test_a_stream_amounts_to_the_answer_unstreamed(
    thoughts: list[str], said: list[str], called: list[list[Any]], reason: str
) -> None:
    logprobs = [{"token": text, "logprob": -1.0} for text in said]
    lines = [line(thinking=text) for text in thoughts]
    lines += [line(content=text, logprobs=[logprobs[index]]) for index, text in enumerate(said)]
    lines += [line(tool_calls=some) for some in called]
    last = {"done": True, "done_reason": reason, "eval_count": 3}
    streamed = fold(decode(*lines, line(**last)), "ollama")
    body = line(
        thinking="".join(thoughts),
        content="".join(said),
        tool_calls=[call for some in called for call in some],
        logprobs=logprobs,
        **last,
    )
    assert streamed == placeless(decode_answer(body))


def test_images_are_told_like_in_an_answer() -> None:
    [part] = fold(decode(line(images=["aGk="]), LAST)).choices[0].parts
    assert part == Opaque("ollama", "image", Raw(b'"aGk="'))


@given(st.lists(st.binary() | st.sampled_from([*STREAM, b"{}\n", b'{"done":1}\n', b'{"error":{}}\n', b"\n"])))
def test_any_bytes_end_in_exactly_one_of_end_and_fail(chunks: list[bytes]) -> None:
    events = decode(*chunks)
    assert isinstance(events[-1], End | Fail)
    assert sum(isinstance(event, End | Fail) for event in events) == 1


# ----------------------------------------------------------------------------------------------- writing


def encode(*events: AnswerEvent) -> tuple[list[Any], list[str]]:
    """Return the lines, and why something was lost."""
    encoder = AnswerEncoder(CONTEXT)
    written = encoder.feed(list(events)) + encoder.close()
    assert written.endswith(b"\n")
    return [json.loads(part) for part in written[:-1].split(b"\n")], [loss.reason for loss in encoder.losses]


def messages(*events: AnswerEvent) -> list[Any]:
    return [part["message"] for part in encode(*events, End())[0]]


def test_events_are_written_as_lines() -> None:
    lines, losses = encode(*EVENTS)
    head = {"model": "m", "created_at": "2026-08-21T08:52:19Z"}
    assert [part | head for part in lines] == lines
    assert [part["message"] | {"role": "assistant"} for part in lines] == [part["message"] for part in lines]
    assert [{k: v for k, v in part["message"].items() if k != "role"} for part in lines] == [
        {"content": "", "thinking": "h"},
        {"content": "", "thinking": "m"},
        {"content": "Hé\u2028"},
        {"content": "llo"},
        {"content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}, "index": 0}, "id": "a"}]},
        {"content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}, "index": 1}, "id": "b"}]},
        {"content": ""},
    ]
    assert [part["done"] for part in lines] == [False] * 6 + [True]
    assert lines[-1] | {"done_reason": "stop", "prompt_eval_count": 26, "eval_count": 3} == lines[-1]
    assert losses == []
    for part in lines:
        sdk.ChatResponse.model_validate(part)


def test_a_delta_leaves_at_once_and_a_call_when_it_is_whole() -> None:
    encoder = AnswerEncoder(CONTEXT)
    assert encoder.feed([Start(), Open(0, "text")]) == b""
    assert b'"content":"a"' in encoder.feed([Delta(0, "a")])
    assert encoder.feed([Close(0), Open(1, "call", id="c", name="f"), Delta(1, '{"a":')]) == b""
    assert b'"arguments":{"a":1}' in encoder.feed([Delta(1, "1}"), Close(1)])


def test_what_the_source_does_not_say_is_the_contexts() -> None:
    [last], _ = encode(Start(), Finish(Stop("stop")), End())
    assert (last["model"], last["created_at"]) == ("ours", "2026-08-21T08:52:19Z")


def test_interleaved_parts_of_a_chat_stream_are_told_apart() -> None:
    written = messages(
        Open(0, "text"),
        Open(1, "call", id="a", name="f"),
        Open(2, "call", id="b", name="g"),
        Delta(1, '{"x"'),
        Delta(2, '{"y"'),
        Delta(0, "hi"),
        Delta(1, ":1}"),
        Delta(2, ":\n2}"),
        Close(1),
        Close(2),
        Close(0),
        Finish(Stop("tool_calls")),
    )
    assert [message["content"] for message in written] == ["hi", "", "", ""]
    assert [call["function"]["arguments"] for message in written for call in message.get("tool_calls", [])] == [
        {"x": 1},
        {"y": 2},
    ]


def test_a_call_that_was_cut_off_is_never_told() -> None:
    lines, losses = encode(Open(0, "call", id="a", name="f"), Delta(0, '{"x":'), Finish(Stop("length")), End())
    assert [part["message"] for part in lines] == [{"role": "assistant", "content": ""}]
    assert lines[0]["done_reason"] == "length"
    assert len(losses) == 1


def test_a_failure_is_the_last_line_and_no_clean_end() -> None:
    lines, _ = encode(
        Open(0, "text"), Delta(0, "a"), Open(1, "call", id="c", name="f"), Fail(UpstreamError("broke")), End()
    )
    assert lines[1:] == [{"error": "broke"}]


def test_no_end_is_told_where_there_was_none() -> None:
    lines, _ = encode(Open(0, "text"), Delta(0, "a"), Finish(Stop("stop")))
    assert list(lines[-1]) == ["error"]


def test_after_the_end_nothing_is_written() -> None:
    encoder = AnswerEncoder(CONTEXT)
    encoder.feed([End()])
    assert encoder.feed([Open(0, "text"), Delta(0, "x")]) == encoder.close() == b""


def test_what_lines_cannot_hold_is_named() -> None:
    token = Token("anthropic_messages", "s")
    lines, losses = encode(
        Start(service_tier="flex"),
        Ping(),
        Open(0, "text"), Delta(0, "a"), Cite(0, Raw(b"{}")), Close(0),
        Open(1, "reasoning"), Delta(1, "t"), Sign(1, token), Close(1),
        Open(2, "reasoning"), Delta(2, "u"), Close(2),
        Open(3, "redacted"), Sign(3, token), Close(3),
        Open(4, "opaque", tag="server_tool_use", raw=Raw(b"{}")), Close(4),
        Open(5, "refusal"), Delta(5, "no"), Close(5),
        Open(6, "custom_call", id="c", name="sh"), Delta(6, "ls"), Close(6),
        Open(7, "text", 1), Delta(7, "other"), Close(7),
        Finish(Stop("refusal"), 1), Finish(Stop("tool_calls")), End(),
    )  # fmt: skip
    written = [part["message"] for part in lines]
    assert "".join(message["content"] for message in written) == "ano"
    assert "".join(message.get("thinking", "") for message in written) == "t\n\nu"
    assert [call["function"]["arguments"] for message in written for call in message.get("tool_calls", [])] == [
        {"input": "ls"}
    ]
    assert len(losses) == 9
    assert len(set(losses)) == 9


def test_of_another_choice_nothing_but_that_is_named() -> None:
    other = [Open(0, "text", 1), Delta(0, "a"), Cite(0, Raw(b"{}")), Sign(0, Token("gemini", "s")), Close(0)]
    for told in (other, []):
        _, losses = encode(Start(), *told, Finish(Stop("stop"), 1), Finish(Stop("stop")), End())
        assert losses == ["Ollama has one choice only"]


def test_texts_are_joined_where_there_is_a_word_in_the_second() -> None:
    texts = [Open(0, "text"), Delta(0, "a"), Close(0), Open(1, "text"), Close(1)]
    assert encode(Start(), *texts, Finish(Stop("stop")), End())[1] == []
    texts[4:] = [Delta(1, "b"), Delta(1, "c"), Close(1)]
    assert encode(Start(), *texts, Finish(Stop("stop")), End())[1] == ["texts are joined"]


KINDS: dict[type[Part], Any] = {Text: "text", Reasoning: "reasoning", Refusal: "refusal", ToolCall: "call"}


def stream_of(parts: Iterable[Part], stop: Stop, usage: Usage) -> list[AnswerEvent]:
    events: list[AnswerEvent] = [Start(None, "m", 1)]
    for key, part in enumerate(parts):
        if isinstance(part, ToolCall):
            events.append(Open(key, "call", id=part.id, name=part.name))
            text = part.arguments
        else:
            assert isinstance(part, Text | Reasoning | Refusal)
            events.append(Open(key, KINDS[type(part)]))
            text = part.text
        middle = len(text) // 2
        events += [Delta(key, piece) for piece in (text[:middle], text[middle:]) if piece]
        events.append(Close(key))
    return [*events, Finish(stop), UsageUpdate(usage), End()]


parts = st.lists(
    st.builds(Text, texts)
    | st.builds(Reasoning, texts)
    | st.builds(Refusal, texts)
    | st.builds(ToolCall, texts, texts, texts | st.sampled_from(["{}", '{"a":\n1}', '{"a":', "[1]"])),
    max_size=5,
    unique_by=lambda part: part.id if isinstance(part, ToolCall) else id(part),
)
stops = st.sampled_from([Stop("stop"), Stop("length"), Stop("refusal")])


@given(parts, stops)
def test_the_stream_and_the_plain_answer_say_the_same(some: list[Part], stop: Stop) -> None:
    events = stream_of(some, stop, Usage(1, 2))
    encoder = AnswerEncoder(CONTEXT)
    streamed = fold(decode(encoder.feed(events)), "ollama")
    answer = Answer(source="x", choices=[Choice(some, stop)], model="m", created=1, usage=Usage(1, 2))
    body, losses = encode_answer(answer, CONTEXT)
    plain = decode_answer(body)
    assert said(streamed) == said(plain)
    assert (streamed.model, streamed.created, streamed.usage) == (plain.model, plain.created, plain.usage)
    assert streamed.choices[0].stop == plain.choices[0].stop if streamed.choices else True
    assert {loss.reason for loss in encoder.losses} == {loss.reason for loss in losses}


def said(answer: Answer) -> tuple[str, str, list[tuple[str, str, str]]]:
    """Return thoughts, text and calls: in what order a stream tells them is the stream's own."""
    found = [part for choice in answer.choices for part in choice.parts]
    return (
        "".join(part.text for part in found if isinstance(part, Reasoning)),
        "".join(part.text for part in found if isinstance(part, Text)),
        [(part.id, part.name, part.arguments) for part in found if isinstance(part, ToolCall)],
    )


@given(parts, stops, st.lists(st.integers(0, 40)))
@example([Text("ab")], Stop("stop"), [2, 3])
def test_it_does_not_matter_how_events_are_grouped(some: list[Part], stop: Stop, cuts: list[int]) -> None:
    events = stream_of(some, stop, Usage(1, 2))
    at_once = AnswerEncoder(CONTEXT)
    piecemeal = AnswerEncoder(CONTEXT)
    places = [0, *sorted(cuts), len(events)]
    pieces = [piecemeal.feed(events[start:end]) for start, end in itertools.pairwise(places)]
    assert b"".join(pieces) + piecemeal.close() == at_once.feed(events) + at_once.close()
    assert piecemeal.losses == at_once.losses


@given(parts, stops, st.integers(0, 40))
def test_a_stream_cut_anywhere_never_looks_whole(some: list[Part], stop: Stop, length: int) -> None:
    events = stream_of(some, stop, Usage(1, 2))
    encoder = AnswerEncoder(CONTEXT)
    written = encoder.feed(events[:length]) + encoder.close()
    last = json.loads(written[:-1].rpartition(b"\n")[2])
    assert ("error" in last) is (length < len(events))
    assert isinstance(decode(written)[-1], Fail if length < len(events) else End)
