"""Errors, both ways. Anthropic's kinds belong to statuses; in a stream only the kind is told."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway_schemas import anthropic_messages as wire_shapes
from trio_gateway.dialects.framing import sse_named
from trio_gateway.dialects.quotes import quoted
from trio_gateway.dialects.retry_after import retry_after_s
from trio_gateway.dialects.wire import BAD_BODY, on_one_line, text_of
from trio_gateway.errors import GatewayError, UpstreamError

NAME = "anthropic_messages"

_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_KIND = {status: kind for kind, status in _STATUS.items()} | {408: "timeout_error", 503: "overloaded_error"}

_encode = msgspec.json.Encoder().encode


class _Error(msgspec.Struct):
    """Anthropic's error, or what stands for it at those who imitate the API."""

    type: str | None = None
    message: str | None = None
    error_code: str | int | None = None
    code: str | int | None = None
    details: Raw | UnsetType = UNSET

    def told_code(self) -> str | None:
        """Return the code, which the provider itself tells among the details."""
        code = self.error_code or self.code or _details(self).error_code
        return None if code is None else str(code)


class _Details(msgspec.Struct):
    error_code: str | int | None = None


class _Body(msgspec.Struct):
    error: Raw | UnsetType = UNSET
    request_id: str | None = None
    message: str | None = None


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_error = msgspec.json.Decoder(_Error | str).decode
_decode_details = msgspec.json.Decoder(_Details).decode


def encode_error(error: GatewayError) -> tuple[int, bytes]:
    return error.status, _encode(_response(error))


def encode_stream_error(error: GatewayError) -> bytes:
    """Return the event that ends a stream. No header can say there that trying again is of no use: its kind does."""
    response = _response(error)
    if isinstance(error, UpstreamError) and error.status == 429 and not error.retryable:
        response.error.type = "billing_error"  # a quota that is used up, in the words of others
    return sse_named(b"error", _encode(response))


def _response(error: GatewayError) -> wire_shapes.ErrorResponse:
    body = wire_shapes.ErrorBody(_kind(error), error.message)
    # Clients look for the code in the details, documents show it beside them.
    details: dict[str, object] = {"error_code": error.code, "pointer": error.pointer}
    if error.violations:
        details["violations"] = [{"pointer": pointer, "reason": reason} for pointer, reason in error.violations]
    if error.code is not None:
        body.error_code = error.code
    if isinstance(error, UpstreamError) and error.details is not None and error.details_of == NAME:
        body.details = Raw(error.details.encode())
    elif found := {name: value for name, value in details.items() if value is not None}:
        body.details = Raw(_encode(found))
    response = wire_shapes.ErrorResponse(body)
    if isinstance(error, UpstreamError) and error.request_id is not None:
        response.request_id = error.request_id
    return response


def _kind(error: GatewayError) -> str:
    if error.kind in _STATUS and (error.kind != "invalid_request_error" or error.status == 400):
        return error.kind
    return _kind_of_status(error.status)


def _kind_of_status(status: int) -> str:
    return _KIND.get(status) or ("invalid_request_error" if 400 <= status < 500 else "api_error")


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """Read a provider's error. Never raises; a body that is no JSON is quoted, on one line."""
    error, request_id = _read(body)
    error = error or _Error()
    told = UpstreamError(
        error.message or _quoted(status, body),
        status=status,
        kind=error.type or _kind_of_status(status),
        code=error.told_code(),
        retry_after_s=retry_after_s(headers),
        retryable=_should_retry(headers),
        request_id=headers.get("request-id") or request_id or headers.get("x-request-id"),
    )
    return _with_details(told, error)


def stream_error(raw: Raw | UnsetType, request_id: str | None) -> UpstreamError:
    """Read the `error` of an error event. It has no status: the kind's own stands for it."""
    error = _read_error(raw) or _Error()
    kind = error.type or "api_error"
    told = UpstreamError(
        error.message or "The provider reported an error in the middle of its answer.",
        status=_STATUS.get(kind, 500),
        kind=kind,
        code=error.told_code(),
        request_id=request_id,
    )
    return _with_details(told, error)


def _with_details(told: UpstreamError, error: _Error) -> UpstreamError:
    if error.details is UNSET or bytes(error.details)[:1] != b"{":
        return told
    return told.detailed(NAME, on_one_line(error.details))


def _details(error: _Error) -> _Details:
    if error.details is UNSET:
        return _Details()
    try:
        return _decode_details(error.details)
    except BAD_BODY:
        return _Details()


def _read(body: bytes) -> tuple[_Error | None, str | None]:
    try:
        outer = _decode_body(body)
    except BAD_BODY:
        text = text_of(body)
        return _Error(message=text) if text else None, None
    error = _read_error(outer.error)
    if error is None and outer.message:
        error = _Error(message=outer.message)
    return error, outer.request_id


def _read_error(raw: Raw | UnsetType) -> _Error | None:
    if raw is UNSET:
        return None
    try:
        error = _decode_error(raw)
    except BAD_BODY:
        return None
    return _Error(message=error) if isinstance(error, str) else error


def _quoted(status: int, body: bytes) -> str:
    quote = quoted(body)
    return f"The provider answered {status}: {quote}" if quote else f"The provider answered {status} without a body."


def _should_retry(headers: Mapping[str, str]) -> bool | None:
    return {"true": True, "false": False}.get(headers.get("x-should-retry", ""))
