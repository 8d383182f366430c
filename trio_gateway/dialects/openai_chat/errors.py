"""OpenAI's errors: the body of a refusal, the frame inside a stream, and what other servers write in their place."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from gateway_schemas.openai_chat import ErrorBody, ErrorDetail, encode
from trio_gateway.dialects import wire
from trio_gateway.dialects.framing import sse
from trio_gateway.dialects.openai_kinds import TYPE_OF_STATUS, client_status, kind_of, type_of
from trio_gateway.dialects.quotes import quoted
from trio_gateway.dialects.retry_after import retry_after_s
from trio_gateway.errors import GatewayError, UpstreamError

# What a provider writes about our own key ("Incorrect API key provided: sk-ab***yz") is not for the client.
_SECRET = re.compile(r"(?i)\b(?:sk|pk|rk|gsk|xai|org|proj)-[\w*.-]{6,}|\bAIza[\w-]{10,}|\bBearer\s+[\w*.~+/=-]+")

# A status for errors that come without one: in a stream, or inside a 200.
_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "invalid_request": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "insufficient_quota": 429,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "conflict_error": 409,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "requests": 429,
    "tokens": 429,
    "server_error": 500,
    "api_error": 500,
    "internal_error": 500,
    "service_unavailable_error": 503,
    "overloaded_error": 503,
    "overloaded": 503,
    "timeout_error": 504,
    "timeout": 504,
}

# In a stream nothing else says the status. Reading them, 502 is what no word stands for.
_TYPE_IN_STREAM = TYPE_OF_STATUS | {502: UpstreamError.kind, 503: "service_unavailable_error"}

# ------------------------------------------------------------------------------------------- for clients


def encode_error(error: GatewayError, /) -> tuple[int, bytes]:
    """Return the status and the body for a Chat client. 529 is Anthropic's own: it becomes 503."""
    return client_status(error), _written(error, kind_of(error))


def encode_stream_error(error: GatewayError, /) -> bytes:
    """Return the frame that ends a stream that broke. No [DONE] follows it.

    Where the provider's words do not tell the status, the type is the status's own.
    """
    status = client_status(error)
    kind = kind_of(error, _TYPE_IN_STREAM)
    if _status_of(_Detail(), kind, error.code) != status:
        kind = type_of(status, _TYPE_IN_STREAM)
    return sse(_written(error, kind))


def _written(error: GatewayError, kind: str) -> bytes:
    param = _param(error.pointer) if error.pointer else None
    return encode(ErrorBody(ErrorDetail(error.message, kind, param, error.code)))


def _param(pointer: str) -> str:
    """Return a JSON pointer as OpenAI names a field: /messages/0/content is messages[0].content."""
    steps = (step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])
    return "".join(f"[{step}]" if step.isdigit() else f".{step}" for step in steps).removeprefix(".")


def _pointer(param: str) -> str:
    steps = re.findall(r"[^.\[\]]+", param)
    return "".join("/" + wire.escape(step) for step in steps)


# ---------------------------------------------------------------------------------------- from providers


class _Detail(msgspec.Struct):
    """An error object of OpenAI, or of a server that resembles it: `status` is Google's word for the type."""

    message: str | None = None
    type: str | None = None
    param: str | None = None
    code: str | int | float | None = None
    status: str | int | float | None = None


class _Body(msgspec.Struct):
    """`error` is an object, or a text; vLLM's older form is the detail itself; FastAPI has `detail`."""

    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    object: str | None = None
    detail: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_body = msgspec.json.Decoder(_Body).decode
_bodies = msgspec.json.Decoder(list[_Body]).decode
_detail = msgspec.json.Decoder(_Detail).decode
_EMPTY = (b"null", b"false", b"0", b'""', b"{}", b"[]")


def decode_error(status: int, headers: Mapping[str, str], body: bytes, /) -> UpstreamError:
    """Read a provider's error. Header names are lower-case. Never raises; a body that is no JSON is quoted.

    A status below 400 is that of an answer whose body, or a frame of it, turned out to be an error: the error
    itself says which status it deserves, else 502.
    """
    found = _read(body)
    code = None if found.code is None else str(found.code)
    kind = found.type or (found.status if isinstance(found.status, str) else None)
    if status < 400:
        status = _status_of(found, kind, code)
    message = found.message or f"The provider answered with the status {status}."
    return UpstreamError(
        _SECRET.sub("[redacted]", message),
        status=status,
        kind=kind,
        code=code,
        pointer=_pointer(found.param) if found.param else None,
        retry_after_s=retry_after_s(headers),
        retryable=_retryable(headers),
        request_id=headers.get("x-request-id") or headers.get("request-id"),
    )


def error_of_frame(error: msgspec.Raw | msgspec.UnsetType, object_: str | None, body: bytes) -> UpstreamError | None:
    """Return the error that a frame or a 200's body is, None where it is none."""
    if object_ != "error" and (isinstance(error, msgspec.UnsetType) or bytes(error) in _EMPTY):
        return None
    return decode_error(200, {}, body)


def _read(body: bytes) -> _Detail:
    try:
        # Google's compatibility endpoint wraps its errors into a list.
        found = _bodies(body)[0] if body.lstrip()[:1] == b"[" else _body(body)
    except (*wire.BAD_BODY, IndexError):
        return _Detail(wire.text_of(body) or _quote(body))
    for raw in (found.error, found.detail):
        if not isinstance(raw, msgspec.UnsetType) and bytes(raw) not in _EMPTY:
            return _read_detail(bytes(raw))
    if found.object == "error":
        return _read_detail(body)
    # Some servers write the detail alone.
    detail = _read_detail(body)
    return detail if detail.message else _Detail(_quote(body))


def _read_detail(raw: bytes) -> _Detail:
    try:
        return _detail(raw)
    except wire.BAD_BODY:
        pass
    return _Detail(wire.text_of(raw) or _quote(raw))


def _quote(body: bytes) -> str | None:
    quote = quoted(body)
    return f"The provider answered: {quote}" if quote else None


def _status_of(found: _Detail, kind: str | None, code: str | None) -> int:
    for value in (found.code, found.status):
        if isinstance(value, int) and 400 <= value <= 599:
            return value
    if code is not None and code.isdigit() and 400 <= int(code) <= 599:
        return int(code)
    for word in (code, kind):
        if word is not None and word.lower() in _STATUS_OF_TYPE:
            return _STATUS_OF_TYPE[word.lower()]
    return 502


def _retryable(headers: Mapping[str, str]) -> bool | None:
    """Return what the headers say about trying again, None where status and words decide."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", ""))
