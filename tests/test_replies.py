"""The headers of errors, as the official clients read them."""

from __future__ import annotations

import pytest

from trio_gateway.dialects.conversation import Loss
from trio_gateway.errors import LOSS, GatewayError, InvalidRequest, TooManyRequests, UpstreamError
from trio_gateway.replies import error_headers, id_headers, loss_header


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (GatewayError("m"), {}),
        (TooManyRequests("m", retry_after_s=7), {b"retry-after": b"7"}),
        (TooManyRequests("m", retry_after_s=0.25), {b"retry-after": b"1", b"retry-after-ms": b"250"}),
        (TooManyRequests("m", retry_after_s=-3), {b"retry-after": b"0"}),
        (UpstreamError("m", status=429), {}),
        (UpstreamError("m", status=529), {}),
        (UpstreamError("m", status=429, retryable=False), {b"x-should-retry": b"false"}),
        (UpstreamError("m", status=400, retryable=True), {b"x-should-retry": b"true"}),
        (UpstreamError("m", request_id="req\r\n1"), {b"x-gateway-upstream-request-id": b"req%0D%0A1"}),
    ],
)
def test_an_error_says_when_and_whether_to_try_again(error: GatewayError, headers: dict[bytes, bytes]) -> None:
    assert dict(error_headers(error)) == headers


def test_a_refusal_for_losses_lists_them_as_an_answer_would() -> None:
    losses = [Loss("/a/0", "why"), Loss("/a/0", "again"), Loss("/b,c", "how")]
    error = InvalidRequest("m", code=LOSS, violations=[(loss.pointer, loss.reason) for loss in losses])
    assert error_headers(error) == loss_header(b"x-gateway-loss", losses) == [(b"x-gateway-loss", b"a.0, b%2Cc")]


def test_an_id_is_told_where_the_dialects_clients_look() -> None:
    assert id_headers("openai_chat", b"req_1") == [(b"x-request-id", b"req_1")]
    assert id_headers("anthropic_messages", b"req_1") == [(b"x-request-id", b"req_1"), (b"request-id", b"req_1")]
