"""Read one HTTP/1.1 or 1.0 request head (RFC 9112), strictly: what two parsers could read two ways is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import unquote

import httptools

from trio_gateway.errors import BodyTooLarge, ClientError
from trio_gateway.server_config import ServerConfig

Header = tuple[bytes, bytes]

REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP/(\d\.\d)\r\n")
ABSOLUTE_FORM = re.compile(rb"(?i:https?)://([^/?#]+)(/[^?#]*)?(?:\?([^#]*))?")
HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9\-._~!$&'()*+,;=%]{0,255})(?::\d{0,5})?")
FRAMING = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade"})


class Request:
    """One request: its head, and the part of its body that has arrived and not been taken."""

    __slots__ = (
        "chunked",
        "complete",
        "content_length",
        "expects_continue",
        "headers",
        "http_10",
        "keep_alive",
        "method",
        "path",
        "query_string",
        "raw_path",
        "unread",
        "unread_bytes",
    )

    def __init__(self, method: str, raw_path: bytes, query_string: bytes, headers: list[Header], http_10: bool) -> None:
        self.method = method
        self.raw_path = raw_path
        self.path = unquote(raw_path.decode("ascii")) if b"%" in raw_path else raw_path.decode("ascii")
        self.query_string = query_string
        self.headers = headers
        self.http_10 = http_10
        self.keep_alive = not http_10
        self.expects_continue = False
        self.content_length = 0
        self.chunked = False
        self.complete = True
        self.unread: list[bytes] = []
        self.unread_bytes = 0

    def take_body(self) -> bytes:
        """All body bytes that have arrived since the last call."""
        unread = self.unread
        if not unread:
            return b""
        body = unread[0] if len(unread) == 1 else b"".join(unread)
        self.unread = []
        self.unread_bytes = 0
        return body


REQUEST_PATH = re.compile(rb"[^\x00-\x20]+ (?:(?i:https?)://[^/?# ]*)?(/[^?#\x00-\x20]*)")


class Asked(NamedTuple):
    """What can be made out of a request that is refused, so that its client is told in its own API's words."""

    path: str = "/"
    headers: Mapping[bytes, bytes] = MappingProxyType({})


def glimpse(head: bytes) -> Asked:
    """Read what there is of a head that is malformed, too large or not whole. Never raises."""
    path = REQUEST_PATH.match(head)
    if path is None:
        return Asked()
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    headers = {name.lower(): value.strip() for name, colon, value in lines if colon}
    return Asked(unquote(path[1].decode("latin-1")), headers)


class HeadersReader:
    """What llhttp calls, header by header."""

    __slots__ = ("headers",)

    def __init__(self) -> None:
        self.headers: list[Header] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        # llhttp keeps white space behind a value; of what `rstrip` strips it lets only space and tab through.
        self.headers.append((name.lower(), value.rstrip()))


def malformed(message: str) -> ClientError:
    return ClientError(message, code="malformed_request")


def parse_head(head: bytes, config: ServerConfig) -> Request:
    """Read a whole head, from the request line to the empty line, inclusive.

    Raises `ClientError` with the status to answer: 400 for what is malformed or ambiguous, 413 for a body announced
    too large, 417, 431 for too many headers, 501 for methods and upgrades not served here, 505.
    """
    line = REQUEST_LINE.match(head)
    if line is None:
        raise malformed("the request line is malformed")
    method, target, version = line.groups()
    if version not in (b"1.1", b"1.0"):
        raise ClientError("only HTTP/1.1 and HTTP/1.0 are spoken here", status=505, code="http_version_not_supported")
    if method == b"CONNECT":
        raise ClientError("CONNECT is not served here", status=501, code="method_not_implemented")
    reader = HeadersReader()
    try:
        # A fresh parser a head: nothing of one request can colour the next.
        httptools.HttpRequestParser(reader).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # the head is whole; an upgrade that is not served is ignored (RFC 9110, 7.8)
    except httptools.HttpParserInvalidMethodError as error:
        raise ClientError("the method is not served here", status=501, code="method_not_implemented") from error
    except httptools.HttpParserError as error:
        raise malformed(f"the request is malformed: {error}") from error
    headers = reader.headers
    if len(headers) > config.header_count_max:
        raise header_too_large(f"a request may have {config.header_count_max} header fields at most")
    raw_path, query, authority = split_target(method, target)
    request = Request(method.decode("ascii"), raw_path, query, headers, version == b"1.0")
    read_framing(request, authority)
    if request.content_length > config.max_body_bytes:
        raise body_too_large(config.max_body_bytes)
    return request


def header_too_large(message: str) -> ClientError:
    return ClientError(message, status=431, code="request_header_fields_too_large")


def body_too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"a request body may have {limit} bytes at most (server.max_body_bytes)")


def split_target(method: bytes, target: bytes) -> tuple[bytes, bytes, bytes | None]:
    """The path, the query and, for the absolute form, the authority (RFC 9112, 3.2)."""
    if b"#" in target:
        raise malformed("the request target has a fragment")
    if target[:1] == b"/":
        path, _, query = target.partition(b"?")
        return path, query, None
    if target == b"*" and method == b"OPTIONS":
        return target, b"", None
    absolute = ABSOLUTE_FORM.fullmatch(target)
    if absolute is None or HOST.fullmatch(absolute[1]) is None:
        raise malformed("the request target is malformed")
    return absolute[2] or b"/", absolute[3] or b"", absolute[1]


@lru_cache(256)
def is_host(value: bytes) -> bool:
    return HOST.fullmatch(value) is not None


def read_framing(request: Request, authority: bytes | None) -> None:
    """Decide where the body ends, what becomes of the connection, and for which host the request is."""
    hosts = 0
    lengths: list[bytes] = []
    codings: list[bytes] = []
    for name, value in request.headers:
        if name not in FRAMING:
            continue
        if name == b"host":
            hosts += 1
            if not is_host(value):
                raise malformed("the Host header is malformed")
        elif name == b"content-length":
            lengths.append(value)
        elif name == b"transfer-encoding":
            codings.append(value)
        elif name == b"connection":
            read_connection(request, value)
        elif name == b"expect":
            read_expectation(request, value)
        elif b"websocket" in value.lower():
            raise ClientError("WebSockets are not served here", status=501, code="websocket_not_implemented")
    if hosts > 1 or (hosts == 0 and not request.http_10):
        raise malformed("a request has exactly one Host header")
    if authority is not None:
        # The authority of an absolute target stands in for whatever Host says (RFC 9112, 3.2.2).
        request.headers[:] = [header for header in request.headers if header[0] != b"host"]
        request.headers.append((b"host", authority))
    if codings or lengths:
        read_length(request, lengths, codings)


def read_length(request: Request, lengths: list[bytes], codings: list[bytes]) -> None:
    if len(lengths) + len(codings) > 1:
        raise malformed("the length of the body is given more than once")
    if codings:
        if codings[0].lower() != b"chunked" or request.http_10:
            raise malformed("the only Transfer-Encoding is chunked, in HTTP/1.1")
        request.chunked = True
        request.complete = False
    else:
        if not lengths[0].isdigit():  # llhttp has seen to it; two opinions are better where bodies are delimited
            raise malformed("Content-Length is not a number")
        request.content_length = int(lengths[0])
        request.complete = request.content_length == 0
    if request.complete:
        request.expects_continue = False


def read_connection(request: Request, value: bytes) -> None:
    options = [option.strip(b" \t") for option in value.lower().split(b",")]
    if b"close" in options:
        request.keep_alive = False
    elif request.http_10 and b"keep-alive" in options:
        request.keep_alive = True


def read_expectation(request: Request, value: bytes) -> None:
    if value.lower() != b"100-continue":
        raise ClientError("the only expectation met here is 100-continue", status=417, code="expectation_failed")
    request.expects_continue = not request.http_10
