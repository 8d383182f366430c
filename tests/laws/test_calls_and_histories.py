"""R6, R7 and R16 of requests with all their format has: ids, arguments, and histories that grow."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
from answer_streams import uncut
from answers import whole
from hypothesis import assume, given
from hypothesis import strategies as st
from lawbook import every_pair, law
from members import ID_PATTERNS, NAME_PATTERNS, wire_ids
from normal import covers, value_of
from rich_requests import rich_requests
from trips import MODEL, carry, fold_stream, module, read_request
from values import dumps

from trio_gateway import AnswerTranslator, translate_answer, translate_request
from trio_gateway.dialects.conversation import Answer, Conversation, ToolCall, ToolResult
from trio_gateway.dialects.names import OwnName, mark_name
from trio_gateway.dialects.unanswered import NO_RESULT
from trio_gateway.errors import InvalidRequest


def calls_of(conversation: Conversation) -> list[ToolCall]:
    return [part for turn in conversation.turns for part in turn.parts if isinstance(part, ToolCall)]


def calls_of_answer(answer: Answer) -> list[OwnName]:
    calls = (part for part in answer.choices[0].parts if isinstance(part, ToolCall))
    return [OwnName(call.name, call.namespace) for call in calls]


def results_of(conversation: Conversation) -> list[ToolResult]:
    return [part for turn in conversation.turns for part in turn.parts if isinstance(part, ToolResult)]


@every_pair
@law
@given(st.data())
def test_r06_calls_keep_their_names_and_ids_apart_in_any_request(source: str, target: str, data: st.DataObject) -> None:
    body = data.draw(rich_requests(source))
    try:
        there = carry(body, source, target)
    except InvalidRequest:
        assume(False)
        return
    arrived = there.arrived()
    before, after = calls_of(there.conversation), calls_of(arrived)
    assert [(call.namespace, call.name) for call in after] == [(call.namespace, call.name) for call in before]
    assert all(re.fullmatch(ID_PATTERNS[target], id_) for id_ in wire_ids(json.loads(there.body)))
    given_by: dict[str, str] = {}
    for call, copy in zip(before, after, strict=True):
        assert given_by.setdefault(copy.id, call.id) == call.id
    ids = {call.id: copy.id for call, copy in zip(before, after, strict=True)}
    expected = [ids[result.call_id] for result in results_of(there.conversation) if result.call_id in ids]
    answered = [result.call_id for result in results_of(arrived) if result.call_id in given_by]
    assert sorted(answered) == sorted(expected) or there.losses


@every_pair
@law
@given(st.data())
def test_r06_names_fit_the_target_and_come_back_in_its_answers(source: str, target: str, data: st.DataObject) -> None:
    body = data.draw(rich_requests(source))
    try:
        there = translate_request(body, source, target, model=MODEL)
    except InvalidRequest:
        assume(False)
        return
    arrived = read_request(target, there.body)
    told = [(tool.name, tool.kind == "custom") for tool in arrived.tools if tool.kind != "hosted"]
    told_in_all = {name for name, _ in told} | {call.name for call in calls_of(arrived)}
    assert all(re.fullmatch(NAME_PATTERNS[target], name) for name in told_in_all)
    called = [mark_name(name, custom and target in ("anthropic_messages", "gemini")) for name, custom in told]
    for answer in _answers_that_call(called, target, source, there.tool_names):
        returned = calls_of_answer(answer)
        asked = read_request(source, body)
        # Where there is no tool, those that were called stand in for Anthropic.
        offered = [OwnName(tool.name, tool.namespace) for tool in asked.tools if tool.kind != "hosted"]
        called_before = dict.fromkeys((OwnName(call.name, call.namespace), call.custom) for call in calls_of(asked))
        own = iter([*offered, *(name for name, _ in called_before)])
        assert len(returned) == len(called)
        assert all(name in own for name in returned)  # in order: some tools may not have been told


def _answers_that_call(names: list[str], provider: str, client: str, own: dict[str, OwnName]) -> list[Answer]:
    """Return what a client makes of an answer with a call of each tool, plain and streamed."""
    calls = [(f"call_{place}", name, '{"input":"x"}') for place, name in enumerate(names)]
    sketch = {"thoughts": "", "token": None, "text": "hi", "calls": calls, "usage": None}
    sketch["stop"] = "tool_calls" if calls else "stop"
    plain = translate_answer(whole(provider, sketch), provider, client, tool_names=own).body
    translator = AnswerTranslator(provider, client, tool_names=own)
    streamed = b"".join([translator.feed(frame) for frame in uncut(provider, sketch)]) + translator.close()
    return [module(client).decode_answer(plain), fold_stream(client, streamed)]


@every_pair
@law
@given(st.data())
def test_r07_arguments_are_the_same_value_or_a_loss_in_any_request(
    source: str, target: str, data: st.DataObject
) -> None:
    body = data.draw(rich_requests(source))
    try:
        there = carry(body, source, target)
    except InvalidRequest:
        assume(False)
        return
    arrived = read_request(target, there.body, stream=there.conversation.stream)
    for call, copy in zip(calls_of(there.conversation), calls_of(arrived), strict=True):
        if (call.custom and copy.custom) or {source, target} == {"openai_chat", "openai_responses"}:
            assert copy.arguments == call.arguments
        elif value_of(copy.arguments) != value_of(call.arguments):
            assert covers(there.losses, call.at)


@every_pair
@law
@given(st.data())
def test_r16_any_longer_history_begins_with_the_same_messages(source: str, target: str, data: st.DataObject) -> None:
    shorter, more = (json.loads(data.draw(rich_requests(source))) for _ in range(2))
    name = next(name for name in ("messages", "input", "contents") if name in shorter)
    longer = shorter | {name: _as_list(shorter[name]) + _as_list(more[name])}
    try:
        before, after = (messages_of(carry(dumps(one), source, target).body) for one in (shorter, longer))
    except InvalidRequest:
        assume(False)
        return
    # A stand-in gives way to its result: until the model goes on, and to Responses, which takes results late, anywhere.
    if target == "openai_responses":
        before, after = ([item for item in items if not _stands_in(item)] for items in (before, after))
    elif target in ("openai_chat", "anthropic_messages"):
        before = _until_stand_ins_after_last_words(before)
    # The last message may go on: neighbours of one side become one message, a call's results come together.
    kept = before[:-1]
    if target == "gemini":  # a call may follow nothing but the user's content: what the model said last goes with it
        while kept and _is_said_by(before[-1], "model") and _is_said_by(kept[-1], "model"):
            kept.pop()
    assert after[: len(kept)] == kept


def _until_stand_ins_after_last_words(messages: list[bytes]) -> list[bytes]:
    """Return the messages up to the first stand-in after the model's last words; all of them where there is none."""
    words = next((at for at in reversed(range(len(messages))) if _is_said_by(messages[at], "assistant")), 0)
    return messages[: next((at for at in range(words, len(messages)) if _stands_in(messages[at])), None)]


def _stands_in(message: bytes) -> bool:
    """Say whether a message is nothing but what stands in for results."""
    said = json.loads(message)
    content = said.get("content", said.get("output"))
    return content == NO_RESULT or bool(
        isinstance(content, list) and content and all(block.get("content") == NO_RESULT for block in content)
    )


def _is_said_by(message: bytes, role: str) -> bool:
    return bool(json.loads(message).get("role") == role)


def _as_list(messages: Any) -> list[Any]:
    if isinstance(messages, dict):
        return [messages]
    return [{"role": "user", "content": messages}] if isinstance(messages, str) else messages


def messages_of(body: bytes) -> list[bytes]:
    members: dict[str, Any] = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    raw = next(members[name] for name in ("messages", "input", "contents") if name in members)
    return [bytes(item) for item in msgspec.json.decode(raw, type=list[msgspec.Raw])]
