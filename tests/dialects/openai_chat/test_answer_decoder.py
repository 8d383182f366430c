import json
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from tests.dialects.readers import bytewise, failure, fed, placeless
from trio_gateway.dialects.conversation import (
    Choice,
    Loss,
    Reasoning,
    Refusal,
    Stop,
    Text,
    Token,
    ToolCall,
    Usage,
)
from trio_gateway.dialects.events import AnswerEvent, Close, Delta, End, Fail, Finish, Open, Start, UsageUpdate, fold
from trio_gateway.dialects.openai_chat import AnswerDecoder, decode_answer
from trio_gateway.errors import UpstreamBroke

DONE = b"data: [DONE]\n\n"


def frame(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0, **fields: Any) -> bytes:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish}
    return frame({"id": "chatcmpl-1", "created": 5, "model": "m", "choices": [choice], **fields})


def call(
    index: int | None = None, id_: str | None = None, name: str | None = None, arguments: str | None = None
) -> Any:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    fields = {"index": index, "id": id_, "function": function}
    return {key: value for key, value in fields.items() if value is not None}


def calls(*fragments: Any) -> bytes:
    return chunk({"tool_calls": list(fragments)})


def decode(*chunks: bytes) -> list[AnswerEvent]:
    return fed(AnswerDecoder(), *chunks)


def folded(*chunks: bytes) -> Choice:
    (choice,) = fold(decode(*chunks, chunk(finish="stop"), DONE)).choices
    return choice


def test_a_text_is_told_delta_by_delta() -> None:
    stream = [chunk({"role": "assistant", "content": ""}), chunk({"content": "Hel"}), chunk({"content": "lo"})]
    usage = frame({"id": "chatcmpl-1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
    assert decode(*stream, chunk(finish="stop"), usage, DONE) == [
        Start("chatcmpl-1", "m", 5),
        Open(0, "text"),
        Delta(0, "Hel"),
        Delta(0, "lo"),
        Close(0),
        Finish(Stop("stop", raw="stop")),
        UsageUpdate(Usage(3, 2)),
        End(),
    ]


def test_a_delta_leaves_with_its_chunk() -> None:
    decoder = AnswerDecoder()
    decoder.feed(chunk({"content": "a"}))
    assert decoder.feed(chunk({"content": "b"})) == [Delta(0, "b")]


def test_a_change_of_kind_closes_what_was_open() -> None:
    choice = folded(chunk({"reasoning_content": "r"}), chunk({"content": "a"}), chunk({"refusal": "n"}))
    assert choice.parts == [Reasoning("r"), Text("a"), Refusal("n")]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_in_either_spelling_is_read(field: str) -> None:
    assert folded(chunk({field: "a"}), chunk({field: "b"})).parts == [Reasoning("ab")]


def test_reasoning_given_in_both_spellings_is_told_once() -> None:
    assert folded(chunk({"reasoning_content": "a", "reasoning": "a"})).parts == [Reasoning("a")]


def test_fragments_of_reasoning_details_are_joined_by_index() -> None:
    def detail(text: str | None, index: int, **fields: Any) -> bytes:
        entry = {"type": "reasoning.text", "text": text, "index": index, **fields}
        return chunk({"reasoning": text, "reasoning_details": [entry]})

    stream = [detail("ha", 0), detail("ha", 0), detail(None, 0, signature="s"), detail("b", 1), chunk({"content": "x"})]
    assert folded(*stream).parts == [Reasoning("haha", token=Token("openai_chat", "s")), Reasoning("b"), Text("x")]


def test_a_detail_that_repeats_what_was_told_only_signs_it() -> None:
    entry = {"type": "reasoning.text", "text": "ab", "signature": "trio:anthropic_messages:S", "index": 0}
    stream = [
        chunk({"reasoning_content": "a"}),
        chunk({"reasoning_content": "b"}),
        chunk({"reasoning_details": [entry]}),
    ]
    more = chunk({"reasoning_content": "c"})
    expected = [Reasoning("ab", token=Token("anthropic_messages", "S")), Reasoning("c")]
    assert folded(*stream, more).parts == expected


def test_litellms_thinking_blocks_sign_at_the_end() -> None:
    def block(text: str, signature: str | None) -> bytes:
        return chunk({"thinking_blocks": [{"type": "thinking", "thinking": text, "signature": signature}]})

    assert folded(block("a", None), block("b", ""), block("", "S")).parts == [
        Reasoning("ab", token=Token("anthropic_messages", "S"))
    ]


def test_encrypted_reasoning_is_a_part_of_its_own() -> None:
    details = [
        {"type": "reasoning.encrypted", "data": "trio:anthropic_messages:R"},
        {"type": "reasoning.encrypted", "data": "trio:openai_responses:E", "id": "rs_1"},
    ]
    assert folded(chunk({"reasoning_details": details})).parts == [
        Reasoning("", token=Token("anthropic_messages", "R"), redacted=True),
        Reasoning("", token=Token("openai_responses", "E"), id="rs_1"),
    ]


def test_a_token_that_comes_after_its_text_has_ended_is_a_loss() -> None:
    decoder = AnswerDecoder()
    decoder.feed(chunk({"reasoning_content": "a"}) + chunk({"content": "b"}))
    entry = {"type": "reasoning.text", "text": "a", "signature": "s"}
    decoder.feed(chunk({"reasoning_details": [entry]}))
    assert [loss.pointer for loss in decoder.losses] == ["/choices/0/delta"]


def test_a_content_of_parts_is_read() -> None:
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    choice = folded(chunk({"content": parts}))
    assert [type(part).__name__ for part in choice.parts] == ["Opaque", "Text"]
    assert choice.parts[1] == Text("ab")


def test_annotations_are_citations_of_the_text() -> None:
    annotation = {"type": "url_citation"}
    choice = folded(chunk({"content": "a"}), chunk({"annotations": [annotation]}), chunk({"content": "b"}))
    raw = msgspec.Raw(json.dumps(annotation).encode())
    assert choice.parts == [Text("ab", citations=[raw])]


def test_logprobs_are_joined() -> None:
    choices = [
        {"index": 0, "delta": {"content": t}, "logprobs": {"content": [{"token": t, "logprob": 0}], "refusal": None}}
        for t in "ab"
    ]
    choice = folded(*[frame({"id": "x", "choices": [entry]}) for entry in choices])
    assert choice.logprobs == msgspec.Raw(
        b'{"content":[{"token": "a", "logprob": 0},{"token": "b", "logprob": 0}],"refusal":null}'
    )


# ------------------------------------------------------------------------------------------------- tool calls

CALLS: dict[str, tuple[list[bytes], list[tuple[str, str, str]]]] = {
    "one call in fragments": (
        [calls(call(0, "a", "f", "")), calls(call(0, arguments='{"x"')), calls(call(0, arguments=":1}"))],
        [("a", "f", '{"x":1}')],
    ),
    "a whole call in one chunk": ([calls(call(0, "a", "f", "{}"))], [("a", "f", "{}")]),
    "no arguments": ([calls(call(0, "a", "f", ""))], [("a", "f", "{}")]),
    "a prefix that is valid by itself": (
        [calls(call(0, "a", "f", "{}")), calls(call(0, arguments='{"a":1}'))],
        [("a", "f", '{}{"a":1}')],
    ),
    "interleaved": (
        [
            calls(call(0, "a", "f", "")),
            calls(call(1, "b", "g", "")),
            calls(call(0, arguments="[1"), call(1, arguments="[2")),
            calls(call(1, arguments="]")),
            calls(call(0, arguments="]")),
        ],
        [("a", "f", "[1]"), ("b", "g", "[2]")],
    ),
    "two fragments of one index in a chunk": (
        [calls(call(0, "a", "f", ""), call(0, arguments="{")), calls(call(0, arguments="}"))],
        [("a", "f", "{}")],
    ),
    "indexes from 1": (
        [calls(call(1, "a", "f", "{}")), calls(call(2, "b", "g", "{}"))],
        [("a", "f", "{}"), ("b", "g", "{}")],
    ),
    "indexes with gaps": (
        [calls(call(7, "b", "g", "{}")), calls(call(3, "a", "f", "{}"))],
        [("b", "g", "{}"), ("a", "f", "{}")],
    ),
    "one index for different ids": (
        [calls(call(0, "a", "f", "[1]")), calls(call(0, "b", "f", "[2]"))],
        [("a", "f", "[1]"), ("b", "f", "[2]")],
    ),
    "no index": ([calls(call(None, "a", "f", "[")), calls(call(arguments="]"))], [("a", "f", "[]")]),
    "no index and no id, whole calls in one chunk": (
        [calls(call(name="f", arguments="[1]"), call(name="f", arguments="[2]"))],
        [("call_05ceaaf605966fc6_0_0", "f", "[1]"), ("call_05ceaaf605966fc6_0_1", "f", "[2]")],
    ),
    "the id in every chunk": (
        [calls(call(0, "a", "f", "[")), calls(call(0, "a", arguments="]"))],
        [("a", "f", "[]")],
    ),
    "an empty id after the first chunk": (
        [calls(call(0, "a", "f", "[")), calls(call(0, "", arguments="]"))],
        [("a", "f", "[]")],
    ),
    "a late id": ([calls(call(0, "", "f")), calls(call(0, "a", arguments="[]"))], [("a", "f", "[]")]),
    "no id": ([calls(call(0, None, "f", "{}"))], [("call_05ceaaf605966fc6_0_0", "f", "{}")]),
    "the name in every chunk": (
        [calls(call(0, "a", "f", "")), calls(call(0, "a", "f", "[")), calls(call(0, "a", "f", "]"))],
        [("a", "f", "[]")],
    ),
    "a split name": (
        [calls(call(0, "a", "get_")), calls(call(0, name="weather")), calls(call(0, arguments="{}"))],
        [("a", "get_weather", "{}")],
    ),
    "a late name": (
        [calls(call(0, "a", "", "[")), calls(call(0, name="f")), calls(call(0, arguments="]"))],
        [("a", "f", "[]")],
    ),
    "one id for two calls": (
        [calls(call(0, "a", "f", "[1]"), call(1, "a", "g", "[2]"))],
        [("a", "f", "[1]"), ("call_05ceaaf605966fc6_0_1", "g", "[2]")],
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_fragments_find_their_call(name: str) -> None:
    stream, expected = CALLS[name]
    choice = folded(*stream)
    found = [(part.id, part.name, part.arguments) for part in choice.parts if isinstance(part, ToolCall)]
    assert found == expected
    assert choice.stop == Stop("tool_calls", raw="stop")


def test_a_call_is_opened_once_its_name_is_whole() -> None:
    events = decode(calls(call(0, "a", "f")), calls(call(1, "b", "g")), calls(call(1, arguments="[")))
    assert events[1:4] == [Open(0, "call", id="a", name="f"), Open(1, "call", id="b", name="g"), Delta(1, "[")]


def test_custom_calls_are_told_as_text() -> None:
    first = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": ""}}
    more = {"index": 0, "custom": {"input": "ls"}}
    assert folded(calls(first), calls(more)).parts == [ToolCall("a", "sh", "ls", custom=True)]


def test_a_thought_signature_signs_its_call() -> None:
    first = call(0, "a", "f", "{}") | {"extra_content": {"google": {"thought_signature": "s"}}}
    assert folded(calls(first)).parts == [ToolCall("a", "f", "{}", token=Token("openai_chat", "s"))]


def test_a_legacy_function_call_is_a_call() -> None:
    first, more = {"name": "f", "arguments": ""}, {"arguments": "[]"}
    choice = folded(chunk({"function_call": first}), chunk({"function_call": more}))
    assert choice.parts == [ToolCall("call_05ceaaf605966fc6_0_0", "f", "[]")]


def test_cut_off_arguments_stay_cut_off() -> None:
    events = decode(calls(call(0, "a", "f", '{"x":')), chunk(finish="length"), DONE)
    (choice,) = fold(events).choices
    assert choice.parts == [ToolCall("a", "f", '{"x":')]
    assert choice.stop == Stop("length", raw="length")


# --------------------------------------------------------------------------------------------- choices and ends


def test_several_choices_finish_when_they_do() -> None:
    events = decode(
        chunk({"content": "a"}, index=1),
        chunk({"content": "b"}),
        chunk(finish="stop", index=1),
        chunk({"content": "c"}),
        chunk(finish="length"),
        DONE,
    )
    assert fold(events).choices == [
        Choice([Text("bc")], Stop("length", raw="length")),
        Choice([Text("a")], Stop("stop", raw="stop"), 1),
    ]


def test_azures_prelude_is_no_start() -> None:
    prelude = frame({"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": []})
    events = decode(prelude, chunk({"content": "a"}), chunk(finish="stop"), DONE)
    assert events[0] == Start("chatcmpl-1", "m", 5)


def test_the_end_of_the_bytes_after_every_finish_is_an_end() -> None:
    assert decode(chunk({"content": "a"}), chunk(finish="stop"))[-1] == End()
    assert decode(chunk({"content": "a"}), chunk(finish="stop"), b'data: {"id":"x","cho')[-1] == End()


def test_usage_is_read_wherever_it_comes_and_later_counts_win() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 1}
    stream = [chunk({"content": "a"}, usage=usage), chunk(finish="stop", usage=None)]
    late = frame({"choices": [], "usage": {"completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}})
    assert fold(decode(*stream, late, DONE)).usage == Usage(3, 2, 1)
    assert fold(decode(*stream[1:], DONE)).usage is None


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        DONE,
        b": nothing\n\n",
        chunk({"content": "a"}),
        chunk({"content": "a"}) + DONE,
        chunk({"content": "a"}) + chunk({"content": "b"}, index=1) + chunk(finish="stop") + DONE,
        chunk({"content": "a"}) + b'data: {"choi',
        chunk({"content": "a"}) + b"data: <html>\n\n",
        b'data: {"choices":[{"delta":{"content":7}}]}\n\n',
        b"<html><body>502 Bad Gateway</body></html>",
        b"data: " + b"[" * 100_000 + b"\n\n",
    ],
)
def test_what_ends_without_a_finish_or_cannot_be_read_has_failed(stream: bytes) -> None:
    for events in (decode(stream), decode(*bytewise(stream))):
        assert isinstance(events[-1], Fail)
        assert isinstance(events[-1].error, UpstreamBroke)
        assert sum(isinstance(event, Fail | End) for event in events) == 1


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        ({"error": {"message": "slow down", "type": "rate_limit_error", "code": None}}, 429, "slow down"),
        ({"error": {"message": "busy", "code": 503}}, 503, "busy"),
        ({"error": "it broke"}, 502, "it broke"),
        ({"object": "error", "message": "no", "type": "server_error", "code": 500}, 500, "no"),
        ({"error": {"message": "boom", "type": "server_error"}, "id": "x", "choices": []}, 500, "boom"),
    ],
)
def test_an_error_in_the_stream_fails_it(error: Any, status: int, message: str) -> None:
    found = failure(decode(chunk({"content": "a"}), frame(error), chunk({"content": "b"}), DONE))
    assert (found.status, found.message) == (status, message)


def test_an_empty_error_member_is_no_error() -> None:
    assert decode(chunk({"content": "a"}, error=None), chunk(finish="stop", error={}), DONE)[-1] == End()


def test_nothing_follows_the_end() -> None:
    decoder = AnswerDecoder()
    assert decoder.feed(chunk(finish="stop") + DONE + chunk({"content": "a"}))[-1] == End()
    assert decoder.feed(chunk({"content": "a"})) == []
    assert decoder.close() == []


def test_a_choice_that_goes_on_after_its_finish_is_a_loss() -> None:
    decoder = AnswerDecoder()
    decoder.feed(chunk(finish="stop") + chunk({"content": "a"}) + chunk(finish="stop"))
    assert [type(event) for event in decoder.close()] == [End]
    assert decoder.losses == [Loss("/choices/0", "the choice went on after its finish_reason")]


def test_members_nobody_knows_are_named_once() -> None:
    decoder = AnswerDecoder()
    for _ in range(3):
        decoder.feed(chunk({"content": "a", "mood": "good"}, provider="p", system_fingerprint="fp"))
    pointers = sorted(loss.pointer for loss in decoder.losses)
    assert pointers == ["/choices/0/delta/mood", "/provider", "/system_fingerprint"]


def test_members_of_counts_are_named_where_others_were_before() -> None:
    decoder = AnswerDecoder()
    decoder.feed(chunk({"content": "a"}, provider="p"))
    for _ in range(2):
        decoder.feed(chunk({}, provider="p", usage={"prompt_tokens": 1, "cost": 2}))
    assert [loss.pointer for loss in decoder.losses] == ["/provider", "/usage/cost"]


# ------------------------------------------------------------------------------------------------------- laws

TEXTS = st.text(min_size=1, max_size=6)


@st.composite
def told(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A stream and the whole answer it amounts to."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    message: dict[str, Any] = {"role": "assistant", "content": None}
    for field in ("reasoning_content", "content", "refusal"):
        pieces = draw(st.lists(TEXTS, max_size=3))
        deltas += [{field: piece} for piece in pieces]
        if pieces:
            message[field] = "".join(pieces)
    made = draw(st.lists(st.tuples(TEXTS, st.lists(TEXTS, max_size=3)), max_size=3))
    fragments = [
        [call(i, f"id{i}", name, "")] + [call(i, arguments=p) for p in pieces] for i, (name, pieces) in enumerate(made)
    ]
    while any(fragments):
        row = draw(st.sampled_from([row for row in fragments if row]))
        # Names come in the order of the calls; arguments may alternate.
        if len(row) == len(made[fragments.index(row)][1]) + 1:
            row = next(row for row, (_, pieces) in zip(fragments, made, strict=True) if len(row) == len(pieces) + 1)
        deltas.append({"tool_calls": [row.pop(0)]})
    if made:
        message["tool_calls"] = [call(None, f"id{i}", name, "".join(pieces)) for i, (name, pieces) in enumerate(made)]
    finish = draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter", "new"]))
    usage = draw(
        st.none() | st.fixed_dictionaries({"prompt_tokens": st.integers(0, 9), "completion_tokens": st.integers(0, 9)})
    )
    stream = b"".join(chunk(delta) for delta in deltas) + chunk(finish=finish)
    if usage:
        stream += frame({"id": "chatcmpl-1", "choices": [], "usage": usage})
    choice = {"index": 0, "message": message, "finish_reason": finish}
    whole = {"id": "chatcmpl-1", "created": 5, "model": "m", "choices": [choice], "usage": usage}
    return stream + DONE, json.dumps(whole).encode()


@given(told())
def test_a_stream_amounts_to_the_answer_it_tells(streamed_and_whole: tuple[bytes, bytes]) -> None:
    stream, whole = streamed_and_whole
    assert fold(decode(stream), "openai_chat") == placeless(decode_answer(whole))


@given(told(), st.data())
def test_events_do_not_depend_on_where_the_bytes_are_split(both: tuple[bytes, bytes], data: st.DataObject) -> None:
    stream = both[0]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[i:j] for i, j in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert decode(*pieces) == decode(stream) == decode(*bytewise(stream))


@given(told(), st.data())
def test_every_prefix_ends_in_one_fail_or_end(both: tuple[bytes, bytes], data: st.DataObject) -> None:
    stream = both[0]
    cut = data.draw(st.integers(0, len(stream)))
    events = decode(stream[:cut])
    assert isinstance(events[-1], End | Fail)
    assert sum(isinstance(event, End | Fail) for event in events) == 1
    finished = any(isinstance(event, Finish) for event in events)
    assert isinstance(events[-1], End) is finished


@given(
    st.lists(
        st.binary(max_size=20)
        | st.recursive(
            st.none() | st.integers(-1, 2) | st.text(max_size=3),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "choices",
                            "delta",
                            "content",
                            "tool_calls",
                            "function",
                            "name",
                            "index",
                            "id",
                            "error",
                            "usage",
                        ]
                    ),
                    inner,
                    max_size=4,
                )
            ),
        ).map(frame),
        max_size=5,
    )
)
def test_no_bytes_raise_anything(pieces: list[bytes]) -> None:
    events = decode(*pieces)
    assert isinstance(events[-1], End | Fail)
