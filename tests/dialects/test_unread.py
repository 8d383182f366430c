from typing import Literal

import msgspec
import pytest

from trio_gateway.dialects.unread import strict_twin, unread_members


class Cat(msgspec.Struct, tag_field="is", tag="cat"):
    lives: int = 9


class Dog(msgspec.Struct, tag_field="is", tag="dog"):
    tricks: list[str] = []


class Address(msgspec.Struct, rename="camel"):
    street_name: str
    house_number: int = 1


class Owner(msgspec.Struct):
    name: str
    kind: str = "person"
    pets: list[Cat | Dog] | None = None
    first: Cat | str | None = None
    address: Address | None = None
    names: list[str] = []
    notes: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


strict = msgspec.json.Decoder(strict_twin(Owner, {(Owner, "kind"): Literal["person", "club"]}))

READ = [
    b'{"name":"a"}',
    b'{"name":"a","pets":[{"is":"cat"},{"is":"dog","tricks":["sit"]}],"first":{"is":"cat","lives":1}}',
    b'{"name":"a","address":{"streetName":"b"},"pets":[{"is":"dog"}]}',
    b'{"name":"a","pets":null,"first":"Tom","notes":{"anything":[{"x":1}]}}',
]
UNREAD = [
    (b'{"name":"a","age":3}', ["/age"]),
    (b'{"name":"a","pets":[{"is":"cat","tricks":[]}]}', ["/pets/0/tricks"]),
    (b'{"name":"a","address":{"streetName":"b","street_name":"c"}}', ["/address/street_name"]),
    (b'{"name":"a","names":["b"],"notes":{"x":1},"y":1}', ["/y"]),
    (
        b'{"name":"a","pets":[{"is":"dog"},{"is":"cat","x":{"y":1}}],"first":{"is":"cat","z/z":1}}',
        ["/pets/1/x", "/first/z~1z"],
    ),
]


@pytest.mark.parametrize("body", READ)
def test_a_twin_reads_what_its_original_reads(body: bytes) -> None:
    read, original = strict.decode(body), msgspec.json.decode(body, type=Owner)
    assert msgspec.json.encode(read) == msgspec.json.encode(original)
    assert unread_members(body, Owner) == []


@pytest.mark.parametrize(("body", "pointers"), UNREAD)
def test_a_twin_refuses_what_its_original_skips_and_the_walk_names_it(body: bytes, pointers: list[str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        strict.decode(body)
    msgspec.json.decode(body, type=Owner)
    assert [loss.pointer for loss in unread_members(body, Owner)] == pointers


def test_what_a_twin_reads_is_of_its_original_s_type() -> None:
    owner = strict.decode(b'{"name":"a","first":{"is":"cat"}}')
    assert isinstance(owner, Owner)
    assert isinstance(owner.first, Cat)


@pytest.mark.parametrize("body", [b"{}", b'{"name":1}', b'{"name":"a","address":{}}'])
def test_a_twin_asks_for_what_its_original_asks_for(body: bytes) -> None:
    for decode in (strict.decode, msgspec.json.Decoder(Owner).decode):
        with pytest.raises(msgspec.ValidationError):
            decode(body)


def test_a_narrowed_field_refuses_other_values() -> None:
    with pytest.raises(msgspec.ValidationError):
        strict.decode(b'{"name":"a","kind":"ghost"}')


def test_an_unknown_member_that_is_null_is_absent() -> None:
    assert unread_members(b'{"name":"a","age":null}', Owner) == []
