"""Opaque reasoning tokens on their way through formats that are not their issuer's.

A token goes back to its issuer byte for byte, and to nobody else. In between a client of another dialect keeps it
for us: there it is written `trio:ISSUER:VALUE`, so that it is recognised when it comes back and cannot be mistaken
for the client dialect's own. A value without the namespace is the carrier's own.
"""

from __future__ import annotations

from trio_gateway.dialects.conversation import Token

NAMESPACE = "trio:"


def carry(token: Token, carrier: str) -> str:
    """Return how `token` is written in an answer or history of the dialect `carrier`."""
    if token.issuer == carrier and not token.value.startswith(NAMESPACE):
        return token.value
    return f"{NAMESPACE}{token.issuer}:{token.value}"


def recognise(value: str, carrier: str) -> Token:
    """Return the token that `value`, found in the dialect `carrier`, stands for."""
    if value.startswith(NAMESPACE):
        issuer, colon, original = value[len(NAMESPACE) :].partition(":")
        if colon:
            return Token(issuer, original)
    return Token(carrier, value)
