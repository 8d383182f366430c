"""What an image is, told by its first bytes: Ollama's images have no media type."""

from __future__ import annotations

import binascii

_PREFIX = 24  # base64 characters, 18 bytes: as far as the longest of the signatures reaches


def media_type_of(base64: str) -> str | None:
    """Return the media type of an image in base64, None where its first bytes are no known signature."""
    try:
        head = binascii.a2b_base64(base64[:_PREFIX].ljust(_PREFIX, "="))
    except ValueError:  # binascii.Error is one, and so is what a character outside ASCII gives
        return None
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:12] in (b"ftypavif", b"ftypavis"):
        return "image/avif"
    return None


def standard(base64: str) -> str:
    """Return `base64` in the standard alphabet and padded, which is all that Go's decoder takes."""
    if "-" in base64 or "_" in base64:
        base64 = base64.replace("-", "+").replace("_", "/")
    return base64 + "=" * (-len(base64) % 4) if len(base64) % 4 else base64
