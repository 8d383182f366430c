"""Errors in OpenAI's shape, of a failed request and inside a stream, both directions."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from gateway_schemas import openai_responses as wire
from trio_gateway.dialects.openai_kinds import client_status, kind_of
from trio_gateway.dialects.quotes import quoted
from trio_gateway.dialects.retry_after import retry_after_s
from trio_gateway.dialects.wire import text_of
from trio_gateway.errors import NEVER_RETRYABLE, ClientError, GatewayError, TooManyRequests, UpstreamError

# OpenAI's words where a provider's `error` event or failed response comes without a status.
_STATUS_BY_CODE = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "conflict_error": 409,
    "request_too_large": 413,
    "upstream_error": 502,
    "upstream_broke": 502,
    "upstream_unreachable": 502,
    "server_is_overloaded": 503,
    "slow_down": 503,
    "overloaded_error": 503,
    "unavailable": 503,
    "vector_store_timeout": 504,
    "timeout_error": 504,
    "upstream_timeout": 504,
}

# An `error` event says the status with its code alone. Any other is that of a bad request, or of the server's.
_CODE_IN_STREAM = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_exceeded",
    502: UpstreamError.kind,
    503: "server_is_overloaded",
    504: "timeout_error",
}

# The codes that a failed response may have by OpenAI's document.
_FAILURE_CODES = frozenset(
    {
        "server_error", "rate_limit_exceeded", "invalid_prompt", "data_residency_mismatch", "bio_policy",
        "vector_store_timeout", "invalid_image", "invalid_image_format", "invalid_base64_image", "invalid_image_url",
        "image_too_large", "image_too_small", "image_parse_error", "image_content_policy_violation",
        "invalid_image_mode", "image_file_too_large", "unsupported_image_media_type", "empty_image_file",
        "failed_to_download_image", "image_file_not_found",
    }
)  # fmt: skip


class _Failure(msgspec.Struct):
    """An error body of any OpenAI-compatible server: they agree on little."""

    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    message: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    detail: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_failure = msgspec.json.Decoder(_Failure)
_body = msgspec.json.Decoder(wire.ErrorBody)

# ----------------------------------------------------------------------------------------------- writing


def encode_error(error: GatewayError) -> tuple[int, bytes]:
    """Return the status and body for a client, in OpenAI's words. 529 is Anthropic's alone, and becomes 503."""
    body = wire.ErrorBody(error.message, kind_of(error), _param(error.pointer), error.code)
    return client_status(error), wire.encode(wire.ErrorResponse(body))


def encode_stream_error(error: GatewayError, sequence_number: int = 0) -> bytes:
    """Return the `error` event, framed."""
    event = {
        "type": "error",
        "code": error.code or _code_of(error),
        "message": error.message,
        "param": _param(error.pointer),
        "sequence_number": sequence_number,
    }
    return b"event: error\ndata: %b\n\n" % wire.encode(event)


def _code_of(error: GatewayError) -> str:
    """Return the word for an error without a code: its kind in OpenAI's words, if that tells its status."""
    status, kind = client_status(error), kind_of(error)
    if _status_of(kind) == status:
        return kind
    return _CODE_IN_STREAM.get(status, "server_error" if status >= 500 else "invalid_request_error")


def failure_of(error: GatewayError) -> wire.ResponseError:
    """Return the `error` of a failed response, in one of the codes that it may have."""
    code = error.code
    if code not in _FAILURE_CODES:
        if isinstance(error, TooManyRequests) or error.status == 429:
            code = "rate_limit_exceeded"
        else:
            code = "invalid_prompt" if isinstance(error, ClientError) or error.status == 400 else "server_error"
    return wire.ResponseError(code, error.message)


def _param(pointer: str | None) -> str | None:
    """Return a JSON pointer in OpenAI's spelling: `/input/0/content` is `input[0].content`."""
    if not pointer:
        return None
    param = ""
    for step in pointer[1:].split("/"):
        step = step.replace("~1", "/").replace("~0", "~")
        param += f"[{step}]" if step.isdecimal() else f".{step}" if param else step
    return param


# ----------------------------------------------------------------------------------------------- reading


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """Read a provider's error. Never raises."""
    found = _read(body)
    code = None if found.code is None else str(found.code)
    return UpstreamError(
        found.message or quoted(body) or f"The provider answered with status {status}, and said nothing.",
        status=status,
        kind=found.type or None,
        code=code,
        pointer=None,
        retry_after_s=retry_after_s(headers),
        retryable=_retryable(status, headers, code, found.type),
        request_id=headers.get("x-request-id") or headers.get("request-id"),
    )


def error_of(found: wire.ErrorBody | wire.ResponseError) -> UpstreamError:
    """Return the error that an answer, or an event of a stream, holds: its status is told by its code or type."""
    code = None if found.code is None else str(found.code)
    kind = None if found.type is msgspec.UNSET else found.type
    status = _status_of(code, kind)
    message = found.message or "The provider failed, and did not say why."
    return UpstreamError(message, status=status, kind=kind or None, code=code)


def _status_of(code: str | None, kind: str | None = None) -> int:
    status = _STATUS_BY_CODE.get(code or "") or _STATUS_BY_CODE.get(kind or "")
    if status is None:
        status = int(code) if code is not None and re.fullmatch(r"[45]\d\d", code) else 500
    return status


def read_error_member(raw: msgspec.Raw | bytes) -> wire.ErrorBody:
    """Read an `error` that is an object, perhaps with surprises in it, or a plain text."""
    try:
        return _body.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return wire.ErrorBody(text_of(raw) or quoted(bytes(raw)))


def _read(body: bytes) -> wire.ErrorBody:
    try:
        failure = _failure.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return wire.ErrorBody(text_of(body))
    if type(failure.error) is msgspec.Raw and failure.error != msgspec.Raw(b"null"):
        return read_error_member(failure.error)
    for raw in (failure.message, failure.detail):
        if type(raw) is msgspec.Raw:
            return wire.ErrorBody(text_of(raw))
    return wire.ErrorBody()


def _retryable(status: int, headers: Mapping[str, str], code: str | None, kind: str | None) -> bool | None:
    said = headers.get("x-should-retry", "").lower()
    if said in ("true", "false"):
        return said == "true"
    if code in NEVER_RETRYABLE or kind in NEVER_RETRYABLE:
        return False
    return None if status < 500 else True
