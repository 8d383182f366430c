import json
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from tests.dialects.readers import pointers
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
from trio_gateway.dialects.openai_chat import decode_request
from trio_gateway.errors import InvalidRequest

USER = {"role": "user", "content": "hi"}


def decode(*messages: dict[str, Any], **fields: Any) -> Conversation:
    return decode_request(json.dumps({"model": "m", "messages": list(messages) or [USER], **fields}).encode())


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def test_a_small_request_is_read_whole() -> None:
    conversation = decode({"role": "system", "content": "Be terse."}, USER, temperature=0.5, stream=True)
    assert conversation.turns == [
        Turn("system", [Text("Be terse.", "/messages/0/content")], "/messages/0"),
        Turn("user", [Text("hi", "/messages/1/content")], "/messages/1"),
    ]
    assert (conversation.model, conversation.temperature, conversation.stream) == ("m", 0.5, True)
    assert conversation.unread == []


def test_every_scalar_finds_its_place() -> None:
    conversation = decode(
        top_p=0.9, n=2, seed=7, stop="END", presence_penalty=1, frequency_penalty=-1, logit_bias={"1": 2},
        logprobs=True, top_logprobs=3, verbosity="low", store=False, service_tier="flex", metadata={"a": "b"},
        prompt_cache_key="k", parallel_tool_calls=False, safety_identifier="u", max_completion_tokens=9,
        reasoning_effort="xhigh",
    )  # fmt: skip
    assert (conversation.top_p, conversation.n, conversation.seed, conversation.stop) == (0.9, 2, 7, ["END"])
    assert (conversation.presence_penalty, conversation.frequency_penalty) == (1, -1)
    assert (conversation.logit_bias, conversation.metadata) == (raw({"1": 2}), raw({"a": "b"}))
    assert (conversation.logprobs, conversation.top_logprobs) == (True, 3)
    assert (conversation.verbosity, conversation.store, conversation.service_tier) == ("low", False, "flex")
    assert (conversation.cache_key, conversation.parallel_tool_calls) == ("k", False)
    assert (conversation.user, conversation.pointer("user")) == ("u", "/safety_identifier")
    assert (conversation.max_output_tokens, conversation.pointer("max_output_tokens")) == (9, "/max_completion_tokens")
    assert conversation.reasoning == ReasoningRequest("xhigh", "/reasoning_effort")
    assert conversation.unread == []


def test_nulls_and_defaults_are_no_loss() -> None:
    names = ("audio", "moderation", "prediction", "web_search_options", "logit_bias", "metadata", "stop", "tools", "x")
    assert decode(**dict.fromkeys(names), modalities=["text"], stream_options={}).unread == []


@pytest.mark.parametrize(
    ("fields", "lost"),
    [
        ({"provider": {"order": []}}, ["/provider"]),
        ({"audio": {"voice": "ash"}, "modalities": ["text", "audio"]}, ["/audio", "/modalities"]),
        ({"prediction": {"type": "content", "content": "a"}}, ["/prediction"]),
        ({"web_search_options": {}}, ["/web_search_options"]),
        ({"moderation": {"model": "m"}}, ["/moderation"]),
        ({"prompt_cache_retention": "24h"}, ["/prompt_cache_retention"]),
        ({"prompt_cache_options": {"prewarm": True}}, ["/prompt_cache_options/prewarm"]),
        ({"prompt_cache_options": {"mode": "explicit"}}, ["/prompt_cache_options"]),
        ({"stream_options": {"include_obfuscation": True}}, ["/stream_options/include_obfuscation"]),
        ({"reasoning_effort": "heroic"}, ["/reasoning_effort"]),
        ({"max_tokens": 1, "max_completion_tokens": 2}, ["/max_tokens"]),
        ({"user": "a", "safety_identifier": "b"}, ["/user"]),
        ({"stream_options": {"x~y": 1, "a/b": 2}}, ["/stream_options/x~0y", "/stream_options/a~1b"]),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "z": 1}, "y": 2}]},
            ["/tools/0/function/z", "/tools/0/y"],
        ),
        ({"tools": [{"type": "function", "function": {"name": "f"}, "custom": {"name": "g"}}]}, ["/tools/0/custom"]),
        ({"tool_choice": {"type": "function", "function": {"name": "f", "q": 1}}}, ["/tool_choice/function/q"]),
        ({"response_format": {"type": "text", "json_schema": {"name": "a"}}}, ["/response_format/json_schema"]),
        ({"functions": [{"name": "f"}]}, ["/functions"]),
    ],
)
def test_what_is_not_carried_is_named(fields: dict[str, Any], lost: list[str]) -> None:
    assert pointers(decode(**fields).unread) == lost


@pytest.mark.parametrize(
    ("message", "lost"),
    [
        ({"role": "user", "content": "a", "zip": 1}, ["/messages/0/zip"]),
        ({"role": "user", "content": "a", "tool_call_id": "x"}, ["/messages/0/tool_call_id"]),
        ({"role": "user", "content": [{"type": "text", "text": "a", "q": 1}]}, ["/messages/0/content/0/q"]),
        (
            {"role": "user", "content": [{"type": "text", "text": "a", "file": {"file_id": "f"}}]},
            ["/messages/0/content/0/file"],
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x", "zoom": 2}}]},
            ["/messages/0/content/0/image_url/zoom"],
        ),
        (
            {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}", "w": 1}}]},
            ["/messages/0/tool_calls/0/function/w"],
        ),
        ({"role": "assistant", "content": "a", "reasoning_content": "x", "reasoning": "y"}, ["/messages/0/reasoning"]),
        ({"role": "assistant", "annotations": [{"type": "url_citation"}]}, ["/messages/0/annotations"]),
    ],
)
def test_what_a_message_holds_and_is_not_carried_is_named(message: dict[str, Any], lost: list[str]) -> None:
    assert pointers(decode(message).unread) == lost


def test_parts_of_every_known_type_are_read() -> None:
    conversation = decode(
        {
            "role": "user",
            "name": "Ann",
            "content": [
                {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}},
                {"type": "text", "text": ""},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO", "detail": "low"}},
                {"type": "image_url", "image_url": "https://example.org/a.png", "cache_control": {"type": "ephemeral"}},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}},
                {"type": "file", "file": {"file_id": "file-1"}},
                {"type": "file", "file": {"file_data": "J-_E"}},
            ],
        }
    )
    at = "/messages/0/content/"
    assert conversation.turns[0].name == "Ann"
    assert conversation.turns[0].parts == [
        Text("a", at + "0", CacheMark("12h", at + "0/prompt_cache_breakpoint")),
        Image(Media("base64", "iVBO", "image/png"), at + "2", "low"),
        Image(Media("url", "https://example.org/a.png"), at + "3", None, CacheMark(None, at + "3/cache_control")),
        Audio(Media("base64", "AA==", "audio/mpeg"), at + "4", "mp3"),
        File(Media("base64", "JVBE", "application/pdf"), at + "5", "a.pdf"),
        File(Media("file_id", "file-1"), at + "6"),
        File(Media("base64", "J+/E"), at + "7"),
    ]
    assert conversation.unread == []


@pytest.mark.parametrize(
    ("url", "media", "losses"),
    [
        ("data:;base64,AAAA", Media("base64", "AAAA"), 0),
        ("DATA:IMAGE/PNG;BASE64,AAAA", Media("base64", "AAAA", "image/png"), 0),
        ("data:image/png;charset=latin-1;base64,AAAA", Media("base64", "AAAA", "image/png"), 1),
        ("data:image/avif;base64,-_-_", Media("base64", "+/+/", "image/avif"), 0),
        ("data:image/png;base64,A%2BA%3D", Media("base64", "A+A=", "image/png"), 0),
        ("data:image/svg+xml,%3Csvg%3E", Media("base64", "PHN2Zz4=", "image/svg+xml"), 0),
        ("data:image/png;base64,", Media("base64", "", "image/png"), 0),
        ("HTTPS://example.org/a", Media("url", "HTTPS://example.org/a"), 0),
    ],
)
def test_image_urls_of_every_spelling_are_read(url: str, media: Media, losses: int) -> None:
    conversation = decode({"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]})
    (image,) = conversation.turns[0].parts
    assert isinstance(image, Image)
    assert image.media == media
    assert len(conversation.unread) == losses


def test_a_part_of_a_type_nobody_knows_is_carried_whole() -> None:
    part = {"type": "hologram", "depth": 3, "text": "x"}
    conversation = decode({"role": "user", "content": [{"type": "text", "text": "a"}, part], "zip": 1})
    assert conversation.turns[0].parts[1] == Opaque("openai_chat", "hologram", raw(part), "/messages/0/content/1")
    assert pointers(conversation.unread) == ["/messages/0/zip"]


@pytest.mark.parametrize("content", [None, "", []])
def test_contents_that_say_nothing_are_the_same(content: object) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    conversation = decode({"role": "assistant", "content": content, "tool_calls": [call]})
    assert conversation.turns[0].parts == [ToolCall("call_1", "f", "{}", "/messages/0/tool_calls/0")]


@pytest.mark.parametrize("arguments", ['{"a":1', "[1]", "null", '{}{"a":1}', '{ "a" : 1.0, "a": -0 }', '{"n":1e400}'])
def test_arguments_stay_the_text_they_were(arguments: str) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    (part,) = decode({"role": "assistant", "tool_calls": [call, call]}).turns[0].parts[:1]
    assert isinstance(part, ToolCall)
    assert part.arguments == arguments


def test_calls_without_an_id_get_one_from_their_place() -> None:
    call = {"function": {"name": "f", "arguments": "{}"}}
    parts = decode(USER, {"role": "assistant", "tool_calls": [call, call]}).turns[1].parts
    assert [part.id for part in parts if isinstance(part, ToolCall)] == ["call_1_0", "call_1_1"]


def test_custom_calls_and_their_results_are_read() -> None:
    conversation = decode(
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "a.txt"},
        tools=[{"type": "custom", "custom": {"name": "sh", "format": {"type": "text"}}}],
        tool_choice={"type": "custom", "custom": {"name": "sh"}},
    )
    at = "/messages/0/tool_calls/0"
    assert conversation.turns[0].parts == [ToolCall("c", "sh", "ls", at, custom=True)]
    text = Text("a.txt", "/messages/1/content")
    assert conversation.turns[1].parts == [ToolResult("c", [text], "/messages/1", custom=True)]
    assert conversation.tools == [Tool("sh", "custom", "/tools/0", format=raw({"type": "text"}))]
    assert conversation.tool_choice == ToolChoice("named", "/tool_choice", ["sh"], custom=True)


def test_legacy_functions_calls_and_results_are_read() -> None:
    conversation = decode(
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}},
        {"role": "function", "name": "f", "content": "ok"},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}},
        {"role": "function", "name": "f", "content": "ok"},
        functions=[{"name": "f", "parameters": {"type": "object"}}],
        function_call={"name": "f"},
    )
    calls = [part for turn in conversation.turns for part in turn.parts if isinstance(part, ToolCall)]
    results = [part for turn in conversation.turns for part in turn.parts if isinstance(part, ToolResult)]
    assert [call.arguments for call in calls] == ['{"a":1}', "{}"]
    assert [call.id for call in calls] == [result.call_id for result in results] == ["call_0_0", "call_2_0"]
    assert conversation.tools == [Tool("f", at="/functions/0", parameters=raw({"type": "object"}))]
    assert conversation.tool_choice == ToolChoice("named", "/function_call", ["f"])


def test_reasoning_details_come_back_with_the_tokens_they_carried() -> None:
    details = [
        {"type": "reasoning.text", "text": "a", "signature": "trio:anthropic_messages:S=="},
        {"type": "reasoning.encrypted", "data": "trio:anthropic_messages:R"},
        {"type": "reasoning.encrypted", "data": "trio:openai_responses:E", "id": "rs_1"},
        {"type": "reasoning.text", "text": "own", "signature": "theirs"},
    ]
    conversation = decode(
        {"role": "assistant", "reasoning_content": "aown", "reasoning_details": details, "content": "x"}
    )
    at = "/messages/0/reasoning_details/"
    assert conversation.turns[0].parts == [
        Reasoning("a", at + "0", Token("anthropic_messages", "S==")),
        Reasoning("", at + "1", Token("anthropic_messages", "R"), redacted=True),
        Reasoning("", at + "2", Token("openai_responses", "E"), id="rs_1", token_at=at + "2/data"),
        Reasoning("own", at + "3", Token("openai_chat", "theirs")),
        Text("x", "/messages/0/content"),
    ]
    assert conversation.unread == []


def test_reasoning_details_kept_as_a_streams_fragments_are_joined() -> None:
    details = [
        {"type": "reasoning.text", "text": "a", "index": 0},
        {"type": "reasoning.text", "text": "b", "index": 0},
        {"type": "reasoning.text", "signature": "s", "index": 0},
        {"type": "reasoning.text", "text": "c", "index": 1},
    ]
    conversation = decode({"role": "assistant", "reasoning_details": details})
    at = "/messages/0/reasoning_details"
    assert conversation.joined == {f"{at}/0": [f"{at}/1", f"{at}/2"]}
    assert conversation.turns[0].parts == [
        Reasoning("ab", f"{at}/0", Token("openai_chat", "s"), token_at=f"{at}/2/signature"),
        Reasoning("c", f"{at}/3"),
    ]


def test_thinking_blocks_beside_details_are_a_loss_where_they_say_something_else() -> None:
    conversation = decode(
        {
            "role": "assistant",
            "reasoning_details": [{"type": "reasoning.text", "text": "a", "signature": "trio:anthropic_messages:s"}],
            "thinking_blocks": [
                {"type": "thinking", "thinking": "a"},
                {"type": "thinking", "thinking": "a", "signature": "s"},
                {"type": "thinking", "thinking": "b"},
                {"type": "thinking", "thinking": "a", "signature": "t"},
            ],
        }
    )
    assert [part.at for part in conversation.turns[0].parts] == ["/messages/0/reasoning_details/0"]
    at = "/messages/0/thinking_blocks/"
    assert [loss.pointer for loss in conversation.unread] == [at + "2", at + "3"]


def test_litellms_thinking_blocks_hold_anthropics_tokens() -> None:
    blocks = [
        {"type": "thinking", "thinking": "", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
    ]
    assert decode({"role": "assistant", "thinking_blocks": blocks}).turns[0].parts == [
        Reasoning("", "/messages/0/thinking_blocks/0", Token("anthropic_messages", "s")),
        Reasoning("", "/messages/0/thinking_blocks/1", Token("anthropic_messages", "d"), redacted=True),
    ]


def test_a_thought_signature_on_a_call_comes_back() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    call["extra_content"] = {"google": {"thought_signature": "trio:gemini:Zm9v"}}
    (part,) = decode({"role": "assistant", "tool_calls": [call]}).turns[0].parts
    assert isinstance(part, ToolCall)
    assert part.token == Token("gemini", "Zm9v")


def test_refusals_and_earlier_audio_are_parts() -> None:
    conversation = decode(
        {"role": "assistant", "refusal": "no", "audio": {"id": "a1"}},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "never"}]},
    )
    assert conversation.turns[0].parts == [
        Refusal("no", "/messages/0/refusal"),
        Audio(Media("file_id", "a1"), "/messages/0/audio"),
    ]
    assert conversation.turns[1].parts == [Refusal("never", "/messages/1/content/0")]


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("auto", ToolChoice("auto", "/tool_choice")),
        ("none", ToolChoice("none", "/tool_choice")),
        ("required", ToolChoice("required", "/tool_choice")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("named", "/tool_choice", ["f"])),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
            ToolChoice("allowed", "/tool_choice", ["f"], required=True),
        ),
    ],
)
def test_every_form_of_tool_choice_is_read(given_: object, expected: ToolChoice) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert decode(tools=tools, tool_choice=given_).tool_choice == expected


def test_a_tool_that_is_not_on_offer_cannot_be_allowed() -> None:
    refs = [{"type": "function", "function": {"name": name}} for name in ("f", "gone")]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": refs}}
    conversation = decode(tools=[refs[0]], tool_choice=choice)
    assert conversation.tool_choice == ToolChoice("allowed", "/tool_choice", ["f"], required=True)
    assert [loss.pointer for loss in conversation.unread] == ["/tool_choice/allowed_tools/tools/1"]


def test_where_no_tool_is_left_that_is_allowed_none_may_be_called() -> None:
    refs = [{"type": "function", "function": {"name": name}} for name in ("f", "gone")]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": refs[1:]}}
    conversation = decode(tools=[refs[0]], tool_choice=choice)
    assert conversation.tool_choice == ToolChoice("none", "/tool_choice")
    assert [loss.pointer for loss in conversation.unread] == ["/tool_choice/allowed_tools/tools/0", "/tool_choice"]


def test_a_schema_keeps_its_bytes() -> None:
    schema = b'{ "type" : "object", "properties": {"properties": {"const": 1.0}}, "$ref":"#" }'
    body = b'{"model":"m","messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":'
    conversation = decode_request(body + b'{"name":"f","strict":true,"parameters":' + schema + b"}}]}")
    assert conversation.tools == [Tool("f", at="/tools/0", parameters=msgspec.Raw(schema), strict=True)]


def test_a_tool_of_a_type_nobody_knows_is_carried_whole() -> None:
    tool = {"type": "web_search", "filters": {"a": [1]}}
    function = {"type": "function", "function": {"name": "f"}, "x": 1}
    conversation = decode(tools=[tool, function])
    assert conversation.tools[0] == Tool("web_search", "hosted", "/tools/0", raw=raw(tool))
    assert pointers(conversation.unread) == ["/tools/1/x"]


def test_a_json_schema_output_is_read() -> None:
    wanted = {
        "type": "json_schema",
        "json_schema": {"name": "x", "strict": True, "schema": {"a": 1}, "description": "d"},
    }
    assert decode(response_format=wanted).output == OutputFormat(
        "json_schema", "/response_format", "x", raw({"a": 1}), True, "d"
    )


def test_an_implicit_cache_with_a_lifetime_marks_the_whole_conversation() -> None:
    assert decode(prompt_cache_options={"ttl": "30m"}).cache == CacheMark("30m")
    assert decode(prompt_cache_options={"mode": "implicit"}).cache is None


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"messages": [USER]}, "/model"),
        ({"model": "m"}, "/messages"),
        ({"model": "m", "messages": []}, "/messages"),
        ({"model": "m", "messages": ["a"]}, "/messages/0"),
        ({"model": "m", "messages": [{"role": "wizard"}]}, "/messages/0/role"),
        ({"model": "m", "messages": [{"role": "user", "content": 3}]}, "/messages/0/content"),
        ({"model": "m", "messages": [{"role": "tool", "content": "a"}]}, "/messages/0/tool_call_id"),
        ({"model": "m", "messages": [{"role": "user", "content": [{"text": "a"}]}]}, None),
        ({"model": "m", "messages": [{"role": "user", "content": [{"type": "text"}]}]}, "/messages/0/content/0/text"),
        (
            {"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "/messages/0/content/0/image_url",
        ),
        (
            {"model": "m", "messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
            "/messages/0/content/0/file",
        ),
        (
            {"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "data:x"}]}]},
            "/messages/0/content/0/image_url",
        ),
        (
            {"model": "m", "messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]},
            "/messages/0/tool_calls/0/function/name",
        ),
        ({"model": "m", "messages": [USER], "temperature": "hot"}, "/temperature"),
        ({"model": "m", "messages": [USER], "tool_choice": "any"}, "/tool_choice"),
        ({"model": "m", "messages": [USER], "tool_choice": {"type": "function"}}, "/tool_choice"),
        ({"model": "m", "messages": [USER], "tools": [{"type": "function", "name": "f"}]}, "/tools/0/function"),
        ({"model": "m", "messages": [USER], "response_format": {"type": "yaml"}}, "/response_format/type"),
        (
            {"model": "m", "messages": [USER], "response_format": {"type": "json_schema"}},
            "/response_format/json_schema",
        ),
    ],
)
def test_a_bad_request_names_the_field(body: object, pointer: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_request(json.dumps(body).encode())
    assert caught.value.status == 400
    if pointer is not None:
        assert caught.value.pointer == pointer


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.text(max_size=4)
    | st.floats(allow_nan=False, allow_infinity=False, width=16),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
PART = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "input_audio", "file", "refusal", "new"])},
    optional={name: JSON | st.text(max_size=3) for name in ("text", "image_url", "file", "refusal", "x")},
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool", "function", "developer"])},
    optional={
        "content": st.text(max_size=5) | st.lists(PART, max_size=3) | JSON,
        "name": JSON,
        "tool_call_id": st.text(max_size=3),
        "tool_calls": st.lists(
            st.fixed_dictionaries({"function": JSON}, optional={"id": JSON, "type": JSON}), max_size=2
        ),
        "reasoning_details": st.lists(st.fixed_dictionaries({"type": st.text(max_size=3)}), max_size=2),
    },
)
REQUEST = st.fixed_dictionaries(
    {"model": st.text(max_size=3), "messages": st.lists(MESSAGE, max_size=3)},
    optional=dict.fromkeys(("tools", "tool_choice", "stop", "response_format", "user", "temperature", "q"), JSON),
)


@given(st.binary(max_size=60) | JSON.map(json.dumps).map(str.encode) | REQUEST.map(json.dumps).map(str.encode))
def test_no_body_raises_anything_but_invalid_request(body: bytes) -> None:
    try:
        conversation = decode_request(body)
    except InvalidRequest:
        return
    assert conversation.source == "openai_chat"


@given(st.text(min_size=1, max_size=6), JSON.filter(lambda value: value is not None))
def test_a_member_nobody_knows_is_a_loss_wherever_it_is(name: str, value: object) -> None:
    name = "x-" + name
    pointer = name.replace("~", "~0").replace("/", "~1")
    assert Loss("/" + pointer, "unknown to this gateway") in decode(**{name: value}).unread
    part = {"type": "text", "text": "a", name: value}
    assert pointers(decode({"role": "user", "content": [part]}).unread) == [f"/messages/0/content/0/{pointer}"]


def test_results_without_an_id_are_for_the_calls_without_one_in_their_order() -> None:
    nameless = {"id": "", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    answered = [{"role": "tool", "tool_call_id": "", "content": text} for text in ("first", "second")]
    asked = [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [nameless, nameless]}, *answered]
    turns = decode_request(json.dumps({"model": "m", "messages": asked}).encode()).turns
    assert [part.id for part in turns[1].parts if isinstance(part, ToolCall)] == ["call_1_0", "call_1_1"]
    results = [part for turn in turns[2:] for part in turn.parts if isinstance(part, ToolResult)]
    assert [result.call_id for result in results] == ["call_1_0", "call_1_1"]
