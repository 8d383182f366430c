"""Answers over ASGI: the two events of a whole answer, and the headers that errors and losses give."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias

from trio_gateway.dialects import client_side
from trio_gateway.dialects.conversation import Loss
from trio_gateway.endpoints import dialect_at
from trio_gateway.errors import LOSS, CodedBody, GatewayError, UpstreamError
from trio_gateway.routing.channel import header_safe
from trio_gateway.server.request_head import Asked
from trio_gateway.server.response import Refusal

Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

JSON = (b"content-type", b"application/json")
_ID_SHOWN_MAX = 200
_TRIED_AGAIN = frozenset({408, 409, 429})  # by OpenAI's and Anthropic's clients, besides everything from 500 on
_LOSSES_NAMED_MAX = 40  # a header has room for so many; the rest are counted


async def reply(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send a whole answer. Blocks while the client reads slowly."""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def error_headers(error: GatewayError) -> Headers:
    """Return what an error adds to its answer's headers.

    Retry-After in whole seconds (RFC 9110, 10.2.3), and retry-after-ms where that is not exact; x-should-retry where
    the provider said other than its status does: OpenAI's and Anthropic's clients obey both. The limits that were met
    are the provider's, and told in its own words, to clients that know them. Accept-Encoding with a 415 says which
    codings of a body are taken (12.5.3).
    """
    headers: Headers = []
    if error.retry_after_s is not None:
        after_s = max(0.0, error.retry_after_s)
        headers.append((b"retry-after", b"%d" % math.ceil(after_s)))
        if after_s != math.ceil(after_s):
            headers.append((b"retry-after-ms", b"%d" % math.ceil(after_s * 1000)))
    if isinstance(error, CodedBody):
        headers.append((b"accept-encoding", b"identity"))
    if isinstance(error, UpstreamError):
        if error.retryable is not (error.status in _TRIED_AGAIN or error.status >= 500):
            headers.append((b"x-should-retry", b"true" if error.retryable else b"false"))
        if error.request_id:
            headers.append((b"x-gateway-upstream-request-id", header_safe(error.request_id[:_ID_SHOWN_MAX])))
        headers += error.limits
    if error.code == LOSS:
        headers += _paths_header(b"x-gateway-loss", [pointer for pointer, _ in error.violations])
    return headers


def refuse(error: GatewayError, asked: Asked, request_id: bytes) -> Refusal:
    """Tell an error of the server's own, which no exchange has seen, in the words of the client's API."""
    spoken = dialect_at(asked.path, asked.headers)
    status, body = client_side(spoken).encode_error(error)
    return Refusal(status, [JSON, *id_headers(spoken, request_id), *error_headers(error)], body)


def id_headers(dialect: str, request_id: bytes) -> Headers:
    """Return the headers that tell a request's id: Anthropic's clients read one of their own."""
    if dialect == "anthropic_messages":
        return [(b"x-request-id", request_id), (b"request-id", request_id)]
    return [(b"x-request-id", request_id)]


def loss_header(name: bytes, losses: Iterable[Loss]) -> Headers:
    """Return the header that lists what was left out: the fields' dotted paths, each once. None without losses."""
    return _paths_header(name, [loss.pointer for loss in losses])


def _paths_header(name: bytes, pointers: Iterable[str]) -> Headers:
    names = list(dict.fromkeys(pointer.lstrip("/").replace("/", ".") or "body" for pointer in pointers))
    if not names:
        return []
    shown = names[:_LOSSES_NAMED_MAX]
    if len(names) > len(shown):
        shown.append(f"and {len(names) - len(shown)} more")
    return [(name, b", ".join([header_safe(path).replace(b",", b"%2C") for path in shown]))]
