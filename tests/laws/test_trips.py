"""R0, R3, R6, R7, R15 and R16: what holds of every request that a dialect takes."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st
from lawbook import every_dialect, every_pair, law
from members import ID_PATTERNS, wire_ids
from normal import changed, request_atoms, value_of
from rich_requests import rich_requests
from shared_requests import WRITE, bare, sketches
from trips import ANY, carry, module, read_request
from values import bad_arguments, dumps, good_arguments, json_objects

from trio_gateway import translate_answer, translate_request
from trio_gateway.dialects.conversation import Reasoning, Text, ToolCall, ToolResult, Turn
from trio_gateway.dialects.unanswered import NO_RESULT
from trio_gateway.errors import InvalidRequest, UpstreamError


@every_dialect
@law
@given(
    st.binary(max_size=200)
    | st.sampled_from((b"{}", b"[]", b"null", b"[" * 5000, b'{"model":"\\ud800"}', b"\xef\xbb\xbf{}"))
)
def test_r00_any_bytes_are_read_or_refused(name: str, body: bytes) -> None:
    _only_own_errors(name, body)


@every_dialect
@law
@given(st.data())
def test_r00_bent_requests_are_read_or_refused(name: str, data: st.DataObject) -> None:
    body = json.loads(data.draw(rich_requests(name)))
    _bend(data, body)
    _only_own_errors(name, dumps(body))


def _only_own_errors(name: str, body: bytes) -> None:
    try:
        conversation = read_request(name, body)
        for target in WRITE:
            try:
                module(target).encode_request(conversation, "m", ANY)
            except InvalidRequest:
                continue
    except InvalidRequest:
        pass
    try:
        module(name).decode_answer(body)
    except UpstreamError:
        pass
    module(name).decode_error(500, {}, body)


def _bend(data: st.DataObject, body: dict[str, Any]) -> None:
    """Replace a value somewhere with one of another type."""
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        for key, member in list(value.items() if isinstance(value, dict) else enumerate(value)):
            places.append((value, key))
            if isinstance(member, dict | list):
                walk(member)

    walk(body)
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = data.draw(
        st.sampled_from((None, 0, -1, 1.5, 2**70, True, "", "x", [], [None], {}, {"type": "x"}, [[]]))
    )


@every_dialect
@law
@given(st.data())
def test_r00_the_same_dialect_passes_byte_for_byte(name: str, data: st.DataObject) -> None:
    body = data.draw(rich_requests(name))
    passed = translate_request(body, name, name)
    assert passed.body is body or passed.losses
    assert not passed.losses or b'"trio:' in body or b'"dHJpbz' in body  # R15 says what of it is cut out
    assert translate_answer(body, name, name).body is body


@every_pair
@law
@given(st.data())
def test_r03_a_second_trip_loses_nothing_more(source: str, target: str, data: st.DataObject) -> None:
    body = data.draw(rich_requests(source))
    try:
        once, stream = _there_and_back(body, source, target)
        twice, _ = _there_and_back(once, source, target, stream=stream)
        if settles_later(body, once, source, target):
            once, twice = twice, _there_and_back(twice, source, target, stream=stream)[0]
    except InvalidRequest:  # the second trip's too: of some requests one trip leaves nothing to ask
        assume(False)
        return
    before, after = (request_atoms(read_request(source, seen, stream=stream)) for seen in (once, twice))
    assert changed(before, after) == ([], [])


def settles_later(body: bytes, once: bytes, source: str, target: str) -> bool:
    """Say whether what one trip gives may not yet be what every later trip gives: in these cases, and no others."""
    if target in ("openai_chat", "openai_responses", "ollama") and _has_error_for_no_result(source, once):
        # An error stood in on the way back for a result that was not there: that it is one falls on the next.
        return True
    there = carry(body, source, target)
    asked = there.conversation.reasoning
    if source == "gemini" and target == "ollama" and asked is not None and asked.mode == "adaptive":
        # To think as much as it likes is on there, which shows it: what Gemini can say of that is that it be shown.
        return True
    before, after = there.conversation.turns, there.back(source).arrived().turns
    if target == "anthropic_messages" and _thinks(before) and not _thinks(after):
        # Claude thinks by a budget about a call's result only where its own thought is before the call, and that fell.
        return True
    # A message was left out whole, moved, or joined to another: what now stands side by side, or last, has rules of its
    # own that only the next trip follows. Where one was joined and another came of its media, there are as many again.
    joined = target in ("anthropic_messages", "gemini") and {turn.at for turn in before} & {
        loss.pointer for loss in there.losses
    }
    return bool(joined) or [turn.role for turn in before] != [turn.role for turn in after]


def _has_error_for_no_result(source: str, body: bytes) -> bool:
    results = (part for turn in read_request(source, body).turns for part in turn.parts if isinstance(part, ToolResult))
    texts = ([part.text for part in result.parts if isinstance(part, Text)] for result in results if result.is_error)
    return [NO_RESULT] in texts


def _thinks(turns: list[Turn]) -> bool:
    return any(isinstance(part, Reasoning) for turn in turns for part in turn.parts)


def _there_and_back(body: bytes, source: str, target: str, *, stream: bool = False) -> tuple[bytes, bool]:
    there = carry(body, source, target, stream=stream)
    return there.back(source).body, there.conversation.stream


wild_ids = st.text(st.sampled_from("ab:./|_-é"), min_size=1, max_size=5) | st.text("a", min_size=60, max_size=70)


@every_pair
@law
@given(st.data())
def test_r06_ids_map_one_to_one_and_results_follow_their_calls(source: str, target: str, data: st.DataObject) -> None:
    ids = data.draw(st.lists(wild_ids, min_size=1, max_size=4, unique=True))
    calls = [(id_, "search", {"n": place}) for place, id_ in enumerate(ids)]
    results = [(id_, "search", f"answer {place}") for place, id_ in enumerate(ids)]
    turns = [("user", [("text", "hi")]), ("assistant", None, calls), ("results", results)]
    sketch = bare(turns)
    body = dumps(WRITE[source](sketch))
    there = carry(body, source, target)
    assert carry(body, source, target).body == there.body
    written = wire_ids(json.loads(there.body))
    assert len(set(written)) == len(ids)
    assert all(re.fullmatch(ID_PATTERNS[target], id_) for id_ in written)
    parts = [part for turn in read_request(target, there.body).turns for part in turn.parts]
    said = {part.id: value_of(part.arguments) for part in parts if isinstance(part, ToolCall)}
    answered = [part.call_id for part in parts if isinstance(part, ToolResult)]
    assert answered == list(said)
    assert [dict(value[1])["n"] for value in said.values()] == list(range(len(ids)))


@every_pair
@law
@given(st.data())
def test_r07_arguments_are_the_same_value_or_a_loss(source: str, target: str, data: st.DataObject) -> None:
    if source in ("openai_chat", "openai_responses"):
        text = data.draw(good_arguments | bad_arguments)
    else:
        text = json.dumps(data.draw(json_objects))
    call = {"name": "f", "arguments": text}
    bodies: dict[str, Any] = {
        "openai_chat": {
            "messages": [
                {"role": "user", "content": "x"},
                {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": call}]},
                {"role": "tool", "tool_call_id": "c", "content": "y"},
            ]
        },
        "openai_responses": {
            "input": [
                {"role": "user", "content": "x"},
                {"type": "function_call", "call_id": "c", **call},
                {"type": "function_call_output", "call_id": "c", "output": "y"},
            ]
        },
    }
    body = dumps({"model": "m"} | bodies[source]) if source in bodies else _with_object(source, text)
    there = carry(body, source, target)
    parts = [part for turn in read_request(target, there.body).turns for part in turn.parts]
    [arrived] = [part.arguments for part in parts if isinstance(part, ToolCall)]
    if not there.losses:
        assert value_of(arrived) == value_of(text)
    if {source, target} == set(bodies):
        assert arrived == text
    if target not in bodies and not _is_object(text):
        assert there.losses


def _is_object(text: str) -> bool:
    value = value_of(text)
    return isinstance(value, tuple) and value[0] == "object"


def _with_object(source: str, text: str) -> bytes:
    calls = [("c", "f", "MARK")]
    turns = [("user", [("text", "x")]), ("assistant", None, calls), ("results", [("c", "f", "y")])]
    sketch = bare(turns)
    return dumps(WRITE[source](sketch)).replace(b'"MARK"', text.encode())


_issuers = st.sampled_from(("openai_responses", "anthropic_messages", "gemini"))


@every_pair
@law
@given(st.data())
def test_r15_tokens_go_to_their_issuer_alone(source: str, target: str, data: st.DataObject) -> None:
    body = data.draw(rich_requests(source))
    try:
        there = carry(body, source, target)
    except InvalidRequest:
        assume(False)
        return
    nodes = [part for turn in there.conversation.turns for part in turn.parts]
    for part in nodes:
        token = getattr(part, "token", None)
        if token is None or token.issuer == target:
            continue
        value = token.value.removeprefix("rs_1:")
        marked = Reasoning if isinstance(part, Reasoning) else object
        others = {own.token.value for own in nodes if getattr(own, "token", None) and own.token.issuer == target}
        if len(value) > 6 and value not in others and isinstance(part, marked):
            assert _free_standing(json.loads(there.body), value) == []
            assert there.losses


def _free_standing(value: Any, token: str) -> list[str]:
    if isinstance(value, dict):
        return [one for member in value.values() for one in _free_standing(member, token)]
    if isinstance(value, list):
        return [one for member in value for one in _free_standing(member, token)]
    return [value] if value == token else []


@every_pair
@law
@given(st.data())
def test_r16_a_longer_history_begins_with_the_same_messages(source: str, target: str, data: st.DataObject) -> None:
    sketch = data.draw(sketches(source, target))
    longer = sketch | {"turns": [*sketch["turns"], ("assistant", "well", []), ("user", [("text", "go on")])]}
    before, after = (_turns_of(carry(dumps(WRITE[source](one)), source, target).body) for one in (sketch, longer))
    assert after[: len(before)] == before


def _turns_of(body: bytes) -> list[bytes]:
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    raw = next(members[name] for name in ("messages", "input", "contents") if name in members)
    return [bytes(item) for item in msgspec.json.decode(raw, type=list[msgspec.Raw])]


@every_pair
@law
@given(st.data())
def test_r16_translation_is_a_function(source: str, target: str, data: st.DataObject) -> None:
    body = data.draw(rich_requests(source))
    outcomes = []
    for _ in range(2):
        try:
            trip = carry(body, source, target)
            outcomes.append((trip.body, trip.losses))
        except InvalidRequest as error:
            outcomes.append((error.message, error.pointer))
    assert outcomes[0] == outcomes[1]
