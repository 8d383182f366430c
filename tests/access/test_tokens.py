import pytest

from trio_gateway.access.tokens import Tokens, presented_tokens
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
    assert presented_tokens({b"authorization": b"Bearer abc"}) == [b"abc"]
    assert presented_tokens({b"authorization": b"Basic abc"}) == []
    assert presented_tokens({}) == []


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({b"x-api-key": b"first"}, b""),
        ({b"x-goog-api-key": b"first"}, b"alt=sse"),
        ({}, b"alt=sse&key=first"),
        ({b"authorization": b"Bearer of another service", b"x-api-key": b"second"}, b""),
    ],
    ids=["x-api-key", "x-goog-api-key", "query", "several"],
)
def test_a_token_is_taken_where_any_apis_clients_put_theirs(headers: dict[bytes, bytes], query: bytes) -> None:
    TOKENS.check(headers, query)


@pytest.mark.parametrize(
    ("headers", "query"),
    [({b"x-api-key": b"third"}, b""), ({}, b"key="), ({}, b"monkey=first"), ({}, b"key=third"), ({}, b"%6bey=x")],
)
def test_a_wrong_token_is_refused_in_every_place(headers: dict[bytes, bytes], query: bytes) -> None:
    with pytest.raises(Unauthorized):
        TOKENS.check(headers, query)
