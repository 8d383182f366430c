"""Errors: `{"error": "text"}` with an HTTP status, or as the last line of a stream that had begun."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway_schemas import ollama
from trio_gateway.dialects.quotes import quoted
from trio_gateway.dialects.retry_after import retry_after_s
from trio_gateway.dialects.wire import BAD_BODY, text_of
from trio_gateway.errors import GatewayError, UpstreamError

# What its HTTP status says, in the words of an OpenAI error: Ollama itself has none but the message.
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "server_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_REQUEST_IDS = ("x-request-id", "request-id")


class _Body(msgspec.Struct):
    error: msgspec.Raw


class _Nested(msgspec.Struct):
    message: str


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_nested = msgspec.json.Decoder(_Nested).decode


def encode_error(error: GatewayError) -> tuple[int, bytes]:
    """Return the status and body for an Ollama client. 529 is Anthropic's alone: it becomes 503."""
    return 503 if error.status == 529 else error.status, _body(error)


def encode_stream_error(error: GatewayError) -> bytes:
    """Return the line that ends a stream that broke."""
    return _body(error) + b"\n"


def _body(error: GatewayError) -> bytes:
    # A message that quotes a body may hold half a surrogate pair, which is no text for an encoder.
    message = error.message.encode(errors="replace").decode()
    return ollama.encode(ollama.ErrorResponse(message or "unknown error"))


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """Read what an Ollama server, or a proxy in front of it, answered in place of an answer. Never raises.

    A sign-in URL that comes with a 401 is left out: it is for the operator, and names the operator's key.
    """
    try:
        message = _message_of(_decode_body(body).error)
    except BAD_BODY:
        message = text_of(body) or quoted(body)
    return UpstreamError(
        message or f"The provider answered with status {status}.",
        status=status,
        kind=_KINDS.get(status),
        code="model_not_found" if status == 404 and message.startswith("model ") else None,
        retry_after_s=retry_after_s(headers),
        retryable=_SHOULD_RETRY.get(headers.get("x-should-retry", "")),
        request_id=next((headers[name] for name in _REQUEST_IDS if headers.get(name)), None),
    )


_SHOULD_RETRY = {"true": True, "false": False}


def error_in_answer(raw: msgspec.Raw) -> UpstreamError:
    """Return the error that came where an answer should have been, with status 200: that says nothing about it."""
    return UpstreamError(_message_of(raw) or "The provider reported an error without a message.")


def _message_of(raw: msgspec.Raw) -> str:
    """Return the message: Ollama's own text, or that of an object that a server of another make sent."""
    try:
        return _decode_nested(raw).message
    except BAD_BODY:
        return text_of(raw) or quoted(bytes(raw))
