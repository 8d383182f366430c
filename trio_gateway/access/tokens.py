"""The gateway's own tokens, compared in constant time."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256

from trio_gateway.errors import Unauthorized
from trio_gateway.secrets import Secret


class Tokens:
    """The tokens that are accepted. Only digests are kept; without any token everybody is let in."""

    def __init__(self, tokens: list[Secret]) -> None:
        self._digests = [sha256(token.reveal().encode()).digest() for token in tokens]

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Raise Unauthorized unless the request's headers (lower-case names) carry an accepted token.

        The comparison takes as long for a near miss as for a far one, and for any of several tokens.
        """
        if not self._digests:
            return
        presented = presented_token(headers)
        if presented is None:
            raise Unauthorized("A gateway token is missing. Send it as Authorization: Bearer TOKEN.")
        digest = sha256(presented).digest()
        matches = 0
        for accepted in self._digests:
            matches |= hmac.compare_digest(digest, accepted)
        if not matches:
            raise Unauthorized("The gateway token is not valid. Check what follows Bearer in Authorization.")


def presented_token(headers: Mapping[bytes, bytes]) -> bytes | None:
    """Return the token of an Authorization: Bearer header (RFC 6750, section 2.1)."""
    value = headers.get(b"authorization")
    if value is None:
        return None
    scheme, _, token = value.partition(b" ")
    return token.strip() or None if scheme.lower() == b"bearer" else None
