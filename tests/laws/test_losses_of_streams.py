"""R4, for streams: they lose what the plain answer with the same content loses, and say so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from lawbook import every_dialect, every_pair, law
from rich_answers import any_answers, frames, whole
from trips import module
from values import dumps

from trio_gateway import AnswerTranslator, translate_answer
from trio_gateway.dialects.anthropic_messages.blocks import WRAPPED
from trio_gateway.dialects.conversation import Losses
from trio_gateway.dialects.unread import UNKNOWN


@every_pair
@law
@given(st.data())
def test_r04_a_stream_loses_what_the_plain_answer_loses(source: str, target: str, data: st.DataObject) -> None:
    sketch = data.draw(any_answers(source))
    translator = AnswerTranslator(source, target)
    for chunk in data.draw(frames(source, sketch)):
        translator.feed(chunk)
    translator.close()
    streamed = {loss.reason for loss in translator.losses}
    plain = {loss.reason for loss in translate_answer(whole(source, sketch), source, target).losses}
    # Fragments of arguments pass before it is known that they are no object: nothing is wrapped in a stream.
    assert streamed == plain - {WRAPPED}


@every_dialect
@law
@given(st.data())
def test_r04_what_is_unread_of_a_stream_is_where_it_is_in_the_plain_answer(name: str, data: st.DataObject) -> None:
    sketch = data.draw(any_answers(name))
    decoder = module(name).new_answer_decoder()
    for chunk in data.draw(frames(name, sketch)):
        decoder.feed(chunk)
    decoder.close()
    assert _places(decoder.losses) == _places(module(name).decode_answer(whole(name, sketch)).unread)


def _places(losses: Losses) -> set[tuple[str, str]]:
    """Return pointers and reasons. How many there are in a chunk, and not in the answer, is what a position says."""
    return {(re.sub(r"/\d+", "/*", loss.pointer).replace("/delta", "/message"), loss.reason) for loss in losses}


LATER = "x_later"  # no format has it, and no sketch


@every_dialect
@law
@given(st.data())
def test_r04_a_member_that_nobody_knows_is_named_in_whichever_event_it_comes(name: str, data: st.DataObject) -> None:
    chunks = data.draw(frames(name, data.draw(any_answers(name))))
    bare = _losses_of(name, chunks)
    kinds = sorted({kind for chunk in chunks for kind, _ in _objects(name, _event_of(chunk))})
    kind = data.draw(st.sampled_from(kinds))
    holders = [place for place, chunk in enumerate(chunks) if any(_of(kind, _objects(name, _event_of(chunk))))]
    first = data.draw(st.sampled_from(holders))
    before = data.draw(st.booleans())
    for place in holders:
        if place >= first or before:  # where it is null it says nothing, and does not hide that it says something later
            chunks[place] = _planted(name, chunks[place], kind, 1 if place >= first else None)
    found = _losses_of(name, chunks)
    later = [loss for loss in found if loss.pointer.endswith("/" + LATER)]
    assert [loss.reason for loss in later[:1]] == [UNKNOWN]
    assert _places(later) == _places(later[:1])
    assert [loss for loss in found if loss not in later] == bare


def _losses_of(name: str, chunks: list[bytes]) -> Losses:
    decoder = module(name).new_answer_decoder()
    for chunk in chunks:
        decoder.feed(chunk)
    decoder.close()
    return decoder.losses


def _event_of(chunk: bytes) -> dict[str, Any]:
    """Return the JSON of a frame; an empty object where it has none."""
    start, end = chunk.find(b"{"), chunk.rfind(b"}") + 1
    return json.loads(chunk[start:end]) if end > start >= 0 else {}


def _planted(name: str, chunk: bytes, kind: str, value: object) -> bytes:
    event = _event_of(chunk)
    for holder in _of(kind, _objects(name, event)):
        holder[LATER] = value
    return chunk[: chunk.find(b"{")] + dumps(event) + chunk[chunk.rfind(b"}") + 1 :]


def _of(kind: str, objects: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    return [holder for each, holder in objects if each == kind]


def _objects(name: str, event: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the objects of an event that have members of their own, each with the name of its kind."""
    found = OBJECTS[name](event) if event else []
    return [(kind, holder) for kind, holder in found if isinstance(holder, dict)]


def _of_chat(event: dict[str, Any]) -> list[tuple[str, Any]]:
    choices = event.get("choices") or []
    deltas = [choice.get("delta") or {} for choice in choices]
    calls = [call for delta in deltas for call in delta.get("tool_calls") or ()]
    found = [("chunk", event), ("usage", event.get("usage"))]
    found += [("choice", choice) for choice in choices] + [("delta", choice.get("delta")) for choice in choices]
    return found + [("call", call) for call in calls] + [("function", call.get("function")) for call in calls]


# The kinds that are read. Whole items, responses, messages and blocks have laws of their own.
_OF_RESPONSES = re.compile(
    r"response\.(output_text|refusal|function_call_arguments|custom_tool_call_input)\.(delta|done)|"
    r"response\.(reasoning_summary_text|reasoning_text)\.delta|"
    r"response\.(output_item|content_part)\.(added|done)|response\.(completed|incomplete)"
)
_OF_ANTHROPIC = ("content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop")
_DELTAS = ("text_delta", "input_json_delta", "thinking_delta", "signature_delta", "citations_delta", None)


def _of_responses(event: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(event["type"], event)] if _OF_RESPONSES.fullmatch(event["type"]) else []


def _of_anthropic(event: dict[str, Any]) -> list[tuple[str, Any]]:
    kind = event["type"]
    if kind not in _OF_ANTHROPIC or ("delta" in event and event["delta"].get("type") not in _DELTAS):
        return []
    return [(kind, event), (f"{kind}'s delta", event.get("delta"))]


def _of_gemini(event: dict[str, Any]) -> list[tuple[str, Any]]:
    candidates = [("candidate", candidate) for candidate in event.get("candidates") or ()]
    return [("chunk", event), ("usage", event.get("usageMetadata")), *candidates]


def _of_ollama(event: dict[str, Any]) -> list[tuple[str, Any]]:
    return [("line", event), ("message", event.get("message"))]


OBJECTS: dict[str, Callable[[dict[str, Any]], list[tuple[str, Any]]]] = {
    "openai_chat": _of_chat,
    "openai_responses": _of_responses,
    "anthropic_messages": _of_anthropic,
    "gemini": _of_gemini,
    "ollama": _of_ollama,
}
