"""Vectors that depend on the text alone: equal texts are near, different ones are not."""

from __future__ import annotations

import hashlib
import math
import struct

MAX_DIMENSIONS = 4096


def vector(text: str, dimensions: int) -> list[float]:
    """Return a unit vector made from a hash of `text`. Its numbers are exact in 32-bit floats."""
    raw = hashlib.shake_128(text.encode("utf-8", "surrogatepass")).digest(dimensions * 2)
    numbers = [value - 32767.5 for value in struct.unpack(f"<{dimensions}H", raw)]
    length = math.sqrt(sum(number * number for number in numbers))
    packed = packed_floats([number / length for number in numbers])
    return list(struct.unpack(f"<{dimensions}f", packed))


def packed_floats(numbers: list[float]) -> bytes:
    """Return little-endian 32-bit floats: what `encoding_format: base64` carries."""
    return struct.pack(f"<{len(numbers)}f", *numbers)
