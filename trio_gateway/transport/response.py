"""An upstream's response as the exchange sees it, whatever transport brought it."""

from __future__ import annotations

from collections.abc import Awaitable
from math import inf
from types import TracebackType
from typing import Self

from trio_gateway.errors import UpstreamBroke
from trio_gateway.transport.content_coding import CodingError, open_decoder

Headers = list[tuple[bytes, bytes]]

_OF_THE_ENCODED_BODY = frozenset({b"content-encoding", b"content-length"})


class UpstreamResponse:
    """A response whose head is there. Holds its connection and its place among `connections_max`: close it, always.

    status: 200 to 599. headers: names in lower case, in the order sent; they describe the body as it is given here, so
    that an undone content coding takes its Content-Encoding and Content-Length with it.
    close_delimited: no length was announced and the connection's end is the body's. A body cut short looks the same, so
    that only the terminal marker of what is in it tells.
    due_s: when `receive_some` gives up, on the event loop's clock; at first what `open` was given. See `wait_until`.
    """

    __slots__ = ("_address", "_decoder", "close_delimited", "due_s", "headers", "status")

    def __init__(
        self, status: int, headers: Headers, content_encoding: bytes | None, close_delimited: bool, address: str
    ) -> None:
        """Raises UpstreamBroke for a content coding that cannot be undone."""
        self.status = status
        self.headers = headers
        self.close_delimited = close_delimited
        self.due_s = inf
        self._address = address
        self._decoder = None
        if content_encoding is not None:
            try:
                self._decoder = open_decoder(content_encoding)
            except CodingError as error:
                raise self._broke(error) from error
            if self._decoder is not None:
                self.headers = [field for field in headers if field[0] not in _OF_THE_ENCODED_BODY]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status} from {self._address}, {len(self.headers)} headers>"

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of `name`, which is given in lower case."""
        for candidate, value in self.headers:
            if candidate == name:
                return value
        return None

    def receive_some(self) -> Awaitable[bytes]:
        """Wait for bytes of the body, as they arrive; b"" at its end, and again after it.

        Not a checkpoint where they are already here. Raises UpstreamBroke when the body breaks off: a cut never looks
        like the end, but for `close_delimited`; and Overdue. The upstream is read no faster than this is called.
        """
        # Not a coroutine: one more of them, for each stream that waits, is memory and time for nothing.
        return self._receive_encoded() if self._decoder is None else self._receive_decoded()

    async def read(self, max_bytes: int) -> bytes:
        """Wait for the rest of the body. Raises UpstreamBroke where it is longer than `max_bytes`."""
        pieces: list[bytes] = []
        size = 0
        while piece := await self.receive_some():
            size += len(piece)
            if size > max_bytes:
                raise UpstreamBroke(f"the answer of {self._address} exceeds {max_bytes} bytes")
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def wait_until(self, due_s: float) -> None:
        """Set when `receive_some` gives up, in place of what was set before. It is of no use after that."""
        self.due_s = due_s

    def forget_headers(self) -> None:
        """Keep them no longer. A stream may last for an hour, and they are a kilobyte of it."""
        self.headers = []

    async def aclose(self) -> None:
        """Give up what the response holds. Its connection serves another request if the body was read to its end.

        Takes effect under cancellation too, and may be called more than once.
        """
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _receive_encoded(self) -> Awaitable[bytes]:
        raise NotImplementedError

    async def _receive_decoded(self) -> bytes:
        decoder = self._decoder
        assert decoder is not None
        try:
            while not (piece := decoder.take()):
                encoded = await self._receive_encoded()
                if not encoded:
                    decoder.finish()
                    return b""
                decoder.feed(encoded)
        except CodingError as error:
            raise self._broke(error) from error
        return piece

    def _broke(self, error: CodingError) -> UpstreamBroke:
        return UpstreamBroke(f"cannot read the answer of {self._address}: {error}")
