from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dialects.readers import pointers
from trio_gateway.dialects.conversation import (
    Audio,
    Conversation,
    File,
    Image,
    Media,
    Opaque,
    OutputFormat,
    Reasoning,
    ReasoningRequest,
    Text,
    Token,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from trio_gateway.dialects.gemini import decode_request
from trio_gateway.dialects.gemini.tokens import carry
from trio_gateway.errors import InvalidRequest

JSON = "application/json"
HI = {"role": "user", "parts": [{"text": "hi"}]}


def read(**body: Any) -> Conversation:
    return decode_request(json.dumps({"contents": [HI], **body}).encode(), model="m")


def refused(**body: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read(**body)
    return caught.value


def model(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def call(name: str, args: Any = None, **more: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, **({} if args is None else {"args": args}), **more}}


def response(name: str, given: Any, **more: Any) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": given, **more}}


# ------------------------------------------------------------------------------------------- URL and root


def test_model_and_stream_are_said_by_the_url() -> None:
    body = b'{"contents":[{"parts":[{"text":"hi"}]}],"model":"models/of-the-body"}'
    assert decode_request(body, model="of-the-url", stream=True).model == "of-the-url"
    assert decode_request(body, model="of-the-url", stream=True).stream is True
    assert decode_request(body).model == "of-the-body"
    assert decode_request(body).stream is False
    assert decode_request(b'{"contents":[{"parts":[{"text":"hi"}]}]}').model == ""


def test_a_captured_request_of_the_python_sdk() -> None:
    conversation = decode_request(
        b'{"contents": [{"parts": [{"text": "hi"}], "role": "user"}]}', model="gemini-2.5-flash"
    )
    assert conversation.turns == [Turn("user", [Text("hi", "/contents/0/parts/0")], "/contents/0")]
    assert conversation.unread == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"{}", "/contents"),
        (b'{"contents":[]}', "/contents"),
        (b'{"contents":[[]]}', "/contents/0"),
        (b'{"contents":[{"parts":[{}]}]}', "/contents/0/parts/0"),
        (b'{"contents":[{"parts":[{"text":"a","functionCall":{"name":"f"}}]}]}', "/contents/0/parts/0"),
        (b'{"contents":[{"parts":[{"text":1}]}]}', "/contents/0/parts/0/text"),
        (b'{"contents":[{"role":"system","parts":[{"text":"a"}]}]}', "/contents/0/role"),
        (b'{"contents":[{"role":"user","parts":[{"functionCall":{"name":"f"}}]}]}', "/contents/0/parts/0/functionCall"),
        (b'{"contents":[{"role":"model","parts":[{"functionCall":{}}]}]}', "/contents/0/parts/0/functionCall/name"),
        (
            b'{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":[]}}]}]}',
            "/contents/0/parts/0/functionCall/args",
        ),
        (
            b'{"contents":[{"role":"model","parts":[{"functionResponse":{"name":"f"}}]}]}',
            "/contents/0/parts/0/functionResponse",
        ),
        (
            b'{"contents":[{"parts":[{"functionResponse":{"name":"f","response":"x"}}]}]}',
            "/contents/0/parts/0/functionResponse/response",
        ),
        (b'{"contents":[{"parts":[{"functionResponse":{}}]}]}', "/contents/0/parts/0/functionResponse/name"),
        (b'{"contents":[{"parts":[{"inlineData":{"data":""}}]}]}', "/contents/0/parts/0/inlineData/mimeType"),
        (b'{"contents":[{"parts":[{"inline_data":{"mime_type":"a/b"}}]}]}', "/contents/0/parts/0/inline_data/data"),
        (b'{"contents":[{"parts":[{"fileData":{}}]}]}', "/contents/0/parts/0/fileData/fileUri"),
        (b'{"contents":[{"parts":[{"text":"a"}]}],"tools":[{"functionDeclarations":[{}]}]}',
         "/tools/0/functionDeclarations/0/name"),
        (b'{"contents":[{"parts":[{"text":"a"}]}],"generation_config":{"top_p":"x"}}', "/generation_config/top_p"),
        (b'{"contents":[{"parts":[{"text":"\xff"}]}]}', ""),
        (b'{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":"\xff"}}}]}]}', ""),
        (b"[" * 5000, ""),
        (b"", ""),
    ],
)  # fmt: skip
def test_a_wrong_body_is_refused_with_the_pointer_that_the_client_wrote(body: bytes, pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_request(body, model="m")
    assert caught.value.pointer == pointer


def test_the_instructions_are_a_system_turn() -> None:
    conversation = read(systemInstruction={"parts": [{"text": "a"}, {"text": "b"}]})
    assert conversation.turns[0] == Turn(
        "system",
        [Text("a", "/systemInstruction/parts/0"), Text("b", "/systemInstruction/parts/1")],
        "/systemInstruction",
    )


def test_a_single_item_is_a_list_of_one_and_its_pointers_are_as_written() -> None:
    single = {
        "contents": {"role": "user", "parts": {"text": "hi", "videoMetadata": {"fps": 1}}},
        "system_instruction": {"parts": {"text": "s"}},
        "tools": {"function_declarations": {"name": "f"}},
        "generationConfig": {"stopSequences": "x"},
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": "f"}},
    }
    conversation = decode_request(json.dumps(single).encode(), model="m")
    assert [(turn.role, turn.at) for turn in conversation.turns] == [
        ("system", "/system_instruction"),
        ("user", "/contents"),
    ]
    assert [part.at for turn in conversation.turns for part in turn.parts] == [
        "/system_instruction/parts",
        "/contents/parts",
    ]
    assert [(tool.name, tool.at) for tool in conversation.tools] == [("f", "/tools/function_declarations")]
    assert conversation.stop == ["x"]
    assert conversation.tool_choice is not None
    assert conversation.tool_choice.names == ["f"]
    assert pointers(conversation.unread) == ["/contents/parts/videoMetadata"]
    assert conversation.spelled["/contents/parts/0"] == "/contents/parts"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"contents": {"parts": {"text": 5}}}, "/contents/parts/text"),
        ({"contents": "hi"}, "/contents"),
        ({"contents": [HI], "tools": {"functionDeclarations": {"name": ""}}}, "/tools/functionDeclarations/name"),
        ({"contents": [HI], "generationConfig": {"stopSequences": {}}}, "/generationConfig/stopSequences"),
    ],
)
def test_what_is_wrong_with_a_single_item_is_told_where_it_was_written(body: Any, pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_request(json.dumps(body).encode(), model="m")
    assert caught.value.pointer == pointer


def test_snake_case_reads_the_same_and_its_pointers_are_as_written() -> None:
    camel = {
        "systemInstruction": {"parts": [{"text": "a"}]},
        "contents": [
            model(call("f", {"snake_key": {"inline_data": 1}}), {"text": "", "thoughtSignature": "abc"}),
            user({"inlineData": {"mimeType": "image/png", "data": "aa_-"}}),
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"any_of": []}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {
            "topK": 3,
            "thinkingConfig": {"thinkingLevel": "LOW"},
            "responseMimeType": "application/json",
        },
    }
    snake = {
        "system_instruction": {"parts": [{"text": "a"}]},
        "contents": [
            {"role": "model", "parts": [
                {"function_call": {"name": "f", "args": {"snake_key": {"inline_data": 1}}}},
                {"text": "", "thought_signature": "abc"},
            ]},
            user({"inline_data": {"mime_type": "image/png", "data": "aa_-"}}),
        ],
        "tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": {"any_of": []}}]}],
        "tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["f"]}},
        "generation_config": {"top_k": 3, "thinking_config": {"thinking_level": "LOW"}, "response_mime_type": JSON},
    }  # fmt: skip
    read_camel = decode_request(json.dumps(camel).encode(), model="m")
    read_snake = decode_request(json.dumps(snake).encode(), model="m")
    assert read_camel.unread == read_snake.unread == []
    assert read_snake.pointer("top_k") == "/generation_config/top_k"
    assert read_snake.tools[0].at == "/tools/0/function_declarations/0"
    assert read_snake.tool_choice is not None
    assert read_snake.tool_choice.at == "/tool_config/function_calling_config"
    assert read_snake.reasoning is not None
    assert read_snake.reasoning.at == "/generation_config/thinking_config"
    assert read_snake.turns[0].parts[0].at == "/system_instruction/parts/0"

    places = {"at", "token_at", "pointers", "spelled"}

    def without_pointers(value: Any) -> Any:
        if isinstance(value, msgspec.Raw):
            return bytes(value)
        if isinstance(value, msgspec.Struct):
            fields = {name: getattr(value, name) for name in value.__struct_fields__ if name not in places}
            return {name: without_pointers(member) for name, member in fields.items()}
        return [without_pointers(item) for item in value] if isinstance(value, list) else value

    assert without_pointers(read_snake) == without_pointers(read_camel)


def test_arguments_and_schemas_keep_their_bytes_in_either_spelling() -> None:
    body = (
        b'{"contents":[{"role":"model","parts":[{"%b":{"name":"f",'
        b'"args":{ "a" : 1.50, "a_b": 12345678901234567890 }}}]}],'
        b'"tools":[{"functionDeclarations":[{"name":"f","%b":{ "type":"object", "x_y": 1.0}}]}]}'
    )
    for names in ((b"functionCall", b"parametersJsonSchema"), (b"function_call", b"parameters_json_schema")):
        conversation = decode_request(body % names, model="m")
        part = conversation.turns[0].parts[0]
        assert isinstance(part, ToolCall)
        assert part.arguments == '{ "a" : 1.50, "a_b": 12345678901234567890 }'
        assert conversation.tools[0].parameters == msgspec.Raw(b'{ "type":"object", "x_y": 1.0}')


def test_whatever_has_no_word_is_a_loss_with_its_pointer() -> None:
    conversation = read(
        contents=[
            user({"text": "a", "surprise": 1}, {"inlineData": {"mimeType": "image/png", "data": "", "displayName": "d"},
                                                "videoMetadata": {"fps": 1}, "thought": True, "thoughtSignature": "s"}),
            model({**call("f", {}, willContinue=True), "partMetadata": {"a": 1}}),
            user(response("f", {}, scheduling="SILENT", odd=1)),
        ],
        safetySettings=[{"category": "x"}],
        cached_content="cachedContents/1",
        labels={"a": "b"},
        unheard_of={"a": [1]},
        tools=[{"functionDeclarations": [{"name": "f", "behavior": "NON_BLOCKING", "response": {"type": "STRING"}}]}],
        toolConfig={"retrievalConfig": {"languageCode": "de"}},
        generationConfig={"speechConfig": {"languageCode": "de"}, "topK": 1.5, "responseModalities": ["IMAGE"],
                          "audio_timestamp": True, "mystery": 0},
    )  # fmt: skip
    assert sorted(pointers(conversation.unread)) == sorted([
        "/contents/0/parts/0/surprise",
        "/contents/0/parts/1/inlineData/displayName",
        "/contents/0/parts/1/videoMetadata",
        "/contents/0/parts/1/thought",
        "/contents/0/parts/1/thoughtSignature",
        "/contents/1/parts/0/functionCall/willContinue",
        "/contents/1/parts/0/partMetadata",
        "/contents/2/parts/0/functionResponse/scheduling",
        "/contents/2/parts/0/functionResponse/odd",
        "/safetySettings",
        "/cached_content",
        "/labels",
        "/unheard_of",
        "/tools/0/functionDeclarations/0/behavior",
        "/tools/0/functionDeclarations/0/response",
        "/toolConfig/retrievalConfig",
        "/generationConfig/speechConfig",
        "/generationConfig/topK",
        "/generationConfig/responseModalities",
        "/generationConfig/audio_timestamp",
        "/generationConfig/mystery",
    ])  # fmt: skip


def test_null_and_defaults_are_no_loss() -> None:
    conversation = read(
        contents=[user({"text": "a", "thought": False, "videoMetadata": None, "x": None})],
        tools=None,
        safetySettings=[],
        labels={},
        cachedContent="",
        serviceTier="unspecified",
        generationConfig={"responseModalities": ["TEXT"], "temperature": None,
                          "mediaResolution": "MEDIA_RESOLUTION_UNSPECIFIED",
                          "audioTimestamp": False, "responseMimeType": "text/plain", "responseSchema": None},
    )  # fmt: skip
    assert conversation.unread == []
    assert conversation.output is None
    assert conversation.service_tier is None


@pytest.mark.parametrize("where", [
    "contents/0", "contents/0/parts/0", "generationConfig", "tools/0", "generationConfig/thinkingConfig",
    "tools/0/functionDeclarations/0", "toolConfig", "toolConfig/functionCallingConfig", "",
])  # fmt: skip
def test_an_unknown_member_anywhere_is_a_loss_exactly_there(where: str) -> None:
    body: Any = {
        "contents": [user({"text": "a"})],
        "tools": [{"functionDeclarations": [{"name": "f"}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
        "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
    }
    assert decode_request(json.dumps(body).encode()).unread == []
    node = body
    for step in where.split("/") if where else ():
        node = node[int(step) if step.isdecimal() else step]
    node["new thing"] = {"a": 1}
    conversation = decode_request(json.dumps(body).encode())
    pointer = f"/{where}/new thing" if where else "/new thing"
    if where == "tools/0":  # a new kind of tool is no loss: it is carried as it is
        assert conversation.tools[1].raw == msgspec.Raw(b'{"new thing":{"a": 1}}')
    else:
        assert pointers(conversation.unread) == [pointer]


# ------------------------------------------------------------------------------------------------- parts


def test_media_are_told_apart_by_their_media_type() -> None:
    conversation = read(
        contents=[
            user(
                {"inlineData": {"mimeType": "image/png", "data": "a-_"}},
                {"inlineData": {"mimeType": "audio/mpeg", "data": "aaaa"}},
                {"inlineData": {"mimeType": "application/pdf", "data": "aaaa", "displayName": "a.pdf"}},
                {"fileData": {"mimeType": "image/jpeg", "fileUri": "gs://bucket/x"}},
                {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x"}},
                {"fileData": {"fileUri": "https://example.com/x.pdf", "mimeType": "application/pdf"}},
            )
        ]
    )
    at = "/contents/0/parts/"
    assert conversation.turns[0].parts == [
        Image(Media("base64", "a+/=", "image/png"), at + "0"),
        Audio(Media("base64", "aaaa", "audio/mpeg"), at + "1", format="mp3"),
        File(Media("base64", "aaaa", "application/pdf"), at + "2", filename="a.pdf"),
        Image(Media("file_id", "gs://bucket/x", "image/jpeg"), at + "3"),
        File(Media("file_id", "https://generativelanguage.googleapis.com/v1beta/files/x"), at + "4"),
        File(Media("url", "https://example.com/x.pdf", "application/pdf"), at + "5"),
    ]
    assert conversation.unread == []


@pytest.mark.parametrize(
    ("part", "tag"),
    [
        ({"executableCode": {"code": "1", "language": "PYTHON"}, "thoughtSignature": "s"}, "executableCode"),
        ({"code_execution_result": {"outcome": "OUTCOME_OK"}}, "codeExecutionResult"),
        ({"toolCall": {"toolType": "GOOGLE_SEARCH_WEB"}}, "toolCall"),
        ({"thought": True, "brandNew": {"a_b": 1}}, "brandNew"),
    ],
)
def test_a_part_of_another_kind_is_opaque(part: dict[str, Any], tag: str) -> None:
    raw = json.dumps(part).encode()
    body = b'{"contents":[{"role":"model","parts":[%b]}]}' % raw
    conversation = decode_request(body)
    assert conversation.turns[0].parts == [Opaque("gemini", tag, msgspec.Raw(raw), "/contents/0/parts/0")]
    assert conversation.unread == []


def test_thoughts_and_signatures_stay_on_their_parts() -> None:
    conversation = read(
        contents=[
            HI,
            model(
                {"text": "hm", "thought": True},
                {"text": "so", "thought": True, "thoughtSignature": "A"},
                {"text": "text"},
                {**call("f", {}), "thoughtSignature": "B"},
                {"text": "", "thoughtSignature": "C"},
                {"thoughtSignature": "D"},
            ),
        ]
    )
    at = "/contents/1/parts/"
    assert conversation.turns[1].parts == [
        Reasoning("hm", at + "0"),
        Reasoning("so", at + "1", Token("gemini", "A")),
        Text("text", at + "2"),
        ToolCall("call_gem_1_0", "f", "{}", at + "3", token=Token("gemini", "B")),
        Text("", at + "4", token=Token("gemini", "C")),
        Text("", at + "5", token=Token("gemini", "D")),
    ]


def test_a_foreign_signature_joins_the_thought_that_was_streamed_before_it() -> None:
    foreign = Token("anthropic_messages", "sig")
    conversation = read(
        contents=[
            HI,
            model({"text": "I ", "thought": True}),
            model({"text": "think", "thought": True}),
            model({"text": "", "thought": True, "thoughtSignature": carry(foreign)}),
            model({"text": "", "thought": True, "thoughtSignature": carry(foreign, redacted=True)}),
            model({"text": "Hel"}),
            model({"text": "lo"}, {"text": "again"}),
        ]
    )
    assert conversation.turns[1:] == [
        Turn(
            "assistant",
            [
                Reasoning("I think", "/contents/1/parts/0", foreign, token_at="/contents/3/parts/0/thoughtSignature"),
                Reasoning("", "/contents/4/parts/0", foreign, redacted=True),
                Text("Hello", "/contents/5/parts/0"),
                Text("again", "/contents/6/parts/1"),
            ],
            "/contents/1",
        )
    ]
    assert conversation.joined["/contents/1/parts/0"] == ["/contents/2/parts/0", "/contents/3/parts/0"]


# --------------------------------------------------------------------------------------- calls and results


def results(conversation: Conversation) -> list[tuple[str, str | None]]:
    return [
        (part.call_id, part.name) for turn in conversation.turns for part in turn.parts if isinstance(part, ToolResult)
    ]


def test_calls_without_ids_are_paired_by_name_and_order() -> None:
    conversation = read(
        contents=[
            HI,
            model(call("f", {"a": 1}), call("g"), call("f", {"a": 2})),
            user(response("f", {}), response("f", {}), response("g", {})),
            model(call("f")),
            user(response("f", {})),
        ]
    )
    calls = [part.id for turn in conversation.turns for part in turn.parts if isinstance(part, ToolCall)]
    assert calls == ["call_gem_1_0", "call_gem_1_1", "call_gem_1_2", "call_gem_3_0"]
    assert results(conversation) == [
        ("call_gem_1_0", "f"), ("call_gem_1_2", "f"), ("call_gem_1_1", "g"), ("call_gem_3_0", "f"),
    ]  # fmt: skip
    assert [turn.role for turn in conversation.turns] == ["user", "assistant", "tool", "assistant", "tool"]


def test_ids_are_kept_and_pair_before_names() -> None:
    conversation = read(
        contents=[
            model(call("f", id="x"), call("f", id="y")),
            user(response("f", {}, id="y"), response("f", {}, id="x")),
        ]
    )
    assert results(conversation) == [("y", "f"), ("x", "f")]
    assert conversation.unread == []


def test_a_response_with_an_id_of_its_own_is_paired_by_name_and_the_id_is_a_loss() -> None:
    conversation = read(contents=[model(call("f")), user(response("f", {}, id="mine"))])
    assert results(conversation) == [("call_gem_0_0", "f")]
    assert pointers(conversation.unread) == ["/contents/1/parts/0/functionResponse/id"]


def test_a_response_without_a_name_takes_the_next_call() -> None:
    conversation = read(contents=[model(call("f"), call("g")), user({"functionResponse": {"response": {}}})])
    assert results(conversation) == [("call_gem_0_0", None)]


def test_results_may_be_split_over_contents() -> None:
    conversation = read(contents=[model(call("f"), call("f")), user(response("f", {})), user(response("f", {}))])
    assert results(conversation) == [("call_gem_0_0", "f"), ("call_gem_0_1", "f")]


def test_a_response_to_no_call_keeps_its_id_or_gets_one_of_its_own() -> None:
    conversation = read(contents=[user(response("f", {}, id="z"), response("g", {}))])
    assert results(conversation) == [("z", "f"), ("call_gem_0_1", "g")]


def test_results_go_before_the_rest_of_their_content() -> None:
    conversation = read(contents=[model(call("f")), user({"text": "and"}, response("f", {"output": "x"}))])
    assert [turn.role for turn in conversation.turns] == ["assistant", "tool", "user"]
    assert pointers(conversation.unread) == ["/contents/1/parts/1"]


@pytest.mark.parametrize(
    ("given", "text", "is_error"),
    [
        ({"output": "x"}, "x", None),
        ({"error": "x"}, "x", True),
        ({"output": ""}, "", None),
        ({"result": [1]}, '{"result": [1]}', None),
        ({"output": {"a": 1}}, '{"output": {"a": 1}}', None),
        ({"error": {"a": 1}}, '{"error": {"a": 1}}', True),
        ({"error": None, "a": 1}, '{"error": null, "a": 1}', None),
        ({"output": "x", "more": 1}, '{"output": "x", "more": 1}', None),
    ],
)
def test_a_response_is_text(given: Any, text: str, is_error: bool | None) -> None:
    part = read(contents=[model(call("f")), user(response("f", given))]).turns[1].parts[0]
    assert isinstance(part, ToolResult)
    assert part.parts == [Text(text, "/contents/1/parts/0/functionResponse/response")]
    assert part.is_error is is_error


def test_a_response_may_hold_images() -> None:
    wire = response("f", {}, parts=[{"inlineData": {"mimeType": "image/png", "data": "aaaa"}}])
    part = read(contents=[model(call("f")), user(wire)]).turns[1].parts[0]
    assert isinstance(part, ToolResult)
    at = "/contents/1/parts/0/functionResponse/parts/0"
    assert part.parts == [Image(Media("base64", "aaaa", "image/png"), at)]


# ------------------------------------------------------------------------------------- tools and settings


def test_tools_of_all_kinds() -> None:
    conversation = read(
        tools=[
            {
                "functionDeclarations": [
                    {"name": "f", "description": "d", "parameters": {"type": "OBJECT"}},
                    {"name": "g"},
                ]
            },
            {"google_search": {}, "codeExecution": {}},
        ]
    )
    assert conversation.tools == [
        Tool("f", at="/tools/0/functionDeclarations/0", description="d", parameters=msgspec.Raw(b'{"type":"object"}')),
        Tool("g", at="/tools/0/functionDeclarations/1"),
        Tool("googleSearch", "hosted", at="/tools/1/google_search", raw=msgspec.Raw(b'{"googleSearch":{}}')),
        Tool("codeExecution", "hosted", at="/tools/1/codeExecution", raw=msgspec.Raw(b'{"codeExecution":{}}')),
    ]
    assert conversation.unread == []


def test_two_schemas_for_one_function_are_refused() -> None:
    declaration = {"name": "f", "parameters": {}, "parametersJsonSchema": {}}
    error = refused(tools=[{"functionDeclarations": [declaration]}])
    assert error.pointer == "/tools/0/functionDeclarations/0/parameters"


AT = "/toolConfig/functionCallingConfig"


@pytest.mark.parametrize(
    ("config", "choice", "lost"),
    [
        ({"mode": "AUTO"}, ToolChoice("auto", AT), []),
        ({"mode": "NONE"}, ToolChoice("none", AT), []),
        ({"mode": "ANY"}, ToolChoice("required", AT), []),
        ({"mode": "ANY", "allowedFunctionNames": ["f"]}, ToolChoice("named", AT, ["f"]), []),
        ({"mode": "ANY", "allowedFunctionNames": ["f", "g"]}, ToolChoice("allowed", AT, ["f", "g"], required=True), []),
        ({"mode": "VALIDATED", "allowedFunctionNames": ["f"]}, ToolChoice("allowed", AT, ["f"]), []),
        ({"mode": "VALIDATED", "allowedFunctionNames": ["gone", "g"]}, ToolChoice("allowed", AT, ["g"]),
         ["/allowedFunctionNames/0"]),
        ({"mode": "ANY", "allowedFunctionNames": ["gone", "too"]}, ToolChoice("none", AT),
         ["/allowedFunctionNames/0", "/allowedFunctionNames/1", ""]),
        ({"mode": "VALIDATED"}, ToolChoice("auto", AT), ["/mode"]),
        ({"mode": "AUTO", "allowedFunctionNames": ["f"]}, ToolChoice("auto", AT), ["/allowedFunctionNames"]),
        ({"mode": "MODE_UNSPECIFIED"}, None, []),
        ({}, None, []),
    ],
)  # fmt: skip
def test_tool_choice(config: Any, choice: ToolChoice | None, lost: list[str]) -> None:
    tools = [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}]
    conversation = read(tools=tools, toolConfig={"functionCallingConfig": config})
    assert conversation.tool_choice == choice
    assert pointers(conversation.unread) == [AT + name for name in lost]


def test_an_unknown_mode_is_refused() -> None:
    assert refused(toolConfig={"functionCallingConfig": {"mode": "MAYBE"}}).pointer == f"{AT}/mode"


def test_generation_settings() -> None:
    conversation = read(
        generationConfig={
            "temperature": 0.5, "topP": 0.9, "topK": 40, "candidateCount": 2, "maxOutputTokens": "100", "seed": 7,
            "stopSequences": ["x"], "presencePenalty": 0.1, "frequencyPenalty": 0.2, "responseLogprobs": True,
            "logprobs": 3,
        },
        serviceTier="standard",
        store=False,
    )  # fmt: skip
    assert conversation.unread == []
    found = (
        conversation.temperature, conversation.top_p, conversation.top_k, conversation.n,
        conversation.max_output_tokens, conversation.seed, conversation.stop, conversation.presence_penalty,
        conversation.frequency_penalty, conversation.logprobs, conversation.top_logprobs,
        conversation.service_tier, conversation.store,
    )  # fmt: skip
    assert found == (0.5, 0.9, 40, 2, 100, 7, ["x"], 0.1, 0.2, True, 3, "default", False)
    assert conversation.pointer("max_output_tokens") == "/generationConfig/maxOutputTokens"


@pytest.mark.parametrize("config", [{"seed": 2**31}, {"maxOutputTokens": 10**30}, {"topK": 1e300}])
def test_a_number_that_google_has_no_bits_for_is_refused(config: dict[str, float]) -> None:
    assert refused(generationConfig=config).pointer == f"/generationConfig/{next(iter(config))}"


THINKING = "/generationConfig/thinkingConfig"


@pytest.mark.parametrize(
    ("config", "reasoning"),
    [
        ({"thinkingLevel": "HIGH", "includeThoughts": True}, ReasoningRequest("high", THINKING, show=True)),
        ({"thinkingLevel": "XHIGH"}, ReasoningRequest("xhigh", THINKING)),
        ({"thinkingBudget": 0}, ReasoningRequest("none", THINKING, mode="disabled")),
        ({"thinkingBudget": -1}, ReasoningRequest(None, THINKING, mode="adaptive")),
        ({"thinkingBudget": 5000}, ReasoningRequest("high", THINKING, mode="enabled", budget_tokens=5000)),
        ({"includeThoughts": False}, ReasoningRequest(at=THINKING, show=False)),
        ({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}, None),
        ({}, None),
    ],
)
def test_thinking(config: Any, reasoning: ReasoningRequest | None) -> None:
    assert read(generationConfig={"thinkingConfig": config}).reasoning == reasoning


def test_a_budget_and_a_level_exclude_each_other() -> None:
    config = {"thinkingConfig": {"thinkingLevel": "LOW", "thinkingBudget": 1}}
    assert refused(generationConfig=config).pointer == f"{THINKING}/thinkingBudget"


@pytest.mark.parametrize(
    ("config", "kind", "schema", "at", "lost"),
    [
        ({"responseMimeType": JSON}, "json_object", None, "responseMimeType", []),
        ({"responseMimeType": JSON, "responseJsonSchema": {"a": 1}}, "json_schema", b'{"a": 1}',
         "responseJsonSchema", []),
        ({"responseMimeType": JSON, "responseSchema": {"type": "STRING"}}, "json_schema", b'{"type":"string"}',
         "responseSchema", []),
        ({"responseFormat": [{"text": {"mimeType": JSON, "schema": {}}}]}, "json_schema", b"{}",
         "responseFormat/0/text/schema", []),
        ({"responseJsonSchema": {}}, "json_schema", b"{}", "responseJsonSchema", []),
        ({"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["a"]}}, "json_schema",
         b'{"type":"string","enum":["a"]}', "responseSchema", ["responseMimeType"]),
        ({"responseMimeType": "text/x.enum"}, None, None, None, ["responseMimeType"]),
        ({"responseFormat": [{"text": {"mimeType": "APPLICATION_JSON"}}]}, "json_object", None,
         "responseFormat/0/text/mimeType", []),
        ({"responseFormat": [{"text": {"mimeType": "text/csv"}}]}, None, None, None,
         ["responseFormat/0/text/mimeType"]),
    ],
)  # fmt: skip
def test_output(config: Any, kind: Any, schema: bytes | None, at: str, lost: list[str]) -> None:
    conversation = read(generationConfig=config)
    wanted = None
    if kind is not None:
        wanted = OutputFormat(kind, f"/generationConfig/{at}", schema=None if schema is None else msgspec.Raw(schema))
    assert conversation.output == wanted
    assert pointers(conversation.unread) == [f"/generationConfig/{name}" for name in lost]


# ------------------------------------------------------------------------------------------------- laws

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = st.sampled_from([
    "contents", "parts", "role", "text", "functionCall", "function_response", "args", "name", "response", "inlineData",
    "mime_type", "tools", "functionDeclarations", "generationConfig", "thinkingConfig", "topK", "thoughtSignature",
    "systemInstruction", "toolConfig", "functionCallingConfig", "mode", "parameters", "responseFormat",
])  # fmt: skip
SHAPED = st.recursive(
    ANYTHING | st.sampled_from(["user", "model", "AUTO", {}, [], ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=40) | SHAPED.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_raise_anything_but_invalid_request(body: bytes) -> None:
    try:
        decode_request(body, model="m")
    except InvalidRequest:
        pass


@given(SHAPED)
def test_no_contents_raise_anything_but_invalid_request(value: Any) -> None:
    body = {
        "contents": [HI, {"role": "model", "parts": [value]}, {"parts": [value]}],
        "tools": [value],
        "toolConfig": value,
    }
    try:
        decode_request(json.dumps(body).encode(), model="m")
    except InvalidRequest:
        pass
