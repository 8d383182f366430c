"""Decode a chunked body (RFC 9112, 7.1), strictly: CRLF only, no spaces, digits bounded, framing overhead bounded."""

from __future__ import annotations

import re

from trio_gateway.server.request_head import body_too_large, header_too_large, malformed
from trio_gateway.server_config import ServerConfig

CHUNK_LINE_MAX_BYTES = 4096
"""The longest chunk-size line, extensions included."""

OVERHEAD_MAX_BYTES = 16_384
"""How far chunk lines may outgrow a fair share of the body: 16 bytes a chunk, and as much again as its data."""

CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t\x20-\x7e\x80-\xff]*)?")
TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")


class ChunkedDecoder:
    """Turns bytes, split anywhere, into body bytes. `done` once the last trailer was read; trailers are dropped."""

    __slots__ = ("_config", "_in_data", "_overhead", "_received", "_remaining", "_trailers", "_trailers_bytes", "done")

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._remaining = 0  # bytes still to come of the chunk at hand, its CRLF included
        self._in_data = False
        self._received = 0
        self._overhead = 0
        self._trailers: int | None = None  # how many were read, once the last chunk has come
        self._trailers_bytes = 0
        self.done = False

    def decode(self, data: bytes, into: list[bytes]) -> bytes:
        """Append body bytes to `into`. Returns what it could not use yet; prepend it to the next call's `data`.

        Once `done`, what it returns belongs to the next request. Raises `ClientError`: 400, 413 or 431.
        """
        at = 0
        while not self.done:
            if self._in_data:
                at = self._take_data(data, at, into)
                if self._in_data:
                    break
            else:
                end = data.find(b"\r\n", at)
                if end < 0:
                    self._check_unfinished_line(data, at)
                    break
                self._take_line(data[at:end])
                at = end + 2
        return data[at:]

    def _take_data(self, data: bytes, at: int, into: list[bytes]) -> int:
        available = len(data) - at
        wanted = self._remaining - 2
        if wanted > 0 and available > 0:
            chunk = data[at : at + wanted]
            into.append(chunk)
            at += len(chunk)
            self._remaining -= len(chunk)
            available -= len(chunk)
        if self._remaining == 2:
            ending = data[at : at + 2]
            if not b"\r\n".startswith(ending):
                raise malformed("a chunk is longer than its size")
            if len(ending) == 2:
                at += 2
                self._in_data = False
        return at

    def _take_line(self, line: bytes) -> None:
        if self._trailers is not None:
            self._take_trailer(line)
            return
        match = CHUNK_LINE.fullmatch(line)
        if match is None or len(line) > CHUNK_LINE_MAX_BYTES:
            raise malformed("a chunk's size is malformed")
        size = int(match[1], 16)
        self._received += size
        if self._received > self._config.max_body_bytes:
            raise body_too_large(self._config.max_body_bytes)
        self._overhead = max(0, self._overhead + len(line) - 16 - 2 * size)
        if self._overhead > OVERHEAD_MAX_BYTES:
            raise malformed("the chunks are mostly framing")
        if size == 0:
            self._trailers = 0
        else:
            self._remaining = size + 2
            self._in_data = True

    def _take_trailer(self, line: bytes) -> None:
        assert self._trailers is not None
        if not line:
            self.done = True
            return
        self._trailers += 1
        self._trailers_bytes += len(line) + 2
        if self._trailers > self._config.header_count_max or self._trailers_bytes > self._config.header_max_bytes:
            raise header_too_large("the trailers are too large")
        if TRAILER.fullmatch(line) is None:
            raise malformed("a trailer is malformed")

    def _check_unfinished_line(self, data: bytes, at: int) -> None:
        limit = CHUNK_LINE_MAX_BYTES if self._trailers is None else self._config.header_max_bytes
        if len(data) - at > limit + 1:
            raise malformed("a line of a chunked body is too long")
        if data.find(b"\n", at) >= 0:
            raise malformed("a line of a chunked body ends without CR")
