"""The head of an HTTP/1.1 request (RFC 9112). Pure.

What would let one request become two is refused: CR, LF and NUL anywhere, names that are no tokens, and the fields that
frame a message, which are the transport's to write. Each is a bug of the caller's, so `ValueError`; none is repaired.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

# Hop by hop, or the framing itself: a proxy must not pass them on (RFC 9110 section 7.6.1).
TRANSPORT_HEADERS = frozenset({
    b"connection",
    b"content-length",
    b"expect",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
})  # fmt: skip

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(rb"[\x21-\x7e]+")
_NAMES_REMEMBERED_MAX = 1024
_METHODS_REMEMBERED_MAX = 32
_HEADS_REMEMBERED_MAX = 256
_WITHOUT_EMPTY_BODY = frozenset({b"GET ", b"HEAD ", b"OPTIONS ", b"DELETE "})


def encode_head(
    method: bytes | str, target: bytes, host: bytes, headers: Iterable[tuple[bytes, bytes]], body_bytes: int
) -> bytes:
    """Return the head, blank line included, of a request with a body of `body_bytes`.

    `target` is in origin form. `headers` may name its own `host` and `accept-encoding`; otherwise these are `host`
    and `identity`. Raises ValueError, which never quotes a header's value.
    """
    start, head = _start_of_head(method, target, host, tuple(headers))
    if body_bytes or start not in _WITHOUT_EMPTY_BODY:
        return b"%bcontent-length: %d\r\n\r\n" % (head, body_bytes)
    return head + b"\r\n"


@lru_cache(_HEADS_REMEMBERED_MAX)
def _start_of_head(
    method: bytes | str, target: bytes, host: bytes, headers: tuple[tuple[bytes, bytes], ...]
) -> tuple[bytes, bytes]:
    """Return the start of the request line, and the head up to the length: most requests of a channel share it."""
    start = _start_of_request_line(method)
    if _TARGET.fullmatch(target) is None or target[0] != 0x2F:
        raise ValueError("a request target is a path, percent-encoded")
    lines = [start + target + b" HTTP/1.1"]
    accept_encoding = b"identity"
    own_host = False
    for name, value in headers:
        line_start = _start_of_line(name)
        if line_start == b"host: ":
            if own_host:
                raise ValueError("two host headers")
            own_host = True
        elif line_start == b"accept-encoding: ":
            accept_encoding = value
            continue
        lines.append(line_start + value)
    if not own_host:
        lines.insert(1, b"host: " + host)
    lines.append(b"accept-encoding: " + accept_encoding)
    breaks = len(lines)
    lines.append(b"")
    head = b"\r\n".join(lines)
    # Counting sees every CR and LF that is not one of ours, in any value, at the price of three scans in C.
    if head.count(b"\r") != breaks or head.count(b"\n") != breaks or b"\0" in head:
        raise ValueError("a header value holds CR, LF or NUL")
    return start, head


@lru_cache(_NAMES_REMEMBERED_MAX)
def _start_of_line(name: bytes) -> bytes:
    if _TOKEN.fullmatch(name) is None:
        raise ValueError(f"{name[:40]!r} is no header name")
    name = name.lower()
    if name in TRANSPORT_HEADERS:
        raise ValueError(f"the transport writes {name.decode()} itself")
    return name + b": "


@lru_cache(_METHODS_REMEMBERED_MAX)
def _start_of_request_line(method: bytes | str) -> bytes:
    name = method if isinstance(method, bytes) else method.encode("ascii", "replace")
    if _TOKEN.fullmatch(name) is None or name == b"CONNECT":
        raise ValueError(f"{name[:40]!r} is no method this transport can send")
    return name + b" "
