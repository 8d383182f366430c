import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from trio_gateway.dialects import wire
from trio_gateway.errors import InvalidRequest, UpstreamBroke


class Item(msgspec.Struct, tag_field="type", tag="item"):
    size: int
    raw: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    note: str | None = None


class Body(msgspec.Struct):
    name: str
    items: list[Item] = []
    table: dict[str, int] = {}


decoder = msgspec.json.Decoder(Body)

BAD = [
    (b'{"name":3}', "/name"),
    (b"{}", "/name"),
    (b'{"name":"a","items":[{"size":1},{"size":"x"}]}', "/items/1/size"),
    (b'{"name":"a","items":[{"size":1},{}]}', "/items/1/size"),
    (b'{"name":"a","items":{}}', "/items"),
    (b"[]", ""),
    (b"", ""),
    (b'{"name":"a"', ""),
    (b'{"name":"\xff"}', ""),
    (b'{"name":"\\ud800"}', ""),
    (b'{"x":1e400,"name":NaN}', ""),
    (b"[" * 100_000, ""),
    (b'{"name":' + b"[" * 100_000, "/name"),
    (b'{"name":"a","x":' + b"[" * 100_000, ""),
]


@pytest.mark.parametrize(("body", "pointer"), BAD)
def test_a_bad_body_is_the_clients_fault_and_names_the_field(body: bytes, pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        wire.read_request(decoder, body)
    assert caught.value.pointer == pointer
    assert caught.value.status == 400
    assert "$" not in caught.value.message


def test_a_body_read_in_pieces_points_into_the_whole() -> None:
    with pytest.raises(InvalidRequest) as caught:
        wire.read_request(decoder, b'{"name":3}', "/messages/2")
    assert caught.value.pointer == "/messages/2/name"


def test_what_is_no_json_and_what_is_wrong_json_have_different_codes() -> None:
    for body, code in ((b"{", "invalid_json"), (b'{"name":3}', "invalid_value")):
        with pytest.raises(InvalidRequest) as caught:
            wire.read_request(decoder, body)
        assert caught.value.code == code


@given(st.binary(max_size=40) | st.text(max_size=30).map(str.encode))
def test_no_body_raises_anything_else(body: bytes) -> None:
    try:
        wire.read_request(decoder, body)
    except InvalidRequest:
        pass


def test_a_bad_answer_is_the_providers_fault() -> None:
    with pytest.raises(UpstreamBroke, match="cannot be read"):
        wire.read_answer(decoder, b"<html>")


def test_what_is_absent_or_null_is_not_present() -> None:
    names = ("raw", "note", "size")
    absent = msgspec.json.decode(b'{"size":0}', type=Item)
    null = msgspec.json.decode(b'{"size":0,"raw":null,"note":null}', type=Item)
    there = msgspec.json.decode(b'{"size":0,"raw":{},"note":""}', type=Item)
    assert [name for name, _ in wire.present(absent, names)] == ["size"]
    assert [name for name, _ in wire.present(null, names)] == ["size"]
    assert [name for name, _ in wire.present(there, names)] == ["raw", "note", "size"]


def test_only_a_json_string_says_something_by_itself() -> None:
    assert wire.text_of(b'"a\\nb"') == "a\nb"
    for body in (b"", b"a", b"1", b'{"a":"b"}', b'"\xff"'):
        assert wire.text_of(body) is None
