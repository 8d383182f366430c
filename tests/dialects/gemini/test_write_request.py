from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.dialects.readers import placeless
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
from trio_gateway.dialects.gemini import decode_request, encode_request
from trio_gateway.dialects.gemini.tokens import SKIP_SIGNATURE
from trio_gateway.dialects.gemini.write_contents import has_inexact_integer
from trio_gateway.errors import InvalidRequest

Valid = Callable[[bytes], dict[str, Any]]

CAN = Capabilities()
GEMINI_3 = capabilities_for("gemini", "gemini-3-pro")
GEMINI_25 = capabilities_for("gemini", "gemini-2.5-flash")
RAW = msgspec.Raw
HI = Turn("user", [Text("hi", "/m/0")], "/m/0")
OWN = Token("gemini", "c2ln")
FOREIGN = Token("anthropic_messages", "sig")


def conversation(*turns: Turn, **fields: Any) -> Conversation:
    return Conversation(source=fields.pop("source", "openai_chat"), model="m", turns=list(turns) or [HI], **fields)


def written(wanted: Conversation, can: Capabilities = CAN) -> tuple[dict[str, Any], list[str]]:
    body, losses = encode_request(wanted, "m", can)
    return json.loads(body), [loss.pointer for loss in losses]


def contents(*turns: Turn, can: Capabilities = CAN) -> tuple[list[Any], list[str]]:
    body, lost = written(conversation(*turns), can)
    return body["contents"], lost


def assistant(*parts: Part, at: str = "/m/1") -> Turn:
    return Turn("assistant", list(parts), at)


def tool(*parts: Part, at: str = "/m/2") -> Turn:
    return Turn("tool", list(parts), at)


def call(id_: str, name: str = "f", arguments: str = "{}", **more: Any) -> ToolCall:
    return ToolCall(id_, name, arguments, f"/calls/{id_}", **more)


def result(id_: str, *texts: str, **more: Any) -> ToolResult:
    return ToolResult(id_, [Text(text, "/t") for text in texts], f"/results/{id_}", **more)


# --------------------------------------------------------------------------------------------------- turns


def test_the_model_and_the_stream_are_not_in_the_body() -> None:
    body, lost = written(conversation(HI, stream=True))
    assert body == {"contents": [{"parts": [{"text": "hi"}], "role": "user"}]}
    assert lost == []


def test_what_was_unread_is_the_first_of_the_losses() -> None:
    unread = Loss("/odd", "why")
    assert encode_request(conversation(HI, unread=[unread], user="u"), "m", CAN)[1][0] == unread


def test_instructions_go_to_the_beginning_wherever_they_stood() -> None:
    body, lost = written(
        conversation(
            Turn("system", [Text("a", "/m/0")], "/m/0"),
            Turn("developer", [Text("b", "/m/1")], "/m/1"),
            HI,
            Turn("system", [Text("c", "/m/3"), Image(Media("url", "x"), "/m/3/1")], "/m/3"),
        )
    )
    assert body["systemInstruction"] == {"parts": [{"text": "a"}, {"text": "b"}, {"text": "c"}]}
    assert len(body["contents"]) == 1
    assert lost == ["/m/1", "/m/1", "/m/3", "/m/3/1"]


def test_one_system_turn_at_the_beginning_is_carried_whole() -> None:
    assert written(conversation(Turn("system", [Text("a")], "/m/0"), HI))[1] == []


@pytest.mark.parametrize("turns", [[Turn("system", [Text("a")])], [Turn("user", [])], [assistant(Text(""))]])
def test_nothing_to_answer_is_refused(turns: list[Turn]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        encode_request(conversation(*turns, pointers={"turns": "/messages"}), "m", CAN)
    assert caught.value.pointer == "/messages"


def test_empty_texts_and_empty_turns_are_left_out_and_said() -> None:
    found, lost = contents(
        HI, assistant(Text("", "/m/1/0"), call("a")), tool(result("a", "x")), Turn("user", [], "/m/3")
    )
    assert [len(content["parts"]) for content in found] == [1, 1, 1]
    assert lost == ["/m/1/0", "/m/3"]


def test_names_and_phases_are_losses() -> None:
    turn = Turn("user", [Text("a")], "/m/0", name="joe", phase="commentary")
    assert contents(turn)[1] == ["/m/0/name", "/m/0/phase"]


def test_a_call_right_after_the_model_s_own_turn_joins_it() -> None:
    found, lost = contents(HI, assistant(Text("a")), assistant(call("a"), at="/m/2"), tool(result("a", "x")))
    assert [content["role"] for content in found] == ["user", "model", "user"]
    assert len(found[1]["parts"]) == 2
    assert lost == ["/m/2"]


def test_two_turns_of_the_model_without_calls_stay_two_contents() -> None:
    found, lost = contents(HI, assistant(Text("a")), assistant(Text("b"), at="/m/2"))
    assert [content["role"] for content in found] == ["user", "model", "model"]
    assert lost == ["/m/2"]


# ------------------------------------------------------------------------------------- calls and responses


def test_calls_and_results_are_grouped_and_keep_their_ids(valid_request: Valid) -> None:
    body, losses = encode_request(
        conversation(
            HI,
            assistant(call("x", "f", '{ "a" : 1.50 }'), call("y", "g", "")),
            tool(result("x", "sunny")),
            tool(result("y", '{"a":1}')),
            Turn("user", [Text("and?")]),
        ),
        "m",
        CAN,
    )
    assert valid_request(body)["contents"][1:3] == [
        {
            "role": "model",
            "parts": [
                {"functionCall": {"id": "x", "name": "f", "args": {"a": 1.5}}},
                {"functionCall": {"id": "y", "name": "g", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "x", "name": "f", "response": {"output": "sunny"}}},
                {"functionResponse": {"id": "y", "name": "g", "response": {"a": 1}}},
            ],
        },
    ]
    assert b'"args":{ "a" : 1.50 }' in body
    assert losses == []


def test_a_synthesised_id_is_not_sent_and_order_pairs() -> None:
    found, lost = contents(
        HI,
        assistant(call("call_gem_1_0"), call("call_gem_1_1")),
        tool(result("call_gem_1_1", "second"), result("call_gem_1_0", "first")),
    )
    assert [part["functionResponse"]["response"]["output"] for part in found[2]["parts"]] == ["first", "second"]
    assert all("id" not in part["functionCall"] for part in found[1]["parts"])
    assert all("id" not in part["functionResponse"] for part in found[2]["parts"])
    assert lost == ["/results/call_gem_1_1"]


def test_there_are_as_many_responses_as_calls() -> None:
    found, lost = contents(
        HI,
        assistant(call("a"), call("b")),
        tool(result("b", "x"), result("b", "again"), result("unknown", "y")),
        Turn("user", [Text("go on")]),
    )
    parts = [part["functionResponse"] for part in found[2]["parts"]]
    assert [part["id"] for part in parts] == ["a", "b"]
    assert "error" in parts[0]["response"]
    assert lost == ["/results/b", "/results/unknown", "/calls/a"]


def test_calls_that_nobody_answered_are_answered_with_an_error_before_something_else_follows() -> None:
    found, lost = contents(HI, assistant(call("a")), Turn("user", [Text("never mind")]))
    assert [content["role"] for content in found] == ["user", "model", "user", "user"]
    assert lost == ["/calls/a"]


def test_calls_at_the_very_end_wait_for_their_results() -> None:
    found, lost = contents(HI, assistant(call("a")))
    assert len(found) == 2
    assert lost == []


def test_results_without_any_call_are_left_out_and_said() -> None:
    found, lost = contents(tool(result("a", "x")), HI)
    assert len(found) == 1
    assert lost == ["/results/a"]


def test_results_inside_a_user_turn_are_found() -> None:
    found, lost = contents(HI, assistant(call("a")), Turn("user", [Text("t"), result("a", "x")], "/m/2"))
    assert [list(content["parts"][0]) for content in found[2:]] == [["functionResponse"], ["text"]]
    assert lost == ["/results/a"]


@pytest.mark.parametrize(
    ("parts", "is_error", "response", "lost"),
    [
        (["x"], None, {"output": "x"}, []),
        (["x"], False, {"output": "x"}, []),
        (["x"], True, {"error": "x"}, []),
        ([], None, {}, []),
        ([], True, {"error": ""}, []),
        (["[1]"], None, {"output": "[1]"}, []),
        (['{"a":1}'], None, {"a": 1}, []),
        (['{"a":1}'], True, {"error": '{"a":1}'}, []),
        (['{"output":"x"}'], None, {"output": '{"output":"x"}'}, []),
        (['{"error":"x"}'], None, {"output": '{"error":"x"}'}, []),
        (['{"error":{"a":1}}'], True, {"error": {"a": 1}}, []),
        (['{"error":{"a":1}}'], None, {"output": '{"error":{"a":1}}'}, []),
        (["{}"], None, {"output": "{}"}, []),
        (['{"a":1}{'], None, {"output": '{"a":1}{'}, []),
        (["a", "b"], None, {"output": "a\nb"}, ["/results/a"]),
    ],
)
def test_a_result_is_an_object(parts: list[str], is_error: bool | None, response: Any, lost: list[str]) -> None:
    found, losses = contents(HI, assistant(call("a")), tool(result("a", *parts, is_error=is_error)))
    assert found[2]["parts"][0]["functionResponse"]["response"] == response
    assert losses == lost


OBJECTS = st.recursive(
    st.none() | st.booleans() | st.text(max_size=2),
    lambda inner: st.dictionaries(st.sampled_from(["output", "error", "a"]), inner),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | OBJECTS.map(json.dumps)


@given(TEXTS, st.sampled_from([None, True]))
@example('{"output":""}', None)
@example("{ }", None)
def test_a_result_s_text_comes_back(text: str, is_error: bool | None) -> None:
    body, losses = encode_request(
        conversation(HI, assistant(call("a")), tool(result("a", text, is_error=is_error))), "m", CAN
    )
    part = decode_request(body).turns[2].parts[0]
    assert isinstance(part, ToolResult)
    assert (part.parts[0].text, part.is_error) == (text, is_error)  # type: ignore[union-attr]  # a Text
    assert losses == []


def test_images_of_a_result_go_beside_its_object(valid_request: Valid) -> None:
    image = Image(Media("base64", "aGk=", "image/png"), "/i")
    body, losses = encode_request(
        conversation(HI, assistant(call("a")), tool(ToolResult("a", [Text("see"), image], "/r"))), "m", CAN
    )
    assert valid_request(body)["contents"][2]["parts"][0]["functionResponse"] == {
        "id": "a",
        "name": "f",
        "response": {"output": "see"},
        "parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}],
    }
    assert losses == []


@pytest.mark.parametrize(
    "arguments", ['"x"', "[1]", "null", "3", "{", '{"a":1}{"b":2}', '{"a":', "nonsense", '{"a":"\ud800"}']
)
def test_arguments_that_are_no_object_are_wrapped_and_said(arguments: str) -> None:
    found, lost = contents(HI, assistant(call("a", "f", arguments)))
    args = found[1]["parts"][0]["functionCall"]["args"]
    assert list(args) == ["arguments"]
    assert lost == ["/calls/a"]


@pytest.mark.parametrize("arguments", ["", "  ", "{}"])
def test_no_arguments_are_the_empty_object(arguments: str) -> None:
    found, lost = contents(HI, assistant(call("a", "f", arguments)))
    assert found[1]["parts"][0]["functionCall"]["args"] == {}
    assert lost == []


@pytest.mark.parametrize(
    ("arguments", "inexact"),
    [
        (b'{"a":9007199254740993}', True),
        (b'{"a":[{"b":-9007199254740993}]}', True),
        (b'{"a":9007199254740992}', False),
        (b'{"a":"9007199254740993"}', False),
        (b'{"a":1e400}', True),
        (b'{"a":1%b}' % (b"0" * 400), True),
        (b'{"a":1}', False),
    ],
)
def test_an_integer_that_no_double_holds_is_noticed(arguments: bytes, inexact: bool) -> None:
    assert has_inexact_integer(arguments) is inexact
    if inexact and b"1e400" not in arguments:
        assert contents(HI, assistant(call("a", "f", arguments.decode())))[1] == ["/calls/a"]


# ------------------------------------------------------------------------------------ thoughts and tokens


def test_google_s_tokens_go_back_byte_for_byte_and_nobody_else_s() -> None:
    found, lost = contents(
        HI,
        assistant(
            Reasoning("a", "/0", OWN),
            Reasoning("b", "/1", FOREIGN),
            Reasoning("", "/2", FOREIGN),
            Reasoning("", "/3", FOREIGN, redacted=True),
            Text("c", "/4", token=OWN),
            Text("d", "/5", token=FOREIGN),
            Text("", "/6", token=OWN),
            call("x", token=OWN),
            call("y", token=FOREIGN),
        ),
    )
    assert found[1]["parts"] == [
        {"text": "a", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "b", "thought": True},
        {"text": "c", "thoughtSignature": "c2ln"},
        {"text": "d"},
        {"text": "", "thoughtSignature": "c2ln"},
        {"functionCall": {"id": "x", "name": "f", "args": {}}, "thoughtSignature": "c2ln"},
        {"functionCall": {"id": "y", "name": "f", "args": {}}},
    ]
    assert lost == [
        "/1/signature", "/2/signature", "/2", "/3/data", "/3", "/5/signature",
        "/calls/y/extra_content/google/thought_signature",
    ]  # fmt: skip


def test_the_first_call_of_a_step_has_a_signature_where_the_model_insists() -> None:
    turns = [
        HI,
        assistant(call("a"), call("b")),
        tool(result("a", "x"), result("b", "x")),
        assistant(call("c", token=OWN), call("d")),
    ]
    assert GEMINI_3.thought_signatures
    found, lost = contents(*turns, can=GEMINI_3)
    signatures = [
        part.get("thoughtSignature") for content in found for part in content["parts"] if "functionCall" in part
    ]
    assert signatures == [SKIP_SIGNATURE, None, "c2ln", None]
    assert lost == []
    assert SKIP_SIGNATURE not in json.dumps(contents(*turns, can=GEMINI_25))


# -------------------------------------------------------------------------------------------------- media


PNG = Media("base64", "aGk=", "image/png")


@pytest.mark.parametrize(
    ("part", "data", "lost"),
    [
        (Image(PNG, "/p"), ("image/png", "aGk="), []),
        (Image(PNG, "/p", "auto"), ("image/png", "aGk="), []),
        (Image(PNG, "/p", "high"), ("image/png", "aGk="), ["/p/image_url/detail"]),
        (Image(Media("base64", "/9j/xx=="), "/p"), ("image/jpeg", "/9j/xx=="), []),
        (Audio(Media("base64", "a"), "/p", "wav"), ("audio/wav", "a"), []),
        (File(Media("base64", "JVBERi0x"), "/p", "a.pdf"), ("application/pdf", "JVBERi0x"),
         ["/p/file/filename"]),
        (File(Media("text", "hi"), "/p"), ("text/plain", "aGk="), ["/p"]),
    ],
)  # fmt: skip
def test_media_inside_the_request(part: Part, data: tuple[str, str], lost: list[str]) -> None:
    found, losses = contents(Turn("user", [part]))
    assert found[0]["parts"] == [{"inlineData": {"mimeType": data[0], "data": data[1]}}]
    assert losses == lost


@pytest.mark.parametrize(
    ("part", "data", "lost"),
    [
        (Image(Media("url", "https://e.x/a.PNG"), "/p"), {"fileUri": "https://e.x/a.PNG", "mimeType": "image/png"}, []),
        (Image(Media("file_id", "gs://b/x", "image/png"), "/p"), {"fileUri": "gs://b/x", "mimeType": "image/png"}, []),
        (File(Media("url", "https://youtu.be/x"), "/p", context="c"), {"fileUri": "https://youtu.be/x"}, ["/p"]),
    ],
)
def test_media_elsewhere(part: Part, data: Any, lost: list[str]) -> None:
    found, losses = contents(Turn("user", [part]))
    assert found[0]["parts"] == [{"fileData": data}]
    assert losses == lost


@pytest.mark.parametrize(
    "part",
    [
        Image(Media("url", "https://example.com/a.png"), "/p"),
        Image(Media("file_id", "file-abc"), "/p"),
        File(Media("url", "https://example.com/a.pdf"), "/p"),
        File(Media("file_id", "file-abc"), "/p"),
    ],
)
def test_what_google_cannot_get_at_has_to_be_inlined(part: Part) -> None:
    with pytest.raises(InvalidRequest, match="send it inline, as base64") as caught:
        contents(Turn("user", [part]), can=GEMINI_3)
    assert caught.value.pointer == "/p"


def test_a_media_type_that_nobody_knows_is_asked_for() -> None:
    with pytest.raises(InvalidRequest) as caught:
        contents(Turn("user", [File(Media("base64", "AAAA"), "/p")]))
    assert caught.value.pointer == "/p"


def test_what_a_model_cannot_take_is_left_out_and_said() -> None:
    media = Media("base64", "a", "x/y")
    turn = Turn("user", [Text("t"), Image(media, "/i"), Audio(media, "/a"), File(media, "/f")])
    found, lost = contents(turn, can=Capabilities(images=False, audio=False, files=False))
    assert found == [{"parts": [{"text": "t"}], "role": "user"}]
    assert lost == ["/i", "/a", "/f"]


def test_other_parts() -> None:
    found, lost = contents(
        HI,
        assistant(
            Refusal("no", "/r"),
            Opaque("gemini", "executableCode", RAW(b'{"executableCode":{"code":"1"}}'), "/own"),
            Opaque("anthropic_messages", "server_tool_use", RAW(b"{}"), "/foreign"),
            Text("t", "/t", CacheMark(), [RAW(b"{}")]),
            Reasoning("r", "/thought", id="rs_1"),
            ToolCall("a", "f", "{}", "/call", cache=CacheMark(), item_id="fc_1"),
        ),
    )
    assert found[1]["parts"][:3] == [{"text": "no"}, {"executableCode": {"code": "1"}}, {"text": "t"}]
    assert lost == ["/r", "/foreign", "/t", "/t/annotations", "/thought/id", "/call", "/call/id"]


# ------------------------------------------------------------------------------------- tools and settings


def test_tools_keep_their_schemas_bytes(valid_request: Valid) -> None:
    schema = RAW(b'{"type": "object", "properties": {"b": {"const": 1.0}}, "$defs": {}}')
    tools = [Tool("f", at="/t/0", description="d", parameters=schema), Tool("g", parameters=RAW(b"null"))]
    body, losses = encode_request(conversation(HI, tools=tools), "m", CAN)
    assert bytes(schema) in body
    assert valid_request(body)["tools"] == [
        {"functionDeclarations": [
            {"name": "f", "description": "d", "parametersJsonSchema": json.loads(bytes(schema))},
            {"name": "g"},
        ]}
    ]  # fmt: skip
    assert losses == []


def test_tools_that_gemini_has_no_word_for() -> None:
    tools = [
        Tool("free", "custom", "/t/0", format=RAW(b"{}")),
        Tool("web_search", "hosted", "/t/1", raw=RAW(b"{}")),
        Tool("odd", at="/t/2", strict=True, cache=CacheMark()),
        Tool("x", at="/t/3", strict=False),
    ]
    body, lost = written(conversation(HI, tools=tools))
    names = [one["name"] for one in body["tools"][0]["functionDeclarations"]]
    assert names == ["free-x0_", "odd", "x"]
    assert sorted(set(lost)) == ["/t/0", "/t/0/custom/format", "/t/1", "/t/2", "/t/2/function/strict"]
    body, lost = written(conversation(HI, tools=tools), Capabilities(tools=False))
    assert "tools" not in body
    assert lost == ["/t/0", "/t/1", "/t/2", "/t/3"]


def test_a_hosted_tool_of_google_s_own_goes_back_as_it_was() -> None:
    tools = [Tool("googleSearch", "hosted", raw=RAW(b'{"googleSearch":{ }}'))]
    body, losses = encode_request(conversation(HI, tools=tools, source="gemini"), "m", CAN)
    assert b'"tools":[{"googleSearch":{ }}]' in body
    assert losses == []


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (ToolChoice("auto"), {"mode": "AUTO"}),
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("required"), {"mode": "ANY"}),
        (ToolChoice("named", names=["f"]), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice("allowed", names=["f", "g"]), {"mode": "VALIDATED", "allowedFunctionNames": ["f", "g"]}),
        (ToolChoice("allowed", names=["f", "g"], required=True), {"mode": "ANY", "allowedFunctionNames": ["f", "g"]}),
    ],
)
def test_tool_choice_comes_back(choice: ToolChoice, config: Any, valid_request: Valid) -> None:
    tools = [Tool("f"), Tool("g")]
    body, losses = encode_request(conversation(HI, tools=tools, tool_choice=choice), "m", CAN)
    assert valid_request(body)["toolConfig"] == {"functionCallingConfig": config}
    assert losses == []
    back = decode_request(body).tool_choice
    assert back is not None
    assert (back.mode, back.names, back.required) == (choice.mode, choice.names, choice.required)


def test_a_choice_without_functions_is_a_loss_where_it_asks_for_something() -> None:
    assert written(conversation(HI, tool_choice=ToolChoice("required", "/c")))[1] == ["/c"]
    assert written(conversation(HI, tool_choice=ToolChoice("none", "/c"))) == (written(conversation(HI))[0], [])


def test_settings_are_carried_exactly(valid_request: Valid) -> None:
    fields: dict[str, Any] = {
        "temperature": 0.25, "top_p": 0.5, "top_k": 3, "n": 2, "max_output_tokens": 10, "seed": 5, "stop": ["x"],
        "presence_penalty": 0.5, "frequency_penalty": -0.5, "logprobs": True, "top_logprobs": 2, "store": True,
        "service_tier": "flex", "parallel_tool_calls": True,
    }  # fmt: skip
    body, losses = encode_request(conversation(HI, **fields), "m", CAN)
    assert losses == []
    assert valid_request(body)["generationConfig"] == {
        "temperature": 0.25, "topP": 0.5, "topK": 3, "candidateCount": 2, "maxOutputTokens": 10, "stopSequences": ["x"],
        "seed": 5, "presencePenalty": 0.5, "frequencyPenalty": -0.5, "responseLogprobs": True, "logprobs": 2,
    }  # fmt: skip
    back = decode_request(body)
    for field, value in fields.items():
        if field != "parallel_tool_calls":
            assert getattr(back, field) == value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("parallel_tool_calls", False), ("min_p", 0.1), ("logit_bias", RAW(b"{}")), ("verbosity", "low"), ("user", "u"),
        ("metadata", RAW(b"{}")), ("cache", CacheMark()), ("cache_key", "k"), ("keep_alive", RAW(b"1")),
        ("temperature", 3.0), ("seed", 2**40), ("service_tier", "scale"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_carried_is_a_loss_at_its_pointer(field: str, value: Any) -> None:
    _, lost = written(conversation(HI, pointers={field: "/where"}, **{field: value}))
    assert lost == ["/where"]


def test_what_a_model_refuses_is_left_out() -> None:
    fields: dict[str, Any] = {"temperature": 1.0, "top_p": 0.5, "top_k": 1, "stop": ["x"], "max_output_tokens": 100}
    can = Capabilities(sampling="none", stop_sequences=False, max_output_tokens=10)
    body, lost = written(conversation(HI, **fields), can)
    assert body["generationConfig"] == {"maxOutputTokens": 10}
    assert sorted(lost) == ["/max_output_tokens", "/stop", "/top_k", "/top_p"]
    body, lost = written(conversation(HI, temperature=0.5, top_p=0.5), Capabilities(sampling="one"))
    assert body["generationConfig"] == {"temperature": 0.5}
    assert lost == ["/top_p"]


@pytest.mark.parametrize(
    ("output", "config", "lost"),
    [
        (OutputFormat("text", "/o"), None, []),
        (OutputFormat("json_object", "/o"), {"responseMimeType": "application/json"}, []),
        (OutputFormat("json_schema", "/o", schema=RAW(b'{"a":1}')),
         {"responseMimeType": "application/json", "responseJsonSchema": {"a": 1}}, []),
        (OutputFormat("json_schema", "/o", "n", RAW(b"{}"), strict=True),
         {"responseMimeType": "application/json", "responseJsonSchema": {}},
         ["/o/json_schema/name", "/o/json_schema/strict"]),
        (OutputFormat("json_schema", "/o"), {"responseMimeType": "application/json"}, ["/o"]),
    ],
)  # fmt: skip
def test_output(output: OutputFormat, config: Any, lost: list[str]) -> None:
    body, losses = written(conversation(HI, output=output))
    assert body.get("generationConfig") == config
    assert losses == lost


def test_a_model_without_structured_output_is_not_asked_for_it() -> None:
    can = Capabilities(structured_output=False)
    assert written(conversation(HI, output=OutputFormat("json_object", "/o")), can) == (
        written(conversation(HI))[0],
        ["/o"],
    )


NO_THOUGHTS = Capabilities(efforts=frozenset())


@pytest.mark.parametrize(
    ("can", "reasoning", "config", "lost"),
    [
        (GEMINI_3, ReasoningRequest("high", "/r", show=True), {"thinkingLevel": "HIGH", "includeThoughts": True}, 0),
        (GEMINI_3, ReasoningRequest("max", "/r"), {"thinkingLevel": "XHIGH"}, 1),
        (GEMINI_3, ReasoningRequest("none", "/r"), {"thinkingLevel": "MINIMAL"}, 1),
        (GEMINI_3, ReasoningRequest("odd", "/r"), None, 1),
        (GEMINI_3, ReasoningRequest("high", "/r", mode="enabled", budget_tokens=5000), {"thinkingLevel": "HIGH"}, 1),
        (GEMINI_3, ReasoningRequest("high", "/r", mode="adaptive"), {"thinkingLevel": "HIGH"}, 1),
        (GEMINI_3, ReasoningRequest(at="/r", mode="adaptive"), None, 1),
        (GEMINI_3, ReasoningRequest(at="/r", mode="between_tools"), None, 1),
        (GEMINI_3, ReasoningRequest(at="/r", show=False), {"includeThoughts": False}, 0),
        (GEMINI_25, ReasoningRequest("none", "/r"), {"thinkingBudget": 0}, 0),
        (GEMINI_25, ReasoningRequest("none", "/r", mode="disabled"), {"thinkingBudget": 0}, 0),
        (GEMINI_25, ReasoningRequest("low", "/r"), {"thinkingBudget": 1024}, 0),
        (GEMINI_25, ReasoningRequest("minimal", "/r"), {"thinkingBudget": 1024}, 1),
        (GEMINI_25, ReasoningRequest("xhigh", "/r"), {"thinkingBudget": 4096}, 1),
        (GEMINI_25, ReasoningRequest("high", "/r", mode="enabled", budget_tokens=5000), {"thinkingBudget": 5000}, 0),
        (GEMINI_25, ReasoningRequest(at="/r", mode="adaptive"), {"thinkingBudget": -1}, 0),
        (NO_THOUGHTS, ReasoningRequest("high", "/r", show=True), None, 1),
        (NO_THOUGHTS, ReasoningRequest("none", "/r"), None, 0),
    ],
)
def test_thinking(can: Capabilities, reasoning: ReasoningRequest, config: Any, lost: int) -> None:
    body, losses = written(conversation(HI, reasoning=reasoning), can)
    assert body.get("generationConfig", {}).get("thinkingConfig") == config
    assert losses == ["/r"] * lost


# --------------------------------------------------------------------------------------------------- laws

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
ARGUMENTS = st.sampled_from(["{}", "", '{"a":1}', '{ "b": [1.0] }', "[1]", "{", '"x"'])
TOKENS = st.none() | st.sampled_from([OWN, FOREIGN])
USER_PARTS = st.one_of(
    WORDS.map(Text),
    st.just(Image(Media("base64", "aGk=", "image/png"))),
    st.just(File(Media("base64", "aGk=", "application/pdf"))),
    st.just(Opaque("openai_chat", "x", RAW(b"{}"))),
)
IDS = st.sampled_from(["a", "b", "call_gem_1_0", "c/d"])
MODEL_PARTS = st.one_of(
    st.builds(Text, WORDS, token=TOKENS),
    st.builds(Reasoning, WORDS, token=TOKENS, redacted=st.booleans()),
    st.builds(ToolCall, IDS, st.sampled_from(["f", "g", "1 x"]), ARGUMENTS, custom=st.booleans(), token=TOKENS),
    WORDS.map(Refusal),
)
RESULTS = st.builds(ToolResult, IDS, st.lists(WORDS.map(Text), max_size=2), is_error=st.none() | st.booleans())
TURNS = st.lists(
    st.one_of(
        st.builds(Turn, st.sampled_from(["system", "developer"]), st.lists(WORDS.map(Text), max_size=2)),
        st.builds(Turn, st.just("user"), st.lists(USER_PARTS, max_size=3)),
        st.builds(Turn, st.just("assistant"), st.lists(MODEL_PARTS, max_size=4)),
        st.builds(Turn, st.just("tool"), st.lists(RESULTS, min_size=1, max_size=3)),
    ),
    max_size=6,
).map(lambda turns: [HI, *turns])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TURNS, st.sampled_from([CAN, GEMINI_3, GEMINI_25]))
def test_every_history_becomes_a_request_that_google_s_types_take(
    valid_request: Valid, turns: list[Turn], can: Capabilities
) -> None:
    body, _ = encode_request(conversation(*turns), "m", can)
    request = valid_request(body)
    calls = 0
    for content in request["contents"]:
        assert content["parts"]
        responses = sum("functionResponse" in part for part in content["parts"])
        assert responses in (0, calls)
        assert not calls or responses == calls
        calls = sum("functionCall" in part for part in content["parts"])


@given(TURNS)
def test_a_second_trip_changes_nothing_more(turns: list[Turn]) -> None:
    once = decode_request(encode_request(conversation(*turns), "m", CAN)[0])
    assert once.unread == []
    body, losses = encode_request(once, "m", CAN)
    twice = decode_request(body)
    assert numbered(placeless(twice)) == numbered(placeless(once))
    assert losses == []


def numbered(said: Conversation) -> Conversation:
    """Return a conversation with its calls' ids in their order: those made up are of places, which joining moves."""
    numbers: dict[str, str] = {}
    for turn in said.turns:
        for part in turn.parts:
            if isinstance(part, ToolCall):
                part.id = numbers.setdefault(part.id, str(len(numbers)))
            elif isinstance(part, ToolResult):
                part.call_id = numbers.setdefault(part.call_id, str(len(numbers)))
    return said


@given(TURNS)
def test_a_trip_without_losses_gives_the_same_turns(turns: list[Turn]) -> None:
    body, losses = encode_request(conversation(*turns), "m", CAN)
    if not losses:
        back = decode_request(body).turns
        sent = [part for turn in turns for part in turn.parts]
        found = [part for turn in back for part in turn.parts]
        assert [type(part) for part in found] == [type(part) for part in sent]
        for before, after in zip(sent, found, strict=True):
            if isinstance(before, Text | Reasoning):
                assert (before.text, before.token) == (after.text, after.token)  # type: ignore[union-attr]  # same type
            elif isinstance(before, ToolCall) and isinstance(after, ToolCall):
                assert (before.name, before.custom) == (after.name, after.custom)
                assert (before.arguments or ("" if before.custom else "{}")) == after.arguments


@given(TURNS, st.integers(1, 6))
def test_a_longer_history_begins_with_the_bytes_of_the_shorter(turns: list[Turn], length: int) -> None:
    shorter = [turn for turn in turns[:length] if turn.role in ("user", "assistant")]
    # Whole steps only: results that are still to come complete their content, and the model may go on.
    shorter = [turn for turn in shorter if not any(isinstance(part, ToolCall) for part in turn.parts)]
    longer = [*shorter, Turn("user", [Text("more")])]
    head = json.loads(encode_request(conversation(*shorter), "m", CAN)[0])["contents"]
    assert json.loads(encode_request(conversation(*longer), "m", CAN)[0])["contents"][: len(head)] == head


@given(TURNS)
def test_foreign_tokens_never_go_to_google(turns: list[Turn]) -> None:
    body, _ = encode_request(conversation(*turns), "m", CAN)
    assert FOREIGN.value not in [
        part.get("thoughtSignature") for content in json.loads(body)["contents"] for part in content["parts"]
    ]


def test_an_effort_beside_a_budget_is_named_where_the_budget_alone_is_told() -> None:
    wanted = ReasoningRequest("low", "/thinking", mode="enabled", budget_tokens=1024)
    pieces = {"/thinking": ["/output_config/effort"]}
    asked = conversation(HI, reasoning=wanted, joined=pieces, source="anthropic_messages")
    body, lost = written(asked, Capabilities(reasoning_by="budget"))
    assert body["generationConfig"]["thinkingConfig"] == {"thinkingBudget": 1024}
    assert lost == ["/output_config/effort"]
