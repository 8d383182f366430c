"""Names of functions that Gemini takes, ids of calls that have none, and the way back: no table, each stands alone.

A name is `[a-zA-Z_][a-zA-Z0-9_.:-]*` there. Only what would otherwise not come back is escaped: that pairs every name
with one that is legal, each with another, so that a client's own legal names too come through unchanged, both ways.

A call without an id is given `call_gem_WHERE_N`: WHERE is the index of its content in the request, or a digest of
the answer's id, N counts the calls there. Such an id was never Google's, and does not go back to it.
"""

from __future__ import annotations

import re
from hashlib import blake2b

import msgspec

from trio_gateway.dialects.names import CUSTOM_MARK, escape_name, unescape_name
from trio_gateway.errors import InvalidRequest

_MAX_LENGTH = 512  # Google's limit is far below; it bounds the recursion of what is escaped again and again
_LEGAL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]*\Z").match
_MISFIT = re.compile(r"\A[0-9.:-]|[^a-zA-Z0-9_.:-]|_(?=x[0-9A-F]{1,6}[^a-zA-Z0-9])|-(?=x0_\Z)")
_SYNTHESISED = re.compile(r"call_gem_[0-9a-f]+(?:_[0-9]+)+\Z").match


def carry_name(name: str, at: str = "", *, custom: bool = False) -> str:
    """Return a function's name as Gemini takes it. Raises InvalidRequest, pointing at `at`, for an empty one."""
    if not _LEGAL(name) or recognise_name(name) != (name, False):
        if not name:
            raise InvalidRequest("A function needs a name.", code="invalid_value", pointer=at)
        name = escape_name(name, _MISFIT)
    return name + CUSTOM_MARK if custom else name


def recognise_name(name: str) -> tuple[str, bool]:
    """Return the name that `carry_name` was given, and whether the tool takes free text."""
    if len(name) > _MAX_LENGTH:
        return name, False
    if name.endswith(CUSTOM_MARK):
        base = name[: -len(CUSTOM_MARK)]
        original, custom = recognise_name(base)
        return (original, True) if original and not custom else (name, False)
    original = unescape_name(name)
    if original == name:
        return name, False
    # Ours only where there was a need, and where it is what we would write.
    needed = bool(original) and (not _LEGAL(original) or recognise_name(original) != (original, False))
    return (original, False) if needed and escape_name(original, _MISFIT) == name else (name, False)


def synthesise_id(where: str, place: int) -> str:
    return f"call_gem_{where}_{place}"


def digest(answer_id: str | None) -> str:
    """Return what stands for an answer in the ids of its calls: they must differ from those of other answers."""
    return blake2b(answer_id.encode(), digest_size=6).hexdigest() if answer_id else "0"


def wire_id(id_: str) -> str | msgspec.UnsetType:
    """Return a call's id as Gemini should see it; a synthesised one is not for its eyes."""
    return msgspec.UNSET if not id_ or _SYNTHESISED(id_) else id_
