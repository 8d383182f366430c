"""Cut a connection's bytes into requests, one at a time: the next head is read when the exchange before it is over."""

from __future__ import annotations

import re

from trio_gateway.server.request_body import ChunkedDecoder
from trio_gateway.server.request_head import Asked, Request, glimpse, header_too_large, malformed, parse_head
from trio_gateway.server_config import ServerConfig

NOT_A_METHOD = re.compile(rb"[^!#$%&'*+\-.^_`|~0-9A-Za-z]")
LONE_LF = re.compile(rb"(?<!\r)\n")


class RequestParser:
    """Feed it what arrives; `request` is the request at hand, once its head is whole.

    Bytes behind that request stay raw, in `held_bytes`, until `finish()`. It sets no bound on them: whoever feeds
    it stops reading when `held_bytes` says so.
    """

    __slots__ = ("_buffer", "_chunked", "_config", "_remaining", "_searched", "request")

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._buffer = b""  # always the bytes not yet understood
        self._searched = 0
        self._remaining = 0
        self._chunked: ChunkedDecoder | None = None
        self.request: Request | None = None

    @property
    def held_bytes(self) -> int:
        """Bytes kept: of the body, not yet taken, and behind it."""
        request = self.request
        return len(self._buffer) + (request.unread_bytes if request is not None else 0)

    @property
    def idle(self) -> bool:
        """Between two requests, with nothing of the next one here."""
        return self.request is None and not self._buffer

    @property
    def asked(self) -> Asked:
        """What is known of the request that `feed` or `finish` raised for; where none has begun, next to nothing."""
        request = self.request
        return glimpse(self._buffer) if request is None else Asked(request.path, dict(request.headers))

    def feed(self, data: bytes) -> None:
        """Understand as much of `data` as belongs to the request at hand. Raises `ClientError` (see `parse_head`).

        After it raised, the connection is of no further use but for the answer that says why.
        """
        if self._buffer:
            data = self._buffer + data
        request = self.request
        if request is None:
            self._read_head(data)
        elif request.complete:
            self._buffer = data
        else:
            self._read_body(request, data)

    def finish(self) -> None:
        """The exchange is over: go on with the request behind it, which may be here already. Raises as `feed` does."""
        assert self.request is not None
        assert self.request.complete, "the end of an unfinished body is not known"
        self.request = None
        if self._buffer:
            self._read_head(self._buffer)

    def _read_head(self, data: bytes) -> None:
        if data[:1] == b"\r":
            # RFC 9112, 2.2: empty lines before a request are ignored. Some clients end a body with one.
            start = 0
            while data.startswith(b"\r\n", start) and start < self._config.header_max_bytes:
                start += 2
            if start:
                data = data[start:]
                self._searched = 0
            if data == b"\r" or not data:
                self._buffer = data
                return
        end = data.find(b"\r\n\r\n", self._searched, self._config.header_max_bytes)
        if end < 0:
            self._keep_partial_head(data)
            return
        self._searched = 0
        end += 4
        self._buffer = data  # while it may yet be refused
        self.request = request = parse_head(data[:end], self._config)
        self._buffer = b""
        data = data[end:]
        if request.complete:
            self._buffer = data
        else:
            self._remaining = request.content_length
            self._chunked = ChunkedDecoder(self._config) if request.chunked else None
            if data:
                self._read_body(request, data)

    def _keep_partial_head(self, data: bytes) -> None:
        self._buffer = data
        if len(data) >= self._config.header_max_bytes:
            raise header_too_large(f"a request's head may have {self._config.header_max_bytes} bytes at most")
        if NOT_A_METHOD.match(data):
            raise malformed("the request line is malformed")
        # A head that ends its lines with LF alone would have us wait for an end that has long come.
        if LONE_LF.search(data, self._searched):
            raise malformed("a line of the head ends without CR")
        self._searched = max(0, len(data) - 3)

    def _read_body(self, request: Request, data: bytes) -> None:
        before = len(request.unread)
        if self._chunked is not None:
            self._buffer = self._chunked.decode(data, request.unread)
            request.complete = self._chunked.done
        elif len(data) <= self._remaining:
            request.unread.append(data)
            self._remaining -= len(data)
            request.complete = self._remaining == 0
            self._buffer = b""
        else:
            request.unread.append(data[: self._remaining])
            self._buffer = data[self._remaining :]
            self._remaining = 0
            request.complete = True
        request.unread_bytes += sum(map(len, request.unread[before:]))
