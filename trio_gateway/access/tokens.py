"""The gateway's own tokens, compared in constant time."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import parse_qsl

from trio_gateway.errors import Unauthorized
from trio_gateway.secrets import Secret


class Tokens:
    """The tokens that are accepted. Only digests are kept; without any token everybody is let in."""

    def __init__(self, tokens: list[Secret]) -> None:
        self._digests = [sha256(token.reveal().encode()).digest() for token in tokens]

    def check(self, headers: Mapping[bytes, bytes], query: bytes = b"") -> None:
        """Raise Unauthorized unless the request's headers (lower-case names), or its query, carry an accepted token.

        A client may present several, in the places of several APIs: one that is accepted will do.

        The comparison takes as long for a near miss as for a far one, and for any of several tokens.
        """
        if not self._digests:
            return
        presented = presented_tokens(headers, query)
        if not presented:
            raise Unauthorized("A gateway token is missing. Send it as Authorization: Bearer TOKEN.")
        matches = 0
        for token in presented:
            digest = sha256(token).digest()
            for accepted in self._digests:
                matches |= hmac.compare_digest(digest, accepted)
        if not matches:
            raise Unauthorized("The gateway token is not valid. Check what is sent as the API key.")


def presented_tokens(headers: Mapping[bytes, bytes], query: bytes = b"") -> list[bytes]:
    """Return the tokens a request presents, each where the clients of some API put theirs.

    Authorization: Bearer (RFC 6750, section 2.1) is OpenAI's and Ollama's place, x-api-key Anthropic's; Google's are
    x-goog-api-key and `key` in the query, which is never logged.
    """
    found: list[bytes] = []
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        found.append(token.strip())
    found += [headers.get(b"x-api-key", b"").strip(), headers.get(b"x-goog-api-key", b"").strip()]
    if b"key=" in query:
        found += [value for name, value in parse_qsl(query) if name == b"key"]
    return [token for token in found if token]
