"""Ids and tool names that fit Anthropic's patterns, and the way back: no table, so that every request stands alone.

An id that does not match `^[a-zA-Z0-9_-]+$` is written `trio-` and its base64url; what already begins so, likewise. A
name may have the same characters, and is escaped as names are.
"""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

from trio_gateway.dialects.names import CUSTOM_MARK, escape_name, unescape_name
from trio_gateway.errors import InvalidRequest

NAME_LENGTH_MAX = 128

_LEGAL = re.compile(r"[a-zA-Z0-9_-]+\Z").match
_ID_PREFIX = "trio-"
_MISFIT = re.compile(r"[^a-zA-Z0-9_-]|_(?=x[0-9A-F]{1,6}[^a-zA-Z0-9])|-(?=x0_\Z)")


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


def carry_name(name: str, at: str, custom: bool = False) -> str:
    """Return a tool's name as Anthropic takes it. Raises InvalidRequest, pointing at `at`, where none will do."""
    if not _LEGAL(name) or "_x" in name or name.endswith(CUSTOM_MARK):
        name = escape_name(name, _MISFIT)
    if custom:
        name += CUSTOM_MARK
    if not 0 < len(name) <= NAME_LENGTH_MAX:
        raise InvalidRequest(
            f"A tool's name must have 1 to {NAME_LENGTH_MAX} characters for this model's provider.",
            code="invalid_value",
            pointer=at,
        )
    return name


def recognise_name(name: str) -> tuple[str, bool]:
    """Return the name that `carry_name` was given, and whether the tool takes free text."""
    custom = name.endswith(CUSTOM_MARK) and len(name) > len(CUSTOM_MARK)
    if custom:
        name = name[: -len(CUSTOM_MARK)]
    return unescape_name(name), custom
