import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from gateway_schemas.openai_chat import error_decoder
from trio_gateway.dialects.openai_chat import decode_error, encode_error, encode_stream_error
from trio_gateway.errors import GatewayError, InvalidRequest, TooManyRequests, UnknownModel, UpstreamError


def body(**error: Any) -> bytes:
    return json.dumps({"error": error}).encode()


def test_an_error_of_openai_is_read_whole() -> None:
    headers = {"x-request-id": "req_1", "retry-after": "3"}
    error = decode_error(
        400, headers, body(message="bad", type="invalid_request_error", param="messages[0].x", code="c")
    )
    assert (error.status, error.message, error.kind, error.code) == (400, "bad", "invalid_request_error", "c")
    assert (error.pointer, error.request_id, error.retry_after_s) == ("/messages/0/x", "req_1", 3.0)
    assert not error.retryable


@pytest.mark.parametrize(
    ("sent", "message", "kind"),
    [
        (b'{"error":"just text"}', "just text", "upstream_error"),
        (b'{"object":"error","message":"vllm","type":"BadRequestError","code":400}', "vllm", "BadRequestError"),
        (b'{"detail":"Not Found"}', "Not Found", "upstream_error"),
        (b'{"message":"alone"}', "alone", "upstream_error"),
        (b'[{"error":{"code":400,"message":"google","status":"INVALID_ARGUMENT"}}]', "google", "INVALID_ARGUMENT"),
        (b"", "The provider answered with the status 400.", "upstream_error"),
        (b"<html>\n <b>Bad</b>\tGateway", "The provider answered: Bad Gateway", "upstream_error"),
        (b"[]", "The provider answered: []", "upstream_error"),
        (b'{"error":{"message":5}}', 'The provider answered: {"message":5}', "upstream_error"),
        (b'{"x":1}', 'The provider answered: {"x":1}', "upstream_error"),
        (b"\xff\xfe", "The provider answered: \ufffd\ufffd", "upstream_error"),
    ],
)
def test_errors_of_other_shapes_are_read_or_quoted(sent: bytes, message: str, kind: str) -> None:
    error = decode_error(400, {}, sent)
    assert (error.message, error.kind, error.status) == (message, kind, 400)


def test_a_quoted_body_is_short_and_one_line() -> None:
    message = decode_error(502, {}, b"x\n" * 5000).message
    assert len(message) < 340
    assert "\n" not in message


@pytest.mark.parametrize("key", ["sk-proj-abc123DEF456", "sk-ab****yz12", "Bearer abc.def", "AIzaSyA1234567890"])
def test_no_key_reaches_the_client(key: str) -> None:
    assert key not in decode_error(401, {}, body(message=f"Incorrect API key provided: {key}.")).message
    assert key not in decode_error(401, {}, f"<p>{key}</p>".encode()).message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "Sun, 22 Nov 2026 17:00:09 GMT", "date": "Sun, 22 Nov 2026 17:00:00 GMT"}, 9.0),
        ({"retry-after": "Sun, 22 Nov 2026 17:00:09 GMT"}, None),
        ({"retry-after": "soon", "date": "today"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_the_time_to_wait_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert decode_error(429, headers, b"").retry_after_s == seconds


@pytest.mark.parametrize(
    ("status", "headers", "error", "retryable"),
    [
        (429, {}, {}, True),
        (429, {}, {"code": "insufficient_quota"}, False),
        (429, {}, {"type": "insufficient_quota"}, False),
        (500, {"x-should-retry": "false"}, {}, False),
        (400, {"x-should-retry": "true"}, {}, True),
        (400, {}, {}, False),
        (529, {}, {}, True),
    ],
)
def test_whether_to_try_again_is_read(status: int, headers: dict[str, str], error: Any, retryable: bool) -> None:
    assert decode_error(status, headers, body(message="m", **error)).retryable is retryable


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": 503}, 503),
        ({"code": "429"}, 429),
        ({"code": "invalid_api_key"}, 401),
        ({"type": "overloaded_error"}, 503),
        ({"status": "INTERNAL"}, 502),
        ({"code": 7}, 502),
        ({}, 502),
    ],
)
def test_an_error_without_a_status_of_its_own_gets_one(error: Any, status: int) -> None:
    assert decode_error(200, {}, body(message="m", **error)).status == status


@pytest.mark.parametrize(
    ("error", "status", "kind", "param"),
    [
        (InvalidRequest("m", pointer="/messages/0/content"), 400, "invalid_request_error", "messages[0].content"),
        (InvalidRequest("m", pointer="/a~1b"), 400, "invalid_request_error", "a/b"),
        (UnknownModel("m"), 404, "invalid_request_error", None),
        (TooManyRequests("m"), 429, "rate_limit_error", None),
        (UpstreamError("m", status=529, kind="overloaded_error"), 503, "server_error", None),
        (UpstreamError("m", status=500, kind="api_error"), 500, "server_error", None),
        (UpstreamError("m", status=429, kind="RESOURCE_EXHAUSTED"), 429, "rate_limit_error", None),
        (UpstreamError("m", status=503, kind="UNAVAILABLE"), 503, "server_error", None),
        (UpstreamError("m", status=418, kind="TEAPOT"), 418, "invalid_request_error", None),
        (GatewayError("m"), 500, "server_error", None),
    ],
)
def test_errors_are_written_in_openais_words(error: GatewayError, status: int, kind: str, param: str | None) -> None:
    found, written = encode_error(error)
    assert found == status
    assert json.loads(written) == {"error": {"message": "m", "type": kind, "param": param, "code": error.code}}
    assert error_decoder.decode(written).error.message == "m"


def test_an_error_in_a_stream_is_one_frame() -> None:
    error = UpstreamError("line\nbreak", code="c")
    frame = encode_stream_error(error)
    assert frame.startswith(b"data: {")
    assert frame.endswith(b"}\n\n")
    assert frame.count(b"\n") == 2
    assert frame[6:-2] == encode_error(error)[1]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UpstreamError("m", status=400), "invalid_request_error"),
        (UpstreamError("m", status=400, kind="requests"), "invalid_request_error"),
        (UpstreamError("m", status=429, kind="requests"), "requests"),
        (UpstreamError("m", status=418, kind="new", code="503"), "invalid_request_error"),
        (UpstreamError("m", status=503, kind="new", code="503"), "new"),
        (UpstreamError("m", status=503, kind="UNAVAILABLE"), "service_unavailable_error"),
        (UpstreamError("m", status=529, kind="overloaded_error"), "service_unavailable_error"),
        (UpstreamError("m", status=502, kind="new"), "new"),
        (UpstreamError("m", status=501), "server_error"),
    ],
)
def test_an_error_in_a_stream_says_its_status_with_its_type(error: UpstreamError, kind: str) -> None:
    assert json.loads(encode_stream_error(error)[6:])["error"]["type"] == kind


WORDS = st.sampled_from(["rate_limit_error", "INTERNAL", "api_error", "overloaded_error", "new"])


@given(st.sampled_from([400, 401, 404, 429, 500, 503, 529]), st.text(min_size=1), WORDS, st.none() | WORDS)
def test_translating_an_error_twice_changes_nothing_more(
    status: int, message: str, kind: str, code: str | None
) -> None:
    first = UpstreamError(message, status=status, kind=kind, code=code)
    sent = encode_error(first)
    second = decode_error(sent[0], {}, sent[1])
    sent_again = encode_error(second)
    assert encode_error(decode_error(sent_again[0], {}, sent_again[1])) == sent_again
    assert second.retryable == first.retryable


@given(
    st.integers(100, 599), st.dictionaries(st.sampled_from(["retry-after", "date"]), st.text()), st.binary(max_size=50)
)
def test_no_body_raises_anything(status: int, headers: dict[str, str], sent: bytes) -> None:
    assert decode_error(status, headers, sent).message
