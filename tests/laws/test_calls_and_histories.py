"""R6, R7 and R16 of requests with all their format has: ids, arguments, and histories that grow."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st
from lawbook import every_pair, law
from members import ID_PATTERNS, wire_ids
from normal import covers, value_of
from rich_requests import rich_requests
from trips import carry, read_request
from values import dumps

from trio_gateway.dialects.conversation import Conversation, ToolCall, ToolResult
from trio_gateway.errors import InvalidRequest


def calls_of(conversation: Conversation) -> list[ToolCall]:
    return [part for turn in conversation.turns for part in turn.parts if isinstance(part, ToolCall)]


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
    arrived = read_request(target, there.body, stream=there.conversation.stream)
    before, after = calls_of(there.conversation), calls_of(arrived)
    assert [call.name for call in after] == [call.name for call in before]
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
    # The last message may go on: neighbours of one side become one message, a call's results come together.
    kept = before[:-1]
    assert after[: len(kept)] == kept


def _as_list(messages: Any) -> list[Any]:
    return [{"role": "user", "content": messages}] if isinstance(messages, str) else messages


def messages_of(body: bytes) -> list[bytes]:
    members: dict[str, Any] = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    raw = next(members[name] for name in ("messages", "input", "contents") if name in members)
    return [bytes(item) for item in msgspec.json.decode(raw, type=list[msgspec.Raw])]
