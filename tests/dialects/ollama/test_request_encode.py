from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from ollama import _types as sdk_types

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
from trio_gateway.dialects.ollama import decode_request, encode_request
from trio_gateway.errors import InvalidRequest

PNG = "iVBORw0KGgo="
CAN = Capabilities()


def encode(*turns: Turn, can: Capabilities = CAN, source: str = "openai_chat", **fields: Any) -> tuple[Any, list[str]]:
    """Return the body, and where something was lost."""
    conversation = Conversation(source=source, model="route", turns=list(turns), **fields)
    body, losses = encode_request(conversation, "m", can)
    return json.loads(body), [loss.pointer for loss in losses]


def message(*parts: Part, role: Any = "user", **fields: Any) -> tuple[Any, list[str]]:
    body, losses = encode(Turn(role, list(parts), "/messages/0", **fields))
    assert len(body["messages"]) == 1
    return body["messages"][0], losses


def test_a_small_request_says_that_it_does_not_stream() -> None:
    assert encode(Turn("user", [Text("hi", "/messages/0/content")])) == (
        {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": False},
        [],
    )


def test_what_was_left_unread_is_lost_first() -> None:
    _, losses = encode(Turn("user", [Text("a")], "/messages/0", name="bob"), unread=[Loss("/x", "unknown")])
    assert losses == ["/x", "/messages/0/name"]


def test_parts_fold_into_one_message() -> None:
    written, losses = message(
        Text("See", "/messages/0/content/0"),
        Text("this", "/messages/0/content/1"),
        Image(Media("base64", PNG, "image/png"), "/messages/0/content/2"),
    )
    assert written == {"role": "user", "content": "See\nthis", "images": [PNG]}
    assert losses == ["/messages/0"]


def test_text_before_images_is_ollamas_order_and_the_other_way_round_is_not() -> None:
    text, image = Text("a", "/t"), Image(Media("base64", PNG, "image/png"), "/i")
    assert message(text, image)[1] == []
    assert message(image, text) == ({"role": "user", "content": "a", "images": [PNG]}, ["/messages/0"])


def test_an_assistants_thoughts_text_and_calls_are_carried_exactly() -> None:
    written, losses = message(
        Reasoning("hm", "/r"),
        Text("ok", "/t"),
        ToolCall("c1", "f", '{"b": 1.0,"a":2}', "/c"),
        ToolCall("c2", "f", "", "/d"),
        role="assistant",
    )
    assert written == {
        "role": "assistant",
        "content": "ok",
        "thinking": "hm",
        "tool_calls": [
            {"function": {"name": "f", "arguments": {"b": 1.0, "a": 2}}, "id": "c1"},
            {"function": {"name": "f", "arguments": {}}, "id": "c2"},
        ],
    }
    assert losses == []


def test_arguments_are_the_very_text() -> None:
    text = '{"b": 1.0,  "a":[ ]}'
    turn = Turn("assistant", [ToolCall("c", "f", text)])
    body, _ = encode_request(Conversation(source="openai_chat", model="m", turns=[turn]), "m", CAN)
    assert text.encode() in body


@pytest.mark.parametrize(
    "arguments", ['{"a":', "[1]", '"x"', "null", "3", '{}{"a":1}', "{} tail", '{"a":NaN}', "\ud800"]
)
def test_arguments_that_are_no_object_are_wrapped(arguments: str) -> None:
    written, losses = message(ToolCall("c", "f", arguments, "/c"), role="assistant")
    assert written["tool_calls"][0]["function"]["arguments"] == {"input": arguments.encode(errors="replace").decode()}
    assert losses == ["/c"]


def test_a_custom_tool_and_its_calls_become_functions_with_one_argument() -> None:
    body, losses = encode(
        Turn("assistant", [ToolCall("c", "sh", "ls -l", "/c", custom=True)]),
        Turn("tool", [ToolResult("c", [Text("x")], "/r", custom=True)]),
        tools=[Tool("sh", "custom", "/tools/0", format=Raw(b'{"type":"text"}'))],
    )
    assert body["messages"][0]["tool_calls"][0]["function"]["arguments"] == {"input": "ls -l"}
    assert body["tools"][0]["function"]["parameters"]["required"] == ["input"]
    assert losses == ["/c", "/r", "/tools/0"]


def test_results_are_one_message_each_with_the_name_of_their_call() -> None:
    body, losses = encode(
        Turn("assistant", [ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}")]),
        Turn(
            "tool",
            [
                ToolResult("b", [Text("2"), Image(Media("base64", PNG, "image/png"))], "/r/0"),
                ToolResult("a", [], "/r/1", is_error=True),
                ToolResult("z", [Text("?")], "/r/2", is_error=False),
            ],
        ),
        Turn("user", [Text("and?")]),
    )
    assert body["messages"][1:] == [
        {"role": "tool", "content": "2", "images": [PNG], "tool_name": "g", "tool_call_id": "b"},
        {"role": "tool", "content": "", "tool_name": "f", "tool_call_id": "a"},
        {"role": "tool", "content": "?", "tool_call_id": "z"},
        {"role": "user", "content": "and?"},
    ]
    assert losses == ["/r/1"]


@pytest.mark.parametrize(
    ("part", "content", "pointers"),
    [
        (Audio(Media("base64", "aGk="), "/p", "wav"), "", ["/p"]),
        (File(Media("base64", "aGk=", "application/pdf"), "/p"), "", ["/p"]),
        (File(Media("text", "notes", "text/plain"), "/p"), "notes", ["/p"]),
        (Refusal("No.", "/p"), "No.", ["/p"]),
        (Opaque("anthropic_messages", "server_tool_use", Raw(b"{}"), "/p"), "", ["/p"]),
        (Text("a", "/p", CacheMark(), [Raw(b"{}")], Token("gemini", "s")), "a",
         ["/p", "/p/annotations", "/p/signature"]),
        (Reasoning("t", "/p", Token("anthropic_messages", "s"), id="rs_1"), "", ["/p/signature", "/p/id"]),
        (Reasoning("", "/p", Token("anthropic_messages", "s"), redacted=True), "", ["/p"]),
        (ToolCall("c", "f", "{}", "/p", False, Token("gemini", "s"), CacheMark(), "fc_1"), "",
         ["/p/extra_content/google/thought_signature", "/p/id", "/p"]),
    ],
)  # fmt: skip
def test_what_ollama_cannot_hold_is_named(part: Part, content: str, pointers: list[str]) -> None:
    written, losses = message(part, role="assistant")
    assert written["content"] == content
    assert losses == pointers


def test_a_foreign_token_never_leaves() -> None:
    secret = Token("anthropic_messages", "SECRETSIGNATURE")
    turn = Turn("assistant", [Reasoning("t", "/r", secret), ToolCall("c", "f", "{}", token=secret)])
    body, _ = encode_request(Conversation(source="anthropic_messages", model="m", turns=[turn]), "m", CAN)
    assert b"SECRETSIGNATURE" not in body


def test_a_developer_becomes_the_system() -> None:
    assert message(Text("be brief"), role="developer") == (
        {"role": "system", "content": "be brief"},
        ["/messages/0/role"],
    )


def test_an_image_by_url_must_be_inlined_by_the_client() -> None:
    with pytest.raises(InvalidRequest, match="send it inline, as base64") as caught:
        message(Image(Media("url", "https://example.org/a.png"), "/messages/0/content/0"))
    assert caught.value.pointer == "/messages/0/content/0"


def test_an_empty_image_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        message(Image(Media("base64", "", "image/png"), "/i"))


def test_an_image_loses_its_detail_and_a_type_that_its_bytes_do_not_tell() -> None:
    assert message(Image(Media("base64", "aGVsbG8", "image/x-odd"), "/i", "high", CacheMark())) == (
        {"role": "user", "content": "", "images": ["aGVsbG8="]},
        ["/i", "/i/image_url/detail", "/i"],
    )


def test_sampling_goes_into_options() -> None:
    fields: dict[str, Any] = {
        "temperature": 0.0, "top_p": 0.9, "top_k": 4, "min_p": 0.1, "seed": 7,
        "presence_penalty": 1.0, "frequency_penalty": 0.5,
    }  # fmt: skip
    body, losses = encode(**fields, max_output_tokens=9, stop=["\n", "END"])
    assert body["options"] == fields | {"num_predict": 9, "stop": ["\n", "END"]}
    assert losses == []


def test_a_limit_beyond_the_models_is_lowered() -> None:
    body, losses = encode(
        max_output_tokens=9000,
        can=Capabilities(max_output_tokens=4096),
        pointers={"max_output_tokens": "/max_completion_tokens"},
    )
    assert body["options"] == {"num_predict": 4096}
    assert losses == ["/max_completion_tokens"]


@pytest.mark.parametrize(
    ("reasoning", "think", "lost"),
    [
        (ReasoningRequest("none", "/e"), False, False),
        (ReasoningRequest("minimal", "/e"), "low", True),
        (ReasoningRequest("low", "/e"), "low", False),
        (ReasoningRequest("medium", "/e"), "medium", False),
        (ReasoningRequest("high", "/e"), "high", False),
        (ReasoningRequest("xhigh", "/e"), "max", True),
        (ReasoningRequest("max", "/e"), "max", False),
        (ReasoningRequest("ultra", "/e"), True, True),
        (ReasoningRequest(None, "/e", "enabled"), True, False),
        (ReasoningRequest(None, "/e", "enabled", 4096), True, True),
        (ReasoningRequest(None, "/e", "disabled"), False, False),
        (ReasoningRequest("high", "/e", "disabled"), False, True),
        (ReasoningRequest("high", "/e", "adaptive"), "high", True),
        (ReasoningRequest("high", "/e", show=False), "high", True),
        (ReasoningRequest("high", "/e", show=True), "high", False),
        (ReasoningRequest(None, "/e"), None, False),
    ],
)
def test_effort_becomes_think(reasoning: ReasoningRequest, think: object, lost: bool) -> None:
    body, losses = encode(reasoning=reasoning)
    assert body.get("think") == think
    assert set(losses) == ({"/e"} if lost else set())


@pytest.mark.parametrize(
    ("reasoning", "can", "think"),
    [
        (ReasoningRequest("high", "/e"), Capabilities(thinking=frozenset()), None),
        (ReasoningRequest("none", "/e"), Capabilities(thinking=frozenset({"enabled"})), None),
        (ReasoningRequest("high", "/e"), Capabilities(efforts=frozenset({"low"})), "low"),
        (ReasoningRequest("high", "/e"), Capabilities(efforts=frozenset()), True),
    ],
)
def test_a_model_that_thinks_otherwise_is_asked_for_what_it_can(
    reasoning: ReasoningRequest, can: Capabilities, think: object
) -> None:
    body, losses = encode(reasoning=reasoning, can=can)
    assert body.get("think") == think
    assert losses == ["/e"]


def test_structured_output_is_the_schema_alone() -> None:
    schema = b'{"type": "object",  "properties":{}}'
    output = OutputFormat("json_schema", "/response_format", "person", Raw(schema), True)
    body, losses = encode_request(Conversation(source="openai_chat", model="m", turns=[], output=output), "m", CAN)
    assert schema in body
    assert [loss.pointer for loss in losses] == [
        "/response_format/json_schema/name",
        "/response_format/json_schema/strict",
    ]


def test_the_name_that_comes_back_by_itself_is_no_loss() -> None:
    output = OutputFormat("json_schema", "/response_format", "response", Raw(b"{}"), strict=False)
    assert encode(output=output) == (encode()[0] | {"format": {}}, [])


def test_json_mode_is_carried_and_plain_text_is_the_default() -> None:
    assert encode(output=OutputFormat("json_object", "/f")) == (encode()[0] | {"format": "json"}, [])
    assert encode(output=OutputFormat("text", "/f")) == encode()
    assert encode(output=OutputFormat("json_schema", "/f", "x"))[1] == ["/f"]
    assert encode(output=OutputFormat("json_object", "/f"), can=Capabilities(structured_output=False))[1] == ["/f"]


WEATHER = Tool("weather", at="/tools/0", description="d", parameters=Raw(b'{"type":"object","properties":{}}'))
OTHER = Tool("other", at="/tools/1")


def names(body: Any) -> list[str]:
    return [tool["function"]["name"] for tool in body.get("tools", [])]


@pytest.mark.parametrize(
    ("choice", "left", "lost"),
    [
        (None, ["weather", "other"], []),
        (ToolChoice("auto", "/tool_choice"), ["weather", "other"], []),
        (ToolChoice("none", "/tool_choice"), [], []),
        (ToolChoice("required", "/tool_choice"), ["weather", "other"], ["/tool_choice"]),
        (ToolChoice("named", "/tool_choice", ["weather"]), ["weather", "other"], ["/tool_choice"]),
        (ToolChoice("allowed", "/tool_choice", ["other"]), ["other"], ["/tool_choice"]),
        (
            ToolChoice("allowed", "/tool_choice", ["other"], required=True),
            ["other"],
            ["/tool_choice", "/tool_choice/allowed_tools/mode"],
        ),
    ],
)
def test_a_tool_choice_leaves_tools_out_or_is_lost(choice: ToolChoice | None, left: list[str], lost: list[str]) -> None:
    body, losses = encode(tools=[WEATHER, OTHER], tool_choice=choice)
    assert names(body) == left
    assert losses == lost


@pytest.mark.parametrize("schema", [b'{"type":"string"}', b'{"type":["object","null"]}', b"true", b"[]", b"1e999"])
def test_a_schema_of_anything_but_an_object_allows_any_arguments(schema: bytes) -> None:
    body, losses = encode(tools=[Tool("f", at="/tools/0", parameters=Raw(schema))])
    assert body["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}}
    assert losses == ["/tools/0/function/parameters"]


def test_a_model_without_tools_gets_none() -> None:
    body, losses = encode(tools=[WEATHER, OTHER], can=Capabilities(tools=False))
    assert names(body) == []
    assert losses == ["/tools/0", "/tools/1"]
    _, losses = encode(
        tools=[WEATHER], tool_choice=ToolChoice("required", "/tool_choice"), can=Capabilities(tools=False)
    )
    assert sorted(losses) == ["/tool_choice", "/tools/0"]


def test_hosted_tools_strictness_and_cache_marks_are_lost() -> None:
    body, losses = encode(
        tools=[
            Tool("web_search", "hosted", "/tools/0", raw=Raw(b"{}")),
            Tool("f", at="/tools/1", strict=True, cache=CacheMark()),
            Tool("g", at="/tools/2", strict=False),
        ]
    )
    assert names(body) == ["f", "g"]
    assert losses == ["/tools/0", "/tools/1", "/tools/1/function/strict"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("parallel_tool_calls", False), ("n", 2), ("logit_bias", Raw(b"{}")), ("verbosity", "low"), ("user", "u"),
        ("metadata", Raw(b"{}")), ("store", True), ("service_tier", "flex"), ("cache", CacheMark()), ("cache_key", "k"),
    ],
)  # fmt: skip
def test_a_field_without_a_word_in_ollama_is_lost(field: str, value: object) -> None:
    assert encode(**{field: value}) == (encode()[0], ["/" + field])


@pytest.mark.parametrize(
    ("field", "value"),
    [("parallel_tool_calls", True), ("n", 1), ("store", False), ("service_tier", "auto"), ("include_usage", True)],
)
def test_asking_for_what_happens_anyway_is_no_loss(field: str, value: object) -> None:
    assert encode(**{field: value}) == encode()


def test_logprobs_and_keep_alive_are_carried() -> None:
    body, losses = encode(logprobs=True, top_logprobs=3, keep_alive=Raw(b'"5m"'))
    assert (body["logprobs"], body["top_logprobs"], body["keep_alive"], losses) == (True, 3, "5m", [])


def test_a_longer_history_begins_with_the_same_bytes() -> None:
    turns = [
        Turn("system", [Text("s")]),
        Turn("user", [Text("a"), Text("b")]),
        Turn("assistant", [Reasoning("r"), ToolCall("c", "f", "{}")]),
        Turn("tool", [ToolResult("c", [Text("x")])]),
        Turn("assistant", [Text("done")]),
    ]
    whole = messages_of(turns)
    for length in range(len(turns)):
        assert whole.startswith(messages_of(turns[:length]).removesuffix(b"]"))


def messages_of(turns: list[Turn]) -> bytes:
    body, _ = encode_request(Conversation(source="openai_chat", model="m", turns=turns), "m", CAN)
    return bytes(msgspec.json.decode(body, type=dict[str, Raw])["messages"])


# ------------------------------------------------------------------------------------------------- laws

names_ = st.text("abc_", min_size=1, max_size=5)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
objects = st.dictionaries(st.text("ab", max_size=2), st.integers() | st.text("x\n", max_size=2), max_size=2)
raw_objects = objects.map(lambda value: json.dumps(value))
schemas = st.dictionaries(names_, st.sampled_from([{"type": "string"}, {"type": "integer", "description": "n"}])).map(
    lambda properties: Raw(json.dumps({"type": "object", "properties": properties}).encode())
)
images = st.just(Image(Media("base64", PNG, "image/png")))


THOUGHTS = [ReasoningRequest(level, show=True) for level in ("low", "medium", "high", "max")]


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """What Ollama can hold, whole."""
    turns: list[Turn] = []
    for position in range(draw(st.integers(0, 4))):
        match draw(st.sampled_from(["user", "system", "assistant", "called"])):
            case "user":
                turns.append(Turn("user", [Text(draw(texts)), *draw(st.lists(images, max_size=2))]))
            case "system":
                turns.append(Turn("system", [Text(draw(texts))]))
            case "assistant":
                thoughts = [Reasoning(text) for text in draw(st.lists(texts, max_size=1))]
                turns.append(Turn("assistant", [*thoughts, Text(draw(texts))]))
            case _:
                called = [
                    ToolCall(f"c{position}{index}", draw(names_), draw(raw_objects))
                    for index in range(draw(st.integers(1, 3)))
                ]
                turns.append(Turn("assistant", list(called)))
                turns += [Turn("tool", [ToolResult(call.id, [Text(draw(texts))], name=call.name)]) for call in called]
    return Conversation(
        source="ollama",
        model="m",
        turns=turns,
        tools=[Tool(name, parameters=draw(schemas)) for name in draw(st.lists(names_, max_size=2, unique=True))],
        max_output_tokens=draw(st.none() | st.integers(1, 99)),
        temperature=draw(st.none() | st.floats(0, 2)),
        top_k=draw(st.none() | st.integers(1, 9)),
        stop=draw(st.none() | st.lists(texts, min_size=1, max_size=2)),
        reasoning=draw(st.sampled_from([None, ReasoningRequest("none"), *THOUGHTS])),
        output=draw(st.none() | st.just(OutputFormat("json_object"))),
        stream=draw(st.booleans()),
    )


@given(conversations())
def test_what_ollama_can_hold_comes_back_as_it_was(conversation: Conversation) -> None:
    body, losses = encode_request(conversation, "m", CAN)
    assert losses == []
    read = decode_request(body)
    assert read.unread == []
    assert without_pointers(read) == without_pointers(conversation)
    assert encode_request(read, "m", CAN) == (body, [])


@given(conversations())
def test_the_official_client_could_have_sent_it(conversation: Conversation) -> None:
    body = json.loads(encode_request(conversation, "m", CAN)[0])
    for written in body["messages"]:
        # The client's type for an image is a wrapper around what it sends.
        written["images"] = [{"value": image} for image in written.get("images", [])]
    sdk_types.ChatRequest.model_validate(body)


def without_pointers(value: Any) -> Any:
    if isinstance(value, Raw):
        return json.loads(bytes(value))
    if isinstance(value, msgspec.Struct):
        return {
            name: without_pointers(getattr(value, name))
            for name in value.__struct_fields__
            if name not in ("at", "pointers")
        }
    return [without_pointers(item) for item in value] if isinstance(value, list) else value


any_part = st.deferred(
    lambda: st.one_of(
        st.builds(Text, texts | st.just(""), st.just("/t")),
        st.builds(Reasoning, texts | st.just(""), st.just("/r"), redacted=st.booleans()),
        st.builds(Refusal, texts, st.just("/f")),
        st.builds(Image, st.sampled_from([Media("base64", PNG), Media("url", "http://x")]), st.just("/i")),
        st.builds(File, st.sampled_from([Media("text", "x"), Media("file_id", "x")]), st.just("/d")),
        st.builds(Audio, st.just(Media("base64", PNG)), st.just("/a")),
        st.builds(ToolCall, texts, texts, st.text(max_size=6) | raw_objects, st.just("/c"), st.booleans()),
        st.builds(ToolResult, texts, st.lists(any_part, max_size=2), st.just("/o")),
        st.builds(Opaque, st.just("gemini"), texts, st.just(Raw(b"{}")), st.just("/q")),
    )
)
roles = st.sampled_from(["system", "developer", "user", "assistant", "tool"])


@given(st.lists(st.builds(Turn, roles, st.lists(any_part, max_size=5), st.just("/m")), max_size=4))
def test_any_conversation_is_written_or_refused_and_a_second_trip_loses_nothing_more(turns: list[Turn]) -> None:
    conversation = Conversation(source="openai_responses", model="m", turns=turns)
    try:
        body, _ = encode_request(conversation, "m", CAN)
    except InvalidRequest:
        return
    once = decode_request(body)
    again, losses = encode_request(once, "m", CAN)
    assert [loss for loss in losses if loss not in once.unread] == []
    twice = decode_request(again)
    assert without_pointers(twice.turns) == without_pointers(once.turns)
