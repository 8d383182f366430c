"""Answers over ASGI: the two events of a whole answer, and the headers that errors and losses give."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias

from trio_gateway.dialects.conversation import Loss
from trio_gateway.errors import GatewayError
from trio_gateway.routing.channel import header_safe

Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

JSON = (b"content-type", b"application/json")
_LOSSES_NAMED_MAX = 40  # a header has room for so many; the rest are counted


async def reply(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send a whole answer. Blocks while the client reads slowly."""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def error_headers(error: GatewayError) -> Headers:
    """Return what an error adds to its answer's headers: Retry-After in whole seconds (RFC 9110, 10.2.3)."""
    if error.retry_after_s is None:
        return []
    return [(b"retry-after", b"%d" % max(0, math.ceil(error.retry_after_s)))]


def loss_header(name: bytes, losses: Iterable[Loss]) -> Headers:
    """Return the header that lists what was left out: the fields' dotted paths, each once. None without losses."""
    names = list(dict.fromkeys(loss.pointer.lstrip("/").replace("/", ".") or "body" for loss in losses))
    if not names:
        return []
    shown = names[:_LOSSES_NAMED_MAX]
    if len(names) > len(shown):
        shown.append(f"and {len(names) - len(shown)} more")
    return [(name, header_safe(", ".join(path.replace(",", "%2C") for path in shown)))]
