import json
from typing import Any

import hypothesis.strategies as st
import msgspec
import pydantic
import pytest
from hypothesis import given
from openai.types.chat import completion_create_params

from tests.dialects.readers import placeless
from trio_gateway.dialects.capabilities import Capabilities
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
from trio_gateway.dialects.openai_chat import decode_request, encode_request
from trio_gateway.errors import InvalidRequest

REQUEST: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(completion_create_params.CompletionCreateParamsNonStreaming)
HI = Turn("user", [Text("hi", "/messages/0")], "/messages/0")
ANSWERED = (Turn("tool", [ToolResult("a", [Text("1")])]),)
SCHEMA = msgspec.Raw(b'{ "type":"object" }')


def encode(
    *turns: Turn, source: str = "anthropic_messages", can: Capabilities | None = None, **fields: Any
) -> tuple[dict[str, Any], list[str]]:
    """Return the body, checked against the SDK's types, and the pointers of its losses."""
    conversation = Conversation(source=source, model="theirs", turns=list(turns) or [HI], **fields)
    body, losses = encode_request(conversation, "m", can or Capabilities())
    decoded: dict[str, Any] = json.loads(body)
    REQUEST.validate_python({name: value for name, value in decoded.items() if name != "stream"})
    return decoded, [loss.pointer for loss in losses]


def messages(
    *parts: Part, role: Any = "user", after: tuple[Turn, ...] = (), **options: Any
) -> tuple[list[dict[str, Any]], list[str]]:
    body, losses = encode(Turn(role, list(parts), "/t"), *after, **options)
    return body["messages"], losses


def test_a_small_conversation_loses_nothing() -> None:
    body, losses = encode(Turn("system", [Text("Be terse.")]), HI, temperature=0.5, max_output_tokens=9, stop=["a"])
    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be terse."}, {"role": "user", "content": "hi"}],
        "max_completion_tokens": 9,
        "temperature": 0.5,
        "stop": ["a"],
    }
    assert losses == []


def test_what_the_decoder_could_not_read_is_lost_first() -> None:
    unread = [Loss("/thing", "unknown")]
    conversation = Conversation(source="ollama", model="", turns=[HI], unread=unread, top_k=3)
    _, losses = encode_request(conversation, "m", Capabilities())
    assert [loss.pointer for loss in losses] == ["/thing", "/top_k"]
    assert unread == [Loss("/thing", "unknown")]


def test_usage_is_always_asked_of_a_stream() -> None:
    body, _ = encode(stream=True)
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


def test_media_become_parts() -> None:
    (message,), losses = messages(
        Text("a"),
        Text("b"),
        Image(Media("base64", "iVBO", "image/webp"), detail="high"),
        Image(Media("url", "https://example.org")),
        Audio(Media("base64", "AA==", "audio/mpeg")),
        File(Media("base64", "JVBE", "application/pdf"), filename="a.pdf"),
    )
    assert message["content"] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
        {"type": "image_url", "image_url": {"url": "data:image/webp;base64,iVBO", "detail": "high"}},
        {"type": "image_url", "image_url": {"url": "https://example.org"}},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}},
    ]
    assert losses == []


def test_media_without_a_type_or_name_get_one_and_say_so() -> None:
    untyped = [Image(Media("base64", "AAAA"), "/i"), File(Media("base64", "AAAA"), "/f")]
    (message,), losses = messages(*untyped)
    assert message["content"][0]["image_url"]["url"] == "data:image/png;base64,AAAA"
    file = message["content"][1]["file"]
    assert (file["filename"], file["file_data"]) == ("document.pdf", "data:application/pdf;base64,AAAA")
    assert losses == ["/i", "/f", "/f"]


def test_media_that_say_by_their_first_bytes_what_they_are_need_no_type() -> None:
    told = [Image(Media("base64", "/9j/4AAQ"), "/i"), File(Media("base64", "JVBERi0="), "/f", "a.pdf")]
    (message,), losses = messages(*told)
    assert message["content"][0]["image_url"]["url"] == "data:image/jpeg;base64,/9j/4AAQ"
    assert message["content"][1]["file"]["file_data"] == "data:application/pdf;base64,JVBERi0="
    assert losses == []


@pytest.mark.parametrize(
    "part",
    [
        Image(Media("file_id", "file_1"), "/x"),
        File(Media("url", "https://example.org"), "/x"),
        File(Media("file_id", "file_1"), "/x"),
        Audio(Media("url", "https://example.org"), "/x"),
    ],
)
def test_media_that_chat_cannot_name_are_to_be_inlined(part: Part) -> None:
    with pytest.raises(InvalidRequest, match="inline, as base64") as caught:
        messages(part)
    assert caught.value.pointer == "/x"


def test_an_image_url_is_refused_where_the_model_takes_none() -> None:
    with pytest.raises(InvalidRequest):
        messages(Image(Media("url", "https://example.org")), can=Capabilities(image_urls=False))


def test_what_a_model_takes_not_at_all_is_lost() -> None:
    can = Capabilities(images=False, audio=False, files=False)
    media = Media("base64", "AA==", "application/pdf")
    (message,), losses = messages(Image(media, "/i"), Audio(media, "/a"), File(media, "/f"), Text("x"), can=can)
    assert message["content"] == "x"
    assert losses == ["/i", "/a", "/f"]


def test_a_text_document_becomes_text() -> None:
    (message,), losses = messages(File(Media("text", "body"), "/f", "a.txt", context="c"))
    assert message["content"] == "body"
    assert losses == ["/f/context", "/f", "/f/title"]


def test_calls_results_and_what_follows_keep_their_order() -> None:
    image = Image(Media("base64", "iVBO", "image/png"), "/img")
    body, losses = encode(
        Turn("assistant", [Text("let me see"), ToolCall("a", "f", '{"x":1.0}'), ToolCall("b", "g", "")]),
        Turn("tool", [ToolResult("a", [Text("1"), image], name="f"), ToolResult("b", [], "/b", is_error=True)]),
        Turn("user", [Text("and?")]),
    )
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1.0}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    assert body["messages"] == [
        {"role": "assistant", "content": "let me see", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": ""},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}]},
        {"role": "user", "content": "and?"},
    ]
    assert losses == ["/img", "/b/is_error"]


def test_images_of_results_follow_the_last_result_of_the_group() -> None:
    image = Image(Media("base64", "iVBO", "image/png"), "/img")
    body, _ = encode(Turn("tool", [ToolResult("a", [image])]), Turn("tool", [ToolResult("b", [Text("2")])]))
    assert [message["role"] for message in body["messages"]] == ["tool", "tool", "user"]


def test_an_assistant_message_of_calls_alone_has_no_content() -> None:
    (message, _), losses = messages(Text(""), ToolCall("a", "f", "{}"), role="assistant", after=ANSWERED)
    assert "content" not in message
    assert losses == []


def test_text_after_a_call_moves_forward_and_says_so() -> None:
    (message,), losses = messages(ToolCall("a", "f", "{}"), Text("b", "/b"), role="assistant", source="openai_chat")
    assert message["content"] == "b"
    assert losses == ["/b"]


@pytest.mark.parametrize("arguments", ["[1]", '{"a":', "", "null", '{ "a" : 1e2 }'])
def test_arguments_stay_the_text_they_were(arguments: str) -> None:
    (message, _), _ = messages(ToolCall("a", "f", arguments), role="assistant", after=ANSWERED)
    assert message["tool_calls"][0]["function"]["arguments"] == (arguments or "{}")


def test_long_ids_are_hashed_alike_in_call_and_result() -> None:
    long = "toolu|" + "x" * 200
    body, losses = encode(
        Turn("assistant", [ToolCall(long, "f", "{}", "/c"), ToolCall(long + "y", "f", "{}", "/d")]),
        Turn("tool", [ToolResult(long, [Text("1")], "/r"), ToolResult(long + "y", [Text("1")], "/s")]),
    )
    first, second = (call["id"] for call in body["messages"][0]["tool_calls"])
    assert first == body["messages"][1]["tool_call_id"] != second
    assert len(first) == 40
    assert losses == ["/c", "/d", "/r", "/s"]


def test_reasoning_stays_here_unless_the_target_wants_it_back() -> None:
    own, foreign = Token("openai_chat", "s"), Token("anthropic_messages", "S")
    parts = [
        Reasoning("a", "/0", own),
        Reasoning("b", "/1", foreign),
        Reasoning("", "/2", foreign, redacted=True),
        Text("x"),
    ]
    (message,), losses = messages(*parts, role="assistant", source="openai_chat")
    assert message == {"role": "assistant", "content": "x"}
    assert losses == ["/0", "/1", "/2"]
    (message,), losses = messages(
        *parts, role="assistant", source="openai_chat", can=Capabilities(replay_reasoning=True)
    )
    assert message["reasoning_content"] == "ab"
    assert message["reasoning_details"] == [
        {"type": "reasoning.text", "text": "a", "signature": "s"},
        {"type": "reasoning.text", "text": "b"},
    ]
    assert losses == ["/1/signature", "/2/data"]
    unsigned = Reasoning("a", "/0", id="rs_1")
    (message,), losses = messages(
        unsigned, role="assistant", source="openai_responses", can=Capabilities(replay_reasoning=True)
    )
    assert message["reasoning_content"] == "a"
    assert losses == ["/0/id"]


def test_a_calls_token_goes_to_its_issuer_only() -> None:
    own, foreign = Token("openai_chat", "s"), Token("gemini", "g")
    calls = [ToolCall("a", "f", "{}", token=own), ToolCall("b", "f", "{}", "/b", token=foreign)]
    (message,), losses = messages(*calls, role="assistant", source="openai_chat")
    assert message["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "s"}}
    assert "extra_content" not in message["tool_calls"][1]
    assert losses == ["/b/extra_content/google/thought_signature"]


def test_no_foreign_token_is_ever_in_a_request() -> None:
    token = Token("anthropic_messages", "SECRET-TOKEN")
    parts: list[Part] = [Text("t", token=token), Reasoning("r", token=token), ToolCall("a", "f", "{}", token=token)]
    body, _ = encode(Turn("assistant", parts), can=Capabilities(replay_reasoning=True))
    assert "SECRET-TOKEN" not in json.dumps(body)


def test_custom_calls_and_tools_go_through() -> None:
    flat = msgspec.Raw(b'{"type":"grammar","syntax":"lark","definition":"start: \\"a\\""}')
    body, losses = encode(
        Turn("assistant", [ToolCall("a", "sh", "ls", custom=True)]),
        Turn("tool", [ToolResult("a", [Text("x")], custom=True)]),
        tools=[Tool("sh", "custom", format=flat, description="d")],
        tool_choice=ToolChoice("named", names=["sh"], custom=True),
        source="openai_responses",
    )
    assert body["messages"][0]["tool_calls"] == [{"id": "a", "type": "custom", "custom": {"name": "sh", "input": "ls"}}]
    assert body["tools"][0]["custom"]["format"] == {
        "type": "grammar",
        "grammar": {"syntax": "lark", "definition": 'start: "a"'},
    }
    assert body["tool_choice"] == {"type": "custom", "custom": {"name": "sh"}}
    assert losses == []


def test_a_schema_keeps_its_bytes() -> None:
    tools = [Tool("f", parameters=SCHEMA, strict=False)]
    conversation = Conversation(source="gemini", model="", turns=[HI], tools=tools)
    body, _ = encode_request(conversation, "m", Capabilities())
    assert b'"parameters":{ "type":"object" }' in body


def test_what_tools_have_and_chat_has_not_is_lost() -> None:
    tools = [Tool("f", at="/0", cache=CacheMark()), Tool("web_search", "hosted", "/1", raw=SCHEMA)]
    body, losses = encode(tools=tools)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f"]
    assert losses == ["/0", "/1"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("required"), "required"),
        (ToolChoice("named", names=["f"]), {"type": "function", "function": {"name": "f"}}),
        (
            ToolChoice("allowed", names=["f", "c"], required=True),
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [
                        {"type": "function", "function": {"name": "f"}},
                        {"type": "custom", "custom": {"name": "c"}},
                    ],
                },
            },
        ),
    ],
)
def test_every_tool_choice_goes_through(choice: ToolChoice, expected: object) -> None:
    body, losses = encode(tools=[Tool("f"), Tool("c", "custom")], tool_choice=choice, parallel_tool_calls=False)
    assert body["tool_choice"] == expected
    assert body["parallel_tool_calls"] is False
    assert losses == []


def test_without_tools_there_is_no_choice_of_tools() -> None:
    body, losses = encode(tool_choice=ToolChoice("required", "/tool_choice"), parallel_tool_calls=False)
    assert "tool_choice" not in body
    assert "parallel_tool_calls" not in body
    assert losses == ["/tool_choice", "/parallel_tool_calls"]


@pytest.mark.parametrize(
    ("asked", "can", "effort", "losses"),
    [
        (ReasoningRequest("high", "/r"), {}, "high", []),
        (ReasoningRequest("high", "/r", mode="adaptive"), {}, "high", []),
        (ReasoningRequest(None, "/r", mode="disabled"), {}, "none", []),
        (ReasoningRequest(None, "/r", mode="enabled", budget_tokens=4096), {}, "high", ["/r"]),
        (ReasoningRequest(None, "/r", budget_tokens=0), {}, "none", ["/r"]),
        (ReasoningRequest("low", "/r", budget_tokens=9999), {}, "low", ["/r/budget_tokens"]),
        (ReasoningRequest(None, "/r", mode="adaptive"), {}, None, ["/r"]),
        (ReasoningRequest("low", "/r", show=True), {}, "low", ["/r/display"]),
        (ReasoningRequest("max", "/r"), {"efforts": frozenset({"low", "high"})}, "high", ["/r"]),
        (ReasoningRequest("low", "/r"), {"efforts": frozenset()}, None, ["/r"]),
    ],
)
def test_asking_for_thought_becomes_an_effort(
    asked: ReasoningRequest, can: Any, effort: str | None, losses: list[str]
) -> None:
    body, lost = encode(reasoning=asked, can=Capabilities(**can))
    assert body.get("reasoning_effort") == effort
    assert lost == losses


def test_where_tools_and_reasoning_exclude_each_other_the_tools_win() -> None:
    can = Capabilities(tools_with_reasoning=False)
    body, losses = encode(reasoning=ReasoningRequest("high", "/r"), tools=[Tool("f")], can=can)
    assert body["reasoning_effort"] == "none"
    assert losses == ["/r"]
    body, losses = encode(reasoning=ReasoningRequest("high", "/r"), can=can)
    assert (body["reasoning_effort"], losses) == ("high", [])


@pytest.mark.parametrize(
    ("fields", "can", "expected", "losses"),
    [
        ({"temperature": 3.0}, {}, {"temperature": 2.0}, ["/temperature"]),
        ({"temperature": 1.0, "top_p": 1.0}, {"sampling": "none"}, {}, []),
        ({"temperature": 0.5, "top_p": 0.5}, {"sampling": "none"}, {}, ["/temperature", "/top_p"]),
        ({"temperature": 0.5, "top_p": 0.5}, {"sampling": "one"}, {"temperature": 0.5}, ["/top_p"]),
        ({"stop": ["1", "2", "3", "4", "5"]}, {}, {"stop": ["1", "2", "3", "4"]}, ["/stop"]),
        ({"stop": ["1"]}, {"stop_sequences": False}, {}, ["/stop"]),
        ({"max_output_tokens": 9}, {"max_output_tokens": 5}, {"max_completion_tokens": 5}, ["/max_output_tokens"]),
        ({"service_tier": "standard_only"}, {}, {"service_tier": "default"}, ["/service_tier"]),
        ({"service_tier": "ultrafast"}, {}, {}, ["/service_tier"]),
        ({"top_k": 4, "min_p": 0.1, "keep_alive": SCHEMA}, {}, {}, ["/top_k", "/min_p", "/keep_alive"]),
        ({"user": "ann"}, {}, {"safety_identifier": "ann"}, []),
        ({"cache": CacheMark()}, {}, {}, []),
        ({"cache": CacheMark("1h")}, {}, {}, ["/cache"]),
    ],
)
def test_scalars_are_carried_or_lost(fields: Any, can: Any, expected: dict[str, Any], losses: list[str]) -> None:
    body, lost = encode(can=Capabilities(**can), **fields)
    del body["model"], body["messages"]
    assert body == expected
    assert lost == losses


def test_a_long_user_id_is_hashed() -> None:
    body, losses = encode(user="u" * 200)
    assert len(body["safety_identifier"]) == 64
    assert losses == ["/user"]


def test_output_formats_go_through() -> None:
    wanted = OutputFormat("json_schema", "/o", schema=SCHEMA, strict=True)
    body, losses = encode(output=wanted)
    schema = {"name": "response", "schema": {"type": "object"}, "strict": True}
    assert body["response_format"] == {"type": "json_schema", "json_schema": schema}
    assert losses == []
    body, losses = encode(output=wanted, can=Capabilities(structured_output=False))
    assert body["response_format"] == {"type": "json_object"}
    assert losses == ["/o"]


def test_cache_marks_go_where_they_are_known() -> None:
    parts = [Text("a", "/a", CacheMark("5m")), Text("b", "/b", CacheMark("30m"))]
    (message,), losses = messages(*parts, can=Capabilities(cache_breakpoints=True))
    assert message["content"] == [
        {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "text", "text": "b", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}},
    ]
    assert losses == ["/a"]
    (message,), losses = messages(*parts)
    assert message["content"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert losses == ["/a", "/b"]


def test_what_messages_have_and_chat_has_not_is_lost() -> None:
    opaque = Opaque("anthropic_messages", "server_tool_use", SCHEMA, "/o")
    (message,), losses = messages(Text("a", "/a", citations=[SCHEMA]), opaque, Refusal("no"), role="assistant")
    assert message["content"] == [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "no"}]
    assert losses == ["/t", "/a/citations", "/o"]


def test_a_last_assistant_message_is_not_continued() -> None:
    last = Turn("assistant", [Text("The answer is")], "/messages/1")
    assert encode(HI, last, source="anthropic_messages")[1] == ["/messages/1"]
    assert encode(HI, last, source="openai_chat")[1] == []


TEXT = st.builds(Text, st.text(min_size=1, max_size=5))
ARGUMENTS = st.dictionaries(st.text(max_size=3), st.integers(), max_size=2).map(json.dumps)
NAME = st.text("abz_-09", min_size=1, max_size=6)
IMAGE = st.builds(Image, st.just(Media("base64", "iVBO", "image/png")), detail=st.sampled_from([None, "low"]))


@st.composite
def histories(draw: st.DrawFn) -> list[Turn]:
    turns = [Turn("system", [draw(TEXT)])] if draw(st.booleans()) else []
    for number in range(draw(st.integers(1, 3))):
        turns.append(Turn("user", draw(st.lists(TEXT | IMAGE, min_size=1, max_size=3))))
        calls = [
            ToolCall(f"call_{number}_{position}", draw(NAME), draw(ARGUMENTS))
            for position in range(draw(st.integers(0, 3)))
        ]
        turns.append(Turn("assistant", [*draw(st.lists(TEXT, min_size=0 if calls else 1, max_size=2)), *calls]))
        turns += [Turn("tool", [ToolResult(call.id, [draw(TEXT)])]) for call in calls]
    return turns


@given(histories())
def test_what_chat_can_hold_comes_back_as_it_was(turns: list[Turn]) -> None:
    conversation = Conversation(source="openai_chat", model="m", turns=turns)
    body, losses = encode_request(conversation, "m", Capabilities())
    REQUEST.validate_json(body)
    again = decode_request(body)
    assert losses == again.unread == []
    assert placeless(again.turns) == placeless(conversation.turns)
    assert encode_request(again, "m", Capabilities()) == (body, [])


@given(histories(), histories())
def test_a_longer_history_begins_with_the_same_bytes(turns: list[Turn], more: list[Turn]) -> None:
    short = encode_request(Conversation(source="gemini", model="m", turns=turns), "m", Capabilities())[0]
    longer = encode_request(Conversation(source="gemini", model="m", turns=turns + more), "m", Capabilities())[0]
    assert longer.startswith(short.removesuffix(b"]}"))


def test_a_message_of_which_nothing_is_left_is_left_out_and_one_must_stay() -> None:
    gone = Turn("assistant", [Reasoning("hm", "/r")], "/t")
    body, losses = encode(HI, gone, HI)
    assert [message["role"] for message in body["messages"]] == ["user", "user"]
    assert losses == ["/r", "/t"]
    with pytest.raises(InvalidRequest, match="at least one message"):
        encode(gone)
