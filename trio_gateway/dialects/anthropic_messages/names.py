"""Names of tools that Anthropic takes, and ids that do: these without a table, so that every request stands alone.

An id that does not match `^[a-zA-Z0-9_-]+$` is written `trio-` and its base64url; what already begins so, likewise. A
name may have the same characters, up to 128 of them.
"""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

from trio_gateway.dialects.names import NameRules

TOOL_NAMES = NameRules(
    re.compile(r"[a-zA-Z0-9_-]{1,128}(?<!-x0_)\Z").match,
    re.compile(r"[^a-zA-Z0-9_-]|-(?=x0_\Z)"),
    length_max=128,
    marks=True,
)

_LEGAL = re.compile(r"[a-zA-Z0-9_-]+\Z").match
_ID_PREFIX = "trio-"


def carry_id(id_: str) -> str:
    """Return `id_` as Anthropic takes it."""
    if _LEGAL(id_) and not id_.startswith(_ID_PREFIX):
        return id_
    return _ID_PREFIX + urlsafe_b64encode(id_.encode()).decode("ascii").rstrip("=")


def recognise_id(id_: str) -> str:
    """Return the id that `carry_id` was given; an id it did not make is returned as it is."""
    if not id_.startswith(_ID_PREFIX):
        return id_
    encoded = id_[len(_ID_PREFIX) :]
    try:
        original = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except (binascii.Error, ValueError):
        return id_
    return original if carry_id(original) == id_ else id_
