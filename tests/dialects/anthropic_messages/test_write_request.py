import json
from typing import Any

import msgspec
import pydantic
import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from trio_gateway.dialects.anthropic_messages import decode_request, encode_request
from trio_gateway.dialects.capabilities import Capabilities, capabilities_for
from trio_gateway.dialects.conversation import (
    Audio,
    CacheMark,
    Conversation,
    File,
    Image,
    Loss,
    Media,
    Opaque,
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
from trio_gateway.dialects.end_user import hashed_id
from trio_gateway.errors import InvalidRequest

OLD = capabilities_for("anthropic_messages", "claude-3-7-sonnet-latest")
SONNET_45 = capabilities_for("anthropic_messages", "claude-sonnet-4-5")
NEW = capabilities_for("anthropic_messages", "claude-opus-4-8")
PNG = "iVBORw0KGgoAAAANSUhEUg=="

_SDK_REQUEST = pydantic.TypeAdapter(MessageCreateParamsNonStreaming)


def write(conversation: Conversation, capabilities: Capabilities = OLD) -> tuple[dict[str, Any], list[str]]:
    """Return the body and the pointers of the losses; the body is what the vendor's SDK would take."""
    body, losses = encode_request(conversation, "claude", capabilities)
    assert all(loss.reason for loss in losses)
    found = json.loads(body)
    sampling = {"temperature", "top_p", "top_k", "stream"}  # the SDK's newest types have no sampling any more
    typed = _SDK_REQUEST.validate_python({name: value for name, value in found.items() if name not in sampling})
    _SDK_REQUEST.dump_json(typed)  # lists are checked when they are read
    return found, [loss.pointer for loss in losses]


def talk(*turns: Turn, source: str = "openai_chat", **fields: Any) -> Conversation:
    for i, turn in enumerate(turns):
        turn.at = turn.at or f"/messages/{i}"
        for j, part in enumerate(turn.parts):
            part.at = part.at or f"{turn.at}/content/{j}"
    fields.setdefault("max_output_tokens", 8000)
    return Conversation(source=source, model="m", turns=list(turns), **fields)


def says(role: Any, *parts: Part | str) -> Turn:
    return Turn(role, [Text(part) if isinstance(part, str) else part for part in parts])


HI = says("user", "hi")


def hi() -> Turn:
    return says("user", "hi")


# ------------------------------------------------------------------------------------------ turns


def test_system_messages_at_the_start_are_a_block_each() -> None:
    body, lost = write(talk(says("system", "a"), says("developer", "b"), hi()))
    assert body["system"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert lost == ["/messages/1", "/messages/1"]  # it is no developer's any more, and joined


def test_system_in_the_middle_stays_where_the_model_takes_it() -> None:
    turns = (hi(), says("system", "now in French"), says("assistant", "oui"), hi(), says("system", "last"))
    body, lost = write(talk(*turns), NEW)
    assert [message["role"] for message in body["messages"]] == ["user", "system", "assistant", "user", "system"]
    assert lost == []


def test_system_in_the_middle_is_moved_where_it_may_not_stand() -> None:
    turns = (hi(), says("assistant", "ok"), says("system", "rule"), hi(), says("system", "two"), hi())
    body, lost = write(talk(*turns), NEW)
    assert body["system"] == [{"type": "text", "text": "rule"}, {"type": "text", "text": "two"}]
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert lost == ["/messages/2", "/messages/4", "/messages/5"]


def test_system_in_the_middle_is_moved_for_older_models() -> None:
    body, lost = write(talk(hi(), says("system", "rule"), says("assistant", "ok"), hi()), OLD)
    assert (body["system"], lost) == ([{"type": "text", "text": "rule"}], ["/messages/1"])


def test_results_and_what_follows_are_one_user_message() -> None:
    body, lost = write(
        talk(
            hi(),
            says("assistant", ToolCall("a", "f", '{"x": 1}'), ToolCall("b", "g", "")),
            Turn("tool", [ToolResult("b", [Text("2")])]),
            Turn("tool", [ToolResult("a", [Text("1")], is_error=True)]),
            says("user", "and now?"),
        )
    )
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
                {"type": "tool_use", "id": "b", "name": "g", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "b", "content": "2"},
                {"type": "tool_result", "tool_use_id": "a", "content": "1", "is_error": True},
                {"type": "text", "text": "and now?"},
            ],
        },
    ]
    assert lost == []


def test_results_after_text_are_moved_to_the_head_and_reported() -> None:
    body, lost = write(talk(hi(), Turn("tool", [ToolResult("a", [])])))
    assert [block["type"] for block in body["messages"][0]["content"]] == ["tool_result", "text"]
    assert lost == ["/messages/1"]


def test_consecutive_messages_of_one_role_are_joined_and_reported() -> None:
    body, lost = write(talk(hi(), says("user", "ho"), says("assistant", "a"), says("assistant", "b"), hi()))
    assert [len(message["content"]) for message in body["messages"]] == [2, 2, 1]
    assert lost == ["/messages/1", "/messages/3"]


@pytest.mark.parametrize(
    ("turns", "pointer"),
    [
        ([says("system", "only")], "/messages/0"),
        ([says("assistant", "me first"), HI], "/messages/0"),
        ([says("user", "")], "/messages/0"),
        ([says("user", Reasoning("hm"))], "/messages/0"),
    ],
)
def test_a_conversation_must_begin_with_the_user(turns: list[Turn], pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        write(talk(*turns))
    assert caught.value.pointer == pointer


def test_an_empty_assistant_message_leaves_no_empty_text_block() -> None:
    body, lost = write(talk(hi(), says("assistant", "", ToolCall("a", "f", "")), Turn("tool", [ToolResult("a", [])])))
    assert [block["type"] for block in body["messages"][1]["content"]] == ["tool_use"]
    assert lost == []


def test_a_last_assistant_message_is_continued_where_the_model_can() -> None:
    body, lost = write(talk(hi(), says("assistant", "The answer is \n")))
    assert body["messages"][1]["content"] == [{"type": "text", "text": "The answer is"}]
    assert lost == ["/messages/1"]
    with pytest.raises(InvalidRequest) as caught:
        write(talk(hi(), says("assistant", "The answer is")), NEW)
    assert caught.value.pointer == "/messages/1"


def test_names_and_phases_are_reported() -> None:
    turn = hi()
    turn.name, turn.phase = "ann", "commentary"
    assert write(talk(turn))[1] == ["/messages/0/name", "/messages/0/phase"]


def test_the_messages_of_a_longer_history_begin_with_those_of_a_shorter_one() -> None:
    turns = [
        hi(),
        says("assistant", "ok", ToolCall("call:1", "a.b", '{"q":1.0 }')),
        Turn("tool", [ToolResult("call:1", [Text("r")])]),
        says("assistant", "done"),
        says("user", "more", Image(Media("base64", PNG, "image/png"))),
    ]
    whole = raw_messages(talk(*turns))
    for length in (1, 3, 5):
        assert raw_messages(talk(*turns[:length])) == whole[:length]


def raw_messages(conversation: Conversation) -> list[bytes]:
    body, _ = encode_request(conversation, "claude", OLD)
    return [bytes(raw) for raw in msgspec.json.decode(body, type=Messages).messages]


class Messages(msgspec.Struct):
    messages: list[Raw]


# ------------------------------------------------------------------------------------------ blocks


@pytest.mark.parametrize(
    ("media", "source"),
    [
        (Media("base64", PNG, "image/png"), {"type": "base64", "media_type": "image/png", "data": PNG}),
        (Media("url", "https://x/y.png"), {"type": "url", "url": "https://x/y.png"}),
    ],
)
def test_images_are_carried(media: Media, source: object) -> None:
    body, lost = write(talk(says("user", Image(media, detail="auto"))))
    assert (body["messages"][0]["content"], lost) == ([{"type": "image", "source": source}], [])


@pytest.mark.parametrize(
    ("media", "sent"),
    [
        (Media("base64", PNG), "image/png"),
        (Media("base64", PNG, "IMAGE/PNG; charset=x"), "image/png"),
        (Media("base64", "/9j/4AAQ", "image/jpg"), "image/jpeg"),
        (Media("base64", "UklGRgAAAABXRUJQ", "application/octet-stream"), "image/webp"),
    ],
)
def test_an_images_type_is_put_right_and_reported(media: Media, sent: str) -> None:
    body, lost = write(talk(says("user", Image(media))))
    assert body["messages"][0]["content"][0]["source"]["media_type"] == sent
    assert lost == ["/messages/0/content/0"]


@pytest.mark.parametrize(
    "part",
    [
        Image(Media("base64", "AAAA", "image/avif")),
        Image(Media("base64", "AAAA")),
        Image(Media("base64", PNG, "image/avif")),
        Image(Media("url", "ftp://x")),
        Image(Media("file_id", "file-1")),
        File(Media("base64", "AAAA", "application/zip")),
        File(Media("base64", "////", "text/plain")),
        File(Media("file_id", "file-1")),
    ],
)
def test_media_that_the_provider_cannot_read_is_refused(part: Image | File) -> None:
    with pytest.raises(InvalidRequest) as caught:
        write(talk(says("user", "see", part)))
    assert caught.value.pointer == "/messages/0/content/1"


def test_documents_are_carried_as_pdf_or_text() -> None:
    body, lost = write(
        talk(
            says(
                "user",
                File(Media("base64", "JVBERi0x", "application/pdf"), filename="a.pdf", citations_enabled=True),
                File(Media("text", "hello", "text/plain"), context="c"),
                File(Media("base64", "aMOp", "text/markdown")),
            )
        )
    )
    assert body["messages"][0]["content"] == [
        {
            "type": "document",
            "source": {"type": "base64", "data": "JVBERi0x", "media_type": "application/pdf"},
            "title": "a.pdf",
            "citations": {"enabled": True},
        },
        {"type": "document", "source": {"type": "text", "data": "hello", "media_type": "text/plain"}, "context": "c"},
        {"type": "document", "source": {"type": "text", "data": "hé", "media_type": "text/plain"}},
    ]
    assert lost == ["/messages/0/content/2"]


def test_only_the_providers_own_thoughts_go_back_to_it() -> None:
    own, foreign = Token("anthropic_messages", "S"), Token("gemini", "G")
    body, lost = write(
        talk(
            hi(),
            says(
                "assistant",
                Reasoning("", token=own),
                Reasoning("", token=own, redacted=True),
                Reasoning("theirs", token=foreign),
                Reasoning("unsigned"),
                ToolCall("a", "f", "{}", token=foreign),
            ),
            Turn("tool", [ToolResult("a", [])]),
        )
    )
    assert body["messages"][1]["content"][:2] == [
        {"type": "thinking", "thinking": "", "signature": "S"},
        {"type": "redacted_thinking", "data": "S"},
    ]
    assert "G" not in json.dumps(body)
    at = "/messages/1/content/"
    assert lost == [at + "2", at + "3", at + "4/extra_content/google/thought_signature"]


@pytest.mark.parametrize("arguments", ['"x"', "[1]", "null", "3", '{"a":', '{}{"a":1}', '{"a":NaN}', "not json"])
def test_arguments_that_are_no_object_are_wrapped_and_reported(arguments: str) -> None:
    body, lost = write(
        talk(hi(), says("assistant", ToolCall("a", "f", arguments)), Turn("tool", [ToolResult("a", [])]))
    )
    assert body["messages"][1]["content"][0]["input"] == {"input": arguments}
    assert lost == ["/messages/1/content/0"]


def test_arguments_keep_their_very_text() -> None:
    text = '{"b" : 1.0, "a":1e400, "a": 2, "__proto__":{}}'
    conversation = talk(hi(), says("assistant", ToolCall("a", "f", text)), Turn("tool", [ToolResult("a", [])]))
    body, losses = encode_request(conversation, "claude", OLD)
    assert text.encode() in body
    assert losses == []


def test_ids_and_names_that_do_not_fit_come_back_when_read() -> None:
    conversation = talk(
        hi(),
        says("assistant", ToolCall("call:1.2", "files.read", "{}")),
        Turn("tool", [ToolResult("call:1.2", [Text("r")])]),
        tools=[Tool("files.read", at="/tools/0", parameters=Raw(b'{"type":"object"}'))],
    )
    body, losses = encode_request(conversation, "claude", OLD)
    back = decode_request(body)
    call, result = back.turns[1].parts[0], back.turns[2].parts[0]
    assert isinstance(call, ToolCall)
    assert isinstance(result, ToolResult)
    assert (call.id, call.name, result.call_id, back.tools[0].name) == (
        "call:1.2",
        "files.read",
        "call:1.2",
        "files.read",
    )
    assert losses == []


def test_a_custom_tool_and_its_call_come_back_when_read() -> None:
    conversation = talk(
        hi(),
        says("assistant", ToolCall("a", "apply_patch", '*** begin\n"x"', custom=True)),
        Turn("tool", [ToolResult("a", [Text("ok")], custom=True)]),
        tools=[Tool("apply_patch", "custom", "/tools/0", "patches")],
        tool_choice=ToolChoice("named", "/tool_choice", ["apply_patch"], custom=True),
    )
    body, losses = encode_request(conversation, "claude", OLD)
    back = decode_request(body)
    call, result = back.turns[1].parts[0], back.turns[2].parts[0]
    assert isinstance(call, ToolCall)
    assert isinstance(result, ToolResult)
    assert (call.name, call.arguments, call.custom, result.custom) == ("apply_patch", '*** begin\n"x"', True, True)
    assert (back.tools[0].name, back.tools[0].kind, back.tools[0].parameters) == ("apply_patch", "custom", None)
    assert back.tool_choice is not None
    assert (back.tool_choice.names, back.tool_choice.custom) == (["apply_patch"], True)
    assert losses == []


def test_a_grammar_is_reported() -> None:
    tools = [
        Tool("t", "custom", "/tools/0", format=Raw(b'{"type":"grammar"}')),
        Tool("u", "custom", "/tools/1", format=Raw(b'{"type":"text"}')),
    ]
    assert write(talk(hi(), tools=tools))[1] == ["/tools/0/custom/format"]


def test_results_hold_text_images_and_documents() -> None:
    image = Image(Media("base64", PNG, "image/png"))
    result = ToolResult("a", [Text("see"), image, Audio(Media("base64", "AA"), at="/audio")], "/r", name="g")
    body, lost = write(talk(hi(), says("assistant", ToolCall("a", "f", "")), Turn("tool", [result])))
    assert [block["type"] for block in body["messages"][2]["content"][0]["content"]] == ["text", "image"]
    assert lost == ["/r/name", "/audio"]


def test_what_has_no_counterpart_is_reported() -> None:
    body, lost = write(
        talk(
            says(
                "user",
                Text("t", citations=[Raw(b'{"type":"url_citation"}')]),
                Audio(Media("base64", "AA")),
                Image(Media("base64", PNG, "image/png"), detail="high"),
                Opaque("gemini", "executableCode", Raw(b"{}")),
                Opaque(
                    "anthropic_messages",
                    "search_result",
                    Raw(b'{"type":"search_result","title":"t","source":"s","content":[]}'),
                ),
            ),
            says("assistant", Refusal("no")),
            hi(),
        )
    )
    assert [block["type"] for block in body["messages"][0]["content"]] == ["text", "image", "search_result"]
    at = "/messages/0/"
    assert lost == [
        at + "annotations", at + "content/1", at + "content/2/image_url/detail", at + "content/3",
        "/messages/1/content/0",
    ]  # fmt: skip


# ---------------------------------------------------------------------------------- tools and choice


def test_schemas_keep_their_very_text() -> None:
    schema = b'{"properties": {"type": {"const":1.0}}, "type" : "object", "$defs":{}, "additionalProperties":false}'
    body, losses = encode_request(talk(hi(), tools=[Tool("f", parameters=Raw(schema), strict=True)]), "c", OLD)
    assert schema in body
    assert losses == []


@pytest.mark.parametrize(
    ("schema", "sent", "reported"),
    [
        (None, {"type": "object", "properties": {}}, False),
        (b"null", {"type": "object", "properties": {}}, False),
        (b"true", {"type": "object", "properties": {}}, True),
        (b"{}", {"type": "object"}, True),
        (b'{ "properties":{"type":{}}}', {"type": "object", "properties": {"type": {}}}, True),
    ],
)
def test_a_schema_is_made_that_of_an_object(schema: bytes | None, sent: object, reported: bool) -> None:
    tool = Tool("f", at="/tools/0", parameters=None if schema is None else Raw(schema))
    body, lost = write(talk(hi(), tools=[tool]))
    assert (body["tools"][0]["input_schema"], bool(lost)) == (sent, reported)


def test_foreign_hosted_tools_are_reported_and_own_ones_carried() -> None:
    own = Raw(b'{"type":"web_search_20250305","name":"web_search"}')
    hosted = Tool("web_search", "hosted", "/tools/0", raw=own)
    assert "tools" not in write(talk(hi(), tools=[hosted]))[0]
    assert write(talk(hi(), tools=[hosted]))[1] == ["/tools/0"]
    assert write(talk(hi(), tools=[hosted], source="anthropic_messages"))[0]["tools"] == [json.loads(bytes(own))]


F = Tool("f", at="/tools/0")
G = Tool("g", at="/tools/1")


@pytest.mark.parametrize(
    ("choice", "parallel", "written", "lost"),
    [
        (ToolChoice("auto", "/tool_choice"), None, {"type": "auto"}, []),
        (ToolChoice("none", "/tool_choice"), None, {"type": "none"}, []),
        (ToolChoice("required", "/tool_choice"), False, {"type": "any", "disable_parallel_tool_use": True}, []),
        (ToolChoice("named", "/tool_choice", ["g"]), True, {"type": "tool", "name": "g"}, []),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}, []),
        (ToolChoice("none", "/tool_choice"), False, {"type": "none"}, ["/parallel_tool_calls"]),
    ],
)
def test_tool_choice_is_written(
    choice: ToolChoice | None, parallel: bool | None, written: object, lost: list[str]
) -> None:
    body, losses = write(talk(hi(), tools=[F, G], tool_choice=choice, parallel_tool_calls=parallel))
    assert (body["tool_choice"], losses, len(body["tools"])) == (written, lost, 2)


def test_a_subset_of_tools_is_all_that_is_offered() -> None:
    body, lost = write(talk(hi(), tools=[F, G], tool_choice=ToolChoice("allowed", "/tool_choice", ["g"], True)))
    assert [tool["name"] for tool in body["tools"]] == ["g"]
    assert (body["tool_choice"], lost) == ({"type": "any"}, ["/tool_choice"])


def test_a_choice_without_tools_is_left_out() -> None:
    body, lost = write(talk(hi(), tool_choice=ToolChoice("required", "/tool_choice"), parallel_tool_calls=False))
    assert "tool_choice" not in body
    assert lost == ["/tool_choice", "/parallel_tool_calls"]


# ------------------------------------------------------------------------------------------ thinking


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "sent_effort", "lost"),
    [
        ("claude-3-7-sonnet", "low", {"type": "enabled", "budget_tokens": 1024}, None, False),
        ("claude-3-7-sonnet", "minimal", {"type": "enabled", "budget_tokens": 1024}, None, True),
        ("claude-3-7-sonnet", "high", {"type": "enabled", "budget_tokens": 4096}, None, False),
        ("claude-3-7-sonnet", "max", {"type": "enabled", "budget_tokens": 7999}, None, True),
        ("claude-3-7-sonnet", "none", {"type": "disabled"}, None, False),
        ("claude-3-7-sonnet", "ultra", None, None, True),
        ("claude-3-5-haiku", "low", None, None, True),
        ("claude-3-5-haiku", "none", None, None, False),
        ("claude-opus-4-8", "xhigh", {"type": "adaptive"}, "xhigh", False),
        ("claude-opus-4-8", "minimal", {"type": "adaptive"}, "low", True),
        ("claude-opus-4-6", "xhigh", {"type": "adaptive"}, "high", True),
        ("claude-opus-4-8", "none", {"type": "disabled"}, None, False),
        ("claude-fable-5", "none", None, None, True),
    ],
)
def test_an_effort_is_asked_for_as_the_model_takes_it(
    model: str, effort: str, thinking: object, sent_effort: str | None, lost: bool
) -> None:
    request = ReasoningRequest(effort, "/reasoning_effort")
    body, losses = write(talk(hi(), reasoning=request), capabilities_for("anthropic_messages", model))
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == sent_effort
    assert losses == ["/reasoning_effort"] * lost


@pytest.mark.parametrize("limit", [1, 1024])
def test_without_room_to_think_thinking_is_left_out(limit: int) -> None:
    request = ReasoningRequest("high", "/reasoning_effort")
    body, lost = write(talk(hi(), reasoning=request, max_output_tokens=limit))
    assert ("thinking" in body, lost) == (False, ["/reasoning_effort"])


def test_a_budget_becomes_an_effort_where_the_model_takes_no_budget() -> None:
    request = ReasoningRequest("high", "/thinking", "enabled", 5000, show=True)
    body, lost = write(talk(hi(), reasoning=request, source="anthropic_messages"), NEW)
    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert (body["output_config"], lost) == ({"effort": "high"}, ["/thinking"])


@pytest.mark.parametrize("budget", [1024, 2048, 3000, 4096, 7999])
@pytest.mark.parametrize("model", ["claude-3-7-sonnet", "claude-opus-4-6"])
def test_a_budget_that_is_read_and_written_is_the_same(budget: int, model: str) -> None:
    thinking = {"type": "enabled", "budget_tokens": budget}
    request = {"model": "m", "max_tokens": 8000, "thinking": thinking, "messages": [{"role": "user", "content": "hi"}]}
    body, lost = write(decode_request(json.dumps(request).encode()), capabilities_for("anthropic_messages", model))
    assert (body["thinking"], lost) == (thinking, [])


@pytest.mark.parametrize(
    ("before", "thinks"),
    [
        ([], False),
        ([Text("Let me look.")], False),
        ([Reasoning("hm", token=Token("gemini", "S"))], False),
        ([Text("So."), Reasoning("hm", token=Token("anthropic_messages", "S"))], False),
        ([Reasoning("hm", token=Token("anthropic_messages", "S"))], True),
        ([Reasoning("", token=Token("anthropic_messages", "S"), redacted=True)], True),
    ],
)
def test_a_budget_to_think_takes_a_thought_before_the_calls_that_are_answered(before: list[Part], thinks: bool) -> None:
    called = Turn("assistant", [*before, ToolCall("c", "f", "{}")])
    turns = [Turn("user", [Text("hi")]), called, Turn("tool", [ToolResult("c", [Text("1")])])]
    request = talk(*turns, reasoning=ReasoningRequest("high", "/reasoning_effort"))
    body, lost = write(request)
    assert ("thinking" in body, "/reasoning_effort" in lost) == (thinks, not thinks)
    adaptive, lost = write(request, NEW)
    assert ("thinking" in adaptive, "/reasoning_effort" in lost) == (True, False)


def test_a_budget_to_think_takes_a_loop_that_has_ended_without_a_thought() -> None:
    called = Turn("assistant", [ToolCall("c", "f", "{}")])
    results = Turn("tool", [ToolResult("c", [Text("1")])])
    turns = [Turn("user", [Text("hi")]), called, results, Turn("assistant", [Text("1")]), Turn("user", [Text("so?")])]
    body, lost = write(talk(*turns, reasoning=ReasoningRequest("high", "/reasoning_effort")))
    assert (body["thinking"]["type"], lost) == ("enabled", [])


def test_while_thinking_by_budget_no_call_is_forced_and_nothing_sampled() -> None:
    body, lost = write(
        talk(
            hi(),
            reasoning=ReasoningRequest("low", "/reasoning_effort"),
            tools=[F],
            tool_choice=ToolChoice("required", "/tool_choice"),
            temperature=0.5,
            top_k=3,
            top_p=0.5,
        )
    )
    assert body["tool_choice"] == {"type": "auto"}
    assert not body.keys() & {"temperature", "top_k", "top_p"}
    assert lost == ["/tool_choice", "/temperature", "/top_p", "/top_k"]


# -------------------------------------------------------------------------------------- other fields


@pytest.mark.parametrize(
    ("model", "temperature", "top_p", "sent", "lost"),
    [
        ("claude-3-7-sonnet", 0.3, 0.9, {"temperature": 0.3, "top_p": 0.9}, []),
        ("claude-3-7-sonnet", 1.7, None, {"temperature": 1.0}, ["/temperature"]),
        ("claude-haiku-4-5", 0.3, 0.9, {"temperature": 0.3}, ["/top_p"]),
        ("claude-haiku-4-5", 0.3, 1.0, {"temperature": 0.3}, []),
        ("claude-haiku-4-5", None, 0.9, {"top_p": 0.9}, []),
        ("claude-opus-4-8", 1.0, 1.0, {}, []),
        ("claude-opus-4-8", 0.3, 0.9, {}, ["/temperature", "/top_p"]),
    ],
)
def test_sampling_is_sent_as_far_as_the_model_takes_it(
    model: str, temperature: float | None, top_p: float | None, sent: dict[str, float], lost: list[str]
) -> None:
    capabilities = capabilities_for("anthropic_messages", model)
    body, losses = write(talk(hi(), temperature=temperature, top_p=top_p), capabilities)
    assert {name: body[name] for name in ("temperature", "top_p") if name in body} == sent
    assert losses == lost


def test_a_limit_is_invented_without_loss_and_lowered_with_one() -> None:
    assert write(talk(hi(), max_output_tokens=None))[0]["max_tokens"] == OLD.default_max_output_tokens
    assert write(talk(hi(), max_output_tokens=None))[1] == []
    pointers = {"max_output_tokens": "/max_completion_tokens"}
    body, lost = write(talk(hi(), max_output_tokens=10**6, pointers=pointers))
    assert (body["max_tokens"], lost) == (64000, ["/max_completion_tokens"])


def test_a_schema_for_the_answer_is_sent_where_the_model_takes_one() -> None:
    schema = Raw(b'{"type":"string"}')
    output = OutputFormat("json_schema", "/response_format", "answer_1", schema, True)
    body, lost = write(talk(hi(), output=output), NEW)
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": {"type": "string"}}}
    assert lost == ["/response_format/json_schema/name"]
    assert write(talk(hi(), output=output), OLD)[1] == ["/response_format"]
    assert write(talk(hi(), output=OutputFormat("json_object", "/response_format")), NEW)[1] == ["/response_format"]
    assert write(talk(hi(), output=OutputFormat("text", "/response_format")), NEW)[1] == []


def test_an_answers_schema_is_written_as_the_provider_takes_it_and_what_it_cannot_hold_is_reported() -> None:
    schema = Raw(b'{"type":"object","properties":{"n":{"type":"integer","minimum":1}}}')
    output = OutputFormat("json_schema", "/response_format", schema=schema)
    body, lost = write(talk(hi(), output=output), NEW)
    assert body["output_config"]["format"]["schema"] == {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "additionalProperties": False,
    }
    assert lost == ["/response_format/json_schema/schema/properties/n/minimum"]


@pytest.mark.parametrize(
    ("source", "at"),
    [
        ("openai_responses", "/text/format/schema"),
        ("anthropic_messages", "/output_config/format/schema"),
        ("gemini", "/generationConfig/responseJsonSchema"),
        ("ollama", "/format"),
    ],
)
def test_what_falls_of_an_answers_schema_is_where_the_client_wrote_it(source: str, at: str) -> None:
    node = at.removesuffix("/schema")
    output = OutputFormat("json_schema", node, schema=Raw(b'{"type":"string","maxLength":3}'))
    assert write(talk(hi(), output=output, source=source), NEW)[1] == [f"{at}/maxLength"]


def test_a_recursive_schema_for_the_answer_is_lost_as_a_whole() -> None:
    schema = Raw(b'{"$ref":"#/$defs/T","$defs":{"T":{"type":"array","items":{"$ref":"#/$defs/T"}}}}')
    body, lost = write(talk(hi(), output=OutputFormat("json_schema", "/response_format", schema=schema)), NEW)
    assert "output_config" not in body
    assert lost == ["/response_format"]


@pytest.mark.parametrize(
    "schema",
    [
        b'{"type":"object","properties":{}}',
        b'{"type":"object","properties":{"n":{"type":"integer","minimum":1}},"additionalProperties":false}',
        b'{"type":"object","properties":{"t":{"$ref":"#"}},"additionalProperties":false}',
    ],
)
def test_a_tool_whose_schema_cannot_be_enforced_keeps_all_of_it_and_is_not_strict(schema: bytes) -> None:
    tool = Tool("f", at="/tools/0", parameters=Raw(schema), strict=True)
    body, losses = encode_request(talk(hi(), tools=[tool]), "c", OLD)
    assert schema in body
    assert b"strict" not in body
    assert [loss.pointer for loss in losses] == ["/tools/0/function/strict"]


def test_the_rest_is_carried_or_reported() -> None:
    body, lost = write(
        talk(
            hi(),
            stop=["END", " \n"],
            user="u1",
            service_tier="default",
            stream=True,
            seed=1,
            n=2,
            presence_penalty=0.5,
            frequency_penalty=0.0,
            logprobs=False,
            logit_bias=Raw(b"{}"),
            verbosity="low",
            metadata=Raw(b'{"a":"b"}'),
            store=True,
            min_p=0.1,
            cache_key="k",
            unread=[Loss("/moderation", "unknown")],
        )
    )
    assert (body["stop_sequences"], body["metadata"], body["service_tier"], body["stream"]) == (
        ["END"],
        {"user_id": "u1"},
        "standard_only",
        True,
    )
    assert lost == [
        "/moderation",
        "/stop/1",
        "/min_p",
        "/seed",
        "/presence_penalty",
        "/n",
        "/verbosity",
        "/metadata",
        "/store",
        "/cache_key",
    ]


def test_the_last_four_cache_marks_are_kept_and_longer_ones_come_first() -> None:
    def marked(text: str, ttl: str | None) -> Text:
        return Text(text, cache=CacheMark(ttl))

    body, lost = write(
        talk(
            Turn("system", [marked("s", "1h")], "/s"),
            Turn("user", [marked("a", "1h"), marked("b", None), marked("c", "1h"), marked("d", "30m")], "/u"),
            tools=[Tool("f", at="/tools/0", cache=CacheMark("1h"))],
        )
    )
    assert "cache_control" not in body["tools"][0]
    assert "cache_control" not in body["system"][0]
    assert [block["cache_control"] for block in body["messages"][0]["content"]] == [
        {"type": "ephemeral", "ttl": "1h"},
        {"type": "ephemeral"},
        {"type": "ephemeral", "ttl": "5m"},
        {"type": "ephemeral", "ttl": "5m"},
    ]
    assert lost == ["/tools/0", "/s/content/0", "/u/content/2", "/u/content/3", "/u/content/3"]


# ------------------------------------------------------------------------- what the provider refuses


def test_a_history_of_calls_without_tools_gets_tools_that_must_not_be_called() -> None:
    calls: list[Part] = [ToolCall("a", "f", "{}"), ToolCall("b", "g", "x", custom=True), ToolCall("c", "f", "{}")]
    results: list[Part] = [ToolResult(id_, [Text("1")]) for id_ in "abc"]
    turns = [Turn("user", [Text("hi")]), Turn("assistant", calls), Turn("tool", results)]
    body, lost = write(talk(*turns))
    names = [block["name"] for block in body["messages"][1]["content"]]
    assert [tool["name"] for tool in body["tools"]] == names[:2]
    assert {tool["input_schema"]["type"] for tool in body["tools"]} == {"object"}
    assert (body["tool_choice"], lost) == ({"type": "none"}, [])
    body, _ = write(talk(*turns, tools=[Tool("h")]))
    assert ([tool["name"] for tool in body["tools"]], "tool_choice" in body) == (["h"], False)


def test_images_and_documents_of_the_assistants_are_lost() -> None:
    image, file = Image(Media("base64", PNG, "image/png")), File(Media("base64", "JVBERi0=", "application/pdf"))
    body, lost = write(
        talk(Turn("user", [Text("draw")]), Turn("assistant", [image, Text("so"), file]), Turn("user", [Text("ok")]))
    )
    assert body["messages"][1]["content"] == [{"type": "text", "text": "so"}]
    assert lost == ["/messages/1/content/0", "/messages/1/content/2"]


@pytest.mark.parametrize("part", [Text(" \n\t"), Refusal(" ")])
def test_a_text_of_white_space_only_is_lost(part: Part) -> None:
    body, lost = write(talk(Turn("user", [Text("hi"), part])))
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    assert lost == ["/messages/0/content/1"]
    with pytest.raises(InvalidRequest):
        write(talk(Turn("user", [Text("  ")])))


@pytest.mark.parametrize("user", ["somebody@example.org", "u" * 257])
def test_an_end_users_address_or_long_id_is_hashed(user: str) -> None:
    body, lost = write(talk(Turn("user", [Text("hi")]), user=user))
    assert (body["metadata"], lost) == ({"user_id": hashed_id(user)}, ["/user"])


def test_no_schema_is_kept_to_while_a_message_is_continued() -> None:
    output = OutputFormat("json_schema", "/response_format", schema=Raw(b'{"type":"object"}'))
    turns = [Turn("user", [Text("hi")]), Turn("assistant", [Text("{")])]
    body, lost = write(talk(*turns, output=output), SONNET_45)
    assert ("output_config" in body, lost) == (False, ["/response_format"])


# ---------------------------------------------------------------------------------------- properties

CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(str.strip)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
ARGUMENTS = st.dictionaries(TEXTS, VALUES, max_size=3)
SIGNED = st.builds(
    lambda text, value: {"type": "thinking", "thinking": text, "signature": value},
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.text("abcAB+/=", min_size=4),
)


@st.composite
def own_requests(draw: st.DrawFn) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, 3))):
        ids = draw(st.lists(st.from_regex(r"[a-zA-Z0-9_-]{1,12}", fullmatch=True), max_size=3, unique=True))
        messages.append({"role": "user", "content": [{"type": "text", "text": draw(TEXTS)}]})
        content = [*draw(st.lists(SIGNED, max_size=1)), {"type": "text", "text": draw(TEXTS)}]
        content += [{"type": "tool_use", "id": id_, "name": "f", "input": draw(ARGUMENTS)} for id_ in ids]
        messages.append({"role": "assistant", "content": content})
        results = [{"type": "tool_result", "tool_use_id": id_, "content": draw(TEXTS)} for id_ in ids]
        messages.append({"role": "user", "content": [*results, {"type": "text", "text": draw(TEXTS)}]})
        messages.append({"role": "assistant", "content": [{"type": "text", "text": draw(TEXTS)}]})
    messages.append({"role": "user", "content": [{"type": "text", "text": "go on"}]})
    body = {"model": "claude", "max_tokens": draw(st.integers(1, 60000)), "messages": messages}
    optional: dict[str, Any] = {
        "system": [{"type": "text", "text": draw(TEXTS)} for _ in range(draw(st.integers(1, 2)))],
        "temperature": draw(st.floats(0, 1)),
        "top_k": draw(st.integers(1, 100)),
        "stop_sequences": draw(st.lists(TEXTS, min_size=1, max_size=3)),
        "stream": True,
        "service_tier": draw(st.sampled_from(["auto", "standard_only"])),
        "metadata": {"user_id": draw(TEXTS).replace("@", "a")},  # nobody's address
        "cache_control": {"type": "ephemeral", "ttl": "5m"},
        "tools": [
            {"name": "f", "input_schema": {"type": "object", "properties": draw(ARGUMENTS)}, "strict": False},
            {"name": "g", "input_schema": CLOSED, "strict": True},
        ],
    }
    written = {name for name in optional if draw(st.booleans())}
    if any(block["type"] == "tool_use" for message in messages for block in message["content"]):
        written.add("tools")  # for calls without any tools the provider refuses
    return body | {name: value for name, value in optional.items() if name in written}


@given(own_requests())
def test_a_request_that_is_read_and_written_is_the_same(request: dict[str, Any]) -> None:
    conversation = decode_request(json.dumps(request).encode())
    body, losses = encode_request(conversation, "claude", OLD)
    assert json.loads(body) == request
    assert losses == []


@given(own_requests())
def test_reading_and_writing_twice_changes_nothing_more(request: dict[str, Any]) -> None:
    """Whatever the model, the second trip loses nothing."""
    first, _ = encode_request(decode_request(json.dumps(request).encode()), "claude", NEW)
    second, losses = encode_request(decode_request(first), "claude", NEW)
    assert (second, losses) == (first, [])


@given(own_requests())
def test_taking_a_capability_away_only_adds_losses(request: dict[str, Any]) -> None:
    conversation = decode_request(json.dumps(request).encode())
    _, able = encode_request(conversation, "claude", OLD)
    lesser = msgspec.structs.replace(OLD, sampling="none", tools=False, structured_output=False)
    _, less = encode_request(conversation, "claude", lesser)
    assert {loss.pointer for loss in able} <= {loss.pointer for loss in less}
