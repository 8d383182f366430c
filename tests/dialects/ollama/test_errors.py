from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.dialects import ollama
from trio_gateway.errors import InvalidRequest, UpstreamError


def test_an_error_keeps_its_status_and_message() -> None:
    status, body = ollama.encode_error(InvalidRequest("The model is required."))
    assert (status, json.loads(body)) == (400, {"error": "The model is required."})


def test_529_is_for_clients_of_anthropic_alone() -> None:
    assert ollama.encode_error(UpstreamError("Overloaded", status=529))[0] == 503


def test_in_a_stream_an_error_is_one_line() -> None:
    line = ollama.encode_stream_error(UpstreamError("it\nbroke"))
    assert line == b'{"error":"it\\nbroke"}\n'


def test_a_message_that_is_no_text_is_still_sent() -> None:
    assert json.loads(ollama.encode_error(UpstreamError("a\ud800b"))[1]) == {"error": "a?b"}


def test_the_servers_own_message_is_kept_and_the_sign_in_url_is_not() -> None:
    error = ollama.decode_error(401, {}, b'{"error":"unauthorized","signin_url":"https://ollama.com/connect?key=k"}')
    assert (error.status, error.kind, str(error)) == (401, "authentication_error", "unauthorized")
    assert not error.retryable


def test_a_missing_model_has_the_code_that_clients_look_for() -> None:
    error = ollama.decode_error(404, {}, b'{"error":"model \'x\' not found"}')
    assert (error.status, error.code) == (404, "model_not_found")


def test_an_error_object_of_another_make_is_understood() -> None:
    assert str(ollama.decode_error(500, {}, b'{"error":{"message":"boom","type":"t"}}')) == "boom"


def test_a_body_that_is_no_json_is_quoted_on_one_line_and_cut() -> None:
    error = ollama.decode_error(502, {}, b"<html>\n<body>Bad\r\nGateway" + b"x" * 5000)
    assert error.message.startswith("Bad Gatewayxxx")
    assert len(error.message) == 300
    assert error.retryable


def test_an_empty_body_leaves_the_status_to_speak() -> None:
    assert str(ollama.decode_error(503, {}, b"")) == "The provider answered with status 503."


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "7", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 09:00:00 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert ollama.decode_error(429, headers, b"{}").retry_after_s == seconds


@pytest.mark.parametrize(("word", "retryable"), [("true", True), ("false", False), ("perhaps", True)])
def test_x_should_retry_decides_over_the_status(word: str, retryable: bool) -> None:
    assert ollama.decode_error(429, {"x-should-retry": word}, b"").retryable is retryable


def test_a_request_id_of_a_proxy_is_kept() -> None:
    assert ollama.decode_error(500, {"x-request-id": "req_1"}, b"").request_id == "req_1"


@given(st.integers(400, 599), st.dictionaries(st.text(), st.text()), st.binary())
def test_no_error_of_a_provider_raises(status: int, headers: dict[str, str], body: bytes) -> None:
    error = ollama.decode_error(status, headers, body)
    assert error.status == status
    assert "\n" not in error.message
    assert len(error.message) <= 300


@given(st.sampled_from([400, 401, 404, 429, 500, 503, 529]), st.text(min_size=1))
def test_an_error_told_and_read_again_says_the_same(status: int, message: str) -> None:
    error = UpstreamError(message, status=status)
    told, body = ollama.encode_error(error)
    read = ollama.decode_error(told, {}, body)
    assert read.message == message
    assert read.retryable == error.retryable
