"""Undo a content coding that an upstream applied though it was asked for none. Pure.

Decoded bytes come in bounded pieces, and a body that swells beyond all reason is refused: `DecodingLimits`.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from typing import Any, Protocol

from trio_gateway.transport.limits import DECODING_LIMITS, DecodingLimits

_GZIP = 16 + zlib.MAX_WBITS
_RAW_DEFLATE = -zlib.MAX_WBITS
_GZIP_START = b"\x1f\x8b"


class CodingError(Exception):
    """The body is not what its Content-Encoding says, swells too much, or needs a decoder that is not here."""


class _Inflater(Protocol):
    """A decoder that gives at most so many bytes at a time, and remembers what it has not decoded yet."""

    @property
    def ended(self) -> bool: ...
    @property
    def holds_more(self) -> bool: ...
    def inflate(self, data: bytes, bytes_max: int) -> bytes: ...


class ContentDecoder:
    """One body. `feed` encoded bytes, then `take` until it gives nothing; `finish` at the body's end."""

    def __init__(self, inflater: _Inflater, limits: DecodingLimits = DECODING_LIMITS) -> None:
        self._inflater = inflater
        self._limits = limits
        self._fed = b""
        self._bytes_in = 0
        self._bytes_out = 0

    def feed(self, data: bytes) -> None:
        """Only once `take` has given nothing: what is fed is held as it is."""
        self._fed = self._fed + data if self._fed else data
        self._bytes_in += len(data)

    def take(self) -> bytes:
        """Return the next decoded piece, at most `piece_bytes_max` long; b"" when more must be fed first."""
        limits, inflater = self._limits, self._inflater
        if not self._fed and not inflater.holds_more:
            return b""
        data, self._fed = self._fed, b""
        piece = inflater.inflate(data, limits.piece_bytes_max)
        self._bytes_out += len(piece)
        if self._bytes_out > limits.free_bytes and self._bytes_out > limits.ratio_max * self._bytes_in:
            raise CodingError(f"its body decodes to more than {limits.ratio_max} times its size")
        return piece

    def finish(self) -> None:
        """Raise CodingError if the encoded body has not ended. A body without a single byte is one without a body."""
        if self._bytes_in and not self._inflater.ended:
            raise CodingError("its encoded body is cut off")


def open_decoder(content_encoding: bytes | None, limits: DecodingLimits = DECODING_LIMITS) -> ContentDecoder | None:
    """Return what undoes the coding a response names, None where there is none.

    Raises CodingError for a coding this cannot undo, and for several on top of each other.
    """
    if content_encoding is None:
        return None
    codings = [coding.strip() for coding in content_encoding.lower().split(b",")]
    codings = [coding for coding in codings if coding not in (b"", b"identity")]
    if not codings:
        return None
    opener = _OPENERS.get(codings[0])
    if opener is None or len(codings) > 1:
        raise CodingError("it insists on a content coding that was not asked for and cannot be undone here")
    return ContentDecoder(opener(), limits)


class _Zlib:
    """gzip, of any number of members, and deflate, in zlib's wrapping or (as some send it) bare."""

    def __init__(self, gzip: bool) -> None:
        self._gzip = gzip
        self._held = b""
        self._zlib = zlib.decompressobj(_GZIP) if gzip else None
        self.holds_more = False

    @property
    def ended(self) -> bool:
        return self._zlib is not None and self._zlib.eof and not self._held

    def inflate(self, data: bytes, bytes_max: int) -> bytes:
        data = self._held + data
        self._held = b""
        self.holds_more = False
        if self._zlib is None:
            if len(data) < 2:
                self._held = data
                return b""
            wrapped = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            self._zlib = zlib.decompressobj(zlib.MAX_WBITS if wrapped else _RAW_DEFLATE)
        pieces: list[bytes] = []
        room = bytes_max
        while room > 0 and not (self._zlib.eof and not self._open_next_member(data)):
            try:
                piece = self._zlib.decompress(data, room)
            except zlib.error as error:
                raise CodingError("its encoded body is malformed") from error
            pieces.append(piece)
            room -= len(piece)
            data = self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail
            if not data:
                break
        self._held = data
        # A full piece may leave zlib in the middle of a repetition, with more to give and nothing left to read.
        self.holds_more = room <= 0
        return b"".join(pieces)

    def _open_next_member(self, data: bytes) -> bool:
        """What follows a member may be another one (RFC 1952 section 2.2), or is nothing yet."""
        if len(data) < 2 and _GZIP_START.startswith(data):
            return False
        if not self._gzip or data[:2] != _GZIP_START:
            raise CodingError("its encoded body goes on after its end")
        self._zlib = zlib.decompressobj(_GZIP)
        return True


class _Brotli:
    def __init__(self, brotli: Any) -> None:
        self._decompressor = brotli.Decompressor()
        self._error: type[Exception] = brotli.error
        self.holds_more = False

    @property
    def ended(self) -> bool:
        return bool(self._decompressor.is_finished())

    def inflate(self, data: bytes, bytes_max: int) -> bytes:
        try:
            # The library may pass the bound by its last block: it doubles a buffer until it is at least this large.
            limit = bytes_max // 2
            piece: bytes = self._decompressor.process(data, output_buffer_limit=limit)
        except self._error as error:
            raise CodingError("its encoded body is malformed") from error
        # It would accept more data as soon as it has read all of these, however much of them is still to be given.
        self.holds_more = not self.ended and (len(piece) >= limit or not self._decompressor.can_accept_more_data())
        return piece


class _Zstd:
    """One frame: nobody is known to send several, and what follows the first is refused."""

    def __init__(self, zstd: Any) -> None:
        # A window of 8 MiB is what an HTTP receiver must support, and all that this one will set aside (RFC 9659).
        options = {zstd.DecompressionParameter.window_log_max: 23}
        self._decompressor = zstd.ZstdDecompressor(options=options)
        self._error: type[Exception] = zstd.ZstdError

    @property
    def ended(self) -> bool:
        return bool(self._decompressor.eof)

    @property
    def holds_more(self) -> bool:
        return not self._decompressor.eof and not self._decompressor.needs_input

    def inflate(self, data: bytes, bytes_max: int) -> bytes:
        try:
            piece: bytes = self._decompressor.decompress(data, bytes_max)
        except self._error as error:
            raise CodingError("its encoded body is malformed") from error
        except EOFError:
            raise CodingError("its encoded body goes on after its end") from None
        if self._decompressor.unused_data:
            raise CodingError("its encoded body goes on after its end")
        return piece


def _load(*names: str) -> Any:
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def _find_openers() -> dict[bytes, Callable[[], _Inflater]]:
    """Only decoders that can be told how much to give at a time: the others cannot be kept from filling the memory."""
    found: dict[bytes, Callable[[], _Inflater]] = {
        b"gzip": lambda: _Zlib(gzip=True),
        b"x-gzip": lambda: _Zlib(gzip=True),
        b"deflate": lambda: _Zlib(gzip=False),
    }
    brotli = _load("brotli")
    if hasattr(getattr(brotli, "Decompressor", None), "can_accept_more_data"):  # 1.2 and later
        found[b"br"] = lambda: _Brotli(brotli)
    zstd = _load("compression.zstd", "backports.zstd")
    if zstd is not None:
        found[b"zstd"] = lambda: _Zstd(zstd)
    return found


_OPENERS = _find_openers()
