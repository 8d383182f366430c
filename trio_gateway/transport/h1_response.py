"""An HTTP/1.1 response out of byte chunks split anywhere (RFC 9112). Pure: no socket, no clock.

llhttp reads the header fields and the chunked coding; what decides where a message ends is decided here, since a wrong
answer there hands one caller another caller's bytes. Any doubt about the framing is a `ProtocolViolation`.

    state       until                     then
    HEAD        the blank line            HEAD again after a 1xx; else one of the next three, or COMPLETE
    LENGTH      content-length bytes      COMPLETE
    CHUNKED     the last chunk            COMPLETE
    UNTIL_EOF   the upstream closes       COMPLETE
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import httptools

from trio_gateway.transport.limits import RESPONSE_LIMITS, ResponseLimits

Headers = list[tuple[bytes, bytes]]

HEAD: Final = 0
LENGTH: Final = 1
CHUNKED: Final = 2
UNTIL_EOF: Final = 3
COMPLETE: Final = 4
STATE_NAMES: Final = (
    "in the head",
    "in a body of known length",
    "in a chunked body",
    "in a body until EOF",
    "complete",
)

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [^\x00-\x08\x0a-\x1f\x7f]*)?\r\n")
_STATUS_LINE_START = b"HTTP/1."
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection", b"content-encoding"})
_LENGTH_DIGITS_MAX = 18
_LAST_CHUNK = b"0\r\n\r\n"


class ProtocolViolation(Exception):
    """The bytes are no HTTP/1.1 response, or break a limit. The message quotes none of them."""


class ResponseParser:
    """One response. `feed` what arrives and `feed_eof` at the end of the stream; read the attributes in between.

    status, headers: 0 and empty until the final head is whole; names are lower-case, order and repetitions kept.
    complete: the body has ended. close_delimited: only the end of the stream will say so (and a cut looks the same).
    content_encoding: the field's value, repetitions joined; the body is given as it was sent all the same.
    reusable: once complete, whether the connection can carry another request.
    """

    __slots__ = (
        "_buffer",
        "_extra",
        "_fields",
        "_interim",
        "_keep_alive",
        "_limits",
        "_llhttp",
        "_message_done",
        "_no_body",
        "_pieces",
        "_remaining",
        "_silent_bytes",
        "_state",
        "_tail",
        "content_encoding",
        "headers",
        "status",
    )

    def __init__(self, *, no_body: bool = False, limits: ResponseLimits = RESPONSE_LIMITS) -> None:
        """`no_body`: the request was a HEAD, so that the answer has no body whatever its fields say."""
        self.status = 0
        self.headers: Headers = []
        self.content_encoding: bytes | None = None
        self._limits = limits
        self._no_body = no_body
        self._state = HEAD
        self._llhttp: Any = None
        self._buffer = b""
        self._interim = 0
        self._keep_alive = False
        self._extra = False
        self._remaining = 0
        self._message_done = False

    def __repr__(self) -> str:
        return f"<ResponseParser {STATE_NAMES[self._state]}, status {self.status or 'unknown'}>"

    @property
    def complete(self) -> bool:
        return self._state == COMPLETE

    @property
    def close_delimited(self) -> bool:
        return self._state == UNTIL_EOF

    @property
    def reusable(self) -> bool:
        return self._state == COMPLETE and self._keep_alive and not self._extra

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came; give the body's bytes among them (none does not mean the end: see `complete`)."""
        return _FEED[self._state](self, data)

    def feed_eof(self) -> None:
        """The upstream closed. Raises `ProtocolViolation` unless that is how this response may end."""
        self._keep_alive = False
        if self._state == UNTIL_EOF:
            self._state = COMPLETE
        elif self._state != COMPLETE:
            raise ProtocolViolation(f"it closed the connection {STATE_NAMES[self._state]}")

    def abandon(self) -> None:
        """Be fed no more, wherever the response was: a cycle with llhttp would be left to the collector."""
        self._state = COMPLETE
        self._keep_alive = False
        self._llhttp = None

    # One method a state.

    def _feed_head(self, data: bytes) -> bytes:
        searched = len(self._buffer)
        if searched:
            data = self._buffer + data
        end = data.find(b"\r\n\r\n", searched - 3 if searched > 3 else 0) + 4
        if end == 3:
            if len(data) > self._limits.head_bytes_max:
                raise ProtocolViolation(f"its head exceeds {self._limits.head_bytes_max} bytes")
            if not data.startswith(_STATUS_LINE_START[: len(data)]):
                raise ProtocolViolation("it did not answer with HTTP/1.x")
            self._buffer = data
            return b""
        self._buffer = b""
        if end > self._limits.head_bytes_max:
            raise ProtocolViolation(f"its head exceeds {self._limits.head_bytes_max} bytes")
        status = self._read_head(data[:end])
        rest = data[end:]
        if status >= 200:
            self.status = status
        else:
            self._skip_interim()
        return _FEED[self._state](self, rest) if rest else b""

    def _read_head(self, head: bytes) -> int:
        status_line = _STATUS_LINE.match(head)
        if status_line is None:
            raise ProtocolViolation("its status line is malformed")
        if status_line.end() > self._limits.line_bytes_max:
            raise ProtocolViolation(f"a line of its head exceeds {self._limits.line_bytes_max} bytes")
        status = int(status_line[2])
        if status == 101:
            raise ProtocolViolation("it switched protocols unasked")
        self._pieces: list[bytes] = []
        self._fields: Headers = []
        # A parser a head: llhttp is left in the middle of its message wherever the body does not go through it.
        self._llhttp = httptools.HttpResponseParser(self)
        try:
            self._llhttp.feed_data(head)
        except httptools.HttpParserError as error:
            raise _violation(error) from error
        if status >= 200:
            self._frame(status, self._collect_fields(len(head)), status_line[1] == b"1")
        if self._state != CHUNKED:
            # llhttp holds our bound methods: without this each response would be a cycle left to the collector.
            self._llhttp = None
        return status

    def _collect_fields(self, head_bytes: int) -> Headers:
        """Move what llhttp found to `headers`. Returns the fields that say what the body is and where it ends."""
        limits = self._limits
        if len(self._fields) > limits.headers_max:
            raise ProtocolViolation(f"its head has more than {limits.headers_max} fields")
        headers, framing = self.headers, []
        for name, value in self._fields:
            # llhttp has refused every other control character, so that this strips spaces and tabs and nothing else.
            field = (name.lower(), value.strip())
            headers.append(field)
            if field[0] in _FRAMING:
                framing.append(field)
        self._fields.clear()
        if head_bytes > limits.line_bytes_max and any(len(n) + len(v) > limits.line_bytes_max for n, v in headers):
            raise ProtocolViolation(f"a line of its head exceeds {limits.line_bytes_max} bytes")
        return framing

    def _skip_interim(self) -> None:
        self._interim += 1
        if self._interim > self._limits.interim_max:
            raise ProtocolViolation(f"it sent more than {self._limits.interim_max} interim responses")

    def _frame(self, status: int, fields: Headers, http_1_1: bool) -> None:
        """Where the body ends: RFC 9112 section 6.3, refusing whatever that section merely tolerates."""
        length: bytes | None = None
        coding: bytes | None = None
        keep_alive = http_1_1
        for name, value in fields:
            if name == b"connection":
                if b"close" in [token.strip() for token in value.lower().split(b",")]:
                    keep_alive = False
            elif name == b"content-encoding":
                self.content_encoding = value if self.content_encoding is None else self.content_encoding + b"," + value
            elif name == b"content-length":
                if length is not None or not value.isdigit() or len(value) > _LENGTH_DIGITS_MAX:
                    raise ProtocolViolation("its Content-Length is malformed")
                length = value
            else:
                if coding is not None or value.lower() != b"chunked" or not http_1_1:
                    raise ProtocolViolation("it uses a Transfer-Encoding other than chunked alone")
                coding = value
        if length is not None and coding is not None:
            raise ProtocolViolation("it sent both Content-Length and Transfer-Encoding")
        self._keep_alive = keep_alive
        if self._no_body or status in (204, 304):
            self._state = COMPLETE
            if status == 204 and (length is not None or coding is not None):
                # Who announces a body that cannot be may well send it: the next answer must not start with it.
                self._keep_alive = False
        elif coding is not None:
            self._state = CHUNKED
            self._silent_bytes = 0
            self._tail = b""
        elif length is not None:
            self._remaining = int(length)
            self._state = LENGTH if self._remaining else COMPLETE
        else:
            self._state = UNTIL_EOF

    def _feed_length(self, data: bytes) -> bytes:
        self._remaining -= len(data)
        if self._remaining <= 0:
            self._state = COMPLETE
            if self._remaining < 0:
                self._extra = True
                return data[: self._remaining]
        return data

    def _feed_chunked(self, data: bytes) -> bytes:
        pieces = self._pieces
        try:
            self._llhttp.feed_data(data)
        except httptools.HttpParserError as error:
            if not self._message_done:
                raise _violation(error) from error
            # The body had ended: what follows it is nobody's, as in the other framings.
            self._extra = True
        if not pieces:
            body = b""
            self._silent_bytes += len(data)
            if self._silent_bytes > self._limits.framing_bytes_max:
                raise ProtocolViolation(f"it sent {self._silent_bytes} bytes of chunk framing without a body byte")
        else:
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            self._silent_bytes = 0
        self._tail = data[-5:] if len(data) >= 5 else (self._tail + data)[-5:]
        if len(self._fields) > self._limits.headers_max:
            raise ProtocolViolation(f"it sent more than {self._limits.headers_max} trailer fields")
        if self._message_done:
            self._llhttp = None
            self._state = COMPLETE
            # llhttp skips blank lines between messages without a word. A body that ends in anything but the plainest
            # last chunk (an extension, trailers, a stray CRLF) therefore costs the connection: rare, and beyond doubt.
            self._extra = self._extra or self._tail != _LAST_CHUNK
        return body

    def _feed_until_eof(self, data: bytes) -> bytes:
        return data

    def _feed_complete(self, data: bytes) -> bytes:
        self._extra = self._extra or bool(data)
        return b""

    # llhttp calls these.

    def on_message_begin(self) -> None:
        if self._message_done:
            self._extra = True

    def on_header(self, name: bytes, value: bytes) -> None:
        # Python is called for every field: what can be done once a head is done in _collect_fields.
        self._fields.append((name, value))

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._message_done = self._state == CHUNKED


_FEED: tuple[Callable[[ResponseParser, bytes], bytes], ...] = (
    ResponseParser._feed_head,
    ResponseParser._feed_length,
    ResponseParser._feed_chunked,
    ResponseParser._feed_until_eof,
    ResponseParser._feed_complete,
)


def _violation(error: httptools.HttpParserError) -> ProtocolViolation:
    """llhttp's reasons are fixed sentences: they quote nothing."""
    return ProtocolViolation(f"its answer is malformed ({error})")
