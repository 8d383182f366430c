"""What stands in for results that a client never gave, and what becomes of those that come too late."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.dialects.conversation import ToolCall, ToolResult, Turn
from trio_gateway.dialects.unanswered import (
    ERROR_STANDS_IN,
    NO_RESULT,
    TEXT_STANDS_IN,
    TOO_LATE,
    OpenCalls,
    unanswered,
)
from trio_gateway.errors import InvalidRequest
from trio_gateway.simulator.anthropic_rules import VERSIONS, check_messages
from trio_gateway.simulator.openai_responses_rules import check_responses
from trio_gateway.simulator.openai_rules import check_chat
from trio_gateway.translate import translate_request

TARGETS = ("openai_chat", "openai_responses", "anthropic_messages")
USER: dict[str, Any] = {"role": "user", "content": "x"}
NEVER_MIND: dict[str, Any] = {"role": "user", "content": "never mind"}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]


def asked(*ids: str, text: str = "") -> dict[str, Any]:
    calls = [{"id": id_, "function": {"name": "f", "arguments": {}}} for id_ in ids]
    return {"role": "assistant", "content": text, "tool_calls": calls}


def told(id_: str, text: str = "1") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": text}


def sent(target: str, *messages: dict[str, Any]) -> tuple[list[Any], list[tuple[str, str]]]:
    """Return what a provider is sent of Ollama's messages, which it takes, and the losses."""
    body = json.dumps({"model": "m", "messages": messages, "tools": TOOLS}).encode()
    translated = translate_request(body, "ollama", target, model="claude-opus-4-8")
    written = json.loads(translated.body)
    if target == "anthropic_messages":
        check_messages(written, VERSIONS[0], beta=False)
    else:
        {"openai_chat": check_chat, "openai_responses": check_responses}[target](written)
    history = written["input" if target == "openai_responses" else "messages"]
    return history, [(loss.pointer, loss.reason) for loss in translated.losses]


def results(target: str, history: list[Any]) -> list[tuple[str, str, bool | None]]:
    """Return the results in a history: of which call, the text, and whether it says that it is an error."""
    if target == "openai_chat":
        return [(one["tool_call_id"], one["content"], None) for one in history if one["role"] == "tool"]
    if target == "openai_responses":
        outputs = [item for item in history if item["type"].endswith("call_output")]
        return [(item["call_id"], item["output"], None) for item in outputs]
    blocks = [block for message in history for block in message["content"] if block["type"] == "tool_result"]
    return [(block["tool_use_id"], block["content"], block.get("is_error")) for block in blocks]


def stand_in(target: str, id_: str) -> tuple[str, str, bool | None]:
    return id_, NO_RESULT, True if target == "anthropic_messages" else None


def reason(target: str) -> str:
    return ERROR_STANDS_IN if target == "anthropic_messages" else TEXT_STANDS_IN


@pytest.mark.parametrize("target", TARGETS)
def test_a_call_that_something_else_follows_is_answered_in_its_place(target: str) -> None:
    history, losses = sent(target, USER, asked("a"), NEVER_MIND)
    assert results(target, history) == [stand_in(target, "a")]
    assert losses == [("/messages/1/tool_calls/0", reason(target))]


@pytest.mark.parametrize("target", TARGETS)
def test_a_call_at_the_end_is_answered_too_for_no_provider_goes_on_without(target: str) -> None:
    history, losses = sent(target, USER, asked("a", "b"), told("b"))
    assert results(target, history) == [("b", "1", None), stand_in(target, "a")]
    assert losses == [("/messages/1/tool_calls/0", reason(target))]
    history, losses = sent(target, USER, asked("a", text="hm"))
    assert results(target, history) == [stand_in(target, "a")]
    assert [pointer for pointer, _ in losses] == ["/messages/1/tool_calls/0"]


@pytest.mark.parametrize("target", TARGETS)
def test_an_id_that_is_used_again_is_that_of_two_calls(target: str) -> None:
    # The providers see one call each time: only their results must stand where they belong.
    body = {"model": "m", "messages": [USER, asked("a"), NEVER_MIND, asked("a"), told("a")]}
    translated = translate_request(json.dumps(body).encode(), "ollama", target, model="claude-opus-4-8")
    history = json.loads(translated.body)["input" if target == "openai_responses" else "messages"]
    assert results(target, history) == [stand_in(target, "a"), ("a", "1", None)]


@pytest.mark.parametrize("target", TARGETS)
def test_a_history_in_which_every_call_is_answered_stays_as_it_is(target: str) -> None:
    history, losses = sent(target, USER, asked("a", "b"), told("b"), told("a"), NEVER_MIND)
    assert results(target, history) == [("b", "1", None), ("a", "1", None)]
    assert losses == []


def test_a_result_that_comes_late_is_left_out_where_it_must_follow_its_call() -> None:
    messages = [USER, asked("a"), NEVER_MIND, asked(text="oh"), told("a"), USER]
    for target in ("openai_chat", "anthropic_messages"):
        history, losses = sent(target, *messages)
        assert results(target, history) == [stand_in(target, "a")]
        assert ("/messages/1/tool_calls/0", reason(target)) in losses
        assert ("/messages/4", TOO_LATE) in losses


@pytest.mark.parametrize("target", ["openai_chat", "anthropic_messages"])
def test_a_result_that_comes_before_the_model_goes_on_is_moved_to_its_call(target: str) -> None:
    messages = [USER, asked("a", "b"), told("b"), NEVER_MIND, told("a"), USER, asked("c"), told("c")]
    history, losses = sent(target, *messages)
    assert results(target, history) == [("b", "1", None), ("a", "1", None), ("c", "1", None)]
    assert [pointer for pointer, _ in losses if pointer != "/messages/5"] == ["/messages/4"]
    if target == "openai_chat":
        assert [one["role"] for one in history] == [
            "user", "assistant", "tool", "tool", "user", "user", "assistant", "tool",
        ]  # fmt: skip


def test_a_result_may_come_late_in_responses() -> None:
    history, losses = sent("openai_responses", USER, asked("a"), NEVER_MIND, told("a"), USER)
    assert results("openai_responses", history) == [("a", "1", None)]
    assert losses == []


steps = st.sampled_from(("calls", "calls", "result", "result", "user", "blank", "system", "assistant", "nothing"))


@pytest.mark.parametrize("target", TARGETS)
@given(st.lists(st.tuples(steps, st.integers(0, 2)), max_size=9))
def test_any_order_of_calls_and_results_is_one_that_the_provider_takes(
    target: str, said: list[tuple[str, int]]
) -> None:
    messages: list[dict[str, Any]] = [USER]
    waiting: list[str] = []
    texts = {"user": "u", "blank": " ", "system": "s", "assistant": "a", "nothing": ""}
    for place, (step, number) in enumerate(said):
        if step == "calls":
            ids = [f"call_{place}_{index}" for index in range(number + 1)]
            waiting += ids
            messages.append(asked(*ids))
        elif step == "result":
            if waiting:
                messages.append(told(waiting.pop(number % len(waiting))))
        else:
            role = {"blank": "user", "nothing": "assistant"}.get(step, step)
            messages.append({"role": role, "content": texts[step]})
    try:
        sent(target, *messages)  # raises Rejected for what the provider refuses
    except InvalidRequest:  # Claude ends with a user's message
        assert target == "anthropic_messages"


def test_claude_is_given_the_errors_after_the_results_and_before_the_text() -> None:
    history, _ = sent("anthropic_messages", USER, asked("a", "b"), told("b"), NEVER_MIND)
    assert [block["type"] for block in history[2]["content"]] == ["tool_result", "tool_result", "text"]
    assert [block.get("tool_use_id") for block in history[2]["content"]] == ["b", "a", None]


def test_what_is_one_message_for_claude_is_answered_as_one() -> None:
    history, losses = sent("anthropic_messages", USER, asked("a"), asked("b"), NEVER_MIND, told("b"), USER)
    assert [message["role"] for message in history] == ["user", "assistant", "user"]
    assert results("anthropic_messages", history) == [("b", "1", None), stand_in("anthropic_messages", "a")]
    assert ("/messages/1/tool_calls/0", ERROR_STANDS_IN) in losses


@pytest.mark.parametrize("target", ["openai_chat", "openai_responses"])
def test_a_longer_history_begins_with_the_same_stand_ins(target: str) -> None:
    shorter = [USER, asked("a", "b"), told("a"), NEVER_MIND]
    before, _ = sent(target, *shorter)
    after, _ = sent(target, *shorter, asked("c"), told("c"))
    assert after[: len(before)] == before


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses", "anthropic_messages"])
def test_in_its_own_dialect_a_history_is_the_clients_affair(dialect: str) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "openai_chat": {
            "messages": [
                USER,
                {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f"}}]},
                NEVER_MIND,
            ]
        },
        "openai_responses": {
            "input": [USER, {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}, NEVER_MIND]
        },
        "anthropic_messages": {
            "max_tokens": 9,
            "messages": [
                USER,
                {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
                NEVER_MIND,
            ],
        },
    }
    body = json.dumps({"model": "m"} | bodies[dialect]).encode()
    assert translate_request(body, dialect, dialect).body == body


def test_a_custom_tools_call_is_answered_as_one() -> None:
    call = {"id": "a", "type": "custom", "custom": {"name": "f", "input": "x"}}
    messages = [USER, {"role": "assistant", "tool_calls": [call]}, NEVER_MIND]
    body = json.dumps({"model": "m", "messages": messages}).encode()
    translated = translate_request(body, "openai_chat", "openai_responses")
    (output,) = (item for item in json.loads(translated.body)["input"] if item["type"].endswith("_output"))
    assert (output["type"], output["call_id"]) == ("custom_tool_call_output", "a")


def test_an_id_that_is_too_long_is_that_of_its_call() -> None:
    long = "x" * 300
    for target in TARGETS:
        history, losses = sent(target, USER, asked(long), NEVER_MIND)
        ((id_, *_),) = results(target, history)
        assert json.dumps(history[1]).count(f'"{id_}"') == 1
        assert [pointer for pointer, why in losses if why == reason(target)] == ["/messages/1/tool_calls/0"]


def test_calls_wait_until_they_are_passed_over() -> None:
    first, second = ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}")
    calls = OpenCalls()
    calls.ask(first)
    calls.ask(second)
    assert calls.waiting
    assert calls.answer(ToolResult("b", []))
    assert not calls.answer(ToolResult("b", []))
    assert calls.pass_over() == [first]
    assert not calls.waiting
    assert not calls.answer(ToolResult("a", []))
    assert calls.is_passed_over(ToolResult("a", []))
    assert not calls.is_passed_over(ToolResult("b", []))  # nothing stands in for it
    calls.ask(first)
    assert calls.answer(ToolResult("a", []))


def test_of_two_calls_with_one_id_the_earlier_one_was_passed_over() -> None:
    first, second, third = (ToolCall("a", "f", "{}") for _ in range(3))
    turns = [
        Turn("assistant", [first]),
        Turn("assistant", [second]),
        Turn("tool", [ToolResult("a", [])]),
        Turn("assistant", [third]),
    ]
    assert unanswered(turns) == {id(first), id(third)}
