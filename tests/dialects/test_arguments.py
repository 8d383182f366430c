from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.dialects.arguments import FREE_TEXT_SCHEMA, lost_grammar, object_of, unwrap, wrap
from trio_gateway.dialects.conversation import Tool


@given(st.text() | st.recursive(st.integers(), lambda i: st.dictionaries(st.text(), i)).map(json.dumps))
def test_arguments_are_one_object_or_none(arguments: str) -> None:
    found = object_of(arguments)
    if found is None:
        assert json.loads(bytes(wrap(arguments))) == {"input": arguments.encode(errors="replace").decode()}
    else:
        assert isinstance(json.loads(bytes(found)), dict)
        assert not arguments.strip() or bytes(found) == arguments.encode()


@pytest.mark.parametrize(
    ("tool", "lost"),
    [
        (Tool("t", "custom", "/tools/0", format=msgspec.Raw(b'{"type":"grammar"}')), ["/tools/0/format"]),
        (Tool("t", "custom", "/tools/0", format=msgspec.Raw(b"{}")), ["/tools/0/format"]),
        (Tool("t", "custom", "/tools/0", format=msgspec.Raw(b'{"type":"text"}')), []),
        (Tool("t", "custom", "/tools/0"), []),
        (Tool("t", "function", "/tools/0"), []),
    ],
)
def test_a_grammar_is_lost_and_free_text_is_not(tool: Tool, lost: list[str]) -> None:
    assert [loss.pointer for loss in lost_grammar(tool, "openai_responses")] == lost


@pytest.mark.parametrize("arguments", ["", " ", "{}"])
def test_no_arguments_are_the_empty_object(arguments: str) -> None:
    assert object_of(arguments) == msgspec.Raw(b"{}")


@pytest.mark.parametrize("arguments", ["{", "[1]", '"a"', "1", "null", '{"a":1}x', '{"a":"\ud800"}'])
def test_what_is_no_object_is_not_taken_for_one(arguments: str) -> None:
    assert object_of(arguments) is None


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_free_text_is_unwrapped_as_it_was_wrapped(text: str) -> None:
    assert unwrap(bytes(wrap(text)).decode()) == text


@pytest.mark.parametrize("arguments", ['{"input":1}', '{"input":"a","b":2}', "{", ""])
def test_arguments_of_another_shape_are_left_wrapped(arguments: str) -> None:
    assert unwrap(arguments) == arguments


def test_half_a_surrogate_pair_is_replaced_since_it_has_no_utf_8() -> None:
    assert unwrap(bytes(wrap("a\ud800")).decode()) == "a?"


def test_the_schema_asks_for_what_is_wrapped() -> None:
    schema = json.loads(bytes(FREE_TEXT_SCHEMA))
    assert set(schema["required"]) == set(schema["properties"]) == set(json.loads(bytes(wrap("text"))))
