"""What a provider, or a proxy before it, said in the place of an error that can be read: quoted, as plain text."""

from __future__ import annotations

import re

QUOTE_MAX = 300  # characters
_READ_MAX_BYTES = 16_384  # a page begins with styles and scripts

# Whatever is open at the end goes with the rest, so that no match is tried in vain: time is linear in the body.
_MARKUP = re.compile(r"(?is)<(script|style)\b.*?(?:</\1[^<>]*>|\Z)|<!--.*?(?:-->|\Z)|</?[a-z!?][^<>]*>")


def quoted(body: bytes) -> str:
    """Return the beginning of a body as one line, without tags, scripts and styles; "" where it says nothing."""
    text = " ".join(_MARKUP.sub(" ", body[:_READ_MAX_BYTES].decode(errors="replace")).split())
    return text if len(text) <= QUOTE_MAX else text[: QUOTE_MAX - 1] + "…"
