import pytest

from trio_gateway.access.tokens import Tokens, presented_token
from trio_gateway.errors import Unauthorized
from trio_gateway.secrets import Secret

TOKENS = Tokens([Secret("first"), Secret("second")])


@pytest.mark.parametrize("value", [b"Bearer first", b"Bearer second", b"bearer first", b"BEARER  second "])
def test_each_configured_token_is_accepted(value: bytes) -> None:
    TOKENS.check({b"authorization": value})


@pytest.mark.parametrize(
    "value", [b"Bearer third", b"Bearer", b"Bearer ", b"Basic first", b"first", b"Bearer firs", b""]
)
def test_anything_else_is_refused_without_quoting_it(value: bytes) -> None:
    with pytest.raises(Unauthorized) as caught:
        TOKENS.check({b"authorization": value})
    assert caught.value.status == 401
    assert "third" not in caught.value.message


def test_a_missing_header_is_refused_with_how_to_send_one() -> None:
    with pytest.raises(Unauthorized, match="Authorization: Bearer"):
        TOKENS.check({})


def test_without_tokens_everybody_is_let_in() -> None:
    Tokens([]).check({})


def test_only_a_bearer_scheme_presents_a_token() -> None:
    assert presented_token({b"authorization": b"Bearer abc"}) == b"abc"
    assert presented_token({b"authorization": b"Basic abc"}) is None
    assert presented_token({}) is None
