"""OpenAI's words for errors of any provider, for clients of Chat and of Responses."""

from __future__ import annotations

import json

import pytest

from trio_gateway.dialects import dialect
from trio_gateway.dialects.openai_kinds import client_status, kind_of
from trio_gateway.errors import GatewayError, UpstreamBroke, UpstreamError, UpstreamTimeout

ANTHROPIC = b'{"type":"error","error":{"type":"%b","message":"m"}}'
GEMINI = b'{"error":{"code":%d,"message":"m","status":"%b"}}'
PAGE = b"<html>Too much</html>"


@pytest.mark.parametrize("client", ["openai_chat", "openai_responses"])
@pytest.mark.parametrize(
    ("provider", "status", "body", "kind"),
    [
        ("gemini", 429, GEMINI % (429, b"RESOURCE_EXHAUSTED"), "rate_limit_error"),
        ("gemini", 503, GEMINI % (503, b"UNAVAILABLE"), "server_error"),
        ("anthropic_messages", 529, ANTHROPIC % b"overloaded_error", "server_error"),
        ("anthropic_messages", 500, ANTHROPIC % b"api_error", "server_error"),
        ("anthropic_messages", 402, ANTHROPIC % b"billing_error", "insufficient_quota"),
        ("anthropic_messages", 413, ANTHROPIC % b"request_too_large", "invalid_request_error"),
        ("anthropic_messages", 422, PAGE, "invalid_request_error"),
        ("anthropic_messages", 429, PAGE, "rate_limit_error"),
        ("openai_chat", 429, PAGE, "rate_limit_error"),
        ("openai_chat", 500, PAGE, "server_error"),
        ("openai_chat", 422, PAGE, "invalid_request_error"),
        ("openai_responses", 429, PAGE, "rate_limit_error"),
        ("gemini", 429, PAGE, "rate_limit_error"),
        ("gemini", 500, PAGE, "server_error"),
        ("ollama", 405, b'{"error":"m"}', "invalid_request_error"),
        ("openai_chat", 400, b'{"error":{"message":"m","type":"BadRequestError"}}', "BadRequestError"),
    ],
)
def test_a_providers_error_is_told_in_openais_words(
    client: str, provider: str, status: int, body: bytes, kind: str
) -> None:
    error = dialect(provider).decode_error(status, {}, body)
    told_status, told = dialect(client).encode_error(error)
    assert json.loads(told)["error"]["type"] == kind
    assert told_status == client_status(error) == (503 if status == 529 else status)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UpstreamBroke("m"), "upstream_error"),
        (UpstreamTimeout("m"), "timeout_error"),
        (UpstreamError("m", status=418), "invalid_request_error"),
        (GatewayError("m"), "server_error"),
        (GatewayError("m", kind="", status=404), "not_found_error"),
    ],
)
def test_the_gateways_own_words_stay(error: GatewayError, kind: str) -> None:
    assert kind_of(error) == kind
