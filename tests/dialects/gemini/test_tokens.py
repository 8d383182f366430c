from __future__ import annotations

from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.dialects.conversation import Token
from trio_gateway.dialects.gemini.tokens import carry, recognise

ISSUERS = st.sampled_from(["gemini", "anthropic_messages", "openai_responses"])


@given(ISSUERS, st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.booleans())
def test_a_token_comes_back_as_it_was(issuer: str, value: str, redacted: bool) -> None:
    token = Token(issuer, value)
    assert recognise(carry(token, redacted=redacted)) == (token, redacted)


@given(st.binary(min_size=1))
def test_google_s_own_signature_is_written_as_it_is(signature: bytes) -> None:
    value = b64encode(signature).decode()
    assert carry(Token("gemini", value)) == value
    assert recognise(value) == (Token("gemini", value), False)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_foreign_token_is_base64_and_survives_a_client_that_writes_it_url_safe(value: str) -> None:
    token = Token("anthropic_messages", value)
    carried = carry(token)
    rewritten = carried.replace("+", "-").replace("/", "_").rstrip("=")
    assert b64decode(carried, validate=True)
    assert recognise(rewritten) == (token, False)


@pytest.mark.parametrize("value", ["dHJpbz", "dHJpbz!!", "dHJpbzp4", "dHJpbzr/////"])
def test_what_only_begins_like_ours_is_google_s(value: str) -> None:
    assert recognise(value) == (Token("gemini", value), False)
