"""Turn an application's ASGI response events into HTTP/1.1 bytes (RFC 9112); refuse what would not be one response."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from email.utils import formatdate
from enum import Enum
from http import HTTPStatus
from typing import NamedTuple

import msgspec

from trio_gateway.errors import GatewayError
from trio_gateway.server.request_head import Asked, Header

SERVER = b"trio-gateway"
NAMES_REMEMBERED_MAX = 1024
"""Header names known to be well-formed that are remembered, so that the usual ones are checked once."""

CONTROLS = bytes({*range(32), 127} - set(b"\t\r\n"))
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
STATUS_LINES = {status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus}


class InvalidResponse(GatewayError):
    """The application's response is not one HTTP response; nothing of the offending event is sent. The app's bug."""


class State(Enum):
    UNSTARTED = "unstarted"
    HELD = "held"  # the app has started, nothing is written: the head waits for the first body event
    BODY = "body"
    COMPLETE = "complete"


UNSTARTED, HELD, BODY, COMPLETE = State


class Kind(Enum):
    """What a response header is to the server."""

    ORDINARY = "ordinary"
    LENGTH = "content-length"
    CONNECTION = "connection"
    OURS = "ours"  # the server decides: dropped
    DATE = "date"
    SERVER = "server"


# Looked up for every header: a global is found faster than an enumeration's member.
ORDINARY, LENGTH, CONNECTION, OURS, DATE, SERVER_NAME = Kind

NAMED = {
    b"content-length": Kind.LENGTH,
    b"connection": Kind.CONNECTION,
    b"transfer-encoding": Kind.OURS,
    b"keep-alive": Kind.OURS,
    b"date": Kind.DATE,
    b"server": Kind.SERVER,
}


class DateLine:
    """The Date and Server lines, rendered once a second."""

    __slots__ = ("_line", "_unix_s")

    def __init__(self) -> None:
        self._unix_s = -1
        self._line = b""

    def at(self, unix_s: int) -> bytes:
        if unix_s != self._unix_s:
            self._unix_s = unix_s
            self._line = b"date: %b\r\nserver: %b\r\n" % (formatdate(unix_s, usegmt=True).encode(), SERVER)
        return self._line


class Names:
    """Header names an application has used, each checked once."""

    def __init__(self) -> None:
        self.known = dict(NAMED)

    def kind(self, name: bytes) -> Kind:
        """What the header is to the server. For a name that `known` does not have."""
        if TOKEN.fullmatch(name) is None:
            raise InvalidResponse(f"a response header's name is malformed: {name!r}")
        kind = NAMED.get(name.lower(), ORDINARY)
        if len(self.known) < NAMES_REMEMBERED_MAX:
            self.known[name] = kind
        return kind


NAMES = Names()


class Response:
    """One response. `start`, then `body` until `more` is false; what `body` returns is to be written, in order.

    `keep_alive` says, once the head was written, whether another response may follow on the connection.
    """

    __slots__ = ("_chunked", "_head_only", "_headers", "_http_10", "_remaining", "_status", "keep_alive", "state")

    def __init__(self, *, head_only: bool, http_10: bool, keep_alive: bool) -> None:
        self.state = UNSTARTED
        self.keep_alive = keep_alive
        self._head_only = head_only
        self._http_10 = http_10
        self._status = 0
        self._headers: Iterable[Header] = ()
        self._chunked = False
        self._remaining: int | None = None  # body bytes still due, where a length was promised

    def start(self, status: int, headers: Iterable[Header]) -> None:
        """Hold the head. Raises `InvalidResponse` for a second one, or a status that cannot be final."""
        if self.state is not UNSTARTED:
            raise InvalidResponse("the response was started twice")
        if not 200 <= status <= 999:
            raise InvalidResponse(f"{status} cannot be a response's status")
        self._status = status
        self._headers = headers
        self.state = HELD

    def body(self, data: bytes, more: bool, date_line: bytes) -> bytes:
        """The bytes for one body event, after the head if this is the first. Raises `InvalidResponse`."""
        if self.state is BODY:
            head = b""
        elif self.state is HELD:
            head = self._head(len(data), more, date_line)
        else:
            raise InvalidResponse(f"a body event came while the response was {self.state.value}")
        if self._head_only:
            self.state = BODY if more else COMPLETE
            return head
        if self._remaining is not None:
            self._count(len(data), more)
        self.state = BODY if more else COMPLETE
        if not self._chunked:
            return head + data if head else data
        if more:
            return b"%b%x\r\n%b\r\n" % (head, len(data), data) if data else head
        return b"%b%x\r\n%b\r\n0\r\n\r\n" % (head, len(data), data) if data else head + b"0\r\n\r\n"

    @property
    def ends_with_connection(self) -> bool:
        """Neither chunks nor a length tell where the body ends: closing cleanly means it is whole."""
        return self.state is BODY and not self._chunked and self._remaining is None and not self._head_only

    def _count(self, size: int, more: bool) -> None:
        assert self._remaining is not None
        if size > self._remaining:
            raise InvalidResponse(f"the body is {size - self._remaining} bytes longer than its Content-Length")
        if not more and size < self._remaining:
            raise InvalidResponse(f"the body is {self._remaining - size} bytes shorter than its Content-Length")
        self._remaining -= size

    def _head(self, size: int, more: bool, date_line: bytes) -> bytes:
        status = self._status
        lines = [STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
        length: int | None = None
        known = NAMES.known
        for name, value in self._headers:
            kind = known.get(name) or NAMES.kind(name)
            if kind is ORDINARY:
                lines.append(b"%b: %b\r\n" % (name, value))
            elif kind is LENGTH:
                length = read_length(value, length)
            elif kind is CONNECTION:
                self.keep_alive = self.keep_alive and b"close" not in value.lower()
            elif kind is not OURS:
                date_line = without(date_line, kind)
                lines.append(b"%b: %b\r\n" % (name, value))
        self._headers = ()  # written; a stream may last for an hour
        lines.append(date_line)
        lines.append(self._framing_lines(length, size, more))
        head = b"".join(lines)
        # Every line ends in one CRLF and there is no other: no value can add a header or a second response.
        count = len(lines) - 2 + date_line.count(b"\n") + lines[-1].count(b"\n")
        if head.count(b"\n") != count or head.count(b"\r") != count or len(head.translate(None, CONTROLS)) < len(head):
            raise InvalidResponse("a response header holds a line break or another control character")
        return head

    def _framing_lines(self, length: int | None, size: int, more: bool) -> bytes:
        """Choose how the body ends, and say so. The empty line that ends the head is included."""
        if self._status in (204, 304) or self._head_only:
            bodyless_length = length if length is not None or more or self._status == 304 else size
            self._head_only = True
            lines = (
                b"" if bodyless_length is None or self._status == 204 else b"content-length: %d\r\n" % bodyless_length
            )
        elif length is not None or not more:
            self._remaining = size if length is None else length
            lines = b"content-length: %d\r\n" % self._remaining
        elif self._http_10:
            self.keep_alive = False
            lines = b""
        else:
            self._chunked = True
            lines = b"transfer-encoding: chunked\r\n"
        if not self.keep_alive:
            return lines + b"connection: close\r\n\r\n"
        return lines + (b"connection: keep-alive\r\n\r\n" if self._http_10 else b"\r\n")


def read_length(value: bytes, before: int | None) -> int:
    if before is not None or not value.isdigit() or len(value) > 18:
        raise InvalidResponse(f"the response's Content-Length is malformed or repeated: {value!r}")
    return int(value)


def without(date_line: bytes, kind: Kind) -> bytes:
    """The server's own lines less the one the application sets itself."""
    name = kind.value.encode() + b":"
    return b"".join(line for line in date_line.splitlines(keepends=True) if not line.startswith(name))


class Refusal(NamedTuple):
    """A response of the server's own."""

    status: int
    headers: list[Header]
    body: bytes


Refuse = Callable[[GatewayError, Asked, bytes], Refusal]
"""How an error of the server's own is told: given what is known of the request, and the id that it has from here on."""


def refuse(error: GatewayError, asked: Asked, request_id: bytes) -> Refusal:
    """Tell it in the shape that OpenAI's clients read, whatever was asked."""
    told = {"message": error.message, "type": error.kind, "param": error.pointer, "code": error.code}
    headers = [(b"content-type", b"application/json"), (b"x-request-id", request_id)]
    return Refusal(error.status, headers, msgspec.json.encode({"error": told}))


def whole_response(refusal: Refusal, date_line: bytes, *, head_only: bool = False) -> bytes:
    """The bytes of a response after which the connection is closed."""
    response = Response(head_only=head_only, http_10=False, keep_alive=False)
    response.start(refusal.status, refusal.headers)
    return response.body(refusal.body, False, date_line)
