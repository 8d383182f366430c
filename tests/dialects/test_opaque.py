from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_gateway.dialects import DIALECTS
from trio_gateway.dialects.conversation import Token
from trio_gateway.dialects.opaque import carry, recognise

dialects = st.sampled_from(DIALECTS)


@given(dialects, dialects, st.text() | st.text().map("trio:".__add__))
@example("gemini", "gemini", "trio:ollama:x")
@example("gemini", "ollama", "a:b:c")
def test_a_token_comes_back_byte_for_byte_whoever_kept_it(issuer: str, carrier: str, value: str) -> None:
    token = Token(issuer, value)
    assert recognise(carry(token, carrier), carrier) == token


@given(dialects, st.text())
def test_what_is_not_in_the_namespace_is_the_carrier_s_own(carrier: str, value: str) -> None:
    if not value.startswith("trio:"):
        assert recognise(value, carrier) == Token(carrier, value)


def test_an_issuer_sees_its_own_token_as_it_wrote_it() -> None:
    assert carry(Token("gemini", "abc"), "gemini") == "abc"
    assert carry(Token("gemini", "abc"), "ollama") == "trio:gemini:abc"


@pytest.mark.parametrize("value", ["trio:", "trio:gemini"])
def test_a_namespace_without_a_value_is_none(value: str) -> None:
    assert recognise(value, "ollama") == Token("ollama", value)
