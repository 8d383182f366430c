"""Names of functions that Gemini takes, and ids of calls that have none.

A name is `[a-zA-Z_][a-zA-Z0-9_.:-]*` there, of up to 64 characters in some of Google's documents and 128 in others:
who is given the shorter has no trouble with either.

A call without an id is given `call_gem_WHERE_N`: WHERE is the index of its content in the request, or a digest of
the answer's id, N counts the calls there. Such an id was never Google's, and does not go back to it.
"""

from __future__ import annotations

import re
from hashlib import blake2b

import msgspec

from trio_gateway.dialects.names import NameRules

TOOL_NAMES = NameRules(
    re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}(?<!-x0_)\Z").match,
    re.compile(r"\A[0-9.:-]|[^a-zA-Z0-9_.:-]|-(?=x0_\Z)"),
    length_max=64,
    marks=True,
)

_SYNTHESISED = re.compile(r"call_gem_[0-9a-f]+(?:_[0-9]+)+\Z").match


def synthesise_id(where: str, place: int) -> str:
    return f"call_gem_{where}_{place}"


def digest(answer_id: str | None) -> str:
    """Return what stands for an answer in the ids of its calls: they must differ from those of other answers."""
    return blake2b(answer_id.encode(), digest_size=6).hexdigest() if answer_id else "0"


def wire_id(id_: str) -> str | msgspec.UnsetType:
    """Return a call's id as Gemini should see it; a synthesised one is not for its eyes."""
    return msgspec.UNSET if not id_ or _SYNTHESISED(id_) else id_
