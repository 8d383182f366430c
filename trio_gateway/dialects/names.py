"""Any tool's name in the characters that a provider takes, and back: no table, so that every request stands alone.

In a name, which the model reads, each character that there is no place for is written `_xHEX_`. What already looks so
is escaped once more, so that names stay apart and come back as they were. Each dialect says which characters these are.

Where there are no tools that take free text, the name of the function that stands for one ends in CUSTOM_MARK: a call
of it can be told from a function's.
"""

from __future__ import annotations

import re

CUSTOM_MARK = "-x0_"  # no underscore in front, which might complete an escape

_ESCAPED = re.compile(r"_x([0-9A-F]{1,6})_")


def escape_name(name: str, misfit: re.Pattern[str]) -> str:
    """Return `name` with each character that `misfit` finds escaped."""
    return misfit.sub(_escape, name)


def unescape_name(name: str) -> str:
    """Return the name that `escape_name` was given."""
    return _ESCAPED.sub(_unescape, name) if "_x" in name else name


def _escape(match: re.Match[str]) -> str:
    return f"_x{ord(match[0]):X}_"


def _unescape(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    # Half a surrogate pair is no character: we did not write that.
    return match[0] if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF else chr(code)
