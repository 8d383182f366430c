import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Raw

from trio_gateway.dialects.anthropic_messages.schemas import fit
from trio_gateway.simulator.anthropic_schemas import check_schema


def fitted(schema: Any) -> tuple[Any, list[str]]:
    """Return the schema that is sent, None for none, and the pointers of what fell."""
    text = json.dumps(schema).encode()
    written, losses, refusal = fit(Raw(text))
    assert all(reason for _, reason in losses)
    if refusal is not None:
        assert (written, losses) == (None, ())
        return None, []
    return json.loads(text if written is None else written), [pointer for pointer, _ in losses]


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "title": "T", "description": "d", "default": "x"},
        {"type": ["string", "null"], "enum": ["a", None], "format": "date-time", "pattern": "^a+$"},
        {"type": "array", "items": {"type": "integer"}, "minItems": 1},
        closed(a={"$ref": "#/$defs/A"}, b={"$ref": "#/$defs/A"}) | {"$defs": {"A": {"const": 1}}, "required": ["a"]},
        closed(minimum={"type": "integer"}, properties={"type": "string"}, oneOf={"type": "null"}),
        {"anyOf": [closed(), {"allOf": [{"type": "null"}]}]},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "boolean"},
    ],
)
def test_what_the_provider_takes_keeps_its_bytes(schema: Any) -> None:
    assert fit(Raw(json.dumps(schema).encode())) == (None, (), None)


def test_objects_that_do_not_say_whether_they_are_closed_are_closed_without_a_loss() -> None:
    inner = {"type": ["object", "null"], "properties": {}}
    schema = {
        "properties": {"a": {"type": "array", "items": inner}, "b": {"anyOf": [inner]}},
        "$defs": {"C": inner},
        "type": "object",
    }
    shut = inner | {"additionalProperties": False}
    assert fitted(schema) == (
        {
            "properties": {"a": {"type": "array", "items": shut}, "b": {"anyOf": [shut]}},
            "$defs": {"C": shut},
            "type": "object",
            "additionalProperties": False,
        },
        [],
    )


@pytest.mark.parametrize("said", [True, {"type": "integer"}, {}])
def test_an_object_that_was_said_to_be_open_is_closed_with_a_loss_at_that_member(said: Any) -> None:
    schema = closed(a={"type": "object", "additionalProperties": said, "properties": {"x": {"type": "null"}}})
    assert fitted(schema) == (closed(a=closed(x={"type": "null"})), ["/properties/a/additionalProperties"])


def test_an_object_that_names_no_members_is_closed_with_a_loss_of_its_own() -> None:
    schema, lost = fitted(closed(a={"type": "object"}))
    assert schema == closed(a={"type": "object", "additionalProperties": False})
    assert lost == ["/properties/a"]


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("minimum", 0),
        ("exclusiveMaximum", 1.5),
        ("multipleOf", 2),
        ("minLength", 1),
        ("maxLength", 9),
        ("minItems", 2),
        ("maxItems", 3),
        ("uniqueItems", True),
        ("prefixItems", [{"type": "string"}]),
        ("items", [{"type": "string"}]),
        ("patternProperties", {"^a": {}}),
        ("not", {"type": "null"}),
        ("if", {"type": "null"}),
        ("format", "int64"),
        ("format", ["a"]),
        ("pattern", "(?=a)b"),
        ("pattern", r"\bword"),
        ("enum", [{"a": 1}]),
        ("const", [1]),
    ],
)
def test_a_keyword_that_the_provider_refuses_falls_with_a_loss_at_it(keyword: str, value: Any) -> None:
    plain = {"type": "string", "description": "d"}
    schema = closed(**{"a/b~c": {"type": "string", keyword: value, "description": "d"}})
    assert fitted(schema) == (closed(**{"a/b~c": plain}), [f"/properties/a~1b~0c/{keyword}"])


def test_one_of_several_becomes_any_of_them_in_its_place() -> None:
    branches = [{"type": "string", "minLength": 1}, {"type": "null"}]
    schema, lost = fitted({"title": "T", "oneOf": branches, "description": "d"})
    assert json.dumps(schema) == '{"title": "T", "anyOf": [{"type": "string"}, {"type": "null"}], "description": "d"}'
    assert lost == ["/oneOf/0/minLength", "/oneOf"]


def test_one_of_several_falls_beside_any_of_others() -> None:
    schema = {"anyOf": [{"type": "string"}], "oneOf": [{"type": "null"}]}
    assert fitted(schema) == ({"anyOf": [{"type": "string"}]}, ["/oneOf"])


def _ref(to: str) -> dict[str, str]:
    return {"$ref": to}


@pytest.mark.parametrize(
    "schema",
    [
        closed(a=_ref("#")),
        {"$ref": "#/$defs/T", "$defs": {"T": closed(next={"anyOf": [_ref("#/$defs/T"), {"type": "null"}]})}},
        closed(a=_ref("#/$defs/A"))
        | {"$defs": {"A": closed(b=_ref("#/$defs/B~1")), "B/": closed(a=_ref("#/$defs/A"))}},
        closed(a=_ref("#/$defs/a%20b")) | {"$defs": {"a b": {"items": _ref("#/$defs/a%20b")}}},
        closed(a=_ref("https://example.com/schema.json")),
        closed(a=_ref("#/$defs/Gone")),
        closed(a={"$dynamicRef": "#node"}),
        closed(a={"oneOf": [{"type": "null"}]}, b=_ref("#/properties/a/oneOf/0")),
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"type": "object", "properties": {}, "additionalProperties": True},
        True,
        [1],
    ],
)
def test_a_schema_that_cannot_be_said_is_refused_as_a_whole(schema: Any) -> None:
    assert fitted(schema) == (None, [])


def test_long_chains_of_references_and_deep_schemas_are_read() -> None:
    chain = {str(place): _ref(f"#/$defs/{place + 1}") for place in range(3000)} | {"3000": {"type": "null"}}
    assert fitted(closed(a=_ref("#/$defs/0")) | {"$defs": chain})[1] == []
    deep: Any = {"type": "null"}
    for _ in range(300):
        deep = {"type": "array", "items": deep}
    assert "deeply" in (fit(Raw(json.dumps(deep).encode())).refusal or "")


def test_numbers_beyond_all_bounds_go_as_they_are() -> None:
    assert fit(Raw(b'{"type":"number","default":1e999}')) == (None, (), None)


_KEYWORDS: dict[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from(["object", "array", "string", "integer", "null", ["object", "null"]]),
    "minimum": st.integers(0, 3),
    "maxLength": st.integers(0, 3),
    "minItems": st.integers(0, 3),
    "uniqueItems": st.booleans(),
    "format": st.sampled_from(["date", "int32"]),
    "enum": st.lists(st.sampled_from(["a", None, 1, {}, []]), max_size=2),
    "additionalProperties": st.booleans() | st.just({"type": "string"}),
    "$ref": st.sampled_from(["#", "#/$defs/A", "#/$defs/B", "#/properties/a", "#/oneOf/0", "other.json"]),
}


def _around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    holding: dict[str, st.SearchStrategy[Any]] = {
        "properties": st.dictionaries(st.sampled_from(["a", "type", "minimum"]), inner, max_size=2),
        "$defs": st.dictionaries(st.sampled_from(["A", "B"]), inner, max_size=2),
        "items": inner,
        "anyOf": st.lists(inner, min_size=1, max_size=2),
        "oneOf": st.lists(inner, min_size=1, max_size=2),
        "not": inner,
    }
    return st.fixed_dictionaries({}, optional=_KEYWORDS | holding)


schemas = st.recursive(st.fixed_dictionaries({}, optional=_KEYWORDS), _around, max_leaves=6)


@given(schemas)
@example({"$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}})
@example({"oneOf": [{"$ref": "#/oneOf/0"}]})
def test_whatever_is_sent_the_provider_takes_and_a_second_time_nothing_falls(schema: Any) -> None:
    sent, lost = fitted(schema)
    if sent is None:
        return
    check_schema(sent, "schema")
    assert fitted(sent) == (sent, [])
    for pointer in lost:
        here: Any = schema
        for step in pointer.split("/")[1:]:
            here = here[int(step) if isinstance(here, list) else step]
