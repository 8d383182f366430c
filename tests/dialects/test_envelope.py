from __future__ import annotations

import json

import pytest

from trio_gateway.dialects.envelope import Envelope, read_envelope
from trio_gateway.errors import InvalidRequest

MESSAGES = [{"role": "user", "content": "Hi"}]
TOOLS = [{"type": "function", "function": {"name": "f"}}]

# What a client of each API must say, and no more.
LEAST = {
    "openai_chat": {"model": "m", "messages": MESSAGES},
    "openai_responses": {"model": "m", "input": "Hi"},
    "anthropic_messages": {"model": "m", "max_tokens": 5, "messages": MESSAGES},
    "ollama": {"model": "m", "messages": MESSAGES},
    "ollama_generate": {"model": "m", "prompt": "Hi"},
    "openai_completions": {"model": "m", "prompt": "Hi"},
}
STREAM_UNLESS_TOLD = frozenset({"ollama", "ollama_generate"})


def read(dialect: str, **members: object) -> Envelope:
    return read_envelope(dialect, json.dumps({**LEAST[dialect], **members}).encode())


@pytest.mark.parametrize("dialect", LEAST)
def test_a_request_says_its_model_and_streams_as_its_api_does_untold(dialect: str) -> None:
    assert read(dialect) == Envelope("m", stream=dialect in STREAM_UNLESS_TOLD)


@pytest.mark.parametrize("dialect", LEAST)
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_s_word_on_streaming_counts(dialect: str, stream: bool) -> None:
    assert read(dialect, stream=stream).stream is stream


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses", "ollama", "ollama_generate"])
def test_null_is_as_good_as_no_word(dialect: str) -> None:
    assert read(dialect, stream=None) == read(dialect)


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_completions"])
@pytest.mark.parametrize(
    ("options", "included"), [({"include_usage": True}, True), ({"include_usage": False}, False), ({}, False)]
)
def test_the_chunk_with_the_usage_is_for_who_asks(dialect: str, options: object, included: bool) -> None:
    assert read(dialect, stream=True, stream_options=options).include_usage is included


@pytest.mark.parametrize(
    ("members", "both"),
    [
        ({"tools": TOOLS, "reasoning_effort": "low"}, True),
        ({"tools": TOOLS, "reasoning_effort": "none"}, False),
        ({"tools": TOOLS}, False),
        ({"tools": [], "reasoning_effort": "low"}, False),
        ({"reasoning_effort": "low"}, False),
    ],
)
def test_tools_with_an_effort_are_noted(members: dict[str, object], both: bool) -> None:
    assert read("openai_chat", **members).tools_with_effort is both


@pytest.mark.parametrize("dialect", LEAST)
def test_what_is_wrong_is_said_with_its_pointer(dialect: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(dialect, model=3)
    assert caught.value.pointer == "/model"


@pytest.mark.parametrize("dialect", LEAST)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"model":"\xff"}', b'{"model":"m","x":' + b"[" * 99_999])
def test_a_body_that_is_none_is_refused(dialect: str, body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_envelope(dialect, body)


def test_gemini_says_both_in_its_url() -> None:
    with pytest.raises(KeyError):
        read_envelope("gemini", b"{}")


def test_a_chat_message_of_a_role_that_is_not_known_is_for_the_provider_to_judge() -> None:
    messages = [*MESSAGES, {"role": "ipython", "content": {"rows": 1}}]
    read_ = read("openai_chat", messages=messages, stream=True, tools=TOOLS, reasoning_effort="low")
    assert read_ == Envelope("m", stream=True, tools_with_effort=True)


@pytest.mark.parametrize("message", [{"content": "Hi"}, {"role": 1}, {"role": None}])
def test_a_chat_message_without_a_role_is_refused_at_it(message: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read("openai_chat", messages=[*MESSAGES, message])
    assert caught.value.pointer == "/messages/1/role"
