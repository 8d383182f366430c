from __future__ import annotations

import json
from typing import Any

import pytest
from google.genai import errors as genai_errors
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.dialects.gemini import decode_error, encode_error, encode_stream_error
from trio_gateway.errors import (
    InvalidRequest,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnknownModel,
    UpstreamBroke,
    UpstreamError,
    UpstreamTimeout,
)

QUOTA = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "x"}]},
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"},
            {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "r-1"},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"},
        ],
    }
}


@pytest.mark.parametrize("body", [QUOTA, [QUOTA]])
def test_a_provider_s_error_in_its_own_words(body: Any) -> None:
    error = decode_error(429, {}, json.dumps(body, indent=2).encode())
    assert (error.status, error.kind, error.code) == (429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED")
    assert error.message == "You exceeded your current quota."
    assert error.retry_after_s == 34.5
    assert error.request_id == "r-1"
    assert error.retryable is True


@pytest.mark.parametrize(
    ("headers", "retry_after_s", "retryable"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5, True),
        ({"retry-after": "9"}, 9.0, True),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None, True),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:27:00 GMT"}, 60.0, True),
        ({"retry-after": "nan"}, None, True),
        ({"retry-after": "inf"}, None, True),
        ({"retry-after": "-1"}, None, True),
        ({"x-should-retry": "false"}, None, False),
        ({}, None, True),
    ],
)
def test_headers_say_when_and_whether_to_try_again(
    headers: dict[str, str], retry_after_s: float | None, retryable: bool
) -> None:
    error = decode_error(503, headers, b'{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}')
    assert error.retry_after_s == retry_after_s
    assert error.retryable is retryable


def test_a_request_id_of_the_headers_wins() -> None:
    assert decode_error(429, {"x-request-id": "h-1"}, json.dumps(QUOTA).encode()).request_id == "h-1"


@pytest.mark.parametrize("body", [b"<html>\n<h1>502 Bad\xff Gateway</h1>" + b" x" * 500, b"upstream\r\nfailed", b"{}"])
def test_a_body_that_is_no_error_object_is_quoted_on_one_line(body: bytes) -> None:
    error = decode_error(502, {"authorization": "secret"}, body)
    assert "\n" not in error.message
    assert len(error.message) < 400
    assert error.message.startswith("The provider answered with status 502: ")
    assert "secret" not in error.message
    assert error.status == 502


@given(st.integers(400, 599), st.binary(max_size=60))
def test_no_body_raises(status: int, body: bytes) -> None:
    assert decode_error(status, {}, body).status == status


@pytest.mark.parametrize("body", [b"", b" ", b'{"error":{}}', b'[{"error":{}}]'])
def test_an_error_without_a_message_has_one(body: bytes) -> None:
    assert decode_error(500, {}, body).message == "The provider answered with status 500."


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (InvalidRequest("m", pointer="/contents", code="invalid_value"), 400, "INVALID_ARGUMENT"),
        (Unauthorized("m"), 401, "UNAUTHENTICATED"),
        (UnknownModel("m"), 404, "NOT_FOUND"),
        (TooManyRequests("m", retry_after_s=1.5), 429, "RESOURCE_EXHAUSTED"),
        (Unavailable("m"), 503, "UNAVAILABLE"),
        (UpstreamTimeout("m"), 504, "DEADLINE_EXCEEDED"),
        (UpstreamBroke("m"), 502, "UNAVAILABLE"),
        (UpstreamError("m", status=529, kind="overloaded_error"), 503, "UNAVAILABLE"),
        (UpstreamError("m", status=400, kind="FAILED_PRECONDITION"), 400, "FAILED_PRECONDITION"),
        (UpstreamError("m", status=418), 418, "INVALID_ARGUMENT"),
        (UpstreamError("m", status=599), 599, "INTERNAL"),
    ],
)
def test_an_error_for_a_client(error: Any, status: int, name: str) -> None:
    found, body = encode_error(error)
    wire = json.loads(body)["error"]
    assert found == status
    assert (wire["code"], wire["message"], wire["status"]) == (status, "m", name)
    read = genai_errors.APIError(status, json.loads(body))
    assert (read.message, read.status) == ("m", name)
    again = decode_error(found, {}, body)
    assert (again.status, again.message, again.kind) == (status, "m", name)
    assert again.retry_after_s == error.retry_after_s
    assert encode_error(again)[1] == encode_error(decode_error(*_with_body(encode_error(again))))[1]


def _with_body(encoded: tuple[int, bytes]) -> tuple[int, dict[str, str], bytes]:
    return encoded[0], {}, encoded[1]


def test_the_field_that_is_wrong_is_named() -> None:
    wire = json.loads(encode_error(InvalidRequest("m", pointer="/contents/0"))[1])["error"]
    assert wire["details"] == [
        {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": "/contents/0", "description": "m"}],
        }
    ]


def test_an_error_in_a_stream_is_a_frame_that_google_s_client_sees() -> None:
    frame = encode_stream_error(UpstreamBroke("m"))
    assert frame.startswith(b'data: {"error":')
    assert frame.endswith(b"\n\n")


def test_what_google_tells_in_detail_goes_to_its_own_clients_word_for_word() -> None:
    error = decode_error(429, {}, json.dumps(QUOTA, indent=2).encode())
    assert json.loads(encode_error(error)[1]) == QUOTA
    assert encode_stream_error(error).count(b"\n") == 2, "one line of data"


def test_every_field_that_cannot_be_carried_is_listed() -> None:
    error = InvalidRequest("m", pointer="/a", violations=[("/a", "why"), ("/b/0", "how")])
    [detail] = json.loads(encode_error(error)[1])["error"]["details"]
    assert detail["fieldViolations"] == [
        {"field": "/a", "description": "why"},
        {"field": "/b/0", "description": "how"},
    ]
