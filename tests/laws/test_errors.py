"""R17: errors that a provider answers with, from it to the client."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from error_bodies import error_bodies, messages, statuses
from hypothesis import given
from hypothesis import strategies as st
from lawbook import every_dialect, every_pair, law
from trips import module

from trio_gateway.errors import UpstreamError
from trio_gateway.replies import error_headers


@every_pair
@law
@given(statuses, messages)
def test_r17_errors_keep_status_retryability_and_message(source: str, target: str, status: int, message: str) -> None:
    error = UpstreamError(message, status=status)
    sent, body = module(source).encode_error(error)
    read = module(source).decode_error(sent, {}, body)
    told_status, told_body = module(target).encode_error(read)
    told_error = module(target).decode_error(told_status, {}, told_body)
    assert _same_status(status, told_status)
    assert told_error.retryable == read.retryable == error.retryable
    assert message in told_error.message
    again_status, again_body = module(target).encode_error(told_error)
    assert (again_status, again_body) == (told_status, told_body)


def _same_status(one: int, other: int) -> bool:
    return one == other or {one, other} == {503, 529}


@every_dialect
@law
@given(status=st.integers(400, 599), body=st.binary(max_size=50) | st.just(b"<html>\n<h1>502</h1>"))
def test_r17_any_error_body_is_read(name: str, status: int, body: bytes) -> None:
    error = module(name).decode_error(status, {}, body)
    assert error.status >= 400
    assert error.message
    assert "\n" not in error.message


@every_pair
@law
@given(st.data(), statuses)
def test_r17_an_error_of_any_shape_is_told_whole(source: str, target: str, data: st.DataObject, status: int) -> None:
    body, message = data.draw(error_bodies(source))
    read = module(source).decode_error(status, {}, body)
    assert read.status == status
    assert read.message
    assert (message or "") in read.message
    told_status, told = module(target).encode_error(read)
    assert _same_status(status, told_status)
    _SHAPES[target](json.loads(told))
    again = module(target).decode_error(told_status, _headers(read), told)
    assert (again.message, again.retryable) == (read.message, read.retryable)
    again.pointer = read.pointer  # not every dialect reads it: it is about what the provider was sent
    assert module(target).encode_error(again) == (told_status, told)


def _headers(error: UpstreamError) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in error_headers(error)}


def _is_of_openai(body: dict[str, Any]) -> None:
    error = body["error"]
    assert error["message"]
    assert error["type"]
    assert isinstance(error["type"], str)
    assert isinstance(error.get("code"), str | None)
    assert isinstance(error.get("param"), str | None)


def _is_anthropics(body: dict[str, Any]) -> None:
    assert body["type"] == "error"
    assert body["error"]["type"]
    assert body["error"]["message"]


def _is_geminis(body: dict[str, Any]) -> None:
    assert isinstance(body["error"]["code"], int)
    assert body["error"]["message"]
    assert body["error"]["status"].isupper()


def _is_ollamas(body: dict[str, Any]) -> None:
    assert body["error"]
    assert set(body) == {"error"}


# What each dialect's clients look for in an error.
_SHAPES: dict[str, Callable[[dict[str, Any]], None]] = {
    "openai_chat": _is_of_openai,
    "openai_responses": _is_of_openai,
    "anthropic_messages": _is_anthropics,
    "gemini": _is_geminis,
    "ollama": _is_ollamas,
}
