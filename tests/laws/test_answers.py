"""R8, R9 and R14: reasons to stop, counts, and the vendors' own types."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anthropic.types
import ollama
import openai.types.chat
import openai.types.responses
import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from google.genai import types as google_types
from hypothesis import assume, given
from hypothesis import strategies as st
from lawbook import every_dialect, every_pair, law
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter
from rich_answers import any_answers, frames, whole
from rich_requests import rich_requests
from shared_requests import shared_requests
from trips import CONTEXT, carry, carry_answer, carry_stream, module

from trio_gateway.dialects.conversation import Answer, Choice, Stop, Text, Usage
from trio_gateway.errors import InvalidRequest, UpstreamError

# ----------------------------------------------------------------------------------------- finish reasons

# The reasons that a dialect has a word of its own for.
REASONS: dict[str, tuple[Any, ...]] = {
    "openai_chat": ("stop", "length", "refusal"),
    "openai_responses": ("stop", "length", "refusal"),
    "anthropic_messages": ("stop", "length", "refusal"),
    "gemini": ("stop", "length", "refusal"),
    "ollama": ("stop", "length"),
}
ALL_REASONS: tuple[Any, ...] = (
    "stop", "stop_sequence", "length", "context_window", "tool_calls", "refusal", "pause", "error", "other",
)  # fmt: skip


def told(name: str, stop: Stop | None) -> Stop | None:
    """Return what a client of `name` is told of `stop`, as its own dialect reads it."""
    answer = Answer(source="", choices=[Choice([Text("x")], stop)])
    return module(name).decode_answer(module(name).encode_answer(answer, CONTEXT)[0]).choices[0].stop


@every_pair
@law
@given(st.data())
def test_r08_shared_finish_reasons_survive_both_ways(source: str, target: str, data: st.DataObject) -> None:
    reason = data.draw(st.sampled_from([one for one in REASONS[source] if one in REASONS[target]]))
    there = told(target, Stop(reason))
    back = told(source, there)
    assert there is not None
    assert back is not None
    assert there.reason == back.reason == reason


@every_pair
@law
@given(st.data())
def test_r08_other_finish_reasons_settle_after_one_trip(source: str, target: str, data: st.DataObject) -> None:
    raw = data.draw(st.none() | st.sampled_from(("end_turn", "STOP", "pause_turn", "new_reason", "")))
    stop = data.draw(st.none() | st.sampled_from(ALL_REASONS).map(lambda reason: Stop(reason, raw=raw)))
    once = told(source, told(target, stop))
    again = told(source, told(target, once))
    assert again is not None
    assert once is not None
    assert again.reason == once.reason


# -------------------------------------------------------------------------------------------------- usage

_KNOWN: dict[str, tuple[str, ...]] = {
    "openai_chat": ("input", "output", "cached", "cache_write", "reasoning"),
    "openai_responses": ("input", "output", "cached", "cache_write", "reasoning"),
    "anthropic_messages": ("input", "output", "cached", "cache_write", "reasoning"),
    "gemini": ("input", "output", "cached", "reasoning"),
    "ollama": ("input", "output"),
}


@every_pair
@law
@given(st.data())
def test_r09_counts_are_conserved(source: str, target: str, data: st.DataObject) -> None:
    sketch = data.draw(any_answers(source))
    read = module(source).decode_answer(whole(source, sketch)).usage
    told = carry_answer(source, target, whole(source, sketch))[0]
    try:
        arrived = module(target).decode_answer(told).usage
    except UpstreamError:  # an answer that says nothing, and not why: see R10
        assert target == "gemini"
        return
    if sketch["usage"] is None:
        assert not _counts(arrived)
        return
    assert read is not None
    assert arrived is not None
    for count in _KNOWN[source]:
        if count in _KNOWN[target]:
            assert getattr(arrived, count) == getattr(read, count), count


def _counts(usage: Usage | None) -> list[int]:
    return [count for count in (usage.input, usage.output, usage.cached, usage.cache_write) if count] if usage else []


@every_dialect
@law
@given(st.builds(Usage, *[st.none() | st.integers(0, 9)] * 5))
def test_r09_no_count_is_negative_or_made_up(name: str, usage: Usage) -> None:
    answer = Answer(source="", choices=[Choice([Text("x")], Stop("stop"))], usage=usage)
    read = module(name).decode_answer(module(name).encode_answer(answer, CONTEXT)[0]).usage
    for count in ("input", "output", "cached", "cache_write", "reasoning"):
        value = getattr(read, count) if read else None
        assert value is None or value >= 0
        # Formats that require a count write 0 for one that is not known.
        assert value in (None, 0) or getattr(usage, count) is not None or count in ("input", "output")


# -------------------------------------------------------------------------------------------------- types

_chat_request: TypeAdapter[Any] = TypeAdapter(CompletionCreateParamsNonStreaming)
_responses_request: TypeAdapter[Any] = TypeAdapter(ResponseCreateParamsNonStreaming)
_anthropic_request: TypeAdapter[Any] = TypeAdapter(MessageCreateParamsNonStreaming)
_responses_event: TypeAdapter[Any] = TypeAdapter(openai.types.responses.ResponseStreamEvent)
_anthropic_event: TypeAdapter[Any] = TypeAdapter(anthropic.types.RawMessageStreamEvent)


def _gemini_request(body: dict[str, Any]) -> None:
    for content in [*body["contents"], body.get("systemInstruction", {})]:
        google_types.Content.model_validate(content)
    for tool in body.get("tools", []):
        google_types.Tool.model_validate(tool)
    google_types.ToolConfig.model_validate(body.get("toolConfig", {}))
    google_types.GenerationConfig.model_validate(body.get("generationConfig", {}))


def _ollama_request(body: dict[str, Any]) -> None:
    for message in body["messages"]:
        # The SDK's images are objects around what goes over the wire.
        images = [{"value": image} for image in message.get("images", [])]
        ollama.Message.model_validate(message | {"images": images})
    for tool in body.get("tools", []):
        ollama.Tool.model_validate(tool)
    ollama.Options.model_validate(body.get("options", {}))


def _chat_chunk(line: bytes) -> None:
    """Validate a chunk. Chat's types have no call of a custom tool in it, though its streams do: its kind goes."""
    chunk = json.loads(line)
    for choice in chunk["choices"]:
        for call in choice["delta"].get("tool_calls", []):
            assert call.get("type") != "custom" or set(call["custom"]) == {"name", "input"}
            if call.get("type") == "custom":
                del call["type"]
    openai.types.chat.ChatCompletionChunk.model_validate(chunk)


_REQUEST: dict[str, Callable[[dict[str, Any]], object]] = {
    "openai_chat": lambda body: _chat_request.validate_python({**body, "stream": False}),
    "openai_responses": lambda body: _responses_request.validate_python({**body, "stream": False}),
    "anthropic_messages": lambda body: _anthropic_request.validate_python({**body, "stream": False}),
    "gemini": _gemini_request,
    "ollama": _ollama_request,
}
_ANSWER: dict[str, Callable[[Any], object]] = {
    "openai_chat": openai.types.chat.ChatCompletion.model_validate_json,
    "openai_responses": openai.types.responses.Response.model_validate_json,
    "anthropic_messages": anthropic.types.Message.model_validate_json,
    "gemini": google_types.GenerateContentResponse.model_validate_json,
    "ollama": ollama.ChatResponse.model_validate_json,
}
_EVENT: dict[str, Callable[[Any], object]] = {
    "openai_chat": _chat_chunk,
    "openai_responses": _responses_event.validate_json,
    "anthropic_messages": _anthropic_event.validate_json,
    "gemini": google_types.GenerateContentResponse.model_validate_json,
    "ollama": ollama.ChatResponse.model_validate_json,
}


@every_pair
@law
@given(st.data())
def test_r14_written_requests_are_the_vendors_own(source: str, target: str, data: st.DataObject) -> None:
    body = data.draw(rich_requests(source) | shared_requests(source, target))
    try:
        written = carry(body, source, target).body
    except InvalidRequest:
        assume(False)
        return
    _REQUEST[target](json.loads(written))


@every_pair
@law
@given(st.data())
def test_r14_written_answers_and_events_are_the_vendors_own(source: str, target: str, data: st.DataObject) -> None:
    sketch = data.draw(any_answers(source))
    _ANSWER[target](carry_answer(source, target, whole(source, sketch))[0])
    stream = carry_stream(source, target, data.draw(frames(source, sketch)))
    lines = stream.replace(b"\r\n", b"\n").split(b"\n")
    if target != "ollama":
        lines = [line.removeprefix(b"data: ") for line in lines if line.startswith(b"data: ")]
    for line in lines:
        if line and line != b"[DONE]":
            _EVENT[target](line)


def test_the_dialects_have_their_vendors_types() -> None:
    assert set(_REQUEST) == set(_ANSWER) == set(_EVENT) == set(REASONS)
    with pytest.raises(ValueError, match="content"):
        _ANSWER["anthropic_messages"](b"{}")
