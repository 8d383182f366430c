from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Raw

from trio_gateway.dialects.conversation import (
    CacheMark,
    Conversation,
    OutputFormat,
    ReasoningRequest,
    Text,
    Tool,
    ToolChoice,
    Turn,
)
from trio_gateway.dialects.openai_responses import decode_request
from trio_gateway.errors import InvalidRequest


def decode(**fields: Any) -> Conversation:
    return decode_request(msgspec.json.encode({"model": "m", "input": "hi", **fields}))


def refused(**fields: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        decode(**fields)
    return caught.value


def unread(**fields: Any) -> list[str]:
    return [loss.pointer for loss in decode(**fields).unread]


def test_a_clients_simplest_request() -> None:
    conversation = decode_request(b'{"model": "gpt-4o-mini", "stream": true, "input": "hi"}')
    assert conversation.turns == [Turn("user", [Text("hi", "/input")], "/input")]
    assert (conversation.model, conversation.stream, conversation.unread) == ("gpt-4o-mini", True, [])


def test_instructions_are_the_first_system_turn() -> None:
    turns = decode(instructions="Be terse.", input=[{"role": "system", "content": "More."}]).turns
    assert [(turn.role, turn.at) for turn in turns] == [("system", "/instructions"), ("system", "/input/0")]


def test_every_scalar_finds_its_place() -> None:
    conversation = decode(
        max_output_tokens=9, temperature=0.5, top_p=0.9, parallel_tool_calls=False, store=True, metadata={"a": "b"},
        safety_identifier="u", service_tier="flex", prompt_cache_key="k", top_logprobs=3,
        include=["message.output_text.logprobs", "reasoning.encrypted_content"], text={"verbosity": "low"},
        prompt_cache_options={"ttl": "12h"}, stream_options={"include_obfuscation": False},
    )  # fmt: skip
    expected = {
        "max_output_tokens": 9, "temperature": 0.5, "top_p": 0.9, "parallel_tool_calls": False, "store": True,
        "metadata": Raw(b'{"a":"b"}'), "user": "u", "service_tier": "flex", "cache_key": "k", "top_logprobs": 3,
        "logprobs": True, "verbosity": "low", "cache": CacheMark("12h"),
    }  # fmt: skip
    assert {name: getattr(conversation, name) for name in expected} == expected
    assert conversation.unread == []


def test_the_older_name_of_the_end_users_id_is_read_where_the_newer_is_missing() -> None:
    older = decode(user="u")
    assert (older.user, older.pointer("user"), older.unread) == ("u", "/user", [])
    both = decode(user="u", safety_identifier="s")
    assert (both.user, both.pointer("user")) == ("s", "/safety_identifier")
    assert [loss.pointer for loss in both.unread] == ["/user"]


def test_scalars_point_to_where_they_came_from() -> None:
    conversation = decode()
    assert conversation.pointer("verbosity") == "/text/verbosity"
    assert conversation.pointer("temperature") == "/temperature"


# ---------------------------------------------------------------------------------------------- state


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("previous_response_id", "resp_1"),
        ("conversation", "conv_1"),
        ("conversation", {"id": "conv_1"}),
        ("prompt", {"id": "pmpt_1"}),
        ("background", True),
    ],
)
def test_what_refers_to_state_elsewhere_is_refused_with_what_to_do(field: str, value: Any) -> None:
    error = refused(**{field: value})
    assert (error.pointer, error.status) == (f"/{field}", 400)
    assert "send" in error.message or "stream" in error.message


@pytest.mark.parametrize("field", ["previous_response_id", "conversation", "prompt", "background"])
def test_state_that_is_null_is_absent(field: str) -> None:
    assert unread(**{field: None}) == []


# ---------------------------------------------------------------------------------------------- losses


@pytest.mark.parametrize(
    "field",
    ["max_tool_calls", "moderation", "context_management", "prompt_cache_retention", "image", "background_options",
     "access_programs", "client_metadata", "x"],
)  # fmt: skip
def test_fields_without_a_counterpart_are_losses_and_null_ones_are_not(field: str) -> None:
    value: Any = "24h" if field == "prompt_cache_retention" else 3 if field == "max_tool_calls" else {"a": 1}
    assert unread(**{field: value}) == [f"/{field}"]
    assert unread(**{field: None}) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"truncation": "disabled"},
        {"background": False},
        {"metadata": {}},
        {"context_management": []},
        {"reasoning": {"context": "auto", "mode": "standard"}},
        {"text": {"format": {"type": "text"}}},
        {"tools": []},
    ],
)
def test_documented_defaults_are_no_losses(fields: dict[str, Any]) -> None:
    assert unread(**fields) == []


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"truncation": "auto"}, ["/truncation"]),
        ({"include": ["web_search_call.results"]}, ["/include/0"]),
        ({"stream_options": {"include_obfuscation": True, "x": 1}},
         ["/stream_options/x", "/stream_options/include_obfuscation"]),
        ({"reasoning": {"context": "all_turns", "mode": "pro", "x": 1}},
         ["/reasoning/x", "/reasoning/context", "/reasoning/mode"]),
        ({"reasoning": {"summary": "detailed"}}, ["/reasoning/summary"]),
        ({"reasoning": {"generate_summary": "concise"}}, ["/reasoning/generate_summary"]),
        ({"reasoning": {"summary": "auto", "generate_summary": "concise"}}, ["/reasoning/generate_summary"]),
        ({"reasoning": {"summary": "auto", "generate_summary": "auto"}}, []),
        ({"text": {"x": 1, "format": {"type": "text", "name": "n"}}}, ["/text/x", "/text/format/name"]),
        ({"prompt_cache_options": {"mode": "explicit", "ttl": "30m", "prewarm": True}},
         ["/prompt_cache_options/prewarm", "/prompt_cache_options/mode", "/prompt_cache_options/ttl"]),
        ({"tool_choice": {"type": "file_search"}}, ["/tool_choice"]),
        ({"tool_choice": {"type": "function", "name": "f", "server_label": "s"}}, ["/tool_choice/server_label"]),
        ({"tool_choice": {"type": "function", "name": "f", "mode": "auto"}}, ["/tool_choice/mode"]),
        ({"tools": [{"type": "function", "name": "f", "output_schema": {}, "defer_loading": True, "async": False}]},
         ["/tools/0/output_schema", "/tools/0/defer_loading"]),
        ({"tools": [{"type": "custom", "name": "f", "allowed_callers": ["programmatic"]}]},
         ["/tools/0/allowed_callers"]),
    ],
)  # fmt: skip
def test_losses_inside_are_named_one_by_one(fields: dict[str, Any], pointers: list[str]) -> None:
    assert unread(**fields) == pointers


# ----------------------------------------------------------------------------------------------- tools


def test_tools_of_every_kind() -> None:
    hosted = {"type": "web_search", "search_context_size": "low"}
    conversation = decode_request(
        b'{"model":"m","input":"hi","tools":[{"type":"function","name":"f","description":"d","strict":true,'
        b'"parameters":{"type" : "object","x":1.0}},{"type":"function","name":"g","parameters":null,"strict":null},'
        b'{"type":"custom","name":"c","format":{"type":"grammar","syntax":"lark","definition":"x"}},'
        + msgspec.json.encode(hosted)
        + b"]}"
    )
    assert conversation.tools == [
        Tool("f", at="/tools/0", description="d", parameters=Raw(b'{"type" : "object","x":1.0}'), strict=True),
        Tool("g", at="/tools/1"),
        Tool("c", "custom", "/tools/2", format=Raw(b'{"type":"grammar","syntax":"lark","definition":"x"}')),
        Tool("web_search", "hosted", "/tools/3", raw=Raw(msgspec.json.encode(hosted))),
    ]
    assert conversation.unread == []


def namespace(*tools: Any, name: str = "crm", **more: Any) -> Any:
    return {"type": "namespace", "name": name, "tools": list(tools), **more}


FUNCTION: Any = {"type": "function", "name": "f"}
CUSTOM: Any = {"type": "custom", "name": "c"}
SEARCH: Any = {"type": "web_search"}


def test_tools_in_a_namespace_are_offered_with_it_and_what_else_is_in_it_is_lost() -> None:
    inside = (FUNCTION | {"defer_loading": True}, CUSTOM, SEARCH)
    conversation = decode(tools=[FUNCTION, namespace(*inside, description="d", new=1), namespace(FUNCTION, name="erp")])
    assert conversation.tools == [
        Tool("f", at="/tools/0"),
        Tool("f", at="/tools/1/tools/0", namespace="crm"),
        Tool("c", "custom", "/tools/1/tools/1", namespace="crm"),
        Tool("web_search", "hosted", "/tools/1/tools/2", raw=Raw(b'{"type":"web_search"}'), namespace="crm"),
        Tool("f", at="/tools/2/tools/0", namespace="erp"),
    ]
    lost = [loss.pointer for loss in conversation.unread]
    assert lost == ["/tools/1/description", "/tools/1/new", "/tools/1/tools/0/defer_loading"]


@pytest.mark.parametrize("tools", [[], [SEARCH], [namespace(FUNCTION)]])
def test_a_namespace_of_nothing_that_others_could_be_offered_stays_whole(tools: Any) -> None:
    raw = namespace(*tools, description="d")
    conversation = decode(tools=[raw])
    assert conversation.tools == [Tool("namespace", "hosted", "/tools/0", raw=Raw(msgspec.json.encode(raw)))]
    assert conversation.unread == []


@pytest.mark.parametrize(
    ("tool", "at"),
    [
        (namespace(FUNCTION, name=""), "/tools/0/name"),
        ({"type": "namespace", "tools": []}, "/tools/0/name"),
        (namespace({"name": "f"}), "/tools/0/tools/0/type"),
        (namespace({"type": "function"}), "/tools/0/tools/0/name"),
        (namespace(1), "/tools/0/tools/0"),
        ({"type": "namespace", "name": "n", "tools": 1}, "/tools/0/tools"),
    ],
)
def test_a_namespace_that_cannot_be_read_is_refused(tool: Any, at: str) -> None:
    assert refused(tools=[tool]).pointer == at


@pytest.mark.parametrize(
    ("choice", "read"),
    [
        (FUNCTION | {"namespace": "crm"}, ToolChoice("named", names=["f"], namespaces=["crm"])),
        (FUNCTION | {"namespace": "gone"}, ToolChoice("named", names=["f"], namespaces=["gone"])),
        (FUNCTION | {"namespace": None}, ToolChoice("named", names=["f"])),
        (CUSTOM, ToolChoice("named", names=["c"], custom=True, namespaces=["crm"])),
        ({"type": "function", "name": "gone"}, ToolChoice("named", names=["gone"])),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [FUNCTION, CUSTOM, FUNCTION | {"namespace": "crm"}]},
            ToolChoice("allowed", names=["f", "c", "f"], namespaces=[None, "crm", "crm"]),
        ),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "namespace", "name": "erp"}]},
            ToolChoice("allowed", names=["g"], required=True, namespaces=["erp"]),
        ),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "g"}]},
            ToolChoice("allowed", names=["g", "g"], namespaces=["crm", "erp"]),
        ),
    ],
)
def test_a_choice_may_be_of_a_tool_in_a_namespace(choice: Any, read: ToolChoice) -> None:
    function = {"type": "function", "name": "g"}
    tools = [FUNCTION, namespace(FUNCTION, CUSTOM, function), namespace(function, name="erp")]
    read.at = "/tool_choice"
    conversation = decode(tools=tools, tool_choice=choice)
    assert conversation.tool_choice == read
    assert conversation.unread == []


def test_a_choice_of_a_name_that_several_namespaces_have_is_of_the_first_and_says_so() -> None:
    choice = {"type": "function", "name": "f"}
    conversation = decode(tools=[namespace(FUNCTION), namespace(FUNCTION, name="erp")], tool_choice=choice)
    assert conversation.tool_choice == ToolChoice("named", "/tool_choice", ["f"], namespaces=["crm"])
    assert [loss.pointer for loss in conversation.unread] == ["/tool_choice/name"]


def test_a_namespace_that_is_not_there_cannot_be_allowed() -> None:
    allowed = {"type": "allowed_tools", "mode": "auto", "tools": [FUNCTION, {"type": "namespace", "name": "gone"}]}
    assert unread(tools=[FUNCTION], tool_choice=allowed) == ["/tool_choice/tools/1"]


@pytest.mark.parametrize(
    ("choice", "read"),
    [
        ("auto", ToolChoice("auto", "/tool_choice")),
        ("none", ToolChoice("none", "/tool_choice")),
        ("required", ToolChoice("required", "/tool_choice")),
        ({"type": "function", "name": "f"}, ToolChoice("named", "/tool_choice", ["f"])),
        ({"type": "custom", "name": "c"}, ToolChoice("named", "/tool_choice", ["c"], custom=True)),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
            ToolChoice("allowed", "/tool_choice", ["f"], required=True),
        ),
        (None, None),
    ],
)
def test_choices_of_tools(choice: Any, read: ToolChoice | None) -> None:
    assert decode(tools=[FUNCTION], tool_choice=choice).tool_choice == read


def test_hosted_tools_among_the_allowed_are_losses() -> None:
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp", "server_label": "s"}]}
    conversation = decode(tool_choice=choice)
    assert conversation.tool_choice == ToolChoice("none", "/tool_choice"), "an empty list would allow any, for some"
    assert [loss.pointer for loss in conversation.unread] == ["/tool_choice/tools/0", "/tool_choice"]


# --------------------------------------------------------------------------------- reasoning and output


@pytest.mark.parametrize(
    ("asked", "read"),
    [
        ({"effort": "high"}, ReasoningRequest("high", "/reasoning")),
        ({"effort": "low", "summary": "auto"}, ReasoningRequest("low", "/reasoning", show=True)),
        ({"generate_summary": "auto"}, ReasoningRequest(None, "/reasoning", show=True)),
        ({"effort": None}, None),
        (None, None),
    ],
)
def test_reasoning_is_asked_for(asked: Any, read: ReasoningRequest | None) -> None:
    conversation = decode(reasoning=asked)
    assert conversation.reasoning == read
    assert conversation.unread == []


def test_formats_of_the_output() -> None:
    schema = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True, "description": "d"}
    at = "/text/format"
    assert decode(text={"format": schema}).output == OutputFormat(
        "json_schema", at, "n", Raw(b'{"type":"object"}'), True, "d"
    )
    assert decode(text={"format": {"type": "json_object"}}).output == OutputFormat("json_object", at)
    assert decode(text={"format": {"type": "text"}}).output is None


# --------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"input": None}, "/input"),
        ({"input": 3}, "/input"),
        ({"model": None}, "/model"),
        ({"temperature": "hot"}, "/temperature"),
        ({"input": [{"role": "user", "content": 3}]}, "/input/0/content"),
        ({"input": [3]}, "/input/0"),
        ({"input": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]}, "/input/0/name"),
        ({"tools": [{"name": "f"}]}, "/tools/0/type"),
        ({"tools": [{"type": "function"}]}, "/tools/0/name"),
        ({"tool_choice": "any"}, "/tool_choice"),
        ({"tool_choice": {"type": "function"}}, "/tool_choice/name"),
        ({"text": {"format": {"type": "yaml"}}}, "/text/format/type"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "/text/format/schema"),
    ],
)
def test_what_is_wrong_is_pointed_at(fields: dict[str, Any], pointer: str) -> None:
    assert refused(**fields).pointer == pointer


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"model":"m","input":"\\ud800"}', b'{"model":"m","input":"\xff"}',
     b'{"model":"m","input":[{"type":"new","x":"\xff"}]}', b'{"model":"m","input":"hi","x":' + b"[" * 100_000,
     b'{"model":"m","input":"hi","\xff":1}', b'{"model":"m","input":"hi","temperature":1e400}'],
)  # fmt: skip
def test_a_bad_body_is_a_400(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_request(body)
    assert caught.value.status == 400


NAMES = st.sampled_from(
    ["type", "role", "content", "text", "id", "call_id", "output", "name", "summary", "tools", "arguments", "image_url"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
TYPES = st.sampled_from(
    ["message", "reasoning", "function_call", "function_call_output", "custom_tool_call", "input_text", "new", None]
)
FIELDS = st.sampled_from(
    ["input", "tools", "tool_choice", "text", "reasoning", "metadata", "include", "stream_options", "instructions",
     "prompt_cache_options", "store", "user", "prompt", "conversation"]
)  # fmt: skip


@given(st.binary())
@example(b'{"model":"m","input":[{"id":1}]}')
def test_any_bytes_are_a_request_or_refused(body: bytes) -> None:
    try:
        decode_request(body)
    except InvalidRequest:
        pass


@given(st.dictionaries(FIELDS, JSON, max_size=4), st.lists(st.tuples(TYPES, JSON), max_size=3))
def test_any_json_is_a_request_or_refused(fields: dict[str, Any], items: list[tuple[Any, Any]]) -> None:
    typed = [{**(rest if isinstance(rest, dict) else {"content": rest}), "type": kind} for kind, rest in items]
    for body in ({"model": "m", "input": "x", **fields}, {"model": "m", **fields, "input": typed}):
        try:
            conversation = decode_request(json.dumps(body).encode())
        except InvalidRequest as error:
            where = error.pointer
        else:
            where = conversation.pointer("input")
        assert where is not None


@given(st.dictionaries(st.text("abcxyz/~_", min_size=3, max_size=6).map(lambda name: "zz" + name), JSON, max_size=3))
def test_no_unknown_field_is_dropped_in_silence(extra: dict[str, Any]) -> None:
    body = {
        "model": "m",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "a", **extra}], **extra}],
        **extra,
    }
    said = {name for name, value in extra.items() if value is not None}
    lost = [loss.pointer for loss in decode_request(msgspec.json.encode(body)).unread]
    escaped = {name.replace("~", "~0").replace("/", "~1") for name in said}
    assert sorted(lost) == sorted(f"{at}/{name}" for name in escaped for at in ("", "/input/0", "/input/0/content/0"))
