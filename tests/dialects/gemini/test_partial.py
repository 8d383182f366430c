from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_schemas import gemini as wire
from trio_gateway.dialects.gemini.partial import MAX_ITEMS, PartialArguments, parse_path


def fed(text: str) -> PartialArguments:
    arguments = PartialArguments()
    for line in text.splitlines():
        arguments.feed([msgspec.json.decode(line, type=wire.PartialArg)])
    return arguments


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("$.a", ("a",)),
        ("$.a.b[0].c", ("a", "b", 0, "c")),
        ("$['a b'][\"c.d\"]", ("a b", "c.d")),
        (r"$['it\'s']", ("it's",)),
        ("$.operations[1].price", ("operations", 1, "price")),
        ("$", None),
        ("", None),
        ("a", None),
        ("$[0]", None),
        ("$..a", None),
        ("$.a[*]", None),
        ("$.a[-1]", None),
        ("$.a[99999999999]", None),
        ("$" + ".a" * 200, None),
    ],
)
def test_a_path_has_steps(path: str, steps: tuple[str | int, ...] | None) -> None:
    assert parse_path(path) == steps


def test_strings_grow_and_other_values_come_whole() -> None:
    arguments = fed(
        """\
{"jsonPath":"$.location","stringValue":"Bos","willContinue":true}
{"jsonPath":"$.location","stringValue":"ton"}
{"jsonPath":"$.days[0]","numberValue":1.50}
{"jsonPath":"$.days[1]","numberValue":12345678901234567890}
{"jsonPath":"$.ops[0].on","boolValue":true}
{"jsonPath":"$.ops[0].off","nullValue":"NULL_VALUE"}"""
    )
    assert arguments.text(whole=True) == (
        '{"location":"Boston","days":[1.50,12345678901234567890],"ops":[{"on":true,"off":null}]}'
    )
    assert arguments.problem is None


def test_a_string_that_did_not_go_on_is_replaced() -> None:
    arguments = fed('{"jsonPath":"$.a","stringValue":"x"}\n{"jsonPath":"$.a","stringValue":"y"}')
    assert arguments.text(whole=True) == '{"a":"y"}'


def test_nothing_at_all_is_the_empty_object() -> None:
    assert PartialArguments().text(whole=True) == "{}"


def test_a_list_with_a_gap_is_filled() -> None:
    assert fed('{"jsonPath":"$.a[2]","boolValue":true}').text(whole=True) == '{"a":[null,null,true]}'


@pytest.mark.parametrize(
    "text",
    [
        f'{{"jsonPath":"$.a[{MAX_ITEMS}]","boolValue":true}}',
        '{"jsonPath":"$.a","boolValue":true}\n{"jsonPath":"$.a.b","boolValue":true}',
        '{"jsonPath":"$.a[0]","boolValue":true}\n{"jsonPath":"$.a.b","boolValue":true}',
        '{"jsonPath":"nonsense","boolValue":true}',
        '{"boolValue":true}',
    ],
)
def test_a_fragment_that_fits_nowhere_is_told(text: str) -> None:
    assert fed(text).problem


@given(st.text("$.[]'\"\\abc01", max_size=20))
def test_no_path_breaks_it(path: str) -> None:
    arguments = PartialArguments()
    arguments.feed([wire.PartialArg(json_path=path, string_value="x")])
    json.loads(arguments.text(whole=True))


JSON = st.recursive(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | st.booleans() | st.none(),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.from_regex(r"[a-z ]{1,3}", fullmatch=True), inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


def fragments_of(value: Any, path: str) -> list[wire.PartialArg]:
    if isinstance(value, dict):
        return [piece for name, member in value.items() for piece in fragments_of(member, f"{path}['{name}']")]
    if isinstance(value, list):
        return [piece for i, item in enumerate(value) for piece in fragments_of(item, f"{path}[{i}]")]
    if isinstance(value, str):
        cut = len(value) // 2
        return [
            wire.PartialArg(json_path=path, string_value=value[:cut], will_continue=True),
            wire.PartialArg(json_path=path, string_value=value[cut:]),
        ]
    if isinstance(value, bool):
        return [wire.PartialArg(json_path=path, bool_value=value)]
    return [wire.PartialArg(json_path=path, null_value="NULL_VALUE")]


@given(st.dictionaries(st.from_regex(r"[a-z ]{1,3}", fullmatch=True), JSON, max_size=3))
def test_what_was_taken_apart_is_put_together_again(arguments: dict[str, Any]) -> None:
    builder = PartialArguments()
    for fragment in fragments_of(arguments, "$"):
        builder.feed([fragment])
    assert builder.problem is None
    assert json.loads(builder.text(whole=True)) == arguments


@given(st.dictionaries(st.from_regex(r"[a-z ]{1,3}", fullmatch=True), JSON, max_size=3))
def test_what_was_cut_off_is_no_json(arguments: dict[str, Any]) -> None:
    builder = PartialArguments()
    builder.feed(fragments_of(arguments, "$"))
    with pytest.raises(json.JSONDecodeError):
        json.loads(builder.text(whole=False))
