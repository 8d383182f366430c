"""Reading a request's body off ASGI, bounded."""

from __future__ import annotations

from collections.abc import Mapping

from trio_gateway.errors import BodyTooLarge, CodedBody
from trio_gateway.replies import Receive

_CODING_SHOWN_MAX = 40


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], limit_bytes: int) -> bytes:
    """Return the whole body. Raises BodyTooLarge as soon as it is, by its declared length or by what came; CodedBody.

    Blocks while the client sends; the server bounds for how long.
    """
    if (coding := headers.get(b"content-encoding")) is not None:
        check_coding(coding)
    declared = headers.get(b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit_bytes:
        raise _too_large(limit_bytes)
    event = await receive()
    body: bytes = event.get("body", b"")
    if not event.get("more_body", False) and len(body) <= limit_bytes:
        return body
    pieces, size = [body], len(body)
    while size <= limit_bytes:
        if not event.get("more_body", False):
            return b"".join(pieces)
        event = await receive()
        pieces.append(event.get("body", b""))
        size += len(pieces[-1])
    raise _too_large(limit_bytes)


def check_coding(coding: bytes) -> None:
    """Raise CodedBody for a compressed body (RFC 9110, 15.5.16): a small one may be an enormous one inside."""
    if coding.strip().lower() not in (b"", b"identity"):
        shown = coding[:_CODING_SHOWN_MAX].decode("latin-1")
        raise CodedBody(f"Bodies in a content coding ({shown}) are not taken here: send it uncompressed.")


def _too_large(limit_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than the {limit_bytes} bytes this gateway takes (server.max_body_bytes).")
