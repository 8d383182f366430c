from __future__ import annotations

import json
from random import Random

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_gateway.dialects.splice import drop_member, edit_items, edit_member, find_member, splice_member

# ------------------------------------------------------------- texts of JSON objects, spelled in every legal way

NAMES = st.sampled_from(["model", "Model", "mode", 'say "model', "model ", "mo\\del", "modèl", "a/b", "\U0001f600", ""])
SPLICED = st.sampled_from(["model", "Model", "mode"])
TEXT = NAMES | st.sampled_from(['{"model": 1}', "{[", "]}", ',"model":1,', "\\", '"']) | st.text(max_size=5)
NUMBERS = st.sampled_from(["null", "true", "false", "0", "1", "12", "-1.5e+3", "1e2"])


class Number(str):
    """A literal, written as it is."""

    __slots__ = ()


class Members(list[tuple[str, object]]):
    """An object, with its order and its duplicates."""


def objects(values: st.SearchStrategy[object], max_size: int = 3) -> st.SearchStrategy[object]:
    return st.lists(st.tuples(NAMES, values), max_size=max_size).map(Members)


VALUES = st.recursive(
    NUMBERS.map(Number) | TEXT, lambda inner: objects(inner) | st.lists(inner, max_size=3), max_leaves=6
)


def spell(value: object, draw: Random) -> str:
    """Write `value` as JSON, with space and escapes where they may be."""
    space = draw.choice(["", "", "", " ", "\n\t", "\r\n  "])
    if isinstance(value, Number):
        return space + value
    if isinstance(value, str):
        return f'{space}"{"".join(spell_character(character, draw) for character in value)}"'
    if isinstance(value, Members):
        items = [f"{spell(name, draw)}{space}:{spell(item, draw)}{space}" for name, item in value]
        return f"{space}{{{','.join(items) or space}}}"
    assert isinstance(value, list)
    return f"{space}[{','.join(spell(item, draw) for item in value)}{space}]"


def spell_character(character: str, draw: Random) -> str:
    units = character.encode("utf-16-be").hex()
    escaped = "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
    plain = json.dumps(character, ensure_ascii=False)[1:-1]
    ways = [plain, plain, plain, escaped, escaped.upper().replace("U", "u")]
    return draw.choice([*ways, "\\/"] if character == "/" else ways)


def bodies() -> st.SearchStrategy[bytes]:
    spelled = st.tuples(objects(VALUES, max_size=6), st.integers(0, 2**32))
    return spelled.map(lambda drawn: spell(drawn[0], Random(drawn[1])).encode())


def pairs(body: bytes) -> list[tuple[str, object]]:
    """The members in order, duplicates included, nested ones too."""
    return json.loads(body, object_pairs_hook=list)  # type: ignore[no-any-return]  # an object is a list of pairs


# ------------------------------------------------------------------------------------------------------ laws


@given(bodies(), SPLICED)
@example(b'{"a":1,"a":12}', "a")
@example(b'{"a":12,"a":1}', "a")
@example(b'{"x":{"model":1},"model":2}', "model")
@example(b'{"x":"model","y":{"model":"model"}}', "model")
@example(b'{"mod\\u0065l":1,"model":2}', "model")
@example(b'{"say \\"model":1,"model":2}', "model")
def test_a_splice_changes_the_named_member_and_no_other_byte(body: bytes, name: str) -> None:
    before = pairs(body)
    spliced = splice_member(body, name, b'"NEW"')
    spans = find_member(body, name)
    if any(key == name for key, _ in before):
        assert pairs(spliced) == [(key, "NEW" if key == name else value) for key, value in before]
        rest, position = [], 0
        for start, end in spans:
            rest.append(body[position:start])
            position = end
        rest.append(body[position:])
        assert spliced == b'"NEW"'.join(rest)
    else:
        assert not spans
        assert pairs(spliced) == [(name, "NEW"), *before]
        inside = body.index(b"{") + 1
        assert spliced.startswith(body[:inside])
        assert spliced.endswith(body[inside:])


@given(bodies(), SPLICED)
def test_the_spans_are_the_values_and_nothing_around_them(body: bytes, name: str) -> None:
    values = [value for key, value in pairs(body) if key == name]
    found = [body[start:end] for start, end in find_member(body, name)]
    assert [json.loads(text, object_pairs_hook=list) for text in found] == values
    assert all(text == text.strip() for text in found)


@given(bodies(), SPLICED, bodies())
def test_splicing_a_member_s_own_value_changes_nothing(body: bytes, name: str, value: bytes) -> None:
    once = splice_member(body, name, value.strip())
    assert splice_member(once, name, value.strip()) == once


@given(bodies(), SPLICED)
@example(b'{"model":1}', "model")
@example(b'{ "a":1 , "model":2 , "b":3 }', "model")
@example(b'{"model":1,"model":2,"a":{"model":3}}', "model")
def test_a_member_that_is_dropped_takes_a_comma_along_and_leaves_the_others(body: bytes, name: str) -> None:
    before = pairs(body)
    dropped = drop_member(body, name)
    assert pairs(dropped) == [(key, value) for key, value in before if key != name]
    if not any(key == name for key, _ in before):
        assert dropped == body


@given(bodies(), SPLICED)
def test_an_edit_is_told_each_value_and_nothing_around_it(body: bytes, name: str) -> None:
    told: list[bytes] = []

    def edit(value: bytes) -> bytes:
        told.append(value)
        return value

    assert edit_member(body, name, edit) == body
    assert told == [body[start:end] for start, end in find_member(body, name)]


@given(st.lists(VALUES, max_size=5), st.integers(0, 2**32), st.sets(st.integers(0, 4)))
def test_items_are_edited_or_dropped_and_the_others_keep_their_bytes(
    values: list[object], seed: int, gone: set[int]
) -> None:
    body = spell(values, Random(seed)).strip().encode()
    before = json.loads(body, object_pairs_hook=list)
    told: list[object] = []

    def edit(place: int, item: bytes) -> bytes | None:
        assert place == len(told)
        told.append(json.loads(item, object_pairs_hook=list))
        return None if place in gone else item

    edited = edit_items(body, edit)
    assert told == before
    assert json.loads(edited, object_pairs_hook=list) == [x for place, x in enumerate(before) if place not in gone]
    if not gone & set(range(len(before))):
        assert edited == body
    assert edit_items(body, lambda place, _: b"0" if place in gone else None).count(b"0") == len(
        gone & {*range(len(before))}
    )


# -------------------------------------------------------------------------------------------------- examples


@pytest.mark.parametrize(
    ("body", "spliced"),
    [
        (b'{"model":"a","x":1}', b'{"model":"b","x":1}'),
        (b'{ "model" : "a" , "x":1 }\n', b'{ "model" : "b" , "x":1 }\n'),
        (
            b'{"x":[{"model":"n"}],"model":{"model":1},"y":{"model":2}}',
            b'{"x":[{"model":"n"}],"model":"b","y":{"model":2}}',
        ),
        (b'{"x":"{\\"model\\":1}","model":0}', b'{"x":"{\\"model\\":1}","model":"b"}'),
        (b'{"\\u006dodel":"a","model":"c"}', b'{"\\u006dodel":"b","model":"b"}'),
        (b'{"\\u006Dodel":"a"}', b'{"\\u006Dodel":"b"}'),
        (b'{"a":{"model":1}}', b'{"model":"b","a":{"model":1}}'),
        (b'{"a":"model"}', b'{"model":"b","a":"model"}'),
        (b"{}", b'{"model":"b"}'),
        (b" {\n} ", b' {"model":"b"\n} '),
    ],
)
def test_what_a_splice_gives(body: bytes, spliced: bytes) -> None:
    assert splice_member(body, "model", b'"b"') == spliced


@pytest.mark.parametrize("body", [b"[]", b'"model"', b"null"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        splice_member(body, "model", b"1")


@pytest.mark.parametrize("name", ["", 'a"', "a\\", "a/b", "é", "a b"])
def test_a_name_that_no_wire_format_has_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        splice_member(b"{}", name, b"1")


def test_a_large_body_is_spliced_between_decoys() -> None:
    image = b'{"messages":[{"image":"' + b"A" * 30_000_000 + b'","text":"' + b'\\"' * 100_000 + b'","model":1}],'
    rest = b'"tools":[{"properties":{"model":{"type":"string"}}}]}'
    spliced = splice_member(image + b'"model":"a",' + rest, "model", b'"b"')
    assert spliced == image + b'"model":"b",' + rest


def test_a_deep_value_is_passed_over_without_recursion() -> None:
    deep = b'{"model":' + b"[" * 900 + b"]" * 900 + b',"x":{"model":2},"model":1}'
    msgspec.json.decode(deep, type=dict[str, msgspec.Raw])
    assert splice_member(deep, "model", b"0") == b'{"model":0,"x":{"model":2},"model":0}'
