from __future__ import annotations

import json

import pytest
from msgspec import Raw

from trio_gateway.dialects.conversation import (
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
    fail_broken,
    fold,
    join_logprobs,
)
from trio_gateway.errors import UpstreamBroke, UpstreamError

STOP = Stop("stop")


def whole(*events: AnswerEvent) -> list[AnswerEvent]:
    return [Start(), *events, Finish(STOP), End()]


def parts(*events: AnswerEvent) -> list[Part]:
    (choice,) = fold(whole(*events)).choices
    return choice.parts


TOKEN = Token("gemini", "t")


@pytest.mark.parametrize(
    ("open_", "middle", "part"),
    [
        (Open(1, "text"), [Delta(1, "a"), Delta(1, "b")], Text("ab")),
        (Open(1, "text"), [Delta(1, "a"), Sign(1, TOKEN)], Text("a", token=TOKEN)),
        (Open(1, "text"), [Cite(1, Raw(b"1")), Cite(1, Raw(b"2"))], Text("", citations=[Raw(b"1"), Raw(b"2")])),
        (Open(1, "reasoning", id="rs_1"), [Delta(1, "a"), Sign(1, TOKEN)], Reasoning("a", token=TOKEN, id="rs_1")),
        (Open(1, "redacted"), [Sign(1, TOKEN)], Reasoning("", token=TOKEN, redacted=True)),
        (Open(1, "call", id="c", name="f"), [Delta(1, '{"a"'), Delta(1, ":1}")], ToolCall("c", "f", '{"a":1}')),
        (Open(1, "call", id="c", name="f"), [], ToolCall("c", "f", "{}")),
        (Open(1, "custom_call", id="c", name="f"), [], ToolCall("c", "f", "", custom=True)),
        (Open(1, "call", name="f", namespace="n"), [], ToolCall("", "f", "{}", namespace="n")),
        (Open(1, "refusal"), [Delta(1, "no")], Refusal("no")),
        (Open(1, "opaque", tag="x", raw=Raw(b"[1]"), dialect="gemini"), [], Opaque("gemini", "x", Raw(b"[1]"))),
    ],
)  # fmt: skip
def test_what_is_told_of_a_part_makes_the_part(open_: Open, middle: list[AnswerEvent], part: Part) -> None:
    assert parts(open_, *middle, Close(1)) == [part]


def test_parts_stand_in_the_order_they_were_opened() -> None:
    events = [Open(1, "text"), Open(2, "call", id="c", name="f"), Delta(2, "{}"), Close(2), Delta(1, "a"), Close(1)]
    assert parts(*events) == [Text("a"), ToolCall("c", "f", "{}")]


def test_choices_are_told_apart_and_ordered() -> None:
    late = Stop("length")
    events = [
        Start("id", "m", 7, "flex"),
        Open(1, "text", choice=1), Delta(1, "b"), Close(1),
        Open(2, "text"), Delta(2, "a"), Close(2),
        Finish(late, 1), Finish(STOP),
        End(),
    ]  # fmt: skip
    answer = fold(events, "openai_chat")
    assert answer.choices == [Choice([Text("a")], STOP, 0), Choice([Text("b")], late, 1)]
    assert (answer.source, answer.id, answer.model, answer.created) == ("openai_chat", "id", "m", 7)
    assert answer.service_tier == "flex"


def test_counts_that_come_later_replace_earlier_ones_and_unknown_ones_do_not() -> None:
    events = whole(UsageUpdate(Usage(input=5, output=1)), Ping(), UsageUpdate(Usage(output=3, reasoning=2)))
    assert fold(events).usage == Usage(input=5, output=3, reasoning=2)


def test_log_probabilities_are_joined_list_by_list() -> None:
    pieces = [Raw(b'{"content":[1],"refusal":null}'), Raw(b'{"content":[2,3]}'), Raw(b'{"content":null,"refusal":[4]}')]
    assert json.loads(bytes(join_logprobs(pieces))) == {"content": [1, 2, 3], "refusal": [4]}
    assert json.loads(bytes(join_logprobs(pieces[:1]))) == {"content": [1], "refusal": None}
    (choice,) = fold(whole(*map(LogprobsDelta, pieces))).choices
    assert choice.logprobs == join_logprobs(pieces)


def test_a_stream_that_failed_raises_its_own_error() -> None:
    error = UpstreamError("overloaded", status=529)
    with pytest.raises(UpstreamError) as caught:
        fold([Start(), Open(1, "text"), Delta(1, "a"), Fail(error)])
    assert caught.value is error


@pytest.mark.parametrize("events", [[], [Start()], whole(Open(1, "text"), Close(1))[:-1]])
def test_a_stream_without_its_end_is_broken(events: list[AnswerEvent]) -> None:
    with pytest.raises(UpstreamBroke):
        fold(events)


def test_what_breaks_is_the_provider_s_fault() -> None:
    failed = fail_broken("why").error
    assert isinstance(failed, UpstreamBroke)
    assert str(failed) == "why"
