import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.dialects.readers import pointers
from trio_gateway.dialects.anthropic_messages import decode_request, encode_error
from trio_gateway.dialects.conversation import (
    CacheMark,
    Conversation,
    File,
    Image,
    Media,
    Opaque,
    Reasoning,
    Text,
    Token,
    ToolCall,
    ToolResult,
)
from trio_gateway.errors import InvalidRequest


def read(**fields: object) -> Conversation:
    body = {"model": "claude", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]} | fields
    return decode_request(json.dumps(body).encode())


def user(*blocks: object) -> list[object]:
    return [{"role": "user", "content": list(blocks)}]


def assistant(*blocks: object) -> list[object]:
    return [{"role": "user", "content": "hi"}, {"role": "assistant", "content": list(blocks)}]


def tool_use(name: str, input_: object) -> dict[str, object]:
    return {"type": "tool_use", "id": "i", "name": name, "input": input_}


def test_a_small_request_is_read_whole() -> None:
    found = read(system="Be terse", temperature=0.5, top_p=0.9, top_k=3, stop_sequences=["END"], stream=True)
    assert [(turn.role, turn.parts[0].text, turn.at) for turn in found.turns] == [
        ("system", "Be terse", "/system"),
        ("user", "hi", "/messages/0"),
    ]
    assert (found.temperature, found.top_p, found.top_k, found.stop) == (0.5, 0.9, 3, ["END"])
    assert (found.max_output_tokens, found.stream, found.unread) == (64, True, [])
    assert found.pointer("max_output_tokens") == "/max_tokens"
    assert found.pointer("stop") == "/stop_sequences"


def test_system_blocks_stay_apart_and_keep_their_cache_marks() -> None:
    found = read(
        system=[
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}},
        ]
    )
    assert found.turns[0].parts == [
        Text("a", "/system/0", CacheMark("1h", "/system/0/cache_control")),
        Text("b", "/system/1", CacheMark(at="/system/1/cache_control")),
    ]


def test_results_of_a_user_message_become_a_tool_turn_before_the_rest() -> None:
    found = read(
        messages=user(
            {"type": "text", "text": "and?"},
            {"type": "tool_result", "tool_use_id": "t1", "content": "42", "is_error": True},
            {"type": "tool_result", "tool_use_id": "t2"},
        )
    )
    assert [turn.role for turn in found.turns] == ["tool", "user"]
    first, second = found.turns[0].parts
    assert first == ToolResult("t1", [Text("42", "/messages/0/content/1/content")], "/messages/0/content/1", None, True)
    assert second == ToolResult("t2", [], "/messages/0/content/2")


def test_thinking_without_text_keeps_its_signature() -> None:
    found = read(
        messages=assistant(
            {"type": "thinking", "thinking": "", "signature": "sig"},
            {"type": "redacted_thinking", "data": "xyz"},
            {"type": "thinking", "thinking": "unsigned"},
            {"type": "thinking", "thinking": "", "signature": "trio:openai_responses:enc"},
        )
    )
    assert [(part.text, part.token, part.redacted) for part in found.turns[1].parts if isinstance(part, Reasoning)] == [
        ("", Token("anthropic_messages", "sig"), False),
        ("", Token("anthropic_messages", "xyz"), True),
        ("unsigned", None, False),
        ("", Token("openai_responses", "enc"), False),
    ]


def test_a_carried_gemini_signature_returns_to_the_call_before_it() -> None:
    found = read(
        messages=assistant(
            {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
            {"type": "thinking", "thinking": "", "signature": "trio:gemini:SIG"},
        )
    )
    assert found.turns[1].parts == [
        ToolCall(
            "t1",
            "f",
            "{}",
            "/messages/1/content/0",
            token=Token("gemini", "SIG"),
            token_at="/messages/1/content/1",
        ),
    ]


def test_a_calls_input_keeps_its_very_text() -> None:
    body = (
        b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":'
        b'[{"type":"tool_use","id":"a","name":"f","input":{"b" : 1.0,"a":1e2,"n":12345678901234567890}}]}]}'
    )
    call = decode_request(body).turns[1].parts[0]
    assert isinstance(call, ToolCall)
    assert call.arguments == '{"b" : 1.0,"a":1e2,"n":12345678901234567890}'


def test_images_and_documents_say_where_their_bytes_are() -> None:
    found = read(
        messages=user(
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
            {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "hello"},
                "title": "T",
                "context": "C",
                "citations": {"enabled": True},
            },
            {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        )
    )
    images_and_files = found.turns[0].parts
    assert images_and_files[0] == Image(Media("base64", "AA==", "image/png"), "/messages/0/content/0")
    assert images_and_files[1] == Image(Media("url", "https://x/y.png"), "/messages/0/content/1")
    assert images_and_files[2] == File(
        Media("text", "hello", "text/plain"), "/messages/0/content/2", "T", "C", citations_enabled=True
    )
    assert images_and_files[3] == File(Media("file_id", "file_1"), "/messages/0/content/3")


def test_what_is_not_known_is_carried_whole() -> None:
    block = {"type": "search_result", "title": "t", "source": "s", "content": 5, "text": 5}
    nested = {"type": "document", "source": {"type": "hologram", "content": "x"}}
    found = read(messages=user(block, nested))
    one, two = found.turns[0].parts
    assert isinstance(one, Opaque)
    assert isinstance(two, Opaque)
    assert (one.tag, json.loads(bytes(one.raw))) == ("search_result", block)
    assert (two.tag, json.loads(bytes(two.raw))) == ("document", nested)
    assert found.unread == []


def test_every_field_that_is_not_carried_is_named() -> None:
    found = read(
        messages=[
            *user(
                {"type": "text", "text": "a", "new": 1, "nothing": None},
                {
                    "type": "image",
                    "source": {"type": "url", "url": "https://x", "hint": 2},
                    "transformations": {"oversized_image": "error"},
                },
                {"type": "tool_result", "tool_use_id": "t", "toolset_name": "browser"},
            ),
            {
                "role": "assistant",
                "odd/one": 1,
                "content": [
                    {
                        "type": "tool_use",
                        "id": "t",
                        "name": "n",
                        "input": {"not": "looked at"},
                        "caller": {"type": "code_execution_20260120", "tool_id": "x"},
                    }
                ],
            },
        ],
        tools=[
            {"name": "f", "input_schema": {"type": "object", "x": 1}, "defer_loading": True, "input_examples": [{}]}
        ],
        tool_choice={"type": "auto", "why": 1},
        thinking={"type": "adaptive", "depth": 1},
        output_config={"effort": "low", "task_budget": {"type": "tokens", "total": 5}, "tone": "dry"},
        metadata={"user_id": "u", "team": "t"},
        cache_control={"type": "ephemeral", "scope": "x"},
        speed="fast",
        context_management={},
        fallbacks="default",
        container=None,
        unheard_of=1,
    )
    assert sorted(pointers(found.unread)) == [
        "/cache_control/scope",
        "/context_management",
        "/fallbacks",
        "/messages/0/content/0/new",
        "/messages/0/content/1/source/hint",
        "/messages/0/content/1/transformations",
        "/messages/0/content/2/toolset_name",
        "/messages/1/content/0/caller",
        "/messages/1/odd~1one",
        "/metadata/team",
        "/output_config/task_budget",
        "/output_config/tone",
        "/speed",
        "/thinking/depth",
        "/tool_choice/why",
        "/tools/0/defer_loading",
        "/tools/0/input_examples",
        "/unheard_of",
    ]


def test_documented_defaults_are_no_loss() -> None:
    found = read(
        messages=assistant(
            {"type": "tool_use", "id": "t", "name": "n", "input": {}, "caller": {"type": "direct"}},
        ),
        tools=[
            {
                "name": "f",
                "type": "custom",
                "input_schema": {"type": "object"},
                "defer_loading": False,
                "allowed_callers": ["direct"],
                "input_examples": [],
                "eager_input_streaming": None,
            }
        ],
        speed="standard",
        container=None,
        metadata=None,
    )
    assert found.unread == []


def test_hosted_tools_stay_as_they_are() -> None:
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    found = read(tools=[tool]).tools[0]
    assert (found.name, found.kind, found.raw and json.loads(bytes(found.raw))) == ("web_search", "hosted", tool)


@pytest.mark.parametrize(
    ("wire", "mode", "names", "parallel"),
    [
        ({"type": "auto"}, "auto", [], None),
        ({"type": "any", "disable_parallel_tool_use": True}, "required", [], False),
        ({"type": "any", "disable_parallel_tool_use": False}, "required", [], None),
        ({"type": "none"}, "none", [], None),
        ({"type": "tool", "name": "f"}, "named", ["f"], None),
    ],
)
def test_tool_choice_is_read(wire: object, mode: str, names: list[str], parallel: bool | None) -> None:
    found = read(tool_choice=wire)
    assert found.tool_choice is not None
    assert (found.tool_choice.mode, found.tool_choice.names, found.parallel_tool_calls) == (mode, names, parallel)


@pytest.mark.parametrize(
    ("fields", "effort", "mode", "budget", "show"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 3000}}, "medium", "enabled", 3000, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, "high", "enabled", None, None),
        ({"thinking": {"type": "disabled"}}, "none", "disabled", None, None),
        ({"thinking": {"type": "adaptive", "display": "summarized"}}, None, "adaptive", None, True),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, "max", "adaptive", None, None),
        ({"output_config": {"effort": "low"}}, "low", None, None, None),
        ({"thinking": {"type": "between_tools"}}, None, "between_tools", None, None),
    ],
)
def test_thinking_is_read(
    fields: dict[str, object], effort: str | None, mode: str | None, budget: int | None, show: bool | None
) -> None:
    found = read(**fields).reasoning
    assert found is not None
    assert (found.effort, found.mode, found.budget_tokens, found.show) == (effort, mode, budget, show)


def test_a_schema_for_the_answer_keeps_its_text() -> None:
    found = read(output_config={"format": {"type": "json_schema", "schema": {"type": "object", "b": 1, "a": 2}}}).output
    assert found is not None
    assert (found.kind, found.schema and bytes(found.schema)) == (
        "json_schema",
        b'{"type": "object", "b": 1, "a": 2}',
    )


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"max_tokens": "many"}, "/max_tokens"),
        ({"max_tokens": -1}, "/max_tokens"),
        ({"messages": []}, "/messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "/messages/0/role"),
        ({"messages": [{"role": "user"}]}, "/messages/0/content"),
        ({"messages": user({"text": "no type"})}, "/messages/0/content/0/type"),
        ({"messages": user({"type": "text", "text": 5})}, "/messages/0/content/0/text"),
        ({"messages": user({"type": "text"})}, "/messages/0/content/0/text"),
        ({"messages": user({"type": "tool_use", "id": "i", "name": "n", "input": {}})}, "/messages/0/content/0"),
        ({"messages": assistant({"type": "tool_result", "tool_use_id": "i"})}, "/messages/1/content/0"),
        (
            {"messages": assistant({"type": "tool_use", "id": "i", "name": "n", "input": []})},
            "/messages/1/content/0/input",
        ),
        ({"system": [{"type": "image"}]}, "/system/0/type"),
        ({"tools": [{"name": "f"}]}, "/tools/0/input_schema"),
        ({"tools": [{"name": "f", "input_schema": True}]}, "/tools/0/input_schema"),
        ({"tool_choice": {"type": "tool"}}, "/tool_choice/name"),
        ({"tool_choice": {"type": "must"}}, "/tool_choice/type"),
        ({"thinking": {"type": "enabled"}}, "/thinking/budget_tokens"),
        ({"output_config": {"format": {"type": "xml"}}}, "/output_config/format/type"),
        ({"cache_control": {"type": "eternal"}}, "/cache_control/type"),
        ({"metadata": {"user_id": 5}}, "/metadata/user_id"),
    ],
)
def test_what_the_api_refuses_is_refused_with_a_pointer(fields: dict[str, object], pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.pointer == pointer


def test_a_missing_limit_is_named() -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_request(b'{"model":"m","messages":[]}')
    assert caught.value.pointer == "/max_tokens"


def read_or_refuse(body: bytes) -> None:
    """Any other exception fails the test."""
    try:
        decode_request(body)
    except InvalidRequest:
        pass


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "text", "source", "input", "name", "id", "tool_use_id", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
FIELD = st.sampled_from(
    [
        "model",
        "max_tokens",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "metadata",
        "cache_control",
    ]
)


@given(st.binary(max_size=60))
@example(b"[" * 100_000)
@example(b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"x","a":1e400}]}],"z":1e400}')
@example(b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"\\ud800"}]}')
@example(b'{"model":"m","max_tokens":1,"messages":[' + b"[" * 50_000)
def test_bytes_are_read_or_refused(body: bytes) -> None:
    read_or_refuse(body)


@given(st.dictionaries(FIELD, JSON, max_size=5), st.lists(JSON, max_size=3))
def test_any_json_is_read_or_refused(fields: dict[str, object], blocks: list[object]) -> None:
    for body in ({"messages": user(*blocks)}, {"messages": user()} | fields):
        read_or_refuse(json.dumps({"model": "m", "max_tokens": 1} | body).encode())


@given(st.dictionaries(st.text(min_size=1).map("x".__add__), st.integers(), max_size=3))
def test_unknown_members_are_all_listed_wherever_they_are(extra: dict[str, int]) -> None:
    found = read(messages=[{"role": "user", "content": [{"type": "text", "text": "a"} | extra]} | extra], **extra)
    assert len(found.unread) == 3 * len(extra)


def test_a_thread_is_refused_since_its_history_is_nowhere_else() -> None:
    body = b'{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"And?"}],"thread":{"id":"thread_1"}}'
    with pytest.raises(InvalidRequest) as caught:
        decode_request(body)
    assert (caught.value.code, caught.value.pointer) == ("thread_unsupported_request", "/thread")
    assert b'"error_code":"thread_unsupported_request"' in encode_error(caught.value)[1]
