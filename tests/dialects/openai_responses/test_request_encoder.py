from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from openai.types.responses.response_create_params import ResponseCreateParams
from pydantic import TypeAdapter

from tests.dialects.readers import placeless
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import (
    CacheMark,
    Conversation,
    File,
    Image,
    Loss,
    Media,
    OutputFormat,
    Part,
    Reasoning,
    ReasoningRequest,
    Refusal,
    Text,
    Token,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from trio_gateway.dialects.openai_responses import decode_request, encode_request
from trio_gateway.errors import InvalidRequest

SDK: TypeAdapter[Any] = TypeAdapter(ResponseCreateParams)
ANY = Capabilities()
F = Tool("f", at="/tools/0")


def encode(can: Capabilities = ANY, source: str = "x", **fields: Any) -> tuple[dict[str, Any], list[str]]:
    turns = fields.pop("turns", [Turn("user", [Text("hi")])])
    body, losses = encode_request(Conversation(source=source, model="m", turns=turns, **fields), "gpt", can)
    SDK.validate_json(body)
    return msgspec.json.decode(body), [loss.pointer for loss in losses]


def test_the_simplest_request_says_what_openais_defaults_would_get_wrong() -> None:
    body, losses = encode()
    assert body == {
        "model": "gpt",
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
        "include": ["reasoning.encrypted_content"],
        "store": False,
    }
    assert losses == []


def test_what_the_client_wants_stored_is() -> None:
    assert encode(store=True)[0]["store"] is True


def test_what_was_not_read_comes_first_among_the_losses() -> None:
    assert encode(unread=[Loss("/x", "why")], seed=3)[1] == ["/x", "/seed"]


def test_scalars_go_through() -> None:
    body, losses = encode(
        max_output_tokens=99, temperature=0.5, top_p=0.9, parallel_tool_calls=False, metadata=Raw(b'{"a":"b"}'),
        user="u", service_tier="flex", cache_key="k", logprobs=True, top_logprobs=2, verbosity="low", stream=True,
    )  # fmt: skip
    expected = {
        "max_output_tokens": 99, "temperature": 0.5, "top_p": 0.9, "parallel_tool_calls": False,
        "metadata": {"a": "b"}, "safety_identifier": "u", "service_tier": "flex", "prompt_cache_key": "k",
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content"], "top_logprobs": 2,
        "text": {"verbosity": "low"}, "stream": True,
    }  # fmt: skip
    assert {name: body[name] for name in expected} == expected
    assert losses == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("top_k", 3),
        ("min_p", 0.1),
        ("seed", 0),
        ("presence_penalty", 0.5),
        ("frequency_penalty", -1),
        ("stop", ["END"]),
        ("n", 2),
        ("logit_bias", Raw(b'{"1":2}')),
        ("keep_alive", Raw(b'"5m"')),
    ],
)
def test_what_the_format_has_no_word_for_is_a_loss(field: str, value: Any) -> None:
    body, losses = encode(**{field: value})
    assert field not in body
    assert losses == [f"/{field}"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("presence_penalty", 0), ("frequency_penalty", 0.0), ("stop", []), ("n", 1), ("logit_bias", Raw(b"{}"))],
)
def test_a_value_that_asks_for_nothing_is_none(field: str, value: Any) -> None:
    assert encode(**{field: value})[1] == []


@pytest.mark.parametrize(
    ("fields", "can", "written", "losses"),
    [
        ({"temperature": 3.0}, ANY, {"temperature": 2.0}, ["/temperature"]),
        ({"temperature": 1.0, "top_p": 0.5}, Capabilities(sampling="none"), {}, ["/temperature", "/top_p"]),
        ({"temperature": 1.0, "top_p": 0.5}, Capabilities(sampling="one"), {"temperature": 1.0}, ["/top_p"]),
        ({"top_p": 0.5}, Capabilities(sampling="one"), {"top_p": 0.5}, []),
        ({"max_output_tokens": 3}, ANY, {"max_output_tokens": 16}, ["/max_output_tokens"]),
        ({"max_output_tokens": 99}, Capabilities(max_output_tokens=50), {"max_output_tokens": 50},
         ["/max_output_tokens"]),
        ({"user": "u" * 65}, ANY, None, ["/user"]),
        ({"service_tier": "standard_only"}, ANY, {"service_tier": "default"}, ["/service_tier"]),
        ({"service_tier": "other"}, ANY, {}, ["/service_tier"]),
        ({"verbosity": "chatty"}, ANY, {}, ["/verbosity"]),
        ({"cache": CacheMark()}, ANY, {}, []),
        ({"cache": CacheMark("12h")}, ANY, {}, ["/cache"]),
        ({"cache": CacheMark("12h")}, Capabilities(cache_breakpoints=True),
         {"prompt_cache_options": {"ttl": "12h"}}, []),
        ({"cache": CacheMark("1h")}, Capabilities(cache_breakpoints=True), {}, ["/cache"]),
    ],
)  # fmt: skip
def test_what_is_changed_on_the_way_is_a_loss(
    fields: Any, can: Capabilities, written: dict[str, Any] | None, losses: list[str]
) -> None:
    body, lost = encode(can, **fields)
    assert lost == losses
    if written is not None:
        assert {name: body[name] for name in body.keys() - {"model", "input", "include", "store"}} == written
    else:
        assert len(body["safety_identifier"]) <= 64


# ----------------------------------------------------------------------------------------------- tools


def test_tools_are_flat_and_not_strict_unless_asked() -> None:
    tools = [
        Tool("get_it", description="d", parameters=Raw(b'{"type" :"object"}'), strict=True),
        Tool("g"),
        Tool("c", "custom", format=Raw(b'{"type":"grammar","grammar":{"syntax":"lark","definition":"x"}}')),
        Tool("d", "custom", description="t", format=Raw(b'{"type":"text"}')),
    ]
    body, losses = encode(tools=tools)
    assert body["tools"] == [
        {
            "type": "function",
            "name": "get_it",
            "parameters": {"type": "object"},
            "strict": True,
            "description": "d",
        },
        {"type": "function", "name": "g", "parameters": None, "strict": False},
        {"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
        {"type": "custom", "name": "d", "description": "t", "format": {"type": "text"}},
    ]
    assert losses == []


def test_tools_of_a_namespace_are_together_in_it() -> None:
    hosted = Tool("web_search", "hosted", raw=Raw(b'{"type":"web_search"}'), namespace="crm")
    tools = [F, Tool("f", namespace="crm"), Tool("c", "custom", namespace="crm"), hosted, Tool("f", namespace="erp"), F]
    choice = ToolChoice("allowed", names=["f", "c"], namespaces=[None, "crm"])
    body, losses = encode(source="openai_responses", tools=tools, tool_choice=choice)
    function = {"type": "function", "name": "f", "parameters": None, "strict": False}
    inside = [function, {"type": "custom", "name": "c"}, {"type": "web_search"}]
    assert body["tools"] == [
        function,
        {"type": "namespace", "name": "crm", "description": "", "tools": inside},
        {"type": "namespace", "name": "erp", "description": "", "tools": [function]},
        function,
    ]
    allowed = [{"type": "function", "name": "f"}, {"type": "custom", "name": "c", "namespace": "crm"}]
    assert body["tool_choice"] == {"type": "allowed_tools", "mode": "auto", "tools": allowed}
    assert losses == []
    named, _ = encode(tools=tools[:3], tool_choice=ToolChoice("named", names=["f"], namespaces=["crm"]))
    assert named["tool_choice"] == {"type": "function", "name": "f", "namespace": "crm"}


def test_a_namespace_of_which_nothing_is_left_is_not_written() -> None:
    body, losses = encode(tools=[F, Tool("search", "hosted", "/tools/1/tools/0", namespace="crm")])
    assert [tool["type"] for tool in body["tools"]] == ["function"]
    assert losses == ["/tools/1/tools/0"]


def test_a_schema_keeps_its_bytes() -> None:
    schema = b'{"type" : "object", "x":1.0,"$defs":{"a":{"$ref":"#/$defs/a"}},"properties":{"type":{"const":-0}}}'
    conversation = Conversation(source="x", model="m", turns=[], tools=[Tool("f", parameters=Raw(schema))])
    assert schema in encode_request(conversation, "m", ANY)[0]


def test_hosted_tools_are_the_sources_own() -> None:
    tool = Tool("web_search", "hosted", "/tools/0", raw=Raw(b'{"type":"web_search"}'))
    assert encode(source="openai_responses", tools=[tool])[0]["tools"] == [{"type": "web_search"}]
    body, losses = encode(source="gemini", tools=[tool], tool_choice=ToolChoice("auto", "/tool_choice"))
    assert "tools" not in body
    assert "tool_choice" not in body
    assert losses == ["/tools/0", "/tool_choice"]


def test_a_model_without_tools_gets_none() -> None:
    body, losses = encode(Capabilities(tools=False), tools=[F])
    assert "tools" not in body
    assert losses == ["/tools/0"]


def test_marks_and_formats_that_have_no_place_are_losses() -> None:
    tools = [Tool("f", at="/t/0", cache=CacheMark()), Tool("c", "custom", "/t/1", format=Raw(b'{"grammar":3}'))]
    assert encode(tools=tools)[1] == ["/t/0", "/t/1"]


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("required"), "required"),
        (ToolChoice("named", names=["f"]), {"type": "function", "name": "f"}),
        (ToolChoice("named", names=["c"], custom=True), {"type": "custom", "name": "c"}),
        (
            ToolChoice("allowed", names=["f", "c"], required=True),
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "c"}],
            },
        ),
    ],
)
def test_choices_of_tools(choice: ToolChoice, written: Any) -> None:
    body, losses = encode(tools=[F, Tool("c", "custom")], tool_choice=choice)
    assert body["tool_choice"] == written
    assert losses == []


def test_a_tools_name_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        encode(tools=[Tool("", at="/tools/0")])
    assert caught.value.pointer == "/tools/0"


# -------------------------------------------------------------------------------------------- reasoning


@pytest.mark.parametrize(
    ("asked", "efforts", "written", "lost"),
    [
        (ReasoningRequest("high"), None, {"effort": "high"}, 0),
        (ReasoningRequest("high", show=True), None, {"effort": "high", "summary": "auto"}, 0),
        (ReasoningRequest("high", mode="adaptive"), None, {"effort": "high"}, 0),
        (ReasoningRequest(show=True), None, {"summary": "auto"}, 0),
        (ReasoningRequest(show=False), None, None, 0),
        (ReasoningRequest(mode="disabled"), None, {"effort": "none"}, 0),
        (ReasoningRequest(mode="disabled"), {"low", "high"}, None, 1),
        (ReasoningRequest("xhigh"), {"low", "high"}, {"effort": "high"}, 1),
        (ReasoningRequest(mode="enabled", budget_tokens=2048), None, {"effort": "medium"}, 1),
        (ReasoningRequest(mode="adaptive"), None, None, 1),
        (ReasoningRequest("low", mode="between_tools"), None, {"effort": "low"}, 1),
        (ReasoningRequest("high", show=True), set(), None, 2),
        (ReasoningRequest(show=True), set(), None, 1),
        (ReasoningRequest("none", show=True), set(), None, 1),
    ],
)
def test_reasoning_is_asked_for_in_openais_words(
    asked: ReasoningRequest, efforts: set[str] | None, written: Any, lost: int
) -> None:
    asked.at = "/reasoning"
    can = ANY if efforts is None else Capabilities(efforts=frozenset(efforts))
    body, losses = encode(can, reasoning=asked)
    assert body.get("reasoning") == written
    assert losses == ["/reasoning"] * lost


@pytest.mark.parametrize(
    ("asked", "can"),
    [
        (ReasoningRequest("none"), ANY),
        (ReasoningRequest(mode="disabled"), ANY),
        (None, Capabilities(efforts=frozenset())),
        (None, Capabilities(efforts=frozenset({"none"}))),
    ],
)
def test_encrypted_reasoning_is_not_asked_for_where_there_is_none(
    asked: ReasoningRequest | None, can: Capabilities
) -> None:
    assert "include" not in encode(can, reasoning=asked)[0]


# ----------------------------------------------------------------------------------------------- output


def test_formats_of_the_output() -> None:
    schema = OutputFormat("json_schema", "/o", None, Raw(b'{"type":"object"}'), True, "d")
    body, losses = encode(output=schema)
    assert body["text"]["format"] == {
        "type": "json_schema",
        "name": "response",
        "schema": {"type": "object"},
        "strict": True,
        "description": "d",
    }
    assert losses == []
    assert encode(output=OutputFormat("json_object"))[0]["text"] == {"format": {"type": "json_object"}}
    body, losses = encode(Capabilities(structured_output=False), output=schema)
    assert "text" not in body
    assert losses == ["/o"]


# ------------------------------------------------------------------------------------------------- laws

word = st.text("ab", min_size=1, max_size=4)
name = st.text("abc_", min_size=1, max_size=6)
user_parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, word, cache=st.none() | st.just(CacheMark("30m"))),
    st.builds(Image, st.just(Media("base64", "iVBOR", "image/png")), detail=st.none() | st.just("high")),
    st.builds(File, st.just(Media("base64", "JVBER", "application/pdf")), filename=word),
)
model_parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, word),
    st.builds(Refusal, word),
    st.builds(
        lambda text, id_: Reasoning(text, token=Token("openai_responses", f"rs_{id_}:g"), id=f"rs_{id_}"), word, word
    ),
    st.builds(ToolCall, word, name, st.sampled_from(["{}", '{"a":1}', "{"])),
)
results = st.builds(ToolResult, word, st.lists(user_parts, max_size=2))
outputs = st.builds(OutputFormat, st.just("json_schema"), name=name, schema=st.just(Raw(b"{}")), strict=st.booleans())
conversations = st.builds(
    Conversation,
    source=st.just("openai_responses"),
    model=st.just("m"),
    turns=st.lists(
        st.one_of(
            st.builds(Turn, st.sampled_from(["user", "system", "developer"]), st.lists(user_parts, max_size=3)),
            st.builds(Turn, st.just("assistant"), st.lists(model_parts, min_size=1, max_size=4)),
            st.builds(Turn, st.just("tool"), st.lists(results, min_size=1)),
        ),
        max_size=4,
    ),
    tools=st.lists(
        st.builds(
            Tool,
            name,
            description=st.none() | word,
            strict=st.booleans(),
            parameters=st.none() | st.just(Raw(b'{"type":"object"}')),
        ),
        min_size=1,
        max_size=2,
    ),
    tool_choice=st.none() | st.builds(ToolChoice, st.sampled_from(["auto", "none", "required"])),
    parallel_tool_calls=st.none() | st.booleans(),
    max_output_tokens=st.none() | st.integers(16, 99),
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    logprobs=st.none() | st.just(True),
    top_logprobs=st.none() | st.integers(1, 20),
    reasoning=st.none() | st.builds(ReasoningRequest, st.sampled_from(["low", "high"]), show=st.none() | st.just(True)),
    output=st.none() | outputs,
    verbosity=st.none() | st.sampled_from(["low", "high"]),
    user=st.none() | word,
    metadata=st.none() | st.just(Raw(b'{"a":"b"}')),
    store=st.booleans(),
    service_tier=st.none() | st.just("flex"),
    cache=st.none() | st.just(CacheMark("30m")),
    cache_key=st.none() | word,
    stream=st.booleans(),
)  # fmt: skip


@given(conversations)
def test_r2_what_both_sides_have_words_for_comes_back(conversation: Conversation) -> None:
    body, losses = encode_request(conversation, "m", Capabilities(cache_breakpoints=True))
    SDK.validate_json(body)
    again = decode_request(body)
    assert all(loss.pointer.endswith("/id") for loss in again.unread)  # of messages, which must have one
    assert {loss.reason for loss in losses} <= {"joined with the assistant's turn before it"}
    for field in Conversation.__struct_fields__:
        if field not in ("turns", "tools", "tool_choice", "reasoning", "output", "pointers", "unread"):
            assert getattr(again, field) == getattr(conversation, field), field
    for field in ("tool_choice", "reasoning", "output"):
        assert placeless(getattr(again, field)) == placeless(getattr(conversation, field))
    assert placeless(again.tools) == placeless(conversation.tools)


@given(conversations)
def test_r16_equal_conversations_give_equal_bytes(conversation: Conversation) -> None:
    once = encode_request(conversation, "m", ANY)
    assert encode_request(conversation, "m", ANY) == once
