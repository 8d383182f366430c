"""The id of an end user, as providers take it for their abuse monitoring: short, and nobody's name.

One hash serves all formats, so that whoever is one user in one of them is one user in each. It only has to be the same
for the same person; the vendors themselves recommend it.
"""

from __future__ import annotations

import hashlib
import re

# No more than tells an address from the ids that programs make.
_is_address = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+").fullmatch


def hashed_id(user: str) -> str:
    """Return 64 hexadecimal digits."""
    return hashlib.sha256(user.encode("utf-8", "surrogatepass")).hexdigest()


def is_personal(user: str) -> bool:
    """Say whether an id is somebody's e-mail address, which Anthropic does not want to be told."""
    return _is_address(user) is not None
