"""What an upstream may make us hold in memory. Every limit is named here; passing one is the upstream's fault."""

from __future__ import annotations

import msgspec


class ResponseLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of one HTTP/1.1 response.

    head_bytes_max: a head in bytes, status line and blank line included; each interim (1xx) head has its own.
    line_bytes_max: the status line, or one header field (name and value).
    headers_max: fields in one head, and again in the trailers.
    interim_max: 1xx heads before the answer.
    framing_bytes_max: bytes of chunk sizes, chunk extensions and trailers received in a row without one byte of body.
    """

    head_bytes_max: int = 65_536
    line_bytes_max: int = 16_384
    headers_max: int = 200
    interim_max: int = 8
    framing_bytes_max: int = 65_536


class DecodingLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of undoing a content coding.

    piece_bytes_max: decoded bytes handed out, and so held, at a time.
    ratio_max: decoded bytes for each encoded one, over the whole body, once `free_bytes` have been decoded.
    """

    piece_bytes_max: int = 262_144
    ratio_max: int = 200
    free_bytes: int = 1_048_576


RESPONSE_LIMITS = ResponseLimits()
DECODING_LIMITS = DecodingLimits()
