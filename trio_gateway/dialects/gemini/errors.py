"""Errors: google.rpc.Status in an `error` member, alone in a body, in an array of one, or as a frame of a stream."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec
from msgspec import UNSET, Raw

from gateway_schemas import gemini as wire_gemini
from trio_gateway.dialects.framing import sse
from trio_gateway.dialects.gemini.tokens import NAME
from trio_gateway.dialects.quotes import quoted
from trio_gateway.dialects.retry_after import retry_after_s
from trio_gateway.dialects.wire import BAD_BODY, on_one_line, text_of
from trio_gateway.errors import GatewayError, UpstreamError

# google.rpc.Code by HTTP status; the names are also recognised as kinds.
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_HTTP = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "DATA_LOSS": 500,
    "UNKNOWN": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_OVERLOADED = 529  # Anthropic's own

_duration = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s\Z").match
_encode = msgspec.json.Encoder().encode
_decode_details = msgspec.json.Decoder(list[Raw]).decode


class _Bare(msgspec.Struct):
    error: str


_decode_bare = msgspec.json.Decoder(_Bare).decode


def encode_error(error: GatewayError, /) -> tuple[int, bytes]:
    status = 503 if error.status == _OVERLOADED else error.status
    return status, _encode(wire_gemini.ErrorResponse(_status(error, status)))


def encode_stream_error(error: GatewayError, /) -> bytes:
    return sse(encode_error(error)[1])


def _status(error: GatewayError, status: int) -> wire_gemini.Status:
    default = "INVALID_ARGUMENT" if status < 500 else "INTERNAL"
    name = error.kind if error.kind in _HTTP else _STATUS.get(status, default)
    if isinstance(error, UpstreamError) and error.details is not None and error.details_of == NAME:
        return wire_gemini.Status(status, error.message, name, _decode_details(error.details))
    details: list[Raw] = []
    if error.code is not None:
        details.append(_detail("ErrorInfo", b'"reason":' + _encode(error.code)))
    violations = error.violations or ([(error.pointer, error.message)] if error.pointer is not None else [])
    if violations:
        told = [{"field": field, "description": description} for field, description in violations]
        details.append(_detail("BadRequest", b'"fieldViolations":' + _encode(told)))
    if error.retry_after_s is not None:
        details.append(_detail("RetryInfo", b'"retryDelay":"%bs"' % f"{error.retry_after_s:g}".encode()))
    return wire_gemini.Status(status, error.message, name, details or UNSET)


def _detail(name: str, members: bytes) -> Raw:
    return Raw(b'{"@type":"type.googleapis.com/google.rpc.%b",%b}' % (name.encode(), members))


def decode_error(status: int, headers: Mapping[str, str], body: bytes, /) -> UpstreamError:
    wire = _read(body)
    if wire is None:
        return _upstream_error(status, wire_gemini.Status(message=_quote(status, body)), headers)
    return _upstream_error(status, wire, headers)


def stream_error(wire: wire_gemini.Status) -> UpstreamError:
    """Return the error that a frame of a stream says: its status is in its code, or follows from its name."""
    code = wire.code if isinstance(wire.code, int) else 0
    status = code if 400 <= code <= 599 else _HTTP.get(wire.status or "", 500)
    return _upstream_error(status, wire, {})


def _read(body: bytes) -> wire_gemini.Status | None:
    try:
        if body.lstrip()[:1] == b"[":
            errors = wire_gemini.errors_decoder.decode(body)
            return errors[0].error if errors else None
        return wire_gemini.error_decoder.decode(body).error
    except BAD_BODY:
        text = _text(body)
        return wire_gemini.Status(message=text) if text else None


def _text(body: bytes) -> str | None:
    """Return the text that stands for Google's object at those who imitate the API."""
    try:
        return _decode_bare(body).error
    except BAD_BODY:
        return text_of(body)


def _upstream_error(status: int, wire: wire_gemini.Status, headers: Mapping[str, str]) -> UpstreamError:
    code, request_id, wait_s = None, None, retry_after_s(headers)
    for raw in wire.details or ():
        try:
            detail = wire_gemini.error_detail_decoder.decode(raw)
        except BAD_BODY:
            continue
        kind = detail.type.rpartition(".")[2]
        if kind == "RetryInfo" and wait_s is None and (match := _duration(detail.retry_delay or "")):
            wait_s = float(match[1])
        elif kind == "ErrorInfo":
            code = detail.reason or None
        elif kind == "RequestInfo":
            request_id = detail.request_id or None
    advice = headers.get("x-should-retry")
    told = UpstreamError(
        wire.message or f"The provider answered with status {status}.",
        status=status,
        kind=wire.status or None,
        code=code,
        retry_after_s=wait_s,
        retryable={"true": True, "false": False}.get(advice or ""),
        request_id=headers.get("x-request-id") or headers.get("x-goog-request-id") or request_id,
    )
    return told.detailed(NAME, on_one_line(Raw(_encode(wire.details)))) if wire.details else told


def _quote(status: int, body: bytes) -> str:
    text = quoted(body)
    return f"The provider answered with status {status}: {text}" if text else ""
