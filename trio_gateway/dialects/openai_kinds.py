"""What OpenAI calls an error: the `type` that clients of Chat, of Responses and of the older endpoints are told."""

from __future__ import annotations

from collections.abc import Mapping

from trio_gateway.errors import GatewayError, UpstreamError

TYPE_OF_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    504: "timeout_error",
}

# Anthropic's words in OpenAI's. Words that both have stay; Gemini's, in capitals, become the status's.
_TYPE_OF_FOREIGN = {
    "api_error": "server_error",
    "overloaded_error": "server_error",
    "billing_error": "insufficient_quota",
    "request_too_large": "invalid_request_error",
}


def client_status(error: GatewayError) -> int:
    """Return the status for a client: 529 is Anthropic's own, and becomes 503."""
    return 503 if error.status == 529 else error.status


def kind_of(error: GatewayError, types: Mapping[int, str] = TYPE_OF_STATUS) -> str:
    """Return the error's type. Where the provider gave no word of its own, or a foreign one, the status has one."""
    kind, status = _TYPE_OF_FOREIGN.get(error.kind, error.kind), client_status(error)
    unsaid = kind == UpstreamError.kind and status != UpstreamError.status
    return type_of(status, types) if unsaid or kind.isupper() or not kind else kind


def type_of(status: int, types: Mapping[int, str] = TYPE_OF_STATUS) -> str:
    return types.get(status, "server_error" if status >= 500 else "invalid_request_error")
