"""Streams, both ways, and how they agree with whole answers."""

import json
from collections.abc import Iterable
from typing import Any

import pydantic
import pytest
from anthropic.types import RawMessageStreamEvent
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Raw

from tests.dialects.readers import placeless
from trio_gateway.dialects.anthropic_messages import (
    decode_answer,
    encode_answer,
    new_answer_decoder,
    new_answer_encoder,
)
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
from trio_gateway.errors import UpstreamBroke, UpstreamError

CONTEXT = AnswerContext(id="7", created=1, model="claude-x")
OWN = "anthropic_messages"

_SDK_EVENT = pydantic.TypeAdapter(RawMessageStreamEvent)

# ---------------------------------------------------------------------------------------------- read


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(b"event: %s\ndata: %s\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events)


def start(**usage: int) -> dict[str, Any]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [], "usage": usage}
    return {"type": "message_start", "message": message}


def block(index: int, **content: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": content}


def delta(index: int, kind: str, **value: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **value}}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def done(reason: str | None = "end_turn", sequence: str | None = None, **usage: int) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": sequence}, "usage": usage}


PING: dict[str, Any] = {"type": "ping"}
STOP: dict[str, Any] = {"type": "message_stop"}


def read(stream: bytes, *, size: int | None = None) -> list[AnswerEvent]:
    decoder = new_answer_decoder()
    events: list[AnswerEvent] = []
    for i in range(0, len(stream), size or len(stream) or 1):
        events += decoder.feed(stream[i : i + (size or len(stream))])
    events += decoder.close()
    assert decoder.feed(b"more") == decoder.close() == []
    assert_grammar(events)
    return events


def assert_grammar(events: list[AnswerEvent]) -> None:
    """Exactly one End or Fail, last; Start first; every part opens once, and before what is said of it."""
    assert isinstance(events[-1], End | Fail)
    assert not any(isinstance(event, End | Fail) for event in events[:-1])
    if isinstance(events[-1], End):
        assert isinstance(events[0], Start)
        assert isinstance(events[-2], Finish | UsageUpdate)
    opened: set[int] = set()
    closed: set[int] = set()
    for event in events:
        if isinstance(event, Open):
            assert event.key not in opened
            opened.add(event.key)
        elif isinstance(event, Delta | Sign | Cite | Close):
            assert event.key in opened - closed
            if isinstance(event, Close):
                closed.add(event.key)
            if isinstance(event, Delta):
                assert event.text
    if isinstance(events[-1], End):
        assert opened == closed


TYPICAL = (
    start(input_tokens=10, cache_read_input_tokens=5, output_tokens=1),
    PING,
    block(0, type="thinking", thinking="", signature=""),
    delta(0, "thinking_delta", thinking="hm é\u2028"),
    delta(0, "signature_delta", signature="SIG"),
    stop(0),
    block(1, type="text", text=""),
    PING,
    delta(1, "text_delta", text="Hello"),
    delta(1, "text_delta", text=" there"),
    delta(1, "citations_delta", citation={"type": "char_location", "cited_text": "x"}),
    stop(1),
    block(2, type="tool_use", id="toolu_1", name="f", input={}),
    delta(2, "input_json_delta", partial_json=""),
    delta(2, "input_json_delta", partial_json='{"a": '),
    delta(2, "input_json_delta", partial_json='"b"}'),
    stop(2),
    done("tool_use", input_tokens=12, output_tokens=30),
    PING,
    STOP,
)


def test_a_typical_stream_is_read() -> None:
    assert read(sse(*TYPICAL)) == [
        Start("msg_1", "claude"),
        UsageUpdate(Usage(15, 1, 5)),
        Ping(),
        Open(0, "reasoning"),
        Delta(0, "hm é\u2028"),
        Sign(0, Token(OWN, "SIG")),
        Close(0),
        Open(1, "text"),
        Ping(),
        Delta(1, "Hello"),
        Delta(1, " there"),
        Cite(1, Raw(b'{"type": "char_location", "cited_text": "x"}')),
        Close(1),
        Open(2, "call", id="toolu_1", name="f"),
        Delta(2, '{"a": '),
        Delta(2, '"b"}'),
        Close(2),
        UsageUpdate(Usage(17, 30, 5)),
        Ping(),
        Finish(Stop("tool_calls", raw="tool_use")),
        End(),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_it_does_not_matter_how_a_stream_is_cut(size: int) -> None:
    assert read(sse(*TYPICAL), size=size) == read(sse(*TYPICAL))
    assert read(sse(*TYPICAL).replace(b"\n", b"\r\n"), size=size) == read(sse(*TYPICAL))


def test_a_stream_amounts_to_the_answer_that_is_not_streamed() -> None:
    body = {
        "id": "msg_1",
        "model": "claude",
        "content": [
            {"type": "thinking", "thinking": "hm é\u2028", "signature": "SIG"},
            {"type": "text", "text": "Hello there", "citations": [{"type": "char_location", "cited_text": "x"}]},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": "b"}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 12, "cache_read_input_tokens": 5, "output_tokens": 30},
    }
    assert fold(read(sse(*TYPICAL)), OWN) == unplaced(decode_answer(json.dumps(body).encode()))


def unplaced(answer: Answer) -> Answer:
    answer = placeless(answer)
    for part in answer.choices[0].parts:
        if isinstance(part, Opaque):
            part.dialect = ""
    return answer


def test_what_arrives_whole_is_read_whole() -> None:
    found = fold(
        read(
            sse(
                start(),
                block(0, type="redacted_thinking", data="RED"),
                stop(0),
                block(1, type="text", text="at once"),
                stop(1),
                block(2, type="server_tool_use", id="s", name="web_search", input={}),
                delta(2, "input_json_delta", partial_json='{"query":'),
                delta(2, "input_json_delta", partial_json='"x"}'),
                stop(2),
                block(3, type="web_search_tool_result", tool_use_id="s", content=[]),
                stop(3),
                block(4, type="tool_use", id="t", name="f", input={"whole": 1}),
                stop(4),
                block(5, type="tool_use", id="", name="g", input={}),
                stop(5),
                block(6, type="of the future", text=5),
                stop(6),
                done("end_turn"),
                STOP,
            )
        )
    )
    parts = found.choices[0].parts
    assert parts[:2] == [Reasoning("", token=Token(OWN, "RED"), redacted=True), Text("at once")]
    assert isinstance(parts[2], Opaque)
    assert json.loads(bytes(parts[2].raw))["input"] == {"query": "x"}
    assert parts[4:6] == [ToolCall("t", "f", '{"whole": 1}'), ToolCall("call_5", "g", "{}")]
    assert [part.tag for part in parts if isinstance(part, Opaque)] == [
        "server_tool_use",
        "web_search_tool_result",
        "of the future",
    ]
    assert found.choices[0].stop == Stop("tool_calls", raw="end_turn")


def test_a_custom_tools_text_is_unwrapped() -> None:
    name = "apply_patch-x0_"
    pieces = [delta(0, "input_json_delta", partial_json=piece) for piece in ('{"inp', 'ut":"a\\', 'n\\"b"}')]
    found = read(sse(start(), block(0, type="tool_use", id="t", name=name, input={}), *pieces, stop(0), done(), STOP))
    assert fold(found).choices[0].parts == [ToolCall("t", "apply_patch", 'a\n"b', custom=True)]


def test_a_refusal_without_any_block_is_an_answer() -> None:
    refusal = done("refusal", output_tokens=0)
    refusal["delta"]["stop_details"] = {"type": "refusal", "category": None, "explanation": "no"}
    found = fold(read(sse(start(input_tokens=3), PING, refusal, STOP)))
    assert found.choices == [Choice([], Stop("refusal", detail="no", raw="refusal"))]


def test_later_counts_replace_earlier_ones_unless_they_are_null() -> None:
    late = done(output_tokens=9)
    late["usage"] |= {"input_tokens": None, "cache_read_input_tokens": 2}
    assert fold(read(sse(start(input_tokens=3, output_tokens=1), late, STOP))).usage == Usage(5, 9, 2)


def test_usage_that_is_never_told_stays_unknown() -> None:
    message = {"type": "message_start", "message": {"id": "m", "model": "x"}}
    assert fold(read(sse(message, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, STOP))).usage is None


def test_unknown_events_and_deltas_mean_nothing_and_are_noted() -> None:
    stream = sse(
        start(),
        {"type": "novelty", "index": "x", "delta": 5},
        block(0, type="text", text=""),
        delta(0, "emoji_delta", emoji="!"),
        delta(0, "emoji_delta", emoji="!"),
        delta(0, "text_delta", text="a"),
        stop(0),
        done(),
        STOP,
    )
    decoder = new_answer_decoder()
    events = decoder.feed(stream + b"data: [DONE]\n\n")
    assert fold(events).choices[0].parts == [Text("a")]
    assert [loss.pointer for loss in decoder.losses] == ["/content/0"]


def test_a_done_marker_and_comments_are_tolerated() -> None:
    stream = b": hello\n\n" + sse(start()) + b"data: [DONE] \n\n" + sse(done(), STOP)
    assert isinstance(read(stream)[-1], End)


def test_a_missing_stop_of_a_block_is_made_up_for() -> None:
    stream = sse(start(), block(0, type="text", text="a"), block(1, type="text", text="b"), done(), STOP)
    assert fold(read(stream)).choices[0].parts == [Text("a"), Text("b")]


@pytest.mark.parametrize(
    ("kind", "status", "retryable"),
    [("overloaded_error", 529, True), ("invalid_request_error", 400, False), ("novel_error", 500, True)],
)
def test_an_error_in_the_middle_ends_the_stream(kind: str, status: int, retryable: bool) -> None:
    error = {"type": "error", "error": {"type": kind, "message": "Oh"}, "request_id": "req_1"}
    fail = read(sse(*TYPICAL[:9], error, *TYPICAL[9:]))[-1]
    assert isinstance(fail, Fail)
    found = fail.error
    assert (found.status, found.kind, found.message, found.request_id, found.retryable) == (
        status,
        kind,
        "Oh",
        "req_1",
        retryable,
    )


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"<html>502</html>",
        b"data: <html>\n\n",
        b'data: {"type":5}\n\n',
        sse(*TYPICAL)[:-60],
        sse(*TYPICAL[:-1]),
        sse(start(), delta(0, "text_delta", text="a"), done(), STOP),
        sse(start(), block(0, type="text", text="a"), start(), done(), STOP),
        sse(start(), {"type": "content_block_start", "index": 0}, STOP),
        sse(start(), block(0, type="text", text=5), STOP),
        sse(start(), {"type": "message_delta", "delta": "x"}, STOP),
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\\ud800"}}\n\n',
    ],
)
def test_a_stream_that_is_not_whole_fails(stream: bytes) -> None:
    fail = read(stream)[-1]
    assert isinstance(fail, Fail)
    assert isinstance(fail.error, UpstreamBroke)


def test_a_second_start_before_any_content_is_tolerated() -> None:
    assert isinstance(read(sse(start(), start(), block(0, type="text", text="a"), stop(0), done(), STOP))[-1], End)


@given(st.binary())
@example(b"data: " + b"[" * 100_000 + b"\n\n")
@example(b'data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","input":1e400}}\n\n')
def test_any_bytes_end_in_one_failure(stream: bytes) -> None:
    assert isinstance(read(stream)[-1], Fail)


@given(st.lists(st.sampled_from(TYPICAL), max_size=12), st.integers(1, 50))
def test_any_order_of_events_keeps_the_grammar(events: list[dict[str, Any]], size: int) -> None:
    read(sse(*events), size=size)


# --------------------------------------------------------------------------------------------- write


def write(events: Iterable[AnswerEvent], *, one_by_one: bool = False) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the events that a client sees, and the pointers of the losses."""
    encoder = new_answer_encoder(CONTEXT)
    groups = [[event] for event in events] if one_by_one else [list(events)]
    stream = b"".join(encoder.feed(group) for group in groups) + encoder.close()
    assert encoder.close() == encoder.feed([Ping()]) == b""
    return parse(stream), [loss.pointer for loss in encoder.losses]


def parse(stream: bytes) -> list[dict[str, Any]]:
    found = []
    for text in stream.split(b"\n\n")[:-1]:
        name, data = text.split(b"\n")
        event = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + event["type"].encode()
        if event["type"] not in ("error", "ping"):
            _SDK_EVENT.validate_python(event)
        found.append(event)
    return found


def brief(events: list[dict[str, Any]]) -> list[str]:
    """Tell blocks and what they hold on a line each."""
    lines = []
    for event in events:
        if event["type"] == "content_block_start":
            lines.append(f"{event['index']} {event['content_block']['type']}")
        elif event["type"] == "content_block_delta":
            lines.append(f"{event['index']} + {next(v for k, v in event['delta'].items() if k != 'type')}")
        elif event["type"] == "content_block_stop":
            lines.append(f"{event['index']} .")
        else:
            lines.append(event["type"])
    return lines


CHAT: list[AnswerEvent] = [
    Start("chatcmpl-1", "gpt", 5),
    Open(0, "text"),
    Delta(0, "Hi"),
    Close(0),
    Open(1, "call", id="a", name="f"),
    Open(2, "call", id="b", name="g"),
    Delta(1, '{"x":'),
    Delta(2, '{"y":'),
    Delta(1, "1}"),
    Delta(2, "2}"),
    Close(1),
    Close(2),
    Finish(Stop("tool_calls")),
    UsageUpdate(Usage(100, 20, 30, 40, 5)),
    End(),
]


def test_parallel_calls_are_written_one_after_the_other() -> None:
    events, lost = write(CHAT)
    assert brief(events) == [
        "message_start",
        "0 text",
        "0 + Hi",
        "0 .",
        "1 tool_use",
        '1 + {"x":',
        "1 + 1}",
        "1 .",
        "2 tool_use",
        '2 + {"y":',
        "2 + 2}",
        "2 .",
        "message_delta",
        "message_stop",
    ]
    assert events[0]["message"]["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert events[-2] == {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {
            "input_tokens": 30,
            "cache_creation_input_tokens": 40,
            "cache_read_input_tokens": 30,
            "output_tokens": 20,
            "output_tokens_details": {"thinking_tokens": 5},
        },
    }
    assert lost == []


def test_a_call_that_waits_and_is_not_closed_yet_goes_on_when_its_turn_comes() -> None:
    events, _ = write(
        [
            Start(),
            Open(0, "call", id="a", name="f"),
            Open(1, "call", id="b", name="g"),
            Delta(1, "{"),
            Close(0),
            Delta(1, "}"),
            Close(1),
            Finish(Stop("stop")),
            End(),
        ],
        one_by_one=True,
    )
    assert brief(events)[1:-2] == ["0 tool_use", "0 .", "1 tool_use", "1 + {", "1 + }", "1 ."]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_a_piece_of_the_open_part_leaves_at_once() -> None:
    encoder = new_answer_encoder(CONTEXT)
    assert b"message_start" in encoder.feed([Start(), Open(0, "text")])
    assert b'"text":"a"' in encoder.feed([Delta(0, "a")])
    assert encoder.feed([Open(1, "call", id="x", name="f"), Delta(1, "{")]) == b""


def test_counts_that_are_known_at_the_start_are_told_at_the_start() -> None:
    events, _ = write(
        [Start("msg_1", "c"), UsageUpdate(Usage(9, 1, 4)), Open(0, "text"), Close(0), Finish(Stop("stop")), End()]
    )
    assert events[0]["message"]["usage"] == {"input_tokens": 5, "cache_read_input_tokens": 4, "output_tokens": 1}
    assert brief(events) == ["message_start", "message_delta", "message_stop"]  # no empty text


def test_thoughts_end_with_their_signature_and_foreign_tokens_are_namespaced() -> None:
    events, lost = write(
        [
            Start(),
            Open(0, "reasoning"),
            Sign(0, Token("openai_responses", "E")),
            Delta(0, "hm"),
            Close(0),
            Open(1, "reasoning"),
            Sign(1, Token(OWN, "S")),
            Close(1),
            Open(2, "reasoning"),
            Close(2),
            Open(3, "redacted"),
            Sign(3, Token(OWN, "R")),
            Close(3),
            Open(4, "call", id="c", name="f"),
            Sign(4, Token("gemini", "G")),
            Close(4),
            Open(5, "text"),
            Sign(5, Token("gemini", "T")),
            Close(5),
            UsageUpdate(Usage(1, 1)),
            Finish(Stop("stop")),
            End(),
        ]
    )
    assert brief(events)[1:-2] == [
        "0 thinking",
        "0 + hm",
        "0 + trio:openai_responses:E",
        "0 .",
        "1 thinking",
        "1 + S",
        "1 .",
        "2 redacted_thinking",
        "2 .",
        "3 tool_use",
        "3 .",
        "4 thinking",
        "4 + trio:gemini:G",
        "4 .",
        "5 thinking",
        "5 + trio:gemini:T",
        "5 .",
    ]
    assert events[8]["content_block"]["data"] == "R"
    assert lost == []


def test_a_custom_call_is_wrapped_as_it_comes() -> None:
    events, _ = write(
        [
            Start(),
            Open(0, "custom_call", id="c", name="patch"),
            Delta(0, 'a"'),
            Delta(0, "\nb"),
            Close(0),
            Finish(Stop("stop")),
            End(),
        ]
    )
    assert events[1]["content_block"]["name"] == "patch-x0_"
    joined = "".join(event["delta"]["partial_json"] for event in events[2:-3])
    assert json.loads(joined) == {"input": 'a"\nb'}


def test_what_a_stream_cannot_tell_is_reported_once() -> None:
    events, lost = write(
        [
            Start(),
            LogprobsDelta(Raw(b"{}")),
            LogprobsDelta(Raw(b"{}")),
            Open(0, "text"),
            Open(1, "text", choice=1),
            Delta(1, "other"),
            Cite(0, Raw(b'{"type":"url_citation"}')),
            Cite(
                0,
                Raw(
                    b'{"type":"char_location","cited_text":"x","document_index":0,"start_char_index":0,"end_char_index":1}'
                ),
            ),
            Close(1),
            Close(0),
            Open(2, "opaque", tag="executableCode", raw=Raw(b"{}")),
            Close(2),
            Open(
                3,
                "opaque",
                tag="server_tool_use",
                raw=Raw(b'{"type":"server_tool_use","id":"s","name":"web_search","input":{}}'),
            ),
            Close(3),
            Finish(Stop("stop"), 1),
            Finish(Stop("other", raw="ODD")),
            End(),
        ]
    )
    assert [line.partition("+")[0] for line in brief(events)[1:-2]] == [
        "0 text",
        "0 ",
        "0 .",
        "1 server_tool_use",
        "1 .",
    ]
    assert lost == ["/logprobs", "/choices/1", "/citations", "/content", "/stop", "/usage"]


def test_a_failure_is_an_error_event_and_the_last() -> None:
    events, _ = write([Start(), Open(0, "text"), Delta(0, "a"), Fail(UpstreamError("Oh", status=529)), End()])
    assert brief(events) == ["message_start", "0 text", "0 + a", "error"]
    assert events[-1]["error"] == {"type": "overloaded_error", "message": "Oh"}


def test_a_stream_that_just_stops_ends_in_an_error() -> None:
    events, _ = write([Start(), Open(0, "text"), Delta(0, "a"), Close(0), Finish(Stop("stop"))])
    assert brief(events)[-1] == "error"


def test_a_ping_is_a_ping() -> None:
    assert brief(write([Start(), Ping(), Finish(Stop("stop")), End()])[0])[:2] == ["message_start", "ping"]


@pytest.mark.parametrize(
    ("events", "pointers"),
    [
        ([Open(0, "refusal"), Delta(0, "no"), Close(0)], ["/content"]),
        ([Open(0, "refusal"), Close(0)], []),
        ([Open(0, "redacted"), Close(0)], ["/content"]),
        ([LogprobsDelta(Raw(b"{}"), 1), Finish(Stop("stop"), 1)], ["/choices/1"]),
    ],
)
def test_what_a_whole_answer_loses_a_stream_loses(events: list[AnswerEvent], pointers: list[str]) -> None:
    assert write([Start(), *events, Finish(Stop("stop")), UsageUpdate(Usage(1, 1)), End()])[1] == pointers


# --------------------------------------------------------------------------------------- agreement

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10)
TOKENS = st.builds(Token, st.sampled_from([OWN, "openai_responses"]), st.text("abc=", min_size=1))
PARTS = st.one_of(
    st.builds(Text, TEXTS),
    st.builds(Reasoning, TEXTS, token=st.none() | TOKENS),
    st.builds(Reasoning, st.just(""), token=TOKENS, redacted=st.booleans()),
    st.builds(ToolCall, TEXTS, TEXTS.map(lambda t: t[:3]), st.dictionaries(TEXTS, TEXTS, max_size=2).map(json.dumps)),
    st.builds(ToolCall, TEXTS, TEXTS.map(lambda t: t[:3]), TEXTS, custom=st.just(True)),
)
_KINDS = {Text: "text", Reasoning: "reasoning", ToolCall: "call"}


@st.composite
def streams(draw: st.DrawFn) -> list[AnswerEvent]:
    """Events of an answer as Chat might tell them: parts open at will, their pieces mixed."""
    parts: list[Part] = draw(st.lists(PARTS, max_size=4))
    queues: list[list[AnswerEvent]] = []
    for key, part in enumerate(parts):
        kind: Any = "redacted" if getattr(part, "redacted", False) else _KINDS[type(part)]
        opened = Open(key, kind)
        text = ""
        if isinstance(part, ToolCall):
            opened.id, opened.name, text = part.id, part.name, part.arguments
            opened.kind = "custom_call" if part.custom else "call"
        elif isinstance(part, Text | Reasoning):
            text = part.text
        cut = draw(st.integers(0, len(text)))
        pieces: list[AnswerEvent] = [Delta(key, piece) for piece in (text[:cut], text[cut:]) if piece]
        if isinstance(part, Reasoning) and part.token is not None:
            pieces.append(Sign(key, part.token))
        queues.append([opened, *pieces, Close(key)])
    events: list[AnswerEvent] = [Start("i", "m")]
    waiting = list(queues)
    running: list[list[AnswerEvent]] = []
    while waiting or running:
        if waiting and (not running or draw(st.booleans())):
            running.append(waiting.pop(0))  # parts open in their order
            events.append(running[-1].pop(0))
        else:
            queue = draw(st.sampled_from(running))
            events.append(queue.pop(0))
        running = [queue for queue in running if queue]
    reason: Any = draw(st.sampled_from(["length", "refusal", "pause"]))
    return [*events, UsageUpdate(Usage(9, 5, 3, 2, 1)), Finish(Stop(reason)), End()]


def encoded(events: list[AnswerEvent], sizes: list[int]) -> bytes:
    encoder = new_answer_encoder(CONTEXT)
    out, place = b"", 0
    for size in sizes:
        out += encoder.feed(events[place : place + size])
        place += size
    return out + encoder.feed(events[place:]) + encoder.close()


@given(streams(), st.lists(st.integers(0, 5), max_size=5))
def test_it_does_not_matter_how_events_are_grouped(events: list[AnswerEvent], sizes: list[int]) -> None:
    assert encoded(events, sizes) == encoded(events, [])


@given(streams(), st.integers(1, 40))
def test_a_stream_that_is_written_and_read_amounts_to_the_same(events: list[AnswerEvent], size: int) -> None:
    back = fold(read(encoded(events, []), size=size))
    meant = fold(events)
    assert back.choices[0].parts == meant.choices[0].parts
    assert (back.id, back.model, back.usage) == (meant.id, meant.model, meant.usage)


@given(streams())
def test_a_stream_and_the_whole_answer_say_the_same(events: list[AnswerEvent]) -> None:
    whole, _ = encode_answer(fold(events), CONTEXT)
    streamed = fold(read(encoded(events, [])), OWN)
    assert streamed == unplaced(decode_answer(whole))


@given(streams(), st.data())
def test_what_was_written_is_never_taken_back(events: list[AnswerEvent], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(events)))
    encoder = new_answer_encoder(CONTEXT)
    assert encoded(events, []).startswith(encoder.feed(events[:cut]))


@given(streams(), st.data())
def test_a_stream_that_is_cut_never_looks_finished(events: list[AnswerEvent], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(events) - 1))
    found = parse(encoded(events[:cut], []))
    assert [event["type"] for event in found].count("error") == 1
    assert found[-1]["type"] == "error"
    assert isinstance(read(encoded(events[:cut], []))[-1], Fail)
