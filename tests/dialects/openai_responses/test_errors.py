from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseErrorEvent

from gateway_schemas import openai_responses as wire
from trio_gateway.dialects.openai_responses.errors import (
    decode_error,
    encode_error,
    encode_stream_error,
    error_of,
    failure_of,
)
from trio_gateway.errors import (
    GatewayError,
    InvalidRequest,
    TooManyRequests,
    UpstreamBroke,
    UpstreamError,
)


def body_of(error: GatewayError) -> tuple[int, Any]:
    status, body = encode_error(error)
    return status, json.loads(body)["error"]


def test_an_error_names_the_parameter_in_openais_spelling() -> None:
    error = InvalidRequest("Not so.", code="invalid_value", pointer="/input/0/content/1/a~1b")
    assert body_of(error) == (
        400,
        {
            "message": "Not so.",
            "type": "invalid_request_error",
            "param": "input[0].content[1].a/b",
            "code": "invalid_value",
        },
    )


def test_overloaded_is_503_for_openais_clients() -> None:
    assert body_of(UpstreamError("Overloaded", status=529, kind="overloaded_error"))[0] == 503


def test_an_error_in_a_stream_is_flat_and_the_sdks_own() -> None:
    framed = encode_stream_error(UpstreamBroke("Gone."), 7)
    head, _, data = framed.partition(b"\ndata: ")
    assert head == b"event: error"
    assert data.endswith(b"\n\n")
    event = ResponseErrorEvent.model_validate_json(data.strip(), strict=True)
    assert (event.message, event.code, event.sequence_number, event.param) == ("Gone.", "upstream_broke", 7, None)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UpstreamError("m", status=503, kind="UNAVAILABLE"), "server_is_overloaded"),
        (UpstreamError("m", status=529, kind="overloaded_error"), "server_is_overloaded"),
        (UpstreamError("m", status=500, kind="INTERNAL"), "server_error"),
        (UpstreamError("m", status=500, kind="api_error"), "server_error"),
        (UpstreamError("m", status=402, kind="billing_error"), "insufficient_quota"),
        (UpstreamError("m", status=418), "invalid_request_error"),
        (UpstreamError("m", status=501, kind="api_error"), "server_error"),
        (UpstreamError("m", status=400, code="new"), "new"),
    ],
)
def test_an_error_in_a_stream_says_its_status_with_its_code(error: UpstreamError, code: str) -> None:
    event = json.loads(encode_stream_error(error).partition(b"\ndata: ")[2])
    assert event["code"] == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TooManyRequests("Slow."), "rate_limit_exceeded"),
        (UpstreamError("Slow.", status=429), "rate_limit_exceeded"),
        (UpstreamError("Bad.", status=400), "invalid_prompt"),
        (UpstreamError("Bad image.", status=400, code="invalid_image"), "invalid_image"),
        (UpstreamBroke("Gone."), "server_error"),
    ],
)
def test_a_failed_response_has_one_of_the_codes_it_may_have(error: GatewayError, code: str) -> None:
    assert failure_of(error) == wire.ResponseError(code, error.message)


def test_a_providers_error_keeps_its_words() -> None:
    error = decode_error(
        429,
        {"retry-after": "3", "x-request-id": "req_1", "authorization": "Bearer sk-secret"},
        b'{"error":{"message":"Slow down","type":"tokens","param":null,"code":"rate_limit_exceeded"}}',
    )
    assert (error.status, error.message, error.kind, error.code) == (429, "Slow down", "tokens", "rate_limit_exceeded")
    assert (error.retry_after_s, error.request_id, error.retryable) == (3.0, "req_1", True)
    assert "secret" not in repr(vars(error))


def test_milliseconds_to_wait_are_finer_than_seconds() -> None:
    assert decode_error(429, {"retry-after-ms": "1500", "retry-after": "2"}, b"").retry_after_s == 1.5


@pytest.mark.parametrize("wait", ["Wed, 21 Oct 2026 07:28:00 GMT", "-1", "nan", "inf", ""])
def test_a_wait_that_is_no_number_is_none(wait: str) -> None:
    assert decode_error(503, {"retry-after": wait}, b"").retry_after_s is None


def test_no_quota_is_not_worth_trying_again() -> None:
    body = b'{"error":{"message":"m","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}'
    assert decode_error(429, {}, body).retryable is False


@pytest.mark.parametrize(("status", "said", "retryable"), [(500, "false", False), (400, "true", True)])
def test_the_provider_has_the_last_word_on_trying_again(status: int, said: str, retryable: bool) -> None:
    assert decode_error(status, {"x-should-retry": said}, b"{}").retryable is retryable


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>\n <h1>502  Bad Gateway</h1>\r\n</html>", "502 Bad Gateway"),
        (b"", "The provider answered with status 502, and said nothing."),
        (b'{"error":"plain"}', "plain"),
        (b'{"error":{"message":"m","code":17}}', "m"),
        (b'{"error":{"message":{"a":1}}}', '{"message":{"a":1}}'),
        (b'{"detail":"not found"}', "not found"),
        (b'{"message":"gone"}', "gone"),
        (b"[1]", "[1]"),
        (b"\xff\xfe", "��"),
    ],
)
def test_a_body_of_any_kind_gives_a_message(body: bytes, message: str) -> None:
    assert decode_error(502, {}, body).message == message


def test_a_quoted_body_is_short() -> None:
    message = decode_error(502, {}, b"x" * 100_000).message
    assert len(message) == 300
    assert message.endswith("…")


@given(st.integers(400, 599), st.binary())
def test_reading_an_error_never_raises(status: int, body: bytes) -> None:
    error = decode_error(status, {}, body)
    assert error.status == status
    assert "\n" not in error.message
    assert len(error.message) <= 300


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500, 503])
def test_an_error_crosses_with_its_status_and_message(status: int) -> None:
    error = UpstreamError("Why.", status=status, kind="some_error", code="c")
    again = decode_error(*encode_error(error)[:1], {}, encode_error(error)[1])
    assert (again.status, again.message, again.kind, again.code) == (status, "Why.", "some_error", "c")


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (wire.ResponseError("rate_limit_exceeded", "m"), 429),
        (wire.ResponseError("something_new", "m"), 500),
        (wire.ErrorBody("m", "invalid_request_error"), 400),
        (wire.ErrorBody("m", None, None, 429), 429),
        (wire.ErrorBody("m", None, None, 1302), 500),
    ],
)
def test_an_error_without_a_status_gets_one_from_its_code(
    found: wire.ErrorBody | wire.ResponseError, status: int
) -> None:
    assert error_of(found).status == status
