"""Opaque tokens in `thoughtSignature`, which holds base64: clients' SDKs decode it, and nothing else survives there.

Google's own signatures are written as they are. Another issuer's token is namespaced (see opaque.py), and the base64
of that is written. A redacted thought, which has nothing but its token, is marked by a tilde in the namespace.
"""

from __future__ import annotations

import binascii
from base64 import b64encode, urlsafe_b64decode

from trio_gateway.dialects import opaque
from trio_gateway.dialects.conversation import Token

NAME = "gemini"

# What the base64 of "trio:" begins with, whatever follows.
CARRIED = "dHJpbz"
_REDACTED = "~"
# Gemini 3 refuses a step whose first call has no signature; this is Google's word for a call that never had one.
SKIP_SIGNATURE = "skip_thought_signature_validator"
_TO_URL_SAFE = str.maketrans("+/", "-_")


def carry(token: Token, *, redacted: bool = False) -> str:
    """Return how `token` is written in an answer to a Gemini client."""
    if token.issuer == NAME and not redacted and not token.value.startswith(CARRIED):
        return token.value
    issuer = _REDACTED + token.issuer if redacted else token.issuer
    return b64encode(f"trio:{issuer}:{token.value}".encode(errors="replace")).decode("ascii")


def recognise(signature: str) -> tuple[Token, bool]:
    """Return the token that a signature stands for, and whether it is a redacted thought's."""
    if not signature.startswith(CARRIED):
        return Token(NAME, signature), False
    padded = signature.rstrip("=").translate(_TO_URL_SAFE)
    try:
        text = urlsafe_b64decode(padded + "=" * (-len(padded) % 4)).decode()
    except (binascii.Error, ValueError):
        return Token(NAME, signature), False
    token = opaque.recognise(text, NAME)
    if token.value == text:  # no namespace: Google's own, which happens to begin like ours
        return Token(NAME, signature), False
    redacted = token.issuer.startswith(_REDACTED)
    return Token(token.issuer.removeprefix(_REDACTED), token.value), redacted
