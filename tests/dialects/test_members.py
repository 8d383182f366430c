from __future__ import annotations

import pytest

from trio_gateway.dialects import dialect
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import (
    CacheMark,
    Conversation,
    Loss,
    Reasoning,
    Text,
    Token,
    ToolCall,
    ToolChoice,
)
from trio_gateway.dialects.members import as_written, citations_at, has_member, mark_at, member, required_at, token_at

TOKEN = Token("gemini", "s")


@pytest.mark.parametrize(
    ("source", "name", "pointer"),
    [
        ("openai_chat", "detail", "/p/image_url/detail"),
        ("openai_responses", "detail", "/p/detail"),
        ("anthropic_messages", "filename", "/p/title"),
        ("gemini", "tool_name", "/p/functionResponse/name"),
        ("ollama", "tool_name", "/p/tool_name"),
        ("ollama", "detail", "/p"),
    ],
)
def test_a_member_is_named_in_its_dialects_words_and_else_its_node_is(source: str, name: str, pointer: str) -> None:
    assert member(source, "/p", name) == pointer


def test_a_dialect_has_a_member_of_its_own_or_not() -> None:
    assert has_member("anthropic_messages", "show")
    assert not has_member("ollama", "show")


def test_a_legacy_function_of_chat_is_no_tool_around_one() -> None:
    assert member("openai_chat", "/functions/0", "parameters") == "/functions/0/parameters"
    assert member("openai_chat", "/functions/0", "strict") == "/functions/0/strict"


def test_the_citations_of_chat_are_the_messages() -> None:
    assert citations_at("openai_chat", "/messages/2/content/0") == "/messages/2/annotations"
    assert citations_at("openai_responses", "/input/0/content/0") == "/input/0/content/0/annotations"


def test_a_token_is_where_it_came_from() -> None:
    assert token_at("gemini", Text("a", "/p", token=TOKEN)) == "/p/thoughtSignature"
    assert token_at("openai_chat", ToolCall("c", "f", "{}", "/p", token=TOKEN)) == (
        "/p/extra_content/google/thought_signature"
    )
    assert token_at("anthropic_messages", Reasoning("", "/p", TOKEN, redacted=True)) == "/p/data"
    assert token_at("anthropic_messages", Text("a", "/p", token=TOKEN, token_at="/q")) == "/q"


def test_a_mark_without_a_place_is_its_nodes() -> None:
    assert mark_at(CacheMark(at="/p/cache_control"), "/p") == "/p/cache_control"
    assert mark_at(CacheMark(), "/p") == "/p"


def test_what_is_lost_of_a_joined_text_is_lost_of_all_its_pieces() -> None:
    conversation = Conversation(source="gemini", model="m", turns=[], joined={"/a": ["/b", "/c"]})
    assert as_written(conversation, [Loss("/x", "why"), Loss("/a", "why")]) == [
        Loss(pointer, "why") for pointer in ("/x", "/a", "/b", "/c")
    ]


def test_losses_point_at_members_as_the_client_spelled_them() -> None:
    body = (
        b'{"contents":[{"role":"model","parts":[{"function_call":{"name":"f","args":{}},"thought_signature":"c2ln"}]},'
        b'{"parts":[{"function_response":{"name":"g","response":{"error":"no"}}}]}],'
        b'"tools":[{"function_declarations":[{"name":"f","parameters_json_schema":{"type":"object","x":1}}]}],'
        b'"generation_config":{"thinking_config":{"include_thoughts":false,"thinking_level":"LOW"}}}'
    )
    conversation = dialect("gemini").decode_request(body)
    _, losses = dialect("ollama").encode_request(conversation, "m", Capabilities())
    assert [loss.pointer for loss in losses] == [
        "/contents/0/parts/0/thought_signature",
        "/contents/1/parts/0/function_response/response/error",
        "/tools/0/function_declarations/0/parameters_json_schema/x",
        "/generation_config/thinking_config/include_thoughts",
    ]


@pytest.mark.parametrize("declarations", ["functionDeclarations", "function_declarations"])
def test_losses_in_a_schema_of_googles_own_subset_point_into_it(declarations: str) -> None:
    schema = b'{"type":"OBJECT","properties":{"a":{"type":"STRING","format":"byte"}}}'
    tools = b'[{"%b":[{"name":"f","parameters":%b}]}]' % (declarations.encode(), schema)
    conversation = dialect("gemini").decode_request(b'{"contents":[{"parts":[{"text":"a"}]}],"tools":%b}' % tools)
    _, losses = dialect("ollama").encode_request(conversation, "m", Capabilities())
    assert [loss.pointer for loss in losses] == [f"/tools/0/{declarations}/0/parameters/properties/a/format"]


@pytest.mark.parametrize("name", ["summary", "generate_summary"])
def test_a_summary_that_is_lost_is_named_as_the_client_asked_for_it(name: str) -> None:
    body = b'{"model":"m","input":"a","reasoning":{"effort":"low","%b":"auto"}}' % name.encode()
    _, losses = dialect("openai_chat").encode_request(
        dialect("openai_responses").decode_request(body), "m", Capabilities()
    )
    assert [loss.pointer for loss in losses] == [f"/reasoning/{name}"]


@pytest.mark.parametrize(
    ("source", "choice", "pointer"),
    [
        ("openai_chat", ToolChoice("allowed", "/tool_choice", ["f"], required=True), "/tool_choice/allowed_tools/mode"),
        ("openai_responses", ToolChoice("allowed", "/tool_choice", ["f"], required=True), "/tool_choice/mode"),
        ("openai_responses", ToolChoice("required", "/tool_choice"), "/tool_choice"),
        ("gemini", ToolChoice("allowed", "/c", ["f"], required=True), "/c/mode"),
    ],
)
def test_that_a_tool_has_to_be_called_is_said_apart_of_those_that_are_allowed(
    source: str, choice: ToolChoice, pointer: str
) -> None:
    assert required_at(source, choice) == pointer
