"""What the server writes for one request: bytes, pauses and an end. Pure."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from trio_gateway.simulator.decide import failure
from trio_gateway.simulator.script import Rejected, Script

Frame = tuple[bytes, bool]
"""One event of a stream, framed, and whether it is a delta: deltas are what is paced and counted."""

JSON = b"application/json"
EVENT_STREAM = b"text/event-stream; charset=utf-8"
NDJSON = b"application/x-ndjson"


class Request(msgspec.Struct, gc=False):
    """One whole request. Header names are lower-case; of repeated ones the last counts."""

    method: str
    path: str
    query: str
    headers: dict[bytes, bytes]
    body: bytes


class Setting(msgspec.Struct, gc=False):
    """What an answer depends on besides its request."""

    script: Script
    """The defaults."""
    number: int
    """Of the request, from 1: the source of its ids."""
    now_s: int
    models: tuple[str, ...]
    strict: bool = True
    """Whether to refuse what the real provider refuses; if not, only what cannot be understood."""


class Reply(msgspec.Struct, kw_only=True, gc=False):
    """`body` is None for a stream of `frames`. `ending` is "end", or one of the script's ways to fail."""

    status: int = 200
    media_type: bytes = JSON
    headers: bytes = b""
    """Whole lines, each with its line end."""
    body: bytes | None = None
    promised_bytes: int = 0
    """The body's announced length: more than it has, where it breaks off."""
    frames: list[Frame] = []
    latency_s: float = 0.0
    first_wait_s: float = 0.0
    gap_s: float = 0.0
    silent_headers: bool = False
    ending: str = "end"

    @property
    def waits(self) -> bool:
        """Whether time passes between its first and its last byte, or before them."""
        return bool(self.latency_s or self.first_wait_s or self.gap_s or self.ending != "end" or self.silent_headers)


def plain(body: bytes, headers: bytes = b"", *, status: int = 200) -> Reply:
    return Reply(status=status, headers=headers, body=body, promised_bytes=len(body))


def scripted_plain(
    script: Script, headers: bytes, render: Callable[[], bytes], render_error: Callable[[Rejected], bytes]
) -> Reply:
    """Return a plain answer, with the delays and the end that the script asks for. May raise Rejected."""
    if script.fail_how == "error":
        raise failure(script)
    body = render_error(failure(script)) if script.error_in_200 else render()
    promised = len(body)
    ending = script.fail_how or "end"
    if script.silence == "body":
        body, ending = b"", "silence"
    elif ending != "end":
        body = body[: promised // 2]
    return Reply(
        headers=headers,
        body=body,
        promised_bytes=promised,
        latency_s=script.latency_s,
        first_wait_s=script.first_wait_s,
        silent_headers=script.silence == "headers",
        ending=ending,
    )


def scripted_stream(
    script: Script,
    media_type: bytes,
    headers: bytes,
    render: Callable[[], list[Frame]],
    render_error: Callable[[Rejected, int], bytes],
) -> Reply:
    """Return a stream, with the pace and the end that the script asks for. `render_error` frames an error event.

    It is told how many events went before.
    """
    ending = "end"
    if script.error_in_200:
        frames = [(render_error(failure(script), 0), False)]
    elif script.silence == "body":
        frames, ending = [], "silence"
    elif script.fail_how:
        frames = _up_to(render(), script.fail_after)
        if script.fail_how == "error":
            frames.append((render_error(failure(script), len(frames)), False))
        else:
            ending = script.fail_how
    else:
        frames = render()
    return Reply(
        media_type=media_type,
        headers=headers,
        frames=frames,
        latency_s=script.latency_s,
        first_wait_s=script.first_wait_s,
        gap_s=script.gap_s,
        silent_headers=script.silence == "headers",
        ending=ending,
    )


def _up_to(frames: list[Frame], deltas: int) -> list[Frame]:
    """Return the frames before delta number `deltas`, counted from 0; never the last frame, which ends the stream."""
    seen = 0
    for at, (_, is_delta) in enumerate(frames):
        if is_delta:
            if seen == deltas:
                return frames[:at]
            seen += 1
    return frames[:-1]


Endpoint = Callable[[Request, Setting], Reply]
"""What answers one path; it raises Rejected for what it refuses."""

_REASONS = {
    200: b"OK",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    413: b"Payload Too Large",
    429: b"Too Many Requests",
    500: b"Internal Server Error",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
    529: b"Overloaded",
}
_HEAD_PLAIN = {
    status: b"HTTP/1.1 %d %b\r\ncontent-type: %%b\r\ncontent-length: %%d\r\n" % (status, reason)
    for status, reason in _REASONS.items()
}
_HEAD_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def head(reply: Reply, *, close: bool) -> bytes:
    """Return the response's head. `close` says that the connection ends with it."""
    if reply.body is None:
        start = _HEAD_STREAM % reply.media_type
    else:
        template = _HEAD_PLAIN.get(reply.status)
        if template is None:
            template = b"HTTP/1.1 %d Status\r\ncontent-type: %%b\r\ncontent-length: %%d\r\n" % reply.status
        start = template % (reply.media_type, reply.promised_bytes)
    return start + reply.headers + (b"connection: close\r\n\r\n" if close else b"\r\n")


def chunk(data: bytes) -> bytes:
    """Return `data` as one HTTP chunk (RFC 9112, section 7.1). Empty data would end the message: it gives nothing."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
