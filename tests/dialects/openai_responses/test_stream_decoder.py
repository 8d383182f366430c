from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tests.dialects.readers import failure, fed, placeless
from trio_gateway.dialects.conversation import Reasoning, Stop, Text, Token, ToolCall, Usage
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
    Sign,
    Start,
    UsageUpdate,
    fold,
)
from trio_gateway.dialects.framing import MAX_EVENT_BYTES
from trio_gateway.dialects.openai_responses import AnswerDecoder, decode_answer

ME = "openai_responses"
Sse = Callable[..., bytes]
Event = dict[str, Any]

CREATED = {
    "id": "resp_1",
    "model": "gpt",
    "created_at": 5,
    "status": "in_progress",
    "service_tier": "auto",
    "output": [],
}
BEGIN: list[Event] = [
    {"type": "response.created", "sequence_number": 0, "response": CREATED},
    {"type": "response.in_progress", "sequence_number": 1, "response": CREATED},
]
STARTED: list[AnswerEvent] = [Start("resp_1", "gpt", 5)]
ENDED: list[AnswerEvent] = [Finish(Stop("stop", raw="completed")), End()]


def completed(status: str = "completed", **fields: Any) -> Event:
    return {"type": f"response.{status}", "response": {**CREATED, "status": status, **fields}}


def delta(text: str, output_index: int = 0, content_index: int = 0, **more: Any) -> Event:
    where = {"output_index": output_index, "content_index": content_index, "item_id": "msg_1"}
    return {"type": "response.output_text.delta", "delta": text, **where, **more}


def added(item: Any, output_index: int = 0) -> Event:
    return {"type": "response.output_item.added", "output_index": output_index, "item": item}


def done(item: Any, output_index: int = 0) -> Event:
    return {"type": "response.output_item.done", "output_index": output_index, "item": item}


def text_item(*texts: str, **more: Any) -> Any:
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []} for text in texts]
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content, **more}


def call_item(arguments: str = "", **more: Any) -> Any:
    return {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": arguments, **more}


def arguments_delta(text: str, output_index: int = 0, **more: Any) -> Event:
    return {"type": "response.function_call_arguments.delta", "delta": text, "output_index": output_index, **more}


def decode(stream: bytes) -> list[AnswerEvent]:
    return fed(AnswerDecoder(), stream)


def test_a_text_in_its_canonical_order(sse: Sse) -> None:
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    usage = {"input_tokens": 1, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 2, "total_tokens": 3}
    stream = sse(
        *BEGIN,
        added(text_item()),
        {"type": "response.content_part.added", "output_index": 0, "content_index": 0, "part": part},
        delta("Hel", logprobs=[]),
        delta("lo"),
        {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hello"},
        {
            "type": "response.content_part.done",
            "output_index": 0,
            "content_index": 0,
            "part": {**part, "text": "Hello"},
        },
        done(text_item("Hello")),
        completed(output=[text_item("Hello")], usage=usage),
    )
    assert decode(stream) == [
        *STARTED,
        Open(0, "text"),
        Delta(0, "Hel"),
        Delta(0, "lo"),
        Close(0),
        UsageUpdate(Usage(1, 2, 0)),
        *ENDED,
    ]


def test_calls_are_told_as_they_come_and_may_overlap(sse: Sse) -> None:
    stream = sse(
        *BEGIN,
        added(call_item(), 0),
        added(call_item(call_id="call_2", name="get_it"), 1),
        arguments_delta('{"a"', 0),
        arguments_delta("{}", 1),
        arguments_delta(":1}", 0),
        {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": '{"a":1}'},
        done(call_item("{}", call_id="call_2"), 1),
        done(call_item('{"a":1}'), 0),
        completed(),
    )
    assert decode(stream) == [
        *STARTED,
        Open(0, "call", id="call_1", name="f"),
        Open(1, "call", id="call_2", name="get_it"),
        Delta(0, '{"a"'),
        Delta(1, "{}"),
        Delta(0, ":1}"),
        Close(1),
        Close(0),
        Finish(Stop("tool_calls", raw="completed")),
        End(),
    ]


def test_parts_keep_the_order_in_which_they_began(sse: Sse) -> None:
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    begun = {"type": "response.content_part.added", "output_index": 0, "content_index": 0, "part": part}
    stream = sse(
        *BEGIN, added(text_item()), begun, added(call_item(), 1), arguments_delta("{}", 1), delta("a"), completed()
    )
    assert fold(decode(stream)).choices[0].parts == [Text("a"), ToolCall("call_1", "f", "{}")]


def test_a_part_that_is_done_without_a_word_is_none(sse: Sse) -> None:
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    where = {"output_index": 0, "content_index": 0, "part": part}
    begun = {"type": "response.content_part.added", **where}
    ended = {"type": "response.content_part.done", **where}
    stream = sse(*BEGIN, added(text_item()), begun, ended, added(call_item("{}"), 1), completed())
    assert fold(decode(stream)).choices[0].parts == [ToolCall("call_1", "f", "{}")]


def test_ids_that_rotate_between_events_do_not_matter(sse: Sse) -> None:
    stream = sse(
        *BEGIN,
        added(call_item(id="fc_a")),
        arguments_delta("{", item_id="fc_b"),
        arguments_delta("}", item_id="fc_c"),
        done(call_item("{}", id="fc_d")),
        completed(),
    )
    assert fold(decode(stream)).choices[0].parts == [ToolCall("call_1", "f", "{}")]


@pytest.mark.parametrize(
    "middle", [[], [{"type": "response.function_call_arguments.done", "output_index": 0, "arguments": '{"a":1}'}]]
)
def test_arguments_that_come_only_when_they_are_done_are_told_once(sse: Sse, middle: list[Event]) -> None:
    stream = sse(*BEGIN, added(call_item()), *middle, done(call_item('{"a":1}')), completed())
    assert [event.text for event in decode(stream) if isinstance(event, Delta)] == ['{"a":1}']


def test_what_is_done_supplies_the_missing_rest_and_nothing_twice(sse: Sse) -> None:
    stream = sse(
        *BEGIN,
        delta("Hel"),
        {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hello"},
        done(text_item("Hello!", "More")),
        delta("late"),
        completed(output=[text_item("Hello!", "More")]),
    )
    assert fold(decode(stream)).choices[0].parts == [Text("Hello!"), Text("More")]


def test_a_parsable_prefix_of_arguments_is_not_the_whole(sse: Sse) -> None:
    stream = sse(
        *BEGIN, added(call_item()), arguments_delta('{"a":1}'), arguments_delta(" "), done(call_item('{"a":1} '))
    )
    events = decode(stream)
    assert [event for event in events if isinstance(event, Close)] == [Close(0)]
    assert [type(event) for event in events[-3:]] == [Delta, Close, Fail]


@pytest.mark.parametrize("name", [None, ""])
def test_a_call_whose_name_comes_late_is_told_when_it_is_done(sse: Sse, name: str | None) -> None:
    stream = sse(*BEGIN, added(call_item(name=name)), arguments_delta("{}"), done(call_item("{}")), completed())
    assert fold(decode(stream)).choices[0].parts == [ToolCall("call_1", "f", "{}")]


def test_custom_calls(sse: Sse) -> None:
    item = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c", "name": "sh", "input": ""}
    stream = sse(
        *BEGIN,
        added(item),
        {"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": "l"},
        {"type": "response.custom_tool_call_input.done", "output_index": 0, "input": "ls"},
        done({**item, "input": "ls"}),
        completed(),
    )
    assert fold(decode(stream)).choices[0].parts == [ToolCall("c", "sh", "ls", custom=True)]


def test_a_calls_namespace_is_told_and_lost_to_those_that_have_none(sse: Sse) -> None:
    item = call_item("{}", namespace="crm")
    decoder = AnswerDecoder()
    events = decoder.feed(sse(*BEGIN, added(item), done(item), completed()))
    assert fold(events).choices[0].parts == [ToolCall("call_1", "f", "{}", namespace="crm")]
    assert [loss.pointer for loss in decoder.losses] == ["/output/0/namespace"]


# ------------------------------------------------------------------------------------------- reasoning


def thought(text: str, index: int = 0, **more: Any) -> Event:
    return {
        "type": "response.reasoning_summary_text.delta",
        "output_index": 0,
        "summary_index": index,
        "delta": text,
        **more,
    }


def reasoning_item(*texts: str, **more: Any) -> Any:
    return {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": text} for text in texts],
        **more,
    }


def test_paragraphs_of_a_summary_are_one_thought_with_one_token(sse: Sse) -> None:
    stream = sse(
        *BEGIN,
        added(reasoning_item(encrypted_content="incomplete")),
        thought("a", item_id="rs_rotated"),
        thought("b"),
        thought("c", 1),
        done(reasoning_item("ab", "c", encrypted_content="gA")),
        completed(),
    )
    assert decode(stream)[1:-2] == [
        Open(0, "reasoning", id="rs_1"),
        Delta(0, "a"),
        Delta(0, "b"),
        Delta(0, "\n\n"),
        Delta(0, "c"),
        Sign(0, Token(ME, "rs_1:gA")),
        Close(0),
    ]


def test_a_thought_that_is_not_shown_is_a_token_alone(sse: Sse) -> None:
    stream = sse(*BEGIN, added(reasoning_item()), done(reasoning_item(encrypted_content="gA")), completed())
    assert fold(decode(stream)).choices[0].parts == [Reasoning("", token=Token(ME, "rs_1:gA"), id="rs_1")]


def test_a_thought_of_nothing_is_none(sse: Sse) -> None:
    assert decode(sse(*BEGIN, added(reasoning_item()), done(reasoning_item()), completed())) == [*STARTED, *ENDED]


def test_reasoning_text_of_open_models(sse: Sse) -> None:
    text = {"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "hm"}
    item = reasoning_item(content=[{"type": "reasoning_text", "text": "hm"}])
    stream = sse(*BEGIN, added(reasoning_item()), text, done(item), completed())
    assert fold(decode(stream)).choices[0].parts == [Reasoning("hm", id="rs_1")]


def test_redacted_thinking_that_another_gateway_carried(sse: Sse) -> None:
    item = reasoning_item(encrypted_content="trio:anthropic_messages:redacted:data")
    stream = sse(*BEGIN, added(reasoning_item()), done(item), completed())
    assert fold(decode(stream)).choices[0].parts == [
        Reasoning("", token=Token("anthropic_messages", "data"), redacted=True, id="rs_1")
    ]


# ------------------------------------------------------------------------------------- everything else


def test_refusals_stream(sse: Sse) -> None:
    where = {"output_index": 0, "content_index": 0}
    stream = sse(
        *BEGIN,
        {"type": "response.refusal.delta", "delta": "N", **where},
        {"type": "response.refusal.done", "refusal": "No", **where},
        completed(),
    )
    assert decode(stream)[1:] == [
        Open(0, "refusal"),
        Delta(0, "N"),
        Delta(0, "o"),
        Close(0),
        Finish(Stop("refusal", raw="completed")),
        End(),
    ]


def test_annotations_are_told_once(sse: Sse) -> None:
    notes = [{"type": "file_path", "file_id": name, "index": 0} for name in "ab"]
    item = text_item("x")
    item["content"][0]["annotations"] = notes
    annotation = {"type": "response.output_text.annotation.added", "output_index": 0, "content_index": 0}
    stream = sse(*BEGIN, delta("x"), {**annotation, "annotation": notes[0]}, done(item), completed())
    cites = [event.raw for event in decode(stream) if isinstance(event, Cite)]
    assert cites == [Raw(msgspec.json.encode(note)) for note in notes]


def test_logprobs_follow_their_delta(sse: Sse) -> None:
    entry = {"token": "a", "logprob": -0.5, "top_logprobs": []}
    stream = sse(*BEGIN, delta("a", logprobs=[entry]), done(text_item("a")), completed())
    assert decode(stream)[2:4] == [Delta(0, "a"), LogprobsDelta(Raw(msgspec.json.encode({"content": [entry]})))]


def test_hosted_items_are_told_whole(sse: Sse) -> None:
    item = {"type": "web_search_call", "id": "ws_1", "status": "completed", "content": 3}
    stream = sse(
        *BEGIN,
        added({**item, "status": "in_progress"}),
        {"type": "response.web_search_call.searching", "output_index": 0, "item_id": "ws_1"},
        done(item),
        completed(),
    )
    raw = Raw(msgspec.json.encode(item))
    assert decode(stream)[1:3] == [Open(0, "opaque", tag="web_search_call", raw=raw, dialect=ME), Close(0)]


@pytest.mark.parametrize(
    ("event", "stop"),
    [
        (
            completed("incomplete", incomplete_details={"reason": "max_output_tokens"}),
            Stop("length", raw="max_output_tokens"),
        ),
        (
            completed("incomplete", incomplete_details={"reason": "content_filter"}),
            Stop("refusal", raw="content_filter"),
        ),
        (completed("incomplete"), Stop("other", raw="incomplete")),
        (completed(status="completed"), Stop("stop", raw="completed")),
    ],
)
def test_the_last_event_says_why_it_stopped(sse: Sse, event: Event, stop: Stop) -> None:
    assert decode(sse(*BEGIN, delta("a"), event))[-2:] == [Finish(stop), End()]


def test_length_wins_over_calls(sse: Sse) -> None:
    last = completed("incomplete", incomplete_details={"reason": "max_output_tokens"})
    events = decode(sse(*BEGIN, added(call_item()), arguments_delta('{"a'), last))
    assert fold(events).choices[0].parts == [ToolCall("call_1", "f", '{"a')]
    assert Finish(Stop("length", raw="max_output_tokens")) in events


def test_an_answer_told_by_the_last_event_alone_is_read_there(sse: Sse) -> None:
    stream = sse(completed(output=[text_item("a"), call_item("{}")]))
    assert fold(decode(stream)).choices[0].parts == [Text("a"), ToolCall("call_1", "f", "{}")]


def test_a_stream_without_a_beginning_is_begun(sse: Sse) -> None:
    assert decode(sse(delta("a"), completed()))[0] == Start()


def test_an_empty_added_event_is_skipped(sse: Sse) -> None:
    assert decode(
        sse(*BEGIN, {"type": "response.output_item.added", "output_index": 0, "item": None}, completed())
    ) == [
        *STARTED,
        *ENDED,
    ]


@pytest.mark.parametrize("tail", [b"data: [DONE]\n\n", b"data: [DONE] \n\n", b": bye\n\n", b"data: {broken\n\n"])
def test_what_comes_after_the_end_does_not_matter(sse: Sse, tail: bytes) -> None:
    assert decode(sse(*BEGIN, completed()) + tail) == [*STARTED, *ENDED]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.apply_patch_call_operation_diff.delta", "delta": {"a": 1}, "output_index": "x"},
        {"type": "response.something.new", "item": 3, "code": [1]},
        {"type": "keepalive"},
    ],
)
def test_unknown_events_are_skipped_whatever_they_hold(sse: Sse, event: Event) -> None:
    assert decode(sse(*BEGIN, event, completed())) == [*STARTED, *ENDED]


def test_line_separators_inside_a_string_are_text(sse: Sse) -> None:
    text = "a\u2028b\u2029c\u0085d"
    assert fold(decode(sse(*BEGIN, delta(text), completed()))).choices[0].parts == [Text(text)]


def test_what_nobody_knows_of_a_text_is_lost(sse: Sse) -> None:
    content = [{"type": "output_text", "text": "a", "new": 1}, {"type": "brand_new", "text": "a", "new": 1}]
    decoder = AnswerDecoder()
    decoder.feed(sse(*BEGIN, done({**text_item("a"), "content": content}), completed()))
    assert [loss.pointer for loss in decoder.losses] == ["/output/0/content/0/new"]


def test_a_phase_is_lost(sse: Sse) -> None:
    decoder = AnswerDecoder()
    decoder.feed(sse(*BEGIN, done(text_item("a", phase="commentary")), completed()))
    assert [loss.pointer for loss in decoder.losses] == ["/output/0/phase"]


# -------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("event", "status", "code"),
    [
        (
            {"type": "error", "code": "rate_limit_exceeded", "message": "Slow", "param": None},
            429,
            "rate_limit_exceeded",
        ),
        (
            {
                "type": "error",
                "error": {"type": "invalid_request_error", "code": "x", "message": "Slow", "param": None},
            },
            400,
            "x",
        ),
        ({"type": "error", "message": "Slow", "error": None}, 500, None),
        ({"type": "error", "error": "Slow"}, 500, None),
        (completed("failed", error={"code": "server_error", "message": "Slow"}), 500, "server_error"),
    ],
)
def test_errors_in_the_stream_are_the_providers_words(sse: Sse, event: Event, status: int, code: str | None) -> None:
    events = decode(sse(*BEGIN, delta("a"), event, delta("b"), completed()))
    error = failure(events)
    assert (error.message, error.status, error.code) == ("Slow", status, code)
    assert Delta(0, "b") not in events


def test_a_bare_error_frame_is_an_error() -> None:
    error = failure(decode(b'data: {"error":{"message":"m","code":"rate_limit_exceeded"}}\n\n'))
    assert (error.message, error.status) == ("m", 429)


@pytest.mark.parametrize("event", [completed("failed"), completed("cancelled"), {"type": "response.completed"}])
def test_an_end_that_is_none_is_a_failure(sse: Sse, event: Event) -> None:
    failure(decode(sse(*BEGIN, event)))


@pytest.mark.parametrize(
    "stream",
    [b"", b"<html>502</html>", b"data: {broken\n\n", b"data: [DONE]\n\n", b"data: \xff\n\n", b"data: 3\n\n",
     b'data: {"type":"response.output_text.delta","delta":3}\n\n', b'{"error":"x"}'],
)  # fmt: skip
def test_what_is_no_stream_of_ours_is_a_failure(stream: bytes) -> None:
    failure(decode(stream))


def test_a_stream_that_ends_early_is_a_failure_wherever_it_ends(sse: Sse) -> None:
    whole = sse(*BEGIN, added(call_item()), arguments_delta("{}"), done(call_item("{}")), completed())
    last = whole.rindex(b"event: response.completed")
    for end in range(0, last + 25, 7):
        assert failure(decode(whole[:end])).code == "upstream_broke"


def test_an_event_without_an_end_is_a_failure() -> None:
    decoder = AnswerDecoder()
    events = decoder.feed(b"data: " + b"x" * (MAX_EVENT_BYTES + 1))
    assert [type(event) for event in events] == [Fail]
    assert decoder.feed(b"x") == decoder.close() == []


# ------------------------------------------------------------------------------------------------- laws

word = st.text(min_size=1, max_size=4)
items = st.lists(
    st.one_of(
        st.lists(word, min_size=1, max_size=2).map(lambda texts: text_item(*texts)),
        st.tuples(word, st.sampled_from(["{}", '{"a":1}'])).map(lambda call: call_item(call[1], call_id=call[0])),
        st.lists(word, max_size=2).map(lambda texts: reasoning_item(*texts, encrypted_content="gA")),
        st.just({"type": "web_search_call", "id": "ws_1"}),
    ),
    max_size=4,
)


def told(whole: list[Any]) -> list[Event]:
    """Tell an answer event by event, as OpenAI does."""
    events = list(BEGIN)
    for index, item in enumerate(whole):
        match item["type"]:
            case "message":
                events.append(added({**item, "content": []}, index))
                for position, part in enumerate(item["content"]):
                    events += [delta(piece, index, position) for piece in part["text"]]
            case "function_call":
                events.append(added({**item, "arguments": ""}, index))
                events += [arguments_delta(piece, index) for piece in item["arguments"]]
            case "reasoning":
                events.append(added({**item, "summary": [], "encrypted_content": None}, index))
                for position, part in enumerate(item["summary"]):
                    events += [thought(piece, position) | {"output_index": index} for piece in part["text"]]
        events.append(done(item, index))
    return [*events, completed(output=whole)]


@given(items)
def test_r10_a_stream_folds_to_the_answer_told_at_once(whole: list[Any]) -> None:
    stream = b"".join(b"data: %b\n\n" % msgspec.json.encode(event) for event in told(whole))
    plain = decode_answer(msgspec.json.encode(completed(output=whole)["response"]))
    assert fold(decode(stream), ME) == placeless(plain)


@given(items, st.data())
def test_r11_where_the_bytes_are_cut_does_not_matter(whole: list[Any], data: st.DataObject) -> None:
    stream = b"".join(b"data: %b\r\n\r\n" % msgspec.json.encode(event) for event in told(whole))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = AnswerDecoder()
    events: list[AnswerEvent] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        events += decoder.feed(stream[start:end])
    assert events + decoder.close() == decode(stream)


KINDS = st.sampled_from(
    ["response.created", "response.output_text.delta", "response.output_item.added", "response.output_item.done",
     "response.function_call_arguments.delta", "response.reasoning_summary_text.delta", "response.completed", "error",
     "response.output_text.annotation.added", "response.new"]
)  # fmt: skip
LEAVES = (
    st.none()
    | st.integers(0, 2)
    | st.text(max_size=3)
    | st.sampled_from([text_item("a"), call_item("{}"), reasoning_item("a")])
)
BODIES = st.dictionaries(
    st.sampled_from(["delta", "item", "output_index", "content_index", "response", "error", "annotation", "text"]),
    LEAVES,
)


@given(st.lists(st.tuples(KINDS, BODIES), max_size=8))
def test_r13_any_events_make_a_stream_that_ends_once(events: list[tuple[str, Event]]) -> None:
    stream = b"".join(b"data: %b\n\n" % msgspec.json.encode({**body, "type": kind}) for kind, body in events)
    seen = decode(stream)
    assert [type(event) for event in seen if isinstance(event, End | Fail)] in ([End], [Fail])
    assert isinstance(seen[-1], End | Fail)
    opened: set[int] = set()
    for event in seen:
        match event:
            case Open():
                assert event.key not in opened
                opened.add(event.key)
            case Delta():
                assert event.key in opened
                assert event.text
            case Sign() | Cite() | Close():
                assert event.key in opened
    if isinstance(seen[-1], End):
        fold(seen)


@given(st.lists(st.binary(), max_size=4))
def test_any_bytes_make_a_stream_that_fails(chunks: list[bytes]) -> None:
    decoder = AnswerDecoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.close()
    assert isinstance(events[-1], Fail)


def test_a_thought_for_an_item_that_is_done_is_dropped(sse: Sse) -> None:
    text = {"type": "output_text", "text": "a", "annotations": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "content": [text]}
    events = [
        *BEGIN,
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "late"},
    ]
    told = AnswerDecoder().feed(sse(*events))
    assert [event.text for event in told if isinstance(event, Delta)] == ["a"]
